//! A machine: a processor, a kernel, bgexec and a guest for that processor; and a boot of it.

use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Once, mpsc};
use std::time::{Duration, Instant};
use std::{env, fs, thread};

use crate::archive::Archive;
use crate::said::Said;

/// How long a boot may take, on a machine that is busy with others.
const DEADLINE: Duration = Duration::from_secs(180);

pub struct Machine {
    emulator: &'static [&'static str],
    console: &'static str,
    serial: [u32; 2],
    kernel: PathBuf,
    pub bgexec: PathBuf,
    guest: PathBuf,
}

/// The file that a variable names.
pub fn named(variable: &str) -> PathBuf {
    let path = env::var_os(variable).filter(|path| !path.is_empty());
    path.unwrap_or_else(|| panic!("{variable} names no file")).into()
}

/// Whether anything names what a boot takes. Says once, and past the harness that keeps what a passing test says, if not.
fn is_given() -> bool {
    static SAID: Once = Once::new();
    let given = env::vars_os().any(|(name, _)| name.to_string_lossy().starts_with("BGEXEC_BOOT_"));
    if !given {
        let line =
            "no machine was booted: BGEXEC_BOOT_... names nothing; .ci/boot fetches what a boot takes, and boots";
        SAID.call_once(|| writeln!(io::stderr(), "{line}").expect("stderr is open"));
    }
    given
}

impl Machine {
    /// The machine for a processor, or nothing where the environment names nothing to boot.
    pub fn new(processor: &str) -> Option<Machine> {
        if !is_given() {
            return None;
        }
        let (emulator, console, serial, kernel): (&[&str], _, _, _) = match processor {
            "X86_64" | "I686" => (&["qemu-system-x86_64", "-M", "q35", "-cpu", "max"], "ttyS0", [4, 64], "AMD64"),
            _ => (&["qemu-system-aarch64", "-M", "virt", "-cpu", "cortex-a57"], "ttyAMA0", [204, 64], "ARM64"),
        };
        Some(Machine {
            emulator,
            console,
            serial,
            kernel: named(&format!("BGEXEC_KERNEL_{kernel}")),
            bgexec: named(&format!("BGEXEC_BOOT_{processor}")),
            guest: named(&format!("BGEXEC_GUEST_{processor}")),
        })
    }

    /// What every initramfs of this machine holds, and the script.
    pub fn archive(&self, script: &str) -> Archive {
        Archive::default()
            .device("serial", self.serial)
            .file("init", &fs::read(&self.guest).unwrap())
            .file("bgexec", &fs::read(&self.bgexec).unwrap())
            .file("script", script.as_bytes())
    }

    /// Boots with arguments of the kernel. The machine must power itself off in time.
    pub fn boot(&self, archive: Archive, arguments: &str) -> Said {
        let directory = tempfile::tempdir().unwrap();
        let initramfs = directory.path().join("initramfs");
        fs::write(&initramfs, archive.finish()).unwrap();
        self.boot_image(&initramfs, arguments)
    }

    /// The same with an initramfs that is a file.
    pub fn boot_image(&self, initramfs: &Path, arguments: &str) -> Said {
        let start = Instant::now();
        let mut machine = Command::new(self.emulator[0])
            .args(&self.emulator[1..])
            .args(["-accel", "tcg", "-m", "256", "-nodefaults", "-no-user-config", "-display", "none"])
            .args(["-serial", "stdio", "-no-reboot", "-kernel"])
            .arg(&self.kernel)
            .arg("-initrd")
            .arg(initramfs)
            .args(["-append", &format!("console={} quiet panic=-1 {arguments}", self.console)])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("qemu-system is installed");
        let mut port = machine.stdout.take().unwrap();
        let (sender, receiver) = mpsc::channel();
        let reader = thread::spawn(move || {
            let mut said = vec![];
            port.read_to_end(&mut said).unwrap();
            // Nobody listens any more after the deadline.
            let _ = sender.send(());
            said
        });
        let ended = receiver.recv_timeout(DEADLINE).is_ok();
        if !ended {
            machine.kill().unwrap();
        }
        let status = machine.wait().unwrap();
        let everything = reader.join().unwrap();
        let everything = String::from_utf8_lossy(&everything);
        assert!(ended, "still running after {DEADLINE:?}:\n{everything}");
        assert!(status.success(), "{} ended with {status}:\n{everything}", self.emulator[0]);
        eprintln!("off after {:.1} s", start.elapsed().as_secs_f32());
        Said::new(&everything)
    }
}
