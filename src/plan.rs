//! What the command line means: numbers, defaults, conflicts. Refuses before anything is touched.

#![forbid(unsafe_code)]

use crate::options::{Opt, Options};
use crate::report::Reason;
use crate::scan;
use crate::steps::{CONDITIONS, Step};
use crate::sys::abi::{NSIG, SIGKILL, SIGSTOP};
use crate::sys::zstr::{Word, Words, ZStr};

/// The null device's path (null(4)).
pub const NULL_DEVICE: Word = ZStr::new(c"/dev/null");

/// Declares the numbers that options are given as: for each the option, what reads it, and why another is refused.
macro_rules! values {
    ($($name:ident $scan:expr, $refusal:ident;)*) => {
        /// An option whose value is a number; its own number is its place in the plan.
        #[derive(Clone, Copy)]
        #[allow(missing_docs, reason = "each is an option")]
        pub enum Value { $($name),* }

        const VALUES: &[(Opt, Scan, Reason)] = &[$((Opt::$name, $scan, Reason::$refusal)),*];
    };
}

values! {
    Umask |text| text.number(8, 0o777), NOT_AN_OCTAL_MODE;
    Nicelevel |text| scan::integer(text, -20, 19), NOT_A_LEVEL;
    OomScoreAdj |text| scan::integer(text, -1000, 1000), NOT_A_LEVEL;
    Iosched scan::io_class, NOT_A_CLASS;
    Signal scan::signal, NOT_A_SIGNAL;
    Notify scan::notification, NOT_A_NOTIFICATION;
    NotifyTimeout scan::seconds, NOT_A_TIME;
    AliveAfter |text| text.number(10, 1 << 40), NOT_A_TIME;
    RestartDelay scan::seconds, NOT_A_TIME;
    RestartCount |text| text.number(10, 1 << 40), NOT_A_COUNT;
}

/// The options that cannot be used together with another (`true`), or without it (`false`), and why.
const RULES: &[(Opt, bool, Opt, Reason)] = &[
    (Opt::PrintPid, true, Opt::Foreground, Reason::NOT_WITH_FOREGROUND),
    (Opt::SessionLeader, true, Opt::Foreground, Reason::NOT_WITH_FOREGROUND),
    (Opt::Ctty, true, Opt::Foreground, Reason::NOT_WITH_FOREGROUND),
    (Opt::Wait, true, Opt::Foreground, Reason::NOT_WITH_FOREGROUND),
    (Opt::Init, true, Opt::Foreground, Reason::NOT_WITH_FOREGROUND),
    (Opt::Notify, true, Opt::Foreground, Reason::NOT_WITH_FOREGROUND),
    (Opt::AliveAfter, true, Opt::Foreground, Reason::NOT_WITH_FOREGROUND),
    (Opt::Restart, true, Opt::Foreground, Reason::NOT_WITH_FOREGROUND),
    (Opt::Notify, true, Opt::Restart, Reason::NOT_WITH_RESTART),
    (Opt::AliveAfter, true, Opt::Restart, Reason::NOT_WITH_RESTART),
    (Opt::ChildPidfile, false, Opt::Restart, Reason::NEEDS_RESTART),
    (Opt::Sighup, false, Opt::Restart, Reason::NEEDS_RESTART),
    (Opt::RestartCount, false, Opt::Restart, Reason::NEEDS_RESTART),
    (Opt::RestartDelay, false, Opt::Restart, Reason::NEEDS_RESTART),
    (Opt::Stop, false, Opt::Pidfile, Reason::NEEDS_A_PIDFILE),
    (Opt::Status, false, Opt::Pidfile, Reason::NEEDS_A_PIDFILE),
];

/// What one of COMMAND's standard streams is to be.
pub enum Stream {
    /// The null device.
    Null,
    /// What the launcher has there; the null device if that is nothing.
    Inherited,
    /// A file.
    File(Word),
}

/// A launch, as it was asked for.
pub struct Plan<'a> {
    /// What was typed.
    pub options: &'a Options,
    /// COMMAND as typed: a path, or a name to search for; empty if there is none.
    pub name: Word,
    /// What COMMAND gets as its arguments; at the end if there is no COMMAND.
    pub command: Words,
    /// The signals that COMMAND is to ignore.
    pub ignored: Numbers,
    /// The descriptors that COMMAND is to get.
    pub kept: Numbers,
    values: [Option<u64>; VALUES.len()],
    /// Whether bgexec is the first process of its pid namespace.
    pid_1: bool,
}

/// A set of numbers, as a list on the command line names them.
#[derive(Clone, Copy)]
pub struct Numbers {
    /// Bit N for the number N up to 63, and bit 0 for 64, the highest signal.
    pub low: u64,
    /// The highest of all.
    pub highest: u32,
}

impl<'a> Plan<'a> {
    /// Makes a plan of a command line. `pid_1`: bgexec is the first process of its pid namespace.
    ///
    /// # Errors
    /// A value that is none of its kind, or options that contradict each other; [`Options::examined`] is which.
    pub fn new(options: &'a Options, pid_1: bool) -> Result<Plan<'a>, Reason> {
        let command = options.vectors.last.next();
        let name = command.get().unwrap_or(ZStr::new(c""));
        let mut plan = Plan {
            options,
            name,
            command,
            ignored: numbers(options.examine(Opt::IgnoreSignal), scan_ignored).ok_or(Reason::NOT_SIGNALS)?,
            kept: numbers(options.examine(Opt::KeepFd), scan_descriptor).ok_or(Reason::NOT_DESCRIPTORS)?,
            values: [None; VALUES.len()],
            pid_1,
        };
        for ((opt, scan, refusal), slot) in VALUES.iter().zip(&mut plan.values) {
            if let Some(text) = options.examine(*opt) {
                match scan(text) {
                    Some((value, rest)) if rest.first() == 0 => *slot = Some(value),
                    _ => return Err(*refusal),
                }
            }
        }
        for (opt, with, other, refusal) in RULES {
            if options.has(*other) == *with && options.examine(*opt).is_some() {
                return Err(*refusal);
            }
        }
        if options.examine(Opt::Stop).or(options.examine(Opt::Status)).is_some() && command.get().is_some() {
            return Err(Reason::TAKES_NO_COMMAND);
        }
        if options.examine(Opt::Retry).is_some_and(|schedule| !scan::is_schedule(schedule)) {
            return Err(Reason::NOT_A_SCHEDULE);
        }
        if let Some(user) = options.examine(Opt::User)
            && !options.has(Opt::Group)
            && user.number(10, 1 << 40).is_some_and(|(_, rest)| rest.first() == 0)
        {
            return Err(Reason::NEEDS_A_GROUP);
        }
        if let Some(name) = options.value(Opt::Argv0) {
            command.set(name);
        }
        Ok(plan)
    }

    /// An option's number, if it was given.
    pub fn value(&self, value: Value) -> Option<u64> {
        *self.values.get(value as usize)?
    }

    /// Whether COMMAND replaces bgexec itself, without a process or session of its own.
    pub fn foreground(&self) -> bool {
        self.options.has(Opt::Foreground)
    }

    /// Whether bgexec is the first process of its pid namespace.
    pub fn is_pid_1(&self) -> bool {
        self.pid_1
    }

    /// Whether bgexec does what pid 1 has to do: stays, and reaps every orphan.
    pub fn is_init(&self) -> bool {
        !self.foreground() && (self.pid_1 || self.options.has(Opt::Init))
    }

    /// Whether bgexec stays as long as COMMAND lives.
    pub fn stays(&self) -> bool {
        self.is_init() || self.options.has(Opt::Wait)
    }

    /// Whether bgexec has to do with COMMAND after it was executed.
    pub fn waits(&self) -> bool {
        let ready = self.options.has(Opt::Notify) || self.options.has(Opt::AliveAfter);
        self.stays() || ready || self.options.has(Opt::PrintPid)
    }

    /// Whether streams, directory and umask stay what they are unless an option says otherwise.
    pub fn keeps_surroundings(&self) -> bool {
        self.foreground() || self.stays()
    }

    /// Whether a path is relative that a supervisor uses later.
    pub fn has_relative_path(&self) -> bool {
        let later = [Opt::Pidfile, Opt::ChildPidfile, Opt::Stdout, Opt::Stderr, Opt::Output, Opt::Chdir, Opt::Chroot];
        let mut paths = later.iter().filter_map(|opt| self.options.value(*opt));
        paths.any(|path| path.first() != b'/') || self.needs_here()
    }

    /// The bit of the descriptor, if it is below 64, on which COMMAND tells that it is ready.
    pub fn notification_bit(&self) -> u64 {
        match self.value(Value::Notify) {
            Some(number) if number < 64 => 1 << number,
            _ => 0,
        }
    }

    /// The path of COMMAND's own pidfile under a supervisor; empty if there is none.
    pub fn child_pidfile(&self) -> Word {
        self.options.value(Opt::ChildPidfile).unwrap_or(ZStr::new(c""))
    }

    /// Whether COMMAND leads its session, as it must to have a controlling terminal.
    pub fn leads_session(&self) -> bool {
        self.options.has(Opt::SessionLeader) || self.options.has(Opt::Ctty)
    }

    /// The pidfile's path; empty if there is none.
    pub fn pidfile(&self) -> Word {
        self.options.value(Opt::Pidfile).unwrap_or(ZStr::new(c""))
    }

    /// What standard stream `number` of COMMAND is to be.
    pub fn stream(&self, number: usize) -> Stream {
        let mut file = self.options.value(match number {
            0 => Opt::Stdin,
            1 => Opt::Stdout,
            _ => Opt::Stderr,
        });
        if number != 0 && file.is_none() {
            file = self.options.value(Opt::Output);
        }
        match file {
            None if self.keeps_surroundings() => Stream::Inherited,
            Some(file) if file == c"-" => Stream::Inherited,
            Some(file) if file != c"/dev/null" => Stream::File(file),
            _ => Stream::Null,
        }
    }

    /// The working directory that COMMAND gets, unless the inherited one is to stay.
    pub fn directory(&self) -> Option<Word> {
        let stays = self.keeps_surroundings() && !self.options.has(Opt::Chroot);
        let default = if stays { None } else { Some(ZStr::new(c"/")) };
        self.options.value(Opt::Chdir).or(default)
    }

    /// Whether COMMAND is a name to search for, and not a path.
    pub fn is_searched(&self) -> bool {
        self.name.first() != 0 && self.name.find(b'/').first() == 0
    }

    /// Whether COMMAND may have to be found from the directory where bgexec was started, which the daemon leaves.
    pub fn needs_here(&self) -> bool {
        let stays = self.keeps_surroundings() || self.options.has(Opt::Chdir) || self.options.has(Opt::Chroot);
        self.name.first() != b'/' && !stays
    }

    /// Whether a descriptor is to be kept.
    pub fn keeps(&self, descriptor: u32) -> bool {
        let mut list = self.options.value(Opt::KeepFd);
        while let Some((number, rest)) = list.and_then(scan_descriptor) {
            if number == descriptor.into() {
                return true;
            }
            list = Some(rest.rest());
        }
        false
    }

    /// Whether a step is to be taken.
    pub fn includes(&self, step: Step) -> bool {
        if self.foreground() && step >= Step::Pipe && step <= Step::Unshare {
            return false; // they make another process
        }
        if step == Step::Session && self.is_init() && !self.leads_session() {
            return false; // COMMAND is in the terminal's foreground
        }
        if step == Step::Group && self.leads_session() {
            return false; // a session's leader leads a process group already
        }
        match CONDITIONS.get(step as usize) {
            Some(Condition::If(opt)) => self.options.has(*opt),
            Some(Condition::Unless(opt)) => !self.options.has(*opt),
            Some(Condition::IfAny(opts)) => opts.iter().any(|opt| self.options.has(*opt)),
            _ => step != Step::Chdir || self.directory().is_some(),
        }
    }

    /// The user's own word that a step is about, or the default that stands for it.
    pub fn word(&self, step: Step) -> Option<Word> {
        if step == Step::Chdir {
            return self.directory();
        }
        if step >= Step::Execute {
            return Some(self.name);
        }
        if step == Step::Limits {
            return None; // there may be several
        }
        let step = if step == Step::Truncate { Step::Stdout } else { step };
        if step >= Step::Stdin && step <= Step::Stderr {
            return match self.stream(step as usize - Step::Stdin as usize) {
                Stream::File(file) => Some(file),
                _ => Some(NULL_DEVICE),
            };
        }
        match CONDITIONS.get(step as usize) {
            Some(Condition::If(opt)) => self.options.value(*opt),
            Some(Condition::IfAny(opts)) => opts.iter().find_map(|opt| self.options.value(*opt)),
            _ => None,
        }
    }
}

/// When a step is to be taken.
#[derive(Clone, Copy)]
pub enum Condition {
    /// In every launch.
    Always,
    /// If the option was given, whose value the step is about.
    If(Opt),
    /// If it was not.
    Unless(Opt),
    /// If any of these was given, of which the first that was has the value that the step is about.
    IfAny([Opt; 3]),
}

/// Reads a number or name at the start of a text; gives it and what follows.
type Scan = fn(Word) -> Option<(u64, Word)>;

/// A descriptor's number.
fn scan_descriptor(text: Word) -> Option<(u64, Word)> {
    text.number(10, i32::MAX as u64)
}

/// A signal that can be ignored, of those that every architecture has.
fn scan_ignored(text: Word) -> Option<(u64, Word)> {
    scan::signal(text)
        .filter(|(signal, _)| (NSIG == 64 || *signal <= 64) && !matches!(*signal as u32, SIGKILL | SIGSTOP))
}

/// Reads a list with commas between its items; no list at all is an empty one.
fn numbers(list: Option<Word>, scan: Scan) -> Option<Numbers> {
    let mut numbers = Numbers { low: 0, highest: 0 };
    let Some(mut text) = list else {
        return Some(numbers);
    };
    loop {
        let (number, rest) = scan(text)?;
        if number <= 64 {
            numbers.low |= 1 << (number % 64);
        }
        numbers.highest = numbers.highest.max(number as u32);
        match rest.first() {
            0 => return Some(numbers),
            b',' => text = rest.rest(),
            _ => return None,
        }
    }
}
