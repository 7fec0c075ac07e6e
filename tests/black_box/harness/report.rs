//! What the probe wrote, parsed.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

/// The state in which a command found itself.
#[derive(Debug, Default)]
pub struct Report {
    pub pid: i32,
    pub ppid: i32,
    pub pgid: i32,
    pub sid: i32,
    /// 0 when /dev/tty could be opened, else the errno with a minus sign.
    pub tty: i32,
    pub cwd: PathBuf,
    pub root: PathBuf,
    pub umask: u32,
    pub descriptors: BTreeMap<i32, Descriptor>,
    /// Pairs of standard streams that share an open file description.
    pub one_description: Vec<(i32, i32)>,
    /// Sets of signals: bit N-1 is signal N.
    pub blocked: u64,
    pub pending: u64,
    pub ignored: u64,
    pub caught: u64,
    /// Real, effective, saved.
    pub uid: [u32; 3],
    pub gid: [u32; 3],
    pub groups: Vec<u32>,
    pub nice: i32,
    pub ioprio: i32,
    pub oom_score_adj: i32,
    pub no_new_privs: bool,
    /// Soft and hard limit of each resource, by its number.
    pub limits: BTreeMap<u32, (u64, u64)>,
    pub words: Vec<OsString>,
    pub environment: Vec<OsString>,
}

/// An open descriptor.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Descriptor {
    /// What F_GETFL says.
    pub flags: u32,
    pub close_on_exec: bool,
    /// Type and permissions.
    pub mode: u32,
    /// Major and minor number of a device.
    pub device: (u32, u32),
    /// Which file it is: the numbers of the file system's device and of the inode.
    pub file: (u32, u32, u64),
    /// Its path as /proc shows it; empty without /proc.
    pub target: PathBuf,
}

impl Descriptor {
    /// Whether it is the null device itself, whatever its name.
    pub fn is_null_device(&self) -> bool {
        const TYPE: u32 = 0o170_000;
        const CHARACTER_DEVICE: u32 = 0o020_000;
        self.mode & TYPE == CHARACTER_DEVICE && self.device == (1, 3)
    }
}

impl Report {
    /// The descriptors above the standard streams.
    pub fn other_descriptors(&self) -> Vec<i32> {
        self.descriptors.range(3..).map(|(&number, _)| number).collect()
    }

    /// Parses what the probe wrote.
    pub fn parse(text: &str) -> Self {
        let mut report = Self::default();
        for line in text.lines() {
            let (key, value) = line.split_once(' ').expect("a key, a space, a value");
            report.take(key, value).unwrap_or_else(|| panic!("not a fact of the probe: {line}"));
        }
        report
    }

    fn take(&mut self, key: &str, value: &str) -> Option<()> {
        match key {
            "pid" => self.pid = value.parse().ok()?,
            "ppid" => self.ppid = value.parse().ok()?,
            "pgid" => self.pgid = value.parse().ok()?,
            "sid" => self.sid = value.parse().ok()?,
            "tty" => self.tty = value.parse().ok()?,
            "cwd" => self.cwd = unescape(value)?.into(),
            "root" => self.root = unescape(value)?.into(),
            "umask" => self.umask = u32::from_str_radix(value, 8).ok()?,
            "descriptor" => {
                let (number, descriptor) = descriptor(value)?;
                self.descriptors.insert(number, descriptor);
            }
            "one-description" => {
                let (first, second) = value.split_once(' ')?;
                self.one_description.push((first.parse().ok()?, second.parse().ok()?));
            }
            "blocked" => self.blocked = u64::from_str_radix(value, 16).ok()?,
            "pending" => self.pending = u64::from_str_radix(value, 16).ok()?,
            "ignored" => self.ignored = u64::from_str_radix(value, 16).ok()?,
            "caught" => self.caught = u64::from_str_radix(value, 16).ok()?,
            "uid" => self.uid = numbers(value)?,
            "gid" => self.gid = numbers(value)?,
            "group" => self.groups.push(value.parse().ok()?),
            "nice" => self.nice = value.parse().ok()?,
            "ioprio" => self.ioprio = value.parse().ok()?,
            "oom-score-adj" => self.oom_score_adj = value.parse().ok()?,
            "no-new-privs" => self.no_new_privs = value == "1",
            "limit" => {
                let [resource, soft, hard] = numbers::<u64>(value)?;
                self.limits.insert(resource.try_into().ok()?, (soft, hard));
            }
            "word" => self.words.push(unescape(value)?),
            "environment" => self.environment.push(unescape(value)?),
            _ => return None,
        }
        Some(())
    }
}

/// What a launch left behind, as its parent and subreaper saw it in the moment in which it ended.
#[derive(Debug, Eq, PartialEq)]
pub struct Legacy {
    pub status: i32,
    pub zombies: Vec<i32>,
    pub running: Vec<i32>,
}

impl Legacy {
    /// Nothing, after this exit status.
    pub fn nothing(status: i32) -> Self {
        Self { status, zombies: vec![], running: vec![] }
    }

    /// The daemon alone, after success.
    pub fn daemon(pid: i32) -> Self {
        Self { running: vec![pid], ..Self::nothing(0) }
    }

    /// Parses what the probe wrote.
    pub fn parse(text: &str) -> Self {
        let mut legacy = Self::nothing(-1);
        for line in text.lines() {
            let (key, value) = line.split_once(' ').expect("a key, a space, a value");
            let number = value.parse().expect("a number");
            match key {
                "status" => legacy.status = number,
                "zombie" => legacy.zombies.push(number),
                _ => legacy.running.push(number),
            }
        }
        legacy
    }
}

fn descriptor(value: &str) -> Option<(i32, Descriptor)> {
    let mut fields = value.splitn(7, ' ');
    let number = fields.next()?.parse().ok()?;
    let descriptor = Descriptor {
        flags: u32::from_str_radix(fields.next()?, 8).ok()?,
        close_on_exec: fields.next()? == "1",
        mode: u32::from_str_radix(fields.next()?, 8).ok()?,
        device: {
            let (major, minor) = fields.next()?.split_once(':')?;
            (major.parse().ok()?, minor.parse().ok()?)
        },
        file: {
            let (device, inode) = fields.next()?.rsplit_once(':')?;
            let (major, minor) = device.split_once(':')?;
            (major.parse().ok()?, minor.parse().ok()?, inode.parse().ok()?)
        },
        target: unescape(fields.next()?)?.into(),
    };
    Some((number, descriptor))
}

fn numbers<N: std::str::FromStr>(value: &str) -> Option<[N; 3]> {
    let numbers: Vec<N> = value.split(' ').map_while(|number| number.parse().ok()).collect();
    numbers.try_into().ok()
}

/// Undoes `escape_ascii`.
fn unescape(text: &str) -> Option<OsString> {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'\\' => match rest.next()? {
                b't' => b'\t',
                b'r' => b'\r',
                b'n' => b'\n',
                b'x' => {
                    let digits = [rest.next()?, rest.next()?];
                    u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?
                }
                itself => itself,
            },
            byte => byte,
        });
    }
    Some(OsString::from_vec(bytes))
}
