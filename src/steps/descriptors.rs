//! Which descriptors are open, under which numbers, in whose table.

#![forbid(unsafe_code)]

use super::Launch;
use crate::options::Opt;
use crate::report::Reason;
use crate::sys::abi::{CLONE_FILES, CLOSE_RANGE_UNSHARE, F_GETFD, O_CLOEXEC, O_DIRECTORY, O_RDONLY};
use crate::sys::zstr::ZStr;
use crate::sys::{self, Errno, Fd};

/// The daemon's own table begins as a copy of what lies below this number, or below the highest kept one.
const BOUNDARY: u32 = 64;

/// The bounded loop's end, where neither close_range nor /proc tells what is open.
const LOOP_LIMIT: u64 = 1 << 20;

impl Launch<'_> {
    /// Makes sure that every descriptor of `--keep-fd` is open, and keeps own files off their numbers.
    pub(super) fn keep(&mut self) -> Result<(), Reason> {
        let mut from = 0;
        while let Some(number) = self.plan.next_kept(from) {
            sys::fcntl(Fd(number as i32), F_GETFD, 0)?;
            if number < BOUNDARY {
                self.taken |= 1 << number;
            }
            from = number + 1;
        }
        Ok(())
    }

    /// Makes a descriptor the launch's own: one below the boundary, on no number that COMMAND counts on. A lock's goes
    /// to the highest such number, where no script's `exec 3>` or `exec 9>` closes it.
    pub(super) fn own(&mut self, fd: Fd, lock: bool) -> Result<Fd, Reason> {
        if !lock && (fd.0 as u32) < BOUNDARY {
            self.taken |= 1 << fd.0;
            return Ok(fd);
        }
        let all_stay = self.plan.options.has(Opt::NoClose);
        for number in (3..BOUNDARY).rev() {
            let to = Fd(number as i32);
            if self.taken >> number & 1 != 0 || all_stay && to != fd && sys::fcntl(to, F_GETFD, 0).is_ok() {
                continue;
            }
            if to != fd {
                if sys::dup3(fd, to, O_CLOEXEC).is_err() {
                    continue; // beyond RLIMIT_NOFILE
                }
                sys::close(fd);
            }
            self.taken |= 1 << number;
            return Ok(to);
        }
        if all_stay { Ok(fd) } else { Err(Errno::MFILE.into()) }
    }

    /// Closes an own file.
    pub(super) fn release(&mut self, fd: Fd) {
        if fd.is_some() {
            self.taken &= !(1 << fd.0);
            sys::close(fd);
        }
    }

    /// Gives the daemon a descriptor table of its own, if it still shares the launcher's: a copy of what lies below the
    /// boundary, so that of 10,000 inherited descriptors none is copied and none must be closed.
    pub(super) fn unshare(&mut self) -> Result<(), Reason> {
        if !self.shared {
            return Ok(());
        }
        let mut boundary = BOUNDARY;
        while let Some(kept) = self.plan.next_kept(boundary) {
            boundary = kept + 1;
        }
        if sys::close_range(boundary, u32::MAX, CLOSE_RANGE_UNSHARE).is_err() {
            sys::unshare(CLONE_FILES)?;
        }
        Ok(())
    }

    /// Closes every descriptor but 0 to 2, the kept ones and the daemon's own: at once and not at exec, because one of
    /// them may be of the pidfile, whose lock would end with it.
    pub(super) fn close_others(&self) -> Result<(), Reason> {
        if self.close_ranges().is_err() && self.close_listed().is_err() {
            self.close_up_to_limit()?;
        }
        Ok(())
    }

    fn close_ranges(&self) -> sys::Result<()> {
        let mut first = 3;
        loop {
            let stays = self.next_that_stays(first);
            let last = stays.map_or(u32::MAX, |number| number - 1);
            if last >= first {
                sys::close_range(first, last, 0)?;
            }
            match stays {
                Some(number) => first = number + 1,
                None => return Ok(()),
            }
        }
    }

    /// The same for kernels before 5.9 and filters that forbid close_range: by the list in /proc.
    fn close_listed(&self) -> sys::Result<()> {
        let list = sys::openat(Fd::CWD, ZStr::new(c"/proc/self/fd"), O_RDONLY | O_DIRECTORY, 0)?;
        let mut buffer = [0; 1024];
        loop {
            let mut entries = sys::getdents64(list, &mut buffer)?;
            if entries.is_empty() {
                sys::close(list);
                return Ok(());
            }
            while let Some((name, rest)) = sys::split_entry(entries) {
                let number = name.iter().take_while(|byte| byte.is_ascii_digit());
                let number = number.fold(0, |number: u32, byte| number.wrapping_mul(10) + u32::from(byte - b'0'));
                if number != list.0 as u32 {
                    self.close_unless_it_stays(number);
                }
                entries = rest;
            }
        }
    }

    /// The same without /proc.
    fn close_up_to_limit(&self) -> sys::Result<()> {
        for number in 3..sys::descriptor_limit()?.min(LOOP_LIMIT) as u32 {
            self.close_unless_it_stays(number);
        }
        Ok(())
    }

    fn close_unless_it_stays(&self, number: u32) {
        if number > 2 && self.next_that_stays(number) != Some(number) {
            sys::close(Fd(number as i32));
        }
    }

    /// The lowest descriptor from `from` on that is not to be closed.
    fn next_that_stays(&self, from: u32) -> Option<u32> {
        let mut lowest = self.plan.next_kept(from);
        for own in [self.lockfile, self.pidfile, self.directory, self.status[1], self.message] {
            let number = own.0 as u32;
            if own.is_some() && number >= from && lowest.is_none_or(|lowest| number < lowest) {
                lowest = Some(number);
            }
        }
        lowest
    }
}
