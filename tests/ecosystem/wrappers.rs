//! The shell wrappers that have the names and options of other tools, under dash and the shell of busybox.

use std::fs;
use std::os::fd::OwnedFd;
use std::process::{Command, Output, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

use super::room::{Room, can, eventually, is_alive, is_native, run, status, stderr, stdout};
use super::{contrib, has};

/// A wrapper, a shell that runs it, and a directory to be in.
struct Wrapped {
    name: &'static str,
    shell: &'static [&'static str],
    room: Room,
}

/// Does something with a wrapper under every shell that is here.
fn under_every_shell(name: &'static str, examine: impl Fn(&Wrapped)) {
    let shells: [&[&str]; 2] = [&["dash"], &["busybox", "sh"]];
    for shell in shells {
        if is_native() && has(shell[0]) {
            examine(&Wrapped { name, shell, room: Room::new() });
        }
    }
}

impl Wrapped {
    fn command(&self, words: &[&str]) -> Command {
        let mut command = self.room.command(self.shell[0]);
        command.args(&self.shell[1..]).arg(contrib("wrappers").join(self.name)).args(words);
        command
    }

    fn run(&self, words: &[&str]) -> Output {
        run(&mut self.command(words))
    }

    /// What it says and answers.
    #[track_caller]
    fn assert(&self, words: &[&str], expected: i32, out: &str) {
        let output = self.run(words);
        let found = (status(&output), stdout(&output), stderr(&output));
        assert_eq!(found, (expected, out, ""), "{} {words:?} under {:?}", self.name, self.shell);
    }

    /// One line about one of the words, and a status.
    #[track_caller]
    fn assert_refused(&self, words: &[&str], expected: i32, about: &str) {
        let output = self.run(words);
        let line = format!("{}: unable to use {about}", self.name);
        assert!(stderr(&output).starts_with(&line), "{words:?} under {:?}: {}", self.shell, stderr(&output));
        assert_eq!((status(&output), stderr(&output).lines().count()), (expected, 1), "{words:?}");
    }

    /// The daemon of a pidfile, which is there at once.
    #[track_caller]
    fn daemon(&self, pidfile: &str) -> i32 {
        let pid = self.room.pid(pidfile).unwrap_or_else(|| panic!("no {pidfile}"));
        assert!(is_alive(pid), "{pidfile}");
        pid
    }

    /// The name that a process was executed with.
    #[track_caller]
    fn assert_title(&self, pid: i32, title: &str) {
        assert_eq!(words(pid).split('\0').next(), Some(title));
    }

    /// The words that a daemon was executed with.
    #[track_caller]
    fn assert_words(&self, pid: i32, expected: &str) {
        assert_eq!(words(pid).trim_end_matches('\0').replace('\0', " "), expected);
    }
}

/// The words that a process was executed with, each with a NUL behind it. The kernel says where they are a moment after it has
/// closed what is to be closed at exec, which is when bgexec says that it was executed.
fn words(pid: i32) -> String {
    let read = || fs::read_to_string(format!("/proc/{pid}/cmdline")).expect("it is alive");
    eventually("its words", || !read().is_empty());
    read()
}

fn signal(pid: i32, signal: Signal) {
    kill_process(Pid::from_raw(pid).expect("not 0"), signal).expect("it is ours");
}

/// The fields of /proc/PID/stat from the state on.
fn stat(pid: i32) -> Vec<String> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).expect("it is alive");
    let (_, fields) = stat.rsplit_once(") ").expect("a name stands in parentheses");
    fields.split(' ').map(str::to_owned).collect()
}

/// What the tests of busybox look at.
#[test]
fn start_stop_daemon_executes_in_place() {
    under_every_shell("start-stop-daemon", |ssd| {
        let room = ssd.room.path().to_str().expect("it is text");
        let here = format!("{room}\n");
        ssd.assert(&["-S", "-x", "true"], 0, "");
        ssd.assert(&["-S", "-d", room, "-x", "true"], 0, "");
        ssd.assert(&["-S", "-d", room, "-x", "pwd"], 0, &here);
        ssd.assert(&["-S", "--chdir", room, "-x", "pwd"], 0, &here);
        ssd.assert(&["-S", "-a", "false"], 1, "");
        ssd.assert(&["-S", "false"], 1, "");
        ssd.assert_refused(&["-S", "-d", "/nonexistent", "-x", "true"], 1, "-d /nonexistent");
        let named = "tr '\\0' '\\n' < /proc/$$/cmdline | head -n 1; exit 1";
        ssd.assert(&["-S", "-x", "/bin/sh", "-a", "qwerty", "--", "-c", named], 1, "qwerty\n");
        ssd.assert(&["-S", "-x", "/nonexistent", "-a", "/bin/echo", "--", "one", "two words"], 0, "one two words\n");
        let found = ssd.run(&["--start", "--exec=/nonexistent"]);
        assert_eq!((status(&found), stderr(&found).lines().count()), (127, 1));
    });
}

#[test]
fn start_stop_daemon_starts_and_stops() {
    under_every_shell("start-stop-daemon", |ssd| {
        let pidfile = ssd.room.at("a.pid");
        let start = ["-Sbmp", &pidfile, "-x", "sleep", "--", "60"];
        ssd.assert(&start, 0, "");
        let pid = ssd.daemon("a.pid");
        ssd.assert_words(pid, "sleep 60");
        assert_eq!(status(&ssd.run(&start)), 1, "it is running");
        ssd.assert(&[&["-qo"], &start[..]].concat(), 0, "");
        ssd.assert(&["-T", "-p", &pidfile], 0, "");
        ssd.assert(&["-K", "-t", "-p", &pidfile], 0, "");
        ssd.assert(&["-K", "-p", &pidfile, "--retry=-TERM/20/KILL/5"], 0, "");
        assert!(!is_alive(pid));
        ssd.assert(&["-T", "-p", &pidfile], 3, "");
        assert_eq!(status(&ssd.run(&["-K", "-p", &pidfile])), 1, "nothing to stop");
        ssd.assert(&["-Kqop", &pidfile], 0, "");

        ssd.assert(&start, 0, "");
        let pid = ssd.daemon("a.pid");
        // By its own pidfile, which it writes itself.
        ssd.assert(&["-S", "-q", "-p", &pidfile, "-x", "true"], 1, "");
        ssd.assert(&["-S", "-p", &ssd.room.at("other.pid"), "-x", "true"], 0, "");
        ssd.assert(&["-K", "-p", &pidfile, "--remove-pidfile"], 0, "");
        eventually("it got the signal", || !is_alive(pid));
        assert!(ssd.room.pid("a.pid").is_none());

        let broken = ssd.room.script("broken", "#!/nonexistent/interpreter\n");
        assert_eq!(status(&ssd.run(&["-Sbmp", &pidfile, "-x", &broken])), 127);
        assert!(ssd.room.pid("a.pid").is_none());
        let words = "-Sbmp a.pid -d / -k 077 -N 1 -I idle -r / -O out -e K=V --no-close -x sleep -- 60";
        ssd.assert(&words.split(' ').collect::<Vec<_>>(), 0, "");
        assert_eq!(stat(ssd.daemon("a.pid"))[16], "1", "niceness");
    });
}

#[test]
fn start_stop_daemon_sets_variables_for_the_program_alone() {
    under_every_shell("start-stop-daemon", |ssd| {
        let mut words = vec!["-S"];
        words.extend(VARIABLES.iter().flat_map(|variable| ["-e", variable]));
        let output = ssd.run(&[&words[..], &["-x", "env"]].concat());
        assert_eq!((status(&output), stderr(&output)), (0, ""));
        assert_holds(stdout(&output), &VARIABLES);
        words.extend(["-x", "printf", "--env=K=V", "--", "%s.", "-E", "", "two  words", "--"]);
        ssd.assert(&words, 0, "-E..two  words.--.");
    });
}

#[test]
fn start_stop_daemon_looks_up_a_relative_program_in_its_directory() {
    under_every_shell("start-stop-daemon", |ssd| {
        let sleep = sleep_below_root(&ssd.room);
        let room = ssd.room.at("");
        assert_eq!(status(&ssd.run(&["-Sbmp", "a.pid", "-x", "./below", "--", "60"])), 127);
        ssd.assert(&["-Sbmp", "a.pid", "-x", &sleep, "--", "60"], 0, "");
        ssd.assert_words(ssd.daemon("a.pid"), &format!("{sleep} 60"));
        ssd.assert(&["-Sbmp", "b.pid", "-d", &room, "-x", "./below", "--", "60"], 0, "");
        ssd.assert_words(ssd.daemon("b.pid"), "./below 60");
    });
}

#[test]
fn start_stop_daemon_asks_by_signal_0() {
    under_every_shell("start-stop-daemon", |ssd| {
        ssd.assert(&["-Sbmp", "a.pid", "-x", "sleep", "--", "60"], 0, "");
        ssd.assert(&["--stop", "--signal", "0", "--pidfile", "a.pid"], 0, "");
        ssd.assert(&["-Kqp", "a.pid", "-R", "5"], 0, "");
    });
}

#[test]
fn start_stop_daemon_closes_no_descriptor_in_the_foreground() {
    under_every_shell("start-stop-daemon", |ssd| {
        let script = "exec 7< /dev/null; exec \"$@\" -x sh -- -c 'true <&7'";
        let wrapper = contrib("wrappers").join(ssd.name);
        let mut command = ssd.room.command("sh");
        command.args(["-c", script, "sh"]).args(ssd.shell).arg(&wrapper).arg("-S");
        assert_eq!(status(&run(&mut command)), 0, "under {:?}", ssd.shell);
    });
}

#[test]
fn start_stop_daemon_tries_out_a_start() {
    under_every_shell("start-stop-daemon", |ssd| {
        let start = ["-S", "-bmp", "a.pid", "-x", "sleep", "--", "60"];
        let trial = [&["--test"], &start[..]].concat();
        ssd.assert(&trial, 0, "");
        assert!(ssd.room.pid("a.pid").is_none(), "nothing was started");
        ssd.assert(&start, 0, "");
        let second = ssd.run(&trial);
        let said = "start-stop-daemon: sleep is already running\n";
        assert_eq!((status(&second), stdout(&second), stderr(&second)), (1, "", said));
        ssd.assert(&[&["-q"], &trial[..]].concat(), 1, "");
        ssd.assert(&[&["-qo"], &trial[..]].concat(), 0, "");
        ssd.assert(&["-S", "-t", "-x", "echo", "--", "out"], 0, "");
    });
}

/// As Debian's /etc/init.d/skeleton calls it, for a program that goes into the background and writes its pidfile itself.
#[test]
fn start_stop_daemon_runs_the_skeleton_of_debian() {
    under_every_shell("start-stop-daemon", |ssd| {
        let script = "#!/bin/sh\numask 022\nsleep 60 > /dev/null 2>&1 &\necho $! > \"$1\"\n";
        let program = ssd.room.script("exampled", script);
        let pidfile = ssd.room.at("a.pid");
        let start = ["--start", "--quiet", "--pidfile", &pidfile, "--exec", &program];
        let trial = [&start[..], &["--test"]].concat();
        let start = [&start[..], &["--", &pidfile]].concat();
        let known = ["--quiet", "--pidfile", &pidfile, "--name", "exampled"];
        let reload = [&["--stop", "--signal", "1"], &known[..]].concat();
        let stop = [&["--stop", "--retry=TERM/30/KILL/5"], &known[..]].concat();

        ssd.assert(&trial, 0, "");
        assert!(ssd.room.pid("a.pid").is_none(), "nothing was started");
        ssd.assert(&start, 0, "");
        let pid = ssd.daemon("a.pid");
        ssd.assert(&trial, 1, "");
        ssd.assert(&reload, 0, "");
        eventually("the signal has come", || !is_alive(pid));
        ssd.assert(&trial, 0, "");
        ssd.assert(&start, 0, "");
        let pid = ssd.daemon("a.pid");
        ssd.assert(&[&["--status"], &known[..]].concat(), 0, "");
        ssd.assert(&stop, 0, "");
        assert!(!is_alive(pid));
        ssd.assert(&stop, 1, "");
        // Not 2, by which the script would fail.
        ssd.assert_refused(&["--stop", "--quiet", "--oknodo", "--retry=0/30/KILL/5", "--exec", &program], 1, "-K");
    });
}

#[test]
fn start_stop_daemon_says_what_it_does_not_do() {
    under_every_shell("start-stop-daemon", |ssd| {
        ssd.assert_refused(&["-K", "-n", "sleep"], 1, "-n");
        ssd.assert_refused(&["-K", "--user", "root"], 1, "--user");
        ssd.assert_refused(&["-K", "-x", "/bin/sleep"], 1, "-K");
        ssd.assert_refused(&["-S", "-P", "rr", "-x", "true"], 1, "-P");
        ssd.assert_refused(&["-S", "--name", "true", "-x", "true"], 1, "--name");
        ssd.assert_refused(&["-S", "-e", "K", "-x", "true"], 1, "-e K");
        ssd.assert_refused(&["-S", "-e", "K=V", "-x"], 1, "-x");
        ssd.assert_refused(&["-x", "true"], 1, "no command");
        ssd.assert_refused(&["-S", "--frob"], 1, "--frob");
        ssd.assert_refused(&["-S", "-p"], 1, "-p");
    });
}

/// What the tests of FreeBSD's daemon look at: chdir, child_pidfile, child_pidfile_lock.
#[test]
fn daemon_writes_and_locks_the_pidfile() {
    under_every_shell("daemon", |daemon| {
        let sleep = sleep_below_root(&daemon.room);
        daemon.assert(&["-f", "-p", &daemon.room.at("far.pid"), "-c", &sleep, "60"], 0, "");
        let pid = daemon.daemon("far.pid");
        daemon.assert_words(pid, &format!("{sleep} 60"));
        assert_eq!(fs::read_link(format!("/proc/{pid}/cwd")).expect("it is alive").to_str(), Some("/"));

        daemon.assert(&["-f", "-p", "sleep.pid", "sleep", "60"], 0, "");
        let pid = daemon.daemon("sleep.pid");
        daemon.assert_words(pid, "sleep 60");
        assert_eq!(fs::read_link(format!("/proc/{pid}/cwd")).expect("it is alive"), daemon.room.path());
        let second = daemon.run(&["-p", "sleep.pid", "sleep", "60"]);
        let line = format!("daemon: process already running, pid: {pid}\n");
        assert_eq!((status(&second), stderr(&second)), (3, line.as_str()));
        assert_eq!(daemon.daemon("sleep.pid"), pid);
    });
}

/// A path of sleep that leads there only from the root directory.
fn sleep_below_root(room: &Room) -> String {
    let sleep = run(Command::new("sh").args(["-c", "command -v sleep"]));
    room.program(stdout(&sleep).trim(), "below");
    room.at("below").trim_start_matches('/').to_owned()
}

/// The same: output_file.
#[test]
fn daemon_redirects_output() {
    under_every_shell("daemon", |daemon| {
        let read = |name: &str| fs::read_to_string(daemon.room.path().join(name)).unwrap_or_default();
        daemon.assert(&["-o", "numbers", "seq", "1", "5"], 0, "");
        eventually("the output is there", || read("numbers") == "1\n2\n3\n4\n5\n");
        daemon.assert(&["-f", "-m", "2", "-o", "errors", "sh", "-c", "echo out; echo error >&2"], 0, "");
        eventually("the output is there", || read("errors") == "error\n");
    });
}

/// The same: restart_child, supervisor_pidfile.
#[test]
fn daemon_supervises() {
    under_every_shell("daemon", |daemon| {
        daemon.assert(&["-frP", "daemon.pid", "-R", "0.01", "-p", "sleep.pid", "sleep", "60"], 0, "");
        let supervisor = daemon.daemon("daemon.pid");
        let first = daemon.daemon("sleep.pid");
        assert_ne!(supervisor, first);
        daemon.assert_title(supervisor, "daemon: sleep");
        let second = daemon.run(&["-fP", "daemon.pid", "sleep", "60"]);
        assert_eq!(status(&second), 3);
        signal(first, Signal::TERM);
        let again = || daemon.room.pid("sleep.pid").is_some_and(|pid| pid != first && is_alive(pid));
        eventually("it was started again", again);
        signal(supervisor, Signal::TERM);
        eventually("both have ended", || !is_alive(supervisor) && daemon.room.pid("sleep.pid").is_none());

        daemon.assert(&["-f", "-t", "a title", "-P", "once.pid", "-p", "sleep.pid", "sleep", "60"], 0, "");
        let supervisor = daemon.daemon("once.pid");
        daemon.assert_title(supervisor, "daemon: a title");
        let child = daemon.daemon("sleep.pid");
        daemon.assert_words(child, "sleep 60");
        signal(child, Signal::TERM);
        eventually("nothing is started again", || !is_alive(supervisor));
    });
}

/// The same: user.
#[test]
fn daemon_changes_the_user() {
    if !can("only root may change the user", rustix::process::geteuid().is_root()) {
        return;
    }
    under_every_shell("daemon", |daemon| {
        daemon.assert(&["-f", "-p", "sleep.pid", "-u", "nobody", "sleep", "60"], 0, "");
        let pid = daemon.daemon("sleep.pid");
        let nobody = run(Command::new("id").args(["-u", "nobody"]));
        let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("it is alive");
        let ids = status.lines().find_map(|line| line.strip_prefix("Uid:\t")).expect("a process has ids");
        assert!(ids.split('\t').all(|id| id == stdout(&nobody).trim()), "{ids}");
    });
}

#[test]
fn daemon_has_long_names() {
    under_every_shell("daemon", |daemon| {
        let read = |name: &str| fs::read_to_string(daemon.room.path().join(name)).unwrap_or_default();
        let words = "--close-fds --change-dir --restart --restart-delay=60 --restart-count 1 --sighup --title=long
            --supervisor-pidfile daemon.pid --child-pidfile=sleep.pid --output-file out --output-mask=1 -- sh -c";
        let words: Vec<_> = words.split_whitespace().chain(["pwd; pwd >&2; exec sleep 60"]).collect();
        daemon.assert(&words, 0, "");
        daemon.assert_title(daemon.daemon("daemon.pid"), "daemon: long");
        daemon.daemon("sleep.pid");
        eventually("the output is there", || read("out") == "/\n");
    });
}

#[test]
fn daemon_says_what_it_does_not_do() {
    under_every_shell("daemon", |daemon| {
        daemon.assert_refused(&["-S", "true"], 1, "-S");
        daemon.assert_refused(&["-m", "4", "true"], 1, "-m 4");
        daemon.assert_refused(&["-f"], 1, "no COMMAND");
        daemon.assert_refused(&["-Z", "true"], 1, "-Z");
        daemon.assert_refused(&["-fu"], 1, "-u");
        daemon.assert_refused(&["--syslog-tag=tag", "true"], 1, "--syslog-tag");
        daemon.assert_refused(&["--child", "a.pid", "true"], 1, "--child");
    });
}

#[test]
fn daemonize_does_what_it_does() {
    under_every_shell("daemonize", |daemonize| {
        let read = |name: &str| fs::read_to_string(daemonize.room.path().join(name)).unwrap_or_default();
        let script = "echo \"$K $(pwd) $(umask)\"; echo error >&2";
        let directory = daemonize.room.at("");
        let directory = directory.trim_end_matches('/');
        let words = ["-c", directory, "-o", "out", "-e", "err", "-E", "K=two words", "/bin/sh", "-c", script];
        let mask = run(Command::new("sh").args(["-c", "umask"]));
        let line = format!("two words {directory} {}", stdout(&mask));
        daemonize.assert(&words, 0, "");
        eventually("it ran", || read("err") == "error\n");
        assert_eq!(read("out"), line);
        daemonize.assert(&[&["-a"], &words[..]].concat(), 0, "");
        eventually("it was appended", || read("err") == "error\nerror\n");
        daemonize.assert(&words, 0, "");
        eventually("it was emptied", || read("err") == "error\n");

        daemonize.assert(&["-p", "a.pid", "-l", "a.lock", "/bin/sleep", "60"], 0, "");
        let pid = daemonize.daemon("a.pid");
        assert_eq!(status(&daemonize.run(&["-p", "b.pid", "-l", "a.lock", "/bin/sleep", "60"])), 1);
        signal(pid, Signal::KILL);
        assert_eq!(status(&daemonize.run(&["-p", "b.pid", "/nonexistent"])), 127);
        assert!(daemonize.room.pid("b.pid").is_none());
        daemonize.assert_refused(&["-x", "true"], 1, "-x");
        daemonize.assert_refused(&["-E", "K", "true"], 1, "-E K");
        daemonize.assert_refused(&["-E", "=V", "true"], 1, "-E =V");
        daemonize.assert_refused(&["-c"], 1, "-c");
        daemonize.assert_refused(&["--frob", "true"], 1, "--");
        daemonize.assert_refused(&[], 1, "no COMMAND");
        daemonize.assert_refused(&["-a", "--"], 1, "no COMMAND");
    });
}

/// Variables that a shell would mind, or that it cannot have.
const VARIABLES: [&str; 6] = ["PATH=/usr/bin:/bin", "IFS=:", "OPTIND=1", "A.B=1", "umask=a", "output=two  words"];

#[test]
fn daemonize_sets_variables_for_the_command_alone() {
    under_every_shell("daemonize", |daemonize| {
        let read = |name: &str| fs::read_to_string(daemonize.room.path().join(name)).unwrap_or_default();
        let [path, ifs, optind, dotted, umask, output] = VARIABLES;
        let tail = ["-E", dotted, &format!("-aE{umask}"), "-E", output, "-oout", "--", "env", "-u", "none", "LAST=1"];
        let words = [&["-E", path, "-E", ifs, "-E", optind][..], &tail].concat();
        daemonize.assert(&words, 0, "");
        eventually("it ran", || read("out").ends_with("LAST=1\n"));
        assert_holds(&read("out"), &VARIABLES);
    });
}

#[track_caller]
fn assert_holds(environment: &str, variables: &[&str]) {
    for variable in variables {
        assert!(environment.lines().any(|line| line == *variable), "{variable} in {environment}");
    }
}

#[test]
fn setsid_does_what_it_does() {
    under_every_shell("setsid", |setsid| {
        // Its session is its own pid; the directory, the umask and the streams are the caller's.
        let script = "test \"$(cut -d ' ' -f 6 /proc/$$/stat)\" = $$ && pwd && umask; exit 7";
        let caller = "umask 027; exec \"$@\"";
        let wrapper = contrib("wrappers/setsid");
        let mut command = setsid.room.command("sh");
        command.args(["-c", caller, "sh"]).args(setsid.shell).arg(wrapper).args(["sh", "-c", script]);
        let output = run(&mut command);
        let expected = format!("{}\n0027\n", setsid.room.path().display());
        assert_eq!((status(&output), stdout(&output), stderr(&output)), (7, expected.as_str(), ""));

        setsid.assert(
            &["-f", "sh", "-c", "echo $$ > new && mv new forked.pid && exec sleep 60 > sleep.out 2>&1"],
            0,
            "",
        );
        eventually("it runs", || setsid.room.pid("forked.pid").is_some());
        let pid = setsid.daemon("forked.pid");
        assert_eq!(stat(pid)[3], pid.to_string(), "its session");
        signal(pid, Signal::KILL);
        assert_eq!(status(&setsid.run(&["-f", "/nonexistent"])), 127);
        setsid.assert(&["-fw", "sh", "-c", "echo out; exit 4"], 4, "out\n");
        setsid.assert(&["--wait", "--fork", "sh", "-c", "exit 4"], 4, "");
        assert_eq!(status(&setsid.run(&["-wf", "/nonexistent"])), 127);
        setsid.assert_refused(&["-x", "true"], 1, "-x");
        setsid.assert_refused(&["-f"], 1, "no COMMAND");
    });
}

#[test]
fn nohup_does_what_it_does() {
    under_every_shell("nohup", |nohup| {
        // Bit 0 is SIGHUP.
        let ignored = "mask=$(sed -n 's/^SigIgn:[^0-9a-f]*//p' /proc/self/status); echo $((0x$mask & 1)); exit 7";
        nohup.assert(&["sh", "-c", ignored], 7, "1\n");
        nohup.assert(&["--", "echo", "two words"], 0, "two words\n");
        assert_eq!(status(&nohup.run(&["/nonexistent"])), 127);
        nohup.assert_refused(&[], 125, "no COMMAND");
        nohup.assert_refused(&["--frob", "true"], 125, "--frob");
    });
}

#[test]
fn nohup_writes_to_a_file_and_not_to_a_terminal() {
    under_every_shell("nohup", |nohup| {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("/dev/ptmx is there");
        grantpt(&master).and_then(|()| unlockpt(&master)).expect("it is ours");
        let name = ptsname(&master, Vec::new()).expect("it has a name").into_string().expect("it is ASCII");
        let terminal = || {
            let file = fs::File::options().read(true).write(true).open(&name).expect("it is unlocked");
            Stdio::from(OwnedFd::from(file))
        };
        let script = "test ! -t 0 && test ! -t 1 && test ! -t 2 && echo out && echo error >&2";
        let mut command = nohup.command(&["sh", "-c", script]);
        let child = command.stdin(terminal()).stdout(terminal()).stderr(terminal()).status();
        assert!(child.expect("there is a shell").success());
        let file = nohup.room.path().join("nohup.out");
        assert_eq!(fs::read_to_string(file).expect("it was made"), "out\nerror\n");
    });
}
