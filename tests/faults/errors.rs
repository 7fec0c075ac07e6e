//! Each system call of each process of a launch fails once with each error that its man page has for it.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use sc::nr;

use crate::start::{CLOSE_RANGE, Case, Start, cases, home, lock_holder, start};
use crate::trace::{Call, ECHILD, ENOSYS, Harm};
use crate::verdict::{in_own_directory, is_one_line, left_device, left_file, left_processes};
use crate::{Form, Tally, form, in_parallel};

const EPERM: i32 = 1;
const ENOENT: i32 = 2;
const EINTR: i32 = 4;
const EIO: i32 = 5;
const EAGAIN: i32 = 11;
const ENOMEM: i32 = 12;
const EACCES: i32 = 13;
const EBUSY: i32 = 16;
const ENOTDIR: i32 = 20;
const EINVAL: i32 = 22;
const ENFILE: i32 = 23;
const EMFILE: i32 = 24;
const ENOTTY: i32 = 25;
const ENOSPC: i32 = 28;
const EROFS: i32 = 30;
const ENOLCK: i32 = 37;
const ELOOP: i32 = 40;
const EADDRINUSE: i32 = 98;
const ENOBUFS: i32 = 105;
const ESTALE: i32 = 116;
const EDQUOT: i32 = 122;

/// What fcntl is to do.
const F_DUPFD_CLOEXEC: u64 = 1030;
const F_SETLK: u64 = 6;
const F_GETLK: u64 = 5;

/// A usual run takes all.
const PARTS: usize = 1;

/// The errors of a call: those of its man page that can come with such arguments, and what a filter of system calls answers.
/// A call that cannot fail has none, and none says what would not be true: that an open descriptor is not open, for one.
fn errnos(call: &Call) -> &'static [i32] {
    match call.number {
        nr::OPENAT => &[EPERM, EINTR, EIO, ENOMEM, EACCES, ENFILE, EMFILE, ENOSPC, EROFS, EDQUOT, ESTALE],
        nr::READ | nr::PREAD64 => &[EINTR, EIO, EINVAL, ENOMEM],
        nr::WRITE | nr::PWRITE64 => &[EINTR, EIO, EAGAIN, ENOSPC, EDQUOT, EPERM],
        nr::CLOSE => &[EINTR, EIO],
        nr::FSTAT | nr::NEWFSTATAT => &[EIO, ENOMEM, EACCES, ESTALE],
        nr::PIPE2 => &[ENFILE, EMFILE, ENOMEM, ENOSYS, EPERM],
        nr::CLONE => &[EAGAIN, ENOMEM, EINVAL, EPERM, ENOSYS],
        nr::EXECVE => &[EPERM, EIO, EAGAIN, ENOMEM, EACCES, ENFILE, EMFILE],
        nr::WAIT4 => &[EINTR, ECHILD],
        nr::FCNTL => match call.second {
            F_SETLK => &[EINTR, ENOLCK, EIO, EACCES, EINVAL],
            F_GETLK => &[EINTR, ENOLCK, EIO, EINVAL],
            F_DUPFD_CLOEXEC => &[EMFILE, EINVAL, EPERM],
            _ => &[EPERM, ENOSYS],
        },
        nr::DUP3 => &[EINTR, EBUSY, EMFILE, ENOSYS, EPERM],
        nr::FTRUNCATE => &[EINTR, EIO, EPERM, EROFS],
        nr::LSEEK => &[EINVAL, EIO],
        nr::MMAP => &[ENOMEM, EAGAIN, EPERM],
        nr::GETCWD => &[ENOENT, ENOMEM],
        nr::SETSID | nr::SETPGID => &[EPERM, EACCES, ENOSYS],
        nr::SETUID | nr::SETGID | nr::SETGROUPS => &[EPERM, EAGAIN, EINVAL, ENOMEM, ENOSYS],
        nr::CHDIR | nr::CHROOT | nr::FCHDIR => &[EPERM, EACCES, EIO, ENOMEM, ENOENT, ENOTDIR, ELOOP],
        nr::PRLIMIT64 | nr::PRCTL | nr::SETPRIORITY | nr::IOPRIO_SET => &[EPERM, EINVAL, EACCES, ENOSYS],
        nr::GETDENTS64 => &[EIO, EINVAL, ENOENT],
        nr::RT_SIGACTION | nr::RT_SIGPROCMASK => &[EINVAL],
        nr::PPOLL => &[EINTR, EINVAL, ENOMEM],
        nr::SIGNALFD4 => &[EMFILE, ENFILE, ENOMEM, ENOSYS],
        CLOSE_RANGE => &[EPERM, EINVAL, EMFILE, ENOMEM, ENOSYS],
        nr::UNSHARE => &[EPERM, ENOMEM, ENOSYS],
        nr::UNLINKAT => &[EPERM, EIO, EACCES, EBUSY, EROFS],
        nr::IOCTL => &[EPERM, EIO, ENOTTY],
        nr::SOCKET => &[EPERM, EACCES, ENFILE, EMFILE, ENOMEM, ENOSYS],
        nr::BIND => &[EPERM, EACCES, EINVAL, ENOMEM, EADDRINUSE],
        nr::SETSOCKOPT | nr::GETSOCKNAME | nr::RECVMSG => &[EPERM, ENOMEM, ENOBUFS],
        nr::GETPGID | nr::KILL | nr::TGKILL => &[EPERM],
        nr::GETPID | nr::GETPPID | nr::GETEUID | nr::UMASK | nr::CLOCK_GETTIME | nr::EXIT_GROUP => &[],
        other => panic!("call {other} is made, and nothing is known of its errors"),
    }
}

/// Whether a launch has to go on after this error.
fn is_survived(call: usize, errno: i32) -> bool {
    errno == EINTR || [CLOSE_RANGE, nr::CLOSE].contains(&call)
}

/// A launch that was not harmed, and what COMMAND found.
struct Unharmed {
    calls: Vec<Call>,
    report: String,
}

/// Starts, and gives what that was and what COMMAND found, if COMMAND has written that, without what differs from run to run.
fn launch(case: Case, directory: &Path, harm: Option<(&Call, i32)>) -> (Start, Option<String>) {
    let harm = harm.map(|(call, errno)| (call.place, Harm::Errno { errno, of: call.number }));
    let file = directory.join("room/report");
    let start = start(case, directory, harm, Some(&file));
    let report = if start.status() == Some(0) { start.report(&file) } else { fs::read_to_string(&file).ok() };
    (start, report)
}

/// A report without pids, inodes and the run's directory.
fn steady(report: &str, directory: &Path) -> String {
    let of = |key: &str| report.lines().find_map(|line| line.strip_prefix(key)).unwrap_or("");
    let mut steady = format!("leads group {}, leads session {}\n", of("pgid ") == of("pid "), of("sid ") == of("pid "));
    for line in report.lines() {
        let mut fields: Vec<&str> = line.split(' ').collect();
        match fields[0] {
            "pid" | "ppid" | "pgid" | "sid" => continue,
            // The kernel chooses the name.
            "environment" if line.contains("NOTIFY_SOCKET=@") => fields = vec!["NOTIFY_SOCKET"],
            "descriptor" if fields.len() > 7 => {
                fields.remove(6);
                // A pipe or an unlinked file has another name each time.
                let target = fields[6].split(['[', '#']).next().unwrap_or("");
                // A null device of bgexec's own is as good.
                fields[6] = if fields[5] == "1:3" { "/dev/null" } else { target };
                fields.truncate(7);
            }
            _ => {}
        }
        steady.push_str(&fields.join(" ").replace(directory.to_str().expect("UTF-8"), "DIR"));
        steady.push('\n');
    }
    steady
}

fn unharmed(case: Case, home: &Path) -> Unharmed {
    in_own_directory(home, |directory| {
        let (start, report) = launch(case, directory, None);
        start.end();
        assert_eq!(start.status(), Some(0), "{}: {}", case.words, start.stderr);
        let report = report.unwrap_or_else(|| panic!("{}: COMMAND does not run", case.words));
        if let Some(broken) = success(case, &start, Some(&report), None, directory) {
            panic!("{}: {broken}", case.words);
        }
        Unharmed { calls: start.trace.calls, report: steady(&report, directory) }
    })
}

/// What is wrong with a launch of status 0, if anything is.
fn success(case: Case, start: &Start, report: Option<&str>, wanted: Option<&str>, directory: &Path) -> Option<String> {
    let Some(report) = report else { return Some("status 0, but COMMAND does not run".to_owned()) };
    let found = steady(report, directory);
    if let Some(wanted) = wanted.filter(|wanted| **wanted != found) {
        let [found, wanted] = [&found, wanted].map(|text| text.lines().collect::<BTreeSet<_>>());
        let differ: Vec<_> = found.symmetric_difference(&wanted).take(4).collect();
        return Some(format!("status 0, but COMMAND found {differ:?}"));
    }
    let left: Vec<_> = start.trace.unreaped.iter().chain(&start.trace.stay).collect();
    (!case.supervises() && !left.is_empty()).then(|| format!("status 0, and has left {left:?}"))
}

/// What breaks the promise when a call fails, if anything does; `None` in the first place if it was not made.
fn violation(case: Case, home: &Path, unharmed: &Unharmed, call: &Call, errno: i32) -> (bool, Option<String>) {
    in_own_directory(home, |directory| {
        let (start, report) = launch(case, directory, Some((call, errno)));
        let broken = broken(case, &start, report.as_deref(), unharmed, is_survived(call.number, errno), directory);
        // Another try, which could make another process's child of the daemon, may succeed where the first could not.
        let no_room = start.trace.harmed && call.number == nr::CLONE && [EAGAIN, ENOMEM].contains(&errno);
        let tried_again = no_room && start.status() == Some(0);
        let broken =
            broken.or_else(|| tried_again.then(|| "status 0, though there was no room for a process".to_owned()));
        start.end();
        (start.trace.harmed, broken)
    })
}

fn broken(
    case: Case,
    start: &Start,
    report: Option<&str>,
    unharmed: &Unharmed,
    survived: bool,
    directory: &Path,
) -> Option<String> {
    let Start { trace, stderr, .. } = start;
    if trace.hung {
        return Some("waits for ever".to_owned());
    }
    if let Some(path) = left_device() {
        return Some(format!("{path} is left"));
    }
    let Some(status) = start.status() else {
        return Some(format!("killed by signal {}", trace.status & 0x7f));
    };
    if status == 0 {
        let lost = success(case, start, report, Some(&unharmed.report), directory);
        let lost = lost.or_else(|| unheld(case, start, directory));
        if lost.is_none() || !case.supervises() || !trace.stay.iter().all(|&pid| start.dies(pid, 20)) {
            return lost;
        }
        // The supervisor failed after COMMAND was executed, with nobody to tell that: then nothing is to be left.
        let alive: Vec<_> = trace.executed.iter().filter(|&&pid| !start.dies(pid, 20)).collect();
        let left = (!alive.is_empty()).then(|| format!("processes {alive:?}")).or_else(|| left_file(case, directory));
        let left = left.or_else(|| trace.executed.is_empty().then(|| "no COMMAND".to_owned()));
        return left.map(|left| format!("the supervisor has ended, and left {left}"));
    }
    if survived {
        return Some(format!("not survived: status {status}, {stderr:?}"));
    }
    if ![125, 126, 127].contains(&status) {
        return Some(format!("status {status}"));
    }
    if !is_one_line(stderr) {
        return Some(format!("status {status} with {stderr:?}"));
    }
    if !trace.unreaped.is_empty() {
        return Some(format!("status {status}, and has not reaped {:?}", trace.unreaped));
    }
    if let Some(left) = left_processes(case, start) {
        return Some(format!("status {status}, and left processes {left:?}"));
    }
    left_file(case, directory).map(|left| format!("status {status}, and left {left}"))
}

/// What is wrong with the files of a daemon that runs, if anything is: each is locked by it, and a pidfile has its pid.
fn unheld(case: Case, start: &Start, directory: &Path) -> Option<String> {
    let holder = *if case.supervises() { &start.trace.stay } else { &start.trace.executed }.first()?;
    for name in ["pid", "lock"] {
        let file = directory.join(name);
        if case.words.contains(&format!("DIR/{name}")) && start.is_alive(holder) {
            let found = lock_holder(&file);
            // One that is about to end holds it no more.
            if found != Some(holder) && start.is_alive(holder) {
                return Some(format!("status 0, but {name} is locked by {found:?}, not by {holder}"));
            }
            let text = fs::read_to_string(&file).unwrap_or_default();
            if case.has("-p") && name == "pid" && text != format!("{holder}\n") && start.is_alive(holder) {
                return Some(format!("status 0, but {name} says {text:?}, not {holder}"));
            }
        }
    }
    None
}

#[test]
fn every_call_fails_in_every_way_and_the_promise_holds() {
    if form() == Form::Seeded {
        return;
    }
    let home = home();
    let cases: Vec<_> = cases().into_iter().map(|case| (case, unharmed(case, home.path()))).collect();
    let mut all = vec![];
    for (case, unharmed) in &cases {
        for call in &unharmed.calls {
            let is_refused = case.has("OLD") && call.number == CLOSE_RANGE;
            let errnos = if is_refused { &[] } else { errnos(call) };
            all.extend(errnos.iter().map(|&errno| (*case, unharmed, call, errno)));
        }
    }
    let tally = Tally::default();
    in_parallel(&all, PARTS, |&(case, unharmed, call, errno)| {
        let (harmed, broken) = violation(case, home.path(), unharmed, call, errno);
        if harmed || broken.is_some() {
            let Call { place, number, .. } = call;
            tally.count(format!("[{}] errno {errno} of call {number} at {place:?}", case.words), broken);
        }
    });
    tally.close("faults", 8000); // as the README says
}
