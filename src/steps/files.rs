//! The pidfile and the lockfile: opening them safely, writing, removing.

#![forbid(unsafe_code)]

use super::Launch;
use crate::report::Reason;
use crate::sys::abi::{
    AT_EMPTY_PATH, AT_SYMLINK_NOFOLLOW, ENOENT, O_APPEND, O_CREAT, O_DIRECTORY, O_NOFOLLOW, O_NONBLOCK, O_PATH, O_RDWR,
    S_IFREG,
};
use crate::sys::zstr::{Word, ZStr};
use crate::sys::{self, Fd, Stat, Text, room};

impl Launch {
    /// Opens the lockfile.
    pub(super) fn open_lockfile(&mut self) -> Result<(), Reason> {
        let fd = self.open_lock()?;
        self.lockfile = self.own(fd, true)?;
        Ok(())
    }

    /// Opens COMMAND's own pidfile.
    pub(super) fn open_child_pidfile(&mut self) -> Result<(), Reason> {
        let fd = self.open_lock()?;
        self.child_pidfile = self.own(fd, true)?;
        Ok(())
    }

    /// Opens the pidfile. If it is the lockfile too, there is one descriptor for both: closing a second one would drop
    /// the lock.
    pub(super) fn open_pidfile(&mut self) -> Result<(), Reason> {
        if self.plan.foreground() {
            self.keep_directory()?;
        }
        let fd = self.open_lock()?;
        if self.lockfile.is_some() && sys::is_same_file(fd, self.lockfile, ZStr::new(c""), AT_EMPTY_PATH)? {
            sys::close(fd);
            self.pidfile = self.lockfile;
        } else {
            self.pidfile = self.own(fd, true)?;
        }
        Ok(())
    }

    /// Keeps the directory where bgexec was started, so that a relative path is meant in it also after it was left.
    pub(super) fn keep_directory(&mut self) -> Result<(), Reason> {
        if self.directory == Fd::CWD {
            let here = sys::openat(Fd::CWD, ZStr::new(c"."), O_PATH | O_DIRECTORY, 0)?;
            self.directory = self.own(here, false)?;
        }
        Ok(())
    }

    /// Opens or creates a file that is to be locked. What is written goes to its end, which after emptying is its start.
    fn open_lock(&self) -> Result<Fd, Reason> {
        open_pidfile(self.word(), O_RDWR | O_CREAT | O_APPEND)
    }

    /// Whether the step's path still names the file that a descriptor is of.
    pub(super) fn is_current(&self, fd: Fd) -> Result<bool, Reason> {
        match sys::is_same_file(fd, self.directory, self.word(), AT_SYMLINK_NOFOLLOW) {
            Err(errno) if errno.is(ENOENT) => Ok(false),
            answer => Ok(answer?),
        }
    }
}

/// Writes the caller's pid into a pidfile.
pub(super) fn write_pid(pidfile: Fd) -> Result<(), Reason> {
    sys::truncate(pidfile)?;
    let mut room = room::<16>();
    let mut text = Text::new(&mut room, pidfile);
    text.push_decimal(sys::getpid() as u32);
    text.push_byte(b'\n');
    Ok(text.write()?)
}

/// Opens a pidfile or lockfile, and refuses one that others could have prepared.
pub(super) fn open_pidfile(path: Word, flags: u32) -> Result<Fd, Reason> {
    loop {
        let fd = sys::openat(Fd::CWD, path, flags | O_NOFOLLOW | O_NONBLOCK, 0o644)?;
        let mut stat = Stat::new();
        sys::fstat(fd, &mut stat)?;
        if stat.kind() != S_IFREG {
            return Err(Reason::NOT_A_REGULAR_FILE);
        }
        if stat.links() > 1 {
            return Err(Reason::HAS_MORE_LINKS);
        }
        if stat.owner() != 0 && stat.owner() != sys::geteuid() {
            return Err(Reason::OWNED_BY_ANOTHER);
        }
        if stat.permissions() & 0o022 != 0 {
            return Err(Reason::WRITABLE_BY_OTHERS);
        }
        if stat.links() == 1 {
            return Ok(fd);
        }
        sys::close(fd); // removed meanwhile: there may be a new one
    }
}

/// Removes a pidfile whose daemon is dead, unless somebody else has it by now; if the directory does not allow that, the
/// file is emptied.
pub(super) fn remove(pidfile: Fd, directory: Fd, path: Word) {
    if sys::lock(pidfile).is_err() {
        return;
    }
    let removed = match sys::is_same_file(pidfile, directory, path, AT_SYMLINK_NOFOLLOW) {
        Ok(true) => sys::unlinkat(directory, path).is_ok(),
        Ok(false) => true,
        Err(errno) => errno.is(ENOENT),
    };
    if !removed {
        let _ = sys::truncate(pidfile); // nothing is left to try
    }
}
