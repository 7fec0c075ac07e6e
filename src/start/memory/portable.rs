//! Byte by byte, as any processor can.

use core::arch::asm;

/// Keeps a loop what it is: the compiler would take it for the very function that it is in, and call that.
#[inline(always)]
fn as_written() {
    // SAFETY: there is no instruction.
    unsafe { asm!("", options(nostack, preserves_flags)) };
}

/// Copies `count` bytes between places that do not overlap.
#[unsafe(no_mangle)]
unsafe extern "C" fn memcpy(to: *mut u8, from: *const u8, count: usize) -> *mut u8 {
    for index in 0..count {
        // SAFETY: the caller vouches for both places.
        let byte = unsafe { from.wrapping_add(index).read() };
        // SAFETY: the same.
        unsafe { to.wrapping_add(index).write(byte) };
        as_written();
    }
    to
}

/// Sets `count` bytes.
#[unsafe(no_mangle)]
unsafe extern "C" fn memset(to: *mut u8, byte: i32, count: usize) -> *mut u8 {
    for index in 0..count {
        // SAFETY: the caller vouches for the place.
        unsafe { to.wrapping_add(index).write(byte as u8) };
        as_written();
    }
    to
}

/// Compares `count` bytes; 0 if they are the same.
#[unsafe(no_mangle)]
unsafe extern "C" fn bcmp(one: *const u8, other: *const u8, count: usize) -> i32 {
    for index in 0..count {
        // SAFETY: the caller vouches for both places.
        let byte = unsafe { one.wrapping_add(index).read() };
        // SAFETY: the same.
        if byte != unsafe { other.wrapping_add(index).read() } {
            return 1;
        }
        as_written();
    }
    0
}

/// The number of bytes before the NUL.
#[unsafe(no_mangle)]
unsafe extern "C" fn strlen(text: *const u8) -> usize {
    let mut end = text;
    // SAFETY: the caller vouches for the NUL.
    while unsafe { end.read() } != 0 {
        end = end.wrapping_add(1);
        as_written();
    }
    end as usize - text as usize
}
