//! Random inputs for all that bgexec reads: of each kind 100,000, or as many as the environment variable BGEXEC_FUZZ says.
//! A failure comes with its seed, which BGEXEC_FUZZ_SEED takes.

mod accounts;
mod command_line;
mod dice;
mod edge;
#[path = "../reference/mod.rs"]
mod reference;
mod words;
