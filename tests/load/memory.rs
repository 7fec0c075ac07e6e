//! A supervisor is no larger after thousands of restarts than after a few.

use std::fs;

use crate::harness::{Sandbox, eventually, process, tiny_command};

/// Its memory: what it has and the most that it had, in KiB.
fn memory(pid: i32) -> Vec<String> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs");
    let wanted = ["VmPeak", "VmSize", "VmHWM", "VmRSS", "VmData", "VmStk"];
    status.lines().filter(|line| wanted.iter().any(|name| line.starts_with(name))).map(str::to_owned).collect()
}

#[test]
fn of_a_supervisor_is_constant() {
    let sandbox = Sandbox::new();
    let launch = sandbox.bgexec(&["-r", "-R", "0", "-p", "x.pid", "--child-pidfile", "child.pid", "-O", "log"]);
    launch.words([tiny_command()]).words(["--version"]).run().assert_started();
    let supervisor = sandbox.pid("x.pid");
    let runs = || fs::metadata(sandbox.path("log")).map_or(0, |log| log.len() / "bgexec 0.1.0\n".len() as u64);
    let after = |count| {
        eventually("it is started again", || (runs() >= count).then_some(()));
        memory(supervisor)
    };
    let early = after(100);
    assert!(!early.is_empty());
    assert_eq!(after(2100), early);
    process::kill(supervisor);
}
