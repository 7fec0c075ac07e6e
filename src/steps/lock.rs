//! The locks, and what counts as running.

#![forbid(unsafe_code)]

use super::{Launch, Lock};
use crate::report::Reason;
use crate::scan;
use crate::sys::abi::{CLOCK_BOOTTIME, CLOCK_REALTIME, EAGAIN, ENOENT, ESRCH, F_RDLCK, F_WRLCK, O_RDONLY};
use crate::sys::zstr::ZStr;
use crate::sys::{self, Fd, Pid, StatRoom};

/// How often a lock that nobody is expected to hold for long is asked for again, and how long the pause is, in milliseconds.
pub(super) const TRIES: u32 = 50;
pub(super) const PAUSE: u64 = 2;

impl Launch {
    /// Takes a lock for the daemon's life, unless its file is a pidfile and the pid in it stands for a daemon that lost its
    /// lock.
    pub(super) fn lock(&self, lock: Lock) -> Result<(), Reason> {
        let fd = self.locks[lock as usize];
        let pidfile = lock != Lock::Lockfile;
        while let Err(errno) = sys::lock(fd) {
            if !errno.is(EAGAIN) {
                return Err(errno.into());
            }
            refuse(lock_holder(fd, pidfile))?;
            match sys::lock_holder(fd, F_RDLCK) {
                Ok(pid @ 2..) => return Err(Reason::READ_LOCKED.with(pid as u32)),
                Ok(_) => return Err(Reason::READ_LOCKED_ELSEWHERE),
                Err(_) => {}
            }
        }
        match sys::same_file(fd, self.directory, self.word()) {
            Ok(()) if pidfile => match recorded_daemon(fd) {
                // The launcher, whose pid a script may have left there before it became bgexec.
                Ok(pid) if pid as Pid == sys::getppid() && !self.plan.foreground() => Ok(()),
                found => refuse(found),
            },
            Err(errno) if errno.is(ENOENT) => Err(Reason::PATH_CHANGED),
            current => Ok(current?),
        }
    }
}

/// Refuses to run beside a daemon; where there is none, or no proof of one, all is well.
#[inline(never)]
fn refuse(daemon: Result<u32, Reason>) -> Result<(), Reason> {
    match daemon {
        Ok(pid) => Err(Reason::RUNNING.with(pid)),
        Err(reason) if reason.is(Reason::NOT_RUNNING) => Ok(()),
        Err(reason) => Err(reason),
    }
}

/// The pid of the daemon that a pidfile stands for: of the one that holds its lock, or else of the one whose pid is in it.
///
/// # Errors
/// `NOT_RUNNING`, with an operand if that is not proven; `RUNNING_ELSEWHERE`.
pub fn holder(pidfile: Fd) -> Result<u32, Reason> {
    match lock_holder(pidfile, true) {
        Err(Reason::NOT_RUNNING) => recorded_daemon(pidfile),
        holder => holder,
    }
}

/// The pid of who holds a lock for writing. A reader is no daemon: a query for a read lock does not tell of one.
///
/// One whose pid is not in the `pidfile` may be a daemon that is about to write it, or a bgexec that removes the file of a
/// dead one: both take no time, so that it is asked for again. A daemon that writes something else into its pidfile is
/// believed in the end.
fn lock_holder(fd: Fd, pidfile: bool) -> Result<u32, Reason> {
    let mut tries = TRIES;
    loop {
        let pid = match sys::lock_holder(fd, F_WRLCK) {
            Err(errno) if errno.is(ENOENT) => return Err(Reason::NOT_RUNNING),
            Ok(..2) => return Err(Reason::RUNNING_ELSEWHERE), // of another pid namespace, or with another kind of lock
            holder => holder? as u32,
        };
        if !pidfile || tries == 0 || recorded_pid(fd)? == pid {
            return Ok(pid);
        }
        tries -= 1;
        sys::pause(PAUSE);
    }
}

/// The pid in a pidfile; 0 if there is none.
fn recorded_pid(pidfile: Fd) -> Result<u32, Reason> {
    let mut digits = [0; 16];
    let length = sys::pread(pidfile, &mut digits)? as usize;
    let text = ZStr::terminate(&mut digits);
    Ok(scan::pid(text, length))
}

/// The daemon that a pidfile without a lock stands for, as far as there is evidence: the pid in it is of a process that
/// lives and started when the file was written, and that is not the one who asks. Without /proc there is none.
pub(super) fn recorded_daemon(pidfile: Fd) -> Result<u32, Reason> {
    let pid = recorded_pid(pidfile)?;
    if pid == 0 || pid as Pid == sys::getpid() || is_gone(pid as Pid) {
        return Err(Reason::NOT_RUNNING);
    }
    let Some(start) = start_of(pid) else {
        return Err(Reason::NOT_RUNNING.with((!is_gone(pid as Pid)).into()));
    };
    let boot = sys::clock_gettime(CLOCK_REALTIME) - sys::clock_gettime(CLOCK_BOOTTIME);
    let age = sys::fstat(pidfile, &mut StatRoom::uninit())?.written() - (boot + start as i64 * 10_000_000);
    if start > 0 && (-100_000_000..2_000_000_001).contains(&age) { Ok(pid) } else { Err(Reason::NOT_RUNNING) }
}

/// When a process started, in hundredths of a second since boot: with its pid this tells it from every other. 0 of a zombie;
/// `None` of one that is gone, where there is no /proc, and where that hides it.
#[inline(never)]
pub(super) fn start_of(mut pid: u32) -> Option<u64> {
    // The digits take the places of the last slashes; those that are left are as good as one.
    let mut path = *b"/proc////////////stat\0";
    let mut place = "/proc///////////".len();
    while pid > 0 {
        place -= 1;
        *path.get_mut(place)? = b'0' + (pid % 10) as u8;
        pid /= 10;
    }
    let file = sys::open(ZStr::terminate(&mut path), O_RDONLY).ok()?;
    let mut stat = [0; 512];
    let _ = sys::read(file, &mut stat); // nothing is there if it died in between
    sys::close(file);
    Some(scan::start_time(ZStr::terminate(&mut stat)).unwrap_or(0))
}

/// Whether there is no such process, not even a zombie. A thread's id is no process's.
#[inline(never)]
pub(super) fn is_gone(pid: Pid) -> bool {
    sys::ask_first_thread(pid).is_err_and(|errno| errno.is(ESRCH))
}
