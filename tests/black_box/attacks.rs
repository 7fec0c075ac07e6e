//! Root runs bgexec, and somebody without privileges owns the directory of its files, or may write to it. Whatever they put
//! there, and whenever: nothing outside is written, nobody else is signalled, and a refusal is one clear line.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::{CWD, Mode, RenameFlags, mkfifoat, renameat_with};

use crate::harness::process::{self, is_alive};
use crate::harness::{
    Launch, Output, Running, Sandbox, at_most, eventually, is_root, kernel, probe, runner, tiny_command,
};

/// The one without privileges.
const USER: u32 = 4797;

/// Root's file, whose contents must never change.
const PRECIOUS: &str = "precious\n";

/// A directory as users have one, or as /tmp is.
const KINDS: [(&str, u32, u32); 2] = [("sticky", 0, 0o1777), ("theirs", USER, 0o755)];

struct Scene {
    sandbox: Sandbox,
    directory: PathBuf,
    victim: PathBuf,
    bystander: Running,
}

impl Scene {
    fn new((name, owner, mode): (&str, u32, u32)) -> Self {
        let sandbox = Sandbox::new();
        let directory = sandbox.make_directory(name);
        chown(&directory, Some(owner), Some(owner)).expect("root may do that");
        fs::set_permissions(&directory, Permissions::from_mode(mode)).expect("root may do that");
        let victim = sandbox.write("victim", PRECIOUS);
        let bystander = sandbox.launch(&probe()).words(["block"]).reporting("report", ["record"]);
        let bystander = bystander.words([sandbox.path("record")]).spawn();
        sandbox.report();
        Self { sandbox, directory, victim, bystander }
    }

    fn path(&self, name: &str) -> String {
        self.directory.join(name).to_str().expect("UTF-8").to_owned()
    }

    fn bgexec(&self, options: &[&str]) -> Launch {
        self.sandbox.bgexec(options)
    }

    fn start(&self, options: &[&str]) -> Output {
        self.bgexec(options).words([tiny_command()]).words(["--version"]).run()
    }

    /// Does something with files as the one without privileges.
    fn by_user<T: Send>(&self, deed: impl FnOnce() -> T + Send) -> T {
        thread::scope(|scope| {
            let deed = || {
                kernel::act_as(USER).expect("root may do that");
                deed()
            };
            scope.spawn(deed).join().expect("it does not panic")
        })
    }

    #[track_caller]
    fn assert_unharmed(self) {
        assert_eq!(fs::read_to_string(&self.victim).expect("it is there"), PRECIOUS);
        assert_eq!(fs::metadata(&self.victim).expect("it is there").mode() & 0o7777, 0o644);
        assert_eq!(fs::read_to_string(self.sandbox.path("record")).unwrap_or_default(), "", "signals");
        assert!(is_alive(self.bystander.pid()));
        self.bystander.end();
    }
}

/// Whether links to root's files can be made by others is the system's choice.
fn links_are_protected() -> bool {
    fs::read_to_string("/proc/sys/fs/protected_hardlinks").is_ok_and(|text| text.trim() != "0")
}

/// All that can be prepared before root comes, and what root is told.
#[test]
fn prepared_files_are_refused_and_nothing_is_touched() {
    if !is_root() {
        return;
    }
    type Preparation = fn(&Scene, &Path);
    let preparations: [(&str, Preparation); 6] = [
        ("Too many levels of symbolic links", |scene, place| symlink(&scene.victim, place).expect("it may")),
        ("Too many levels of symbolic links", |scene, place| {
            symlink(scene.sandbox.path("new"), place).expect("it may");
        }),
        ("not a regular file", |_, place| mkfifoat(CWD, place, Mode::RUSR | Mode::WUSR).expect("it may")),
        ("owned by another user", |scene, place| {
            fs::write(place, format!("{}\n", scene.bystander.pid())).expect("it may");
        }),
        ("owned by another user", |_, place| fs::write(place, "1\n").expect("it may")),
        ("Is a directory", |_, place| fs::create_dir(place).expect("it may")),
    ];
    for kind in KINDS {
        for (reason, prepare) in preparations {
            let scene = Scene::new(kind);
            let place = scene.path("x");
            scene.by_user(|| prepare(&scene, Path::new(&place)));
            for option in ["-p", "-l"] {
                for mode in [&[][..], &["-F"], &["-w"], &["-r"]] {
                    let output = scene.start(&[mode, &[option, &place]].concat());
                    output.assert_unable(125, &format!("open {place}: {reason}"));
                }
            }
            for options in [&["-K"][..], &["-K", "-s", "HUP"], &["-K", "--process-group", "--retry", "KILL/1"]] {
                let output = scene.bgexec(&[options, &["-p", &place]].concat()).run();
                if reason == "Is a directory" {
                    output.assert_unable_to(125, &format!("stop {place}: "));
                } else {
                    output.assert_unable(125, &format!("stop {place}: {reason}"));
                }
            }
            let output = scene.bgexec(&["-T", "-p", &place]).run();
            assert_eq!((output.status.code(), &*output.stdout), (Some(4), "unknown\n"));
            assert!(!scene.sandbox.exists("new"));
            scene.assert_unharmed();
        }
    }
}

/// A second name of root's own pidfile, which the system may let others make.
#[test]
fn hard_links_are_refused() {
    if !is_root() {
        return;
    }
    for kind in KINDS {
        let scene = Scene::new(kind);
        let place = scene.path("x");
        let linked = scene.by_user(|| fs::hard_link(&scene.victim, &place));
        assert_eq!(linked.is_err(), links_are_protected());
        if linked.is_err() {
            // Then only root can have been so careless.
            fs::hard_link(&scene.victim, &place).expect("root may do that");
        }
        for option in ["-p", "-l"] {
            scene.start(&[option, &place]).assert_unable(125, &format!("open {place}: has more than one link"));
        }
        let output = scene.bgexec(&["-K", "-p", &place]).run();
        output.assert_unable(125, &format!("stop {place}: has more than one link"));
        scene.assert_unharmed();
    }
}

/// Who may read a file may lock it for reading: this blocks a start, and is named. A stop and a status are not misled.
#[test]
fn lock_of_another_user_blocks_a_start_and_no_stop() {
    if !is_root() {
        return;
    }
    for kind in KINDS {
        let scene = Scene::new(kind);
        let (pidfile, lockfile) = (scene.path("x.pid"), scene.path("x.lock"));
        scene.sandbox.make_open_directory("open");
        let program = scene.sandbox.copy_program(&probe());
        let lock = |file: &str, report: &str| {
            let report = format!("open/{report}");
            let reader = scene.sandbox.launch(&program).by_user(USER).words(["lock", "read", file]);
            let reader = reader.reporting(&report, ["stay"]).spawn();
            scene.sandbox.eventually_read(&report);
            reader
        };
        fs::write(&lockfile, "").expect("root may do that");
        let reader = lock(&lockfile, "first");
        let output = scene.start(&["-p", &pidfile, "-l", &lockfile]);
        output.assert_unable(125, &format!("lock {lockfile}: read-locked by pid {}", reader.pid()));
        assert!(!Path::new(&pidfile).exists());
        reader.end();

        scene.bgexec(&["-p", &pidfile]).probe_as("daemon", ["stay"]).run().assert_started();
        let daemon = fs::read_to_string(&pidfile).expect("it is there").trim().parse().expect("a pid");
        process::kill(daemon);
        let reader = lock(&pidfile, "second");
        let output = scene.start(&["-p", &pidfile]);
        output.assert_unable(125, &format!("lock {pidfile}: read-locked by pid {}", reader.pid()));
        scene.bgexec(&["-K", "-p", &pidfile]).run().assert_unable(1, &format!("stop {pidfile}: not running"));
        assert!(is_alive(reader.pid()), "who only reads is not stopped");
        reader.end();
        scene.assert_unharmed();
    }
}

/// Does something at the end of its life.
struct OnDrop<F: Fn()>(F);

impl<F: Fn()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

/// A name that is another file at each look: links, a FIFO, files with pids of others, a directory, nothing. In the time that
/// this takes there are thousands of exchanges.
#[test]
fn exchanges_at_any_moment_turn_nothing_against_others() {
    if !is_root() {
        return;
    }
    const TIME: Duration = Duration::from_secs(2);
    const PATIENCE: Duration = Duration::from_secs(60);
    const RUNS: usize = 30;
    const EXCHANGES: usize = 100;
    for kind in KINDS {
        let scene = Scene::new(kind);
        let (place, bystander) = (scene.path("x"), scene.bystander.pid());
        let names = ["link", "dangling", "fifo", "file", "one", "directory"].map(|name| scene.path(name));
        scene.by_user(|| {
            symlink(&scene.victim, &names[0]).expect("it may");
            symlink(scene.sandbox.path("new"), &names[1]).expect("it may");
            mkfifoat(CWD, &*names[2], Mode::RUSR | Mode::WUSR).expect("it may");
            fs::write(&names[3], format!("{bystander}\n")).expect("it may");
            fs::write(&names[4], "1\n").expect("it may");
            fs::create_dir(&names[5]).expect("it may");
        });
        let (over, exchanges) = (AtomicBool::new(false), AtomicUsize::new(0));
        let (mut outputs, start) = (vec![], Instant::now());
        thread::scope(|scope| {
            let _end = OnDrop(|| over.store(true, Relaxed)); // also after a panic, which waits for the other thread
            scope.spawn(|| {
                kernel::act_as(USER).expect("root may do that");
                while !over.load(Relaxed) {
                    // Whoever renames without a pause holds a lock of the kernel's that every process needs to end.
                    thread::sleep(Duration::from_micros(100));
                    for name in &names {
                        let exchanged = renameat_with(CWD, &**name, CWD, &*place, RenameFlags::EXCHANGE)
                            .or_else(|_| renameat_with(CWD, &**name, CWD, &*place, RenameFlags::NOREPLACE));
                        exchanges.fetch_add(usize::from(exchanged.is_ok()), Relaxed);
                        let _ = renameat_with(CWD, &*place, CWD, &**name, RenameFlags::NOREPLACE);
                    }
                }
            });
            while start.elapsed() < TIME || outputs.len() < RUNS || exchanges.load(Relaxed) < EXCHANGES {
                assert!(start.elapsed() < at_most(PATIENCE), "{exchanges:?} exchanges, {} runs", outputs.len());
                outputs.push(scene.start(&["-p", &place, "-l", &scene.path("x.lock")]));
                outputs.push(scene.start(&["-l", &place]));
                if runner().is_none() {
                    // An emulator makes the daemon nobody's child, which cannot be waited for.
                    outputs.push(scene.start(&["-w", "-p", &place]));
                }
                outputs.push(scene.bgexec(&["-K", "--retry", "KILL/5", "-p", &place]).run());
                outputs.push(scene.bgexec(&["-K", "-s", "HUP", "--process-group", "-p", &place]).run());
                outputs.push(scene.bgexec(&["-T", "-p", &place]).run());
                // What root has made there nobody else can exchange where the directory is sticky.
                if fs::symlink_metadata(&place).is_ok_and(|metadata| metadata.uid() == 0) {
                    let _ = fs::remove_file(&place);
                }
            }
        });
        let started = outputs.iter().filter(|output| output.status.success()).count();
        eprintln!("{}: {} exchanges, {} runs, {started} with status 0", kind.0, exchanges.load(Relaxed), outputs.len());
        for output in &outputs {
            let lines = output.stderr.lines().count();
            match output.status.code() {
                Some(0) => assert_eq!(output.stderr, ""),
                _ if !output.stdout.is_empty() => assert_eq!(output.stderr, ""),
                Some(1 | 2 | 125) => {
                    assert!(lines == 1 && output.stderr.starts_with("bgexec: unable to "), "{output:?}");
                }
                _ => panic!("{output:?}"),
            }
        }
        assert!(!scene.sandbox.exists("new"), "written through a link");
        let outside = fs::read_dir(scene.sandbox.directory()).expect("it is ours").count();
        assert!(outside <= 5, "a file outside: {outside}");
        eventually("the commands have ended", || {
            let left = process::naming(scene.sandbox.directory());
            (left == [bystander]).then_some(())
        });
        scene.assert_unharmed();
    }
}
