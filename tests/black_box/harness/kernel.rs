//! What a caller may do to a launch and neither std nor rustix does safely, as system calls through crate `sc`.
//!
//! The functions run between fork and exec: they make system calls and nothing else.

#![allow(unsafe_code, reason = "system calls")]

use std::ffi::{CStr, c_char};
use std::io;
use std::ptr;

use rustix::process::{Signal, set_parent_process_death_signal};

const CLONE_NEWNS: usize = 0x0002_0000;
const CLONE_NEWPID: usize = 0x2000_0000;
const CLONE_NEWUSER: usize = 0x1000_0000;
const AT_FDCWD: isize = -100;
const CLOSE_RANGE_CLOEXEC: usize = 1 << 2;
const F_SETFD: usize = 2;
const MS_BIND: usize = 1 << 12;
const MS_RDONLY: usize = 1;
const MS_REMOUNT: usize = 1 << 5;
const MS_PRIVATE_AND_BELOW: usize = 1 << 18 | 1 << 14;
const O_WRONLY: usize = 1;
const PR_SET_DUMPABLE: usize = 4;
const PR_SET_NO_NEW_PRIVS: usize = 38;
const PR_SET_SECCOMP: usize = 22;
const SECCOMP_MODE_FILTER: usize = 2;
const SIGCHLD: usize = 17;
const SIG_BLOCK: usize = 0;
const SIG_DFL: usize = 0;
const SIG_IGN: usize = 1;
const TIOCSCTTY: usize = 0x540e;

/// Makes a system call: what it returned, or its error.
macro_rules! call {
    ($($word:tt)*) => {
        // SAFETY: every pointer handed over is to a live value of the size that the call reads or writes.
        result(unsafe { sc::syscall!($($word)*) })
    };
}

fn result(returned: usize) -> io::Result<usize> {
    match returned as isize {
        errno @ -4095..0 => Err(io::Error::from_raw_os_error(-errno as i32)),
        _ => Ok(returned),
    }
}

/// Takes on the state of an ordinary caller, whatever runs the tests: every signal at its default, and no descriptors but
/// the standard streams.
pub fn become_ordinary() -> io::Result<()> {
    for signal in (1..=64).filter(|&signal| signal != Signal::KILL.as_raw() && signal != Signal::STOP.as_raw()) {
        set_disposition(signal, SIG_DFL)?;
    }
    call!(CLOSE_RANGE, 3, u32::MAX, CLOSE_RANGE_CLOEXEC).map(drop)
}

/// Ignores a signal, as `nohup` does, and every parent that is written in Python or Go.
pub fn ignore(signal: i32) -> io::Result<()> {
    set_disposition(signal, SIG_IGN)
}

fn set_disposition(signal: i32, disposition: usize) -> io::Result<()> {
    // `struct sigaction` of the kernel: the first word is the handler, on every architecture.
    let action = [disposition, 0, 0, 0];
    call!(RT_SIGACTION, signal, action.as_ptr(), 0, size_of::<u64>()).map(drop)
}

/// Blocks a signal.
pub fn block(signal: i32) -> io::Result<()> {
    let set = 1_u64 << (signal - 1);
    call!(RT_SIGPROCMASK, SIG_BLOCK, &raw const set, 0, size_of::<u64>()).map(drop)
}

/// Sends a signal of any number, which rustix does not.
pub fn send(pid: i32, signal: i32) -> io::Result<()> {
    call!(KILL, pid, signal).map(drop)
}

/// Closes a descriptor, which need not be open.
pub fn close(number: i32) {
    let _ = call!(CLOSE, number);
}

/// Makes a descriptor appear under a number, open in what is executed next.
pub fn duplicate(number: i32, onto: i32) -> io::Result<()> {
    let duplicated = if number == onto { call!(FCNTL, number, F_SETFD, 0) } else { call!(DUP3, number, onto, 0) };
    duplicated.map(drop)
}

/// Makes the terminal on standard input the controlling one.
pub fn take_terminal() -> io::Result<()> {
    call!(IOCTL, 0, TIOCSCTTY, 0).map(drop)
}

/// A system call that a filter refuses, as the filters of container runtimes do.
#[derive(Clone, Copy, Debug)]
pub struct Refusal {
    /// Its number.
    pub call: usize,
    /// Only with this second argument: the command of fcntl.
    pub second: Option<u32>,
    /// The error that it fails with.
    pub errno: rustix::io::Errno,
}

/// Installs a seccomp filter: from now on, and in everything executed, the call is refused.
pub fn refuse(refusal: Refusal) -> io::Result<()> {
    #[repr(C)]
    struct Instruction(u16, u8, u8, u32);
    #[repr(C)]
    struct Program(u16, *const Instruction);
    const LOAD: u16 = 0x20;
    const SKIP_UNLESS_EQUAL: u16 = 0x15;
    const RETURN: u16 = 0x06;
    const NUMBER: u32 = 0;
    const ARCHITECTURE: u32 = 4;
    const I386: u32 = 0x4000_0003;
    const SECOND: u32 = 24;
    const ALLOW: u32 = 0x7fff_0000;
    const ERRNO: u32 = 0x0005_0000;
    let no_second = u8::from(refusal.second.is_none());
    let (i386_call, i386_second) = as_i386(refusal);
    let program = [
        Instruction(LOAD, 0, 0, ARCHITECTURE),
        Instruction(SKIP_UNLESS_EQUAL, 0, 4, I386),
        Instruction(LOAD, 0, 0, NUMBER),
        Instruction(SKIP_UNLESS_EQUAL, 6 * no_second, 7, i386_call),
        Instruction(LOAD, 0, 0, SECOND),
        Instruction(SKIP_UNLESS_EQUAL, 4, 5, i386_second),
        Instruction(LOAD, 0, 0, NUMBER),
        Instruction(SKIP_UNLESS_EQUAL, 2 * no_second, 3, refusal.call as u32),
        Instruction(LOAD, 0, 0, SECOND),
        Instruction(SKIP_UNLESS_EQUAL, 0, 1, refusal.second.unwrap_or(0)),
        Instruction(RETURN, 0, 0, ERRNO | refusal.errno.raw_os_error() as u32),
        Instruction(RETURN, 0, 0, ALLOW),
    ];
    let program = Program(program.len() as u16, program.as_ptr());
    let install = || call!(PRCTL, PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &raw const program).map(drop);
    // Only who is not privileged has to give up privileges first.
    install().or_else(|_| {
        call!(PRCTL, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)?;
        install()
    })
}

/// The same call, and command of fcntl, as a program of 32 bits makes it on this machine.
fn as_i386(refusal: Refusal) -> (u32, u32) {
    const F_SETLK: u32 = 6;
    const F_SETLK64: u32 = 13;
    let call = match refusal.call {
        sc::nr::CLOSE_RANGE | sc::nr::PIDFD_OPEN | sc::nr::PIDFD_SEND_SIGNAL | sc::nr::CLONE3 => refusal.call as u32,
        sc::nr::CHDIR => 12,
        sc::nr::CLOCK_GETTIME => 403,
        sc::nr::CLONE => 120,
        sc::nr::DUP3 => 330,
        sc::nr::EXECVEAT => 358,
        sc::nr::FCNTL => 221,
        sc::nr::FTRUNCATE => 93,
        sc::nr::MEMFD_CREATE => 356,
        sc::nr::NEWFSTATAT => 300,
        sc::nr::OPENAT => 295,
        sc::nr::PIPE2 => 331,
        sc::nr::PRCTL => 172,
        sc::nr::PREAD64 => 180,
        sc::nr::PRLIMIT64 => 340,
        sc::nr::PWRITE64 => 181,
        sc::nr::READ => 3,
        sc::nr::RT_SIGACTION => 174,
        sc::nr::RT_SIGPROCMASK => 175,
        sc::nr::SETGID => 214,
        sc::nr::SETGROUPS => 206,
        sc::nr::SETPGID => 57,
        sc::nr::SETSID => 66,
        sc::nr::SETUID => 213,
        sc::nr::UNSHARE => 310,
        other => unreachable!("no test refuses call {other}"),
    };
    (call, refusal.second.map_or(0, |second| if second == F_SETLK { F_SETLK64 } else { second }))
}

/// Refuses what a kernel of Linux 3.2 has not, or a container's filter may not let through.
pub fn refuse_new_calls(errno: rustix::io::Errno) -> io::Result<()> {
    use sc::nr::{CLONE3, CLOSE_RANGE, EXECVEAT, MEMFD_CREATE, PIDFD_OPEN, PIDFD_SEND_SIGNAL};
    [CLONE3, CLOSE_RANGE, EXECVEAT, MEMFD_CREATE, PIDFD_OPEN, PIDFD_SEND_SIGNAL]
        .into_iter()
        .try_for_each(|call| refuse(Refusal { call, second: None, errno }))
}

/// Leaves for a mount namespace of its own, in which a mount changes nothing outside.
pub fn leave_mounts() -> io::Result<()> {
    call!(UNSHARE, CLONE_NEWNS)?;
    let root = c"/".as_ptr();
    call!(MOUNT, c"none".as_ptr(), root, 0, MS_PRIVATE_AND_BELOW, 0).map(drop)
}

/// Mounts an empty directory over another; call [`leave_mounts`] first.
pub fn hide(directory: &CStr) -> io::Result<()> {
    let kind = c"tmpfs".as_ptr();
    call!(MOUNT, kind, directory.as_ptr(), kind, 0, c"mode=755".as_ptr()).map(drop)
}

/// Mounts a /proc over the other, with options for that; call [`leave_mounts`] first.
pub fn mount_proc(options: &CStr) -> io::Result<()> {
    let kind = c"proc".as_ptr();
    call!(MOUNT, kind, c"/proc".as_ptr(), kind, 0, options.as_ptr()).map(drop)
}

/// Makes a directory one that nobody can write to; call [`leave_mounts`] first.
pub fn make_read_only(directory: &CStr) -> io::Result<()> {
    let directory = directory.as_ptr();
    call!(MOUNT, directory, directory, 0, MS_BIND, 0)?;
    call!(MOUNT, c"none".as_ptr(), directory, 0, MS_BIND | MS_REMOUNT | MS_RDONLY, 0).map(drop)
}

/// Mounts a file over another; call [`leave_mounts`] first.
pub fn cover(file: &CStr, with: &CStr) -> io::Result<()> {
    call!(MOUNT, with.as_ptr(), file.as_ptr(), 0, MS_BIND, 0).map(drop)
}

/// Goes on as pid 1 of a pid namespace with a /proc of its own. The process that forked it stays outside, waits, and
/// ends in the same way; when that is killed, so is everything inside.
pub fn become_pid_1() -> io::Result<()> {
    call!(UNSHARE, CLONE_NEWPID)?;
    let child = call!(CLONE, SIGCHLD, 0, 0, 0, 0)?;
    if child == 0 {
        set_parent_process_death_signal(Some(Signal::KILL))?;
        leave_mounts()?;
        return mount_proc(c"");
    }
    // std waits until its pipe to the child is closed.
    if call!(CLOSE_RANGE, 3, u32::MAX, 0).is_err() {
        (3..1024).for_each(close);
    }
    let mut status = 0_i32;
    let _ = call!(WAIT4, child, &raw mut status, 0, 0);
    let code = if status & 0x7f == 0 { status >> 8 } else { 128 + (status & 0x7f) };
    let _ = call!(EXIT_GROUP, code);
    unreachable!("exit_group does not return")
}

/// Takes another user and group, without any privilege left.
pub fn become_user(id: u32) -> io::Result<()> {
    become_member(id, &[])
}

/// The same as a member of supplementary groups.
pub fn become_member(id: u32, groups: &[u32]) -> io::Result<()> {
    call!(SETGROUPS, groups.len(), groups.as_ptr())?;
    call!(SETRESGID, id, id, id)?;
    call!(SETRESUID, id, id, id).map(drop)
}

/// Lets the calling thread do with files what another user may, and nothing more; the others of the process stay who they are.
pub fn act_as(id: u32) -> io::Result<()> {
    call!(SETGROUPS, 0, 0)?;
    // They return who it was before, and never an error.
    call!(SETFSGID, id)?;
    call!(SETFSUID, id).map(drop)
}

/// Leaves for a user namespace. `map` is its only user and its only group: `INSIDE OUTSIDE 1`.
pub fn leave_users(map: &str) -> io::Result<()> {
    // Else the files in /proc of a process that has changed its user are root's.
    call!(PRCTL, PR_SET_DUMPABLE, 1, 0, 0, 0)?;
    call!(UNSHARE, CLONE_NEWUSER)?;
    write(c"/proc/self/setgroups", "deny")?;
    write(c"/proc/self/uid_map", map)?;
    write(c"/proc/self/gid_map", map)
}

fn write(file: &CStr, text: &str) -> io::Result<()> {
    let descriptor = call!(OPENAT, AT_FDCWD, file.as_ptr(), O_WRONLY, 0)?;
    call!(WRITE, descriptor, text.as_ptr(), text.len())?;
    call!(CLOSE, descriptor).map(drop)
}

/// Executes a program with words and an environment that std would not pass: none at all, malformed, twice the same.
pub fn execute(program: &CStr, words: &[&CStr], environment: &[&CStr]) -> io::Error {
    // No allocation between fork and exec.
    let array = |strings: &[&CStr]| {
        let mut array = [ptr::null::<c_char>(); 16];
        array.iter_mut().zip(strings).for_each(|(place, string)| *place = string.as_ptr());
        array[15] = ptr::null();
        array
    };
    let (words, environment) = (array(words), array(environment));
    match call!(EXECVE, program.as_ptr(), words.as_ptr(), environment.as_ptr()) {
        Ok(_) => unreachable!("execve returns only after a failure"),
        Err(error) => error,
    }
}
