//! Becoming COMMAND.

#![forbid(unsafe_code)]

use super::{Launch, Step};
use crate::options::find_variable;
use crate::report::Reason;
use crate::sys::abi::{EACCES, EEXIST, ELOOP, ENAMETOOLONG, ENOENT, ENOEXEC, ENOTDIR, O_RDONLY};
use crate::sys::zstr::{Word, Words, ZStr};
use crate::sys::{self, Errno, Fd, PathBuffer};

/// Where commands are searched if PATH is unset.
const DEFAULT_PATH: Word = ZStr::new(c"/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");

/// The interpreter of scripts that name none.
const SHELL: Word = ZStr::new(c"/bin/sh");

/// What is done with each place where COMMAND may be.
type Trial = fn(&Launch, ZStr) -> Errno;

impl Launch<'_> {
    /// Becomes COMMAND; returns only why that was not possible. `here` is where bgexec was started.
    pub(super) fn execute(&self, here: sys::Result<ZStr>) -> Reason {
        if let Err(errno) = self.announce() {
            return errno.into();
        }
        let errno = self.resolve(here, |launch, path| launch.become_program(path));
        // The announcement is withdrawn before another call is made, so that dying from now on is a failure too.
        if errno.number() == ENOENT && self.record(Step::Execute, errno.into()).is_ok() {
            // execve does not say whether it is the file that was not found or its interpreter.
            if self.resolve(here, |launch, path| launch.exists(path)).number() == EEXIST {
                return Reason::NO_INTERPRETER;
            }
        }
        errno.into()
    }

    /// Tells the launcher that the next call is the `execve` that makes this process COMMAND.
    fn announce(&self) -> sys::Result<()> {
        self.record(Step::Execute, Reason::EXECUTING.with(sys::getpid() as u32))
    }

    /// Tries each place where COMMAND may be until one gives an error that is none of the search's own.
    fn resolve(&self, here: sys::Result<ZStr>, trial: Trial) -> Errno {
        let name = self.plan.name;
        if !self.plan.is_searched() && !self.plan.needs_here() {
            return trial(self, name);
        }
        self.search(here, trial)
    }

    fn search(&self, here: sys::Result<ZStr>, trial: Trial) -> Errno {
        let searched = self.plan.is_searched();
        let environment = self.plan.options.vectors.envp;
        let mut list = match find_variable(environment, None, ZStr::new(c"PATH")).and_then(Words::get) {
            _ if !searched => ZStr::new(c""),
            Some(variable) => variable.skip(5),
            None => DEFAULT_PATH,
        };
        let mut path = PathBuffer::new();
        let mut denied = None;
        loop {
            let end = list.find(b':');
            let candidate = self.candidate(&mut path, here, list.up_to(end));
            let errno = candidate.map_or_else(|errno| errno, |path| trial(self, path));
            match errno.number() {
                _ if !searched => return errno,
                EACCES => denied = Some(errno),
                ENOENT | ENOTDIR | ELOOP | ENAMETOOLONG => {}
                _ => return errno,
            }
            if end.first() == 0 {
                return denied.unwrap_or(Errno::NOENT);
            }
            list = end.rest();
        }
    }

    /// COMMAND in a directory, which if it is empty or relative is meant from where bgexec was started, or from the
    /// directory given by `-c`, which by now is the current one.
    fn candidate<'b>(
        &self,
        path: &'b mut PathBuffer,
        here: sys::Result<ZStr>,
        directory: &[u8],
    ) -> sys::Result<ZStr<'b>> {
        path.cut(0);
        if directory.first() != Some(&b'/') {
            path.push(if self.plan.needs_here() { here?.as_bytes() } else { b"." })?;
            path.push(b"/")?;
        }
        path.push(directory)?;
        path.push(b"/")?;
        path.push(self.plan.name.as_bytes())?;
        Ok(path.as_zstr())
    }

    /// Executes the program at a path; a text file that names no interpreter is the shell's.
    fn become_program(&self, path: ZStr) -> Errno {
        let vectors = self.plan.options.vectors;
        let errno = sys::execve(path, self.plan.command, vectors.envp);
        if errno.number() == ENOEXEC && self.record(Step::Execute, errno.into()).is_ok() && is_text(path) {
            if let Err(errno) = self.announce() {
                return errno;
            }
            sys::execve_script(SHELL, path, vectors.last, vectors.envp);
        }
        errno
    }

    /// Whether there is a file at a path: EEXIST if so.
    fn exists(&self, path: ZStr) -> Errno {
        sys::fstatat(Fd::CWD, path, 0).map_or_else(|errno| errno, |_| Errno::new(EEXIST))
    }
}

/// Whether a file may be a script: no ELF magic, and no NUL among the first bytes. One that cannot be read is none.
fn is_text(path: ZStr) -> bool {
    let Ok(file) = sys::openat(Fd::CWD, path, O_RDONLY, 0) else {
        return false;
    };
    let mut start = [0; 256];
    let length = sys::read(file, &mut start);
    sys::close(file);
    let start = length.ok().and_then(|length| start.get(..length));
    start.is_some_and(|start| !start.contains(&0) && !start.starts_with(b"\x7fELF"))
}
