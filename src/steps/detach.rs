//! Leader and daemon, and what the launcher hears of them.

#![forbid(unsafe_code)]

use super::{Failure, Launch, ORDER, Step};
use crate::report::{self, Reason};
use crate::sys::abi::{CLONE_FILES, CLONE_PARENT, SIGCHLD};
use crate::sys::{self, Errno, PathBuffer, Pid};

impl<'a> Launch<'a> {
    /// Makes the status pipe.
    pub(super) fn open_pipe(&mut self) -> Result<(), Reason> {
        let [read, write] = sys::pipe()?;
        self.status = [self.own(read, false)?, self.own(write, false)?];
        Ok(())
    }

    /// Makes the daemon, waits for its verdict, and after a failure reaps it.
    pub(super) fn detach(&mut self) -> Result<Pid, Failure> {
        let [read, write] = self.status;
        self.daemon = 0;
        // One process less where the launcher leads no process group, as under a boot script.
        let alone = sys::setsid().is_ok();
        let child = self.child(if alone { daemon } else { leader }, 0);
        self.release(write);
        let verdict = match child {
            Ok(child) => {
                if alone {
                    self.daemon = child;
                }
                self.listen(if alone { 0 } else { child })
            }
            Err(errno) => Err(self.failure(Step::Daemon, errno)),
        };
        self.release(read);
        verdict
    }

    /// Makes a child. It has no exit signal, so that no inherited disposition of SIGCHLD can reap it, and it shares the
    /// descriptor table, of which the daemon then copies only what it needs. Where the kernel refuses either, an
    /// ordinary vfork serves.
    fn child(&mut self, entry: extern "C" fn(&mut Launch<'a>) -> !, flags: u32) -> sys::Result<Pid> {
        let files = if self.shared { CLONE_FILES } else { 0 };
        sys::clone_vm(flags | files, 0, entry, self).or_else(|_| {
            self.shared = false;
            sys::clone_vm(0, SIGCHLD, entry, self)
        })
    }

    /// Reads the daemon's records to their end. The last one is the verdict.
    fn listen(&mut self, leader: Pid) -> Result<Pid, Failure> {
        let mut ended = if leader == 0 { None } else { sys::wait4(leader, 0).ok().flatten() };
        let mut verdict = None;
        loop {
            let mut record = [0; 8];
            match sys::read(self.status[0], &mut record) {
                Ok(0) => break,
                Ok(8) => {}
                short => {
                    return Err(self.failure(Step::Pipe, short.err().map_or(Reason::ENDED, Reason::from)));
                }
            }
            let record = u64::from_ne_bytes(record);
            let Some(&step) = ORDER.get((record >> 32) as usize) else { continue };
            match Reason::from_bits(record as u32) {
                Reason::TAKEN => report::step(self.plan, step, self.message),
                reason => verdict = Some((step, reason)),
            }
        }
        if let Some((_, reason)) = verdict
            && reason.is(Reason::EXECUTING)
        {
            return Ok(reason.operand() as Pid);
        }
        if self.daemon != 0 {
            ended = sys::wait4(self.daemon, 0).ok().flatten();
        }
        let (step, reason) = verdict.unwrap_or((Step::Execute, ended.map_or(Reason::ENDED, Reason::ended)));
        Err(self.failure(step, reason))
    }

    /// Sends a record to the launcher, if there is one.
    pub(super) fn record(&self, step: Step, reason: Reason) -> sys::Result<()> {
        let status = self.status[1];
        if !status.is_some() {
            return Ok(());
        }
        let record = (step as u64) << 32 | u64::from(reason.bits());
        sys::write(status, &record.to_ne_bytes())
    }

    /// Sends a failure, and ends the process. There is nobody to hear that sending failed.
    fn fail(&self, step: Step, reason: Reason) -> ! {
        let _ = self.record(step, reason);
        sys::exit(125)
    }
}

/// The leader: makes a session and in it the daemon, as the launcher's own child, so that the launcher can reap it.
extern "C" fn leader(launch: &mut Launch) -> ! {
    if let Err(errno) = sys::setsid() {
        launch.fail(Step::Session, errno.into());
    }
    match launch.child(daemon, CLONE_PARENT) {
        Ok(pid) => launch.daemon = pid,
        Err(errno) => launch.fail(Step::Daemon, errno.into()),
    }
    sys::exit(0)
}

/// The daemon: takes the remaining steps, of which the last makes it COMMAND.
extern "C" fn daemon(launch: &mut Launch) -> ! {
    let taken = if launch.plan.needs_here() {
        launch.take_from_here()
    } else {
        launch.take(Step::Session as usize, ORDER.len(), Err(Errno::NOENT))
    };
    match taken {
        Err(failure) => launch.fail(failure.step, failure.reason),
        Ok(()) => sys::exit(125),
    }
}

impl Launch<'_> {
    /// Takes the daemon's steps where COMMAND is to be found from the directory in which bgexec was started. Apart from
    /// [`daemon`], so that a launch that does not need the room for its path does not touch it.
    #[inline(never)]
    fn take_from_here(&mut self) -> Result<(), Failure> {
        let mut here = PathBuffer::new();
        let answer = here.getcwd();
        self.take(Step::Session as usize, ORDER.len(), answer.map(|()| here.as_zstr()))
    }
}
