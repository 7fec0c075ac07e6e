//! `-F`: no other process and no session; everything else as for a daemon, in place.

use std::fs;

use crate::harness::process::{Stat, is_alive, lock};
use crate::harness::{Sandbox, Terminal, is_root, kernel};

#[test]
fn command_replaces_the_launcher() {
    let sandbox = Sandbox::new();
    let running = sandbox.bgexec(&["-F"]).probe(["stay"]).spawn();
    let report = sandbox.report();
    assert_eq!(report.pid, running.pid());
    assert_eq!(report.ppid, std::process::id().cast_signed());
    let caller = Stat::own();
    assert_eq!((report.sid, report.pgid), (caller.session, caller.group));
    running.end();
}

#[test]
fn status_is_the_commands() {
    let sandbox = Sandbox::new();
    assert_eq!(sandbox.bgexec(&["-F"]).probe(["exit", "7"]).run().status.code(), Some(7));
}

#[test]
fn streams_directory_and_umask_are_kept() {
    let sandbox = Sandbox::new();
    let verbs = ["say", "out", "complain", "err", "exit", "0"];
    let output = sandbox.bgexec(&["-F"]).umask(0o027).probe(verbs).run();
    assert_eq!((output.status.code(), &*output.stdout, &*output.stderr), (Some(0), "out\n", "err\n"));
    let report = sandbox.report();
    assert_eq!((report.umask, report.cwd), (0o027, sandbox.directory().to_owned()));
}

#[test]
fn streams_directory_and_umask_are_those_asked_for() {
    let sandbox = Sandbox::new();
    let options = ["-F", "-c", "/", "-k", "022", "-i", "/dev/null", "-O", "log"];
    sandbox.bgexec(&options).probe(["say", "out", "complain", "err", "exit", "0"]).run().assert_started();
    let report = sandbox.report();
    assert_eq!((report.umask, report.cwd.to_str()), (0o022, Some("/")));
    assert!(report.descriptors[&0].is_null_device());
    assert_eq!(sandbox.read("log"), "out\nerr\n");
    assert_eq!(report.one_description, [(1, 2)]);
}

#[test]
fn pidfile_holds_the_pid_and_its_lock_is_held() {
    let sandbox = Sandbox::new();
    let running = sandbox.bgexec(&["-F", "-p", "x.pid"]).probe(["stay"]).spawn();
    sandbox.await_file("report");
    assert_eq!(sandbox.pid("x.pid"), running.pid());
    assert_eq!(lock(&sandbox.path("x.pid")).map(|(_, pid)| pid), Some(running.pid()));
    for options in [&["-p", "x.pid"][..], &["-F", "-p", "x.pid"]] {
        let output = sandbox.bgexec(options).probe_as("second", ["stay"]).run();
        output.assert_unable(1, &format!("lock x.pid: already running as pid {}", running.pid()));
    }
    assert!(is_alive(running.pid()));
    running.end();
}

#[test]
fn pidfile_is_removed_after_a_failure() {
    let sandbox = Sandbox::new();
    for directory in [".", "/", "/nonexistent"] {
        let output = sandbox.bgexec(&["-F", "-p", "x.pid", "-c", directory, "/nonexistent/command"]).run();
        assert!(matches!(output.status.code(), Some(125 | 127)), "{output:?}");
        assert!(!sandbox.exists("x.pid"), "-c {directory}");
    }
}

#[test]
fn pidfile_of_another_that_failed_is_not_removed() {
    let sandbox = Sandbox::new();
    let running = sandbox.bgexec(&["-F", "-p", "x.pid"]).probe(["stay"]).spawn();
    sandbox.await_file("report");
    let output = sandbox.bgexec(&["-F", "-p", "x.pid", "/nonexistent/command"]).run();
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(sandbox.pid("x.pid"), running.pid());
    running.end();
}

/// By then standard error is COMMAND's: the message goes to a copy of the original one.
#[test]
fn failure_is_told_on_the_original_standard_error() {
    let sandbox = Sandbox::new();
    let output = sandbox.bgexec(&["-F", "-O", "log", "/nonexistent/command"]).run();
    output.assert_unable(127, "execute /nonexistent/command: No such file or directory");
    assert_eq!(sandbox.read("log"), "");
    let output = sandbox.bgexec(&["-F", "-e", "log", "-c", "/nonexistent", "true"]).run();
    output.assert_unable(125, "change directory to /nonexistent: No such file or directory");
    assert_eq!(sandbox.read("log"), "");
}

#[test]
fn relative_command_is_found_where_it_was_typed() {
    let sandbox = Sandbox::new();
    sandbox.write_script("server", "#!/bin/sh");
    let running = sandbox.bgexec(&["-F", "./server"]).spawn();
    assert_eq!(sandbox.report().pid, running.pid());
    running.end();
    fs::remove_file(sandbox.path("report")).expect("it was just read");
    sandbox.make_directory("there");
    let output = sandbox.bgexec(&["-F", "-c", "there", "./server"]).run();
    output.assert_unable(127, "execute ./server: No such file or directory");
}

#[test]
fn controlling_terminal_is_kept() {
    let sandbox = Sandbox::new();
    let terminal = Terminal::new();
    let launch = sandbox.bgexec(&["-F"]).stdin(terminal.open()).leading_session().before_exec(kernel::take_terminal);
    let running = launch.probe(["stay"]).spawn();
    let report = sandbox.report();
    assert_eq!((report.tty, report.sid), (0, running.pid()));
    running.end();
}

#[test]
fn is_allowed_as_pid_1() {
    if !is_root() {
        return;
    }
    let sandbox = Sandbox::new();
    let output = sandbox.bgexec(&["-F", "-p", "x.pid"]).being_pid_1().probe(["exit", "7"]).run();
    assert_eq!((output.status.code(), &*output.stderr), (Some(7), ""));
    assert_eq!(sandbox.report().pid, 1);
    assert_eq!(sandbox.read("x.pid"), "1\n");
}
