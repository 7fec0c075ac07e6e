//! The pure part of the library against simple references: lines of users and groups, numbers, signals, schedules,
//! limits, and the command line with lexopt as the oracle.

#![allow(unsafe_code, reason = "the vectors are made as the kernel makes them")]

mod reference;

use std::ffi::{CString, OsStr};

use bgexec::options::table::{OPTS, ROWS, Row};
use bgexec::scan;
use bgexec::steps::{CONDITIONS, ORDER, Step, TEXTS, WORDS};
use bgexec::sys::zstr::{Vectors, Word, ZStr};
use proptest::prelude::*;
use proptest::sample::select;
use proptest::string::string_regex;
use reference::accounts::{PIECES, entries, reference_entries};
use reference::command_line::{OTHERS, parse, reference_parse};
use reference::words::{LIMITS, SIGNALS, digits, seconds};
use reference::{found, string};

const CASES: u32 = 4096;

fn config() -> ProptestConfig {
    ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(CASES) }
}

/// A word that lives as long as the process.
fn word(text: &str) -> Word {
    let text = CString::new(text).expect("no NUL in a word");
    ZStr::new(Box::leak(text.into_boxed_c_str()))
}

fn file() -> impl Strategy<Value = String> {
    let piece = select(PIECES.to_vec());
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn lines_are_read_as_they_are_written(file in file(), name in select(vec!["app", "ap", "apple", "root", "p", "x"])) {
        prop_assert_eq!(entries(word(name), 0, word(&file)), reference_entries(name, &file));
    }

    /// The name ends where the option has a separator, and no name holds one.
    #[test]
    fn names_end_at_their_separator(file in file(), rest in select(vec!["", ":staff", ",other", ":", ","])) {
        for end in [0, b':', b','] {
            let name = word(&format!("app{rest}"));
            let ends = rest.is_empty() || rest.as_bytes()[0] == end;
            let expected = if ends { reference_entries("app", &file) } else { Default::default() };
            prop_assert_eq!(entries(name, end, word(&file)), expected);
        }
    }

    #[test]
    fn numbers_are_those_of_std(text in "[0-9]{0,22}[x:,./ -]?[0-9]?", highest in 0..1_u64 << 59) {
        let (number, rest) = digits(&text);
        let expected = number.parse().ok().filter(|&number: &u64| number <= highest).map(|number| (number, rest.to_owned()));
        prop_assert_eq!(found(word(&text).number(highest)), expected);
    }

    #[test]
    fn octal_numbers_are_those_of_std(text in "[0-9]{0,6}x?") {
        let (number, rest) = digits(&text);
        let expected = u64::from_str_radix(number, 8).ok().filter(|&mode| mode <= 0o777).map(|mode| (mode, rest.to_owned()));
        prop_assert_eq!(found(word(&text).digits(0o777, 8)), expected);
    }

    #[test]
    fn integers_are_those_of_std(text in "-?[0-9]{0,12}[x:+-]?") {
        let minus = usize::from(text.starts_with('-'));
        let (number, rest) = text.split_at(minus + digits(&text[minus..]).0.len());
        for (lowest, highest) in [(-20, 19), (-1000, 1000), (0, 30)] {
            let number = number.parse().ok().filter(|number| (lowest..=highest).contains(number));
            let scanned = found(scan::integer(word(&text), lowest, highest));
            let expected = number.map(|number: i64| (number as u64, rest.to_owned()));
            prop_assert_eq!(scanned, expected, "{} to {}", lowest, highest);
        }
    }

    #[test]
    fn seconds_are_those_of_std(text in "[0-9]{0,9}(\\.[0-9]{0,6})?[x/.]?") {
        let expected = seconds(&text).map(|(milliseconds, rest)| (milliseconds, rest.to_owned()));
        prop_assert_eq!(found(scan::seconds(word(&text))), expected);
    }

    #[test]
    fn signals_are_those_of_the_table(text in signal_text()) {
        let scanned = found(scan::signal(word(&text))).and_then(|(signal, rest)| rest.is_empty().then_some(signal));
        prop_assert_eq!(scanned.map(|signal| signal as u32), reference::words::signal(&text));
    }

    #[test]
    fn limits_are_those_of_the_table(text in limit_text()) {
        let scanned = scan::limit(word(&text));
        prop_assert_eq!(scanned, reference::words::limit(&text));
    }

    #[test]
    fn schedules_are_those_of_start_stop_daemon(items in prop::collection::vec(schedule_item(), 0..6)) {
        let text = items.join("/");
        prop_assert_eq!(scan::is_schedule(word(&text)), reference::words::is_schedule(&text), "{}", text);
    }

    #[test]
    fn command_line_is_read_as_lexopt_reads_it(
        words in prop::collection::vec(command_line_word(), 0..8),
        environment in prop::collection::vec("[A-C]{1,2}=[a-z=]{0,3}", 0..4),
    ) {
        let mut words = words.concat();
        words.insert(0, "bgexec".to_owned());
        prop_assert_eq!(parse(vectors(&words, &environment)), reference_parse(&words, &environment));
    }
}

fn signal_text() -> impl Strategy<Value = String> {
    let name = select(SIGNALS.to_vec()).prop_map(str::to_owned);
    let other = prop_oneof!["[0-9]{1,3}", "RTM(IN|AX)", "RTM(IN|AX)[+-][0-9]{1,2}", "[A-Z]{0,4}"];
    (select(vec!["", "", "SIG", "sig"]), prop_oneof![name, other], select(vec!["", "", "", "x", "1", " "]))
        .prop_filter("a number has no prefix", |(prefix, name, _)| {
            prefix.is_empty() || !name.starts_with(|first: char| first.is_ascii_digit())
        })
        .prop_map(|(prefix, name, behind)| format!("{prefix}{name}{behind}"))
}

fn limit_text() -> impl Strategy<Value = String> {
    let name = prop_oneof![select(LIMITS.to_vec()).prop_map(str::to_owned), "[A-Z]{0,3}"];
    let amount = || prop_oneof![Just("unlimited".to_owned()), "[0-9]{1,15}", "[0-9]{0,1}", "unlimite", "-1"];
    let equals = select(vec!["=", "=", "=", "=", "", ":"]);
    (name, equals, amount(), prop::option::of(amount()), select(vec!["", "", "", "x", ":"])).prop_map(
        |(name, equals, soft, hard, behind)| {
            let hard = hard.map(|hard| format!(":{hard}")).unwrap_or_default();
            format!("{name}{equals}{soft}{hard}{behind}")
        },
    )
}

fn schedule_item() -> impl Strategy<Value = String> {
    let items =
        ["TERM", "SIGHUP", "-KILL", "-15", "RTMIN+1", "5", "0.5", "0", "30", "forever", "forever", "", "x", "-0", "5x"];
    select(items.to_vec()).prop_map(str::to_owned)
}

/// The value that an option gets in a random command line.
fn value(row: &Row) -> BoxedStrategy<String> {
    match row.long {
        "env" => prop_oneof!["[A-C]{1,2}=[a-z=]{0,3}", "[A-C=]{0,2}"].boxed(),
        "unset" => prop_oneof!["[A-C]{1,2}", "[A-C]{0,2}=?"].boxed(),
        "rlimit" => prop_oneof![Just("CORE=5:6".to_owned()), Just("NOFILE=unlimited".to_owned()), limit_text()].boxed(),
        _ => "[-a-z0-9:,./]{0,4}".boxed(),
    }
}

/// One or two words: an option in any spelling, right or wrong, or an operand.
fn command_line_word() -> impl Strategy<Value = Vec<String>> {
    let option = (0..ROWS.len()).prop_flat_map(|index| {
        let row = &ROWS[index];
        let short = char::from(row.short);
        let flags: String = ROWS
            .iter()
            .filter(|row| row.value.is_empty() && row.short != b' ')
            .map(|row| char::from(row.short))
            .collect();
        (value(row), 0..8, string_regex(&format!("[{flags}]{{0,3}}")).expect("a class")).prop_map(
            move |(value, spelling, flags)| {
                let long = format!("--{}", row.long);
                match (row.short == b' ', row.value.is_empty(), spelling) {
                    (_, true, 0) => vec![format!("{long}={value}")],
                    (true, true, _) | (_, true, 1..4) => vec![long],
                    (false, true, _) => vec![format!("-{flags}{short}")],
                    (_, _, 0) => vec![long],
                    (true, _, 1..4) | (_, _, 1) => vec![format!("{long}={value}")],
                    (true, ..) | (_, _, 2..4) => vec![long, value],
                    (_, _, 4..6) => vec![format!("-{flags}{short}{value}")],
                    _ => vec![format!("-{flags}{short}"), value],
                }
            },
        )
    });
    let other = select(OTHERS.to_vec());
    prop_oneof![12 => option, 1 => other.prop_map(|word| vec![word.to_owned()])]
}

/// Argument count, arguments and environment in memory as the kernel lays them out, with a place behind them for the
/// auxiliary vector.
fn vectors(words: &[String], environment: &[String]) -> Vectors {
    let pointers =
        |strings: &[String]| strings.iter().map(|text| word(text).as_ptr() as usize).chain([0]).collect::<Vec<_>>();
    let stack = [vec![words.len()], pointers(words), pointers(environment), vec![0; 64]].concat();
    // SAFETY: the memory is laid out as the kernel does it, lives as long as the process, and is nobody else's.
    unsafe { Vectors::new(Box::leak(stack.into_boxed_slice()).as_mut_ptr()) }
}

#[test]
fn every_option_has_a_name_of_its_own() {
    assert_eq!(OPTS.len(), ROWS.len());
    for (index, row) in ROWS.iter().enumerate() {
        for other in &ROWS[..index] {
            assert_ne!(row.long, other.long);
            assert!(row.short == b' ' || row.short != other.short, "{} and {}", row.long, other.long);
        }
        assert!(OsStr::new(row.long).len() > 2 && !row.long.contains([' ', '=']), "{}", row.long);
    }
}

#[test]
fn every_step_is_in_the_order_once_with_its_text() {
    for (index, &step) in ORDER.iter().enumerate() {
        assert_eq!(step as usize, index, "{step:?}");
    }
    assert_eq!(CONDITIONS.len(), ORDER.len());
    let texts = string(TEXTS);
    assert_eq!(texts.lines().count(), ORDER.len() + 1, "and that of stopping");
    assert_eq!(WORDS.len(), ORDER.len() + 1);
    assert!(texts.lines().all(|text| !text.is_empty()), "{texts}");
}

/// Each of these must come before the next, for a reason that a user would notice.
#[test]
fn order_is_the_one_promised() {
    let chains: &[&[Step]] = &[
        &[Step::Fill, Step::FindUser, Step::FindGroup, Step::FindGroups, Step::Stdin, Step::OpenLockfile],
        &[Step::Stdin, Step::Stdout, Step::Stderr, Step::OpenLockfile, Step::OpenPidfile, Step::Pipe, Step::Session],
        &[Step::Session, Step::Daemon, Step::Group, Step::Unshare, Step::Redirect, Step::Close],
        &[
            Step::Unshare,
            Step::Close,
            Step::LockLockfile,
            Step::LockPidfile,
            Step::TruncateStdout,
            Step::TruncateStderr,
            Step::Record,
            Step::Signals,
        ],
        &[Step::Signals, Step::Nice, Step::Ioprio, Step::OomScore, Step::Chroot, Step::Chdir, Step::Umask],
        &[Step::Umask, Step::Limits, Step::Groups, Step::Gid, Step::Uid, Step::NoNewPrivs, Step::Follow, Step::Execute],
    ];
    for chain in chains {
        assert!(chain.is_sorted(), "{chain:?}");
    }
}

/// A text that goes on as the list of names does is not more than the name that it begins with, and comes to an end.
#[test]
fn name_ends_with_its_line() {
    assert_eq!(scan::notice(word("EXTEND_TIMEOUT_USEC\n")), None);
    assert_eq!(scan::notice(word("READY\nERRNO\nEXTEND_TIMEOUT_USEC\n")), None);
    assert_eq!(scan::notice(word("READY\nERRNO=1")), None);
    assert_eq!(scan::notice(word("READY=1\nERRNO=1")), Some((scan::READY, 1)));
    for text in ["SYS\n", "HUP\nINT", "IO\nPWR\nSYS\n"] {
        let (_, rest) = found(scan::signal(word(text))).expect("a signal");
        assert!(rest.starts_with('\n'), "{text:?}: {rest:?}");
    }
    for (scanned, rest) in
        [(scan::io_class(word("idle\n")), "\n"), (scan::io_class(word("best-effort\nidle")), "\nidle")]
    {
        assert_eq!(found(scanned).map(|(_, rest)| rest).as_deref(), Some(rest));
    }
    assert_eq!(scan::limit(word("RTTIME\n")), None);
    assert_eq!(scan::limit(word("CPU\nFSIZE=1")), None);
}

#[test]
fn line_that_is_commented_out_counts_for_nobody() {
    let file = "#app:x:1:2:::\n#wheel:x:7:app\n app:x:1:2:::\nstaff:x:8:app\n#\n";
    assert_eq!(entries(word("app"), 0, word(file)), (vec![], vec![], vec![8]));
    assert_eq!(entries(word("#app"), 0, word(file)), (vec![], vec![], vec![]));
}

#[test]
fn schedule_may_say_forever_twice() {
    let schedule = scan::Schedule::new(Some(word("HUP/forever/forever/TERM/1")), word("TERM/30/KILL/5"), 15);
    let steps: Vec<_> = schedule.take(5).map(|item| (item.signal(), item.wait())).collect();
    assert_eq!(steps, [(1, 0), (15, 0), (0, 1000), (15, 0), (0, 1000)]);
}
