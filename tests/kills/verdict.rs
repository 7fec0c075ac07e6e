//! What is done to a launch, and what may come of it.

use std::fs;
use std::os::unix::fs::FileTypeExt;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use crate::start::{Case, Start, prepare, start};
use crate::trace::{Harm, Place, SIGHUP, SIGKILL, SIGSTOP, SIGTERM};

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
    for &(place, call) in &unharmed.trace.calls {
        let follows = Place { index: place.index + 1, ..place };
        let executes = |at: Place| unharmed.trace.calls.contains(&(at, sc::nr::EXECVE));
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
    let is_device = |path: &&&str| fs::symlink_metadata(path).is_ok_and(|found| found.file_type().is_char_device());
    if let Some(path) = ["/dev/.bgexec", "/.bgexec"].iter().find(is_device) {
        return Some(format!("{path} is left"));
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
    // Known and not yet mended: the leader shares memory and descriptors with launcher and daemon. If it is killed while
    // the daemon takes its steps, the launcher goes on beside that one, on the same stack: either may fail, and the
    // launcher neither waits for the daemon nor can be believed. What must hold all the same: nothing lives on after a
    // failure, and the next start works.
    let is_leaders = signal == SIGKILL
        && kill.is_some_and(|Kill { place, harm, .. }| {
            place.process == 2 && harm == Harm::Signal { number: SIGKILL, to: 1 }
        })
        && (case.has("LEAD") || !case.supervises());
    let unseen = kill.is_some_and(|kill| kill.is_unseen) && !is_launchers && signal != SIGSTOP;
    if (status != 0 || !case.supervises()) && !unseen && !is_leaders && !trace.unreaped.is_empty() {
        return Some(format!("status {status}, and has not reaped {:?}", trace.unreaped));
    }
    let has_run = !trace.executed.is_empty();
    if status == 0 {
        return (!has_run && !unseen && !is_leaders).then(|| "status 0, but nothing was executed".to_owned());
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
    let reasons = stderr.lines().filter(|line| line.starts_with("bgexec: unable to ")).count();
    if reasons != 1 || !stderr.lines().all(|line| line.starts_with("bgexec: ")) {
        return Some(format!("status {status} with {stderr:?}"));
    }
    let alive: Vec<_> = first.processes().filter(|&pid| !first.dies(pid, 1)).collect();
    // What a killed supervisor had made is nobody's child: it dies, but the launcher cannot wait for it.
    if !trace.left.is_empty() && !is_leaders && !case.supervises() || !alive.is_empty() {
        return Some(format!("status {status}, and left processes {:?}, {alive:?}", trace.left));
    }
    let may_stay = |name: &str, size: u64| name == "room" || ["lock", "out", "err"].contains(&name) && size == 0;
    for entry in fs::read_dir(directory).expect("it is there").flatten() {
        let (name, size) = (entry.file_name(), entry.metadata().map_or(0, |metadata| metadata.len()));
        if !is_leaders && !may_stay(&name.to_string_lossy(), size) {
            return Some(format!("status {status}, and left {name:?} with {size} bytes"));
        }
    }
    None
}

/// The same for the next launch: it works, unless the first one's runs; and then it works once that is gone.
pub fn of_the_next(case: Case, first: &Start, directory: &Path) -> Option<String> {
    let pidfile = directory.join("pid");
    let next = start(case, directory, None, None);
    let broken = match next.status() {
        Some(0) => {
            // A supervisor holds the locks for COMMAND.
            let holders = if case.supervises() { &first.trace.stay } else { &first.trace.executed };
            let there = holders.iter().find(|&&pid| !first.dies(pid, 2));
            there.filter(|_| case.locks()).map(|pid| format!("started twice: {pid} runs"))
        }
        Some(1) => {
            let named = next.stderr.trim_end().rsplit(' ').next().and_then(|word| word.parse().ok());
            if !named.is_some_and(|pid: i32| first.processes().any(|ours| ours == pid)) {
                Some(format!("a stranger is taken for ours: {:?}", next.stderr))
            } else if case.has("-p") && named.is_some_and(|pid| first.is_alive(pid)) && !pidfile.exists() {
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
