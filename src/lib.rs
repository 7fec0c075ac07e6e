//! bgexec runs a command in the background, and its exit status 0 means that the command is running.
//!
//! This library is the executable's inside, laid open for its own tests. It is no interface for others: anything may
//! change with any version. It needs neither libc nor an allocator, and talks to Linux through system calls alone.
//!
//! What the program does for its users is in the README and in the manual, `contrib/man/bgexec.8`. This is how it does
//! it, to be read from top to bottom: what a launch is, the way that a command line takes, the processes, the order of
//! the steps, and what is nowhere to be found.
//!
//! # What a launch is
//!
//! A launch makes a process that outlives its caller, sets up all that was asked for, and executes COMMAND in it. It ends
//! in one of two ways, and the exit status says which:
//!
//! - **0**: COMMAND's `execve` has succeeded, with all that was asked for in place.
//! - **anything else**: nothing is left of it, no process, pidfile or lock; and one line says what bgexec was unable to
//!   do, with which of the user's own words, and why.
//!
//! So no step may fail unnoticed, and whatever was made by a launch that failed is unmade by the launcher, which alone
//! outlives it.
//!
//! # One way through
//!
//! ```text
//!     start ──▶ options ──▶ plan ──▶ steps ──▶ report
//!     (unsafe)   (pure)     (pure)  (effects)  (text, a line at once)
//!         └────────────────── sys (unsafe, ground floor) ──────────────┘
//! ```
//!
//! A command line flows from left to right and never back. [`options::Options`] holds what was typed and, once
//! [`plan::Plan`] has read it, what follows from that: facts and defaults. The plan adds the numbers. What is done about it
//! are the [`steps`], in the order of one constant, [`steps::ORDER`]. Two scanners stand beside that way, both pure: [`scan`]
//! for words, [`passwd`] for the lines of /etc/passwd and /etc/group.
//!
//! What is more than a launch has a file of its own in that room: `stop` for `--stop` and `--status`, `wait` for `--wait` and
//! `--init`, `notify` for readiness, `supervise` for `--restart`. A new option takes a row in `options/table.rs`; a number or
//! a rule in `plan.rs`, if it has one; a step in `steps/mod.rs` and what that does in the file of its subject; and prose, in
//! the README and in `contrib/generate/options.txt`.
//!
//! The options are data, one row each, from which the usage text, the parser's names, the manual and the shells'
//! completions are made:
//!
//! ```
//! use bgexec::options::table::ROWS;
//!
//! let chdir = ROWS.iter().find(|row| row.long == "chdir").expect("it is an option");
//! assert_eq!((chdir.short, chdir.value), (b'c', "DIR"));
//! ```
//!
//! # The processes of a launch
//!
//! ```text
//! launcher ──────────────▶ waits ─────────────────────▶ reads the verdict, says it, ends
//!    └─ vfork ─▶ leader ─▶ setsid ─▶ waits ─▶ ends         ▲
//!                             └─ vfork ─▶ daemon ─▶ steps ─┴─▶ execve: is COMMAND
//! ```
//!
//! The launcher is what the user ran. The leader makes the session and is gone before the launcher goes; where the
//! launcher leads no process group, and is done when COMMAND runs, it makes the session itself, and there is no leader.
//! (With `--session-leader` leader and daemon are one, with `--init` there is no session to make.) The daemon is the
//! launcher's own child (CLONE_PARENT), so that after a failure it can be reaped. It takes the remaining steps and reports
//! through the status pipe, which closes at exec: its pid right before `execve`, and after that either the end of the
//! pipe, which means executed, or why not.
//!
//! Launcher and leader wait anyway, so their children are made as vfork makes them: no page table is copied. They share
//! the descriptor table as well, until the daemon takes a copy of its lower end ([`steps::Step::Unshare`]). A POSIX lock
//! belongs to a table: only then may the daemon lock.
//!
//! With `--restart` the daemon is a supervisor, which does not execute anything; it is made by a plain fork, and is to
//! COMMAND what the launcher was to it. COMMAND goes with it, whatever ends it.
//!
//! # The order
//!
//! The order of the steps is data too, and what must come before what can be asked of it. Every file that the user named
//! is opened where its name was typed; only a daemon that holds its lock may write; and rights are given up last:
//!
//! ```
//! use bgexec::steps::{ORDER, Step};
//!
//! let place = |wanted| ORDER.iter().position(|&step| step == wanted).expect("every step has its place");
//! assert!(place(Step::OpenPidfile) < place(Step::Chdir));
//! assert!(place(Step::LockPidfile) < place(Step::TruncateStdout) && place(Step::TruncateStdout) < place(Step::Record));
//! assert!(place(Step::Groups) < place(Step::Gid) && place(Step::Gid) < place(Step::Uid));
//! assert!(place(Step::Uid) < place(Step::Execute));
//! ```
//!
//! # What is never there
//!
//! These are held by a test that reads the sources:
//!
//! - Parsing never touches the kernel: `options`, `plan`, `scan` and `passwd` make no system call.
//! - Only `report` writes to the terminal, and only in the launcher (with `--foreground`, in the one process there is; a
//!   supervisor tells COMMAND's standard error of a later start that fails).
//! - No writable static, no heap, no reachable panic: a release that has one does not link; with `core::fmt` it would not
//!   keep within its size.
//! - Every file that the user named is opened before the first `chdir` or `chroot`.
//! - `unsafe` stands under `start/` and `sys/` alone, each block one operation and one reason.
//! - Crate `syscalls` is named in one file, the ABI's constants in one.
//!
//! # What it costs
//!
//! A launch is one process lifetime around what the kernel needs to start COMMAND. Above the hand-written floor (one
//! vfork, ten calls) stand, on x86_64: the second vfork about 16 %, which a boot script does not pay; resetting 62
//! dispositions about 11 %; the status pipe about 5 %; the size of the image about 1 %. Nothing resets the dispositions at
//! once: `clone3`'s CLONE_CLEAR_SIGHAND leaves ignored signals ignored, and to read which are (/proc/self/status) costs
//! more than to reset all. A pidfile adds about 12 %, another user 4 %, an output file 3 %.
//!
//! What is dear to the kernel is left out where it can be: a look into /proc (2 µs and more; signal 0 tells as well that a
//! process is gone), emptying a file (3 µs and, on ext4, 100 times that if it is written to again; writing over it is
//! cheaper), memory (8 µs with its pages), closing what is not open (0.5 µs for 60 numbers). A launcher that leaves its
//! process group for its parent's could make a session at once and save the second vfork; but whoever starts it may want to
//! put others into that group.

#![no_std]
// There the compiler calls its own assembly experimental: RUSTC_BOOTSTRAP=1 or a nightly one.
#![cfg_attr(any(target_arch = "mips", target_arch = "mips64"), feature(asm_experimental_arch))]

pub mod options;
pub mod passwd;
pub mod plan;
pub mod report;
pub mod scan;
pub mod steps;
pub mod sys;
