//! Stopping what holds a pidfile, and saying whether anything does.

#![forbid(unsafe_code)]

use super::files;
use super::lock::{holder, start_of};
use super::wait::POLL;
use crate::options::Opt;
use crate::plan::{Plan, Value};
use crate::report::Reason;
use crate::scan::Schedule;
use crate::sys::abi::{ENOENT, ESRCH, O_RDONLY, O_RDWR, POLLIN};
use crate::sys::zstr::{Word, ZStr};
use crate::sys::{self, Deadline, Fd, Pid};

/// A daemon that is to be stopped.
struct Target<'a> {
    plan: &'a Plan,
    pidfile: Fd,
    pid: Pid,
    /// The process itself, which no other can take the place of; none where the kernel has no such descriptors.
    process: Fd,
    /// Where there is no such descriptor, when it started, which tells it from any later process with its pid: it lives on for a
    /// moment after its lock is gone.
    start: Option<u64>,
}

/// The pid of the daemon that the pidfile of `-p` stands for.
///
/// # Errors
/// `NOT_RUNNING`, with an operand if that is not proven; `RUNNING_ELSEWHERE`; ENOENT if there is no pidfile.
pub fn status(plan: &Plan) -> Result<u32, Reason> {
    plan.check_ids()?;
    holder(files::open_pidfile(plan.pidfile(), O_RDONLY, false)?)
}

/// Stops what holds the pidfile of `-p`; with `--signal` alone only sends that.
///
/// # Errors
/// Why it still runs, or why there was nothing to stop.
pub fn stop(plan: &Plan) -> Result<(), Reason> {
    let mut target = Target { plan, pidfile: Fd::NONE, pid: 0, process: Fd::NONE, start: None };
    target.find()?;
    if plan.options.has(Opt::Signal) && !plan.options.has(Opt::Retry) {
        return target.send(plan.value(Value::Signal) as u32);
    }
    for item in schedule(plan, ZStr::new(c"TERM/30/KILL/5")) {
        target.send(item.signal())?;
        if target.ends_within(item.wait()) {
            files::remove(target.pidfile, Fd::CWD, plan.pidfile());
            return Ok(());
        }
    }
    Err(Reason::STILL_RUNNING.with(target.pid as u32))
}

/// The schedule of `--retry`, or else the usual one.
pub(super) fn schedule(plan: &Plan, usual: Word) -> Schedule {
    Schedule::new(plan.options.value(Opt::Retry), usual, plan.value(Value::Signal))
}

impl Target<'_> {
    /// Finds who holds the pidfile: takes a descriptor of the process, then asks again, so that it is of the holder.
    #[inline(never)]
    fn find(&mut self) -> Result<(), Reason> {
        self.plan.check_ids()?;
        loop {
            let path = self.plan.pidfile();
            // To read it is enough, but where the file is to be removed.
            self.pidfile = match files::open_pidfile(path, O_RDWR, false)
                .or_else(|_| files::open_pidfile(path, O_RDONLY, false))
            {
                Err(reason) if reason.is_errno(ENOENT) => return Err(Reason::NOT_RUNNING),
                opened => opened?,
            };
            self.pid = holder(self.pidfile)? as Pid;
            (self.process, self.start) = match sys::pidfd_open(self.pid) {
                Ok(process) => (process, None),
                Err(_) => (Fd::NONE, start_of(self.pid as u32)),
            };
            match holder(self.pidfile) {
                Ok(pid) if pid == self.pid as u32 => return Ok(()),
                // It cannot be proven any more, as where that descriptor was the last one.
                Err(reason) if reason != Reason::NOT_RUNNING => return Err(reason),
                _ => {}
            }
            sys::close(self.process);
            sys::close(self.pidfile);
        }
    }

    /// Whether the pidfile still stands for the process.
    fn is_alive(&self) -> bool {
        holder(self.pidfile) == Ok(self.pid as u32)
    }

    /// Sends a signal, to the process or to the group that it leads. One that has ended meanwhile is no failure.
    fn send(&self, signal: u32) -> Result<(), Reason> {
        let group = self.plan.options.has(Opt::ProcessGroup) && sys::getpgid(self.pid) == self.pid;
        // Of a group there is no descriptor.
        let (process, pid) = if group { (Fd::NONE, -self.pid) } else { (self.process, self.pid) };
        if sys::pidfd_send_signal(process, signal).is_err_and(|errno| !errno.is(ESRCH))
            && let Err(errno) = sys::kill(pid, signal)
            && !errno.is(ESRCH)
        {
            return Err(errno.into());
        }
        Ok(())
    }

    /// Waits so many milliseconds for the end; gives whether it came.
    fn ends_within(&self, time: u64) -> bool {
        if self.process.is_some() {
            return sys::is_ready(self.process, POLLIN, time);
        }
        let mut deadline = Deadline::after(time);
        while self.is_alive() || self.start.is_some() && start_of(self.pid as u32) == self.start {
            if !deadline.pause(POLL) {
                return false;
            }
        }
        true
    }
}
