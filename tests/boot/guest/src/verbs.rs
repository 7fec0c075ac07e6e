//! What each verb does.

use core::ffi::CStr;
use core::fmt::Write;

use crate::kernel::{self, Statx};
use crate::line::{Line, WORDS, words};

/// How often ten milliseconds are waited for something that must come.
const PATIENCE: usize = 1000;

/// Says a line.
macro_rules! say {
    ($($part:expr),*) => {{
        let mut line = Line::new();
        let _ = write!(line, "> ").and_then(|()| write!(line, $($part),*)).and_then(|()| line.write_str("\r\n"));
        speak(&line);
    }};
}

fn speak(line: &Line) {
    if let Ok(serial) = kernel::open(c"/serial", 1) {
        kernel::write(serial, line.bytes());
        kernel::close(serial);
    }
}

fn text(word: &CStr) -> &str {
    word.to_str().unwrap_or("?")
}

fn number(word: &CStr) -> usize {
    text(word).parse().unwrap_or(0)
}

/// Carries out `/script`.
pub fn script() {
    let mut bytes = [0; 16384];
    let Ok(file) = kernel::open(c"/script", 0) else { return };
    let mut length = 0;
    loop {
        let count = kernel::read(file, &mut bytes[length..]);
        if count == 0 {
            break;
        }
        length += count;
    }
    kernel::close(file);
    for byte in &mut bytes[..length] {
        if *byte == b' ' {
            *byte = 0;
        }
    }
    for line in bytes[..length].split_mut(|&byte| byte == b'\n') {
        let mut cut = [0; 512];
        cut[..line.len()].copy_from_slice(line);
        let mut verb = [c""; WORDS];
        let count = words(&cut[..=line.len()], &mut verb);
        if count > 0 {
            perform(&verb[..count]);
        }
    }
}

/// Carries out one verb.
pub fn perform(line: &[&CStr]) {
    let word = |index: usize| *line.get(index).unwrap_or(&c"");
    match text(line[0]) {
        "run" => run(&line[1..]),
        "daemon" => daemon(word(1)),
        "await" => wait_for(word(1)),
        "kind" => kind(word(1)),
        "list" => list(word(1)),
        "create" => drop(kernel::open(word(1), 0o102).map(kernel::close)),
        "mount" => match kernel::mount(word(1), word(2)) {
            Ok(_) => say!("mounted {}", text(word(2))),
            Err(_) => say!("not mounted {}", text(word(2))),
        },
        "open" => open(),
        "reap" => {
            let mut count = 0;
            while kernel::wait(0).is_some() {
                count += 1;
            }
            say!("reaped {count}");
        }
        "orphans" => orphans(number(word(1))),
        "off" => kernel::power_off(),
        verb => say!("no verb {verb}"),
    }
}

fn run(program: &[&CStr]) {
    match kernel::fork() {
        Some(0) => {
            kernel::execve(program[0], program, &[core::ptr::null()]);
            kernel::exit(99);
        }
        Some(child) => match kernel::wait(child) {
            Some(status) if status & 0x7f == 0 => say!("status {}", status >> 8),
            Some(status) => say!("signal {}", status & 0x7f),
            None => say!("no child"),
        },
        None => say!("no process"),
    }
}

/// Writes what a path or a descriptor is.
fn describe(line: &mut Line, stat: Option<Statx>) {
    let _ = match stat {
        None => write!(line, "nothing"),
        Some(stat) => match stat.mode >> 12 {
            2 => write!(line, "device {}:{}", stat.device[0], stat.device[1]),
            4 => write!(line, "directory"),
            8 => write!(line, "file"),
            other => write!(line, "kind {other}"),
        },
    };
}

fn kind(path: &CStr) {
    let mut line = Line::new();
    let _ = write!(line, "> {}: ", text(path));
    describe(&mut line, Statx::of(None, path));
    let _ = line.write_str("\r\n");
    speak(&line);
}

/// Appends every open descriptor.
fn descriptors(line: &mut Line) {
    for number in 0..64 {
        if let Some(stat) = Statx::of(Some(number), c"") {
            let _ = write!(line, ", {number} ");
            describe(line, Some(stat));
        }
    }
    let _ = line.write_str("\r\n");
}

fn open() {
    let mut line = Line::new();
    let _ = write!(line, "> open");
    descriptors(&mut line);
    speak(&line);
}

fn daemon(name: &CStr) {
    let mut line = Line::new();
    let _ = write!(line, "> daemon {}: ", text(name));
    let leads = |what: usize| if what == kernel::pid() { "leads" } else { "is in" };
    let _ = write!(
        line,
        "{} session {}, {} group {}",
        leads(kernel::session()),
        kernel::session(),
        leads(kernel::group()),
        kernel::group()
    );
    descriptors(&mut line);
    speak(&line);
    let mut ready = Line::new();
    let _ = write!(ready, "/{}.ready\0", text(name));
    if let Ok(path) = CStr::from_bytes_until_nul(ready.bytes()) {
        let _ = kernel::open(path, 0o102).map(kernel::close);
    }
    loop {
        kernel::pause();
    }
}

fn wait_for(path: &CStr) {
    for _ in 0..PATIENCE {
        if Statx::of(None, path).is_some() {
            return;
        }
        kernel::pause();
    }
    say!("{} did not come", text(path));
}

fn list(path: &CStr) {
    let Ok(directory) = kernel::open(path, 0) else { return say!("no directory") };
    let mut entries = [0; 4096];
    let mut line = Line::new();
    let _ = write!(line, "> {}:", text(path));
    loop {
        let length = kernel::getdents(directory, &mut entries);
        if length == 0 {
            break;
        }
        let mut rest = &entries[..length];
        // inode, offset, length of the entry, type, name
        while rest.len() > 19 {
            let size = usize::from(u16::from_le_bytes([rest[16], rest[17]]));
            if let Ok(name) = CStr::from_bytes_until_nul(&rest[19..])
                && name != c"."
                && name != c".."
            {
                let _ = write!(line, " {}", text(name));
            }
            rest = &rest[size..];
        }
    }
    kernel::close(directory);
    let _ = line.write_str("\r\n");
    speak(&line);
}

fn orphans(count: usize) {
    let mut gone = 0;
    for _ in 0..count {
        let Some(ends) = kernel::pipe() else { return say!("no pipe") };
        let [reading, writing] = ends.map(|end| end as usize);
        match kernel::fork() {
            Some(0) => {
                match kernel::fork() {
                    Some(0) => kernel::exit(0),
                    child => kernel::write(writing, &(child.unwrap_or(0) as u32).to_ne_bytes()),
                }
                kernel::exit(0);
            }
            Some(child) => drop(kernel::wait(child)),
            None => return say!("no process"),
        }
        let mut pid = [0; 4];
        let read = kernel::read(reading, &mut pid);
        kernel::close(reading);
        kernel::close(writing);
        let pid = u32::from_ne_bytes(pid);
        for _ in 0..PATIENCE {
            if read == 4 && pid > 1 && !kernel::exists(pid) {
                gone += 1;
                break;
            }
            kernel::pause();
        }
    }
    say!("reaped by pid 1: {gone} of {count}");
}
