//! What a supervisor costs: the processor time of many restarts, against a bare loop that starts the same command and
//! waits for its end.
//!
//! `cargo bench --bench restart [-- RESTARTS]`. The command ends at once: it is bgexec, saying its version to nobody. The
//! two are measured in turn, several times.

#![allow(unsafe_code, reason = "std starts processes with more calls than the bare loop may have")]

use std::ffi::{CString, c_char, c_void};
use std::process::{Command, Stdio};
use std::{env, fs, ptr};

use rustix::process::{WaitOptions, getpid, set_child_subreaper, wait};
use tempfile::TempDir;

const BGEXEC: &str = env!("CARGO_BIN_EXE_bgexec");
const RESTARTS: u32 = 10_000;
const ROUNDS: usize = 5;
/// The word that makes this program the loop.
const LOOP: &str = "loop";

fn main() {
    let words: Vec<String> = env::args().skip(1).filter(|word| word != "--bench").collect();
    let number = |word: &String| word.parse().expect("a number of restarts");
    if words.first().is_some_and(|word| word == LOOP) {
        return bare_loop(words.get(1).map_or(RESTARTS, number));
    }
    let restarts = words.first().map_or(RESTARTS, number);
    // A supervisor is nobody's child: its processor time counts with the process that gets it as an orphan.
    set_child_subreaper(Some(getpid())).expect("Linux 3.4");
    let directory = TempDir::new().expect("a directory");
    let bare = || {
        let this = env::current_exe().expect("this program");
        spent(Command::new(this).stdout(Stdio::null()).arg(LOOP).arg((restarts + 1).to_string()))
    };
    let supervised = |pidfiles: &[&str]| {
        let mut launch = Command::new(BGEXEC);
        launch.current_dir(&directory).args(["-r", "-R", "0", "-C", &restarts.to_string()]).args(pidfiles);
        spent(launch.args([BGEXEC, "-V"]))
    };

    println!("Processor time of {restarts} restarts, in ms");
    println!("{:>8} {:>8} {:>8} {:>8} {:>8}", "loop", "-r", "ratio", "-r -p", "ratio");
    let mut ratios = [[0.0; 2]; ROUNDS];
    for round in &mut ratios {
        let bare = bare();
        let times = [supervised(&[]), supervised(&["-p", "x.pid", "--child-pidfile", "child.pid"])];
        *round = times.map(|time| time / bare);
        println!("{bare:>8.0} {:>8.0} {:>8.2} {:>8.0} {:>8.2}", times[0], round[0], times[1], round[1]);
    }
    let [plain, recorded] = [0, 1].map(|column| median(ratios.map(|round| round[column])));
    println!("median {:>19.2} {:>17.2}", plain, recorded);
}

/// Nothing but what the C library needs to start a process and to wait for it.
fn bare_loop(runs: u32) {
    let path = CString::new(BGEXEC).expect("a path");
    let words = [path.as_ptr(), c"-V".as_ptr(), ptr::null()];
    let variables = [ptr::null()];
    for _ in 0..runs {
        let (mut pid, mut status) = (0, 0);
        // SAFETY: the path is a string, both arrays end with a null pointer, the others may be null.
        let error =
            unsafe { posix_spawn(&mut pid, words[0], ptr::null(), ptr::null(), words.as_ptr(), variables.as_ptr()) };
        assert_eq!(error, 0);
        // SAFETY: the status is written.
        assert_eq!(unsafe { waitpid(pid, &mut status, 0) }, pid);
        assert_eq!(status, 0);
    }
}

unsafe extern "C" {
    fn posix_spawn(
        pid: &mut i32,
        path: *const c_char,
        actions: *const c_void,
        attributes: *const c_void,
        words: *const *const c_char,
        variables: *const *const c_char,
    ) -> i32;
    fn waitpid(pid: i32, status: &mut i32, options: i32) -> i32;
}

/// Runs a command and waits until all that came of it has ended; the processor time of all, in milliseconds.
fn spent(command: &mut Command) -> f64 {
    let before = children_time();
    assert!(command.status().expect("it runs").success());
    while wait(WaitOptions::empty()).is_ok() {}
    children_time() - before
}

/// The processor time of the children that this process has waited for, and of theirs, in milliseconds
/// (proc_pid_stat(5): cutime and cstime, in hundredths of a second).
fn children_time() -> f64 {
    let line = fs::read_to_string("/proc/self/stat").expect("/proc");
    let (_, after_name) = line.rsplit_once(") ").expect("a name in parentheses");
    let ticks = after_name.split(' ').skip(13).take(2);
    ticks.map(|ticks| ticks.parse::<f64>().expect("a number")).sum::<f64>() * 10.0
}

fn median(mut values: [f64; ROUNDS]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[ROUNDS / 2]
}
