//! A tracer (ptrace(2), x86_64 alone): sees every system call of a launch up to COMMAND's, and once has a call fail or a
//! process get a signal.
//!
//! Tracees belong to the thread that made them, so that many launches are traced at once.

#![allow(unsafe_code, reason = "ptrace, and the child that asks to be traced")]

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::sync::{Mutex, MutexGuard, Once, PoisonError};
use std::time::{Duration, Instant};

use crate::room::is_alive;

pub const SIGHUP: i32 = 1;
pub const SIGKILL: i32 = 9;
pub const SIGTERM: i32 = 15;
pub const SIGCONT: i32 = 18;
pub const SIGSTOP: i32 = 19;
pub const ECHILD: i32 = 10;
pub const ENOSYS: i32 = 38;

/// How long a process of a launch may live before it executes something.
const LIMIT: Duration = Duration::from_secs(30);

/// Requests and options of ptrace, by their names in the kernel's headers.
mod abi {
    pub const TRACEME: usize = 0;
    pub const PEEKDATA: usize = 2;
    pub const POKEUSER: usize = 6;
    pub const DETACH: usize = 17;
    pub const SYSCALL: usize = 24;
    pub const SETOPTIONS: usize = 0x4200;
    pub const GETEVENTMSG: usize = 0x4201;
    pub const GET_SYSCALL_INFO: usize = 0x420e;
    pub const CONT: usize = 7;
    /// TRACESYSGOOD, TRACEFORK, TRACEVFORK, TRACECLONE, TRACEEXEC, TRACEEXIT, EXITKILL.
    pub const OPTIONS: usize = 0x0010_005f;
    pub const EVENT_EXEC: i32 = 4;
    pub const EVENT_EXIT: i32 = 6;
    pub const SIGTRAP: i32 = 5;
    pub const SYSCALL_STOP: i32 = SIGTRAP | 0x80;
    /// Where struct user has the two registers.
    pub const RAX: usize = 80;
    pub const ORIG_RAX: usize = 120;
    /// __WALL | __WNOTHREAD: only this thread's tracees.
    pub const WAIT: usize = 0x6000_0000;
}

/// One system call of a launch: the process by the order of their making, the launcher being 0, and the call by its
/// place among that one's calls.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Ord, PartialOrd)]
pub struct Place {
    pub process: usize,
    pub index: usize,
}

/// A call as it is seen when it is about to be made.
#[derive(Clone, Copy, Debug)]
pub struct Call {
    pub place: Place,
    pub number: usize,
    /// The second of its arguments: what fcntl is to do.
    pub second: u64,
    /// Where the stack ends.
    pub stack: u64,
}

/// What is done when a process is about to make a call.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Harm {
    /// The call, if it is one of that number (how often a launch waits is not the same in each run), is not made, and fails
    /// with this errno. Two are made all the same: close, as the kernel closes whatever it answers; and wait4, if nobody is
    /// said to be there, as the kernel then has reaped the child itself.
    Errno { errno: i32, of: usize },
    /// A process, by the order of their making, gets a signal, if it has not ended; a stopped one goes on at once.
    Signal { number: i32, to: usize },
}

impl Harm {
    /// Whether it is meant for a call of this number.
    fn befalls(self, number: usize) -> bool {
        !matches!(self, Harm::Errno { of, .. } if of != number)
    }
}

/// What the tracer saw.
#[derive(Debug, Default)]
pub struct Trace {
    /// The calls, in their order.
    pub calls: Vec<Call>,
    /// Which processes have ended, by the order of their making, and how many calls there had been by then.
    pub ends: Vec<(usize, usize)>,
    /// Whether the harm was done.
    pub harmed: bool,
    /// The launcher's wait status.
    pub status: i32,
    /// All its processes, in the order of their making.
    pub made: Vec<i32>,
    /// The processes that became COMMAND.
    pub executed: Vec<i32>,
    /// Processes, zombies too, that were there when the launcher had ended, and had not become COMMAND.
    pub left: Vec<i32>,
    /// Children that the launcher had not reaped when it was about to exit.
    pub unreaped: Vec<i32>,
    /// Processes that live on for good and are not COMMAND: supervisors.
    pub stay: Vec<i32>,
    /// Whether a process waited for too long and was killed.
    pub hung: bool,
}

#[derive(Default)]
struct Tracee {
    process: usize,
    calls: usize,
    failing: Option<i32>,
    is_ready: bool,
    is_resting: bool,
    is_stopping: bool,
    is_leaving: bool,
}

/// Processes that are traced, for the one who watches them.
static TRACED: Mutex<BTreeMap<i32, (Instant, bool)>> = Mutex::new(BTreeMap::new());

fn traced() -> MutexGuard<'static, BTreeMap<i32, (Instant, bool)>> {
    TRACED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Has processes killed that wait for too long, for as long as the tests run.
fn watch() {
    static WATCHED: Once = Once::new();
    WATCHED.call_once(|| {
        std::thread::spawn(|| {
            loop {
                std::thread::park_timeout(Duration::from_millis(500));
                for (&pid, (start, hung)) in traced().iter_mut() {
                    if start.elapsed() > LIMIT {
                        *hung = true;
                        signal(pid, SIGKILL);
                    }
                }
            }
        });
    });
}

fn request(what: usize, pid: i32, address: usize, value: usize) -> isize {
    // SAFETY: what points, points to a live value of the right size.
    unsafe { sc::syscall!(PTRACE, what, pid, address, value) as isize }
}

/// Whether a process has a struct timespec of nothing there: seconds and nanoseconds.
fn is_nothing(pid: i32, address: usize) -> bool {
    [address, address + 8].into_iter().all(|address| {
        let mut word = 0_u64;
        request(abi::PEEKDATA, pid, address, (&raw mut word) as usize) == 0 && word == 0
    })
}

/// Sends a signal.
pub fn signal(pid: i32, number: i32) {
    // SAFETY: takes no pointer.
    unsafe { sc::syscall!(KILL, pid, number) };
}

/// The next of this thread's tracees that has stopped or ended, and its wait status; `None` if there is none left.
fn wait() -> Option<(i32, i32)> {
    let mut status = 0_i32;
    // SAFETY: the kernel writes the status.
    let pid = unsafe { sc::syscall!(WAIT4, -1_isize, &raw mut status, abi::WAIT, 0) } as i32;
    (pid > 0).then_some((pid, status))
}

/// Runs a command until its first process has ended and every other one has executed something, has ended or rests. A call
/// with the number `refused` fails with ENOSYS whenever it is made. Whether a supervisor `rests` is seen by its calls.
pub fn run(
    mut command: Command,
    refused: Option<usize>,
    rests: bool,
    harm: Option<(Place, Harm)>,
) -> io::Result<Trace> {
    watch();
    // SAFETY: one system call.
    unsafe {
        command.pre_exec(|| match request(abi::TRACEME, 0, 0, 0) {
            0 => Ok(()),
            error => Err(io::Error::from_raw_os_error(-error as i32)),
        })
    };
    let launcher = command.spawn()?.id() as i32;
    let mut launch = Traced {
        launcher,
        refused,
        rests,
        harm,
        trace: Trace::default(),
        tracees: BTreeMap::new(),
        seen: vec![],
        over: false,
    };
    launch.meet(launcher);
    while !launch.tracees.is_empty() {
        let Some((pid, status)) = wait() else {
            return Err(io::Error::other("a process is gone unseen"));
        };
        if status & 0xff == 0x7f {
            launch.go_on(pid, status >> 8 & 0xff, status >> 16);
        } else {
            launch.bury(pid, status);
        }
    }
    let Traced { mut trace, seen, .. } = launch;
    let executed = |pid: &i32| trace.executed.contains(pid);
    trace.unreaped.retain(|pid| !executed(pid));
    trace.left.retain(|pid| !executed(pid));
    let stays = |pid: &i32| !executed(pid) && *pid != launcher && is_alive(*pid);
    trace.stay = seen.iter().copied().filter(stays).collect();
    trace.made = seen;
    Ok(trace)
}

/// A launch that is being traced.
struct Traced {
    launcher: i32,
    refused: Option<usize>,
    rests: bool,
    harm: Option<(Place, Harm)>,
    trace: Trace,
    tracees: BTreeMap<i32, Tracee>,
    seen: Vec<i32>,
    /// Whether the launcher has ended.
    over: bool,
}

impl Traced {
    /// A process that may be new: its first stop may come before or after its parent tells of it.
    fn meet(&mut self, pid: i32) {
        if !self.seen.contains(&pid) {
            self.tracees.insert(pid, Tracee { process: self.seen.len(), ..Tracee::default() });
            self.seen.push(pid);
            traced().insert(pid, (Instant::now(), false));
        }
    }

    /// A process that is traced no more.
    fn part(&mut self, pid: i32) {
        self.tracees.remove(&pid);
        self.trace.hung |= traced().remove(&pid).is_some_and(|(_, hung)| hung);
    }

    fn bury(&mut self, pid: i32, status: i32) {
        let order = self.seen.iter().position(|seen| *seen == pid);
        self.trace.ends.extend(order.map(|process| (process, self.trace.calls.len())));
        self.part(pid);
        if pid == self.launcher {
            self.trace.status = status;
            self.over = true;
            let is_there = |pid: &i32| *pid != self.launcher && fs::exists(format!("/proc/{pid}")).unwrap_or(false);
            self.trace.left = self.seen.iter().copied().filter(is_there).collect();
            for (&pid, tracee) in &mut self.tracees {
                tracee.leave_if_resting(pid);
            }
        }
    }

    fn go_on(&mut self, pid: i32, stop: i32, event: i32) {
        self.meet(pid);
        let mut pass = 0;
        if stop == abi::SYSCALL_STOP {
            self.at_call(pid);
        } else if event == abi::EVENT_EXEC {
            self.trace.executed.push(pid);
            if matches!(self.harm, Some((_, Harm::Signal { number: SIGSTOP, .. }))) {
                signal(pid, SIGCONT); // one that was stopped on its way through execve
            }
            request(abi::DETACH, pid, 0, 0);
            if pid == self.launcher {
                // In the foreground: its end is waited for as that of any child.
                traced().insert(pid, (Instant::now(), false));
            } else {
                self.part(pid);
            }
            return;
        } else if event == abi::EVENT_EXIT {
            if pid == self.launcher {
                let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
                self.trace.unreaped = children.split_whitespace().filter_map(|pid| pid.parse().ok()).collect();
            }
        } else if (1..4).contains(&event) {
            let mut child = 0_usize;
            request(abi::GETEVENTMSG, pid, 0, (&raw mut child) as usize);
            self.meet(child as i32);
        } else if let Some(tracee) = self.tracees.get_mut(&pid) {
            if !tracee.is_ready {
                tracee.is_ready = true;
                if pid == self.launcher {
                    request(abi::SETOPTIONS, pid, 0, abi::OPTIONS);
                }
            } else if stop == SIGSTOP && tracee.is_leaving {
                request(abi::DETACH, pid, 0, 0);
                self.part(pid);
                return;
            } else if stop == SIGSTOP && tracee.is_stopping {
                tracee.is_stopping = false; // it has stopped
                signal(pid, SIGCONT);
            } else {
                tracee.is_stopping = stop == SIGSTOP;
                pass = stop;
            }
        }
        // Once a call has failed, no other call is of interest.
        let is_over = self.trace.harmed && matches!(self.harm, Some((_, Harm::Errno { .. }))) && self.refused.is_none();
        let fails = self.tracees.get(&pid).is_some_and(|tracee| tracee.failing.is_some());
        request(if is_over && !fails && !self.rests { abi::CONT } else { abi::SYSCALL }, pid, 0, pass as usize);
    }

    /// At the beginning or the end of a system call.
    fn at_call(&mut self, pid: i32) {
        let is_traced = |process: &i32| self.tracees.contains_key(process);
        let process = |order: usize| self.seen.get(order).copied().filter(is_traced);
        let victim = match self.harm {
            Some((_, Harm::Signal { to, .. })) => process(to),
            _ => None,
        };
        let Some(tracee) = self.tracees.get_mut(&pid) else { return };
        let mut call = [0_u64; 11]; // struct ptrace_syscall_info
        request(abi::GET_SYSCALL_INFO, pid, size_of_val(&call), call.as_mut_ptr() as usize);
        if call[0] & 0xff != 1 {
            if let Some(errno) = tracee.failing.take() {
                request(abi::POKEUSER, pid, abi::RAX, -(errno as isize) as usize);
            }
            return;
        }
        let (place, number) = (Place { process: tracee.process, index: tracee.calls }, call[3] as usize);
        tracee.calls += 1;
        self.trace.calls.push(Call { place, number, second: call[5], stack: call[2] });
        if self.refused == Some(number) {
            tracee.failing = Some(ENOSYS);
            request(abi::POKEUSER, pid, abi::ORIG_RAX, usize::MAX);
        }
        match self.harm {
            Some((at, harm)) if at == place && harm.befalls(number) => {
                self.trace.harmed = true;
                match harm {
                    Harm::Errno { errno, .. } => {
                        tracee.failing = Some(errno);
                        if number != sc::nr::CLOSE && (number, errno) != (sc::nr::WAIT4, ECHILD) {
                            request(abi::POKEUSER, pid, abi::ORIG_RAX, usize::MAX);
                        }
                    }
                    Harm::Signal { number, .. } => victim.into_iter().for_each(|victim| signal(victim, number)),
                }
            }
            _ => {}
        }
        // A poll that may last: a supervisor that only looks at its outputs, or for a signal, has a time of nothing.
        tracee.is_resting = number == sc::nr::PPOLL && pid != self.launcher && !is_nothing(pid, call[6] as usize);
        if self.over {
            tracee.leave_if_resting(pid);
        }
    }
}

impl Tracee {
    /// Stops a supervisor that rests, so that the tracer can let go of it: it never sees that signal.
    fn leave_if_resting(&mut self, pid: i32) {
        if self.is_resting && !self.is_leaving {
            self.is_leaving = true;
            signal(pid, SIGSTOP);
        }
    }
}
