//! Many starts and stops at once of the daemon of one pidfile.

use std::collections::BTreeSet;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Barrier, Mutex};
use std::thread;

use crate::harness::process::is_alive;
use crate::harness::{Output, Running, Sandbox, eventually, probe, repeated, runner};

const WORKERS: usize = 8;
/// Of each worker; fewer by an emulator.
const ROUNDS: usize = 200;
const BYSTANDERS: usize = 3;

/// What a start says that comes too late; the pid follows.
const RUNNING: &str = "bgexec: unable to lock x.pid: already running as pid ";

/// What came of one start or stop.
enum Deed {
    /// A daemon with this pid was started.
    Started(i32),
    /// One with this pid was running already.
    Running(i32),
    Stopped,
    NotRunning,
    /// Nothing else may come of it.
    Odd(String),
}

fn deed(is_start: bool, output: &Output) -> Deed {
    let pid = |text: &str| text.trim_end().parse().expect("a pid");
    match (is_start, output.status.code(), &*output.stdout, &*output.stderr) {
        (true, Some(0), printed, "") => Deed::Started(pid(printed)),
        (true, Some(1), "", message) if message.starts_with(RUNNING) => Deed::Running(pid(&message[RUNNING.len()..])),
        (false, Some(0), "", "") => Deed::Stopped,
        (false, Some(1), "", "bgexec: unable to stop x.pid: not running\n") => Deed::NotRunning,
        _ => Deed::Odd(format!("{} {output:?}", if is_start { "start" } else { "stop" })),
    }
}

/// A daemon that takes a token, which nobody else may have, writes its pid down, and gives the token back when it gets
/// TERM. Until it has blocked that, it is ignored: so each daemon that is executed writes its pid down.
fn start(sandbox: &Sandbox) -> Output {
    let launch = sandbox.bgexec(&["-p", "x.pid", "--print-pid", "--ignore-signal", "TERM"]);
    let [token, pids] = ["token", "pids"].map(|name| sandbox.path(name).into_os_string());
    let verbs = ["block", "create", "TOKEN", "note", "PIDS", "await", "15", "remove", "TOKEN"];
    let words = verbs.map(|verb| match verb {
        "TOKEN" => token.clone(),
        "PIDS" => pids.clone(),
        verb => verb.into(),
    });
    launch.words([probe()]).words(words).run()
}

/// The pid of the bgexec that stopped the daemon, and what came of it.
fn stop(sandbox: &Sandbox) -> (i32, Output) {
    let running = sandbox.bgexec(&["-K", "-p", "x.pid", "--retry", "forever/TERM/0.05"]).spawn();
    (running.pid(), running.wait())
}

fn bystander(sandbox: &Sandbox, number: usize) -> Running {
    let launch = sandbox.launch(&probe()).words(["block"]);
    let launch = launch.reporting(&format!("bystander{number}"), ["record"]);
    launch.words([sandbox.path(format!("signals{number}"))]).spawn()
}

/// Never two daemons alive, never a success without its daemon, never a daemon without its success, never a stranger
/// signalled, nothing left at the end.
#[test]
fn of_starts_and_stops_leaves_everything_in_order() {
    let sandbox = Sandbox::new();
    let bystanders: Vec<_> = (0..BYSTANDERS).map(|number| bystander(&sandbox, number)).collect();
    (0..BYSTANDERS).for_each(|number| drop(sandbox.eventually_read(&format!("bystander{number}"))));
    let barrier = Barrier::new(WORKERS);
    let stoppers = Mutex::new(BTreeSet::new());
    let work = || {
        barrier.wait();
        let random = RandomState::new();
        let round = |round| {
            let is_start = random.hash_one(round) & 1 == 0;
            let (stopper, output) = if is_start { (0, start(&sandbox)) } else { stop(&sandbox) };
            stoppers.lock().expect("nobody panics with it").insert(stopper);
            deed(is_start, &output)
        };
        (0..repeated(ROUNDS)).map(round).collect::<Vec<_>>()
    };
    let deeds: Vec<Deed> = thread::scope(|scope| {
        let workers: Vec<_> = (0..WORKERS).map(|_| scope.spawn(work)).collect();
        workers.into_iter().flat_map(|worker| worker.join().expect("it does not panic")).collect()
    });
    let (_, last) = stop(&sandbox);
    assert!(matches!(deed(false, &last), Deed::Stopped | Deed::NotRunning));

    let odd: Vec<&String> =
        deeds.iter().filter_map(|deed| if let Deed::Odd(output) = deed { Some(output) } else { None }).collect();
    assert_eq!(odd, [""; 0]);
    assert!(!sandbox.exists("token.twice"), "two were alive");
    assert!(!sandbox.exists("token") && !sandbox.exists("x.pid"));
    let mut executed: Vec<i32> = sandbox.read("pids").lines().map(|pid| pid.parse().expect("a pid")).collect();
    let mut started: Vec<i32> =
        deeds.iter().filter_map(|deed| if let Deed::Started(pid) = deed { Some(*pid) } else { None }).collect();
    executed.sort_unstable();
    started.sort_unstable();
    assert_eq!(started, executed);
    let executed = BTreeSet::from_iter(executed);
    let stoppers = stoppers.into_inner().expect("nobody panicked with it");
    // A bgexec that removes a dead one's pidfile holds its lock, too, but not for long: that one is asked for again before it is
    // believed to be a daemon. On a busy machine it may take longer than that, and so it may by an emulator.
    let unknown: Vec<i32> = deeds
        .iter()
        .filter_map(|deed| match deed {
            Deed::Running(pid) if !executed.contains(pid) && !stoppers.contains(pid) && runner().is_none() => {
                Some(*pid)
            }
            _ => None,
        })
        .collect();
    assert_eq!(unknown, [], "said to be running");
    let stopped = deeds.iter().filter(|deed| matches!(deed, Deed::Stopped)).count();
    let idle = deeds.iter().filter(|deed| matches!(deed, Deed::NotRunning)).count();
    eprintln!("{} started, {stopped} stopped, {idle} not running, of {}", started.len(), deeds.len());
    assert!(started.len() > 1 && stopped > 1, "the race was none");
    for (number, bystander) in bystanders.into_iter().enumerate() {
        assert!(is_alive(bystander.pid()));
        assert!(!sandbox.exists(&format!("signals{number}")), "a bystander was signalled");
        bystander.end();
    }
    eventually("all have ended", || sandbox.is_deserted().then_some(()));
}
