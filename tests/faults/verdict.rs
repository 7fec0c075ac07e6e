//! What is done to a launch, and what may come of it.

use std::fs;
use std::os::unix::fs::FileTypeExt;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use crate::start::{Case, Start, prepare, start};
use crate::trace::{Call, Harm, Place, SIGHUP, SIGKILL, SIGSTOP, SIGTERM, Trace};

/// A signal at a place, and the number of the call that is about to be made there.
#[derive(Clone, Copy, Debug)]
pub struct Kill {
    pub place: Place,
    pub call: usize,
    pub harm: Harm,
    /// Whether it comes between the daemon's pid record and the end of execve, where it can be seen by nobody.
    pub is_unseen: bool,
}

/// All kills of a launch. Of the 62 calls in a row that reset dispositions the first stands for the others.
pub fn kills(case: Case, home: &Path) -> Vec<Kill> {
    let unharmed = in_own_directory(home, |directory| {
        let unharmed = start(case, directory, None, None);
        unharmed.end();
        unharmed
    });
    assert_eq!(unharmed.status(), Some(0), "{}: {}", case.words, unharmed.stderr);
    let mut kills = vec![];
    let mut before = [usize::MAX; 8];
    for &Call { place, number: call, .. } in &unharmed.trace.calls {
        let follows = Place { index: place.index + 1, ..place };
        let executes =
            |at: Place| unharmed.trace.calls.iter().any(|call| call.place == at && call.number == sc::nr::EXECVE);
        // Whoever is killed when about to send the record has sent none; any other signal comes when it is sent.
        let is_unseen = |signal| executes(place) || signal != SIGKILL && executes(follows);
        if call == sc::nr::RT_SIGACTION && before[place.process] == call {
            continue;
        }
        before[place.process] = call;
        for signal in [SIGKILL, SIGTERM, SIGHUP, SIGSTOP] {
            for to in 0..=place.process {
                let is_unseen = to == place.process && is_unseen(signal);
                kills.push(Kill { place, call, harm: Harm::Signal { number: signal, to }, is_unseen });
            }
        }
    }
    kills
}

/// Does something in a directory of its own.
pub fn in_own_directory<T>(home: &Path, act: impl FnOnce(&Path) -> T) -> T {
    static RUNS: AtomicUsize = AtomicUsize::new(0);
    let directory = home.join(RUNS.fetch_add(1, Relaxed).to_string());
    prepare(&directory);
    let done = act(&directory);
    let _ = fs::remove_dir_all(directory); // the rest goes with the test's own
    done
}

/// What breaks the promise when somebody is killed there, if anything does.
pub fn violation(case: Case, home: &Path, kill: Kill) -> Option<String> {
    in_own_directory(home, |directory| {
        let first = start(case, directory, Some((kill.place, kill.harm)), None);
        let broken = of_the_launch(case, &first, Some(kill), directory);
        let broken = broken.or_else(|| of_the_next(case, &first, directory));
        first.end();
        broken
    })
}

/// The same for that launch itself.
pub fn of_the_launch(case: Case, first: &Start, kill: Option<Kill>, directory: &Path) -> Option<String> {
    let Start { trace, stderr, .. } = first;
    let (signal, is_launchers) = match kill {
        Some(Kill { harm: Harm::Signal { number, to }, .. }) => (number, to == 0),
        _ => (0, false),
    };
    if trace.hung {
        return Some("waits for ever".to_owned());
    }
    if let Some(path) = left_device() {
        return Some(format!("{path} is left"));
    }
    // A supervisor is made by a plain fork: it and COMMAND have memory of their own.
    if !case.supervises() && shares_a_stack(trace) {
        return Some("the launcher goes on where the daemon's stack is".to_owned());
    }
    if !case.supervises() && !trace.stay.is_empty() {
        return Some(format!("processes {:?} live on", trace.stay));
    }
    let Some(status) = first.status() else {
        let killer = trace.status & 0x7f;
        // Its first call blocks all that can be blocked; in the foreground it is COMMAND itself that is killed.
        let is_first = kill.is_some_and(|kill| kill.place == Place { process: 0, index: 0 });
        let may_be = is_launchers && killer == signal && (signal == SIGKILL || is_first || case.has("-F"));
        return (!may_be).then(|| format!("the launcher was killed by signal {killer}"));
    };
    let unseen = kill.is_some_and(|kill| kill.is_unseen) && !is_launchers && signal != SIGSTOP;
    if (status != 0 || !case.supervises()) && !unseen && !trace.unreaped.is_empty() {
        return Some(format!("status {status}, and has not reaped {:?}", trace.unreaped));
    }
    let has_run = !trace.executed.is_empty();
    if status == 0 {
        if case.supervises() && trace.stay.iter().all(|&pid| first.dies(pid, 0)) {
            // COMMAND goes with a killed supervisor, even before the tracer hears that it was executed.
            let alone = trace.executed.iter().find(|&&pid| !first.dies(pid, 20));
            return alone.map(|pid| format!("COMMAND runs on as {pid} without its supervisor"));
        }
        return (!has_run && !unseen).then(|| "status 0, but nothing was executed".to_owned());
    }
    if signal == SIGSTOP {
        return Some(format!("status {status} for a while of standing still: {stderr:?}"));
    }
    if case.stays() && (has_run || unseen) && status == 128 + signal {
        return None;
    }
    if is_launchers && kill.is_some_and(|kill| kill.place.process > 0) && !case.waits() {
        return Some(format!("status {status}, but the launcher heeds no signal yet: {stderr:?}"));
    }
    if status != 125 {
        return Some(format!("status {status}: {stderr:?}"));
    }
    if !is_one_line(stderr) {
        return Some(format!("status {status} with {stderr:?}"));
    }
    if let Some(left) = left_processes(case, first) {
        return Some(format!("status {status}, and left processes {left:?}"));
    }
    left_file(case, directory).map(|left| format!("status {status}, and left {left}"))
}

/// A null device of bgexec's own that is left. Another launch may have one for a moment.
pub fn left_device() -> Option<&'static str> {
    let is_device = |path: &&str| fs::symlink_metadata(path).is_ok_and(|found| found.file_type().is_char_device());
    let end = Instant::now() + Duration::from_secs(10);
    let path = ["/dev/.bgexec", "/.bgexec"].into_iter().find(is_device)?;
    while is_device(&path) && Instant::now() < end {
        std::thread::sleep(Duration::from_millis(1));
    }
    is_device(&path).then_some(path)
}

/// Whether what was said is one line that says why, and otherwise only which steps were taken.
pub fn is_one_line(stderr: &str) -> bool {
    let lines: Vec<&str> = stderr.lines().filter(|line| line.starts_with("bgexec: unable to ")).collect();
    let reasoned = lines.len() == 1 && lines[0].matches(": ").count() >= 2;
    reasoned && stderr.ends_with('\n') && stderr.lines().all(|line| line.starts_with("bgexec: "))
}

/// The processes that a failure has left. What a killed supervisor had made is nobody's child: it dies, but the launcher
/// cannot reap it.
pub fn left_processes(case: Case, start: &Start) -> Option<Vec<i32>> {
    let may_die = if case.supervises() { &start.trace.left[..] } else { &[] };
    let made = start.processes().chain(may_die.iter().copied());
    let mut left: Vec<_> = made.filter(|&pid| !start.dies(pid, 20)).collect();
    if !case.supervises() {
        left.extend(&start.trace.left);
    }
    (!left.is_empty()).then_some(left)
}

/// A file that must not stay after a failure: an output or a lockfile may, if it is empty.
pub fn left_file(case: Case, directory: &Path) -> Option<String> {
    let may_stay = |name: &str, size: u64| {
        let locked = format!("DIR/{name}");
        let created = ["out", "err"].contains(&name) || case.words.contains(&format!("-l {locked}"));
        name == "room" || created && size == 0
    };
    fs::read_dir(directory).expect("it is there").flatten().find_map(|entry| {
        let (name, size) = (entry.file_name(), entry.metadata().map_or(0, |metadata| metadata.len()));
        (!may_stay(&name.to_string_lossy(), size)).then(|| format!("{name:?} with {size} bytes"))
    })
}

/// Whether the launcher, woken by the end of its leader, used the part of the stack where the daemon still lived.
fn shares_a_stack(trace: &Trace) -> bool {
    let of = |process: usize| trace.calls.iter().enumerate().filter(move |(_, call)| call.place.process == process);
    let Some((met, top)) = of(2).next().map(|(at, call)| (at, call.stack)) else { return false };
    let end = trace.ends.iter().find(|(process, _)| *process == 2).map_or(0, |(_, calls)| *calls);
    of(0).any(|(at, call)| at > met && at < end && call.stack <= top)
}

/// The same for the next launch: it works, unless the first one's runs; and then it works once that is gone.
pub fn of_the_next(case: Case, first: &Start, directory: &Path) -> Option<String> {
    let pidfile = directory.join("pid");
    let next = start(case, directory, None, None);
    let broken = match next.status() {
        Some(0) => {
            // A supervisor holds the locks for COMMAND.
            let holders = if case.supervises() { &first.trace.stay } else { &first.trace.executed };
            let there = holders.iter().find(|&&pid| case.locks() && !first.dies(pid, 20));
            there.map(|pid| format!("started twice: {pid} runs"))
        }
        Some(1) => {
            let named = next.stderr.trim_end().rsplit(' ').next().and_then(|word| word.parse().ok());
            if !named.is_some_and(|pid| first.trace.made.contains(&pid)) {
                Some(format!("a stranger is taken for ours: {:?}", next.stderr))
            } else if case.has("-p") && !pidfile.exists() && named.is_some_and(|pid| !first.dies(pid, 20)) {
                // One that is on its way out removes it before it ends.
                Some("the pidfile of what runs is gone".to_owned())
            } else {
                first.end();
                let last = start(case, directory, None, None);
                last.end();
                (last.status() != Some(0)).then(|| format!("refused for ever: {:?}", last.stderr))
            }
        }
        _ => Some(format!("the next start fails: {:x} {:?}", next.trace.status, next.stderr)),
    };
    next.end();
    broken
}
