//! Two crates know the kernel's numbers: the one that is shipped must agree with the other, and with the C library.

mod sources;

use std::collections::BTreeMap;
use std::io;

use sources::{program, words};
use syscalls::{Errno, Sysno};

/// Each system call by its name, with the number that crate `sc` has for it.
macro_rules! table {
    ($($name:ident $constant:ident)*) => {
        BTreeMap::from([$((stringify!($name), sc::nr::$constant)),*])
    };
}

/// The other opinion on the system calls that the sources name.
fn witness() -> BTreeMap<&'static str, usize> {
    table! {
        bind BIND
        chdir CHDIR
        chroot CHROOT
        clock_gettime CLOCK_GETTIME
        clone CLONE
        close CLOSE
        close_range CLOSE_RANGE
        dup3 DUP3
        execve EXECVE
        exit_group EXIT_GROUP
        faccessat FACCESSAT
        fchdir FCHDIR
        fcntl FCNTL
        ftruncate FTRUNCATE
        getcwd GETCWD
        getdents64 GETDENTS64
        getegid GETEGID
        geteuid GETEUID
        getgroups GETGROUPS
        getpgid GETPGID
        getpid GETPID
        getppid GETPPID
        getsockname GETSOCKNAME
        ioctl IOCTL
        ioprio_set IOPRIO_SET
        kill KILL
        lseek LSEEK
        mknodat MKNODAT
        mmap MMAP
        newfstatat NEWFSTATAT
        openat OPENAT
        pidfd_open PIDFD_OPEN
        pidfd_send_signal PIDFD_SEND_SIGNAL
        pipe2 PIPE2
        ppoll PPOLL
        prctl PRCTL
        pread64 PREAD64
        prlimit64 PRLIMIT64
        pwrite64 PWRITE64
        read READ
        recvmsg RECVMSG
        rt_sigaction RT_SIGACTION
        rt_sigprocmask RT_SIGPROCMASK
        setgid SETGID
        setgroups SETGROUPS
        setpgid SETPGID
        setpriority SETPRIORITY
        setsid SETSID
        setsockopt SETSOCKOPT
        setuid SETUID
        signalfd4 SIGNALFD4
        socket SOCKET
        statx STATX
        tgkill TGKILL
        umask UMASK
        unlinkat UNLINKAT
        unshare UNSHARE
        wait4 WAIT4
        write WRITE
    }
}

/// The system calls that the sources name: `call!(NAME, …)` and `number::NAME`.
fn names() -> Vec<String> {
    let mut names = vec![];
    for source in program() {
        let code = source.bare_code();
        for (before, after) in ["call!(", "number::"].iter().flat_map(|text| splits(&code, text)) {
            let is_whole_word = !before.ends_with(|letter: char| letter.is_alphanumeric() || letter == '_');
            let name = words(after).next().unwrap_or_default();
            if is_whole_word && after.starts_with(name) && name.starts_with(char::is_lowercase) {
                // The narrow form, where there are two.
                names.push(name.strip_suffix("32").unwrap_or(name).to_owned());
            }
        }
    }
    names.sort();
    names.dedup();
    names
}

/// What is before and after a text wherever it occurs in the code.
fn splits<'c>(code: &'c str, text: &str) -> Vec<(&'c str, &'c str)> {
    code.match_indices(text).map(|(at, found)| (&code[..at], &code[at + found.len()..])).collect()
}

#[test]
fn both_crates_agree_on_every_system_call() {
    let witness = witness();
    let names = names();
    assert!(names.len() > 20, "the sources name their system calls in another way: {names:?}");
    for name in names {
        let shipped: Sysno = name.parse().unwrap_or_else(|()| panic!("{name}: not a system call"));
        let number = witness.get(name.as_str());
        assert_eq!(number, Some(&(shipped.id() as usize)), "{name}: crate sc has {number:?}");
    }
}

/// The numbers of all errors, as crate `syscalls` has them.
fn errnos() -> BTreeMap<&'static str, i32> {
    (1..4096).filter_map(|number| Some((Errno::new(number).name()?, number))).collect()
}

/// The rows of the table of errors: a name and a text.
fn rows() -> Vec<(String, String)> {
    let report = program().into_iter().find(|source| source.is_in(&["src/report.rs"])).expect("it is there");
    let code = report.code();
    let rows = code.lines().skip_while(|line| *line != "reasons! {").skip(1).map(str::trim);
    // Those of bgexec's own follow, behind a text for all other errors.
    rows.take_while(|row| row.starts_with('E'))
        .filter_map(|row| row.split_once(' '))
        .map(|(name, text)| (name.to_owned(), text.trim_matches(['"', ';']).to_owned()))
        .collect()
}

#[test]
fn texts_of_errors_are_the_usual_ones() {
    let errnos = errnos();
    let rows = rows();
    assert!(rows.len() > 10, "the table of errors is written in another way: {rows:?}");
    for (name, text) in rows {
        let usual = io::Error::from_raw_os_error(errnos[name.as_str()]).to_string();
        assert_eq!(usual.split(" (os error").next(), Some(text.as_str()), "{name}");
    }
}
