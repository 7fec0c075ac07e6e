//! Numbers, signals, limits, schedules, and what files and datagrams hold.

#[path = "../names/mod.rs"]
mod names;

pub use names::LIMITS;

/// The signals by their names, from 1 on.
pub const SIGNALS: [&str; 31] = [
    "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2", "PIPE", "ALRM", "TERM",
    "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG", "XCPU", "XFSZ", "VTALRM", "PROF", "WINCH", "IO",
    "PWR", "SYS",
];

/// Splits a text behind its leading digits.
pub fn digits(text: &str) -> (&str, &str) {
    text.split_at(text.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(text.len()))
}

/// A text that is digits and nothing else, of at most this value.
pub fn number(text: &str, highest: u64) -> Option<u64> {
    let (number, rest) = digits(text);
    number.parse().ok().filter(|&number| number <= highest && rest.is_empty())
}

/// The same with a sign, which may be a minus alone.
pub fn integer(text: &str, lowest: i64, highest: i64) -> Option<i64> {
    let number = match text.strip_prefix('-') {
        Some(text) => -number(text, 1 << 40)?.cast_signed(),
        None => number(text, 1 << 40)?.cast_signed(),
    };
    (lowest..=highest).contains(&number).then_some(number)
}

/// The milliseconds of seconds with a fraction, one more where there is more behind the third digit, and what follows.
pub fn seconds(text: &str) -> Option<(u64, &str)> {
    let (whole, mut rest) = digits(text);
    let mut fraction = "";
    if let Some(behind) = rest.strip_prefix('.') {
        (fraction, rest) = digits(behind);
    }
    let milliseconds = format!("{fraction:0<3}")[..3].parse::<u64>().expect("three digits");
    let whole = if whole.is_empty() && !fraction.is_empty() { "0" } else { whole };
    let whole = whole.parse::<u64>().ok().filter(|&whole| whole <= 3_600_000_000)?;
    let begun = fraction.bytes().skip(3).any(|digit| digit != b'0');
    Some((whole * 1000 + milliseconds + u64::from(begun), rest))
}

/// A signal's number.
pub fn signal(text: &str) -> Option<u32> {
    if text.starts_with(|first: char| first.is_ascii_digit()) {
        return number(text, 64).filter(|&signal| signal > 0).map(|signal| signal as u32);
    }
    let name = text.strip_prefix("SIG").unwrap_or(text);
    for (bound, first) in [("RTMIN", 34), ("RTMAX", 64)] {
        if let Some(offset) = name.strip_prefix(bound) {
            let offset: i32 = match offset {
                "" => 0,
                offset if offset.starts_with(['+', '-']) => offset.parse().ok()?,
                _ => return None,
            };
            return u32::try_from(first + i64::from(offset)).ok().filter(|signal| (34..=64).contains(signal));
        }
    }
    SIGNALS.iter().position(|&signal| signal == name).map(|index| index as u32 + 1)
}

/// The same for one that is sent, which 0 may be.
pub fn signal_to_send(text: &str) -> Option<u32> {
    if number(text, 0).is_some() { Some(0) } else { signal(text) }
}

/// A limit: its resource and both values.
pub fn limit(text: &str) -> Option<(usize, [u64; 2])> {
    let (name, values) = text.split_once('=')?;
    let resource = LIMITS.iter().position(|&limit| limit == name)?;
    let amount = |text: &str| match text {
        "unlimited" => Some(u64::MAX),
        digits => number(digits, 1 << 59),
    };
    let (soft, hard) = values.split_once(':').unwrap_or((values, values));
    let (soft, hard) = (amount(soft)?, amount(hard)?);
    (soft <= hard).then_some((resource, [soft, hard]))
}

/// An item of a schedule.
#[derive(Clone, Copy)]
enum Item {
    Signal(u32),
    Wait(u64),
    Forever,
}

fn items(text: &str) -> Option<Vec<Item>> {
    let item = |item: &str| match seconds(item) {
        _ if item == "forever" => Some(Item::Forever),
        Some((wait, "")) => Some(Item::Wait(wait)),
        _ => signal(item.strip_prefix('-').unwrap_or(item)).map(Item::Signal),
    };
    text.split('/').map(item).collect()
}

/// Whether it is one number alone, or at least two items, of which those that are repeated take time.
pub fn is_schedule(text: &str) -> bool {
    let Some(items) = items(text) else { return false };
    let time = |item: &Item| if let Item::Wait(time) = item { Some(*time) } else { None };
    let repeated = items.iter().rposition(|item| matches!(item, Item::Forever)).map(|place| &items[place + 1..]);
    let takes_time = repeated.is_none_or(|items| items.iter().filter_map(time).any(|time| time > 0));
    takes_time && (items.len() > 1 || items.iter().filter_map(time).count() > 0)
}

/// The first steps of a schedule: a signal and no time, or no signal and a time.
pub fn steps(given: Option<&str>, usual: &str, signal: u32, count: usize) -> Vec<(u32, u64)> {
    let number = given.and_then(seconds).filter(|(_, rest)| rest.is_empty()).map(|(wait, _)| wait);
    let text = given.filter(|_| number.is_none()).unwrap_or(usual);
    let items = items(text).expect("a schedule");
    let (mut steps, mut place, mut again) = (vec![], 0, None);
    while steps.len() < count {
        if place == items.len() {
            let Some(first) = again else { break };
            place = first;
        }
        match (items[place], number) {
            (Item::Forever, _) => again = Some(place + 1),
            (Item::Wait(wait), None) | (Item::Wait(_), Some(wait)) => steps.push((0, wait)),
            (Item::Signal(15), Some(_)) => steps.push((signal, 0)),
            (Item::Signal(other), _) => steps.push((other, 0)),
        }
        place += 1;
    }
    steps
}

/// How readiness is told: on a descriptor, or (`None`) on a socket.
pub fn notification(text: &str) -> Option<Option<u64>> {
    match text.strip_prefix("fd:") {
        Some(descriptor) => number(descriptor, i32::MAX as u64).filter(|&number| number > 2).map(Some),
        None => (text == "socket").then_some(None),
    }
}

/// An I/O scheduling class and its priority, in one number.
pub fn io_class(text: &str) -> Option<u64> {
    let (name, priority) = text.split_once(':').map_or((text, None), |(name, priority)| (name, Some(priority)));
    let class = ["realtime", "best-effort", "idle"].iter().position(|&class| class == name)? as u64 + 1;
    let priority = priority.map_or(Some(if class == 3 { 0 } else { 4 }), |text| number(text, 7))?;
    Some(class << 13 | priority)
}

/// The pid in a pidfile.
pub fn pid(text: &str) -> Option<u64> {
    number(text.strip_suffix('\n')?, i32::MAX as u64).filter(|&pid| pid > 1)
}

/// The notices of a datagram: the variables by their numbers, with their values.
pub fn notices(datagram: &str) -> Vec<Option<(u64, u64)>> {
    let notice = |line: &str| {
        let (name, value) = line.split_once('=')?;
        let variable = ["READY", "ERRNO", "EXTEND_TIMEOUT_USEC"].iter().position(|&variable| variable == name)?;
        Some((variable as u64, number(value, 1 << 50)?))
    };
    datagram.split_terminator('\n').map(notice).collect()
}
