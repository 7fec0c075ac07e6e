//! A point in time that something is waited for until.

#![forbid(unsafe_code)]

use crate::sys::abi::CLOCK_MONOTONIC;
use crate::sys::{self, clock_gettime};

/// When a wait is over, on a clock that nobody sets.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Deadline(i64);

impl Deadline {
    /// In so many milliseconds.
    pub(super) fn after(time: u64) -> sys::Result<Deadline> {
        Ok(Deadline(clock_gettime(CLOCK_MONOTONIC)? + time as i64 * 1_000_000))
    }

    /// How many milliseconds are left, the last one counted as a whole; 0 once it is over.
    pub(super) fn left(self) -> sys::Result<u64> {
        let left = (self.0 - clock_gettime(CLOCK_MONOTONIC)?).max(0) as u64;
        Ok(left.div_ceil(1_000_000))
    }
}
