//! The program that a test daemonizes: it writes down the state in which it finds itself.
//!
//! Its words are verbs, carried out from left to right:
//!
//! | verb | what it does |
//! |---|---|
//! | `report FILE` | writes the state it is in to FILE, which appears complete or not at all |
//! | `stay` | waits to be killed, for a minute at most, so that a forgotten one ends by itself |
//! | `exit N` | ends with status N |
//! | `say TEXT`, `complain TEXT` | writes a line to stdout, to stderr |
//! | `copy` | copies stdin to stdout |
//! | `close` | closes every descriptor it has, as classic daemons do |
//! | `lock read FILE`, `lock write FILE` | takes a POSIX lock |
//! | `block`, `unblock` | blocks every signal, none |
//! | `record FILE` | appends the number of each signal that comes to FILE; ends after a minute without one |
//! | `await N` | waits for signal N, which is blocked, for a minute at most |
//! | `raise N` | sends itself signal N |
//! | `put N TEXT` | writes TEXT to descriptor N, without a newline |
//! | `shut N` | closes descriptor N |
//! | `notify TEXT` | sends TEXT to the socket that NOTIFY_SOCKET names |
//! | `pause N` | lets N milliseconds pass |
//! | `stamp FILE` | appends the milliseconds of the monotonic clock to FILE |
//! | `hold FILE` | stays if FILE is there |
//! | `number FILE` | writes numbered lines to stdout until FILE is there |
//! | `note FILE` | appends its pid to FILE, with a newline |
//! | `create FILE` | creates FILE; if it is there already, ends with status 98 and leaves FILE.twice |
//! | `remove FILE` | removes FILE |
//! | `fork FILE` | leaves a child that stays, and writes its pid to FILE |
//! | `follow FILE` | the same, and becomes a member of the process group that the child leads |
//! | `become N` | takes user and group N |
//! | `orphans N` | leaves N children of children, all of which end at once |
//! | `adopt FILE member PATH ARG...` | runs a program and writes to FILE how it ended and what it left behind |
//! | `adopt FILE leader PATH ARG...` | the same, with the program as a process group leader |
//!
//! What it says about itself it asks of the kernel through crate `sc`, so that an error in the system call layer of
//! bgexec cannot hide itself. The C `main` skips the runtime of std, which would open /dev/null onto closed standard
//! streams and ignore SIGPIPE: the state is the one that `execve` left.

#![no_main]
#![allow(unsafe_code, reason = "system calls, and the words that main is handed")]

use std::ffi::{CStr, CString, OsStr, c_char, c_int};
use std::fmt::Write as _;
use std::fs;
use std::io::{self, Write as _};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::path::{Path, PathBuf};
use std::ptr;
use std::str::FromStr;

/// What the kernel's headers call by these names, on every architecture that crate `sc` knows.
mod abi {
    pub const AT_EMPTY_PATH: usize = 0x1000;
    pub const AT_FDCWD: isize = -100;
    pub const CLOCK_MONOTONIC: usize = 1;
    pub const EAGAIN: i32 = 11;
    pub const EINTR: i32 = 4;
    pub const F_GETFD: usize = 1;
    pub const F_GETFL: usize = 3;
    pub const F_SETFL: usize = 4;
    pub const F_SETLK: usize = 6;
    pub const F_RDLCK: i16 = 0;
    pub const F_WRLCK: i16 = 1;
    pub const O_RDONLY: usize = 0;
    pub const O_RDWR: usize = 0o2;
    pub const O_NONBLOCK: usize = 0o4000;
    pub const PR_SET_CHILD_SUBREAPER: usize = 36;
    pub const PR_GET_NO_NEW_PRIVS: usize = 39;
    pub const SIGCHLD: usize = 17;
    pub const SIG_SETMASK: usize = 2;
    pub const STATX_BASIC_STATS: usize = 0x7ff;
    pub const WALL: usize = 0x4000_0000;
    pub const WNOHANG: usize = 1;
}

/// The highest descriptor looked for.
const DESCRIPTORS: usize = 1 << 16;

/// Makes a system call through crate `sc`: what it returned, or its errno.
macro_rules! call {
    ($($word:tt)*) => {
        // SAFETY: every pointer handed over is to a live value of the size that the call reads or writes.
        result(unsafe { sc::syscall!($($word)*) })
    };
}

fn result(returned: usize) -> Result<usize, i32> {
    match returned as isize {
        errno @ -4095..0 => Err(-errno as i32),
        _ => Ok(returned),
    }
}

/// Where the C library's start hands over.
///
/// # Safety
///
/// `words` and `environment` are arrays of C strings that a null pointer ends.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn main(_: c_int, words: *const *const c_char, environment: *const *const c_char) -> c_int {
    // SAFETY: as the caller promises.
    let words = unsafe { strings(words) };
    // SAFETY: as the caller promises.
    let environment = unsafe { strings(environment) };
    run(&words, &environment).unwrap_or_else(|error| {
        eprintln!("probe: {error}");
        99
    })
}

/// The C strings of an array that a null pointer ends.
///
/// # Safety
///
/// `array` is such an array, and lives as long as the program.
unsafe fn strings(array: *const *const c_char) -> Vec<&'static [u8]> {
    (0..)
        // SAFETY: the null pointer, which is the last element, ends the walk before the array does.
        .map(|index| unsafe { array.add(index) })
        // SAFETY: as above.
        .map(|element| unsafe { *element })
        .take_while(|string| !string.is_null())
        // SAFETY: every element before it is a C string.
        .map(|string| unsafe { CStr::from_ptr(string) }.to_bytes())
        .collect()
}

fn run(words: &[&[u8]], environment: &[&[u8]]) -> io::Result<c_int> {
    let mut verbs = words.iter().skip(1).copied();
    while let Some(verb) = verbs.next() {
        let mut operand = || verbs.next().ok_or_else(|| io::Error::other("an operand is missing"));
        match verb {
            b"report" => write_whole(operand()?, &report(words, environment))?,
            b"stay" => stay(),
            b"exit" => return text(operand()?).parse().map_err(io::Error::other),
            b"say" => println!("{}", text(operand()?)),
            b"complain" => eprintln!("{}", text(operand()?)),
            b"copy" => drop(io::copy(&mut io::stdin(), &mut io::stdout())?),
            b"close" => (0..DESCRIPTORS).for_each(|number| {
                let _ = call!(CLOSE, number);
            }),
            b"lock" => lock(operand()?, operand()?)?,
            b"block" => set_mask(!0)?,
            b"unblock" => set_mask(0)?,
            b"record" => {
                let file = operand()?;
                while let Some(signal) = take_signal(!0)? {
                    append(file, &format!("{signal}\n"))?;
                }
            }
            b"await" => {
                let signal: u32 = number_in(operand()?)?;
                take_signal(1 << (signal - 1))?;
            }
            b"raise" => {
                let signal: u32 = number_in(operand()?)?;
                call!(KILL, std::process::id(), signal).map_err(error)?;
            }
            b"put" => {
                let (number, text): (u32, _) = (number_in(operand()?)?, operand()?);
                call!(WRITE, number, text.as_ptr(), text.len()).map_err(error)?;
            }
            b"shut" => {
                let number: u32 = number_in(operand()?)?;
                call!(CLOSE, number).map_err(error)?;
            }
            b"notify" => notify(operand()?, environment)?,
            b"pause" => pause(number_in(operand()?)?),
            b"stamp" => append(operand()?, &format!("{}\n", milliseconds()))?,
            b"hold" => {
                if path(operand()?).exists() {
                    stay();
                }
            }
            b"number" => number_lines(path(operand()?))?,
            b"orphans" => leave_orphans(number_in(operand()?)?)?,
            b"note" => append(operand()?, &format!("{}\n", std::process::id()))?,
            b"create" => {
                let file = operand()?;
                if fs::File::create_new(path(file)).is_err() {
                    write_whole(&[file, b".twice"].concat(), "")?;
                    return Ok(98);
                }
            }
            b"remove" => fs::remove_file(path(operand()?))?,
            b"fork" => match fork()? {
                0 => {
                    stay();
                    return Ok(0);
                }
                child => write_whole(operand()?, &format!("{child}\n"))?,
            },
            b"follow" => match fork()? {
                0 => {
                    call!(SETPGID, 0, 0).map_err(error)?;
                    stay();
                    return Ok(0);
                }
                child => {
                    write_whole(operand()?, &format!("{child}\n"))?;
                    let _ = call!(SETPGID, child, child);
                    call!(SETPGID, 0, child).map_err(error)?;
                }
            },
            b"become" => {
                let id: u32 = number_in(operand()?)?;
                call!(SETGID, id).map_err(error)?;
                call!(SETUID, id).map_err(error)?;
            }
            b"adopt" => {
                let (record, leads) = (operand()?, operand()? == b"leader");
                let told = adopt(leads, &verbs.collect::<Vec<_>>(), environment)?;
                write_whole(record, &told)?;
                return Ok(0);
            }
            other => return Err(io::Error::other(format!("{}: unknown verb", text(other)))),
        }
    }
    Ok(0)
}

fn text(word: &[u8]) -> String {
    String::from_utf8_lossy(word).into_owned()
}

fn number_in<N: FromStr>(word: &[u8]) -> io::Result<N> {
    text(word).parse().map_err(|_| io::Error::other(format!("{}: no number", text(word))))
}

fn error(errno: i32) -> io::Error {
    io::Error::from_raw_os_error(errno)
}

fn path(word: &[u8]) -> &Path {
    Path::new(OsStr::from_bytes(word))
}

/// Adds to a file, in one write.
fn append(file: &[u8], contents: &str) -> io::Result<()> {
    fs::File::options().append(true).create(true).open(path(file))?.write_all(contents.as_bytes())
}

/// Writes a file that appears with all of its contents.
fn write_whole(file: &[u8], contents: &str) -> io::Result<()> {
    let file = path(file);
    let unfinished = PathBuf::from(format!("{}.unfinished", file.display()));
    fs::write(&unfinished, contents)?;
    fs::rename(unfinished, file)
}

fn stay() {
    pause(60_000);
}

fn pause(milliseconds: i64) {
    let mut left = [milliseconds / 1000, milliseconds % 1000 * 1_000_000];
    // A signal that stops the process and one that continues it interrupt the call.
    while call!(NANOSLEEP, left.as_ptr(), left.as_mut_ptr()) == Err(abi::EINTR) {}
}

/// The milliseconds of the monotonic clock.
fn milliseconds() -> i64 {
    let mut time = [0_i64; 2];
    let _ = call!(CLOCK_GETTIME, abi::CLOCK_MONOTONIC, time.as_mut_ptr());
    time[0] * 1000 + time[1] / 1_000_000
}

fn set_mask(mask: u64) -> io::Result<()> {
    call!(RT_SIGPROCMASK, abi::SIG_SETMASK, &raw const mask, 0, size_of::<u64>()).map_err(error).map(drop)
}

/// Sends a datagram to the socket that NOTIFY_SOCKET names.
fn notify(text: &[u8], environment: &[&[u8]]) -> io::Result<()> {
    let name = environment.iter().find_map(|entry| entry.strip_prefix(b"NOTIFY_SOCKET=@"));
    let name = name.ok_or_else(|| io::Error::other("no abstract NOTIFY_SOCKET"))?;
    let address = SocketAddr::from_abstract_name(name)?;
    UnixDatagram::unbound()?.send_to_addr(text, &address).map(drop)
}

/// Writes numbered lines, each at once, until there is a file.
fn number_lines(gate: &Path) -> io::Result<()> {
    let mut line = 0;
    while !gate.exists() {
        line += 1;
        let text = format!("{line}\n");
        io::stdout().write_all(text.as_bytes())?;
    }
    Ok(())
}

/// Leaves children of children, which whoever inherits them has to reap.
fn leave_orphans(count: u32) -> io::Result<()> {
    for _ in 0..count {
        let child = fork()?;
        if child == 0 {
            // Whether this or the one that it forks ends first does not matter.
            let _ = fork();
            let _ = call!(EXIT_GROUP, 0);
        }
        let mut status = 0_i32;
        call!(WAIT4, child, &raw mut status, abi::WALL, 0).map_err(error)?;
    }
    Ok(())
}

/// Takes a signal of a set, all of which are blocked; none if there is none within a minute.
fn take_signal(set: u64) -> io::Result<Option<usize>> {
    let minute: [i64; 2] = [60, 0];
    loop {
        match call!(RT_SIGTIMEDWAIT, &raw const set, 0, &raw const minute, size_of::<u64>()) {
            Ok(signal) => return Ok(Some(signal)),
            Err(abi::EAGAIN) => return Ok(None),
            Err(abi::EINTR) => {}
            Err(errno) => return Err(error(errno)),
        }
    }
}

fn lock(kind: &[u8], file: &[u8]) -> io::Result<()> {
    #[repr(C)]
    struct Flock {
        kind: i16,
        whence: i16,
        start: i64,
        length: i64,
        pid: i32,
    }
    let (kind, access) = if kind == b"read" { (abi::F_RDLCK, abi::O_RDONLY) } else { (abi::F_WRLCK, abi::O_RDWR) };
    let whole_file = Flock { kind, whence: 0, start: 0, length: 0, pid: 0 };
    let file = CString::new(file)?;
    let descriptor = call!(OPENAT, abi::AT_FDCWD, file.as_ptr(), access, 0).map_err(error)?;
    call!(FCNTL, descriptor, abi::F_SETLK, &raw const whole_file).map_err(error)?;
    Ok(())
}

/// A copy of this process, which has one thread; 0 in the child.
fn fork() -> io::Result<usize> {
    call!(CLONE, abi::SIGCHLD, 0, 0, 0, 0).map_err(error)
}

/// Runs a command and tells how it ended and which processes it left: a zombie or a running child of this process,
/// which as the subreaper inherits them in the moment in which the command ends.
fn adopt(leads: bool, command: &[&[u8]], environment: &[&[u8]]) -> io::Result<String> {
    call!(PRCTL, abi::PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0).map_err(error)?;
    let (words, environment) = (owned(command)?, owned(environment)?);
    let (words, environment) = (pointers(&words), pointers(&environment));
    let child = fork()?;
    if child == 0 {
        if leads {
            call!(SETPGID, 0, 0).map_err(error)?;
        }
        let _ = call!(EXECVE, words[0], words.as_ptr(), environment.as_ptr());
        let _ = call!(EXIT_GROUP, 99);
    }
    let mut status = 0_i32;
    call!(WAIT4, child, &raw mut status, abi::WALL, 0).map_err(error)?;
    let code = if status & 0x7f == 0 { status >> 8 } else { 128 + (status & 0x7f) };
    let mut told = format!("status {code}\n");
    while let Ok(zombie @ 1..) = call!(WAIT4, -1_isize, &raw mut status, abi::WALL | abi::WNOHANG, 0) {
        told.push_str(&format!("zombie {zombie}\n"));
    }
    for running in fs::read_to_string("/proc/thread-self/children")?.split_whitespace() {
        told.push_str(&format!("running {running}\n"));
    }
    Ok(told)
}

fn owned(strings: &[&[u8]]) -> io::Result<Vec<CString>> {
    Ok(strings.iter().map(|&string| CString::new(string)).collect::<Result<_, _>>()?)
}

fn pointers(strings: &[CString]) -> Vec<*const c_char> {
    strings.iter().map(|string| string.as_ptr()).chain([ptr::null()]).collect()
}

/// The state of this process, a line a fact: a key, a space, the value with all but printable ASCII escaped.
fn report(words: &[&[u8]], environment: &[&[u8]]) -> String {
    let mut told = String::new();
    let mut tell = |key: &str, value: &dyn std::fmt::Display| {
        let _ = writeln!(told, "{key} {value}");
    };
    // The descriptors first: what follows opens some of its own.
    for descriptor in descriptors() {
        tell("descriptor", &descriptor);
    }
    for (first, second) in [(0, 1), (0, 2), (1, 2)] {
        if is_one_description(first, second) {
            tell("one-description", &format_args!("{first} {second}"));
        }
    }
    tell("pid", &number(call!(GETPID)));
    tell("ppid", &number(call!(GETPPID)));
    tell("pgid", &number(call!(GETPGID, 0)));
    tell("sid", &number(call!(GETSID, 0)));
    tell("tty", &number(call!(OPENAT, abi::AT_FDCWD, c"/dev/tty".as_ptr(), abi::O_RDWR, 0).map(|_| 0)));
    let mut path = [0_u8; 4096];
    if let Ok(length @ 1..) = call!(GETCWD, path.as_mut_ptr(), path.len()) {
        tell("cwd", &path[..length - 1].escape_ascii());
    }
    if let Some(root) = link("/proc/self/root") {
        tell("root", &root.escape_ascii());
    }
    let mask = call!(UMASK, 0);
    let _ = call!(UMASK, mask.unwrap_or(0));
    tell("umask", &format_args!("{:o}", mask.unwrap_or(usize::MAX)));
    signals(&mut tell);
    identity(&mut tell);
    limits(&mut tell);
    for word in words {
        tell("word", &word.escape_ascii());
    }
    for entry in environment {
        tell("environment", &entry.escape_ascii());
    }
    told
}

/// What a call returned, or its errno with a minus sign.
fn number(outcome: Result<usize, i32>) -> i64 {
    outcome.map_or_else(|errno| -i64::from(errno), |returned| returned as i64)
}

fn descriptors() -> Vec<String> {
    (0..DESCRIPTORS)
        .filter_map(|number| {
            let close_on_exec = call!(FCNTL, number, abi::F_GETFD).ok()?;
            let flags = call!(FCNTL, number, abi::F_GETFL).ok()?;
            let mut status = Statx::default();
            call!(STATX, number, c"".as_ptr(), abi::AT_EMPTY_PATH, abi::STATX_BASIC_STATS, &raw mut status).ok()?;
            let target = link(&format!("/proc/self/fd/{number}")).unwrap_or_default();
            let [major, minor] = status.device_of_inode;
            let [raw_major, raw_minor] = status.device;
            Some(format!(
                "{number} {flags:o} {close_on_exec} {:o} {raw_major}:{raw_minor} {major}:{minor}:{} {}",
                status.mode,
                status.inode,
                target.escape_ascii()
            ))
        })
        .collect()
}

/// `struct statx`, the same on every architecture.
#[repr(C)]
#[derive(Default)]
struct Statx {
    _mask: u32,
    _block_size: u32,
    _attributes: u64,
    _links: u32,
    _owner: [u32; 2],
    mode: u16,
    _spare: u16,
    inode: u64,
    _sizes: [u64; 3],
    _times: [[u64; 2]; 4],
    device: [u32; 2],
    device_of_inode: [u32; 2],
    _later: [u64; 14],
}

fn link(path: &str) -> Option<Vec<u8>> {
    let path = CString::new(path).ok()?;
    let mut target = vec![0_u8; 4096];
    let length = call!(READLINKAT, abi::AT_FDCWD, path.as_ptr(), target.as_mut_ptr(), target.len()).ok()?;
    target.truncate(length);
    Some(target)
}

/// Whether two descriptors share an open file description: a flag set on one is then seen on the other.
fn is_one_description(first: usize, second: usize) -> bool {
    let (Ok(flags), Ok(before)) = (call!(FCNTL, first, abi::F_GETFL), call!(FCNTL, second, abi::F_GETFL)) else {
        return false;
    };
    let _ = call!(FCNTL, first, abi::F_SETFL, flags ^ abi::O_NONBLOCK);
    let after = call!(FCNTL, second, abi::F_GETFL);
    let _ = call!(FCNTL, first, abi::F_SETFL, flags);
    after != Ok(before)
}

/// The sets of blocked, pending, ignored and caught signals: bit N-1 is signal N.
fn signals(tell: &mut impl FnMut(&str, &dyn std::fmt::Display)) {
    let mut set = 0_u64;
    let _ = call!(RT_SIGPROCMASK, 0, 0, &raw mut set, size_of::<u64>());
    tell("blocked", &format_args!("{set:x}"));
    let _ = call!(RT_SIGPENDING, &raw mut set, size_of::<u64>());
    tell("pending", &format_args!("{set:x}"));
    let (mut ignored, mut caught) = (0_u64, 0_u64);
    for signal in 1..=64 {
        // `struct sigaction` of the kernel: the first word is the handler, on every architecture.
        let mut action = [0_usize; 4];
        let _ = call!(RT_SIGACTION, signal, 0, action.as_mut_ptr(), size_of::<u64>());
        match action[0] {
            0 => {}
            1 => ignored |= 1 << (signal - 1),
            _ => caught |= 1 << (signal - 1),
        }
    }
    tell("ignored", &format_args!("{ignored:x}"));
    tell("caught", &format_args!("{caught:x}"));
}

fn identity(tell: &mut impl FnMut(&str, &dyn std::fmt::Display)) {
    let (mut real, mut effective, mut saved) = (0_u32, 0_u32, 0_u32);
    let _ = call!(GETRESUID, &raw mut real, &raw mut effective, &raw mut saved);
    tell("uid", &format_args!("{real} {effective} {saved}"));
    let _ = call!(GETRESGID, &raw mut real, &raw mut effective, &raw mut saved);
    tell("gid", &format_args!("{real} {effective} {saved}"));
    let mut groups = vec![0_u32; 1 << 16];
    let held = call!(GETGROUPS, groups.len(), groups.as_mut_ptr()).unwrap_or(0);
    for group in &groups[..held] {
        tell("group", group);
    }
}

fn limits(tell: &mut impl FnMut(&str, &dyn std::fmt::Display)) {
    // The system call gives 20 - nice, so that no niceness looks like an error.
    tell("nice", &(20 - number(call!(GETPRIORITY, 0, 0))));
    tell("ioprio", &number(call!(IOPRIO_GET, 1, 0)));
    if let Ok(adjustment) = fs::read_to_string("/proc/self/oom_score_adj") {
        tell("oom-score-adj", &adjustment.trim());
    }
    tell("no-new-privs", &number(call!(PRCTL, abi::PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0)));
    for resource in 0..16 {
        let mut limit = [0_u64; 2];
        let _ = call!(PRLIMIT64, 0, resource, 0, limit.as_mut_ptr());
        tell("limit", &format_args!("{resource} {} {}", limit[0], limit[1]));
    }
}
