//! Readiness: the launcher returns only when COMMAND says that it is ready, or still lives after a while.

#![forbid(unsafe_code)]

use super::{Launch, Step};
use crate::options::Opt;
use crate::plan::Value;
use crate::report::{self, Reason};
use crate::scan;
use crate::sys::abi::{POLLIN, SIGCHLD, SIGHUP, SIGINT, SIGTERM};
use crate::sys::zstr::ZStr;
use crate::sys::{self, Deadline, Errno, Fd, Pid, PollFd, SOCKET_NAME, SignalSet};

/// How long the end of a daemon may come after that of its descriptor, in milliseconds.
const DYING: u64 = 1000;

/// The signals that end a wait.
const SIGNALS: SignalSet = SignalSet::NONE.with(SIGCHLD).with(SIGINT).with(SIGTERM).with(SIGHUP);

impl Launch {
    /// Opens what COMMAND tells its readiness by.
    pub(super) fn open_notification(&mut self) -> Result<(), Reason> {
        if self.plan.value(Value::Notify) == scan::SOCKET {
            let mut address = [0; 16];
            let socket = sys::notification_socket(&mut address)?;
            self.notification[0] = self.own(socket, false)?;
            let name = ZStr::terminate(address.get_mut(SOCKET_NAME..).unwrap_or_default());
            let variable = sys::mmap_variable(ZStr::new(c"NOTIFY_SOCKET=@"), name).ok_or(Errno::NOMEM)?;
            self.plan.options.vectors.replace(variable);
        } else {
            let mut ends = [Fd::NONE; 2];
            self.own_pipe(&mut ends)?;
            self.notification = ends;
        }
        Ok(())
    }

    /// Gives COMMAND the descriptor that it tells its readiness on.
    pub(super) fn pass_descriptor(&self) -> Result<(), Reason> {
        if self.notification[1].is_some() {
            let number = self.plan.value(Value::Notify);
            sys::dup3(self.notification[1], Fd(number as u32), 0)?;
        }
        Ok(())
    }

    /// Waits until COMMAND is ready, and alive as long as was asked for.
    ///
    /// # Errors
    /// It ended before, said that it failed, or was not ready in time; or a signal came that is to end the launcher.
    pub fn wait_until_ready(&mut self) -> Result<(), Reason> {
        self.step = Step::Wait;
        self.release(self.notification[1]);
        let alive_after = self.plan.options.has(Opt::AliveAfter);
        let notify = self.notification[0].is_some();
        if notify {
            let deadline = match self.plan.value(Value::NotifyTimeout) {
                0 => Deadline::NEVER,
                time => Deadline::after(time),
            };
            self.wait_for(self.notification[0], deadline, Err(Reason::NOT_READY))?;
            // What COMMAND says from now on nobody reads: it is to fail, and not to wait for that.
            self.release(self.notification[0]);
        }
        if alive_after {
            self.wait_for(Fd::NONE, Deadline::after(self.plan.value(Value::AliveAfter)), Ok(()))?;
        }
        if alive_after || notify {
            report::step(self);
        }
        Ok(())
    }

    /// Waits for a notification from `source`. What it means that the `deadline` is past is the `verdict`.
    fn wait_for(&self, mut source: Fd, mut deadline: Deadline, mut verdict: Result<(), Reason>) -> Result<(), Reason> {
        let signals = sys::signalfd(SIGNALS)?;
        loop {
            let mut polled = [PollFd::new(signals, POLLIN), PollFd::new(source, POLLIN)];
            sys::ppoll(&mut polled, &mut deadline)?;
            if polled[0].is_ready() {
                let signal = sys::read_signal(signals)?;
                if signal != SIGCHLD {
                    return Err(Reason::INTERRUPTED.with(signal));
                }
            }
            if polled[1].is_ready() {
                match self.hear(&mut deadline) {
                    Err(Reason::NOT_READY) => {}
                    Err(Reason::CLOSED) => {
                        // It is dying, or has only closed the descriptor.
                        (source, deadline, verdict) = (Fd::NONE, Deadline::after(DYING), Err(Reason::CLOSED));
                    }
                    heard => return heard,
                }
            }
            // What it said before it ended counts first. Of the end of one that is no child, as where CLONE_PARENT is refused, no
            // signal tells: it is seen when the deadline is past.
            if !sys::is_ready(source, POLLIN, 0)
                && let Some(reason) = self.ended()
            {
                return Err(reason);
            }
            if deadline.is_past() {
                return verdict;
            }
        }
    }

    /// Takes what there is of a notification, which may put the deadline off.
    ///
    /// # Errors
    /// `NOT_READY`: nothing that ends the wait; `CLOSED`: there is nothing more to come; why it has failed.
    #[inline(never)]
    fn hear(&self, deadline: &mut Deadline) -> Result<(), Reason> {
        let mut buffer = [0; 4096];
        let [source, pipe] = self.notification;
        if pipe.is_some() {
            if sys::read(source, &mut buffer)? == 0 {
                return Err(Reason::CLOSED);
            }
            #[allow(clippy::manual_contains, reason = "that one is fast, and ten times as large")]
            let told = buffer.iter().any(|byte| *byte == b'\n');
            return if told { Ok(()) } else { Err(Reason::NOT_READY) };
        }
        let sender = sys::receive(source, &mut buffer)?;
        let trusted = sender.uid == 0 || sender.uid == self.identity.user() || sender.uid == sys::geteuid();
        if !trusted && sender.pid as Pid != self.daemon {
            return Err(Reason::NOT_READY); // a stranger's
        }
        let mut line = ZStr::terminate(&mut buffer);
        while line.first() != 0 {
            match scan::notice(line) {
                Some((scan::READY, 1)) => return Ok(()),
                Some((scan::ERRNO, errno @ 1..4096)) => return Err(Reason::errno(errno as u32)),
                Some((scan::EXTEND_TIMEOUT_USEC, more)) => {
                    *deadline = (*deadline).max(Deadline::after(more.div_ceil(1000)));
                }
                _ => {}
            }
            line = line.past(b'\n');
        }
        Err(Reason::NOT_READY)
    }
}
