//! The promise under faults, in many combinations of options. Each system call of each process of a launch fails once with each
//! error that its man page has for it (`errors`); and at each of them that process, or one that waits for it, gets KILL,
//! TERM, HUP, or STOP and CONT (`kills`). What is left, what was said, what COMMAND found and whether there can be a next
//! launch are looked at after each.
//!
//! A usual run takes all errors and a part of the kills, another one each time; with `BGEXEC_FAULTS=all` it takes all. With
//! `BGEXEC_FAULTS=seeded` the tests prove themselves instead: see `seeded`. The tracer is for x86_64.

#[cfg(target_arch = "x86_64")]
mod errors;
#[cfg(target_arch = "x86_64")]
mod kills;
#[path = "../room/mod.rs"]
mod room;
#[cfg(target_arch = "x86_64")]
mod seeded;
#[cfg(target_arch = "x86_64")]
mod start;
#[cfg(target_arch = "x86_64")]
mod trace;
#[cfg(target_arch = "x86_64")]
mod verdict;

#[cfg(not(target_arch = "x86_64"))]
#[test]
fn nobody_is_harmed_here() {
    room::can("the tracer is for x86_64", false);
}

/// What of all is tried, as the environment asks for it.
#[cfg(target_arch = "x86_64")]
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Part,
    All,
    Seeded,
}

#[cfg(target_arch = "x86_64")]
fn form() -> Form {
    match std::env::var("BGEXEC_FAULTS").as_deref() {
        Err(_) => Form::Part,
        Ok("all") => Form::All,
        Ok("seeded") => Form::Seeded,
        Ok(other) => panic!("BGEXEC_FAULTS={other} is neither all nor seeded"),
    }
}

/// How many parts there are, of which this run takes one: so many in the usual form.
#[cfg(target_arch = "x86_64")]
fn parts(usual: usize) -> usize {
    if form() == Form::Part { usual } else { 1 }
}

/// Does all of that, a few at once: launches wait more than they compute. In the usual form it is one of so many parts.
#[cfg(target_arch = "x86_64")]
fn in_parallel<T: Sync>(all: &[T], usual: usize, act: impl Fn(&T) + Sync) {
    use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

    let parts = parts(usual);
    let next = AtomicUsize::new(std::process::id() as usize % parts);
    let threads = 2 * std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(one) = all.get(next.fetch_add(parts, Relaxed)) {
                    act(one);
                }
            });
        }
    });
}

/// How many were harmed, and what broke the promise.
#[cfg(target_arch = "x86_64")]
#[derive(Default)]
struct Tally {
    harmed: std::sync::atomic::AtomicUsize,
    violations: std::sync::Mutex<Vec<String>>,
}

#[cfg(target_arch = "x86_64")]
impl Tally {
    fn count(&self, harm: impl std::fmt::Display, broken: Option<String>) {
        self.harmed.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        if let Some(broken) = broken {
            let line = format!("{harm}: {broken}");
            println!("{line}");
            self.violations.lock().expect("no panic while it is held").push(line);
        }
    }

    /// Fails unless there were at least so many, by root, who can ask for all, and no violation.
    fn close(self, what: &str, at_least: usize) {
        let (harmed, violations) = (self.harmed.into_inner(), self.violations.into_inner().expect("no panic before"));
        println!("{what}: {harmed} injected, {} violations", violations.len());
        assert!(violations.is_empty(), "{violations:#?}");
        let at_least = if rustix::process::geteuid().is_root() { at_least } else { at_least / 2 };
        assert!(harmed >= at_least, "only {harmed} {what}");
    }
}
