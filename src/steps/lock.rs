//! The locks, and what counts as running.

#![forbid(unsafe_code)]

use super::{Launch, Step};
use crate::report::Reason;
use crate::sys::abi::{CLOCK_BOOTTIME, CLOCK_REALTIME, EAGAIN, F_RDLCK, F_WRLCK, O_RDONLY};
use crate::sys::zstr::ZStr;
use crate::sys::{self, Fd, Stat};

impl Launch<'_> {
    /// Takes the lock of the lockfile or pidfile for the daemon's life, unless the pid in the pidfile stands for a daemon
    /// that lost its lock.
    pub(super) fn lock(&self) -> Result<(), Reason> {
        let pidfile = self.step == Step::LockPidfile;
        let fd = if pidfile { self.pidfile } else { self.lockfile };
        while let Err(errno) = sys::lock(fd) {
            if !errno.is(EAGAIN) {
                return Err(errno.into());
            }
            // A query for a read lock tells of writers alone: only a writer is a daemon.
            if let Some(pid) = sys::lock_holder(fd, F_RDLCK)? {
                return Err(if pid > 0 { Reason::RUNNING.with(pid as u32) } else { Reason::RUNNING_ELSEWHERE });
            }
            if let Some(pid) = sys::lock_holder(fd, F_WRLCK)? {
                return Err(Reason::READ_LOCKED.with(pid as u32));
            }
        }
        if !self.is_current(fd) {
            return Err(Reason::PATH_CHANGED);
        }
        match if pidfile { recorded_daemon(fd)? } else { None } {
            Some(pid) => Err(Reason::RUNNING.with(pid)),
            None => Ok(()),
        }
    }
}

/// The daemon that a pidfile without a lock stands for, as far as there is evidence: the pid in it (digits and a newline,
/// from 2 up) is of a process that lives and started when the file was written. Without /proc there is none.
fn recorded_daemon(pidfile: Fd) -> Result<Option<u32>, Reason> {
    const PREFIX: usize = "/proc/".len();
    let mut path = *b"/proc/\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";
    let length = sys::read(pidfile, path.get_mut(PREFIX..24).unwrap_or_default())?;
    let pid = match ZStr::terminate(&mut path).skip(PREFIX).number(10, i32::MAX as u64) {
        Some((pid, rest)) if pid > 1 && rest == c"\n" => pid as u32,
        _ => return Ok(None),
    };
    for (slot, byte) in path.iter_mut().skip(PREFIX - 1 + length as usize).zip(b"/stat") {
        *slot = *byte;
    }
    let Ok(file) = sys::openat(Fd::CWD, ZStr::terminate(&mut path), O_RDONLY, 0) else {
        return Ok(None);
    };
    let mut stat = [0; 512];
    let read = sys::read(file, &mut stat);
    sys::close(file);
    read?;
    let Some(ticks) = start_time(ZStr::terminate(&mut stat)) else {
        return Ok(None);
    };
    let mut file = Stat::new();
    sys::fstat(pidfile, &mut file)?;
    let boot = sys::clock_gettime(CLOCK_REALTIME)? - sys::clock_gettime(CLOCK_BOOTTIME)?;
    let age = file.written() - (boot + ticks as i64 * 10_000_000);
    Ok((-100_000_000..=2_000_000_000).contains(&age).then_some(pid))
}

/// The start time in /proc/PID/stat, in hundredths of a second since boot (proc_pid_stat(5)); `None` for a zombie.
pub fn start_time(stat: ZStr) -> Option<u64> {
    // The command's name, in parentheses, may hold anything: the last one closes it.
    let mut field = stat;
    while field.find(b')').first() != 0 {
        field = field.find(b')').rest();
    }
    if matches!(field.rest().first(), b'Z' | b'X') {
        return None;
    }
    for _ in 2..22 {
        field = field.find(b' ').rest();
    }
    Some(field.number(10, u64::MAX >> 8)?.0)
}
