//! What the command line means: numbers, defaults, conflicts. Refuses before anything is touched.

#![forbid(unsafe_code)]

use crate::options::{Opt, Options};
use crate::report::Reason;
use crate::steps::{CONDITIONS, Step};
use crate::sys::abi::{NSIG, SIGKILL, SIGNAL_NAMES, SIGSTOP};
use crate::sys::zstr::{Word, Words, ZStr};

/// The null device's path (null(4)).
pub const NULL_DEVICE: Word = ZStr::new(c"/dev/null");

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
    /// Makes a plan of a command line.
    ///
    /// # Errors
    /// A value that is none of its kind, or options that contradict each other; [`Options::examined`] is which.
    pub fn new(options: &'a Options) -> Result<Plan<'a>, Reason> {
        let command = options.vectors.last.next();
        let name = command.get().unwrap_or(ZStr::new(c""));
        let umask = match options.examine(Opt::Umask) {
            Some(text) => match text.number(8, 0o777) {
                Some((mode, rest)) if rest.first() == 0 => Some(mode as u32),
                _ => return Err(Reason::NOT_AN_OCTAL_MODE),
            },
            None => None,
        };
        let kept = numbers(options.examine(Opt::KeepFd), scan_descriptor)
            .ok_or(Reason::NOT_DESCRIPTORS)?;
        let ignored =
            numbers(options.examine(Opt::IgnoreSignal), scan_signal).ok_or(Reason::NOT_SIGNALS)?;
        if options.has(Opt::Foreground) && options.examine(Opt::PrintPid).is_some() {
            return Err(Reason::NOT_WITH_FOREGROUND);
        }
        if let Some(name) = options.value(Opt::Argv0) {
            command.set(name);
        }
        Ok(Plan {
            options,
            name,
            command,
            umask,
            ignored,
            kept,
        })
    }

    /// Whether COMMAND replaces bgexec itself, without a process or session of its own.
    pub fn foreground(&self) -> bool {
        self.options.has(Opt::Foreground)
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
            None if self.foreground() => Stream::Inherited,
            Some(file) if file == c"-" => Stream::Inherited,
            Some(file) if file != c"/dev/null" => Stream::File(file),
            _ => Stream::Null,
        }
    }

    /// The working directory that COMMAND gets, unless the inherited one is to stay.
    pub fn directory(&self) -> Option<Word> {
        let default = if self.foreground() {
            None
        } else {
            Some(ZStr::new(c"/"))
        };
        self.options.value(Opt::Chdir).or(default)
    }

    /// Whether COMMAND is a name to search for, and not a path.
    pub fn is_searched(&self) -> bool {
        self.name.first() != 0 && self.name.find(b'/').first() == 0
    }

    /// Whether COMMAND may have to be found from the directory where bgexec was started, which the daemon leaves.
    pub fn needs_here(&self) -> bool {
        self.name.first() != b'/' && !self.foreground() && !self.options.has(Opt::Chdir)
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
        match CONDITIONS.get(step as usize) {
            Some(Condition::If(opt)) => self.options.has(*opt),
            Some(Condition::Unless(opt)) => !self.options.has(*opt),
            _ => step != Step::Chdir || self.directory().is_some(),
        }
    }

    /// The user's own word that a step is about, or the default that stands for it.
    pub fn word(&self, step: Step) -> Option<Word> {
        if step == Step::Chdir {
            return self.directory();
        }
        if step == Step::Execute {
            return Some(self.name);
        }
        if step >= Step::Stdin && step <= Step::Stderr {
            return match self.stream(step as usize - Step::Stdin as usize) {
                Stream::File(file) => Some(file),
                _ => Some(NULL_DEVICE),
            };
        }
        match CONDITIONS.get(step as usize) {
            Some(Condition::If(opt)) => self.options.value(*opt),
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
}

/// Reads a number or name at the start of a text; gives it and what follows.
type Scan = fn(Word) -> Option<(u64, Word)>;

/// A descriptor's number.
fn scan_descriptor(text: Word) -> Option<(u64, Word)> {
    text.number(10, i32::MAX as u64)
}

/// A signal that can be ignored, by its number or by its name with or without SIG.
fn scan_signal(text: Word) -> Option<(u64, Word)> {
    let found = text
        .number(10, NSIG.into())
        .or_else(|| scan_signal_name(text));
    found.filter(|(signal, _)| !matches!(*signal as u32, 0 | SIGKILL | SIGSTOP))
}

fn scan_signal_name(text: Word) -> Option<(u64, Word)> {
    let text = text.strip(ZStr::new(c"SIG")).unwrap_or(text);
    let mut names = ZStr::new(SIGNAL_NAMES);
    let mut number = 0;
    while names.first() != 0 {
        number += 1;
        let mut rest = text;
        while names.first() == rest.first() {
            (names, rest) = (names.rest(), rest.rest());
        }
        if names.first() == b'\n' && rest.ends(b',') {
            return Some((number, rest));
        }
        names = names.find(b'\n').rest();
    }
    None
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
