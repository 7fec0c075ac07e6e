//! The examples of services, each in the hands of what runs it, or of a shell in its place.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::room::{Room, bgexec, can, eventually, is_alive, is_native, run, status, stderr, stdout};
use super::{contrib, has};

/// A room with sleep as the daemon.
fn room() -> Room {
    let room = Room::new();
    let sleep = run(Command::new("sh").args(["-c", "command -v sleep"]));
    room.program(stdout(&sleep).trim(), "exampled");
    room
}

/// An example, with the room in the place of the system's directories.
fn moved(room: &Room, example: &str) -> String {
    let text = fs::read_to_string(contrib(example)).unwrap_or_else(|error| panic!("{example}: {error}"));
    ["/usr/sbin/", "/var/run/", "/run/", "/var/log/"]
        .iter()
        .fold(text, |text, directory| text.replace(directory, &room.at("")))
        .replace("--foreground", "60")
}

/// Calls a script with each of these words, and compares status and output; `PID` stands for what the pidfile holds.
fn assert_calls(room: &Room, script: &[&str], calls: &[(&str, i32, &str)]) {
    for &(word, expected, out) in calls {
        let before = room.pid("exampled.pid").unwrap_or(0);
        let output = run(room.command(script[0]).args(&script[1..]).arg(word));
        let pid = room.pid("exampled.pid").unwrap_or(before).to_string();
        let found = (status(&output), stdout(&output).to_owned(), stderr(&output));
        assert_eq!(found, (expected, out.replace("PID", &pid), ""), "{word}");
        if word == "reload" {
            // By which sleep dies.
            eventually("the signal has come", || !is_alive(before));
        }
    }
}

#[test]
fn boot_script_of_buildroot() {
    if !is_native() {
        return;
    }
    let room = room();
    let script = room.script("S50exampled", &moved(&room, "buildroot/S50exampled"));
    let calls = [
        ("status", 3, "not running\n"),
        ("start", 0, "Starting exampled: OK\n"),
        ("status", 0, "running (pid PID)\n"),
        ("restart", 0, "Stopping exampled: OK\nStarting exampled: OK\n"),
        ("reload", 0, "Reloading exampled: OK\n"),
        ("start", 0, "Starting exampled: OK\n"),
        ("stop", 0, "Stopping exampled: OK\n"),
        ("status", 3, "not running\n"),
    ];
    assert_calls(&room, &[&script], &calls);
    let second = run(room.command(&script).arg("stop"));
    assert_eq!((status(&second), stdout(&second)), (1, "Stopping exampled: FAIL\n"));
}

/// A shell that has OpenRC's own words.
#[test]
fn service_of_openrc() {
    if !is_native() {
        return;
    }
    let room = room();
    let script = room.script("openrc", &moved(&room, "openrc/exampled"));
    let shell = "ebegin() { echo \"$*\"; }; eend() { return $1; }; RC_SVCNAME=exampled; . \"$0\"; \"$1\"";
    let calls = [
        ("status", 3, "not running\n"),
        ("start", 0, "Starting exampled\n"),
        ("start", 0, "Starting exampled\n"),
        ("status", 0, "running (pid PID)\n"),
        ("reload", 0, "Reloading exampled\n"),
        ("start", 0, "Starting exampled\n"),
        ("stop", 0, "Stopping exampled\n"),
        ("stop", 0, "Stopping exampled\n"),
    ];
    assert_calls(&room, &["sh", "-c", shell, &script], &calls);
}

#[test]
fn services_of_runit_and_s6() {
    if !is_native() || !can("only root may change the user", rustix::process::geteuid().is_root()) {
        return;
    }
    for (supervisor, example) in [("runsv", "runit/exampled"), ("s6-supervise", "s6/exampled")] {
        if !has(supervisor) {
            continue;
        }
        let room = room();
        fs::create_dir(room.path().join("service")).expect("the room is ours");
        room.script("service/run", &moved(&room, &format!("{example}/run")));
        if Path::new(&contrib(example)).join("notification-fd").exists() {
            fs::copy(contrib(example).join("notification-fd"), room.path().join("service/notification-fd"))
                .expect("the room is ours");
        }
        room.assert_supervised(supervisor, "exampled");
    }
}

#[test]
fn units_of_systemd() {
    if !has("systemd-analyze") {
        return;
    }
    let room = room();
    for unit in ["exampled.service", "exampled-forking.service"] {
        let text = moved(&room, &format!("systemd/{unit}"));
        let text = text.replace("/usr/bin/bgexec", bgexec().to_str().expect("it is text"));
        fs::write(room.path().join(unit), text).expect("the room is ours");
        let verdict = run(Command::new("systemd-analyze").args(["verify", "--man=no", &room.at(unit)]));
        let about = |line: &&str| line.contains(unit);
        assert_eq!(stderr(&verdict).lines().find(about), None);
        assert_eq!(status(&verdict), 0, "{}", stderr(&verdict));
    }
}

/// The stop command is run for a service, too, that has ended by itself (systemd.service(5)): the unit has not failed then.
#[test]
fn unit_of_a_daemon_that_has_ended_is_stopped() {
    if !is_native() {
        return;
    }
    let room = room();
    let unit = moved(&room, "systemd/exampled-forking.service");
    let call = |key: &str| {
        let line = unit.lines().find_map(|line| line.strip_prefix(key)).unwrap_or_else(|| panic!("no {key}"));
        let output = run(room.command("sh").args(["-c", &line.replace("/usr/bin/", "")]));
        assert_eq!((status(&output), stderr(&output)), (0, ""), "{line}");
    };
    call("ExecStart=");
    let pid = room.pid("exampled.pid").expect("it runs");
    call("ExecReload="); // by which sleep dies
    eventually("the end", || !is_alive(pid));
    call("ExecStop=");
}
