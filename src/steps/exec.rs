//! Becoming COMMAND.

#![forbid(unsafe_code)]

use super::Launch;
use crate::report::Reason;
use crate::sys::abi::{EACCES, EEXIST, ELOOP, ENAMETOOLONG, ENOENT, ENOEXEC, ENOTDIR, O_RDONLY};
use crate::sys::zstr::{Word, Words, ZStr};
use crate::sys::{self, Errno, Fd, Path, Stat};

/// Where commands are searched if PATH is unset.
const DEFAULT_PATH: Word = ZStr::new(c"/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");

/// The interpreter of scripts that name none.
const SHELL: Word = ZStr::new(c"/bin/sh");

/// What is done with a file that may be COMMAND.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Trial {
    /// Execute it.
    Execute,
    /// See whether it exists: then the error is EEXIST.
    Find,
}

impl Launch<'_> {
    /// Becomes COMMAND; returns only why that was not possible. `path` is room for its path if it is not absolute.
    pub(super) fn execute(&self, mut path: Option<&mut Path>) -> Reason {
        let mut errno = match self.announce() {
            Ok(()) => self.search(path.as_deref_mut(), Trial::Execute),
            Err(errno) => errno,
        };
        if errno.is(ENOENT) {
            // execve does not say whether it is the file that was not found or its interpreter. The announcement is
            // withdrawn before another call is made, so that dying from now on is a failure too.
            errno = self.record(Some(errno.into())).err().unwrap_or(errno);
            if self.search(path, Trial::Find).is(EEXIST) {
                return Reason::NO_INTERPRETER;
            }
        }
        errno.into()
    }

    /// Tells the launcher that the next call is the `execve` that makes this process COMMAND.
    fn announce(&self) -> sys::Result<()> {
        self.record(Some(Reason::EXECUTING.with(sys::getpid() as u32)))
    }

    /// Tries each file that may be COMMAND until one gives an error that is none of the search's own.
    fn search(&self, path: Option<&mut Path>, trial: Trial) -> Errno {
        let Some(path) = path else {
            return self.attempt(self.plan.name, trial);
        };
        let searched = self.plan.is_searched();
        let environment = self.vectors.envp;
        let mut directories = match environment.find_variable(ZStr::new(c"PATH")).and_then(Words::get) {
            Some(variable) => variable.skip("PATH=".len()),
            None => DEFAULT_PATH,
        };
        let mut denied = Errno::NOENT;
        loop {
            path.restart();
            if searched {
                // An empty one is the directory where bgexec was started, or that of `-c`, as a relative one is in it.
                path.push(if directories.ends(b':') { ZStr::new(c".") } else { directories }, b':');
                path.push_byte(b'/');
            }
            path.push(self.plan.name, 0);
            let errno = match path.as_zstr() {
                Ok(path) => self.attempt(path, trial),
                Err(errno) => errno,
            };
            if !searched {
                return errno;
            }
            match errno.number().get() {
                EACCES => denied = errno,
                ENOENT | ENOTDIR | ELOOP | ENAMETOOLONG => {}
                _ => return errno,
            }
            directories = directories.find(b':');
            if directories.first() == 0 {
                return denied;
            }
            directories = directories.rest();
        }
    }

    /// Executes a file or looks for it; a text file that names no interpreter is the shell's.
    fn attempt(&self, path: ZStr, trial: Trial) -> Errno {
        if trial == Trial::Find {
            return sys::fstatat(Fd::CWD, path, &mut Stat::new(), 0).err().unwrap_or(Errno::new(EEXIST));
        }
        let vectors = self.vectors;
        let errno = sys::execve(path, self.plan.command, vectors.envp);
        if errno.is(ENOEXEC)
            && self.record(Some(errno.into())).is_ok()
            && is_text(path) == Ok(true)
            && self.announce().is_ok()
        {
            sys::execve_script(SHELL, path, vectors.last, vectors.envp);
        }
        errno
    }
}

/// Whether a file may be a script: no ELF magic, and no NUL among the first 256 bytes.
fn is_text(path: ZStr) -> sys::Result<bool> {
    let file = sys::openat(Fd::CWD, path, O_RDONLY, 0)?;
    let mut start = [0; 257];
    let read = sys::read(file, start.get_mut(..256).unwrap_or_default());
    sys::close(file);
    let length = read? as usize;
    let start = ZStr::terminate(&mut start);
    Ok(start.as_bytes().len() == length && start.strip(ZStr::new(c"\x7fELF")).is_none())
}
