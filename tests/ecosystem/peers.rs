//! The table of the README that compares bgexec with other tools, measured with those that are here.

use std::path::Path;
use std::process::Command;

use super::room::{bgexec, can, is_native, run, status, stderr, stdout};

const README: &str = include_str!("../../README.md");

/// Every row that can be measured here with the same version of a tool is as the README has it.
#[test]
fn features_are_as_the_table_says() {
    if !is_native() {
        return;
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers/features");
    let measured = run(Command::new("sh").arg(script).arg(bgexec()));
    assert_eq!(status(&measured), 0, "{}", stderr(&measured));
    eprint!("{}{}", stdout(&measured), stderr(&measured));
    let mut lines = stdout(&measured).lines();
    let head = lines.next().expect("a table has a head");
    let (_, told) = README.split_once(&format!("{head}\n")).expect("the README has the same head");
    let told: Vec<&str> = told.lines().take_while(|line| line.starts_with('|')).collect();
    let mut compared = vec![];
    for row in lines.skip(1) {
        // Up to the end of the second cell.
        let end = row.match_indices('|').nth(2).expect("a row has cells").0;
        match told.iter().find(|other| other.starts_with(&row[..end])) {
            Some(&other) => {
                assert_eq!(other, row);
                compared.push(&row[..end]);
            }
            None => _ = can(&format!("{} is not in the table", &row[..end]), false),
        }
    }
    let ours = concat!("| `bgexec` | ", env!("CARGO_PKG_VERSION"), " ");
    assert!(compared.contains(&ours), "bgexec itself is in the table: {compared:?}");
}
