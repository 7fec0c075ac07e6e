//! `bgexec [OPTION]... [--] COMMAND [ARG]...`: see the library's documentation for how it works.

#![no_std]
// There the compiler calls its own assembly experimental: RUSTC_BOOTSTRAP=1 or a nightly one.
#![cfg_attr(any(target_arch = "mips", target_arch = "mips64"), feature(asm_experimental_arch))]
#![no_main]

mod start;

use bgexec::options::Opt;
use bgexec::report;
use bgexec::steps::{Launch, Step, stop};
use bgexec::sys::abi::SIGPIPE;
use bgexec::sys::zstr::Vectors;
use bgexec::sys::{self, SignalSet};

/// Parse, plan, run, report; gives the exit status.
#[inline(always)]
fn main(vectors: Vectors) -> u32 {
    let launch = &mut Launch::new(vectors);
    // Blocked from here on: no signal comes between two steps, and writing to a closed pipe is an error like any other.
    // Where that is refused, so is what resets the mask for COMMAND, which is an error.
    let _ = sys::rt_sigprocmask(SignalSet::ALL, Some(&mut launch.mask));
    let plan = &mut launch.plan;
    if let Err(reason) = plan.options.parse() {
        return report::misuse(&plan.options, reason);
    }
    if plan.options.has(Opt::Help) {
        return report::help();
    }
    if plan.options.has(Opt::Version) {
        return report::version();
    }
    if let Err(reason) = plan.read(sys::getpid() == 1) {
        return report::misuse(&plan.options, reason);
    }
    if plan.options.has(Opt::Status) {
        return report::status(stop::status(plan));
    }
    if plan.options.has(Opt::Stop) {
        // Interrupting the wait for somebody else's end is the user's right.
        let _ = sys::rt_sigprocmask(launch.mask.with(SIGPIPE), None);
        launch.step = Step::Fill;
        let stopped = launch.fill().and_then(|()| {
            launch.step = Step::Stop;
            stop::stop(&launch.plan)
        });
        return match stopped {
            Ok(()) => 0,
            Err(reason) => report::failure(launch, reason),
        };
    }
    if !plan.options.has(Opt::Command) {
        return report::usage();
    }
    if let Err(reason) = launch.run() {
        return report::failure(launch, reason);
    }
    if let Err(reason) = launch.wait_until_ready() {
        launch.abort();
        return report::failure(launch, reason);
    }
    if launch.plan.options.has(Opt::PrintPid) {
        let status = report::pid(launch.daemon);
        if status != 0 {
            launch.abort();
            return status;
        }
    }
    if !launch.plan.stays() {
        return 0;
    }
    match launch.stay() {
        Ok(status) => status,
        Err(reason) => {
            launch.abort();
            report::failure(launch, reason)
        }
    }
}
