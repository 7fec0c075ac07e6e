//! Who holds the lock: the daemon, for life, through a descriptor that nothing closes by accident.

use std::fs::{self, File};
use std::path::Path;
use std::time::{Duration, SystemTime};

use rustix::process::{FlockType, Resource};

use crate::harness::process::{descriptors, is_alive, kill, lock};
use crate::harness::{ROLES, Report, Sandbox};

const BOTH: [&str; 4] = ["-p", "x.pid", "-l", "x.lock"];

#[track_caller]
fn assert_held(sandbox: &Sandbox, pid: i32) {
    for name in ["x.pid", "x.lock"] {
        assert_eq!(lock(&sandbox.path(name)), Some((FlockType::WriteLock, pid)), "{name}");
    }
}

#[test]
fn are_the_daemons_after_the_launcher_has_ended() {
    for role in ROLES {
        let sandbox = Sandbox::new();
        sandbox.adopted(role, &BOTH).probe(["stay"]).run().assert_started();
        assert_held(&sandbox, sandbox.pid("x.pid"));
    }
}

#[test]
fn are_the_daemons_when_its_descriptor_table_never_was_the_launchers() {
    let sandbox = Sandbox::new();
    let daemon = sandbox.start(&[&BOTH[..], &["--no-close"]].concat());
    assert_held(&sandbox, daemon.pid);
}

#[test]
fn end_with_the_daemon_and_not_with_its_children() {
    let sandbox = Sandbox::new();
    let child = sandbox.path("child");
    let verbs = ["fork", child.to_str().expect("UTF-8"), "stay"];
    sandbox.bgexec(&BOTH).probe(verbs).run().assert_started();
    let child = sandbox.eventually_read("child").trim().parse().expect("a pid");
    let daemon = sandbox.pid("x.pid");
    assert_held(&sandbox, daemon);
    kill(daemon);
    assert!(is_alive(child));
    for name in ["x.pid", "x.lock"] {
        assert_eq!(lock(&sandbox.path(name)), None, "{name}");
    }
    sandbox.bgexec(&BOTH).probe_as("second", ["stay"]).run().assert_started();
    assert_held(&sandbox, sandbox.pid("x.pid"));
}

#[test]
fn of_the_lockfile_alone_keeps_a_second_daemon_from_starting() {
    let sandbox = Sandbox::new();
    let daemon = sandbox.start(&["-l", "x.lock"]);
    assert_eq!(sandbox.read("x.lock"), "");
    let output = sandbox.bgexec(&["-p", "x.pid", "-l", "x.lock"]).probe(["stay"]).run();
    output.assert_unable(1, &format!("lock x.lock: already running as pid {}", daemon.pid));
    assert!(!sandbox.exists("x.pid"), "nothing is left of the second start");
    kill(daemon.pid);
    sandbox.bgexec(&["-l", "x.lock"]).probe_as("second", ["stay"]).run().assert_started();
}

/// The holder of the one lock, refused by the other, gives both up again.
#[test]
fn are_both_free_after_a_start_that_got_only_one() {
    let sandbox = Sandbox::new();
    sandbox.start(&["-p", "x.pid"]);
    let output = sandbox.bgexec(&BOTH).probe_as("second", ["stay"]).run();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert_eq!(lock(&sandbox.path("x.lock")), None);
}

/// A daemon that rewrote its pidfile long ago has no more evidence there, but it is found by its lockfile: who is refused by
/// that leaves the pidfile alone.
#[test]
fn of_the_lockfile_keep_the_pidfile_of_a_daemon_that_rewrote_it() {
    let sandbox = Sandbox::new();
    let daemon = sandbox.start(&BOTH).pid;
    let rewritten = sandbox.write("new.pid", format!("{daemon}\n"));
    fs::rename(rewritten, sandbox.path("x.pid")).expect("both are ours");
    sandbox.set_modified("x.pid", SystemTime::now() - Duration::from_secs(3600));
    let output = sandbox.bgexec(&BOTH).probe_as("second", ["stay"]).run();
    output.assert_unable(1, &format!("lock x.lock: already running as pid {daemon}"));
    assert_eq!(sandbox.pid("x.pid"), daemon);
}

/// A file that a refused start created does not stay, whichever of two it was refused by.
#[test]
fn that_are_refused_leave_no_new_pidfile() {
    let sandbox = Sandbox::new();
    sandbox.bgexec(&["-r", "-p", "x.pid", "--child-pidfile", "child.pid"]).probe(["stay"]).run().assert_started();
    for (pidfile, child, refused) in [("x.pid", "new.pid", "x.pid"), ("new.pid", "child.pid", "child.pid")] {
        let launch = sandbox.bgexec(&["-r", "-p", pidfile, "--child-pidfile", child]);
        launch
            .probe_as("second", ["stay"])
            .run()
            .assert_unable_to(1, &format!("lock {refused}: already running as pid "));
        assert!(!sandbox.exists("new.pid"), "{refused}");
        assert!(sandbox.pid("x.pid") > 1 && sandbox.pid("child.pid") > 1, "{refused}");
    }
}

/// As by a descriptor that it is to have no more.
#[test]
fn of_a_path_that_leads_elsewhere_in_the_daemon_are_refused() {
    let sandbox = Sandbox::new();
    let directory = File::open(sandbox.make_directory("directory")).expect("it was just made");
    let launch = sandbox.bgexec(&["-p", "/proc/self/fd/7/x.pid"]).descriptors([7], directory);
    launch.probe(["stay"]).run().assert_unable(125, "lock /proc/self/fd/7/x.pid: was replaced");
    assert!(!sandbox.exists("directory/x.pid"));
    assert!(sandbox.is_deserted());
}

#[test]
fn have_the_highest_descriptors_below_64() {
    let sandbox = Sandbox::new();
    let daemon = sandbox.start(&BOTH);
    assert_eq!(daemon.other_descriptors(), [62, 63]);
    for number in [62, 63] {
        assert!(!daemon.descriptors[&number].close_on_exec);
    }
    assert_eq!(Sandbox::new().start(&["-p", "x.pid"]).other_descriptors(), [63]);
    assert_eq!(Sandbox::new().start(&["-l", "x.lock"]).other_descriptors(), [63]);
}

#[test]
fn have_the_highest_descriptors_below_a_low_limit() {
    let sandbox = Sandbox::new();
    sandbox.bgexec(&BOTH).limit(Resource::Nofile, 16).probe(["stay"]).run().assert_started();
    let daemon = sandbox.report();
    assert_eq!(daemon.other_descriptors(), [14, 15]);
    assert_held(&sandbox, daemon.pid);
}

/// Whatever number the file happens to be opened on.
#[test]
fn have_a_descriptor_however_many_are_open() {
    let null = || File::open("/dev/null").expect("it is there");
    for highest in 55..70 {
        let sandbox = Sandbox::new();
        let launch = sandbox.bgexec(&BOTH).descriptors(3..=highest, null());
        launch.probe(["stay"]).run().assert_started();
        let daemon = sandbox.report();
        assert!(
            matches!(daemon.other_descriptors()[..], [55..64, 55..64]),
            "3 to {highest} are open: {:?}",
            daemon.other_descriptors()
        );
        assert_held(&sandbox, daemon.pid);
        let launch = sandbox.bgexec(&["-r", "-p", "r.pid"]).descriptors(3..=highest, null());
        launch.probe_as("second", ["stay"]).run().assert_started();
        let command = Report::parse(&sandbox.eventually_read("second"));
        assert_eq!(command.other_descriptors(), [], "3 to {highest} are open");
    }
    for limit in 4..20 {
        let sandbox = Sandbox::new();
        let output = sandbox.bgexec(&["-l", "x.lock"]).limit(Resource::Nofile, limit).probe(["stay"]).run();
        assert!(output.status.success() || output.stderr.ends_with(": Too many open files\n"), "{limit}: {output:?}");
    }
}

#[test]
fn have_no_descriptor_that_is_to_be_kept() {
    let sandbox = Sandbox::new();
    let null = || File::open("/dev/null").expect("it is there");
    let launch = sandbox.bgexec(&BOTH).words(["--keep-fd", "63,61,3"]);
    let launch = launch.descriptors([3], null()).descriptors([61], null()).descriptors([63], null());
    launch.probe(["stay"]).run().assert_started();
    let daemon = sandbox.report();
    assert_eq!(daemon.other_descriptors(), [3, 60, 61, 62, 63]);
    for kept in [3, 61, 63] {
        assert!(daemon.descriptors[&kept].is_null_device());
    }
    assert_held(&sandbox, daemon.pid);
}

/// An inherited descriptor of the same file, closed after the lock is taken, would end it.
#[test]
fn survive_inherited_descriptors_of_their_files() {
    for number in [3, 9, 62, 63, 64, 200] {
        let sandbox = Sandbox::new();
        let launch = sandbox.bgexec(&BOTH);
        let open = |name: &str| File::open(sandbox.write(name, "")).expect("it was just written");
        let launch = launch.descriptors([number], open("x.pid")).descriptors([number + 1], open("x.lock"));
        launch.probe(["stay"]).run().assert_started();
        let daemon = sandbox.report();
        assert_eq!(daemon.other_descriptors(), [62, 63], "inherited: {number}");
        assert_held(&sandbox, daemon.pid);
    }
}

#[test]
fn survive_standard_streams_on_their_files() {
    let sandbox = Sandbox::new();
    let open = |name: &str| File::open(sandbox.write(name, "")).expect("it was just written");
    let launch = sandbox.bgexec(&BOTH).stdin(open("x.pid")).stdout(open("x.lock"));
    launch.probe(["stay"]).run().assert_started();
    assert_held(&sandbox, sandbox.report().pid);
}

/// What is opened for a stream is closed, at exec at the latest, and so is in the foreground what takes the message.
#[test]
fn survive_streams_that_are_opened_on_their_files() {
    let prepared = || {
        let sandbox = Sandbox::new();
        for name in ["x.pid", "x.lock"] {
            sandbox.write(name, "");
        }
        sandbox
    };
    for options in [&["-i", "x.pid"][..], &["-o", "x.lock"], &["-e", "x.lock"], &["-O", "x.lock"]] {
        let sandbox = prepared();
        assert_held(&sandbox, sandbox.start(&[&BOTH, options].concat()).pid);
        let sandbox = prepared();
        let stderr = File::options().append(true).open(sandbox.path("x.lock")).expect("it was just written");
        let launch = sandbox.bgexec(&["-F"]).words(BOTH).words(options).stderr(stderr);
        let running = launch.probe(["stay"]).spawn();
        sandbox.report();
        assert_held(&sandbox, running.pid());
        running.end();
    }
}

/// Then the message stands in that file.
#[test]
fn of_a_file_that_takes_the_message_lose_nothing() {
    let sandbox = Sandbox::new();
    let stderr = File::options().append(true).create(true).open(sandbox.path("x.lock")).expect("the sandbox is ours");
    let output = sandbox.bgexec(&["-F", "-l", "x.lock", "-e", "err", "/nonexistent"]).stderr(stderr).run();
    assert_eq!(output.status.code(), Some(127));
    assert_eq!(sandbox.read("x.lock"), "bgexec: unable to execute /nonexistent: No such file or directory\n");
}

#[test]
fn survive_a_script_that_uses_descriptors_of_its_own() {
    let sandbox = Sandbox::new();
    sandbox.write_script("script", "#!/bin/sh\nexec 3>/dev/null 4>/dev/null 9>/dev/null; exec 3>&- 9>&-");
    sandbox.bgexec(&BOTH).words(["./script"]).run().assert_started();
    assert_held(&sandbox, sandbox.report().pid);
}

#[test]
fn survive_the_removal_of_the_files() {
    let sandbox = Sandbox::new();
    let first = sandbox.start(&BOTH);
    fs::remove_file(sandbox.path("x.pid")).expect("it is there");
    fs::remove_file(sandbox.path("x.lock")).expect("it is there");
    sandbox.bgexec(&BOTH).probe_as("second", ["stay"]).run().assert_started();
    assert_held(&sandbox, sandbox.pid("x.pid"));
    assert_ne!(sandbox.pid("x.pid"), first.pid);
}

#[test]
fn belong_to_a_program_in_the_foreground() {
    let sandbox = Sandbox::new();
    let running = sandbox.bgexec(&["-F"]).words(BOTH).probe(["stay"]).spawn();
    sandbox.await_file("report");
    assert_held(&sandbox, running.pid());
    let numbers: Vec<i32> = descriptors(running.pid()).into_keys().filter(|&number| number > 2).collect();
    assert_eq!(numbers, [62, 63]);
    running.end();
    assert_eq!(lock(Path::new(&sandbox.path("x.pid"))), None);
}
