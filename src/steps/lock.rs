//! The locks, and what counts as running.

#![forbid(unsafe_code)]

use super::{Launch, Step};
use crate::report::Reason;
use crate::sys::abi::{CLOCK_BOOTTIME, CLOCK_REALTIME, EAGAIN, F_RDLCK, F_WRLCK, O_RDONLY};
use crate::sys::zstr::ZStr;
use crate::sys::{self, Fd, Path, Stat};

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
                return Err(if pid > 0 {
                    Reason::RUNNING.with(pid as u32)
                } else {
                    Reason::RUNNING_ELSEWHERE
                });
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
    let mut content = [0; 16];
    sys::read(pidfile, &mut content)?;
    let digits = ZStr::terminate(&mut content);
    let Some((pid, rest)) = digits.number(10, i32::MAX as u64) else {
        return Ok(None);
    };
    if pid < 2 || rest != c"\n" {
        return Ok(None);
    }
    let mut path = Path::new();
    path.push(ZStr::new(c"/proc/"), 0);
    path.push(digits, b'\n');
    path.push(ZStr::new(c"/stat"), 0);
    let Ok(file) = sys::openat(Fd::CWD, path.as_zstr()?, O_RDONLY, 0) else {
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
    Ok((-100_000_000..=2_000_000_000)
        .contains(&age)
        .then_some(pid as u32))
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
