//! Descriptors, paths and locks.

#![allow(unsafe_code)]

use core::mem::MaybeUninit;

use super::abi;
use super::call::{Errno, Result, Sysno, done, raw_syscall, value};
use super::zstr::ZStr;

/// A descriptor's number.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(transparent)]
pub struct Fd(pub i32);

impl Fd {
    /// Standard input.
    pub const STDIN: Fd = Fd(0);
    /// Standard output.
    pub const STDOUT: Fd = Fd(1);
    /// Standard error.
    pub const STDERR: Fd = Fd(2);
    /// No descriptor.
    pub const NONE: Fd = Fd(-1);
    /// The working directory, where a call takes a directory's descriptor.
    pub const CWD: Fd = Fd(abi::AT_FDCWD);

    /// Whether there is a descriptor.
    pub fn is_some(self) -> bool {
        self.0 >= 0
    }
}

fn descriptor(answer: usize) -> Result<Fd> {
    value(answer).map(|number| Fd(number as i32))
}

/// `openat(dir, path, flags, mode)`—Open or create a file. Always close-on-exec, never a controlling terminal.
///
/// # Errors
/// [openat(2)](https://man7.org/linux/man-pages/man2/openat.2.html)
pub fn openat(dir: Fd, path: ZStr, flags: u32, mode: u32) -> Result<Fd> {
    let flags = flags | abi::O_CLOEXEC | abi::O_NOCTTY;
    loop {
        // SAFETY: the kernel reads the path up to its NUL.
        let answer = unsafe { raw_syscall!(Sysno::openat, dir.0, path.as_ptr(), flags, mode) };
        match descriptor(answer) {
            Err(Errno::INTR) => continue,
            opened => return opened,
        }
    }
}

/// `close(fd)`—Close a descriptor.
///
/// Without errors: the descriptor is gone whatever [close(2)](https://man7.org/linux/man-pages/man2/close.2.html) says.
pub fn close(fd: Fd) {
    // SAFETY: takes no pointer.
    let _ = unsafe { raw_syscall!(Sysno::close, fd.0) };
}

/// `close_range(first, last, flags)`—Close all descriptors from `first` to `last`, both included.
///
/// # Errors
/// [close_range(2)](https://man7.org/linux/man-pages/man2/close_range.2.html); ENOSYS before Linux 5.9.
pub fn close_range(first: u32, last: u32, flags: u32) -> Result<()> {
    // SAFETY: takes no pointer.
    done(unsafe { raw_syscall!(Sysno::close_range, first, last, flags) })
}

/// `dup3(from, to, flags)`—Make `to` a copy of `from`, closing first what it was.
///
/// # Errors
/// [dup3(2)](https://man7.org/linux/man-pages/man2/dup3.2.html)
pub fn dup3(from: Fd, to: Fd, flags: u32) -> Result<()> {
    loop {
        // SAFETY: takes no pointer.
        match descriptor(unsafe { raw_syscall!(Sysno::dup3, from.0, to.0, flags) }) {
            Err(Errno::INTR) => continue,
            Err(errno) => return Err(errno),
            Ok(_) => return Ok(()),
        }
    }
}

/// `fcntl(fd, command, argument)` for the commands whose argument is a number.
///
/// # Errors
/// [fcntl(2)](https://man7.org/linux/man-pages/man2/fcntl.2.html)
pub fn fcntl(fd: Fd, command: u32, argument: u32) -> Result<Fd> {
    // SAFETY: with these commands the argument is no pointer.
    descriptor(unsafe { raw_syscall!(FCNTL, fd.0, command, argument) })
}

/// `fcntl(fd, F_SETLK)`—Lock the whole file for writing, at once or not at all.
///
/// # Errors
/// EAGAIN: another process holds a lock;
/// [F_SETLK(2const)](https://man7.org/linux/man-pages/man2/F_SETLK.2const.html)
pub fn lock(fd: Fd) -> Result<()> {
    let lock = whole_file(abi::F_WRLCK);
    // SAFETY: the kernel reads the structure.
    done(unsafe { raw_syscall!(FCNTL, fd.0, abi::F_SETLK, &raw const lock) })
}

/// `fcntl(fd, F_GETLK)`—Who holds a lock that stands against one of this `kind` (F_RDLCK, F_WRLCK) on the whole file:
/// its pid, -1 for a lock of another kind, 0 for a process of another pid namespace; `None` if nobody does.
///
/// # Errors
/// [F_GETLK(2const)](https://man7.org/linux/man-pages/man2/F_GETLK.2const.html)
pub fn lock_holder(fd: Fd, kind: u32) -> Result<Option<i32>> {
    let mut lock = whole_file(kind);
    // SAFETY: the kernel writes the structure.
    done(unsafe { raw_syscall!(FCNTL, fd.0, abi::F_GETLK, &raw mut lock) })?;
    Ok((lock.l_type != abi::F_UNLCK as i16).then_some(lock.l_pid))
}

const FCNTL: Sysno = Sysno::fcntl;

fn whole_file(kind: u32) -> abi::flock {
    abi::flock { l_type: kind as i16, l_whence: 0, l_start: 0, l_len: 0, l_pid: 0 }
}

/// What [`fstat`] and [`fstatat`] tell of a file.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub struct Stat(abi::stat);

impl Stat {
    /// The file's type, one of S_IFMT's values.
    pub fn kind(&self) -> u32 {
        self.0.st_mode & abi::S_IFMT
    }

    /// The permission bits.
    pub fn permissions(&self) -> u32 {
        self.0.st_mode & 0o7777
    }

    /// How many names the file has.
    pub fn links(&self) -> u32 {
        self.0.st_nlink as u32
    }

    /// The owner's user id.
    pub fn owner(&self) -> u32 {
        self.0.st_uid
    }

    /// Whether this is the character device `major`:`minor` (both below 256).
    pub fn is_character_device(&self, major: u32, minor: u32) -> bool {
        self.kind() == abi::S_IFCHR && self.0.st_rdev == u64::from(device(major, minor))
    }

    /// Whether both are one and the same file.
    pub fn is_same_file(&self, other: &Stat) -> bool {
        self.0.st_ino == other.0.st_ino && self.0.st_dev == other.0.st_dev
    }

    /// When the file was last written, in nanoseconds since 1970.
    pub fn written(&self) -> i64 {
        nanoseconds(self.0.st_mtime as i64, self.0.st_mtime_nsec as i64)
    }
}

/// Seconds and nanoseconds as nanoseconds alone, which reach to the year 2262.
pub(super) fn nanoseconds(seconds: i64, nanoseconds: i64) -> i64 {
    seconds.wrapping_mul(1_000_000_000).wrapping_add(nanoseconds)
}

/// A device's number as the kernel packs it, for a major and minor below 256.
const fn device(major: u32, minor: u32) -> u32 {
    major << 8 | minor
}

/// `fstat(fd)`—What a descriptor refers to.
///
/// # Errors
/// [fstat(2)](https://man7.org/linux/man-pages/man2/fstat.2.html)
pub fn fstat(fd: Fd) -> Result<Stat> {
    let mut stat = MaybeUninit::<Stat>::uninit();
    // SAFETY: the kernel writes the structure.
    done(unsafe { raw_syscall!(Sysno::fstat, fd.0, stat.as_mut_ptr()) })?;
    // SAFETY: the call succeeded, so that it is written.
    Ok(unsafe { stat.assume_init() })
}

/// `newfstatat(dir, path, flags)`—What a path names; with AT_SYMLINK_NOFOLLOW a symbolic link is told of itself.
///
/// # Errors
/// [newfstatat(2)](https://man7.org/linux/man-pages/man2/newfstatat.2.html)
pub fn fstatat(dir: Fd, path: ZStr, flags: u32) -> Result<Stat> {
    let mut stat = MaybeUninit::<Stat>::uninit();
    // SAFETY: the kernel reads the path up to its NUL and writes the structure.
    done(unsafe { raw_syscall!(Sysno::newfstatat, dir.0, path.as_ptr(), stat.as_mut_ptr(), flags) })?;
    // SAFETY: the call succeeded, so that it is written.
    Ok(unsafe { stat.assume_init() })
}

/// `read(fd, buffer)`—Read at most as many bytes as the buffer holds; 0 is the end of the file.
///
/// # Errors
/// [read(2)](https://man7.org/linux/man-pages/man2/read.2.html)
pub fn read(fd: Fd, buffer: &mut [u8]) -> Result<usize> {
    loop {
        // SAFETY: the kernel writes within the buffer.
        match value(unsafe { raw_syscall!(Sysno::read, fd.0, buffer.as_mut_ptr(), buffer.len()) }) {
            Err(Errno::INTR) => continue,
            answer => return answer,
        }
    }
}

/// `write(fd, bytes)`—Write; all or an error: fewer bytes are EIO.
///
/// # Errors
/// [write(2)](https://man7.org/linux/man-pages/man2/write.2.html)
pub fn write(fd: Fd, bytes: &[u8]) -> Result<()> {
    loop {
        // SAFETY: the kernel reads within the slice.
        match value(unsafe { raw_syscall!(Sysno::write, fd.0, bytes.as_ptr(), bytes.len()) }) {
            Err(Errno::INTR) => continue,
            Ok(count) if count != bytes.len() => return Err(Errno::IO),
            answer => return answer.map(|_| ()),
        }
    }
}

/// `ftruncate(fd, 0)`—Empty a file.
///
/// # Errors
/// EINVAL: not a regular file; [ftruncate(2)](https://man7.org/linux/man-pages/man2/ftruncate.2.html)
pub fn truncate(fd: Fd) -> Result<()> {
    // SAFETY: takes no pointer.
    done(unsafe { raw_syscall!(Sysno::ftruncate, fd.0, 0) })
}

/// `unlinkat(dir, path)`—Remove a name.
///
/// # Errors
/// [unlinkat(2)](https://man7.org/linux/man-pages/man2/unlinkat.2.html)
pub fn unlinkat(dir: Fd, path: ZStr) -> Result<()> {
    // SAFETY: the kernel reads the path up to its NUL.
    done(unsafe { raw_syscall!(Sysno::unlinkat, dir.0, path.as_ptr(), 0) })
}

/// `mknodat(path, S_IFCHR, major:minor)`—Make a character device, with a major and minor below 256, that all may use.
///
/// # Errors
/// [mknodat(2)](https://man7.org/linux/man-pages/man2/mknodat.2.html)
pub fn mknod_character(path: ZStr, major: u32, minor: u32) -> Result<()> {
    let mode = abi::S_IFCHR | 0o666;
    // SAFETY: the kernel reads the path up to its NUL.
    done(unsafe { raw_syscall!(Sysno::mknodat, abi::AT_FDCWD, path.as_ptr(), mode, device(major, minor)) })
}

/// `pipe2(O_CLOEXEC)`—A pipe: its read end, its write end.
///
/// # Errors
/// [pipe2(2)](https://man7.org/linux/man-pages/man2/pipe2.2.html)
pub fn pipe() -> Result<[Fd; 2]> {
    let mut ends = [Fd::NONE; 2];
    // SAFETY: the kernel writes two descriptors.
    done(unsafe { raw_syscall!(Sysno::pipe2, ends.as_mut_ptr(), abi::O_CLOEXEC) })?;
    Ok(ends)
}

/// `chdir(path)`—Change the working directory.
///
/// # Errors
/// [chdir(2)](https://man7.org/linux/man-pages/man2/chdir.2.html)
pub fn chdir(path: ZStr) -> Result<()> {
    // SAFETY: the kernel reads the path up to its NUL.
    done(unsafe { raw_syscall!(Sysno::chdir, path.as_ptr()) })
}

/// `umask(mask)`—Set the file mode creation mask; gives the old one.
///
/// Always succeeds: [umask(2)](https://man7.org/linux/man-pages/man2/umask.2.html).
pub fn umask(mask: u32) -> u32 {
    // SAFETY: takes no pointer.
    (unsafe { raw_syscall!(Sysno::umask, mask) }) as u32
}

/// `getdents64(fd, buffer)`—The next entries of a directory, as [`split_entry`] takes them; none at its end.
///
/// # Errors
/// [getdents64(2)](https://man7.org/linux/man-pages/man2/getdents64.2.html)
pub fn getdents64(fd: Fd, buffer: &mut [u8]) -> Result<&[u8]> {
    // SAFETY: the kernel writes within the buffer.
    let size = value(unsafe { raw_syscall!(Sysno::getdents64, fd.0, buffer.as_mut_ptr(), buffer.len()) })?;
    Ok(buffer.get(..size).unwrap_or_default())
}

/// The first entry's name, with what pads it, and the other entries (struct linux_dirent64).
pub fn split_entry(entries: &[u8]) -> Option<(&[u8], &[u8])> {
    let size = u16::from_ne_bytes(*entries.get(16..)?.first_chunk()?);
    let (entry, rest) = entries.split_at_checked(size.into())?;
    Some((entry.get(19..)?, rest))
}

/// A path under construction: room for the longest one that the kernel takes.
pub struct PathBuffer {
    bytes: [MaybeUninit<u8>; abi::PATH_MAX],
    length: usize,
}

impl PathBuffer {
    /// An empty path. The room is not touched before it is used.
    pub const fn new() -> Self {
        PathBuffer { bytes: [const { MaybeUninit::uninit() }; abi::PATH_MAX], length: 0 }
    }

    /// Forgets all but the first `length` bytes.
    pub fn cut(&mut self, length: usize) {
        self.length = self.length.min(length);
    }

    /// Appends bytes.
    ///
    /// # Errors
    /// ENAMETOOLONG if they don't fit together with a NUL.
    pub fn push(&mut self, bytes: &[u8]) -> Result<()> {
        for byte in bytes {
            // One slot is always left for the NUL.
            match self.bytes.get_mut(self.length..) {
                Some([slot, _, ..]) => slot.write(*byte),
                _ => return Err(Errno::NAMETOOLONG),
            };
            self.length += 1;
        }
        Ok(())
    }

    /// Appends a number.
    ///
    /// # Errors
    /// ENAMETOOLONG if it doesn't fit.
    pub fn push_decimal(&mut self, number: u32) -> Result<()> {
        if number > 9 {
            self.push_decimal(number / 10)?;
        }
        self.push(&[b'0' + (number % 10) as u8])
    }

    /// `getcwd()`—Replaces the path by that of the working directory.
    ///
    /// # Errors
    /// ENOENT: the directory was deleted, or lies outside of the root;
    /// [getcwd(2)](https://man7.org/linux/man-pages/man2/getcwd.2.html)
    pub fn getcwd(&mut self) -> Result<()> {
        // SAFETY: the kernel writes within the buffer.
        let size = value(unsafe { raw_syscall!(Sysno::getcwd, self.bytes.as_mut_ptr(), abi::PATH_MAX) })?;
        self.length = size - 1; // the kernel counts the NUL
        match self.as_zstr().first() {
            b'/' => Ok(()),
            _ => Err(Errno::NOENT),
        }
    }

    /// The path as a string.
    pub fn as_zstr(&mut self) -> ZStr<'_> {
        if let Some(slot) = self.bytes.get_mut(self.length) {
            slot.write(0);
        }
        // SAFETY: `length` bytes are written, and `length` stays below the size, so that the NUL is too.
        ZStr::new(unsafe { core::ffi::CStr::from_ptr(self.bytes.as_ptr().cast()) })
    }
}
