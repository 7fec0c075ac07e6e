//! The pidfile: complete, locked, removed after a failure, and never trusted further than the kernel vouches for it.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::Path;
use std::time::{Duration, SystemTime};

use rustix::fs::{CWD, Mode, OFlags, fcntl_setfl, mkfifoat};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::Resource;
use rustix::time::{ClockId, clock_gettime};

use crate::harness::process::{self, is_alive, kill};
use crate::harness::{Running, Sandbox, bgexec_command, eventually, is_root, probe, repeated, runner};

#[test]
fn holds_the_daemons_pid_when_the_launcher_returns() {
    for options in [&["-p", "x.pid"][..], &["--pidfile=x.pid"], &["-mp", "x.pid"]] {
        let sandbox = Sandbox::new();
        sandbox.bgexec(options).probe(["stay"]).run().assert_started();
        let contents = sandbox.read("x.pid");
        assert_eq!(contents, format!("{}\n", sandbox.report().pid), "{options:?}");
    }
}

#[test]
fn is_relative_to_where_it_was_typed() {
    let sandbox = Sandbox::new();
    sandbox.make_directory("there");
    let daemon = sandbox.start(&["-c", "there", "-p", "x.pid"]);
    assert_eq!(sandbox.pid("x.pid"), daemon.pid);
}

#[test]
fn is_readable_by_all_and_writable_by_its_owner_whatever_the_umask() {
    for mask in [0, 0o022, 0o077, 0o777] {
        let sandbox = Sandbox::new();
        let launch = sandbox.bgexec(&["-p", "x.pid", "-l", "x.lock"]).umask(mask);
        launch.probe(["stay"]).run().assert_started();
        assert_eq!((sandbox.mode("x.pid"), sandbox.mode("x.lock")), (0o644, 0o644), "umask {mask:o}");
    }
}

#[test]
fn may_be_the_lockfile_too() {
    let sandbox = Sandbox::new();
    let daemon = sandbox.start(&["-p", "x", "-l", "x"]);
    assert_eq!(sandbox.pid("x"), daemon.pid);
    for options in [&["-p", "x"][..], &["-l", "x"], &["-p", "x", "-l", "x"]] {
        let output = sandbox.bgexec(options).probe(["stay"]).run();
        output.assert_unable(1, &format!("lock x: already running as pid {}", daemon.pid));
    }
}

#[test]
fn may_be_the_lockfile_under_another_name() {
    let sandbox = Sandbox::new();
    let daemon = sandbox.start(&["-p", "x", "-l", "./x"]);
    let output = sandbox.bgexec(&["-p", "x"]).probe(["stay"]).run();
    output.assert_unable(1, &format!("lock x: already running as pid {}", daemon.pid));
}

#[test]
fn is_removed_after_a_failure() {
    let failures: [(i32, &[&str]); 5] = [
        (127, &["/nonexistent/command"]),
        (127, &["no-such-command-anywhere"]),
        (126, &["/"]),
        (125, &["-c", "/nonexistent", "true"]),
        (125, &["-l", "nodir/lock", "true"]),
    ];
    for (status, words) in failures {
        let sandbox = Sandbox::new();
        let output = sandbox.bgexec(&["-p", "x.pid"]).words(words).run();
        assert_eq!(output.status.code(), Some(status), "{words:?}: {}", output.stderr);
        assert!(!sandbox.exists("x.pid"), "{words:?}");
    }
}

#[test]
fn that_was_stale_is_removed_after_a_failure_too() {
    let sandbox = Sandbox::new();
    sandbox.write("x.pid", "99999999\n");
    let output = sandbox.bgexec(&["-p", "x.pid", "/nonexistent/command"]).run();
    output.assert_unable(127, "execute /nonexistent/command: No such file or directory");
    assert!(!sandbox.exists("x.pid"));
}

#[test]
fn that_cannot_be_written_to_is_a_refusal() {
    let sandbox = Sandbox::new();
    let output = sandbox.bgexec(&["-p", "nodir/x.pid"]).probe(["stay"]).run();
    output.assert_unable(125, "open nodir/x.pid: No such file or directory");
}

/// A limit of the caller: beyond it the kernel sends SIGXFSZ, which kills unless it is blocked.
#[test]
fn that_must_not_grow_is_a_refusal() {
    let sandbox = Sandbox::new();
    let (reader, writer) = pipe_with(PipeFlags::CLOEXEC).expect("descriptors are free");
    let launch = sandbox.bgexec(&["-p", "x.pid"]).limit(Resource::Fsize, 0).stderr(writer);
    let output = launch.probe(["stay"]).run();
    // All of it is there; who has the other end, if anybody does, is not waited for.
    fcntl_setfl(&reader, OFlags::NONBLOCK).expect("it is ours");
    let mut message = [0; 512];
    let length = rustix::io::read(&reader, &mut message).expect("something was said");
    let message = String::from_utf8_lossy(&message[..length]);
    assert_eq!(output.status.code(), Some(125));
    assert!(message.starts_with("bgexec: unable to write x.pid: "), "{message}");
    assert!(!sandbox.exists("x.pid"));
    assert!(sandbox.is_deserted());
}

mod of_a_running_daemon {
    use super::*;

    #[test]
    fn keeps_a_second_one_from_starting() {
        let sandbox = Sandbox::new();
        let daemon = sandbox.start(&["-p", "x.pid"]);
        let output = sandbox.bgexec(&["-p", "x.pid"]).probe_as("second", ["stay"]).run();
        output.assert_unable(1, &format!("lock x.pid: already running as pid {}", daemon.pid));
        assert_eq!(sandbox.pid("x.pid"), daemon.pid);
        assert!(is_alive(daemon.pid));
        assert!(!sandbox.exists("second"));
    }

    #[test]
    fn is_no_error_when_that_is_said() {
        let sandbox = Sandbox::new();
        let daemon = sandbox.start(&["-p", "x.pid"]);
        let output = sandbox.bgexec(&["--oknodo", "-q", "-p", "x.pid"]).probe_as("second", ["stay"]).run();
        output.assert_started();
        assert_eq!(sandbox.pid("x.pid"), daemon.pid);
        assert!(!sandbox.exists("second"));
    }

    #[test]
    fn is_not_spoken_of_by_a_quiet_start() {
        let sandbox = Sandbox::new();
        sandbox.start(&["-p", "x.pid"]);
        let output = sandbox.bgexec(&["-q", "-p", "x.pid"]).probe(["stay"]).run();
        assert_eq!((output.status.code(), &*output.stderr), (Some(1), ""));
    }

    #[test]
    fn counts_whatever_is_written_in_it() {
        let sandbox = Sandbox::new();
        let daemon = sandbox.start(&["-p", "x.pid"]);
        sandbox.write("x.pid", "1\n");
        let output = sandbox.bgexec(&["-p", "x.pid"]).probe(["stay"]).run();
        output.assert_unable(1, &format!("lock x.pid: already running as pid {}", daemon.pid));
        assert_eq!(sandbox.read("x.pid"), "1\n");
    }

    #[test]
    fn that_was_removed_lets_another_one_start() {
        let sandbox = Sandbox::new();
        let first = sandbox.start(&["-p", "x.pid"]);
        fs::remove_file(sandbox.path("x.pid")).expect("it is there");
        sandbox.bgexec(&["-p", "x.pid"]).probe_as("second", ["stay"]).run().assert_started();
        let second = sandbox.pid("x.pid");
        assert_ne!(second, first.pid);
        assert!(is_alive(first.pid) && is_alive(second));
    }

    #[test]
    fn that_died_lets_another_one_start() {
        let sandbox = Sandbox::new();
        let first = sandbox.start(&["-p", "x.pid"]);
        kill(first.pid);
        sandbox.bgexec(&["-p", "x.pid"]).probe_as("second", ["stay"]).run().assert_started();
        assert_ne!(sandbox.pid("x.pid"), first.pid);
    }

    /// Then the launch begins again, with a new file.
    #[test]
    fn may_be_removed_at_any_moment_of_a_launch() {
        let sandbox = Sandbox::new();
        let pidfile = sandbox.path("x.pid");
        for _ in 0..repeated(30) {
            let output = std::thread::scope(|scope| {
                let launch = scope.spawn(|| sandbox.bgexec(&["--print-pid", "-p", "x.pid"]).probe(["stay"]).run());
                while !launch.is_finished() {
                    let _ = fs::remove_file(&pidfile);
                    std::thread::sleep(std::time::Duration::from_micros(10));
                }
                launch.join().expect("it does not panic")
            });
            assert_eq!((output.status.code(), &*output.stderr), (Some(0), ""));
            let pid = output.stdout.trim_end().parse().expect("a pid");
            assert!(is_alive(pid));
            kill(pid);
        }
    }

    #[test]
    fn exactly_one_of_many_starts_wins() {
        let sandbox = Sandbox::new();
        let start = |_| sandbox.bgexec(&["-p", "x.pid"]).probe(["stay"]).spawn();
        let starts: Vec<Running> = (0..12).map(start).collect();
        let outputs: Vec<_> = starts.into_iter().map(Running::wait).collect();
        let pid = sandbox.pid("x.pid");
        let (winners, losers): (Vec<_>, Vec<_>) = outputs.iter().partition(|output| output.status.success());
        assert_eq!(winners.len(), 1, "{outputs:?}");
        winners[0].assert_started();
        for loser in losers {
            loser.assert_unable(1, &format!("lock x.pid: already running as pid {pid}"));
        }
        assert!(is_alive(pid));
    }
}

mod stale {
    use super::*;

    #[track_caller]
    fn assert_replaced(contents: &str) {
        let sandbox = Sandbox::new();
        sandbox.write("x.pid", contents);
        let daemon = sandbox.start(&["-p", "x.pid"]);
        assert_eq!(sandbox.read("x.pid"), format!("{}\n", daemon.pid), "after {contents:?}");
    }

    #[test]
    fn of_a_dead_process_is_replaced() {
        let sandbox = Sandbox::new();
        let daemon = sandbox.start(&[]);
        kill(daemon.pid);
        assert_replaced(&format!("{}\n", daemon.pid));
    }

    #[test]
    fn that_holds_no_pid_is_replaced() {
        let long = "9".repeat(10_000);
        let two = format!("{}\n1\n", std::process::id());
        let contents =
            ["", "\n", "garbage\n", "-1\n", "0", "1\n", "2 3\n", " 2\n", "4294967298\n", "\0\0", &long, &two];
        contents.into_iter().for_each(assert_replaced);
    }

    /// Sizes that are an error's number or that of a short pid, if they are taken for a number of 32 bits.
    #[test]
    fn of_any_size_is_replaced() {
        for size in [3 << 30, (1 << 32) - 4, (1 << 32) - 22, 1 << 32, (1 << 32) + 3] {
            let sandbox = Sandbox::new();
            let file = File::create(sandbox.path("x.pid")).expect("the sandbox is ours");
            file.set_len(size).expect("what is not written takes no room");
            let daemon = sandbox.start(&["-p", "x.pid"]);
            assert_eq!(file.metadata().expect("it is open").len(), format!("{}\n", daemon.pid).len() as u64, "{size}");
            assert_eq!(sandbox.pid("x.pid"), daemon.pid);
        }
    }
}

/// A program that has closed all its descriptors has no lock; then the number counts if the process can have written it.
mod without_a_lock {
    use super::*;

    /// A daemon that has given up its lock.
    fn start(sandbox: &Sandbox) -> i32 {
        sandbox.bgexec(&["-p", "x.pid"]).probe(["close", "stay"]).run().assert_started();
        eventually("the lock is gone", || process::lock(&sandbox.path("x.pid")).is_none().then_some(()));
        sandbox.pid("x.pid")
    }

    /// When a process started, as bgexec knows it: to a hundredth of a second.
    fn started(pid: i32) -> SystemTime {
        let since = |clock| Duration::try_from(clock_gettime(clock)).expect("it is after 1970");
        let boot = eventually("the clocks are read in one moment", || {
            let (before, now, after) = (since(ClockId::Boottime), since(ClockId::Realtime), since(ClockId::Boottime));
            (after - before < Duration::from_millis(1)).then(|| now - before)
        });
        SystemTime::UNIX_EPOCH + boot + process::started(pid).expect("it runs")
    }

    #[track_caller]
    fn assert_running(sandbox: &Sandbox, pid: i32) {
        let output = sandbox.bgexec(&["-p", "x.pid"]).probe_as("second", ["stay"]).run();
        output.assert_unable(1, &format!("lock x.pid: already running as pid {pid}"));
        assert_eq!(sandbox.pid("x.pid"), pid);
    }

    #[track_caller]
    fn assert_stale(sandbox: &Sandbox, pid: i32) {
        sandbox.bgexec(&["-p", "x.pid"]).probe_as("second", ["stay"]).run().assert_started();
        assert_ne!(sandbox.pid("x.pid"), pid);
        assert!(is_alive(pid), "it is not signalled");
    }

    #[test]
    fn counts_when_the_process_started_just_before_the_file_was_written() {
        let sandbox = Sandbox::new();
        let pid = start(&sandbox);
        assert_running(&sandbox, pid);
        for millis in [0, 1500] {
            sandbox.set_modified("x.pid", started(pid) + Duration::from_millis(millis));
            assert_running(&sandbox, pid);
        }
        // The clocks are not read at the same moment.
        sandbox.set_modified("x.pid", started(pid) - Duration::from_millis(50));
        assert_running(&sandbox, pid);
    }

    #[test]
    fn is_stale_when_the_process_started_long_before_the_file_was_written() {
        let sandbox = Sandbox::new();
        let pid = start(&sandbox);
        sandbox.set_modified("x.pid", started(pid) + Duration::from_millis(2500));
        assert_stale(&sandbox, pid);
    }

    #[test]
    fn is_stale_when_the_process_started_after_the_file_was_written() {
        let sandbox = Sandbox::new();
        let pid = start(&sandbox);
        sandbox.set_modified("x.pid", started(pid) - Duration::from_millis(500));
        assert_stale(&sandbox, pid);
    }

    #[test]
    fn counts_when_another_program_wrote_it() {
        let sandbox = Sandbox::new();
        let running = sandbox.launch(&probe()).reporting("report", ["stay"]).spawn();
        sandbox.write("x.pid", format!("{}\n", running.pid()));
        assert_running(&sandbox, running.pid());
        sandbox.write("x.pid", format!("{}", running.pid()));
        sandbox.report();
        running.end();
    }

    #[test]
    fn is_stale_when_the_process_is_a_zombie() {
        let sandbox = Sandbox::new();
        let running = sandbox.launch(&probe()).reporting("report", ["exit", "0"]).spawn();
        sandbox.write("x.pid", format!("{}\n", running.pid()));
        eventually("a zombie", || (!is_alive(running.pid())).then_some(()));
        sandbox.bgexec(&["-p", "x.pid"]).probe_as("second", ["stay"]).run().assert_started();
        running.wait();
    }

    /// As in a container that starts again at once: each process has the pid that it had before.
    #[test]
    fn is_stale_when_the_process_is_the_one_that_asks() {
        if !is_root() {
            return;
        }
        let sandbox = Sandbox::new();
        let script = "echo $$ > x.pid; chmod 644 x.pid; exec \"$@\"";
        // By an emulator the daemon is nobody's child, and nothing waits for it.
        let waits: &[&str] = if runner().is_some() { &[] } else { &["-w"] };
        for options in [&["-F"][..], &[], waits, &["-r", "-C", "0"]] {
            let launch = sandbox.launch(Path::new("/bin/sh")).words(["-c", script, "sh"]).words(bgexec_command());
            let output = launch.words(options).words(["-p", "x.pid"]).words([probe()]).words(["exit", "0"]).run();
            assert_eq!((output.status.code(), &*output.stderr), (Some(0), ""), "{options:?}");
            eventually("the end", || sandbox.is_deserted().then_some(()));
            let _ = fs::remove_file(sandbox.path("x.pid"));
        }
        let script = "echo $$ > x.pid; chmod 644 x.pid; exec \"$@\" -T -p x.pid";
        let launch = sandbox.launch(Path::new("/bin/sh")).words(["-c", script, "sh"]).words(bgexec_command());
        let output = launch.run();
        assert_eq!((output.status.code(), &*output.stdout), (Some(1), "dead (stale pidfile)\n"));
    }

    #[test]
    fn is_stale_where_nothing_tells_when_the_process_started() {
        if !is_root() {
            return;
        }
        let sandbox = Sandbox::new();
        let pid = start(&sandbox);
        let launch = sandbox.bgexec(&["-p", "x.pid"]).hiding(c"/proc");
        launch.probe_as("second", ["stay"]).run().assert_started();
        assert_ne!(sandbox.pid("x.pid"), pid);
        assert!(is_alive(pid));
    }
}

/// A file that another user may have prepared is not touched.
mod refused {
    use super::*;

    /// Both files are refused in the same way, and nothing is started.
    #[track_caller]
    fn assert_refused(sandbox: &Sandbox, reason: &str) {
        for option in ["-p", "-l"] {
            let output = sandbox.bgexec(&[option, "x"]).probe(["stay"]).run();
            output.assert_unable(125, &format!("open x: {reason}"));
            assert!(sandbox.is_deserted());
        }
    }

    #[test]
    fn symbolic_link() {
        let sandbox = Sandbox::new();
        sandbox.write("victim", "precious");
        symlink("victim", sandbox.path("x")).expect("the sandbox can be written to");
        assert_refused(&sandbox, "Too many levels of symbolic links");
        assert_eq!(sandbox.read("victim"), "precious");
    }

    #[test]
    fn dangling_symbolic_link() {
        let sandbox = Sandbox::new();
        symlink("nowhere", sandbox.path("x")).expect("the sandbox can be written to");
        assert_refused(&sandbox, "Too many levels of symbolic links");
        assert!(!sandbox.exists("nowhere"));
    }

    #[test]
    fn file_with_a_second_name() {
        let sandbox = Sandbox::new();
        let victim = sandbox.write("victim", "precious");
        fs::hard_link(victim, sandbox.path("x")).expect("the sandbox can be written to");
        assert_refused(&sandbox, "has more than one link");
        assert_eq!(sandbox.read("victim"), "precious");
    }

    #[test]
    fn fifo() {
        let sandbox = Sandbox::new();
        mkfifoat(CWD, sandbox.path("x"), Mode::RUSR | Mode::WUSR).expect("the sandbox can be written to");
        assert_refused(&sandbox, "not a regular file");
    }

    #[test]
    fn directory() {
        let sandbox = Sandbox::new();
        sandbox.make_directory("x");
        assert_refused(&sandbox, "Is a directory");
    }

    #[test]
    fn device() {
        let sandbox = Sandbox::new();
        for option in ["-p", "-l"] {
            let output = sandbox.bgexec(&[option, "/dev/full"]).probe(["stay"]).run();
            output.assert_unable(125, "open /dev/full: not a regular file");
        }
    }

    #[test]
    fn file_that_others_may_write_to() {
        for mode in [0o666, 0o622, 0o602, 0o664, 0o620] {
            let sandbox = Sandbox::new();
            let file = sandbox.write("x", "precious");
            fs::set_permissions(file, Permissions::from_mode(mode)).expect("it was just written");
            assert_refused(&sandbox, "writable by others");
            assert_eq!(sandbox.read("x"), "precious");
        }
    }

    #[test]
    fn file_of_another_user() {
        if !is_root() {
            return;
        }
        let sandbox = Sandbox::new();
        let file = sandbox.write("x", "precious");
        chown(file, Some(65534), None).expect("root may do that");
        assert_refused(&sandbox, "owned by another user");
        assert_eq!(sandbox.read("x"), "precious");
    }

    /// Whoever may read a file may lock it for reading; the one who does so is named.
    #[test]
    fn file_that_another_process_has_locked_for_reading() {
        let sandbox = Sandbox::new();
        let file = sandbox.write("x", "precious");
        let lock = ["lock", "read", file.to_str().expect("UTF-8")];
        let reader = sandbox.launch(&probe()).words(lock).reporting("report", ["stay"]).spawn();
        sandbox.report();
        for option in ["-p", "-l"] {
            let output = sandbox.bgexec(&[option, "x"]).probe_as("second", ["stay"]).run();
            output.assert_unable(125, &format!("lock x: read-locked by pid {}", reader.pid()));
        }
        assert_eq!(sandbox.read("x"), "precious");
        assert!(is_alive(reader.pid()));
        reader.end();
        sandbox.bgexec(&["-p", "x"]).probe_as("second", ["stay"]).run().assert_started();
    }
}

/// A limit so low that there is no number left for a lock, or for what is opened after it.
#[test]
fn is_not_left_where_descriptors_run_out() {
    for limit in 4..10 {
        let sandbox = Sandbox::new();
        let output = sandbox.bgexec(&["-p", "x.pid"]).limit(Resource::Nofile, limit).probe(["stay"]).run();
        if output.status.success() {
            assert!(is_alive(sandbox.pid("x.pid")), "{limit}");
        } else {
            output.assert_unable_to(125, "");
            assert!(!sandbox.exists("x.pid"), "{limit}: {}", output.stderr);
        }
    }
}

/// The same where it stands for a daemon that has lost its lock: that one keeps it.
#[test]
fn of_a_daemon_without_a_lock_outlives_a_start_that_fails_early() {
    for limit in 4..10 {
        let sandbox = Sandbox::new();
        sandbox.bgexec(&["-p", "x.pid"]).probe(["close", "stay"]).run().assert_started();
        let pid = sandbox.report().pid;
        let output = sandbox.bgexec(&["-p", "x.pid"]).limit(Resource::Nofile, limit).probe(["stay"]).run();
        assert!(matches!(output.status.code(), Some(1 | 125)), "{limit}: {output:?}");
        assert_eq!(sandbox.pid("x.pid"), pid, "{limit}: {}", output.stderr);
    }
}
