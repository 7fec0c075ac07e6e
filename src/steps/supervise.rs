//! The supervisor: starts COMMAND again whenever it ends.

#![forbid(unsafe_code)]

use super::deadline::Deadline;
use super::detach::VFORK;
use super::{Launch, Step, stop};
use crate::options::Opt;
use crate::plan::{Stream, Value};
use crate::report::Reason;
use crate::scan::Item;
use crate::sys::abi::{F_DUPFD_CLOEXEC, O_CLOEXEC, SIGCHLD, SIGHUP, SIGINT, SIGQUIT, SIGTERM};
use crate::sys::zstr::ZStr;
use crate::sys::{self, Fd, PollFd, SignalSet};

/// What a FIFO that can be written takes at once (include/uapi/linux/limits.h).
const PIPE_BUF: usize = 4096;

/// What ends a time of attending.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Event {
    /// COMMAND has ended.
    Ended,
    /// The time is over.
    Elapsed,
    /// The supervisor is to end.
    Stop,
}

/// An output file that can be opened anew while COMMAND runs: COMMAND writes into a pipe, the supervisor from there into
/// the file.
#[derive(Clone, Copy)]
pub(super) struct Output {
    pipe: Fd,
    file: Fd,
}

impl Output {
    /// None.
    pub(super) const NONE: Output = Output { pipe: Fd::NONE, file: Fd::NONE };

    /// What to wait for: that there is something in the pipe, and before that, that the file takes it.
    fn awaited(self) -> PollFd {
        if !self.pipe.is_some() || sys::can_write(self.file) {
            PollFd::new(self.pipe)
        } else {
            PollFd::for_writing(self.file)
        }
    }
}

impl Launch {
    /// Supervises COMMAND; returns only why it could not be started the first time.
    pub(super) fn supervise(&mut self) -> Reason {
        match self.start_supervising() {
            Err(reason) => return reason,
            Ok(signals) => {
                let _ = self.keep_running(signals);
            }
        }
        self.remove_pidfiles();
        sys::exit(0)
    }

    /// Starts COMMAND the first time, and tells the launcher what came of that. Gives the descriptor of signals.
    fn start_supervising(&mut self) -> Result<Fd, Reason> {
        // A directory that nobody needs any more can be unmounted; else relative paths are meant in it as before.
        if self.plan.has_relative_path() {
            self.keep_directory()?;
        }
        sys::chdir(ZStr::new(c"/"))?;
        sys::rt_sigaction(SIGCHLD, 0)?; // ignored, it would have the kernel reap COMMAND unseen
        self.release(self.null);
        if self.plan.options.has(Opt::Sighup) {
            self.interpose()?;
        }
        let signals = sys::signalfd(SignalSet::ALL)?;
        let signals = self.own(signals, false)?;
        self.supervisor = sys::getpid();
        self.launcher = self.status[1];
        let started = self.start();
        self.status = [Fd::NONE, self.launcher];
        started?;
        self.step = Step::Execute;
        self.record(Some(Reason::EXECUTING.with(self.supervisor as u32)))?;
        self.release(self.launcher);
        self.status = [Fd::NONE; 2];
        self.launcher = Fd::NONE;
        Ok(signals)
    }

    /// Starts COMMAND.
    fn start(&mut self) -> Result<(), Reason> {
        self.open_pipe()?;
        self.shared = false;
        self.daemon = 0;
        let child = self.child(command, VFORK);
        self.verdict(child, true)
    }

    /// Attends COMMAND and starts it again, as often as was asked for, until a signal stops both.
    fn keep_running(&mut self, signals: Fd) -> Result<(), Reason> {
        let mut restarts = 0_u64;
        let mut running = true;
        loop {
            if running && self.attend(signals, None)? == Event::Stop {
                return self.end(signals);
            }
            self.daemon = 0;
            if restarts >= self.plan.value(Value::RestartCount) {
                return Ok(());
            }
            restarts = restarts.wrapping_add(1);
            if self.attend(signals, Some(self.plan.value(Value::RestartDelay)))? == Event::Stop {
                return Ok(());
            }
            running = self.start().is_ok(); // a COMMAND that cannot be executed any more counts as a run that failed
        }
    }

    /// Ends COMMAND by the schedule.
    fn end(&mut self, signals: Fd) -> Result<(), Reason> {
        // Five seconds less than who stops the supervisor by the usual schedule gives it.
        let schedule = self.plan.options.value(Opt::Retry).unwrap_or(ZStr::new(c"TERM/25/KILL/5"));
        stop::follow(schedule, self.plan.value(Value::Signal), &mut |item| match item {
            Item::Signal(signal) => {
                let _ = sys::kill(self.daemon, signal as u32); // it may have ended: that is seen next
                Ok(false)
            }
            Item::Wait(time) => {
                let end = Deadline::after(time)?;
                loop {
                    match self.attend(signals, Some(end.left()?))? {
                        Event::Stop => {} // it does
                        event => return Ok(event == Event::Ended),
                    }
                }
            }
        })?;
        Ok(())
    }

    /// Passes signals and output on until COMMAND ends, the time (in milliseconds) is over, or the supervisor is to end.
    fn attend(&mut self, signals: Fd, time: Option<u64>) -> Result<Event, Reason> {
        let end = Deadline::after(time.unwrap_or(0))?;
        loop {
            if self.daemon != 0 && self.ended().is_some() {
                while self.pump() {} // what COMMAND wrote last
                return Ok(Event::Ended);
            }
            let left = end.left()?;
            if time.is_some() && left == 0 {
                return Ok(Event::Elapsed);
            }
            let [output, error] = self.outputs;
            let mut polled = [PollFd::new(signals), output.awaited(), error.awaited()];
            sys::ppoll(&mut polled, time.map(|_| left))?;
            self.pump();
            if polled[0].is_ready() {
                match sys::rt_sigtimedwait(SignalSet::ALL, Some(0))? {
                    SIGCHLD => {}
                    SIGTERM | SIGINT | SIGQUIT => return Ok(Event::Stop),
                    SIGHUP if self.plan.options.has(Opt::Sighup) => self.reopen(),
                    signal if self.daemon != 0 => {
                        let _ = sys::kill(self.daemon, signal); // it may have ended: that is seen next
                    }
                    _ => {}
                }
            }
        }
    }

    /// Puts a pipe between COMMAND and each output file.
    fn interpose(&mut self) -> Result<(), Reason> {
        for number in 1..3 {
            let Stream::File(_) = self.plan.stream(number) else { continue };
            let standard = Fd(number as u32);
            if number == 2 && self.streams[1] == self.streams[2] {
                sys::dup3(Fd::STDOUT, standard, 0)?; // the same file: the same pipe
                continue;
            }
            let [read, write] = sys::pipe()?;
            let pipe = self.own(read, false)?;
            let file = sys::fcntl(standard, F_DUPFD_CLOEXEC, 3)?;
            let file = self.own(file, false)?;
            sys::dup3(write, standard, 0)?;
            sys::close(write);
            if let Some(output) = self.outputs.get_mut(number - 1) {
                *output = Output { pipe, file };
            }
        }
        Ok(())
    }

    /// Writes what is in the pipes to the files, as much at once as a FIFO takes without blocking. There is nobody to tell
    /// that this was not possible.
    fn pump(&self) -> bool {
        let mut buffer = [0; PIPE_BUF];
        let mut more = false;
        for output in self.outputs {
            if output.pipe.is_some()
                && sys::can_write(output.file)
                && sys::ppoll(&mut [PollFd::new(output.pipe)], Some(0)) == Ok(1)
                && let Ok(size) = sys::read(output.pipe, &mut buffer)
            {
                let _ = sys::write(output.file, buffer.get(..size as usize).unwrap_or_default());
                more = true;
            }
        }
        more
    }

    /// Opens the output files anew; one that cannot be opened stays what it was.
    fn reopen(&mut self) {
        for number in 1..3 {
            if let Stream::File(file) = self.plan.stream(number)
                && let Some(output) = self.outputs.get_mut(number - 1)
                && output.file.is_some()
                && let Ok(fd) = super::stdio::open_file(self.directory, file, true)
            {
                let _ = sys::dup3(fd, output.file, O_CLOEXEC);
                sys::close(fd);
            }
        }
    }
}

/// COMMAND's process: takes the steps that are left, in the directory where bgexec was started.
extern "C" fn command(launch: &mut Launch) -> ! {
    if launch.directory != Fd::CWD
        && let Err(errno) = sys::fchdir(launch.directory)
    {
        launch.fail(errno.into());
    }
    launch.become_command(Step::RecordChild)
}
