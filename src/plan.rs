//! What the command line means: numbers, defaults, conflicts. Refuses before anything is touched.

#![forbid(unsafe_code)]

use crate::options::{Opt, Options};
use crate::report::Reason;
use crate::scan::{self, Notify};
use crate::steps::{CONDITIONS, Step};
use crate::sys::abi::{SIGKILL, SIGSTOP};
use crate::sys::zstr::{Word, Words, ZStr};

/// The null device's path (null(4)).
pub const NULL_DEVICE: Word = ZStr::new(c"/dev/null");

/// The options that make no sense where bgexec itself becomes COMMAND.
const FOREGROUND_CONFLICTS: &[Opt] =
    &[Opt::PrintPid, Opt::SessionLeader, Opt::Ctty, Opt::Wait, Opt::Init, Opt::Notify, Opt::AliveAfter, Opt::Restart];

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
    /// The file mode creation mask that was asked for.
    pub umask: Option<u32>,
    /// The signals that COMMAND is to ignore.
    pub ignored: Numbers,
    /// The descriptors that COMMAND is to get.
    pub kept: Numbers,
    /// COMMAND's niceness.
    pub nice: Option<i32>,
    /// Its I/O scheduling class (1 realtime, 2 best-effort, 3 idle) and its priority there.
    pub io_class: Option<(u32, u32)>,
    /// The signal that `--stop` sends.
    pub signal: Option<u32>,
    /// How COMMAND tells that it is ready.
    pub notify: Option<Notify>,
    /// How long that may take, in milliseconds; 0 for as long as it will.
    pub notify_timeout: u64,
    /// How long COMMAND must live, in milliseconds.
    pub alive_after: Option<u64>,
    /// How long the supervisor waits before it starts COMMAND again, in milliseconds.
    pub restart_delay: u64,
    /// How often it does.
    pub restart_count: Option<u32>,
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
        let umask = whole(options.examine(Opt::Umask), |text| text.number(8, 0o777), Reason::NOT_AN_OCTAL_MODE)?;
        let kept = numbers(options.examine(Opt::KeepFd), scan_descriptor).ok_or(Reason::NOT_DESCRIPTORS)?;
        let ignored = numbers(options.examine(Opt::IgnoreSignal), scan_ignored).ok_or(Reason::NOT_SIGNALS)?;
        let nice = whole(options.examine(Opt::Nicelevel), |text| scan::integer(text, -20, 19), Reason::NOT_A_LEVEL)?;
        let io_class = whole(options.examine(Opt::Iosched), scan_io_class, Reason::NOT_A_CLASS)?;
        whole(options.examine(Opt::OomScoreAdj), |text| scan::integer(text, -1000, 1000), Reason::NOT_A_LEVEL)?;
        let signal = whole(options.examine(Opt::Signal), scan::signal, Reason::NOT_A_SIGNAL)?;
        let notify = whole(options.examine(Opt::Notify), scan::notify, Reason::NOT_A_NOTIFICATION)?;
        let notify_timeout = whole(options.examine(Opt::NotifyTimeout), scan::seconds, Reason::NOT_A_TIME)?;
        let alive_after =
            whole(options.examine(Opt::AliveAfter), |text| scan::number(text, u32::MAX), Reason::NOT_A_TIME)?;
        let restart_delay = whole(options.examine(Opt::RestartDelay), scan::seconds, Reason::NOT_A_TIME)?;
        let restart_count =
            whole(options.examine(Opt::RestartCount), |text| scan::number(text, u32::MAX), Reason::NOT_A_COUNT)?;
        for opt in [Opt::Notify, Opt::AliveAfter] {
            if options.examine(opt).is_some() && options.has(Opt::Restart) {
                return Err(Reason::NOT_WITH_RESTART);
            }
        }
        for opt in [Opt::ChildPidfile, Opt::Sighup, Opt::RestartCount, Opt::RestartDelay] {
            if options.examine(opt).is_some() && !options.has(Opt::Restart) {
                return Err(Reason::NEEDS_RESTART);
            }
        }
        if options.examine(Opt::Retry).is_some_and(|schedule| !scan::is_schedule(schedule)) {
            return Err(Reason::NOT_A_SCHEDULE);
        }
        if let Some(user) = options.examine(Opt::User)
            && user.find(b':').first() == 0
            && !options.has(Opt::Group)
            && whole(Some(user), |text| text.number(10, u64::MAX >> 8), Reason::NEEDS_A_GROUP).is_ok()
        {
            return Err(Reason::NEEDS_A_GROUP);
        }
        if options.has(Opt::Foreground) {
            for opt in FOREGROUND_CONFLICTS {
                if options.examine(*opt).is_some() {
                    return Err(Reason::NOT_WITH_FOREGROUND);
                }
            }
        }
        for opt in [Opt::Stop, Opt::Status] {
            if options.examine(opt).is_some() && (!options.has(Opt::Pidfile) || command.get().is_some()) {
                return Err(Reason::NEEDS_A_PIDFILE);
            }
        }
        if let Some(name) = options.value(Opt::Argv0) {
            command.set(name);
        }
        Ok(Plan {
            options,
            name,
            command,
            umask: umask.map(|umask| umask as u32),
            ignored,
            kept,
            nice,
            io_class,
            signal,
            notify,
            notify_timeout: notify_timeout.unwrap_or(60_000),
            alive_after: alive_after.map(u64::from),
            restart_delay: restart_delay.unwrap_or(1000),
            restart_count,
            pid_1,
        })
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
        self.stays() || self.notify.is_some() || self.alive_after.is_some() || self.options.has(Opt::PrintPid)
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
        match self.notify {
            Some(Notify::Descriptor(number)) if number < 64 => 1 << number,
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
        let stays = self.foreground() || self.options.has(Opt::Chdir) || self.options.has(Opt::Chroot);
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
    IfAny(&'static [Opt]),
}

/// Reads a number or name at the start of a text; gives it and what follows.
type Scan = fn(Word) -> Option<(u32, Word)>;

/// A descriptor's number.
fn scan_descriptor(text: Word) -> Option<(u32, Word)> {
    scan::number(text, i32::MAX as u32)
}

/// A signal that can be ignored.
fn scan_ignored(text: Word) -> Option<(u32, Word)> {
    scan::signal(text).filter(|(signal, _)| !matches!(*signal, SIGKILL | SIGSTOP))
}

/// What `scan` finds in the whole of a text.
fn whole<T>(
    text: Option<Word>,
    scan: impl Fn(Word) -> Option<(T, Word)>,
    refusal: Reason,
) -> Result<Option<T>, Reason> {
    let Some(text) = text else {
        return Ok(None);
    };
    match scan(text) {
        Some((value, rest)) if rest.first() == 0 => Ok(Some(value)),
        _ => Err(refusal),
    }
}

/// An I/O scheduling class, with a priority in it or the usual one, as `ioprio_set` has them.
fn scan_io_class(text: Word) -> Option<((u32, u32), Word)> {
    let (index, rest) = scan::name(text, ZStr::new(c"realtime\nbest-effort\nidle\n"))?;
    match rest.first() {
        b':' => scan::number(rest.rest(), 7).map(|(priority, rest)| ((index + 1, priority), rest)),
        _ => Some(((index + 1, if index == 2 { 0 } else { 4 }), rest)),
    }
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
