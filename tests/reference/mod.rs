//! What the pure part of the library is compared with: the same, said simply and with all of std, or by another crate. And
//! what it says itself, in the same words.

#![allow(dead_code, reason = "no test program uses all of it")]

pub mod accounts;
pub mod command_line;
pub mod words;

use bgexec::sys::zstr::Word;

/// A word as text.
pub fn string(word: Word) -> String {
    String::from_utf8(word.as_bytes().to_vec()).expect("UTF-8")
}

/// What a scanner finds in a text, with the rest.
pub fn found<T>(scanned: Option<(T, Word)>) -> Option<(T, String)> {
    scanned.map(|(value, rest)| (value, string(rest)))
}
