//! The lines of /etc/passwd and /etc/group.

use std::iter;

use bgexec::passwd;
use bgexec::sys::zstr::Word;

use super::string;

/// What may be in a file, and much that may not.
pub const PIECES: [&str; 37] = [
    "app",
    "apple",
    "ap",
    "p",
    "root",
    "\u{fc}ber",
    "\u{fc}",
    ":",
    ":",
    ":",
    ":",
    "::",
    ",",
    ",",
    "\n",
    "\n",
    "x",
    "0",
    "1",
    "42",
    "007",
    "4294967294",
    "4294967295",
    "4294967296",
    "99999999999",
    "18446744073709551616",
    "-1",
    "+1",
    " ",
    "\t",
    "#",
    "\r\n",
    "app:x:1:2:",
    "\napp:x:4711:4712:::",
    "\nroot:x:0:0::/:/bin/sh\n",
    "staff:x:7:root,app",
    "g:x:3:ap,,p,",
];

/// A user's line: user id, group id, directory, shell.
pub type User = (u32, u32, String, String);

/// The users of a name, and the groups that have it as their own or among their users.
pub type Entries = (Vec<User>, Vec<u32>, Vec<u32>);

/// What the library finds in a file about a name, which ends at its NUL or at the byte `end`.
pub fn entries(name: Word, end: u8, file: Word) -> Entries {
    let groups = |member| {
        let mut rest = file;
        iter::from_fn(|| passwd::find(&mut rest, name, end, member)).map(passwd::id).collect()
    };
    let mut users = vec![];
    let mut rest = file;
    while let Some(uid) = passwd::find(&mut rest, name, end, false) {
        if let (Some(gid), Some(directory), Some(shell), None) =
            (passwd::field(uid, 1), passwd::field(uid, 3), passwd::field(uid, 4), passwd::field(uid, 5))
            && passwd::id(gid) != passwd::NO_ID
        {
            let field = |text: Word, end| string(text).split(end).next().expect("a first one").to_owned();
            users.push((passwd::id(uid), passwd::id(gid), field(directory, ':'), field(shell, '\n')));
        }
    }
    (users, groups(false), groups(true))
}

/// The same, simply.
pub fn reference_entries(name: &str, file: &str) -> Entries {
    let id = |text: &str| {
        let digits = text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse().ok().filter(|&id| digits && id != u32::MAX)
    };
    let mut entries: Entries = Default::default();
    for line in file.split('\n').filter(|line| !line.starts_with('#')) {
        let fields: Vec<&str> = line.split(':').collect();
        let Some(own_id) = fields.get(2).copied().and_then(id) else { continue };
        if fields[0] == name {
            entries.1.push(own_id);
            if let [_, _, _, gid, _, directory, shell] = fields[..]
                && let Some(gid) = id(gid)
            {
                entries.0.push((own_id, gid, directory.to_owned(), shell.to_owned()));
            }
        }
        if fields.get(3).is_some_and(|members| members.split(',').any(|member| member == name)) {
            entries.2.push(own_id);
        }
    }
    entries
}
