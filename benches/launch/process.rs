//! Starting and reaping processes with no more calls than that takes, and where this process runs.

#![allow(unsafe_code, reason = "std starts processes with more calls, and cannot say what one has used")]

use std::ffi::{CString, c_char, c_int};
use std::mem::MaybeUninit;
use std::ptr;

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// Strings as `execve` takes them.
pub struct Words {
    strings: Vec<CString>,
    pointers: Vec<*mut c_char>,
}

impl Words {
    pub fn new<Word: AsRef<str>>(words: impl IntoIterator<Item = Word>) -> Self {
        let strings = words.into_iter().map(|word| CString::new(word.as_ref()).expect("no null byte"));
        let strings: Vec<CString> = strings.collect();
        let pointers = strings.iter().map(|string| string.as_ptr().cast_mut()).chain([ptr::null_mut()]).collect();
        Words { strings, pointers }
    }
}

/// Whether what is started leads a process group of its own.
pub struct Attributes(libc::posix_spawnattr_t);

impl Attributes {
    pub fn new(leader: bool) -> Self {
        let mut attributes = MaybeUninit::uninit();
        // SAFETY: it is made to be initialized.
        assert_eq!(unsafe { libc::posix_spawnattr_init(attributes.as_mut_ptr()) }, 0);
        // SAFETY: it is initialized, and the process group is 0: the process's own.
        let mut attributes = unsafe { attributes.assume_init() };
        let flags = if leader { libc::POSIX_SPAWN_SETPGROUP } else { 0 };
        // SAFETY: the attributes are initialized.
        assert_eq!(unsafe { libc::posix_spawnattr_setflags(&mut attributes, flags as _) }, 0);
        Attributes(attributes)
    }
}

/// Starts a program and returns its process id.
pub fn spawn(words: &Words, environment: &Words, attributes: &Attributes) -> c_int {
    let mut pid = 0;
    // SAFETY: both arrays end with a null pointer, the attributes are initialized, the actions may be null.
    let error = unsafe {
        libc::posix_spawn(
            &mut pid,
            words.pointers[0],
            ptr::null(),
            &attributes.0,
            words.pointers.as_ptr(),
            environment.pointers.as_ptr(),
        )
    };
    assert_eq!(error, 0, "{:?}", words.strings);
    pid
}

/// A process that has ended, with what it and those of its children that it has waited for have used.
pub struct Ended {
    pub pid: c_int,
    pub status: c_int,
    /// Processor time in microseconds.
    pub time: f64,
    pub faults: f64,
}

/// Waits until a child ends; `None` if there is none left.
pub fn reap() -> Option<Ended> {
    let mut status = 0;
    let mut usage = MaybeUninit::uninit();
    // SAFETY: both are written.
    let pid = unsafe { libc::wait4(-1, &mut status, 0, usage.as_mut_ptr()) };
    if pid <= 0 {
        return None;
    }
    // SAFETY: the call has succeeded.
    let usage: libc::rusage = unsafe { usage.assume_init() };
    let microseconds = |time: libc::timeval| time.tv_sec as f64 * 1e6 + time.tv_usec as f64;
    let time = microseconds(usage.ru_utime) + microseconds(usage.ru_stime);
    Some(Ended { pid, status, time, faults: usage.ru_minflt as f64 })
}

/// Stays on the last of the processors that this process may have, which is returned.
pub fn stay_on_one_processor() -> usize {
    let allowed = sched_getaffinity(None).expect("a set of processors");
    let last = (0..CpuSet::MAX_CPU).rfind(|&processor| allowed.is_set(processor)).expect("a processor");
    let mut one = CpuSet::new();
    one.set(last);
    sched_setaffinity(None, &one).expect("it is allowed");
    last
}

/// Makes this process and its children run ahead of all ordinary ones; says whether the kernel allows that.
pub fn go_ahead() -> bool {
    let priority = libc::sched_param { sched_priority: 1 };
    // SAFETY: the parameter is read.
    unsafe { libc::sched_setscheduler(0, libc::SCHED_FIFO, &priority) == 0 }
}
