//! The system call instruction, and what its answer means. The one file that names crate `syscalls`.

#![allow(unsafe_code)]

use core::num::NonZeroU32;

use super::abi;

use syscalls::raw_syscall;

pub(super) use syscalls::Sysno;

/// The system calls' numbers, by the kernel's names. Where an architecture of 32 bits has a narrow form of a call and a
/// wide one, the name is the wide one's: ids have 32 bits, sizes and times 64.
pub(super) mod number {
    #[cfg(target_arch = "aarch64")]
    pub(in crate::sys) use syscalls::Sysno::fstatat as newfstatat;
    #[allow(unused_imports, reason = "what is renamed below is not needed under its own name")]
    pub(in crate::sys) use syscalls::Sysno::*;
    #[cfg(target_pointer_width = "32")]
    pub(in crate::sys) use syscalls::Sysno::{
        clock_gettime as clock_gettime32, clock_gettime64 as clock_gettime, fcntl64 as fcntl, fstatat64 as newfstatat,
        mmap2 as mmap, ppoll as ppoll32, ppoll_time64 as ppoll,
    };
    #[cfg(any(target_arch = "x86", target_arch = "arm"))]
    pub(in crate::sys) use syscalls::Sysno::{
        getegid32 as getegid, geteuid32 as geteuid, getgroups32 as getgroups, setgid32 as setgid,
        setgroups32 as setgroups, setuid32 as setuid,
    };
}

/// An error number of the kernel (errno(3)): 1 to 4095, on each architecture its own.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Errno(NonZeroU32);

impl Errno {
    pub(super) const IO: Errno = Errno::new(abi::EIO);
    /// ENOENT: no such file or directory.
    pub const NOENT: Errno = Errno::new(abi::ENOENT);

    /// ENOMEM: cannot allocate memory.
    pub const NOMEM: Errno = Errno::new(abi::ENOMEM);

    /// EMFILE: too many open files.
    pub const MFILE: Errno = Errno::new(abi::EMFILE);

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
        #[cfg(not(target_pointer_width = "32"))]
        let answer = unsafe { raw_syscall!(number, a, b, c, d) };
        // A position in a file takes two registers, which on some architectures have to be a pair.
        #[cfg(target_pointer_width = "32")]
        // SAFETY: the caller vouches for the pointers.
        let answer = unsafe { raw_syscall!(number, a, b, c, d, 0, 0) };
        if answer as u32 != abi::EINTR.wrapping_neg() {
            return value(answer);
        }
    }
}

/// The same for a call with three arguments, of which the first is a number: a descriptor or a pid. Where a place in a file
/// follows, it is the start.
///
/// # Safety
/// As [`persist`].
#[inline(never)]
pub(super) unsafe fn ask(a: u32, b: usize, c: usize, number: Sysno) -> Result<u32> {
    // SAFETY: the caller vouches for the pointers.
    unsafe { persist(a as usize, b, c, 0, number) }
}

/// The same for a call that gives 0 or an error.
///
/// # Safety
/// As [`persist`].
#[inline(never)]
pub(super) unsafe fn order(a: u32, b: usize, c: usize, number: Sysno) -> Result<()> {
    // SAFETY: the caller vouches for the pointers.
    unsafe { ask(a, b, c, number) }.map(drop)
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

/// The answer of a call that gives an address or a place in a file, which may be any number but the last 4095, or an error.
#[inline(always)]
pub(super) fn position(answer: usize) -> Result<usize> {
    if answer < -4095_isize as usize { Ok(answer) } else { Err(Errno::new((answer as u32).wrapping_neg())) }
}

/// Makes a system call that no signal interrupts.
macro_rules! call {
    ($name:ident $(, $argument:expr)*) => { syscalls::raw_syscall!(number::$name $(, $argument)*) };
}
pub(super) use call;
