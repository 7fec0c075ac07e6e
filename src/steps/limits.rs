//! Priorities and limits.

#![forbid(unsafe_code)]

use super::Launch;
use crate::plan::Value;
use crate::report::Reason;
use crate::sys::abi::{EPERM, O_WRONLY, RLIM_NLIMITS};
use crate::sys::zstr::ZStr;
use crate::sys::{self, Text, room};

impl Launch {
    /// Sets the out-of-memory score adjustment (proc_pid_oom_score_adj(5)).
    pub(super) fn adjust_oom_score(&self) -> Result<(), Reason> {
        let file = sys::open(ZStr::new(c"/proc/self/oom_score_adj"), O_WRONLY)?;
        // The kernel takes a leading zero for octal: it gets the number, not the word.
        let mut score = self.plan.value(Value::OomScoreAdj) as i32;
        let mut room = room::<16>();
        let mut text = Text::new(&mut room, file);
        if score < 0 {
            text.push_byte(b'-');
            score = -score;
        }
        text.push_decimal(score as u32);
        let written = text.write();
        sys::close(file);
        Ok(written?)
    }

    /// Sets the limits of `--rlimit`.
    pub(super) fn set_limits(&self) -> Result<(), Reason> {
        for resource in 0..RLIM_NLIMITS as u32 {
            if let Some(limit) = self.plan.options.limit(resource) {
                match sys::setrlimit(resource, limit) {
                    Err(errno) if errno.is(EPERM) => return Err(Reason::LIMIT_REFUSED.with(resource)),
                    set => set?,
                }
            }
        }
        Ok(())
    }
}
