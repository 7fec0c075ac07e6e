//! Who the command runs as: `-u`, `-g`, `--groups`, from names in /etc/passwd and /etc/group or from numbers.

use std::fmt::Write;
use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::io::Errno;

use crate::harness::kernel::Refusal;
use crate::harness::process::lock;
use crate::harness::{Launch, Output, Report, Sandbox, bgexec_command, eventually, is_root, probe};

const PASSWD: &str = "\
root:x:0:0:root:/root:/bin/sh
app:x:4711:4712:The App,,,:/srv/app:/bin/app-shell
apple:x:4713:4713::/srv/apple:/bin/sh
self:x:4714:4714::/srv/self:/bin/sh
";

const GROUP: &str = "\
root:x:0:
app:x:4712:
staff:x:4720:apple,app
bare:x:4721:
fruit:x:4722:apple
last:x:4723:root,app
";

/// A sandbox with files of users and groups, and a probe that every user may execute.
struct Accounts {
    sandbox: Sandbox,
    passwd: PathBuf,
    group: PathBuf,
    probe: PathBuf,
}

impl Accounts {
    fn new(passwd: impl AsRef<[u8]>, group: impl AsRef<[u8]>) -> Self {
        let sandbox = Sandbox::new();
        let (passwd, group) = (sandbox.write("passwd", passwd), sandbox.write("group", group));
        let probe = sandbox.copy_program(&probe());
        sandbox.make_open_directory("open");
        Self { sandbox, passwd, group, probe }
    }

    fn ordinary() -> Self {
        Self::new(PASSWD, GROUP)
    }

    /// A launch of root's; what it is to execute is still to be said.
    fn bgexec(&self, options: &[&str]) -> Launch {
        self.sandbox.bgexec(options).accounts(&self.passwd, &self.group)
    }

    /// The same of another user's.
    fn bgexec_of_all(&self, options: &[&str]) -> Launch {
        self.sandbox.command(&self.sandbox.bgexec_for_all()).words(options).accounts(&self.passwd, &self.group)
    }

    fn try_run(&self, launch: Launch) -> Output {
        launch.words([&self.probe]).reporting("open/report", ["stay"]).run()
    }

    #[track_caller]
    fn run(&self, launch: Launch) -> Report {
        self.try_run(launch).assert_started();
        let mut report = Report::parse(&self.sandbox.eventually_read("open/report"));
        fs::remove_file(self.sandbox.path("open/report")).expect("it was just read");
        report.groups.sort_unstable();
        report
    }

    #[track_caller]
    fn start(&self, options: &[&str]) -> Report {
        self.run(self.bgexec(options))
    }

    /// Real, effective and saved ids are these, and so are the groups.
    #[track_caller]
    fn assert_starts_as(&self, options: &[&str], uid: u32, gid: u32, groups: &[u32]) {
        assert_is(&self.start(options), uid, gid, groups);
    }

    /// Refused before anything is touched.
    #[track_caller]
    fn assert_refused(&self, options: &[&str], message: &str) {
        let output = self.try_run(self.bgexec(&["-p", "x.pid"]).words(options));
        output.assert_unable(125, message);
        assert!(!self.sandbox.exists("x.pid") && !self.sandbox.exists("open/report"));
        assert!(self.sandbox.is_deserted());
    }
}

#[track_caller]
fn assert_is(report: &Report, uid: u32, gid: u32, groups: &[u32]) {
    assert_eq!((report.uid, report.gid, &*report.groups), ([uid; 3], [gid; 3], groups));
}

fn environment(report: &Report) -> Vec<String> {
    report.environment.iter().map(|entry| entry.to_string_lossy().into_owned()).collect()
}

/// The values of a variable, as often as it is there.
fn values(report: &Report, name: &str) -> Vec<String> {
    let entries = environment(report).into_iter();
    entries.filter_map(|entry| entry.strip_prefix(name)?.strip_prefix('=').map(String::from)).collect()
}

mod ids {
    use super::*;

    #[test]
    fn are_the_callers_unless_others_are_asked_for() {
        if is_root() {
            let accounts = Accounts::ordinary();
            let report = accounts.run(accounts.bgexec(&[]).by_member(0, &[4799]));
            assert_is(&report, 0, 0, &[4799]);
        }
    }

    #[test]
    fn are_those_of_a_named_user() {
        if is_root() {
            let accounts = Accounts::ordinary();
            for option in ["-uapp", "--user=app"] {
                accounts.assert_starts_as(&[option], 4711, 4712, &[4712, 4720, 4723]);
            }
            accounts.assert_starts_as(&["-u", "apple"], 4713, 4713, &[4713, 4720, 4722]);
            accounts.assert_starts_as(&["-u", "root"], 0, 0, &[0, 4723]);
        }
    }

    #[test]
    fn are_the_numbers_given() {
        if is_root() {
            let accounts = Accounts::ordinary();
            accounts.assert_starts_as(&["-u", "4711:4712"], 4711, 4712, &[4712]);
            accounts.assert_starts_as(&["-u", "0:0"], 0, 0, &[0]);
            accounts.assert_starts_as(&["-u", "4294967294:4294967294"], 4294967294, 4294967294, &[4294967294]);
            accounts.assert_starts_as(&["-u", "5000", "-g", "5001"], 5000, 5001, &[5001]);
        }
    }

    #[test]
    fn may_mix_names_and_numbers() {
        if is_root() {
            let accounts = Accounts::ordinary();
            accounts.assert_starts_as(&["-u", "app:bare"], 4711, 4721, &[4720, 4721, 4723]);
            accounts.assert_starts_as(&["-u", "app:5000"], 4711, 5000, &[4720, 4723, 5000]);
            accounts.assert_starts_as(&["-u", "5000:staff"], 5000, 4720, &[4720]);
            accounts.assert_starts_as(&["-u", "app", "-g", "bare"], 4711, 4721, &[4720, 4721, 4723]);
            accounts.assert_starts_as(&["-g", "bare", "-u", "app"], 4711, 4721, &[4720, 4721, 4723]);
        }
    }

    #[test]
    fn of_a_group_alone_leave_the_user_as_it_is() {
        if is_root() {
            let accounts = Accounts::ordinary();
            accounts.assert_starts_as(&["-g", "staff"], 0, 4720, &[4720]);
            accounts.assert_starts_as(&["--group=4720"], 0, 4720, &[4720]);
        }
    }

    #[test]
    fn of_supplementary_groups_are_exactly_those_given() {
        if is_root() {
            let accounts = Accounts::ordinary();
            accounts.assert_starts_as(&["-u", "app", "--groups", "bare,5000"], 4711, 4712, &[4721, 5000]);
            accounts.assert_starts_as(&["-u", "app", "--groups", "fruit"], 4711, 4712, &[4722]);
            accounts.assert_starts_as(&["-u", "app", "--groups="], 4711, 4712, &[]);
            accounts.assert_starts_as(&["-u", "5:6", "--groups", "7,staff,7,8"], 5, 6, &[7, 8, 4720]);
            accounts.assert_starts_as(&["--groups", "staff"], 0, 0, &[4720]);
        }
    }

    #[test]
    fn replace_the_groups_that_the_caller_holds() {
        if is_root() {
            let accounts = Accounts::ordinary();
            for (options, groups) in [(["-u", "5:6"], &[6][..]), (["-u", "app"], &[4712, 4720, 4723])] {
                let report = accounts.run(accounts.bgexec(&options).by_member(0, &[0, 4799]));
                assert_eq!(report.groups, groups);
            }
        }
    }

    #[test]
    fn are_those_asked_for_in_the_foreground_too() {
        if is_root() {
            let accounts = Accounts::ordinary();
            let launch = accounts.bgexec(&["-F", "-u", "app"]);
            let running = launch.words([&accounts.probe]).reporting("open/report", ["stay"]).spawn();
            let mut report = Report::parse(&accounts.sandbox.eventually_read("open/report"));
            report.groups.sort_unstable();
            assert_is(&report, 4711, 4712, &[4712, 4720, 4723]);
            assert_eq!(report.pid, running.pid());
            running.end();
        }
    }

    #[test]
    fn are_found_wherever_the_working_directory_is() {
        if is_root() {
            let accounts = Accounts::ordinary();
            accounts.assert_starts_as(&["-c", "/", "-u", "app"], 4711, 4712, &[4712, 4720, 4723]);
        }
    }
}

mod refused {
    use super::*;

    #[test]
    fn unknown_name() {
        if is_root() {
            let accounts = Accounts::ordinary();
            accounts.assert_refused(&["-u", "nobody"], "find user nobody: not found");
            accounts.assert_refused(&["-u", "ap"], "find user ap: not found");
            accounts.assert_refused(&["-u", "appl"], "find user appl: not found");
            accounts.assert_refused(&["-u", "apples"], "find user apples: not found");
            accounts.assert_refused(&["-u", "APP"], "find user APP: not found");
            accounts.assert_refused(&["-u", "app:nogroup"], "find user app:nogroup: not found");
            accounts.assert_refused(&["-u", "nobody:staff"], "find user nobody:staff: not found");
            accounts.assert_refused(&["-g", "nogroup"], "find group nogroup: not found");
            accounts.assert_refused(&["-u", "app", "-g", "staf"], "find group staf: not found");
            accounts.assert_refused(&["--groups", "staff,nogroup"], "find groups of staff,nogroup: not found");
        }
    }

    /// Each option has a separator of its own, or none.
    #[test]
    fn word_with_a_separator_too_many() {
        if is_root() {
            let accounts = Accounts::ordinary();
            for user in ["app,staff", "app:staff:bare", "app:staff,bare", "4711,42:42", "4711:42:42", "app,"] {
                accounts.assert_refused(&["-u", user], &format!("find user {user}: not found"));
            }
            for group in ["staff,bare", "staff:bare", "42:42", "42,42", "staff:", "42,"] {
                accounts.assert_refused(&["-g", group], &format!("find group {group}: not found"));
            }
            for groups in ["staff:bare", "42:42", "42,staff:bare", "42,", ",42", "42,,43"] {
                accounts.assert_refused(&["--groups", groups], &format!("find groups of {groups}: not found"));
            }
        }
    }

    #[test]
    fn empty_name() {
        if is_root() {
            let accounts = Accounts::new(format!(":x:0:0::/:/bin/sh\n\n{PASSWD}"), format!(":x:0:\n\n{GROUP}"));
            accounts.assert_refused(&["-u", ""], "find user : not found");
            accounts.assert_refused(&["-u", ":staff"], "find user :staff: not found");
            accounts.assert_refused(&["-u", "app:"], "find user app:: not found");
            accounts.assert_refused(&["-g", ""], "find group : not found");
            accounts.assert_refused(&["--groups", "staff,,bare"], "find groups of staff,,bare: not found");
        }
    }

    #[test]
    fn number_without_a_group() {
        let sandbox = Sandbox::new();
        for (words, name) in [(&["-u", "4711"][..], "-u 4711"), (&["--user=4711"], "--user=4711"), (&["-u0"], "-u0")] {
            let output = sandbox.bgexec(&["-p", "x.pid"]).words(words).probe(["stay"]).run();
            output.assert_unable(125, &format!("use {name}: needs a group"));
        }
        let output = sandbox.bgexec(&["-u", "4711", "--groups", "5"]).probe(["stay"]).run();
        output.assert_unable(125, "use -u 4711: needs a group");
        assert!(!sandbox.exists("x.pid") && sandbox.is_deserted());
    }

    /// No line is looked up for a number, and -1, which the kernel takes for "unchanged", is no user.
    #[test]
    fn number_out_of_range() {
        if is_root() {
            for number in ["4294967295", "4294967296", "18446744073709551616", "99999999999999999999999"] {
                let passwd = format!("{PASSWD}{number}:x:0:0::/:/bin/sh\n");
                let accounts = Accounts::new(passwd, format!("{GROUP}{number}:x:0:\n"));
                for options in [
                    vec!["-u".to_owned(), format!("{number}:5")],
                    vec!["-u".to_owned(), format!("5:{number}")],
                    vec!["-g".to_owned(), number.to_owned()],
                    vec!["--groups".to_owned(), format!("5,{number}")],
                ] {
                    let output = accounts.try_run(accounts.bgexec(&["-p", "x.pid"]).words(&options));
                    assert_eq!(output.status.code(), Some(125), "{options:?}: {output:?}");
                    output.assert_unable_to(125, "");
                    assert!(output.stderr.contains(&*options[1]), "{}", output.stderr);
                    assert!(!accounts.sandbox.exists("x.pid"));
                }
            }
        }
    }

    #[test]
    fn number_with_something_behind_it_is_a_name() {
        if is_root() {
            let accounts = Accounts::ordinary();
            for user in ["4711x:5", "-1:5", "+5:5", " 5:5", "0x5:5"] {
                accounts.assert_refused(&["-u", user], &format!("find user {user}: not found"));
            }
        }
    }

    #[test]
    fn change_that_is_not_permitted() {
        if is_root() {
            let accounts = Accounts::ordinary();
            for (options, step) in [
                (&["-u", "4711:4712"][..], "set groups of 4711:4712"),
                (&["-u", "app"], "set groups of app"),
                (&["-g", "5"], "set groups of 5"),
                (&["-u", "4714:5"], "set groups of 4714:5"),
                (&["-u", "5:4714"], "set groups of 5:4714"),
                (&["-u", "root"], "set groups of root"),
            ] {
                accounts.sandbox.make_open_directory("open");
                let launch = accounts.bgexec_of_all(&["-p", "open/x.pid"]).words(options).by_user(4714);
                accounts.try_run(launch).assert_unable(125, &format!("{step}: Operation not permitted"));
                assert!(!accounts.sandbox.exists("open/x.pid"));
                assert!(accounts.sandbox.is_deserted());
            }
        }
    }

    /// A filter may let setgroups pass and refuse what follows.
    #[test]
    fn each_call_that_fails() {
        if is_root() {
            let accounts = Accounts::ordinary();
            for (call, step) in [
                (sc::nr::SETGROUPS, "set groups of 4711:4712"),
                (sc::nr::SETGID, "set group of 4711:4712"),
                (sc::nr::SETUID, "set user 4711:4712"),
            ] {
                for (errno, reason) in [(Errno::PERM, "Operation not permitted"), (Errno::INVAL, "Invalid argument")] {
                    let launch = accounts.bgexec(&["-p", "x.pid", "-u", "4711:4712"]);
                    let launch = launch.refused(Refusal { call, second: None, errno });
                    accounts.try_run(launch).assert_unable(125, &format!("{step}: {reason}"));
                    assert!(!accounts.sandbox.exists("x.pid") && accounts.sandbox.is_deserted());
                }
            }
        }
    }

    #[test]
    fn command_that_the_user_may_not_execute() {
        if is_root() {
            let accounts = Accounts::ordinary();
            let program = accounts.sandbox.write_program("secret", "#!/bin/sh\n");
            fs::set_permissions(&program, Permissions::from_mode(0o700)).expect("it is ours");
            let launch = accounts.bgexec(&["-p", "x.pid", "-u", "app"]).words([&program]);
            launch.run().assert_unable(126, &format!("execute {}: Permission denied", program.display()));
            assert!(!accounts.sandbox.exists("x.pid"));
        }
    }
}

mod variables {
    use super::*;

    const NAMES: [&str; 4] = ["HOME", "USER", "LOGNAME", "SHELL"];

    fn all(report: &Report) -> [Vec<String>; 4] {
        NAMES.map(|name| values(report, name))
    }

    fn of_the_app() -> [Vec<String>; 4] {
        ["/srv/app", "app", "app", "/bin/app-shell"].map(|value| vec![value.to_owned()])
    }

    fn with_roots(launch: Launch) -> Launch {
        NAMES.into_iter().fold(launch, |launch, name| launch.env(name, "root's"))
    }

    #[test]
    fn are_those_of_a_named_user() {
        if is_root() {
            let accounts = Accounts::ordinary();
            for options in [&["-u", "app"][..], &["-u", "app:staff"], &["-u", "app", "-g", "5"]] {
                assert_eq!(all(&accounts.run(with_roots(accounts.bgexec(options)))), of_the_app());
            }
            let launch = NAMES.into_iter().fold(accounts.bgexec(&["-uapp"]), Launch::env_remove);
            assert_eq!(all(&accounts.run(launch)), of_the_app());
            assert_eq!(all(&accounts.start(&["-uapp", "--clear-env"])), of_the_app());
        }
    }

    #[test]
    fn leave_all_others_alone() {
        if is_root() {
            let accounts = Accounts::ordinary();
            let launch = accounts.bgexec(&["-u", "app", "-E", "B=2"]).env_clear().env("A", "1").env("HOMES", "3");
            let mut entries = environment(&accounts.run(with_roots(launch)));
            entries.sort_unstable();
            let expected =
                ["A=1", "B=2", "HOME=/srv/app", "HOMES=3", "LOGNAME=app", "SHELL=/bin/app-shell", "USER=app"];
            assert_eq!(entries, expected);
        }
    }

    #[test]
    fn are_those_of_the_command_line_if_it_sets_them() {
        if is_root() {
            let accounts = Accounts::ordinary();
            for options in [
                ["-u", "app", "-E", "HOME=/mine", "-E", "SHELL="],
                ["-E", "HOME=/mine", "-E", "SHELL=", "-u", "app"],
                ["-E", "HOME=/mine", "-u", "app", "-E", "SHELL="],
            ] {
                let report = accounts.run(with_roots(accounts.bgexec(&options)));
                assert_eq!(all(&report), ["/mine", "app", "app", ""].map(|value| vec![value.to_owned()]));
            }
        }
    }

    #[test]
    fn are_left_alone_for_a_number() {
        if is_root() {
            let accounts = Accounts::ordinary();
            for options in [&["-u", "4711:4712"][..], &["-u", "4711:staff"], &["-g", "staff"], &["--groups", "staff"]] {
                let report = accounts.run(with_roots(accounts.bgexec(options)));
                assert_eq!(all(&report), NAMES.map(|_| vec!["root's".to_owned()]));
            }
            let launch = NAMES.into_iter().fold(accounts.bgexec(&["-u4711:4712"]), Launch::env_remove);
            assert_eq!(all(&accounts.run(launch)), NAMES.map(|_| Vec::<String>::new()));
        }
    }

    #[test]
    fn are_set_in_a_full_environment() {
        if is_root() {
            let accounts = Accounts::ordinary();
            let many = |launch| (0..3000).fold(launch, |launch: Launch, n| launch.env(&format!("V{n}"), "v"));
            let report = accounts.run(many(accounts.bgexec(&["-u", "app"])));
            assert_eq!(all(&report), of_the_app());
            assert_eq!(environment(&report).iter().filter(|entry| entry.ends_with("=v")).count(), 3000);
        }
    }

    /// Who has no shell has that one (passwd(5)).
    #[test]
    fn with_nothing_in_them_are_empty_but_the_shell() {
        if is_root() {
            for line in ["app:x:4711:4712:::\n", "app:x:4711:4712:::"] {
                let accounts = Accounts::new(line, GROUP);
                let report = accounts.run(with_roots(accounts.bgexec(&["-u", "app"])));
                assert_eq!(all(&report), ["", "app", "app", "/bin/sh"].map(|value| vec![value.to_owned()]));
            }
        }
    }
}

/// Files of all kinds, put in the place of /etc/passwd and /etc/group.
mod files {
    use super::*;

    const APP: &str = "app:x:4711:4712::/srv/app:/bin/sh\n";

    #[track_caller]
    fn assert_app(passwd: impl AsRef<[u8]>, group: impl AsRef<[u8]>, groups: &[u32]) {
        let accounts = Accounts::new(passwd, group);
        let report = accounts.start(&["-u", "app"]);
        assert_is(&report, 4711, 4712, groups);
        assert_eq!(values(&report, "HOME"), ["/srv/app"]);
    }

    #[track_caller]
    fn assert_no_app(passwd: impl AsRef<[u8]>) {
        Accounts::new(passwd, GROUP).assert_refused(&["-u", "app"], "find user app: not found");
    }

    #[test]
    fn may_end_without_a_newline() {
        if is_root() {
            assert_app(APP.trim_end(), "last:x:4723:app", &[4712, 4723]);
            assert_app(format!("{PASSWD}\n{}", APP.trim_end()), "a:x:4723:app\nb:x:4724:root,app", &[4712, 4723, 4724]);
            let accounts = Accounts::new("app:x:4711:4712::/srv/app:/bin/app-shell", "staff:x:4720");
            assert_eq!(values(&accounts.start(&["-u", "app"]), "SHELL"), ["/bin/app-shell"]);
            accounts.assert_starts_as(&["-g", "staff"], 0, 4720, &[4720]);
        }
    }

    #[test]
    fn may_have_lines_of_any_length() {
        if is_root() {
            let long = "x".repeat(300_000);
            let passwd = format!(
                "{long}\n{long}:x:0:0:::\nother:x:0:0:{long}:/:/bin/sh\napp:{long}:4711:4712:{long}:/srv/app:/bin/sh\n"
            );
            let members = (0..20_000).fold(String::new(), |mut members, n| {
                let _ = write!(members, "app{n},");
                members
            });
            let group = format!(
                "{long}:x:1:app\nno:x:4799:{members}x\nyes:x:4720:{members}app\nmore:{long}:4721:app,{members}x\n"
            );
            assert_app(passwd, group, &[1, 4712, 4720, 4721]);
        }
    }

    #[test]
    fn may_have_a_name_of_any_length() {
        if is_root() {
            let name = "n".repeat(5000);
            let accounts = Accounts::new(
                format!("{name}n:x:1:1:::\n{name}:x:4711:4712:::\n"),
                format!("g:x:4720:n{name},{name}\n"),
            );
            let report = accounts.start(&["-u", &name]);
            assert_is(&report, 4711, 4712, &[4712, 4720]);
            assert_eq!(values(&report, "USER"), [name]);
        }
    }

    #[test]
    fn may_hold_a_hundred_thousand_users() {
        if is_root() {
            let passwd = (0..100_000).fold(String::new(), |mut passwd, n| {
                let _ = writeln!(passwd, "app{n}:x:{}:{}::/home/app{n}:/bin/sh", n + 10_000, n + 10_000);
                passwd
            });
            let group = (0..100_000).fold(String::new(), |mut group, n| {
                let _ = writeln!(group, "group{n}:x:{}:app{},app{}", n + 10_000, n / 2, n + 1);
                group
            });
            let accounts = Accounts::new(passwd + APP, group + "yes:x:4720:app\n");
            accounts.assert_starts_as(&["-u", "app"], 4711, 4712, &[4712, 4720]);
            accounts.assert_starts_as(&["-u", "app99999"], 109_999, 109_999, &[109_998, 109_999]);
        }
    }

    #[test]
    fn may_hold_bytes_of_any_kind() {
        if is_root() {
            let passwd = b"ap\0p:x:0:0:::\napp\0:x:0:0:::\n\0app:x:0:0:::\n\xff\xfe:x:0:0:::\n\0\0\0\napp:\0:4711:4712:\0\xff:/srv/app:/bin/sh\n";
            let group = b"a:x:1:\0app,app\0,ap\0p\n\0:x:2:\0\nyes:\0:4720:\0,app,\0\n";
            assert_app(passwd, group, &[4712, 4720]);
        }
    }

    /// However the file falls into the pieces that it is read in.
    #[test]
    fn may_be_cut_anywhere() {
        if is_root() {
            let accounts = Accounts::ordinary();
            for size in [512, 1024, 4096] {
                for before in (0..APP.len() + 2).step_by(3) {
                    let filling = |line: &str| line.to_owned() + &"#".repeat(size - before - line.len() - 1) + "\n";
                    fs::write(&accounts.passwd, filling("root:x:0:0:::") + APP).expect("it is ours");
                    fs::write(&accounts.group, filling("root:x:0:") + "yes:x:4720:apple,app,root\n")
                        .expect("it is ours");
                    accounts.assert_starts_as(&["-u", "app"], 4711, 4712, &[4712, 4720]);
                }
            }
        }
    }

    #[test]
    fn may_hold_malformed_lines() {
        if is_root() {
            let malformed = [
                "",
                ":",
                "::::::",
                "app",
                "app:",
                "app:x",
                "app:x:",
                "app:x:0",
                "app:x:0:",
                "app:x::0:::",
                "app:x:0::::",
                "app:x:-1:0:::",
                "app:x:0x0:0:::",
                "app:x: 0:0:::",
                "app:x:0 :0:::",
                "app:x:+0:0:::",
                "app:x:4294967295:0:::",
                "app:x:4294967296:0:::",
                "app:x:0:4294967295:::",
                "app:x:18446744073709551616:0:::",
                "#app:x:0:0:::",
                " app:x:0:0:::",
                "app :x:0:0:::",
                "-app:x:0:0:::",
                "+app::::::",
                "+::::::",
                "app,:x:0:0:::",
                "x:app:0:0:::",
            ];
            assert_app(malformed.join("\n") + "\n" + APP, GROUP, &[4712, 4720, 4723]);
        }
    }

    #[test]
    fn with_an_empty_number_make_nobody_root() {
        if is_root() {
            for line in
                ["app:x::4712::/:/bin/sh", "app:x:4711:::/:/bin/sh", "app:::::/:/bin/sh", "app:x:::", "app", "app::::"]
            {
                assert_no_app(line);
                assert_no_app(format!("{line}\n"));
            }
            for line in ["staff:x::", "staff:x:", "staff", "staff::", "staff:x:x:", "staff:x:-0:"] {
                let accounts = Accounts::new(PASSWD, line);
                accounts.assert_refused(&["-g", "staff"], "find group staff: not found");
            }
            assert_app(APP, "a:x::app\nb:x:x:app\nc::0x1:app\n", &[4712]);
        }
    }

    /// Then there is no such user, or one whose variables are all set.
    #[test]
    fn with_fields_that_are_missing_leave_a_sound_environment() {
        if is_root() {
            for line in ["app:x:4711:4712", "app:x:4711:4712:", "app:x:4711:4712::", "app:x:4711:4712::/srv/app"] {
                let accounts = Accounts::new(line, GROUP);
                let output = accounts.try_run(accounts.bgexec(&["-u", "app"]));
                if output.status.success() {
                    let report = Report::parse(&accounts.sandbox.eventually_read("open/report"));
                    for entry in environment(&report) {
                        assert!(entry.find('=') > Some(0), "{line}: {entry:?}");
                    }
                    for name in ["HOME", "USER", "LOGNAME", "SHELL"] {
                        assert_eq!(values(&report, name).len(), 1, "{line}: {name}");
                    }
                } else {
                    output.assert_unable(125, "find user app: not found");
                }
            }
        }
    }

    #[test]
    fn have_the_first_sound_line_count() {
        if is_root() {
            assert_app(format!("{APP}app:x:0:0::/root:/bin/sh\n"), GROUP, &[4712, 4720, 4723]);
            let accounts = Accounts::new(PASSWD, "staff:x:5:\nstaff:x:6:\n");
            accounts.assert_starts_as(&["-g", "staff"], 0, 5, &[5]);
        }
    }

    #[test]
    fn have_members_that_are_named_in_full() {
        if is_root() {
            let group = "\
                a:x:4801:apple\nb:x:4802:xapp\nc:x:4803:ap,p\nd:x:4804:app:\ne:app:4805:\nf:x:4806:root:app\n\
                g:x:4807: app\nh:x:4808:app \ni:x:4809:,app\nj:x:4810:app,\nk:x:4811:app,app\napp:x:4812:\nl:x:4813:APP\n";
            let accounts = Accounts::new(APP, group);
            let report = accounts.start(&["-u", "app"]);
            let known = |group: &u32| *group != 4804; // a line with too many fields counts or not
            let groups: Vec<u32> = report.groups.iter().copied().filter(known).collect();
            assert_eq!(groups, [4712, 4809, 4810, 4811]);
        }
    }

    #[test]
    fn may_name_a_user_in_a_thousand_groups() {
        if is_root() {
            let group = (0..1000).fold(String::new(), |mut group, n| {
                let _ = writeln!(group, "g{n}:x:{}:root,app", 10_000 + n);
                group
            });
            let groups: Vec<u32> = [4712].into_iter().chain(10_000..11_000).collect();
            assert_app(APP, group, &groups);
        }
    }

    #[test]
    fn are_needless_for_numbers() {
        if is_root() {
            let accounts = Accounts::ordinary();
            let launch = accounts.sandbox.bgexec(&["-u", "4711:4712", "--groups", "5,6"]).hiding(c"/etc");
            assert_is(&accounts.run(launch), 4711, 4712, &[5, 6]);
        }
    }

    #[test]
    fn that_are_missing_hold_no_name() {
        if is_root() {
            let accounts = Accounts::ordinary();
            for (options, message) in [
                (["-u", "root"], "find user root: not found"),
                (["-u", "5:root"], "find user 5:root: not found"),
                (["-g", "root"], "find group root: not found"),
            ] {
                let launch = accounts.sandbox.bgexec(&options).hiding(c"/etc");
                accounts.try_run(launch).assert_unable(125, message);
            }
        }
    }

    #[test]
    fn that_cannot_be_read_are_a_failure() {
        if is_root() {
            let accounts = Accounts::ordinary();
            fs::set_permissions(&accounts.passwd, Permissions::from_mode(0o600)).expect("it is ours");
            let launch = accounts.bgexec_of_all(&["-u", "self"]).by_user(4714);
            accounts.try_run(launch).assert_unable(125, "find user self: Permission denied");
            fs::set_permissions(&accounts.passwd, Permissions::from_mode(0o644)).expect("it is ours");
            fs::set_permissions(&accounts.group, Permissions::from_mode(0o600)).expect("it is ours");
            let launch = accounts.bgexec_of_all(&["-u", "self"]).by_user(4714);
            accounts.try_run(launch).assert_unable(125, "find groups of self: Permission denied");
        }
    }
}

/// Without any privilege: what one already is may be asked for.
mod oneself {
    use super::*;

    #[test]
    fn is_permitted() {
        if is_root() {
            let accounts = Accounts::ordinary();
            for options in [
                &["-u", "4714:4714"][..],
                &["-u", "self"],
                &["-u", "self:4714"],
                &["-g", "4714"],
                &["--groups", "4714"],
                &["-u", "self", "--groups", ""],
            ] {
                let report = accounts.run(accounts.bgexec_of_all(options).by_user(4714));
                assert_is(&report, 4714, 4714, &[]);
            }
        }
    }

    /// What else a caller may do goes with its user.
    #[test]
    fn leaves_no_capability_to_another() {
        if is_root() {
            let sandbox = Sandbox::new();
            let granting = ["--reuid=4714", "--regid=4714", "--clear-groups", "--inh-caps=+setuid,+setgid"];
            let launch = sandbox.launch(Path::new("/usr/bin/setpriv")).words(granting);
            let launch = launch.words(["--ambient-caps=+setuid,+setgid"]).words(bgexec_command());
            let output = launch.words(["-F", "-u", "4715:4715", "grep", "CapEff", "/proc/self/status"]).run();
            assert_eq!((&*output.stdout, &*output.stderr), ("CapEff:\t0000000000000000\n", ""));
        }
    }

    #[test]
    fn is_permitted_with_the_groups_asked_for() {
        if is_root() {
            let accounts = Accounts::new(PASSWD, "self:x:4714:\nstaff:x:4720:self\nmore:x:4721:self\n");
            for options in [["-u", "self"], ["--groups", "4720,9"]] {
                let report = accounts.run(accounts.bgexec_of_all(&options).by_member(4714, &[4720]));
                assert_is(&report, 4714, 4714, &[4720]);
            }
        }
    }

    #[test]
    fn is_refused_with_another_group() {
        if is_root() {
            let accounts = Accounts::ordinary();
            for options in [["-u", "self"], ["-u", "4714:4714"], ["-g", "4714"], ["--groups", "5"]] {
                let launch = accounts.bgexec_of_all(&options).by_member(4714, &[4714, 4799]);
                let message = format!("set groups of {}: Operation not permitted", options[1]);
                accounts.try_run(launch).assert_unable(125, &message);
            }
        }
    }

    #[test]
    fn is_permitted_in_a_user_namespace() {
        if is_root() {
            let accounts = Accounts::ordinary();
            for (options, inside) in
                [(["-u", "0:0"], 0), (["-u", "root"], 0), (["-u", "self"], 4714), (["-u", "4714:4714"], 4714)]
            {
                let launch = accounts.bgexec_of_all(&options).by_user(4714).in_user_namespace(inside, 4714);
                assert_is(&accounts.run(launch), inside, inside, &[]);
            }
        }
    }

    #[test]
    fn is_all_that_is_permitted_in_a_user_namespace() {
        if is_root() {
            let accounts = Accounts::ordinary();
            for options in [["-u", "4711:4712"], ["-u", "app"], ["-u", "0:5"]] {
                let launch = accounts.bgexec_of_all(&options).by_user(4714).in_user_namespace(0, 4714);
                let message = format!("set groups of {}: Operation not permitted", options[1]);
                accounts.try_run(launch).assert_unable(125, &message);
            }
        }
    }
}

/// Pidfile, lockfile and outputs are opened as the caller and stay the caller's.
mod ownership {
    use super::*;

    #[test]
    fn is_the_callers() {
        if is_root() {
            let accounts = Accounts::ordinary();
            let sandbox = &accounts.sandbox;
            let options = ["-u", "app", "-p", "x.pid", "-l", "x.lock", "-o", "out", "-e", "err"];
            let launch = accounts.bgexec(&options).words([&accounts.probe]);
            launch.words(["say", "out", "complain", "err", "stay"]).run().assert_started();
            eventually("the output", || (sandbox.read("err") == "err\n").then_some(()));
            assert_eq!(sandbox.read("out"), "out\n");
            for (name, mode) in [("x.pid", 0o644), ("x.lock", 0o644), ("out", 0o640), ("err", 0o640)] {
                let file = fs::metadata(sandbox.path(name)).expect("it is there");
                assert_eq!((file.uid(), file.gid(), file.mode() & 0o7777), (0, 0, mode), "{name}");
            }
            for name in ["x.pid", "x.lock"] {
                assert_eq!(lock(&sandbox.path(name)).map(|(_, pid)| pid), Some(sandbox.pid("x.pid")));
            }
        }
    }

    /// A directory that only root may enter.
    fn private(accounts: &Accounts) {
        let directory = accounts.sandbox.make_directory("private");
        fs::set_permissions(directory, Permissions::from_mode(0o700)).expect("it is ours");
    }

    #[test]
    fn allows_a_pidfile_where_only_root_may_write() {
        if is_root() {
            let accounts = Accounts::ordinary();
            private(&accounts);
            let report = accounts.start(&["-u", "app", "-p", "private/x.pid"]);
            assert_eq!(accounts.sandbox.pid("private/x.pid"), report.pid);
            let again = accounts.try_run(accounts.bgexec(&["-u", "app", "-p", "private/x.pid"]));
            again.assert_unable(1, &format!("lock private/x.pid: already running as pid {}", report.pid));
            accounts.sandbox.bgexec(&["-K", "-p", "private/x.pid"]).run().assert_started();
            assert!(!accounts.sandbox.exists("private/x.pid"));
        }
    }

    #[test]
    fn lets_the_launcher_remove_the_pidfile_after_a_failure() {
        if is_root() {
            let accounts = Accounts::ordinary();
            private(&accounts);
            let output = accounts.bgexec(&["-u", "app", "-p", "private/x.pid", "/nonexistent/command"]).run();
            output.assert_unable(127, "execute /nonexistent/command: No such file or directory");
            assert!(!accounts.sandbox.exists("private/x.pid"));
        }
    }

    /// In the foreground nobody is left who may remove it: it is emptied.
    #[test]
    fn empties_the_pidfile_after_a_failure_in_the_foreground() {
        if is_root() {
            let accounts = Accounts::ordinary();
            private(&accounts);
            let output = accounts.bgexec(&["-F", "-u", "app", "-p", "private/x.pid", "/nonexistent/command"]).run();
            output.assert_unable(127, "execute /nonexistent/command: No such file or directory");
            assert_eq!(accounts.sandbox.read("private/x.pid"), "");
            assert_eq!(lock(&accounts.sandbox.path("private/x.pid")), None);
        }
    }

    /// So it is where its path does not lead there any more.
    #[test]
    fn empties_the_pidfile_after_a_failure_in_another_root() {
        if is_root() {
            let accounts = Accounts::ordinary();
            let (root, pidfile) = (accounts.sandbox.make_directory("root"), accounts.sandbox.path("x.pid"));
            let launch =
                accounts.bgexec(&["-F", "--chroot"]).words([root.as_os_str(), "-p".as_ref(), pidfile.as_os_str()]);
            launch.words(["/none"]).run().assert_unable(127, "execute /none: No such file or directory");
            assert_eq!(accounts.sandbox.read("x.pid"), "");
        }
    }
}
