//! The command line: what was typed against lexopt, what it means against the README's words.

use std::collections::BTreeSet;

use bgexec::options::table::{OPTS, ROWS, Row};
use bgexec::options::{Opt, Options};
use bgexec::plan::{Plan, STREAMS, Value};
use bgexec::report::Reason;
use bgexec::scan::SOCKET;

use crate::dice::{Dice, fuzz};
use crate::edge::Stack;
use crate::reference::command_line::{OTHERS, Outcome, outcome, reference_parse, strings};
use crate::reference::{string, words as reference};
use crate::words;

/// A value for an option, right or wrong.
fn value(dice: &mut Dice, row: &Row) -> String {
    let list = |dice: &mut Dice, item: fn(&mut Dice) -> String| {
        let items: Vec<String> = (0..1 + dice.below(3)).map(|_| item(dice)).collect();
        let comma = *dice.choose(&[",", ",", ",", ",,", " "]);
        items.join(comma)
    };
    if dice.once_in(12) {
        return dice.letters("-a0:,./=T", 0, 4);
    }
    match row.long {
        "env" => dice.letters("ABC", 0, 2) + &dice.letters("=ab", 1, 3),
        "unset" => dice.letters("ABC", 1, 2) + *dice.choose(&["", "", "", "="]),
        "rlimit" => words::limit(dice).concat(),
        "signal" => words::signal(dice).concat(),
        "retry" => words::schedule(dice).concat(),
        "ignore-signal" => list(dice, |dice| words::signal(dice).concat()),
        "keep-fd" => list(dice, Dice::number),
        "umask" => dice.letters("01234567", 1, 4),
        "nicelevel" | "oom-score-adj" => format!("{}{}", dice.choose(&["", "-"]), dice.number()),
        "iosched" => (*dice.choose(&["idle", "realtime:3", "best-effort", "best-effort:9"])).to_owned(),
        "notify" => (*dice.choose(&["socket", "fd:3", "fd:63", "fd:64", "fd:2", "fd:"])).to_owned(),
        "user" | "group" => (*dice.choose(&["app", "1000", "1000:", "1000:1000", "app:app", "1000x", ""])).to_owned(),
        "stdin" | "stdout" | "stderr" | "output" => {
            (*dice.choose(&["-", "/dev/null", "/a", "a", "", "/dev/nul", "/dev/nullx"])).to_owned()
        }
        _ if ["SECS", "MS", "N"].contains(&row.value) => {
            format!("{}{}", dice.number(), dice.choose(&["", "", ".5", "x"]))
        }
        _ => (*dice.choose(&["/", "/x", "x", "./x", ""])).to_owned(),
    }
}

/// One or two words: an option in any spelling, right or wrong, or an operand.
fn option(dice: &mut Dice, words: &mut Vec<String>) {
    if dice.once_in(14) {
        return words.push((*dice.choose(&OTHERS)).to_owned());
    }
    let row = dice.choose(ROWS);
    let value = value(dice, row);
    let flags = dice.letters("FwrHKTvqabfm", 0, 3);
    let (long, short) = (format!("--{}", row.long), format!("-{flags}{}", char::from(row.short)));
    match (row.short == b' ' || dice.once_in(2), row.value.is_empty()) {
        (true, true) if dice.once_in(12) => words.push(format!("{long}={value}")),
        (true, false) if dice.once_in(2) => words.push(format!("{long}={value}")),
        (true, is_flag) => words.extend([long, value].into_iter().take(if is_flag { 1 } else { 2 })),
        (false, true) => words.push(short),
        (false, false) if dice.once_in(2) => words.push(short + &value),
        (false, false) => words.extend([short, value]),
    }
}

/// The environment, a NUL, which is no word, and the command line.
fn make(dice: &mut Dice) -> Vec<String> {
    let mut words: Vec<String> =
        (0..dice.below(4)).map(|_| dice.letters("ABC", 1, 2) + &dice.letters("=ab", 0, 3)).collect();
    words.push("\0".to_owned());
    for _ in 0..dice.below(7) {
        option(dice, &mut words);
    }
    if dice.once_in(2) {
        words.extend(["x".to_owned(), "-c".to_owned()].into_iter().take(1 + dice.below(2)));
    }
    words
}

#[test]
fn any() {
    let mut stack = Stack::new();
    fuzz("command lines", make, |pieces| {
        let mut parts = pieces.split(|word| word == "\0");
        let environment = parts.next().unwrap_or_default();
        let words = [&["bgexec".to_owned()], parts.next().unwrap_or_default()].concat();
        let expected = reference_parse(&words, environment);
        let mut plan = Plan::new(stack.vectors(&words, environment));
        let parsed = plan.options.parse();
        let found = outcome(&plan.options, parsed);
        if found != expected {
            return Err(format!("{found:?}, not {expected:?}"));
        }
        let is_pid_1 = words.len() % 4 == 0;
        match parsed.and_then(|()| plan.read(is_pid_1)) {
            Err(reason) => check_refusal(&plan.options, reason, &words, &expected),
            Ok(()) => check_plan(&plan, is_pid_1, &expected),
        }
    });
}

/// What the README says of options that were read: the values that are none, and the options that contradict each other.
fn refusals(typed: &Outcome) -> BTreeSet<(&'static str, u32)> {
    let value = |long: &str| typed.options.get(long).map(|value| value.as_deref().unwrap_or_default());
    let has = |long: &str| typed.options.contains_key(long);
    let mut refusals = BTreeSet::new();
    let mut check = |is_fine: bool, long: &'static str, reason: Reason| {
        if has(long) && !is_fine {
            refusals.insert((long, reason.bits()));
        }
    };
    let number = |long, highest| value(long).and_then(|text| reference::number(text, highest));
    let seconds = |long| value(long).and_then(reference::seconds).is_some_and(|(_, rest)| rest.is_empty());
    let level =
        |long, lowest, highest| value(long).is_some_and(|text| reference::integer(text, lowest, highest).is_some());
    let is_list = |long, is_item: fn(&str) -> bool| value(long).is_some_and(|text| text.split(',').all(is_item));
    check(octal(value("umask")).is_some(), "umask", Reason::NOT_AN_OCTAL_MODE);
    check(level("nicelevel", -20, 19), "nicelevel", Reason::NOT_A_LEVEL);
    check(level("oom-score-adj", -1000, 1000), "oom-score-adj", Reason::NOT_A_LEVEL);
    check(value("iosched").and_then(reference::io_class).is_some(), "iosched", Reason::NOT_A_CLASS);
    check(value("signal").and_then(reference::signal_to_send).is_some(), "signal", Reason::NOT_A_SIGNAL);
    check(value("notify").and_then(reference::notification).is_some(), "notify", Reason::NOT_A_NOTIFICATION);
    check(seconds("notify-timeout"), "notify-timeout", Reason::NOT_A_TIME);
    check(number("alive-after", 1 << 40).is_some(), "alive-after", Reason::NOT_A_TIME);
    check(seconds("restart-delay"), "restart-delay", Reason::NOT_A_TIME);
    check(number("restart-count", 1 << 40).is_some(), "restart-count", Reason::NOT_A_COUNT);
    check(value("retry").is_some_and(reference::is_schedule), "retry", Reason::NOT_A_SCHEDULE);
    check(is_list("ignore-signal", |item| ignorable(item).is_some()), "ignore-signal", Reason::NOT_SIGNALS);
    check(is_list("keep-fd", |item| descriptor(item).is_some()), "keep-fd", Reason::NOT_DESCRIPTORS);
    for long in ["print-pid", "session-leader", "ctty", "wait", "init", "notify", "alive-after", "restart"] {
        check(!has("foreground"), long, Reason::NOT_WITH_FOREGROUND);
    }
    for long in ["notify", "alive-after", "session-leader", "ctty"] {
        check(!has("restart"), long, Reason::NOT_WITH_RESTART);
    }
    for long in ["child-pidfile", "sighup", "restart-count", "restart-delay"] {
        check(has("restart"), long, Reason::NEEDS_RESTART);
    }
    for long in ["stop", "status"] {
        check(has("pidfile"), long, Reason::NEEDS_A_PIDFILE);
        check(typed.command.is_empty(), long, Reason::TAKES_NO_COMMAND);
    }
    check(!has("status"), "stop", Reason::NOT_WITH_STATUS);
    let is_number = value("user").is_some_and(|user| reference::number(user, 1 << 40).is_some());
    check(!is_number || has("group"), "user", Reason::NEEDS_A_GROUP);
    refusals
}

fn octal(text: Option<&str>) -> Option<u64> {
    text.filter(|text| !text.starts_with('+'))
        .and_then(|text| u64::from_str_radix(text, 8).ok())
        .filter(|&mode| mode <= 0o777)
}

fn ignorable(item: &str) -> Option<u32> {
    reference::signal(item).filter(|&signal| signal != 9 && signal != 19)
}

fn descriptor(item: &str) -> Option<u64> {
    reference::number(item, i32::MAX as u64)
}

/// A refusal has one of the reasons that there are, and names the option that it is about.
fn check_refusal(options: &Options, reason: Reason, words: &[String], typed: &Outcome) -> Result<(), String> {
    let examined = options.examined().map(|word| word.map(string));
    let [Some(name), value] = &examined else { return Err("no word is named".to_owned()) };
    if !words.contains(name) || value.as_ref().is_some_and(|value| !words.contains(value)) {
        return Err(format!("{examined:?} was not typed"));
    }
    if typed.refusal.is_some() {
        return Ok(());
    }
    let refusals = refusals(typed);
    let is_named = |long: &str| {
        let row = ROWS.iter().find(|row| row.long == long).expect("an option");
        let spellings = [long, if long == "pidfile" { "supervisor-pidfile" } else { long }];
        spellings.iter().any(|long| name.starts_with(&format!("--{long}")))
            || row.short != b' ' && name.starts_with('-') && name.contains(char::from(row.short))
    };
    if refusals.iter().any(|&(long, bits)| bits == reason.bits() && is_named(long)) {
        Ok(())
    } else {
        Err(format!("{reason:?} for {examined:?}, not one of {refusals:?}"))
    }
}

/// What follows from options that are not refused.
fn check_plan(plan: &Plan, is_pid_1: bool, typed: &Outcome) -> Result<(), String> {
    let refusals = refusals(typed);
    if !refusals.is_empty() {
        return Err(format!("not refused: {refusals:?}"));
    }
    let value = |long: &str| typed.options.get(long).map(|value| value.as_deref().unwrap_or_default());
    let has = |long: &str| typed.options.contains_key(long);
    let mut differing = vec![];
    let mut same = |what: &'static str, is_so: bool| {
        if !is_so {
            differing.push(what);
        }
    };

    let seconds = |long, default| value(long).map_or(default, |text| reference::seconds(text).expect("it was fine").0);
    let count =
        |long, default| value(long).map_or(default, |text| reference::number(text, 1 << 40).expect("it was fine"));
    let level = |long| value(long).map_or(0, |text| reference::integer(text, -1000, 1000).expect("it was fine") as u64);
    same("umask", plan.value(Value::Umask) == octal(value("umask")).unwrap_or(0));
    same("niceness", plan.value(Value::Nicelevel) == level("nicelevel"));
    same("adjustment", plan.value(Value::OomScoreAdj) == level("oom-score-adj"));
    same("class", plan.value(Value::Iosched) == value("iosched").and_then(reference::io_class).unwrap_or(0));
    let signal = value("signal").and_then(reference::signal_to_send).unwrap_or(15);
    same("signal", plan.value(Value::Signal) == signal.into());
    let notify = value("notify").and_then(reference::notification).map_or(0, |number| number.unwrap_or(SOCKET));
    same("notification", plan.value(Value::Notify) == notify);
    same("its bit", plan.notification_bit() == if (1..64).contains(&notify) { 1 << notify } else { 0 });
    same("time for readiness", plan.value(Value::NotifyTimeout) == seconds("notify-timeout", 60_000));
    same("time alive", plan.value(Value::AliveAfter) == count("alive-after", 0));
    same("delay", plan.value(Value::RestartDelay) == seconds("restart-delay", 1000));
    same("count", plan.value(Value::RestartCount) == count("restart-count", 0));

    let ignored: Vec<u32> =
        value("ignore-signal").iter().flat_map(|text| text.split(',').filter_map(ignorable)).collect();
    let bit = |number: u32| 1_u64 << (number % 64);
    same("ignored signals", plan.ignored.low == ignored.iter().fold(0, |set, &signal| set | bit(signal)));
    let kept: Vec<u64> = value("keep-fd").iter().flat_map(|text| text.split(',').filter_map(descriptor)).collect();
    same("highest kept descriptor", plan.kept.highest == kept.iter().copied().max().unwrap_or(0));
    same("kept descriptors", (0..70).all(|number| plan.keeps(number) == kept.contains(&number.into())));

    let foreground = has("foreground");
    let init = has("init") || is_pid_1 && !foreground;
    let wait = has("wait") || init;
    let leads = has("session-leader") || has("ctty");
    same("foreground", plan.foreground() == foreground);
    same("init", plan.is_init() == init);
    same("stays", plan.stays() == wait);
    same("waits", plan.waits() == (wait || has("notify") || has("alive-after") || has("print-pid")));
    same("leads its session", plan.leads_session() == leads);
    same("makes a session", plan.options.has(Opt::Session) == (!foreground && (leads || !init)));
    same("leads a group", plan.options.has(Opt::GroupLeader) == (!foreground && !leads));
    same("closes", plan.options.has(Opt::Closes) != has("no-close"));
    same("unshares", plan.options.has(Opt::Unshares) == (!foreground && !has("no-close")));
    same("surroundings", plan.keeps_surroundings() == (foreground || wait));
    same("identity", plan.options.has(Opt::Identity) == ["user", "group", "groups"].iter().any(|long| has(long)));
    same("primary group", plan.options.has(Opt::PrimaryGroup) == (has("user") || has("group")));
    same("pidfile", plan.pidfile().map(string).as_deref() == value("pidfile"));
    same("child's pidfile", plan.child_pidfile().map(string).as_deref() == value("child-pidfile"));

    let name = typed.command.first().map_or("", |name| name);
    same("name", string(plan.name) == name);
    let mut arguments = typed.command.clone();
    if let (Some(first), Some(argv0)) = (arguments.first_mut(), value("argv0")) {
        argv0.clone_into(first);
    }
    same("arguments", strings(plan.arguments()) == arguments);
    same("is searched", plan.is_searched() == (!name.is_empty() && !name.contains('/')));

    let stays_here = (foreground || wait) && !has("chroot");
    let chdir = value("chdir").or((!stays_here).then_some("/")).filter(|&directory| directory != ".");
    same("directory", plan.options.value(Opt::Chdir).map(string).as_deref() == chdir);
    let leaves = !has("chdir") && !stays_here && !has("chroot");
    same("needs here", plan.needs_here() == (leaves && !name.is_empty() && !name.starts_with('/')));
    for (number, long) in ["stdin", "stdout", "stderr"].into_iter().enumerate() {
        let both = value("output").filter(|_| number > 0);
        let null = (!foreground && !wait).then_some("/dev/null");
        let expected = value(long).or(both).or(null).filter(|&file| file != "-");
        same(
            long,
            plan.options.value(STREAMS[number]).map(string).as_deref() == expected
                && plan.file(number).map(string).as_deref() == expected.filter(|&file| file != "/dev/null"),
        );
    }
    if differing.is_empty() { Ok(()) } else { Err(format!("{differing:?} differ")) }
}

/// What an option is called is what the tests call it.
#[test]
fn names_are_those_of_the_table() {
    assert_eq!(OPTS.len(), ROWS.len());
    for long in ["foreground", "restart", "pidfile", "user", "group", "no-close", "argv0", "chroot", "output"] {
        assert!(ROWS.iter().any(|row| row.long == long), "{long}");
    }
}
