//! The standard streams.

#![forbid(unsafe_code)]

use super::Launch;
use crate::plan::{NULL_DEVICE, Stream};
use crate::report::Reason;
use crate::sys::abi::{
    EINVAL, F_DUPFD_CLOEXEC, F_GETFD, F_SETFL, O_APPEND, O_CREAT, O_NONBLOCK, O_PATH, O_RDONLY, O_RDWR, O_WRONLY,
};
use crate::sys::zstr::{Word, ZStr};
use crate::sys::{self, Fd, PathBuffer};

impl Launch<'_> {
    /// Fills the descriptors of 0 to 2 that were closed. What fills them can be neither read nor written, as if they
    /// still were closed, and is there on every system.
    pub(super) fn fill(&mut self) -> Result<(), Reason> {
        for number in 0..3 {
            if sys::fcntl(Fd(number), F_GETFD, 0).is_err() {
                sys::openat(Fd::CWD, ZStr::new(c"/"), O_PATH, 0)?;
                self.closed |= 1 << number;
            }
        }
        Ok(())
    }

    /// Opens what standard stream `number` is to be.
    pub(super) fn open_stream(&mut self, number: usize) -> Result<(), Reason> {
        let [_, output, _] = self.streams;
        let fd = match self.plan.streams.get(number) {
            Some(Stream::File(file)) => {
                let fd = open_file(*file, number != 0)?;
                if number == 2 && output.is_some() && sys::fstat(fd)?.is_same_file(&sys::fstat(output)?) {
                    sys::close(fd);
                    output // one description for both, so that neither overwrites the other's lines
                } else {
                    self.own(fd, false)?
                }
            }
            Some(Stream::Inherited) if self.closed >> number & 1 == 0 => return Ok(()),
            _ => self.null_device()?,
        };
        if let Some(stream) = self.streams.get_mut(number) {
            *stream = fd;
        }
        Ok(())
    }

    /// The null device; a private one where /dev/null is missing or something else.
    fn null_device(&mut self) -> Result<Fd, Reason> {
        if !self.null.is_some() {
            let fd = open_null_device(NULL_DEVICE).or_else(|reason| private_null_device().ok_or(reason))?;
            self.null = self.own(fd, false)?;
        }
        Ok(self.null)
    }

    /// Puts the streams onto descriptors 0 to 2. In the foreground a copy of the original standard error stays for the
    /// message.
    pub(super) fn redirect(&mut self) -> Result<(), Reason> {
        if self.plan.foreground() {
            let copy = sys::fcntl(Fd::STDERR, F_DUPFD_CLOEXEC, 3)?;
            self.message = self.own(copy, false)?;
        }
        for (number, fd) in self.streams.into_iter().enumerate() {
            if fd.is_some() {
                sys::dup3(fd, Fd(number as i32), 0)?;
            }
        }
        Ok(())
    }

    /// Empties the output files; a device or a FIFO has nothing to empty.
    pub(super) fn truncate(&self) -> Result<(), Reason> {
        for (stream, fd) in self.plan.streams.iter().zip([Fd::NONE, Fd::STDOUT, Fd::STDERR]) {
            if let (Stream::File(_), true) = (stream, fd.is_some())
                && let Err(errno) = sys::truncate(fd)
                && errno.number() != EINVAL
            {
                return Err(errno.into());
            }
        }
        Ok(())
    }
}

/// Opens a stream's file without waiting for anybody: a FIFO's other end, a serial line's carrier.
fn open_file(file: Word, output: bool) -> Result<Fd, Reason> {
    let (how, flags) = if output { (O_WRONLY | O_CREAT, O_APPEND) } else { (O_RDONLY, 0) };
    let fd = sys::openat(Fd::CWD, file, how | flags | O_NONBLOCK, 0o640)?;
    sys::fcntl(fd, F_SETFL, flags)?;
    Ok(fd)
}

fn open_null_device(path: ZStr) -> Result<Fd, Reason> {
    let fd = sys::openat(Fd::CWD, path, O_RDWR, 0)?;
    if sys::fstat(fd)?.is_character_device(1, 3) {
        return Ok(fd);
    }
    sys::close(fd);
    Err(Reason::NOT_THE_NULL_DEVICE)
}

/// Makes a null device under a passing name, in /dev or else in /, and opens it; nothing stays behind.
fn private_null_device() -> Option<Fd> {
    let mut path = PathBuffer::new();
    for directory in [c"/dev/", c"/"] {
        path.cut(0);
        path.push(directory.to_bytes()).ok()?;
        path.push(b".bgexec-").ok()?;
        path.push_decimal(sys::getpid() as u32).ok()?;
        if sys::mknod_character(path.as_zstr(), 1, 3).is_ok() {
            let fd = open_null_device(path.as_zstr());
            if sys::unlinkat(Fd::CWD, path.as_zstr()).is_ok() && fd.is_ok() {
                return fd.ok();
            }
        }
    }
    None
}
