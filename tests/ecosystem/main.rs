//! What belongs around bgexec: the files of contrib, each in the hands of the program that it is made for.

mod completions;
mod images;
mod initramfs;
mod manual;
mod packages;
mod peers;
#[path = "../room/mod.rs"]
mod room;
mod services;
mod wrappers;

#[path = "../../contrib/generate/artefacts.rs"]
mod artefacts;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use room::{can, run};

/// A file of contrib.
fn contrib(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("contrib").join(name)
}

/// Whether a program is installed; says so if not.
fn has(program: &str) -> bool {
    let found = run(Command::new("sh").args(["-c", "command -v \"$0\"", program])).status.success();
    can(&format!("there is no {program}"), found)
}

#[test]
fn generated_files_are_up_to_date() {
    for (path, text) in artefacts::all() {
        let kept = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap_or_default();
        assert!(kept == text, "{path} is outdated: cargo run --example generate");
    }
}
