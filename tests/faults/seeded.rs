//! The tests prove themselves: forms of bgexec with one fault each, which they must find.
//!
//! Takes a build for each; `BGEXEC_FAULTS=seeded` asks for it. A seed whose place in the sources is gone is an error.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::room::{can, run, run_within};
use crate::start::{Case, DESCRIPTOR, start};
use crate::trace::{Call, Harm, SIGKILL, SIGTERM};
use crate::verdict::{in_own_directory, kills, of_the_launch, of_the_next, violation};
use crate::{Form, form};

/// What finds a fault.
#[derive(Clone, Copy)]
enum Trial {
    /// What COMMAND finds, and whether there can be a second one.
    Unharmed,
    /// A call of the daemon or its leader that fails.
    Refuses(usize, i32),
    /// Any call that fails, which changes nothing.
    Survives(usize, i32),
    /// A signal.
    Kills(Harm),
}

/// A fault: what it is, where (each text stands there once), the options that show it, and how.
struct Seed {
    name: &'static str,
    file: &'static str,
    edits: &'static [(&'static str, &'static str)],
    words: &'static str,
    trial: Trial,
}

const EPERM: i32 = 1;
const EINTR: i32 = 4;
const EAGAIN: i32 = 11;
const EACCES: i32 = 13;

/// How long a build may take, also for the first time and on a busy machine.
const BUILD: Duration = Duration::from_secs(1200);

/// Options whose effects [`Trial::Unharmed`] looks for. The lock has a high number: the daemon gets a copy of all below it.
const ALL_ASKED: &str = "LEAD -u 65534:65534 --groups 65534,7 -k 022 -c /tmp -p DIR/pid";

const SEEDS: &[Seed] = &[
    Seed {
        name: "EINTR is not retried",
        file: "src/sys/call.rs",
        edits: &[("if answer as u32 != abi::EINTR.wrapping_neg() {", "if answer != 0 || answer == 0 {")],
        words: "-p DIR/pid",
        trial: Trial::Survives(sc::nr::READ, EINTR),
    },
    Seed {
        name: "the lock is taken before the table is unshared",
        file: "src/steps/mod.rs",
        edits: &[
            (
                "|launch| launch.unshare();",
                "|launch| { launch.step = Step::LockLockfile; launch.lock(Lock::Lockfile)?; launch.unshare() };",
            ),
            ("|launch| launch.lock(Lock::Lockfile);", "|_| Ok(());"),
        ],
        words: "-l DIR/lock",
        trial: Trial::Unharmed,
    },
    Seed {
        name: "the end of the status pipe is taken for success",
        file: "src/steps/detach.rs",
        edits: &[(
            "Err(verdict.unwrap_or(ended))",
            "match verdict { Some(reason) => Err(reason), None => { let _ = ended; Ok(()) } }",
        )],
        words: "-p DIR/pid",
        trial: Trial::Kills(Harm::Signal { number: SIGKILL, to: 1 }),
    },
    Seed {
        name: "a killed supervisor leaves its COMMAND behind",
        file: "src/steps/mod.rs",
        edits: &[("|launch| launch.follow_supervisor();", "|_| Ok(());")],
        words: "-r -R 60 -l DIR/lock",
        trial: Trial::Kills(Harm::Signal { number: SIGKILL, to: 1 }),
    },
    Seed {
        name: "the umask is not set",
        file: "src/steps/mod.rs",
        edits: &[("|launch| launch.set_umask();", "|_| Ok(());")],
        words: ALL_ASKED,
        trial: Trial::Unharmed,
    },
    Seed {
        name: "an error of setsid is ignored",
        file: "src/steps/detach.rs",
        edits: &[("if let Err(errno) = sys::setsid() {", "if let Err(errno) = sys::setsid() && errno.is(0) {")],
        words: "LEAD -p DIR/pid",
        trial: Trial::Refuses(sc::nr::SETSID, EPERM),
    },
    Seed {
        name: "an error of chdir is ignored",
        file: "src/steps/mod.rs",
        edits: &[("|launch| Ok(sys::chdir(launch.word())?);", "|launch| Ok(drop(sys::chdir(launch.word())));")],
        words: "-c /tmp",
        trial: Trial::Refuses(sc::nr::CHDIR, EACCES),
    },
    Seed {
        name: "an error of setuid is ignored",
        file: "src/steps/identity.rs",
        edits: &[("sys::setuid(self.identity.uid)?;", "drop(sys::setuid(self.identity.uid));")],
        words: "-u 65534:65534",
        trial: Trial::Refuses(sc::nr::SETUID, EAGAIN),
    },
    Seed {
        name: "a refused start removes a pidfile without its lock, whoever is in it",
        file: "src/steps/files.rs",
        edits: &[
            (
                "Err(errno) if !errno.is(EAGAIN) => return,",
                "_ if pidfile.is_some() => break, Err(errno) if !errno.is(EAGAIN) => return,",
            ),
            ("!sys::is_empty(*pidfile)", "*pidfile == Fd::CWD"),
        ],
        words: "-p DIR/pid -l DIR/lock",
        trial: Trial::Unharmed,
    },
    Seed {
        name: "the pidfile stays after a failure",
        file: "src/steps/mod.rs",
        edits: &[("self.clear_away();", "let _ = Self::clear_away;")],
        words: "-p DIR/pid",
        trial: Trial::Refuses(sc::nr::CHDIR, EACCES),
    },
    Seed {
        name: "the groups are not set",
        file: "src/steps/mod.rs",
        edits: &[("|launch| launch.set_groups();", "|_| Ok(());")],
        words: ALL_ASKED,
        trial: Trial::Unharmed,
    },
    Seed {
        name: "a descriptor is kept",
        file: "src/steps/mod.rs",
        edits: &[("|launch| launch.close_others();", "|_| Ok(());")],
        words: ALL_ASKED,
        trial: Trial::Unharmed,
    },
    Seed {
        name: "the leader is not reaped",
        file: "src/steps/detach.rs",
        edits: &[("let ended = reap(leader);", "let ended = { let _ = leader; Reason::ENDED };")],
        words: "LEAD",
        trial: Trial::Unharmed,
    },
    Seed {
        name: "the launcher does not know the daemon of a killed leader",
        file: "src/steps/detach.rs",
        edits: &[("CLONE_PARENT | CLONE_PARENT_SETTID)) {", "CLONE_PARENT)) {")],
        words: "LEAD -p DIR/pid",
        trial: Trial::Kills(Harm::Signal { number: SIGKILL, to: 1 }),
    },
    Seed {
        name: "signals stay blocked",
        file: "src/steps/signals.rs",
        edits: &[("sys::rt_sigprocmask(if keep { self.mask } else { SignalSet::NONE }, None)?", "drop(self.mask)")],
        words: ALL_ASKED,
        trial: Trial::Unharmed,
    },
    Seed {
        name: "the launcher blocks no signal",
        file: "src/main.rs",
        edits: &[("sys::rt_sigprocmask(SignalSet::ALL,", "sys::rt_sigprocmask(SignalSet::NONE,")],
        words: "-p DIR/pid",
        trial: Trial::Kills(Harm::Signal { number: SIGTERM, to: 0 }),
    },
];

/// What a trial finds wrong with a program.
fn found(trial: Trial, words: &'static str, program: &Path, home: &Path) -> Option<String> {
    let case = Case { words, program };
    match trial {
        Trial::Unharmed => in_own_directory(home, |directory| {
            let report = directory.join("room/report");
            let first = start(case, directory, None, Some(&report));
            let broken = of_the_launch(case, &first, None, directory);
            let broken = broken.or_else(|| (first.status() != Some(0)).then(|| first.stderr.clone()));
            let broken = broken.or_else(|| match first.report(&report) {
                Some(report) => differs(&report, case),
                None => Some("COMMAND does not run".to_owned()),
            });
            let broken = broken.or_else(|| of_the_next(case, &first, directory));
            first.end();
            broken
        }),
        Trial::Refuses(call, errno) => failing(case, home, call, errno, 1, 125),
        Trial::Survives(call, errno) => failing(case, home, call, errno, 0, 0),
        Trial::Kills(harm) => {
            kills(case, home).into_iter().filter(|kill| kill.harm == harm).find_map(|kill| violation(case, home, kill))
        }
    }
}

/// What is wrong when a call fails anywhere but in the processes before `first`, and the status is to be `wanted`.
fn failing(case: Case, home: &Path, call: usize, errno: i32, first: usize, wanted: i32) -> Option<String> {
    let unharmed = in_own_directory(home, |directory| {
        let unharmed = start(case, directory, None, None);
        unharmed.end();
        unharmed.trace.calls
    });
    let mut calls = unharmed.into_iter().filter(|made| made.number == call && made.place.process >= first).peekable();
    assert!(calls.peek().is_some(), "nobody makes call {call}");
    calls.find_map(|Call { place, .. }| {
        in_own_directory(home, |directory| {
            let start = start(case, directory, Some((place, Harm::Errno { errno, of: call })), None);
            start.end();
            let status = start.status();
            let broken = (status != Some(wanted)).then(|| format!("status {status:?}: {:?}", start.stderr));
            broken.or_else(|| of_the_launch(case, &start, None, directory))
        })
    })
}

/// What COMMAND finds in another way than was asked for.
fn differs(report: &str, case: Case) -> Option<String> {
    let of = |key: &str| {
        report.lines().filter_map(|line| line.strip_prefix(key)?.strip_prefix(' ')).collect::<BTreeSet<_>>()
    };
    let one = |key: &str| of(key).into_iter().next().unwrap_or("");
    let mut wanted = vec![("blocked", "0"), ("ignored", "0"), ("cwd", "/"), ("umask", "0"), ("pgid", one("pid"))];
    if case.words == ALL_ASKED {
        let ids = "65534 65534 65534";
        wanted.extend([("uid", ids), ("gid", ids), ("cwd", "/tmp"), ("umask", "22")]);
        wanted.retain(|pair| *pair != ("cwd", "/") && *pair != ("umask", "0"));
        if of("group") != BTreeSet::from(["65534", "7"]) {
            return Some(format!("groups {:?}", of("group")));
        }
    }
    if of("descriptor").iter().any(|line| line.starts_with(&format!("{DESCRIPTOR} "))) {
        return Some(format!("descriptor {DESCRIPTOR} is open"));
    }
    wanted.into_iter().find(|&(key, value)| one(key) != value).map(|(key, _)| format!("{key} {:?}", one(key)))
}

/// Builds what lies in a directory.
fn build(tree: &Path) -> PathBuf {
    let target = Path::new(env!("CARGO_BIN_EXE_bgexec")).with_file_name("seeded");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(["build", "--quiet", "--locked", "--offline", "--bin", "bgexec"]).current_dir(tree);
    let built = run_within(BUILD, command.env("CARGO_TARGET_DIR", &target).env("RUSTFLAGS", "--cap-lints=allow"));
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    target.join("debug/bgexec")
}

#[test]
fn every_seeded_fault_is_found() {
    if form() == Form::Seeded {
        find_seeds();
    } else {
        can("takes a build for each seeded fault, which BGEXEC_FAULTS=seeded asks for", false);
    }
}

fn find_seeds() {
    let home = crate::start::home();
    let tree = home.path().join("tree");
    fs::create_dir(&tree).expect("a directory can be made");
    let sources = Path::new(env!("CARGO_MANIFEST_DIR"));
    for name in
        ["Cargo.toml", "Cargo.lock", "build.rs", "rust-toolchain.toml", ".cargo", "src", "tests", "benches", "contrib"]
    {
        if sources.join(name).exists() {
            let copied = run(Command::new("cp").arg("-r").arg(sources.join(name)).arg(&tree));
            assert!(copied.status.success(), "{name} cannot be copied");
        }
    }
    for seed in SEEDS {
        let text = fs::read_to_string(tree.join(seed.file)).expect("a source");
        for (from, _) in seed.edits {
            assert_eq!(text.matches(from).count(), 1, "{}: {from:?} must stand in {} once", seed.name, seed.file);
        }
    }
    // The control: in what is right nothing is found.
    let right = build(&tree);
    for seed in SEEDS {
        assert_eq!(found(seed.trial, seed.words, &right, home.path()), None, "without {:?}", seed.name);
    }
    let mut missed = vec![];
    for seed in SEEDS {
        let file = tree.join(seed.file);
        let text = fs::read_to_string(&file).expect("a source");
        let mut wrong = text.clone();
        for (from, to) in seed.edits {
            wrong = wrong.replace(from, to);
        }
        fs::write(&file, wrong).expect("a copy can be written");
        let program = build(&tree);
        // What a kill does may hang on who runs next, which on a busy machine is another.
        let finding = (0..5).find_map(|_| found(seed.trial, seed.words, &program, home.path()));
        println!("seeded: {}: {}", seed.name, finding.as_deref().unwrap_or("NOT FOUND"));
        if finding.is_none() {
            missed.push(seed.name);
        }
        fs::write(&file, text).expect("a copy can be written");
    }
    println!("seeded faults: {}, missed: {}", SEEDS.len(), missed.len());
    assert!(missed.is_empty(), "{missed:?}");
}
