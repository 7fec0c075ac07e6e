//! The completion for zsh.

use super::prose::{Described, Group, LIMITS, SIGNALS};

/// The completion.
pub fn text(groups: &[Group]) -> String {
    let mut text = "#compdef bgexec\n\
                    # Completion of bgexec for zsh. Made by `cargo run --example generate` from the option table.\n\n\
                    _arguments -s -S -A '-*' : \\\n"
        .to_owned();
    for option in groups.iter().flat_map(|group| &group.options) {
        text += &format!("    {} \\\n", specification(option));
    }
    text + "    '*:: : _normal -p bgexec'\n"
}

/// One option, as _arguments takes it.
fn specification(option: &Described) -> String {
    let long = option.row.long;
    let (after_letter, after_long) = if option.takes_value() { ("+", "=") } else { ("", "") };
    let rest = format!("[{}]{}", option.summary.replace('\'', "'\\''"), value(option));
    // What adds up may be given again.
    let repeats = ["env", "unset", "rlimit"].contains(&long);
    match option.letter() {
        Some(letter) => {
            let prefix = if repeats { "\\*".to_owned() } else { format!("'(-{letter} --{long})'") };
            format!("{prefix}{{-{letter}{after_letter},--{long}{after_long}}}'{rest}'")
        }
        None => format!("'{}--{long}{after_long}{rest}'", if repeats { "*" } else { "" }),
    }
}

fn value(option: &Described) -> String {
    let name = option.row.value.replace(':', "\\:").replace('[', "\\[").replace(']', "\\]");
    let action = match option.kind {
        "-" => return String::new(),
        "file" => "_files".to_owned(),
        "directory" => "_directories".to_owned(),
        "user" => "_users".to_owned(),
        "group" => "_groups".to_owned(),
        "groups" => "_sequence _groups".to_owned(),
        "variable" => "_parameters -g \"*export*\"".to_owned(),
        "notification" => "(fd\\: socket)".to_owned(),
        "iosched" => "(realtime best-effort idle)".to_owned(),
        "limit" => format!("({LIMITS})"),
        "signal" => format!("({SIGNALS})"),
        "signals" => format!("_values -s , signal {SIGNALS}"),
        "schedule" => "(TERM/30/KILL/5)".to_owned(),
        "none" => " ".to_owned(),
        other => panic!("--{}: no value is completed with {other}", option.row.long),
    };
    format!(":{name}:{action}")
}
