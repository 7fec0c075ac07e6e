//! `-w`: the launcher stays, forwards signals, and ends as COMMAND does; `--alive-after`: it stays a while.

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Resource, Signal};

use crate::harness::kernel::{self, send};
use crate::harness::process::{Stat, assert_sleeps, children, is_alive, kill, lock, signal};
use crate::harness::{
    FAILURES, Legacy, ROLES, Sandbox, Terminal, at_most, bgexec_command, eventually, probe, unread_pipe, wait_for_probe,
};

mod status {
    use super::*;

    #[test]
    fn is_the_commands() {
        let sandbox = Sandbox::new();
        for status in 0..=255 {
            let output = sandbox.bgexec(&["-w"]).words([probe()]).words(["exit", &status.to_string()]).run();
            assert_eq!((output.status.code(), &*output.stderr), (Some(status), ""));
        }
    }

    #[test]
    fn of_a_signal_is_128_and_its_number() {
        let sandbox = Sandbox::new();
        let harmless = [Signal::CHILD, Signal::CONT, Signal::STOP, Signal::TSTP, Signal::TTIN, Signal::TTOU];
        let harmless = harmless.into_iter().chain([Signal::URG, Signal::WINCH]).map(Signal::as_raw);
        for signal in (1..=64).filter(|&signal| harmless.clone().all(|other| other != signal)) {
            let launch = sandbox.bgexec(&["-w"]).limit(Resource::Core, 0);
            let output = launch.words([probe()]).words(["raise", &signal.to_string(), "exit", "1"]).run();
            assert_eq!((output.status.code(), &*output.stderr), (Some(128 + signal), ""));
        }
    }

    /// A parent that ignores SIGCHLD has its children reaped by the kernel.
    #[test]
    fn is_known_whatever_becomes_of_sigchld() {
        let child = Signal::CHILD.as_raw();
        let sandbox = Sandbox::new();
        for _ in 0..5 {
            let launch = || sandbox.bgexec(&["-w"]).words([probe()]).words(["exit", "7"]);
            assert_eq!(launch().ignoring([child]).run().status.code(), Some(7), "ignored");
            assert_eq!(launch().blocking([child]).run().status.code(), Some(7), "blocked");
            let both = launch().ignoring([child]).blocking([child]).leading_group();
            assert_eq!(both.run().status.code(), Some(7), "both");
        }
    }

    #[test]
    fn is_known_when_signals_are_kept() {
        let sandbox = Sandbox::new();
        let ignored = [Signal::CHILD.as_raw(), Signal::HUP.as_raw()];
        let launch = sandbox.bgexec(&["-w", "--keep-signals"]).ignoring(ignored).probe(["exit", "7"]);
        assert_eq!(launch.run().status.code(), Some(7));
        assert_eq!(sandbox.report().ignored, 1 << (ignored[0] - 1) | 1);
    }

    /// The launcher may have children from before, which it knows nothing of.
    #[test]
    fn is_not_that_of_another_child() {
        let sandbox = Sandbox::new();
        let script = "exit_soon() { return 9; }; exit_soon & (exit 8) & exec \"$@\"";
        for _ in 0..5 {
            let launch = sandbox.launch("/bin/sh".as_ref()).words(["-c", script, "sh"]);
            let launch = launch.words(crate::harness::bgexec_command()).words(["-w"]);
            let output = launch.words([probe()]).words(["pause", "20", "exit", "7"]).run();
            assert_eq!((output.status.code(), &*output.stderr), (Some(7), ""));
        }
    }

    #[test]
    fn does_not_wait_for_children_of_the_command() {
        let sandbox = Sandbox::new();
        let child = sandbox.path("child");
        let output = sandbox.bgexec(&["-w"]).probe(["fork", child.to_str().expect("UTF-8"), "exit", "3"]).run();
        assert_eq!(output.status.code(), Some(3));
        assert!(is_alive(sandbox.read("child").trim().parse().expect("a pid")));
    }

    #[test]
    fn of_a_failure_is_the_launchers() {
        for (words, status, message) in FAILURES {
            let sandbox = Sandbox::new();
            sandbox.bgexec(&["-w", "-p", "x.pid"]).words(words).run().assert_unable(status, message);
            for role in ROLES {
                sandbox.adopted(role, &["-w", "-p", "x.pid"]).words(words).run();
                assert_eq!(sandbox.legacy(), Legacy::nothing(status), "{words:?}, {role:?}");
            }
            assert!(!sandbox.exists("x.pid"));
        }
    }

    #[test]
    fn leaves_nothing_behind() {
        for role in ROLES {
            let sandbox = Sandbox::new();
            sandbox.adopted(role, &["-w", "-p", "x.pid"]).probe(["exit", "9"]).run();
            assert_eq!(sandbox.legacy(), Legacy::nothing(9), "{role:?}");
        }
    }

    /// The launcher that waits does nothing else: no look at the clock, no timer.
    #[test]
    fn costs_nothing_to_wait_for() {
        let sandbox = Sandbox::new();
        let running = sandbox.bgexec(&["-w"]).recording().spawn();
        sandbox.report();
        send(running.pid(), Signal::USR1.as_raw()).expect("it runs");
        sandbox.assert_recorded("10\n");
        assert_sleeps(running.pid());
        running.end();
    }
}

mod signals {
    use super::*;

    /// All but those that nobody can take, that which is the launcher's own, and those that stop it.
    fn forwarded() -> impl Iterator<Item = i32> {
        let others = [Signal::KILL, Signal::STOP, Signal::CHILD, Signal::TSTP, Signal::TTIN, Signal::TTOU];
        (1..=64).filter(move |&signal| others.iter().all(|other| other.as_raw() != signal))
    }

    #[test]
    fn are_forwarded() {
        let sandbox = Sandbox::new();
        let running = sandbox.bgexec(&["-w"]).recording().spawn();
        sandbox.report();
        let mut record = String::new();
        for signal in forwarded() {
            send(running.pid(), signal).expect("it runs");
            record.push_str(&format!("{signal}\n"));
            sandbox.assert_recorded(&record);
        }
        assert!(is_alive(running.pid()));
        kill(sandbox.report().pid);
        assert_eq!(running.wait().status.code(), Some(128 + 9));
    }

    #[test]
    fn are_forwarded_though_the_caller_ignores_and_blocks_them() {
        let sandbox = Sandbox::new();
        let signals = [Signal::HUP, Signal::INT, Signal::QUIT, Signal::TERM, Signal::USR1].map(Signal::as_raw);
        let running = sandbox.bgexec(&["-w"]).ignoring(signals).blocking(signals).recording().spawn();
        sandbox.report();
        let mut record = String::new();
        for signal in signals {
            send(running.pid(), signal).expect("it runs");
            record.push_str(&format!("{signal}\n"));
            sandbox.assert_recorded(&record);
        }
        running.end();
    }

    #[test]
    fn that_end_the_command_end_the_launcher() {
        for sent in [Signal::TERM, Signal::INT, Signal::HUP, Signal::QUIT, Signal::PIPE] {
            let sandbox = Sandbox::new();
            let running = sandbox.bgexec(&["-w", "-p", "x.pid"]).limit(Resource::Core, 0).probe(["stay"]).spawn();
            sandbox.report();
            signal(running.pid(), sent);
            let output = running.wait();
            assert_eq!((output.status.code(), &*output.stderr), (Some(128 + sent.as_raw()), ""));
            assert!(!sandbox.exists("x.pid"));
            assert!(sandbox.is_deserted());
        }
    }

    #[test]
    fn that_the_command_takes_leave_the_status_to_it() {
        let sandbox = Sandbox::new();
        let running = sandbox.bgexec(&["-w"]).blocking_probe(["await", "15", "exit", "7"]).spawn();
        sandbox.report();
        signal(running.pid(), Signal::TERM);
        assert_eq!(running.wait().status.code(), Some(7));
    }

    /// Nobody reads what it says.
    #[test]
    fn that_the_launcher_brings_upon_itself_are_not_the_commands() {
        for options in [&["-vw"][..], &["-v", "--init"], &["-vwr", "-C", "0"]] {
            let sandbox = Sandbox::new();
            let writer = unread_pipe();
            let output = sandbox.bgexec(options).words([probe()]).words(["exit", "7"]).stderr(writer).run();
            assert_eq!(output.status.code(), Some(7), "{options:?}: {:?}", output.status);
        }
    }

    /// They came before COMMAND was there.
    #[test]
    fn that_come_early_are_not_lost() {
        for pending in [Signal::TERM, Signal::HUP, Signal::USR1] {
            let sandbox = Sandbox::new();
            let output = sandbox.bgexec(&["-w"]).pending(pending.as_raw()).probe(["stay"]).run();
            assert_eq!((output.status.code(), &*output.stderr), (Some(128 + pending.as_raw()), ""));
        }
    }

    /// COMMAND has a session of its own: what the terminal sends comes to it through the launcher alone.
    #[test]
    fn of_a_terminal_reach_the_command_once() {
        for (key, number) in [(b"\x03", 2), (b"\x1c", 3)] {
            let (sandbox, terminal) = (Sandbox::new(), Terminal::new());
            let launch = sandbox.bgexec(&["-w"]).stdin(terminal.open()).leading_session();
            let running = launch.before_exec(kernel::take_terminal).recording().spawn();
            sandbox.report();
            terminal.press(key);
            sandbox.assert_recorded(&format!("{number}\n"));
            signal(running.pid(), Signal::USR1);
            sandbox.assert_recorded(&format!("{number}\n10\n"));
            running.end();
        }
    }

    #[test]
    fn of_a_terminal_stop_the_launcher_and_reach_the_command() {
        let (sandbox, terminal) = (Sandbox::new(), Terminal::new());
        let script = "set -m; \"$@\"; echo $? > status; fg";
        let shell = sandbox.launch(Path::new("/bin/sh")).words(["-c", script, "sh"]).words(bgexec_command());
        let shell = shell.words(["-w"]).stdin(terminal.open()).leading_session().before_exec(kernel::take_terminal);
        let running = shell.recording().spawn();
        sandbox.report();
        terminal.press(b"\x1a");
        assert_eq!(sandbox.eventually_read("status"), "148\n", "the shell finds it stopped");
        assert_continued(&sandbox, &terminal);
        running.end();
    }

    /// COMMAND gets TSTP, if it takes that within the 50 ms after which it is stopped, which CONT would otherwise take back; CONT;
    /// and what is typed then.
    #[track_caller]
    fn assert_continued(sandbox: &Sandbox, terminal: &Terminal) {
        let is = |records: [&'static str; 2]| {
            move || {
                records.iter().any(|record| sandbox.exists("record") && sandbox.read("record") == *record).then_some(())
            }
        };
        eventually("COMMAND goes on", is(["20\n18\n", "18\n"]));
        terminal.press(b"\x03");
        eventually("COMMAND is interrupted", is(["20\n18\n2\n", "18\n2\n"]));
    }

    /// Nobody could continue it: the kernel stops no program there either.
    #[test]
    fn of_a_terminal_stop_nobody_where_there_is_no_shell() {
        let (sandbox, terminal) = (Sandbox::new(), Terminal::new());
        let launch = sandbox.bgexec(&["-w"]).stdin(terminal.open()).leading_session();
        let running = launch.before_exec(kernel::take_terminal).recording().spawn();
        sandbox.report();
        terminal.press(b"\x1a");
        assert_continued(&sandbox, &terminal);
        running.end();
    }

    /// Else COMMAND would go on writing to the terminal of a shell that took it back.
    #[test]
    fn that_stop_the_launcher_stop_the_command() {
        let sandbox = Sandbox::new();
        let running = sandbox.bgexec(&["-w"]).probe(["stay"]).spawn();
        let command = sandbox.report().pid;
        let is_stopped = |pid| Stat::of(pid).is_some_and(|stat| stat.state == 'T');
        signal(running.pid(), Signal::TSTP);
        eventually("the launcher is stopped", || is_stopped(running.pid()).then_some(()));
        eventually("COMMAND is stopped", || is_stopped(command).then_some(()));
        signal(running.pid(), Signal::CONT);
        eventually("COMMAND goes on", || (!is_stopped(command)).then_some(()));
        signal(running.pid(), Signal::TERM);
        assert_eq!(running.wait().status.code(), Some(128 + 15));
    }

    /// In the 50 ms that COMMAND has to stop by itself the launcher may be told to go on.
    #[test]
    fn that_continue_at_once_stop_nobody() {
        for pause in [0, 5, 20, 30] {
            eventually("a signal in time", || {
                let sandbox = Sandbox::new();
                let running = sandbox.bgexec(&["-w"]).probe(["stay"]).spawn();
                sandbox.report();
                let start = Instant::now();
                signal(running.pid(), Signal::TSTP);
                thread::sleep(Duration::from_millis(pause));
                signal(running.pid(), Signal::CONT);
                if start.elapsed() > Duration::from_millis(40) {
                    return None; // on a busy machine
                }
                thread::sleep(Duration::from_millis(100));
                signal(running.pid(), Signal::TERM);
                assert_eq!(running.wait().status.code(), Some(128 + 15), "after {pause} ms");
                Some(())
            });
        }
    }

    #[test]
    fn that_stop_the_command_do_not_end_the_launcher() {
        let sandbox = Sandbox::new();
        let running = sandbox.bgexec(&["-w"]).probe(["stay"]).spawn();
        let command = sandbox.report().pid;
        for _ in 0..3 {
            signal(command, Signal::STOP);
            eventually("COMMAND stops", || (Stat::of(command)?.state == 'T').then_some(()));
            signal(command, Signal::CONT);
            eventually("COMMAND goes on", || (Stat::of(command)?.state == 'S').then_some(()));
            assert!(is_alive(running.pid()));
        }
        signal(running.pid(), Signal::TERM);
        assert_eq!(running.wait().status.code(), Some(128 + 15));
    }
}

mod surroundings {
    use super::*;

    #[test]
    fn are_kept() {
        let sandbox = Sandbox::new();
        let input = sandbox.write("input", "in\n");
        let launch = sandbox.bgexec(&["-w"]).umask(0o027).stdin(std::fs::File::open(input).expect("it was written"));
        let output = launch.probe(["copy", "say", "out", "complain", "err", "exit", "0"]).run();
        assert_eq!((output.status.code(), &*output.stdout, &*output.stderr), (Some(0), "in\nout\n", "err\n"));
        let report = sandbox.report();
        assert_eq!((report.umask, report.cwd), (0o027, sandbox.directory().to_owned()));
        assert_eq!(report.descriptors.keys().copied().collect::<Vec<_>>(), [0, 1, 2]);
    }

    #[test]
    fn are_those_asked_for() {
        let sandbox = Sandbox::new();
        let options = ["-w", "-c", "/", "-k", "022", "-i", "/dev/null", "-O", "log"];
        sandbox.bgexec(&options).probe(["say", "out", "complain", "err", "exit", "0"]).run().assert_started();
        let report = sandbox.report();
        assert_eq!((report.umask, report.cwd.to_str()), (0o022, Some("/")));
        assert!(report.descriptors[&0].is_null_device());
        assert_eq!(sandbox.read("log"), "out\nerr\n");
    }

    #[test]
    fn that_were_closed_are_the_null_device() {
        let sandbox = Sandbox::new();
        let output = sandbox.bgexec(&["-w"]).closed([0, 1, 2]).probe(["exit", "7"]).run();
        assert_eq!(output.status.code(), Some(7));
        let report = sandbox.report();
        assert!((0..3).all(|number| report.descriptors[&number].is_null_device()), "{:?}", report.descriptors);
        assert_eq!(report.descriptors.len(), 3);
    }

    #[test]
    fn hold_a_session_and_a_group_of_the_commands_own() {
        for leads in [false, true] {
            let sandbox = Sandbox::new();
            let launch = sandbox.bgexec(&["-w"]).probe(["stay"]);
            let running = if leads { launch.leading_group() } else { launch }.spawn();
            let report = sandbox.report();
            // The leader may still be about to be reaped.
            eventually("the command is the only child", || (children(running.pid()) == [report.pid]).then_some(()));
            assert_eq!(report.pgid, report.pid);
            assert_ne!(report.sid, report.pid);
            assert_eq!((report.blocked, report.ignored, report.caught), (0, 0, 0));
            running.end();
        }
    }

    #[test]
    fn hold_a_pidfile_until_the_command_ends() {
        for verbs in [["await", "15", "exit", "0"], ["await", "15", "raise", "9"]] {
            let sandbox = Sandbox::new();
            let running = sandbox.bgexec(&["-w", "-p", "x.pid", "-l", "x.lock"]).blocking_probe(verbs).spawn();
            let command = sandbox.report().pid;
            assert_eq!(sandbox.pid("x.pid"), command);
            assert_eq!(lock(&sandbox.path("x.pid")).map(|(_, pid)| pid), Some(command));
            let second = sandbox.bgexec(&["-w", "-p", "x.pid"]).probe_as("second", ["stay"]).run();
            second.assert_unable(1, &format!("lock x.pid: already running as pid {command}"));
            signal(running.pid(), Signal::TERM);
            running.wait();
            assert!(!sandbox.exists("x.pid"));
        }
    }

    #[test]
    fn get_the_pid_printed() {
        let sandbox = Sandbox::new();
        let output = sandbox.bgexec(&["-w", "--print-pid"]).probe(["exit", "7"]).run();
        assert_eq!(output.status.code(), Some(7));
        assert_eq!(output.stdout, format!("{}\n", sandbox.report().pid));
    }
}

mod alive_after {
    use super::*;

    #[test]
    fn command_that_lives_is_a_success() {
        let sandbox = Sandbox::new();
        let start = Instant::now();
        let daemon = sandbox.start(&["-p", "x.pid", "--alive-after", "300"]);
        assert!(start.elapsed() >= Duration::from_millis(300));
        assert!(is_alive(daemon.pid));
        assert_eq!(sandbox.pid("x.pid"), daemon.pid);
        assert_eq!(daemon.descriptors.keys().copied().collect::<Vec<_>>(), [0, 1, 2, 63]);
    }

    #[test]
    fn command_that_lives_is_all_that_is_left() {
        for role in ROLES {
            let sandbox = Sandbox::new();
            sandbox.adopted(role, &["-p", "x.pid", "--alive-after", "50"]).probe(["stay"]).run().assert_started();
            assert_eq!(sandbox.legacy(), Legacy::daemon(sandbox.pid("x.pid")), "{role:?}");
        }
    }

    #[test]
    fn no_time_is_enough_for_a_command_that_lives() {
        Sandbox::new().start(&["--alive-after=0"]);
    }

    #[test]
    fn command_that_dies_is_a_failure() {
        for (verbs, end) in [
            (["exit", "3"], "exited with status 3"),
            (["exit", "0"], "exited with status 0"),
            (["exit", "127"], "exited with status 127"),
            (["raise", "9"], "killed by SIGKILL"),
            (["raise", "15"], "killed by SIGTERM"),
            (["raise", "40"], "killed by SIG40"),
        ] {
            let message = wait_for_probe(&format!("{end} before it was ready"));
            let sandbox = Sandbox::new();
            let start = Instant::now();
            let options = ["-p", "x.pid", "--alive-after", "60000"];
            sandbox.bgexec(&options).probe(verbs).run().assert_unable(125, &message);
            for role in ROLES {
                let output = sandbox.adopted(role, &options).probe(verbs).run();
                assert_eq!(output.stderr, format!("bgexec: unable to {message}\n"));
                assert_eq!(sandbox.legacy(), Legacy::nothing(125), "{role:?}");
            }
            assert!(!sandbox.exists("x.pid"));
            assert!(start.elapsed() < at_most(Duration::from_secs(30)), "did not wait for the time to pass");
        }
    }

    #[test]
    fn death_is_seen_whatever_becomes_of_sigchld() {
        let child = Signal::CHILD.as_raw();
        let message = wait_for_probe("exited with status 3 before it was ready");
        let sandbox = Sandbox::new();
        let launch = || sandbox.bgexec(&["--alive-after", "60000"]).probe(["exit", "3"]);
        launch().ignoring([child]).run().assert_unable(125, &message);
        launch().blocking([child]).run().assert_unable(125, &message);
    }

    /// What it started before it died is of its process group.
    #[test]
    fn nothing_is_left_of_the_group_of_a_command_that_dies() {
        let sandbox = Sandbox::new();
        let child = sandbox.path("child");
        let verbs = ["fork", child.to_str().expect("UTF-8"), "exit", "3"];
        let output = sandbox.bgexec(&["-p", "x.pid", "--alive-after", "60000"]).probe(verbs).run();
        output.assert_unable(125, &wait_for_probe("exited with status 3 before it was ready"));
        eventually("the group is gone", || sandbox.is_deserted().then_some(()));
        assert!(!sandbox.exists("x.pid"));
    }

    #[test]
    fn waits_on_when_asked_to() {
        let sandbox = Sandbox::new();
        let output = sandbox.bgexec(&["-w", "--alive-after", "50"]).probe(["pause", "400", "exit", "7"]).run();
        assert_eq!((output.status.code(), &*output.stderr), (Some(7), ""));
        let output = sandbox.bgexec(&["-w", "--alive-after", "60000"]).probe(["exit", "7"]).run();
        output.assert_unable(125, &wait_for_probe("exited with status 7 before it was ready"));
    }

    #[test]
    fn interruption_ends_both() {
        for (sent, name) in [(Signal::INT, "INT"), (Signal::TERM, "TERM"), (Signal::HUP, "HUP")] {
            let sandbox = Sandbox::new();
            let running = sandbox.bgexec(&["-p", "x.pid", "--alive-after", "60000"]).probe(["stay"]).spawn();
            sandbox.report();
            signal(running.pid(), sent);
            running.wait().assert_unable(125, &wait_for_probe(&format!("interrupted by SIG{name}")));
            assert!(sandbox.is_deserted());
            assert!(!sandbox.exists("x.pid"));
        }
    }

    #[test]
    fn refuses_what_is_no_time() {
        for time in ["", "x", "-1", "5s", "99999999999999999999"] {
            let output = Sandbox::new().bgexec(&["--alive-after", time, "true"]).run();
            output.assert_unable(125, &format!("use --alive-after {time}: not a time"));
        }
    }
}
