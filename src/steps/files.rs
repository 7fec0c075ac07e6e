//! The pidfile and the lockfile: opening them safely, writing, removing.

#![forbid(unsafe_code)]

use super::{Launch, Step};
use crate::report::{Decimal, Reason};
use crate::sys::abi::{
    AT_EMPTY_PATH, AT_SYMLINK_NOFOLLOW, O_APPEND, O_CREAT, O_DIRECTORY, O_NOFOLLOW, O_NONBLOCK,
    O_PATH, O_RDWR, S_IFREG,
};
use crate::sys::zstr::ZStr;
use crate::sys::{self, Fd, Stat};

impl Launch<'_> {
    /// Opens the lockfile.
    pub(super) fn open_lockfile(&mut self) -> Result<(), Reason> {
        let fd = self.open_lock()?;
        self.lockfile = self.own(fd, true)?;
        Ok(())
    }

    /// Opens the pidfile. If it is the lockfile too, there is one descriptor for both: closing a second one would drop
    /// the lock.
    pub(super) fn open_pidfile(&mut self) -> Result<(), Reason> {
        if self.plan.foreground() && self.directory == Fd::CWD {
            let here = sys::openat(Fd::CWD, ZStr::new(c"."), O_PATH | O_DIRECTORY, 0)?;
            self.directory = self.own(here, false)?;
        }
        let fd = self.open_lock()?;
        if self.lockfile.is_some()
            && sys::is_same_file(fd, self.lockfile, ZStr::new(c""), AT_EMPTY_PATH)?
        {
            sys::close(fd);
            self.pidfile = self.lockfile;
        } else {
            self.pidfile = self.own(fd, true)?;
        }
        Ok(())
    }

    /// Opens or creates a file that is to be locked, and refuses one that others could have prepared. What is written
    /// goes to its end, which after emptying is its start.
    fn open_lock(&self) -> Result<Fd, Reason> {
        let flags = O_RDWR | O_CREAT | O_APPEND | O_NOFOLLOW | O_NONBLOCK;
        loop {
            let fd = sys::openat(Fd::CWD, self.word(), flags, 0o644)?;
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

    /// Writes the daemon's pid into the pidfile.
    pub(super) fn record_pid(&self) -> Result<(), Reason> {
        sys::truncate(self.pidfile)?;
        Ok(sys::write(
            self.pidfile,
            Decimal::new(sys::getpid() as u32).line(),
        )?)
    }

    /// Whether the step's path still names the file that a descriptor is of.
    pub(super) fn is_current(&self, fd: Fd) -> bool {
        sys::is_same_file(fd, self.directory, self.word(), AT_SYMLINK_NOFOLLOW) == Ok(true)
    }

    /// Removes the pidfile after a failure, unless somebody else has it by now; if the directory does not allow that, it
    /// is emptied.
    pub(super) fn remove_pidfile(&mut self) {
        let failed = self.step;
        self.step = Step::OpenPidfile;
        if self.pidfile.is_some()
            && sys::lock(self.pidfile).is_ok()
            && self.is_current(self.pidfile)
            && sys::unlinkat(self.directory, self.word()).is_err()
        {
            let _ = sys::truncate(self.pidfile); // nothing is left to try
        }
        self.step = failed;
    }
}
