//! The init of a booted machine, and its daemons: one static program without libc for every processor.
//!
//! Without words it carries out `/script`, a verb on each line; with words it carries out the one verb that they are:
//!
//! | verb | what it does |
//! |---|---|
//! | `run PATH ARG...` | runs a program to its end and says how it ended |
//! | `daemon NAME` | says what state it is in, creates `/NAME.ready`, and stays |
//! | `await FILE` | waits until FILE is there, for ten seconds at most |
//! | `kind PATH` | says what PATH is |
//! | `list DIR` | says what is in DIR |
//! | `create FILE` | creates an empty file |
//! | `mount TYPE DIR` | mounts a file system |
//! | `open` | says which of its descriptors are open, and what they are |
//! | `reap` | says how many children have ended |
//! | `orphans N` | leaves N children of children, and waits until pid 1 has reaped them |
//! | `off` | powers the machine off |
//!
//! What it says goes to `/serial`, opened for each line, so that a machine without a console can speak.

#![no_std]
#![no_main]

mod kernel;
mod line;
#[cfg(not(target_arch = "x86_64"))]
#[path = "../../../../src/start/memory/portable.rs"]
mod memory;
#[cfg(target_arch = "x86_64")]
#[path = "../../../../src/start/memory/x86_64.rs"]
mod memory;
mod verbs;

use core::ffi::{CStr, c_char};

/// The kernel starts the program here, with the arguments on the stack.
#[unsafe(no_mangle)]
#[unsafe(naked)]
unsafe extern "C" fn _start() -> ! {
    #[cfg(target_arch = "x86_64")]
    core::arch::naked_asm!("mov rdi, rsp", "call {start}", start = sym start);
    #[cfg(target_arch = "x86")]
    core::arch::naked_asm!("mov eax, esp", "and esp, -16", "sub esp, 12", "push eax", "call {start}", start = sym start);
    #[cfg(target_arch = "aarch64")]
    core::arch::naked_asm!("mov x0, sp", "bl {start}", start = sym start);
    #[cfg(target_arch = "arm")]
    core::arch::naked_asm!("mov r0, sp", "bl {start}", start = sym start);
}

extern "C" fn start(stack: *const usize) -> ! {
    let mut words = [c""; line::WORDS];
    let mut count = 0;
    // SAFETY: the kernel puts the count there, and as many words behind it.
    let given = unsafe { *stack };
    for index in 1..given.min(line::WORDS) {
        // SAFETY: as above; each word ends with a NUL.
        words[count] = unsafe { CStr::from_ptr(*stack.add(1 + index) as *const c_char) };
        count += 1;
    }
    if count == 0 {
        verbs::script();
    } else {
        verbs::perform(&words[..count]);
    }
    kernel::exit(0)
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo) -> ! {
    kernel::exit(134)
}

/// Unoptimized code refers to it; nothing ever unwinds.
#[cfg(debug_assertions)]
#[unsafe(no_mangle)]
extern "C" fn rust_eh_personality() {}
