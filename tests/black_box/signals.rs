//! Signals: what the command gets, and what one does to a launch under way.

use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::harness::process::{is_alive, signal};
use crate::harness::{Report, Sandbox, bgexec_command, eventually, probe, unread_pipe};

/// The set of these signals: bit N-1 for signal N.
fn set(signals: &[Signal]) -> u64 {
    signals.iter().map(|signal| 1 << (signal.as_raw() - 1)).sum()
}

/// All signals that a program can do something about.
fn all() -> impl Iterator<Item = i32> + Clone {
    (1..=64).filter(|&signal| signal != Signal::KILL.as_raw() && signal != Signal::STOP.as_raw())
}

#[track_caller]
fn assert_default(daemon: &Report) {
    assert_eq!((daemon.blocked, daemon.ignored, daemon.caught, daemon.pending), (0, 0, 0, 0));
}

mod inherited {
    use super::*;

    #[test]
    fn nothing_is_inherited_from_an_ordinary_caller() {
        assert_default(&Sandbox::new().start(&[]));
    }

    #[test]
    fn dispositions_are_reset() {
        let sandbox = Sandbox::new();
        sandbox.bgexec(&["-p", "x.pid"]).ignoring(all()).probe(["stay"]).run().assert_started();
        assert_default(&sandbox.report());
    }

    #[test]
    fn mask_is_emptied() {
        let sandbox = Sandbox::new();
        sandbox.bgexec(&["-p", "x.pid"]).blocking(all()).probe(["stay"]).run().assert_started();
        assert_default(&sandbox.report());
    }

    #[test]
    fn both_are_reset_for_a_group_leader_too() {
        let sandbox = Sandbox::new();
        let launch = sandbox.bgexec(&[]).leading_group().ignoring(all()).blocking(all());
        launch.probe(["stay"]).run().assert_started();
        assert_default(&sandbox.report());
    }

    #[test]
    fn both_are_reset_in_the_foreground() {
        let sandbox = Sandbox::new();
        let launch = sandbox.bgexec(&["-F"]).ignoring(all()).blocking(all());
        launch.probe(["exit", "0"]).run().assert_started();
        assert_default(&sandbox.report());
    }

    #[test]
    fn both_are_kept_when_asked_for() {
        let sandbox = Sandbox::new();
        let launch = sandbox.bgexec(&["--keep-signals"]).ignoring([Signal::HUP.as_raw(), 40]);
        let launch = launch.blocking([Signal::USR1.as_raw(), Signal::CHILD.as_raw(), 64]);
        launch.probe(["stay"]).run().assert_started();
        let daemon = sandbox.report();
        assert_eq!(daemon.ignored, set(&[Signal::HUP]) | 1 << 39);
        assert_eq!(daemon.blocked, set(&[Signal::USR1, Signal::CHILD]) | 1 << 63);
    }

    /// A parent that ignores SIGCHLD has its children reaped by the kernel: nobody's end can be waited for then.
    #[test]
    fn failure_is_told_whatever_becomes_of_sigchld() {
        let child = Signal::CHILD.as_raw();
        let message = "execute /nonexistent/command: No such file or directory";
        let options = ["-p", "x.pid", "/nonexistent/command"];
        let sandbox = Sandbox::new();
        sandbox.bgexec(&options).ignoring([child]).run().assert_unable(127, message);
        sandbox.bgexec(&options).blocking([child]).run().assert_unable(127, message);
        let launch = sandbox.bgexec(&options).leading_group().ignoring([child]).blocking([child]);
        launch.run().assert_unable(127, message);
        assert!(!sandbox.exists("x.pid"));
    }
}

mod ignore_signal {
    use super::*;

    #[test]
    fn ignores_those_named() {
        for names in ["HUP,INT,USR1", "SIGHUP,SIGINT,SIGUSR1", "1,2,10"] {
            let daemon = Sandbox::new().start(&["--ignore-signal", names]);
            assert_eq!(daemon.ignored, set(&[Signal::HUP, Signal::INT, Signal::USR1]), "{names}");
            assert_eq!(daemon.blocked, 0);
        }
    }

    #[test]
    fn ignores_a_real_time_signal() {
        assert_eq!(Sandbox::new().start(&["--ignore-signal=64"]).ignored, 1 << 63);
    }

    #[test]
    fn adds_to_the_inherited_ones_when_those_are_kept() {
        let sandbox = Sandbox::new();
        let launch = sandbox.bgexec(&["--keep-signals", "--ignore-signal=USR1"]);
        launch.ignoring([Signal::HUP.as_raw()]).probe(["stay"]).run().assert_started();
        assert_eq!(sandbox.report().ignored, set(&[Signal::HUP, Signal::USR1]));
    }

    #[test]
    fn refuses_what_is_no_signal_or_cannot_be_ignored() {
        for name in ["NOSUCH", "", "HUP,", ",HUP", "HUPX", "hu", "0", "65", "KILL", "SIGSTOP", "9", "HUP INT"] {
            let output = Sandbox::new().bgexec(&["--ignore-signal", name, "true"]).run();
            output.assert_unable(125, &format!("use --ignore-signal {name}: not signals to ignore"));
        }
    }
}

mod during_the_launch {
    use super::*;

    /// A search that takes the daemon some time, while the launcher waits.
    fn long_path() -> String {
        "/none:".repeat(20_000) + "."
    }

    /// The promise is kept whatever comes in between: either the launcher ends with success and the daemon runs, or it
    /// does not, and nothing is left.
    #[track_caller]
    fn assert_promise_is_kept(sent: Signal, delay: Duration) {
        let sandbox = Sandbox::new();
        sandbox.write_script("server", "#!/bin/sh");
        let running = sandbox.bgexec(&["-p", "x.pid", "server"]).env("PATH", long_path()).spawn();
        let start = Instant::now();
        while start.elapsed() < delay {
            std::hint::spin_loop();
        }
        signal(running.pid(), sent);
        let output = running.wait();
        let context = format!("{sent:?} after {delay:?}: {output:?}");
        if output.status.success() {
            assert!(is_alive(sandbox.pid("x.pid")), "{context}");
        } else {
            assert!(!sandbox.exists("x.pid"), "{context}");
            assert!(sandbox.is_deserted(), "{context}");
        }
        assert!(output.status.success() || output.status.signal() == Some(sent.as_raw()), "{context}");
    }

    #[test]
    fn none_breaks_the_promise() {
        for sent in [Signal::TERM, Signal::INT, Signal::HUP, Signal::ALARM] {
            for step in 0..8 {
                assert_promise_is_kept(sent, Duration::from_micros(100) * step * step);
            }
        }
    }

    /// Once the daemon is on its way, which the pidfile shows, the launch is carried through.
    #[test]
    fn none_ends_the_launcher_while_the_daemon_is_on_its_way() {
        let sandbox = Sandbox::new();
        sandbox.write_script("server", "#!/bin/sh");
        let running = sandbox.bgexec(&["-p", "x.pid", "server"]).env("PATH", long_path()).spawn();
        let pidfile = sandbox.path("x.pid");
        eventually("the pidfile", || std::fs::read(&pidfile).is_ok_and(|pid| !pid.is_empty()).then_some(()));
        for sent in [Signal::TERM, Signal::INT, Signal::HUP, Signal::USR1, Signal::PIPE] {
            signal(running.pid(), sent);
        }
        let output = running.wait();
        assert_eq!((output.status.code(), &*output.stderr), (Some(0), ""), "{:?}", output.status);
        let daemon = sandbox.report();
        assert_default(&daemon);
        assert!(is_alive(daemon.pid));
    }
}

/// Nobody reads the pipe any more: the message is lost, and the promise is not.
#[test]
fn broken_pipe_does_not_end_the_launcher() {
    for options in [&["-p", "x.pid"][..], &["-F", "-p", "x.pid"]] {
        let sandbox = Sandbox::new();
        let writer = unread_pipe();
        // The message is written at once, or in parts.
        for command in ["/nonexistent/command", &"/x".repeat(500)] {
            let writer = writer.try_clone().expect("descriptors are free");
            let output = sandbox.bgexec(options).words([command]).stderr(writer).run();
            assert_eq!(output.status.code(), Some(127), "{options:?}: {:?}", output.status);
            assert!(!sandbox.exists("x.pid"));
        }
    }
}

/// A step that is told to nobody is taken all the same, and the signal for the writer does not end bgexec.
#[test]
fn broken_pipe_of_a_step_that_is_told_does_no_harm() {
    for options in [&["-vF"][..], &["-vF", "--keep-signals"]] {
        let sandbox = Sandbox::new();
        let writer = unread_pipe();
        let long = format!("/{}", "./".repeat(500));
        let launch = sandbox.bgexec(options).words(["-c", &long]).probe(["exit", "7"]);
        let output = launch.stderr(writer).run();
        assert_eq!(output.status.code(), Some(7), "{options:?}: {:?}", output.status);
    }
}

/// The same for a file that may not become any longer.
#[test]
fn full_file_of_a_step_that_is_told_does_no_harm() {
    let sandbox = Sandbox::new();
    let script = "ulimit -f 0; exec \"$@\" 2> full";
    let launch = sandbox.launch(Path::new("/bin/sh")).words(["-c", script, "sh"]).words(bgexec_command());
    let output = launch.words(["-vF"]).words([probe()]).words(["exit", "7"]).run();
    assert_eq!(output.status.code(), Some(7), "{:?}", output.status);
}
