//! Becoming COMMAND.

#![forbid(unsafe_code)]

use super::Launch;
use crate::report::Reason;
use crate::sys::abi::{EACCES, EEXIST, ELOOP, ENAMETOOLONG, ENOENT, ENOEXEC, ENOTDIR, O_RDONLY, PATH_MAX, SIGKILL};
use crate::sys::zstr::{Word, Words, ZStr};
use crate::sys::{self, Errno, Fd, Text, room};

/// Where commands are searched if PATH is unset.
const DEFAULT_PATH: Word = ZStr::new(c"/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");

/// The interpreter of scripts that name none.
pub(super) const SHELL: Word = ZStr::new(c"/bin/sh");

/// What is done with a file that may be COMMAND.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Trial {
    /// Execute it.
    Execute,
    /// See whether it exists: then the error is EEXIST.
    Find,
}

impl Launch {
    /// Becomes COMMAND; returns only why that was not possible.
    pub(super) fn execute(&self) -> Reason {
        let mut errno = match self.announce() {
            Ok(()) => self.search(Trial::Execute),
            Err(errno) => errno,
        };
        if errno.is(ENOENT) || errno.is(ENOTDIR) {
            // execve does not say whether it is the file that was not found or its interpreter. The announcement is
            // withdrawn before another call is made, so that dying from now on is a failure too.
            errno = self.record(Some(errno.into())).err().unwrap_or(errno);
            if self.search(Trial::Find).is(EEXIST) {
                return Reason::NO_INTERPRETER;
            }
        }
        errno.into()
    }

    /// Has the kernel kill COMMAND when its supervisor dies, after which nobody would end it any more; unless that has died.
    pub(super) fn follow_supervisor(&self) -> Result<(), Reason> {
        sys::set_parent_death_signal(SIGKILL)?;
        if sys::getppid() == self.supervisor { Ok(()) } else { Err(Reason::ENDED) }
    }

    /// Tells the launcher that the next call is the `execve` that makes this process COMMAND.
    fn announce(&self) -> sys::Result<()> {
        self.record(Some(Reason::EXECUTING.with(sys::getpid() as u32)))
    }

    /// Tries each file that may be COMMAND until one gives an error that is none of the search's own.
    fn search(&self, trial: Trial) -> Errno {
        if self.plan.is_searched() || self.plan.needs_here() {
            self.search_directories(trial)
        } else {
            self.attempt(self.plan.name, trial)
        }
    }

    /// The same where a path must be made. Apart, so that a launch that needs no room for that does not touch it.
    #[inline(never)]
    fn search_directories(&self, trial: Trial) -> Errno {
        let mut room = room::<PATH_MAX>();
        let is_searched = self.plan.is_searched();
        let mut directories = self.plan.name;
        if is_searched {
            let variable = self.plan.options.vectors.envp.find_variable(ZStr::new(c"PATH")).and_then(Words::get);
            directories = variable.map_or(DEFAULT_PATH, |variable| variable.past(b'='));
        }
        let mut denied = Errno::NOENT;
        loop {
            let errno = self.attempt_in(directories, Text::new(&mut room, Fd::NONE), trial);
            if !is_searched {
                return errno;
            }
            match errno.number().get() {
                EACCES => denied = errno,
                ENOENT | ENOTDIR | ELOOP | ENAMETOOLONG => {}
                _ => return errno,
            }
            match directories.find(b':').split() {
                Some((_, rest)) => directories = rest,
                None => return denied,
            }
        }
    }

    /// Tries COMMAND in the directory that `start`, a list, begins with; or by its path, if that is `start`. What is relative
    /// is in the directory where bgexec was started, or that of `-c`; so is an empty directory.
    fn attempt_in(&self, start: Word, mut path: Text, trial: Trial) -> Errno {
        if start.first() != b'/' && self.plan.needs_here() {
            match self.here {
                Ok(here) => path.push(here, 0),
                Err(errno) => return errno,
            }
            path.push_byte(b'/');
        }
        let name = self.plan.name;
        if !start.is_at(name) {
            path.push(if start.ends(b':') { ZStr::new(c".") } else { start }, b':');
            path.push_byte(b'/');
        }
        path.push(name, 0);
        match path.as_zstr() {
            Ok(path) => self.attempt(path, trial),
            Err(errno) => errno,
        }
    }

    /// Executes a file or looks for it; a text file that names no interpreter is the shell's.
    fn attempt(&self, path: ZStr, trial: Trial) -> Errno {
        if trial == Trial::Find {
            return Errno::new(if sys::exists(path) { EEXIST } else { ENOENT });
        }
        let vectors = &self.plan.options.vectors;
        let errno = sys::execve(path, self.plan.arguments(), vectors.envp);
        if errno.is(ENOEXEC) && self.record(Some(errno.into())).is_ok() && is_text(path) && self.announce().is_ok() {
            sys::execve_script(SHELL, path, vectors.last, vectors.envp);
        }
        errno
    }
}

/// Whether a file may be a script: no ELF magic, and no NUL among the first 256 bytes. Apart, so that a launch
/// that needs no room for that does not touch it.
#[inline(never)]
fn is_text(path: ZStr) -> bool {
    let mut start = [0; 256 + 1];
    let Ok(file) = sys::open(path, O_RDONLY) else {
        return false;
    };
    let read = sys::read(file, start.get_mut(..256).unwrap_or_default());
    sys::close(file);
    let text = ZStr::terminate(&mut start);
    read.is_ok_and(|length| text.length() == length as usize) && text.strip(ZStr::new(c"\x7fELF")).is_none()
}
