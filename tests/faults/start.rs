//! Starting bgexec with a combination of options, as often as wanted in one directory.

#![allow(unsafe_code, reason = "Command::pre_exec: a caller's state can be set in no other way")]

use std::fs::{self, File, Permissions};
use std::io::{self, Read, Seek};
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::room::{can, is_alive};
use crate::trace::{self, Harm, Place, SIGKILL, Trace};

/// A group that the caller is in, and a descriptor that it has open: neither is COMMAND's.
pub const GROUP: u32 = 4242;
pub const DESCRIPTOR: usize = 17;

/// How often something is looked for.
const POLL: Duration = Duration::from_millis(1);

/// The variable by which the processes of a run are known: its value is the run's directory.
const MARK: &[u8] = b"BGEXEC_RUN=";

/// The combinations of options. `DIR` is the run's own directory. A word `LEAD` in front means that the caller leads a
/// process group, so that there is a leader; `OLD`, that the kernel is too old for close_range.
const CASES: &[&str] = &[
    "-v",
    "LEAD",
    "LEAD -v",
    "-p DIR/pid",
    "LEAD -p DIR/pid",
    "-l DIR/lock",
    "-p DIR/pid -l DIR/lock",
    "LEAD -p DIR/pid -l DIR/pid",
    "-O DIR/out",
    "LEAD -o DIR/out -e DIR/err --truncate -p DIR/pid",
    "-u 65534:65534 --groups 65534,7",
    "LEAD -u nobody -g daemon -p DIR/pid",
    "-u daemon",
    "-c /tmp -k 022 -N 5 -I idle --oom-score-adj 100",
    "--rlimit NOFILE=64 --rlimit CORE=0 --no-new-privs -p DIR/pid",
    "-F -p DIR/pid -O DIR/out",
    "-F -k 022 -c /",
    "-w -p DIR/pid",
    "LEAD -w -O DIR/out",
    "--init -p DIR/pid",
    "--notify fd:5 -p DIR/pid",
    "LEAD --notify fd:9 -l DIR/lock",
    "--notify socket -p DIR/pid",
    "--alive-after 1 -p DIR/pid",
    "-r -R 60 -p DIR/pid --child-pidfile DIR/child",
    "LEAD -r -R 60 -H -O DIR/out -p DIR/pid",
    "-r -R 60 -l DIR/lock",
    "--print-pid -p DIR/pid",
    "LEAD --print-pid -v -p DIR/pid",
    "--keep-fd 2 -E A=b --unset HOME -p DIR/pid",
    "--no-close -p DIR/pid",
    "--keep-signals --ignore-signal HUP",
    "--session-leader -p DIR/pid",
    "--chroot / -p DIR/pid",
    "OLD LEAD -p DIR/pid",
    "OLD -l DIR/lock -O DIR/out",
];

/// What only root may ask for.
const OF_ROOT: [&str; 3] = ["-u", "-g", "--chroot"];

/// The combinations that can be tried here.
pub fn cases() -> Vec<Case<'static>> {
    let is_root = rustix::process::geteuid().is_root();
    let mut cases: Vec<_> = CASES.iter().copied().map(Case::new).collect();
    cases.retain(|case| {
        let possible = is_root || !OF_ROOT.iter().any(|option| case.has(option));
        if !possible {
            can(&format!("{} takes root", case.words), false);
        }
        possible
    });
    cases
}

#[test]
fn combinations_are_as_many_as_the_readme_says() {
    let told = format!("traces launches with {} combinations of options", CASES.len());
    assert!(include_str!("../../README.md").contains(&told), "{told}");
}

/// What a word `OLD` refuses: newer than crate `sc`.
pub const CLOSE_RANGE: usize = 436;

/// A combination of options, asked for what it means, and the program that gets them.
#[derive(Clone, Copy)]
pub struct Case<'p> {
    pub words: &'static str,
    pub program: &'p Path,
}

impl Case<'_> {
    pub fn new(words: &'static str) -> Self {
        Self { words, program: Path::new(env!("CARGO_BIN_EXE_bgexec")) }
    }

    pub fn has(self, option: &str) -> bool {
        self.words.split(' ').any(|word| word == option)
    }

    /// Whether the launcher's status is COMMAND's.
    pub fn stays(self) -> bool {
        self.has("-w") || self.has("--init")
    }

    /// Whether the launcher waits until COMMAND is ready.
    pub fn waits(self) -> bool {
        self.has("--notify") || self.has("--alive-after")
    }

    pub fn supervises(self) -> bool {
        self.has("-r")
    }

    /// Whether there cannot be two.
    pub fn locks(self) -> bool {
        self.has("-p") || self.has("-l")
    }
}

/// What came of a start.
pub struct Start {
    pub trace: Trace,
    pub stderr: String,
    directory: PathBuf,
}

impl Start {
    /// The launcher's exit status, if no signal has killed it.
    pub fn status(&self) -> Option<i32> {
        (self.trace.status & 0x7f == 0).then_some(self.trace.status >> 8)
    }

    /// What it started and what lives on.
    pub fn processes(&self) -> impl Iterator<Item = i32> {
        self.trace.stay.iter().chain(&self.trace.executed).copied()
    }

    /// Whether one of them lives, which a zombie does not, and is not a stranger who has got its number since.
    pub fn is_alive(&self, pid: i32) -> bool {
        // A process that is ending has no environment any more, but may still hold its locks.
        is_alive(pid) && self.is_marked(pid).is_none_or(|is_ours| is_ours)
    }

    /// Whether a process has this run's mark; `None` if it has no environment.
    fn is_marked(&self, pid: i32) -> Option<bool> {
        let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        let mut variables = environment.split(|&byte| byte == 0);
        let is_mark = |variable: &[u8]| variable.strip_prefix(MARK) == Some(self.directory.as_os_str().as_bytes());
        (!environment.is_empty()).then(|| variables.any(is_mark))
    }

    /// Whether one of them dies within so many seconds.
    pub fn dies(&self, pid: i32, seconds: u64) -> bool {
        let end = Instant::now() + Duration::from_secs(seconds);
        while self.is_alive(pid) {
            if Instant::now() > end {
                return false;
            }
            std::thread::sleep(POLL);
        }
        true
    }

    /// What COMMAND found, once it has written that.
    pub fn report(&self, file: &Path) -> Option<String> {
        let end = Instant::now() + Duration::from_secs(20);
        loop {
            let is_alive = self.processes().any(|pid| self.is_alive(pid));
            match fs::read_to_string(file) {
                Ok(report) => return Some(report),
                Err(_) if !is_alive || Instant::now() > end => return None,
                Err(_) => std::thread::sleep(POLL),
            }
        }
    }

    /// Kills all that, supervisors first.
    pub fn end(&self) {
        self.processes().filter(|&pid| self.is_marked(pid) == Some(true)).for_each(|pid| trace::signal(pid, SIGKILL));
        self.processes().for_each(|pid| assert!(self.dies(pid, 20), "{pid} does not die"));
    }
}

/// The example beside the tests.
fn probe() -> PathBuf {
    let probe = Path::new(env!("CARGO_BIN_EXE_bgexec")).with_file_name("examples").join("probe");
    assert!(probe.exists(), "no {}: `cargo build --example probe` makes it", probe.display());
    probe
}

/// A directory for all trials of a test, prepared.
pub fn home() -> TempDir {
    let home = tempfile::Builder::new().prefix("bgexec-faults-").tempdir().expect("a temporary directory can be made");
    prepare(home.path());
    home
}

/// Makes a directory for a run, with a room in which COMMAND may write whoever it runs as.
pub fn prepare(directory: &Path) {
    let room = directory.join("room");
    fs::create_dir_all(&room).expect("a directory can be made");
    fs::set_permissions(directory, Permissions::from_mode(0o755)).expect("it is ours");
    fs::set_permissions(room, Permissions::from_mode(0o777)).expect("it is ours");
}

/// Starts bgexec in a directory, harming it once. COMMAND writes its report if there is a file for that; it lives until
/// it is killed, unless the launcher waits for its end.
pub fn start(case: Case, directory: &Path, harm: Option<(Place, Harm)>, report: Option<&Path>) -> Start {
    let path = directory.to_str().expect("UTF-8");
    let mut words = case.words.split(' ').filter(|word| !word.is_empty()).peekable();
    let mut command = Command::new(case.program);
    let refused = words.next_if_eq(&"OLD").map(|_| CLOSE_RANGE);
    if words.next_if_eq(&"LEAD").is_some() {
        command.process_group(0);
    }
    command.args(words.map(|word| word.replace("DIR", path))).arg(probe());
    if let Some(report) = report {
        command.arg("report").arg(report);
    }
    if let Some(number) = case.words.split("fd:").nth(1).and_then(|rest| rest.split(' ').next()) {
        command.args(["put", number, "\n"]);
    }
    if case.has("socket") {
        command.args(["notify", "READY=1"]);
    }
    let waits_for_its_end = case.stays() || case.has("-F");
    command.args(if waits_for_its_end { &["exit", "0"][..] } else { &["stay"][..] });
    let stderr = tempfile::tempfile().expect("a temporary file can be made");
    command.current_dir("/").stdin(Stdio::null()).stdout(Stdio::null());
    command
        .env_clear()
        .env("PATH", "/bin")
        .env("HOME", "/root")
        .env("BGEXEC_RUN", directory)
        .stderr(stderr.try_clone().expect("a descriptor is free"));
    // SAFETY: it makes two system calls and nothing else.
    unsafe { command.pre_exec(give_away) };
    let trace = trace::run(command, refused, case.supervises(), harm).expect("the launch can be traced");
    Start { trace, stderr: read_whole(stderr), directory: directory.to_owned() }
}

/// Takes on what COMMAND must not have of its caller: a group and a descriptor.
fn give_away() -> io::Result<()> {
    let groups = [GROUP];
    // SAFETY: the kernel reads the array. It is of no use to whoever may not.
    unsafe { sc::syscall!(SETGROUPS, groups.len(), groups.as_ptr()) };
    // SAFETY: takes no pointer.
    match unsafe { sc::syscall!(DUP3, 0, DESCRIPTOR, 0) } {
        DESCRIPTOR => Ok(()),
        _ => Err(io::Error::other("descriptor 0 is not open")),
    }
}

fn read_whole(mut file: File) -> String {
    let mut text = vec![];
    file.rewind().and_then(|()| file.read_to_end(&mut text)).expect("a file can be read");
    String::from_utf8_lossy(&text).into_owned()
}

/// The pid of who holds a lock on a file for writing, as fcntl(F_GETLK) tells it.
pub fn lock_holder(file: &Path) -> Option<i32> {
    /// struct flock: kind, from where, start, length, pid.
    #[repr(C)]
    struct Lock(i16, i16, i64, i64, i32);
    let file = File::open(file).ok()?;
    let mut lock = Lock(0, 0, 0, 0, 0);
    // SAFETY: the kernel writes the structure.
    let asked = unsafe { sc::syscall!(FCNTL, file.as_raw_fd(), 5, &raw mut lock) };
    (asked == 0 && lock.0 == 1).then_some(lock.4)
}
