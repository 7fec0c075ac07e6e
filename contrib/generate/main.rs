//! Writes the manual and the completions that are made from the option table: `cargo run --example generate`.

mod artefacts;

use std::fs;
use std::path::Path;

fn main() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for (path, text) in artefacts::all() {
        fs::write(root.join(path), text).unwrap_or_else(|error| panic!("{path}: {error}"));
        println!("{path}");
    }
}
