//! From words to values: numbers, signals, limits, times. Each scanner reads the start of a text and gives what it found
//! together with what follows, or `None` if the text does not begin so.

#![forbid(unsafe_code)]

use crate::sys::abi::{NSIG, RLIM_INFINITY, RLIMIT_NAMES, SIGNAL_NAMES, SIGRTMAX, SIGTERM};
use crate::sys::zstr::{Word, ZStr};

/// Reads a number or name at the start of a text; gives it and what follows.
pub type Scan = fn(Word) -> Option<(u64, Word)>;

/// A text without the dash that it may begin with.
fn behind_dash(text: Word) -> Word {
    if text.first() == b'-' { text.rest() } else { text }
}

/// A number between `lowest` and `highest`, of which the lower may be negative: the bits of an i64.
pub fn integer(text: Word, lowest: i64, highest: i64) -> Option<(u64, Word)> {
    let digits = behind_dash(text);
    let (number, rest) = digits.count()?;
    let number = if digits.is_at(text) { number as i64 } else { -(number as i64) };
    (lowest <= number && number <= highest).then_some((number as u64, rest))
}

/// Seconds, which may have a fraction, in milliseconds, of which one that has begun counts; at most 1,000,000 hours.
pub fn seconds(text: Word) -> Option<(u64, Word)> {
    let (seconds, mut rest) = match text.first() {
        b'.' if text.rest().first().is_ascii_digit() => (0, text),
        _ => text.number(3_600_000_000)?,
    };
    let mut milliseconds = seconds * 1000;
    let mut begun = false;
    if rest.first() == b'.' {
        let mut unit = 100;
        rest = rest.rest();
        while rest.first().is_ascii_digit() {
            let digit = u64::from(rest.first() - b'0');
            begun |= unit == 0 && digit != 0;
            milliseconds += unit * digit;
            unit /= 10;
            rest = rest.rest();
        }
    }
    Some((milliseconds + u64::from(begun), rest))
}

/// A signal that can be sent: any, or 0, which only asks whether that would be possible (kill(2)).
pub fn signal_to_send(text: Word) -> Option<(u64, Word)> {
    text.number(0).or_else(|| signal(text))
}

/// A signal by its number or by its name with or without SIG; the real-time signals are RTMIN (34, as the C library
/// counts) to RTMAX (64, on mips 127), with `+N` or `-N` behind.
pub fn signal(text: Word) -> Option<(u64, Word)> {
    if let Some(found) = text.number(NSIG.into()) {
        return Some(found).filter(|(signal, _)| *signal != 0);
    }
    let text = text.strip(ZStr::new(c"SIG")).unwrap_or(text);
    let Some((end, rest)) = name(text, ZStr::new(c"RTMIN\nRTMAX\n")) else {
        return name(text, ZStr::new(SIGNAL_NAMES)).map(|(index, rest)| (index + 1, rest));
    };
    let first = if end == 0 { 34 } else { u64::from(SIGRTMAX) };
    let sign = rest.first();
    let (offset, rest) = match sign {
        b'+' | b'-' => rest.rest().number(u64::from(SIGRTMAX) - 34)?,
        _ => (0, rest),
    };
    let signal = if sign == b'-' { first.wrapping_sub(offset) } else { first + offset };
    (34..=u64::from(SIGRTMAX)).contains(&signal).then_some((signal, rest))
}

/// The index of the line of `names` that the text begins with, and what follows there that is no letter or digit.
pub fn name<'a>(text: ZStr<'a>, mut names: ZStr) -> Option<(u64, ZStr<'a>)> {
    let mut index = 0;
    while names.first() != 0 {
        if let Some(rest) = text.strip_up_to(names, b'\n')
            && !rest.first().is_ascii_alphanumeric()
        {
            return Some((index, rest));
        }
        names = names.past(b'\n');
        index += 1;
    }
    None
}

/// A limit, `NAME=SOFT[:HARD]`: its resource and both values.
pub fn limit(text: Word) -> Option<(usize, [u64; 2])> {
    let (resource, rest) = name(text, ZStr::new(RLIMIT_NAMES))?;
    let (soft, rest) = amount(rest.strip(ZStr::new(c"="))?)?;
    let (hard, rest) = match rest.first() {
        b':' => amount(rest.rest())?,
        _ => (soft, rest),
    };
    (rest.first() == 0 && soft <= hard).then_some((resource as usize, [soft, hard]))
}

fn amount(text: Word) -> Option<(u64, Word)> {
    match text.strip(ZStr::new(c"unlimited")) {
        Some(rest) => Some((RLIM_INFINITY, rest)),
        None => text.number(1 << 59),
    }
}

/// One item of a schedule, as start-stop-daemon(8) writes it: `TERM`, `-TERM` or `-15`, a signal to send, or `30`, a time
/// to wait for the daemon's end. Both stand in one number: a signal has no time, a time has signal 0.
#[derive(Clone, Copy)]
pub struct Item(u64);

impl Item {
    /// The signal.
    pub fn signal(self) -> u32 {
        self.0 as u32 & 0x7f
    }

    /// The time in milliseconds.
    pub fn wait(self) -> u64 {
        self.0 >> 7
    }
}

/// The first item of a schedule, and what follows it: a `/` or the end.
fn item(text: Word) -> Option<(Item, Word)> {
    let (item, rest) = match seconds(text) {
        Some((wait, rest)) => (wait << 7, rest),
        None => signal(behind_dash(text))?,
    };
    rest.ends(b'/').then_some((Item(item), rest))
}

/// What follows a `forever` in a schedule, and is repeated.
fn forever(text: Word) -> Option<Word> {
    text.strip(ZStr::new(c"forever/"))
}

/// A schedule that is followed, item by item.
pub struct Schedule {
    rest: Word,
    /// What is repeated at its end; empty if nothing is.
    again: Word,
    /// Where one number of seconds stands in the place of a schedule: its item, and the first signal of the usual one.
    usual: Option<(Item, u64)>,
}

impl Schedule {
    /// The schedule that was `given`, or else the `usual` one. One number alone is the usual one with other times, and with
    /// `signal` in the place of TERM.
    pub fn new(given: Option<Word>, usual: Word, signal: u64) -> Schedule {
        let mut schedule = Schedule { rest: given.unwrap_or(usual), again: ZStr::new(c""), usual: None };
        if let Some((wait, rest)) = seconds(schedule.rest)
            && rest.first() == 0
        {
            schedule.usual = Some((Item(wait << 7), signal));
            schedule.rest = usual;
        }
        schedule
    }
}

impl Iterator for Schedule {
    type Item = Item;

    fn next(&mut self) -> Option<Item> {
        while let Some(repeated) = forever(self.rest) {
            self.again = repeated;
            self.rest = repeated;
        }
        let (mut item, behind) = item(self.rest)?;
        self.rest = if behind.first() == 0 { self.again } else { behind.rest() };
        if let Some((wait, signal)) = self.usual {
            match item.signal() {
                0 => item = wait,
                SIGTERM => item = Item(signal),
                _ => {}
            }
        }
        Some(item)
    }
}

/// Whether a text is a schedule: one number of seconds, or at least two items, of which those that are repeated take time.
pub fn is_schedule(text: Word) -> bool {
    let mut rest = text;
    let mut enough = false;
    let mut spins = false; // what is repeated takes no time, as far as it was read
    loop {
        while let Some(repeated) = forever(rest) {
            spins = true;
            rest = repeated;
        }
        let Some((item, behind)) = item(rest) else {
            return false;
        };
        enough |= item.signal() == 0; // one number alone
        spins &= item.wait() == 0;
        if behind.first() == 0 {
            return enough && !spins;
        }
        enough = true;
        rest = behind.rest();
    }
}

/// What [`notification`] gives for a socket: a number that no descriptor has.
pub const SOCKET: u64 = 1 << 40;

/// How readiness is told: `fd:N` with N from 3 up, by a newline on that descriptor, as s6 has it; or `socket`, by a
/// datagram to the socket in NOTIFY_SOCKET, as systemd has it.
pub fn notification(text: Word) -> Option<(u64, Word)> {
    match text.strip(ZStr::new(c"fd:")) {
        Some(number) => number.number(i32::MAX as u64).filter(|(number, _)| *number > 2),
        None => text.strip(ZStr::new(c"socket")).map(|rest| (SOCKET, rest)),
    }
}

/// An I/O scheduling class with a priority in it, or the usual one, as ioprio_set(2) has them in one number.
pub fn io_class(text: Word) -> Option<(u64, Word)> {
    let (index, rest) = name(text, ZStr::new(c"realtime\nbest-effort\nidle\n"))?;
    let (priority, rest) = match rest.first() {
        b':' => rest.rest().number(7)?,
        _ => (if index == 2 { 0 } else { 4 }, rest),
    };
    Some(((index + 1) << 13 | priority, rest))
}

/// The variables of sd_notify(3) that mean something here: it is ready; it has failed, for this reason; it needs at least so
/// many microseconds from now on. STATUS, MAINPID and others do not.
pub const READY: u64 = 0;
#[allow(missing_docs, reason = "see the first")]
pub const ERRNO: u64 = 1;
#[allow(missing_docs, reason = "see the first")]
pub const EXTEND_TIMEOUT_USEC: u64 = 2;

/// Which of these variables a line of a datagram sets, and to what number.
pub fn notice(line: ZStr) -> Option<(u64, u64)> {
    let (variable, rest) = name(line, ZStr::new(c"READY\nERRNO\nEXTEND_TIMEOUT_USEC\n"))?;
    let (number, rest) = rest.strip(ZStr::new(c"="))?.number(1 << 50)?;
    rest.ends(b'\n').then_some((variable, number))
}

/// The pid that is all of a pidfile of this length, digits and a newline, from 2 up; 0 if there is none.
pub fn pid(text: ZStr, length: usize) -> u32 {
    match text.number(i32::MAX as u64) {
        Some((pid @ 2.., rest)) if rest.first() == b'\n' && rest.rest().offset(text) == length => pid as u32,
        _ => 0,
    }
}

/// The start time in /proc/PID/stat, in hundredths of a second since boot (proc_pid_stat(5)); `None` for a zombie.
#[inline(always)]
pub fn start_time(stat: ZStr) -> Option<u64> {
    // The command's name, in parentheses, may hold anything: the last one closes it.
    let mut field = stat;
    while field.past(b')').first() != 0 {
        field = field.past(b')');
    }
    if matches!(field.rest().first(), b'Z' | b'X') {
        return None;
    }
    for _ in 2..22 {
        field = field.past(b' ');
    }
    Some(field.count()?.0)
}
