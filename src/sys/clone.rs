//! Making a child.

#![allow(unsafe_code)]

use core::arch::naked_asm;

use super::abi;
use super::call::{Result, number, value};
use super::process::Pid;

/// How a child is made: clone's flags, of which CLONE_VM and CLONE_VFORK go together, and the signal that is sent when it ends.
#[derive(Clone, Copy, PartialEq)]
pub struct Manner(u32);

impl Manner {
    /// The child runs in a copy of this process's memory.
    pub const FORK: Manner = Manner(0);

    /// It runs in this process's memory while this process waits until it has executed a program or ended.
    pub const VFORK: Manner = Manner(abi::CLONE_VM | abi::CLONE_VFORK);

    /// The same with other flags, or a signal.
    pub const fn with(self, flags: u32) -> Manner {
        Manner(self.0 | flags & !Manner::VFORK.0)
    }

    /// The same with no other flags but these, as far as it has them.
    pub const fn reduced_to(self, flags: u32) -> Manner {
        Manner(self.0 & (flags | Manner::VFORK.0))
    }
}

/// `clone(flags)`—Make a child that runs `entry(argument)`; gives its pid. With CLONE_PARENT_SETTID the kernel writes the pid to
/// its `place` in the argument, too, before the child runs.
///
/// Where the child is made as by vfork, the kernel copies no page table, and the child needs no stack: it runs `entry` below the
/// caller's frames, which stay as they are because the caller is suspended meanwhile. What `entry` writes through `argument` the
/// caller sees, unless the kernel (or an emulator in its place) made an ordinary child: nothing may depend on either.
///
/// # Errors
/// [clone(2)](https://man7.org/linux/man-pages/man2/clone.2.html)
pub fn clone<T>(
    manner: Manner,
    entry: extern "C" fn(&mut T) -> !,
    argument: &mut T,
    place: fn(&mut T) -> &mut Pid,
) -> Result<Pid> {
    let pid = &raw mut *place(argument);
    // SAFETY: `entry` takes the address of a `T`, which is lent to the child for as long as this process waits, or which is
    // the child's own copy; and it never returns into frames that both processes share. The place is lent like it.
    let answer = unsafe { nested_child(manner.0 as usize, (&raw mut *argument).cast(), pid, entry as usize) };
    value(answer).map(|pid| pid as Pid)
}

/// The system call; the child calls `entry(argument)`, the parent returns its answer.
///
/// Both go on with the same stack. What the parent needs of it lies above, as the child pushes below; what the child needs
/// is in registers that the kernel keeps, or above as well. Of clone's arguments only the first three matter: the flags, the
/// stack, of which none means the parent's, and the place for the pid, which comes third everywhere. The others, in any order
/// that an architecture has them, are looked at only with flags that nobody sets.
///
/// # Safety
/// `flags` hold CLONE_VFORK if they hold CLONE_VM; `entry` takes `argument` and does not return; `pid` can be written.
#[unsafe(naked)]
unsafe extern "C" fn nested_child(flags: usize, argument: *mut u8, pid: *mut Pid, entry: usize) -> usize {
    #[cfg(target_arch = "x86_64")]
    naked_asm!(
        "mov r8, rsi",
        "mov r9, rcx",
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
        clone = const number::clone as i32,
    );
    #[cfg(target_arch = "x86")]
    naked_asm!(
        "push ebx",
        "mov ebx, [esp + 8]",
        "xor ecx, ecx",
        "mov edx, [esp + 16]",
        "push {clone}",
        "pop eax",
        "int 0x80",
        "test eax, eax",
        "jz 2f",
        "pop ebx",
        "ret",
        "2:",
        "mov eax, [esp + 12]",
        "mov ecx, [esp + 20]",
        "and esp, -16",
        "sub esp, 12",
        "push eax",
        "call ecx",
        clone = const number::clone as i32,
    );
    #[cfg(target_arch = "aarch64")]
    naked_asm!(
        "mov x4, x1",
        "mov x1, #0",
        "mov x8, #{clone}",
        "svc #0",
        "cbz x0, 2f",
        "ret",
        "2:",
        "mov x0, x4",
        "blr x3",
        clone = const number::clone as i32,
    );
    #[cfg(target_arch = "arm")]
    naked_asm!(
        "push {{r7, lr}}",
        "mov r12, r1",
        "movs r1, #0",
        "movs r7, #{clone}",
        "svc #0",
        "cmp r0, #0",
        "beq 2f",
        "pop {{r7, pc}}",
        "2:",
        "mov r0, r12",
        "mov pc, r3",
        clone = const number::clone as i32,
    );
    #[cfg(target_arch = "riscv64")]
    naked_asm!(
        "mv a4, a1",
        "li a1, 0",
        "li a7, {clone}",
        "ecall",
        "beqz a0, 2f",
        "ret",
        "2:",
        "mv a0, a4",
        "jalr a3",
        clone = const number::clone as i32,
    );
    #[cfg(target_arch = "loongarch64")]
    naked_asm!(
        "move $a4, $a1",
        "move $a1, $zero",
        "li.w $a7, {clone}",
        "syscall 0",
        "beqz $a0, 2f",
        "ret",
        "2:",
        "move $a0, $a4",
        "jirl $ra, $a3, 0",
        clone = const number::clone as i32,
    );
    // Here the stack comes first.
    #[cfg(target_arch = "s390x")]
    naked_asm!(
        "lgr %r1, %r3",
        "lgr %r3, %r2",
        "lghi %r2, 0",
        "svc {clone}",
        "ltgr %r2, %r2",
        "jz 2f",
        "br %r14",
        "2:",
        "lgr %r2, %r1",
        "basr %r14, %r5",
        clone = const number::clone as i32,
    );
    // The kernel keeps the registers that a callee would; an error shows as a condition.
    #[cfg(target_arch = "powerpc64")]
    naked_asm!(
        "stdu 1, -64(1)",
        "std 30, 48(1)",
        "std 31, 56(1)",
        "mr 30, 4",
        "mr 31, 6",
        "li 4, 0",
        "li 0, {clone}",
        "sc",
        "bso 3f",
        "cmpdi 3, 0",
        "beq 2f",
        "1:",
        "ld 30, 48(1)",
        "ld 31, 56(1)",
        "addi 1, 1, 64",
        "blr",
        "3:",
        "neg 3, 3",
        "b 1b",
        "2:",
        "mr 3, 30",
        "mr 12, 31",
        "mtctr 12",
        "bctrl",
        clone = const number::clone as i32,
    );
    // An error shows in another register.
    #[cfg(target_arch = "mips")]
    naked_asm!(
        ".set noreorder",
        "addiu $sp, $sp, -32",
        "sw $5, 24($sp)",
        "sw $7, 28($sp)",
        "move $5, $zero",
        "li $2, {clone}",
        "syscall",
        "bnez $7, 3f",
        "nop",
        "beqz $2, 2f",
        "nop",
        "1:",
        "jr $ra",
        "addiu $sp, $sp, 32",
        "3:",
        "b 1b",
        "negu $2, $2",
        "2:",
        "lw $4, 24($sp)",
        "lw $25, 28($sp)",
        "jalr $25",
        "nop",
        ".set reorder",
        clone = const number::clone as i32,
    );
    #[cfg(target_arch = "mips64")]
    naked_asm!(
        ".set noreorder",
        "daddiu $sp, $sp, -16",
        "sd $5, 8($sp)",
        "sd $7, 0($sp)",
        "move $5, $zero",
        "li $2, {clone}",
        "syscall",
        "bnez $7, 3f",
        "nop",
        "beqz $2, 2f",
        "nop",
        "1:",
        "jr $ra",
        "daddiu $sp, $sp, 16",
        "3:",
        "b 1b",
        "dnegu $2, $2",
        "2:",
        "ld $4, 8($sp)",
        "ld $25, 0($sp)",
        "jalr $25",
        "nop",
        ".set reorder",
        clone = const number::clone as i32,
    );
}
