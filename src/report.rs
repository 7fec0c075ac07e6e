//! What bgexec says: one line, and an exit status.

#![forbid(unsafe_code)]

use core::ffi::CStr;
use core::num::NonZeroU32;

use crate::options::{Opt, Options, USAGE};
use crate::plan::Plan;
use crate::steps::{Launch, Step, TEXTS};
use crate::sys::zstr::{Word, ZStr};
use crate::sys::{self, Errno, Fd, WaitStatus, abi};

/// Why something was not possible: an error number of the kernel, or one of bgexec's own reasons, which may have an
/// operand. It fits into a record of the status pipe.
///
/// ```text
/// bits 31-24: code, 0 for an errno      bits 23-0: errno, pid, signal or exit status
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(transparent)]
pub struct Reason(NonZeroU32);

/// Declares bgexec's own reasons and, from the same lines, their texts. A text that ends with a space, SIG or RLIMIT_ wants the
/// operand behind it.
macro_rules! reasons {
    ($($(#[$doc:meta])* $name:ident $text:literal)*) => {
        #[allow(non_camel_case_types, clippy::upper_case_acronyms, reason = "each names a constant of Reason")]
        enum Code { $($name),* }

        impl Reason {
            $($(#[$doc])* pub const $name: Reason = Reason::new((Code::$name as u32 + 1) << 24);)*
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
    /// Not a schedule.
    NOT_A_SCHEDULE "not a schedule"
    /// Not a signal.
    NOT_A_SIGNAL "not a signal"
    /// Not a limit.
    NOT_A_LIMIT "not a limit"
    /// Not a niceness or an adjustment.
    NOT_A_LEVEL "out of range"
    /// Not an I/O scheduling class.
    NOT_A_CLASS "not a class"
    /// A numeric user without a group.
    NEEDS_A_GROUP "needs a group"
    /// `--stop` or `--status` with a COMMAND.
    TAKES_NO_COMMAND "takes no COMMAND"
    /// `--stop` or `--status` without a pidfile.
    NEEDS_A_PIDFILE "needs -p"
    /// No such user or group.
    NOT_FOUND "not found"
    /// No daemon; the operand is 1 where that cannot be proven.
    NOT_RUNNING "not running"
    /// Still alive after the schedule; the operand is its pid.
    STILL_RUNNING "still running as pid "
    /// Not `fd:N` or `socket`.
    NOT_A_NOTIFICATION "not fd:N or socket"
    /// Not a time.
    NOT_A_TIME "not a time"
    /// Not a number of restarts.
    NOT_A_COUNT "not a number"
    /// Contradicts `--restart`.
    NOT_WITH_RESTART "not with -r"
    /// Means nothing without `--restart`.
    NEEDS_RESTART "needs -r"
    /// Not ready in time.
    NOT_READY "not ready after"
    /// The notification descriptor was closed.
    CLOSED "closed the descriptor"
    /// A signal, which is the operand, is to end the launcher.
    INTERRUPTED "interrupted by SIG"
    /// The limit of the resource that is the operand was refused.
    LIMIT_REFUSED "not permitted for RLIMIT_"
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
    ECHILD "No child processes"
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

/// Where the line with this number begins in a text.
fn line(mut text: Word, index: usize) -> Word {
    for _ in 0..index {
        text = text.find(b'\n').rest();
    }
    text
}

impl Reason {
    const fn new(bits: u32) -> Reason {
        match NonZeroU32::new(bits) {
            Some(bits) => Reason(bits),
            None => panic!("no reason"),
        }
    }

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
        self.code() == reason.code()
    }

    /// An error number of the kernel, between 1 and 4095.
    pub fn errno(number: u32) -> Reason {
        NonZeroU32::new(number & 0xfff).map_or(Reason::ENDED, Reason)
    }

    /// Whether it is this error number of the kernel.
    pub fn is_errno(self, number: u32) -> bool {
        self.bits() == number
    }

    /// Whether it says that COMMAND came to an end, or closed what it was to tell its readiness on.
    fn is_end(self) -> bool {
        [Reason::EXITED, Reason::KILLED, Reason::ENDED, Reason::CLOSED].into_iter().any(|end| self.is(end))
    }

    fn code(self) -> u32 {
        self.0.get() >> 24
    }

    /// The errno, pid, signal or exit status.
    pub fn operand(self) -> u32 {
        self.0.get() & 0xff_ffff
    }

    /// The bits, for a record.
    pub fn bits(self) -> u32 {
        self.0.get()
    }

    /// A reason from a record; `None` if the step was taken.
    pub fn from_bits(bits: u32) -> Option<Reason> {
        NonZeroU32::new(bits).map(Reason)
    }
}

impl From<Errno> for Reason {
    fn from(errno: Errno) -> Reason {
        Reason(errno.number())
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
        let mut digits = [b'\n'; 11];
        let mut start = 10;
        for digit in digits.iter_mut().rev().skip(1) {
            *digit = b'0' + (number % 10) as u8;
            start -= 1;
            number /= 10;
            if number == 0 {
                break;
            }
        }
        Decimal { digits, start }
    }

    /// The digits.
    fn digits(&self) -> &[u8] {
        self.digits.get(self.start..10).unwrap_or_default()
    }

    /// The digits and the newline.
    pub fn line(&self) -> &[u8] {
        self.digits.get(self.start..).unwrap_or_default()
    }
}

/// A line under construction. Control bytes in it become `?`, so that it stays one line and moves no cursor.
struct Line {
    to: Fd,
    length: usize,
    bytes: [u8; 512],
}

impl Line {
    /// `bgexec: ` and a text.
    fn new(to: Fd, text: Word) -> Line {
        let mut line = Line { to, length: 0, bytes: [0; 512] };
        line.push(ZStr::new(c"bgexec: "));
        line.push(text);
        line
    }

    /// Appends a line of a text, or all of a text without lines.
    fn push(&mut self, text: ZStr) {
        self.push_up_to(text, b'\n');
    }

    fn push_up_to(&mut self, mut text: ZStr, end: u8) {
        while !text.ends(end) {
            let byte = text.first();
            self.push_byte(if byte < b' ' || byte == 0x7f { b'?' } else { byte });
            text = text.rest();
        }
    }

    fn push_byte(&mut self, byte: u8) {
        if let Some(slot) = self.bytes.get_mut(self.length) {
            *slot = byte;
            self.length += 1;
        }
        if self.length == self.bytes.len() || byte == b'\n' {
            // There is nobody to tell that this was not possible.
            let _ = sys::write(self.to, self.bytes.get(..self.length).unwrap_or_default());
            self.length = 0;
        }
    }

    fn push_word(&mut self, word: Option<Word>) {
        if let Some(word) = word {
            self.push_byte(b' ');
            self.push_up_to(word, 0);
        }
    }

    fn push_decimal(&mut self, number: u32) {
        for &digit in Decimal::new(number).digits() {
            self.push_byte(digit);
        }
    }

    /// Appends a reason and ends the line.
    fn end(&mut self, reason: Reason) {
        self.push_reason(reason);
        self.push_byte(b'\n');
    }

    fn push_reason(&mut self, reason: Reason) {
        self.push(ZStr::new(c": "));
        let operand = reason.operand();
        let mut text = ZStr::new(c"errno ");
        if reason.code() != 0 {
            text = line(OWN_TEXTS, reason.code() as usize - 1);
        } else if let Some(index) = ERRNOS.iter().position(|errno| u32::from(*errno) == operand) {
            text = line(ERRNO_TEXTS, index);
        }
        self.push(text);
        if reason.is(Reason::KILLED) || reason.is(Reason::INTERRUPTED) {
            let name = line(ZStr::new(abi::SIGNAL_NAMES), operand.saturating_sub(1) as usize);
            if name.first() != 0 {
                return self.push(name);
            }
        } else if reason.is(Reason::LIMIT_REFUSED) {
            return self.push(line(ZStr::new(abi::RLIMIT_NAMES), operand as usize));
        } else if self.bytes.get(self.length.wrapping_sub(1)) != Some(&b' ') {
            return;
        }
        self.push_decimal(operand);
    }
}

/// Says what is wrong with the command line; gives the exit status.
pub fn misuse(options: &Options, reason: Reason) -> u32 {
    let mut line = Line::new(Fd::STDERR, ZStr::new(c"unable to use"));
    for word in options.examined() {
        line.push_word(word);
    }
    line.end(reason);
    125
}

/// The exit status where there was nothing to do, if nothing is to be said about that.
fn silent(plan: &Plan) -> Option<u32> {
    if plan.options.has(Opt::Oknodo) {
        return Some(0);
    }
    plan.options.has(Opt::Quiet).then_some(1)
}

/// Says which step of a launch failed and why; gives the exit status: 1, 125, 126 or 127.
pub fn failure(launch: &Launch, reason: Reason) -> u32 {
    let mut status = match reason.bits() {
        _ if reason == Reason::NO_INTERPRETER => 127,
        1..4096 if launch.step != Step::Execute => 125,
        abi::ENOENT | abi::ENOTDIR => 127,
        1..4096 => 126,
        _ => 125,
    };
    if reason.is(Reason::RUNNING) || reason == Reason::RUNNING_ELSEWHERE {
        if let Some(status) = silent(launch.plan) {
            return status;
        }
        status = 1;
    }
    let mut line = Line::new(launch.message, ZStr::new(c"unable to "));
    line.push_step(launch);
    line.push_reason(reason);
    if reason == Reason::NOT_READY {
        status = 124;
        line.push_word(launch.plan.options.value(Opt::NotifyTimeout).or(Some(ZStr::new(c"60"))));
        line.push(ZStr::new(c" s"));
    } else if launch.step == Step::Wait && reason.is_end() {
        line.push(ZStr::new(c" before it was ready"));
    }
    line.push_byte(b'\n');
    status
}

impl Line {
    fn push_step(&mut self, launch: &Launch) {
        self.push(line(TEXTS, launch.step as usize));
        self.push_word(launch.plan.word(launch.step));
    }
}

/// Says that a step was taken.
pub fn step(launch: &Launch) {
    let mut line = Line::new(launch.message, ZStr::new(c""));
    line.push_step(launch);
    line.push_byte(b'\n');
}

/// Says why nothing was stopped, or how it went; gives the exit status: 0, 1, 2 or 125.
pub fn stop(plan: &Plan, result: Result<(), Reason>) -> u32 {
    let Err(reason) = result else {
        return 0;
    };
    let mut status = 125;
    if reason.is(Reason::STILL_RUNNING) {
        status = 2;
    }
    if reason.is(Reason::NOT_RUNNING) {
        if let Some(status) = silent(plan) {
            return status;
        }
        status = 1;
    }
    let mut line = Line::new(Fd::STDERR, ZStr::new(c"unable to stop"));
    line.push_word(Some(plan.pidfile()));
    line.end(reason);
    status
}

/// Writes what a pidfile says to standard output; gives the exit status that the Linux Standard Base has for it.
pub fn status(daemon: Result<u32, Reason>) -> u32 {
    let (status, text) = match daemon {
        Ok(pid) => {
            let mut line = Line { to: Fd::STDOUT, length: 0, bytes: [b'\n'; 512] };
            line.push(ZStr::new(c"running (pid "));
            line.push_decimal(pid);
            line.push_byte(b')');
            return print(ZStr::new(c"status"), line.bytes.get(..=line.length).unwrap_or_default());
        }
        Err(Reason::RUNNING_ELSEWHERE) => (0, ZStr::new(c"running\n")),
        Err(Reason::NOT_RUNNING) => (1, ZStr::new(c"dead (stale pidfile)\n")),
        Err(reason) if reason.is_errno(abi::ENOENT) => (3, ZStr::new(c"not running\n")),
        Err(_) => (4, ZStr::new(c"unknown\n")),
    };
    match print(ZStr::new(c"status"), text.as_bytes()) {
        0 => status,
        failed => failed,
    }
}

/// Says how bgexec is used, because COMMAND is missing; gives the exit status.
pub fn usage() -> u32 {
    let _ = sys::write(Fd::STDERR, USAGE.as_bytes()); // the exit status says the rest
    125
}

/// Writes what was asked for to standard output; gives the exit status.
pub fn print(what: Word, bytes: &[u8]) -> u32 {
    match sys::write(Fd::STDOUT, bytes) {
        Ok(()) => 0,
        Err(errno) => {
            let mut line = Line::new(Fd::STDERR, ZStr::new(c"unable to print"));
            line.push_word(Some(what));
            line.end(errno.into());
            125
        }
    }
}
