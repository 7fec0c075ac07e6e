//! The launcher that stays: forwards signals, reaps, gives COMMAND's status; and the end of a daemon that is not wanted.

#![forbid(unsafe_code)]

use super::lock::{is_gone, start_of};
use super::{Launch, Step, own_foreground};
use crate::options::Opt;
use crate::report::{self, Reason};
use crate::sys::abi::{
    ECHILD, POLLIN, SIGCHLD, SIGCONT, SIGKILL, SIGSTOP, SIGTERM, SIGTSTP, SIGTTIN, SIGTTOU, WNOHANG,
};
use crate::sys::{self, Deadline, Errno, Fd, Pid, SignalSet, WaitStatus};

/// How long COMMAND has to stop by itself, in milliseconds.
const STOPPING: u64 = 50;

/// How long a daemon that failed to become ready has between TERM and KILL, in milliseconds.
const GRACE: u64 = 5000;

/// How long it may take to die after that, in milliseconds: it dies at once, but on a busy machine not before its turn.
const DEATH: u64 = 5000;

/// Every signal but those with which a terminal stops a process.
const ALL_BUT_STOPS: SignalSet = SignalSet::ALL.without(SIGTSTP).without(SIGTTIN).without(SIGTTOU);

/// How often an end is asked for that cannot be waited for, in milliseconds.
pub(super) const POLL: u64 = 20;

impl Launch {
    /// Stays until COMMAND ends; gives its exit status, or 128 and the signal that killed it. Every signal that comes is
    /// COMMAND's. As init every other child is reaped, too.
    pub fn stay(&mut self) -> Result<u32, Reason> {
        self.step = Step::Wait;
        if self.plan.is_init() && own_foreground() == Some(0) {
            // COMMAND alone stays in that group, so that what comes from the terminal reaches it once.
            let _ = sys::setpgid();
        }
        let signals = sys::signalfd(SignalSet::ALL)?;
        loop {
            let status = self.look_for_end();
            if status.pid < 0 {
                return Err(Errno::new(ECHILD).into());
            }
            if status.pid != 0 {
                report::step(self);
                self.clear_away();
                return Ok(status.exit_status());
            }
            let signal = sys::read_signal(signals)?;
            if signal == SIGCHLD {
                continue;
            }
            let _ = sys::kill(self.daemon, signal); // it may have ended: that is seen next
            if matches!(signal, SIGTSTP | SIGTTIN | SIGTTOU) && !self.plan.is_init() {
                self.stop(signal);
            }
        }
    }

    /// Stops with COMMAND, as a signal wants it, until both are continued. First COMMAND may do what it has to do before; then, in
    /// a session without a terminal, nothing would stop it but this. A supervisor stays awake: it is not in anybody's foreground.
    #[inline(never)]
    fn stop(&self, signal: u32) {
        let continued = sys::signalfd(SignalSet::NONE.with(SIGCONT)).unwrap_or(Fd::NONE);
        let goes_on = sys::is_ready(continued, POLLIN, STOPPING);
        sys::close(continued);
        if goes_on {
            return;
        }
        if !self.plan.options.has(Opt::Restart) {
            let _ = sys::kill(self.daemon, SIGSTOP);
        }
        // By what comes from a terminal the kernel does not stop it where no shell could continue it.
        let _ = sys::kill(sys::getpid(), if own_foreground().is_some() { signal } else { SIGSTOP });
        let _ = sys::rt_sigprocmask(ALL_BUT_STOPS, None);
        let _ = sys::rt_sigprocmask(SignalSet::ALL, None);
        sys::discard_signal(SIGCONT);
        let _ = sys::kill(self.daemon, SIGCONT);
    }

    /// Reaps the daemon, if it has ended; as init first every other child that has.
    fn look_for_end(&self) -> WaitStatus {
        while self.plan.is_init() {
            let status = sys::wait4(-1, WNOHANG);
            if status.pid == self.daemon {
                return status;
            }
            if status.pid <= 0 {
                break;
            }
        }
        sys::wait4(self.daemon, WNOHANG)
    }

    /// How the daemon has ended, if it has.
    pub(super) fn ended(&self) -> Option<Reason> {
        end_of(self.daemon, self.look_for_end())
    }

    /// Ends a daemon that is not wanted any more, with all of its process group, and removes what it leaves behind.
    pub fn abort(&mut self) {
        let _ = sys::set_child_subreaper(); // as in `detach`
        self.signal_group(SIGTERM);
        self.end_group(GRACE);
        self.clear_away();
    }

    /// Gives the daemon and its group so many milliseconds to end, and kills what is left of them then.
    pub(super) fn end_group(&self, grace: u64) {
        if !self.outlasts_group(grace) {
            self.signal_group(SIGKILL);
            self.outlasts_group(DEATH);
        }
    }

    /// Waits so many milliseconds for the end of the daemon and of its group; gives whether it came.
    #[inline(never)]
    fn outlasts_group(&self, time: u64) -> bool {
        let mut deadline = Deadline::after(time);
        // The group lives as long as any of its processes; with 0 it is only asked for.
        while self.ended().is_none() || sys::kill(-self.daemon, 0).is_ok() {
            while sys::wait4(-self.daemon, WNOHANG).pid > 0 {} // those that it left behind: a zombie counts, too
            if !deadline.pause(POLL) {
                return false;
            }
        }
        true
    }

    /// Signals the daemon's process group, and the daemon, as long as it is a child that lives, where it has left that group.
    #[inline(never)]
    fn signal_group(&self, signal: u32) {
        let _ = sys::kill(-self.daemon, signal);
        if sys::wait4(self.daemon, WNOHANG).pid == 0 && sys::getpgid(self.daemon) != self.daemon {
            let _ = sys::kill(self.daemon, signal);
        }
    }
}

/// Waits for a child's end; gives what is known of it.
pub(super) fn reap(child: Pid) -> Reason {
    end_of(child, sys::wait4(child, 0)).unwrap_or(Reason::ENDED)
}

/// How a child has ended by its status, as far as that is known; `None` if it still runs.
fn end_of(child: Pid, status: WaitStatus) -> Option<Reason> {
    match status.pid {
        1.. => Some(Reason::ended(status)),
        // No child any more; or never one, where the kernel does not know CLONE_PARENT. Then it may be a zombie, which
        // gets signals as if it lived.
        ..0 => (is_gone(child) || start_of(child as u32) == Some(0)).then_some(Reason::ENDED),
        0 => None,
    }
}
