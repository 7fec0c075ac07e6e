//! The locks, and what counts as running.

#![forbid(unsafe_code)]

use super::{Launch, Step};
use crate::report::Reason;
use crate::sys::abi::{CLOCK_BOOTTIME, CLOCK_REALTIME, EAGAIN, F_RDLCK, F_WRLCK, O_RDONLY};
use crate::sys::zstr::ZStr;
use crate::sys::{self, Fd, PathBuffer, Pid};

impl Launch<'_> {
    /// Locks the lockfile for the daemon's life.
    pub(super) fn lock_lockfile(&mut self) -> Result<(), Reason> {
        loop {
            match self.hold(Step::LockLockfile, self.lockfile) {
                Err(Reason::PATH_CHANGED) if self.plan.foreground() => {
                    self.release(self.lockfile);
                    self.open_lockfile()?;
                }
                answer => return answer,
            }
        }
    }

    /// Locks the pidfile for the daemon's life, unless its pid stands for a daemon that lost its lock.
    pub(super) fn lock_pidfile(&mut self) -> Result<(), Reason> {
        loop {
            match self.hold(Step::LockPidfile, self.pidfile) {
                Err(Reason::PATH_CHANGED) if self.plan.foreground() => {
                    self.release(self.pidfile);
                    self.open_pidfile()?;
                }
                Ok(()) => break,
                answer => return answer,
            }
        }
        match recorded_daemon(self.pidfile)? {
            Some(pid) => Err(Reason::RUNNING.with(pid as u32)),
            None => Ok(()),
        }
    }

    fn hold(&self, step: Step, fd: Fd) -> Result<(), Reason> {
        while let Err(errno) = sys::lock(fd) {
            if errno.number() != EAGAIN {
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
        let path = self.plan.word(step).unwrap_or(ZStr::new(c""));
        if self.is_current(path, Fd::CWD, fd)? { Ok(()) } else { Err(Reason::PATH_CHANGED) }
    }
}

/// The daemon that a pidfile without a lock stands for, as far as there is evidence: the pid in it is of a process that
/// lives and started when the file was written.
fn recorded_daemon(pidfile: Fd) -> Result<Option<Pid>, Reason> {
    let mut content = [0; 16];
    let length = sys::read(pidfile, &mut content)?;
    let Some(pid) = content.get(..length).and_then(parse_pid) else {
        return Ok(None);
    };
    let Some(started) = start_time(pid) else {
        return Ok(None);
    };
    let age = sys::fstat(pidfile)?.written() - started;
    Ok((-100_000_000..=2_000_000_000).contains(&age).then_some(pid))
}

/// The pid in a pidfile: digits and a newline, from 2 up.
pub fn parse_pid(content: &[u8]) -> Option<Pid> {
    let [digits @ .., b'\n'] = content else {
        return None;
    };
    let pid = decimal(digits)?;
    (pid > 1).then_some(pid)
}

fn decimal(digits: &[u8]) -> Option<i32> {
    let mut number = None;
    for byte in digits {
        let digit = i32::from(byte.wrapping_sub(b'0'));
        if digit > 9 {
            return None;
        }
        number = Some(i32::checked_add(number.unwrap_or(0_i32).checked_mul(10)?, digit)?);
    }
    number
}

/// When a process that is no zombie started, in nanoseconds since 1970; `None` if there is no such process, or no /proc.
fn start_time(pid: Pid) -> Option<i64> {
    let mut path = PathBuffer::new();
    path.push(b"/proc/").ok()?;
    path.push_decimal(pid as u32).ok()?;
    path.push(b"/stat").ok()?;
    let file = sys::openat(Fd::CWD, path.as_zstr(), O_RDONLY, 0).ok()?;
    let mut content = [0; 1024];
    let length = sys::read(file, &mut content);
    sys::close(file);
    let ticks = parse_start(content.get(..length.ok()?)?)?;
    let boot = sys::clock_gettime(CLOCK_REALTIME).ok()? - sys::clock_gettime(CLOCK_BOOTTIME).ok()?;
    Some(boot + ticks * 10_000_000)
}

/// The start time in /proc/PID/stat, in hundredths of a second since boot (proc_pid_stat(5)); `None` for a zombie.
pub fn parse_start(stat: &[u8]) -> Option<i64> {
    // The command's name, in parentheses, may hold anything: the last one closes it.
    let mut fields = stat.rsplit(|byte| *byte == b')').next()?.split(|byte| *byte == b' ').skip(1);
    if matches!(fields.next()?, b"Z" | b"X") {
        return None;
    }
    decimal(fields.nth(18)?).map(i64::from)
}
