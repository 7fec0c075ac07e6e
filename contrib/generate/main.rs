//! Writes what is made from the option table, the lock file and the sources: `cargo run --example generate`.

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
