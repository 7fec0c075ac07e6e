//! `--init`, which pid 1 is without being asked: reaps every orphan, forwards signals, and ends with COMMAND and as it does.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::process::{Resource, Signal, geteuid};

use crate::harness::kernel::{self, Refusal, send};
use crate::harness::process::{Stat, children, is_alive, signal};
use crate::harness::{
    FAILURES, Launch, Running, Sandbox, Terminal, at_most, bgexec, bgexec_command, eventually, is_root, probe, skip,
};

/// How bgexec came to be init.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Init {
    /// It is pid 1 of a pid namespace.
    Pid1,
    /// By `--init`, as a subreaper.
    Asked,
}

impl Init {
    /// Both, if both can be tested.
    fn both() -> &'static [Init] {
        if is_root() { &[Init::Asked, Init::Pid1] } else { &[Init::Asked] }
    }

    fn bgexec(self, sandbox: &Sandbox, options: &[&str]) -> Launch {
        match self {
            Init::Pid1 => sandbox.bgexec(options).being_pid_1(),
            Init::Asked => sandbox.bgexec(&["--init"]).words(options),
        }
    }

    /// The pid here of init.
    fn pid(self, running: &Running) -> i32 {
        match self {
            Init::Pid1 => eventually("pid 1", || children(running.pid()).first().copied()),
            Init::Asked => running.pid(),
        }
    }
}

/// The only child of init, which is COMMAND.
#[track_caller]
fn command(init: i32) -> i32 {
    eventually("COMMAND alone", || match *children(init) {
        [command] => Some(command),
        _ => None,
    })
}

#[track_caller]
fn await_state(pid: i32, states: &str) {
    eventually(states, || states.contains(Stat::of(pid)?.state).then_some(()));
}

#[test]
fn is_what_pid_1_is() {
    if !is_root() {
        return;
    }
    let sandbox = Sandbox::new();
    let output = Init::Pid1.bgexec(&sandbox, &[]).probe(["say", "out", "exit", "7"]).run();
    assert_eq!((output.status.code(), &*output.stdout, &*output.stderr), (Some(7), "out\n", ""));
    let report = sandbox.report();
    assert_eq!((report.pid, report.ppid), (2, 1));
}

#[test]
fn keeps_streams_directory_and_umask() {
    for &init in Init::both() {
        let sandbox = Sandbox::new();
        let launch = init.bgexec(&sandbox, &["-p", "x.pid"]).umask(0o027);
        let output = launch.probe(["say", "out", "complain", "err", "exit", "0"]).run();
        assert_eq!((output.status.code(), &*output.stdout, &*output.stderr), (Some(0), "out\n", "err\n"), "{init:?}");
        let report = sandbox.report();
        assert_eq!((report.umask, report.cwd), (0o027, sandbox.directory().to_owned()));
        assert_eq!(report.pgid, report.pid);
        assert_eq!((report.blocked, report.ignored, report.caught), (0, 0, 0));
        assert_eq!(report.descriptors.keys().copied().collect::<Vec<_>>(), [0, 1, 2, 63]);
        assert!(!sandbox.exists("x.pid"));
    }
}

#[test]
fn passes_every_status_through() {
    for &init in Init::both() {
        let sandbox = Sandbox::new();
        for status in 0..=255 {
            let launch = init.bgexec(&sandbox, &[]).words([probe()]).words(["exit", &status.to_string()]);
            let output = launch.run();
            assert_eq!((output.status.code(), &*output.stderr), (Some(status), ""), "{init:?}");
        }
    }
}

#[test]
fn passes_signals_on_as_128_and_their_number() {
    for &init in Init::both() {
        let sandbox = Sandbox::new();
        for signal in [1, 2, 3, 6, 9, 11, 13, 15, 34, 64] {
            let launch = init.bgexec(&sandbox, &[]).limit(Resource::Core, 0);
            let output = launch.words([probe()]).words(["raise", &signal.to_string(), "exit", "1"]).run();
            assert_eq!((output.status.code(), &*output.stderr), (Some(128 + signal), ""), "{init:?}");
        }
    }
}

#[test]
fn tells_of_a_failure() {
    for &init in Init::both() {
        for (words, status, message) in FAILURES {
            let sandbox = Sandbox::new();
            init.bgexec(&sandbox, &["-p", "x.pid"]).words(words).run().assert_unable(status, message);
            assert!(!sandbox.exists("x.pid"));
        }
    }
}

/// Of so many orphans none stays, while COMMAND does; and TERM then ends all with this status.
#[track_caller]
fn assert_reaps(orphans: &str, options: &[&str], status: i32) {
    for &init in Init::both() {
        let sandbox = Sandbox::new();
        let launch = init.bgexec(&sandbox, options).words([probe()]).words(["orphans", orphans]);
        let running = launch.reporting("report", ["stay"]).spawn();
        sandbox.report();
        let pid = init.pid(&running);
        assert!(is_alive(command(pid)));
        signal(pid, Signal::TERM);
        assert_eq!(running.wait().status.code(), Some(status), "{init:?}");
    }
}

#[test]
fn reaps_every_orphan() {
    assert_reaps("1000", &[], 128 + 15);
}

/// Not only once COMMAND is ready.
#[test]
fn reaps_orphans_while_the_command_is_not_ready() {
    assert_reaps("50", &["--notify", "fd:7"], 125);
}

/// A status of an orphan's is not taken for COMMAND's, nor is COMMAND's lost among many.
#[test]
fn ends_with_the_status_of_the_command_and_of_no_orphan() {
    for &init in Init::both() {
        let sandbox = Sandbox::new();
        let launch = init.bgexec(&sandbox, &[]).words([probe()]).words(["orphans", "200", "exit", "9"]);
        assert_eq!(launch.run().status.code(), Some(9), "{init:?}");
    }
}

#[test]
fn is_refused_where_orphans_cannot_be_adopted() {
    let sandbox = Sandbox::new();
    let refusal = Refusal { call: sc::nr::PRCTL, second: None, errno: Errno::NOSYS };
    let output = sandbox.bgexec(&["--init"]).refused(refusal).probe(["exit", "0"]).run();
    output.assert_unable(125, "adopt orphans: Function not implemented");
    assert!(!sandbox.exists("report"), "nothing was started");
}

#[test]
fn ends_soon_after_a_signal() {
    for &init in Init::both() {
        for (verbs, status) in [(["await", "15", "exit", "7"], 7), (["unblock", "stay", "exit", "1"], 128 + 15)] {
            let sandbox = Sandbox::new();
            let running = init.bgexec(&sandbox, &[]).blocking_probe(verbs).spawn();
            sandbox.report();
            let start = Instant::now();
            signal(init.pid(&running), Signal::TERM);
            assert_eq!(running.wait().status.code(), Some(status), "{init:?}");
            assert!(start.elapsed() < at_most(Duration::from_secs(5)), "{init:?}: {:?}", start.elapsed());
        }
    }
}

/// Nothing that comes ends init while COMMAND lives, nor stops it.
#[test]
fn forwards_every_signal() {
    for &init in Init::both() {
        let sandbox = Sandbox::new();
        let running = init.bgexec(&sandbox, &[]).recording().spawn();
        sandbox.report();
        let pid = init.pid(&running);
        let others = [Signal::KILL, Signal::STOP, Signal::CHILD].map(Signal::as_raw);
        let mut record = String::new();
        for signal in (1..=64).filter(|signal| !others.contains(signal)) {
            send(pid, signal).expect("it runs");
            record.push_str(&format!("{signal}\n"));
            sandbox.assert_recorded(&record);
        }
        await_state(pid, "S");
        signal(command(pid), Signal::KILL);
        assert_eq!(running.wait().status.code(), Some(128 + 9), "{init:?}");
    }
}

/// They came before COMMAND was there, when the kernel would have dropped them for pid 1 had they not been blocked.
#[test]
fn does_not_lose_signals_that_come_early() {
    for &init in Init::both() {
        for pending in [Signal::TERM, Signal::INT, Signal::USR1] {
            let sandbox = Sandbox::new();
            let output = init.bgexec(&sandbox, &[]).pending(pending.as_raw()).probe(["stay"]).run();
            assert_eq!(output.status.code(), Some(128 + pending.as_raw()), "{init:?}");
        }
    }
}

#[test]
fn knows_the_status_whatever_becomes_of_sigchld() {
    let child = Signal::CHILD.as_raw();
    for &init in Init::both() {
        let sandbox = Sandbox::new();
        let launch = || init.bgexec(&sandbox, &[]).words([probe()]).words(["orphans", "5", "exit", "7"]);
        assert_eq!(launch().ignoring([child]).run().status.code(), Some(7), "{init:?}");
        assert_eq!(launch().blocking([child]).run().status.code(), Some(7), "{init:?}");
    }
}

#[test]
fn does_not_end_when_the_command_is_stopped() {
    for &init in Init::both() {
        let sandbox = Sandbox::new();
        let running = init.bgexec(&sandbox, &[]).probe(["stay"]).spawn();
        sandbox.report();
        let pid = init.pid(&running);
        let command = command(pid);
        for stop in [Signal::TSTP, Signal::TTIN, Signal::TTOU] {
            signal(pid, stop);
            await_state(command, "T");
            assert!(is_alive(pid));
            signal(pid, Signal::CONT);
            await_state(command, "SR");
            await_state(pid, "S");
        }
        signal(command, Signal::STOP);
        await_state(command, "T");
        await_state(pid, "S");
        signal(pid, Signal::CONT);
        await_state(command, "SR");
        signal(pid, Signal::TERM);
        assert_eq!(running.wait().status.code(), Some(128 + 15), "{init:?}");
    }
}

#[test]
fn gives_the_terminal_to_the_command() {
    for &init in Init::both() {
        let (sandbox, terminal) = (Sandbox::new(), Terminal::new());
        let launch = init.bgexec(&sandbox, &[]).stdin(terminal.open()).leading_session();
        let running = launch.before_exec(kernel::take_terminal).recording().spawn();
        assert_eq!(sandbox.report().tty, 0, "{init:?}: COMMAND has the terminal");
        let pid = init.pid(&running);
        terminal.press(b"\x03");
        sandbox.assert_recorded("2\n");
        terminal.press(b"\x1a");
        sandbox.assert_recorded("2\n20\n");
        signal(pid, Signal::USR1);
        sandbox.assert_recorded("2\n20\n10\n");
        await_state(pid, "S");
        signal(command(pid), Signal::KILL);
        assert_eq!(running.wait().status.code(), Some(128 + 9), "{init:?}");
    }
}

/// Runs a script in the foreground of a terminal where a line is typed; gives what it says.
#[track_caller]
fn run_in_terminal(script: &str) -> String {
    let (sandbox, terminal) = (Sandbox::new(), Terminal::new());
    terminal.press(b"typed\n");
    let launch = sandbox.launch(Path::new("/bin/sh")).stdin(terminal.open()).leading_session();
    launch.before_exec(kernel::take_terminal).words(["-c", script, "sh"]).words(bgexec_command()).run().stdout
}

#[test]
fn takes_the_terminal_back() {
    for command in ["true", "nosuch", "--alive-after 5000 true", "-c nosuch true", "-w -r -C 0 true"] {
        let said = run_in_terminal(&format!("\"$@\" --init {command} 2>/dev/null; read line; echo $line"));
        assert_eq!(said, "typed\n", "{command}");
    }
}

/// Another process group may have it.
#[test]
fn leaves_the_terminal_to_whom_it_has_the_foreground_for() {
    let script = "set -m; \"$@\" --init --print-pid sleep 60 > pid & until test -s pid; do :; done; read line; echo $line; kill $!";
    assert_eq!(run_in_terminal(script), "typed\n");
}

/// A group of an outer pid namespace has no number to be given the terminal back by, and none that tells it from others there.
#[test]
fn leaves_the_terminal_to_a_group_that_it_cannot_name() {
    if !is_root() {
        return;
    }
    let script = "unshare --pid --fork \"$@\" true; read line; echo $line";
    assert_eq!(run_in_terminal(script), "typed\n", "in the foreground");
    let script = "set -m; unshare --pid --fork --kill-child \"$@\" --print-pid sleep 60 > pid &
        until test -s pid; do :; done; read line; echo $line; kill -KILL $!";
    assert_eq!(run_in_terminal(script), "typed\n", "in the background");
    // In the foreground COMMAND hears of what is typed, once.
    let (sandbox, terminal) = (Sandbox::new(), Terminal::new());
    let launch = sandbox.bgexec(&[]).stdin(terminal.open()).leading_session().before_exec(kernel::take_terminal);
    let running = launch.before_exec(|| kernel::ignore(2)).being_pid_1().recording().spawn();
    sandbox.report();
    let pid = Init::Pid1.pid(&running);
    await_state(pid, "S");
    terminal.press(b"\x03");
    sandbox.assert_recorded("2\n");
    signal(pid, Signal::USR1);
    sandbox.assert_recorded("2\n10\n");
    signal(command(pid), Signal::KILL);
    assert_eq!(running.wait().status.code(), Some(128 + 9));
}

#[test]
fn ends_the_command_that_is_not_ready() {
    for &init in Init::both() {
        let sandbox = Sandbox::new();
        let options = ["-p", "x.pid", "--notify", "fd:7", "--notify-timeout", "0.2"];
        let output = init.bgexec(&sandbox, &options).probe(["stay"]).run();
        output.assert_unable(124, &format!("wait for {}: not ready after 0.2 s", probe().display()));
        assert!(!sandbox.exists("x.pid"));
        assert!(sandbox.is_deserted());
    }
}

/// A container's log shows the pid, then all is as without.
#[test]
fn stays_after_the_pid_is_printed_and_the_command_ready() {
    for &init in Init::both() {
        let sandbox = Sandbox::new();
        let options = ["--print-pid", "--notify", "fd:7"];
        let noted = sandbox.path("noted");
        let verbs = ["put", "7", "\n", "await", "10", "note", noted.to_str().expect("UTF-8")];
        let launch = init.bgexec(&sandbox, &options).blocking_probe(verbs).words(["await", "15", "exit", "7"]);
        let running = launch.spawn();
        let report = sandbox.report();
        // It is forwarded as soon as the wait for readiness, which the other signal would interrupt, is over.
        signal(init.pid(&running), Signal::USR1);
        sandbox.eventually_read("noted");
        signal(init.pid(&running), Signal::TERM);
        let output = running.wait();
        assert_eq!((output.status.code(), output.stdout), (Some(7), format!("{}\n", report.pid)), "{init:?}");
    }
}

/// In a container that the OCI runtime runc makes, whose root directory holds bgexec, the probe, and nothing but the
/// libraries that the probe is linked with.
mod container {
    use super::*;

    struct Container {
        sandbox: Sandbox,
        runc: PathBuf,
    }

    impl Container {
        /// None where the runtime is missing, or where it may not work.
        fn new(words: &[&str]) -> Option<Self> {
            if !geteuid().is_root() {
                skip("only root makes containers");
                return None;
            }
            let places = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin"];
            let Some(runc) = places.iter().map(|place| Path::new(place).join("runc")).find(|runc| runc.exists()) else {
                skip("runc is not installed");
                return None;
            };
            let container = Self { sandbox: Sandbox::new(), runc };
            let root = container.sandbox.make_directory("rootfs");
            let install = |original: &Path, name: &str| {
                let place = Path::new("rootfs").join(name.trim_start_matches('/'));
                container.sandbox.make_directory(place.parent().and_then(Path::to_str).expect("it has one"));
                container.sandbox.write_program(
                    place.to_str().expect("UTF-8"),
                    fs::read(original).unwrap_or_else(|error| panic!("{}: {error}", original.display())),
                );
            };
            install(&bgexec(), "bgexec");
            install(&probe(), "probe");
            for library in libraries() {
                install(&library, library.to_str().expect("UTF-8"));
            }
            assert!(root.join("bgexec").exists());
            assert!(container.runc(["spec"]).run().status.success());
            container.configure(words);
            Some(container)
        }

        fn runc<W: AsRef<OsStr>>(&self, words: impl IntoIterator<Item = W>) -> Launch {
            let state = self.sandbox.path("state");
            self.sandbox.launch(&self.runc).words([OsStr::new("--root"), state.as_os_str()]).words(words)
        }

        /// What runc itself proposes, but for the words, the terminal, and a root directory that the probe may write to.
        fn configure(&self, words: &[&str]) {
            let words: Vec<_> = words.iter().map(|word| format!("{word:?}")).collect();
            let words = words.join(", ");
            let proposal = match self.sandbox.exists("proposal.json") {
                true => self.sandbox.read("proposal.json"),
                false => self.sandbox.read("config.json"),
            };
            self.sandbox.write("proposal.json", &proposal);
            let changes =
                [("\"terminal\": true", "\"terminal\": false"), ("\"readonly\": true", "\"readonly\": false")];
            let mut configuration = proposal.replace("\"sh\"", &words);
            for (proposed, changed) in changes {
                assert!(configuration.contains(proposed), "{proposed} is not in what runc proposes");
                configuration = configuration.replace(proposed, changed);
            }
            self.sandbox.write("config.json", configuration);
        }

        fn name(&self) -> &str {
            self.sandbox.directory().file_name().and_then(OsStr::to_str).expect("UTF-8")
        }

        fn launch(&self) -> Launch {
            self.runc(["run", "--pid-file", "init.pid", self.name()]).stdin(Stdio::null())
        }

        fn report_exists(&self) -> bool {
            self.sandbox.exists("rootfs/report")
        }

        /// The pid here of its pid 1, after the probe has reported.
        fn init(&self) -> i32 {
            eventually("the report", || self.report_exists().then_some(()));
            eventually("a pid", || fs::read_to_string(self.sandbox.path("init.pid")).ok()?.parse().ok())
        }
    }

    impl Drop for Container {
        fn drop(&mut self) {
            if self.runc(["state", self.name()]).run().status.success() {
                self.runc(["delete", "--force", self.name()]).run();
            }
        }
    }

    /// The files that the probe is linked with, as its own memory shows them: none if it is static.
    fn libraries() -> Vec<PathBuf> {
        let sandbox = Sandbox::new();
        let pid = sandbox.start(&[]).pid;
        let maps = fs::read_to_string(format!("/proc/{pid}/maps")).expect("it runs");
        let mut files: Vec<_> =
            maps.lines().filter_map(|line| line.split_once('/')).map(|(_, path)| format!("/{path}")).collect();
        files.sort();
        files.dedup();
        let mut files: Vec<PathBuf> = files.into_iter().map(PathBuf::from).filter(|file| *file != probe()).collect();
        // The dynamic loader has a name of its own in every program.
        let loaders = ["/lib64/ld-linux-x86-64.so.2", "/lib/ld-linux-aarch64.so.1", "/lib/ld-linux-riscv64-lp64d.so.1"];
        files.extend(loaders.iter().map(PathBuf::from).filter(|loader| loader.exists()));
        files
    }

    #[test]
    fn ends_with_the_status_of_the_command() {
        let pass_through = |first| {
            let Some(container) = Container::new(&[]) else { return };
            for status in (first..=255).step_by(4) {
                container.configure(&["/bgexec", "/probe", "exit", &status.to_string()]);
                let output = container.launch().run();
                assert_eq!((output.status.code(), &*output.stderr), (Some(status), ""));
            }
        };
        thread::scope(|scope| (0..4).for_each(|first| drop(scope.spawn(move || pass_through(first)))));
    }

    #[test]
    fn has_its_orphans_reaped() {
        let words = ["/bgexec", "/probe", "orphans", "1000", "report", "/report", "stay"];
        let Some(container) = Container::new(&words) else { return };
        let running = container.launch().spawn();
        let init = container.init();
        assert!(is_alive(command(init)));
        let start = Instant::now();
        assert!(container.runc(["kill", container.name(), "TERM"]).run().status.success());
        assert_eq!(running.wait().status.code(), Some(128 + 15));
        assert!(start.elapsed() < at_most(Duration::from_secs(5)), "{:?}", start.elapsed());
    }

    #[test]
    fn ends_soon_after_a_signal() {
        let words = ["/bgexec", "/probe", "block", "report", "/report", "await", "15", "exit", "7"];
        let Some(container) = Container::new(&words) else { return };
        let running = container.launch().spawn();
        container.init();
        let start = Instant::now();
        assert!(container.runc(["kill", container.name(), "TERM"]).run().status.success());
        let output = running.wait();
        assert_eq!((output.status.code(), &*output.stderr), (Some(7), ""));
        assert!(start.elapsed() < at_most(Duration::from_secs(5)), "{:?}", start.elapsed());
    }

    #[test]
    fn does_not_end_when_the_command_is_stopped() {
        let Some(container) = Container::new(&["/bgexec", "/probe", "report", "/report", "stay"]) else { return };
        let running = container.launch().spawn();
        let init = container.init();
        let command = command(init);
        signal(init, Signal::TSTP);
        await_state(command, "T");
        await_state(init, "S");
        signal(init, Signal::CONT);
        await_state(command, "SR");
        signal(init, Signal::TERM);
        assert_eq!(running.wait().status.code(), Some(128 + 15));
    }

    #[test]
    fn may_have_the_command_in_place() {
        let Some(container) = Container::new(&["/bgexec", "-F", "/probe", "report", "/report", "exit", "7"]) else {
            return;
        };
        let output = container.launch().run();
        assert_eq!((output.status.code(), &*output.stderr), (Some(7), ""));
        assert!(container.sandbox.read("rootfs/report").contains("\npid 1\n"));
    }

    #[test]
    fn is_told_of_a_failure() {
        let Some(container) = Container::new(&["/bgexec", "/nonexistent"]) else { return };
        container.launch().run().assert_unable(127, "execute /nonexistent: No such file or directory");
    }
}
