//! Which descriptors are open, under which numbers, in whose table.

#![forbid(unsafe_code)]

use super::Launch;
use crate::options::Opt;
use crate::plan::Value;
use crate::report::Reason;
use crate::sys::abi::{
    CLONE_FILES, CLOSE_RANGE_UNSHARE, EBADF, ENOENT, F_DUPFD, F_DUPFD_CLOEXEC, F_GETFD, F_SETFD, FD_CLOEXEC, O_CLOEXEC,
    O_DIRECTORY, O_RDONLY,
};
use crate::sys::zstr::ZStr;
use crate::sys::{self, Errno, Fd};

/// All that is the launch's own lies below this number, unless `--no-close` leaves it none there.
const BOUNDARY: u32 = 64;

/// The bounded loop's end, where neither close_range nor /proc tells what is open.
const LOOP_LIMIT: u64 = 1 << 20;

impl Launch {
    /// Makes sure that every descriptor of `--keep-fd` is open, and none is to become another.
    pub(super) fn keep(&self) -> Result<(), Reason> {
        let mut list = self.word();
        while let Some((number, rest)) = list.number(u32::MAX.into()) {
            if self.plan.options.has(Opt::Notify) && number == self.plan.value(Value::Notify) {
                return Err(Reason::NEEDED_FOR_NOTIFY);
            }
            sys::fcntl(Fd(number as u32), F_GETFD, 0)?;
            list = rest.rest();
        }
        Ok(())
    }

    /// Makes a descriptor the launch's own: one below the boundary, on no number that COMMAND counts on. A lock's goes
    /// to the highest such number, where no script's `exec 3>` or `exec 9>` closes it.
    pub(super) fn own(&mut self, fd: Fd, lock: bool) -> Result<Fd, Reason> {
        let moves = lock || fd.0 >= BOUNDARY || self.used >> fd.0 & 1 != 0;
        let own = if moves { self.move_to_highest(fd, lock)? } else { fd };
        self.used |= bit(own);
        Ok(own)
    }

    /// Moves a descriptor to the highest free number below the boundary; where all stay and leave none there, to a higher
    /// one. Only a lock's outlives `execve`, unless a supervisor has it.
    fn move_to_highest(&self, fd: Fd, lock: bool) -> Result<Fd, Reason> {
        let all_stay = self.plan.options.has(Opt::NoClose);
        let closes = u32::from(!lock || self.plan.options.has(Opt::Restart)); // at exec
        for number in (3..BOUNDARY).rev() {
            let to = Fd(number);
            if self.used >> number & 1 != 0 || to != fd && all_stay && sys::fcntl(to, F_GETFD, 0).is_ok() {
                continue;
            }
            if to == fd {
                sys::fcntl(fd, F_SETFD, closes * FD_CLOEXEC)?;
                return Ok(fd);
            }
            match sys::dup3(fd, to, closes * O_CLOEXEC) {
                Err(errno) if errno.is(EBADF) => {} // beyond RLIMIT_NOFILE
                copied => {
                    copied?;
                    sys::close(fd);
                    return Ok(to);
                }
            }
        }
        if !all_stay {
            return Err(Errno::MFILE.into());
        }
        let counted_on = self.plan.kept.highest.max(self.plan.value(Value::Notify)) as u32;
        let command = F_DUPFD + closes * (F_DUPFD_CLOEXEC - F_DUPFD);
        let to = sys::fcntl(fd, command, counted_on.max(BOUNDARY) + 1).map_err(|_| Errno::MFILE)?;
        sys::close(fd);
        Ok(to)
    }

    /// The same for a file that may be open already as one of the `others`: then it is that one.
    #[inline(never)]
    pub(super) fn own_once(&mut self, fd: Fd, others: &[Fd; 3], lock: bool) -> Result<Fd, Reason> {
        let other = open_as(fd, others)?;
        if !other.is_some() {
            return self.own(fd, lock);
        }
        sys::close(fd);
        Ok(other)
    }

    /// Closes an own file.
    pub(super) fn release(&mut self, fd: Fd) {
        if fd.is_some() {
            self.used &= !bit(fd);
            sys::close(fd);
        }
    }

    /// Gives the daemon a descriptor table of its own, if it still shares the launcher's: a copy of what lies below the
    /// highest number in use, so that of 10,000 inherited descriptors none is copied and none must be closed.
    pub(super) fn unshare(&mut self) -> Result<(), Reason> {
        self.table_end = u32::MAX;
        if self.shared {
            let end = (u64::BITS - self.used.leading_zeros()).max(self.plan.kept.highest as u32 + 1);
            match sys::close_range(end, u32::MAX, CLOSE_RANGE_UNSHARE) {
                Ok(()) => self.table_end = end,
                Err(_) => sys::unshare(CLONE_FILES)?,
            }
        }
        Ok(())
    }

    /// Closes every descriptor but 0 to 2, the kept ones and the daemon's own: at once and not at exec, because one of
    /// them may be of the pidfile, whose lock would end with it.
    pub(super) fn close_others(&mut self) -> Result<(), Reason> {
        let [read, _] = self.status_pipe;
        self.used &= !bit(read);
        if self.close_ranges().is_err() && self.close_listed().is_err() {
            for number in 3..sys::descriptor_limit()?.min(LOOP_LIMIT) as u32 {
                self.close_unless_it_stays(number);
            }
        }
        Ok(())
    }

    fn close_ranges(&self) -> sys::Result<()> {
        let mut first = 3;
        for number in 3..BOUNDARY.max(self.plan.kept.highest as u32 + 1) {
            if self.stays(number) {
                // No descriptor between two that stay: the range is empty, and the kernel says EINVAL.
                if first < number {
                    sys::close_range(first, number - 1, 0)?;
                }
                first = number + 1;
            }
        }
        if first < self.table_end { sys::close_range(first, u32::MAX, 0) } else { Ok(()) }
    }

    /// The same for kernels before 5.9 and filters that forbid close_range: by the list in /proc. Apart, so that a launch that
    /// needs no room for that does not reach down to another page of the stack.
    #[inline(never)]
    fn close_listed(&self) -> sys::Result<()> {
        let list = sys::open(ZStr::new(c"/proc/self/fd"), O_RDONLY | O_DIRECTORY)?;
        let mut buffer = [0; 512];
        loop {
            let size = sys::getdents64(list, &mut buffer)? as usize;
            let mut at = 0;
            while at < size
                && let Some(entry) = buffer.get_mut(at..size)
                // struct linux_dirent64: an entry's size, here below 256, is at byte 16 or 17, its name at byte 19.
                && let Some(&[low, high, _, _]) = entry.get(16..20)
            {
                at += usize::from(low | high);
                let name = ZStr::terminate(entry.get_mut(19..).unwrap_or_default());
                if let Some((number, _)) = name.number(u32::MAX.into())
                    && number as u32 != list.0
                {
                    self.close_unless_it_stays(number as u32);
                }
            }
            if size == 0 {
                sys::close(list);
                return Ok(());
            }
        }
    }

    fn close_unless_it_stays(&self, number: u32) {
        if number > 2 && !self.stays(number) {
            sys::close(Fd(number));
        }
    }

    fn stays(&self, number: u32) -> bool {
        if number < BOUNDARY { self.used >> number & 1 != 0 } else { self.plan.keeps(number) }
    }
}

/// Which of the `others` a file is open as, too; [`Fd::NONE`] if it is none of them.
#[inline(never)]
pub(super) fn open_as(fd: Fd, others: &[Fd; 3]) -> Result<Fd, Reason> {
    for &other in others {
        if other.is_some() {
            match sys::same_file(fd, other, ZStr::new(c"")) {
                Err(errno) if errno.is(ENOENT) => {}
                same => {
                    same?;
                    return Ok(other);
                }
            }
        }
    }
    Ok(Fd::NONE)
}

/// The bit of a descriptor in [`Launch::used`]: none from the boundary on.
#[inline(never)]
pub(super) fn bit(fd: Fd) -> u64 {
    1_u64.unbounded_shl(fd.0)
}
