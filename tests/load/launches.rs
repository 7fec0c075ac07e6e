//! Many launches at once in a control group that has room for few processes: fork fails now and then, in the launcher, the
//! leader or the supervisor. Each launch has status 0 if, and only if, its command has run.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::thread;

use crate::harness::{Launch, Sandbox, eventually, is_root, skip, tiny_command};

/// How many are under way at once.
const AT_ONCE: usize = 64;

/// How many processes there may be; the limit is another for every few launches.
const LIMITS: [usize; 8] = [1, 3, 16, 40, 64, 80, 120, 250];

/// A control group of its own, for the controller of process numbers; it is removed with the test.
struct Group(PathBuf);

impl Group {
    /// None where there is none to be had, in either version.
    fn new(launches: usize) -> Option<Self> {
        let name = format!("bgexec-load-{launches}-{}", std::process::id());
        ["/sys/fs/cgroup/pids", "/sys/fs/cgroup"].into_iter().find_map(|place| {
            let group = Path::new(place).join(&name);
            fs::create_dir(&group).ok()?;
            let group = Group(group);
            group.0.join("pids.max").exists().then_some(group)
        })
    }

    fn limit(&self, processes: usize) {
        fs::write(self.0.join("pids.max"), processes.to_string()).expect("the group is ours");
    }

    fn processes(&self) -> String {
        fs::read_to_string(self.0.join("pids.current")).expect("the group is there")
    }

    /// The launch, in this group.
    fn enter(&self, launch: Launch) -> Launch {
        let processes = fs::File::options().write(true).open(self.0.join("cgroup.procs")).expect("the group is ours");
        // 0 is the one who writes.
        launch.before_exec(move || Ok(rustix::io::write(&processes, b"0").map(drop)?))
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let _ = fs::remove_dir(&self.0);
    }
}

/// The forms of a launch, of which each makes its processes in another way: without a leader, with one, a launcher that
/// stays, a supervisor.
fn launch(sandbox: &Sandbox, number: usize) -> Launch {
    let (pidfile, output) = (format!("{number}.pid"), format!("{number}.out"));
    let launch = sandbox.bgexec(&["-p", &pidfile, "-O", &output]);
    match number % 4 {
        0 => launch,
        1 => launch.leading_group(),
        2 => launch.words(["-w"]),
        _ => launch.words(["-r", "-R", "0", "-C", "0"]),
    }
}

/// What a launch came to, if that is not as promised.
fn violation(sandbox: &Sandbox, number: usize, status: Option<i32>, stderr: &str) -> Option<String> {
    let (pidfile, output) = (format!("{number}.pid"), format!("{number}.out"));
    let ran = || fs::metadata(sandbox.path(&output)).is_ok_and(|file| file.len() > 0);
    let is_line = stderr.starts_with("bgexec: unable to ") && stderr.find('\n') == Some(stderr.len() - 1);
    match status {
        Some(0) if !stderr.is_empty() => Some("success with a message".to_owned()),
        Some(0) => {
            eventually("the command has run", || ran().then_some(()));
            None
        }
        Some(125 | 126) if !is_line => Some("no line".to_owned()),
        Some(125 | 126) if sandbox.exists(&pidfile) => Some("a pidfile is left".to_owned()),
        Some(125 | 126) if ran() => Some("a failure, and yet the command has run".to_owned()),
        Some(125 | 126) => None,
        _ => Some("another status".to_owned()),
    }
}

fn load(launches: usize) {
    if !is_root() {
        return;
    }
    let Some(group) = Group::new(launches) else {
        return skip("there is no control group for the number of processes to be had, of either version");
    };
    let sandbox = Sandbox::new();
    let command = tiny_command();
    let (next, failed) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let losses = Mutex::new(vec![]);
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Relaxed);
                    if number >= launches {
                        break;
                    }
                    if number % 16 == 0 {
                        group.limit(LIMITS[number / 16 % LIMITS.len()]);
                    }
                    let launch = group.enter(launch(&sandbox, number)).words([&command]).words(["--version"]);
                    let output = launch.run();
                    failed.fetch_add(usize::from(!output.status.success()), Relaxed);
                    let violation = violation(&sandbox, number, output.status.code(), &output.stderr);
                    losses.lock().expect("nobody panics with it").extend(violation.map(|what| (number, what, output)));
                }
            });
        }
    });
    // What was left by a failure would still be there, and so would a command that ran after its failure was told.
    eventually("nothing is left in the group", || (group.processes() == "0\n").then_some(()));
    let failed = failed.into_inner();
    let losses = losses.into_inner().expect("nobody panicked with it");
    println!("load: {launches} launches, {} losses, {failed} of them refused for want of processes", losses.len());
    assert!(losses.is_empty(), "{losses:#?}");
    assert!(failed > launches / 50 && failed < launches - launches / 50, "{failed} of {launches} is no random failure");
}

#[test]
fn hundreds_with_too_few_processes() {
    load(800);
}

/// As many as a busy machine sees in a year; `.ci/proof` runs it.
#[test]
#[ignore = "it takes a minute or more"]
fn ten_thousand_with_too_few_processes() {
    load(10_000);
}
