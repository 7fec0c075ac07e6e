//! `--notify`: the launcher returns when COMMAND says that it is ready, or says why it never will be.

use std::fs::{self, File};
use std::time::{Duration, Instant};

use rustix::process::{Resource, Signal, geteuid};

use crate::harness::process::{children, is_alive, signal};
use crate::harness::{Legacy, ROLES, Report, Sandbox, at_most, eventually, is_root, probe, wait_for_probe};

/// What has to be so after a launch that failed: the status, the message, and nothing left.
#[track_caller]
fn assert_failure(options: &[&str], verbs: &[&str], status: i32, reason: &str) {
    let options = [&["-p", "x.pid", "-l", "x.lock"], options].concat();
    for role in ROLES {
        let sandbox = Sandbox::new();
        let output = sandbox.adopted(role, &options).probe(verbs.iter().copied()).run();
        assert_eq!(output.stderr, format!("bgexec: unable to {}\n", wait_for_probe(reason)), "{role:?}");
        assert_eq!(sandbox.legacy(), Legacy::nothing(status), "{role:?}");
        assert!(!sandbox.exists("x.pid"), "{role:?}");
        assert!(sandbox.is_deserted(), "{role:?}");
    }
}

/// What has to be so after a success: nobody is left but the daemon, which holds its pidfile.
#[track_caller]
fn assert_success(options: &[&str], verbs: &[&str]) {
    let options = [&["-p", "x.pid"], options].concat();
    for role in ROLES {
        let sandbox = Sandbox::new();
        sandbox.adopted(role, &options).probe(verbs.iter().copied()).run().assert_started();
        assert_eq!(sandbox.legacy(), Legacy::daemon(sandbox.pid("x.pid")), "{role:?}");
    }
}

/// A launch that waits, and that a signal is to end: whatever else the launcher waits for.
fn assert_interrupted(options: &[&str]) {
    for (sent, name) in [(Signal::INT, "INT"), (Signal::TERM, "TERM"), (Signal::HUP, "HUP")] {
        for role in ROLES {
            let sandbox = Sandbox::new();
            let running = sandbox.adopted(role, options).words(["-p", "x.pid"]).probe(["stay"]).spawn();
            let daemon = sandbox.report().pid;
            let launcher =
                eventually("the launcher", || children(running.pid()).into_iter().find(|&child| child != daemon));
            signal(launcher, sent);
            let output = running.wait();
            let message = wait_for_probe(&format!("interrupted by SIG{name}"));
            assert_eq!(output.stderr, format!("bgexec: unable to {message}\n"), "{role:?}");
            assert_eq!(sandbox.legacy(), Legacy::nothing(125), "{role:?}");
            assert!(!sandbox.exists("x.pid"));
        }
    }
}

mod descriptor {
    use super::*;

    #[test]
    fn newline_is_readiness() {
        assert_success(&["--notify", "fd:7"], &["put", "7", "\n", "stay"]);
    }

    #[test]
    fn text_may_come_before_and_behind_the_newline() {
        assert_success(&["--notify", "fd:7"], &["put", "7", "ready\n", "stay"]);
        assert_success(&["--notify", "fd:7"], &["put", "7", "\nready", "stay"]);
        assert_success(&["--notify", "fd:7"], &["put", "7", &format!("{}\n", "x".repeat(9000)), "stay"]);
    }

    #[test]
    fn newline_may_come_after_several_writes() {
        let verbs = ["put", "7", "a", "put", "7", "b", "pause", "20", "put", "7", "c", "put", "7", "\n", "stay"];
        assert_success(&["--notify", "fd:7"], &verbs);
    }

    #[test]
    fn may_be_closed_once_ready() {
        assert_success(&["--notify", "fd:7"], &["put", "7", "\n", "shut", "7", "stay"]);
    }

    #[test]
    fn is_waited_for() {
        for timeout in ["0", "60", "3600.5"] {
            let sandbox = Sandbox::new();
            let launch = sandbox.bgexec(&["--notify", "fd:7", "--notify-timeout", timeout]);
            let running = launch.blocking_probe(["await", "10", "put", "7", "\n", "stay"]).spawn();
            let daemon = sandbox.report().pid;
            assert!(is_alive(running.pid()));
            signal(daemon, Signal::USR1);
            running.wait().assert_started();
            assert!(is_alive(daemon));
        }
    }

    #[test]
    fn is_a_pipe_for_writing_and_the_only_other() {
        let sandbox = Sandbox::new();
        sandbox.bgexec(&["--notify", "fd:7"]).probe(["put", "7", "\n", "stay"]).run().assert_started();
        let daemon = sandbox.report();
        assert_eq!(daemon.other_descriptors(), [7]);
        let pipe = &daemon.descriptors[&7];
        assert_eq!(pipe.mode & 0o170_000, 0o010_000, "{pipe:?}");
        assert_eq!(pipe.flags & 0o3, 1, "{pipe:?}");
        assert_eq!(pipe.flags & 0o4000, 0, "writing to it blocks: {pipe:?}");
        assert!(!pipe.close_on_exec);
    }

    /// Also those that bgexec would have used itself, for the locks, the status pipe, or the other end.
    #[test]
    fn may_have_any_number() {
        for number in (3..=24).chain(56..=70).chain([100, 255, 256, 1000]) {
            let text = number.to_string();
            let sandbox = Sandbox::new();
            let notify = format!("fd:{number}");
            let launch = sandbox.bgexec(&["-p", "x.pid", "-l", "x.lock", "-O", "log", "--notify", &notify]);
            let output = launch.limit(Resource::Nofile, 1024).probe(["put", &text, "\n", "stay"]).run();
            assert_eq!((output.status.code(), &*output.stderr), (Some(0), ""), "{notify}");
            let daemon = sandbox.report();
            let others = daemon.other_descriptors();
            assert!(others.contains(&number), "{notify}: {others:?}");
            let locks: Vec<_> = others.iter().filter(|&&other| other != number).collect();
            assert!(locks.len() == 2 && locks.iter().all(|lock| (50..64).contains(*lock)), "{notify}: {locks:?}");
            for name in ["x.pid", "x.lock"] {
                let lock = crate::harness::process::lock(&sandbox.path(name));
                assert_eq!(lock.map(|(_, pid)| pid), Some(daemon.pid), "{notify}");
            }
        }
    }

    #[test]
    fn may_have_the_number_of_an_inherited_one() {
        for number in [3, 5, 63, 64, 90] {
            let sandbox = Sandbox::new();
            let notify = format!("fd:{number}");
            let launch = sandbox
                .bgexec(&["--notify", &notify])
                .descriptors([3, 4, 5, 6, 63, 64, 90], fs::File::open("/dev/null").expect("it is there"));
            launch.probe(["put", &number.to_string(), "\n", "stay"]).run().assert_started();
            assert_eq!(sandbox.report().other_descriptors(), [number]);
        }
    }

    #[test]
    fn has_its_number_beside_kept_ones() {
        for number in [4, 63, 64, 80] {
            let sandbox = Sandbox::new();
            let notify = format!("fd:{number}");
            let launch = sandbox.bgexec(&["--keep-fd", "3,5,70", "--notify", &notify]);
            let launch = launch.descriptors([3, 5, 70], fs::File::open("/dev/null").expect("it is there"));
            launch.probe(["put", &number.to_string(), "\n", "stay"]).run().assert_started();
            let daemon = sandbox.report();
            let mut expected = vec![3, 5, 70, number];
            expected.sort_unstable();
            assert_eq!(daemon.other_descriptors(), expected);
            assert!(daemon.descriptors[&70].is_null_device());
        }
    }

    #[test]
    fn beyond_the_limit_is_a_failure() {
        let sandbox = Sandbox::new();
        for notify in ["fd:40", "fd:100", "fd:2147483647"] {
            let launch = sandbox.bgexec(&["-p", "x.pid", "--notify", notify]).limit(Resource::Nofile, 32);
            let output = launch.probe(["stay"]).run();
            output.assert_unable(125, &format!("pass descriptor of {notify}: Bad file descriptor"));
            assert!(!sandbox.exists("x.pid"));
            assert!(sandbox.is_deserted());
        }
    }

    #[test]
    fn without_a_newline_in_time_is_a_failure() {
        let start = Instant::now();
        let options = ["--notify", "fd:7", "--notify-timeout", "0.5"];
        assert_failure(&options, &["stay"], 124, "not ready after 0.5 s");
        assert!(start.elapsed() >= Duration::from_secs(1), "twice half a second");
        assert_failure(&options, &["put", "7", "READY=1", "stay"], 124, "not ready after 0.5 s");
    }

    #[test]
    fn that_is_closed_is_a_failure() {
        let reason = "closed the descriptor before it was ready";
        assert_failure(&["--notify", "fd:7"], &["shut", "7", "stay"], 125, reason);
        assert_failure(&["--notify", "fd:7"], &["put", "7", "ready", "shut", "7", "stay"], 125, reason);
        // Also without a limit of time.
        let options = ["--notify", "fd:7", "--notify-timeout", "0"];
        assert_failure(&options, &["shut", "7", "stay"], 125, reason);
        // COMMAND has a second to end, which says more.
        let reason = "exited with status 3 before it was ready";
        assert_failure(&options, &["shut", "7", "pause", "300", "exit", "3"], 125, reason);
    }

    #[test]
    fn of_a_command_that_dies_is_a_failure() {
        for (verbs, end) in [
            (["exit", "3"], "exited with status 3"),
            (["exit", "0"], "exited with status 0"),
            (["raise", "9"], "killed by SIGKILL"),
            (["raise", "13"], "killed by SIGPIPE"),
        ] {
            let reason = format!("{end} before it was ready");
            for timeout in ["60", "0"] {
                let options = ["--notify", "fd:7", "--notify-timeout", timeout];
                assert_failure(&options, &verbs, 125, &reason);
                assert_failure(&options, &[&["put", "7", "almost"][..], &verbs].concat(), 125, &reason);
            }
        }
    }

    /// A child that holds the descriptor open hides neither the end of COMMAND nor that it closed its own.
    #[test]
    fn that_a_child_holds_does_not_hide_the_end() {
        let sandbox = Sandbox::new();
        let child = sandbox.path("child");
        let verbs = ["fork", child.to_str().expect("UTF-8"), "exit", "3"];
        let output = sandbox.bgexec(&["-p", "x.pid", "--notify", "fd:7"]).probe(verbs).run();
        output.assert_unable(125, &wait_for_probe("exited with status 3 before it was ready"));
        eventually("the group is gone", || sandbox.is_deserted().then_some(()));
        assert!(!sandbox.exists("x.pid"));
    }

    #[test]
    fn may_be_written_to_by_a_child() {
        let sandbox = Sandbox::new();
        let script = "(echo ready >&7) & wait; exec sleep 60";
        sandbox.bgexec(&["--notify", "fd:7", "-p", "x.pid", "sh", "-c", script]).run().assert_started();
        assert!(is_alive(sandbox.pid("x.pid")));
    }

    #[test]
    fn is_waited_for_whatever_becomes_of_sigchld() {
        let child = Signal::CHILD.as_raw();
        let sandbox = Sandbox::new();
        let launch = || sandbox.bgexec(&["--notify", "fd:7"]);
        launch().ignoring([child]).probe(["put", "7", "\n", "stay"]).run().assert_started();
        let message = wait_for_probe("exited with status 3 before it was ready");
        launch().ignoring([child]).probe(["exit", "3"]).run().assert_unable(125, &message);
        launch().blocking([child]).probe(["exit", "3"]).run().assert_unable(125, &message);
    }

    #[test]
    fn goes_together_with_other_ways_to_wait() {
        let sandbox = Sandbox::new();
        let ready = ["put", "7", "\n", "pause", "400", "exit", "5"];
        let output = sandbox.bgexec(&["-w", "--notify", "fd:7"]).probe(ready).run();
        assert_eq!((output.status.code(), &*output.stderr), (Some(5), ""));
        let output = sandbox.bgexec(&["--alive-after", "60000", "--notify", "fd:7"]).probe(ready).run();
        output.assert_unable(125, &wait_for_probe("exited with status 5 before it was ready"));
        let options = ["--print-pid", "--alive-after", "50", "--notify", "fd:7"];
        let output = sandbox.bgexec(&options).probe(["put", "7", "\n", "stay"]).run();
        assert_eq!((output.status.code(), output.stdout), (Some(0), format!("{}\n", sandbox.report().pid)));
    }

    #[test]
    fn failure_to_execute_is_the_launchers() {
        for notify in ["fd:7", "socket"] {
            let sandbox = Sandbox::new();
            let output = sandbox.bgexec(&["-p", "x.pid", "--notify", notify, "/nonexistent/command"]).run();
            output.assert_unable(127, "execute /nonexistent/command: No such file or directory");
            let output = sandbox.bgexec(&["-p", "x.pid", "--notify", notify, "/"]).run();
            output.assert_unable(126, "execute /: Permission denied");
            assert!(!sandbox.exists("x.pid"));
        }
    }

    #[test]
    fn interruption_ends_both() {
        assert_interrupted(&["--notify", "fd:7"]);
    }

    #[test]
    fn interruption_ends_both_without_a_limit_of_time() {
        assert_interrupted(&["--notify", "fd:7", "--notify-timeout", "0"]);
    }

    /// Other signals do not: they are nobody's.
    #[test]
    fn other_signals_do_not_interrupt() {
        let sandbox = Sandbox::new();
        let running = sandbox.bgexec(&["--notify", "fd:7"]).blocking_probe(["await", "10", "put", "7", "\n", "stay"]);
        let running = running.spawn();
        let daemon = sandbox.report().pid;
        for sent in [Signal::USR1, Signal::PIPE, Signal::ALARM, Signal::QUIT, Signal::WINCH, Signal::CHILD] {
            signal(running.pid(), sent);
        }
        signal(daemon, Signal::USR1);
        running.wait().assert_started();
    }

    #[test]
    fn daemon_that_takes_no_notice_is_killed() {
        let sandbox = Sandbox::new();
        let start = Instant::now();
        let child = sandbox.path("child");
        let launch = sandbox.bgexec(&["-p", "x.pid", "--notify", "fd:7", "--notify-timeout", "0.1"]);
        let output = launch.blocking_probe(["fork", child.to_str().expect("UTF-8"), "stay"]).run();
        output.assert_unable(124, &wait_for_probe("not ready after 0.1 s"));
        assert!(start.elapsed() >= Duration::from_secs(5), "{:?}", start.elapsed());
        assert!(start.elapsed() < at_most(Duration::from_secs(9)), "{:?}", start.elapsed());
        assert!(!sandbox.exists("x.pid"));
        eventually("the group is gone", || sandbox.is_deserted().then_some(()));
    }

    /// The group's leader has ended by then.
    #[test]
    fn child_that_takes_no_notice_is_killed_with_a_daemon_that_does() {
        let sandbox = Sandbox::new();
        let child = sandbox.path("child");
        let launch = sandbox.bgexec(&["-p", "x.pid", "--notify", "fd:7", "--notify-timeout", "0.1"]);
        let verbs = ["fork", child.to_str().expect("UTF-8"), "unblock", "stay"];
        launch.blocking_probe(verbs).run().assert_unable(124, &wait_for_probe("not ready after 0.1 s"));
        assert!(!sandbox.exists("x.pid"));
        eventually("the group is gone", || sandbox.is_deserted().then_some(()));
    }

    /// COMMAND and its child, the leader of a group in which both are.
    #[test]
    fn daemon_that_has_left_its_group_is_killed() {
        let sandbox = Sandbox::new();
        let child = sandbox.path("child");
        let launch = sandbox.bgexec(&["-p", "x.pid", "--notify", "fd:7", "--notify-timeout", "2"]);
        let output = launch.probe(["follow", child.to_str().expect("UTF-8"), "stay"]).run();
        output.assert_unable(124, &wait_for_probe("not ready after 2 s"));
        assert!(!sandbox.exists("x.pid"));
        assert!(!is_alive(sandbox.report().pid));
    }

    #[test]
    fn is_none_that_is_kept() {
        for (kept, notify) in [("7", "fd:7"), ("1,7", "fd:7"), ("100", "fd:100")] {
            let output = Sandbox::new().bgexec(&["--notify", notify, "--keep-fd", kept, "true"]).run();
            output.assert_unable(125, &format!("keep {kept}: needed for --notify"));
        }
    }

    #[test]
    fn refuses_what_is_none() {
        for notify in ["", "fd", "fd:", "fd:0", "fd:1", "fd:2", "fd:-1", "fd:x", "fd:7x", "fd:4294967299", "7", "FD:7"]
        {
            let output = Sandbox::new().bgexec(&["--notify", notify, "true"]).run();
            output.assert_unable(125, &format!("use --notify {notify}: not fd:N or socket"));
        }
        let output = Sandbox::new().bgexec(&["--notify=fd:7", "--notify-timeout=0.00001"]).probe(["stay"]).run();
        output.assert_unable(124, &wait_for_probe("not ready after 0.00001 s"));
        for time in ["", "x", "-1", "5s"] {
            let output = Sandbox::new().bgexec(&["--notify=fd:7", "--notify-timeout", time, "true"]).run();
            output.assert_unable(125, &format!("use --notify-timeout {time}: not a time"));
        }
        let output = Sandbox::new().bgexec(&["-F", "--notify", "fd:7", "true"]).run();
        output.assert_unable(125, "use --notify fd:7: not with -F");
    }
}

/// Whatever numbers are left for what bgexec opens for it.
#[test]
fn is_heard_however_many_descriptors_are_open() {
    for highest in 55..70 {
        for (way, verb) in [("socket", &["notify", "READY=1"][..]), ("fd:62", &["put", "62", "\n"])] {
            let sandbox = Sandbox::new();
            let null = File::open("/dev/null").expect("it is there");
            let launch = sandbox.bgexec(&["--notify", way, "-p", "x.pid"]).descriptors(3..=highest, null);
            launch.words([probe()]).words(verb).words(["stay"]).run().assert_started();
            assert!(is_alive(sandbox.pid("x.pid")), "{way}, 3 to {highest} are open");
            sandbox.bgexec(&["-K", "-p", "x.pid"]).run().assert_started();
        }
    }
}

/// COMMAND goes on, whatever it says: nobody reads that, and it must not wait for somebody who does.
#[test]
fn is_heard_by_nobody_once_command_is_ready() {
    let text = "x".repeat(100_000); // more than there is room for in a pipe
    let datagrams = [["notify", "WATCHDOG=1"]; 1000].concat(); // and in a socket's queue: some set net.unix.max_dgram_qlen to 512
    for (way, verbs, status, end) in [
        ("fd:7", vec!["put", "7", "\n", "put", "7", &text], 128 + 13, "killed by SIGPIPE"),
        ("socket", [vec!["notify", "READY=1"], datagrams].concat(), 99, "exited with status 99"),
    ] {
        let sandbox = Sandbox::new();
        let output = sandbox.bgexec(&["--notify", way, "-w"]).probe(verbs.clone()).run();
        assert_eq!(output.status.code(), Some(status), "{way}: {}", output.stderr);
        let output = sandbox.bgexec(&["--notify", way, "--alive-after", "10000"]).probe(verbs).run();
        output.assert_unable(125, &wait_for_probe(&format!("{end} before it was ready")));
    }
}

/// Time goes by while bgexec hears what is no readiness, too.
#[test]
fn is_not_waited_for_any_longer_because_much_is_said() {
    let sandbox = Sandbox::new();
    let start = Instant::now();
    let launch = sandbox.bgexec(&["--notify", "fd:7", "--notify-timeout", "1", "/bin/sh", "-c"]);
    let output = launch.words(["exec cat /dev/zero >&7"]).run();
    output.assert_unable(124, "wait for /bin/sh: not ready after 1 s");
    let time = start.elapsed();
    assert!(time >= Duration::from_secs(1) && time < at_most(Duration::from_secs(4)), "{time:?}");
}

mod socket {
    use super::*;

    #[test]
    fn ready_is_readiness() {
        assert_success(&["--notify", "socket"], &["notify", "READY=1", "stay"]);
        assert_success(&["--notify", "socket"], &["notify", "READY=1\n", "stay"]);
    }

    #[test]
    fn ready_may_stand_among_other_lines() {
        for text in [
            "READY=1\nSTATUS=listening",
            "STATUS=listening\nREADY=1",
            "STATUS=listening\nMAINPID=1\nREADY=1\nWATCHDOG=1\n",
            "X_OWN=READY=0\n\nREADY=1",
            "EXTEND_TIMEOUT_USEC=5000000\nREADY=1",
        ] {
            assert_success(&["--notify", "socket"], &["notify", text, "stay"]);
        }
    }

    #[test]
    fn ready_may_come_after_other_datagrams() {
        let verbs = ["notify", "STATUS=starting", "notify", "MAINPID=1", "notify", "", "notify", "RELOADING=1"];
        let verbs = [&verbs[..], &["pause", "20", "notify", "READY=1", "stay"]].concat();
        assert_success(&["--notify", "socket"], &verbs);
    }

    /// The failure that follows each would come too late if it were readiness.
    #[test]
    fn anything_else_is_no_readiness() {
        for text in [
            "READY=0",
            "READY=",
            "READY=11",
            "READY=1x",
            "READY=1 ",
            " READY=1",
            "ready=1",
            "XREADY=1",
            "READY",
            "READY=01x",
            "STATUS=READY=1",
            "STOPPING=1",
            "MAINPID=1",
            "\n",
        ] {
            let verbs = ["notify", text, "notify", "ERRNO=13", "stay"];
            assert_failure(&["--notify", "socket"], &verbs, 125, "Permission denied");
        }
    }

    #[test]
    fn errno_is_a_failure() {
        for (text, reason) in [
            ("ERRNO=13", "Permission denied"),
            ("ERRNO=2", "No such file or directory"),
            ("STATUS=broken\nERRNO=28\nSTOPPING=1", "No space left on device"),
            ("ERRNO=71", "errno 71"),
        ] {
            assert_failure(&["--notify", "socket"], &["notify", text, "stay"], 125, reason);
        }
    }

    #[test]
    fn time_can_be_extended() {
        let sandbox = Sandbox::new();
        let launch = sandbox.bgexec(&["--notify", "socket", "--notify-timeout", "2"]).words([probe()]);
        let launch = launch.words(["notify", "EXTEND_TIMEOUT_USEC=20000000", "pause", "2500", "notify", "READY=1"]);
        launch.reporting("report", ["stay"]).run().assert_started();
        assert!(is_alive(sandbox.report().pid));
    }

    #[test]
    fn time_is_not_shortened_by_an_extension() {
        let options = ["--notify", "socket", "--notify-timeout", "20"];
        let verbs = ["notify", "EXTEND_TIMEOUT_USEC=1", "pause", "100", "notify", "READY=1", "stay"];
        Sandbox::new().bgexec(&options).probe(verbs).run().assert_started();
    }

    #[test]
    fn extended_time_ends_too() {
        let (sandbox, start) = (Sandbox::new(), Instant::now());
        let launch = sandbox.bgexec(&["--notify", "socket", "--notify-timeout", "1"]).words([probe()]);
        let output = launch.words(["notify", "EXTEND_TIMEOUT_USEC=2000000", "stay"]).run();
        output.assert_unable(124, &wait_for_probe("not ready after 1 s"));
        assert!(start.elapsed() >= Duration::from_secs(2), "what it was extended to: {:?}", start.elapsed());
    }

    #[test]
    fn without_a_word_in_time_is_a_failure() {
        let options = ["--notify", "socket", "--notify-timeout", "0.3"];
        assert_failure(&options, &["stay"], 124, "not ready after 0.3 s");
        assert_failure(&options, &["notify", "STATUS=starting", "stay"], 124, "not ready after 0.3 s");
    }

    #[test]
    fn of_a_command_that_dies_is_a_failure() {
        let options = ["--notify", "socket"];
        assert_failure(&options, &["exit", "3"], 125, "exited with status 3 before it was ready");
        let verbs = ["notify", "STATUS=starting", "raise", "15"];
        assert_failure(&options, &verbs, 125, "killed by SIGTERM before it was ready");
    }

    #[test]
    fn interruption_ends_both() {
        assert_interrupted(&["--notify", "socket"]);
    }

    /// The names that variables of the environment have.
    fn sockets(daemon: &Report) -> Vec<String> {
        let environment = daemon.environment.iter().filter_map(|entry| entry.to_str());
        environment.filter_map(|entry| Some(entry.strip_prefix("NOTIFY_SOCKET=")?.to_owned())).collect()
    }

    #[test]
    fn is_named_once_in_the_environment() {
        let ready = ["notify", "READY=1", "stay"];
        let options: [&[&str]; 3] = [&[], &["-E", "NOTIFY_SOCKET=/run/other", "-E", "A=b"], &["--clear-env"]];
        for options in options {
            for inherited in [false, true] {
                let sandbox = Sandbox::new();
                let launch = sandbox.bgexec(&["--notify", "socket"]).words(options);
                let launch = if inherited { launch.env("NOTIFY_SOCKET", "/run/systemd/notify") } else { launch };
                launch.probe(ready).run().assert_started();
                let daemon = sandbox.report();
                let sockets = sockets(&daemon);
                assert!(matches!(&*sockets, [name] if name.len() > 1 && name.starts_with('@')), "{sockets:?}");
                assert!(daemon.other_descriptors().is_empty());
            }
        }
    }

    #[test]
    fn is_named_only_when_asked_for() {
        assert!(sockets(&Sandbox::new().start(&[])).is_empty());
    }

    /// A daemon that waits to be told, and the name of its socket.
    fn with_launch(options: &[&str], talk: impl Fn(&Sandbox, &str)) -> crate::harness::Output {
        let sandbox = Sandbox::new();
        sandbox.copy_program(&probe());
        let running = sandbox.bgexec(&["-p", "x.pid", "--notify", "socket"]).words(options).probe(["stay"]).spawn();
        let sockets = sockets(&sandbox.report());
        talk(&sandbox, &sockets[0]);
        running.wait()
    }

    /// Sends a datagram as a user.
    fn say(sandbox: &Sandbox, socket: &str, user: u32, text: &str) {
        let launch = sandbox.launch(&sandbox.path("probe")).env("NOTIFY_SOCKET", socket).words(["notify", text]);
        let launch = if user == geteuid().as_raw() { launch } else { launch.by_user(user) };
        launch.run().assert_started();
    }

    /// What comes first would decide, were it heard.
    #[test]
    fn stranger_does_not_count() {
        if !is_root() {
            return;
        }
        let output = with_launch(&[], |sandbox, socket| {
            say(sandbox, socket, 65534, "READY=1");
            say(sandbox, socket, 0, "ERRNO=13");
        });
        output.assert_unable(125, &wait_for_probe("Permission denied"));
        let output = with_launch(&[], |sandbox, socket| {
            say(sandbox, socket, 65534, "ERRNO=13");
            say(sandbox, socket, 0, "READY=1");
        });
        output.assert_started();
        let output = with_launch(&["--notify-timeout", "3"], |sandbox, socket| {
            say(sandbox, socket, 65534, "READY=1\nEXTEND_TIMEOUT_USEC=60000000");
        });
        output.assert_unable(124, &wait_for_probe("not ready after 3 s"));
    }

    #[test]
    fn anybody_of_the_same_user_counts() {
        let user = geteuid().as_raw();
        with_launch(&[], |sandbox, socket| say(sandbox, socket, user, "READY=1")).assert_started();
    }

    #[test]
    fn user_of_the_daemon_counts() {
        if !is_root() {
            return;
        }
        let sandbox = Sandbox::new();
        sandbox.make_open_directory("open");
        let probe = sandbox.copy_program(&probe());
        let launch = sandbox.bgexec(&["-u", "1000:1000", "--notify", "socket"]).words([&probe]);
        launch.reporting("open/report", ["notify", "READY=1", "stay"]).run().assert_started();
        let report = Report::parse(&sandbox.read("open/report"));
        assert_eq!(report.uid, [1000; 3]);
        // Another's does not, and root's does.
        let launch = sandbox.bgexec(&["-u", "1000:1000", "--notify", "socket"]).words([&probe]);
        let running = launch.reporting("open/second", ["stay"]).spawn();
        let second = Report::parse(&sandbox.eventually_read("open/second"));
        let socket = &sockets(&second)[0];
        say(&sandbox, socket, 1001, "ERRNO=13");
        say(&sandbox, socket, 0, "READY=1");
        running.wait().assert_started();
    }

    /// Whatever user it has become.
    #[test]
    fn command_itself_counts() {
        if is_root() {
            let sandbox = Sandbox::new();
            let launch = sandbox.bgexec(&["--notify", "socket"]);
            launch.probe(["become", "65534", "notify", "READY=1", "stay"]).run().assert_started();
        }
    }

    #[test]
    fn user_of_the_launcher_counts_and_root() {
        if !is_root() {
            return;
        }
        for (user, counts) in [(1000, true), (1001, false), (0, true)] {
            let sandbox = Sandbox::new();
            sandbox.make_open_directory("open");
            let (probe, bgexec) = (sandbox.copy_program(&probe()), sandbox.bgexec_for_all());
            let launch = sandbox.command(&bgexec).words(["--notify", "socket"]).by_user(1000).words([&probe]);
            let running = launch.reporting("open/report", ["stay"]).spawn();
            let report = Report::parse(&sandbox.eventually_read("open/report"));
            let socket = &sockets(&report)[0];
            say(&sandbox, socket, user, "READY=1");
            if !counts {
                say(&sandbox, socket, 0, "ERRNO=13");
            }
            let output = running.wait();
            assert_eq!(output.status.code(), Some(if counts { 0 } else { 125 }), "{user}: {output:?}");
        }
    }

    #[test]
    fn refuses_what_is_none() {
        for notify in ["sock", "sockets", "socket:", "Socket", "socket "] {
            let output = Sandbox::new().bgexec(&["--notify", notify, "true"]).run();
            output.assert_unable(125, &format!("use --notify {notify}: not fd:N or socket"));
        }
        let output = Sandbox::new().bgexec(&["-F", "--notify", "socket", "true"]).run();
        output.assert_unable(125, "use --notify socket: not with -F");
    }
}
