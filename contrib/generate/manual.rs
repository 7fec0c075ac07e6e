//! The manual page, as mdoc.

use super::prose::{Described, Group};

/// The manual around the options.
const TEMPLATE: &str = include_str!("bgexec.8.in");

/// Where the options stand in it.
const OPTIONS: &str = ".\\\" OPTIONS\n";

/// The manual page.
pub fn text(groups: &[Group]) -> String {
    let (before, after) = TEMPLATE.split_once(OPTIONS).expect("the template says where the options stand");
    let mut text = before.to_owned();
    for group in groups {
        text += &format!(".Ss {}\n.Bl -tag -width Ds\n", group.title);
        text.extend(group.options.iter().map(entry));
        text += ".El\n";
    }
    text + after
}

fn entry(option: &Described) -> String {
    let value = if option.takes_value() { format!(" Ar {}", option.row.value) } else { String::new() };
    let letter = option.letter().map(|letter| format!("Fl {letter}{value} , ")).unwrap_or_default();
    format!(".It {letter}Fl -{}{value}\n{}", option.row.long, option.manual)
}
