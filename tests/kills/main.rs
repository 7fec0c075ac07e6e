//! The promise while somebody kills: at each system call of each process of a launch, that process or the launcher gets
//! KILL, TERM, HUP, or STOP and CONT. Whatever comes of that launch, the next one works.
//!
//! A usual run takes a sixteenth of all, another one each time; with `BGEXEC_FAULTS=all` it takes all. With
//! `BGEXEC_FAULTS=seeded` the tests prove themselves: see `seeded`. The tracer is for x86_64.

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
fn nobody_is_killed_here() {
    println!("not run: the tracer is for x86_64");
}

#[cfg(target_arch = "x86_64")]
#[test]
#[ignore = "takes a minute of all processors: .ci/faults runs it"]
fn killed_at_every_step_and_the_promise_holds() {
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

    use start::{CASES, Case};

    /// What a usual run takes one of.
    const PARTS: usize = 16;

    if std::env::var("BGEXEC_FAULTS").is_ok_and(|form| form == "seeded") {
        return;
    }
    let all = std::env::var("BGEXEC_FAULTS").is_ok_and(|form| form == "all");
    let part = if all { 0 } else { std::process::id() as usize % PARTS };
    if !all {
        println!("kills: part {part} of {PARTS}; BGEXEC_FAULTS=all takes all");
    }
    let home = tempfile::Builder::new().prefix("bgexec-kills-").tempdir().expect("a temporary directory can be made");
    start::prepare(home.path());
    let (next, kills) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let violations = Mutex::new(vec![]);
    let work = || {
        while let Some(words) = CASES.get(next.fetch_add(1, Relaxed)) {
            let case = Case::new(words);
            let plan = verdict::kills(case, home.path());
            for (number, kill) in plan.into_iter().enumerate() {
                if all || number % PARTS == part {
                    kills.fetch_add(1, Relaxed);
                    if let Some(broken) = verdict::violation(case, home.path(), kill) {
                        let line = format!(
                            "[{words}] {:?} before call {} at {:?}: {broken}",
                            kill.harm, kill.call, kill.place
                        );
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
    let (kills, violations) = (kills.into_inner(), violations.into_inner().expect("no panic while it was held"));
    println!("kills: {kills}, violations: {}", violations.len());
    assert!(violations.is_empty(), "{violations:#?}");
    assert!(kills >= 500, "only {kills} kills");
}
