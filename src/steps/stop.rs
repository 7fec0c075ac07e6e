//! Stopping what holds a pidfile, and saying whether anything does.

#![forbid(unsafe_code)]

use super::deadline::Deadline;
use super::files;
use super::lock::{Holder, holder};
use crate::options::Opt;
use crate::plan::{Plan, Value};
use crate::report::Reason;
use crate::scan::{self, Item};
use crate::sys::abi::{EACCES, ENOENT, ESRCH, O_RDONLY, O_RDWR, SIGKILL};
use crate::sys::zstr::{Word, ZStr};
use crate::sys::{self, Fd, Pid, PollFd};

/// How long a poll lasts, in milliseconds, where the kernel has no descriptors of processes.
const POLL: u64 = 20;

/// A daemon that is to be stopped.
struct Target<'a> {
    plan: &'a Plan,
    pidfile: Fd,
    pid: Pid,
    /// The process itself, which no other can take the place of; none where the kernel has no such descriptors.
    process: Fd,
}

/// What a pidfile says.
pub enum State {
    /// A daemon runs, with this pid; 0 if it has none here.
    Running(u32),
    /// There is a pidfile, and nobody whom it stands for.
    Dead,
    /// There is no pidfile.
    NotRunning,
    /// There is no telling.
    Unknown,
}

/// What the pidfile of `-p` says.
pub fn status(plan: &Plan) -> State {
    let pidfile = match files::open_pidfile(plan.pidfile(), O_RDONLY) {
        Ok(pidfile) => pidfile,
        Err(reason) if reason.is_errno(ENOENT) => return State::NotRunning,
        Err(_) => return State::Unknown,
    };
    match holder(pidfile) {
        Ok(Holder::Daemon(pid)) => State::Running(pid),
        Ok(Holder::Elsewhere) => State::Running(0),
        Ok(Holder::Nobody) => State::Dead,
        Ok(Holder::Unproven) | Err(_) => State::Unknown,
    }
}

/// Stops what holds the pidfile of `-p`; with `--signal` alone only sends that.
///
/// # Errors
/// Why it still runs, or why there was nothing to stop.
pub fn stop(plan: &Plan) -> Result<(), Reason> {
    let mut target = Target { plan, pidfile: Fd::NONE, pid: 0, process: Fd::NONE };
    target.find()?;
    if plan.options.has(Opt::Signal) && !plan.options.has(Opt::Retry) {
        return target.send(plan.value(Value::Signal));
    }
    let schedule = plan.options.value(Opt::Retry).unwrap_or(ZStr::new(c"TERM/30/KILL/5"));
    let dead = follow(schedule, plan.value(Value::Signal), &mut |item| match item {
        Item::Wait(wait) => target.wait(wait),
        Item::Signal(signal) => target.send(signal).map(|()| false),
    })?;
    if !dead {
        return Err(Reason::STILL_RUNNING.with(target.pid as u32));
    }
    files::remove(target.pidfile, Fd::CWD, plan.pidfile());
    Ok(())
}

/// Follows a schedule until it is over or `act` says that the daemon is dead; gives whether it is. Where the schedule is
/// one number alone, `signal` comes before and KILL behind.
///
/// # Errors
/// That of `act`.
pub(super) fn follow(
    schedule: Word,
    signal: u64,
    act: &mut dyn FnMut(Item) -> Result<bool, Reason>,
) -> Result<bool, Reason> {
    if let Some((wait, rest)) = scan::seconds(schedule)
        && rest.first() == 0
    {
        for signal in [signal, SIGKILL.into()] {
            if act(Item::Signal(signal))? || act(Item::Wait(wait))? {
                return Ok(true);
            }
        }
        return Ok(false);
    }
    let mut rest = schedule;
    let mut again = None;
    loop {
        let behind = match scan::forever(rest) {
            Some(behind) => {
                again = Some(behind.rest());
                behind
            }
            None => {
                let Some((item, behind)) = scan::item(rest) else {
                    return Ok(false);
                };
                if act(item)? {
                    return Ok(true);
                }
                behind
            }
        };
        rest = match (behind.first(), again) {
            (0, Some(start)) => start,
            _ => behind.rest(),
        };
    }
}

impl Target<'_> {
    /// Finds who holds the pidfile: takes a descriptor of the process, then asks again, so that it is of the holder.
    fn find(&mut self) -> Result<(), Reason> {
        if !sys::ids_agree() {
            return Err(Reason::IDS_DIFFER);
        }
        loop {
            let path = self.plan.pidfile();
            let opened = files::open_pidfile(path, O_RDWR).or_else(|reason| match reason.is_errno(EACCES) {
                true => files::open_pidfile(path, O_RDONLY),
                false => Err(reason),
            });
            self.pidfile = match opened {
                Err(reason) if reason.is_errno(ENOENT) => return Err(Reason::NOT_RUNNING),
                opened => opened?,
            };
            let pid = match holder(self.pidfile)? {
                Holder::Daemon(pid) => pid,
                Holder::Elsewhere => return Err(Reason::RUNNING_ELSEWHERE),
                Holder::Nobody | Holder::Unproven => return Err(Reason::NOT_RUNNING),
            };
            self.pid = pid as Pid;
            self.process = sys::pidfd_open(self.pid).unwrap_or(Fd::NONE);
            if self.is_alive() {
                return Ok(());
            }
            sys::close(self.process);
            sys::close(self.pidfile);
        }
    }

    /// Whether the pidfile still stands for the process.
    fn is_alive(&self) -> bool {
        matches!(holder(self.pidfile), Ok(Holder::Daemon(pid)) if pid == self.pid as u32)
    }

    /// Sends a signal, to the process or to the group that it leads. One that has ended meanwhile is no failure.
    fn send(&self, signal: u64) -> Result<(), Reason> {
        let group = self.plan.options.has(Opt::ProcessGroup) && sys::getpgid(self.pid) == Ok(self.pid);
        let sent = if group {
            sys::kill(-self.pid, signal as u32)
        } else {
            sys::pidfd_send_signal(self.process, signal as u32).or_else(|errno| match errno.is(ESRCH) {
                true => Err(errno),
                false => sys::kill(self.pid, signal as u32),
            })
        };
        match sent {
            Err(errno) if !errno.is(ESRCH) => Err(errno.into()),
            _ => Ok(()),
        }
    }

    /// Waits so many milliseconds for the end; gives whether it came.
    fn wait(&self, wait: u64) -> Result<bool, Reason> {
        let end = Deadline::after(wait)?;
        loop {
            let left = end.left()?;
            let mut process = [PollFd::new(self.process)];
            let ready = if self.process.is_some() {
                sys::ppoll(&mut process, Some(left)).is_ok() && process[0].is_ready()
            } else {
                !self.is_alive() || {
                    let _ = sys::ppoll(&mut process, Some(left.min(POLL)));
                    false
                }
            };
            if ready {
                return Ok(true);
            }
            if left == 0 {
                return Ok(false);
            }
        }
    }
}
