//! `bgexec [OPTION]... [--] COMMAND [ARG]...`: see the library's documentation for how it works.

#![no_std]
// There the compiler calls its own assembly experimental: RUSTC_BOOTSTRAP=1 or a nightly one.
#![cfg_attr(any(target_arch = "mips", target_arch = "mips64"), feature(asm_experimental_arch))]
#![no_main]

mod start;

use bgexec::options::{Opt, Options, USAGE};
use bgexec::plan::Plan;
use bgexec::report::{self, Decimal};
use bgexec::steps::{Launch, stop};
use bgexec::sys::abi::SIGPIPE;
use bgexec::sys::zstr::{Vectors, ZStr};
use bgexec::sys::{self, SignalSet};

/// What `--version` prints.
const VERSION: &str = concat!("bgexec ", env!("CARGO_PKG_VERSION"), "\n");

/// Parse, plan, run, report; gives the exit status.
fn main(vectors: Vectors) -> u32 {
    // Blocked from here on: no signal comes between two steps, and writing to a closed pipe is an error like any other.
    let mask = sys::rt_sigprocmask(SignalSet::ALL);
    let mut options = Options::new(vectors);
    if let Err(reason) = options.parse() {
        return report::misuse(&options, reason);
    }
    if options.has(Opt::Help) {
        return report::print(ZStr::new(c"help"), USAGE.as_bytes());
    }
    if options.has(Opt::Version) {
        return report::print(ZStr::new(c"version"), VERSION.as_bytes());
    }
    let plan = match Plan::new(&options, sys::getpid() == 1) {
        Ok(plan) => plan,
        Err(reason) => return report::misuse(&options, reason),
    };
    if options.has(Opt::Status) {
        return report::status(stop::status(&plan));
    }
    if options.has(Opt::Stop) {
        // Interrupting the wait for somebody else's end is the user's right.
        sys::rt_sigprocmask(mask.with(SIGPIPE));
        return report::stop(&plan, stop::stop(&plan));
    }
    if plan.command.get().is_none() {
        return report::usage();
    }
    let mut launch = Launch::new(&plan, mask);
    if let Err(reason) = launch.run() {
        return report::failure(&launch, reason);
    }
    if let Err(reason) = launch.wait_until_ready() {
        launch.abort();
        return report::failure(&launch, reason);
    }
    if options.has(Opt::PrintPid) {
        let status = report::print(ZStr::new(c"pid"), Decimal::new(launch.daemon as u32).line());
        if status != 0 {
            launch.abort();
            return status;
        }
    }
    if !plan.stays() {
        return 0;
    }
    match launch.stay() {
        Ok(status) => status,
        Err(reason) => {
            launch.abort();
            report::failure(&launch, reason)
        }
    }
}
