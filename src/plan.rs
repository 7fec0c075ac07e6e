//! What the command line means: numbers, defaults, conflicts. Refuses before anything is touched.

#![forbid(unsafe_code)]

use crate::options::{Given, Misuse, Opt, Options};
use crate::report::Reason;
use crate::steps::Step;
use crate::sys::SignalSet;
use crate::sys::abi::{NSIG, SIGKILL, SIGNAL_NAMES, SIGSTOP};
use crate::sys::zstr::{Word, Words, ZStr};

/// What one of COMMAND's standard streams is to be.
#[derive(Clone, Copy)]
pub enum Stream {
    /// The null device.
    Null,
    /// What the launcher has there; the null device if that is nothing.
    Inherited,
    /// A file.
    File(Word),
}

/// What is to be done.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Task {
    /// Run COMMAND.
    Launch,
    /// Write the usage text.
    Help,
    /// Write the version.
    Version,
    /// Say that COMMAND is missing.
    Usage,
}

/// A launch, as it was asked for.
pub struct Plan {
    /// What is to be done.
    pub task: Task,
    /// What was typed.
    pub options: Options,
    /// COMMAND as typed: a path, or a name to search for.
    pub name: Word,
    /// What COMMAND gets as its arguments.
    pub command: Words,
    /// Standard input, output and error.
    pub streams: [Stream; 3],
    /// The file mode creation mask, unless the inherited one is to stay.
    pub umask: Option<u32>,
    /// Signals that COMMAND is to ignore.
    pub ignored: SignalSet,
}

impl Plan {
    /// Makes a plan of a command line.
    ///
    /// # Errors
    /// A value that is none of its kind, or options that contradict each other.
    pub fn new(mut options: Options) -> Result<Plan, Misuse> {
        options.settle_environment();
        let foreground = options.has(Opt::Foreground);
        let umask = match options.given(Opt::Umask) {
            Some(given) => Some(octal(given.value).ok_or(given.misuse(Reason::NOT_AN_OCTAL_MODE))?),
            None if foreground => None,
            None => Some(0),
        };
        if let Some(given) = options.given(Opt::KeepFd) {
            for_each_item(given, Reason::NOT_DESCRIPTORS, |item| Some(scan_descriptor(item)?.1))?;
        }
        let mut ignored = SignalSet::NONE;
        if let Some(given) = options.given(Opt::IgnoreSignal) {
            for_each_item(given, Reason::NOT_SIGNALS, |item| {
                let (signal, rest) = scan_signal(item)?;
                ignored.add(signal);
                (signal != SIGKILL && signal != SIGSTOP).then_some(rest)
            })?;
        }
        if let Some(given) = options.given(Opt::PrintPid)
            && foreground
        {
            return Err(given.misuse(Reason::NOT_WITH_FOREGROUND));
        }
        let stream = |opt| match options.value(opt).or(options.value(Opt::Output).filter(|_| opt != Opt::Stdin)) {
            None if foreground => Stream::Inherited,
            None => Stream::Null,
            Some(file) if file == c"-" => Stream::Inherited,
            Some(file) if file == c"/dev/null" => Stream::Null,
            Some(file) => Stream::File(file),
        };
        let streams = [stream(Opt::Stdin), stream(Opt::Stdout), stream(Opt::Stderr)];
        let command = options.vectors.last.next();
        let name = command.get();
        if let Some(given) = options.given(Opt::Argv0) {
            command.set(given.value);
        }
        let task = if options.has(Opt::Help) {
            Task::Help
        } else if options.has(Opt::Version) {
            Task::Version
        } else if name.is_none() {
            Task::Usage
        } else {
            Task::Launch
        };
        Ok(Plan { task, options, name: name.unwrap_or(ZStr::new(c"")), command, streams, umask, ignored })
    }

    /// Whether COMMAND replaces bgexec itself, without a process or session of its own.
    pub fn foreground(&self) -> bool {
        self.options.has(Opt::Foreground)
    }

    /// The working directory that COMMAND gets, unless the inherited one is to stay.
    pub fn directory(&self) -> Option<Word> {
        let default = (!self.foreground()).then_some(ZStr::new(c"/"));
        self.options.value(Opt::Chdir).or(default)
    }

    /// The lowest descriptor from `from` on that `--keep-fd` names.
    pub fn next_kept(&self, from: u32) -> Option<u32> {
        let mut text = self.options.value(Opt::KeepFd)?;
        let mut lowest = None;
        while let Some((number, rest)) = scan_descriptor(text) {
            if number >= from && lowest.is_none_or(|lowest| number < lowest) {
                lowest = Some(number);
            }
            text = rest.rest();
        }
        lowest
    }

    /// Whether COMMAND is a name to search for, and not a path.
    pub fn is_searched(&self) -> bool {
        self.name.first() != 0 && self.name.find(b'/').first() == 0
    }

    /// Whether COMMAND may have to be found from the directory where bgexec was started, which the daemon leaves.
    pub fn needs_here(&self) -> bool {
        self.name.first() != b'/' && !self.foreground() && !self.options.has(Opt::Chdir)
    }

    /// Whether a step is to be taken.
    pub fn includes(&self, step: Step) -> bool {
        match step {
            Step::Pipe | Step::Session | Step::Daemon | Step::Group => !self.foreground(),
            Step::Unshare => !self.foreground() && !self.options.has(Opt::NoClose),
            Step::Close => !self.options.has(Opt::NoClose),
            Step::Keep => self.options.has(Opt::KeepFd),
            Step::OpenLockfile | Step::LockLockfile => self.options.has(Opt::Lockfile),
            Step::OpenPidfile | Step::LockPidfile | Step::Record => self.options.has(Opt::Pidfile),
            Step::Truncate => self.options.has(Opt::Truncate),
            Step::Chdir => self.directory().is_some(),
            _ => true,
        }
    }

    /// The user's own word that a step is about, or the default that stands for it.
    pub fn word(&self, step: Step) -> Option<Word> {
        let stream = |number| match self.streams.get(number as usize)? {
            Stream::File(file) => Some(*file),
            _ => Some(NULL_DEVICE),
        };
        match step {
            Step::Stdin => stream(0),
            Step::Stdout | Step::Truncate => stream(1),
            Step::Stderr => stream(2),
            Step::OpenLockfile | Step::LockLockfile => self.options.value(Opt::Lockfile),
            Step::OpenPidfile | Step::LockPidfile | Step::Record => self.options.value(Opt::Pidfile),
            Step::Chdir => self.directory(),
            Step::Execute => Some(self.name),
            _ => None,
        }
    }
}

/// The null device's path (null(4)).
pub const NULL_DEVICE: Word = ZStr::new(c"/dev/null");

/// A file mode creation mask: octal digits, at most 777.
fn octal(text: Word) -> Option<u32> {
    let (value, rest) = scan_number(text, 8, 0o777)?;
    (rest.first() == 0).then_some(value)
}

/// A descriptor's number at the start of a text, and what follows it.
fn scan_descriptor(text: Word) -> Option<(u32, Word)> {
    scan_number(text, 10, i32::MAX as u32)
}

/// A signal at the start of a text, by its number or by its name with or without SIG, and what follows it.
fn scan_signal(text: Word) -> Option<(u32, Word)> {
    if let Some((number, rest)) = scan_number(text, 10, NSIG) {
        return (number != 0).then_some((number, rest));
    }
    let text = text.strip(ZStr::new(c"SIG")).unwrap_or(text);
    let mut names = ZStr::new(SIGNAL_NAMES);
    let mut number = 0;
    while names.first() != 0 {
        number += 1;
        let mut rest = text;
        while names.first() == rest.first() {
            (names, rest) = (names.rest(), rest.rest());
        }
        if names.first() == b' ' && !rest.first().is_ascii_alphanumeric() {
            return Some((number, rest));
        }
        names = names.find(b' ').rest();
    }
    None
}

/// Digits at the start of a text as a number of at most `highest`, and what follows them.
fn scan_number(mut text: Word, base: u32, highest: u32) -> Option<(u32, Word)> {
    let mut value = None;
    loop {
        let digit = u32::from(text.first().wrapping_sub(b'0'));
        if digit > 9 {
            return Some((value?, text));
        }
        let next = u64::from(value.unwrap_or(0)) * u64::from(base) + u64::from(digit);
        if digit >= base || next > u64::from(highest) {
            return None;
        }
        value = Some(next as u32);
        text = text.rest();
    }
}

/// Reads a list whose items have commas between them; `scan` gives what follows an item.
fn for_each_item(given: Given, reason: Reason, mut scan: impl FnMut(Word) -> Option<Word>) -> Result<(), Misuse> {
    let mut text = given.value;
    loop {
        text = scan(text).ok_or(given.misuse(reason))?;
        match text.first() {
            0 => return Ok(()),
            b',' => text = text.rest(),
            _ => return Err(given.misuse(reason)),
        }
    }
}
