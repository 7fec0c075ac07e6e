//! The promise: a daemon with a session, a directory and streams of its own, or one line and nothing left behind.

use std::ffi::{CStr, CString, OsStr};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::pipe::{PipeFlags, pipe_with};

use crate::harness::process::{self, Stat, is_alive};
use crate::harness::{
    Legacy, ROLES, Report, Role, Sandbox, Terminal, assert_at_end, bgexec, bgexec_command, eventually, is_root, kernel,
    probe,
};

/// The end state that does not depend on who starts it.
#[track_caller]
fn assert_detached(daemon: &Report) {
    let caller = Stat::own();
    assert_ne!(daemon.sid, caller.session, "the caller's session");
    assert_ne!(daemon.sid, daemon.pid, "a session leader may acquire a terminal");
    assert_eq!(daemon.pgid, daemon.pid, "leads its process group");
    assert_ne!(daemon.pgid, caller.group);
    assert_eq!(daemon.tty, -Errno::NXIO.raw_os_error(), "no controlling terminal");
    assert_eq!(Stat::of(daemon.pid).map(|stat| stat.tty), Some(0));
    assert!(Stat::of(daemon.sid).is_none(), "the session's leader is gone");
}

#[test]
fn daemon_is_detached_from_a_script() {
    assert_detached(&Sandbox::new().start(&[]));
}

#[test]
fn daemon_is_detached_from_a_process_group_leader() {
    let sandbox = Sandbox::new();
    sandbox.bgexec(&[]).probe(["stay"]).leading_group().run().assert_started();
    assert_detached(&sandbox.report());
}

#[test]
fn daemon_is_detached_from_a_session_leader() {
    let sandbox = Sandbox::new();
    sandbox.bgexec(&[]).probe(["stay"]).leading_session().run().assert_started();
    assert_detached(&sandbox.report());
}

#[test]
fn daemon_is_detached_from_a_terminal_and_survives_its_hangup() {
    let sandbox = Sandbox::new();
    let terminal = Terminal::new();
    let launch =
        sandbox.bgexec(&[]).stdin(terminal.open()).stdout(terminal.open()).stderr(terminal.open()).probe(["stay"]);
    launch.leading_session().before_exec(kernel::take_terminal).run().assert_started();
    // The launcher led the terminal's session: its end is the first hangup, that of the terminal the second.
    drop(terminal);
    let daemon = sandbox.report();
    assert_detached(&daemon);
    assert!(is_alive(daemon.pid));
}

#[test]
fn directory_is_the_root_by_default() {
    assert_eq!(Sandbox::new().start(&[]).cwd, Path::new("/"));
}

#[test]
fn directory_is_the_one_of_chdir() {
    let sandbox = Sandbox::new();
    let directory = sandbox.make_directory("some where");
    assert_eq!(sandbox.start(&["-c", "some where"]).cwd, directory);
}

#[test]
fn directory_that_is_not_there_is_refused() {
    let sandbox = Sandbox::new();
    let output = sandbox.bgexec(&["-p", "x.pid", "-c", "/srv/nope"]).probe(["stay"]).run();
    output.assert_unable(125, "change directory to /srv/nope: No such file or directory");
    assert!(!sandbox.exists("x.pid"));
    assert!(sandbox.is_deserted());
}

#[test]
fn directory_that_is_none_is_refused() {
    let sandbox = Sandbox::new();
    sandbox.write("file", "");
    let output = sandbox.bgexec(&["--chdir=file"]).probe(["stay"]).run();
    output.assert_unable(125, "change directory to file: Not a directory");
}

#[test]
fn umask_is_zero_by_default() {
    let sandbox = Sandbox::new();
    sandbox.bgexec(&[]).umask(0o077).probe(["stay"]).run().assert_started();
    assert_eq!(sandbox.report().umask, 0);
}

#[test]
fn umask_is_the_one_asked_for() {
    for (typed, mask) in [("027", 0o027), ("22", 0o022), ("0777", 0o777), ("0", 0)] {
        assert_eq!(Sandbox::new().start(&["-k", typed]).umask, mask, "-k {typed}");
    }
}

#[test]
fn streams_are_the_null_device_by_default() {
    let daemon = Sandbox::new().start(&[]);
    assert_eq!(daemon.descriptors.keys().copied().collect::<Vec<_>>(), [0, 1, 2]);
    for (number, stream) in &daemon.descriptors {
        assert!(stream.is_null_device(), "descriptor {number}: {stream:?}");
        assert!(!stream.close_on_exec, "descriptor {number}: {stream:?}");
    }
}

#[test]
fn command_gets_its_words_unchanged() {
    let sandbox = Sandbox::new();
    let words = ["stay", "-p", "-c", "--", "--stop", "", "a b", "\u{1b}\n"];
    sandbox.bgexec(&["--"]).probe(words).run().assert_started();
    let received = sandbox.report().words;
    assert_eq!(received[..3], [probe().as_os_str(), OsStr::new("report"), sandbox.path("report").as_os_str()]);
    assert_eq!(received[3..], words);
}

#[test]
fn command_gets_another_name_as_its_first_word() {
    let sandbox = Sandbox::new();
    for name in ["-sh", "", "two words"] {
        let daemon = sandbox.start(&["--argv0", name]);
        assert_eq!(daemon.words[0], name);
        assert_eq!(daemon.words[1], "report");
        std::fs::remove_file(sandbox.path("report")).expect("it was just read");
    }
}

/// Also what std would not pass on: a variable twice, an entry without a name or without `=`.
#[test]
fn command_gets_its_environment_unchanged_and_in_order() {
    const ENVIRONMENT: [&CStr; 6] = [c"Z=1", c"A=2", c"Z=3", c"=nameless", c"no equals sign", c""];
    let sandbox = Sandbox::new();
    let words = [&bgexec(), &probe(), Path::new("report"), &sandbox.path("report"), Path::new("stay")]
        .map(|word| CString::new(word.as_os_str().as_bytes()).expect("no NUL in a word"));
    let launch = sandbox.bgexec(&[]).before_exec(move || {
        let words = words.each_ref().map(CString::as_c_str);
        Err(kernel::execute(words[0], &words, &ENVIRONMENT))
    });
    launch.run().assert_started();
    let environment = ENVIRONMENT.map(|entry| OsStr::from_bytes(entry.to_bytes()));
    assert_eq!(sandbox.report().environment, environment);
}

#[test]
fn command_is_executed_when_the_launcher_returns() {
    let sandbox = Sandbox::new();
    for _ in 0..20 {
        let output = sandbox.bgexec(&["--print-pid"]).probe(["stay"]).run();
        let pid = output.stdout.trim_end().parse().unwrap_or_else(|_| panic!("{output:?}"));
        // The launcher is woken when COMMAND has its memory, a moment before the kernel tells where its words are.
        let words = eventually("COMMAND's words", || Some(process::words(pid)).filter(|words| !words.is_empty()));
        assert!(words.starts_with(probe().as_os_str().as_encoded_bytes()), "{}", words.escape_ascii());
        process::kill(pid);
    }
}

#[test]
fn nobody_keeps_the_pipe_of_the_caller() {
    let sandbox = Sandbox::new();
    let (reader, writer) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK).expect("descriptors are free");
    let stderr = writer.try_clone().expect("a descriptor is free");
    let running = sandbox.bgexec(&["-p", "x.pid"]).stdout(writer).stderr(stderr).probe(["stay"]).spawn();
    running.wait().assert_started();
    assert_at_end(reader);
    assert!(is_alive(sandbox.pid("x.pid")));
}

#[test]
fn only_the_daemon_is_left() {
    for role in ROLES {
        let sandbox = Sandbox::new();
        sandbox.adopted(role, &["-p", "x.pid"]).probe(["stay"]).run().assert_started();
        assert_eq!(sandbox.legacy(), Legacy::daemon(sandbox.pid("x.pid")), "{role:?}");
    }
}

#[test]
fn nothing_is_left_after_a_failure() {
    let failures: [(i32, &[&str]); 7] = [
        (127, &["/nonexistent/command"]),
        (127, &["no-such-command-anywhere"]),
        (126, &["/"]),
        (125, &["-c", "/nonexistent", "true"]),
        (125, &["-o", "nodir/log", "true"]),
        (125, &["-l", "nodir/lock", "true"]),
        (125, &["--keep-fd", "55", "true"]),
    ];
    for (status, words) in failures {
        for role in ROLES {
            let sandbox = Sandbox::new();
            sandbox.adopted(role, &["-p", "x.pid"]).words(words).run();
            assert_eq!(sandbox.legacy(), Legacy::nothing(status), "{words:?}, {role:?}");
            assert!(!sandbox.exists("x.pid"), "{words:?}, {role:?}");
        }
    }
}

#[test]
fn nothing_is_left_to_a_pid_1_that_does_not_reap() {
    if !is_root() {
        return;
    }
    let sandbox = Sandbox::new();
    let launch = sandbox.adopted(Role::Member, &["-p", "x.pid", "/nonexistent/command"]);
    launch.being_pid_1().run();
    assert_eq!(sandbox.legacy(), Legacy::nothing(127));
    let launch = sandbox.adopted(Role::Member, &["-p", "x.pid"]).probe(["stay"]);
    launch.being_pid_1().run();
    assert_eq!(sandbox.legacy(), Legacy::daemon(sandbox.pid("x.pid")));
}

/// Nor are the children of a COMMAND that is ended, or ends, before it is ready.
#[test]
fn children_are_not_left_to_a_pid_1_that_does_not_reap() {
    if !is_root() {
        return;
    }
    let sandbox = Sandbox::new();
    for (options, script, status) in [
        (["--notify", "fd:7", "--notify-timeout", "0.5"], "sleep 60 & sleep 60", 124),
        (["-w", "--notify", "fd:7", "--notify-timeout=0.5"], "sleep 60 & sleep 60", 124),
        (["-k", "22", "--alive-after", "5000"], "sleep 60 & exit 3", 125),
    ] {
        let begin = Instant::now();
        let launch = sandbox.adopted(Role::Member, &["-p", "x.pid"]).words(options);
        launch.words(["sh", "-c", script]).being_pid_1().run();
        assert_eq!(sandbox.legacy(), Legacy::nothing(status), "{options:?}");
        assert!(begin.elapsed() < Duration::from_secs(5), "{options:?}");
    }
}

/// Whoever calls unshare or setns, and then executes bgexec, has its children in another pid namespace: there they have other
/// pids, and the first one's end is everybody's.
mod child_in_another_pid_namespace {
    use super::*;

    /// Finds `sleep 77`.
    const FIND: &str = "grep -lsxz '7[7]' /proc/[0-9]*/cmdline";

    /// Runs a script of bgexec's arguments in a pid namespace, beside a process that has pid 2 there; `as_leader` of a process
    /// group or not. Gives its status, and what it and the commands after it say.
    #[track_caller]
    fn run(sandbox: &Sandbox, as_leader: bool, arguments: &str, after: &str) -> String {
        let leads = if as_leader { "setsid --wait" } else { "" };
        let script =
            format!("sleep 60 & {leads} unshare --pid \"$@\" {arguments} 2>&1; echo status $?; {after}\nkill -0 $!");
        let launch = sandbox.launch(Path::new("/bin/sh")).being_pid_1().words(["-c", &script, "sh"]);
        let output = launch.words(bgexec_command()).run();
        assert_eq!((output.status.code(), &*output.stderr), (Some(0), ""), "the bystander lives: {output:?}");
        output.stdout
    }

    #[test]
    fn is_known_by_its_pid_here() {
        if !is_root() {
            return;
        }
        let sandbox = Sandbox::new();
        let after =
            format!(r#"until {FIND}; do :; done; "$@" -T -p x.pid; "$@" -K -p x.pid --retry KILL/5; echo status $?"#);
        let said = run(&sandbox, false, "-p x.pid sleep 77", &after);
        let ["status 0", found, running, "status 0"] = said.lines().collect::<Vec<_>>()[..] else { panic!("{said}") };
        let pid = found.split('/').nth(2).expect("/proc/PID/cmdline");
        assert_eq!(running, format!("running (pid {pid})"));
        assert!(!sandbox.exists("x.pid"));
    }

    #[test]
    fn is_waited_for() {
        if is_root() {
            for options in ["-w --session-leader", "--init"] {
                let said = run(&Sandbox::new(), false, &format!("{options} sh -c 'exit 7'"), "");
                assert_eq!(said, "status 7\n", "{options}");
            }
        }
    }

    #[test]
    fn is_ended_without_harm_to_others() {
        if is_root() {
            for (options, status) in
                [("nosuch", 127), ("--init --alive-after 100 false", 125), ("-p x.pid -c nosuch true", 125)]
            {
                let sandbox = Sandbox::new();
                let said = run(&sandbox, false, options, "");
                assert!(said.ends_with(&format!("status {status}\n")), "{options}: {said}");
                assert!(!sandbox.exists("x.pid"));
            }
        }
    }

    /// The leader would be the first there, and take the daemon with it.
    #[test]
    fn is_refused_where_it_needs_a_leader() {
        if is_root() {
            for (as_leader, options) in [(true, "-p x.pid"), (true, "-r -p x.pid"), (false, "-w -p x.pid")] {
                let sandbox = Sandbox::new();
                let said = run(&sandbox, as_leader, &format!("{options} sleep 77"), FIND);
                let expected = "bgexec: unable to create a process: in another pid namespace\nstatus 125\n";
                assert_eq!(said, expected, "{options}");
                assert!(!sandbox.exists("x.pid"));
            }
        }
    }
}
