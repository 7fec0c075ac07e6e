//! Lines of users and groups: any against a simple reference, regular ones against the C library.

#![allow(unsafe_code, reason = "the C library reads the same lines")]

use std::collections::BTreeMap;
use std::ffi::{CStr, c_char, c_int};
use std::mem::MaybeUninit;
use std::ptr::null_mut;

use crate::dice::{Dice, fuzz};
use crate::edge::Edge;
use crate::reference::accounts::{Entries, PIECES, entries, reference_entries};

const NAMES: [&str; 6] = ["app", "ap", "apple", "root", "p", "\u{fc}ber"];

#[test]
fn any_file() {
    let (mut file, mut name) = (Edge::new(), Edge::new());
    let make = |dice: &mut Dice| {
        let count = dice.below(40);
        (0..count).map(|_| *dice.choose(&PIECES)).collect()
    };
    fuzz("users and groups", make, |pieces| {
        let text = pieces.concat();
        let file = file.word(&text);
        for wanted in NAMES {
            let found = entries(name.word(wanted), 0, file);
            let expected = reference_entries(wanted, &text);
            if found != expected {
                return Err(format!("{wanted}: {found:?}, not {expected:?}"));
            }
        }
        Ok(())
    });
}

/// A line that the C library and passwd(5) have the same opinion of. The former also takes leading spaces, signs, a line
/// without its last fields or with too many, and a number of 33 bits as what its lower ones are; bgexec takes none of
/// these. A name that begins with `+` or `-` is NIS's.
fn regular_line(dice: &mut Dice, is_user: bool) -> String {
    let name = dice.choose(&NAMES);
    let id = match dice.below(8) {
        0 => "4294967294".to_owned(),
        1 => format!("00{}", dice.below(100)),
        _ => dice.below(100_000).to_string(),
    };
    let line = if is_user {
        let other = dice.below(100_000);
        let [comment, directory, shell] = [0; 3].map(|_| dice.letters("ab,/ #\u{fc}", 0, 6));
        format!("{name}:x:{id}:{other}:{comment}:{directory}:{shell}")
    } else {
        let count = dice.below(4);
        let members: Vec<&str> = (0..count).map(|_| *dice.choose(&NAMES)).collect();
        format!("{name}:x:{id}:{}", members.join(","))
    };
    match dice.below(12) {
        0 => format!("#{line}"),
        1 => String::new(),
        2 => line.replacen(&id, "", 1),
        3 => line.replacen(&id, "x", 1),
        4 => line.replacen(&id, &format!("{id}x"), 1),
        5 => line.split(':').next().expect("a first one").to_owned(),
        _ => line,
    }
}

// glibc has these where POSIX has only what reads the system's own files.
unsafe extern "C" {
    fn fgetpwent_r(
        file: *mut libc::FILE,
        user: *mut libc::passwd,
        text: *mut c_char,
        length: usize,
        found: *mut *mut libc::passwd,
    ) -> c_int;
    fn fgetgrent_r(
        file: *mut libc::FILE,
        group: *mut libc::group,
        text: *mut c_char,
        length: usize,
        found: *mut *mut libc::group,
    ) -> c_int;
}

/// The entries of a file, one after the other, as a function of the C library reads them.
fn read<T, E>(
    file: &str,
    next: unsafe extern "C" fn(*mut libc::FILE, *mut T, *mut c_char, usize, *mut *mut T) -> c_int,
    entry: impl Fn(&T) -> E,
) -> Vec<E> {
    let mut entries = vec![];
    if file.is_empty() {
        return entries;
    }
    // SAFETY: the text is as long as that, and is only read.
    let stream = unsafe { libc::fmemopen(file.as_ptr().cast_mut().cast(), file.len(), c"r".as_ptr()) };
    assert!(!stream.is_null());
    let mut room = [0; 4096];
    loop {
        let (mut place, mut found) = (MaybeUninit::<T>::uninit(), null_mut());
        // SAFETY: all of it lives, and the room is as long as that.
        let failed = unsafe { next(stream, place.as_mut_ptr(), room.as_mut_ptr(), room.len(), &raw mut found) };
        if failed != 0 || found.is_null() {
            break;
        }
        // SAFETY: it is where the entry is now.
        entries.push(entry(unsafe { &*found }));
    }
    // SAFETY: nobody uses it any more.
    unsafe { libc::fclose(stream) };
    entries
}

fn text(string: *const c_char) -> String {
    // SAFETY: the C library's strings are that, and live until the next is read.
    unsafe { CStr::from_ptr(string) }.to_str().expect("UTF-8").to_owned()
}

/// What the C library finds of every name; of groups without users, since a user's line is none.
fn users(file: &str) -> BTreeMap<String, Vec<(u32, u32, String, String)>> {
    let mut users = BTreeMap::<_, Vec<_>>::new();
    for (name, user) in read(file, fgetpwent_r, |user: &libc::passwd| {
        (text(user.pw_name), (user.pw_uid, user.pw_gid, text(user.pw_dir), text(user.pw_shell)))
    }) {
        users.entry(name).or_default().push(user);
    }
    users
}

fn groups(file: &str) -> Vec<(String, u32, Vec<String>)> {
    read(file, fgetgrent_r, |group: &libc::group| {
        let mut members = vec![];
        let mut place = group.gr_mem;
        // SAFETY: a null ends the array.
        while let Some(member) = unsafe { place.as_ref() }.filter(|member| !member.is_null()) {
            members.push(text(*member));
            // SAFETY: it is not the null.
            place = unsafe { place.add(1) };
        }
        (text(group.gr_name), group.gr_gid, members)
    })
}

#[test]
fn regular_file() {
    let (mut file, mut name) = (Edge::new(), Edge::new());
    let make = |dice: &mut Dice| {
        let is_user = dice.once_in(2);
        let lines = (0..dice.below(8)).map(|_| regular_line(dice, is_user) + "\n").collect::<Vec<_>>();
        [vec![is_user.to_string()], lines].concat()
    };
    fuzz("users and groups of the C library", make, |pieces| {
        let Some((kind, lines)) = pieces.split_first() else { return Ok(()) };
        let all = lines.concat();
        // The last line need not end.
        for text in [&*all, all.trim_end_matches('\n')] {
            let file = file.word(text);
            let (users, groups) = if kind == "true" { (users(text), vec![]) } else { (BTreeMap::new(), groups(text)) };
            for wanted in NAMES {
                let ours: Entries = entries(name.word(wanted), 0, file);
                let named = |(name, gid, _): &(String, u32, Vec<String>)| (name == wanted).then_some(*gid);
                let joined = |(_, gid, members): &(String, u32, Vec<String>)| {
                    members.iter().any(|member| member == wanted).then_some(*gid)
                };
                let same = if kind == "true" {
                    ours.0 == users.get(wanted).cloned().unwrap_or_default()
                } else {
                    ours.1 == groups.iter().filter_map(named).collect::<Vec<_>>()
                        && ours.2 == groups.iter().filter_map(joined).collect::<Vec<_>>()
                };
                if !same {
                    return Err(format!("{wanted}: {ours:?}, not {users:?} or {groups:?}"));
                }
            }
        }
        Ok(())
    });
}
