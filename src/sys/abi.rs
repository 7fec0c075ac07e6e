//! The kernel's constants and structures, as this architecture has them.
//!
//! Generated from the kernel's own headers by crate `linux-raw-sys`; this is the one file that names it. What that
//! crate leaves out stands below with its header.

use core::ffi::CStr;

pub use linux_raw_sys::auxvec::{AT_NULL, AT_UID};
pub use linux_raw_sys::errno::{
    E2BIG, EACCES, EAGAIN, EBADF, ECHILD, EEXIST, EINTR, EINVAL, EIO, EISDIR, ELOOP, EMFILE, ENAMETOOLONG, ENOENT,
    ENOEXEC, ENOMEM, ENOSPC, ENOSYS, ENOTDIR, ENOTTY, ENXIO, EPERM, EPIPE, EROFS, ESRCH, ETXTBSY,
};
pub use linux_raw_sys::general::{
    __WALL, _NSIG as NSIG, AT_EMPTY_PATH, AT_FDCWD, AT_SYMLINK_NOFOLLOW, CLOCK_BOOTTIME, CLOCK_MONOTONIC,
    CLOCK_REALTIME, CLONE_FILES, CLONE_FS, CLONE_PARENT, CLONE_PARENT_SETTID, CLONE_SIGHAND, CLONE_VFORK, CLONE_VM,
    F_DUPFD, F_DUPFD_CLOEXEC, F_GETFD, F_RDLCK, F_SETFD, F_SETFL, F_WRLCK, FD_CLOEXEC, MAP_ANONYMOUS, MAP_PRIVATE,
    O_APPEND, O_CLOEXEC, O_CREAT, O_DIRECTORY, O_EXCL, O_LARGEFILE, O_NOCTTY, O_NOFOLLOW, O_NONBLOCK, O_PATH, O_RDONLY,
    O_RDWR, O_WRONLY, POLLIN, POLLOUT, PRIO_PROCESS, PROT_READ, PROT_WRITE, RLIMIT_NOFILE, S_IFCHR, S_IFMT, S_IFREG,
    SEEK_END, SIG_SETMASK, SIGCHLD, SIGCONT, SIGHUP, SIGINT, SIGKILL, SIGPIPE, SIGQUIT, SIGSTOP, SIGTERM, SIGTSTP,
    SIGTTIN, SIGTTOU, SIGXFSZ, WNOHANG, pollfd, rlimit64,
};

#[cfg(not(target_pointer_width = "32"))]
pub use linux_raw_sys::general::{F_GETLK, F_SETLK, flock, stat};
// Sizes and file numbers of 64 bits.
#[cfg(target_pointer_width = "32")]
pub use linux_raw_sys::general::{F_GETLK64 as F_GETLK, F_SETLK64 as F_SETLK, flock64 as flock, stat64 as stat};
#[cfg(target_arch = "loongarch64")]
pub use linux_raw_sys::general::{STATX_BASIC_STATS, statx};

pub use linux_raw_sys::ioctl::{TIOCGPGRP, TIOCSCTTY, TIOCSPGRP};
pub use linux_raw_sys::net::{
    AF_UNIX, MSG_DONTWAIT, SO_PASSCRED, SOCK_DGRAM, SOL_SOCKET, cmsghdr, msghdr, sockaddr_un, ucred,
};
pub use linux_raw_sys::prctl::{
    PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, PR_SET_CHILD_SUBREAPER, PR_SET_NO_NEW_PRIVS, PR_SET_PDEATHSIG,
};

/// `close_range`: the caller gets a descriptor table of its own first (include/uapi/linux/close_range.h).
pub const CLOSE_RANGE_UNSHARE: u32 = 1 << 1;

/// The longest path with its NUL (include/uapi/linux/limits.h).
pub const PATH_MAX: usize = 4096;

/// The highest real-time signal as the C library has it, which leaves out one that an exit status could not tell.
pub const SIGRTMAX: u32 = if NSIG > 64 { NSIG - 1 } else { NSIG };

/// The signals' names without SIG, a line each, from signal 1 on (signal(7)).
#[cfg(not(any(target_arch = "mips", target_arch = "mips64")))]
pub const SIGNAL_NAMES: &CStr = c"HUP\nINT\nQUIT\nILL\nTRAP\nABRT\nBUS\nFPE\nKILL\nUSR1\nSEGV\nUSR2\nPIPE\nALRM\nTERM\nSTKFLT\nCHLD\nCONT\nSTOP\nTSTP\nTTIN\nTTOU\nURG\nXCPU\nXFSZ\nVTALRM\nPROF\nWINCH\nIO\nPWR\nSYS\n";
/// The signals' names without SIG, a line each, from signal 1 on (signal(7)).
#[cfg(any(target_arch = "mips", target_arch = "mips64"))]
pub const SIGNAL_NAMES: &CStr = c"HUP\nINT\nQUIT\nILL\nTRAP\nABRT\nEMT\nFPE\nKILL\nBUS\nSEGV\nSYS\nPIPE\nALRM\nTERM\nUSR1\nUSR2\nCHLD\nPWR\nWINCH\nURG\nIO\nSTOP\nTSTP\nCONT\nTTIN\nTTOU\nVTALRM\nPROF\nXCPU\nXFSZ\n";

/// The limits' names without RLIMIT_, a line each, from resource 0 on (getrlimit(2)).
#[cfg(not(any(target_arch = "mips", target_arch = "mips64")))]
pub const RLIMIT_NAMES: &CStr = c"CPU\nFSIZE\nDATA\nSTACK\nCORE\nRSS\nNPROC\nNOFILE\nMEMLOCK\nAS\nLOCKS\nSIGPENDING\nMSGQUEUE\nNICE\nRTPRIO\nRTTIME\n";
/// The limits' names without RLIMIT_, a line each, from resource 0 on (getrlimit(2)).
#[cfg(any(target_arch = "mips", target_arch = "mips64"))]
pub const RLIMIT_NAMES: &CStr = c"CPU\nFSIZE\nDATA\nSTACK\nCORE\nNOFILE\nAS\nRSS\nNPROC\nMEMLOCK\nLOCKS\nSIGPENDING\nMSGQUEUE\nNICE\nRTPRIO\nRTTIME\n";

/// `socket`: close at exec (include/linux/net.h).
pub const SOCK_CLOEXEC: u32 = O_CLOEXEC;

/// No limit, as `prlimit64` has it on every architecture (include/uapi/linux/resource.h).
pub const RLIM_INFINITY: u64 = u64::MAX;

/// How many limits there are (include/uapi/asm-generic/resource.h).
pub const RLIM_NLIMITS: usize = 16;

/// `ioprio_set`: of one process (include/uapi/linux/ioprio.h).
pub const IOPRIO_WHO_PROCESS: u32 = 1;

/// The most supplementary groups (include/uapi/linux/limits.h).
pub const NGROUPS_MAX: usize = 65536;
