//! From words to values: numbers, signals, limits, times. Each scanner reads the start of a text and gives what it found
//! together with what follows, or `None` if the text does not begin so.

#![forbid(unsafe_code)]

use crate::sys::abi::{NSIG, RLIM_INFINITY, RLIMIT_NAMES, SIGNAL_NAMES};
use crate::sys::zstr::{Word, ZStr};

/// Reads a number or name at the start of a text; gives it and what follows.
pub type Scan = fn(Word) -> Option<(u64, Word)>;

/// A number of things, or of milliseconds.
pub fn count(text: Word) -> Option<(u64, Word)> {
    text.number(10, 1 << 40)
}

/// A number between `lowest` and `highest`, of which the lower may be negative: the bits of an i64.
pub fn integer(text: Word, lowest: i64, highest: i64) -> Option<(u64, Word)> {
    let negative = text.first() == b'-';
    let (number, rest) = if negative { text.rest() } else { text }.number(10, 1 << 40)?;
    let number = if negative { -(number as i64) } else { number as i64 };
    (lowest <= number && number <= highest).then_some((number as u64, rest))
}

/// Seconds, which may have a fraction, in milliseconds; at most 1,000,000 hours.
pub fn seconds(text: Word) -> Option<(u64, Word)> {
    let (seconds, mut rest) = match text.first() {
        b'.' if text.rest().first().is_ascii_digit() => (0, text),
        _ => text.number(10, 3_600_000_000)?,
    };
    let mut milliseconds = seconds * 1000;
    if rest.first() == b'.' {
        let mut unit = 100;
        rest = rest.rest();
        while rest.first().is_ascii_digit() {
            milliseconds += unit * u64::from(rest.first() - b'0');
            unit /= 10;
            rest = rest.rest();
        }
    }
    Some((milliseconds, rest))
}

/// A signal by its number or by its name with or without SIG; the real-time signals are RTMIN (34, as the C library
/// counts) to RTMAX (64), with `+N` or `-N` behind.
pub fn signal(text: Word) -> Option<(u64, Word)> {
    if let Some(found) = text.number(10, NSIG.into()) {
        return Some(found).filter(|(signal, _)| *signal != 0);
    }
    let text = text.strip(ZStr::new(c"SIG")).unwrap_or(text);
    let (first, rest) = match (text.strip(ZStr::new(c"RTMIN")), text.strip(ZStr::new(c"RTMAX"))) {
        (Some(rest), _) => (34, rest),
        (_, Some(rest)) => (64, rest),
        _ => return name(text, ZStr::new(SIGNAL_NAMES)).map(|(index, rest)| (index + 1, rest)),
    };
    let (offset, rest) = match rest.first() {
        b'+' => rest.rest().number(10, 30)?,
        b'-' => integer(rest, -30, 0)?,
        byte if byte.is_ascii_alphanumeric() => return None,
        _ => (0, rest),
    };
    let signal = offset.wrapping_add(first);
    (34..65).contains(&signal).then_some((signal, rest))
}

/// The index of the line of `names` that the text begins with, and what follows there that is no letter or digit.
pub fn name(text: Word, mut names: Word) -> Option<(u64, Word)> {
    let mut index = 0;
    while names.first() != 0 {
        let mut rest = text;
        while names.first() == rest.first() {
            (names, rest) = (names.rest(), rest.rest());
        }
        if names.first() == b'\n' && !rest.first().is_ascii_alphanumeric() {
            return Some((index, rest));
        }
        names = names.find(b'\n').rest();
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
        None => text.number(10, 1 << 59),
    }
}

/// One item of a schedule, as start-stop-daemon(8) writes it.
pub enum Item {
    /// `TERM`, `-TERM`, `-15`: send this signal.
    Signal(u64),
    /// `30`: wait so long for the daemon's end, in milliseconds.
    Wait(u64),
}

/// The first item of a schedule, and what follows it: a `/` or the end.
pub fn item(text: Word) -> Option<(Item, Word)> {
    let (item, rest) = if let Some((wait, rest)) = seconds(text) {
        (Item::Wait(wait), rest)
    } else {
        let (signal, rest) = signal(text.strip(ZStr::new(c"-")).unwrap_or(text))?;
        (Item::Signal(signal), rest)
    };
    rest.ends(b'/').then_some((item, rest))
}

/// What follows a `forever` in a schedule: a `/`, and what is repeated.
pub fn forever(text: Word) -> Option<Word> {
    text.strip(ZStr::new(c"forever")).filter(|rest| rest.first() == b'/')
}

/// Whether a text is a schedule: one number of seconds, or at least two items, of which those that are repeated take time.
pub fn is_schedule(text: Word) -> bool {
    let mut rest = text;
    let mut count = 0;
    let mut repeated = None;
    loop {
        count += 1;
        if let Some(behind) = forever(rest) {
            repeated = Some(0);
            rest = behind.rest();
            continue;
        }
        let Some((item, behind)) = item(rest) else {
            return false;
        };
        if let Item::Wait(wait) = item {
            repeated = repeated.map(|time: u64| time.saturating_add(wait));
            count += 1; // one number alone is a schedule
        }
        if behind.first() == 0 {
            return count > 1 && repeated != Some(0);
        }
        rest = behind.rest();
    }
}

/// What [`notification`] gives for a socket: a number that no descriptor has.
pub const SOCKET: u64 = 1 << 40;

/// How readiness is told: `fd:N` with N from 3 up, by a newline on that descriptor, as s6 has it; or `socket`, by a
/// datagram to the socket in NOTIFY_SOCKET, as systemd has it.
pub fn notification(text: Word) -> Option<(u64, Word)> {
    match text.strip(ZStr::new(c"fd:")) {
        Some(number) => number.number(10, i32::MAX as u64).filter(|(number, _)| *number > 2),
        None => text.strip(ZStr::new(c"socket")).map(|rest| (SOCKET, rest)),
    }
}

/// An I/O scheduling class with a priority in it, or the usual one, as ioprio_set(2) has them in one number.
pub fn io_class(text: Word) -> Option<(u64, Word)> {
    let (index, rest) = name(text, ZStr::new(c"realtime\nbest-effort\nidle\n"))?;
    let (priority, rest) = match rest.first() {
        b':' => rest.rest().number(10, 7)?,
        _ => (if index == 2 { 0 } else { 4 }, rest),
    };
    Some(((index + 1) << 13 | priority, rest))
}

/// What a line of a datagram of sd_notify(3) says.
pub enum Notice {
    /// `READY=1`
    Ready,
    /// `ERRNO=N`: it has failed, for this reason.
    Failed(u32),
    /// `EXTEND_TIMEOUT_USEC=N`: it needs at least so much time from now on, in milliseconds.
    Extend(u64),
    /// Anything else, as STATUS and MAINPID.
    Other,
}

/// What a line says.
pub fn notice(line: ZStr) -> Notice {
    let number = |name| {
        let (number, rest) = line.strip(ZStr::new(name))?.number(10, 1 << 50)?;
        rest.ends(b'\n').then_some(number)
    };
    if number(c"READY=") == Some(1) {
        Notice::Ready
    } else if let Some(errno @ 1..4096) = number(c"ERRNO=") {
        Notice::Failed(errno as u32)
    } else if let Some(time) = number(c"EXTEND_TIMEOUT_USEC=") {
        Notice::Extend(time.div_ceil(1000))
    } else {
        Notice::Other
    }
}
