//! Many launches, and what each of them took.

use std::fs::File;
use std::hash::{BuildHasher, RandomState};
use std::io::Read;
use std::path::Path;

use rustix::fs::{CWD, FileType, Mode, OFlags, mknodat, open};
use rustix::process::{getpid, set_child_subreaper};
use rustix::time::{ClockId, clock_gettime};
use tempfile::TempDir;

use crate::assembly;
use crate::candidates::Candidate;
use crate::process::{Attributes, Words, reap, spawn};

/// Where the launches take place: the command, and the FIFO to which it writes when it runs.
pub struct Course {
    pub floor: String,
    pub command: String,
    pub fifo: String,
    times: File,
    directory: TempDir,
}

impl Course {
    pub fn new() -> Self {
        // A daemon is nobody's child: it and what it has used come to this process as an orphan.
        set_child_subreaper(Some(getpid())).expect("Linux 3.4");
        let directory = TempDir::new().expect("a directory");
        let [floor, command, fifo] = ["floor", "mark", "fifo"].map(|name| {
            let path = directory.path().join(name);
            path.to_str().expect("a path in UTF-8").to_owned()
        });
        assembly::build("floor", floor.as_ref());
        assembly::build("mark", command.as_ref());
        mknodat(CWD, &fifo, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).expect("a FIFO");
        // That it can write as well as read keeps the FIFO open between two launches.
        let times = open(&fifo, OFlags::RDWR | OFlags::NONBLOCK | OFlags::CLOEXEC, Mode::empty()).expect("it is there");
        Course { floor, command, fifo, times: times.into(), directory }
    }

    pub fn path(&self) -> &Path {
        self.directory.path()
    }
}

/// How the programs are started.
pub struct Setting {
    pub leader: bool,
    pub at_once: usize,
    pub environment: Words,
}

impl Setting {
    pub fn new() -> Self {
        let environment = Words::new(["PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/", "LANG=C.UTF-8", "TERM=dumb"]);
        Setting { leader: true, at_once: 1, environment }
    }
}

/// What launches took, a number for each round.
#[derive(Default)]
pub struct Figures {
    /// Microseconds until the last of the tools has ended.
    pub exit: Vec<f64>,
    /// Microseconds until the last of the commands runs.
    pub ready: Vec<f64>,
    /// Microseconds of processor time of a launch: tool, command and all between.
    pub cpu: Vec<f64>,
    /// Page faults of the same.
    pub faults: Vec<f64>,
}

/// Every round launches each of the candidates, in a random order.
pub fn run(course: &Course, candidates: &[Candidate], setting: &Setting, rounds: usize) -> Vec<Figures> {
    let attributes = Attributes::new(setting.leader);
    let mut figures: Vec<_> = candidates.iter().map(|_| Figures::default()).collect();
    let mut order: Vec<_> = (0..candidates.len()).collect();
    let random = RandomState::new();
    for candidate in candidates {
        launch(course, candidate, setting, &attributes, &mut Figures::default());
    }
    for round in 0..rounds {
        order.sort_by_cached_key(|place| random.hash_one((round, place)));
        for &place in &order {
            launch(course, &candidates[place], setting, &attributes, &mut figures[place]);
        }
    }
    figures
}

fn launch(course: &Course, candidate: &Candidate, setting: &Setting, attributes: &Attributes, figures: &mut Figures) {
    let start = now();
    let tools = (0..setting.at_once).map(|_| spawn(&candidate.words, &setting.environment, attributes));
    let tools: Vec<_> = tools.collect();
    let (mut left, mut end, mut cpu, mut faults) = (tools.len(), start, 0.0, 0.0);
    while let Some(ended) = reap() {
        if tools.contains(&ended.pid) {
            assert_eq!(ended.status, 0, "the status of {}", candidate.name);
            left -= 1;
            if left == 0 {
                end = now();
            }
        }
        cpu += ended.time;
        faults += ended.faults;
    }
    let launches = setting.at_once as f64;
    figures.exit.push(end - start);
    figures.ready.push(last_of(&course.times, setting.at_once) - start);
    figures.cpu.push(cpu / launches);
    figures.faults.push(faults / launches);
}

/// The latest time that the commands have written to the FIFO.
fn last_of(mut times: &File, commands: usize) -> f64 {
    let mut latest = 0.0_f64;
    for _ in 0..commands {
        let mut time = [0; 16];
        times.read_exact(&mut time).expect("the command has run");
        let [seconds, nanoseconds] = [&time[..8], &time[8..]];
        let number = |bytes: &[u8]| i64::from_ne_bytes(bytes.try_into().expect("8 bytes"));
        latest = latest.max(microseconds(number(seconds), number(nanoseconds)));
    }
    latest
}

/// On the clock that the command reads too.
fn now() -> f64 {
    let time = clock_gettime(ClockId::Monotonic);
    microseconds(time.tv_sec, time.tv_nsec)
}

fn microseconds(seconds: i64, nanoseconds: i64) -> f64 {
    seconds as f64 * 1e6 + nanoseconds as f64 / 1e3
}
