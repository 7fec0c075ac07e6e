//! Priorities and limits.

#![forbid(unsafe_code)]

use super::Launch;
use crate::plan::Value;
use crate::report::{Decimal, Reason};
use crate::sys::abi::O_WRONLY;
use crate::sys::zstr::ZStr;
use crate::sys::{self, Fd};

impl Launch<'_> {
    /// Sets the out-of-memory score adjustment (proc_pid_oom_score_adj(5)).
    pub(super) fn adjust_oom_score(&self) -> Result<(), Reason> {
        let file = sys::openat(Fd::CWD, ZStr::new(c"/proc/self/oom_score_adj"), O_WRONLY, 0)?;
        // The kernel takes a leading zero for octal: it gets the number, not the word.
        let score = self.plan.value(Value::OomScoreAdj).unwrap_or(0) as i64;
        let mut text = [b'-'; 12];
        let number = Decimal::new(score.unsigned_abs() as u32);
        for (slot, byte) in text.iter_mut().skip(1).zip(number.line()) {
            *slot = *byte;
        }
        let start = usize::from(score >= 0);
        let written = sys::write(file, text.get(start..=number.line().len()).unwrap_or_default());
        sys::close(file);
        Ok(written?)
    }

    /// Sets the limits of `--rlimit`.
    pub(super) fn set_limits(&self) -> Result<(), Reason> {
        for (resource, limit) in (0..).zip(&self.plan.options.limits) {
            if let Some(limit) = limit
                && sys::setrlimit(resource, *limit).is_err()
            {
                return Err(Reason::LIMIT_REFUSED.with(resource));
            }
        }
        Ok(())
    }
}
