//! The standard streams.

#![forbid(unsafe_code)]

use super::{Launch, Step};
use crate::plan::{NULL_DEVICE, STREAMS};
use crate::report::Reason;
use crate::sys::abi::{
    EBADF, EEXIST, EINVAL, ENOENT, F_DUPFD_CLOEXEC, F_GETFD, F_SETFL, O_APPEND, O_CREAT, O_NONBLOCK, O_PATH, O_RDONLY,
    O_RDWR, O_WRONLY,
};
use crate::sys::zstr::{Word, ZStr};
use crate::sys::{self, Errno, Fd, StatRoom};

impl Launch {
    /// Fills the descriptors of 0 to 2 that were closed. What fills them can be neither read nor written, as if they
    /// still were closed, and is there on every system.
    pub fn fill(&mut self) -> Result<(), Reason> {
        for (number, &stream) in (0..).zip(STREAMS) {
            if let Err(errno) = sys::fcntl(Fd(number), F_GETFD, 0) {
                if !errno.is(EBADF) {
                    return Err(errno.into());
                }
                sys::open(ZStr::new(c"/"), O_PATH)?;
                if self.plan.options.value(stream).is_none() {
                    self.plan.options.settle(stream, Some(NULL_DEVICE));
                }
            }
        }
        Ok(())
    }

    /// Opens what the standard stream is to be that the step is about.
    pub(super) fn open_stream(&mut self) -> Result<(), Reason> {
        let number = self.step as usize - Step::Stdin as usize;
        let mut fd = self.null;
        if let Some(file) = self.plan.file(number) {
            let output = self.streams[1];
            fd = open_file(Fd::CWD, file, number != 0)?;
            // One description for both outputs, so that neither overwrites the other's lines.
            fd = self.own_once(fd, &[output, Fd::NONE, Fd::NONE], false)?;
        } else if !fd.is_some() {
            fd = null_device()?;
            fd = self.own(fd, false)?;
            self.null = fd;
        }
        if let Some(stream) = self.streams.get_mut(number) {
            *stream = fd;
        }
        Ok(())
    }

    /// Puts the streams onto descriptors 0 to 2, where alone they stay: one that is closed later, or at exec, would take the
    /// lock of its file with it. In the foreground a copy of the original standard error stays for the message.
    pub(super) fn redirect(&mut self) -> Result<(), Reason> {
        if self.plan.foreground() && self.message == Fd::STDERR {
            let copy = sys::fcntl(Fd::STDERR, F_DUPFD_CLOEXEC, 3)?;
            self.message = self.own_once(copy, &{ self.locks }, false)?;
        }
        for number in 0..self.streams.len() {
            let fd = self.streams[number];
            if fd.is_some() {
                sys::dup3(fd, Fd(number as u32), 0)?;
            }
        }
        for index in 0..self.streams.len() {
            let fd = self.streams[index];
            if fd.is_some() && fd != self.null {
                sys::close(fd); // in the daemon's table: in the launcher's it is there for another daemon
                if self.plan.foreground() {
                    self.streams[index] = Fd::NONE;
                }
            }
        }
        Ok(())
    }

    /// Empties the standard stream that the step is about, if it is a file; a device or a FIFO has nothing to empty.
    pub(super) fn truncate(&mut self) -> Result<(), Reason> {
        let number = 1 + self.step as usize - Step::TruncateStdout as usize;
        if self.plan.file(number).is_some()
            && let Err(errno) = sys::ftruncate(Fd(number as u32))
            && !errno.is(EINVAL)
        {
            return Err(errno.into());
        }
        Ok(())
    }
}

/// Opens a stream's file without waiting for anybody: a FIFO's other end, a serial line's carrier.
pub(super) fn open_file(directory: Fd, file: Word, output: bool) -> Result<Fd, Reason> {
    let (how, flags) = if output { (O_WRONLY | O_CREAT, O_APPEND) } else { (O_RDONLY, 0) };
    let fd = sys::openat(directory, file, how | flags | O_NONBLOCK, 0o640)?;
    sys::fcntl(fd, F_SETFL, flags)?;
    Ok(fd)
}

/// Opens the null device. Where /dev/null is missing or something else, a private one is made under a passing name, in
/// /dev or else in /; nothing stays behind.
fn null_device() -> Result<Fd, Reason> {
    open_null_device(NULL_DEVICE).or_else(|reason| {
        private_null_device(ZStr::new(c"/dev/.bgexec"))
            .or_else(|_| private_null_device(ZStr::new(c"/.bgexec")))
            .map_err(|_| reason)
    })
}

/// Makes a null device and opens it. Where two do so at once, one opens the other's.
fn private_null_device(path: ZStr) -> Result<Fd, Reason> {
    while sys::mknod_character(path, 1, 3).map_or_else(|errno| errno.is(EEXIST), |()| true) {
        let private = open_null_device(path);
        if private == Err(Reason::NOT_THE_NULL_DEVICE) {
            break; // and none of bgexec's
        }
        let stays = sys::unlinkat(Fd::CWD, path).is_err_and(|errno| !errno.is(ENOENT));
        if stays || private != Err(Errno::NOENT.into()) {
            return private;
        }
        // Else the other was faster.
    }
    Err(Reason::NOT_THE_NULL_DEVICE)
}

fn open_null_device(path: ZStr) -> Result<Fd, Reason> {
    let fd = sys::open(path, O_RDWR)?;
    if sys::fstat(fd, &mut StatRoom::uninit())?.is_character_device(1, 3) {
        Ok(fd)
    } else {
        Err(Reason::NOT_THE_NULL_DEVICE)
    }
}
