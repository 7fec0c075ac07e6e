//! Readiness: the launcher returns only when COMMAND says that it is ready, or still lives after a while.

#![forbid(unsafe_code)]

use super::deadline::Deadline;
use super::{Launch, Step};
use crate::options::Opt;
use crate::plan::Value;
use crate::report::Reason;
use crate::scan::{self, Notice};
use crate::sys::abi::{SIGCHLD, SIGHUP, SIGINT, SIGTERM};
use crate::sys::zstr::ZStr;
use crate::sys::{self, Fd, PollFd, SignalSet};

/// How long the end of a daemon may come after that of its descriptor, in milliseconds.
const DEATH: u64 = 200;

/// What ends a wait.
enum Event {
    /// COMMAND is ready.
    Ready,
    /// There is nothing more to come on the descriptor.
    Closed,
    /// COMMAND needs so many milliseconds more.
    Extend(u64),
    /// Nothing of these.
    Nothing,
}

impl Launch {
    /// Opens what COMMAND tells its readiness by.
    pub(super) fn open_notification(&mut self) -> Result<(), Reason> {
        if self.by_socket() {
            const NAME: &[u8] = b"NOTIFY_SOCKET=@";
            let mut name = [0; 16];
            self.notification[0] = sys::notification_socket(&mut name)?;
            let variable = sys::mmap(64)?;
            for (slot, byte) in variable.iter_mut().zip(NAME.iter().chain(&name)) {
                *slot = *byte;
            }
            let variable = ZStr::terminate(variable);
            self.vectors.remove(variable);
            self.vectors.append(variable);
        } else {
            let [read, write] = sys::pipe()?;
            self.notification = [self.own(read, false)?, self.own(write, false)?];
        }
        Ok(())
    }

    fn by_socket(&self) -> bool {
        self.plan.value(Value::Notify) == scan::SOCKET
    }

    /// Gives COMMAND the descriptor that it tells its readiness on.
    pub(super) fn pass_descriptor(&self) -> Result<(), Reason> {
        if !self.by_socket() {
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
        if self.notification[0].is_some() {
            self.wait_for(self.plan.value(Value::NotifyTimeout), false)?;
        }
        if self.plan.options.has(Opt::AliveAfter) {
            self.wait_for(self.plan.value(Value::AliveAfter), true)?;
        }
        Ok(())
    }

    /// Waits up to so many milliseconds, or with 0 without end, for a notification; with `alive` only for the time.
    fn wait_for(&mut self, time: u64, alive: bool) -> Result<(), Reason> {
        let wanted = [SIGCHLD, SIGINT, SIGTERM, SIGHUP].into_iter().fold(SignalSet::NONE, SignalSet::with);
        let signals = sys::signalfd(wanted)?;
        let source = if alive { Fd::NONE } else { self.notification[0] };
        let mut end = Deadline::after(time)?;
        let mut closed = false;
        loop {
            let left = end.left()?;
            if left == 0 && (time != 0 || closed || alive) {
                return match (alive, closed) {
                    (true, _) => Ok(()),
                    (_, true) => Err(Reason::CLOSED),
                    _ => Err(Reason::NOT_READY),
                };
            }
            let limit = (time != 0 || closed).then_some(left);
            let mut polled = [PollFd::new(signals), PollFd::new(if closed { Fd::NONE } else { source })];
            sys::ppoll(&mut polled, limit)?;
            if polled[0].is_ready() {
                let signal = sys::rt_sigtimedwait(wanted, Some(0))?;
                if signal != SIGCHLD {
                    return Err(Reason::INTERRUPTED.with(signal));
                }
            }
            if polled[1].is_ready() {
                match self.hear()? {
                    Event::Ready => break,
                    Event::Closed => {
                        // It is dying, or has only closed the descriptor.
                        closed = true;
                        end = Deadline::after(DEATH)?;
                    }
                    Event::Extend(time) => end = end.max(Deadline::after(time)?),
                    Event::Nothing => {}
                }
            }
            // What it said before it ended counts first.
            let more = !closed && sys::ppoll(&mut [PollFd::new(source)], Some(0)) == Ok(1);
            if !more && let Some(reason) = self.ended() {
                return Err(reason);
            }
        }
        sys::close(signals);
        Ok(())
    }

    /// Takes what there is of a notification.
    fn hear(&self) -> Result<Event, Reason> {
        let mut buffer = [0; 4096];
        if !self.by_socket() {
            let size = sys::read(self.notification[0], &mut buffer)? as usize;
            return Ok(match buffer.get(..size) {
                Some([]) => Event::Closed,
                Some(bytes) if bytes.contains(&b'\n') => Event::Ready,
                _ => Event::Nothing,
            });
        }
        let datagram = sys::receive(self.notification[0], &mut buffer)?;
        let user = self.identity.user().unwrap_or(sys::geteuid());
        if datagram.uid != 0 && datagram.uid != sys::geteuid() && datagram.uid != user {
            return Ok(Event::Nothing); // a stranger's
        }
        let mut line = datagram.text;
        let mut event = Event::Nothing;
        while line.first() != 0 {
            match scan::notice(line) {
                Notice::Ready => return Ok(Event::Ready),
                Notice::Failed(errno) => return Err(Reason::errno(errno)),
                Notice::Extend(time) => event = Event::Extend(time),
                Notice::Other => {}
            }
            line = line.find(b'\n').rest();
        }
        Ok(event)
    }
}
