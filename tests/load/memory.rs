//! A supervisor is no larger after thousands of restarts than after a few.

use std::fs;

use crate::harness::{Sandbox, eventually_counts, process, tiny_command};

/// Lines of what the kernel tells of its memory, in KiB.
fn memory<const N: usize>(pid: i32, names: [&str; N]) -> [u64; N] {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs");
    names.map(|name| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).expect("a line for each");
        line.trim_start_matches(':').trim_end_matches("kB").trim().parse().expect("a number")
    })
}

/// What it has asked for, and the most of it.
const ASKED: [&str; 3] = ["VmSize", "VmPeak", "VmData"];

/// What of it, and of its own image, has been touched: rare paths are, some time.
const TOUCHED: [&str; 2] = ["VmRSS", "VmHWM"];

/// What the command says.
const LINE: &str = concat!("bgexec ", env!("CARGO_PKG_VERSION"), "\n");

/// The image and the stack are no larger.
const ALL: u64 = 64;

#[test]
fn of_a_supervisor_is_constant() {
    let sandbox = Sandbox::new();
    let launch = sandbox.bgexec(&["-r", "-R", "0", "-p", "x.pid", "--child-pidfile", "child.pid", "-O", "log"]);
    launch.words([tiny_command()]).words(["--version"]).run().assert_started();
    let supervisor = sandbox.pid("x.pid");
    let runs = || fs::metadata(sandbox.path("log")).map_or(0, |log| log.len() as usize / LINE.len());
    let after = |count| {
        eventually_counts("it is started again", count, runs);
        (memory(supervisor, ASKED), memory(supervisor, TOUCHED))
    };
    let (early, late) = (after(100), after(2100));
    assert_eq!(late.0, early.0, "{ASKED:?}");
    let grown = early.1.iter().zip(late.1).any(|(early, late)| late > early + ALL);
    assert!(!grown, "{TOUCHED:?}: {early:?}, then {late:?}");
    process::kill(supervisor);
}
