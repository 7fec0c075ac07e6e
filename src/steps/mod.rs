//! The launch: its steps, their order, and who takes them.
//!
//! ```text
//! launcher ──▶ leader ──▶ daemon ──▶ COMMAND
//!    ▲                      │
//!    └──── status pipe ─────┘
//! ```
//!
//! The launcher takes the steps up to [`Step::Pipe`]. The leader, or the launcher itself if it leads no process group,
//! takes [`Step::Session`] and makes the daemon, which takes all others. With `--foreground` one process takes every
//! step but the four that make another process.

#![forbid(unsafe_code)]

mod descriptors;
mod detach;
mod exec;
mod files;
mod lock;
mod signals;
mod stdio;

use crate::options::Opt;
use crate::plan::Plan;
use crate::report::{self, Reason, text};
use crate::sys::zstr::{Word, ZStr};
use crate::sys::{self, Errno, Fd, Pid, SignalSet};

/// Declares the steps in their order and, from the same lines, what each does.
macro_rules! steps {
    ($($(#[$doc:meta])* $name:ident $text:literal)*) => {
        /// One step of a launch.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        #[repr(u8)]
        pub enum Step { $($(#[$doc])* $name),* }

        /// The steps, in the order in which they are taken.
        pub const ORDER: &[Step] = &[$(Step::$name),*];

        /// What each step of [`ORDER`] does, a line each, as `unable to ` goes on; the word that it is about follows.
        pub const TEXTS: Word = text(concat!($($text, "\n",)* "\0"));
    };
}

steps! {
    /// Launcher: is not started set-user-ID or set-group-ID.
    Trust "trust the caller"
    /// Launcher: descriptors 0 to 2 that were closed are taken, so that nothing opened later lands on them.
    Fill "fill descriptors"
    /// Launcher: all descriptors of `--keep-fd` are open.
    Keep "keep"
    /// Launcher: standard input is open, under a number of its own.
    Stdin "open"
    /// Launcher: so is standard output.
    Stdout "open"
    /// Launcher: so is standard error.
    Stderr "open"
    /// Launcher: the lockfile is open and safe to use.
    OpenLockfile "open"
    /// Launcher: so is the pidfile.
    OpenPidfile "open"
    /// Launcher: there is a status pipe.
    Pipe "create a pipe"
    /// Leader: leads a new session, which has no terminal.
    Session "create a session"
    /// Leader: has made the daemon.
    Daemon "create a process"
    /// Daemon: leads a process group of its own.
    Group "create a process group"
    /// Daemon: has a descriptor table of its own.
    Unshare "unshare descriptors"
    /// Daemon: descriptors 0 to 2 are COMMAND's streams.
    Redirect "redirect streams"
    /// Daemon: every other descriptor but the kept ones and its own is closed.
    Close "close descriptors"
    /// Daemon: holds the lock of the lockfile, which still is what its path names.
    LockLockfile "lock"
    /// Daemon: holds the lock of the pidfile, which still is what its path names and stands for nobody else.
    LockPidfile "lock"
    /// Daemon: the output files are empty.
    Truncate "truncate"
    /// Daemon: the pidfile holds its pid.
    Record "write"
    /// Daemon: no signal is blocked, none ignored but those of `--ignore-signal`.
    Signals "reset signals"
    /// Daemon: is in its working directory.
    Chdir "change directory to"
    /// Daemon: has its file mode creation mask.
    Umask "set umask"
    /// Daemon: has become COMMAND.
    Execute "execute"
}

/// Where the launcher's part of [`ORDER`] ends.
const LAUNCHER_STEPS: usize = Step::Session as usize;

/// A step that was not possible, and why.
#[derive(Clone, Copy)]
pub struct Failure {
    /// Which.
    pub step: Step,
    /// Why.
    pub reason: Reason,
    /// Where to say so: the original standard error.
    pub to: Fd,
}

/// What the processes of a launch have in their hands.
pub struct Launch<'a> {
    plan: &'a Plan,
    /// What was inherited.
    mask: SignalSet,
    umask: u32,
    /// Bit N for standard stream N: was closed at the start.
    closed: u32,
    /// Bit N for descriptor N below 64: must not be used for an own file.
    taken: u64,
    null: Fd,
    streams: [Fd; 3],
    lockfile: Fd,
    pidfile: Fd,
    /// What the pidfile's name is relative to.
    directory: Fd,
    status: [Fd; 2],
    /// The original standard error.
    message: Fd,
    /// Whether the daemon still shares the launcher's descriptor table.
    shared: bool,
    /// The daemon, once it is made.
    daemon: Pid,
}

/// Runs COMMAND; gives the daemon's pid. `mask` is the inherited signal mask.
///
/// # Errors
/// The first step that failed; then nothing is left.
pub fn run(plan: &Plan, mask: SignalSet) -> Result<Pid, Failure> {
    let mut launch = Launch {
        plan,
        mask,
        umask: sys::umask(0),
        closed: 0,
        taken: 0b111,
        null: Fd::NONE,
        streams: [Fd::NONE; 3],
        lockfile: Fd::NONE,
        pidfile: Fd::NONE,
        directory: Fd::CWD,
        status: [Fd::NONE; 2],
        message: Fd::STDERR,
        shared: plan.includes(Step::Unshare),
        daemon: 0,
    };
    let mut first = 0;
    loop {
        let failure = match launch.attempt(first) {
            Ok(pid) => return Ok(pid),
            Err(failure) => failure,
        };
        if failure.reason == Reason::PATH_CHANGED {
            // Somebody removed the file in between: the launcher too must have the new one.
            launch.release(launch.lockfile);
            launch.release(launch.pidfile);
            (launch.lockfile, launch.pidfile) = (Fd::NONE, Fd::NONE);
            first = Step::OpenLockfile as usize;
        } else if failure.step == Step::Unshare && launch.shared {
            // Neither close_range nor unshare: the daemon gets a copy of the table from the start.
            launch.shared = false;
            first = Step::Pipe as usize;
        } else {
            if !failure.reason.is(Reason::RUNNING) {
                launch.remove_pidfile();
            }
            return Err(failure);
        }
    }
}

impl Launch<'_> {
    fn attempt(&mut self, first: usize) -> Result<Pid, Failure> {
        if self.plan.foreground() {
            self.take(first, ORDER.len(), Err(Errno::NOENT))?;
            return Ok(0);
        }
        self.take(first, LAUNCHER_STEPS, Err(Errno::NOENT))?;
        self.detach()
    }

    /// Takes the steps from number `first` up to number `end`. `here` is where bgexec was started.
    fn take(&mut self, first: usize, end: usize, here: sys::Result<ZStr>) -> Result<(), Failure> {
        for &step in ORDER {
            if step as usize >= first && (step as usize) < end && self.plan.includes(step) {
                self.step(step, here)
                    .and_then(|()| self.tell(step))
                    .map_err(|reason| self.failure(step, reason))?;
            }
        }
        Ok(())
    }

    fn step(&mut self, step: Step, here: sys::Result<ZStr>) -> Result<(), Reason> {
        match step {
            Step::Trust => self.trust(),
            Step::Fill => self.fill(),
            Step::Keep => self.keep(),
            Step::Stdin => self.open_stream(0),
            Step::Stdout => self.open_stream(1),
            Step::Stderr => self.open_stream(2),
            Step::OpenLockfile => self.open_lockfile(),
            Step::OpenPidfile => self.open_pidfile(),
            Step::Pipe => self.open_pipe(),
            Step::Session | Step::Daemon => Ok(()), // taken before there was a daemon: see `detach`
            Step::Group => Ok(sys::setpgid()?),
            Step::Unshare => self.unshare(),
            Step::Redirect => self.redirect(),
            Step::Close => self.close_others(),
            Step::LockLockfile => self.lock_lockfile(),
            Step::LockPidfile => self.lock_pidfile(),
            Step::Truncate => self.truncate(),
            Step::Record => self.record_pid(),
            Step::Signals => self.reset_signals(),
            Step::Chdir => Ok(sys::chdir(self.plan.directory().unwrap_or(ZStr::new(c"/")))?),
            Step::Umask => {
                sys::umask(self.plan.umask.unwrap_or(self.umask));
                Ok(())
            }
            Step::Execute => Err(self.execute(here)),
        }
    }

    fn failure(&self, step: Step, reason: impl Into<Reason>) -> Failure {
        Failure { step, reason: reason.into(), to: self.message }
    }

    /// Tells that a step was taken, if that was asked for: the daemon through the launcher.
    fn tell(&self, step: Step) -> Result<(), Reason> {
        if self.plan.options.has(Opt::Verbose) {
            if self.plan.foreground() || (step as usize) < LAUNCHER_STEPS {
                report::step(self.plan, step, self.message);
            } else {
                self.record(step, Reason::TAKEN)?;
            }
        }
        Ok(())
    }

    /// Refuses to run with another's rights.
    fn trust(&self) -> Result<(), Reason> {
        if !sys::ids_agree() {
            return Err(Reason::IDS_DIFFER);
        }
        if sys::getpid() == 1 && !self.plan.foreground() {
            return Err(Reason::IS_PID_1);
        }
        Ok(())
    }
}
