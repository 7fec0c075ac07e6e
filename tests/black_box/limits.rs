//! Priorities, limits, the root directory, privileges, terminals: each option through the eyes of the command.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use rustix::process::{Resource, Rlimit, setrlimit};

use crate::harness::process::{Stat, is_alive, lock};
use crate::harness::{
    Launch, Output, ROLES, Report, Sandbox, Terminal, eventually, is_root, kernel, probe, skip, tiny_command,
};

/// A user without any privilege.
const USER: u32 = 4711;

/// A launch by a user without privileges, and of a probe that stays.
fn run_by_user(sandbox: &Sandbox, options: &[&str]) -> Output {
    unprivileged(sandbox, options).by_user(USER).words([sandbox.copy_program(&probe())]).words(["stay"]).run()
}

fn unprivileged(sandbox: &Sandbox, options: &[&str]) -> Launch {
    sandbox.make_open_directory("open");
    sandbox.command(&sandbox.bgexec_for_all()).words(options)
}

#[track_caller]
fn assert_misuse(words: &[&str], reason: &str) {
    let sandbox = Sandbox::new();
    let output = sandbox.bgexec(&["-p", "x.pid"]).words(words).probe(["stay"]).run();
    output.assert_unable(125, &format!("use {}: {reason}", words.join(" ")));
    assert!(!sandbox.exists("x.pid") && sandbox.is_deserted());
}

/// Refused by the kernel to a user without privileges.
#[track_caller]
fn assert_not_permitted(words: &[&str], message: &str) {
    let sandbox = Sandbox::new();
    sandbox.make_open_directory("open");
    let options = [&["-p", "open/x.pid"], words].concat();
    run_by_user(&sandbox, &options).assert_unable(125, message);
    assert!(!sandbox.exists("open/x.pid") && sandbox.is_deserted());
}

mod niceness {
    use super::*;

    #[test]
    fn is_the_one_asked_for() {
        let before = Sandbox::new().start(&[]).nice;
        for nice in [before, 1, 10, 19].into_iter().filter(|&nice| nice >= before) {
            assert_eq!(Sandbox::new().start(&["-N", &nice.to_string()]).nice, nice);
            assert_eq!(Sandbox::new().start(&[&format!("--nicelevel={nice}")]).nice, nice);
        }
    }

    #[test]
    fn may_be_negative_for_root() {
        if is_root() {
            for nice in [-20, -1] {
                assert_eq!(Sandbox::new().start(&["-N", &nice.to_string()]).nice, nice);
                assert_eq!(Sandbox::new().start(&[&format!("-N{nice}"), "-u", "0:0"]).nice, nice);
            }
        }
    }

    #[test]
    fn out_of_range_is_refused() {
        for value in ["20", "-21", "100", "", "x", "5x", " 5", "1.5", "--5", "-", "4294967296", "18446744073709551621"]
        {
            assert_misuse(&["-N", value], "out of range");
        }
    }

    #[test]
    fn that_is_not_permitted_is_a_failure() {
        if is_root() {
            assert_not_permitted(&["-N", "-5"], "set niceness -5: Permission denied");
        }
    }
}

mod io_class {
    use super::*;

    const CLASSES: [&str; 3] = ["realtime", "best-effort", "idle"];

    /// As ioprio_get(2) gives it: the class from bit 13 on, and the priority.
    fn is(class: usize, priority: i32) -> i32 {
        ((class as i32 + 1) << 13) | priority
    }

    #[test]
    fn is_the_one_asked_for() {
        // Only root may ask for the first.
        for (class, name) in CLASSES.iter().enumerate().skip(usize::from(!is_root())) {
            for priority in 0..8 {
                let daemon = Sandbox::new().start(&["-I", &format!("{name}:{priority}")]);
                assert_eq!(daemon.ioprio, is(class, priority), "{name}:{priority}");
            }
        }
    }

    #[test]
    fn has_a_usual_priority() {
        for (class, name) in CLASSES.iter().enumerate().skip(usize::from(!is_root())) {
            let priority = if *name == "idle" { 0 } else { 4 };
            assert_eq!(Sandbox::new().start(&["-I", name]).ioprio, is(class, priority), "{name}");
            let long = format!("--iosched={name}");
            assert_eq!(Sandbox::new().start(&[&long]).ioprio, is(class, priority), "{name}");
        }
    }

    #[test]
    fn that_is_none_is_refused() {
        for value in [
            "",
            "best",
            "Idle",
            "idle ",
            "none",
            "0",
            "2",
            ":4",
            "best-effort:",
            "best-effort:8",
            "best-effort:-1",
            "best-effort:4x",
            "best-effort:4:4",
            "best-effort4",
            "best-effort,4",
            "idlest",
        ] {
            assert_misuse(&["-I", value], "not a class");
        }
    }

    #[test]
    fn that_is_not_permitted_is_a_failure() {
        if is_root() {
            assert_not_permitted(&["-I", "realtime:0"], "set I/O class realtime:0: Operation not permitted");
        }
    }
}

mod oom_score_adjustment {
    use super::*;

    #[test]
    fn is_the_one_asked_for() {
        for adjustment in ["1000", "999", "777"] {
            let daemon = Sandbox::new().start(&["--oom-score-adj", adjustment]);
            assert_eq!(daemon.oom_score_adj.to_string(), adjustment);
        }
    }

    /// The kernel would read a number that begins with 0 as octal.
    #[test]
    fn is_decimal() {
        for (word, adjustment) in [("0999", 999), ("0777", 777), ("00900", 900)] {
            assert_eq!(Sandbox::new().start(&["--oom-score-adj", word]).oom_score_adj, adjustment);
        }
    }

    #[test]
    fn may_be_negative_with_the_privilege() {
        const CAP_SYS_RESOURCE: u64 = 24;
        let status = fs::read_to_string("/proc/self/status").expect("the tests need /proc");
        let line = status.lines().find_map(|line| line.strip_prefix("CapEff:\t")).expect("a set of capabilities");
        if u64::from_str_radix(line, 16).expect("hexadecimal") >> CAP_SYS_RESOURCE & 1 == 0 {
            return skip("only with CAP_SYS_RESOURCE");
        }
        for adjustment in [-1000, -17] {
            let daemon = Sandbox::new().start(&[&format!("--oom-score-adj={adjustment}")]);
            assert_eq!(daemon.oom_score_adj, adjustment);
        }
    }

    #[test]
    fn out_of_range_is_refused() {
        for value in ["1001", "-1001", "", "x", "5x", "1.5", "-", "4294967296"] {
            assert_misuse(&["--oom-score-adj", value], "out of range");
        }
    }

    #[test]
    fn that_is_not_permitted_is_a_failure() {
        if is_root() {
            let message = "set OOM score adjustment -1000: Permission denied";
            assert_not_permitted(&["--oom-score-adj", "-1000"], message);
        }
    }

    #[test]
    fn without_proc_is_a_failure() {
        if is_root() {
            let sandbox = Sandbox::new();
            let launch = sandbox.bgexec(&["-p", "x.pid", "--oom-score-adj", "500"]).hiding(c"/proc");
            launch.probe(["stay"]).run().assert_unable(125, "set OOM score adjustment 500: No such file or directory");
            assert!(!sandbox.exists("x.pid"));
        }
    }

    #[test]
    fn is_set_before_the_privileges_are_given_up() {
        if is_root() {
            let sandbox = Sandbox::new();
            sandbox.make_open_directory("open");
            let launch = sandbox.bgexec(&["-N", "-3", "-I", "realtime", "--oom-score-adj", "500", "-u", "4711:4711"]);
            let launch = launch.words([sandbox.copy_program(&probe())]).reporting("open/report", ["stay"]);
            launch.run().assert_started();
            let report = Report::parse(&sandbox.eventually_read("open/report"));
            assert_eq!((report.nice, report.ioprio, report.oom_score_adj), (-3, 1 << 13 | 4, 500));
        }
    }
}

mod resource_limit {
    use super::*;
    use crate::names::LIMITS;

    /// Limits below those that the caller has, under which the probe can do its work.
    fn lower(before: &Report) -> Vec<(u64, u64)> {
        let hard = |resource: usize, (_, hard): (u64, u64)| match LIMITS[resource] {
            "NOFILE" => hard.min(100),
            _ => hard.min(1 << 33),
        };
        let limits = before.limits.iter().map(|(&resource, &limit)| hard(resource as usize, limit));
        limits.map(|hard| (hard.saturating_sub(1), hard)).collect()
    }

    #[test]
    fn of_each_resource_has_a_soft_and_a_hard_value() {
        let before = Sandbox::new().start(&[]);
        assert_eq!(before.limits.len(), LIMITS.len());
        let mut options = vec![];
        for (resource, (soft, hard)) in lower(&before).into_iter().enumerate() {
            let option = format!("--rlimit={}={soft}:{hard}", LIMITS[resource]);
            let mut expected = before.limits.clone();
            expected.insert(resource as u32, (soft, hard));
            assert_eq!(Sandbox::new().start(&[&option]).limits, expected, "{option}");
            options.push(option);
        }
        let options: Vec<&str> = options.iter().map(String::as_str).collect();
        let all: Vec<_> = Sandbox::new().start(&options).limits.into_values().collect();
        assert_eq!(all, lower(&before));
    }

    #[test]
    fn of_each_resource_may_be_one_value() {
        let before = Sandbox::new().start(&[]);
        for (resource, (_, value)) in lower(&before).into_iter().enumerate() {
            let daemon = Sandbox::new().start(&["--rlimit", &format!("{}={value}", LIMITS[resource])]);
            assert_eq!(daemon.limits[&(resource as u32)], (value, value), "{}", LIMITS[resource]);
        }
    }

    #[test]
    fn may_be_unlimited() {
        let before = Sandbox::new().start(&[]);
        for (resource, name) in (0..).zip(LIMITS) {
            if before.limits[&resource].1 == u64::MAX {
                let both = Sandbox::new().start(&["--rlimit", &format!("{name}=unlimited")]);
                assert_eq!(both.limits[&resource], (u64::MAX, u64::MAX), "{name}");
                let hard = Sandbox::new().start(&["--rlimit", &format!("{name}=8388608000:unlimited")]);
                assert_eq!(hard.limits[&resource], (8_388_608_000, u64::MAX), "{name}");
            }
        }
    }

    #[test]
    fn given_twice_is_the_last() {
        let daemon = Sandbox::new().start(&["--rlimit=CORE=9", "--rlimit", "NOFILE=90", "--rlimit=CORE=7:8"]);
        assert_eq!((daemon.limits[&4], daemon.limits[&7]), ((7, 8), (90, 90)));
    }

    #[test]
    fn that_is_none_is_refused() {
        for value in [
            "",
            "CORE",
            "CORE=",
            "=5",
            "CORE=x",
            "CORE=5x",
            "CORE=-1",
            "CORE=5:",
            "CORE=:5",
            "CORE=5:4",
            "CORE=5:6:7",
            "CORE=unlimited:5",
            "CORE=unlimite",
            "CORE=unlimitedx",
            "CORE 5",
            "COREX=5",
            "COR=5",
            "BOGUS=5",
            "CORE=5,6",
            "CORE=99999999999999999999999",
        ] {
            assert_misuse(&["--rlimit", value], "not a limit");
        }
        assert_misuse(&["--rlimit=NONE=1"], "not a limit");
    }

    #[test]
    fn that_is_not_permitted_is_a_failure() {
        if is_root() {
            let sandbox = Sandbox::new();
            // What is said is which one, not which came last.
            let options = ["-p", "open/x.pid", "--rlimit", "CORE=6", "--rlimit", "NOFILE=90"];
            let launch = unprivileged(&sandbox, &options);
            let five = Rlimit { current: Some(5), maximum: Some(5) };
            let launch = launch.before_exec(move || Ok(setrlimit(Resource::Core, five)?)).by_user(USER);
            let output = launch.words([sandbox.copy_program(&probe())]).words(["stay"]).run();
            output.assert_unable(125, "set limits: not permitted for RLIMIT_CORE");
            assert!(!sandbox.exists("open/x.pid") && sandbox.is_deserted());
        }
    }

    #[test]
    fn of_open_files_may_lie_below_the_lock() {
        for limit in [8, 32, 62] {
            let sandbox = Sandbox::new();
            let daemon = sandbox.start(&["-p", "x.pid", "-l", "x.lock", "--rlimit", &format!("NOFILE={limit}")]);
            assert_eq!(daemon.limits[&7], (limit, limit));
            assert_eq!(sandbox.pid("x.pid"), daemon.pid);
            for name in ["x.pid", "x.lock"] {
                assert_eq!(lock(&sandbox.path(name)).map(|(_, pid)| pid), Some(daemon.pid), "NOFILE={limit}");
            }
        }
    }

    /// A program that opens nothing can do without.
    #[test]
    fn of_open_files_may_be_zero() {
        for mode in [&[][..], &["-F"]] {
            let sandbox = Sandbox::new();
            let launch = sandbox.bgexec(mode).words(["-p", "x.pid", "-O", "log", "--rlimit", "NOFILE=0"]);
            launch.words([tiny_command()]).words(["--version"]).run().assert_started();
            eventually("the version", || sandbox.read("log").starts_with("bgexec ").then_some(()));
        }
    }

    /// It is set after the pidfile was written: nothing of bgexec's is killed by it.
    #[test]
    fn of_file_size_may_be_zero() {
        let sandbox = Sandbox::new();
        let options = ["-p", "x.pid", "-l", "x.lock", "-O", "log", "--truncate", "--rlimit", "FSIZE=0"];
        sandbox.bgexec(&options).words([probe()]).words(["stay"]).run().assert_started();
        let pid = sandbox.pid("x.pid");
        assert!(is_alive(pid));
        let limits = fs::read_to_string(format!("/proc/{pid}/limits")).expect("it runs");
        let line = limits.lines().find(|line| line.starts_with("Max file size")).expect("a line for each limit");
        assert_eq!(line.split_whitespace().skip(3).take(2).collect::<Vec<_>>(), ["0", "0"]);
        let output = sandbox.bgexec(&options).words([probe()]).words(["stay"]).run();
        output.assert_unable(1, &format!("lock x.lock: already running as pid {pid}"));
        let output = Sandbox::new().bgexec(&options).words(["/nonexistent/command"]).run();
        output.assert_unable(127, "execute /nonexistent/command: No such file or directory");
    }

    #[test]
    fn of_processes_stops_the_command_of_another_user() {
        if is_root() {
            let sandbox = Sandbox::new();
            let program = sandbox.copy_program(&probe());
            let launch = |options: &[&str]| sandbox.bgexec(options).words([&program]).words(["stay"]);
            launch(&["-u", "4799:4799"]).run().assert_started();
            let output = launch(&["-u", "4799:4799", "--rlimit", "NPROC=0", "-p", "x.pid"]).run();
            let message = format!("execute {}: Resource temporarily unavailable", program.display());
            output.assert_unable(126, &message);
            assert!(!sandbox.exists("x.pid"));
        }
    }

    /// The launcher may write all the same, into a file too.
    #[test]
    fn is_the_commands_alone() {
        let sandbox = Sandbox::new();
        let output = sandbox.bgexec(&["--print-pid", "--rlimit", "FSIZE=0"]).words([probe()]).words(["stay"]).run();
        assert_eq!((output.status.code(), &*output.stderr), (Some(0), ""));
        assert!(is_alive(output.stdout.trim_end().parse().expect("a pid")));
    }
}

mod no_new_privileges {
    use super::*;

    #[test]
    fn are_gained_only_if_that_is_asked_for() {
        assert!(!Sandbox::new().start(&[]).no_new_privs);
        assert!(Sandbox::new().start(&["--no-new-privs"]).no_new_privs);
    }

    #[test]
    fn are_gained_after_a_change_of_user() {
        if is_root() {
            let sandbox = Sandbox::new();
            sandbox.make_open_directory("open");
            let launch = sandbox.bgexec(&["--no-new-privs", "-u", "4711:4711"]);
            launch.words([sandbox.copy_program(&probe())]).reporting("open/report", ["stay"]).run().assert_started();
            let report = Report::parse(&sandbox.eventually_read("open/report"));
            assert_eq!((report.no_new_privs, report.uid), (true, [4711; 3]));
        }
    }
}

mod root_directory {
    use super::*;

    /// A directory that holds what the probe needs to run, as `/bin/probe`.
    fn make(sandbox: &Sandbox) {
        let root = sandbox.make_directory("root");
        for directory in ["bin", "lib", "sub"] {
            sandbox.make_directory(&format!("root/{directory}"));
        }
        fs::set_permissions(root.join("sub"), Permissions::from_mode(0o777)).expect("it is ours");
        let program = fs::read(probe()).expect("it can be read");
        sandbox.write_program("root/bin/probe", &program);
        // The tests are linked with the same libraries.
        let maps = fs::read_to_string("/proc/self/maps").expect("the tests need /proc");
        let libraries = maps.lines().filter_map(|line| line.find('/').map(|start| &line[start..]));
        for library in libraries.filter(|library| library.contains(".so")) {
            let name = Path::new(library).file_name().and_then(|name| name.to_str()).expect("a name");
            let to = format!("root/lib/{name}");
            if !sandbox.exists(&to) {
                sandbox.write_program(&to, fs::read(library).expect("it is loaded"));
            }
        }
        if let Some(interpreter) = interpreter(&program) {
            let directory = Path::new(&interpreter).parent().and_then(Path::to_str).expect("an absolute path");
            sandbox.make_directory(&format!("root{directory}"));
            sandbox
                .write_program(&format!("root{interpreter}"), fs::read(&interpreter).expect("the tests run with it"));
        }
    }

    /// The path of the dynamic loader.
    fn interpreter(program: &[u8]) -> Option<String> {
        let start = program.windows(4).position(|bytes| bytes == b"/lib")?;
        let path = program[start..].split(|&byte| byte == 0).next()?;
        String::from_utf8(path.to_vec()).ok().filter(|path| Path::new(path).exists())
    }

    /// The probe in its root, which writes its report there.
    fn launch(sandbox: &Sandbox, options: &[&str]) -> Launch {
        make(sandbox);
        sandbox.bgexec(&["-E", "LD_LIBRARY_PATH=/lib", "--chroot", "root"]).words(options)
    }

    #[track_caller]
    fn run(sandbox: &Sandbox, launch: Launch) -> Report {
        launch.words(["report", "/sub/report", "stay"]).run().assert_started();
        Report::parse(&sandbox.eventually_read("root/sub/report"))
    }

    #[test]
    fn is_where_the_command_is() {
        if is_root() {
            let sandbox = Sandbox::new();
            let report = run(&sandbox, launch(&sandbox, &["-p", "x.pid", "-o", "log", "/bin/probe"]));
            assert_eq!((report.cwd.to_str(), sandbox.pid("x.pid")), (Some("/"), report.pid));
            assert!(sandbox.exists("log") && report.descriptors[&0].is_null_device());
        }
    }

    #[test]
    fn is_where_a_relative_directory_and_a_relative_command_are_meant() {
        if is_root() {
            for (directory, command) in
                [("/sub", "/bin/probe"), ("sub", "../bin/probe"), ("./sub", "/bin/probe"), ("bin", "./probe")]
            {
                let sandbox = Sandbox::new();
                // What is meant outside is something else.
                sandbox.make_directory("sub");
                let report = run(&sandbox, launch(&sandbox, &["-c", directory, command]));
                assert_eq!(report.cwd, Path::new("/").join(directory.trim_start_matches("./")), "-c {directory}");
            }
            let sandbox = Sandbox::new();
            run(&sandbox, launch(&sandbox, &["bin/probe"]));
        }
    }

    #[test]
    fn is_where_a_command_is_searched() {
        if is_root() {
            for path in ["PATH=/nonexistent:/bin", "PATH=bin", "PATH=/bin"] {
                let sandbox = Sandbox::new();
                run(&sandbox, launch(&sandbox, &["-E", path, "probe"]));
            }
            let sandbox = Sandbox::new();
            run(&sandbox, launch(&sandbox, &["--unset", "PATH", "probe"]));
        }
    }

    #[test]
    fn is_where_a_missing_command_is_missing() {
        if is_root() {
            for command in ["/bin/true", "/bin/sh", "true", "./probe"] {
                let sandbox = Sandbox::new();
                let output = launch(&sandbox, &["-p", "x.pid", command]).run();
                output.assert_unable(127, &format!("execute {command}: No such file or directory"));
                assert!(!sandbox.exists("x.pid"));
            }
        }
    }

    /// The file is there, its interpreter is not.
    #[test]
    fn is_where_an_interpreter_is_missing() {
        if is_root() {
            let sandbox = Sandbox::new();
            let launch = launch(&sandbox, &["/bin/script"]);
            sandbox.write_program("root/bin/script", "#!/bin/sh\n");
            launch.run().assert_unable(127, "execute /bin/script: its interpreter was not found");
        }
    }

    #[test]
    fn is_the_working_directory_in_the_foreground_too() {
        if is_root() {
            let sandbox = Sandbox::new();
            let running =
                launch(&sandbox, &["-F", "-p", "x.pid", "bin/probe", "report", "/sub/report", "stay"]).spawn();
            let report = Report::parse(&sandbox.eventually_read("root/sub/report"));
            assert_eq!((report.cwd.to_str(), report.pid), (Some("/"), running.pid()));
            running.end();
        }
    }

    #[test]
    fn holds_no_users() {
        if is_root() {
            let sandbox = Sandbox::new();
            let (passwd, group) =
                (sandbox.write("passwd", "app:x:4711:4712:::\n"), sandbox.write("group", "g:x:5:app\n"));
            let launch = launch(&sandbox, &["-u", "app", "/bin/probe"]).accounts(&passwd, &group);
            let report = run(&sandbox, launch);
            assert_eq!((report.uid, report.gid), ([4711; 3], [4712; 3]));
        }
    }

    #[test]
    fn holds_no_proc() {
        if is_root() {
            let sandbox = Sandbox::new();
            let launch = launch(&sandbox, &["--oom-score-adj", "555", "--print-pid", "/bin/probe", "stay"]);
            let output = launch.run();
            assert_eq!((output.status.code(), &*output.stderr), (Some(0), ""));
            let pid = output.stdout.trim_end();
            assert_eq!(fs::read_to_string(format!("/proc/{pid}/oom_score_adj")).ok().as_deref(), Some("555\n"));
            assert_eq!(fs::read_link(format!("/proc/{pid}/root")).ok(), Some(sandbox.path("root")));
        }
    }

    #[test]
    fn that_is_none_is_a_failure() {
        if is_root() {
            let sandbox = Sandbox::new();
            sandbox.write("file", "");
            for (directory, reason) in
                [("nodir", "No such file or directory"), ("file", "Not a directory"), ("", "No such file or directory")]
            {
                let output = sandbox.bgexec(&["-p", "x.pid", "--chroot", directory]).probe(["stay"]).run();
                output.assert_unable(125, &format!("change root to {directory}: {reason}"));
                assert!(!sandbox.exists("x.pid"));
            }
            let output = launch(&sandbox, &["-p", "x.pid", "-c", "/usr", "/bin/probe"]).run();
            output.assert_unable(125, "change directory to /usr: No such file or directory");
            assert!(!sandbox.exists("x.pid"));
        }
    }

    #[test]
    fn that_is_not_permitted_is_a_failure() {
        if is_root() {
            assert_not_permitted(&["--chroot", "/"], "change root to /: Operation not permitted");
        }
    }

    /// Its directory is kept open.
    #[test]
    fn hides_no_pidfile_that_has_to_be_removed() {
        if is_root() {
            for mode in [&[][..], &["-F"]] {
                let sandbox = Sandbox::new();
                let output = launch(&sandbox, mode).words(["-p", "x.pid", "/nonexistent/command"]).run();
                output.assert_unable(127, "execute /nonexistent/command: No such file or directory");
                assert!(!sandbox.exists("x.pid") || sandbox.read("x.pid").is_empty(), "{mode:?}");
            }
        }
    }
}

mod terminal {
    use super::*;

    #[test]
    fn is_out_of_reach_unless_the_command_leads_its_session() {
        for role in ROLES {
            let sandbox = Sandbox::new();
            sandbox.bgexec(&["-p", "x.pid", "--session-leader"]).in_role(role).probe(["stay"]).run().assert_started();
            let report = sandbox.report();
            assert_eq!(
                (report.sid, report.pgid, sandbox.pid("x.pid")),
                (report.pid, report.pid, report.pid),
                "{role:?}"
            );
            assert!(report.tty < 0);
            let sandbox = Sandbox::new();
            sandbox.bgexec(&[]).in_role(role).probe(["stay"]).run().assert_started();
            assert_ne!(sandbox.report().sid, sandbox.report().pid);
        }
    }

    #[test]
    fn on_standard_input_becomes_the_controlling_one() {
        for role in ROLES {
            let (sandbox, terminal) = (Sandbox::new(), Terminal::new());
            let options = ["--ctty", "-i", &terminal.name, "-o", &terminal.name, "-e", &terminal.name];
            sandbox.bgexec(&options).in_role(role).probe(["stay"]).run().assert_started();
            let report = sandbox.report();
            assert_eq!((report.tty, report.sid, report.pgid), (0, report.pid, report.pid), "{role:?}");
            assert_ne!(Stat::of(report.pid).expect("it runs").tty, 0);
        }
    }

    #[test]
    fn may_be_the_launchers_own() {
        let (sandbox, terminal) = (Sandbox::new(), Terminal::new());
        sandbox.bgexec(&["--ctty", "-i", "-"]).stdin(terminal.open()).probe(["stay"]).run().assert_started();
        let report = sandbox.report();
        assert_eq!((report.tty, report.sid), (0, report.pid));
        assert_eq!(report.descriptors[&0].target.to_str(), Some(&*terminal.name));
    }

    #[test]
    fn is_not_taken_without_being_asked_for() {
        let (sandbox, terminal) = (Sandbox::new(), Terminal::new());
        let daemon = sandbox.start(&["--session-leader", "-i", &terminal.name, "-o", &terminal.name]);
        assert_eq!(Stat::of(daemon.pid).expect("it runs").tty, 0);
    }

    #[test]
    fn that_is_none_is_a_failure() {
        const ENOTTY: &str = "Inappropriate ioctl for device";
        let sandbox = Sandbox::new();
        let output = sandbox.bgexec(&["-p", "x.pid", "--ctty"]).probe(["stay"]).run();
        output.assert_unable_to(125, "take terminal");
        assert!(output.stderr.ends_with(&format!(": {ENOTTY}\n")), "{}", output.stderr);
        assert!(!sandbox.exists("x.pid") && sandbox.is_deserted());
    }

    #[test]
    fn of_another_session_is_not_for_a_user_without_privileges() {
        if is_root() {
            let (sandbox, terminal) = (Sandbox::new(), Terminal::new());
            let other = sandbox.launch(&probe()).stdin(terminal.open()).leading_session();
            let other = other.before_exec(kernel::take_terminal).reporting("other", ["stay"]).spawn();
            sandbox.eventually_read("other");
            let launch = unprivileged(&sandbox, &["-p", "open/x.pid", "--ctty", "-i", "-"]).stdin(terminal.open());
            let output = launch.by_user(USER).words([sandbox.copy_program(&probe())]).words(["stay"]).run();
            output.assert_unable_to(125, "take terminal");
            assert!(output.stderr.ends_with(": Operation not permitted\n"), "{}", output.stderr);
            assert!(!sandbox.exists("open/x.pid") && is_alive(other.pid()));
            other.end();
        }
    }

    #[test]
    fn is_not_for_the_foreground() {
        for option in ["--ctty", "--session-leader"] {
            let output = Sandbox::new().bgexec(&["-F", option]).probe(["stay"]).run();
            output.assert_unable(125, &format!("use {option}: not with -F"));
        }
    }
}
