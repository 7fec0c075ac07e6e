//! What is measured: the floor, bgexec, and those of its peers that are on PATH.

use std::path::PathBuf;
use std::{env, fs};

use crate::measure::Course;
use crate::process::Words;

/// How each peer makes a session for COMMAND and lets go of the terminal, as far as it can.
const PEERS: &[(&str, &str)] = &[
    ("`daemonize`", "daemonize COMMAND FIFO"),
    ("libslack `daemon`", "daemon --noconfig --unsafe -- COMMAND FIFO"),
    ("dpkg `start-stop-daemon`", "start-stop-daemon -S -b -p FIFO.pid -x COMMAND -- FIFO"),
    ("busybox `start-stop-daemon`", "busybox start-stop-daemon -S -b -x COMMAND -- FIFO"),
    ("busybox `setsid`", "busybox setsid COMMAND FIFO"),
    ("`setsid -f`", "setsid -f COMMAND FIFO"),
];

/// A command line that starts the command.
pub struct Candidate {
    pub name: &'static str,
    pub words: Words,
    /// The size of the program's own file, in bytes.
    pub size: u64,
}

impl Candidate {
    fn new(name: &'static str, program: PathBuf, words: &[String]) -> Self {
        let size = fs::metadata(&program).expect("it is there").len();
        let program = [program.to_str().expect("a path in UTF-8").to_owned()];
        Candidate { name, words: Words::new(program.iter().chain(words)), size }
    }
}

pub fn floor(course: &Course) -> Candidate {
    Candidate::new("the floor", course.floor.clone().into(), &[course.command.clone(), course.fifo.clone()])
}

/// COMMAND as the user types it.
pub fn bgexec(course: &Course, command: &str) -> Candidate {
    Candidate::new("`bgexec`", env!("CARGO_BIN_EXE_bgexec").into(), &[command.to_owned(), course.fifo.clone()])
}

/// The floor first: it is what the others are compared with.
pub fn all(course: &Course) -> Vec<Candidate> {
    let mut candidates = vec![floor(course), bgexec(course, &course.command)];
    for &(name, line) in PEERS {
        let mut words = line.split(' ');
        let tool = words.next().expect("a name");
        let words: Vec<_> =
            words.map(|word| word.replace("COMMAND", &course.command).replace("FIFO", &course.fifo)).collect();
        match on_path(tool) {
            Some(program) => candidates.push(Candidate::new(name, program, &words)),
            None => println!("not measured: there is no {tool}"),
        }
    }
    candidates
}

fn on_path(tool: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path).chain(["/usr/sbin".into(), "/sbin".into()]).map(|dir| dir.join(tool)).find(|it| it.exists())
}
