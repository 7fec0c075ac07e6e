//! Making a child.

#![allow(unsafe_code)]

use core::arch::naked_asm;

use super::abi;
use super::call::{Errno, Result, Sysno, value};
use super::process::Pid;

/// `clone(flags)`—Make a child that runs `entry(argument)`; gives its pid. `exit_signal` is sent when it ends.
///
/// With CLONE_VM and CLONE_VFORK it runs in this process's memory while this process waits until it has executed a program
/// or ended. The kernel then copies no page table, and the child needs no stack: it runs `entry` below the caller's frames,
/// which stay as they are because the caller is suspended meanwhile. What `entry` writes through `argument` the caller
/// sees, unless the kernel (or an emulator in its place) made an ordinary child: nothing may depend on either.
///
/// Without both it runs in a copy of this process's memory.
///
/// # Errors
/// EINVAL: CLONE_VM without CLONE_VFORK, or the reverse; [clone(2)](https://man7.org/linux/man-pages/man2/clone.2.html)
pub fn clone<T>(flags: u32, exit_signal: u32, entry: extern "C" fn(&mut T) -> !, argument: &mut T) -> Result<Pid> {
    if (flags & abi::CLONE_VM != 0) != (flags & abi::CLONE_VFORK != 0) {
        return Err(Errno::INVAL);
    }
    let flags = flags | exit_signal;
    // SAFETY: `entry` takes the address of a `T`, which is lent to the child for as long as this process waits, or which is
    // the child's own copy; and it never returns into frames that both processes share.
    let answer = unsafe { nested_child(flags as usize, (&raw mut *argument).cast(), entry as usize) };
    value(answer).map(|pid| pid as Pid)
}

/// The system call; the child calls `entry(argument)`, the parent returns its answer.
///
/// The return address lies on the stack that both share. The child leaves it alone, as it pushes below.
///
/// # Safety
/// `flags` hold CLONE_VFORK if they hold CLONE_VM; `entry` takes `argument` and does not return.
#[cfg(target_arch = "x86_64")]
#[unsafe(naked)]
unsafe extern "C" fn nested_child(flags: usize, argument: *mut u8, entry: usize) -> usize {
    // clone(flags, stack, parent_tid, child_tid, tls): only the first two matter, no stack means the parent's. The call
    // keeps r8 and r9, in which the child finds what it has to do.
    naked_asm!(
        "mov r8, rsi",
        "mov r9, rdx",
        "xor esi, esi",
        "push {clone}",
        "pop rax",
        "syscall",
        "test eax, eax",
        "jz 2f",
        "ret",
        "2:",
        "mov rdi, r8",
        "push rax", // keeps the stack aligned to 16 bytes at the call
        "call r9",
        clone = const Sysno::clone as i32,
    )
}
