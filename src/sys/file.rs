//! Descriptors, paths and locks.

#![allow(unsafe_code)]

use core::mem::MaybeUninit;

use super::abi;
use super::call::{Errno, Result, Sysno, ask, call, done, number, order, persist, position, value};
use super::zstr::{Word, ZStr};

/// A descriptor's number.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(transparent)]
pub struct Fd(pub u32);

impl Fd {
    /// Standard input.
    pub const STDIN: Fd = Fd(0);
    /// Standard output.
    pub const STDOUT: Fd = Fd(1);
    /// Standard error.
    pub const STDERR: Fd = Fd(2);
    /// No descriptor.
    pub const NONE: Fd = Fd(u32::MAX);
    /// The working directory, where a call takes a directory's descriptor.
    pub const CWD: Fd = Fd(abi::AT_FDCWD as u32);

    /// Whether there is a descriptor.
    pub fn is_some(self) -> bool {
        self != Fd::NONE
    }
}

/// `openat(dir, path, flags, mode)`—Open or create a file. Always close-on-exec, never a controlling terminal.
///
/// # Errors
/// [openat(2)](https://man7.org/linux/man-pages/man2/openat.2.html)
pub fn openat(dir: Fd, path: ZStr, flags: u32, mode: u32) -> Result<Fd> {
    let flags = flags | abi::O_CLOEXEC | abi::O_NOCTTY | abi::O_LARGEFILE;
    // SAFETY: the kernel reads the path up to its NUL.
    unsafe { persist(dir.0 as usize, path.as_ptr() as usize, flags as usize, mode as usize, number::openat) }.map(Fd)
}

/// `openat(AT_FDCWD, path, flags)`—Open a file that is there.
///
/// # Errors
/// As [`openat`].
#[inline(never)]
pub fn open(path: ZStr, flags: u32) -> Result<Fd> {
    openat(Fd::CWD, path, flags, 0)
}

/// `close(fd)`—Close a descriptor.
///
/// Without errors: the descriptor is gone whatever [close(2)](https://man7.org/linux/man-pages/man2/close.2.html) says.
pub fn close(fd: Fd) {
    // SAFETY: takes no pointer.
    let _ = unsafe { call!(close, fd.0) };
}

/// `close_range(first, last, flags)`—Close all descriptors from `first` to `last`, both included.
///
/// # Errors
/// [close_range(2)](https://man7.org/linux/man-pages/man2/close_range.2.html); ENOSYS before Linux 5.9.
pub fn close_range(first: u32, last: u32, flags: u32) -> Result<()> {
    // SAFETY: takes no pointer.
    done(unsafe { call!(close_range, first, last, flags) })
}

/// `dup3(from, to, flags)`—Make `to` a copy of `from`, closing first what it was.
///
/// # Errors
/// [dup3(2)](https://man7.org/linux/man-pages/man2/dup3.2.html)
pub fn dup3(from: Fd, to: Fd, flags: u32) -> Result<()> {
    // SAFETY: takes no pointer.
    unsafe { order(from.0, to.0 as usize, flags as usize, number::dup3) }
}

/// `fcntl(fd, command, argument)` for the commands whose argument is a number.
///
/// # Errors
/// [fcntl(2)](https://man7.org/linux/man-pages/man2/fcntl.2.html)
pub fn fcntl(fd: Fd, command: u32, argument: u32) -> Result<Fd> {
    let argument = argument as usize;
    // SAFETY: with these commands the argument is no pointer.
    unsafe { ask(fd.0, command as usize, argument, number::fcntl) }.map(Fd)
}

/// `fcntl(fd, F_SETLK)`—Lock the whole file for writing, at once or not at all.
///
/// # Errors
/// EAGAIN: another process holds a lock;
/// [F_SETLK(2const)](https://man7.org/linux/man-pages/man2/F_SETLK.2const.html)
pub fn lock(fd: Fd) -> Result<()> {
    let lock = whole_file(abi::F_WRLCK);
    // SAFETY: the kernel reads the structure.
    unsafe { order(fd.0, abi::F_SETLK as usize, &raw const lock as usize, number::fcntl) }
}

/// `fcntl(fd, F_GETLK)`—Who holds a lock of a kind (F_RDLCK, F_WRLCK) on any of the file: its pid, -1 for a lock of another
/// sort, 0 for a process of another pid namespace.
///
/// # Errors
/// ENOENT: nobody does; [F_GETLK(2const)](https://man7.org/linux/man-pages/man2/F_GETLK.2const.html)
pub fn lock_holder(fd: Fd, held: u32) -> Result<i32> {
    // The kernel tells of a lock that stands against the one asked for: of a writer to who wants to read. To who wants to
    // write it tells of either.
    let mut lock = whole_file(abi::F_RDLCK ^ abi::F_WRLCK ^ held);
    // SAFETY: the kernel writes the structure.
    unsafe { ask(fd.0, abi::F_GETLK as usize, &raw mut lock as usize, number::fcntl) }?;
    if lock.l_type == held as i16 { Ok(lock.l_pid) } else { Err(Errno::NOENT) }
}

fn whole_file(kind: u32) -> abi::flock {
    abi::flock { l_type: kind as i16, l_whence: 0, l_start: 0, l_len: 0, l_pid: 0 }
}

/// What the kernel tells of a file (stat(3type)).
#[repr(transparent)]
pub struct Stat(abi::stat);

/// Memory for that. It is not touched before it is used.
pub type StatRoom = MaybeUninit<Stat>;

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
        self.kind() == abi::S_IFCHR && self.0.st_rdev as u32 == device(major, minor)
    }

    /// When the file was last written, in nanoseconds since 1970.
    pub fn written(&self) -> i64 {
        // Where seconds have 32 bits they are good until 2106, though mips calls them signed.
        nanoseconds(self.0.st_mtime as usize as i64, self.0.st_mtime_nsec as i64)
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

/// How a path is looked up: a symbolic link is told of itself, and an empty path is the directory's descriptor itself.
const LOOKUP: u32 = abi::AT_SYMLINK_NOFOLLOW | abi::AT_EMPTY_PATH;

/// `newfstatat(dir, path, stat, AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)`—What a path names.
///
/// # Errors
/// [newfstatat(2)](https://man7.org/linux/man-pages/man2/newfstatat.2.html)
#[cfg(not(target_arch = "loongarch64"))]
#[inline(never)]
fn tell(dir: Fd, path: ZStr, room: &mut StatRoom) -> Result<()> {
    // SAFETY: the kernel reads the path up to its NUL and writes the structure.
    done(unsafe { call!(newfstatat, dir.0, path.as_ptr(), room.as_mut_ptr(), LOOKUP) })
}

/// `statx(dir, path, AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH, STATX_BASIC_STATS, stat)`—The same, on the architecture that has
/// nothing else for it.
///
/// # Errors
/// [statx(2)](https://man7.org/linux/man-pages/man2/statx.2.html)
#[cfg(target_arch = "loongarch64")]
fn tell(dir: Fd, path: ZStr, room: &mut StatRoom) -> Result<()> {
    // SAFETY: the structure holds numbers alone.
    let mut told: abi::statx = unsafe { core::mem::zeroed() };
    // SAFETY: the kernel reads the path up to its NUL and writes the structure.
    done(unsafe { call!(statx, dir.0, path.as_ptr(), LOOKUP, abi::STATX_BASIC_STATS, &raw mut told) })?;
    // SAFETY: the structure holds numbers alone.
    let mut stat: abi::stat = unsafe { core::mem::zeroed() };
    stat.st_mode = told.stx_mode.into();
    stat.st_nlink = told.stx_nlink;
    stat.st_uid = told.stx_uid;
    stat.st_rdev = device(told.stx_rdev_major, told.stx_rdev_minor).into();
    stat.st_dev = u64::from(told.stx_dev_major) << 32 | u64::from(told.stx_dev_minor);
    stat.st_ino = told.stx_ino;
    stat.st_mtime = told.stx_mtime.tv_sec;
    stat.st_mtime_nsec = told.stx_mtime.tv_nsec.into();
    room.write(Stat(stat));
    Ok(())
}

/// `newfstatat(fd, "", stat)`—What a descriptor refers to.
///
/// # Errors
/// [newfstatat(2)](https://man7.org/linux/man-pages/man2/newfstatat.2.html)
#[inline(always)]
pub fn fstat(fd: Fd, room: &mut StatRoom) -> Result<&Stat> {
    tell_open(fd, room)?;
    // SAFETY: every field was written.
    Ok(unsafe { room.assume_init_ref() })
}

#[inline(never)]
fn tell_open(fd: Fd, room: &mut StatRoom) -> Result<()> {
    tell(fd, ZStr::new(c""), room)
}

/// Makes sure that a descriptor is of the file that a path names, or, with an empty path, of the one that `dir` is.
///
/// # Errors
/// ENOENT: it names another or none; else as [`fstat`].
pub fn same_file(fd: Fd, dir: Fd, path: ZStr) -> Result<()> {
    let mut rooms = [const { StatRoom::uninit() }; 2];
    let [open, named] = &mut rooms;
    let open = fstat(fd, open)?;
    tell(dir, path, named)?;
    // SAFETY: every field was written.
    let named = unsafe { named.assume_init_ref() };
    if open.0.st_ino == named.0.st_ino && open.0.st_dev == named.0.st_dev { Ok(()) } else { Err(Errno::NOENT) }
}

/// `faccessat(path, F_OK)`—Whether a path names a file.
///
/// [access(2)](https://man7.org/linux/man-pages/man2/access.2.html)
pub fn exists(path: ZStr) -> bool {
    // SAFETY: the kernel reads the path up to its NUL.
    done(unsafe { call!(faccessat, abi::AT_FDCWD, path.as_ptr(), 0) }).is_ok()
}

/// `read(fd, buffer)`—Read at most as many bytes as the buffer holds; 0 is the end of the file.
///
/// # Errors
/// [read(2)](https://man7.org/linux/man-pages/man2/read.2.html)
pub fn read(fd: Fd, buffer: &mut [u8]) -> Result<u32> {
    // SAFETY: the kernel writes within the buffer.
    unsafe { ask(fd.0, buffer.as_mut_ptr() as usize, buffer.len(), number::read) }
}

/// `pread64(fd, buffer, 0)`—Read from the start of a file, wherever it was read before.
///
/// # Errors
/// [pread(2)](https://man7.org/linux/man-pages/man2/pread.2.html)
pub fn pread(fd: Fd, buffer: &mut [u8]) -> Result<u32> {
    // SAFETY: the kernel writes within the buffer.
    unsafe { ask(fd.0, buffer.as_mut_ptr() as usize, buffer.len(), number::pread64) }
}

/// `pwrite64(fd, bytes, 0)`—Write to the start of a file; all or an error: fewer bytes are EIO.
///
/// # Errors
/// [pwrite(2)](https://man7.org/linux/man-pages/man2/pwrite.2.html)
pub fn pwrite(fd: Fd, bytes: &[u8]) -> Result<()> {
    put(fd, bytes, number::pwrite64)
}

/// `lseek(fd, 0, SEEK_END)`—The size of a file.
///
/// # Errors
/// ESPIPE: a FIFO; [lseek(2)](https://man7.org/linux/man-pages/man2/lseek.2.html)
pub fn size(fd: Fd) -> Result<usize> {
    // SAFETY: takes no pointer.
    let answer = unsafe { call!(lseek, fd.0, 0, abi::SEEK_END) };
    position(answer)
}

/// `lseek(fd, 0, SEEK_END)`—Whether a file has no byte.
///
/// [lseek(2)](https://man7.org/linux/man-pages/man2/lseek.2.html)
pub fn is_empty(fd: Fd) -> bool {
    // SAFETY: takes no pointer.
    let answer = unsafe { call!(lseek, fd.0, 0, abi::SEEK_END) };
    answer == 0
}

/// `write(fd, bytes)`—Write; all or an error: fewer bytes are EIO.
///
/// # Errors
/// [write(2)](https://man7.org/linux/man-pages/man2/write.2.html)
pub fn write(fd: Fd, bytes: &[u8]) -> Result<()> {
    put(fd, bytes, number::write)
}

/// Either of the two: the position that one takes is no argument of the other.
#[inline(never)]
fn put(fd: Fd, bytes: &[u8], number: Sysno) -> Result<()> {
    // SAFETY: the kernel reads within the slice.
    let count = unsafe { ask(fd.0, bytes.as_ptr() as usize, bytes.len(), number) }?;
    if count as usize == bytes.len() { Ok(()) } else { Err(Errno::IO) }
}

/// `ftruncate(fd, 0)`—Empty a file.
///
/// # Errors
/// EINVAL: not a regular file; [ftruncate(2)](https://man7.org/linux/man-pages/man2/ftruncate.2.html)
pub fn ftruncate(fd: Fd) -> Result<()> {
    // SAFETY: takes no pointer.
    unsafe { order(fd.0, 0, 0, number::ftruncate) }
}

/// `unlinkat(dir, path)`—Remove a name.
///
/// # Errors
/// [unlinkat(2)](https://man7.org/linux/man-pages/man2/unlinkat.2.html)
pub fn unlinkat(dir: Fd, path: ZStr) -> Result<()> {
    // SAFETY: the kernel reads the path up to its NUL.
    done(unsafe { call!(unlinkat, dir.0, path.as_ptr(), 0) })
}

/// `mknodat(path, S_IFCHR, major:minor)`—Make a character device, with a major and minor below 256, that all may use.
///
/// # Errors
/// [mknodat(2)](https://man7.org/linux/man-pages/man2/mknodat.2.html)
pub fn mknod_character(path: ZStr, major: u32, minor: u32) -> Result<()> {
    let mode = abi::S_IFCHR | 0o666;
    // SAFETY: the kernel reads the path up to its NUL.
    done(unsafe { call!(mknodat, abi::AT_FDCWD, path.as_ptr(), mode, device(major, minor)) })
}

/// `pipe2(O_CLOEXEC)`—Make a pipe; the ends become its read end and its write end.
///
/// # Errors
/// [pipe2(2)](https://man7.org/linux/man-pages/man2/pipe2.2.html)
pub fn pipe(ends: &mut [Fd; 2]) -> Result<()> {
    // SAFETY: the kernel writes two descriptors.
    done(unsafe { call!(pipe2, ends.as_mut_ptr(), abi::O_CLOEXEC) })
}

/// `fchdir(fd)`—Change the working directory to an open one.
///
/// # Errors
/// EBADF: opened with O_PATH, before Linux 3.5; [fchdir(2)](https://man7.org/linux/man-pages/man2/fchdir.2.html)
pub fn fchdir(fd: Fd) -> Result<()> {
    // SAFETY: takes no pointer.
    done(unsafe { call!(fchdir, fd.0) })
}

/// `chdir(path)`—Change the working directory.
///
/// # Errors
/// [chdir(2)](https://man7.org/linux/man-pages/man2/chdir.2.html)
pub fn chdir(path: ZStr) -> Result<()> {
    // SAFETY: the kernel reads the path up to its NUL.
    done(unsafe { call!(chdir, path.as_ptr()) })
}

/// `chroot(path)`—Change the root directory; the working directory stays where it is.
///
/// # Errors
/// EPERM: not privileged; [chroot(2)](https://man7.org/linux/man-pages/man2/chroot.2.html)
pub fn chroot(path: ZStr) -> Result<()> {
    // SAFETY: the kernel reads the path up to its NUL.
    done(unsafe { call!(chroot, path.as_ptr()) })
}

/// `umask(mask)`—Set the file mode creation mask; gives the old one.
///
/// Always succeeds: [umask(2)](https://man7.org/linux/man-pages/man2/umask.2.html).
pub fn umask(mask: u32) -> u32 {
    // SAFETY: takes no pointer.
    (unsafe { call!(umask, mask) }) as u32
}

/// `getdents64(fd, buffer)`—The next entries of a directory (struct linux_dirent64); gives their size, 0 at the end.
///
/// # Errors
/// [getdents64(2)](https://man7.org/linux/man-pages/man2/getdents64.2.html)
pub fn getdents64(fd: Fd, buffer: &mut [u8]) -> Result<u32> {
    // SAFETY: the kernel writes within the buffer.
    unsafe { ask(fd.0, buffer.as_mut_ptr() as usize, buffer.len(), number::getdents64) }
}

/// `getcwd()`—The path of the working directory.
///
/// # Errors
/// ENOENT: it was removed, or is outside of the root and has no path;
/// [getcwd(2)](https://man7.org/linux/man-pages/man2/getcwd.2.html)
pub fn getcwd() -> Result<Word> {
    let buffer = super::process::mmap_bytes::<{ abi::PATH_MAX }>().ok_or(Errno::NOMEM)?;
    // SAFETY: the kernel writes within the buffer.
    value(unsafe { call!(getcwd, buffer.as_mut_ptr(), buffer.len()) })?;
    let path = ZStr::terminate(buffer);
    // A directory outside of the root has a path that does not begin with a slash.
    if path.first() == b'/' { Ok(path) } else { Err(Errno::NOENT) }
}
