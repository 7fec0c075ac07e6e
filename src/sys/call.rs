//! The system call instruction, and what its answer means. The one file that names crate `syscalls`.

#![allow(unsafe_code)]

use core::num::NonZeroU32;

use super::abi;

pub(super) use syscalls::Sysno;
use syscalls::raw_syscall;

/// An error number of the kernel (errno(3)): 1 to 4095, on each architecture its own.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Errno(NonZeroU32);

impl Errno {
    pub(super) const IO: Errno = Errno::new(abi::EIO);
    /// ENOENT: no such file or directory.
    pub const NOENT: Errno = Errno::new(abi::ENOENT);

    /// EMFILE: too many open files.
    pub const MFILE: Errno = Errno::new(abi::EMFILE);

    /// EINVAL: invalid argument.
    pub const INVAL: Errno = Errno::new(abi::EINVAL);

    /// E2BIG: too long.
    pub const TOOBIG: Errno = Errno::new(abi::E2BIG);

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

    /// Whether it is the one with this number.
    pub fn is(self, number: u32) -> bool {
        self.0.get() == number
    }

    /// Its number.
    pub const fn number(self) -> NonZeroU32 {
        self.0
    }
}

/// What a system call gives: its value, or the kernel's error number.
pub type Result<T> = core::result::Result<T, Errno>;

/// Makes a system call that a signal may interrupt, until none does. The number comes last, so that the arguments arrive
/// in the registers where the kernel wants them.
///
/// # Safety
/// As the call's man page says: every pointer among the arguments must be good for what the kernel does with it.
#[inline(never)]
pub(super) unsafe fn persist(a: usize, b: usize, c: usize, d: usize, number: Sysno) -> Result<u32> {
    loop {
        // SAFETY: the caller vouches for the pointers.
        let answer = unsafe { raw_syscall!(number, a, b, c, d) };
        if answer as u32 != abi::EINTR.wrapping_neg() {
            return value(answer);
        }
    }
}

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
pub(super) fn value(answer: usize) -> Result<u32> {
    match NonZeroU32::new((answer as u32).wrapping_neg()) {
        // No call that is made gives a number beyond the positive ones of an i32.
        Some(number) if (answer as i32) < 0 => Err(Errno(number)),
        _ => Ok(answer as u32),
    }
}

/// Makes a system call that no signal interrupts.
macro_rules! call {
    ($name:ident $(, $argument:expr)*) => { syscalls::raw_syscall!(Sysno::$name $(, $argument)*) };
}
pub(super) use call;
