//! The program's sources, read as text.

use std::fs;
use std::path::{Path, PathBuf};

/// A file of the repository.
pub struct Source {
    /// Its path from the root of the repository.
    pub path: PathBuf,
    /// All of it.
    pub text: String,
}

impl Source {
    /// The text with comments made blank.
    pub fn code(&self) -> String {
        blank(&self.text, false)
    }

    /// The text with comments and literals made blank.
    pub fn bare_code(&self) -> String {
        blank(&self.text, true)
    }

    /// Whether the file is one of these, or in one of these directories.
    pub fn is_in(&self, places: &[&str]) -> bool {
        places.iter().any(|place| self.path.starts_with(place))
    }
}

/// The files below a place that satisfy a condition. What is built and what git keeps is not looked at.
fn files(place: &str, condition: impl Fn(&Path) -> bool) -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = vec![];
    let mut left = vec![root.join(place)];
    while let Some(path) = left.pop() {
        if path.ends_with("target") || path.ends_with(".git") {
            continue;
        }
        if let Ok(entries) = fs::read_dir(&path) {
            left.extend(entries.flatten().map(|entry| entry.path()));
        } else if condition(&path) {
            let text = fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            let text = String::from_utf8_lossy(&text).into_owned();
            let path = path.strip_prefix(root).expect("it was found there").to_owned();
            found.push(Source { path, text });
        }
    }
    assert!(!found.is_empty(), "nothing is there");
    found.sort_by(|one, other| one.path.cmp(&other.path));
    found
}

/// The sources of the program.
pub fn program() -> Vec<Source> {
    files("src", |path| path.extension().is_some_and(|extension| extension == "rs"))
}

/// Everything, whatever its name.
#[allow(dead_code, reason = "not every test program uses it")]
pub fn repository() -> Vec<Source> {
    files("", |_| true)
}

/// The words of a text: longest runs of letters, digits and underscores.
pub fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|letter: char| !letter.is_alphanumeric() && letter != '_').filter(|word| !word.is_empty())
}

/// What the scanner is in the middle of.
enum State {
    Code,
    LineComment,
    BlockComment,
    /// A literal, which this many `#` end after the quote.
    Text(char, usize),
}

/// Replaces comments, and literals if asked for, by spaces; lines stay where they are.
fn blank(text: &str, literals: bool) -> String {
    let letters: Vec<char> = text.chars().collect();
    let mut code = String::with_capacity(text.len());
    let mut state = State::Code;
    let mut at = 0;
    while at < letters.len() {
        let next = letters.get(at + 1).copied();
        let (length, shown);
        (state, length, shown) = match (state, letters[at]) {
            (State::Code, '/') if next == Some('/') => (State::LineComment, 2, false),
            (State::Code, '/') if next == Some('*') => (State::BlockComment, 2, false),
            (State::Code, '"') => {
                let raw = letters[..at].iter().rev().take_while(|&&letter| letter == '#').count();
                let is_raw = letters[..at - raw].ends_with(&['r']);
                (State::Text('"', if is_raw { raw } else { 0 }), 1, true)
            }
            // A character, not a lifetime or a label.
            (State::Code, '\'') if next == Some('\\') || letters.get(at + 2) == Some(&'\'') => {
                (State::Text('\'', 0), 1, true)
            }
            (State::Code, _) => (State::Code, 1, true),
            (State::LineComment, '\n') => (State::Code, 1, true),
            (State::LineComment, _) => (State::LineComment, 1, false),
            (State::BlockComment, '*') if next == Some('/') => (State::Code, 2, false),
            (State::BlockComment, _) => (State::BlockComment, 1, false),
            (State::Text(quote, 0), '\\') => (State::Text(quote, 0), 2, !literals),
            (State::Text(quote, hashes), letter) => {
                let end =
                    letter == quote && letters[at + 1..].iter().take(hashes).filter(|&&c| c == '#').count() == hashes;
                if end { (State::Code, 1, true) } else { (State::Text(quote, hashes), 1, !literals) }
            }
        };
        for &letter in letters.iter().skip(at).take(length) {
            code.push(if shown || letter == '\n' { letter } else { ' ' });
        }
        at += length;
    }
    code
}
