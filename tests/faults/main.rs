//! The promise under faults: every system call of a launch fails once with every error that its man page has for it.
//! What is left, what was said and what COMMAND found are looked at after each. The tracer is for x86_64.

#![cfg(target_arch = "x86_64")]

mod trace;

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::os::unix::fs::FileTypeExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use trace::{Place, Trace};

/// The combinations of options. `DIR` is the run's own directory; a word `LEAD` in front means that the caller leads a
/// process group, so that there is a leader.
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
    "LEAD -u nobody -g nogroup -p DIR/pid",
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
];

/// The errors of a call, by the number of the call: those of its man page that can come with these arguments, and what a
/// filter of system calls answers. A call that cannot fail has none.
fn errnos(call: usize) -> &'static [i32] {
    use sc::nr;
    const EPERM: i32 = 1;
    const EINTR: i32 = 4;
    const EIO: i32 = 5;
    const EBADF: i32 = 9;
    const ECHILD: i32 = 10;
    const EAGAIN: i32 = 11;
    const ENOMEM: i32 = 12;
    const EACCES: i32 = 13;
    const EINVAL: i32 = 22;
    const ENFILE: i32 = 23;
    const EMFILE: i32 = 24;
    const ENOSPC: i32 = 28;
    const EROFS: i32 = 30;
    const ENOSYS: i32 = 38;
    const EDQUOT: i32 = 122;
    match call {
        nr::OPENAT => &[EPERM, EINTR, EIO, ENOMEM, EACCES, ENFILE, EMFILE, ENOSPC, EROFS, EDQUOT],
        nr::READ => &[EINTR, EIO, EBADF, EINVAL],
        nr::WRITE => &[EINTR, EIO, EAGAIN, ENOSPC, EDQUOT, EPERM],
        nr::CLOSE => &[EINTR, EIO],
        nr::FSTAT | nr::NEWFSTATAT => &[EIO, ENOMEM, EACCES, EBADF],
        nr::PIPE2 => &[ENFILE, EMFILE, ENOSYS, EPERM],
        nr::CLONE => &[EAGAIN, ENOMEM, EINVAL, EPERM, ENOSYS],
        nr::EXECVE => &[EPERM, EIO, EAGAIN, ENOMEM, EACCES, ENFILE, EMFILE],
        nr::WAIT4 => &[EINTR, ECHILD],
        nr::FCNTL => &[EPERM, EBADF, EINVAL, EMFILE, 37],
        nr::DUP3 => &[EINTR, 16, EMFILE, ENOSYS, EPERM],
        nr::FTRUNCATE => &[EINTR, EIO, EPERM, EROFS],
        nr::SETSID | nr::SETPGID => &[EPERM, EACCES, ENOSYS],
        nr::SETUID | nr::SETGID | nr::SETGROUPS => &[EPERM, EAGAIN, EINVAL, ENOMEM, ENOSYS],
        nr::CHDIR | nr::CHROOT => &[EPERM, EACCES, EIO, ENOMEM, 2, 20, 40],
        nr::PRLIMIT64 | nr::PRCTL | nr::SETPRIORITY | nr::IOPRIO_SET => &[EPERM, EINVAL, EACCES, ENOSYS],
        nr::GETDENTS64 => &[EBADF, EINVAL, 2],
        nr::RT_SIGACTION | nr::RT_SIGPROCMASK => &[EINVAL],
        nr::PPOLL => &[EINVAL, ENOMEM],
        nr::RT_SIGTIMEDWAIT => &[EINTR, EINVAL],
        nr::SIGNALFD4 => &[EMFILE, ENFILE, ENOMEM, ENOSYS],
        nr::CLOCK_GETTIME => &[EINVAL, EPERM, ENOSYS],
        CLOSE_RANGE => &[EPERM, EINVAL, EMFILE, ENOMEM, ENOSYS],
        nr::UNSHARE => &[EPERM, ENOMEM, ENOSYS],
        _ => &[],
    }
}

/// Newer than crate `sc`.
const CLOSE_RANGE: usize = 436;

/// Whether a launch has to go on after this error.
fn is_survived(call: usize, errno: i32) -> bool {
    const EINTR: i32 = 4;
    let repeated = [sc::nr::OPENAT, sc::nr::READ, sc::nr::WRITE, sc::nr::WAIT4, sc::nr::RT_SIGTIMEDWAIT];
    call == CLOSE_RANGE || errno == EINTR && repeated.contains(&call)
}

/// The example beside the tests.
fn probe() -> PathBuf {
    Path::new(env!("CARGO_BIN_EXE_bgexec")).with_file_name("examples").join("probe")
}

/// What came of a launch.
struct Outcome {
    trace: Trace,
    stderr: String,
    /// What COMMAND found, without what differs from run to run.
    report: Option<String>,
    /// Files but the report, each with its size.
    files: Vec<(String, u64)>,
}

fn launch(case: &str, directory: &Path, harm: Option<(Place, i32)>) -> Outcome {
    // Each run has its own: a command that an earlier one left running may still write.
    static RUNS: AtomicUsize = AtomicUsize::new(0);
    let directory = &directory.join(RUNS.fetch_add(1, Relaxed).to_string());
    fs::create_dir_all(directory.join("of-probe")).expect("a directory can be made");
    for open in [directory.clone(), directory.join("of-probe")] {
        use std::os::unix::fs::PermissionsExt;
        let mode = if open == *directory { 0o755 } else { 0o777 };
        fs::set_permissions(open, fs::Permissions::from_mode(mode)).expect("it is ours");
    }
    let path = directory.to_str().expect("UTF-8");
    let mut words = case.split(' ').filter(|word| !word.is_empty()).peekable();
    let mut command = Command::new(env!("CARGO_BIN_EXE_bgexec"));
    if words.next_if_eq(&"LEAD").is_some() {
        command.process_group(0);
    }
    let stderr = tempfile::tempfile().expect("a temporary file can be made");
    let words: Vec<String> = words.map(|word| word.replace("DIR", path)).collect();
    command.args(&words).arg(probe());
    let report = directory.join("of-probe/report");
    command.arg("report").arg(&report);
    if let Some(number) = case.split("fd:").nth(1).and_then(|rest| rest.split(' ').next()) {
        command.args(["put", number, "\n"]);
    }
    if case.contains("alive") || case.contains("notify") {
        command.args(["pause", "100"]);
    }
    command.current_dir("/").stdin(Stdio::null()).stdout(Stdio::null());
    command.env_clear().env("PATH", "/bin").env("HOME", "/root").stderr(stderr.try_clone().expect("a descriptor"));
    let trace = trace::run(command, harm).expect("the launch can be traced");
    let told = read_whole(stderr);
    let mut found = None;
    if trace.status == 0 && (!trace.executed.is_empty() || report.exists() || harm.is_none()) {
        let end = Instant::now() + Duration::from_secs(20);
        while found.is_none() && Instant::now() < end {
            found = fs::read_to_string(&report).ok();
            if found.is_none() {
                std::thread::yield_now();
            }
        }
    } else if let Ok(text) = fs::read_to_string(&report) {
        found = Some(text);
    }
    let files = fs::read_dir(directory).expect("it is there").flatten().filter(|entry| entry.file_name() != "of-probe");
    let size = |entry: &fs::DirEntry| entry.metadata().map_or(0, |metadata| metadata.len());
    let files = files.map(|entry| (entry.file_name().to_string_lossy().into_owned(), size(&entry))).collect();
    let _ = fs::remove_dir_all(directory); // the rest goes with the test's own
    Outcome { trace, stderr: told, report: found.map(|text| steady(&text, path)), files }
}

fn read_whole(mut file: File) -> String {
    use std::io::{Read, Seek};
    let mut text = vec![];
    file.rewind().and_then(|()| file.read_to_end(&mut text)).expect("a file can be read");
    String::from_utf8_lossy(&text).into_owned()
}

/// A report without pids, inodes and the run's directory.
fn steady(report: &str, directory: &str) -> String {
    let of = |key: &str| report.lines().find_map(|line| line.strip_prefix(key)).unwrap_or("");
    let mut steady = format!("leads group {}, leads session {}\n", of("pgid ") == of("pid "), of("sid ") == of("pid "));
    for line in report.lines() {
        let mut fields: Vec<&str> = line.split(' ').collect();
        match fields[0] {
            "pid" | "ppid" | "pgid" | "sid" => continue,
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
        steady.push_str(&fields.join(" ").replace(directory, "DIR"));
        steady.push('\n');
    }
    steady
}

/// What breaks the promise, if anything does.
fn violation(outcome: &Outcome, unharmed: &Outcome, survived: bool) -> Option<String> {
    let Outcome { trace, stderr, report, files } = outcome;
    if trace.hung {
        return Some("waits for ever".to_owned());
    }
    if trace.status & 0x7f != 0 {
        return Some(format!("killed by signal {}", trace.status & 0x7f));
    }
    let private = ["/dev/.bgexec", "/.bgexec"]
        .iter()
        .find(|path| fs::symlink_metadata(path).is_ok_and(|metadata| metadata.file_type().is_char_device()));
    if let Some(path) = private {
        return Some(format!("{path} is left"));
    }
    let status = trace.status >> 8;
    if status == 0 {
        if *report != unharmed.report {
            let lines = |report: &Option<String>| -> BTreeSet<String> {
                report.as_deref().unwrap_or("no report").lines().map(str::to_owned).collect()
            };
            let (found, wanted) = (lines(report), lines(&unharmed.report));
            let differ: Vec<_> = found.symmetric_difference(&wanted).take(4).collect();
            return Some(format!("status 0, but COMMAND found {differ:?}"));
        }
        return None;
    }
    if survived {
        return Some(format!("not survived: status {status}, {stderr:?}"));
    }
    if ![125, 126, 127].contains(&status) {
        return Some(format!("status {status}"));
    }
    let lines: Vec<&str> = stderr.lines().filter(|line| line.starts_with("bgexec: unable to ")).collect();
    let steps = stderr.lines().all(|line| line.starts_with("bgexec: "));
    if lines.len() != 1 || !steps || !stderr.ends_with('\n') || lines[0].matches(": ").count() < 2 {
        return Some(format!("status {status} with {stderr:?}"));
    }
    if !trace.left.is_empty() {
        return Some(format!("status {status}, and left processes {:?}", trace.left));
    }
    let may_stay = |(name, size): &&(String, u64)| ["lock", "out", "err"].contains(&name.as_str()) && *size == 0;
    files.iter().find(|file| !may_stay(file)).map(|file| format!("status {status}, and left {file:?}"))
}

/// The name of a call, as far as the report of a violation needs it.
fn describe(case: &str, place: Place, call: usize, errno: i32) -> String {
    format!("[{case}] process {} call {} (number {call}) errno {errno}", place.process, place.index)
}

#[test]
#[ignore = "finds faults that are not fixed yet, and takes minutes: .ci/faults runs it"]
fn every_call_fails_in_every_way_and_the_promise_holds() {
    trace::watch(Duration::from_secs(30));
    let home = tempfile::Builder::new().prefix("bgexec-faults-").tempdir().expect("a temporary directory can be made");
    {
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(home.path(), fs::Permissions::from_mode(0o755)).expect("it is ours");
    }
    let (next, runs) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let violations = Mutex::new(vec![]);
    let work = || {
        while let Some(case) = CASES.get(next.fetch_add(1, Relaxed)) {
            let unharmed = launch(case, home.path(), None);
            assert_eq!((unharmed.trace.status, unharmed.report.is_some()), (0, true), "{case}: {}", unharmed.stderr);
            for &(place, call) in unharmed.trace.calls.iter() {
                for &errno in errnos(call) {
                    let outcome = launch(case, home.path(), Some((place, errno)));
                    if outcome.trace.harmed {
                        runs.fetch_add(1, Relaxed);
                    }
                    if let Some(broken) = violation(&outcome, &unharmed, is_survived(call, errno)) {
                        let line = format!("{}: {broken}", describe(case, place, call, errno));
                        println!("{line}");
                        violations.lock().expect("no panic while it is held").push(line);
                    }
                }
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(work);
        }
    });
    let violations = violations.into_inner().expect("no panic while it was held");
    let runs = runs.into_inner();
    println!("injected faults: {runs}, violations: {}", violations.len());
    assert!(violations.is_empty(), "{} violations", violations.len());
    assert!(runs >= 5000, "only {runs} distinct faults");
}
