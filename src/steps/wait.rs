//! The launcher that stays: forwards signals, reaps, gives COMMAND's status; and the end of a daemon that is not wanted.

#![forbid(unsafe_code)]

use super::{Launch, Step, files};
use crate::report::Reason;
use crate::sys::abi::{SIGCHLD, SIGKILL, SIGSTOP, SIGTERM, SIGTSTP, SIGTTIN, SIGTTOU, WNOHANG};
use crate::sys::{self, SignalSet};

/// How long COMMAND has to stop by itself, in milliseconds.
const STOPPING: u64 = 50;

/// How long a daemon that failed to become ready has between TERM and KILL, in milliseconds.
const GRACE: u64 = 5000;

impl Launch {
    /// Stays until COMMAND ends; gives its exit status, or 128 and the signal that killed it. Every signal that comes is
    /// COMMAND's. As init every other child is reaped, too.
    pub fn stay(&mut self) -> Result<u32, Reason> {
        self.step = Step::Wait;
        let children = if self.plan.is_init() { -1 } else { self.daemon };
        loop {
            match sys::wait4(children, WNOHANG)? {
                Some(status) if status.pid == self.daemon => {
                    self.remove_pidfiles();
                    return Ok(match status.signal() {
                        0 => status.code(),
                        signal => 128 + signal,
                    });
                }
                Some(_) => continue,
                None => {}
            }
            let signal = sys::rt_sigtimedwait(SignalSet::ALL, None)?;
            if signal == SIGCHLD {
                continue;
            }
            let _ = sys::kill(self.daemon, signal); // it may have ended: that is seen next
            if matches!(signal, SIGTSTP | SIGTTIN | SIGTTOU) && !self.plan.is_init() {
                // In a session without a terminal nothing would stop COMMAND but this. CONT is passed on again.
                // First it may do what it has to do before it stops.
                let _ = sys::rt_sigtimedwait(SignalSet::NONE, Some(STOPPING));
                let _ = sys::kill(self.daemon, SIGSTOP);
                let _ = sys::kill(sys::getpid(), SIGSTOP);
            }
        }
    }

    /// How the daemon has ended, if it has.
    pub(super) fn ended(&self) -> Option<Reason> {
        match sys::wait4(self.daemon, WNOHANG) {
            Ok(status) => status.map(Reason::ended),
            Err(_) => Some(Reason::ENDED), // no child any more
        }
    }

    /// Ends a daemon that is not wanted any more, with all of its process group, and removes what it leaves behind.
    pub fn abort(&mut self) {
        let _ = sys::kill(-self.daemon, SIGTERM);
        let child = SignalSet::NONE.with(SIGCHLD);
        let mut left = GRACE;
        // The group lives as long as any of its processes; with 0 it is only asked for.
        while self.ended().is_none() || sys::kill(-self.daemon, 0).is_ok() {
            if left == 0 {
                let _ = sys::kill(-self.daemon, SIGKILL);
                let _ = sys::wait4(self.daemon, 0); // as far as it has not ended
                break;
            }
            let pause = left.min(20);
            let _ = sys::rt_sigtimedwait(child, Some(pause)); // a pause, however it ends
            left -= pause;
        }
        self.remove_pidfiles();
    }

    /// Removes the pidfiles of a daemon that is reaped.
    pub(super) fn remove_pidfiles(&self) {
        for (pidfile, path) in [(self.child_pidfile, self.plan.child_pidfile()), (self.pidfile, self.plan.pidfile())] {
            if pidfile.is_some() {
                files::remove(pidfile, self.directory, path);
            }
        }
    }
}
