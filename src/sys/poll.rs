//! Waiting.

#![allow(unsafe_code)]

use super::abi;
use super::call::{Result, number, persist};
use super::file::Fd;

/// A span of time, which the kernel counts down while it waits (struct timespec).
#[derive(Clone, Copy, PartialEq, PartialOrd)]
#[repr(C)]
pub struct Time {
    seconds: i64,
    nanoseconds: i64,
}

impl Time {
    /// None any more.
    pub const OVER: Time = Time { seconds: 0, nanoseconds: 0 };

    /// Longer than any process lives.
    pub const ENDLESS: Time = Time { seconds: 1 << 31, nanoseconds: 0 };

    /// So many milliseconds.
    #[inline(never)]
    pub fn new(milliseconds: u64) -> Time {
        Time { seconds: (milliseconds / 1000) as i64, nanoseconds: (milliseconds % 1000 * 1_000_000) as i64 }
    }

    /// Makes it at least as long as another.
    pub fn extend(&mut self, other: Time) {
        if *self < other {
            *self = other;
        }
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

/// `ppoll(descriptors, time)`—Wait until one of them is ready or the time is over; what is left of it stays in `time`.
///
/// # Errors
/// ENOMEM; [ppoll(2)](https://man7.org/linux/man-pages/man2/ppoll.2.html)
pub fn ppoll(descriptors: &mut [PollFd], time: &mut Time) -> Result<()> {
    let first = descriptors.as_mut_ptr() as usize;
    // SAFETY: the kernel writes within the slice, and the time.
    let ready = unsafe { persist(first, descriptors.len(), &raw mut *time as usize, 0, number::ppoll) };
    #[cfg(target_pointer_width = "32")]
    let ready = match ready {
        Err(_) => ppoll32(descriptors, time),
        ready => ready,
    };
    if ready? == 0 {
        *time = Time::OVER; // whoever runs with STICKY_TIMEOUTS (personality(2)) gets it back as it was
    }
    Ok(())
}

/// The same before Linux 5.1, and under filters of containers older than that, which know of no time of 64 bits.
#[cfg(target_pointer_width = "32")]
fn ppoll32(descriptors: &mut [PollFd], time: &mut Time) -> Result<u32> {
    let mut narrow = [time.seconds.min(i32::MAX.into()) as usize, time.nanoseconds as usize];
    let first = descriptors.as_mut_ptr() as usize;
    // SAFETY: the kernel writes within the slice, and the time.
    let ready = unsafe { persist(first, descriptors.len(), narrow.as_mut_ptr() as usize, 0, number::ppoll32) };
    *time = Time { seconds: narrow[0] as i64, nanoseconds: narrow[1] as i64 };
    ready
}

/// `ppoll(fd, time)`—Whether one descriptor becomes ready within so many milliseconds.
#[inline(never)]
pub fn is_ready(fd: Fd, event: u32, milliseconds: u64) -> bool {
    let mut polled = [PollFd::new(fd, event)];
    // What cannot be waited for is not ready.
    ppoll(&mut polled, &mut Time::new(milliseconds)).is_ok() && polled[0].is_ready()
}

/// `ppoll(time)`—Let so many milliseconds pass.
pub fn pause(milliseconds: u64) {
    is_ready(Fd::NONE, 0, milliseconds);
}
