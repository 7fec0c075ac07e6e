//! What bgexec says: one line, and an exit status.

#![forbid(unsafe_code)]

use core::ffi::CStr;
use core::num::NonZeroI32;

use crate::options::{Opt, Options, TABLE};
use crate::steps::{Launch, Step, TEXTS};
use crate::sys::abi::{SIGPIPE, SIGXFSZ};
use crate::sys::zstr::{Word, ZStr};
use crate::sys::{self, Errno, Fd, Pid, SignalSet, Text, WaitStatus, abi, room};

/// What `--version` says.
const VERSION: Word = text(concat!("bgexec ", env!("CARGO_PKG_VERSION"), "\0"));

/// Why something was not possible: an error number of the kernel, or one of bgexec's own reasons, which may have an
/// operand. It fits into a record of the status pipe.
///
/// An errno is itself, a number from 1 to 4095. What is bgexec's own is negative, and small where there is no operand: short
/// instructions make it.
///
/// ```text
/// 0 - (bits 30-8: pid, signal or exit status      bits 7-0: code)
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(transparent)]
pub struct Reason(NonZeroI32);

/// Declares the error numbers that have a text, bgexec's own reasons and, from the same lines, all texts. A text that
/// ends with a space, SIG or RLIMIT_ wants the operand behind it.
macro_rules! reasons {
    (
        $($errno:ident $errno_text:literal)*;
        $other:literal;
        $($(#[$doc:meta])* $name:ident $text:literal)*
    ) => {
        /// The error numbers that have a text.
        const ERRNOS: &[u8] = &[$(small(abi::$errno)),*];

        /// One of bgexec's own reasons, without an operand: a byte, for tables.
        #[allow(non_camel_case_types, clippy::upper_case_acronyms, reason = "each names a constant of Reason")]
        #[derive(Clone, Copy)]
        pub enum Code { $($(#[$doc])* $name),* }

        /// Their numbers, as they stand in a [`Reason`].
        #[allow(dead_code, reason = "not all are asked for")]
        mod code {
            $(pub const $name: u32 = super::Code::$name as u32 + 1;)*
        }

        impl Reason {
            $($(#[$doc])* pub const $name: Reason = Reason::of(Code::$name);)*
        }

        /// The texts, a line each: first of [`ERRNOS`], then of any other error number, then of bgexec's own reasons.
        const REASONS: Word = text(concat!($($errno_text, "\n",)* $other, "\n", $($text, "\n",)* "\0"));
    };
}

reasons! {
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
    ENOTTY "Inappropriate ioctl for device"
    ENOSYS "Function not implemented"
    ETXTBSY "Text file busy"
    ENOSPC "No space left on device"
    EROFS "Read-only file system"
    EPIPE "Broken pipe"
    ENAMETOOLONG "File name too long"
    ELOOP "Too many levels of symbolic links";
    "errno ";
    /// None yet: the process, whose pid is the operand, is about to become COMMAND.
    EXECUTING ""
    /// A process holds the lock, or there is other evidence for it; the operand is its pid.
    RUNNING "already running as pid "
    /// The same, but the holder has no pid here: another pid namespace, or a lock of another kind.
    RUNNING_ELSEWHERE "already running elsewhere"
    /// A process that is no daemon, whose pid is the operand, holds a read lock.
    READ_LOCKED "read-locked by pid "
    /// The same, but it has no pid here.
    READ_LOCKED_ELSEWHERE "read-locked elsewhere"
    /// The process was killed by the signal that is the operand. From here to CLOSED all are ends of it.
    KILLED "killed by SIG"
    /// The process gave the exit status that is the operand.
    EXITED "exited with status "
    /// The process ended, nobody knows how.
    ENDED "ended early"
    /// The notification descriptor was closed.
    CLOSED "closed the descriptor"
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
    /// The leader, and so the daemon, is in another pid namespace than the launcher.
    OTHER_PID_NAMESPACE "in another pid namespace"
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
    /// Not a variable's name.
    NOT_A_NAME "not a name"
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
    /// Means nothing without `--restart`.
    NEEDS_RESTART "needs -r"
    /// No such user or group.
    NOT_FOUND "not found"
    /// No daemon; the operand is 1 where that cannot be proven.
    NOT_RUNNING "not running"
    /// Still alive after the schedule; the operand is its pid.
    STILL_RUNNING "still running as pid "
    /// Not `fd:N` or `socket`.
    NOT_A_NOTIFICATION "not fd:N or socket"
    /// A descriptor that COMMAND is to keep is the one that it is to tell its readiness on.
    NEEDED_FOR_NOTIFY "needed for --notify"
    /// Not a time.
    NOT_A_TIME "not a time"
    /// Not a number of restarts.
    NOT_A_COUNT "not a number"
    /// Contradicts `--restart`.
    NOT_WITH_RESTART "not with -r"
    /// Not ready in time.
    NOT_READY "not ready after"
    /// A signal, which is the operand, is to end the launcher.
    INTERRUPTED "interrupted by SIG"
    /// The limit of the resource that is the operand was refused.
    LIMIT_REFUSED "not permitted for RLIMIT_"
    /// The lockfile or pidfile is COMMAND's own, too.
    IS_CHILD_PIDFILE "is the child pidfile"
    /// The lockfile or a pidfile is an output that a signal opens anew, too.
    IS_REOPENED "reopened by -H"
    /// Contradicts `--status`.
    NOT_WITH_STATUS "not with -T"
    /// Contradicts `--foreground`.
    NOT_WITH_FOREGROUND "not with -F"
}

/// An error number as a byte; those that have a text are small.
const fn small(errno: u32) -> u8 {
    match errno {
        0..256 => errno as u8,
        _ => panic!("an error number that needs more room"),
    }
}

/// A literal that ends with its NUL.
pub const fn text(lines: &'static str) -> Word {
    match CStr::from_bytes_with_nul(lines.as_bytes()) {
        Ok(lines) => ZStr::new(lines),
        Err(_) => panic!("the lines end with a NUL, and hold no other"),
    }
}

/// Where the line with this number begins.
fn line(mut lines: Word, number: usize) -> Word {
    for _ in 0..number {
        lines = lines.past(b'\n');
    }
    lines
}

impl Reason {
    /// The reason with this code.
    pub const fn of(code: Code) -> Reason {
        match NonZeroI32::new(-1 - code as i32) {
            Some(bits) => Reason(bits),
            None => Reason(NonZeroI32::MIN), // none has it
        }
    }

    /// The same reason with an operand, of 22 bits at most, as a pid has.
    pub fn with(self, operand: u32) -> Reason {
        Reason(-(-self.0 | (operand << 8) as i32))
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
        NonZeroI32::new((number & 0xfff) as i32).map_or(Reason::ENDED, Reason)
    }

    /// Whether it is this error number of the kernel.
    pub fn is_errno(self, number: u32) -> bool {
        self.bits() == number
    }

    /// Whether it says that COMMAND came to an end, or closed what it was to tell its readiness on.
    fn is_end(self) -> bool {
        matches!(self.code(), code::KILLED..=code::CLOSED)
    }

    /// The code's number; 0 for an errno.
    const fn code(self) -> u32 {
        match self.0.get() {
            bits @ ..0 => bits.wrapping_neg() as u32 & 0xff,
            _ => 0,
        }
    }

    /// The pid, signal or exit status.
    pub fn operand(self) -> u32 {
        self.0.get().wrapping_neg() as u32 >> 8
    }

    /// The bits, for a record.
    pub fn bits(self) -> u32 {
        self.0.get() as u32
    }

    /// A reason from a record; `None` if the step was taken.
    pub fn from_bits(bits: u32) -> Option<Reason> {
        NonZeroI32::new(bits as i32).map(Reason)
    }
}

impl From<Errno> for Reason {
    fn from(errno: Errno) -> Reason {
        Reason(errno.number().cast_signed())
    }
}

/// Memory for a line; more than that is written in parts.
const LINE: usize = 512;

impl Text<'_> {
    /// Appends a line of a text, or all of a text without lines.
    fn push_line(&mut self, text: ZStr) {
        self.push(text, b'\n');
    }

    /// Appends words, a space before each. Control bytes become `?`, so that a line stays one line and moves no cursor.
    #[inline(never)]
    fn push_words(&mut self, words: &[Option<Word>; 2]) {
        for mut word in words.iter().copied().flatten() {
            self.push_byte(b' ');
            while let Some((byte, rest)) = word.split() {
                self.push_byte(if byte < b' ' || byte == 0x7f { b'?' } else { byte });
                word = rest;
            }
        }
    }

    /// Appends a reason.
    fn push_reason(&mut self, reason: Reason) {
        self.push_line(ZStr::new(c": "));
        let mut operand = reason.operand();
        let mut number = ERRNOS.len() + reason.code() as usize;
        if reason.code() == 0 {
            operand = reason.bits();
            number = 0;
            while ERRNOS.get(number).is_some_and(|errno| u32::from(*errno) != operand) {
                number += 1;
            }
        }
        self.push_line(line(REASONS, number));
        // The ends of "pid ", "RLIMIT_" and "SIG", as the reasons' macro has it.
        match self.as_bytes().last() {
            Some(b' ') => self.push_decimal(operand),
            Some(b'_') => self.push_line(line(ZStr::new(abi::RLIMIT_NAMES), operand as usize)),
            Some(b'G') => {
                let name = line(ZStr::new(abi::SIGNAL_NAMES), operand as usize - 1);
                if name.first() == 0 {
                    self.push_decimal(operand);
                }
                self.push_line(name);
            }
            _ => {}
        }
    }
}

/// Says what was done or, with a reason, what bgexec was unable to do: on which words, why, and in which words that ends.
/// There is nobody to tell that this was not possible.
#[inline(never)]
fn say(to: Fd, verb: Word, words: &[Option<Word>; 2], reason: Option<Reason>, end: Option<&[Option<Word>; 2]>) {
    // What the kernel sends a writer that nobody reads must neither end it nor be taken for a signal to COMMAND.
    let mut mask = SignalSet::NONE;
    let _ = sys::rt_sigprocmask(SignalSet::ALL, Some(&mut mask));
    let mut room = room::<LINE>();
    let mut text = Text::new(&mut room, to);
    text.push_line(ZStr::new(if reason.is_some() { c"bgexec: unable to " } else { c"bgexec: " }));
    text.push_line(verb);
    text.push_words(words);
    if let Some(reason) = reason {
        text.push_reason(reason);
    }
    if let Some(end) = end {
        text.push_words(end);
    }
    text.push_byte(b'\n');
    if text.write().is_err() {
        discard_signals_of_write();
    }
    let _ = sys::rt_sigprocmask(mask, None);
}

/// Makes what a write of one's own that failed has brought about no longer pending: nobody sent it.
pub fn discard_signals_of_write() {
    sys::discard_signal(SIGPIPE);
    sys::discard_signal(SIGXFSZ);
}

/// Says what is wrong with the command line; gives the exit status.
#[inline(never)]
pub fn misuse(options: &Options, reason: Reason) -> u32 {
    say(Fd::STDERR, ZStr::new(c"use"), &options.examined(), Some(reason), None);
    125
}

/// Says that a step was taken, if `--verbose` asks for that.
pub fn step(launch: &Launch) {
    if launch.plan.options.has(Opt::Verbose) {
        say_step(launch, None, None);
    }
}

#[inline(never)]
fn say_step(launch: &Launch, reason: Option<Reason>, end: Option<&[Option<Word>; 2]>) {
    let step = launch.step;
    say(launch.message, line(TEXTS, step as usize), &[launch.plan.word(step), None], reason, end);
}

/// Says which step of a launch failed and why; gives the exit status: 0, 1, 2, 124, 125, 126 or 127.
#[inline(never)]
pub fn failure(launch: &Launch, reason: Reason) -> u32 {
    let options = &launch.plan.options;
    let status = match reason.code() {
        code::NOT_RUNNING => 1,
        code::RUNNING | code::RUNNING_ELSEWHERE if launch.step != Step::Stop => 1,
        code::STILL_RUNNING => 2,
        code::NOT_READY => 124,
        code::NO_INTERPRETER => 127,
        0 if launch.step == Step::Execute => match reason.bits() {
            abi::ENOENT | abi::ENOTDIR => 127,
            _ => 126,
        },
        _ => 125,
    };
    if status == 1 {
        // There was nothing to do.
        if options.has(Opt::Oknodo) {
            return 0;
        }
        if options.has(Opt::Quiet) {
            return status;
        }
    }
    let time = [options.value(Opt::NotifyTimeout).or(Some(ZStr::new(c"60"))), Some(ZStr::new(c"s"))];
    let end = if status == 124 {
        Some(&time)
    } else if launch.step == Step::Wait && reason.is_end() {
        Some(&[Some(ZStr::new(c"before it was ready")), None])
    } else {
        None
    };
    say_step(launch, Some(reason), end);
    status
}

/// Writes a line to standard output: words, in which a pid unless it is 0 takes the place of a newline. Gives the exit status.
#[inline(never)]
fn print(what: Word, words: Word, pid: u32) -> u32 {
    let mut room = room::<LINE>();
    let mut text = Text::new(&mut room, Fd::STDOUT);
    text.push_line(words);
    if pid != 0 {
        text.push_decimal(pid);
    }
    text.push_line(words.past(b'\n'));
    text.push_byte(b'\n');
    printed(&mut text, what)
}

/// Writes what is left of what was asked for; gives the exit status.
fn printed(text: &mut Text, what: Word) -> u32 {
    let Err(errno) = text.write() else {
        return 0;
    };
    say(Fd::STDERR, ZStr::new(c"print"), &[Some(what), None], Some(errno.into()), None);
    125
}

/// Says what a pidfile says; gives the exit status that the Linux Standard Base has for it.
pub fn status(daemon: Result<u32, Reason>) -> u32 {
    let (status, words, pid) = match daemon {
        Ok(pid) => (0, c"running (pid \n)", pid),
        Err(Reason::RUNNING_ELSEWHERE) => (0, c"running", 0),
        Err(Reason::NOT_RUNNING) => (1, c"dead (stale pidfile)", 0),
        Err(reason) if reason.is_errno(abi::ENOENT) => (3, c"not running", 0),
        Err(_) => (4, c"unknown", 0),
    };
    match print(ZStr::new(c"status"), ZStr::new(words), pid) {
        0 => status,
        failed => failed,
    }
}

/// Says which version this is; gives the exit status.
pub fn version() -> u32 {
    print(ZStr::new(c"version"), VERSION, 0)
}

/// Says the daemon's pid; gives the exit status.
pub fn pid(daemon: Pid) -> u32 {
    print(ZStr::new(c"pid"), ZStr::new(c""), daemon as u32)
}

/// Writes the usage text; gives the exit status.
fn print_usage(to: Fd) -> u32 {
    let mut room = room::<LINE>();
    let mut text = Text::new(&mut room, to);
    text.push_line(TABLE);
    text.push_byte(b'\n');
    let mut rest = TABLE.past(b'\n');
    while let Some((letter, row)) = rest.split() {
        if letter == b' ' {
            text.push_line(ZStr::new(c"      --"));
        } else {
            text.push_line(ZStr::new(c"  -"));
            text.push_byte(letter);
            text.push_line(ZStr::new(c", --"));
        }
        text.push_line(row);
        text.push_byte(b'\n');
        rest = row.past(b'\n');
    }
    printed(&mut text, ZStr::new(c"help"))
}

/// Says how bgexec is used, because that was asked for; gives the exit status.
pub fn help() -> u32 {
    print_usage(Fd::STDOUT)
}

/// Says the same because COMMAND is missing; gives the exit status.
pub fn usage() -> u32 {
    print_usage(Fd::STDERR);
    125
}
