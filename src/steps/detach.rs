//! Leader and daemon, and what the launcher hears of them.

#![forbid(unsafe_code)]

use core::hint::black_box;

use super::descriptors::bit;
use super::wait::reap;
use super::{Launch, ORDER, Step};
use crate::options::Opt;
use crate::report::{self, Reason};
use crate::sys::abi::{
    CLONE_FILES, CLONE_FS, CLONE_PARENT, CLONE_PARENT_SETTID, CLONE_SIGHAND, EAGAIN, ENOMEM, SIGCHLD, SIGKILL,
};
use crate::sys::{self, Fd, Manner, Pid, room};

/// How many bytes a record has: a reason's bits, and the step.
const RECORD: u32 = 5;

/// What the launcher needs of the stack to end the daemon, and more.
const GAP: usize = 512;

impl Launch {
    /// Makes the status pipe.
    pub(super) fn open_pipe(&mut self) -> Result<(), Reason> {
        let mut ends = [Fd::NONE; 2];
        self.own_pipe(&mut ends)?;
        self.status_pipe = ends;
        Ok(())
    }

    /// Makes a pipe of the launch's own.
    #[inline(never)]
    pub(super) fn own_pipe(&mut self, ends: &mut [Fd; 2]) -> Result<(), Reason> {
        sys::pipe(ends)?;
        let [read, write] = ends;
        let used = self.used;
        self.used |= bit(*write); // so that the other end is not moved there
        *read = self.own(*read, false)?;
        self.used = used | bit(*read);
        *write = self.own(*write, false)?;
        Ok(())
    }

    /// Makes the daemon and waits for its verdict.
    #[inline(never)]
    pub(super) fn detach(&mut self) -> Result<(), Reason> {
        self.daemon = 0;
        self.step = Step::Daemon;
        let leads = self.plan.leads_session();
        // One process less where the launcher can take the step `Session` itself, which leads no process group under a boot
        // script; init takes none.
        let leaderless = !leads && (self.plan.is_init() || !self.plan.waits() && sys::setsid().is_ok());
        if self.plan.waits() {
            self.expect_children()?;
            if !self.plan.stays() {
                // What COMMAND leaves behind while it is waited for is reaped here if it has to go: not every pid 1 does that.
                let _ = sys::set_child_subreaper();
            }
        }
        let child = if leaderless {
            self.child(daemon, self.daemon_manner())
        } else {
            self.child(leader, self.leader_manner())
        };
        self.verdict(child, leaderless || leads)
    }

    /// Sees to it that children wait to be reaped: were SIGCHLD ignored, the kernel would do that, and their status be lost.
    pub(super) fn expect_children(&mut self) -> Result<(), Reason> {
        self.ignores_children |= sys::disposition(SIGCHLD)? == 1;
        Ok(sys::rt_sigaction(SIGCHLD, 0)?)
    }

    /// Hears what became of a child: the daemon itself, or its leader. After a failure both are reaped.
    pub(super) fn verdict(&mut self, child: sys::Result<Pid>, is_daemon: bool) -> Result<(), Reason> {
        let [read, write] = self.status_pipe;
        self.release(write);
        let verdict = match child {
            Ok(child) if is_daemon => {
                self.daemon = child;
                self.listen(Reason::ENDED)
            }
            Ok(leader) => {
                let ended = reap(leader);
                if self.daemon == leader {
                    self.daemon = 0; // it has not come to make one
                }
                // Who kills the leader wakes the launcher while the daemon still has its stack, and maybe its descriptors:
                // that daemon is not wanted, whatever it says.
                if ended.is(Reason::KILLED) && self.daemon != 0 {
                    self.end_daemon();
                    self.step = Step::Daemon;
                    Err(ended)
                } else {
                    self.listen(ended)
                }
            }
            Err(errno) => Err(errno.into()),
        };
        self.release(read);
        verdict
    }

    /// Makes a child. It has no exit signal, so that no inherited disposition of SIGCHLD can reap it, and it shares the
    /// descriptor table, of which the daemon then copies only what it needs. Where the kernel refuses either, an
    /// ordinary vfork serves; but not where there is no room for a process, as there may be a moment later: then the daemon would
    /// be the leader's child, which nobody can wait for.
    pub(super) fn child(&mut self, entry: extern "C" fn(&mut Launch) -> !, manner: Manner) -> sys::Result<Pid> {
        let files = if self.shared { CLONE_FILES } else { 0 };
        let exit_signal = if self.plan.waits() { SIGCHLD } else { 0 };
        let ordinary = manner.reduced_to(CLONE_PARENT_SETTID).with(SIGCHLD);
        let mut manner = manner.with(files).with(exit_signal);
        loop {
            match sys::clone(manner, entry, self, pid_place) {
                Err(errno) if !errno.is(EAGAIN) && !errno.is(ENOMEM) && manner != ordinary => {
                    self.shared = false;
                    manner = ordinary;
                }
                made => return made,
            }
        }
    }

    /// How the leader is made, who may be the daemon, but no supervisor. If not, it changes nothing but its session: where it
    /// shares the descriptor table, it shares what else the daemon needs a copy of.
    fn leader_manner(&self) -> Manner {
        let shares = self.shared & !self.plan.leads_session();
        Manner::VFORK.with(if shares { CLONE_FS | CLONE_SIGHAND | CLONE_PARENT_SETTID } else { CLONE_PARENT_SETTID })
    }

    /// How the daemon is made: a supervisor executes nothing, so that nobody can wait for that.
    fn daemon_manner(&self) -> Manner {
        if self.plan.options.has(Opt::Restart) { Manner::FORK } else { Manner::VFORK }
    }

    /// Reads the daemon's records to their end. The last one is the verdict; without any, the daemon `ended`, or its
    /// leader did.
    fn listen(&mut self, ended: Reason) -> Result<(), Reason> {
        let mut verdict = None;
        loop {
            let mut record = [0; RECORD as usize];
            match sys::read(self.status_pipe[0], &mut record) {
                Ok(0) => break,
                Ok(RECORD) => {}
                read => {
                    // Whatever the daemon may have become, nobody will know.
                    self.step = Step::Daemon;
                    verdict = Some(read.map_or_else(Reason::from, |_| Reason::ENDED));
                    break;
                }
            }
            let [reason @ .., step] = record;
            if let Some(step) = Step::numbered(step.into()) {
                self.step = step;
                match Reason::from_bits(u32::from_ne_bytes(reason)) {
                    None if self.launchers_pipe.is_some() => sys::write(self.launchers_pipe, &record)?,
                    None => self.say_step(),
                    reason => verdict = reason,
                }
            }
        }
        match verdict {
            Some(reason) if reason.is(Reason::EXECUTING) => {
                // The pid that a child of the launcher's has in its own pid namespace may be another's here.
                if self.daemon == 0 {
                    self.daemon = reason.operand() as Pid;
                }
                self.say_step();
                return Ok(());
            }
            None => self.step = Step::Execute,
            _ => {}
        }
        let ended = if self.daemon == 0 { ended } else { self.end_daemon() };
        Err(verdict.unwrap_or(ended))
    }

    /// Says that a step was taken; a supervisor has told its launcher, as far as that one listens.
    fn say_step(&self) {
        if self.supervisor == 0 {
            report::step(self);
        }
    }

    /// Kills the daemon, if it has not ended by itself; gives how it did. What a supervisor had started is in its group, and
    /// must be gone before it can be seen from its pidfile that nothing runs.
    pub(super) fn end_daemon(&self) -> Reason {
        let _ = sys::kill(self.daemon, SIGKILL);
        let ended = reap(self.daemon);
        self.end_group(0);
        ended
    }

    /// Sends a record on the step to the launcher, if there is one: that it was taken, or what came of it.
    pub(super) fn record(&self, reason: Option<Reason>) -> sys::Result<()> {
        let status = self.status_pipe[1];
        if !status.is_some() {
            return Ok(());
        }
        let [a, b, c, d] = reason.map_or(0, Reason::bits).to_ne_bytes();
        sys::write(status, &[a, b, c, d, self.step as u8])
    }

    /// Sends why the step failed, and ends the process. There is nobody to hear that sending failed.
    pub(super) fn fail(&self, reason: Reason) -> ! {
        let _ = self.record(Some(reason));
        sys::exit(125)
    }

    /// Takes the steps from `first` on, the last of which makes this process COMMAND; tells if that was not possible.
    pub(super) fn become_command(&mut self, first: Step) -> ! {
        let taken = self.take(first, ORDER.len());
        self.fail(taken.err().unwrap_or(Reason::ENDED))
    }
}

/// Where the kernel writes a leader's pid, and then its daemon's.
fn pid_place(launch: &mut Launch) -> &mut Pid {
    &mut launch.daemon
}

/// The leader: makes a session and in it the daemon, as the launcher's own child, so that the launcher can reap it; unless
/// it is to be the daemon itself.
extern "C" fn leader(launch: &mut Launch) -> ! {
    if let Err(errno) = sys::setsid() {
        launch.step = Step::Session;
        launch.fail(errno.into());
    }
    if launch.plan.leads_session() {
        daemon(launch);
    }
    // In another pid namespace the daemon has a pid that the launcher does not know; and where the leader is the first process, its
    // end is that of all.
    if launch.daemon != 0 && launch.daemon != sys::getpid() {
        launch.step = Step::Daemon;
        launch.fail(Reason::OTHER_PID_NAMESPACE);
    }
    launch.daemon = 0;
    // The launcher, woken by whoever kills the leader, has this much of the stack to itself: the daemon's begins below it.
    black_box(&room::<GAP>());
    match launch.child(daemon, launch.daemon_manner().with(CLONE_PARENT | CLONE_PARENT_SETTID)) {
        Ok(_) => sys::exit(0),
        Err(errno) => launch.fail(errno.into()),
    }
}

/// The daemon: takes the remaining steps, of which the last makes it COMMAND.
extern "C" fn daemon(launch: &mut Launch) -> ! {
    launch.become_command(Step::Session)
}
