//! The command line as typed: which options, with which words.

#![forbid(unsafe_code)]

mod parse;
pub mod table;

pub use parse::Options;
pub use table::{Opt, TABLE};
