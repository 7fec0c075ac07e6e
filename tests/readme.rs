//! The README: what it says is so.

mod room;

use std::env;
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

use bgexec::options::table::ROWS;
use bgexec::steps::ORDER;
use room::{Ends, Room, bgexec, can, eventually, has_namespaces, is_alive, is_native, run, status, stderr, stdout};
use rustix::process::{Pid, Signal, kill_process};

const README: &str = include_str!("../README.md");

/// The text below a heading, up to the next heading.
fn section(heading: &str) -> &'static str {
    let (_, text) = README.split_once(&format!("# {heading}\n")).unwrap_or_else(|| panic!("no heading {heading:?}"));
    text.split("\n#").next().unwrap_or(text)
}

/// The fenced blocks of a text that are in this language.
fn blocks<'a>(text: &'a str, language: &str) -> Vec<&'a str> {
    let fence = format!("```{language}\n");
    let starts = text.split(&fence).skip(1);
    starts.map(|rest| rest.split("```").next().expect("a block has an end")).collect()
}

/// The block of this language below a heading: a `#` at the start of one of its lines is no heading.
fn block(heading: &str, language: &str) -> &'static str {
    let (_, text) = README.split_once(&format!("# {heading}\n")).unwrap_or_else(|| panic!("no heading {heading:?}"));
    blocks(text, language)[0]
}

/// The cells of the first table of a text, row by row, without its head.
fn table(text: &str) -> Vec<Vec<&str>> {
    let rows = text.lines().skip_while(|line| !line.starts_with('|')).take_while(|line| line.starts_with('|'));
    rows.skip(2).map(cells).collect()
}

fn cells(row: &str) -> Vec<&str> {
    row.trim_matches('|').split('|').map(str::trim).collect()
}

#[test]
fn usage_is_what_help_prints() {
    if is_native() {
        let help = run(Command::new(bgexec()).arg("--help"));
        assert_eq!(block("Usage", "text"), stdout(&help));
    }
}

#[test]
fn order_of_steps_is_that_of_the_program() {
    let rows = table(section("The order of steps"));
    let told: Vec<_> = rows.iter().map(|row| row[0].trim_matches('`')).collect();
    let taken: Vec<_> = ORDER.iter().map(|step| format!("{step:?}")).collect();
    assert_eq!(told, taken);
}

/// Outside of the usage text, which only names them.
#[test]
fn every_option_is_explained() {
    let prose = README.replace(block("Usage", "text"), "");
    let words: Vec<&str> = prose.split(['`', ' ', '\n', '=', ',', '"']).collect();
    for row in ROWS {
        let long = format!("--{}", row.long);
        assert!(words.contains(&long.as_str()), "{long} is not explained");
        if row.short != b' ' {
            let short = format!("-{}", char::from(row.short));
            assert!(words.contains(&short.as_str()), "{short} is not explained");
        }
    }
}

/// Each status of the table is reached, by nothing but what the table says.
#[test]
fn exit_statuses_are_complete() {
    let rows = table(section("Exit statuses"));
    let told: Vec<_> = rows.iter().map(|row| row[0]).collect();
    assert_eq!(told, ["0", "1", "2", "124", "125", "126", "127", "COMMAND's own"]);
    if !is_native() {
        return;
    }
    let room = Room::new();
    let pidfile = room.at("a.pid");
    let stubborn = format!("trap '' TERM; : > {}; while :; do sleep 1; done", room.at("up"));
    let launches: [(i32, &[&str]); 11] = [
        (0, &["-p", &pidfile, "sh", "-c", &stubborn]),
        (1, &["-p", &pidfile, "true"]),
        (0, &["--oknodo", "-p", &pidfile, "true"]),
        (2, &["-K", "--retry", "TERM/0.01", "-p", &pidfile]),
        (0, &["-K", "--retry", "KILL/20", "-p", &pidfile]),
        (1, &["-K", "-p", &pidfile]),
        (125, &["-c", "/nonexistent/directory", "true"]),
        (126, &["/etc/passwd"]),
        (124, &["--notify", "fd:5", "--notify-timeout", "0.01", "sleep", "60"]),
        (42, &["-w", "sh", "-c", "exit 42"]),
        (137, &["-w", "sh", "-c", "kill -KILL $$"]),
    ];
    for (expected, words) in launches {
        let launch = run(Command::new(bgexec()).args(words));
        assert_eq!(status(&launch), expected, "{words:?}: {}", stderr(&launch));
        if words.contains(&"sh") {
            eventually("the daemon ignores TERM", || room.path().join("up").exists());
        }
    }
    let launch = run(Command::new(bgexec()).arg(room.at("nothing")));
    assert_eq!(status(&launch), 127);
}

#[test]
fn statuses_of_status_are_complete() {
    let rows = table(section("Stop and status"));
    let told: Vec<_> = rows.iter().map(|row| (row[0], row[1].trim_matches('`'))).collect();
    if !is_native() {
        return;
    }
    let room = Room::new();
    let pidfile = room.at("a.pid");
    let ask = || {
        let output = run(Command::new(bgexec()).args(["-T", "-p", &pidfile]));
        (status(&output).to_string(), stdout(&output).trim().to_owned())
    };
    let none = ask();
    let launch = run(Command::new(bgexec()).args(["-p", &pidfile, "sleep", "60"]));
    assert_eq!(status(&launch), 0);
    let pid = room.pid("a.pid").expect("it was written");
    let (running, line) = ask();
    let line = line.replace(&pid.to_string(), "4711");
    kill_process(Pid::from_raw(pid).expect("not 0"), Signal::KILL).expect("it is ours");
    eventually("it is dead", || !is_alive(pid));
    let dead = ask();
    fs::set_permissions(&pidfile, Permissions::from_mode(0o666)).expect("it is ours");
    let found = [(running, line), dead, none, ask()];
    let found: Vec<_> = found.iter().map(|(status, line)| (status.as_str(), line.as_str())).collect();
    assert_eq!(told, found);
}

#[test]
fn messages_are_those_that_it_prints() {
    if !is_native() {
        return;
    }
    let room = Room::new();
    room.script("report", "#!/nonexistent/interpreter\n");
    room.script("server", "#!/bin/sh\n$1\n");
    let launches: [&[&str]; 5] = [
        &["-c", "/srv/nope", "true"],
        &["-k", "9", "true"],
        &["./report"],
        &["--notify", "fd:5", "./server", "exit 7"],
        &["--notify", "fd:5", "--notify-timeout", "0.2", "./server", "sleep 60"],
    ];
    for words in launches {
        let launch = run(Command::new(bgexec()).args(words).current_dir(room.path()));
        let line = format!("\n    {}", stderr(&launch));
        assert!(README.contains(&line), "{line}");
    }
}

/// What follows the build in the first block, with the program that was built for this test.
#[test]
fn first_command_runs_a_program_in_the_background() {
    let commands = blocks(README, "sh")[0];
    let build = "cargo build --release && ";
    assert!(commands.starts_with(build));
    if !is_native() {
        return;
    }
    let room = Room::new();
    let commands =
        commands.replace(build, "").replace("target/release/bgexec", "bgexec").replace("/tmp/", &room.at(""));
    let first = run(room.command("sh").args(["-ec", &commands]));
    let pid = room.pid("sleep.pid").expect("there is a pidfile");
    assert!(is_alive(pid));
    assert_eq!(stdout(&first), format!("{pid}\nsleep\n"), "{}", stderr(&first));
    let again = commands.lines().next().expect("there is a line");
    let again = run(room.command("sh").args(["-ec", again]));
    assert_eq!(status(&again), 1);
    let line = stderr(&again).replace(&room.at(""), "/tmp/").replace(&pid.to_string(), "4711");
    assert!(README.contains(&format!("    {line}")), "{line}");
    let stop = README.split('`').find(|code| code.contains("-K -p /tmp/sleep.pid")).expect("how to stop it");
    let stop = stop.replace("target/release/bgexec", "bgexec").replace("/tmp/", &room.at(""));
    assert_eq!(status(&run(room.command("sh").args(["-ec", &stop]))), 0);
    assert!(!is_alive(pid));
}

/// `.ci/run` takes the command for the tests from here.
#[test]
fn second_command_is_the_one_that_ci_runs() {
    assert_eq!(blocks(README, "sh")[1], "cargo test\n");
    let script = include_str!("../.ci/run");
    assert!(script.contains("tests=$(readme 2)\n") && script.contains("sh -ec \"$tests$profile\""));
}

/// Every row that can be measured here is as the README has it; a tool may be here in another version.
#[test]
fn the_others_are_as_the_table_says() {
    if !is_native() {
        return;
    }
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/peers/interpreter");
    let measured = run(Command::new("sh").arg(script).arg(bgexec()));
    assert_eq!(status(&measured), 0, "{}", stderr(&measured));
    eprint!("{}{}", stdout(&measured), stderr(&measured));
    let told = table(section("What it is, and why"));
    let measured = table(stdout(&measured));
    assert!(measured.iter().any(|row| row[0] == "`bgexec`"));
    for row in measured {
        match told.iter().find(|other| other[..2] == row[..2]) {
            Some(other) => assert_eq!(*other, row, "told, and measured"),
            None => _ = can(&format!("{} {} is not in the table", row[0], row[1]), false),
        }
    }
    let ours = told.iter().find(|row| row[0] == "`bgexec`").expect("a row");
    assert_eq!(ours[1..], [env!("CARGO_PKG_VERSION"), "0", "127", "127", "no"]);
}

/// A root directory of its own, with the programs that the Dockerfile copies; COMMAND is another bgexec.
#[test]
fn image_from_scratch() {
    if !is_native() || !has_namespaces() {
        return;
    }
    let room = Room::new();
    let mut entrypoint = vec![];
    for line in block("A FROM-scratch image", "dockerfile").lines() {
        match line.split_once(' ').expect("an instruction has arguments") {
            ("FROM", from) => assert_eq!(from, "scratch"),
            ("COPY", words) => {
                let (_, to) = words.split_once(" /").expect("from and to");
                room.program(bgexec(), to);
            }
            ("ENTRYPOINT", list) => {
                let words = list.trim_matches(['[', ']']).split(", ");
                entrypoint = words.map(|word| word.trim_matches('"')).collect();
            }
            (instruction, _) => panic!("{instruction}"),
        }
    }
    let container = |words: &[&str]| run(container(&room).args(words));
    let launch = container(&[&entrypoint[..], &["--version"]].concat());
    let version = format!("bgexec {}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!(stdout(&launch), version, "{}", stderr(&launch));
    let launch = container(&[&entrypoint[..], &["-F", "/nonexistent"]].concat());
    assert_eq!(status(&launch), 127, "the status of /app");

    let daemon = |user: &str, streams: &str| {
        let mut daemon = Command::new("chroot");
        daemon.arg(user).arg(room.path()).args(["/bgexec", "-p", "/agent.pid"]);
        run(daemon.args(["-i", streams, "-O", streams, "/app", "--version"]))
    };
    // There /dev/null is the container's, which a user could not make.
    let refused = daemon("--userspec=1000:1000", "-");
    assert_eq!((status(&refused), stderr(&refused)), (125, "bgexec: unable to open /agent.pid: Permission denied\n"));
    let daemon = daemon("--userspec=0:0", "/dev/null");
    assert_eq!(status(&daemon), 0, "{}", stderr(&daemon));
    assert!(room.path().join("agent.pid").exists());
}

/// A root directory with busybox and bgexec, to be run by `unshare`; `None` if that is not possible here.
fn initramfs() -> Option<Room> {
    let busybox = run(Command::new("sh").args(["-c", "command -v busybox"]));
    let busybox = stdout(&busybox).trim();
    if !is_native() || !has_namespaces() || !can("there is no busybox", !busybox.is_empty()) {
        return None;
    }
    let room = Room::new();
    for directory in ["bin", "dev", "etc/crontabs", "proc", "run", "srv"] {
        fs::create_dir_all(room.path().join(directory)).expect("the room is ours");
    }
    room.program(busybox, "bin/busybox");
    room.program(bgexec(), "bin/bgexec");
    for applet in stdout(&run(Command::new(busybox).arg("--list"))).lines() {
        let _ = symlink("busybox", room.path().join("bin").join(applet)); // there is a busybox
    }
    Some(room)
}

/// What runs a command as pid 1 with the room as its root directory.
fn container(room: &Room) -> Command {
    let mut command = Command::new("unshare");
    command.args(["--pid", "--fork", "--mount", "--net", "--kill-child", "chroot"]).arg(room.path());
    command
}

/// As pid 1 of a pid namespace and in a root directory of its own, not booted.
#[test]
fn init_of_an_initramfs() {
    let Some(room) = initramfs() else { return };
    room.script("init", block("An initramfs", "sh"));
    let typed = "for name in crond httpd; do pid=$(cat /run/$name.pid); \
                 cat /proc/$pid/comm; bgexec -T -p /run/$name.pid; bgexec -K -p /run/$name.pid; done\n";
    fs::write(room.path().join("typed"), typed).expect("the room is ours");
    let boot = run(container(&room).args(["/bin/sh", "-c", "exec /init < /typed"]));
    let lines: Vec<_> = stdout(&boot).lines().map(|line| line.trim_end_matches(|c: char| !c.is_alphabetic())).collect();
    assert_eq!(stderr(&boot), "");
    assert_eq!(lines.len(), 4, "{lines:?}");
    assert_eq!([lines[0], lines[2]], ["crond", "httpd"]);
    assert!(lines[1].starts_with("running") && lines[3].starts_with("running"), "{lines:?}");
}

/// Busybox init as pid 1, not booted.
#[test]
fn inittab_of_an_initramfs() {
    let Some(room) = initramfs() else { return };
    fs::write(room.path().join("etc/inittab"), block("An initramfs", "inittab")).expect("the room is ours");
    let _init = Ends::spawn(container(&room).arg("/bin/init"));
    let holder = |name: &str| {
        let status = run(Command::new(bgexec()).args(["-T", "-p", &room.at(name)]));
        stdout(&status).strip_prefix("running (pid ")?.strip_suffix(")\n")?.parse().ok()
    };
    eventually("crond runs", || holder("run/crond.pid").is_some());
    eventually("httpd runs", || holder("run/httpd.pid").is_some());
    let first = holder("run/httpd.pid");
    let pid = first.and_then(Pid::from_raw).expect("it runs");
    kill_process(pid, Signal::KILL).expect("it is ours");
    eventually("httpd runs again", || holder("run/httpd.pid").is_some_and(|pid| Some(pid) != first));
}

/// With `sleep` as the daemon.
#[test]
fn service_of_a_supervisor() {
    if !is_native() {
        return;
    }
    let sleep = run(Command::new("sh").args(["-c", "command -v sleep"]));
    for supervisor in ["runsv", "s6-supervise"] {
        let installed = run(Command::new("sh").args(["-c", "command -v \"$0\"", supervisor]));
        if !can(&format!("there is no {supervisor}"), installed.status.success()) {
            continue;
        }
        let room = Room::new();
        room.program(stdout(&sleep).trim(), "exampled");
        let script =
            block("Under a supervisor", "sh").replace("/usr/sbin/", &room.at("")).replace("--foreground", "60");
        fs::create_dir(room.path().join("service")).expect("the room is ours");
        room.script("service/run", &script);
        room.assert_supervised(supervisor, "exampled");
    }
}

/// With `sleep` as the daemon.
#[test]
fn boot_script() {
    if !is_native() {
        return;
    }
    let room = Room::new();
    let sleep = run(Command::new("sh").args(["-c", "command -v sleep"]));
    room.program(stdout(&sleep).trim(), "exampled");
    let script = block("A boot script", "sh")
        .replace("/usr/sbin/", &room.at(""))
        .replace("/run/", &room.at(""))
        .replace("/var/log/", &room.at(""))
        .replace("--foreground", "60");
    let script = room.script("script", &script);
    let call = |what: &str| {
        let output = run(room.command(&script).arg(what));
        (status(&output), stdout(&output).to_owned(), stderr(&output).to_owned())
    };
    let quiet = |status: i32| (status, String::new(), String::new());
    let pid = || room.pid("exampled.pid").expect("it was written");
    let running = || (0, format!("running (pid {})\n", pid()), String::new());

    assert_eq!(call("status"), (3, "not running\n".to_owned(), String::new()));
    assert_eq!(call("start"), quiet(0));
    let first = pid();
    assert_eq!(call("status"), running());
    assert_eq!(call("start"), quiet(0));
    assert_eq!(pid(), first, "the same daemon");

    assert_eq!(call("restart"), quiet(0));
    let second = pid();
    assert!(!is_alive(first) && is_alive(second) && first != second);
    assert_eq!(call("status"), running());

    assert_eq!(call("reload"), quiet(0)); // by which sleep dies
    eventually("a signal was sent", || !is_alive(second));
    assert_eq!(call("status"), (1, "dead (stale pidfile)\n".to_owned(), String::new()));
    assert_eq!(call("start"), quiet(0));
    let third = pid();
    assert_eq!(call("stop"), quiet(0));
    assert!(!is_alive(third));
    assert_eq!(call("stop"), quiet(0));
    assert_eq!(call("status"), (3, "not running\n".to_owned(), String::new()));
    assert_eq!(call("what").0, 2);

    room.script("exampled", "#!/nonexistent/interpreter\n");
    assert_eq!(call("start").0, 127);
    assert!(room.pid("exampled.pid").is_none());
}

/// The size of this machine's release is what the README says: never more, and not much less.
#[test]
fn size_is_not_outdated() {
    if cfg!(debug_assertions) || !cfg!(target_arch = "x86_64") || env::var_os("BGEXEC").is_some() {
        can("the README tells the size of a release for x86_64", false);
        return;
    }
    let size = fs::metadata(bgexec()).expect("it is there").len();
    let rows = table(section("Size and speed"));
    let row = rows.iter().find(|row| row[0] == "`bgexec`").expect("a row");
    let told: u64 = row[1].replace(',', "").parse().expect("a number");
    assert!(size <= told && told <= size + size / 20, "{told} in the README, {size} in truth");
}

/// Links lead to headings and files that are there.
#[test]
fn links_lead_somewhere() {
    for link in README.split("](").skip(1) {
        let target = link.split(')').next().expect("a link has an end");
        if let Some(anchor) = target.strip_prefix('#') {
            let heading = |line: &&str| line.starts_with('#');
            let slug = |line: &str| line.trim_start_matches(['#', ' ']).to_lowercase().replace(' ', "-");
            assert!(README.lines().filter(heading).any(|line| slug(line) == anchor), "{target}");
        } else {
            assert!(Path::new(env!("CARGO_MANIFEST_DIR")).join(target).exists(), "{target}");
        }
    }
}
