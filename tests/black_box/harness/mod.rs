//! What the tests share: a directory of their own, a launch described step by step, and witnesses of what came of it.

pub mod kernel;
mod launch;
pub mod process;
mod report;
pub mod sandbox;

pub use launch::{Launch, Output, Running};
pub use report::{Descriptor, Legacy, Report};
pub use sandbox::Sandbox;

use std::env;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::{OFlags, fcntl_setfl};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

/// How long anything may take before the test fails: far more than it needs on a busy machine.
const DEADLINE: Duration = Duration::from_secs(20);

/// How many times as long it may take where an emulator translates bgexec anew at each start.
const PATIENCE: u32 = 5;

/// Looks again and again until there is something to see, and fails when that takes too long.
#[track_caller]
pub fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let (start, deadline) = (Instant::now(), at_most(DEADLINE));
    loop {
        if let Some(seen) = look() {
            return seen;
        }
        assert!(start.elapsed() < deadline, "not within {deadline:?}: {what}");
        thread::sleep(Duration::from_millis(1));
    }
}

/// Waits until something has been done so many times. The time that this may take begins again whenever it is done once more.
#[track_caller]
pub fn eventually_counts(what: &str, goal: usize, mut count: impl FnMut() -> usize) {
    let mut counted = 0;
    while counted < goal {
        let last = counted;
        counted = eventually(what, || Some(count()).filter(|&count| count > last));
    }
}

/// Makes sure that nobody has the other end of a pipe any more. A child of another test may have it for a while, between
/// fork and exec; a daemon would have it for as long as it lives.
#[track_caller]
pub fn assert_at_end(reader: OwnedFd) {
    fcntl_setfl(&reader, OFlags::NONBLOCK).expect("it is ours"); // else a daemon that has it is waited for without an end
    eventually("nobody has the other end", || matches!(rustix::io::read(&reader, &mut [0_u8; 1]), Ok(0)).then_some(()));
}

/// The end of a pipe to write to, which nobody reads.
pub fn unread_pipe() -> OwnedFd {
    let (_, writer) = pipe_with(PipeFlags::CLOEXEC).expect("descriptors are free");
    writer
}

/// The most that something may take, which natively is this much.
pub fn at_most(time: Duration) -> Duration {
    if runner().is_some() { time * PATIENCE } else { time }
}

/// How often something is done that is done so often natively, where each time tells the same.
pub fn repeated(times: usize) -> usize {
    if runner().is_some() { times / 20 } else { times }
}

/// The program that runs bgexec, if the environment variable BGEXEC_RUNNER holds the path of one: an emulator, where
/// bgexec is for another processor.
pub fn runner() -> Option<PathBuf> {
    env::var_os("BGEXEC_RUNNER").map(PathBuf::from)
}

/// The program that the tests daemonize, which cargo builds as an example.
pub fn probe() -> PathBuf {
    let tests = env::current_exe().expect("a test knows where it is");
    let profile = tests.ancestors().nth(2).expect("tests are in target/PROFILE/deps");
    let probe = profile.join("examples/probe");
    assert!(probe.exists(), "no {}: `cargo build --example probe` makes it", probe.display());
    probe
}

/// The bgexec under test: the one that cargo built, or the one that the environment variable BGEXEC names.
pub fn bgexec() -> PathBuf {
    let named = env::var_os("BGEXEC").map(PathBuf::from);
    let bgexec = named.unwrap_or_else(|| env!("CARGO_BIN_EXE_bgexec").into());
    bgexec.canonicalize().unwrap_or_else(|error| panic!("{}: {error}", bgexec.display()))
}

/// The same with the program before it that runs it, if there is one.
pub fn bgexec_command() -> Vec<PathBuf> {
    runner().into_iter().chain([bgexec()]).collect()
}

/// The bgexec that this machine runs by itself, as a COMMAND: it has nothing to load and makes few system calls.
pub fn tiny_command() -> PathBuf {
    env!("CARGO_BIN_EXE_bgexec").into()
}

/// Words of command lines whose launch fails before COMMAND is executed, with the status and what bgexec was unable to do.
pub const FAILURES: [(&[&str], i32, &str); 4] = [
    (&["/nonexistent/command"], 127, "execute /nonexistent/command: No such file or directory"),
    (&["no-such-command"], 127, "execute no-such-command: No such file or directory"),
    (&["/"], 126, "execute /: Permission denied"),
    (&["-c", "/nonexistent", "true"], 125, "change directory to /nonexistent: No such file or directory"),
];

/// Whether a launcher leads a process group: then it cannot take a session itself.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Role {
    Member,
    Leader,
}

/// Both.
pub const ROLES: [Role; 2] = [Role::Member, Role::Leader];

/// The message that a wait for the probe ended in.
pub fn wait_for_probe(reason: &str) -> String {
    format!("wait for {}: {reason}", probe().display())
}

/// A terminal, which hangs up when it is dropped.
pub struct Terminal {
    /// The path of the device.
    pub name: String,
    user: OwnedFd,
}

impl Terminal {
    pub fn new() -> Self {
        let user = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).expect("/dev/ptmx is there");
        grantpt(&user).expect("it is ours");
        unlockpt(&user).expect("it is ours");
        let name = ptsname(&user, Vec::new()).expect("it has a name");
        Self { name: name.into_string().expect("its name is ASCII"), user }
    }

    /// Presses keys.
    pub fn press(&self, keys: &[u8]) {
        rustix::io::write(&self.user, keys).expect("a terminal takes what is typed");
    }

    /// Opens the device.
    pub fn open(&self) -> File {
        let noctty = OFlags::NOCTTY.bits().cast_signed();
        let options = File::options().read(true).write(true).custom_flags(noctty).open(&self.name);
        options.unwrap_or_else(|error| panic!("{}: {error}", self.name))
    }
}

/// Says aloud why a test does not run here: past the test harness, which keeps what a passing test says.
pub fn skip(why: &str) {
    let _ = writeln!(io::stderr(), "not run: {why}");
}

/// Whether the tests run as root, as those need that make namespaces and change identities; says so if not.
pub fn is_root() -> bool {
    let root = rustix::process::geteuid().is_root();
    if !root {
        skip("only root may do what this test does");
    }
    root
}
