//! The manual page, as mandoc(1) reads it.

use std::process::Command;

use bgexec::options::table::ROWS;

use super::room::{run, stdout};
use super::{contrib, has};

#[test]
fn mandoc_has_nothing_to_say() {
    if !has("mandoc") {
        return;
    }
    let lint = run(Command::new("mandoc").arg("-Tlint").arg(contrib("man/bgexec.8")));
    // Which other manuals there are depends on the machine, and not on this one.
    let said: Vec<_> =
        stdout(&lint).lines().filter(|line| !line.contains("STYLE: referenced manual not found")).collect();
    assert_eq!(said, [""; 0]);
}

#[test]
fn every_option_is_in_the_rendered_manual() {
    if !has("mandoc") {
        return;
    }
    let page = run(Command::new("mandoc").args(["-Tascii"]).arg(contrib("man/bgexec.8")));
    let mut page: String = stdout(&page).to_owned();
    // Bold is a letter over itself.
    while let Some(at) = page.find('\u{8}') {
        page.replace_range(at - 1..=at, "");
    }
    for row in ROWS {
        let option = format!(" --{} {}", row.long, row.value);
        let stands = page.lines().any(|line| format!("{line} ").contains(&option));
        assert!(stands, "{option} is not there");
    }
    for section in ["EXIT STATUS", "FILES", "ENVIRONMENT", "EXAMPLES", "SEE ALSO", "SECURITY CONSIDERATIONS"] {
        assert!(page.lines().any(|line| line == section), "{section}");
    }
}
