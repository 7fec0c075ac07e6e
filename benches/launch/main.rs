//! What a launch costs: bgexec and its peers against the floor, a program of a few instructions that does the least.
//!
//! `cargo bench --bench launch [-- quick | -- ROUNDS]`. Prints a table for a shell that starts its commands as leaders of
//! process groups, one for a boot script that does not, and one for unusual callers; draws `benches/launch.svg`. `quick`
//! shows that all of this works: a few rounds, and the picture goes to the target directory.
//!
//! The programs are started in a random order in every round, so that what disturbs one disturbs all, and compared within
//! a round. All run on one processor, ahead of everything else where the kernel allows that.

#[cfg(target_arch = "x86_64")]
mod assembly;
#[cfg(target_arch = "x86_64")]
mod candidates;
#[cfg(target_arch = "x86_64")]
mod measure;
#[cfg(target_arch = "x86_64")]
mod plot;
#[cfg(target_arch = "x86_64")]
mod process;
#[cfg(target_arch = "x86_64")]
mod statistics;
#[cfg(target_arch = "x86_64")]
mod sweep;
#[cfg(target_arch = "x86_64")]
mod table;

#[cfg(not(target_arch = "x86_64"))]
fn main() {
    println!("not run: the floor is written for x86_64");
}

#[cfg(target_arch = "x86_64")]
fn main() {
    use std::env;
    use std::path::Path;

    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

    let words: Vec<String> = env::args().skip(1).filter(|word| word != "--bench").collect();
    let quick = words.first().is_some_and(|word| word == "quick");
    let rounds = match words.first() {
        None => 2_000,
        Some(_) if quick => 20,
        Some(word) => word.parse().expect("quick, or a number of rounds"),
    };

    // What most callers have; two of the peers close as many descriptors as they may have, one by one.
    let limit = Rlimit { current: Some(1_024), ..getrlimit(Resource::Nofile) };
    setrlimit(Resource::Nofile, limit).expect("1,024 descriptors");
    let processor = process::stay_on_one_processor();
    let ahead = process::go_ahead();
    println!("{rounds} rounds on processor {processor}{}", if ahead { ", ahead of all else" } else { "" });

    let course = measure::Course::new();
    let candidates = candidates::all(&course);
    let setting = measure::Setting::new();
    let leader = measure::run(&course, &candidates, &setting, rounds);
    table::print("By an interactive shell: as the leader of a process group", &candidates, &leader);
    let boot = measure::Setting { leader: false, ..measure::Setting::new() };
    let boot = measure::run(&course, &candidates, &boot, rounds);
    table::print("By a boot script: not as a leader", &candidates, &boot);
    sweep::run(&course, rounds);

    let target = concat!(env!("CARGO_TARGET_TMPDIR"), "/launch.svg");
    let ours = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/launch.svg");
    let picture = Path::new(if quick { target } else { ours });
    plot::draw(picture, &candidates, &leader);
    println!("\nDrawn: {}", picture.display());
}
