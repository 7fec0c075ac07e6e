//! Signals: masks, dispositions, sending.

#![allow(unsafe_code)]

use core::mem::MaybeUninit;
use core::ptr::null_mut;

use super::abi;
use super::call::{Result, ask, call, done, number, persist};
use super::file::Fd;
use super::process::Pid;

/// How many registers a set of signals fills.
const WORDS: usize = (abi::NSIG / usize::BITS) as usize;

/// A set of signals: bit N-1 for signal N, counted through the words.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub struct SignalSet([usize; WORDS]);

impl SignalSet {
    /// No signal.
    pub const NONE: SignalSet = SignalSet([0; WORDS]);
    /// Every signal.
    pub const ALL: SignalSet = SignalSet([!0; WORDS]);

    /// The set together with a signal.
    pub const fn with(self, signal: u32) -> SignalSet {
        let SignalSet(mut words) = self;
        let bit = signal.wrapping_sub(1);
        if signal <= abi::NSIG && bit < abi::NSIG {
            words[(bit / usize::BITS) as usize] |= 1 << (bit % usize::BITS);
        }
        SignalSet(words)
    }

    /// The set without a signal.
    pub const fn without(self, signal: u32) -> SignalSet {
        let SignalSet(mut words) = self;
        let bit = signal.wrapping_sub(1);
        if signal <= abi::NSIG && bit < abi::NSIG {
            words[(bit / usize::BITS) as usize] &= !(1 << (bit % usize::BITS));
        }
        SignalSet(words)
    }
}

/// `rt_sigprocmask(SIG_SETMASK, set)`—Set which signals are blocked; gives the `old` set to who asks for it.
///
/// # Errors
/// Fails on no kernel with these arguments, but a filter of system calls may refuse it;
/// [rt_sigprocmask(2)](https://man7.org/linux/man-pages/man2/rt_sigprocmask.2.html)
pub fn rt_sigprocmask(set: SignalSet, old: Option<&mut SignalSet>) -> Result<()> {
    let old = old.map_or(null_mut(), |old| &raw mut *old);
    // SAFETY: the kernel reads one set, and writes the other unless it is null.
    done(unsafe { call!(rt_sigprocmask, abi::SIG_SETMASK, &raw const set, old, size_of::<SignalSet>()) })
}

/// What the kernel takes for a disposition (struct sigaction of the architecture's asm/signal.h): a handler, which on some
/// comes behind the flags, and flags, a restorer and a mask, in as many registers as the longest needs. On mips the kernel
/// leaves the restorer out, while qemu-user writes one behind the mask.
const ACTION: usize = if cfg!(target_pointer_width = "32") { 7 } else { 4 + cfg!(target_arch = "mips64") as usize };
const DISPOSITION: usize = cfg!(any(target_arch = "mips", target_arch = "mips64")) as usize;

/// `rt_sigaction(signal, handler)`—Set a signal's disposition, to SIG_DFL (0) or SIG_IGN (1).
///
/// # Errors
/// EINVAL: SIGKILL, SIGSTOP, or no such signal;
/// [rt_sigaction(2)](https://man7.org/linux/man-pages/man2/rt_sigaction.2.html)
pub fn rt_sigaction(signal: u32, handler: u32) -> Result<()> {
    let mut action = [0_usize; ACTION];
    action[DISPOSITION] = handler as usize & 1;
    // SAFETY: the kernel reads the structure, in which no handler is a function.
    done(unsafe { call!(rt_sigaction, signal, action.as_ptr(), 0, size_of::<SignalSet>()) })
}

/// `rt_sigaction(signal)`—A signal's disposition: SIG_DFL (0) or SIG_IGN (1), where there is no handler.
///
/// # Errors
/// EINVAL: no such signal; [rt_sigaction(2)](https://man7.org/linux/man-pages/man2/rt_sigaction.2.html)
pub fn disposition(signal: u32) -> Result<u32> {
    let mut action = [0_usize; ACTION];
    // SAFETY: the kernel writes the structure.
    done(unsafe { call!(rt_sigaction, signal, 0, action.as_mut_ptr(), size_of::<SignalSet>()) })?;
    Ok(action[DISPOSITION] as u32)
}

/// Makes a signal that is blocked no longer pending: it is not while its disposition is SIG_IGN (sigaction(2)).
pub fn discard_signal(signal: u32) {
    let before = disposition(signal).unwrap_or(1);
    let _ = rt_sigaction(signal, 1); // fails for none that can be blocked
    let _ = rt_sigaction(signal, before);
}

/// `signalfd4(-1, set, SFD_CLOEXEC)`—A descriptor that can be read while a signal of a set is pending.
///
/// # Errors
/// [signalfd(2)](https://man7.org/linux/man-pages/man2/signalfd.2.html)
pub fn signalfd(set: SignalSet) -> Result<Fd> {
    // SAFETY: the kernel reads the set.
    let fd = unsafe {
        persist(usize::MAX, &raw const set as usize, size_of::<SignalSet>(), abi::O_CLOEXEC as usize, number::signalfd4)
    };
    fd.map(Fd)
}

/// `read(signals)`—Take the next signal from such a descriptor, waiting for one.
///
/// # Errors
/// As [`signalfd`].
pub fn read_signal(signals: Fd) -> Result<u32> {
    let mut signal = MaybeUninit::<[u32; 32]>::uninit(); // struct signalfd_siginfo, which begins with the number
    let first = signal.as_mut_ptr().cast::<u32>();
    // SAFETY: the kernel writes within the structure.
    unsafe { ask(signals.0, first as usize, size_of_val(&signal), number::read) }?;
    // SAFETY: a signal was read, all of it.
    Ok(unsafe { first.read() })
}

/// `kill(pid, signal)`—Send a signal to a process, or with a negative pid to a process group.
///
/// # Errors
/// ESRCH: no such process; [kill(2)](https://man7.org/linux/man-pages/man2/kill.2.html)
pub fn kill(pid: Pid, signal: u32) -> Result<()> {
    // SAFETY: takes no pointer.
    done(unsafe { call!(kill, pid, signal) })
}

/// `tgkill(pid, pid, 0)`—Ask for the process whose first thread has this id. Unlike kill(2), this knows no other thread's.
///
/// # Errors
/// ESRCH: no such process; [tgkill(2)](https://man7.org/linux/man-pages/man2/tgkill.2.html)
pub fn ask_first_thread(pid: Pid) -> Result<()> {
    // SAFETY: takes no pointer.
    done(unsafe { call!(tgkill, pid, pid, 0) })
}
