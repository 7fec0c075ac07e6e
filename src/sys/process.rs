//! Processes, sessions and identities.

#![allow(unsafe_code)]

use super::abi;
use super::call::{Errno, Result, Sysno, call, done, persist, value};
use super::zstr::{Word, Words, ZStr};

/// A process id; negative where a call takes a process group.
pub type Pid = i32;

/// `execve(path, argv, envp)`—Become another program; returns only if that fails.
///
/// # Errors
/// [execve(2)](https://man7.org/linux/man-pages/man2/execve.2.html)
pub fn execve(path: ZStr, argv: Words, envp: Words) -> Errno {
    // SAFETY: the kernel reads the path and both arrays up to their ends; on success nothing of this program is left.
    let answer = unsafe { call!(execve, path.as_ptr(), argv.as_ptr(), envp.as_ptr()) };
    done(answer).err().unwrap_or(Errno::IO)
}

/// `execve(interpreter, [interpreter, script, argument...], envp)`—Become the interpreter of a script; returns only if that
/// fails. The slot `before` and the one behind it, which held COMMAND's name, are used for the first two.
///
/// # Errors
/// [execve(2)](https://man7.org/linux/man-pages/man2/execve.2.html)
pub fn execve_script(interpreter: Word, script: ZStr, before: Words, envp: Words) -> Errno {
    before.set(interpreter);
    // SAFETY: the kernel alone looks at the slot from here on, and the script's path is good until this function returns.
    before.next().set(unsafe { script.forever() });
    execve(interpreter, before, envp)
}

/// `exit_group(status)`—End the process.
///
/// [exit_group(2)](https://man7.org/linux/man-pages/man2/exit_group.2.html)
pub fn exit(status: u32) -> ! {
    loop {
        // SAFETY: takes no pointer and does not return.
        unsafe { call!(exit_group, status) };
    }
}

/// `wait4(pid, options)`—Wait for a child, whatever its exit signal, and reap it; gives its wait status, or `None` if
/// `options` holds WNOHANG and it still runs.
///
/// # Errors
/// ECHILD: not a child, or reaped by the kernel; [wait4(2)](https://man7.org/linux/man-pages/man2/wait4.2.html)
pub fn wait4(pid: Pid, options: u32) -> Result<Option<WaitStatus>> {
    let mut status = 0;
    // SAFETY: the kernel writes the status.
    match value(unsafe {
        persist(
            Sysno::wait4,
            pid as usize,
            &raw mut status as usize,
            (options | abi::__WALL) as usize,
            0,
        )
    })? {
        0 => Ok(None),
        _ => Ok(Some(WaitStatus(status))),
    }
}

/// How a child ended.
#[derive(Clone, Copy)]
pub struct WaitStatus(u32);

impl WaitStatus {
    /// The signal that killed it; 0 if it exited.
    pub fn signal(self) -> u32 {
        self.0 & 0x7f
    }

    /// The exit status that it gave, if it exited.
    pub fn code(self) -> u32 {
        self.0 >> 8 & 0xff
    }
}

/// `setsid()`—Create a session, and a process group in it, with the caller as their leader and no controlling terminal.
///
/// # Errors
/// EPERM: already a process group leader; [setsid(2)](https://man7.org/linux/man-pages/man2/setsid.2.html)
pub fn setsid() -> Result<Pid> {
    // SAFETY: takes no pointer.
    value(unsafe { call!(setsid) }).map(|pid| pid as Pid)
}

/// `setpgid(0, 0)`—Create a process group with the caller as its leader.
///
/// # Errors
/// [setpgid(2)](https://man7.org/linux/man-pages/man2/setpgid.2.html)
pub fn setpgid() -> Result<()> {
    // SAFETY: takes no pointer.
    done(unsafe { call!(setpgid, 0, 0) })
}

/// `unshare(flags)`—Stop sharing something with other processes.
///
/// # Errors
/// [unshare(2)](https://man7.org/linux/man-pages/man2/unshare.2.html)
pub fn unshare(flags: u32) -> Result<()> {
    // SAFETY: takes no pointer.
    done(unsafe { call!(unshare, flags) })
}

/// `getpid()`—The caller's process id.
///
/// [getpid(2)](https://man7.org/linux/man-pages/man2/getpid.2.html)
pub fn getpid() -> Pid {
    // SAFETY: takes no pointer.
    (unsafe { call!(getpid) }) as Pid
}

/// `geteuid()`—The effective user id.
///
/// [geteuid(2)](https://man7.org/linux/man-pages/man2/geteuid.2.html)
pub fn geteuid() -> u32 {
    // SAFETY: takes no pointer.
    (unsafe { call!(geteuid) }) as u32
}

/// `getuid()`, `getegid()`, `getgid()`—Whether real and effective ids are the same.
///
/// [credentials(7)](https://man7.org/linux/man-pages/man7/credentials.7.html)
pub fn ids_agree() -> bool {
    // SAFETY: takes no pointer.
    let uid = unsafe { call!(getuid) };
    // SAFETY: takes no pointer.
    let gid = unsafe { call!(getgid) };
    // SAFETY: takes no pointer.
    let egid = unsafe { call!(getegid) };
    uid as u32 == geteuid() && gid == egid
}

/// `getrlimit(RLIMIT_NOFILE)`—The number of descriptors that a process may have, by its soft limit.
///
/// # Errors
/// [prlimit(2)](https://man7.org/linux/man-pages/man2/prlimit.2.html)
pub fn descriptor_limit() -> Result<u32> {
    let mut limit = abi::rlimit64 {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: the kernel writes the structure.
    done(unsafe { call!(prlimit64, 0, abi::RLIMIT_NOFILE, 0, &raw mut limit) })?;
    Ok(u32::try_from(limit.rlim_cur).unwrap_or(u32::MAX))
}

/// `clock_gettime(clock)`—A clock's time in nanoseconds.
///
/// # Errors
/// [clock_gettime(2)](https://man7.org/linux/man-pages/man2/clock_gettime.2.html)
pub fn clock_gettime(clock: u32) -> Result<i64> {
    let mut time = [0_i64; 2];
    // SAFETY: the kernel writes seconds and nanoseconds.
    done(unsafe { call!(clock_gettime, clock, time.as_mut_ptr()) })?;
    Ok(super::file::nanoseconds(time[0], time[1]))
}
