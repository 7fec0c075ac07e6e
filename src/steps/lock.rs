//! The locks, and what counts as running.

#![forbid(unsafe_code)]

use super::Launch;
use crate::report::Reason;
use crate::sys::abi::{CLOCK_BOOTTIME, CLOCK_REALTIME, EAGAIN, ESRCH, F_RDLCK, F_WRLCK, O_RDONLY};
use crate::sys::zstr::ZStr;
use crate::sys::{self, Fd, Stat, Text, room};

impl Launch {
    /// Takes a lock for the daemon's life, unless the file is a pidfile and the pid in it stands for a daemon that lost its
    /// lock.
    pub(super) fn lock(&self, fd: Fd, pidfile: bool) -> Result<(), Reason> {
        while let Err(errno) = sys::lock(fd) {
            if !errno.is(EAGAIN) {
                return Err(errno.into());
            }
            match if pidfile { settled_holder(fd)? } else { lock_holder(fd)? } {
                Holder::Daemon(pid) => return Err(Reason::RUNNING.with(pid)),
                Holder::Elsewhere => return Err(Reason::RUNNING_ELSEWHERE),
                _ => {}
            }
            if let Some(pid) = sys::lock_holder(fd, F_WRLCK)? {
                return Err(Reason::READ_LOCKED.with(pid as u32));
            }
        }
        if !self.is_current(fd)? {
            return Err(Reason::PATH_CHANGED);
        }
        if pidfile && let Holder::Daemon(pid) = recorded_daemon(fd)? {
            return Err(Reason::RUNNING.with(pid));
        }
        Ok(())
    }
}

/// For whom a pidfile stands.
pub enum Holder {
    /// A daemon with this pid.
    Daemon(u32),
    /// One whose pid cannot be told here: of another pid namespace, or with a lock of another kind.
    Elsewhere,
    /// Nobody.
    Nobody,
    /// Perhaps the pid in it, but there is no /proc to prove that.
    Unproven,
}

/// How often a holder that is not the process in its pidfile is asked for again, and how long the pause is, in milliseconds.
const TRIES: u32 = 50;
const PAUSE: u64 = 2;

/// Whom a pidfile stands for: who holds its lock, or else the daemon whose pid is in it.
pub fn holder(pidfile: Fd) -> Result<Holder, Reason> {
    match settled_holder(pidfile)? {
        Holder::Nobody => recorded_daemon(pidfile),
        holder => Ok(holder),
    }
}

/// Who holds a pidfile's lock. One whose pid is not in it may be a daemon that is about to write it, or a bgexec that
/// removes the file of a dead one: both take no time, so that it is asked for again. A daemon that writes something else
/// into its pidfile is believed in the end.
fn settled_holder(pidfile: Fd) -> Result<Holder, Reason> {
    for _ in 0..TRIES {
        match lock_holder(pidfile)? {
            Holder::Daemon(pid) => {
                let mut content = [0; 16];
                sys::pread(pidfile, &mut content)?;
                let recorded = ZStr::terminate(&mut content).number(10, i32::MAX as u64);
                if recorded.is_some_and(|(recorded, _)| recorded == pid.into()) {
                    return Ok(Holder::Daemon(pid));
                }
            }
            holder => return Ok(holder),
        }
        let _ = sys::ppoll(&mut [], Some(PAUSE)); // a pause, however it ends
    }
    lock_holder(pidfile)
}

/// Who holds a lock for writing. A reader is no daemon: a query for a read lock does not tell of one.
fn lock_holder(fd: Fd) -> Result<Holder, Reason> {
    Ok(match sys::lock_holder(fd, F_RDLCK)? {
        None => Holder::Nobody,
        Some(pid) if pid > 1 => Holder::Daemon(pid as u32),
        Some(_) => Holder::Elsewhere,
    })
}

/// The daemon that a pidfile without a lock stands for, as far as there is evidence: the pid in it (digits and a newline,
/// from 2 up) is of a process that lives and started when the file was written. Without /proc there is none.
fn recorded_daemon(pidfile: Fd) -> Result<Holder, Reason> {
    let mut content = [0; 16];
    sys::pread(pidfile, &mut content)?;
    let digits = ZStr::terminate(&mut content);
    let Some((pid, rest)) = digits.number(10, i32::MAX as u64) else {
        return Ok(Holder::Nobody);
    };
    if pid < 2 || rest != c"\n" {
        return Ok(Holder::Nobody);
    }
    let mut room = room::<32>();
    let mut path = Text::new(&mut room, Fd::NONE);
    path.push(ZStr::new(c"/proc/"), 0);
    path.push(digits, b'\n');
    path.push(ZStr::new(c"/stat"), 0);
    let Ok(file) = sys::openat(Fd::CWD, path.as_zstr()?, O_RDONLY, 0) else {
        let proc = sys::fstatat(Fd::CWD, ZStr::new(c"/proc/self"), &mut Stat::new(), 0);
        return Ok(if proc.is_ok() { Holder::Nobody } else { Holder::Unproven });
    };
    let mut stat = [0; 512];
    let read = sys::read(file, &mut stat);
    sys::close(file);
    match read {
        Err(errno) if errno.is(ESRCH) => return Ok(Holder::Nobody), // it died in between
        read => read?,
    };
    let Some(ticks) = start_time(ZStr::terminate(&mut stat)) else {
        return Ok(Holder::Nobody);
    };
    let mut file = Stat::new();
    sys::fstat(pidfile, &mut file)?;
    let boot = sys::clock_gettime(CLOCK_REALTIME)? - sys::clock_gettime(CLOCK_BOOTTIME)?;
    let age = file.written() - (boot + ticks as i64 * 10_000_000);
    let proven = (-100_000_000..2_000_000_001).contains(&age);
    Ok(if proven { Holder::Daemon(pid as u32) } else { Holder::Nobody })
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
