//! A machine: a processor, a kernel, bgexec and a guest for that processor; and what a boot of it says.

use std::ffi::OsString;
use std::io::Read;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;
use std::{env, fs, thread};

use crate::archive::Archive;

/// How long a boot may take.
const DEADLINE: Duration = Duration::from_secs(30);

pub struct Machine {
    emulator: &'static [&'static str],
    console: &'static str,
    serial: [u32; 2],
    kernel: PathBuf,
    bgexec: PathBuf,
    guest: PathBuf,
}

/// A file that a variable names; says what is missing where it names none.
fn named(variable: &str) -> Option<PathBuf> {
    let path = env::var_os(variable).filter(|path: &OsString| !path.is_empty()).map(PathBuf::from);
    if path.is_none() {
        eprintln!("NOT BOOTED: {variable} does not name a file; .ci/boot fetches what a boot takes and sets it");
    }
    path
}

impl Machine {
    /// A machine for a processor, as variables of the environment describe it.
    pub fn new(processor: &str) -> Option<Machine> {
        let (emulator, console, serial, kernel): (&[&str], _, _, _) = match processor {
            "X86_64" | "I686" => (&["qemu-system-x86_64", "-M", "q35", "-cpu", "max"], "ttyS0", [4, 64], "AMD64"),
            _ => (&["qemu-system-aarch64", "-M", "virt", "-cpu", "cortex-a57"], "ttyAMA0", [204, 64], "ARM64"),
        };
        let kernel = named(&format!("BGEXEC_KERNEL_{kernel}"));
        let bgexec = named(&format!("BGEXEC_BOOT_{processor}"));
        let guest = named(&format!("BGEXEC_GUEST_{processor}"));
        Some(Machine { emulator, console, serial, kernel: kernel?, bgexec: bgexec?, guest: guest? })
    }

    /// What every initramfs of this machine holds, and the script.
    pub fn archive(&self, script: &str) -> Archive {
        Archive::default()
            .device("serial", self.serial)
            .file("init", &fs::read(&self.guest).unwrap())
            .file("bgexec", &fs::read(&self.bgexec).unwrap())
            .file("script", script.as_bytes())
    }

    /// Boots, and gives the lines of the serial port, without carriage returns and with `PID` for each pid in a sentence of
    /// bgexec. The machine must power itself off in time.
    pub fn boot(&self, archive: Archive, arguments: &str) -> Vec<String> {
        let directory = tempfile::tempdir().unwrap();
        let initramfs = directory.path().join("initramfs");
        fs::write(&initramfs, archive.finish()).unwrap();
        let mut machine = Command::new(self.emulator[0])
            .args(&self.emulator[1..])
            .args(["-accel", "tcg", "-m", "256", "-nodefaults", "-no-user-config", "-display", "none"])
            .args(["-serial", "stdio", "-no-reboot", "-kernel"])
            .arg(&self.kernel)
            .arg("-initrd")
            .arg(&initramfs)
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
        machine.wait().unwrap();
        let said = String::from_utf8_lossy(&reader.join().unwrap()).replace('\r', "");
        assert!(ended, "still running after {DEADLINE:?}:\n{said}");
        // What the kernel logs is its own affair, unless it panics.
        let logged = |line: &str| line.starts_with('[') && !line.contains("panic");
        said.lines().filter(|line| !line.is_empty() && !logged(line)).map(without_pids).collect()
    }
}

/// `pid 123` becomes `pid PID`, `session 123` and the like too.
fn without_pids(line: &str) -> String {
    let mut words = vec![];
    let mut previous = "";
    for word in line.split(' ') {
        let digits = word.trim_end_matches([')', ',']);
        let is_number =
            digits.len() > 0 && digits.bytes().all(|byte| byte.is_ascii_digit()) && digits != "0" && digits != "1";
        if is_number && ["pid", "(pid", "session", "group"].contains(&previous) {
            words.push(word.replace(digits, "PID"));
        } else {
            words.push(word.to_owned());
        }
        previous = word;
    }
    words.join(" ")
}
