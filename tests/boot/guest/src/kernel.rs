//! The system calls, in the forms that every processor has.

use core::ffi::CStr;

use syscalls::{Errno, Sysno, syscall};

const AT_FDCWD: isize = -100;
const O_NOCTTY: usize = 0o400;

/// A system call. Every pointer among the arguments comes from a reference that outlives the call.
macro_rules! call {
    ($name:ident $(, $argument:expr)*) => {
        // SAFETY: the arguments are those of this call, and what they point to is alive and large enough.
        unsafe { syscall!(Sysno::$name $(, $argument)*) }
    };
}

/// What a path or a descriptor is.
#[repr(C)]
pub struct Statx {
    head: [u32; 7],
    pub mode: u16,
    spare: u16,
    sizes_and_times: [u64; 12],
    pub device: [u32; 2],
    rest: [u64; 15],
}

impl Statx {
    /// `descriptor` itself if the path is empty.
    pub fn of(descriptor: Option<usize>, path: &CStr) -> Option<Statx> {
        let mut stat =
            Statx { head: [0; 7], mode: 0, spare: 0, sizes_and_times: [0; 12], device: [0; 2], rest: [0; 15] };
        let from = descriptor.map_or(AT_FDCWD, |number| number as isize);
        // AT_EMPTY_PATH, AT_SYMLINK_NOFOLLOW; STATX_BASIC_STATS
        call!(statx, from, path.as_ptr(), 0x1100, 0x7ff, &raw mut stat).ok()?;
        Some(stat)
    }
}

pub fn exit(status: usize) -> ! {
    loop {
        let _ = call!(exit_group, status);
    }
}

/// Opens with the flags that are the same everywhere: 0, O_WRONLY, O_RDWR, O_CREAT.
pub fn open(path: &CStr, flags: usize) -> Result<usize, Errno> {
    call!(openat, AT_FDCWD, path.as_ptr(), flags | O_NOCTTY, 0o644)
}

pub fn close(descriptor: usize) {
    let _ = call!(close, descriptor);
}

pub fn read(descriptor: usize, bytes: &mut [u8]) -> usize {
    call!(read, descriptor, bytes.as_mut_ptr(), bytes.len()).unwrap_or(0)
}

pub fn write(descriptor: usize, bytes: &[u8]) {
    let _ = call!(write, descriptor, bytes.as_ptr(), bytes.len());
}

pub fn getdents(descriptor: usize, bytes: &mut [u8]) -> usize {
    call!(getdents64, descriptor, bytes.as_mut_ptr(), bytes.len()).unwrap_or(0)
}

pub fn pipe() -> Option<[u32; 2]> {
    let mut ends = [0; 2];
    call!(pipe2, &raw mut ends, 0).ok().map(|_| ends)
}

/// 0 in the child.
pub fn fork() -> Option<usize> {
    // SIGCHLD, and nothing shared.
    call!(clone, 17, 0, 0, 0, 0).ok()
}

pub fn execve(path: &CStr, words: &[&CStr], environment: &[*const u8; 1]) {
    let mut vector = [core::ptr::null(); crate::line::WORDS + 1];
    for (place, word) in vector.iter_mut().zip(words) {
        *place = word.as_ptr();
    }
    let _ = call!(execve, path.as_ptr(), &raw const vector, environment.as_ptr());
}

/// Waits for a child; none of them in particular if 0, and then only for what has ended already.
pub fn wait(child: usize) -> Option<u32> {
    let mut status = 0_u32;
    let (which, flags) = if child == 0 { (-1, 1) } else { (child as isize, 0) };
    match call!(wait4, which, &raw mut status, flags, 0) {
        Ok(0) | Err(_) => None,
        Ok(_) => Some(status),
    }
}

/// Whether there is such a process, be it a zombie.
pub fn exists(pid: u32) -> bool {
    call!(kill, pid, 0).is_ok()
}

pub fn pid() -> usize {
    call!(getpid).unwrap_or(0)
}

pub fn session() -> usize {
    call!(getsid, 0).unwrap_or(0)
}

pub fn group() -> usize {
    call!(getpgid, 0).unwrap_or(0)
}

pub fn mount(kind: &CStr, directory: &CStr) -> Result<usize, Errno> {
    call!(mount, kind.as_ptr(), directory.as_ptr(), kind.as_ptr(), 0, 0)
}

/// Lets ten milliseconds pass.
pub fn pause() {
    let time = [0_isize, 10_000_000];
    let _ = call!(nanosleep, &raw const time, 0);
}

pub fn power_off() {
    let _ = call!(reboot, 0xfee1_dead_usize, 672_274_793, 0x4321_fedc_usize, 0);
}
