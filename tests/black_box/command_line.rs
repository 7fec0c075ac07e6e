//! The command line: how options are written, what is refused and in which words.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::{PermissionsExt, chown};

use bgexec::options::table::ROWS;

use crate::harness::process::is_alive;
use crate::harness::{Output, Sandbox, bgexec, eventually, is_root, kernel, skip, unread_pipe};

#[track_caller]
fn assert_refused(words: &[&str], message: &str) {
    let sandbox = Sandbox::new();
    let output = sandbox.bgexec(words).probe(["stay"]).run();
    output.assert_unable(125, &format!("use {message}"));
    assert!(sandbox.is_deserted(), "{words:?}");
}

mod spelling {
    use super::*;

    #[track_caller]
    fn assert_same(words: &[&str]) {
        let sandbox = Sandbox::new();
        sandbox.make_directory("there");
        let daemon = sandbox.start(words);
        assert_eq!((daemon.cwd, daemon.umask), (sandbox.path("there"), 0o27), "{words:?}");
    }

    #[test]
    fn value_is_the_next_word_or_the_rest_of_the_same() {
        assert_same(&["-c", "there", "-k", "27"]);
        assert_same(&["-cthere", "-k27"]);
        assert_same(&["--chdir", "there", "--umask", "027"]);
        assert_same(&["--chdir=there", "--umask=027"]);
        assert_same(&["--chdir=there", "-k", "27", "--"]);
    }

    #[test]
    fn flags_may_be_grouped_the_last_with_a_value() {
        assert_same(&["-abfmqcthere", "-qk27"]);
        assert_same(&["-abc", "there", "-fmk", "27"]);
    }

    #[test]
    fn last_value_counts() {
        assert_same(&["-c", "/nonexistent", "-k", "777", "-c", "there", "-k", "27"]);
    }

    #[test]
    fn old_habits_are_accepted() {
        assert_same(&["-a", "-b", "-f", "-m", "-cthere", "-k27"]);
        assert_same(&["--append", "--background", "--close-fds", "--make-pidfile", "-cthere", "-k27"]);
        assert_same(&["--fork", "-cthere", "-k27"]);
    }

    #[test]
    fn options_end_at_the_first_operand() {
        let sandbox = Sandbox::new();
        sandbox.bgexec(&["true", "--bogus", "-Z"]).run().assert_started();
        sandbox.bgexec(&["--", "true", "-Z"]).run().assert_started();
        let output = sandbox.bgexec(&["--", "-Z"]).run();
        output.assert_unable(127, "execute -Z: No such file or directory");
        let output = sandbox.bgexec(&["-", "word"]).run();
        output.assert_unable(127, "execute -: No such file or directory");
    }

    #[test]
    fn value_may_look_like_an_option() {
        let sandbox = Sandbox::new();
        sandbox.make_directory("-k");
        assert_eq!(sandbox.start(&["-c", "-k"]).cwd, sandbox.path("-k"));
    }
}

mod refused {
    use super::*;

    #[test]
    fn unknown_option() {
        assert_refused(&["--bogus"], "--bogus: unknown option");
        assert_refused(&["--bogus=value"], "--bogus=value: unknown option");
        assert_refused(&["-Z"], "-Z: unknown option");
        assert_refused(&["-qZ"], "-qZ: unknown option");
        assert_refused(&["-="], "-=: unknown option");
        assert_refused(&["--="], "--=: unknown option");
        assert_refused(&["---"], "---: unknown option");
    }

    #[test]
    fn abbreviated_option() {
        assert_refused(&["--pidfil", "x"], "--pidfil: unknown option");
        assert_refused(&["--pidfil=x"], "--pidfil=x: unknown option");
        assert_refused(&["--pidfilex"], "--pidfilex: unknown option");
        assert_refused(&["--q"], "--q: unknown option");
    }

    #[test]
    fn option_without_its_value() {
        let sandbox = Sandbox::new();
        for word in ["-p", "--pidfile", "-qp", "--env", "--unset", "-k"] {
            sandbox.bgexec(&[word]).run().assert_unable(125, &format!("use {word}: value is missing"));
        }
    }

    #[test]
    fn flag_with_a_value() {
        let sandbox = Sandbox::new();
        for word in ["--foreground=yes", "--foreground=", "--help=me"] {
            sandbox.bgexec(&[word, "true"]).run().assert_unable(125, &format!("use {word}: takes no value"));
        }
    }

    #[test]
    fn umask_that_is_no_octal_mode() {
        for value in ["9", "0888", "1000", "77777", "", "x", "22x", " 22", "-1", "+22", "99999999999999999999", "0x1"] {
            assert_refused(&["-k", value], &format!("-k {value}: not an octal mode"));
        }
        assert_refused(&["-k9"], "-k9: not an octal mode");
        assert_refused(&["--umask=9"], "--umask=9: not an octal mode");
    }

    #[test]
    fn word_that_is_in_the_environment_by_then() {
        assert_refused(&["-wFEA=B"], "-wFEA=B: not with -F");
        assert_refused(&["-EA=B", "-wFEC=D"], "-wFEC=D: not with -F");
        assert_refused(&["-FEA=B", "--print-pid"], "--print-pid: not with -F");
        assert_refused(&["-E", "A=B", "-k", ""], "-k : not an octal mode");
    }

    #[test]
    fn variable_to_remove_that_is_no_name() {
        assert_refused(&["--unset", "A=B"], "--unset A=B: not a name");
        assert_refused(&["--unset=A=B"], "--unset=A=B: not a name");
        assert_refused(&["-E", "A"], "-E A: not K=V");
    }

    #[test]
    fn nothing_is_touched_before_the_command_line_is_understood() {
        let sandbox = Sandbox::new();
        let output = sandbox.bgexec(&["-p", "x.pid", "-O", "log", "-l", "x.lock", "-k", "9"]).probe(["stay"]).run();
        output.assert_unable(125, "use -k 9: not an octal mode");
        assert!(!sandbox.exists("x.pid") && !sandbox.exists("log") && !sandbox.exists("x.lock"));
    }

    #[test]
    fn control_bytes_are_not_written_to_the_terminal() {
        let sandbox = Sandbox::new();
        let output = sandbox.bgexec(&["-c", "a\nb\u{1b}[31m\u{7f}\t\u{e9}", "true"]).run();
        output.assert_unable(125, "change directory to a?b?[31m??\u{e9}: No such file or directory");
        let output = sandbox.bgexec(&["--bo\ngus", "true"]).run();
        output.assert_unable(125, "use --bo?gus: unknown option");
    }

    #[test]
    fn caller_with_other_rights_than_its_own() {
        if !is_root() {
            return;
        }
        let sandbox = Sandbox::new();
        let copy = sandbox.copy_program(&bgexec());
        for (mode, owner) in [(0o4755, (Some(65534), None)), (0o2755, (None, Some(65534)))] {
            chown(&copy, owner.0, owner.1).expect("root may do that");
            fs::set_permissions(&copy, Permissions::from_mode(mode)).expect("root may do that");
            let output = sandbox.launch(&copy).words(["-p", "x.pid", "true"]).run();
            if output.status.success() {
                return skip("the temporary directory is mounted nosuid");
            }
            assert_eq!(output.status.code(), Some(125));
            assert_eq!(output.stderr.lines().count(), 1, "{}", output.stderr);
            assert!(output.stderr.starts_with("bgexec: unable to "), "{}", output.stderr);
            assert!(!sandbox.exists("x.pid"));
            let output = sandbox.launch(&copy).words(["-T", "-p", "x.pid"]).run();
            assert_eq!((output.status.code(), &*output.stdout), (Some(4), "unknown\n"));
            // What COMMAND would get makes no difference.
            for count in 0..4 {
                let mut command = sandbox.launch(&copy).words(["-F", "--clear-env", "-E", "A=", "true"]).env_clear();
                for name in ["V0", "V1", "V2"].iter().take(count) {
                    command = command.env(name, "");
                }
                command.run().assert_unable(125, "trust the caller: real and effective ids differ");
            }
        }
    }
}

mod information {
    use super::*;

    fn usage() -> String {
        Sandbox::new().bgexec(&["--help"]).run().stdout
    }

    #[test]
    fn help_is_on_standard_output() {
        for words in [&["--help"][..], &["-h"], &["-qh", "true"], &["-p", "x.pid", "--help", "true"]] {
            let sandbox = Sandbox::new();
            let output = sandbox.bgexec(words).run();
            assert_eq!((output.status.code(), &*output.stderr), (Some(0), ""));
            assert!(output.stdout.starts_with("usage: bgexec [OPTION]... [--] COMMAND [ARG]...\n"));
            assert!(!sandbox.exists("x.pid"));
        }
    }

    #[test]
    fn help_names_every_option_in_a_line_that_a_terminal_holds() {
        let usage = usage();
        for row in ROWS {
            let short = if row.short == b' ' { "    ".to_owned() } else { format!("-{}, ", char::from(row.short)) };
            let line = format!("  {short}--{} {}", row.long, row.value);
            let is_named = usage.lines().any(|text| text.starts_with(line.trim_end()));
            assert!(is_named, "{line:?} is not in\n{usage}");
        }
        let is_long = |line: &&str| line.replace('\t', "        ").len() > 100;
        assert_eq!(usage.lines().find(is_long), None);
    }

    #[test]
    fn version_is_on_standard_output() {
        for word in ["--version", "-V"] {
            let output = Sandbox::new().bgexec(&[word]).run();
            let version = concat!("bgexec ", env!("CARGO_PKG_VERSION"), "\n");
            assert_eq!((output.status.code(), &*output.stdout, &*output.stderr), (Some(0), version, ""));
        }
    }

    #[track_caller]
    fn assert_usage(output: &Output) {
        assert_eq!((output.status.code(), &*output.stdout), (Some(125), ""));
        assert_eq!(output.stderr, usage());
    }

    #[test]
    fn usage_is_on_standard_error_where_the_command_is_missing() {
        let sandbox = Sandbox::new();
        for words in [&[][..], &["-q"], &["--"], &["-p", "x.pid"], &["-c", "true"]] {
            assert_usage(&sandbox.bgexec(words).run());
        }
        assert!(!sandbox.exists("x.pid"));
    }

    #[test]
    fn usage_is_what_a_caller_without_any_word_gets() {
        let sandbox = Sandbox::new();
        let program = std::ffi::CString::new(bgexec().into_os_string().into_encoded_bytes()).expect("no NUL in a path");
        for environment in [&[][..], &[c"A=1"]] {
            let program = program.clone();
            let launch = sandbox.bgexec(&[]).before_exec(move || Err(kernel::execute(&program, &[], environment)));
            assert_usage(&launch.run());
        }
    }

    #[test]
    fn what_cannot_be_written_is_no_success() {
        for word in ["help", "version"] {
            let full = File::options().write(true).open("/dev/full").expect("it is there");
            let output = Sandbox::new().bgexec(&[&format!("--{word}")]).stdout(full).run();
            output.assert_unable(125, &format!("print {word}: No space left on device"));
        }
    }
}

mod print_pid {
    use super::*;

    #[test]
    fn prints_the_daemons_pid() {
        let sandbox = Sandbox::new();
        let output = sandbox.bgexec(&["--print-pid", "-p", "x.pid"]).probe(["stay"]).run();
        assert_eq!((output.status.code(), &*output.stderr), (Some(0), ""));
        assert_eq!(output.stdout, format!("{}\n", sandbox.report().pid));
        assert_eq!(output.stdout, sandbox.read("x.pid"));
    }

    #[test]
    fn prints_nothing_after_a_failure() {
        let output = Sandbox::new().bgexec(&["--print-pid", "/nonexistent/command"]).run();
        output.assert_unable(127, "execute /nonexistent/command: No such file or directory");
    }

    /// A failure like any other: nothing is left behind.
    #[track_caller]
    fn assert_failure(sandbox: &Sandbox, output: &Output, reason: &str) {
        output.assert_unable(125, &format!("print pid: {reason}"));
        assert!(!sandbox.exists("x.pid"));
        eventually("the daemon is gone", || sandbox.is_deserted().then_some(()));
    }

    #[test]
    fn to_a_pipe_that_nobody_reads_is_a_failure() {
        let sandbox = Sandbox::new();
        let writer = unread_pipe();
        let output = sandbox.bgexec(&["--print-pid", "-p", "x.pid"]).stdout(writer).probe(["stay"]).run();
        assert_failure(&sandbox, &output, "Broken pipe");
    }

    #[test]
    fn to_a_full_device_is_a_failure() {
        let sandbox = Sandbox::new();
        let full = File::options().write(true).open("/dev/full").expect("it is there");
        let output = sandbox.bgexec(&["--print-pid", "-p", "x.pid"]).stdout(full).probe(["stay"]).run();
        assert_failure(&sandbox, &output, "No space left on device");
    }
}

mod verbose {
    use super::*;

    #[test]
    fn tells_each_step_in_a_line() {
        let sandbox = Sandbox::new();
        let options = ["-v", "-p", "x.pid", "-l", "x.lock", "-o", "log", "-c", "/", "-k", "22"];
        let output = sandbox.bgexec(&options).probe(["stay"]).run();
        assert_eq!((output.status.code(), &*output.stdout), (Some(0), ""));
        assert!(output.stderr.lines().all(|line| line.starts_with("bgexec: ")), "{}", output.stderr);
        let places = ["log", "x.lock", "x.pid", "/", "probe"].map(|word| output.stderr.find(word));
        assert!(places.iter().all(Option::is_some), "{}", output.stderr);
        assert!(is_alive(sandbox.report().pid));
    }

    #[test]
    fn tells_that_it_has_waited() {
        for (options, last) in [
            (&["-v", "true"][..], "bgexec: execute true"),
            (&["-v", "--alive-after", "1", "sleep", "60"], "bgexec: wait for sleep"),
            (&["-v", "-w", "true"], "bgexec: wait for true"),
        ] {
            let output = Sandbox::new().bgexec(options).run();
            assert_eq!((output.status.code(), output.stderr.lines().last()), (Some(0), Some(last)), "{options:?}");
        }
    }

    #[test]
    fn tells_no_word_of_a_step_that_is_about_none() {
        let output = Sandbox::new().bgexec(&["-v", "--no-new-privs", "true"]).run();
        assert!(output.stderr.contains("bgexec: set no_new_privs\n"), "{}", output.stderr);
    }

    #[test]
    fn tells_nothing_of_streams_that_are_kept() {
        let output = Sandbox::new().bgexec(&["-F", "-v", "true"]).run();
        assert_eq!(output.status.code(), Some(0), "{}", output.stderr);
        assert!(!output.stderr.contains("bgexec: open"), "{}", output.stderr);
        assert!(output.stderr.contains("bgexec: redirect streams\n"), "{}", output.stderr);
    }

    #[test]
    fn tells_the_steps_before_a_failure_and_then_the_failure() {
        let sandbox = Sandbox::new();
        let output = sandbox.bgexec(&["-v", "-p", "x.pid", "-c", "/nonexistent"]).probe(["stay"]).run();
        assert_eq!(output.status.code(), Some(125));
        let failure = "bgexec: unable to change directory to /nonexistent: No such file or directory";
        assert_eq!(output.stderr.lines().last(), Some(failure));
        assert!(output.stderr.contains("x.pid"), "{}", output.stderr);
        assert!(!sandbox.exists("x.pid"));
    }
}
