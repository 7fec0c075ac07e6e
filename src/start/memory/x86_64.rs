//! Each is one instruction, repeated.

use core::arch::asm;

/// Copies `count` bytes between places that do not overlap.
#[unsafe(no_mangle)]
unsafe extern "C" fn memcpy(to: *mut u8, from: *const u8, count: usize) -> *mut u8 {
    // SAFETY: the caller vouches for both places.
    unsafe {
        asm!("rep movsb", inout("rdi") to => _, inout("rsi") from => _, inout("rcx") count => _,
            options(nostack, preserves_flags))
    };
    to
}

/// Sets `count` bytes.
#[unsafe(no_mangle)]
unsafe extern "C" fn memset(to: *mut u8, byte: i32, count: usize) -> *mut u8 {
    // SAFETY: the caller vouches for the place.
    unsafe {
        asm!("rep stosb", inout("rdi") to => _, in("al") byte as u8, inout("rcx") count => _,
            options(nostack, preserves_flags))
    };
    to
}

/// Compares `count` bytes; 0 if they are the same.
#[unsafe(no_mangle)]
unsafe extern "C" fn bcmp(one: *const u8, other: *const u8, count: usize) -> i32 {
    let differ: u8;
    // SAFETY: the caller vouches for both places. With no bytes to compare, the flags that `cmp` leaves say equal.
    unsafe {
        asm!("cmp al, al", "repe cmpsb", "setne {differ}", differ = out(reg_byte) differ,
            inout("rsi") one => _, inout("rdi") other => _, inout("rcx") count => _, out("al") _, options(nostack))
    };
    differ.into()
}

/// The number of bytes before the NUL.
#[unsafe(no_mangle)]
unsafe extern "C" fn strlen(text: *const u8) -> usize {
    let mut rest = usize::MAX;
    // SAFETY: the caller vouches for the NUL.
    unsafe { asm!("repne scasb", inout("rdi") text => _, inout("rcx") rest, in("al") 0_u8, options(nostack)) };
    !rest - 1
}
