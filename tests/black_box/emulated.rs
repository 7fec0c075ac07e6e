//! What bgexec does where qemu-user stands between it and the kernel: there a vfork is a plain fork, and CLONE_PARENT and
//! PR_SET_CHILD_SUBREAPER are refused. The promise is kept all the same; what cannot be known is said to be unknown.
//!
//! The tests that cannot hold there are listed in `harness/emulated`.

use std::env;

use crate::harness::{Sandbox, skip};

/// Whether an emulator runs bgexec; says so if not.
fn is_emulated() -> bool {
    let emulated = env::var_os("BGEXEC_RUNNER").is_some();
    if !emulated {
        skip("BGEXEC_RUNNER names no emulator");
    }
    emulated
}

#[test]
fn start_and_failure_are_told_apart() {
    if is_emulated() {
        let sandbox = Sandbox::new();
        sandbox.bgexec(&["-p", "x.pid"]).probe(["stay"]).run().assert_started();
        assert!(sandbox.pid("x.pid") > 1);
        let output = sandbox.bgexec(&["-p", "y.pid", "/nonexistent/command"]).run();
        output.assert_unable(127, "execute /nonexistent/command: No such file or directory");
        assert!(!sandbox.exists("y.pid"));
    }
}

#[test]
fn status_that_cannot_be_known_is_a_failure() {
    if is_emulated() {
        let sandbox = Sandbox::new();
        let output = sandbox.bgexec(&["-w"]).probe(["exit", "0"]).run();
        output.assert_unable_to(125, "wait for ");
        assert!(output.stderr.ends_with(": No child processes\n"), "{}", output.stderr);
    }
}

#[test]
fn init_that_cannot_adopt_orphans_is_refused() {
    if is_emulated() {
        let sandbox = Sandbox::new();
        let output = sandbox.bgexec(&["--init"]).probe(["exit", "0"]).run();
        output.assert_unable_to(125, "");
        assert!(output.stderr.ends_with(": Invalid argument\n"), "{}", output.stderr);
        assert!(!sandbox.exists("report"), "nothing was started");
    }
}
