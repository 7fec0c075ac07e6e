//! The system call instruction, and what its answer means. The one file that names crate `syscalls`.

use core::num::NonZeroU32;

use super::abi;

pub(super) use syscalls::{Sysno, raw_syscall};

/// An error number of the kernel (errno(3)): 1 to 4095, on each architecture its own.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Errno(NonZeroU32);

impl Errno {
    pub(super) const INTR: Errno = Errno::new(abi::EINTR);
    pub(super) const IO: Errno = Errno::new(abi::EIO);
    pub(super) const NAMETOOLONG: Errno = Errno::new(abi::ENAMETOOLONG);
    /// ENOENT: no such file or directory.
    pub const NOENT: Errno = Errno::new(abi::ENOENT);

    /// EMFILE: too many open files.
    pub const MFILE: Errno = Errno::new(abi::EMFILE);

    /// The error with this number.
    ///
    /// # Panics
    /// At compile time, if the number is 0.
    pub const fn new(number: u32) -> Self {
        match NonZeroU32::new(number) {
            Some(number) => Errno(number),
            None => unreachable!(),
        }
    }

    /// Its number.
    pub const fn number(self) -> u32 {
        self.0.get()
    }
}

/// What a system call gives: its value, or the kernel's error number.
pub type Result<T> = core::result::Result<T, Errno>;

/// The answer of a call that gives 0 or an error.
#[inline(always)]
pub(super) fn done(answer: usize) -> Result<()> {
    match NonZeroU32::new((answer as u32).wrapping_neg()) {
        None => Ok(()),
        Some(number) => Err(Errno(number)),
    }
}

/// The answer of a call that gives a number or an error.
#[inline(always)]
pub(super) fn value(answer: usize) -> Result<usize> {
    match NonZeroU32::new((answer as u32).wrapping_neg()) {
        Some(number) if answer > -4096isize as usize => Err(Errno(number)),
        _ => Ok(answer),
    }
}
