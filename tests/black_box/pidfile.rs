//! The pidfile: complete, locked, removed after a failure, and never trusted further than the kernel vouches for it.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::time::{Duration, SystemTime};

use rustix::fs::{CWD, Mode, mkfifoat};
use rustix::process::Resource;

use crate::harness::process::{self, is_alive, kill};
use crate::harness::{Running, Sandbox, eventually, is_root, kernel, probe};

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
fn that_cannot_be_written_to_is_a_refusal() {
    let sandbox = Sandbox::new();
    let output = sandbox.bgexec(&["-p", "nodir/x.pid"]).probe(["stay"]).run();
    output.assert_unable(125, "open nodir/x.pid: No such file or directory");
    // A limit that the caller has set: where the signal for it is not blocked, it kills instead.
    let launch = sandbox.bgexec(&["-p", "x.pid"]).limit(Resource::Fsize, 0);
    launch.probe(["stay"]).stderr(File::options().append(true).open("/dev/null").expect("it is there"));
    let launch = sandbox.adopted(crate::harness::Role::Member, &["-p", "x.pid"]);
    drop(launch);
}
