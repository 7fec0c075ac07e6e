//! What bgexec does where qemu-user stands between it and the kernel: there a vfork is a plain fork, and CLONE_PARENT and
//! PR_SET_CHILD_SUBREAPER are refused. The promise is kept all the same; what cannot be known is said to be unknown.
//!
//! The tests that cannot hold there are listed in `harness/emulated`; for each reason that it gives there is a test here of
//! what holds instead. Other kernels that are none of Linux's own refuse the same calls.

use std::fs;

use rustix::process::Signal;

use crate::harness::process::{is_alive, kill};
use crate::harness::{Output, Sandbox, eventually, is_root, probe, runner, skip};
use crate::names::LIMITS;

/// Whether an emulator runs bgexec; says so if not.
fn is_emulated() -> bool {
    let emulated = runner().is_some();
    if !emulated {
        skip("BGEXEC_RUNNER names no emulator");
    }
    emulated
}

/// A failure of the wait for COMMAND, for the reason that the line ends with, if any, and nothing is left.
#[track_caller]
fn assert_failed(sandbox: &Sandbox, output: &Output, status: i32, reason: &str) {
    output.assert_unable_to(status, &format!("wait for {}: ", probe().display()));
    assert!(output.stderr.ends_with(&format!("{reason}\n")), "{}", output.stderr);
    assert!(!sandbox.exists("x.pid"));
    eventually("nothing runs", || sandbox.is_deserted().then_some(()));
}

#[test]
fn start_and_failure_are_told_apart() {
    if !is_emulated() {
        return;
    }
    for options in [&["-p", "x.pid"][..], &["-p", "x.pid", "-l", "x.lock", "-r"], &["-p", "x.pid", "--session-leader"]]
    {
        let sandbox = Sandbox::new();
        sandbox.bgexec(options).probe(["stay"]).run().assert_started();
        assert!(is_alive(sandbox.pid("x.pid")), "{options:?}");
        sandbox.report();
        let sandbox = Sandbox::new();
        for (command, status, reason) in [
            ("/nonexistent/command", 127, "execute /nonexistent/command: No such file or directory"),
            ("/", 126, "execute /: Permission denied"),
        ] {
            sandbox.bgexec(options).words([command]).run().assert_unable(status, reason);
            assert!(!sandbox.exists("x.pid"), "{options:?}");
            assert!(sandbox.is_deserted(), "{options:?}");
        }
    }
}

/// The command that nothing can be known of does not stay.
#[test]
fn status_that_cannot_be_known_is_a_failure() {
    if is_emulated() {
        let sandbox = Sandbox::new();
        for verbs in [&["exit", "0"][..], &["stay"]] {
            let output = sandbox.bgexec(&["-w", "-p", "x.pid"]).probe(verbs.iter().copied()).run();
            assert_failed(&sandbox, &output, 125, ": No child processes");
        }
    }
}

#[test]
fn readiness_is_heard() {
    if is_emulated() {
        for (notify, verbs) in [("fd:7", ["put", "7", "\n", "stay"]), ("socket", ["notify", "READY=1", "stay", "stay"])]
        {
            let sandbox = Sandbox::new();
            sandbox.bgexec(&["-p", "x.pid", "--notify", notify]).probe(verbs).run().assert_started();
            assert!(is_alive(sandbox.pid("x.pid")), "{notify}");
        }
    }
}

/// Be it that the descriptor was closed, be it that the daemon is gone: whichever is seen first.
#[test]
fn command_that_dies_before_it_is_ready_is_a_failure() {
    if is_emulated() {
        let sandbox = Sandbox::new();
        for verbs in [&["exit", "3"][..], &["put", "7", "almost", "raise", "9"], &["shut", "7", "stay"]] {
            let output = sandbox.bgexec(&["-p", "x.pid", "--notify", "fd:7"]).probe(verbs.iter().copied()).run();
            assert_failed(&sandbox, &output, 125, "");
        }
    }
}

#[test]
fn command_that_is_not_ready_in_time_is_ended() {
    if is_emulated() {
        for notify in ["fd:7", "socket"] {
            let sandbox = Sandbox::new();
            let launch = sandbox.bgexec(&["-p", "x.pid", "--notify", notify, "--notify-timeout", "0.3"]);
            let output = launch.probe(["stay"]).run();
            assert_failed(&sandbox, &output, 124, ": not ready after 0.3 s");
        }
        let sandbox = Sandbox::new();
        let output = sandbox.bgexec(&["-p", "x.pid", "--notify", "socket"]).probe(["notify", "ERRNO=13", "stay"]).run();
        assert_failed(&sandbox, &output, 125, ": Permission denied");
    }
}

#[test]
fn command_that_lives_long_enough_is_a_success() {
    if is_emulated() {
        let sandbox = Sandbox::new();
        sandbox.bgexec(&["-p", "x.pid", "--alive-after", "300"]).probe(["stay"]).run().assert_started();
        assert!(is_alive(sandbox.pid("x.pid")));
    }
}

/// That is seen when the time is over: nothing tells of it before.
#[test]
fn command_that_does_not_live_long_enough_is_a_failure() {
    if is_emulated() {
        let sandbox = Sandbox::new();
        let output = sandbox.bgexec(&["-p", "x.pid", "--alive-after", "1000"]).probe(["exit", "3"]).run();
        assert_failed(&sandbox, &output, 125, "");
    }
}

/// The supervisor is a child's parent as everywhere.
#[test]
fn command_is_started_again() {
    if is_emulated() {
        let sandbox = Sandbox::new();
        let launch = sandbox.bgexec(&["-r", "-R", "0.01", "-p", "x.pid", "--child-pidfile", "child.pid"]);
        launch.probe(["stay"]).run().assert_started();
        let first = sandbox.report();
        assert_eq!(first.ppid, sandbox.pid("x.pid"));
        fs::remove_file(sandbox.path("report")).expect("it was just read");
        kill(first.pid);
        let second = sandbox.report();
        assert_ne!(second.pid, first.pid);
        assert_eq!((second.ppid, second.pid), (sandbox.pid("x.pid"), sandbox.pid("child.pid")));
        sandbox.bgexec(&["-K", "-p", "x.pid"]).run().assert_started();
        assert!(!sandbox.exists("x.pid") && !sandbox.exists("child.pid"));
    }
}

#[test]
fn init_that_cannot_adopt_orphans_is_refused() {
    if is_emulated() {
        let sandbox = Sandbox::new();
        let output = sandbox.bgexec(&["--init"]).probe(["exit", "0"]).run();
        output.assert_unable(125, "adopt orphans: Invalid argument");
        assert!(!sandbox.exists("report"), "nothing was started");
    }
}

/// The orphans are given to it without being asked for.
#[test]
fn pid_1_is_an_init() {
    if is_emulated() && is_root() {
        for (verbs, status) in
            [(&["exit", "7"][..], 7), (&["orphans", "20", "exit", "0"], 0), (&["raise", "9"], 128 + 9)]
        {
            let sandbox = Sandbox::new();
            let output = sandbox.bgexec(&[]).being_pid_1().probe(verbs.iter().copied()).run();
            assert_eq!((output.status.code(), &*output.stderr), (Some(status), ""), "{verbs:?}");
            assert_eq!(sandbox.report().ppid, 1);
        }
    }
}

/// Those of memory are left out: each is the same as before.
#[test]
fn limits_are_set_but_those_of_memory() {
    if is_emulated() {
        let sandbox = Sandbox::new();
        let before = sandbox.start(&[]).limits;
        for (resource, name) in (0..).zip(LIMITS) {
            let sandbox = Sandbox::new();
            let (_, hard) = before[&resource];
            let asked =
                if name == "NOFILE" { (99, 100) } else { (hard.min(1 << 33).saturating_sub(1), hard.min(1 << 33)) };
            let option = format!("--rlimit={name}={}:{}", asked.0, asked.1);
            let expected = if matches!(name, "AS" | "DATA" | "STACK") { before[&resource] } else { asked };
            assert_eq!(sandbox.start(&[&option]).limits[&resource], expected, "{option}");
        }
    }
}

/// The one that arrives has another number than the one that was sent.
#[test]
fn real_time_signal_is_sent() {
    if is_emulated() {
        let sandbox = Sandbox::new();
        sandbox.bgexec(&["-p", "x.pid"]).recording().run().assert_started();
        sandbox.report();
        sandbox.bgexec(&["-K", "-p", "x.pid", "-s", "RTMIN+1"]).run().assert_started();
        let taken = || fs::read_to_string(sandbox.path("record")).ok()?.trim().parse().ok();
        let number: i32 = eventually("a signal", taken);
        assert!((35..=64).contains(&number), "{number}");
    }
}

/// From 32 on the numbers are the emulator's.
#[test]
fn signals_are_reset_below_those_of_real_time() {
    if is_emulated() {
        const REAL_TIME: u64 = !0 << 31;
        let all = (1..32).filter(|&signal| signal != Signal::KILL.as_raw() && signal != Signal::STOP.as_raw());
        for options in [&[][..], &["-F"]] {
            let sandbox = Sandbox::new();
            let launch = sandbox.bgexec(options).ignoring(all.clone()).blocking(all.clone());
            launch.probe(["exit", "0"]).run().assert_started();
            let report = sandbox.report();
            assert_eq!((report.blocked, report.ignored & !REAL_TIME), (0, 0), "{options:?}");
        }
        let sandbox = Sandbox::new();
        let usr1 = Signal::USR1.as_raw();
        let launch = sandbox.bgexec(&["--keep-signals", "--ignore-signal=HUP"]).blocking([usr1]);
        launch.probe(["stay"]).run().assert_started();
        let report = sandbox.report();
        assert_eq!((report.blocked, report.ignored), (1 << (usr1 - 1), 1));
    }
}
