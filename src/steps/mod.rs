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
//! step but those that make another process and give it a table of its own.

#![forbid(unsafe_code)]

mod descriptors;
mod detach;
mod exec;
mod files;
mod identity;
mod limits;
mod lock;
mod notify;
mod signals;
mod stdio;
pub mod stop;
mod supervise;
mod wait;

use self::files::Lock;
use crate::options::Opt;
use crate::plan::Condition::{self, Always, If, IfAny, Unless};
use crate::plan::{Plan, Value};
use crate::report::{self, Reason, text};
use crate::sys::zstr::{Vectors, Word, ZStr};
use crate::sys::{self, Fd, Path, Pid, SignalSet};

/// The options that ask for other ids.
const IDENTITY: [Opt; 3] = [Opt::Groups, Opt::Group, Opt::User];

/// Declares the steps in their order and, from the same lines, what each does and when.
macro_rules! steps {
    ($($(#[$doc:meta])* $name:ident $text:literal $condition:expr;)*) => {
        /// One step of a launch.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
        #[repr(u8)]
        pub enum Step { $($(#[$doc])* $name),* }

        /// The steps, in the order in which they are taken.
        pub const ORDER: &[Step] = &[$(Step::$name),*];

        /// What each step of [`ORDER`] does, a line each, as `unable to ` goes on; the word that it is about follows.
        pub const TEXTS: Word = text(concat!($($text, "\n",)* "\0"));

        /// When each step of [`ORDER`] is to be taken.
        pub const CONDITIONS: &[Condition] = &[$($condition),*];
    };
}

steps! {
    /// Launcher: is not started set-user-ID or set-group-ID.
    Trust "trust the caller" Always;
    /// Launcher: descriptors 0 to 2 that were closed are taken, so that nothing opened later lands on them.
    Fill "fill descriptors" Always;
    /// Launcher: all descriptors of `--keep-fd` are open.
    Keep "keep" If(Opt::KeepFd);
    /// Launcher: the ids of the user are known, and if it was named its variables are set.
    FindUser "find user" If(Opt::User);
    /// Launcher: the id of the group is known.
    FindGroup "find group" If(Opt::Group);
    /// Launcher: the ids of the supplementary groups are known.
    FindGroups "find groups of" IfAny(IDENTITY);
    /// Launcher: standard input is open, under a number of its own.
    Stdin "open" Always;
    /// Launcher: so is standard output.
    Stdout "open" Always;
    /// Launcher: so is standard error.
    Stderr "open" Always;
    /// Launcher: there is a pipe or socket for COMMAND to tell its readiness by.
    OpenNotification "prepare notification by" If(Opt::Notify);
    /// Launcher: COMMAND's own pidfile under a supervisor is open and safe to use.
    OpenChildPidfile "open" If(Opt::ChildPidfile);
    /// Launcher: so is the lockfile.
    OpenLockfile "open" If(Opt::Lockfile);
    /// Launcher: so is the pidfile.
    OpenPidfile "open" If(Opt::Pidfile);
    /// Launcher: there is a status pipe.
    Pipe "create a pipe" Always;
    /// Leader: leads a new session, which has no terminal.
    Session "create a session" Always;
    /// Leader: has made the daemon.
    Daemon "create a process" Always;
    /// Daemon: leads a process group of its own.
    Group "create a process group" Always;
    /// Daemon: has a descriptor table of its own.
    Unshare "unshare descriptors" Unless(Opt::NoClose);
    /// Daemon: descriptors 0 to 2 are COMMAND's streams.
    Redirect "redirect streams" Always;
    /// Daemon: standard input is its controlling terminal.
    Terminal "take terminal" If(Opt::Ctty);
    /// Daemon: every other descriptor but the kept ones and its own is closed.
    Close "close descriptors" Unless(Opt::NoClose);
    /// Daemon: has the descriptor that COMMAND tells its readiness on.
    PassDescriptor "pass descriptor of" If(Opt::Notify);
    /// Daemon: holds the lock of COMMAND's own pidfile, as of the next two.
    LockChildPidfile "lock" If(Opt::ChildPidfile);
    /// Daemon: holds the lock of the lockfile, which still is what its path names.
    LockLockfile "lock" If(Opt::Lockfile);
    /// Daemon: holds the lock of the pidfile, which still is what its path names and stands for nobody else.
    LockPidfile "lock" If(Opt::Pidfile);
    /// Daemon: the output files are empty.
    Truncate "truncate" If(Opt::Truncate);
    /// Daemon: the pidfile holds its pid.
    Record "write" If(Opt::Pidfile);
    /// Daemon: is the supervisor, and has made the process that takes the steps from here on.
    Supervise "supervise" If(Opt::Restart);
    /// Daemon: COMMAND's own pidfile holds its pid.
    RecordChild "write" If(Opt::ChildPidfile);
    /// Daemon: no signal is blocked, none ignored but those of `--ignore-signal`.
    Signals "reset signals" Always;
    /// Daemon: has its niceness.
    Nice "set niceness" If(Opt::Nicelevel);
    /// Daemon: has its I/O scheduling class.
    Ioprio "set I/O class" If(Opt::Iosched);
    /// Daemon: has its out-of-memory score adjustment.
    OomScore "set OOM score adjustment" If(Opt::OomScoreAdj);
    /// Daemon: is in its root directory.
    Chroot "change root to" If(Opt::Chroot);
    /// Daemon: is in its working directory.
    Chdir "change directory to" Always;
    /// Daemon: has its file mode creation mask.
    Umask "set umask" Always;
    /// Daemon: has its limits.
    Limits "set limits" If(Opt::Rlimit);
    /// Daemon: has its supplementary groups, and no others.
    Groups "set groups of" IfAny(IDENTITY);
    /// Daemon: has its group id.
    Gid "set group of" IfAny([Opt::Group, Opt::User, Opt::User]);
    /// Daemon: has its user id, and no privilege that it does not bring.
    Uid "set user" If(Opt::User);
    /// Daemon: gains no privilege any more.
    NoNewPrivs "set no_new_privs" If(Opt::NoNewPrivs);
    /// Daemon: has become COMMAND.
    Execute "execute" Always;
    /// Launcher: COMMAND is ready, or has ended.
    Wait "wait for" Always;
}

/// What the processes of a launch have in their hands.
pub struct Launch<'a> {
    /// What was asked for.
    pub plan: &'a Plan<'a>,
    /// The step that is being taken; after a failure, the one that failed.
    pub step: Step,
    /// The original standard error.
    pub message: Fd,
    /// The daemon, once it is made.
    pub daemon: Pid,
    /// The inherited signal mask.
    mask: SignalSet,
    /// The inherited file mode creation mask.
    umask: u32,
    /// Bit N for standard stream N: was closed at the start.
    closed: u32,
    /// Bit N for descriptor N below 64: in use, by the launch or for COMMAND.
    used: u64,
    streams: [Fd; 3],
    null: Fd,
    /// The files that are to be locked, by [`Lock`].
    locks: [Fd; 3],
    /// What COMMAND tells its readiness by: the launcher's end, and its own if it is a pipe.
    notification: [Fd; 2],
    /// The exit status that COMMAND's last run under a supervisor gave.
    status_of_run: u32,
    /// The supervisor's signals.
    signals: Fd,
    /// Its output files.
    outputs: [supervise::Output; 2],
    /// The supervisor's pid, and its end of the status pipe until COMMAND runs for the first time.
    supervisor: Pid,
    launcher: Fd,
    /// Where bgexec was started, for a relative pidfile.
    directory: Fd,
    /// The status pipe's read and write end.
    status: [Fd; 2],
    /// Whether the daemon still shares the launcher's descriptor table.
    shared: bool,
    /// The arguments and the environment.
    vectors: Vectors,
    identity: identity::Identity,
    /// Whether SIGCHLD was ignored when bgexec started, as far as that matters.
    ignores_children: bool,
}

impl<'a> Launch<'a> {
    /// A launch with no step taken. `mask` is the inherited signal mask.
    pub fn new(plan: &'a Plan<'a>, mask: SignalSet) -> Launch<'a> {
        Launch {
            plan,
            step: Step::Trust,
            message: Fd::STDERR,
            daemon: 0,
            mask,
            umask: sys::umask(0),
            closed: 0,
            used: plan.kept.low | plan.notification_bit() | 0b111,
            streams: [Fd::NONE; 3],
            null: Fd::NONE,
            locks: [Fd::NONE; 3],
            notification: [Fd::NONE; 2],
            status_of_run: 0,
            signals: Fd::NONE,
            outputs: [supervise::Output::NONE; 2],
            supervisor: 0,
            launcher: Fd::NONE,
            directory: Fd::CWD,
            status: [Fd::NONE; 2],
            shared: plan.includes(Step::Unshare) && !plan.options.has(Opt::Restart),
            vectors: plan.options.vectors,
            identity: identity::Identity::new(),
            ignores_children: false,
        }
    }

    /// Runs COMMAND.
    ///
    /// # Errors
    /// Why a step failed; [`Launch::step`] is which. Then nothing is left.
    pub fn run(&mut self) -> Result<(), Reason> {
        let mut first = Step::Trust;
        loop {
            let done = if self.plan.foreground() {
                self.finish(first)
            } else {
                self.take(first, Step::Session as usize, None).and_then(|()| self.detach())
            };
            let Err(reason) = done else {
                return Ok(());
            };
            if reason == Reason::PATH_CHANGED {
                // Somebody removed the file in between: whoever may have to remove it must have the new one.
                self.release_locks();
                first = Step::OpenChildPidfile;
            } else if self.step == Step::Unshare && self.shared {
                // Neither close_range nor unshare: the daemon gets a copy of the table from the start.
                self.shared = false;
                first = Step::Pipe;
            } else {
                // Whoever runs already has its pidfile, locked or not.
                if !(reason.is(Reason::RUNNING) && self.step != Step::LockLockfile) {
                    self.remove_pidfiles();
                }
                // In the foreground they no longer are: writing to a closed pipe is to be an error like any other.
                sys::rt_sigprocmask(SignalSet::ALL);
                return Err(reason);
            }
        }
    }

    /// Takes the steps from `first` up to number `end`. `path` is room for COMMAND's, which begins with the directory
    /// where bgexec was started.
    fn take(&mut self, first: Step, end: usize, path: Option<&mut Path>) -> Result<(), Reason> {
        for &step in ORDER {
            if step >= first && (step as usize) < end && self.plan.includes(step) {
                self.step = step;
                match step {
                    Step::Trust => self.trust()?,
                    Step::Fill => self.fill()?,
                    Step::Keep => self.keep()?,
                    Step::FindUser => self.find_user()?,
                    Step::FindGroup => self.find_primary_group()?,
                    Step::FindGroups => self.find_groups()?,
                    Step::Stdin => self.open_stream(0)?,
                    Step::Stdout => self.open_stream(1)?,
                    Step::Stderr => self.open_stream(2)?,
                    Step::OpenNotification => self.open_notification()?,
                    Step::OpenChildPidfile => self.open_lock(Lock::ChildPidfile)?,
                    Step::OpenLockfile => self.open_lock(Lock::Lockfile)?,
                    Step::OpenPidfile => self.open_lock(Lock::Pidfile)?,
                    Step::Pipe => self.open_pipe()?,
                    Step::Session | Step::Daemon => {} // taken before there was a daemon: see `detach`
                    Step::Group => self.lead_group()?,
                    Step::Unshare => self.unshare()?,
                    Step::Redirect => self.redirect()?,
                    Step::Close => self.close_others()?,
                    Step::PassDescriptor => self.pass_descriptor()?,
                    Step::LockChildPidfile => self.lock(Lock::ChildPidfile)?,
                    Step::LockLockfile => self.lock(Lock::Lockfile)?,
                    Step::LockPidfile => self.lock(Lock::Pidfile)?,
                    Step::Truncate => self.truncate()?,
                    Step::Record => self.write_pid(Lock::Pidfile)?,
                    Step::Supervise => return Err(self.supervise()),
                    Step::RecordChild => self.write_pid(Lock::ChildPidfile)?,
                    Step::Signals => self.reset_signals()?,
                    Step::Nice => sys::setpriority(self.plan.value(Value::Nicelevel).unwrap_or(0) as i32)?,
                    Step::Ioprio => sys::ioprio_set(self.plan.value(Value::Iosched).unwrap_or(0))?,
                    Step::OomScore => self.adjust_oom_score()?,
                    Step::Chroot => self.chroot()?,
                    Step::Limits => self.set_limits()?,
                    Step::Groups => self.set_groups()?,
                    Step::Gid => self.set_gid()?,
                    Step::Uid => self.set_uid()?,
                    Step::NoNewPrivs => sys::set_no_new_privs()?,
                    Step::Terminal => sys::set_controlling_terminal(Fd::STDIN)?,
                    Step::Chdir => sys::chdir(self.word())?,
                    Step::Umask => self.set_umask(),
                    Step::Execute => return Err(self.execute(path)),
                    Step::Wait => {} // taken when there is a daemon: see `wait` and `notify`
                }
                if self.plan.options.has(Opt::Verbose) {
                    self.tell()?;
                }
            }
        }
        Ok(())
    }

    /// The word that the step is about.
    fn word(&self) -> Word {
        self.plan.word(self.step).unwrap_or(ZStr::new(c""))
    }

    /// Tells that the step was taken: the daemon through the launcher.
    fn tell(&self) -> Result<(), Reason> {
        if self.plan.foreground() || self.step < Step::Session {
            report::step(self);
        } else {
            self.record(None)?;
        }
        Ok(())
    }

    /// Refuses to run with another's rights; becomes the parent of orphans if it is to be init.
    fn trust(&self) -> Result<(), Reason> {
        if !sys::ids_agree() {
            return Err(Reason::IDS_DIFFER);
        }
        if self.plan.is_init() && !self.plan.is_pid_1() {
            sys::set_child_subreaper()?;
        }
        Ok(())
    }

    /// Makes a process group; under init the one in the terminal's foreground, if there is a terminal.
    fn lead_group(&self) -> Result<(), Reason> {
        sys::setpgid()?;
        if self.plan.is_init() {
            let _ = sys::set_foreground(Fd::STDIN, sys::getpid());
        }
        Ok(())
    }

    /// Changes the root directory. The working directory goes with it, so that a relative one is meant in the new root.
    fn chroot(&self) -> Result<(), Reason> {
        sys::chroot(self.word())?;
        Ok(sys::chdir(ZStr::new(c"/"))?)
    }

    /// Sets the file mode creation mask that was asked for, or else 0, or the inherited one.
    fn set_umask(&self) {
        let default = if self.plan.keeps_surroundings() { self.umask } else { 0 };
        sys::umask(self.plan.value(Value::Umask).map_or(default, |mask| mask as u32));
    }
}
