//! The entry point, and what the compiler takes for granted: memory functions, a panic handler.

#![allow(unsafe_code)]

mod memory;

use core::arch::naked_asm;

use bgexec::sys;
use bgexec::sys::zstr::Vectors;

/// The kernel starts the program here, with the arguments on the stack and nothing in the registers:
///
/// ```text
/// sp ─▶ argc  argv[0] … argv[argc-1]  NULL  envp[0] …  NULL  auxv…
/// ```
#[cfg(target_arch = "x86_64")]
#[unsafe(no_mangle)]
#[unsafe(naked)]
unsafe extern "C" fn _start() -> ! {
    // The stack is aligned to 16 bytes, as a call wants it; the return address is never used.
    naked_asm!("mov rdi, rsp", "call {start}", start = sym start)
}

extern "C" fn start(argc: *mut usize) -> ! {
    // SAFETY: `_start` passes the stack as the kernel made it, once.
    let vectors = unsafe { Vectors::new(argc) };
    sys::exit(crate::main(vectors))
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo) -> ! {
    #[cfg(not(debug_assertions))]
    {
        unsafe extern "C" {
            #[link_name = "a panic is reachable"]
            safe fn reachable() -> !;
        }
        // No such symbol exists: a release with a reachable panic does not link.
        reachable()
    }
    #[cfg(debug_assertions)]
    sys::exit(134)
}

/// Unoptimized code refers to it; nothing ever unwinds.
#[cfg(debug_assertions)]
#[unsafe(no_mangle)]
extern "C" fn rust_eh_personality() {}
