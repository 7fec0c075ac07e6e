//! Signals: masks, dispositions, sending.

#![allow(unsafe_code)]

use super::abi;
use super::call::{Result, Sysno, call, done, persist, value};
use super::file::Fd;
use super::process::Pid;

/// A set of signals: bit N-1 for signal N.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
#[repr(transparent)]
pub struct SignalSet(pub u64);

impl SignalSet {
    /// No signal.
    pub const NONE: SignalSet = SignalSet(0);
    /// Every signal.
    pub const ALL: SignalSet = SignalSet(!0);

    /// The set together with a signal.
    pub fn with(self, signal: u32) -> SignalSet {
        SignalSet(self.0 | 1 << (signal - 1))
    }
}

/// `rt_sigprocmask(SIG_SETMASK, set)`—Set which signals are blocked; gives the old set.
///
/// Fails on no kernel with these arguments:
/// [rt_sigprocmask(2)](https://man7.org/linux/man-pages/man2/rt_sigprocmask.2.html).
///
/// # Errors
/// As the man page says.
pub fn rt_sigprocmask(set: SignalSet) -> Result<SignalSet> {
    let mut old = SignalSet::NONE;
    // SAFETY: the kernel reads one set and writes the other.
    done(unsafe { call!(rt_sigprocmask, abi::SIG_SETMASK, &raw const set, &raw mut old, size_of::<SignalSet>()) })?;
    Ok(old)
}

/// `rt_sigaction(signal, handler)`—Set a signal's disposition, to SIG_DFL (0) or SIG_IGN (1).
///
/// # Errors
/// EINVAL: SIGKILL, SIGSTOP, or no such signal;
/// [rt_sigaction(2)](https://man7.org/linux/man-pages/man2/rt_sigaction.2.html)
pub fn rt_sigaction(signal: u32, handler: usize) -> Result<()> {
    let action = [handler & 1, 0, 0, 0]; // handler, flags, restorer, mask
    // SAFETY: the kernel reads the structure, in which no handler is a function.
    done(unsafe { call!(rt_sigaction, signal, action.as_ptr(), 0, size_of::<SignalSet>()) })
}

/// `rt_sigaction(signal)`—Whether a signal's disposition is SIG_IGN.
///
/// # Errors
/// EINVAL: no such signal; [rt_sigaction(2)](https://man7.org/linux/man-pages/man2/rt_sigaction.2.html)
pub fn is_ignored(signal: u32) -> Result<bool> {
    let mut action = [0_usize; 4];
    // SAFETY: the kernel writes the structure.
    done(unsafe { call!(rt_sigaction, signal, 0, action.as_mut_ptr(), size_of::<SignalSet>()) })?;
    Ok(action[0] == 1)
}

/// `rt_sigtimedwait(set, timeout)`—Take a pending signal of a set, waiting for one up to so many milliseconds, or without
/// end.
///
/// # Errors
/// EAGAIN: none came; [rt_sigtimedwait(2)](https://man7.org/linux/man-pages/man2/rt_sigtimedwait.2.html)
pub fn rt_sigtimedwait(set: SignalSet, timeout: Option<u64>) -> Result<u32> {
    let time = timeout.map(milliseconds);
    let time = time.as_ref().map_or(core::ptr::null(), |time| time.as_ptr());
    // SAFETY: the kernel reads the set and the time.
    unsafe { persist(&raw const set as usize, 0, time as usize, size_of::<SignalSet>(), Sysno::rt_sigtimedwait) }
}

/// Milliseconds as the kernel takes them (struct timespec).
pub(super) fn milliseconds(time: u64) -> [i64; 2] {
    [(time / 1000) as i64, (time % 1000 * 1_000_000) as i64]
}

/// `signalfd4(-1, set, SFD_CLOEXEC)`—A descriptor that can be read while a signal of a set is pending.
///
/// # Errors
/// [signalfd(2)](https://man7.org/linux/man-pages/man2/signalfd.2.html)
pub fn signalfd(set: SignalSet) -> Result<Fd> {
    // SAFETY: the kernel reads the set.
    let answer = unsafe { call!(signalfd4, usize::MAX, &raw const set, size_of::<SignalSet>(), abi::O_CLOEXEC) };
    value(answer).map(Fd)
}

/// `kill(pid, signal)`—Send a signal to a process, or with a negative pid to a process group.
///
/// # Errors
/// ESRCH: no such process; [kill(2)](https://man7.org/linux/man-pages/man2/kill.2.html)
pub fn kill(pid: Pid, signal: u32) -> Result<()> {
    // SAFETY: takes no pointer.
    done(unsafe { call!(kill, pid, signal) })
}
