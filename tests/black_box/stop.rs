//! `-K` and `-T`: what holds a pidfile is stopped or spoken of, and nothing else is ever signalled.

use std::ffi::CString;
use std::fs::{self, File, Permissions};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use rustix::fs::{CWD, Mode, mkfifoat};
use rustix::io::Errno;
use rustix::process::{Pid, Resource, Signal, test_kill_process};

use crate::harness::kernel::{self, Refusal};
use crate::harness::process::{self, is_alive, kill};
use crate::harness::{Launch, Output, Running, Sandbox, at_most, eventually, is_root, probe};

const HUP: i32 = 1;
const INT: i32 = 2;
const USR1: i32 = 10;
const USR2: i32 = 12;
const TERM: i32 = 15;

/// A daemon that writes down each signal and ends by none but KILL; its pid.
fn start_stubborn(sandbox: &Sandbox) -> i32 {
    let launch = sandbox.bgexec(&["-p", "x.pid"]).words([probe()]).words(["block"]);
    launch.reporting("report", ["record"]).words([sandbox.path("signals")]).run().assert_started();
    sandbox.report().pid
}

/// A daemon that has closed its descriptors, and so lost its lock; its pid.
fn start_unlocked(sandbox: &Sandbox) -> i32 {
    let launch = sandbox.bgexec(&["-p", "x.pid"]).words([probe()]).words(["close"]);
    launch.reporting("report", ["stay"]).run().assert_started();
    sandbox.report().pid
}

/// The signals that it has taken so far.
fn signals(sandbox: &Sandbox) -> Vec<i32> {
    let taken = fs::read_to_string(sandbox.path("signals")).unwrap_or_default();
    taken.lines().map(|line| line.parse().expect("a number")).collect()
}

#[track_caller]
fn assert_taken(sandbox: &Sandbox, expected: &[i32]) {
    eventually("the signals", || (signals(sandbox) == expected).then_some(()));
}

/// Another process, which has a pidfile of another tool's and writes down each signal.
struct Bystander(Running);

impl Bystander {
    fn start(sandbox: &Sandbox) -> Self {
        let launch = sandbox.launch(&probe()).words(["block"]).reporting("bystander", ["record"]);
        let running = launch.words([sandbox.path("signals")]).spawn();
        sandbox.eventually_read("bystander");
        Self(running)
    }

    fn pid(&self) -> i32 {
        self.0.pid()
    }

    /// It lives, and no signal has come.
    #[track_caller]
    fn assert_unharmed(self, sandbox: &Sandbox) {
        assert!(is_alive(self.pid()));
        // Had another signal come before, it would be taken before this one.
        process::signal(self.pid(), Signal::SYS);
        assert_taken(sandbox, &[31]);
        self.0.end();
    }
}

fn stop(sandbox: &Sandbox, options: &[&str]) -> Output {
    sandbox.bgexec(&["-K", "-p", "x.pid"]).words(options).run()
}

fn status(sandbox: &Sandbox) -> Output {
    sandbox.bgexec(&["-T", "-p", "x.pid"]).run()
}

#[track_caller]
fn assert_status(output: &Output, status: i32, line: &str) {
    assert_eq!((output.status.code(), &*output.stdout, &*output.stderr), (Some(status), &*format!("{line}\n"), ""));
}

/// It is dead and its pidfile is removed.
#[track_caller]
fn assert_stopped(sandbox: &Sandbox, output: &Output, pid: i32) {
    output.assert_started();
    assert!(!is_alive(pid));
    assert!(!sandbox.exists("x.pid"));
}

mod daemon {
    use super::*;

    #[test]
    fn is_dead_when_the_stop_returns() {
        for words in
            [&["-K", "-p", "x.pid"][..], &["--stop", "--pidfile=x.pid"], &["-Kpx.pid"], &["-p", "x.pid", "-qK"]]
        {
            let sandbox = Sandbox::new();
            let pid = sandbox.start(&["-p", "x.pid"]).pid;
            assert_stopped(&sandbox, &sandbox.bgexec(words).run(), pid);
        }
    }

    #[test]
    fn gets_term_and_nothing_else_when_that_is_enough() {
        let sandbox = Sandbox::new();
        let file = sandbox.path("signals");
        let launch = sandbox.bgexec(&["-p", "x.pid"]).words([probe()]).words(["block"]);
        let launch = launch.reporting("report", ["await", "15", "note"]).words([&file]);
        launch.run().assert_started();
        let pid = sandbox.report().pid;
        assert_stopped(&sandbox, &stop(&sandbox, &[]), pid);
        assert_eq!(sandbox.read("signals"), format!("{pid}\n"));
    }

    #[test]
    fn may_have_been_started_in_the_foreground_and_be_a_zombie() {
        for refused in [None, Some(sc::nr::PIDFD_OPEN)] {
            let sandbox = Sandbox::new();
            let running = sandbox.bgexec(&["-F", "-p", "x.pid"]).probe(["stay"]).spawn();
            sandbox.report();
            let launch = sandbox.bgexec(&["-K", "-p", "x.pid"]);
            let launch = refused
                .into_iter()
                .fold(launch, |launch, call| launch.refused(Refusal { call, second: None, errno: Errno::NOSYS }));
            // Nobody reaps it yet.
            let output = launch.run();
            assert_stopped(&sandbox, &output, running.pid());
            running.wait();
        }
    }

    #[test]
    fn may_have_lost_its_lock() {
        let sandbox = Sandbox::new();
        let pid = start_unlocked(&sandbox);
        assert_eq!(process::lock(&sandbox.path("x.pid")), None);
        assert_status(&status(&sandbox), 0, &format!("running (pid {pid})"));
        assert_stopped(&sandbox, &stop(&sandbox, &[]), pid);
    }

    /// Where no descriptor is left to look at it with, it lives on.
    #[test]
    fn may_have_lost_its_lock_where_descriptors_are_few() {
        let sandbox = Sandbox::new();
        let pid = start_unlocked(&sandbox);
        for limit in 3..7 {
            let output = sandbox.bgexec(&["-K", "-p", "x.pid"]).limit(Resource::Nofile, limit).run();
            if output.status.code() == Some(0) {
                assert!(limit > 4, "the file, and what is looked at");
                return assert_stopped(&sandbox, &output, pid);
            }
            let (status, reason) = if limit == 3 { (125, "Too many open files") } else { (1, "not running") };
            output.assert_unable(status, &format!("stop x.pid: {reason}"));
            assert!(is_alive(pid));
        }
        panic!("six are enough");
    }

    #[test]
    fn may_be_stopped_and_started_again_and_again() {
        let sandbox = Sandbox::new();
        for _ in 0..20 {
            sandbox.bgexec(&["-p", "x.pid"]).probe(["stay"]).run().assert_started();
            let pid = sandbox.pid("x.pid");
            assert_stopped(&sandbox, &stop(&sandbox, &[]), pid);
        }
    }

    #[test]
    fn may_stand_still() {
        let sandbox = Sandbox::new();
        let pid = sandbox.start(&["-p", "x.pid"]).pid;
        process::signal(pid, Signal::STOP);
        assert_stopped(&sandbox, &stop(&sandbox, &["--retry", "TERM/0/KILL/20"]), pid);
    }

    #[test]
    fn of_which_the_pidfile_was_removed_runs_on() {
        let sandbox = Sandbox::new();
        let pid = sandbox.start(&["-p", "x.pid"]).pid;
        fs::remove_file(sandbox.path("x.pid")).expect("it is there");
        stop(&sandbox, &[]).assert_unable(1, "stop x.pid: not running");
        assert_status(&status(&sandbox), 3, "not running");
        assert!(is_alive(pid));
    }

    /// The new file is another's.
    #[test]
    fn of_which_the_pidfile_is_replaced_meanwhile_is_stopped_all_the_same() {
        let sandbox = Sandbox::new();
        let pid = start_stubborn(&sandbox);
        let running = sandbox.bgexec(&["-K", "-p", "x.pid", "--retry", "TERM/20"]).spawn();
        assert_taken(&sandbox, &[TERM]);
        sandbox.write("new", "precious");
        fs::rename(sandbox.path("new"), sandbox.path("x.pid")).expect("both are ours");
        kill(pid);
        running.wait().assert_started();
        assert_eq!(sandbox.read("x.pid"), "precious");
    }

    #[test]
    fn is_stopped_by_whoever_may_do_that() {
        if is_root() {
            let sandbox = Sandbox::new();
            let pid = sandbox.start(&["-p", "x.pid"]).pid;
            let copy = sandbox.bgexec_for_all();
            for words in [&["-K"][..], &["-K", "-s", "HUP"], &["-K", "--process-group"]] {
                let output = sandbox.command(&copy).words(words).words(["-p", "x.pid"]).by_user(4711).run();
                output.assert_unable(125, "stop x.pid: Operation not permitted");
            }
            assert!(is_alive(pid));
            assert_eq!(sandbox.pid("x.pid"), pid);
        }
    }

    /// To signal it takes no right to write.
    #[test]
    fn is_stopped_though_its_pidfile_cannot_be_written_to() {
        if !is_root() {
            return;
        }
        let sandbox = Sandbox::new();
        let pid = sandbox.start(&["-p", "x.pid"]).pid;
        let read_only = |options: &[&str]| {
            let directory = CString::new(sandbox.directory().as_os_str().as_bytes()).expect("no NUL in a path");
            let launch = sandbox.bgexec(options).before_exec(kernel::leave_mounts);
            launch.before_exec(move || kernel::make_read_only(&directory)).directory(sandbox.directory()).run()
        };
        let pidfile = sandbox.path("x.pid");
        let pidfile = pidfile.to_str().expect("UTF-8");
        read_only(&["-K", "-s", "CONT", "-p", pidfile]).assert_started();
        assert!(is_alive(pid));
        read_only(&["-K", "-p", pidfile]).assert_started();
        assert!(!is_alive(pid));
        assert!(sandbox.exists("x.pid"));
    }

    #[test]
    fn of_another_user_is_stopped_by_root() {
        if is_root() {
            let sandbox = Sandbox::new();
            let (copy, program) = (sandbox.bgexec_for_all(), sandbox.copy_program(&probe()));
            sandbox
                .bgexec(&["-p", "x.pid", "-u", "4711:4711"])
                .words([&program])
                .words(["stay"])
                .run()
                .assert_started();
            let pid = sandbox.pid("x.pid");
            assert_stopped(&sandbox, &stop(&sandbox, &[]), pid);
            // One that this user started has a pidfile of the user's own, which root does not trust.
            let open = sandbox.make_open_directory("open").join("x.pid");
            let open = open.to_str().expect("UTF-8");
            let by_user = |words: &[&str]| sandbox.command(&copy).words(words).words(["-p", open]).by_user(4711);
            by_user(&[]).words([&program]).words(["stay"]).run().assert_started();
            let output = sandbox.bgexec(&["-K", "-p", open]).run();
            output.assert_unable(125, &format!("stop {open}: owned by another user"));
            assert_status(&sandbox.bgexec(&["-T", "-p", open]).run(), 4, "unknown");
            by_user(&["-K"]).run().assert_started();
            assert!(!sandbox.exists("open/x.pid"));
        }
    }
}

mod schedule {
    use super::*;

    /// Between two signals there is the time that the daemon needs to write the first down, on a busy machine too.
    #[test]
    fn that_is_a_number_is_a_signal_and_then_kill() {
        for (options, signal) in [
            (&["--retry", "1"][..], TERM),
            (&["--retry=1"], TERM),
            (&["-s", "INT", "--retry", "1"], INT),
            (&["--retry", "1", "-s", "USR1"], USR1),
        ] {
            let sandbox = Sandbox::new();
            let pid = start_stubborn(&sandbox);
            let start = Instant::now();
            assert_stopped(&sandbox, &stop(&sandbox, options), pid);
            assert!(start.elapsed() >= Duration::from_secs(1), "{options:?}");
            assert_eq!(signals(&sandbox), [signal], "{options:?}");
        }
    }

    #[track_caller]
    fn assert_followed(schedules: &[(&str, &[i32])]) {
        for (schedule, taken) in schedules {
            let sandbox = Sandbox::new();
            let pid = start_stubborn(&sandbox);
            let output = stop(&sandbox, &["--retry", schedule]);
            assert_stopped(&sandbox, &output, pid);
            assert_eq!(signals(&sandbox), *taken, "{schedule}");
        }
    }

    #[test]
    fn is_followed_item_by_item() {
        assert_followed(&[
            ("USR1/0.5/USR2/0.5/KILL/20", &[USR1, USR2]),
            ("-USR1/0.5/-12/0.5/-9/20", &[USR1, USR2]),
            ("SIGUSR1/0.5/-SIGUSR2/0.5/SIGKILL/20", &[USR1, USR2]),
            ("0.5/USR1/0.5/KILL/20", &[USR1]),
            ("USR1/0.25/0.25/KILL/20", &[USR1]),
        ]);
    }

    #[test]
    fn may_name_real_time_signals() {
        assert_followed(&[("RTMIN+1/0.5/RTMAX-2/0.5/KILL/20", &[35, 62])]);
    }

    #[test]
    fn that_ends_before_the_daemon_says_so() {
        for options in [&["--retry", "TERM/0.1"][..], &["-q", "--retry", "TERM/0.1"], &["--oknodo", "--retry=TERM/0.1"]]
        {
            let sandbox = Sandbox::new();
            let pid = start_stubborn(&sandbox);
            stop(&sandbox, options).assert_unable(2, &format!("stop x.pid: still running as pid {pid}"));
            assert!(is_alive(pid));
            assert_taken(&sandbox, &[TERM]);
            assert_eq!(sandbox.pid("x.pid"), pid);
        }
    }

    #[test]
    fn is_repeated_for_ever() {
        for (schedule, first) in [("forever/TERM/0.1", TERM), ("HUP/0.5/forever/TERM/0.5/INT/0.5", HUP)] {
            let sandbox = Sandbox::new();
            let pid = start_stubborn(&sandbox);
            let running = sandbox.bgexec(&["-K", "-p", "x.pid", "--retry", schedule]).spawn();
            eventually("many signals", || (signals(&sandbox).len() > 4).then_some(()));
            kill(pid);
            assert_stopped(&sandbox, &running.wait(), pid);
            let taken = signals(&sandbox);
            assert_eq!(taken[0], first, "{schedule}");
            let repeated = if first == TERM { [TERM, TERM, TERM] } else { [TERM, INT, TERM] };
            assert_eq!(taken[1..4], repeated, "{schedule}");
        }
    }

    #[test]
    fn ends_with_the_daemon() {
        let sandbox = Sandbox::new();
        let pid = start_stubborn(&sandbox);
        let running = sandbox.bgexec(&["-K", "-p", "x.pid", "--retry", "TERM/1000/KILL/5"]).spawn();
        assert_taken(&sandbox, &[TERM]);
        kill(pid);
        assert_stopped(&sandbox, &running.wait(), pid);
    }

    #[test]
    fn that_is_none_is_refused() {
        for value in [
            "",
            "TERM",
            "TERM/",
            "/5",
            "TERM//5",
            "TERM/x",
            "BOGUS/5",
            "x",
            "5x",
            "-5",
            "TERM/-",
            "TERM/5/",
            "TERM /5",
            "forever",
            "forever/",
            "forever/TERM",
            "TERM/5/forever",
            "forever/TERM/0",
            "foreverx/TERM/5",
            "-0/5",
            "-65/5",
            "99999999999999999999",
        ] {
            let sandbox = Sandbox::new();
            let pid = sandbox.start(&["-p", "x.pid"]).pid;
            stop(&sandbox, &["--retry", value]).assert_unable(125, &format!("use --retry {value}: not a schedule"));
            assert!(is_alive(pid), "{value:?}");
        }
    }
}

mod signal {
    use super::*;

    #[test]
    fn is_sent_once_without_a_schedule() {
        let sandbox = Sandbox::new();
        let pid = start_stubborn(&sandbox);
        let mut expected = vec![];
        for (word, number) in [
            ("HUP", HUP),
            ("SIGHUP", HUP),
            ("1", HUP),
            ("USR1", USR1),
            ("SIGUSR2", USR2),
            ("12", USR2),
            ("TERM", TERM),
            ("RTMIN", 34),
            ("RTMIN+1", 35),
            ("SIGRTMIN+2", 36),
            ("RTMAX", 64),
            ("RTMAX-1", 63),
            ("SIGRTMAX-30", 34),
            ("64", 64),
            ("34", 34),
            ("WINCH", 28),
            ("SYS", 31),
            ("IO", 29),
            ("PWR", 30),
            ("STKFLT", 16),
            ("CHLD", 17),
        ] {
            stop(&sandbox, &["-s", word]).assert_started();
            expected.push(number);
            assert_taken(&sandbox, &expected);
        }
        assert!(is_alive(pid));
        assert_eq!(sandbox.pid("x.pid"), pid);
    }

    /// As with kill(1).
    #[test]
    fn of_number_0_only_asks() {
        let sandbox = Sandbox::new();
        stop(&sandbox, &["-s", "0"]).assert_unable(1, "stop x.pid: not running");
        start_stubborn(&sandbox);
        stop(&sandbox, &["-s", "0"]).assert_started();
        stop(&sandbox, &["-s", "HUP"]).assert_started();
        assert_taken(&sandbox, &[HUP]);
    }

    /// With a schedule, too: then KILL alone is sent.
    #[test]
    fn of_number_0_is_none_in_a_schedule() {
        let sandbox = Sandbox::new();
        let pid = start_stubborn(&sandbox);
        let start = Instant::now();
        assert_stopped(&sandbox, &stop(&sandbox, &["-s", "0", "--retry", "0.5"]), pid);
        assert!(start.elapsed() >= Duration::from_millis(500));
        assert_eq!(signals(&sandbox), [0; 0]);
    }

    /// The message, if there is nobody to get it, does not go into the pidfile, which is what is open.
    #[test]
    fn that_is_not_enough_leaves_the_pidfile_alone() {
        for closed in [&[2][..], &[0, 1, 2], &[0, 2]] {
            let sandbox = Sandbox::new();
            let pid = start_stubborn(&sandbox);
            let launch = sandbox.bgexec(&["-K", "-p", "x.pid", "--retry", "TERM/0.1"]).closed(closed.iter().copied());
            assert_eq!(launch.run().status.code(), Some(2), "{closed:?}");
            assert_eq!(sandbox.read("x.pid"), format!("{pid}\n"), "{closed:?}");
        }
    }

    #[test]
    fn may_end_the_daemon_whose_pidfile_stays() {
        let sandbox = Sandbox::new();
        let pid = sandbox.start(&["-p", "x.pid"]).pid;
        sandbox.bgexec(&["--stop", "--signal=KILL", "-p", "x.pid"]).run().assert_started();
        eventually("it is dead", || (!is_alive(pid)).then_some(()));
        assert_eq!(sandbox.pid("x.pid"), pid);
        assert_status(&status(&sandbox), 1, "dead (stale pidfile)");
    }

    #[test]
    fn that_is_none_is_refused() {
        for value in [
            "",
            "65",
            "-1",
            "SIG",
            "BOGUS",
            "hup",
            "HUPS",
            "SIGSIGHUP",
            "HU",
            "1x",
            "1,2",
            "RTMIN+31",
            "RTMIN-1",
            "RTMAX+1",
            "RTMAX-31",
            "RTMIN+",
            "RTMIN1",
            "4294967297",
        ] {
            let sandbox = Sandbox::new();
            let pid = sandbox.start(&["-p", "x.pid"]).pid;
            stop(&sandbox, &["-s", value]).assert_unable(125, &format!("use -s {value}: not a signal"));
            assert!(is_alive(pid), "{value:?}");
        }
    }

    #[test]
    fn to_nobody_is_a_failure() {
        let sandbox = Sandbox::new();
        stop(&sandbox, &["-s", "HUP"]).assert_unable(1, "stop x.pid: not running");
    }
}

mod process_group {
    use super::*;

    /// A daemon and its child.
    fn start(sandbox: &Sandbox) -> (i32, i32) {
        let child = sandbox.path("child");
        let verbs = ["fork", child.to_str().expect("UTF-8"), "stay"];
        sandbox.bgexec(&["-p", "x.pid"]).probe(verbs).run().assert_started();
        let child = sandbox.eventually_read("child").trim().parse().expect("a pid");
        (sandbox.pid("x.pid"), child)
    }

    #[test]
    fn is_signalled_if_that_is_asked_for() {
        let sandbox = Sandbox::new();
        let (daemon, child) = start(&sandbox);
        assert_stopped(&sandbox, &stop(&sandbox, &["--process-group"]), daemon);
        eventually("the child is dead", || (!is_alive(child)).then_some(()));
    }

    #[test]
    fn is_left_alone_otherwise() {
        let sandbox = Sandbox::new();
        let (daemon, child) = start(&sandbox);
        assert_stopped(&sandbox, &stop(&sandbox, &[]), daemon);
        assert!(is_alive(child));
    }

    #[test]
    fn is_signalled_once_too() {
        let sandbox = Sandbox::new();
        let (daemon, child) = start(&sandbox);
        stop(&sandbox, &["--process-group", "-s", "USR1"]).assert_started();
        eventually("both are dead", || (!is_alive(child) && !is_alive(daemon)).then_some(()));
    }

    /// Of a member only the member itself.
    #[test]
    fn of_another_leader_is_left_alone() {
        let sandbox = Sandbox::new();
        let script = "\"$0\" -F -p x.pid \"$1\" report \"$2/report\" stay & \
            exec \"$1\" block report \"$2/bystander\" record \"$2/signals\"";
        let leader = sandbox.launch(Path::new("/bin/sh")).leading_group().words(["-c", script]);
        let leader = leader.words([sandbox.bgexec_program(), probe(), sandbox.directory().to_owned()]).spawn();
        let (member, leader) = (sandbox.report(), Bystander(leader));
        sandbox.eventually_read("bystander");
        assert_eq!(member.pgid, leader.pid());
        stop(&sandbox, &["--process-group"]).assert_started();
        assert!(!is_alive(member.pid));
        // The end of its child is no signal of ours.
        eventually("a signal", || signals(&sandbox).contains(&17).then_some(()));
        assert_eq!(signals(&sandbox), [17]);
        leader.0.end();
    }
}

mod nothing_to_stop {
    use super::*;

    #[test]
    fn is_said() {
        let sandbox = Sandbox::new();
        stop(&sandbox, &[]).assert_unable(1, "stop x.pid: not running");
        sandbox.write("x.pid", "");
        stop(&sandbox, &[]).assert_unable(1, "stop x.pid: not running");
    }

    #[test]
    fn is_no_error_when_that_is_said() {
        let sandbox = Sandbox::new();
        for options in [&["--oknodo"][..], &["-q", "--oknodo"], &["--oknodo", "-s", "HUP"]] {
            stop(&sandbox, options).assert_started();
        }
    }

    #[test]
    fn is_not_spoken_of_by_a_quiet_stop() {
        let sandbox = Sandbox::new();
        let output = stop(&sandbox, &["-q"]);
        assert_eq!((output.status.code(), &*output.stdout, &*output.stderr), (Some(1), "", ""));
    }

    /// Once and only once.
    #[test]
    fn is_what_a_second_stop_finds() {
        let sandbox = Sandbox::new();
        let pid = sandbox.start(&["-p", "x.pid"]).pid;
        assert_stopped(&sandbox, &stop(&sandbox, &[]), pid);
        stop(&sandbox, &[]).assert_unable(1, "stop x.pid: not running");
    }
}

/// Nothing that is not proven ours is signalled.
mod stranger {
    use super::*;

    #[test]
    fn with_a_recycled_pid_is_left_alone() {
        for ago in [Duration::from_secs(3600), Duration::from_millis(500)] {
            let sandbox = Sandbox::new();
            let before = SystemTime::now();
            let bystander = Bystander::start(&sandbox);
            sandbox.write("x.pid", format!("{}\n", bystander.pid()));
            sandbox.set_modified("x.pid", before - ago);
            for options in [&[][..], &["-s", "KILL"], &["--process-group"], &["--retry", "1"]] {
                stop(&sandbox, options).assert_unable(1, "stop x.pid: not running");
            }
            assert_status(&status(&sandbox), 1, "dead (stale pidfile)");
            bystander.assert_unharmed(&sandbox);
        }
    }

    /// kill(2) takes a thread's id for that of its process.
    #[test]
    fn with_the_id_of_a_thread_is_left_alone() {
        let sandbox = Sandbox::new();
        let judge = || {
            let path = fs::read_link("/proc/thread-self").expect("a thread is in /proc");
            let id = path.file_name().expect("a path that ends with the id").display();
            sandbox.write("x.pid", format!("{id}\n"));
            stop(&sandbox, &["-s", "0"]).assert_unable(1, "stop x.pid: not running");
            assert_status(&status(&sandbox), 1, "dead (stale pidfile)");
            sandbox.bgexec(&["-p", "x.pid"]).probe(["stay"]).run().assert_started();
        };
        thread::scope(|scope| scope.spawn(judge).join()).expect("it is left alone");
    }

    #[test]
    fn that_holds_a_read_lock_is_left_alone() {
        let sandbox = Sandbox::new();
        let file = sandbox.write("x.pid", "garbage");
        let launch = sandbox.launch(&probe()).words([Path::new("lock"), Path::new("read"), &file]).words(["block"]);
        let reader = launch.reporting("bystander", ["record"]).words([sandbox.path("signals")]).spawn();
        sandbox.eventually_read("bystander");
        stop(&sandbox, &[]).assert_unable(1, "stop x.pid: not running");
        assert_status(&status(&sandbox), 1, "dead (stale pidfile)");
        Bystander(reader).assert_unharmed(&sandbox);
    }

    /// The kernel says so with ESRCH to whoever reads of a process that ended after its file was opened.
    #[test]
    fn that_dies_while_it_is_looked_at_is_no_daemon() {
        let sandbox = Sandbox::new();
        sandbox.write("x.pid", format!("{}\n", std::process::id()));
        let refusal = Refusal { call: sc::nr::READ, second: None, errno: Errno::SRCH };
        let status = sandbox.bgexec(&["-T", "-p", "x.pid"]).refused(refusal).run();
        assert_status(&status, 1, "dead (stale pidfile)");
    }

    #[test]
    fn that_is_a_zombie_is_no_daemon() {
        let sandbox = Sandbox::new();
        let running = sandbox.launch(&probe()).reporting("report", ["exit", "0"]).spawn();
        sandbox.write("x.pid", format!("{}\n", running.pid()));
        eventually("a zombie", || (!is_alive(running.pid())).then_some(()));
        stop(&sandbox, &[]).assert_unable(1, "stop x.pid: not running");
        assert_status(&status(&sandbox), 1, "dead (stale pidfile)");
        running.wait();
    }

    /// In a pid namespace, so that a signal to all would not reach the tests: three others, one of them in the process
    /// group of bgexec.
    #[test]
    fn is_not_meant_by_a_number_that_is_no_pid() {
        if !is_root() {
            return;
        }
        let script = "\
            for n in 1 2 3; do \"$1\" block report \"$n.report\" record \"$n.signals\" & done
            for n in 1 2 3; do until [ -e \"$n.report\" ]; do :; done; done
            cd garbage
            for file in *; do
                for word in '' --process-group '-s KILL'; do
                    \"$0\" -K -p \"$file\" $word 2>> ../messages
                    echo \"$? $file\" >> ../statuses
                done
            done
            exec \"$1\" report ../done";
        let sandbox = Sandbox::new();
        sandbox.make_directory("garbage");
        let contents = [
            "-1\n",
            "0\n",
            "-1",
            "0",
            "-2\n",
            "1\n",
            "+2\n",
            " 2\n",
            "2 \n",
            "2 3\n",
            "2\n3\n",
            "2x\n",
            "0x2\n",
            "\n",
            "\n2\n",
            "x\n",
            "4294967295\n",
            "4294967298\n",
            "18446744073709551615\n",
            "18446744073709551618\n",
            "00\n",
            "2\0\n",
            "\0",
            "99999999999999999999999999999\n",
            "2\r\n",
            "2\n\0",
            "2\n\0junk\n99999\n",
            "00000000000002\n2",
            "000000000000002\n",
        ];
        for (number, contents) in contents.iter().enumerate() {
            sandbox.write(&format!("garbage/{number}"), contents);
        }
        let launch = sandbox.launch(Path::new("/bin/sh")).being_pid_1();
        let output = launch.words(["-c", script]).words([sandbox.bgexec_program(), probe()]).run();
        assert_eq!((output.status.code(), &*output.stderr), (Some(0), ""));
        assert!(sandbox.exists("done"));
        assert_eq!(sandbox.read("statuses").lines().count(), 3 * contents.len());
        for line in sandbox.read("statuses").lines() {
            assert!(line.starts_with("1 "), "status and file: {line}");
        }
        for line in sandbox.read("messages").lines() {
            assert!(line.starts_with("bgexec: unable to stop ") && line.ends_with(": not running"), "{line}");
        }
        for number in 1..4 {
            let taken = fs::read_to_string(sandbox.path(format!("{number}.signals"))).unwrap_or_default();
            assert_eq!(taken, "", "of {number}");
        }
    }

    /// A pid counts from 2 up, and the one of the tests' own pid 1 is not the daemon's.
    #[test]
    fn that_is_pid_1_is_left_alone() {
        let sandbox = Sandbox::new();
        sandbox.write("x.pid", "1\n");
        stop(&sandbox, &["-s", "HUP"]).assert_unable(1, "stop x.pid: not running");
        assert_status(&status(&sandbox), 1, "dead (stale pidfile)");
    }
}

/// A file that another user may have prepared is not believed.
mod refused {
    use super::*;

    #[track_caller]
    fn assert_refused(sandbox: &Sandbox, reason: &str) {
        for options in [&[][..], &["--oknodo"], &["-s", "HUP"]] {
            stop(sandbox, options).assert_unable(125, &format!("stop x.pid: {reason}"));
        }
        assert_status(&status(sandbox), 4, "unknown");
    }

    #[test]
    fn symbolic_link() {
        let sandbox = Sandbox::new();
        let pid = sandbox.start(&["-p", "y.pid"]).pid;
        symlink("y.pid", sandbox.path("x.pid")).expect("the sandbox can be written to");
        assert_refused(&sandbox, "Too many levels of symbolic links");
        assert!(is_alive(pid));
    }

    #[test]
    fn file_with_a_second_name() {
        let sandbox = Sandbox::new();
        let pid = sandbox.start(&["-p", "y.pid"]).pid;
        fs::hard_link(sandbox.path("y.pid"), sandbox.path("x.pid")).expect("the sandbox can be written to");
        assert_refused(&sandbox, "has more than one link");
        assert!(is_alive(pid));
    }

    #[test]
    fn fifo() {
        let sandbox = Sandbox::new();
        mkfifoat(CWD, sandbox.path("x.pid"), Mode::RUSR | Mode::WUSR).expect("the sandbox can be written to");
        assert_refused(&sandbox, "not a regular file");
    }

    #[test]
    fn directory() {
        let sandbox = Sandbox::new();
        sandbox.make_directory("x.pid");
        let output = stop(&sandbox, &[]);
        assert_eq!(output.status.code(), Some(125), "{output:?}");
        assert!(output.stderr.starts_with("bgexec: unable to stop x.pid: "), "{}", output.stderr);
        assert_status(&status(&sandbox), 4, "unknown");
    }

    #[test]
    fn file_that_others_may_write_to() {
        for mode in [0o666, 0o664, 0o646] {
            let sandbox = Sandbox::new();
            let pid = sandbox.start(&["-p", "x.pid"]).pid;
            fs::set_permissions(sandbox.path("x.pid"), Permissions::from_mode(mode)).expect("it is ours");
            assert_refused(&sandbox, "writable by others");
            assert!(is_alive(pid));
        }
    }

    #[test]
    fn file_of_another_user() {
        if is_root() {
            let sandbox = Sandbox::new();
            let bystander = Bystander::start(&sandbox);
            let file = sandbox.write("x.pid", format!("{}\n", bystander.pid()));
            chown(file, Some(4711), None).expect("root may do that");
            assert_refused(&sandbox, "owned by another user");
            bystander.assert_unharmed(&sandbox);
        }
    }

    /// In a directory that another user may write, that user can take the file away and put another in its place, but
    /// cannot turn a stop against somebody else.
    #[test]
    fn file_that_another_user_has_put_in_the_place() {
        if is_root() {
            let sandbox = Sandbox::new();
            let open = sandbox.make_open_directory("open");
            let program = sandbox.copy_program(&probe());
            let start = |report: &str| sandbox.bgexec(&["-p", "open/x.pid"]).probe_as(report, ["stay"]).run();
            start("first").assert_started();
            let daemon = sandbox.pid("open/x.pid");
            let bystander = Bystander::start(&sandbox);
            fs::write(open.join("new"), format!("{}\n", bystander.pid())).expect("it is ours");
            chown(open.join("new"), Some(4711), Some(4711)).expect("root may do that");
            // As that user.
            let launch = sandbox.launch(&program).by_user(4711).words(["remove", "open/x.pid"]);
            assert!(launch.run().status.success());
            fs::rename(open.join("new"), open.join("x.pid")).expect("it is ours");
            let output = sandbox.bgexec(&["-K", "-p", "open/x.pid"]).run();
            output.assert_unable(125, "stop open/x.pid: owned by another user");
            start("second").assert_unable(125, "open open/x.pid: owned by another user");
            assert_status(&sandbox.bgexec(&["-T", "-p", "open/x.pid"]).run(), 4, "unknown");
            assert!(is_alive(daemon));
            bystander.assert_unharmed(&sandbox);
        }
    }

    #[test]
    fn path_that_leads_nowhere() {
        let sandbox = Sandbox::new();
        sandbox.write("file", "");
        let output = sandbox.bgexec(&["-K", "-p", "nodir/x.pid"]).run();
        output.assert_unable(1, "stop nodir/x.pid: not running");
        let output = sandbox.bgexec(&["-K", "-p", "file/x.pid"]).run();
        output.assert_unable(125, "stop file/x.pid: Not a directory");
        assert_status(&sandbox.bgexec(&["-T", "-p", "file/x.pid"]).run(), 4, "unknown");
    }

    #[test]
    fn command_line_without_a_pidfile_or_with_a_command() {
        let sandbox = Sandbox::new();
        for (words, message) in [
            (&["-K"][..], "-K: needs -p"),
            (&["--stop", "-s", "HUP"], "--stop: needs -p"),
            (&["-T"], "-T: needs -p"),
            (&["--status", "-q"], "--status: needs -p"),
            (&["-K", "-p", "x.pid", "true"], "-K: takes no COMMAND"),
            (&["-K", "--retry", "5", "-p", "x.pid", "true"], "-K: takes no COMMAND"),
            (&["-T", "-p", "x.pid", "--", "true"], "-T: takes no COMMAND"),
        ] {
            sandbox.bgexec(words).run().assert_unable(125, &format!("use {message}"));
        }
        assert!(!sandbox.exists("x.pid"));
    }
}

mod holder_in_another_pid_namespace {
    use super::*;

    #[test]
    fn runs_elsewhere() {
        if is_root() {
            let sandbox = Sandbox::new();
            let pid = sandbox.start(&["-p", "x.pid"]).pid;
            let inside = |options: &[&str]| sandbox.bgexec(options).words(["-p", "x.pid"]).being_pid_1().run();
            inside(&["-K"]).assert_unable(125, "stop x.pid: already running elsewhere");
            inside(&["-K", "--oknodo", "-s", "HUP"]).assert_unable(125, "stop x.pid: already running elsewhere");
            assert_status(&inside(&["-T"]), 0, "running");
            assert!(is_alive(pid));
            assert_eq!(sandbox.pid("x.pid"), pid);
        }
    }

    /// From outside everything inside has a pid.
    #[test]
    fn is_stopped_from_outside() {
        if is_root() {
            let sandbox = Sandbox::new();
            let running = sandbox.bgexec(&["-F", "-p", "x.pid"]).being_pid_1().probe(["stay"]).spawn();
            assert_eq!((sandbox.report().pid, sandbox.pid("x.pid")), (1, 1));
            let (_, pid) = process::lock(&sandbox.path("x.pid")).expect("it is locked");
            assert_status(&status(&sandbox), 0, &format!("running (pid {pid})"));
            // Pid 1 of a namespace has no default for TERM.
            assert_stopped(&sandbox, &stop(&sandbox, &["--retry", "TERM/0/KILL/20"]), pid);
            running.wait();
        }
    }

    /// The first process of a namespace dies when all others of it have been reaped. Its lock is gone before, and the pid in
    /// its file is none of those outside.
    #[test]
    fn is_not_dead_yet_when_its_lock_is_gone() {
        if !is_root() {
            return;
        }
        for refused in [None, Some(sc::nr::PIDFD_OPEN)] {
            let sandbox = Sandbox::new();
            let running = sandbox.bgexec(&["-F", "-p", "x.pid"]).being_pid_1().probe(["stay"]).spawn();
            sandbox.report();
            let (_, pid) = process::lock(&sandbox.path("x.pid")).expect("it is locked");
            let outside = sandbox.launch(Path::new("nsenter")).words(["-p", "-t", &pid.to_string(), "--"]);
            let outside = outside.words([probe()]).reporting("inside", ["stay"]).spawn();
            sandbox.eventually_read("inside");
            process::signal(outside.pid(), Signal::STOP); // so that it does not reap its child
            let launch = sandbox.bgexec(&["-K", "-p", "x.pid", "--retry", "KILL/0.5"]);
            let launch = refused
                .into_iter()
                .fold(launch, |launch, call| launch.refused(Refusal { call, second: None, errno: Errno::NOSYS }));
            launch.run().assert_unable(2, &format!("stop x.pid: still running as pid {pid}"));
            assert!(process::lock(&sandbox.path("x.pid")).is_none());
            process::signal(outside.pid(), Signal::CONT);
            outside.wait();
            running.wait();
        }
    }
}

/// Where the kernel has no descriptors of processes, or a filter refuses them, the lock tells of the end.
mod without_pidfd {
    use super::*;

    const REFUSALS: [Refusal; 4] = {
        const fn refusal(call: usize, errno: Errno) -> Refusal {
            Refusal { call, second: None, errno }
        }
        [
            refusal(sc::nr::PIDFD_OPEN, Errno::NOSYS),
            refusal(sc::nr::PIDFD_OPEN, Errno::PERM),
            refusal(sc::nr::PIDFD_SEND_SIGNAL, Errno::NOSYS),
            refusal(sc::nr::PIDFD_SEND_SIGNAL, Errno::PERM),
        ]
    };

    fn each(mut test: impl FnMut(&Sandbox, &dyn Fn(&[&str]) -> Launch)) {
        for refusal in REFUSALS {
            let sandbox = Sandbox::new();
            test(&sandbox, &|options| sandbox.bgexec(&["-p", "x.pid"]).words(options).refused(refusal));
        }
    }

    #[test]
    fn daemon_is_dead_when_the_stop_returns() {
        each(|sandbox, bgexec| {
            let pid = sandbox.start(&["-p", "x.pid"]).pid;
            assert_stopped(sandbox, &bgexec(&["-K"]).run(), pid);
        });
    }

    #[test]
    fn schedule_is_followed() {
        each(|sandbox, bgexec| {
            let pid = start_stubborn(sandbox);
            let output = bgexec(&["-K", "--retry", "USR1/0.1"]).run();
            output.assert_unable(2, &format!("stop x.pid: still running as pid {pid}"));
            assert_stopped(sandbox, &bgexec(&["-K", "--retry", "USR2/0.5/KILL/20"]).run(), pid);
            assert_eq!(signals(sandbox), [USR1, USR2]);
        });
    }

    /// Who holds the lock is asked for, and again, before one that is not in the pidfile is believed: that takes time, too.
    #[test]
    fn schedule_takes_its_time_whatever_is_in_the_pidfile() {
        let sandbox = Sandbox::new();
        let pid = start_stubborn(&sandbox);
        sandbox.write("x.pid", "other\n");
        let start = Instant::now();
        let launch = sandbox.bgexec(&["-p", "x.pid", "-K", "--retry", "USR1/1"]).refused(REFUSALS[0]);
        launch.run().assert_unable(2, &format!("stop x.pid: still running as pid {pid}"));
        let time = start.elapsed();
        assert!(time >= Duration::from_secs(1) && time < at_most(Duration::from_secs(4)), "{time:?}");
    }

    #[test]
    fn signal_is_sent_once() {
        each(|sandbox, bgexec| {
            start_stubborn(sandbox);
            bgexec(&["-K", "-s", "HUP"]).run().assert_started();
            assert_taken(sandbox, &[HUP]);
        });
    }

    #[test]
    fn daemon_that_lost_its_lock_is_stopped() {
        each(|sandbox, bgexec| {
            let pid = start_unlocked(sandbox);
            assert_stopped(sandbox, &bgexec(&["-K"]).run(), pid);
        });
    }

    #[test]
    fn stranger_is_left_alone() {
        each(|sandbox, bgexec| {
            let bystander = Bystander::start(sandbox);
            sandbox.write("x.pid", format!("{}\n", bystander.pid()));
            sandbox.set_modified("x.pid", SystemTime::now() - Duration::from_secs(3600));
            bgexec(&["-K"]).run().assert_unable(1, "stop x.pid: not running");
            bystander.assert_unharmed(sandbox);
        });
    }
}

mod without_proc {
    use super::*;

    /// As it is mounted where nobody is to see the processes of others.
    #[test]
    fn process_that_is_hidden_is_not_said_to_be_dead() {
        if is_root() {
            let sandbox = Sandbox::new();
            let copy = sandbox.bgexec_for_all();
            let bystander = Bystander::start(&sandbox);
            sandbox.write("x.pid", format!("{}\n", bystander.pid()));
            let launch = sandbox.command(&copy).words(["-T", "-p", "x.pid"]).hiding_processes().by_user(4711);
            assert_status(&launch.run(), 4, "unknown");
            bystander.assert_unharmed(&sandbox);
        }
    }

    #[test]
    fn holder_of_the_lock_is_found() {
        if is_root() {
            let sandbox = Sandbox::new();
            let pid = sandbox.start(&["-p", "x.pid"]).pid;
            let blind = |options: &[&str]| sandbox.bgexec(options).words(["-p", "x.pid"]).hiding(c"/proc").run();
            assert_status(&blind(&["-T"]), 0, &format!("running (pid {pid})"));
            assert_stopped(&sandbox, &blind(&["-K"]), pid);
        }
    }

    #[test]
    fn process_that_is_gone_is_known_to_be() {
        if is_root() {
            let sandbox = Sandbox::new();
            let mut process = Command::new("true").spawn().expect("it is on every system");
            process.wait().expect("it is a child");
            sandbox.write("x.pid", format!("{}\n", process.id()));
            let output = sandbox.bgexec(&["-T", "-p", "x.pid"]).hiding(c"/proc").run();
            assert_status(&output, 1, "dead (stale pidfile)");
        }
    }

    #[test]
    fn number_in_the_file_proves_nothing() {
        if is_root() {
            let sandbox = Sandbox::new();
            let bystander = Bystander::start(&sandbox);
            sandbox.write("x.pid", format!("{}\n", bystander.pid()));
            let blind = |options: &[&str]| sandbox.bgexec(options).words(["-p", "x.pid"]).hiding(c"/proc").run();
            assert_status(&blind(&["-T"]), 4, "unknown");
            blind(&["-K"]).assert_unable(1, "stop x.pid: not running");
            assert!(sandbox.exists("x.pid"));
            bystander.assert_unharmed(&sandbox);
        }
    }
}

mod status_of {
    use super::*;

    #[test]
    fn a_running_daemon() {
        let sandbox = Sandbox::new();
        let pid = sandbox.start(&["-p", "x.pid"]).pid;
        for words in [&["-T", "-p", "x.pid"][..], &["--status", "--pidfile", "x.pid"], &["-Tqp", "x.pid"]] {
            assert_status(&sandbox.bgexec(words).run(), 0, &format!("running (pid {pid})"));
        }
        assert!(is_alive(pid));
    }

    #[test]
    fn a_dead_daemon() {
        let sandbox = Sandbox::new();
        let pid = sandbox.start(&["-p", "x.pid"]).pid;
        kill(pid);
        assert_status(&status(&sandbox), 1, "dead (stale pidfile)");
        assert_eq!(sandbox.pid("x.pid"), pid, "the file stays");
    }

    #[test]
    fn no_daemon() {
        let sandbox = Sandbox::new();
        assert_status(&status(&sandbox), 3, "not running");
        assert!(!sandbox.exists("x.pid"));
    }

    #[test]
    fn a_daemon_after_its_stop() {
        let sandbox = Sandbox::new();
        sandbox.start(&["-p", "x.pid"]);
        stop(&sandbox, &[]).assert_started();
        assert_status(&status(&sandbox), 3, "not running");
    }

    #[test]
    fn each_of_them_for_any_user_who_may_read_the_file() {
        if is_root() {
            let sandbox = Sandbox::new();
            let copy = sandbox.bgexec_for_all();
            let by_user = |id| sandbox.command(&copy).words(["-T", "-p", "x.pid"]).by_user(id).run();
            assert_status(&by_user(4711), 3, "not running");
            let pid = sandbox.start(&["-p", "x.pid"]).pid;
            assert_status(&by_user(4711), 0, &format!("running (pid {pid})"));
            fs::set_permissions(sandbox.path("x.pid"), Permissions::from_mode(0o600)).expect("it is ours");
            assert_status(&by_user(4711), 4, "unknown");
            assert_status(&by_user(0), 0, &format!("running (pid {pid})"));
            fs::set_permissions(sandbox.path("x.pid"), Permissions::from_mode(0o644)).expect("it is ours");
            kill(pid);
            assert_status(&by_user(4711), 1, "dead (stale pidfile)");
        }
    }

    #[test]
    fn a_daemon_of_another_user_that_has_lost_its_lock() {
        if is_root() {
            let sandbox = Sandbox::new();
            let copy = sandbox.bgexec_for_all();
            let pid = start_unlocked(&sandbox);
            assert!(test_kill_process(Pid::from_raw(pid).expect("a pid")).is_ok());
            let output = sandbox.command(&copy).words(["-T", "-p", "x.pid"]).by_user(4711).run();
            assert_status(&output, 0, &format!("running (pid {pid})"));
        }
    }

    #[test]
    fn anything_is_no_success_if_it_cannot_be_written() {
        let sandbox = Sandbox::new();
        let full = || File::options().write(true).open("/dev/full").expect("it is there");
        let ask = || sandbox.bgexec(&["-T", "-p", "x.pid"]).stdout(full()).run();
        let failed = |output: &Output| {
            let line = "bgexec: unable to print status: No space left on device\n";
            assert_eq!((output.status.code(), &*output.stderr), (Some(125), line));
        };
        failed(&ask());
        sandbox.start(&["-p", "x.pid"]);
        failed(&ask());
    }
}
