//! Waiting.

#![allow(unsafe_code)]

use super::abi::{self, CLOCK_MONOTONIC};
use super::call::{Result, number, persist};
use super::file::Fd;
use super::process::clock_gettime;

/// A moment up to which is waited, in nanoseconds of the monotonic clock: what is done between two waits counts, too.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Deadline(u64);

impl Deadline {
    /// It is over.
    pub const PAST: Deadline = Deadline(0);

    /// It never is.
    pub const NEVER: Deadline = Deadline(u64::MAX);

    /// So many milliseconds from now: at most a few hundred years.
    #[inline(never)]
    pub fn after(milliseconds: u64) -> Deadline {
        Deadline(clock_gettime(CLOCK_MONOTONIC) as u64 + milliseconds * 1_000_000)
    }

    /// Whether it is over.
    pub fn is_past(self) -> bool {
        self.left() == 0
    }

    /// Lets so many milliseconds pass, which count also where a filter refuses the clock; false if it is over already.
    #[inline(never)]
    pub fn pause(&mut self, milliseconds: u64) -> bool {
        let left = self.left();
        if left == 0 {
            return false;
        }
        pause(milliseconds);
        if self.left() == left {
            self.0 = self.0.saturating_sub(milliseconds * 1_000_000);
        }
        true
    }

    /// How much of the time is left, in nanoseconds.
    #[inline(never)]
    fn left(self) -> u64 {
        self.0.saturating_sub(clock_gettime(CLOCK_MONOTONIC) as u64)
    }
}

/// A descriptor to wait for (struct pollfd).
#[repr(transparent)]
pub struct PollFd(abi::pollfd);

impl PollFd {
    /// One that is to become readable (POLLIN) or writable (POLLOUT). [`Fd::NONE`] never is.
    pub fn new(fd: Fd, event: u32) -> PollFd {
        PollFd(abi::pollfd { fd: fd.0 as i32, events: event as i16, revents: 0 })
    }

    /// Whether there is something to read.
    pub fn can_be_read(&self) -> bool {
        self.0.revents & abi::POLLIN as i16 != 0
    }

    /// Whether it is, or the other end is closed.
    pub fn is_ready(&self) -> bool {
        self.0.revents != 0
    }
}

/// `ppoll(descriptors, time)`—Wait until one of them is ready or the deadline is past; this is `PAST` from then on, also where a
/// filter refuses the clock.
///
/// # Errors
/// ENOMEM; [ppoll(2)](https://man7.org/linux/man-pages/man2/ppoll.2.html)
#[inline(never)]
pub fn ppoll(descriptors: &mut [PollFd], deadline: &mut Deadline) -> Result<()> {
    let left = deadline.left();
    let mut time = [left / 1_000_000_000, left % 1_000_000_000]; // struct timespec, as the next
    let first = descriptors.as_mut_ptr() as usize;
    // SAFETY: the kernel writes within the slice, and the time.
    let ready = unsafe { persist(first, descriptors.len(), time.as_mut_ptr() as usize, 0, number::ppoll) };
    // Before Linux 5.1, and under filters of containers older than that, which know of no time of 64 bits.
    #[cfg(target_pointer_width = "32")]
    let ready = ready.or_else(|_| {
        let mut narrow = time.map(|part| part.min(i32::MAX as u64) as usize);
        // SAFETY: the kernel writes within the slice, and the time.
        unsafe { persist(first, descriptors.len(), narrow.as_mut_ptr() as usize, 0, number::ppoll32) }
    });
    if ready? == 0 {
        *deadline = Deadline::PAST;
    }
    Ok(())
}

/// `ppoll(fd, time)`—Whether one descriptor becomes ready within so many milliseconds.
#[inline(never)]
pub fn is_ready(fd: Fd, event: u32, milliseconds: u64) -> bool {
    let mut polled = [PollFd::new(fd, event)];
    let _ = ppoll(&mut polled, &mut Deadline::after(milliseconds)); // what cannot be waited for is not said to be ready
    polled[0].is_ready()
}

/// `ppoll(time)`—Let so many milliseconds pass.
pub fn pause(milliseconds: u64) {
    is_ready(Fd::NONE, 0, milliseconds);
}
