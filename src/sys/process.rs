//! Processes, sessions and identities.

#![allow(unsafe_code)]

use super::abi;
use super::call::{Errno, Result, ask, call, done, number, position};
use super::file::Fd;
use super::zstr::{Word, Words, ZStr};

/// The longest argument or variable with its NUL (MAX_ARG_STRLEN in include/uapi/linux/binfmts.h).
const ARGUMENT_MAX: usize = 1 << 17;

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

/// `wait4(pid, options)`—Wait for a child, with -1 for any, or with another negative pid for any of a process group, whatever
/// its exit signal, and reap it; gives which and how it ended. That is no child, 0, if `options` holds WNOHANG and it still
/// runs; and a negative number if there is no such child, or the kernel has reaped it.
///
/// [wait4(2)](https://man7.org/linux/man-pages/man2/wait4.2.html)
pub fn wait4(pid: Pid, options: u32) -> WaitStatus {
    let mut bits = 0;
    let options = options | abi::__WALL;
    // SAFETY: the kernel writes the status.
    let ended = unsafe { ask(pid as u32, &raw mut bits as usize, options as usize, number::wait4) };
    WaitStatus { pid: ended.map_or(-1, |pid| pid as Pid), bits }
}

/// How a child ended.
#[derive(Clone, Copy)]
pub struct WaitStatus {
    /// Which.
    pub pid: Pid,
    bits: u32,
}

impl WaitStatus {
    /// The signal that killed it; 0 if it exited.
    pub fn signal(self) -> u32 {
        self.bits & 0x7f
    }

    /// The exit status that it gave, if it exited.
    pub fn code(self) -> u32 {
        self.bits >> 8 & 0xff
    }

    /// The exit status that stands for both, as the shell has it: 128 and the signal.
    pub fn exit_status(self) -> u32 {
        if self.signal() == 0 { self.code() } else { 128 + self.signal() }
    }
}

/// `setsid()`—Create a session, and a process group in it, with the caller as their leader and no controlling terminal.
///
/// # Errors
/// EPERM: already a process group leader; [setsid(2)](https://man7.org/linux/man-pages/man2/setsid.2.html)
pub fn setsid() -> Result<Pid> {
    // SAFETY: takes no pointer.
    unsafe { ask(0, 0, 0, number::setsid) }.map(|pid| pid as Pid)
}

/// `setpgid(0, 0)`—Create a process group with the caller as its leader.
///
/// # Errors
/// [setpgid(2)](https://man7.org/linux/man-pages/man2/setpgid.2.html)
pub fn setpgid() -> Result<()> {
    // SAFETY: takes no pointer.
    done(unsafe { call!(setpgid, 0, 0) })
}

/// `getpgid(pid)`—The process group of a process; negative, an error's number, if there is no such process.
///
/// [getpgid(2)](https://man7.org/linux/man-pages/man2/getpgid.2.html)
pub fn getpgid(pid: Pid) -> Pid {
    // SAFETY: takes no pointer.
    (unsafe { call!(getpgid, pid) }) as Pid
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

/// `getppid()`—The parent's process id; 0 if it is in an outer pid namespace.
///
/// [getppid(2)](https://man7.org/linux/man-pages/man2/getppid.2.html)
pub fn getppid() -> Pid {
    // SAFETY: takes no pointer.
    (unsafe { call!(getppid) }) as Pid
}

/// `geteuid()`—The effective user id.
///
/// [geteuid(2)](https://man7.org/linux/man-pages/man2/geteuid.2.html)
pub fn geteuid() -> u32 {
    // SAFETY: takes no pointer.
    (unsafe { call!(geteuid) }) as u32
}

/// `setgroups(groups)`—Set the supplementary groups.
///
/// # Errors
/// EPERM: not privileged; [setgroups(2)](https://man7.org/linux/man-pages/man2/setgroups.2.html)
pub fn setgroups(groups: &[u32]) -> Result<()> {
    // SAFETY: the kernel reads within the slice.
    done(unsafe { call!(setgroups, groups.len(), groups.as_ptr()) })
}

/// `getgroups(room)`—The supplementary groups; gives how many there are.
///
/// # Errors
/// EINVAL: there is not room enough; [getgroups(2)](https://man7.org/linux/man-pages/man2/getgroups.2.html)
pub fn getgroups(room: &mut [u32]) -> Result<u32> {
    // SAFETY: the kernel writes within the slice.
    unsafe { ask(room.len() as u32, room.as_mut_ptr() as usize, 0, number::getgroups) }
}

/// `setgid(id)`—Set the group ids: of a privileged process real, effective and saved one.
///
/// # Errors
/// EPERM: not privileged; [setgid(2)](https://man7.org/linux/man-pages/man2/setgid.2.html)
pub fn setgid(id: u32) -> Result<()> {
    // SAFETY: takes no pointer.
    done(unsafe { call!(setgid, id) })
}

/// `setuid(id)`—Set the user ids: of a privileged process real, effective and saved one, and drop its capabilities.
///
/// # Errors
/// EPERM: not privileged; [setuid(2)](https://man7.org/linux/man-pages/man2/setuid.2.html)
pub fn setuid(id: u32) -> Result<()> {
    // SAFETY: takes no pointer.
    done(unsafe { call!(setuid, id) })
}

/// `prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL)`—Have no ambient capability, which `execve` would hand on.
///
/// # Errors
/// EINVAL before Linux 4.3, which has none;
/// [PR_CAP_AMBIENT(2const)](https://man7.org/linux/man-pages/man2/PR_CAP_AMBIENT.2const.html)
pub fn clear_ambient_capabilities() -> Result<()> {
    // SAFETY: with this option no argument is a pointer.
    unsafe { prctl(abi::PR_CAP_AMBIENT, abi::PR_CAP_AMBIENT_CLEAR_ALL) }
}

/// `getegid()`—The effective group id.
///
/// [getegid(2)](https://man7.org/linux/man-pages/man2/getegid.2.html)
pub fn getegid() -> u32 {
    // SAFETY: takes no pointer.
    (unsafe { call!(getegid) }) as u32
}

/// `prctl(PR_SET_NO_NEW_PRIVS)`—Let no `execve` from here on grant anything.
///
/// # Errors
/// EINVAL before Linux 3.5;
/// [PR_SET_NO_NEW_PRIVS(2const)](https://man7.org/linux/man-pages/man2/PR_SET_NO_NEW_PRIVS.2const.html)
pub fn set_no_new_privs() -> Result<()> {
    // SAFETY: with this option no argument is a pointer.
    unsafe { prctl(abi::PR_SET_NO_NEW_PRIVS, 1) }
}

/// `prctl(PR_SET_PDEATHSIG, signal)`—Get a signal when the parent dies. It lasts over `execve`, but not over a change of ids.
///
/// # Errors
/// EINVAL: not a signal; [PR_SET_PDEATHSIG(2const)](https://man7.org/linux/man-pages/man2/PR_SET_PDEATHSIG.2const.html)
pub fn set_parent_death_signal(signal: u32) -> Result<()> {
    // SAFETY: with this option no argument is a pointer.
    unsafe { prctl(abi::PR_SET_PDEATHSIG, signal) }
}

/// `prctl(PR_SET_CHILD_SUBREAPER)`—Become the parent of every orphan among one's descendants.
///
/// # Errors
/// EINVAL before Linux 3.4;
/// [PR_SET_CHILD_SUBREAPER(2const)](https://man7.org/linux/man-pages/man2/PR_SET_CHILD_SUBREAPER.2const.html)
pub fn set_child_subreaper() -> Result<()> {
    // SAFETY: with this option no argument is a pointer.
    unsafe { prctl(abi::PR_SET_CHILD_SUBREAPER, 1) }
}

/// `prctl(option, argument)`, with zeros behind them.
///
/// # Safety
/// The option's argument is no pointer.
#[inline(never)]
unsafe fn prctl(option: u32, argument: u32) -> Result<()> {
    // SAFETY: the caller vouches for that.
    done(unsafe { call!(prctl, option, argument, 0, 0, 0) })
}

/// `ioctl(fd, TIOCGPGRP)`—The foreground process group of the caller's controlling terminal; 0 if it is of another pid namespace,
/// and what no process or group has, nor an error as its number, if it is not that terminal.
///
/// [tcgetpgrp(3)](https://man7.org/linux/man-pages/man3/tcgetpgrp.3.html)
pub fn foreground(fd: Fd) -> Pid {
    let mut group = Pid::MIN;
    // SAFETY: the kernel writes the group.
    unsafe { call!(ioctl, fd.0, abi::TIOCGPGRP, &raw mut group) };
    group
}

/// `ioctl(fd, TIOCSPGRP, group)`—Make a process group the foreground one of the caller's controlling terminal.
///
/// # Errors
/// ENOTTY: not that terminal; [tcsetpgrp(3)](https://man7.org/linux/man-pages/man3/tcsetpgrp.3.html)
pub fn set_foreground(fd: Fd, group: Pid) -> Result<()> {
    // SAFETY: the kernel reads the group.
    done(unsafe { call!(ioctl, fd.0, abi::TIOCSPGRP, &raw const group) })
}

/// `setpriority(PRIO_PROCESS, 0, nice)`—Set the niceness, -20 to 19.
///
/// # Errors
/// EACCES, EPERM: not privileged; [setpriority(2)](https://man7.org/linux/man-pages/man2/setpriority.2.html)
pub fn setpriority(nice: i32) -> Result<()> {
    // SAFETY: takes no pointer.
    done(unsafe { call!(setpriority, abi::PRIO_PROCESS, 0, nice) })
}

/// `ioprio_set(IOPRIO_WHO_PROCESS, 0, class << 13 | priority)`—Set the I/O scheduling class (1 realtime, 2 best-effort, 3
/// idle) and the priority in it, 0 to 7.
///
/// # Errors
/// EPERM: not privileged; [ioprio_set(2)](https://man7.org/linux/man-pages/man2/ioprio_set.2.html)
pub fn ioprio_set(class_and_priority: u64) -> Result<()> {
    // SAFETY: takes no pointer.
    done(unsafe { call!(ioprio_set, abi::IOPRIO_WHO_PROCESS, 0, class_and_priority) })
}

/// `prlimit64(0, resource, limit)`—Set a resource's soft and hard limit.
///
/// # Errors
/// EPERM: not privileged; [prlimit(2)](https://man7.org/linux/man-pages/man2/prlimit.2.html)
pub fn setrlimit(resource: u32, [soft, hard]: [u64; 2]) -> Result<()> {
    let limit = abi::rlimit64 { rlim_cur: soft, rlim_max: hard };
    // SAFETY: the kernel reads the structure.
    done(unsafe { call!(prlimit64, 0, resource, &raw const limit, 0) })
}

/// `ioctl(fd, TIOCSCTTY, 1)`—Make a terminal the controlling one of the caller's session, which it leads. A privileged
/// caller takes it from another session.
///
/// # Errors
/// ENOTTY: not a terminal; EPERM: the session has one, or another has this one;
/// [TIOCSCTTY(2const)](https://man7.org/linux/man-pages/man2/TIOCSCTTY.2const.html)
pub fn set_controlling_terminal(fd: Fd) -> Result<()> {
    // SAFETY: with this command the argument is no pointer.
    done(unsafe { call!(ioctl, fd.0, abi::TIOCSCTTY, 1) })
}

/// `mmap(size)`—New memory, all zero, of which nothing is in use before it is touched; `None` if there is not so much.
///
/// [mmap(2)](https://man7.org/linux/man-pages/man2/mmap.2.html)
pub fn mmap(size: usize) -> Option<&'static mut [u8]> {
    let protection = abi::PROT_READ | abi::PROT_WRITE;
    let flags = abi::MAP_PRIVATE | abi::MAP_ANONYMOUS;
    #[cfg(not(target_arch = "s390x"))]
    // SAFETY: the kernel chooses where nothing is yet.
    let answer = unsafe { call!(mmap, 0, size, protection, flags, usize::MAX, 0) };
    #[cfg(target_arch = "s390x")]
    let arguments = [0, size, protection as usize, flags as usize, usize::MAX, 0]; // struct s390_mmap_arg_struct
    #[cfg(target_arch = "s390x")]
    // SAFETY: the kernel reads the arguments, and chooses where nothing is yet.
    let answer = unsafe { call!(mmap, arguments.as_ptr()) };
    let address = position(answer).ok()?;
    // SAFETY: this memory is new, and nobody unmaps it.
    Some(unsafe { core::slice::from_raw_parts_mut(address as *mut u8, size) })
}

/// The same for numbers.
pub fn mmap_numbers<const COUNT: usize>() -> Option<&'static mut [u32; COUNT]> {
    let bytes = mmap(COUNT * size_of::<u32>())?;
    // SAFETY: a page is aligned for every type, and a number may have any bits.
    Some(unsafe { &mut *bytes.as_mut_ptr().cast() })
}

/// The same for so many bytes as are known beforehand.
pub(super) fn mmap_bytes<const COUNT: usize>() -> Option<&'static mut [u8; COUNT]> {
    let bytes = mmap(COUNT)?;
    // SAFETY: there are so many.
    Some(unsafe { &mut *bytes.as_mut_ptr().cast() })
}

/// The same for a variable: its name and a `=`, and behind it the value, which ends with its text, its field or its line. It is
/// cut off where it is too long.
pub fn mmap_variable(name: ZStr, value: ZStr) -> Option<Word> {
    let room = mmap_bytes::<{ ARGUMENT_MAX + 1 }>()?;
    let mut length = 0;
    for &(mut text) in &[name, value] {
        while let Some((byte, rest)) = text.split_before(b':')
            && byte != b'\n'
        {
            *room.get_mut(length)? = byte;
            length += 1;
            text = rest;
        }
    }
    Some(ZStr::terminate(room))
}

/// `pidfd_open(pid)`—A descriptor of a process, which can be read once it has ended.
///
/// # Errors
/// ESRCH: no such process; ENOSYS before Linux 5.3;
/// [pidfd_open(2)](https://man7.org/linux/man-pages/man2/pidfd_open.2.html)
pub fn pidfd_open(pid: Pid) -> Result<Fd> {
    // SAFETY: takes no pointer.
    unsafe { ask(pid as u32, 0, 0, number::pidfd_open) }.map(Fd)
}

/// `pidfd_send_signal(process, signal)`—Send a signal to the process that a descriptor is of.
///
/// # Errors
/// ESRCH: it has ended; EPERM: not privileged;
/// [pidfd_send_signal(2)](https://man7.org/linux/man-pages/man2/pidfd_send_signal.2.html)
pub fn pidfd_send_signal(process: Fd, signal: u32) -> Result<()> {
    // SAFETY: no information goes with the signal.
    done(unsafe { call!(pidfd_send_signal, process.0, signal, 0, 0) })
}

/// `getrlimit(RLIMIT_NOFILE)`—The number of descriptors that a process may have, by its soft limit.
///
/// # Errors
/// [prlimit(2)](https://man7.org/linux/man-pages/man2/prlimit.2.html)
pub fn descriptor_limit() -> Result<u64> {
    let mut limit = abi::rlimit64 { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the kernel writes the structure.
    done(unsafe { call!(prlimit64, 0, abi::RLIMIT_NOFILE, 0, &raw mut limit) })?;
    Ok(limit.rlim_cur)
}

/// `clock_gettime(clock)`—A clock's time in nanoseconds.
///
/// Fails for no clock that there is: [clock_gettime(2)](https://man7.org/linux/man-pages/man2/clock_gettime.2.html).
#[inline(never)]
pub fn clock_gettime(clock: u32) -> i64 {
    let mut time = [0_i64; 2];
    // SAFETY: the kernel writes seconds and nanoseconds.
    let answer = unsafe { call!(clock_gettime, clock, time.as_mut_ptr()) };
    #[cfg(target_pointer_width = "32")]
    if answer != 0 {
        // Before Linux 5.1 a time of 64 bits is unknown.
        let mut narrow = [0_u32; 2];
        // SAFETY: the kernel writes seconds and nanoseconds.
        unsafe { call!(clock_gettime32, clock, narrow.as_mut_ptr()) };
        time = narrow.map(i64::from);
    }
    let _ = answer;
    super::file::nanoseconds(time[0], time[1])
}
