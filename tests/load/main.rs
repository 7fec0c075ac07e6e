//! The promise where there is too little of something: of processes, of space on a file system, of descriptors, of stack, of
//! room for words.

mod extremes;
#[allow(dead_code, unused_imports, reason = "another program's; this one does not use all of it")]
#[path = "../black_box/harness/mod.rs"]
mod harness;
mod launches;
mod memory;
