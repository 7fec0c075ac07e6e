//! The ground floor: Linux's system calls, typed and safe, one function a call, with the kernel's own name.
//!
//! Nothing here decides anything: no policy, no defaults. EINTR is retried where a signal may interrupt a call.
//!
//! # Safety
//! Each `unsafe` block makes one system call or moves one pointer. A call is sound because its pointers come from
//! references or from [`zstr`]'s types, which hold good for as long as the kernel looks at them, and because the kernel
//! writes only into memory that was handed to it by `&mut`.

pub mod abi;
mod call;
mod clone;
mod file;
mod poll;
mod process;
mod signal;
mod socket;
mod text;
pub mod zstr;

pub use call::{Errno, Result};
pub use clone::{Manner, clone};
pub use file::*;
pub use poll::*;
pub use process::*;
pub use signal::*;
pub use socket::*;
pub use text::{Text, room};
