//! What the command line means: numbers, defaults, conflicts. Refuses before anything is touched.

#![forbid(unsafe_code)]

use crate::options::{Opt, Options};
use crate::report::{Code, Reason};
use crate::scan::{self, Scan};
use crate::steps::{CONDITIONS, Step, WORDS};
use crate::sys::abi::{NSIG, SIGKILL, SIGSTOP, SIGTERM};
use crate::sys::zstr::{Vectors, Word, Words, ZStr};

/// The null device's path (null(4)).
pub const NULL_DEVICE: Word = ZStr::new(c"/dev/null");

/// Declares the numbers that options are given as: for each the option, what reads it, what it is if it is not given, and
/// why another is refused.
macro_rules! values {
    ($($name:ident $scan:expr, $default:expr, $refusal:ident;)*) => {
        /// An option whose value is a number; its own number is its place in the plan.
        #[derive(Clone, Copy)]
        #[allow(missing_docs, reason = "each is an option")]
        pub enum Value { $($name),* }

        const VALUES: &[(Opt, u16, Code)] = &[$((Opt::$name, small($default as u64), Code::$refusal)),*];

        /// What reads each of them.
        const SCANS: &[Scan; VALUES.len()] = &[$($scan),*];
    };
}

values! {
    Umask |text| text.digits(0o777, 8), 0, NOT_AN_OCTAL_MODE;
    Nicelevel |text| scan::integer(text, -20, 19), 0, NOT_A_LEVEL;
    OomScoreAdj |text| scan::integer(text, -1000, 1000), 0, NOT_A_LEVEL;
    Iosched scan::io_class, 0, NOT_A_CLASS;
    Signal scan::signal_to_send, SIGTERM, NOT_A_SIGNAL;
    Notify scan::notification, 0, NOT_A_NOTIFICATION;
    NotifyTimeout scan::seconds, 60_000, NOT_A_TIME;
    AliveAfter ZStr::count, 0, NOT_A_TIME;
    RestartDelay scan::seconds, 1000, NOT_A_TIME;
    RestartCount ZStr::count, 0, NOT_A_COUNT;
}

/// A default as it stands in the table.
const fn small(default: u64) -> u16 {
    match default {
        0..0x1_0000 => default as u16,
        _ => panic!("a default that needs more room"),
    }
}

/// The options that cannot be used together with another or, where it is needed, without it; and why.
const RULES: &[(Opt, Opt, Code)] = &[
    (Opt::PrintPid, Opt::Foreground, Code::NOT_WITH_FOREGROUND),
    (Opt::SessionLeader, Opt::Foreground, Code::NOT_WITH_FOREGROUND),
    (Opt::Ctty, Opt::Foreground, Code::NOT_WITH_FOREGROUND),
    (Opt::Wait, Opt::Foreground, Code::NOT_WITH_FOREGROUND),
    (Opt::Init, Opt::Foreground, Code::NOT_WITH_FOREGROUND),
    (Opt::Notify, Opt::Foreground, Code::NOT_WITH_FOREGROUND),
    (Opt::AliveAfter, Opt::Foreground, Code::NOT_WITH_FOREGROUND),
    (Opt::Restart, Opt::Foreground, Code::NOT_WITH_FOREGROUND),
    (Opt::Notify, Opt::Restart, Code::NOT_WITH_RESTART),
    (Opt::AliveAfter, Opt::Restart, Code::NOT_WITH_RESTART),
    (Opt::SessionLeader, Opt::Restart, Code::NOT_WITH_RESTART),
    (Opt::Ctty, Opt::Restart, Code::NOT_WITH_RESTART),
    (Opt::ChildPidfile, Opt::Restart, Code::NEEDS_RESTART),
    (Opt::Sighup, Opt::Restart, Code::NEEDS_RESTART),
    (Opt::RestartCount, Opt::Restart, Code::NEEDS_RESTART),
    (Opt::RestartDelay, Opt::Restart, Code::NEEDS_RESTART),
    (Opt::Stop, Opt::Pidfile, Code::NEEDS_A_PIDFILE),
    (Opt::Status, Opt::Pidfile, Code::NEEDS_A_PIDFILE),
    (Opt::Stop, Opt::Command, Code::TAKES_NO_COMMAND),
    (Opt::Status, Opt::Command, Code::TAKES_NO_COMMAND),
    (Opt::Stop, Opt::Status, Code::NOT_WITH_STATUS),
];

/// The options that say what standard input, output and error are to be.
pub const STREAMS: &[Opt] = &[Opt::Stdin, Opt::Stdout, Opt::Stderr];

/// A launch, as it was asked for.
#[repr(C)] // as for the options
pub struct Plan {
    /// What was typed, and with [`Plan::read`] what follows from it.
    pub options: Options,
    values: [u64; VALUES.len()],
    /// The signals that COMMAND is to ignore.
    pub ignored: Numbers,
    /// The descriptors that COMMAND is to get.
    pub kept: Numbers,
    /// COMMAND as typed: a path, or a name to search for; empty if there is none.
    pub name: Word,
}

/// A set of numbers, as a list on the command line names them.
#[derive(Clone, Copy)]
pub struct Numbers {
    /// Bit N for the number N up to 63, and bit 0 for 64, the highest signal; as a descriptor's it means nothing, since 0 to 2
    /// are open in any case.
    pub low: u64,
    /// The highest of all.
    pub highest: u64,
}

impl Numbers {
    const NONE: Numbers = Numbers { low: 0, highest: 0 };

    /// Whether it holds a number from 1 on, of those up to 64.
    #[inline(always)]
    pub fn has(&self, number: u32) -> bool {
        number <= 64 && self.low >> (number % 64) & 1 != 0
    }

    /// Reads a list with commas between its items; no list at all is an empty one.
    fn read(&mut self, mut list: Option<Word>, scan: Scan) -> bool {
        while let Some(text) = list {
            let Some((number, rest)) = scan(text) else {
                return false;
            };
            if number <= 64 {
                self.low |= 1 << (number % 64);
            }
            self.highest = self.highest.max(number);
            list = match rest.split() {
                None => None,
                Some((b',', next)) => Some(next),
                _ => return false,
            };
        }
        true
    }
}

impl Plan {
    /// A plan of nothing, of the command line in `vectors`.
    #[inline(always)]
    pub fn new(vectors: Vectors) -> Plan {
        Plan {
            values: const { [0; VALUES.len()] },
            ignored: Numbers::NONE,
            kept: Numbers::NONE,
            name: ZStr::new(c""),
            options: Options::new(vectors),
        }
    }

    /// Reads the options that were typed, and concludes what follows from them. `pid_1`: bgexec is the first process of its
    /// pid namespace.
    ///
    /// # Errors
    /// A value that is none of its kind, or options that contradict each other; [`Options::examined`] is which.
    #[inline(never)]
    pub fn read(&mut self, pid_1: bool) -> Result<(), Reason> {
        let options = &mut self.options;
        let command = options.vectors.last.next().get();
        options.settle(Opt::Command, command);
        if let Some(command) = command {
            self.name = command;
        }
        if !self.ignored.read(options.examine(Opt::IgnoreSignal), scan_ignored) {
            return Err(Reason::NOT_SIGNALS);
        }
        if !self.kept.read(options.examine(Opt::KeepFd), scan_descriptor) {
            return Err(Reason::NOT_DESCRIPTORS);
        }
        for (((opt, default, refusal), scan), place) in VALUES.iter().zip(SCANS).zip(&mut self.values) {
            *place = (*default).into();
            if let Some(text) = options.examine(*opt) {
                match scan(text) {
                    Some((value, rest)) if rest.first() == 0 => *place = value,
                    _ => return Err(Reason::of(*refusal)),
                }
            }
        }
        for (opt, other, refusal) in RULES {
            let needs = matches!(refusal, Code::NEEDS_A_PIDFILE | Code::NEEDS_RESTART);
            if options.examine(*opt).is_some() && options.has(*other) != needs {
                return Err(Reason::of(*refusal));
            }
        }
        if options.examine(Opt::Retry).is_some_and(|schedule| !scan::is_schedule(schedule)) {
            return Err(Reason::NOT_A_SCHEDULE);
        }
        if let Some(user) = options.examine(Opt::User)
            && !options.has(Opt::Group)
            && user.count().is_some_and(|(_, rest)| rest.first() == 0)
        {
            return Err(Reason::NEEDS_A_GROUP);
        }
        self.conclude(pid_1);
        Ok(())
    }

    /// Concludes what follows from the options, which do not contradict each other.
    fn conclude(&mut self, pid_1: bool) {
        let name = self.name;
        let options = &mut self.options;
        let foreground = options.has(Opt::Foreground);
        options.imply(Opt::Init, options.has(Opt::Init) | pid_1 & !foreground);
        options.imply(Opt::Wait, options.has(Opt::Wait) | options.has(Opt::Init));
        options.imply(Opt::SessionLeader, options.has(Opt::SessionLeader) | options.has(Opt::Ctty));
        let leads = options.has(Opt::SessionLeader);
        let closes = !options.has(Opt::NoClose);
        options.imply(Opt::Always, true);
        options.imply(Opt::Detaches, !foreground);
        // Under init COMMAND is in the terminal's foreground.
        options.imply(Opt::Session, !foreground & (leads | !options.has(Opt::Init)));
        // A session's leader leads a process group already.
        options.imply(Opt::GroupLeader, !foreground & !leads);
        options.imply(Opt::Unshares, !foreground & closes);
        options.imply(Opt::Closes, closes);
        options.settle(Opt::PrimaryGroup, options.value(Opt::Group).or(options.value(Opt::User)));
        options.settle(Opt::Identity, options.value(Opt::Groups).or(options.value(Opt::PrimaryGroup)));
        let waits = options.has(Opt::Wait) | options.has(Opt::Notify) | options.has(Opt::AliveAfter);
        options.imply(Opt::Waits, waits | options.has(Opt::PrintPid));
        let keeps = foreground | options.has(Opt::Wait);
        let leaves = !keeps | options.has(Opt::Chroot);
        if leaves & !options.has(Opt::Chdir) {
            options.settle(Opt::Chdir, Some(ZStr::new(c"/")));
            options.imply(Opt::NeedsHere, !matches!(name.first(), 0 | b'/') && !options.has(Opt::Chroot));
        }
        // To stay in a directory needs no permission.
        options.settle(Opt::Chdir, options.value(Opt::Chdir).and_then(|directory| directory.unless(c".")));
        for &opt in STREAMS {
            let mut file = options.value(opt);
            if opt != Opt::Stdin {
                file = file.or(options.value(Opt::Output));
            }
            if !keeps {
                file = file.or(Some(NULL_DEVICE));
            }
            options.settle(opt, file.and_then(|file| file.unless(c"-")));
        }
    }

    /// An option's number, or its default if it was not given.
    #[inline(always)]
    pub fn value(&self, value: Value) -> u64 {
        self.values.get(value as usize).copied().unwrap_or(0)
    }

    /// What COMMAND gets as its arguments; the first is its name, or that of `--argv0`. This is put there each time: a supervisor
    /// has the memory in common with the run before, which may have put a script's path there.
    pub fn arguments(&self) -> Words {
        let command = self.options.vectors.last.next();
        command.set(self.options.value(Opt::Argv0).unwrap_or(self.name));
        command
    }

    /// Whether COMMAND replaces bgexec itself, without a process or session of its own.
    #[inline(always)]
    pub fn foreground(&self) -> bool {
        self.options.has(Opt::Foreground)
    }

    /// Whether bgexec does what pid 1 has to do: stays, and reaps every orphan.
    #[inline(always)]
    pub fn is_init(&self) -> bool {
        self.options.has(Opt::Init)
    }

    /// Whether bgexec stays as long as COMMAND lives.
    #[inline(always)]
    pub fn stays(&self) -> bool {
        self.options.has(Opt::Wait)
    }

    /// Whether bgexec has to do with COMMAND after it was executed.
    pub fn waits(&self) -> bool {
        self.options.has(Opt::Waits)
    }

    /// Whether streams, directory and umask stay what they are unless an option says otherwise.
    #[inline(always)]
    pub fn keeps_surroundings(&self) -> bool {
        self.foreground() || self.stays()
    }

    /// Whether a path is relative that a supervisor uses later.
    pub fn has_relative_path(&self) -> bool {
        let later = [Opt::Pidfile, Opt::ChildPidfile, Opt::Stdout, Opt::Stderr, Opt::Chdir, Opt::Chroot];
        let mut paths = later.iter().filter_map(|opt| self.options.value(*opt));
        paths.any(|path| path.first() != b'/')
    }

    /// The bit of the descriptor, if it is below 64, on which COMMAND tells that it is ready.
    pub fn notification_bit(&self) -> u64 {
        match self.value(Value::Notify) {
            number @ 1..64 => 1 << number,
            _ => 0,
        }
    }

    /// The path of COMMAND's own pidfile under a supervisor.
    pub fn child_pidfile(&self) -> Option<Word> {
        self.options.value(Opt::ChildPidfile)
    }

    /// Whether COMMAND leads its session, as it must to have a controlling terminal.
    #[inline(always)]
    pub fn leads_session(&self) -> bool {
        self.options.has(Opt::SessionLeader)
    }

    /// The pidfile's path.
    pub fn pidfile(&self) -> Option<Word> {
        self.options.value(Opt::Pidfile)
    }

    /// The file that standard stream `number` of COMMAND is to be; none if it is the null device, or what the launcher has there.
    pub fn file(&self, number: usize) -> Option<Word> {
        self.options.value(*STREAMS.get(number)?).and_then(|file| file.unless(c"/dev/null"))
    }

    /// Whether COMMAND is a name to search for, and not a path.
    pub fn is_searched(&self) -> bool {
        self.name.first() != 0 && self.name.find(b'/').first() == 0
    }

    /// Whether COMMAND may have to be found from the directory where bgexec was started, which the daemon leaves.
    pub fn needs_here(&self) -> bool {
        self.options.has(Opt::NeedsHere)
    }

    /// Whether a descriptor is to be kept.
    pub fn keeps(&self, descriptor: u32) -> bool {
        let mut list = self.options.value(Opt::KeepFd);
        while let Some((number, rest)) = list.and_then(scan_descriptor) {
            if number == descriptor.into() {
                return true;
            }
            list = Some(rest.rest());
        }
        false
    }

    /// Refuses to act with another's rights, which are those of a set-user-ID or set-group-ID program.
    pub fn check_ids(&self) -> Result<(), Reason> {
        if self.options.vectors.ids_agree { Ok(()) } else { Err(Reason::IDS_DIFFER) }
    }

    /// Whether a step is to be taken.
    pub fn includes(&self, step: Step) -> bool {
        CONDITIONS.get(step as usize).is_some_and(|opt| self.options.has(*opt))
    }

    /// The user's own word that a step is about, or the default that stands for it.
    pub fn word(&self, step: Step) -> Option<Word> {
        self.options.value(*WORDS.get(step as usize)?)
    }
}

/// A descriptor's number.
fn scan_descriptor(text: Word) -> Option<(u64, Word)> {
    text.number(i32::MAX as u64)
}

/// A signal that can be ignored, of those that every architecture has.
fn scan_ignored(text: Word) -> Option<(u64, Word)> {
    scan::signal(text)
        .filter(|(signal, _)| (NSIG == 64 || *signal <= 64) && !matches!(*signal as u32, SIGKILL | SIGSTOP))
}
