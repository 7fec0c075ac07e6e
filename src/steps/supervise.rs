//! The supervisor: starts COMMAND again whenever it ends.

#![forbid(unsafe_code)]

use super::{Launch, Step, stop};
use crate::options::Opt;
use crate::plan::Value;
use crate::report::{self, Reason};
use crate::sys::abi::{
    F_DUPFD_CLOEXEC, O_CLOEXEC, POLLIN, POLLOUT, SIGCHLD, SIGHUP, SIGINT, SIGKILL, SIGQUIT, SIGTERM, WNOHANG,
};
use crate::sys::zstr::ZStr;
use crate::sys::{self, Deadline, Fd, Manner, PollFd, SignalSet};

/// What a FIFO that can be written takes at once (include/uapi/linux/limits.h).
const PIPE_BUF: usize = 4096;

/// How often that is in a pipe, if not somebody makes it larger (pipe(7)), and once more.
const FULL_PIPE: u32 = 17;

/// What ends a time of attending, among the signals' numbers: COMMAND has ended, or the time is over.
const ENDED: u32 = SIGCHLD;
const ELAPSED: u32 = 0;

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
}

impl Launch {
    /// Supervises COMMAND; returns only why it could not be started the first time.
    pub(super) fn supervise(&mut self) -> Reason {
        if let Err(reason) = self.start_supervising() {
            return reason;
        }
        // Whatever ends it, it ends, and COMMAND with it.
        if self.keep_running().is_err() && self.daemon != 0 {
            self.end_daemon();
        }
        self.clear_away();
        sys::exit(self.status_of_run.into())
    }

    /// Starts COMMAND the first time, and tells the launcher what came of that.
    fn start_supervising(&mut self) -> Result<(), Reason> {
        if self.plan.options.has(Opt::Chdir) {
            // A directory that nobody needs any more can be unmounted; else relative paths are meant in it as before.
            if self.plan.has_relative_path() {
                self.keep_directory()?;
            }
            sys::chdir(ZStr::new(c"/"))?;
        }
        self.expect_children()?;
        self.release(self.null);
        if self.plan.options.has(Opt::Sighup) {
            self.interpose()?;
        }
        // Whoever has too little stack for that is to die before COMMAND is there.
        self.attend(Deadline::PAST)?;
        let signals = sys::signalfd(SignalSet::ALL)?;
        self.signals = self.own(signals, false)?;
        self.supervisor = sys::getpid();
        self.launchers_pipe = self.status_pipe[1];
        let started = self.start();
        self.status_pipe = [Fd::NONE, self.launchers_pipe];
        started?;
        self.step = Step::Execute;
        self.record(Some(Reason::EXECUTING.with(self.supervisor as u32)))?;
        self.release(self.launchers_pipe);
        self.status_pipe = [Fd::NONE; 2];
        self.launchers_pipe = Fd::NONE;
        Ok(())
    }

    /// Starts COMMAND.
    fn start(&mut self) -> Result<(), Reason> {
        self.open_pipe()?;
        self.shared = false;
        self.daemon = 0;
        let child = self.child(command, Manner::VFORK);
        self.verdict(child, true)
    }

    /// Attends COMMAND and starts it again, as often as was asked for, until a signal stops both.
    fn keep_running(&mut self) -> Result<(), Reason> {
        let mut runs = 0;
        let mut deadline = Deadline::NEVER;
        loop {
            let event = self.attend(deadline)?;
            if event != ENDED && event != ELAPSED {
                return if self.daemon == 0 { Ok(()) } else { self.end() };
            }
            if event == ELAPSED {
                match self.start() {
                    Ok(()) => {
                        deadline = Deadline::NEVER;
                        continue;
                    }
                    Err(reason) => self.tell_failure(reason),
                }
            }
            self.daemon = 0;
            if self.plan.options.has(Opt::RestartCount) && runs == self.plan.value(Value::RestartCount) {
                return Ok(());
            }
            runs += 1;
            deadline = Deadline::after(self.plan.value(Value::RestartDelay));
        }
    }

    /// Ends COMMAND by the schedule.
    fn end(&mut self) -> Result<(), Reason> {
        // Five seconds less than who stops the supervisor by the usual schedule gives it.
        for item in stop::schedule(&self.plan, ZStr::new(c"TERM/25/KILL/5")) {
            let _ = sys::kill(self.daemon, item.signal()); // it may have ended: that is seen next
            let deadline = Deadline::after(item.wait());
            loop {
                match self.attend(deadline)? {
                    ENDED => return Ok(()),
                    ELAPSED => break,
                    _ => {} // it does stop
                }
            }
        }
        self.end_daemon();
        self.status_of_run = 128 + SIGKILL as u8;
        Ok(())
    }

    /// COMMAND cannot be executed any more, which counts as a run that failed. What it has as standard error says why, unless
    /// that would take waiting.
    fn tell_failure(&mut self, reason: Reason) {
        self.message = if sys::is_ready(Fd::STDERR, POLLOUT, 0) { Fd::STDERR } else { Fd::NONE };
        self.status_of_run = report::failure(self, reason) as u8;
    }

    /// Passes signals and output on until COMMAND has [`ENDED`], the deadline is past ([`ELAPSED`]), or a signal comes that is
    /// to stop the supervisor. Gives which.
    fn attend(&mut self, mut deadline: Deadline) -> Result<u32, Reason> {
        let mut ended = false;
        let mut left = FULL_PIPE;
        loop {
            let status = sys::wait4(self.daemon, WNOHANG);
            if self.daemon != 0 && status.pid != 0 {
                ended = true;
                self.daemon = 0;
                if status.pid > 0 {
                    self.status_of_run = status.exit_status() as u8;
                }
            }
            let mut polled = [PollFd::new(self.signals, POLLIN), self.awaited(0), self.awaited(1)];
            if ended {
                deadline = Deadline::PAST; // what is left is what COMMAND wrote last
            }
            sys::ppoll(&mut polled, &mut deadline)?;
            let more = self.pump(&polled);
            if ended {
                if more && left > 0 {
                    left -= 1; // what COMMAND has left may write for ever
                    continue;
                }
                return Ok(ENDED);
            }
            // A signal first: with no delay between two runs the deadline is past each time.
            if polled[0].is_ready() {
                match sys::read_signal(self.signals)? {
                    SIGCHLD => {}
                    signal @ (SIGTERM | SIGINT | SIGQUIT) => return Ok(signal),
                    SIGHUP if self.plan.options.has(Opt::Sighup) => self.reopen(),
                    signal if self.daemon != 0 => {
                        let _ = sys::kill(self.daemon, signal); // it may have ended: that is seen next
                    }
                    _ => {}
                }
            }
            if deadline.is_past() {
                return Ok(ELAPSED);
            }
        }
    }

    /// What to wait for: that there is something in an output's pipe, and before that, that the file takes it.
    #[inline(never)]
    fn awaited(&self, index: usize) -> PollFd {
        let Output { pipe, file } = self.outputs.get(index).copied().unwrap_or(Output::NONE);
        if sys::is_ready(file, POLLOUT, 0) { PollFd::new(pipe, POLLIN) } else { PollFd::new(file, POLLOUT) }
    }

    /// Writes what is in the pipes to the files, as much at once as a FIFO takes without blocking. There is nobody to tell
    /// that this was not possible. Gives whether there was something.
    fn pump(&self, polled: &[PollFd; 3]) -> bool {
        let mut buffer = [0; PIPE_BUF];
        let mut more = false;
        for index in 0..self.outputs.len() {
            let Output { pipe, file } = self.outputs[index];
            if polled[index + 1].can_be_read()
                && let Ok(size) = sys::read(pipe, &mut buffer)
            {
                more = true;
                if sys::write(file, &buffer[..PIPE_BUF.min(size as usize)]).is_err() {
                    report::discard_signals_of_write();
                }
            }
        }
        more
    }

    /// Puts a pipe between COMMAND and each output file.
    fn interpose(&mut self) -> Result<(), Reason> {
        for number in 1..3 {
            if self.plan.file(number).is_none() {
                continue;
            }
            let standard = Fd(number as u32);
            if number == 2 && self.streams[1] == self.streams[2] {
                sys::dup3(Fd::STDOUT, standard, 0)?; // the same file: the same pipe
                continue;
            }
            let file = sys::fcntl(standard, F_DUPFD_CLOEXEC, 3)?;
            let file = self.own(file, false)?;
            let mut ends = [Fd::NONE; 2];
            self.own_pipe(&mut ends)?;
            let [pipe, write] = ends;
            sys::dup3(write, standard, 0)?;
            self.release(write);
            self.outputs[number - 1] = Output { pipe, file };
        }
        Ok(())
    }

    /// Opens the output files anew; one that cannot be opened stays what it was.
    #[inline(never)]
    fn reopen(&self) {
        for number in 1..3 {
            if let Some(file) = self.plan.file(number)
                && self.outputs[number - 1].file.is_some()
                && let Ok(fd) = super::stdio::open_file(self.directory, file, true)
            {
                let _ = sys::dup3(fd, self.outputs[number - 1].file, O_CLOEXEC);
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
