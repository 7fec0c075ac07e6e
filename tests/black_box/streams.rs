//! The three standard streams: files, the caller's own, or the null device.

use std::fs::{self, File};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use rustix::fs::{Mode, OFlags, mkfifoat};
use rustix::io::Errno;

use crate::harness::{Descriptor, Launch, Report, Sandbox, Terminal, is_root, kernel};

#[track_caller]
fn assert_is(stream: &Descriptor, file: &Path) {
    let metadata = fs::metadata(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    assert_eq!(stream.file.2, metadata.ino(), "{stream:?} is {}", file.display());
}

fn make_fifo(sandbox: &Sandbox, name: &str) -> std::path::PathBuf {
    let path = sandbox.path(name);
    mkfifoat(rustix::fs::CWD, &path, Mode::RUSR | Mode::WUSR).expect("the sandbox can be written to");
    path
}

mod files {
    use super::*;

    #[test]
    fn input_is_read() {
        let sandbox = Sandbox::new();
        sandbox.write("in", "hello\n");
        sandbox.bgexec(&["-i", "in", "-o", "out"]).probe(["copy", "stay"]).run().assert_started();
        crate::harness::eventually("the copy", || (sandbox.read("out") == "hello\n").then_some(()));
    }

    #[test]
    fn outputs_are_those_named() {
        let sandbox = Sandbox::new();
        let daemon = sandbox.start(&["-o", "out", "-e", "err"]);
        assert_is(&daemon.descriptors[&1], &sandbox.path("out"));
        assert_is(&daemon.descriptors[&2], &sandbox.path("err"));
        assert!(daemon.descriptors[&0].is_null_device());
        assert_eq!(daemon.one_description, []);
    }

    #[test]
    fn both_outputs_to_the_same_file_are_one_description() {
        for options in [&["-O", "log"][..], &["-o", "log", "-e", "log"], &["--output=log"]] {
            let sandbox = Sandbox::new();
            let daemon = sandbox.start(options);
            assert_is(&daemon.descriptors[&1], &sandbox.path("log"));
            assert_eq!(daemon.one_description, [(1, 2)], "{options:?}");
        }
    }

    #[test]
    fn both_outputs_to_the_same_file_by_other_names_are_one_description() {
        let sandbox = Sandbox::new();
        let daemon = sandbox.start(&["-o", "log", "-e", "./log"]);
        assert_eq!(daemon.one_description, [(1, 2)]);
    }

    #[test]
    fn output_is_appended_to() {
        let sandbox = Sandbox::new();
        sandbox.write("log", "old\n");
        let verbs = ["say", "o1", "complain", "e1", "say", "o2", "exit", "0"];
        sandbox.bgexec(&["-a", "-O", "log"]).probe(verbs).run().assert_started();
        let all = "old\no1\ne1\no2\n";
        crate::harness::eventually("all lines", || (sandbox.read("log") == all).then_some(()));
        let stdout = &sandbox.report().descriptors[&1];
        assert_ne!(stdout.flags & OFlags::APPEND.bits(), 0);
        assert_eq!(stdout.flags & OFlags::NONBLOCK.bits(), 0);
    }

    #[test]
    fn output_is_emptied_when_asked_for() {
        let sandbox = Sandbox::new();
        sandbox.write("out", "old\n");
        sandbox.write("err", "old\n");
        sandbox.start(&["--truncate", "-o", "out", "-e", "err"]);
        assert_eq!((sandbox.read("out"), sandbox.read("err")), (String::new(), String::new()));
    }

    #[test]
    fn output_that_cannot_be_emptied_is_named() {
        let refusal = kernel::Refusal { call: sc::nr::FTRUNCATE, second: None, errno: Errno::PERM };
        for options in [&["-o", "log"][..], &["-e", "log"], &["-O", "log"], &["-o", "/dev/null", "-e", "log"]] {
            let sandbox = Sandbox::new();
            let output = sandbox.bgexec(&["--truncate"]).words(options).refused(refusal).probe(["stay"]).run();
            output.assert_unable(125, "truncate log: Operation not permitted");
        }
    }

    #[test]
    fn output_of_a_running_daemon_is_not_emptied_by_a_second_start() {
        let sandbox = Sandbox::new();
        sandbox.start(&["-p", "x.pid"]);
        sandbox.write("log", "precious\n");
        let output = sandbox.bgexec(&["-p", "x.pid", "--truncate", "-O", "log"]).probe(["stay"]).run();
        assert_eq!(output.status.code(), Some(1));
        assert_eq!(sandbox.read("log"), "precious\n");
    }

    #[test]
    fn output_is_created_for_owner_and_group_whatever_the_umask() {
        for mask in [0, 0o022, 0o077, 0o777] {
            let sandbox = Sandbox::new();
            let launch = sandbox.bgexec(&["-o", "out", "-e", "err"]).umask(mask).probe(["stay"]);
            launch.run().assert_started();
            assert_eq!((sandbox.mode("out"), sandbox.mode("err")), (0o640, 0o640), "umask {mask:o}");
        }
    }

    #[test]
    fn output_that_is_there_keeps_its_permissions() {
        let sandbox = Sandbox::new();
        let log = sandbox.write("log", "");
        fs::set_permissions(log, fs::Permissions::from_mode(0o600)).expect("it was just written");
        sandbox.start(&["-O", "log"]);
        assert_eq!(sandbox.mode("log"), 0o600);
    }

    #[test]
    fn output_that_had_to_be_created_stays_empty_after_a_failure() {
        let sandbox = Sandbox::new();
        let output = sandbox.bgexec(&["-o", "log", "/nonexistent/command"]).run();
        output.assert_unable(127, "execute /nonexistent/command: No such file or directory");
        assert_eq!(sandbox.read("log"), "");
    }

    #[test]
    fn names_are_relative_to_where_they_were_typed() {
        let sandbox = Sandbox::new();
        sandbox.write("in", "");
        sandbox.make_directory("there");
        let daemon = sandbox.start(&["-c", "there", "-i", "in", "-o", "out", "-e", "err"]);
        for (number, name) in [(0, "in"), (1, "out"), (2, "err")] {
            assert_is(&daemon.descriptors[&number], &sandbox.path(name));
        }
    }

    #[test]
    fn that_cannot_be_opened_are_refused() {
        let sandbox = Sandbox::new();
        sandbox.make_directory("directory");
        for (options, message) in [
            (["-i", "nofile"], "open nofile: No such file or directory"),
            (["-o", "nodir/log"], "open nodir/log: No such file or directory"),
            (["-e", "nodir/log"], "open nodir/log: No such file or directory"),
            (["-O", "directory"], "open directory: Is a directory"),
        ] {
            let output = sandbox.bgexec(&["-p", "x.pid"]).words(options).probe(["stay"]).run();
            output.assert_unable(125, message);
            assert!(!sandbox.exists("x.pid"), "{options:?}");
        }
    }
}

mod fifo {
    use super::*;

    #[test]
    fn without_a_reader_is_refused_at_once() {
        let sandbox = Sandbox::new();
        make_fifo(&sandbox, "fifo");
        let output = sandbox.bgexec(&["-p", "x.pid", "-o", "fifo"]).probe(["stay"]).run();
        output.assert_unable(125, "open fifo: No such device or address");
        assert!(!sandbox.exists("x.pid"));
    }

    #[test]
    fn with_a_reader_is_an_output_that_blocks() {
        let sandbox = Sandbox::new();
        let fifo = make_fifo(&sandbox, "fifo");
        let nonblocking = OFlags::NONBLOCK.bits().cast_signed();
        let _reader = File::options().read(true).custom_flags(nonblocking).open(&fifo).expect("it is there");
        let daemon = sandbox.start(&["-o", "fifo"]);
        assert_is(&daemon.descriptors[&1], &fifo);
        assert_eq!(daemon.descriptors[&1].flags & OFlags::NONBLOCK.bits(), 0);
    }

    #[test]
    fn without_a_writer_does_not_block_the_launch() {
        let sandbox = Sandbox::new();
        let fifo = make_fifo(&sandbox, "fifo");
        let daemon = sandbox.start(&["-i", "fifo"]);
        assert_is(&daemon.descriptors[&0], &fifo);
        assert_eq!(daemon.descriptors[&0].flags & OFlags::NONBLOCK.bits(), 0);
    }
}

#[test]
fn terminal_as_an_output_is_not_taken_as_the_controlling_one() {
    let sandbox = Sandbox::new();
    let terminal = Terminal::new();
    let name = terminal.name.as_str();
    for options in [&["-o", name][..], &["-F", "-o", name]] {
        let running = sandbox.bgexec(options).leading_session().probe(["exit", "0"]).spawn();
        let report = sandbox.report();
        assert!(report.tty < 0, "{options:?}: has a controlling terminal");
        assert_is(&report.descriptors[&1], Path::new(name));
        running.wait();
        fs::remove_file(sandbox.path("report")).expect("it was just read");
    }
}

mod dash {
    use super::*;

    fn launch(sandbox: &Sandbox, options: &[&str]) -> Launch {
        let open = |name: &str| {
            let path = sandbox.write(name, "");
            File::options().read(true).append(true).open(path).expect("it was just written")
        };
        sandbox.bgexec(options).stdin(open("0")).stdout(open("1")).stderr(open("2")).probe(["stay"])
    }

    #[test]
    fn keeps_the_callers_streams() {
        let sandbox = Sandbox::new();
        launch(&sandbox, &["-i", "-", "-o", "-", "-e-"]).run().assert_started();
        let daemon = sandbox.report();
        for number in 0..3 {
            assert_is(&daemon.descriptors[&number], &sandbox.path(number.to_string()));
        }
    }

    #[test]
    fn keeps_one_stream_alone() {
        let sandbox = Sandbox::new();
        launch(&sandbox, &["-o", "-"]).run().assert_started();
        let daemon = sandbox.report();
        assert_is(&daemon.descriptors[&1], &sandbox.path("1"));
        assert!(daemon.descriptors[&0].is_null_device());
        assert!(daemon.descriptors[&2].is_null_device());
    }

    #[test]
    fn is_the_null_device_for_a_stream_that_was_closed() {
        let sandbox = Sandbox::new();
        launch(&sandbox, &["-i", "-", "-O", "-"]).closed([0, 1, 2]).run().assert_started();
        let daemon = sandbox.report();
        assert!((0..3).all(|number| daemon.descriptors[&number].is_null_device()), "{daemon:?}");
    }
}

mod null_device {
    use super::*;

    /// A launch in a mount namespace where a boot script's `2>/dev/null` has made a regular file.
    fn launch_with_false_device(sandbox: &Sandbox, options: &[&str]) -> Launch {
        let file = sandbox.write("false null device", "precious");
        fs::set_permissions(&file, fs::Permissions::from_mode(0o666)).expect("it is the test's own");
        let file = std::ffi::CString::new(file.as_os_str().as_encoded_bytes()).expect("no NUL in a path");
        let launch = sandbox.bgexec(options).before_exec(kernel::leave_mounts);
        launch.before_exec(move || kernel::cover(c"/dev/null", &file))
    }

    /// A launch in a mount namespace where /dev is empty.
    fn launch_without_device(sandbox: &Sandbox, options: &[&str]) -> Launch {
        sandbox.bgexec(options).hiding(c"/dev")
    }

    #[track_caller]
    fn assert_has_null_devices(daemon: &Report) {
        for number in 0..3 {
            assert!(daemon.descriptors[&number].is_null_device(), "{number}: {daemon:?}");
        }
    }

    /// What is in the /dev that a process sees.
    fn devices(daemon: &Report) -> Vec<String> {
        let devices = fs::read_dir(format!("/proc/{}/root/dev", daemon.pid)).expect("the daemon runs");
        devices.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
    }

    #[test]
    fn missing_is_replaced_by_a_private_one() {
        if !is_root() {
            return;
        }
        let sandbox = Sandbox::new();
        let launch = launch_without_device(&sandbox, &["-p", "x.pid"]).closed([0, 1, 2]);
        launch.probe(["stay"]).run().assert_started();
        let daemon = sandbox.report();
        assert_has_null_devices(&daemon);
        assert_eq!(devices(&daemon), [""; 0]);
        assert_eq!(sandbox.pid("x.pid"), daemon.pid);
    }

    /// What is in the place of the private one can be neither opened nor removed: the next place is taken.
    #[test]
    fn is_made_elsewhere_where_that_is_not_possible() {
        if !is_root() {
            return;
        }
        let sandbox = Sandbox::new();
        let launch = launch_without_device(&sandbox, &["-p", "x.pid"]).before_exec(|| {
            rustix::fs::symlink(c"/nonexistent/device", c"/dev/.bgexec")?;
            kernel::make_read_only(c"/dev")
        });
        launch.probe(["stay"]).run().assert_started();
        assert_has_null_devices(&sandbox.report());
    }

    #[test]
    fn false_is_replaced_by_a_private_one_and_left_alone() {
        if !is_root() {
            return;
        }
        let sandbox = Sandbox::new();
        launch_with_false_device(&sandbox, &[]).probe(["stay"]).run().assert_started();
        assert_has_null_devices(&sandbox.report());
        assert_eq!(sandbox.read("false null device"), "precious");
    }

    #[test]
    fn is_meant_when_it_is_named() {
        if !is_root() {
            return;
        }
        let sandbox = Sandbox::new();
        let options = ["-i", "/dev/null", "-o", "/dev/null", "-e", "/dev/null", "--truncate"];
        launch_with_false_device(&sandbox, &options).probe(["stay"]).run().assert_started();
        assert_has_null_devices(&sandbox.report());
        assert_eq!(sandbox.read("false null device"), "precious");
    }

    /// Where it is missing, it would be created as a file, and everybody's null device from then on.
    #[test]
    fn is_no_pidfile() {
        if !is_root() {
            return;
        }
        for option in ["-p", "-l"] {
            let output = launch_without_device(&Sandbox::new(), &[option, "/dev/null", "true"]).run();
            output.assert_unable(125, "open /dev/null: not a regular file");
        }
    }

    #[test]
    fn that_cannot_be_made_is_a_refusal() {
        if !is_root() {
            return;
        }
        let sandbox = Sandbox::new();
        let output = launch_without_device(&sandbox, &["true"]).by_user(65534).run();
        output.assert_unable_to(125, "open /dev/null: ");
        let output = launch_with_false_device(&sandbox, &["true"]).by_user(65534).run();
        output.assert_unable(125, "open /dev/null: not the null device");
        assert_eq!(sandbox.read("false null device"), "precious");
    }

    #[test]
    fn is_not_needed_where_all_streams_are_given() {
        if !is_root() {
            return;
        }
        let sandbox = Sandbox::new();
        sandbox.write("in", "");
        let log = sandbox.write("log", "");
        fs::set_permissions(log, fs::Permissions::from_mode(0o666)).expect("it was just written");
        let launch = launch_without_device(&sandbox, &["-i", "in", "-O", "log", "true"]);
        launch.by_user(65534).run().assert_started();
    }
}

/// A boot without a console starts with closed streams; what is opened first then gets their numbers.
mod closed {
    use super::*;

    /// Every choice of closed streams.
    fn choices() -> impl Iterator<Item = Vec<i32>> {
        (1..8).map(|bits: u32| (0..3).filter(|&number| bits >> number & 1 != 0).collect())
    }

    #[test]
    fn are_filled_for_a_daemon() {
        for closed in choices() {
            let sandbox = Sandbox::new();
            let options = ["-p", "x.pid", "-l", "x.lock", "-o", "log"];
            sandbox.bgexec(&options).closed(closed.clone()).probe(["stay"]).run().assert_started();
            let daemon = sandbox.report();
            assert_eq!(sandbox.pid("x.pid"), daemon.pid, "closed: {closed:?}");
            assert!(daemon.descriptors[&0].is_null_device(), "closed: {closed:?}");
            assert!(daemon.descriptors[&2].is_null_device(), "closed: {closed:?}");
            assert_is(&daemon.descriptors[&1], &sandbox.path("log"));
            assert_eq!((sandbox.read("log"), sandbox.read("x.lock")), Default::default());
        }
    }

    #[test]
    fn are_filled_in_the_foreground_and_the_others_kept() {
        for closed in choices() {
            let sandbox = Sandbox::new();
            let kept = sandbox.write("kept", "");
            let open = || File::options().read(true).append(true).open(&kept).expect("it was just written");
            let launch = sandbox.bgexec(&["-F", "-p", "x.pid"]).stdin(open()).stdout(open()).stderr(open());
            launch.closed(closed.clone()).probe(["exit", "0"]).run().assert_started();
            let report = sandbox.report();
            for number in 0..3 {
                let stream = &report.descriptors[&number];
                if closed.contains(&number) {
                    assert!(stream.is_null_device(), "closed: {closed:?}, {number}: {stream:?}");
                } else {
                    assert_is(stream, &kept);
                }
            }
            assert_eq!(sandbox.pid("x.pid"), report.pid, "closed: {closed:?}");
        }
    }

    #[test]
    fn do_not_hide_a_failure() {
        for closed in choices() {
            for options in [&["-p", "x.pid"][..], &["-F", "-p", "x.pid"]] {
                let sandbox = Sandbox::new();
                let launch = sandbox.bgexec(options).words(["/nonexistent/command"]);
                let output = launch.closed(closed.clone()).run();
                assert_eq!(output.status.code(), Some(127), "closed: {closed:?}");
                assert_eq!(output.stdout, "");
                let line = "bgexec: unable to execute /nonexistent/command: No such file or directory\n";
                let expected = if closed.contains(&2) { "" } else { line };
                assert_eq!(output.stderr, expected, "closed: {closed:?}");
                assert!(!sandbox.exists("x.pid"));
            }
        }
    }
}
