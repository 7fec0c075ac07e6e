//! Other processes, as /proc and the kernel's table of locks show them.

#[path = "../../processes/mod.rs"]
mod processes;

pub use processes::{is_alive, naming};

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use rustix::process::{Flock, FlockType, Pid, Signal, fcntl_getlk, kill_process};

use self::processes::stat;
use super::eventually;

/// One line of /proc/PID/stat. A group or a session whose leader is outside of the pid namespace, as that of a test in a
/// container may be, is 0.
pub struct Stat {
    pub state: char,
    pub group: i32,
    pub session: i32,
    pub tty: i32,
}

impl Stat {
    /// None when there is no such process.
    pub fn of(pid: i32) -> Option<Self> {
        let stat = stat(pid)?;
        let (state, after_state) = stat.split_once(' ')?;
        let mut numbers = after_state.split(' ').map_while(|number| number.parse().ok());
        let [_parent, group, session, tty] = std::array::from_fn(|_| numbers.next());
        Some(Self { state: state.parse().ok()?, group: group?, session: session?, tty: tty? })
    }

    /// That of the tests themselves.
    pub fn own() -> Self {
        Self::of(std::process::id().cast_signed()).expect("the tests need /proc")
    }
}

/// How long after the start of the machine a process started.
pub fn started(pid: i32) -> Option<Duration> {
    // In hundredths of a second, whatever the kernel's own clock counts.
    let hundredths: u64 = stat(pid)?.split(' ').nth(19)?.parse().ok()?;
    Some(Duration::from_millis(hundredths * 10))
}

/// The words of a process, each with a NUL byte after it.
pub fn words(pid: i32) -> Vec<u8> {
    fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default()
}

/// The children of a process that has one thread, zombies among them.
pub fn children(pid: i32) -> Vec<i32> {
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    children.split_whitespace().map(|child| child.parse().expect("a pid")).collect()
}

/// What the descriptors of a process are open on.
pub fn descriptors(pid: i32) -> BTreeMap<i32, PathBuf> {
    fs::read_dir(format!("/proc/{pid}/fd"))
        .expect("the process runs")
        .flatten()
        .filter_map(|entry| {
            let number = entry.file_name().to_str()?.parse().ok()?;
            Some((number, fs::read_link(entry.path()).ok()?))
        })
        .collect()
}

/// Kills a process and sees it dead.
pub fn kill(pid: i32) {
    signal(pid, Signal::KILL);
    eventually("a killed process is dead", || (!is_alive(pid)).then_some(()));
}

/// A process does nothing at all for a while, once it has nothing left to do.
#[track_caller]
pub fn assert_sleeps(pid: i32) {
    // How often it gave up the processor because it had nothing to do, since Linux 2.6.23.
    let switches = || {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs");
        status.lines().find(|line| line.starts_with("voluntary_ctxt_switches")).map(str::to_owned)
    };
    let mut before = None;
    eventually("it sleeps", || {
        let last = std::mem::replace(&mut before, switches());
        thread::sleep(Duration::from_millis(20));
        (Stat::of(pid)?.state == 'S' && before == last).then_some(())
    });
    thread::sleep(Duration::from_millis(300));
    assert_eq!(switches(), before, "it woke up");
}

/// Sends a signal to a process that may be gone.
pub fn signal(pid: i32, signal: Signal) {
    let pid = Pid::from_raw(pid).filter(|pid| !pid.is_init()).expect("a process of the tests");
    let _ = kill_process(pid, signal);
}

/// The kind of lock that keeps others from writing to a file, and the pid of its owner.
pub fn lock(file: &Path) -> Option<(FlockType, i32)> {
    let file = File::open(file).expect("the file is there");
    let lock = fcntl_getlk(file, &Flock::from(FlockType::WriteLock)).expect("F_GETLK works on a file")?;
    Some((lock.typ, lock.pid.map_or(0, Pid::as_raw_pid)))
}
