//! `bgexec [OPTION]... [--] COMMAND [ARG]...`: see the library's documentation for how it works.

#![no_std]
#![no_main]

mod start;

use bgexec::options::{Opt, Options};
use bgexec::plan::{Plan, Task};
use bgexec::sys::zstr::Vectors;
use bgexec::sys::{self, SignalSet};
use bgexec::{report, steps};

/// Parse, plan, run, report; gives the exit status.
fn main(vectors: Vectors) -> u32 {
    // Blocked from here on: no signal comes between two steps, and writing to a closed pipe is an error like any other.
    let mask = sys::rt_sigprocmask(SignalSet::ALL).unwrap_or(SignalSet::NONE);
    let plan = match Options::parse(vectors).and_then(Plan::new) {
        Ok(plan) => plan,
        Err(misuse) => return report::misuse(&misuse),
    };
    if plan.task != Task::Launch {
        return report::answer(plan.task);
    }
    match steps::run(&plan, mask) {
        Ok(pid) if plan.options.has(Opt::PrintPid) => report::pid(pid),
        Ok(_) => 0,
        Err(failure) => report::failure(&plan, &failure),
    }
}
