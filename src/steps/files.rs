//! The pidfile and the lockfile: opening them safely, writing, removing.

#![forbid(unsafe_code)]

use super::descriptors::open_as;
use super::lock::{PAUSE, TRIES, recorded_daemon};
use super::{Launch, Step};
use crate::options::Opt;
use crate::report::Reason;
use crate::sys::abi::{
    EAGAIN, EEXIST, ENOENT, O_CREAT, O_DIRECTORY, O_EXCL, O_NOFOLLOW, O_NONBLOCK, O_PATH, O_RDWR, S_IFREG,
};
use crate::sys::zstr::{Word, ZStr};
use crate::sys::{self, Fd, StatRoom, Text, room};

/// What is locked.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Lock {
    /// COMMAND's own pidfile under a supervisor.
    ChildPidfile,
    /// The lockfile.
    Lockfile,
    /// The pidfile.
    Pidfile,
}

impl Launch {
    /// Opens or creates a file that is to be locked. If it is one of the others too, there is one descriptor for both: closing
    /// a second one would drop the lock.
    pub(super) fn open_lock(&mut self, lock: Lock) -> Result<(), Reason> {
        if lock == Lock::Pidfile && self.plan.foreground() && self.word().first() != b'/' {
            self.keep_directory()?;
        }
        let fd = open_pidfile(self.plan.word(self.step), O_RDWR, true)?;
        let others = self.locks;
        self.locks[lock as usize] = fd; // so that it is removed if the next fails
        // What is opened anew is closed before, and its lock would go with that.
        let [_, output, error] = self.streams;
        if self.plan.options.has(Opt::Sighup) && open_as(fd, &[output, error, Fd::NONE])?.is_some() {
            return Err(Reason::IS_REOPENED);
        }
        let own = self.own_once(fd, &others, true)?;
        self.locks[lock as usize] = own;
        // Into that goes COMMAND's pid, and into the others none or the supervisor's.
        if own == others[Lock::ChildPidfile as usize] { Err(Reason::IS_CHILD_PIDFILE) } else { Ok(()) }
    }

    /// Closes the files that are to be locked.
    #[inline(never)]
    pub(super) fn release_locks(&mut self) {
        for index in 0..self.locks.len() {
            self.release(self.locks[index]);
            self.locks[index] = Fd::NONE;
        }
    }

    /// Writes the caller's pid into the pidfile that the step is about, over what was there: to empty it would cost more than
    /// all the rest. Only what is longer goes first, so that nobody reads two numbers.
    pub(super) fn write_pid(&mut self) -> Result<(), Reason> {
        let lock = if self.step == Step::Record { Lock::Pidfile } else { Lock::ChildPidfile };
        let pidfile = self.locks[lock as usize];
        let mut room = room::<16>();
        let mut text = Text::new(&mut room, Fd::NONE);
        text.push_decimal(sys::getpid() as u32);
        text.push_byte(b'\n');
        let mut before = [0; 16];
        if sys::pread(pidfile, &mut before)? as usize > text.as_bytes().len() {
            sys::ftruncate(pidfile)?;
        }
        Ok(sys::pwrite(pidfile, text.as_bytes())?)
    }

    /// Removes the pidfiles of a daemon that is reaped, and takes the terminal back.
    pub(super) fn clear_away(&self) {
        self.take_foreground();
        remove(self.locks[Lock::ChildPidfile as usize], self.directory, self.plan.child_pidfile());
        remove(self.locks[Lock::Pidfile as usize], self.directory, self.plan.pidfile());
    }

    /// The same where nothing was written: a pidfile that is not empty is not this launch's.
    pub(super) fn clear_away_empty(&mut self) {
        for pidfile in &mut self.locks {
            if !sys::is_empty(*pidfile) {
                *pidfile = Fd::NONE;
            }
        }
        self.clear_away();
    }

    /// Keeps the directory where bgexec was started, so that a relative path is meant in it also after it was left.
    pub(super) fn keep_directory(&mut self) -> Result<(), Reason> {
        if self.directory == Fd::CWD {
            let here = sys::open(ZStr::new(c"."), O_PATH | O_DIRECTORY)?;
            self.directory = self.own(here, false)?;
        }
        Ok(())
    }
}

/// Opens a pidfile or lockfile, which it `may_create`, and refuses one that others could have prepared. If it was created just now,
/// as where a file system gives every file the same owner and mode, it is removed.
pub(super) fn open_pidfile(path: Option<Word>, access: u32, may_create: bool) -> Result<Fd, Reason> {
    // Also where that is missing: others would write to what is created there.
    let path = path.and_then(|path| path.unless(c"/dev/null")).ok_or(Reason::NOT_A_REGULAR_FILE)?;
    let mut creates = false;
    loop {
        let (how, other) = if creates { (O_CREAT | O_EXCL, EEXIST) } else { (0, ENOENT) };
        let fd = match sys::openat(Fd::CWD, path, access | how | O_NOFOLLOW | O_NONBLOCK, 0o644) {
            Err(errno) if may_create && errno.is(other) => {
                creates = !creates; // it is there; or no more
                continue;
            }
            opened => opened?,
        };
        match is_current(fd) {
            Ok(true) => return Ok(fd),
            Ok(false) => sys::close(fd),
            Err(reason) => {
                if creates {
                    remove(fd, Fd::CWD, Some(path));
                }
                return Err(reason);
            }
        }
    }
}

/// Whether a file still has a name; one that others could have prepared is refused.
fn is_current(fd: Fd) -> Result<bool, Reason> {
    let mut room = StatRoom::uninit();
    let stat = sys::fstat(fd, &mut room)?;
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
    Ok(stat.links() == 1)
}

/// Removes a pidfile whose daemon is dead, unless somebody else has it by now; if the directory does not allow that, or the
/// path does not lead there from another root directory, the file is emptied.
pub(super) fn remove(pidfile: Fd, directory: Fd, path: Option<Word>) {
    let Some(path) = path else {
        return;
    };
    // A start that fails before it looks finds it locked by nobody, and yet it may stand for a daemon that lost its lock. But a
    // daemon that is nobody's child may be heard to have ended a moment before it gives its lock back, and that before it dies.
    let mut tries = TRIES;
    loop {
        match sys::lock(pidfile) {
            Ok(()) if recorded_daemon(pidfile).is_err() => break,
            Err(errno) if !errno.is(EAGAIN) => return,
            _ if tries == 0 => return,
            _ => tries -= 1,
        }
        sys::pause(PAUSE);
    }
    let current = sys::same_file(pidfile, directory, path);
    if current.and_then(|()| sys::unlinkat(directory, path)).is_err() {
        let _ = sys::ftruncate(pidfile); // nothing is left to try
    }
}
