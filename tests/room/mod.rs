//! A directory for one test, and what tests of recipes and files around bgexec do in it.

#![allow(dead_code, reason = "no test program uses all of it")]

#[path = "../processes/mod.rs"]
mod processes;

pub use processes::is_alive;

use std::env;
use std::fs::{self, File, Permissions};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{PoisonError, RwLock};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

/// Nobody may fork while a file that is to be executed is open for writing: until the child has executed something, it
/// has the file open too, and the file is "busy".
static FORKING: RwLock<()> = RwLock::new(());

/// How long a command may run: far more than any needs on a busy machine.
const DEADLINE: Duration = Duration::from_secs(300);

/// The bgexec under test: the one that cargo built, or the one that the environment variable BGEXEC names.
pub fn bgexec() -> PathBuf {
    let named = env::var_os("BGEXEC").map(PathBuf::from);
    let bgexec = named.unwrap_or_else(|| env!("CARGO_BIN_EXE_bgexec").into());
    bgexec.canonicalize().unwrap_or_else(|error| panic!("{}: {error}", bgexec.display()))
}

/// Whether a recipe can run; says so if not: past the test harness, which keeps what a passing test says.
pub fn can(what: &str, possible: bool) -> bool {
    if !possible {
        let _ = writeln!(io::stderr(), "not run: {what}");
    }
    possible
}

/// Whether bgexec is a program of this machine, and not one that needs another to run it.
pub fn is_native() -> bool {
    can("a recipe cannot run a bgexec of another architecture", env::var_os("BGEXEC_RUNNER").is_none())
}

/// Whether namespaces can be made, as a container has them.
pub fn has_namespaces() -> bool {
    let unshare = "unshare --pid --fork --mount --net true";
    let unshare = run(Command::new("sh").args(["-c", unshare]));
    can("it takes root and unshare(1)", unshare.status.success())
}

/// Runs a command to its end, with nothing to read.
#[track_caller]
pub fn run(command: &mut Command) -> Output {
    run_within(DEADLINE, command)
}

/// The same of one that may take another time than most.
///
/// Anonymous files take what it says: unlike a pipe they cannot keep the test waiting when a daemon holds them open.
#[track_caller]
pub fn run_within(deadline: Duration, command: &mut Command) -> Output {
    let anonymous = || tempfile::tempfile().expect("a temporary file can be made");
    let clone = |file: &File| file.try_clone().expect("a descriptor is free");
    let (stdout, stderr) = (anonymous(), anonymous());
    command.stdin(Stdio::null()).stdout(clone(&stdout)).stderr(clone(&stderr));
    let turn = FORKING.read().unwrap_or_else(PoisonError::into_inner);
    let child = command.spawn();
    drop(turn);
    let mut child = child.unwrap_or_else(|error| panic!("{:?}: {error}", command.get_program()));
    let text = |mut file: File| {
        let mut bytes = Vec::new();
        file.rewind().and_then(|()| file.read_to_end(&mut bytes)).expect("a file can be read");
        bytes
    };
    let start = Instant::now();
    loop {
        if let Some(status) = child.try_wait().expect("it is a child") {
            return Output { status, stdout: text(stdout), stderr: text(stderr) };
        }
        if start.elapsed() > deadline {
            let _ = child.kill();
            let _ = child.wait();
            let (stdout, stderr) = (text(stdout), text(stderr));
            let [stdout, stderr] = [&stdout, &stderr].map(|said| String::from_utf8_lossy(said));
            panic!("still running after {deadline:?}: {command:?}: {stdout:?}, {stderr:?}");
        }
        thread::sleep(Duration::from_millis(1));
    }
}

/// A process that ends with the test.
pub struct Ends(Child);

impl Ends {
    pub fn spawn(command: &mut Command) -> Self {
        let _turn = FORKING.read().unwrap_or_else(PoisonError::into_inner);
        let quiet = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        Ends(quiet.spawn().unwrap_or_else(|error| panic!("{:?}: {error}", command.get_program())))
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.0), signal).expect("it is ours");
    }
}

impl Drop for Ends {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub fn status(output: &Output) -> i32 {
    output.status.code().unwrap_or_else(|| panic!("{:?}", output.status))
}

pub fn stdout(output: &Output) -> &str {
    str::from_utf8(&output.stdout).expect("it is text")
}

pub fn stderr(output: &Output) -> &str {
    str::from_utf8(&output.stderr).expect("it is text")
}

/// A directory for one test. With it end the daemons whose pidfiles are in it, and every process that was executed with its
/// path in a word or in the environment.
pub struct Room(TempDir);

impl Room {
    pub fn new() -> Self {
        let room = tempfile::Builder::new().prefix("bgexec-").tempdir();
        let room = Room(room.expect("a directory can be made"));
        fs::set_permissions(room.path(), Permissions::from_mode(0o755)).expect("it is ours");
        room
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// A path in the room, as text.
    pub fn at(&self, name: &str) -> String {
        format!("{}/{name}", self.path().display())
    }

    /// Writes a script that can be executed.
    pub fn script(&self, name: &str, text: &str) -> String {
        let _turn = FORKING.write().unwrap_or_else(PoisonError::into_inner);
        let path = self.at(name);
        fs::write(&path, text).expect("the room is ours");
        fs::set_permissions(&path, Permissions::from_mode(0o755)).expect("the file is ours");
        path
    }

    /// Copies a program into the room.
    pub fn program(&self, from: impl AsRef<Path>, name: &str) {
        let _turn = FORKING.write().unwrap_or_else(PoisonError::into_inner);
        fs::copy(from, self.path().join(name)).expect("the room is ours");
    }

    /// A command that finds bgexec in PATH.
    pub fn command(&self, program: &str) -> Command {
        let bin = self.path().join("bin");
        if !bin.exists() {
            fs::create_dir(&bin).expect("the room is ours");
            symlink(bgexec(), bin.join("bgexec")).expect("the room is ours");
        }
        let path = env::var("PATH").unwrap_or_default();
        let mut command = Command::new(program);
        command.env("PATH", format!("{}:{path}", bin.display())).current_dir(self.path());
        command
    }

    /// The pid in a pidfile, if there is one.
    pub fn pid(&self, name: &str) -> Option<i32> {
        let text = fs::read_to_string(self.path().join(name)).ok()?;
        text.strip_suffix('\n')?.parse().ok()
    }

    /// A supervisor of the directory `service` starts a program of the room in `/`, and ends it when it is to stop itself.
    pub fn assert_supervised(&self, supervisor: &str, program: &str) {
        let program = self.path().join(program).canonicalize().expect("it is there");
        let process = || {
            let processes = fs::read_dir("/proc").expect("the test needs /proc").flatten();
            let mut processes = processes.map(|entry| entry.path());
            processes.find(|process| fs::read_link(process.join("exe")).is_ok_and(|exe| exe == program))
        };
        let supervisor = Ends::spawn(self.command(supervisor).arg(self.at("service")));
        eventually("it is started", || process().is_some());
        let directory = fs::read_link(process().expect("it runs").join("cwd"));
        assert_eq!(directory.expect("it runs"), Path::new("/"));
        supervisor.signal(Signal::TERM);
        eventually("it is stopped", || process().is_none());
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        for entry in fs::read_dir(self.path()).into_iter().flatten().flatten() {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            if name.ends_with(".pid")
                && let Some(pid) = self.pid(&name)
                && run(Command::new(bgexec()).args(["-T", "-p", &self.at(&name)])).status.success()
                && let Some(pid) = Pid::from_raw(pid)
            {
                let _ = kill_process(pid, Signal::KILL);
            }
        }
        let killed = processes::naming(self.path());
        for pid in killed.iter().filter_map(|&pid| Pid::from_raw(pid)) {
            let _ = kill_process(pid, Signal::KILL);
        }
        // What is still about to write would keep the directory from being removed.
        let start = Instant::now();
        while killed.iter().any(|&pid| is_alive(pid)) && start.elapsed() < Duration::from_secs(20) {
            thread::sleep(Duration::from_millis(1));
        }
    }
}

/// Waits until something is so, and fails when that takes too long.
#[track_caller]
pub fn eventually(what: &str, is_so: impl Fn() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < Duration::from_secs(20), "not in time: {what}");
        thread::sleep(Duration::from_millis(1));
    }
}
