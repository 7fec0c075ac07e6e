//! The pidfile and the lockfile: opening them safely, writing, removing.

#![forbid(unsafe_code)]

use super::{Launch, Step};
use crate::report::{Decimal, Reason};
use crate::sys::abi::{
    AT_SYMLINK_NOFOLLOW, O_APPEND, O_CREAT, O_DIRECTORY, O_NOFOLLOW, O_NONBLOCK, O_PATH, O_RDWR, S_IFREG,
};
use crate::sys::zstr::{Word, ZStr};
use crate::sys::{self, Fd, PathBuffer};

impl Launch<'_> {
    /// Opens the lockfile.
    pub(super) fn open_lockfile(&mut self) -> Result<(), Reason> {
        let fd = self.open_lock(self.path(Step::OpenLockfile))?;
        self.lockfile = self.own(fd, true)?;
        Ok(())
    }

    /// Opens the pidfile. If it is the lockfile too, there is one descriptor for both: closing a second one would drop
    /// the lock.
    pub(super) fn open_pidfile(&mut self) -> Result<(), Reason> {
        if self.plan.foreground() && self.directory == Fd::CWD {
            let fd = open_directory(self.path(Step::OpenPidfile))?;
            self.directory = self.own(fd, false)?;
        }
        let fd = self.open_lock(self.path(Step::OpenPidfile))?;
        if self.lockfile.is_some() && sys::fstat(fd)?.is_same_file(&sys::fstat(self.lockfile)?) {
            sys::close(fd);
            self.pidfile = self.lockfile;
        } else {
            self.pidfile = self.own(fd, true)?;
        }
        Ok(())
    }

    fn path(&self, step: Step) -> Word {
        self.plan.word(step).unwrap_or(ZStr::new(c""))
    }

    /// Opens or creates a file that is to be locked, and refuses one that others could have prepared. What is written
    /// goes to its end, which after emptying is its start.
    fn open_lock(&self, path: Word) -> Result<Fd, Reason> {
        loop {
            let flags = O_RDWR | O_CREAT | O_APPEND | O_NOFOLLOW | O_NONBLOCK;
            let fd = sys::openat(Fd::CWD, path, flags, 0o644)?;
            let stat = sys::fstat(fd)?;
            let refused = if stat.kind() != S_IFREG {
                Reason::NOT_A_REGULAR_FILE
            } else if stat.links() > 1 {
                Reason::HAS_MORE_LINKS
            } else if stat.owner() != 0 && stat.owner() != sys::geteuid() {
                Reason::OWNED_BY_ANOTHER
            } else if stat.permissions() & 0o022 != 0 {
                Reason::WRITABLE_BY_OTHERS
            } else if stat.links() == 1 {
                return Ok(fd);
            } else {
                sys::close(fd);
                continue; // removed meanwhile: there may be a new one
            };
            sys::close(fd);
            return Err(refused);
        }
    }

    /// Writes the daemon's pid into the pidfile.
    pub(super) fn record_pid(&self) -> Result<(), Reason> {
        sys::truncate(self.pidfile)?;
        let pid = Decimal::new(sys::getpid() as u32);
        sys::write(self.pidfile, pid.line())?;
        Ok(())
    }

    /// Whether a path still names the file that a descriptor is of.
    pub(super) fn is_current(&self, path: ZStr, directory: Fd, fd: Fd) -> Result<bool, Reason> {
        let Ok(named) = sys::fstatat(directory, path, AT_SYMLINK_NOFOLLOW) else {
            return Ok(false);
        };
        Ok(sys::fstat(fd)?.is_same_file(&named))
    }

    /// Removes the pidfile after a failure, unless somebody else has it by now; if the directory does not allow that, it
    /// is emptied.
    pub(super) fn remove_pidfile(&self) {
        if !self.pidfile.is_some() || sys::lock(self.pidfile).is_err() {
            return;
        }
        let mut name = self.path(Step::OpenPidfile);
        if self.plan.foreground() {
            name = base_name(name);
        }
        let current = self.is_current(name, self.directory, self.pidfile) == Ok(true);
        if current && sys::unlinkat(self.directory, name).is_err() {
            let _ = sys::truncate(self.pidfile); // nothing is left to try
        }
    }
}

/// The last component of a path.
fn base_name(path: Word) -> Word {
    let mut base = path;
    loop {
        let slash = base.find(b'/');
        if slash.first() == 0 {
            return base;
        }
        base = slash.rest();
    }
}

/// Opens the directory that a path's last component is in.
fn open_directory(path: Word) -> Result<Fd, Reason> {
    let mut directory = PathBuffer::new();
    directory.push(b"./")?;
    if path.first() == b'/' {
        directory.cut(0);
    }
    directory.push(path.up_to(base_name(path)))?;
    Ok(sys::openat(Fd::CWD, directory.as_zstr(), O_PATH | O_DIRECTORY, 0)?)
}
