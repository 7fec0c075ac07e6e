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
///
/// `start` is called with the address of the argument count on a stack that is aligned as the architecture's calling
/// convention has it; it does not return.
#[unsafe(no_mangle)]
#[unsafe(naked)]
unsafe extern "C" fn _start() -> ! {
    #[cfg(target_arch = "x86_64")]
    naked_asm!("mov rdi, rsp", "call {start}", start = sym start);
    #[cfg(target_arch = "x86")]
    naked_asm!("mov eax, esp", "and esp, -16", "sub esp, 12", "push eax", "call {start}", start = sym start);
    #[cfg(target_arch = "aarch64")]
    naked_asm!("mov x0, sp", "bl {start}", start = sym start);
    #[cfg(target_arch = "arm")]
    naked_asm!("mov r0, sp", "bl {start}", start = sym start);
    #[cfg(target_arch = "riscv64")]
    naked_asm!("mv a0, sp", "call {start}", start = sym start);
    #[cfg(target_arch = "loongarch64")]
    naked_asm!("move $a0, $sp", "bl {start}", start = sym start);
    // A callee saves registers into its caller's frame.
    #[cfg(target_arch = "s390x")]
    naked_asm!("lgr %r2, %r15", "aghi %r15, -160", "brasl %r14, {start}", start = sym start);
    // r12 is where a function finds out what its table of contents is. (With big-endian's first ABI a function is a descriptor.)
    #[cfg(all(target_arch = "powerpc64", target_endian = "big"))]
    compile_error!("powerpc64 is known in its little-endian form alone");
    #[cfg(target_arch = "powerpc64")]
    naked_asm!(
        "mr 3, 1",
        "li 0, 0",
        "stdu 0, -32(1)",
        "lis 12, {start}@ha",
        "addi 12, 12, {start}@l",
        "mtctr 12",
        "bctrl",
        start = sym start,
    );
    // t9 is where a function finds out what its global pointer is; o32 callees save arguments into their caller's frame.
    #[cfg(target_arch = "mips")]
    naked_asm!(
        ".set noreorder",
        "move $4, $sp",
        "lui $25, %hi({start})",
        "addiu $25, $25, %lo({start})",
        "addiu $sp, $sp, -16",
        "jalr $25",
        "nop",
        ".set reorder",
        start = sym start,
    );
    #[cfg(target_arch = "mips64")]
    naked_asm!(
        ".set noreorder",
        "move $4, $sp",
        "lui $25, %hi({start})",
        "daddiu $25, $25, %lo({start})",
        "daddiu $sp, $sp, -16",
        "jalr $25",
        "nop",
        ".set reorder",
        start = sym start,
    );
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
        // SAFETY: nothing is declared wrongly that does not exist.
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
