//! The pure part of the library against simple references: lines of users and groups, numbers, signals, schedules,
//! limits, and the command line with lexopt as the oracle.

#![allow(unsafe_code, reason = "the vectors are made as the kernel makes them")]

mod names;

use std::collections::BTreeMap;
use std::ffi::{CString, OsStr, OsString};
use std::iter;

use bgexec::options::Options;
use bgexec::options::table::{OPTS, ROWS, Row};
use bgexec::passwd;
use bgexec::report::Reason;
use bgexec::scan;
use bgexec::steps::{CONDITIONS, ORDER, Step, TEXTS, WORDS};
use bgexec::sys::zstr::{Vectors, Word, ZStr};
use lexopt::Arg;
use names::LIMITS;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::string::string_regex;

const CASES: u32 = 4096;

fn config() -> ProptestConfig {
    ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(CASES) }
}

/// A word that lives as long as the process.
fn word(text: &str) -> Word {
    let text = CString::new(text).expect("no NUL in a word");
    ZStr::new(Box::leak(text.into_boxed_c_str()))
}

fn string(word: Word) -> String {
    String::from_utf8(word.as_bytes().to_vec()).expect("UTF-8")
}

/// What a scanner finds in a text, with the rest.
fn found<T>(scanned: Option<(T, Word)>) -> Option<(T, String)> {
    scanned.map(|(value, rest)| (value, string(rest)))
}

/// Splits a text behind its leading digits.
fn digits(text: &str) -> (&str, &str) {
    text.split_at(text.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(text.len()))
}

/// A user's line: user id, group id, directory, shell.
type User = (u32, u32, String, String);

/// The users of this name, and the groups that have it as their own or among their users.
type Entries = (Vec<User>, Vec<u32>, Vec<u32>);

/// What a file says of a name.
fn entries(name: &str, file: &str) -> Entries {
    let (file, name) = (word(file), word(name));
    let groups = |member| {
        let mut rest = file;
        iter::from_fn(|| passwd::find(&mut rest, name, member)).map(passwd::id).collect()
    };
    let mut users = vec![];
    let mut rest = file;
    while let Some(uid) = passwd::find(&mut rest, name, false) {
        if let (Some(gid), Some(directory), Some(shell), None) =
            (passwd::field(uid, 1), passwd::field(uid, 3), passwd::field(uid, 4), passwd::field(uid, 5))
            && passwd::id(gid) != passwd::NO_ID
        {
            let field = |text: Word, end| string(text).split(end).next().expect("a first one").to_owned();
            users.push((passwd::id(uid), passwd::id(gid), field(directory, ':'), field(shell, '\n')));
        }
    }
    (users, groups(false), groups(true))
}

/// The same, simply.
fn reference_entries(name: &str, file: &str) -> Entries {
    let id = |text: &str| {
        let digits = text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse().ok().filter(|&id| digits && id != u32::MAX)
    };
    let mut entries: Entries = Default::default();
    for line in file.split('\n') {
        let fields: Vec<&str> = line.split(':').collect();
        let Some(own_id) = fields.get(2).copied().and_then(id) else { continue };
        if fields[0] == name {
            entries.1.push(own_id);
            if let [_, _, _, gid, _, directory, shell] = fields[..]
                && let Some(gid) = id(gid)
            {
                entries.0.push((own_id, gid, directory.to_owned(), shell.to_owned()));
            }
        }
        if fields.get(3).is_some_and(|members| members.split(',').any(|member| member == name)) {
            entries.2.push(own_id);
        }
    }
    entries
}

fn file() -> impl Strategy<Value = String> {
    let piece = select(vec![
        "app",
        "apple",
        "ap",
        "p",
        "root",
        ":",
        ":",
        ":",
        "::",
        ",",
        "\n",
        "\n",
        "x",
        "0",
        "1",
        "42",
        "4294967294",
        "4294967295",
        "4294967296",
        "99999999999",
        "-1",
        " ",
        "#",
        "app:x:1:2:",
        "\napp:x:4711:4712:::",
        "staff:x:7:root,app",
        "\u{fc}",
    ]);
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn lines_are_read_as_they_are_written(file in file(), name in select(vec!["app", "ap", "apple", "root", "p", "x"])) {
        prop_assert_eq!(entries(name, &file), reference_entries(name, &file));
    }

    /// The name ends where a group or the next name begins.
    #[test]
    fn names_end_at_a_colon_or_a_comma(file in file(), end in select(vec!["", ":staff", ",other", ":", ","])) {
        prop_assert_eq!(entries(&format!("app{end}"), &file), reference_entries("app", &file));
    }

    #[test]
    fn numbers_are_those_of_std(text in "[0-9]{0,22}[x:,./ -]?[0-9]?", highest in 0..1_u64 << 59) {
        let (number, rest) = digits(&text);
        let expected = number.parse().ok().filter(|&number: &u64| number <= highest).map(|number| (number, rest.to_owned()));
        prop_assert_eq!(found(word(&text).number(10, highest)), expected);
    }

    #[test]
    fn octal_numbers_are_those_of_std(text in "[0-9]{0,6}x?") {
        let (number, rest) = digits(&text);
        let expected = u64::from_str_radix(number, 8).ok().filter(|&mode| mode <= 0o777).map(|mode| (mode, rest.to_owned()));
        prop_assert_eq!(found(word(&text).number(8, 0o777)), expected);
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
        let (whole, mut rest) = digits(&text);
        let mut fraction = "";
        if let Some(behind) = rest.strip_prefix('.') {
            (fraction, rest) = digits(behind);
        }
        let milliseconds = format!("{fraction:0<3}")[..3].parse::<u64>().expect("three digits");
        let whole = if whole.is_empty() && !fraction.is_empty() { "0" } else { whole };
        let expected = whole.parse::<u64>().ok().map(|whole| (whole * 1000 + milliseconds, rest.to_owned()));
        prop_assert_eq!(found(scan::seconds(word(&text))), expected);
    }

    #[test]
    fn signals_are_those_of_the_table(text in signal_text()) {
        let scanned = found(scan::signal(word(&text))).and_then(|(signal, rest)| rest.is_empty().then_some(signal));
        prop_assert_eq!(scanned.map(|signal| signal as u32), reference_signal(&text));
    }

    #[test]
    fn limits_are_those_of_the_table(text in limit_text()) {
        let scanned = scan::limit(word(&text));
        prop_assert_eq!(scanned, reference_limit(&text));
    }

    #[test]
    fn schedules_are_those_of_start_stop_daemon(items in prop::collection::vec(schedule_item(), 0..6)) {
        let text = items.join("/");
        prop_assert_eq!(scan::is_schedule(word(&text)), is_reference_schedule(&items), "{}", text);
    }

    #[test]
    fn command_line_is_read_as_lexopt_reads_it(
        words in prop::collection::vec(command_line_word(), 0..8),
        environment in prop::collection::vec("[A-C]{1,2}=[a-z=]{0,3}", 0..4),
    ) {
        let mut words = words.concat();
        words.insert(0, "bgexec".to_owned());
        prop_assert_eq!(parse(&words, &environment), reference_parse(&words, &environment));
    }
}

const SIGNALS: [&str; 31] = [
    "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2", "PIPE", "ALRM", "TERM",
    "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG", "XCPU", "XFSZ", "VTALRM", "PROF", "WINCH", "IO",
    "PWR", "SYS",
];

fn signal_text() -> impl Strategy<Value = String> {
    let name = select(SIGNALS.to_vec()).prop_map(str::to_owned);
    let other = prop_oneof!["[0-9]{1,3}", "RTM(IN|AX)", "RTM(IN|AX)[+-][0-9]{1,2}", "[A-Z]{0,4}"];
    (select(vec!["", "", "SIG", "sig"]), prop_oneof![name, other], select(vec!["", "", "", "x", "1", " "]))
        .prop_filter("a number has no prefix", |(prefix, name, _)| {
            prefix.is_empty() || !name.starts_with(|first: char| first.is_ascii_digit())
        })
        .prop_map(|(prefix, name, behind)| format!("{prefix}{name}{behind}"))
}

fn reference_signal(text: &str) -> Option<u32> {
    if text.starts_with(|first: char| first.is_ascii_digit()) {
        return text.parse().ok().filter(|signal| (1..=64).contains(signal));
    }
    let name = text.strip_prefix("SIG").unwrap_or(text);
    for (bound, first) in [("RTMIN", 34), ("RTMAX", 64)] {
        if let Some(offset) = name.strip_prefix(bound) {
            let offset: i32 = match offset {
                "" => 0,
                offset if offset.starts_with(['+', '-']) => offset.parse().ok()?,
                _ => return None,
            };
            return u32::try_from(first + offset).ok().filter(|signal| (34..=64).contains(signal));
        }
    }
    SIGNALS.iter().position(|&signal| signal == name).map(|index| index as u32 + 1)
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

fn reference_limit(text: &str) -> Option<(usize, [u64; 2])> {
    let (name, values) = text.split_once('=')?;
    let resource = LIMITS.iter().position(|&limit| limit == name)?;
    let amount = |text: &str| match text {
        "unlimited" => Some(u64::MAX),
        digits => digits.parse().ok(),
    };
    let (soft, hard) = values.split_once(':').unwrap_or((values, values));
    let (soft, hard) = (amount(soft)?, amount(hard)?);
    (soft <= hard).then_some((resource, [soft, hard]))
}

fn schedule_item() -> impl Strategy<Value = String> {
    let items =
        ["TERM", "SIGHUP", "-KILL", "-15", "RTMIN+1", "5", "0.5", "0", "30", "forever", "forever", "", "x", "-0", "5x"];
    select(items.to_vec()).prop_map(str::to_owned)
}

/// One number alone, or at least two items, of which those that are repeated take time.
fn is_reference_schedule(items: &[String]) -> bool {
    let seconds =
        |item: &String| item.parse::<f64>().ok().filter(|_| item.starts_with(|first: char| first.is_ascii_digit()));
    let is_known = |item: &String| {
        item == "forever"
            || seconds(item).is_some()
            || reference_signal(item.strip_prefix('-').unwrap_or(item)).is_some()
    };
    let repeated = items.iter().rposition(|item| item == "forever").map(|place| &items[place + 1..]);
    let takes_time = repeated.is_none_or(|items| items.iter().filter_map(seconds).sum::<f64>() > 0.0);
    let is_long = items.len() > 1 || items.iter().any(|item| seconds(item).is_some());
    items.iter().all(is_known) && takes_time && is_long
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
    let other = select(vec![
        "--",
        "-",
        "",
        "true",
        "./x",
        "--bogus",
        "--pidfil",
        "--pidfilex=y",
        "---",
        "--=",
        "-=",
        "-Z",
        "-qZ",
        "--q",
    ]);
    prop_oneof![12 => option, 1 => other.prop_map(|word| vec![word.to_owned()])]
}

/// What a command line comes to.
#[derive(Debug, PartialEq)]
struct Outcome {
    /// Why it is refused.
    refusal: Option<Refusal>,
    /// The options with their last values; a flag has none.
    options: BTreeMap<&'static str, Option<String>>,
    limits: BTreeMap<usize, [u64; 2]>,
    command: Vec<String>,
    /// In no order.
    environment: Vec<String>,
}

#[derive(Debug, Eq, PartialEq)]
enum Refusal {
    UnknownOption,
    ValueIsMissing,
    TakesNoValue,
    /// A variable or a limit that is none.
    Value,
}

impl Outcome {
    fn refused(refusal: Refusal) -> Self {
        let (options, limits) = (BTreeMap::new(), BTreeMap::new());
        Self { refusal: Some(refusal), options, limits, command: vec![], environment: vec![] }
    }
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

fn parse(words: &[String], environment: &[String]) -> Outcome {
    let mut options = Options::new(vectors(words, environment));
    if let Err(reason) = options.parse() {
        return Outcome::refused(match reason {
            Reason::UNKNOWN_OPTION => Refusal::UnknownOption,
            Reason::VALUE_IS_MISSING => Refusal::ValueIsMissing,
            Reason::TAKES_NO_VALUE => Refusal::TakesNoValue,
            _ => Refusal::Value,
        });
    }
    let given = OPTS.iter().zip(ROWS).filter_map(|(&opt, row)| {
        let value = options.value(opt)?;
        Some((row.long, (!row.value.is_empty()).then(|| string(value))))
    });
    let strings = |mut place: bgexec::sys::zstr::Words| {
        let mut strings = vec![];
        while let Some(word) = place.get() {
            strings.push(string(word));
            place = place.next();
        }
        strings
    };
    let mut environment = strings(options.vectors.envp);
    environment.sort_unstable();
    Outcome {
        refusal: None,
        options: given.collect(),
        limits: (0..16).filter_map(|resource| Some((resource as usize, options.limit(resource)?))).collect(),
        command: strings(options.vectors.last.next()),
        environment,
    }
}

fn reference_parse(words: &[String], environment: &[String]) -> Outcome {
    match try_reference_parse(words, environment) {
        Ok(outcome) => outcome,
        Err(refusal) => Outcome::refused(refusal),
    }
}

fn try_reference_parse(words: &[String], inherited: &[String]) -> Result<Outcome, Refusal> {
    let mut parser = lexopt::Parser::from_iter(words);
    parser.set_short_equals(false);
    let text = |word: OsString| word.into_string().expect("UTF-8");
    let name = |entry: &String| entry.split_once('=').map_or(entry.clone(), |(name, _)| name.to_owned());
    let mut outcome = Outcome { refusal: None, ..Outcome::refused(Refusal::Value) };
    let mut inherited = inherited.to_vec();
    loop {
        let row = match parser.next() {
            Ok(None) => break,
            Ok(Some(Arg::Value(first))) => {
                let rest = parser.raw_args().expect("no option is half read").map(text);
                outcome.command = [text(first)].into_iter().chain(rest).collect();
                break;
            }
            Ok(Some(Arg::Short(letter))) => ROWS.iter().find(|row| char::from(row.short) == letter && letter != ' '),
            Ok(Some(Arg::Long(long))) => ROWS.iter().find(|row| row.long == long),
            Err(_) => return Err(Refusal::TakesNoValue),
        };
        let row = row.ok_or(Refusal::UnknownOption)?;
        let long = if row.long == "supervisor-pidfile" { "pidfile" } else { row.long };
        if row.value.is_empty() {
            outcome.options.insert(long, None);
            continue;
        }
        let value = text(parser.value().map_err(|_| Refusal::ValueIsMissing)?);
        match long {
            "env" if value.find('=').is_none_or(|place| place == 0) => return Err(Refusal::Value),
            "unset" if value.is_empty() || value.contains('=') => return Err(Refusal::Value),
            "env" | "unset" => {
                inherited.retain(|entry| name(entry) != name(&value));
                outcome.environment.retain(|entry| name(entry) != name(&value));
                if long == "env" {
                    outcome.environment.push(value.clone());
                }
            }
            "rlimit" => {
                let (resource, limit) = reference_limit(&value).ok_or(Refusal::Value)?;
                outcome.limits.insert(resource, limit);
            }
            _ => {}
        }
        outcome.options.insert(long, Some(value));
        // What is left of a flag's word would be its value.
    }
    if !outcome.options.contains_key("clear-env") {
        outcome.environment.extend(inherited);
    }
    outcome.environment.sort_unstable();
    Ok(outcome)
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
            Step::Truncate,
            Step::Record,
            Step::Signals,
        ],
        &[Step::Signals, Step::Nice, Step::Ioprio, Step::OomScore, Step::Chroot, Step::Chdir, Step::Umask],
        &[Step::Umask, Step::Limits, Step::Groups, Step::Gid, Step::Uid, Step::NoNewPrivs, Step::Execute],
    ];
    for chain in chains {
        assert!(chain.is_sorted(), "{chain:?}");
    }
}
