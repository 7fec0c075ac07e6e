//! The launch: its steps, their order, and who takes them.
//!
//! ```text
//! launcher ──▶ leader ──▶ daemon ──▶ COMMAND
//!    ▲                      │
//!    └──── status pipe ─────┘
//! ```
//!
//! The launcher takes the steps up to [`Step::Pipe`]. The leader, or the launcher itself where it needs none, takes
//! [`Step::Session`] and makes the daemon, which takes all others. With `--foreground` one process takes every step but
//! those that make another process and give it a table of its own.

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
use crate::plan::{Plan, Value};
use crate::report::{self, Reason, text};
use crate::sys::zstr::{Vectors, Word, ZStr};
use crate::sys::{self, Fd, Pid, SignalSet};

/// How often a launch begins again because a pidfile or lockfile was removed: who does that without a pause, thousands of times
/// in a second, does not hit each of so many.
const ATTEMPTS: u32 = 4000;

/// Takes a step.
type Action = fn(&mut Launch) -> Result<(), Reason>;

/// Declares the steps in their order and, from the same lines, what each does, when, about which word, and how.
macro_rules! steps {
    (
        $($(#[$doc:meta])* $name:ident $text:literal $condition:ident $word:ident $action:expr;)*
        ---
        $(#[$other_doc:meta])* $other:ident $other_text:literal $other_word:ident
    ) => {
        /// One step of a launch, or what is done in its place.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
        #[repr(u8)]
        pub enum Step { $($(#[$doc])* $name,)* $(#[$other_doc])* $other }

        /// The steps, in the order in which they are taken.
        pub const ORDER: &[Step] = &[$(Step::$name),*];

        impl Step {
            /// The step of [`ORDER`] with this number. (The compiler sees that it is the number itself.)
            pub fn numbered(number: usize) -> Option<Step> {
                $(if number == Step::$name as usize {
                    return Some(Step::$name);
                })*
                None
            }
        }

        /// What each step does, a line each, as `unable to ` goes on; the word that it is about follows.
        pub const TEXTS: Word = text(concat!($($text, "\n",)* $other_text, "\n\0"));

        /// The option or fact on which each step of [`ORDER`] depends.
        pub const CONDITIONS: &[Opt] = &[$(Opt::$condition),*];

        /// The option or fact whose value each step is about.
        pub const WORDS: &[Opt] = &[$(Opt::$word,)* Opt::$other_word];

        /// How each step of [`ORDER`] is taken.
        const ACTIONS: &[Action] = &[$($action),*];
    };
}

steps! {
    /// Launcher: is not started set-user-ID or set-group-ID.
    Trust "trust the caller" Always Always |launch| launch.plan.check_ids();
    /// Launcher: gets every orphan as its child, if it is init.
    Adopt "adopt orphans" Init Always |launch| launch.adopt();
    /// Launcher: descriptors 0 to 2 that were closed are taken, so that nothing opened later lands on them.
    Fill "fill descriptors" Always Always Launch::fill;
    /// Launcher: all descriptors of `--keep-fd` are open.
    Keep "keep" KeepFd KeepFd |launch| launch.keep();
    /// Launcher: the ids of the user are known, and if it was named its variables are set.
    FindUser "find user" User User |launch| launch.find_user();
    /// Launcher: the id of the group is known.
    FindGroup "find group" Group Group |launch| launch.find_primary_group();
    /// Launcher: the ids of the supplementary groups are known.
    FindGroups "find groups of" Identity Identity |launch| launch.find_groups();
    /// Launcher: standard input is open, under a number of its own.
    Stdin "open" Stdin Stdin Launch::open_stream;
    /// Launcher: so is standard output.
    Stdout "open" Stdout Stdout Launch::open_stream;
    /// Launcher: so is standard error.
    Stderr "open" Stderr Stderr Launch::open_stream;
    /// Launcher: there is a pipe or socket for COMMAND to tell its readiness by.
    OpenNotification "prepare notification by" Notify Notify |launch| launch.open_notification();
    /// Launcher: COMMAND's own pidfile under a supervisor is open and safe to use.
    OpenChildPidfile "open" ChildPidfile ChildPidfile |launch| launch.open_lock(Lock::ChildPidfile);
    /// Launcher: so is the lockfile.
    OpenLockfile "open" Lockfile Lockfile |launch| launch.open_lock(Lock::Lockfile);
    /// Launcher: so is the pidfile.
    OpenPidfile "open" Pidfile Pidfile |launch| launch.open_lock(Lock::Pidfile);
    /// Launcher: there is a status pipe.
    Pipe "create a pipe" Detaches Always Launch::open_pipe;
    /// Leader: leads a new session, which has no terminal.
    Session "create a session" Session Always |_| Ok(()); // before there is a daemon: see `detach`
    /// Leader: has made the daemon.
    Daemon "create a process" Detaches Always |_| Ok(()); // the same
    /// Daemon: leads a process group of its own.
    Group "create a process group" GroupLeader Always |launch| launch.lead_group();
    /// Daemon: has a descriptor table of its own.
    Unshare "unshare descriptors" Unshares Always |launch| launch.unshare();
    /// Daemon: descriptors 0 to 2 are COMMAND's streams.
    Redirect "redirect streams" Always Always |launch| launch.redirect();
    /// Daemon: standard input is its controlling terminal.
    Terminal "take terminal" Ctty Always |_| Ok(sys::set_controlling_terminal(Fd::STDIN)?);
    /// Daemon: every other descriptor but the kept ones and its own is closed.
    Close "close descriptors" Closes Always |launch| launch.close_others();
    /// Daemon: has the descriptor that COMMAND tells its readiness on.
    PassDescriptor "pass descriptor of" Notify Notify |launch| launch.pass_descriptor();
    /// Daemon: holds the lock of COMMAND's own pidfile, as of the next two.
    LockChildPidfile "lock" ChildPidfile ChildPidfile |launch| launch.lock(Lock::ChildPidfile);
    /// Daemon: holds the lock of the lockfile, which still is what its path names.
    LockLockfile "lock" Lockfile Lockfile |launch| launch.lock(Lock::Lockfile);
    /// Daemon: holds the lock of the pidfile, which still is what its path names and stands for nobody else.
    LockPidfile "lock" Pidfile Pidfile |launch| launch.lock(Lock::Pidfile);
    /// Daemon: the file of standard output is empty.
    TruncateStdout "truncate" Truncate Stdout Launch::truncate;
    /// Daemon: so is that of standard error.
    TruncateStderr "truncate" Truncate Stderr Launch::truncate;
    /// Daemon: the pidfile holds its pid.
    Record "write" Pidfile Pidfile Launch::write_pid;
    /// Daemon: is the supervisor, and has made the process that takes the steps from here on.
    Supervise "supervise" Restart Always |launch| Err(launch.supervise());
    /// Daemon: COMMAND's own pidfile holds its pid.
    RecordChild "write" ChildPidfile ChildPidfile Launch::write_pid;
    /// Daemon: no signal is blocked, none ignored but those of `--ignore-signal`.
    Signals "reset signals" Always Always |launch| launch.reset_signals();
    /// Daemon: has its niceness.
    Nice "set niceness" Nicelevel Nicelevel |launch| Ok(sys::setpriority(launch.plan.value(Value::Nicelevel) as i32)?);
    /// Daemon: has its I/O scheduling class.
    Ioprio "set I/O class" Iosched Iosched |launch| Ok(sys::ioprio_set(launch.plan.value(Value::Iosched))?);
    /// Daemon: has its out-of-memory score adjustment.
    OomScore "set OOM score adjustment" OomScoreAdj OomScoreAdj |launch| launch.adjust_oom_score();
    /// Daemon: is in its root directory.
    Chroot "change root to" Chroot Chroot |launch| launch.chroot();
    /// Daemon: is in its working directory.
    Chdir "change directory to" Chdir Chdir |launch| Ok(sys::chdir(launch.word())?);
    /// Daemon: has its file mode creation mask.
    Umask "set umask" Always Umask |launch| launch.set_umask();
    /// Daemon: has its limits.
    Limits "set limits" Rlimit Always |launch| launch.set_limits();
    /// Daemon: has its supplementary groups, and no others.
    Groups "set groups of" Identity Identity |launch| launch.set_groups();
    /// Daemon: has its group id.
    Gid "set group of" PrimaryGroup PrimaryGroup |launch| launch.set_gid();
    /// Daemon: has its user id, and no privilege that it does not bring.
    Uid "set user" User User |launch| launch.set_uid();
    /// Daemon: gains no privilege any more.
    NoNewPrivs "set no_new_privs" NoNewPrivs Always |_| Ok(sys::set_no_new_privs()?);
    /// Daemon: is killed with its supervisor. A change of ids would undo that.
    Follow "follow the supervisor" Restart Always |launch| launch.follow_supervisor();
    /// Daemon: has become COMMAND.
    Execute "execute" Always Command |launch| Err(launch.execute());
    /// Launcher: COMMAND is ready, or has ended.
    Wait "wait for" Always Command |_| Ok(()); // when there is a daemon: see `wait` and `notify`
    ---
    /// What holds the pidfile is stopped.
    Stop "stop" Pidfile
}

/// What the processes of a launch have in their hands. Made as by vfork they have this one in common: what the daemon changes,
/// as `step` and `used`, its launcher may see or not, and does not depend on.
#[repr(C)] // what is used most often comes first: short instructions reach it; what begins as zero lies together
pub struct Launch {
    /// The step that is being taken; after a failure, the one that failed.
    pub step: Step,
    /// Whether the daemon shares the launcher's descriptor table until it takes a copy of its lower end.
    shared: bool,
    /// Whether SIGCHLD was ignored when bgexec started, as far as that matters.
    ignores_children: bool,
    /// The exit status that COMMAND's last run under a supervisor gave.
    status_of_run: u8,
    /// The daemon, once it is made.
    pub daemon: Pid,
    /// Bit N for descriptor N below 64: in use, by the launch or for COMMAND.
    used: u64,
    /// The original standard error.
    pub message: Fd,
    /// Its end of the launcher's status pipe, until COMMAND runs for the first time.
    launchers_pipe: Fd,
    /// The status pipe's read and write end.
    status_pipe: [Fd; 2],
    /// The files that are to be locked, by [`Lock`].
    locks: [Fd; 3],
    /// The null device, once a stream needs it.
    null: Fd,
    /// What lies from this number on is not open in the daemon's table.
    table_end: u32,
    /// What COMMAND tells its readiness by: the launcher's end, and its own if it is a pipe.
    notification: [Fd; 2],
    /// What standard input, output and error are to be; none where they stay.
    streams: [Fd; 3],
    /// The supervisor's signals.
    signals: Fd,
    /// Its output files.
    outputs: [supervise::Output; 2],
    /// Where bgexec was started, for a relative pidfile.
    directory: Fd,
    /// The supervisor, if this is one or was made by one.
    supervisor: Pid,
    /// The inherited file mode creation mask.
    umask: u32,
    /// What was asked for.
    pub plan: Plan,
    /// The inherited signal mask, once signals are blocked.
    pub mask: SignalSet,
    /// The path of the directory where bgexec was started, if it is needed; or why it has none.
    here: sys::Result<Word>,
    /// Who COMMAND runs as.
    identity: identity::Identity,
}

impl Launch {
    /// A launch of nothing, of the command line in `vectors`. In this order, here and in the parts, what begins as zero and lies
    /// together is filled at once.
    #[inline(always)]
    pub fn new(vectors: Vectors) -> Launch {
        Launch {
            plan: Plan::new(vectors),
            step: Step::Trust,
            shared: false,
            ignores_children: false,
            status_of_run: 0,
            daemon: 0,
            used: 0,
            supervisor: 0,
            umask: 0,
            mask: SignalSet::NONE,
            status_pipe: [Fd::NONE; 2],
            locks: [Fd::NONE; 3],
            null: Fd::NONE,
            table_end: u32::MAX,
            notification: [Fd::NONE; 2],
            streams: [Fd::NONE; 3],
            launchers_pipe: Fd::NONE,
            signals: Fd::NONE,
            outputs: const { [supervise::Output::NONE; 2] },
            message: Fd::STDERR,
            directory: Fd::CWD,
            here: Ok(ZStr::new(c"")),
            identity: identity::Identity::new(),
        }
    }

    /// Runs COMMAND.
    ///
    /// # Errors
    /// Why a step failed; [`Launch::step`] is which. Then nothing is left.
    #[inline(never)]
    pub fn run(&mut self) -> Result<(), Reason> {
        let plan = &self.plan;
        self.umask = sys::umask(0);
        self.used = plan.kept.low | plan.notification_bit() | 0b111;
        self.shared = plan.includes(Step::Unshare) & !plan.options.has(Opt::Restart);
        if plan.needs_here() {
            self.here = sys::getcwd();
        }
        let mut first = Step::Trust;
        let mut attempts = ATTEMPTS;
        loop {
            // In the foreground the last step is this process's own, from which it does not come back but for a failure.
            let end = if self.plan.foreground() { ORDER.len() } else { Step::Session as usize };
            let Err(reason) = self.take(first, end).and_then(|()| self.detach()) else {
                return Ok(());
            };
            if reason == Reason::PATH_CHANGED && attempts > 0 {
                // Somebody removed the file in between: whoever may have to remove it must have the new one. If that happens
                // again and again it is the path that leads elsewhere in the daemon, as by a descriptor that it has not.
                attempts -= 1;
                self.release_locks();
                first = Step::OpenChildPidfile;
            } else if self.step == Step::Unshare && self.shared {
                // Neither close_range nor unshare: the daemon gets a copy of the table from the start.
                self.shared = false;
                first = Step::Pipe;
            } else {
                // In the foreground signals are no longer blocked: none is to come before all is unmade and told.
                let _ = sys::rt_sigprocmask(SignalSet::ALL, None);
                self.release(self.null); // so that there is a number to look at /proc with
                // Before all locks are taken, what stands in a pidfile is somebody else's. (Of a daemon that was killed nobody
                // knows how far it came.)
                if self.step > Step::LockPidfile || self.step == Step::Daemon {
                    self.clear_away();
                } else {
                    self.clear_away_empty();
                }
                return Err(reason);
            }
        }
    }

    /// Takes the steps from `first` up to number `end`.
    fn take(&mut self, first: Step, end: usize) -> Result<(), Reason> {
        let mut next = first as usize;
        while next < end
            && let (Some(step), Some(action)) = (Step::numbered(next), ACTIONS.get(next))
        {
            next += 1;
            if self.plan.includes(step) {
                self.step = step;
                action(self)?;
                if self.plan.options.has(Opt::Verbose) {
                    self.tell()?;
                }
            }
        }
        Ok(())
    }

    /// The word that the step is about.
    #[inline(never)]
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

    /// Becomes the parent of every orphan, as pid 1 is anyway.
    fn adopt(&self) -> Result<(), Reason> {
        if sys::getpid() == 1 { Ok(()) } else { Ok(sys::set_child_subreaper()?) }
    }

    /// Makes a process group; under init it takes the launcher's place in the terminal's foreground, if that is there.
    fn lead_group(&self) -> Result<(), Reason> {
        let foreground = if self.plan.is_init() { own_foreground() } else { None };
        if foreground == Some(0) {
            return Ok(()); // COMMAND has init's place there: see `stay`
        }
        sys::setpgid()?;
        if foreground.is_some() {
            let _ = sys::set_foreground(Fd::STDIN, sys::getpid());
        }
        Ok(())
    }

    /// Takes that place back from a daemon that is reaped.
    fn take_foreground(&self) {
        if self.plan.is_init() && sys::foreground(Fd::STDIN) == self.daemon {
            let _ = sys::set_foreground(Fd::STDIN, sys::getpgid(0));
        }
    }

    /// Changes the root directory. The working directory goes with it, so that a relative one is meant in the new root.
    fn chroot(&self) -> Result<(), Reason> {
        sys::chroot(self.word())?;
        Ok(sys::chdir(ZStr::new(c"/"))?)
    }

    /// Sets the file mode creation mask that was asked for, or else 0, or the inherited one.
    fn set_umask(&self) -> Result<(), Reason> {
        let keeps = self.plan.keeps_surroundings() & !self.plan.options.has(Opt::Umask);
        let mask = if keeps { self.umask } else { self.plan.value(Value::Umask) as u32 };
        if mask != 0 {
            sys::umask(mask); // else it is that already
        }
        Ok(())
    }
}

/// The caller's process group, if it is in the foreground of the terminal that is its standard input. 0 is one of an outer pid
/// namespace, as under `unshare --pid --fork`: nobody here can tell whether it is that one, nor give it the terminal back.
fn own_foreground() -> Option<Pid> {
    let group = sys::getpgid(0);
    (sys::foreground(Fd::STDIN) == group).then_some(group)
}
