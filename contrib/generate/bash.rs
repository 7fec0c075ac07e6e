//! The completion for bash, which needs nothing but bash; bash-completion, if it is loaded, completes COMMAND's own words.

use super::prose::{Described, Group, LIMITS, SIGNALS};

const TEMPLATE: &str = include_str!("bgexec.bash.in");

/// The completion.
pub fn text(groups: &[Group]) -> String {
    let options: Vec<&Described> = groups.iter().flat_map(|group| &group.options).collect();
    let long = |option: &&&Described| format!("--{}", option.row.long);
    let valued: Vec<&&Described> = options.iter().filter(|option| option.takes_value()).collect();
    let names: Vec<String> = options
        .iter()
        .flat_map(|option| [option.letter().map(|letter| format!("-{letter}")), Some(format!("--{}", option.row.long))])
        .flatten()
        .collect();
    let letters: String = valued.iter().filter_map(|option| option.letter()).collect();
    TEMPLATE
        .replace("@NAMES@", &wrapped(&names))
        .replace("@LETTERS@", &letters)
        .replace("@VALUED@", &valued.iter().map(long).collect::<Vec<_>>().join(" | "))
        .replace("@VALUES@\n", &cases(&options))
}

/// The names, a line's worth at a time.
fn wrapped(names: &[String]) -> String {
    let mut lines = vec![String::new()];
    for name in names {
        if lines.last().is_some_and(|line| line.len() + name.len() > 90) {
            lines.push(String::new());
        }
        let line = lines.last_mut().expect("there is a line");
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(name);
    }
    lines.join("\n    ")
}

/// The cases of the values, one for all options that are completed alike.
fn cases(options: &[&Described]) -> String {
    let mut cases: Vec<(String, Vec<String>)> = vec![];
    for option in options {
        let Some(words) = words(option) else { continue };
        let letter = option.letter().map(|letter| format!("-{letter}"));
        let names = letter.into_iter().chain([format!("--{}", option.row.long)]);
        match cases.iter_mut().find(|(other, _)| *other == words) {
            Some((_, others)) => others.extend(names),
            None => cases.push((words, names.collect())),
        }
    }
    let case = |(words, names): &(String, Vec<String>)| {
        format!("    {})\n        compgen {words} -- \"$2\"\n        ;;\n", names.join(" | "))
    };
    cases.iter().map(case).collect()
}

/// What completes an option's value; nothing for what only the user knows.
fn words(option: &Described) -> Option<String> {
    let words = match option.kind {
        "-" | "none" => return None,
        "file" => "-f".to_owned(),
        "directory" => "-d".to_owned(),
        "user" => "-u".to_owned(),
        "group" | "groups" => "-g".to_owned(),
        "variable" => "-e".to_owned(),
        "notification" => "-W 'fd: socket'".to_owned(),
        "iosched" => "-W 'realtime best-effort idle'".to_owned(),
        "limit" => format!("-S = -W '{LIMITS}'"),
        "signal" | "signals" => format!("-W '{SIGNALS}'"),
        "schedule" => "-W TERM/30/KILL/5".to_owned(),
        other => panic!("--{}: no value is completed with {other}", option.row.long),
    };
    Some(words)
}
