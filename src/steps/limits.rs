//! Priorities and limits.

#![forbid(unsafe_code)]

use super::Launch;
use crate::report::Reason;
use crate::sys::abi::O_WRONLY;
use crate::sys::zstr::ZStr;
use crate::sys::{self, Fd};

impl Launch<'_> {
    /// Sets the out-of-memory score adjustment (proc_pid_oom_score_adj(5)).
    pub(super) fn adjust_oom_score(&self) -> Result<(), Reason> {
        let file = sys::openat(Fd::CWD, ZStr::new(c"/proc/self/oom_score_adj"), O_WRONLY, 0)?;
        let written = sys::write(file, self.word().as_bytes());
        sys::close(file);
        Ok(written?)
    }

    /// Sets the limits of `--rlimit`.
    pub(super) fn set_limits(&self) -> Result<(), Reason> {
        for (resource, limit) in (0..).zip(&self.plan.options.limits) {
            if let Some(limit) = limit {
                sys::setrlimit(resource, *limit)?;
            }
        }
        Ok(())
    }
}
