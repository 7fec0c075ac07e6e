//! What bgexec says: one line, and an exit status.

#![forbid(unsafe_code)]

use core::ffi::CStr;

use crate::options::{Misuse, Opt, USAGE};
use crate::plan::{Plan, Task};
use crate::steps::{Failure, Step, TEXTS};
use crate::sys::zstr::{Word, ZStr};
use crate::sys::{self, Errno, Fd, Pid, WaitStatus, abi};

/// Why something was not possible: an error number of the kernel, or one of bgexec's own reasons, which may have an
/// operand. It fits into a record of the status pipe.
///
/// ```text
/// bits 31-24: code, 0 for an errno      bits 23-0: errno, pid, signal or exit status
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(transparent)]
pub struct Reason(u32);

/// Declares bgexec's own reasons and, from the same lines, their texts. A text that ends with a space or SIG wants the
/// operand behind it.
macro_rules! reasons {
    ($($(#[$doc:meta])* $name:ident $text:literal)*) => {
        #[allow(non_camel_case_types, clippy::upper_case_acronyms, reason = "each names a constant of Reason")]
        enum Code { $($name),* }

        impl Reason {
            $($(#[$doc])* pub const $name: Reason = Reason((Code::$name as u32 + 1) << 24);)*
        }

        /// The texts, a line each.
        const OWN_TEXTS: Word = text(concat!($($text, "\n",)* "\0"));
    };
}

/// Declares the error numbers that have a text and, from the same lines, their texts.
macro_rules! errnos {
    ($($name:ident $text:literal)*) => {
        const ERRNOS: &[u16] = &[$(abi::$name as u16),*];

        /// The texts, a line each.
        const ERRNO_TEXTS: Word = text(concat!($($text, "\n",)* "\0"));
    };
}

reasons! {
    /// None yet: the process, whose pid is the operand, is about to become COMMAND.
    EXECUTING ""
    /// A process holds the lock, or there is other evidence for it; the operand is its pid.
    RUNNING "already running as pid "
    /// The same, but the holder has no pid here: another pid namespace, or a lock of another kind.
    RUNNING_ELSEWHERE "already running elsewhere"
    /// A process that is no daemon, whose pid is the operand, holds a read lock.
    READ_LOCKED "read-locked by pid "
    /// The process was killed by the signal that is the operand.
    KILLED "killed by SIG"
    /// The process gave the exit status that is the operand.
    EXITED "exited with status "
    /// The process ended, nobody knows how.
    ENDED "ended early"
    /// The path no longer names the file that is open.
    PATH_CHANGED "was replaced"
    /// A file's interpreter is missing.
    NO_INTERPRETER "its interpreter was not found"
    /// /dev/null is something else.
    NOT_THE_NULL_DEVICE "not the null device"
    /// A lock's file is a directory, device or FIFO.
    NOT_A_REGULAR_FILE "not a regular file"
    /// A lock's file has hard links.
    HAS_MORE_LINKS "has more than one link"
    /// A lock's file is neither root's nor the caller's.
    OWNED_BY_ANOTHER "owned by another user"
    /// A lock's file can be written by others than its owner.
    WRITABLE_BY_OTHERS "writable by others"
    /// Started set-user-ID or set-group-ID.
    IDS_DIFFER "real and effective ids differ"
    /// Started as pid 1.
    IS_PID_1 "is pid 1: use -F"
    /// No such option.
    UNKNOWN_OPTION "unknown option"
    /// A value for a flag.
    TAKES_NO_VALUE "takes no value"
    /// No value for an option that takes one.
    VALUE_IS_MISSING "value is missing"
    /// Not a file mode creation mask.
    NOT_AN_OCTAL_MODE "not an octal mode"
    /// Not descriptors' numbers.
    NOT_DESCRIPTORS "not descriptors"
    /// Not signals, or one that cannot be ignored.
    NOT_SIGNALS "not signals to ignore"
    /// Not K=V.
    NOT_A_VARIABLE "not K=V"
    /// Not a variable's name.
    NOT_A_NAME "not a name"
    /// Contradicts `--foreground`.
    NOT_WITH_FOREGROUND "not with -F"
}

errnos! {
    EPERM "Operation not permitted"
    ENOENT "No such file or directory"
    EIO "Input/output error"
    ENXIO "No such device or address"
    E2BIG "Argument list too long"
    ENOEXEC "Exec format error"
    EBADF "Bad file descriptor"
    EAGAIN "Resource temporarily unavailable"
    ENOMEM "Cannot allocate memory"
    EACCES "Permission denied"
    ENOTDIR "Not a directory"
    EISDIR "Is a directory"
    EINVAL "Invalid argument"
    EMFILE "Too many open files"
    ETXTBSY "Text file busy"
    ENOSPC "No space left on device"
    EROFS "Read-only file system"
    EPIPE "Broken pipe"
    ENAMETOOLONG "File name too long"
    ELOOP "Too many levels of symbolic links"
}

/// A literal that ends with its NUL.
pub const fn text(lines: &'static str) -> Word {
    match CStr::from_bytes_with_nul(lines.as_bytes()) {
        Ok(lines) => ZStr::new(lines),
        Err(_) => panic!("the lines end with a NUL, and hold no other"),
    }
}

/// The piece with this number of a text whose pieces each end with `separator`.
fn piece(text: Word, index: usize, separator: u8) -> &'static [u8] {
    let mut start = text;
    for _ in 0..index {
        start = start.find(separator).rest();
    }
    start.up_to(start.find(separator))
}

impl Reason {
    /// None: the step was taken.
    pub const TAKEN: Reason = Reason(0);

    /// The same reason with an operand.
    pub fn with(self, operand: u32) -> Reason {
        Reason(self.0 | operand & 0xff_ffff)
    }

    /// How a process ended.
    pub fn ended(status: WaitStatus) -> Reason {
        match status.signal() {
            0 => Reason::EXITED.with(status.code()),
            signal => Reason::KILLED.with(signal),
        }
    }

    /// Whether it is this one, whatever the operand.
    pub fn is(self, reason: Reason) -> bool {
        self.0 >> 24 == reason.0 >> 24
    }

    /// The errno, pid, signal or exit status.
    pub fn operand(self) -> u32 {
        self.0 & 0xff_ffff
    }

    /// The bits, for a record.
    pub fn bits(self) -> u32 {
        self.0
    }

    /// A reason from a record.
    pub fn from_bits(bits: u32) -> Reason {
        Reason(bits)
    }
}

impl From<Errno> for Reason {
    fn from(errno: Errno) -> Reason {
        Reason(errno.number())
    }
}

impl Failure {
    /// The exit status for it: 1, 125, 126 or 127.
    pub fn status(&self) -> u32 {
        match self.reason.0 {
            _ if self.reason.is(Reason::RUNNING) || self.reason == Reason::RUNNING_ELSEWHERE => 1,
            _ if self.reason == Reason::NO_INTERPRETER => 127,
            abi::ENOENT | abi::ENOTDIR if self.step == Step::Execute => 127,
            1..=4095 if self.step == Step::Execute => 126,
            _ => 125,
        }
    }
}

/// A number in decimal digits, with a newline behind them.
pub struct Decimal {
    digits: [u8; 11],
    start: usize,
}

impl Decimal {
    /// The digits of a number.
    pub fn new(mut number: u32) -> Decimal {
        let mut decimal = Decimal { digits: [b'\n'; 11], start: 10 };
        loop {
            decimal.start = decimal.start.saturating_sub(1);
            if let Some(digit) = decimal.digits.get_mut(decimal.start) {
                *digit = b'0' + (number % 10) as u8;
            }
            number /= 10;
            if number == 0 {
                return decimal;
            }
        }
    }

    /// The digits and the newline.
    pub fn line(&self) -> &[u8] {
        self.digits.get(self.start..).unwrap_or_default()
    }

    /// The digits.
    pub fn digits(&self) -> &[u8] {
        self.digits.get(self.start..10).unwrap_or_default()
    }
}

/// A line under construction. Control bytes in it become `?`, so that it stays one line and moves no cursor.
struct Line {
    to: Fd,
    bytes: [u8; 1024],
    length: usize,
}

impl Line {
    fn new(to: Fd) -> Line {
        let mut line = Line { to, bytes: [0; 1024], length: 0 };
        line.push(b"bgexec: ");
        line
    }

    fn push(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.push_raw(if byte < b' ' || byte == 0x7f { b'?' } else { byte });
        }
    }

    fn push_raw(&mut self, byte: u8) {
        if self.length == self.bytes.len() {
            self.write(); // a line longer than any path: it takes more than one write
        }
        if let Some(slot) = self.bytes.get_mut(self.length) {
            *slot = byte;
            self.length += 1;
        }
    }

    fn push_word(&mut self, word: Word) {
        self.push(b" ");
        self.push(word.as_bytes());
    }

    fn push_step(&mut self, plan: &Plan, step: Step) {
        self.push(piece(TEXTS, step as usize, b'\n'));
        if let Some(word) = plan.word(step) {
            self.push_word(word);
        }
    }

    fn push_reason(&mut self, reason: Reason) {
        self.push(b": ");
        let operand = reason.operand();
        let text = match (reason.0 >> 24) as usize {
            0 => match ERRNOS.iter().position(|errno| u32::from(*errno) == operand) {
                Some(index) => piece(ERRNO_TEXTS, index, b'\n'),
                None => b"errno ",
            },
            code => piece(OWN_TEXTS, code - 1, b'\n'),
        };
        self.push(text);
        if reason.is(Reason::KILLED) {
            self.push(piece(ZStr::new(abi::SIGNAL_NAMES), operand as usize - 1, b' '));
        } else if text.ends_with(b" ") {
            self.push(Decimal::new(operand).digits());
        }
    }

    fn end(mut self) {
        self.push_raw(b'\n');
        self.write();
    }

    /// Writes what there is. There is nobody to tell that this was not possible.
    fn write(&mut self) {
        let _ = sys::write(self.to, self.bytes.get(..self.length).unwrap_or_default());
        self.length = 0;
    }
}

/// Says what is wrong with the command line; gives the exit status.
pub fn misuse(misuse: &Misuse) -> u32 {
    let mut line = Line::new(Fd::STDERR);
    line.push(b"unable to use");
    line.push_word(misuse.word);
    if let Some(value) = misuse.value {
        line.push_word(value);
    }
    line.push_reason(misuse.reason);
    line.end();
    125
}

/// Says which step failed and why; gives the exit status.
pub fn failure(plan: &Plan, failure: &Failure) -> u32 {
    let status = failure.status();
    if status == 1 && plan.options.has(Opt::Oknodo) {
        return 0;
    }
    if status != 1 || !plan.options.has(Opt::Quiet) {
        let mut line = Line::new(failure.to);
        line.push(b"unable to ");
        line.push_step(plan, failure.step);
        line.push_reason(failure.reason);
        line.end();
    }
    status
}

/// Says that a step was taken.
pub fn step(plan: &Plan, step: Step, to: Fd) {
    let mut line = Line::new(to);
    line.push_step(plan, step);
    line.end();
}

/// Writes what was asked for to standard output; gives the exit status.
pub fn answer(task: Task) -> u32 {
    match task {
        Task::Help => print(USAGE.as_bytes()),
        Task::Version => print(concat!("bgexec ", env!("CARGO_PKG_VERSION"), "\n").as_bytes()),
        _ => {
            let _ = sys::write(Fd::STDERR, USAGE.as_bytes()); // the exit status says the rest
            125
        }
    }
}

/// Writes the daemon's pid to standard output; gives the exit status.
pub fn pid(pid: Pid) -> u32 {
    print(Decimal::new(pid as u32).line())
}

fn print(bytes: &[u8]) -> u32 {
    let Err(errno) = sys::write(Fd::STDOUT, bytes) else {
        return 0;
    };
    let mut line = Line::new(Fd::STDERR);
    line.push(b"unable to write stdout");
    line.push_reason(errno.into());
    line.end();
    125
}
