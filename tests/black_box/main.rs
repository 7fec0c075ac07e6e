//! bgexec from outside: what a caller sees of a launch, and what the command that was launched finds.
//!
//! One program for all of it, because each test target is linked on its own.

mod attacks;
mod command_line;
mod descriptors;
mod emulated;
mod environment;
mod exec;
mod foreground;
mod harness;
mod identity;
mod init;
mod launch;
mod limits;
mod locks;
#[path = "../names/mod.rs"]
mod names;
mod notify;
mod pidfile;
mod race;
mod refusals;
mod restart;
mod signals;
mod stop;
mod streams;
mod wait;
