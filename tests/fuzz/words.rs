//! Words and files that hold one thing: signals, limits, schedules, times, classes, pidfiles, datagrams.

use bgexec::scan::{self, Schedule};
use bgexec::sys::zstr::{Word, ZStr};

use crate::dice::{Dice, fuzz};
use crate::edge::Edge;
use crate::reference::words::{self as reference, LIMITS, SIGNALS};

/// Checks what a scanner makes of texts: two descriptions of it, the scanner's and the reference's.
fn fuzz_texts<T: PartialEq + std::fmt::Debug>(
    kind: &str,
    make: impl Fn(&mut Dice) -> Vec<String> + Sync,
    scan: impl Fn(Word) -> T,
    reference: impl Fn(&str) -> T,
) {
    let mut edge = Edge::new();
    fuzz(kind, make, |pieces| {
        let text = pieces.concat();
        let (scanned, expected) = (scan(edge.word(&text)), reference(&text));
        if scanned == expected { Ok(()) } else { Err(format!("{scanned:?}, not {expected:?}")) }
    });
}

/// What is scanned, if that is all of the text.
fn all<T>(scanned: Option<(T, Word)>) -> Option<T> {
    scanned.filter(|(_, rest)| rest.first() == 0).map(|(value, _)| value)
}

fn strings<const N: usize>(pieces: [&str; N]) -> Vec<String> {
    pieces.map(str::to_owned).to_vec()
}

/// A signal, or what is almost one.
pub fn signal(dice: &mut Dice) -> Vec<String> {
    let prefix = *dice.choose(&["", "", "SIG", "sig", "SIGSIG", "-"]);
    let name = match dice.below(6) {
        0..3 => (*dice.choose(&SIGNALS)).to_owned(),
        3 => dice.number(),
        4 => format!("{}{}", dice.choose(&["RTMIN", "RTMAX", "RTM"]), dice.choose(&["", "+", "-", "+-", "1"])),
        _ => dice.letters("AEIMNRSTUX1", 0, 6),
    };
    let behind =
        if dice.once_in(3) { dice.number() } else { (*dice.choose(&["", "", "x", " ", "\n", "\u{fc}"])).to_owned() };
    [strings([prefix]), vec![name, behind]].concat()
}

#[test]
fn signals() {
    fuzz_texts("signals", signal, |word| all(scan::signal(word)), |text| reference::signal(text).map(u64::from));
}

/// A limit, or what is almost one.
pub fn limit(dice: &mut Dice) -> Vec<String> {
    let amount = |dice: &mut Dice| match dice.below(8) {
        0 => "unlimited".to_owned(),
        1 => dice.letters("unlimted", 0, 9),
        2 => format!("{}{}", dice.choose(&["-", "+", " ", "0x"]), dice.number()),
        _ => dice.number(),
    };
    let name = if dice.once_in(8) { dice.letters("ACEFKNOS", 0, 6) } else { (*dice.choose(&LIMITS)).to_owned() };
    let equals = (*dice.choose(&["=", "=", "=", "=", "=", "", ":", "=="])).to_owned();
    let mut pieces = vec![name, equals, amount(dice)];
    if dice.once_in(2) {
        pieces.extend([":".to_owned(), amount(dice)]);
    }
    if dice.once_in(8) {
        let place = dice.below(pieces.len() + 1);
        pieces.insert(place, (*dice.choose(&[":", "x", "=", " ", "\n", "\nDATA", "\nSTACK"])).to_owned());
    }
    pieces
}

#[test]
fn limits() {
    fuzz_texts("limits", limit, scan::limit, reference::limit);
}

fn schedule_item(dice: &mut Dice) -> String {
    const ITEMS: [&str; 22] = [
        "TERM", "SIGHUP", "-KILL", "-15", "RTMIN+1", "-RTMAX-2", "5", "0.5", "0", "30", "0.0004", ".001", "5.",
        "forever", "forever", "", "x", "-0", "5x", "--1", "forever5", "FOREVER",
    ];
    match dice.below(8) {
        0 => dice.number(),
        1 => signal(dice).concat(),
        _ => (*dice.choose(&ITEMS)).to_owned(),
    }
}

/// A schedule, or what is almost one.
pub fn schedule(dice: &mut Dice) -> Vec<String> {
    let mut pieces = vec![schedule_item(dice)];
    for _ in 0..dice.below(6) {
        pieces.extend(["/".to_owned(), schedule_item(dice)]);
    }
    pieces
}

/// Whether they are schedules, and what is done by those that are.
#[test]
fn schedules() {
    const USUAL: &str = "TERM/30/KILL/5";
    const STEPS: usize = 24;
    let usual = ZStr::new(c"TERM/30/KILL/5");
    fuzz_texts(
        "schedules",
        schedule,
        |word| {
            scan::is_schedule(word).then(|| {
                let steps = Schedule::new(Some(word), usual, 2).take(STEPS);
                steps.map(|item| (item.signal(), item.wait())).collect::<Vec<_>>()
            })
        },
        |text| reference::is_schedule(text).then(|| reference::steps(Some(text), USUAL, 2, STEPS)),
    );
}

fn time(dice: &mut Dice) -> Vec<String> {
    let mut pieces = vec![dice.number()];
    if dice.once_in(2) {
        pieces.extend([".".to_owned(), dice.letters("0123456789", 0, 8)]);
    }
    if dice.once_in(4) {
        pieces.push((*dice.choose(&[".", "x", "/", "e1", "-", " "])).to_owned());
    }
    pieces
}

#[test]
fn times() {
    fuzz_texts(
        "times",
        time,
        |word| scan::seconds(word).map(|(time, rest)| (time, crate::reference::string(rest))),
        |text| reference::seconds(text).map(|(time, rest)| (time, rest.to_owned())),
    );
}

/// Numbers with a sign in a range, classes, and how readiness is told.
#[test]
fn numbers() {
    fuzz_texts(
        "numbers, classes, notifications",
        |dice| {
            let before = [
                "",
                "",
                "",
                "-",
                "+",
                "--",
                "fd:",
                "fd:",
                "fd",
                "socket",
                "realtime:",
                "best-effort:",
                "idle:",
                "idle\n",
                "best-effort\n",
            ];
            let pieces = strings([*dice.choose(&before)]);
            let number = if dice.once_in(8) { String::new() } else { dice.number() };
            [pieces, vec![number], strings([*dice.choose(&["", "", "", "x", " ", ":", "\n", "\nidle"])])].concat()
        },
        |word| {
            (
                all(scan::integer(word, -20, 19)),
                all(scan::integer(word, -1000, 1000)),
                all(word.digits(0o777, 8)),
                all(word.count()),
                all(scan::io_class(word)),
                all(scan::notification(word)),
            )
        },
        |text| {
            let integer = |lowest, highest| reference::integer(text, lowest, highest).map(i64::cast_unsigned);
            let octal = u64::from_str_radix(text, 8).ok().filter(|&mode| mode <= 0o777 && !text.starts_with('+'));
            let notification = reference::notification(text).map(|descriptor| descriptor.unwrap_or(scan::SOCKET));
            let count = reference::number(text, 1 << 40);
            (integer(-20, 19), integer(-1000, 1000), octal, count, reference::io_class(text), notification)
        },
    );
}

#[test]
fn pidfiles() {
    fuzz_texts(
        "pidfiles",
        |dice| {
            let mut pieces = vec![];
            for _ in 0..1 + dice.below(3) {
                let other = *dice.choose(&["\n", "\n", "\n", " ", "-", "+", "0", "x", "\r", "\u{fc}"]);
                pieces.extend([dice.number(), other.to_owned()]);
            }
            pieces
        },
        |text| scan::pid(text, text.length()),
        |text| reference::pid(text).unwrap_or(0) as u32,
    );
}

/// What the kernel tells of a process, whatever the process calls itself.
#[test]
fn start_times() {
    fuzz_texts(
        "start times",
        |dice| {
            let name = dice.letters("ab() )Z1-\n", 0, 15);
            let state = *dice.choose(&["S", "R", "D", "T", "Z", "X", "I"]);
            let numbers =
                (4..=52).map(|_| format!(" {}", if dice.once_in(4) { -1 } else { dice.below(1 << 40) as i64 }));
            let numbers: Vec<_> = numbers.collect();
            let head = format!("{} ({name}) {state}", dice.below(1 << 22));
            let start = format!(" {}", dice.below(1 << 41));
            [vec![head], numbers[..18].to_vec(), vec![start], numbers[18..].to_vec()].concat()
        },
        scan::start_time,
        |text| {
            let (_, rest) = text.rsplit_once(") ").unwrap_or_default();
            let mut fields = rest.split(' ');
            let alive = !matches!(fields.next(), Some("Z" | "X"));
            // While it is made smaller, it may lack fields.
            let started = fields.nth(18).and_then(|field| reference::number(field, 1 << 40));
            started.filter(|_| alive)
        },
    );
}

#[test]
fn datagrams() {
    fuzz_texts(
        "notify datagrams",
        |dice| {
            let mut pieces = vec![];
            for _ in 0..dice.below(6) {
                let names =
                    ["READY", "READY", "ERRNO", "EXTEND_TIMEOUT_USEC", "STATUS", "MAINPID", "READ", "READYX", ""];
                pieces.push((*dice.choose(&names)).to_owned());
                pieces.push((*dice.choose(&["=", "=", "=", "=", "", "==", " ="])).to_owned());
                pieces.push(if dice.once_in(2) { (*dice.choose(&["1", "1", ""])).to_owned() } else { dice.number() });
                pieces.push((*dice.choose(&["\n", "\n", "\n", "", "\n\n", "\r\n", " \n", "\u{fc}\n"])).to_owned());
            }
            pieces
        },
        |mut datagram| {
            let mut notices = vec![];
            while datagram.first() != 0 {
                notices.push(scan::notice(datagram));
                datagram = datagram.past(b'\n');
            }
            notices
        },
        reference::notices,
    );
}
