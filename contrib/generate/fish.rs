//! The completion for fish.

use super::prose::{Described, Group, LIMITS, SIGNALS};

const TEMPLATE: &str = include_str!("bgexec.fish.in");

/// The completion.
pub fn text(groups: &[Group]) -> String {
    let options: Vec<&Described> = groups.iter().flat_map(|group| &group.options).collect();
    let valued = |option: &&&Described| option.takes_value();
    let long: Vec<String> = options.iter().filter(valued).map(|option| format!("--{}", option.row.long)).collect();
    let letters: String = options.iter().filter(valued).filter_map(|option| option.letter()).collect();
    let rows: Vec<String> = options.iter().map(|option| row(option)).collect();
    TEMPLATE.replace("@VALUED@", &long.join(" ")).replace("@LETTERS@", &letters).replace("@OPTIONS@\n", &rows.concat())
}

fn row(option: &Described) -> String {
    let letter = option.letter().map(|letter| format!(" -s {letter}")).unwrap_or_default();
    let value = match option.kind {
        "-" => String::new(),
        "file" => " -r -F".to_owned(),
        "directory" => " -x -a '(__fish_complete_directories (commandline -ct))'".to_owned(),
        "user" => " -x -a '(__fish_complete_users)'".to_owned(),
        "group" => " -x -a '(__fish_complete_groups)'".to_owned(),
        "groups" => " -x -a '(__fish_complete_list , __fish_complete_groups)'".to_owned(),
        "variable" => " -x -a '(set -nx)'".to_owned(),
        "notification" => " -x -a 'fd: socket'".to_owned(),
        "iosched" => " -x -a 'realtime best-effort idle'".to_owned(),
        "limit" => format!(" -x -a '{}='", LIMITS.replace(' ', "= ")),
        "signal" | "signals" => format!(" -x -a '{SIGNALS}'"),
        "schedule" => " -x -a TERM/30/KILL/5".to_owned(),
        "none" => " -x".to_owned(),
        other => panic!("--{}: no value is completed with {other}", option.row.long),
    };
    let summary = option.summary.replace('\'', "\\'");
    format!("complete -c bgexec -n 'not __bgexec_command'{letter} -l {}{value} -d '{summary}'\n", option.row.long)
}
