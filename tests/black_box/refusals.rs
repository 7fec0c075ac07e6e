//! System calls that a filter refuses, as those of container runtimes do: either bgexec does without, or it says so.

use rustix::io::Errno;

use crate::harness::kernel::Refusal;
use crate::harness::{Sandbox, eventually, tiny_command};

/// The calls of a launch, but for those without which nobody could say anything (read and write), those that start and
/// end a program, and close, getpid and umask, which have no way to fail.
const CALLS: &[(&str, usize)] = &[
    ("chdir", sc::nr::CHDIR),
    ("clock_gettime", sc::nr::CLOCK_GETTIME),
    ("clone", sc::nr::CLONE),
    ("close_range", sc::nr::CLOSE_RANGE),
    ("dup3", sc::nr::DUP3),
    ("fcntl", sc::nr::FCNTL),
    ("ftruncate", sc::nr::FTRUNCATE),
    ("newfstatat", sc::nr::NEWFSTATAT),
    ("openat", sc::nr::OPENAT),
    ("pipe2", sc::nr::PIPE2),
    ("pread64", sc::nr::PREAD64),
    ("prlimit64", sc::nr::PRLIMIT64),
    ("pwrite64", sc::nr::PWRITE64),
    ("rt_sigaction", sc::nr::RT_SIGACTION),
    ("rt_sigprocmask", sc::nr::RT_SIGPROCMASK),
    ("setpgid", sc::nr::SETPGID),
    ("setsid", sc::nr::SETSID),
    ("unshare", sc::nr::UNSHARE),
];

/// Null devices that are still where bgexec makes a private one.
fn devices_made() -> Vec<String> {
    let names = ["/", "/dev"].into_iter().filter_map(|place| std::fs::read_dir(place).ok()).flatten().flatten();
    let names = names.map(|entry| entry.file_name().to_string_lossy().into_owned());
    names.filter(|name| name == ".bgexec").collect()
}

/// Without any of them the promise is kept. The command is bgexec once more: it has nothing to load and makes one
/// system call, so that the filter, which it inherits, leaves it alone.
#[test]
fn promise_is_kept_without_any_one_call() {
    for &(name, call) in CALLS {
        for errno in [Errno::NOSYS, Errno::PERM] {
            let sandbox = Sandbox::new();
            let context = format!("{name}: {errno}");
            let launch = sandbox.bgexec(&["-p", "x.pid", "-l", "x.lock", "--truncate", "-o", "log"]);
            let launch = launch.words([tiny_command()]).words(["--version"]);
            let output = launch.refused(Refusal { call, second: None, errno }).run();
            if output.status.success() {
                assert_eq!(output.stderr, "", "{context}");
                eventually(&context, || sandbox.read("log").starts_with("bgexec ").then_some(()));
                assert!(sandbox.pid("x.pid") > 1, "{context}");
            } else {
                output.assert_unable_to(125, "");
                assert!(!sandbox.exists("x.pid"), "{context}: {}", output.stderr);
            }
            eventually(&context, || sandbox.is_deserted().then_some(()));
            eventually(&context, || devices_made().is_empty().then_some(()));
        }
    }
}

/// Time goes by all the same.
#[test]
fn clock_that_may_not_be_read_is_no_wait_without_an_end() {
    let refusal = Refusal { call: sc::nr::CLOCK_GETTIME, second: None, errno: Errno::PERM };
    let launch = |options: &[&str]| Sandbox::new().bgexec(options).refused(refusal).words(["/bin/sleep", "60"]).run();
    launch(&["--notify", "fd:7", "--notify-timeout", "0.2"])
        .assert_unable(124, "wait for /bin/sleep: not ready after 0.2 s");
    launch(&["--alive-after", "20"]).assert_started();
}

/// Then the pidfile cannot be removed without a race either: it stays, empty.
#[test]
fn lock_that_the_file_system_does_not_know_is_a_failure() {
    const F_SETLK: u32 = 6;
    let sandbox = Sandbox::new();
    let refusal = Refusal { call: sc::nr::FCNTL, second: Some(F_SETLK), errno: Errno::NOLCK };
    for (options, name) in [(["-p", "x.pid"], "x.pid"), (["-l", "x.lock"], "x.lock")] {
        let output = sandbox.bgexec(&options).refused(refusal).probe(["stay"]).run();
        output.assert_unable_to(125, &format!("lock {name}: "));
        assert_eq!(sandbox.read(name), "");
        assert!(sandbox.is_deserted());
    }
}

/// A session is what a daemon is about: without one it is not started.
#[test]
fn session_that_cannot_be_made_is_a_failure() {
    let refusal = Refusal { call: sc::nr::SETSID, second: None, errno: Errno::NOSYS };
    let sandbox = Sandbox::new();
    for leads in [false, true] {
        let launch = sandbox.bgexec(&["-p", "x.pid"]).refused(refusal);
        let launch = if leads { launch.leading_group() } else { launch };
        let output = launch.probe(["stay"]).run();
        output.assert_unable_to(125, "create a session: ");
        assert!(!sandbox.exists("x.pid"));
        assert!(sandbox.is_deserted());
    }
}
