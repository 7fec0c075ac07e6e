//! `-r`: a supervisor stays, which starts COMMAND again whenever it ends.

use std::ffi::OsStr;
use std::fs::{self, Permissions};
use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::{CWD, Mode, OFlags, mkfifoat};
use rustix::io::Errno;
use rustix::process::Signal;

use crate::harness::kernel::Refusal;
use crate::harness::process::{Stat, assert_sleeps, children, descriptors, is_alive, kill, lock, signal};
use crate::harness::{
    FAILURES, Launch, Legacy, ROLES, Role, Sandbox, Terminal, assert_at_end, at_most, bgexec, eventually,
    eventually_counts, is_root, kernel, probe, repeated, runner,
};

/// What of `-p` and `--child-pidfile`, both in the sandbox.
const PIDFILES: [&str; 5] = ["-r", "-p", "x.pid", "--child-pidfile", "child.pid"];

/// A path in the sandbox as a word.
fn word(sandbox: &Sandbox, name: &str) -> String {
    sandbox.path(name).to_str().expect("UTF-8").to_owned()
}

/// Starts COMMAND under a supervisor; gives the pids of the supervisor and, after its report, of COMMAND.
#[track_caller]
fn start(sandbox: &Sandbox, launch: Launch) -> (i32, i32) {
    launch.run().assert_started();
    (sandbox.pid("x.pid"), sandbox.report().pid)
}

/// The lines of a file that may not be there yet.
fn lines(sandbox: &Sandbox, name: &str) -> Vec<String> {
    fs::read_to_string(sandbox.path(name)).unwrap_or_default().lines().map(str::to_owned).collect()
}

#[track_caller]
fn await_lines(sandbox: &Sandbox, name: &str, count: usize) -> Vec<String> {
    eventually(name, || Some(lines(sandbox, name)).filter(|lines| lines.len() >= count))
}

/// A FIFO of this name, open for both sides, where nothing blocks.
fn fifo(sandbox: &Sandbox) -> fs::File {
    let path = sandbox.path("fifo");
    mkfifoat(CWD, &path, Mode::RUSR | Mode::WUSR).expect("the sandbox is ours");
    let nonblock = OFlags::NONBLOCK.bits().cast_signed();
    fs::File::options().read(true).write(true).custom_flags(nonblock).open(path).expect("it is there")
}

/// Nobody is left, and no pidfile.
#[track_caller]
fn await_end(sandbox: &Sandbox) {
    eventually("the end of all", || sandbox.is_deserted().then_some(()));
    assert!(!sandbox.exists("x.pid"));
    assert!(!sandbox.exists("child.pid"));
}

/// A process that is ending has no words any more, and still runs for a moment.
#[track_caller]
fn await_dead(pids: &[i32]) {
    eventually("the end", || pids.iter().all(|&pid| !is_alive(pid)).then_some(()));
}

mod runs {
    use super::*;

    #[test]
    fn follow_any_end() {
        for end in [["exit", "0"], ["exit", "1"], ["exit", "127"], ["raise", "9"], ["raise", "15"]] {
            let sandbox = Sandbox::new();
            let note = word(&sandbox, "note");
            let launch = sandbox.bgexec(&PIDFILES).words(["-R", "0.01"]);
            launch.words([probe()]).words(["note", &note]).words(end).run().assert_started();
            let mut pids = await_lines(&sandbox, "note", 4);
            pids.sort();
            pids.dedup();
            assert!(pids.len() >= 4, "{end:?}: {pids:?}");
            assert!(is_alive(sandbox.pid("x.pid")));
        }
    }

    #[test]
    fn are_one_more_than_restarts() {
        for (count, runs) in [("0", 1), ("1", 2), ("3", 4)] {
            let sandbox = Sandbox::new();
            let note = word(&sandbox, "note");
            let launch = sandbox.bgexec(&PIDFILES).words(["-R", "0", "-C", count]);
            launch.words([probe()]).words(["note", &note, "exit", "1"]).run().assert_started();
            await_end(&sandbox);
            assert_eq!(lines(&sandbox, "note").len(), runs, "-C {count}");
        }
    }

    /// A second by default, and none before the end.
    #[test]
    fn are_a_delay_apart() {
        let options: [(&[&str], i64, &str); 3] = [(&[], 1000, "1"), (&["-R", "0.3"], 300, "2"), (&["-R0.05"], 50, "4")];
        let patience = at_most(Duration::from_secs(5)).as_millis() as i64;
        for (options, delay, count) in options {
            let sandbox = Sandbox::new();
            let stamps = word(&sandbox, "stamps");
            let launch = sandbox.bgexec(&PIDFILES).words(options).words(["-C", count]);
            launch.words([probe()]).words(["stamp", &stamps, "exit", "0"]).run().assert_started();
            let count: usize = count.parse().expect("a number");
            let stamps = await_lines(&sandbox, "stamps", count + 1);
            let stamps: Vec<i64> = stamps.iter().map(|stamp| stamp.parse().expect("a number")).collect();
            for pair in stamps.windows(2) {
                let apart = pair[1] - pair[0];
                assert!(apart >= delay && apart < delay + patience, "{options:?}: {apart} ms");
            }
            await_end(&sandbox);
        }
    }

    #[test]
    fn find_the_same_each_time() {
        let sandbox = Sandbox::new();
        let gate = word(&sandbox, "gate");
        let options = ["-R", "0", "-k", "027", "-O", "log", "-E", "A=b"];
        let launch = sandbox.bgexec(&PIDFILES).words(options).probe(["say", "line", "hold", &gate, "exit", "0"]);
        sandbox.write("gate", "");
        let (supervisor, first) = start(&sandbox, launch);
        let one = sandbox.report();
        for run in 1..4 {
            fs::remove_file(sandbox.path("report")).expect("it was just read");
            await_lines(&sandbox, "log", run); // which it says after it has reported
            kill(sandbox.pid("child.pid"));
            let next = sandbox.report();
            assert_ne!(next.pid, first);
            assert_eq!(next.ppid, supervisor);
            assert_eq!((next.umask, &next.cwd, next.sid), (0o027, &one.cwd, one.sid));
            assert_eq!((next.blocked, next.ignored, next.caught, next.pending), (0, 0, 0, 0));
            assert_eq!((next.pgid == next.pid), (one.pgid == one.pid));
            assert_eq!(next.words, one.words);
            assert_eq!(next.environment, one.environment);
            assert_eq!(next.descriptors, one.descriptors);
            assert_eq!(sandbox.pid("child.pid"), next.pid);
        }
        await_lines(&sandbox, "log", 4);
        assert_eq!(sandbox.read("log"), "line\n".repeat(4));
    }

    #[test]
    fn that_cannot_be_executed_count() {
        let sandbox = Sandbox::new();
        let copy = sandbox.copy_program(&probe());
        let (note, program) = (word(&sandbox, "note"), copy.to_str().expect("UTF-8").to_owned());
        let launch = sandbox.bgexec(&PIDFILES).words(["-R", "0.05", "-C", "3"]);
        let start = Instant::now();
        launch.words([&copy]).words(["note", &note, "remove", &program, "exit", "0"]).run().assert_started();
        await_end(&sandbox);
        assert!(start.elapsed() >= Duration::from_millis(150), "three delays");
        assert_eq!(lines(&sandbox, "note").len(), 1);
    }

    /// A script without `#!` gets its path as its name, and whatever takes its place the name that was asked for.
    #[test]
    fn have_the_name_that_was_asked_for() {
        for (options, name) in [(&["--argv0", "name"][..], "name"), (&[], "./service")] {
            let sandbox = Sandbox::new();
            let script = format!("cp {} new && mv new service\n", probe().display());
            sandbox.write_program("service", script);
            let launch = sandbox.bgexec(&PIDFILES).words(["-R", "0", "-C", "1"]).words(options);
            launch.words(["-c", ".", "./service"]).reporting("report", ["exit", "0"]).run().assert_started();
            await_end(&sandbox);
            assert_eq!(sandbox.report().words[0], OsStr::new(name));
        }
    }

    /// Until it can be executed again.
    #[test]
    fn that_cannot_be_executed_are_not_the_last() {
        let sandbox = Sandbox::new();
        let copy = sandbox.copy_program(&probe());
        let gate = word(&sandbox, "gate");
        let launch = sandbox.bgexec(&PIDFILES).words(["-R", "0.02"]).words([&copy]);
        let (supervisor, command) = start(&sandbox, launch.reporting("report", ["hold", &gate, "stay"]));
        fs::remove_file(&copy).expect("it is there");
        fs::remove_file(sandbox.path("report")).expect("it was just read");
        kill(command);
        sandbox.copy_program(&probe());
        let report = sandbox.report();
        assert_eq!(report.ppid, supervisor);
        assert_eq!(sandbox.pid("child.pid"), report.pid);
    }

    #[test]
    fn come_whatever_becomes_of_sigchld() {
        let child = Signal::CHILD.as_raw();
        for role in ROLES {
            let sandbox = Sandbox::new();
            let note = word(&sandbox, "note");
            let launch = sandbox.bgexec(&PIDFILES).words(["-R", "0", "-C", "2"]);
            let launch = launch.in_role(role);
            let launch = if role == Role::Leader { launch.blocking([child]) } else { launch };
            launch.ignoring([child]).words([probe()]).words(["note", &note, "exit", "1"]).run().assert_started();
            await_end(&sandbox);
            assert_eq!(lines(&sandbox, "note").len(), 3);
        }
    }

    /// What was ignored and is to be kept is ignored again, though the supervisor must not ignore it.
    #[test]
    fn find_an_ignored_sigchld_if_signals_are_kept() {
        for options in [&[][..], &["-w"]] {
            if runner().is_none() || options.is_empty() {
                let sandbox = Sandbox::new();
                let launch = sandbox.bgexec(&["-r", "-C", "0", "--keep-signals"]).words(options);
                launch.ignoring([Signal::CHILD.as_raw()]).probe(["exit", "0"]).run().assert_started();
                assert_eq!(sandbox.report().ignored, 1 << (Signal::CHILD.as_raw() - 1), "{options:?}");
            }
        }
    }

    /// What COMMAND leaves behind may write for ever.
    #[test]
    fn follow_though_somebody_writes_all_the_time() {
        let sandbox = Sandbox::new();
        let script = "echo run >> runs; yes & exit 1";
        let launch = sandbox.bgexec(&["-r", "-p", "x.pid", "-R", "0", "-C", "4", "-H", "-o", "/dev/zero", "-c"]);
        launch.words([sandbox.directory()]).words(["/bin/sh", "-c", script]).run().assert_started();
        await_lines(&sandbox, "runs", 5);
        eventually("the supervisor's end", || (!sandbox.exists("x.pid")).then_some(()));
    }

    /// As much memory and as many descriptors after 10,000 runs as after some; by an emulator, which takes a while over each,
    /// after 500, and of descriptors alone: what it translates late takes memory of its own.
    #[test]
    fn cost_nothing_that_stays() {
        fn resident(pid: i32) -> String {
            let memory = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).expect("it runs");
            memory.lines().find(|line| line.starts_with("Rss:")).expect("since Linux 4.14").to_owned()
        }
        let sandbox = Sandbox::new();
        let (note, gate) = (word(&sandbox, "note"), word(&sandbox, "gate"));
        let launch = sandbox.bgexec(&PIDFILES).words(["-R", "0", "-O", "log", "-H"]);
        let launch = launch.words([probe()]).words(["note", &note, "say", "x", "hold", &gate, "exit", "0"]);
        launch.run().assert_started();
        let supervisor = sandbox.pid("x.pid");
        let mut measured = Vec::new();
        for count in [50, repeated(2500), repeated(5000), repeated(7500), repeated(10_000)] {
            eventually_counts("runs", count, || lines(&sandbox, "note").len());
            sandbox.write("gate", "");
            // Between two runs the file may be empty.
            let last = || {
                let pid = sandbox.read("child.pid").trim_end().parse().ok()?;
                (Stat::of(pid)?.state == 'S').then_some(pid)
            };
            // The one that stays is not replaced while a line of the log and of the notes tells of it.
            let command = eventually("a run that stays", || {
                let command = last()?;
                (lines(&sandbox, "note").last()?.parse() == Ok(command)
                    && lines(&sandbox, "log").len() == lines(&sandbox, "note").len())
                .then_some(command)
            });
            eventually("the supervisor waits", || (Stat::of(supervisor)?.state == 'S').then_some(()));
            assert_eq!(children(supervisor), [command]);
            let memory = if runner().is_none() { resident(supervisor) } else { String::from("the emulator's") };
            measured.push((memory, descriptors(supervisor).len()));
            fs::remove_file(sandbox.path("gate")).expect("it is there");
            kill(command);
        }
        assert!(measured.iter().all(|later| *later == measured[0]), "{measured:?}");
        signal(supervisor, Signal::TERM);
        await_end(&sandbox);
    }
}

mod start {
    use super::*;

    #[test]
    fn leaves_the_supervisor_and_the_command() {
        for role in ROLES {
            let sandbox = Sandbox::new();
            sandbox.adopted(role, &PIDFILES).probe(["stay"]).run().assert_started();
            let supervisor = sandbox.pid("x.pid");
            assert_eq!(sandbox.legacy(), Legacy::daemon(supervisor), "{role:?}");
            assert_eq!(children(supervisor), [sandbox.pid("child.pid")]);
            assert_eq!(sandbox.report().pid, sandbox.pid("child.pid"));
        }
    }

    #[test]
    fn that_fails_is_the_launchers() {
        for (words, status, message) in FAILURES {
            for role in ROLES {
                let sandbox = Sandbox::new();
                let output = sandbox.adopted(role, &PIDFILES).words(["-l", "x.lock"]).words(words).run();
                assert_eq!(output.stderr, format!("bgexec: unable to {message}\n"), "{role:?}");
                assert_eq!(sandbox.legacy(), Legacy::nothing(status), "{words:?}, {role:?}");
                assert!(!sandbox.exists("x.pid") && !sandbox.exists("child.pid"), "{words:?}, {role:?}");
                assert_eq!(lock(&sandbox.path("x.lock")), None);
                assert!(sandbox.is_deserted());
            }
        }
    }

    #[test]
    fn has_the_supervisors_pid_printed() {
        let sandbox = Sandbox::new();
        let output = sandbox.bgexec(&PIDFILES).words(["--print-pid"]).probe(["stay"]).run();
        assert_eq!(output.status.code(), Some(0));
        assert_eq!(output.stdout, format!("{}\n", sandbox.pid("x.pid")));
        assert_ne!(sandbox.report().pid, sandbox.pid("x.pid"));
    }

    #[test]
    fn of_a_second_supervisor_is_refused() {
        let sandbox = Sandbox::new();
        let (supervisor, command) = start(&sandbox, sandbox.bgexec(&PIDFILES).probe(["stay"]));
        for options in [&PIDFILES[..], &["-r", "-p", "x.pid"], &["-p", "x.pid"]] {
            let output = sandbox.bgexec(options).words([probe()]).words(["stay"]).run();
            assert_eq!(output.status.code(), Some(1), "{output:?}");
            assert!(output.stderr.contains(": already running as pid "), "{output:?}");
        }
        assert_eq!((sandbox.pid("x.pid"), sandbox.pid("child.pid")), (supervisor, command));
        assert!(is_alive(supervisor) && is_alive(command));
    }

    #[test]
    fn does_not_keep_the_pipe_of_the_caller() {
        let sandbox = Sandbox::new();
        let (reader, writer) =
            rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC | rustix::pipe::PipeFlags::NONBLOCK)
                .expect("descriptors are free");
        let stderr = writer.try_clone().expect("a descriptor is free");
        sandbox.bgexec(&PIDFILES).stdout(writer).stderr(stderr).probe(["stay"]).spawn().wait().assert_started();
        assert_at_end(reader);
    }
}

mod supervisor {
    use super::*;

    fn current(pid: i32, what: &str) -> PathBuf {
        fs::read_link(format!("/proc/{pid}/{what}")).expect("it runs")
    }

    /// No directory that could not be unmounted, no terminal, no descriptor that somebody waits for the end of.
    #[test]
    fn holds_only_what_it_needs() {
        let (sandbox, terminal) = (Sandbox::new(), Terminal::new());
        let pidfile = word(&sandbox, "x.pid");
        let program = probe();
        let launch =
            sandbox.bgexec(&["-r", "-p", &pidfile, "-l", &word(&sandbox, "x.lock"), "-c", &word(&sandbox, ".")]);
        let launch = launch.stdin(terminal.open()).stdout(terminal.open()).stderr(terminal.open());
        let launch = launch.descriptors([3, 9, 63, 64, 200], terminal.open()).leading_session();
        launch
            .before_exec(kernel::take_terminal)
            .words([&program])
            .reporting("report", ["stay"])
            .run()
            .assert_started();
        let command = sandbox.report();
        let supervisor = sandbox.pid("x.pid");
        assert_eq!(current(supervisor, "cwd"), Path::new("/"));
        assert_eq!(current(supervisor, "root"), Path::new("/"));
        assert_eq!(Stat::of(supervisor).map(|stat| stat.tty), Some(0));
        let mut held: Vec<_> = descriptors(supervisor).into_values().collect();
        held.sort();
        let null = PathBuf::from("/dev/null");
        let mut expected = vec![null.clone(), null.clone(), null];
        expected.extend([PathBuf::from("anon_inode:[signalfd]"), sandbox.path("x.lock"), sandbox.path("x.pid")]);
        expected.sort();
        assert_eq!(held, expected);
        assert_eq!(command.descriptors.keys().copied().collect::<Vec<_>>(), [0, 1, 2]);
        assert_eq!(command.cwd, sandbox.directory());
        assert_eq!(Stat::of(command.pid).map(|stat| stat.tty), Some(0));
    }

    #[test]
    fn is_no_session_leader_and_leads_a_group() {
        let sandbox = Sandbox::new();
        let (supervisor, command) = start(&sandbox, sandbox.bgexec(&PIDFILES).probe(["stay"]));
        let [above, below] = [supervisor, command].map(|pid| Stat::of(pid).expect("it runs"));
        assert_eq!(above.group, supervisor);
        assert_ne!(above.session, supervisor);
        assert_eq!(below.session, above.session);
        assert!(Stat::of(above.session).is_none(), "the session's leader is gone");
    }

    #[test]
    fn holds_the_locks() {
        let sandbox = Sandbox::new();
        let launch = sandbox.bgexec(&PIDFILES).words(["-l", "x.lock"]).probe(["close", "stay"]);
        let (supervisor, command) = start(&sandbox, launch);
        assert_ne!(supervisor, command);
        for name in ["x.pid", "x.lock"] {
            assert_eq!(lock(&sandbox.path(name)).map(|(_, pid)| pid), Some(supervisor), "{name}");
        }
        fs::remove_file(sandbox.path("report")).expect("it was just read");
        kill(command);
        let second = sandbox.report().pid;
        for name in ["x.pid", "x.lock"] {
            assert_eq!(lock(&sandbox.path(name)).map(|(_, pid)| pid), Some(supervisor), "{name}");
        }
        assert_eq!(sandbox.pid("child.pid"), second);
    }

    #[test]
    fn may_have_its_pidfile_by_the_other_name() {
        let sandbox = Sandbox::new();
        sandbox.bgexec(&["-r", "--supervisor-pidfile", "x.pid"]).probe(["stay"]).run().assert_started();
        assert_eq!(sandbox.pid("x.pid"), sandbox.report().ppid);
    }

    /// What COMMAND is has nothing to do with what the supervisor is.
    #[test]
    fn keeps_its_own_identity() {
        if !is_root() {
            return;
        }
        let sandbox = Sandbox::new();
        sandbox.make_open_directory("open");
        let copy = sandbox.copy_program(&probe());
        let launch = sandbox.bgexec(&PIDFILES).words(["-R", "0", "-u", "1000:1000"]).words([&copy]);
        launch.reporting("open/report", ["stay"]).run().assert_started();
        let first = crate::harness::Report::parse(&sandbox.eventually_read("open/report"));
        assert_eq!(first.uid, [1000; 3]);
        fs::remove_file(sandbox.path("open/report")).expect("it was just read");
        kill(first.pid);
        let second = crate::harness::Report::parse(&sandbox.eventually_read("open/report"));
        assert_eq!((second.uid, second.ppid), ([1000; 3], first.ppid));
        signal(first.ppid, Signal::TERM);
        await_end(&sandbox);
    }

    /// Without COMMAND's end or a signal it does nothing at all.
    #[test]
    fn sleeps() {
        let sandbox = Sandbox::new();
        let (supervisor, _) = start(&sandbox, sandbox.bgexec(&PIDFILES).recording());
        signal(supervisor, Signal::USR1);
        sandbox.assert_recorded("10\n");
        assert_sleeps(supervisor);
    }
}

#[test]
fn stays_in_a_directory_that_may_not_be_entered() {
    if !is_root() {
        return;
    }
    let sandbox = Sandbox::new();
    let copy = sandbox.bgexec_for_all();
    let directory = sandbox.make_directory("closed");
    fs::set_permissions(&directory, Permissions::from_mode(0o700)).expect("it is ours");
    for options in [&[][..], &["-r", "-C", "0"]] {
        let launch = sandbox.command(&copy).words(["-c", "."]).words(options).words(["/bin/true"]);
        launch.directory(&directory).by_user(4711).run().assert_started();
    }
}

/// Which of the two pids would be in it?
#[test]
fn has_a_pidfile_of_its_own() {
    for option in ["-p", "-l"] {
        let sandbox = Sandbox::new();
        sandbox.write("x", "");
        symlink(".", sandbox.path("here")).expect("it is ours");
        let output = sandbox.bgexec(&["-r", option, "x", "--child-pidfile", "here/x"]).probe(["stay"]).run();
        output.assert_unable(125, "open x: is the child pidfile");
        assert!(sandbox.is_deserted());
    }
}

/// Where an output is opened anew the file is closed, and its lock would be gone while status 0 says that it is held.
#[test]
fn reopens_no_file_that_is_locked() {
    for lock in ["-p", "-l", "--child-pidfile"] {
        for output in ["-o", "-e", "-O"] {
            let sandbox = Sandbox::new();
            sandbox.write("x", "");
            symlink(".", sandbox.path("here")).expect("it is ours");
            let launch = sandbox.bgexec(&["-r", "-H", lock, "here/x", output, "x"]).probe(["stay"]).run();
            launch.assert_unable(125, "open here/x: reopened by -H");
            assert!(sandbox.is_deserted());
        }
        let sandbox = Sandbox::new();
        sandbox.write("x", "");
        sandbox.bgexec(&["-r", "-C", "0", "-H", lock, "x", "-i", "x"]).words(["/bin/true"]).run().assert_started();
    }
}

/// Without that it would not go with its supervisor.
#[test]
fn does_not_run_where_nothing_ends_it_with_the_supervisor() {
    let sandbox = Sandbox::new();
    let launch = sandbox.bgexec(&["-r", "-p", "x.pid"]).probe(["stay"]);
    let refusal = Refusal { call: sc::nr::PRCTL, second: None, errno: Errno::PERM };
    let output = launch.refused(refusal).run();
    output.assert_unable(125, "follow the supervisor: Operation not permitted");
    assert!(sandbox.is_deserted() && !sandbox.exists("x.pid"));
}

/// With `-w` bgexec stays as long as the supervisor, and what comes back is the status of COMMAND's last run.
mod waited_for {
    use super::*;

    /// As without a supervisor, whatever else is asked for.
    #[test]
    fn is_where_the_launcher_stays() {
        for options in [&["-w"][..], &["--init"], &["-w", "-O", "log"]] {
            let sandbox = Sandbox::new();
            let copy = sandbox.copy_program(&probe());
            let name = copy.file_name().and_then(OsStr::to_str).expect("UTF-8");
            let launch = sandbox.bgexec(options).words(["-r", "-C", "0", &format!("./{name}"), "report", "report"]);
            let output = launch.run();
            assert_eq!(output.status.code(), Some(0), "{options:?}: {}", output.stderr);
            assert_eq!(sandbox.report().cwd, sandbox.directory(), "{options:?}");
        }
    }

    #[test]
    fn gives_the_status_of_the_last_run() {
        for (end, status) in [(["exit", "0"], 0), (["exit", "3"], 3), (["raise", "9"], 128 + 9)] {
            let sandbox = Sandbox::new();
            let note = word(&sandbox, "note");
            let launch = sandbox.bgexec(&PIDFILES).words(["-w", "-R", "0", "-C", "2"]);
            let output = launch.words([probe()]).words(["note", &note]).words(end).run();
            assert_eq!((output.status.code(), &*output.stderr), (Some(status), ""), "{end:?}");
            assert_eq!(lines(&sandbox, "note").len(), 3, "{end:?}");
            assert!(sandbox.is_deserted() && !sandbox.exists("x.pid") && !sandbox.exists("child.pid"));
        }
    }

    /// Also of one that did not come about, which COMMAND's standard error says.
    #[test]
    fn gives_the_status_of_a_last_run_that_fails() {
        let sandbox = Sandbox::new();
        let copy = sandbox.copy_program(&probe());
        let program = copy.to_str().expect("UTF-8");
        let launch = sandbox.bgexec(&PIDFILES).words(["-w", "-R", "0", "-C", "1"]);
        let output = launch.words([program, "remove", program, "exit", "3"]).run();
        output.assert_unable(127, &format!("execute {program}: No such file or directory"));
        await_end(&sandbox);
    }

    #[test]
    fn gives_the_status_of_a_command_that_does_not_end_by_the_schedule() {
        let sandbox = Sandbox::new();
        let running = sandbox.bgexec(&PIDFILES).words(["-w", "--retry", "TERM/0.2"]).recording().spawn();
        let command = sandbox.report().pid;
        signal(running.pid(), Signal::TERM);
        let output = running.wait();
        assert_eq!((output.status.code(), &*output.stderr), (Some(128 + 9), ""));
        assert!(!is_alive(command), "it is dead before the supervisor is");
        await_end(&sandbox);
    }

    /// A supervisor goes on: whoever stops the launcher takes back a terminal that is not the supervisor's.
    #[test]
    fn goes_on_when_the_launcher_is_stopped() {
        let sandbox = Sandbox::new();
        let running = sandbox.bgexec(&PIDFILES).words(["-w", "-R", "0"]).probe(["stay"]).spawn();
        let command = sandbox.report().pid;
        signal(running.pid(), Signal::TSTP);
        eventually("the launcher is stopped", || (Stat::of(running.pid())?.state == 'T').then_some(()));
        kill(command);
        let pid = || sandbox.read("child.pid").trim_end().parse::<i32>().ok(); // between two runs the file may be empty
        eventually("the next run", || (pid()? != command).then_some(()));
        signal(running.pid(), Signal::CONT);
        signal(running.pid(), Signal::TERM);
        assert_eq!(running.wait().status.code(), Some(128 + 15));
        await_end(&sandbox);
    }

    #[test]
    fn passes_signals_on_which_stop_both() {
        let sandbox = Sandbox::new();
        let running = sandbox.bgexec(&PIDFILES).words(["-w"]).probe(["stay"]).spawn();
        let command = sandbox.report().pid;
        signal(running.pid(), Signal::TERM);
        let output = running.wait();
        assert_eq!((output.status.code(), &*output.stderr), (Some(128 + 15), ""));
        await_dead(&[command]);
        await_end(&sandbox);
    }
}

mod signals {
    use super::*;

    #[test]
    fn stop_both() {
        for sent in [Signal::TERM, Signal::INT] {
            let sandbox = Sandbox::new();
            let (supervisor, command) = start(&sandbox, sandbox.bgexec(&PIDFILES).probe(["stay"]));
            let start = Instant::now();
            signal(supervisor, sent);
            await_end(&sandbox);
            await_dead(&[supervisor, command]);
            assert!(start.elapsed() < Duration::from_secs(10), "at once: {:?}", start.elapsed());
        }
    }

    #[test]
    fn stop_the_supervisor_during_a_delay() {
        for sent in [Signal::TERM, Signal::INT] {
            let sandbox = Sandbox::new();
            let launch = sandbox.bgexec(&PIDFILES).words(["-R", "3600"]).probe(["stay"]);
            let (supervisor, command) = start(&sandbox, launch);
            kill(command);
            eventually("COMMAND is reaped", || Stat::of(command).is_none().then_some(()));
            let start = Instant::now();
            signal(supervisor, sent);
            await_end(&sandbox);
            assert!(start.elapsed() < Duration::from_secs(10), "at once: {:?}", start.elapsed());
        }
    }

    #[test]
    fn stop_a_supervisor_that_cannot_start_the_command_any_more() {
        let sandbox = Sandbox::new();
        let copy = sandbox.copy_program(&probe());
        let launch = sandbox.bgexec(&PIDFILES).words(["-R", "0"]).words([&copy]).words(["exit", "0"]);
        launch.run().assert_started();
        let supervisor = sandbox.pid("x.pid");
        fs::remove_file(&copy).expect("it is ours");
        eventually("COMMAND is not found", || children(supervisor).is_empty().then_some(()));
        let start = Instant::now();
        signal(supervisor, Signal::TERM);
        await_end(&sandbox);
        assert!(start.elapsed() < Duration::from_secs(10), "at once: {:?}", start.elapsed());
    }

    #[test]
    fn give_the_command_time_to_end() {
        let sandbox = Sandbox::new();
        let note = word(&sandbox, "note");
        let verbs = ["await", "15", "pause", "200", "note", &note, "exit", "0"];
        let (supervisor, _) = start(&sandbox, sandbox.bgexec(&PIDFILES).blocking_probe(verbs));
        signal(supervisor, Signal::TERM);
        await_end(&sandbox);
        assert_eq!(lines(&sandbox, "note").len(), 1);
    }

    #[test]
    fn kill_a_command_that_ignores_them_by_the_schedule() {
        for (schedule, least) in [("TERM/1/KILL/5", 1), ("1", 1), ("QUIT/1/TERM/1/KILL/5", 2)] {
            let sandbox = Sandbox::new();
            let launch = sandbox.bgexec(&PIDFILES).words(["--retry", schedule]).recording();
            let (supervisor, command) = start(&sandbox, launch);
            let start = Instant::now();
            signal(supervisor, Signal::TERM);
            await_end(&sandbox);
            assert!(start.elapsed() >= Duration::from_secs(least), "{schedule}: {:?}", start.elapsed());
            await_dead(&[command]);
            assert_eq!(
                sandbox.read("record"),
                if schedule.starts_with('Q') { "3\n15\n" } else { "15\n" },
                "{schedule}"
            );
        }
    }

    /// Time goes by while output is passed on, too.
    #[test]
    fn follow_the_schedule_whatever_the_command_writes() {
        let sandbox = Sandbox::new();
        let launch = sandbox.bgexec(&PIDFILES).words(["-H", "-O", "/dev/zero", "--retry", "TERM/1/KILL/5"]);
        let script = format!("trap '' TERM; echo > {}; exec cat /dev/zero", word(&sandbox, "ready"));
        launch.words(["/bin/sh", "-c", &script]).run().assert_started();
        sandbox.await_file("ready"); // it ignores TERM
        let start = Instant::now();
        signal(sandbox.pid("x.pid"), Signal::TERM);
        await_end(&sandbox);
        let time = start.elapsed();
        assert!(time >= Duration::from_secs(1) && time < at_most(Duration::from_secs(4)), "{time:?}");
    }

    /// Who kills the supervisor ends both, also where COMMAND has other ids: `-K` with a short schedule does.
    #[test]
    fn that_kill_the_supervisor_end_both() {
        let users = [&[][..], &["-u", "65534:65534"]];
        for user in users.iter().take(if is_root() { 2 } else { 1 }) {
            let sandbox = Sandbox::new();
            sandbox.make_open_directory("open");
            let program = sandbox.copy_program(&probe());
            let launch = sandbox.bgexec(&PIDFILES).words(*user).words([&program]).words(["block"]);
            launch.reporting("open/report", ["stay"]).run().assert_started();
            sandbox.eventually_read("open/report");
            let command = sandbox.pid("child.pid");
            sandbox.bgexec(&["-K", "--retry", "TERM/0.2/KILL/5", "-p", "x.pid"]).run().assert_started();
            await_dead(&[command]);
            assert!(!sandbox.exists("x.pid"));
        }
    }

    /// Lines that nobody takes away must not keep the supervisor from hearing of it.
    #[test]
    fn stop_both_though_nobody_reads_the_output() {
        let sandbox = Sandbox::new();
        let fifo = fifo(&sandbox);
        while (&fifo).write(b"x").is_ok() {}
        let launch = sandbox.bgexec(&PIDFILES).words(["-H", "-o", "fifo"]).words([probe()]).words(["say", "more"]);
        launch.reporting("report", ["stay"]).run().assert_started();
        sandbox.report();
        let supervisor = sandbox.pid("x.pid");
        signal(supervisor, Signal::TERM);
        await_end(&sandbox);
    }

    /// A FIFO's reader that goes is the supervisor's loss: COMMAND wrote into a pipe, and could.
    #[test]
    fn that_the_supervisor_brings_upon_itself_are_not_the_commands() {
        let sandbox = Sandbox::new();
        let fifo = fifo(&sandbox);
        let (said, record) = (word(&sandbox, "said"), word(&sandbox, "record"));
        let verbs = ["await", "10", "say", "more", "note", &said, "record", &record];
        let launch = sandbox.bgexec(&PIDFILES).words(["-H", "-o", "fifo"]);
        let (supervisor, _) = start(&sandbox, launch.blocking_probe(verbs));
        drop(fifo);
        signal(supervisor, Signal::USR1);
        sandbox.await_file("said");
        signal(supervisor, Signal::WINCH);
        sandbox.assert_recorded("28\n");
        kill(supervisor);
    }

    /// A second signal does not make the supervisor forget COMMAND.
    #[test]
    fn that_come_twice_change_nothing() {
        let sandbox = Sandbox::new();
        let launch = sandbox.bgexec(&PIDFILES).words(["--retry", "TERM/2/KILL/5"]).recording();
        let (supervisor, command) = start(&sandbox, launch);
        for sent in [Signal::TERM, Signal::INT, Signal::TERM] {
            signal(supervisor, sent);
        }
        sandbox.assert_recorded("15\n");
        signal(supervisor, Signal::TERM);
        await_end(&sandbox);
        await_dead(&[command]);
    }

    #[test]
    fn are_forwarded_but_those_that_stop_both() {
        let sandbox = Sandbox::new();
        let (supervisor, _) = start(&sandbox, sandbox.bgexec(&PIDFILES).recording());
        let mut record = String::new();
        for sent in [Signal::HUP, Signal::USR1, Signal::USR2, Signal::ALARM, Signal::WINCH, Signal::PIPE] {
            signal(supervisor, sent);
            record.push_str(&format!("{}\n", sent.as_raw()));
            sandbox.assert_recorded(&record);
        }
        assert!(is_alive(supervisor));
    }

    #[test]
    fn during_a_delay_are_nobodys() {
        let sandbox = Sandbox::new();
        let launch = sandbox.bgexec(&PIDFILES).words(["-R", "3"]).probe(["stay"]);
        let (supervisor, command) = start(&sandbox, launch);
        fs::remove_file(sandbox.path("report")).expect("it was just read");
        kill(command);
        eventually("COMMAND is reaped", || Stat::of(command).is_none().then_some(()));
        for sent in [Signal::HUP, Signal::USR1, Signal::PIPE, Signal::CHILD] {
            signal(supervisor, sent);
        }
        let second = sandbox.report();
        assert_eq!((second.ppid, second.pending), (supervisor, 0));
        assert!(is_alive(second.pid));
    }

    #[test]
    fn hangup_is_not_forwarded_when_it_is_the_supervisors() {
        let sandbox = Sandbox::new();
        let launch = sandbox.bgexec(&PIDFILES).words(["-H", "-O", "log"]).recording();
        let (supervisor, _) = start(&sandbox, launch);
        signal(supervisor, Signal::HUP);
        signal(supervisor, Signal::USR1);
        sandbox.assert_recorded("10\n");
        signal(supervisor, Signal::USR2);
        sandbox.assert_recorded("10\n12\n");
    }

    #[test]
    fn stop_option_stops_both() {
        let sandbox = Sandbox::new();
        let (supervisor, command) = start(&sandbox, sandbox.bgexec(&PIDFILES).words(["-R", "0"]).probe(["stay"]));
        let output = sandbox.bgexec(&["--status", "-p", "x.pid"]).run();
        assert_eq!((output.status.code(), output.stdout), (Some(0), format!("running (pid {supervisor})\n")));
        sandbox.bgexec(&["--stop", "-p", "x.pid"]).run().assert_started();
        assert!(!is_alive(supervisor) && !is_alive(command));
        assert!(!sandbox.exists("x.pid") && !sandbox.exists("child.pid"));
    }

    #[test]
    fn reach_the_supervisor_under_pid_1() {
        if !is_root() {
            return;
        }
        let sandbox = Sandbox::new();
        let running = sandbox.bgexec(&PIDFILES).being_pid_1().probe(["stay"]).spawn();
        let command = sandbox.report();
        assert_eq!(command.ppid, sandbox.pid("x.pid"));
        let init = eventually("pid 1", || children(running.pid()).first().copied());
        signal(init, Signal::TERM);
        let output = running.wait();
        assert_eq!((output.status.code(), &*output.stderr), (Some(128 + 15), ""));
        await_end(&sandbox);
    }
}

mod outputs {
    use super::*;

    /// The files are renamed again and again while COMMAND writes numbered lines: in the end each line is there once.
    #[test]
    fn are_opened_anew_and_no_line_is_lost() {
        let sandbox = Sandbox::new();
        let gate = word(&sandbox, "gate");
        let launch = sandbox.bgexec(&PIDFILES).words(["-H", "-o", "log", "-C", "0"]);
        launch.words([probe()]).words(["number", &gate]).run().assert_started();
        let supervisor = sandbox.pid("x.pid");
        let has_lines = |name: &str| fs::metadata(sandbox.path(name)).is_ok_and(|metadata| metadata.len() > 0);
        let names: Vec<_> = (1..=8).map(|number| format!("log.{number}")).collect();
        for name in &names {
            eventually("lines in the log", || has_lines("log").then_some(()));
            fs::rename(sandbox.path("log"), sandbox.path(name)).expect("it is there");
            signal(supervisor, Signal::HUP);
        }
        eventually("lines in the last log", || has_lines("log").then_some(()));
        sandbox.write("gate", "");
        await_end(&sandbox);
        let logs: String = names.iter().map(String::as_str).chain(["log"]).map(|name| sandbox.read(name)).collect();
        let count = logs.lines().count();
        let expected: String = (1..=count).map(|number| format!("{number}\n")).collect();
        assert!(logs == expected, "of {count} lines some are lost, twice there, or in disorder");
        assert_eq!(sandbox.mode("log"), 0o640);
    }

    #[test]
    fn stay_apart_or_together() {
        let options: [(&[&str], &str, &str); 2] =
            [(&["-o", "out", "-e", "err"], "out\n", "err\n"), (&["-O", "out"], "out\nerr\n", "")];
        for (files, out, err) in options {
            let sandbox = Sandbox::new();
            let launch = sandbox.bgexec(&PIDFILES).words(["-H", "-C", "0"]).words(files);
            launch.words([probe()]).words(["say", "out", "complain", "err"]).run().assert_started();
            await_end(&sandbox);
            assert_eq!(sandbox.read("out"), out);
            if !err.is_empty() {
                assert_eq!(sandbox.read("err"), err);
            }
        }
    }

    /// The directory where bgexec was started is not that of the supervisor.
    #[test]
    fn are_opened_anew_where_they_were_typed() {
        let sandbox = Sandbox::new();
        let there = sandbox.make_directory("there");
        let launch = sandbox.bgexec(&PIDFILES).words(["-H", "-o", "out", "-e", "err"]).words([Path::new("-c"), &there]);
        let (supervisor, _) = start(&sandbox, launch.probe(["stay"]));
        for name in ["out", "err"] {
            fs::remove_file(sandbox.path(name)).expect("it is there");
        }
        signal(supervisor, Signal::HUP);
        for name in ["out", "err"] {
            sandbox.await_file(name);
        }
        assert!(!sandbox.exists("there/out"));
    }

    /// A log that was removed takes no room any more.
    #[test]
    fn that_are_opened_anew_are_held_by_nobody() {
        let sandbox = Sandbox::new();
        let launch = sandbox.bgexec(&PIDFILES).words(["-H", "-O", "log"]);
        let (supervisor, command) = start(&sandbox, launch.probe(["stay"]));
        fs::remove_file(sandbox.path("log")).expect("it is there");
        signal(supervisor, Signal::HUP);
        sandbox.await_file("log");
        for pid in [supervisor, command] {
            eventually("nobody has the old one", || {
                let held = descriptors(pid).into_values();
                (!held.into_iter().any(|path| path.as_os_str().as_encoded_bytes().ends_with(b"log (deleted)")))
                    .then_some(())
            });
        }
    }

    /// What cannot be opened anew stays what it was: COMMAND goes on writing.
    #[test]
    fn that_cannot_be_opened_anew_stay() {
        let sandbox = Sandbox::new();
        sandbox.make_directory("logs");
        let gate = word(&sandbox, "gate");
        let launch = sandbox.bgexec(&PIDFILES).words(["-H", "-o", "logs/log", "-C", "0"]);
        launch.words([probe()]).words(["number", &gate]).run().assert_started();
        let supervisor = sandbox.pid("x.pid");
        fs::rename(sandbox.path("logs"), sandbox.path("moved")).expect("it is there");
        signal(supervisor, Signal::HUP);
        let length = || fs::metadata(sandbox.path("moved/log")).map_or(0, |metadata| metadata.len());
        let before = length();
        eventually("more lines", || (length() > before + 100).then_some(()));
        assert!(is_alive(supervisor));
        sandbox.write("gate", "");
        await_end(&sandbox);
    }

    /// What a run that has ended wrote is in the file when the supervisor ends.
    #[test]
    fn hold_the_last_lines() {
        for _ in 0..10 {
            let sandbox = Sandbox::new();
            let long = "x".repeat(3000);
            let launch = sandbox.bgexec(&PIDFILES).words(["-H", "-O", "log", "-C", "1", "-R", "0"]);
            let verbs = ["say", &long, "complain", &long, "say", "end"];
            launch.words([probe()]).words(verbs).run().assert_started();
            await_end(&sandbox);
            assert_eq!(sandbox.read("log"), format!("{long}\n{long}\nend\n").repeat(2));
        }
    }

    #[test]
    fn are_the_commands_own_without_the_option() {
        let sandbox = Sandbox::new();
        let (_, command) = start(&sandbox, sandbox.bgexec(&PIDFILES).words(["-o", "log"]).probe(["stay"]));
        assert_eq!(descriptors(command)[&1], sandbox.path("log"));
    }
}

#[test]
fn is_refused_with_what_makes_no_sense() {
    let refusals: [(&[&str], &str); 15] = [
        (&["-r", "--notify", "fd:7"], "--notify fd:7: not with -r"),
        (&["--notify", "socket", "-r"], "--notify socket: not with -r"),
        (&["-r", "--alive-after", "5"], "--alive-after 5: not with -r"),
        (&["-r", "--session-leader"], "--session-leader: not with -r"),
        (&["--ctty", "-r"], "--ctty: not with -r"),
        (&["--child-pidfile", "child.pid"], "--child-pidfile child.pid: needs -r"),
        (&["-R", "1"], "-R 1: needs -r"),
        (&["-C", "1"], "-C 1: needs -r"),
        (&["--restart-count", "1"], "--restart-count 1: needs -r"),
        (&["-H"], "-H: needs -r"),
        (&["-F", "-r"], "-r: not with -F"),
        (&["-r", "-R", "x"], "-R x: not a time"),
        (&["-r", "-R", "-1"], "-R -1: not a time"),
        (&["-r", "-C", "x"], "-C x: not a number"),
        (&["-r", "-C", "-1"], "-C -1: not a number"),
    ];
    for (options, message) in refusals {
        let sandbox = Sandbox::new();
        let output = sandbox.bgexec(&["-p", "x.pid"]).words(options).words([bgexec()]).run();
        output.assert_unable(125, &format!("use {message}"));
        assert!(!sandbox.exists("x.pid"));
    }
    let output = Sandbox::new().bgexec(&["-r", "--retry", "TERM", "true"]).run();
    output.assert_unable(125, "use --retry TERM: not a schedule");
}
