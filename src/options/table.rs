//! The options: one row each, from which the parser works and the usage text is made.

#![forbid(unsafe_code)]

use core::ffi::CStr;

use crate::sys::zstr::{Word, ZStr};

/// One option.
pub struct Row {
    /// The short name, or a space.
    pub short: u8,
    /// The long name, without its dashes.
    pub long: &'static str,
    /// The name of its value; empty for a flag.
    pub value: &'static str,
    /// What it does, for the usage text.
    pub help: &'static str,
}

/// Declares the rows, the facts that follow from them and, from the same lines, the enum that names both.
macro_rules! rows {
    ($($name:ident $short:literal $long:literal $value:literal $help:literal)* ; $($(#[$doc:meta])* $fact:ident)*) => {
        /// An option's name in this program; its number is that of its row. Behind the options stand the facts that the
        /// plan concludes from them, so that a step may depend on either.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        #[repr(u8)]
        #[allow(missing_docs, reason = "each is documented by its row")]
        pub enum Opt { $($name,)* $($(#[$doc])* $fact),* }

        /// Every option, in the order of [`ROWS`].
        pub const OPTS: &[Opt] = &[$(Opt::$name),*];

        /// How many options and facts there are.
        pub const COUNT: usize = [$(Opt::$name,)* $(Opt::$fact),*].len();

        /// Every option's row, in the order of the usage text.
        pub const ROWS: &[Row] = &[$(Row { short: $short, long: $long, value: $value, help: $help }),*];
    };
}

rows! {
    Chdir         b'c' "chdir"          "DIR"   "working directory [/]"
    Umask         b'k' "umask"          "OCTAL" "file mode mask [0]"
    Stdin         b'i' "stdin"          "FILE"  "[/dev/null]; - keeps the caller's"
    Stdout        b'o' "stdout"         "FILE"  "the same"
    Stderr        b'e' "stderr"         "FILE"  "the same"
    Output        b'O' "output"         "FILE"  "-o and -e"
    Truncate      b' ' "truncate"       ""      "empty output files first"
    Env           b'E' "env"            "K=V"   "set a variable"
    Unset         b' ' "unset"          "K"     "remove one"
    ClearEnv      b' ' "clear-env"      ""      "remove all inherited"
    User          b'u' "user"           "U[:G]" "run as"
    Group         b'g' "group"          "G"     "[the user's]"
    Groups        b' ' "groups"         "G,G"   "supplementary [the user's]"
    Pidfile       b'p' "pidfile"        "FILE"  "locked, holds the pid"
    Lockfile      b'l' "lockfile"       "FILE"  "locked"
    Foreground    b'F' "foreground"     ""      "no fork, no session"
    Wait          b'w' "wait"           ""      "stay, forward signals"
    Init          b' ' "init"           ""      "the same, and reap all"
    Notify        b' ' "notify"         "HOW"   "wait until ready: fd:N, socket"
    NotifyTimeout b' ' "notify-timeout" "SECS"  "[60]"
    AliveAfter    b' ' "alive-after"    "MS"    "wait so long"
    Restart       b'r' "restart"        ""      "start it again when it ends"
    RestartDelay  b'R' "restart-delay"  "SECS"  "[1]"
    RestartCount  b'C' "restart-count"  "N"     "[no end]"
    Sighup        b'H' "sighup"         ""      "HUP reopens output files"
    ChildPidfile  b' ' "child-pidfile"  "FILE"  "of what is started again"
    SupervisorPidfile b' ' "supervisor-pidfile" "FILE" "-p"
    Stop          b'K' "stop"           ""      "stop what holds -p FILE"
    Signal        b's' "signal"         "SIG"   "[TERM]; without --retry sent once"
    Retry         b' ' "retry"          "TIMES" "[TERM/30/KILL/5]"
    ProcessGroup  b' ' "process-group"  ""      "signal its group"
    Status        b'T' "status"         ""      "0 running, 1 dead, 3 stopped"
    Oknodo        b' ' "oknodo"         ""      "nothing to do is success"
    Nicelevel     b'N' "nicelevel"      "N"     ""
    Iosched       b'I' "iosched"        "C[:N]" "realtime, best-effort, idle"
    OomScoreAdj   b' ' "oom-score-adj"  "N"     ""
    Rlimit        b' ' "rlimit"         "R=S[:H]" ""
    Chroot        b' ' "chroot"         "DIR"   ""
    NoNewPrivs    b' ' "no-new-privs"   ""      ""
    Argv0         b' ' "argv0"          "NAME"  "[COMMAND]"
    SessionLeader b' ' "session-leader" ""      "for gettys"
    Ctty          b' ' "ctty"           ""      "and stdin is its terminal"
    KeepFd        b' ' "keep-fd"        "N,N"   "leave these open"
    NoClose       b' ' "no-close"       ""      "leave all open"
    KeepSignals   b' ' "keep-signals"   ""      "leave dispositions and mask"
    IgnoreSignal  b' ' "ignore-signal"  "S,S"   "ignore these"
    PrintPid      b' ' "print-pid"      ""      "on stdout, once running"
    Verbose       b'v' "verbose"        ""      "show each step"
    Quiet         b'q' "quiet"          ""      "errors only"
    Help          b'h' "help"           ""      ""
    Version       b'V' "version"        ""      ""
    Append        b'a' "append"         ""      "always so:"
    Background    b'b' "background"     ""      ""
    Fork          b' ' "fork"           ""      ""
    CloseFds      b'f' "close-fds"      ""      ""
    MakePidfile   b'm' "make-pidfile"   ""      "" ;

    /// Always so.
    Always
    /// A process is made.
    Detaches
    /// It makes a session.
    Session
    /// It makes a process group.
    GroupLeader
    /// It gets a descriptor table of its own.
    Unshares
    /// Descriptors are closed.
    Closes
    /// Other ids were asked for: the word that the supplementary groups come from.
    Identity
    /// A primary group was asked for, or comes with the user.
    PrimaryGroup
    /// COMMAND may have to be found from the directory where bgexec was started, which the daemon leaves.
    NeedsHere
    /// COMMAND.
    Command
    /// There is something to do with COMMAND after it was executed.
    Waits
}

const HEADER: &str = "usage: bgexec [OPTION]... [--] COMMAND [ARG]...\n";

/// Where the help starts, in columns of a terminal with tab stops every eight. A name starts in column 8.
const HELP_COLUMN: usize = 32;

/// Makes the table in `text`, as far as that is long enough; gives its full length.
const fn render(text: &mut [u8]) -> usize {
    let mut at = put(text, 0, HEADER.as_bytes());
    let mut index = 0;
    while index < ROWS.len() {
        let row = &ROWS[index];
        at = put(text, at, &[row.short]);
        let start = at;
        at = put(text, at, row.long.as_bytes());
        if !row.value.is_empty() {
            at = put(text, at, b" ");
            at = put(text, at, row.value.as_bytes());
        }
        if !row.help.is_empty() {
            let mut column = 8 + at - start;
            while column < HELP_COLUMN {
                at = put(text, at, b"\t");
                column = (column / 8 + 1) * 8;
            }
            at = put(text, at, row.help.as_bytes());
        }
        at = put(text, at, b"\n");
        index += 1;
    }
    at
}

const fn put(text: &mut [u8], at: usize, bytes: &[u8]) -> usize {
    let mut index = 0;
    while index < bytes.len() {
        if at + index < text.len() {
            text[at + index] = bytes[index];
        }
        index += 1;
    }
    at + bytes.len()
}

const LENGTH: usize = render(&mut []);

static TEXT: [u8; LENGTH + 1] = {
    let mut text = [0; LENGTH + 1];
    render(&mut text);
    text
};

/// A header, then a line for each row, as the parser looks names up in it and the usage text is made from it: the letter
/// or a space, the long name without its dashes, behind a space the name of its value, and behind tabs the help.
pub const TABLE: Word = match CStr::from_bytes_with_nul(&TEXT) {
    Ok(text) => ZStr::new(text),
    Err(_) => unreachable!(),
};

/// Finds the option that a word begins with: with `long` its long name, which may not be abbreviated, as far as the end
/// or a `=`; otherwise a letter. Gives its number, whether it takes a value, and what follows the name.
pub fn find(word: Word, long: bool) -> Option<(usize, bool, Word)> {
    let mut line = TABLE.past(b'\n');
    let mut index = 0;
    while let Some((letter, mut name)) = line.split() {
        let mut rest = word;
        let found = if long {
            while name.first() > b' ' && name.first() == rest.first() {
                (name, rest) = (name.rest(), rest.rest());
            }
            name.first() <= b' ' && rest.ends(b'=')
        } else {
            rest = rest.rest();
            letter != b' ' && letter == word.first()
        };
        if found {
            while name.first() > b' ' {
                name = name.rest();
            }
            return Some((index, name.first() == b' ', rest));
        }
        line = name.past(b'\n');
        index += 1;
    }
    None
}
