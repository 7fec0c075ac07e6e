//! Unusual callers: what a launch costs where something is large or many.

use std::iter;

use rustix::fs::{Mode, OFlags, open};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::candidates::{Candidate, bgexec, floor};
use crate::measure::{Course, Setting, run as measure};
use crate::process::Words;
use crate::statistics::{median, ratio};
use crate::table::grouped;

const VARIABLES: usize = 1_024;
const DESCRIPTORS: usize = 10_000;
const AT_ONCE: usize = 100;

/// Measures the floor and bgexec, one row for each kind of caller.
pub fn run(course: &Course, rounds: usize) {
    println!("\nBy an unusual caller\n");
    println!("| | the floor returns after µs | bgexec | × floor | the floor runs after µs | bgexec | × floor |");
    println!("|---|--:|--:|--:|--:|--:|--:|");
    let row = |name: &str, command: &str, setting: Setting| {
        let rounds = (rounds / setting.at_once).max(rounds.min(20));
        compare(name, &[floor(course), bgexec(course, command)], course, &setting, rounds);
    };
    let usual = |name: &str| row(name, &course.command, Setting::new());

    usual("nothing unusual");

    let padding = "x".repeat(1_024 - "V0000=".len() - 1);
    let variables = (0..VARIABLES).map(|number| format!("V{number:04}={padding}"));
    row("environment of 1 MB", &course.command, Setting { environment: Words::new(variables), ..Setting::new() });

    let before = getrlimit(Resource::Nofile);
    let hard = before.maximum.unwrap_or(1 << 20);
    let allow = |current| setrlimit(Resource::Nofile, Rlimit { current: Some(current), maximum: before.maximum });
    let limits = iter::successors(Some(256), |limit| Some(limit * 8)).take_while(|&limit| limit < hard);
    for limit in limits.chain([hard]) {
        allow(limit).expect("it is not above the hard limit");
        usual(&format!("RLIMIT_NOFILE {}", grouped(limit as f64)));
    }
    if hard > DESCRIPTORS as u64 + 64 {
        allow(hard).expect("it is the hard limit");
        let null = |_| open("/dev/null", OFlags::RDONLY, Mode::empty()).expect("there is room");
        let inherited: Vec<_> = (0..DESCRIPTORS).map(null).collect();
        usual("10,000 inherited descriptors");
        drop(inherited);
    } else {
        println!("not measured: 10,000 inherited descriptors; the hard limit is {hard}");
    }
    setrlimit(Resource::Nofile, before).expect("as it was");

    row("100 at once", &course.command, Setting { at_once: AT_ONCE, ..Setting::new() });

    let directory = course.path().display();
    for misses in [1, 10, 100, 1_000] {
        let missing = (0..misses).map(|number| format!("/nowhere/{number}:")).collect::<String>();
        let environment = Words::new([format!("PATH={missing}{directory}")]);
        let name = format!("command in the directory of PATH after {}", grouped(misses.into()));
        row(&name, "mark", Setting { environment, ..Setting::new() });
    }
}

fn compare(name: &str, candidates: &[Candidate; 2], course: &Course, setting: &Setting, rounds: usize) {
    let figures = measure(course, candidates, setting, rounds);
    let [floor, ours] = &figures[..] else { unreachable!("two candidates") };
    let exit = [&floor.exit, &ours.exit].map(|values| grouped(median(values)));
    let ready = [&floor.ready, &ours.ready].map(|values| grouped(median(values)));
    println!(
        "| {name} | {} | {} | {} | {} | {} | {} |",
        exit[0],
        exit[1],
        ratio(&ours.exit, &floor.exit),
        ready[0],
        ready[1],
        ratio(&ours.ready, &floor.ready),
    );
}
