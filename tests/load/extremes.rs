//! The smallest limits and the largest words.

#![allow(unsafe_code, reason = "mounting")]

use std::ffi::CString;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use rustix::process::Resource;

use crate::harness::process::is_alive;
use crate::harness::sandbox::between_forks;
use crate::harness::{ROLES, Sandbox, eventually, is_root, probe, tiny_command};

/// A file system of its own, of which nothing is left when it goes.
struct FileSystem(PathBuf);

impl FileSystem {
    fn mount(directory: PathBuf, options: &str) -> Self {
        let (path, options) = (c_string(&directory), CString::new(options).expect("no NUL"));
        // SAFETY: all of these are strings that live.
        let failed =
            unsafe { libc::mount(c"tmpfs".as_ptr(), path.as_ptr(), c"tmpfs".as_ptr(), 0, options.as_ptr().cast()) };
        assert_eq!(failed, 0, "{}", std::io::Error::last_os_error());
        Self(directory)
    }
}

impl Drop for FileSystem {
    fn drop(&mut self) {
        // SAFETY: a string that lives.
        unsafe { libc::umount2(c_string(&self.0).as_ptr(), libc::MNT_DETACH) };
    }
}

fn c_string(path: &Path) -> CString {
    CString::new(path.to_str().expect("UTF-8")).expect("no NUL")
}

/// A file system with no space left in it, or no place for another file.
fn full(sandbox: &Sandbox, options: &str) -> FileSystem {
    let system = FileSystem::mount(sandbox.make_directory("full"), options);
    for number in 0.. {
        let written = File::create(system.0.join(number.to_string())).and_then(|mut file| {
            let page = [b'x'; 4096];
            (0..64).try_for_each(|_| file.write_all(&page))
        });
        if written.is_err() {
            break;
        }
    }
    system
}

#[test]
fn pidfile_on_a_full_file_system_is_refused_and_removed() {
    if !is_root() {
        return;
    }
    for role in ROLES {
        let sandbox = Sandbox::new();
        let _system = full(&sandbox, "size=64k,mode=755");
        for options in [&["-p", "full/x.pid"][..], &["-w", "-p", "full/x.pid"], &["-r", "-p", "full/x.pid"]] {
            let launch = sandbox.bgexec(options);
            let launch = launch.in_role(role);
            launch.probe(["stay"]).run().assert_unable(125, "write full/x.pid: No space left on device");
            assert!(!sandbox.exists("full/x.pid") && !sandbox.exists("report"), "{options:?}");
            eventually("nothing is left", || sandbox.is_deserted().then_some(()));
        }
        let output = sandbox.bgexec(&["-F", "-p", "full/x.pid"]).probe(["stay"]).run();
        output.assert_unable(125, "write full/x.pid: No space left on device");
        assert!(!sandbox.exists("report") && sandbox.is_deserted());
    }
}

#[test]
fn files_without_a_place_on_the_file_system_are_refused() {
    if !is_root() {
        return;
    }
    let sandbox = Sandbox::new();
    let _system = full(&sandbox, "size=1m,nr_inodes=3,mode=755");
    for option in ["-p", "-l", "-o", "-e", "-O"] {
        let output = sandbox.bgexec(&["-p", "x.pid", option, "full/x"]).probe(["stay"]).run();
        output.assert_unable(125, "open full/x: No space left on device");
        assert!(!sandbox.exists("full/x") && !sandbox.exists("x.pid") && !sandbox.exists("report"), "{option}");
        assert!(sandbox.is_deserted());
    }
}

/// What the command writes is the command's own affair.
#[test]
fn output_on_a_full_file_system_hinders_no_launch() {
    if !is_root() {
        return;
    }
    let sandbox = Sandbox::new();
    let _system = full(&sandbox, "size=64k,mode=755");
    sandbox.bgexec(&["-p", "x.pid", "-O", "full/log"]).probe(["stay"]).run().assert_started();
    assert_eq!(sandbox.report().pid, sandbox.pid("x.pid"));
    assert_eq!(sandbox.read("full/log"), "");
}

#[test]
fn sixteen_descriptors_are_enough() {
    for options in [
        &["-p", "x.pid", "-l", "x.lock", "-i", "in", "-o", "out", "-e", "err"][..],
        &["-p", "x.pid", "-l", "x.lock", "--notify", "fd:5"],
        &["-p", "x.pid", "-r", "--child-pidfile", "child.pid", "-l", "x.lock", "-O", "out"],
    ] {
        let sandbox = Sandbox::new();
        sandbox.write("in", "");
        let verbs: &[&str] = if options.contains(&"fd:5") { &["put", "5", "\n", "stay"] } else { &["stay"] };
        let launch = sandbox.bgexec(options).limit(Resource::Nofile, 16);
        launch.probe(verbs.iter().copied()).run().assert_started();
        assert!(is_alive(sandbox.pid("x.pid")), "{options:?}");
    }
}

/// The caller's own limit: no process can be made, and where none is needed all is well.
#[test]
fn user_who_may_have_no_process_more_is_told_so() {
    if !is_root() {
        return;
    }
    let sandbox = Sandbox::new();
    sandbox.make_open_directory("open");
    let words = sandbox.bgexec_for_all();
    let program = sandbox.copy_program(&probe());
    for options in [&[][..], &["-w"], &["-r"]] {
        for role in ROLES {
            let launch = sandbox.command(&words).words(["-p", "open/x.pid"]).words(options);
            let launch = launch.in_role(role);
            let launch = launch.limit(Resource::Nproc, 0).by_user(4798).words([&program]);
            let output = launch.reporting("open/report", ["stay"]).run();
            output.assert_unable(125, "create a process: Resource temporarily unavailable");
            assert!(!sandbox.exists("open/x.pid") && !sandbox.exists("open/report") && sandbox.is_deserted());
        }
    }
}

/// From three pages on, or four with a supervisor, all is as always. With less the kernel may kill the launcher, sooner or later
/// by where it put the stack: who is killed removes no pidfile, and one that nobody holds hinders no start. From three pages on
/// a success is one in any case. Unoptimized code needs more.
#[test]
fn stack_may_be_as_small_as_the_kernel_allows() {
    for kibibytes in [0, 1, 4, 8, 12, 16, 32, 64, 128] {
        for options in [&["-p", "x.pid", "-O", "log"][..], &["-p", "x.pid", "-O", "log", "-r", "-R", "0", "-C", "0"]] {
            let enough_for_a_command = if cfg!(debug_assertions) { 64 } else { 12 };
            let enough = enough_for_a_command.max(if options.contains(&"-r") { 16 } else { 0 });
            let sandbox = Sandbox::new();
            let launch = sandbox.bgexec(options).env_clear().limit(Resource::Stack, kibibytes * 1024);
            let output = launch.words([tiny_command()]).words(["--version"]).run();
            if output.status.success() {
                let ran = || sandbox.read("log").starts_with("bgexec ");
                eventually("the command has run", || (kibibytes < enough_for_a_command || ran()).then_some(()));
            } else {
                assert!(kibibytes < enough, "{kibibytes} KiB: {output:?}");
                let killed = output.status.code().is_none();
                assert!(killed || !sandbox.exists("x.pid"), "{kibibytes} KiB: {output:?}");
            }
        }
    }
}

/// Words and variables up to the kernel's limit, a quarter of the stack's or 6 MiB, are passed on; one byte more is nobody's.
#[test]
fn words_may_be_as_many_as_the_kernel_allows() {
    const MOST: usize = 128 * 1024 - 1; // of one word
    let word = "w".repeat(MOST - 2);
    for words in [15, 16, 20, 46] {
        let sandbox = Sandbox::new();
        let before = |launch: crate::harness::Launch| launch.limit(Resource::Stack, 1 << 26);
        let launch = before(sandbox.bgexec(&["-p", "x.pid", "-O", "log"]).words([tiny_command()]).words(["--version"]));
        launch.words(std::iter::repeat_n(&word, words)).env("VARIABLE", &word[..1000]).run().assert_started();
        eventually("the command has run", || sandbox.read("log").starts_with("bgexec ").then_some(()));
    }
}

/// COMMAND's own limit may be lower than the launcher's.
#[test]
fn words_that_are_too_many_for_the_command_are_a_failure() {
    let word = "w".repeat(100_000);
    // A quarter of the stack, which never is less than 128 KiB.
    for (stack, words, is_enough) in
        [(8 << 20, 20, true), (8 << 20, 22, false), (400_000, 1, true), (400_000, 2, false)]
    {
        let sandbox = Sandbox::new();
        let limit = format!("STACK={stack}");
        let launch = sandbox.bgexec(&["-p", "x.pid", "-O", "log", "--rlimit", &limit]).env_clear();
        let launch = launch.limit(Resource::Stack, 1 << 26).words([tiny_command()]).words(["--version"]);
        let output = launch.words(std::iter::repeat_n(&word, words)).run();
        if is_enough {
            output.assert_started();
        } else {
            output.assert_unable(126, &format!("execute {}: Argument list too long", tiny_command().display()));
            assert!(!sandbox.exists("x.pid"));
        }
        eventually("nothing is left", || sandbox.is_deserted().then_some(()));
    }
}

/// 4,095 bytes with the last name; one byte more is too long, for each file.
#[test]
fn path_may_have_4095_bytes() {
    let sandbox = Sandbox::new();
    let name = "d".repeat(199);
    let mut directory = String::new();
    while sandbox.directory().as_os_str().len() + 1 + directory.len() + 200 < 4095 - 30 {
        directory += &name;
        directory.push('/');
    }
    fs::create_dir_all(sandbox.path(&directory)).expect("the sandbox can be written to");
    let start = format!("{}/{directory}", sandbox.directory().display());
    let path = |letter: &str, length: usize| format!("{start}{}", letter.repeat(length - start.len()));
    let [pidfile, lockfile, output] = ["p", "l", "o"].map(|letter| path(letter, 4095));
    let program = path("c", 4095);
    between_forks(|| fs::copy(tiny_command(), &program)).expect("there is room");
    let launch = sandbox.bgexec(&["-p", &pidfile, "-l", &lockfile, "-O", &output, "-c", &start, &program, "--version"]);
    launch.run().assert_started();
    eventually("the command has run", || fs::read_to_string(&output).ok().filter(|text| text.starts_with("bgexec ")));
    assert!(fs::read_to_string(&pidfile).is_ok_and(|text| text.ends_with('\n')));
    for (option, letter) in [("-p", "p"), ("-l", "l"), ("-o", "o")] {
        let long = path(letter, 4096);
        let launch = sandbox.bgexec(&["-p", "x.pid", option, &long]).probe(["stay"]);
        launch.run().assert_unable(125, &format!("open {long}: File name too long"));
        assert!(!sandbox.exists("x.pid"));
    }
    let long = path("c", 4096);
    let launch = sandbox.bgexec(&["-p", "x.pid", &long]);
    launch.run().assert_unable(126, &format!("execute {long}: File name too long"));
    assert!(!sandbox.exists("x.pid") && sandbox.is_deserted());
}

/// As long as one word may be; the command is in its last element, or nowhere.
#[test]
fn search_path_may_have_131_000_bytes() {
    let sandbox = Sandbox::new();
    sandbox.make_directory("good");
    let path = "/none:".repeat(131_000 / 6 - 1) + "good";
    let missing = sandbox.bgexec(&["-p", "x.pid", "no-such-tool"]).env("PATH", &path).run();
    missing.assert_unable(127, "execute no-such-tool: No such file or directory");
    assert!(!sandbox.exists("x.pid"));
    sandbox.write_program("good/tool", "#!/bin/sh\necho found\n");
    sandbox.bgexec(&["-O", "log", "tool"]).env("PATH", &path).run().assert_started();
    eventually("the command has run", || (sandbox.read("log") == "found\n").then_some(()));
}
