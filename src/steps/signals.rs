//! Signals as COMMAND gets them.

#![forbid(unsafe_code)]

use super::Launch;
use crate::options::Opt;
use crate::report::Reason;
use crate::sys::abi::{NSIG, SIGCHLD, SIGKILL, SIGSTOP};
use crate::sys::{self, SignalSet};

impl Launch {
    /// Sets every disposition to the default, or to ignored where that was asked for, and empties the mask.
    pub(super) fn reset_signals(&self) -> Result<(), Reason> {
        let keep = self.plan.options.has(Opt::KeepSignals);
        for signal in 1..NSIG + 1 {
            let ignore = self.plan.ignored.has(signal) || keep && signal == SIGCHLD && self.ignores_children;
            if ignore || !keep && signal != SIGKILL && signal != SIGSTOP {
                sys::rt_sigaction(signal, ignore.into())?;
            }
        }
        Ok(sys::rt_sigprocmask(if keep { self.mask } else { SignalSet::NONE }, None)?)
    }
}
