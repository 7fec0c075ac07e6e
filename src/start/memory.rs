//! The memory functions that compiled code calls (C17 7.24), where the target's prebuilt `core` has none.

#![allow(unsafe_code)]

#[cfg(not(target_arch = "x86_64"))]
mod portable;
#[cfg(target_arch = "x86_64")]
mod x86_64;
