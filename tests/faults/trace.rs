//! A tracer (ptrace(2), x86_64 alone): sees every system call of a launch and may have one of them fail.

#![allow(unsafe_code, reason = "ptrace, and the child that asks to be traced")]

use std::collections::BTreeMap;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// Requests and options of ptrace, by their names in the kernel's headers.
mod abi {
    pub const TRACEME: usize = 0;
    pub const POKEUSER: usize = 6;
    pub const DETACH: usize = 17;
    pub const SYSCALL: usize = 24;
    pub const SETOPTIONS: usize = 0x4200;
    pub const GETEVENTMSG: usize = 0x4201;
    pub const GET_SYSCALL_INFO: usize = 0x420e;
    /// TRACESYSGOOD, TRACEFORK, TRACEVFORK, TRACECLONE, TRACEEXEC, EXITKILL.
    pub const OPTIONS: usize = 0x0010_001f;
    pub const EVENT_EXEC: i32 = 4;
    /// Where struct user has the two registers.
    pub const RAX: usize = 80;
    pub const ORIG_RAX: usize = 120;
    /// __WALL | __WNOTHREAD: only this thread's tracees.
    pub const WAIT: usize = 0x6000_0000;
}

/// One system call of a launch: the process by the order of their making, the call by its place among that one's calls.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Ord, PartialOrd)]
pub struct Place {
    pub process: usize,
    pub index: usize,
}

/// What the tracer saw.
#[derive(Debug, Default)]
pub struct Trace {
    /// The calls by their numbers.
    pub calls: Vec<(Place, usize)>,
    /// The launcher's wait status.
    pub status: i32,
    /// Processes that were there when the launcher ended: those that became COMMAND, and all others, zombies too.
    pub executed: Vec<i32>,
    pub left: Vec<i32>,
    /// Whether the harm was done.
    pub harmed: bool,
    /// Whether the launcher had to be killed because it waited for too long.
    pub hung: bool,
}

#[derive(Default)]
struct Tracee {
    process: usize,
    calls: usize,
    failing: Option<i32>,
    ready: bool,
}

/// Launches under way, for [`watch`].
static RUNNING: Mutex<BTreeMap<i32, (Instant, bool)>> = Mutex::new(BTreeMap::new());

/// Kills launchers that wait for too long; runs beside the tests for as long as they do.
pub fn watch(limit: Duration) {
    std::thread::spawn(move || {
        loop {
            std::thread::park_timeout(Duration::from_millis(500));
            for (&pid, (start, hung)) in RUNNING.lock().expect("no panic while it is held").iter_mut() {
                if start.elapsed() > limit {
                    *hung = true;
                    signal(pid, 9);
                }
            }
        }
    });
}

fn request(what: usize, pid: i32, address: usize, value: usize) -> isize {
    // SAFETY: what points, points to a live value of the right size.
    unsafe { sc::syscall!(PTRACE, what, pid, address, value) as isize }
}

/// Sends a signal.
fn signal(pid: i32, number: i32) {
    // SAFETY: takes no pointer.
    unsafe { sc::syscall!(KILL, pid, number) };
}

/// Runs a command to the end of its first process. The call at the given place, if there is one, is not made but fails
/// with the errno; `close` alone is made all the same, as the kernel closes whatever it answers.
pub fn run(mut command: Command, harm: Option<(Place, i32)>) -> io::Result<Trace> {
    // SAFETY: one system call.
    unsafe {
        command.pre_exec(|| match request(abi::TRACEME, 0, 0, 0) {
            0 => Ok(()),
            error => Err(io::Error::from_raw_os_error(-error as i32)),
        })
    };
    let launcher = command.spawn()?.id() as i32;
    RUNNING.lock().expect("no panic while it is held").insert(launcher, (Instant::now(), false));
    let mut trace = Trace::default();
    let (mut made, mut ended) = (1, false);
    let mut tracees = BTreeMap::from([(launcher, Tracee::default())]);
    let mut executed = vec![];
    let mut seen = vec![launcher];
    loop {
        let mut status = 0_i32;
        // SAFETY: the kernel writes the status.
        let pid = unsafe { sc::syscall!(WAIT4, -1_isize, &raw mut status, abi::WAIT, 0) } as i32;
        if pid < 0 {
            return Err(io::Error::other("the launcher is gone unseen"));
        }
        if status & 0xff != 0x7f {
            tracees.remove(&pid);
            if pid == launcher {
                trace.status = status;
                // Where an ended launcher told of success, the end of an execve may still be on its way here.
                let mut running = RUNNING.lock().expect("no panic while it is held");
                running.extend(tracees.keys().map(|&pid| (pid, (Instant::now(), false))));
                ended = true;
            }
            if ended && (trace.status != 0 || !executed.is_empty() || tracees.is_empty()) {
                break;
            }
            continue;
        }
        let (stop, event) = (status >> 8 & 0xff, status >> 16);
        let tracee = tracees.entry(pid).or_insert_with(|| {
            made += 1;
            seen.push(pid);
            Tracee { process: made - 1, ..Tracee::default() }
        });
        let mut pass = 0;
        if stop == 5 | 0x80 {
            let mut info = [0_u64; 11];
            request(abi::GET_SYSCALL_INFO, pid, size_of_val(&info), info.as_mut_ptr() as usize);
            if info[0] & 0xff == 1 {
                let (place, number) = (Place { process: tracee.process, index: tracee.calls }, info[3] as usize);
                tracee.calls += 1;
                trace.calls.push((place, number));
                match harm {
                    Some((at, errno)) if at == place => {
                        trace.harmed = true;
                        tracee.failing = Some(errno);
                        if number != sc::nr::CLOSE {
                            request(abi::POKEUSER, pid, abi::ORIG_RAX, usize::MAX);
                        }
                    }
                    _ => {}
                }
            } else if let Some(errno) = tracee.failing.take() {
                request(abi::POKEUSER, pid, abi::RAX, -(errno as isize) as usize);
            }
        } else if event == abi::EVENT_EXEC {
            if pid != launcher {
                executed.push(pid);
                tracees.remove(&pid);
                RUNNING.lock().expect("no panic while it is held").remove(&pid);
                request(abi::DETACH, pid, 0, 0);
                if ended {
                    break;
                }
                continue;
            }
        } else if (1..4).contains(&event) {
            let mut child = 0_usize;
            request(abi::GETEVENTMSG, pid, 0, (&raw mut child) as usize);
            let child = child as i32;
            tracees.entry(child).or_insert_with(|| {
                made += 1;
                seen.push(child);
                Tracee { process: made - 1, ..Tracee::default() }
            });
        } else if !tracee.ready {
            tracee.ready = true;
            if pid == launcher {
                request(abi::SETOPTIONS, pid, 0, abi::OPTIONS);
            }
        } else if event == 0 {
            pass = stop;
        }
        request(abi::SYSCALL, pid, 0, pass as usize);
    }
    let mut running = RUNNING.lock().expect("no panic while it is held");
    for pid in &seen {
        trace.hung |= running.remove(pid).is_some_and(|(_, hung)| hung);
    }
    drop(running);
    let there = |pid: &i32| std::path::Path::new(&format!("/proc/{pid}")).exists();
    seen.retain(|pid| *pid != launcher && there(pid));
    (trace.executed, trace.left) = seen.into_iter().partition(|pid| executed.contains(pid));
    // A supervisor is still traced: it goes with what it started.
    for &pid in tracees.keys() {
        signal(pid, 9);
    }
    while !tracees.is_empty() {
        let mut status = 0_i32;
        // SAFETY: the kernel writes the status.
        let pid = unsafe { sc::syscall!(WAIT4, -1_isize, &raw mut status, abi::WAIT, 0) } as i32;
        if pid < 0 {
            break;
        }
        if status & 0xff == 0x7f {
            signal(pid, 9);
            request(abi::SYSCALL, pid, 0, 0);
        } else {
            tracees.remove(&pid);
        }
    }
    Ok(trace)
}
