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
        chdir CHDIR
        clock_gettime CLOCK_GETTIME
        clone CLONE
        close CLOSE
        close_range CLOSE_RANGE
        dup3 DUP3
        execve EXECVE
        exit_group EXIT_GROUP
        fchmod FCHMOD
        fcntl FCNTL
        fstat FSTAT
        ftruncate FTRUNCATE
        getcwd GETCWD
        getdents64 GETDENTS64
        getegid GETEGID
        geteuid GETEUID
        getgid GETGID
        getpid GETPID
        getuid GETUID
        kill KILL
        mknodat MKNODAT
        newfstatat NEWFSTATAT
        openat OPENAT
        pipe2 PIPE2
        prlimit64 PRLIMIT64
        read READ
        rt_sigaction RT_SIGACTION
        rt_sigprocmask RT_SIGPROCMASK
        setpgid SETPGID
        setsid SETSID
        umask UMASK
        unlinkat UNLINKAT
        unshare UNSHARE
        wait4 WAIT4
        write WRITE
    }
}

/// What follows a text wherever it occurs in the sources, up to the end of a name.
fn names_after(text: &str) -> Vec<String> {
    let mut names = vec![];
    for source in program() {
        let code = source.bare_code();
        for (_, rest) in code
            .match_indices(text)
            .map(|(at, found)| code.split_at(at + found.len()))
        {
            if rest.starts_with(|letter: char| letter.is_alphabetic()) {
                names.extend(words(rest).next().map(str::to_owned));
            }
        }
    }
    names.sort();
    names.dedup();
    names
}

#[test]
fn both_crates_agree_on_every_system_call() {
    let witness = witness();
    let mut names = names_after("call!(");
    names.extend(names_after("Sysno::"));
    assert!(
        names.len() > 20,
        "the sources name their system calls in another way: {names:?}"
    );
    for name in names {
        let shipped: Sysno = name
            .parse()
            .unwrap_or_else(|()| panic!("{name}: not a system call"));
        let number = witness.get(name.as_str());
        assert_eq!(
            number,
            Some(&(shipped.id() as usize)),
            "{name}: crate sc has {number:?}"
        );
    }
}

/// The numbers of all errors, as crate `syscalls` has them.
fn errnos() -> BTreeMap<&'static str, i32> {
    (1..4096)
        .filter_map(|number| Some((Errno::new(number).name()?, number)))
        .collect()
}

/// The rows of the table of errors: a name and a text.
fn rows() -> Vec<(String, String)> {
    let report = program()
        .into_iter()
        .find(|source| source.is_in(&["src/report.rs"]))
        .expect("it is there");
    let code = report.code();
    let rows = code
        .lines()
        .skip_while(|line| *line != "errnos! {")
        .skip(1)
        .take_while(|line| *line != "}");
    rows.filter_map(|row| row.trim().split_once(' '))
        .map(|(name, text)| (name.to_owned(), text.trim_matches('"').to_owned()))
        .collect()
}

#[test]
fn texts_of_errors_are_the_usual_ones() {
    let errnos = errnos();
    let rows = rows();
    assert!(
        rows.len() > 10,
        "the table of errors is written in another way: {rows:?}"
    );
    for (name, text) in rows {
        let usual = io::Error::from_raw_os_error(errnos[name.as_str()]).to_string();
        assert_eq!(
            usual.split(" (os error").next(),
            Some(text.as_str()),
            "{name}"
        );
    }
}
