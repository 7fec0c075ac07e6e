//! Who COMMAND runs as. Names are looked up in /etc/passwd and /etc/group alone; numbers are never looked up.

#![forbid(unsafe_code)]

use super::Launch;
use crate::options::Opt;
use crate::passwd::Line;
use crate::report::Reason;
use crate::sys::abi::{ENOENT, EPERM, NGROUPS_MAX, O_RDONLY};
use crate::sys::zstr::{Vectors, Word, ZStr};
use crate::sys::{self, Errno, Fd};

/// The ids that were asked for, as far as they are known.
pub struct Identity {
    uid: Option<u32>,
    gid: Option<u32>,
    /// The supplementary groups are the first `count` of these.
    groups: &'static mut [u32],
    count: usize,
}

/// Where users are looked up.
const PASSWD: Word = ZStr::new(c"/etc/passwd");

/// Where groups are looked up.
const GROUP: Word = ZStr::new(c"/etc/group");

/// Room for the variables that a user brings: as much as the kernel takes for one.
const ROOM: usize = 1 << 17;

impl Identity {
    /// Nothing asked for.
    pub const fn new() -> Identity {
        Identity { uid: None, gid: None, groups: &mut [], count: 0 }
    }

    /// The user that was asked for.
    pub fn user(&self) -> Option<u32> {
        self.uid
    }

    /// Adds a supplementary group.
    fn join(&mut self, gid: u32) -> Result<(), Reason> {
        if !self.groups.iter().take(self.count).any(|group| *group == gid) {
            *self.groups.get_mut(self.count).ok_or(Errno::TOOBIG)? = gid;
            self.count += 1;
        }
        Ok(())
    }
}

impl Launch {
    /// Finds the ids of `--user`; one that is named brings its variables with it.
    pub(super) fn find_user(&mut self) -> Result<(), Reason> {
        let user = self.word();
        match id(user)? {
            None => self.find_named_user(user)?,
            uid => self.identity.uid = uid,
        }
        let group = user.find(b':');
        if group.first() != 0 {
            self.identity.gid = Some(find_group(group.rest())?);
        }
        Ok(())
    }

    fn find_named_user(&mut self, user: Word) -> Result<(), Reason> {
        let mut variables = Variables { room: sys::mmap(ROOM)?, length: 0 };
        let mut ids = None;
        each_byte(PASSWD, user, &mut |line, byte| {
            match (byte, line.field) {
                _ if !line.is_own => {}
                (b':', 5) => variables.push(ZStr::new(c"HOME=")),
                (b':', 6) => variables.end_and_push(ZStr::new(c"SHELL=")),
                (b'\n', fields) => match (line.id(0), line.id(1)) {
                    (Some(uid), Some(gid)) if fields == 7 => ids = Some((uid, gid)),
                    _ => variables.length = 0, // no user: there may be another line
                },
                (_, 5 | 6) => variables.push_byte(byte),
                _ => {}
            }
            ids.is_some()
        })?;
        let (uid, gid) = ids.ok_or(Reason::NOT_FOUND)?;
        (self.identity.uid, self.identity.gid) = (Some(uid), Some(gid));
        for name in [c"USER=", c"LOGNAME="] {
            variables.end_and_push(ZStr::new(name));
            variables.push(user);
        }
        variables.set(&mut self.vectors)
    }

    /// Finds the id of `--group`.
    pub(super) fn find_primary_group(&mut self) -> Result<(), Reason> {
        self.identity.gid = Some(find_group(self.word())?);
        Ok(())
    }

    /// Finds the ids of `--groups`, or else those of the primary group and of the groups that the named user is in.
    pub(super) fn find_groups(&mut self) -> Result<(), Reason> {
        let identity = &mut self.identity;
        identity.groups = sys::mmap_numbers(NGROUPS_MAX)?;
        if let Some(mut list) = self.plan.options.value(Opt::Groups) {
            while list.first() != 0 {
                identity.join(find_group(list)?)?;
                list = list.find(b',').rest();
            }
            return Ok(());
        }
        if let Some(gid) = identity.gid {
            identity.join(gid)?;
        }
        let mut joined = Ok(());
        if let Some(user) = self.plan.options.value(Opt::User)
            && id(user)?.is_none()
        {
            each_byte(GROUP, user, &mut |line, byte| {
                if let (b'\n', true, Some(gid)) = (byte, line.has_member, line.id(0)) {
                    joined = identity.join(gid);
                }
                joined.is_err()
            })?;
        }
        joined
    }

    /// Sets the supplementary groups. Where that is not permitted, it is no failure as long as nothing would change: the
    /// ids are those already, and no group is held beyond those asked for.
    pub(super) fn set_groups(&mut self) -> Result<(), Reason> {
        let Identity { uid, gid, groups, count } = &mut self.identity;
        let (asked, rest) = groups.split_at_mut_checked(*count).unwrap_or_default();
        let Err(errno) = sys::setgroups(asked) else {
            return Ok(());
        };
        let held = sys::getgroups(rest)? as usize;
        let unchanged = uid.is_none_or(|uid| uid == sys::geteuid())
            && gid.is_none_or(|gid| gid == sys::getegid())
            && rest.iter().take(held).all(|group| asked.contains(group));
        if errno.is(EPERM) && unchanged { Ok(()) } else { Err(errno.into()) }
    }

    /// Sets the group id.
    pub(super) fn set_gid(&self) -> Result<(), Reason> {
        if let Some(gid) = self.identity.gid {
            sys::setgid(gid)?;
        }
        Ok(())
    }

    /// Sets the user id.
    pub(super) fn set_uid(&self) -> Result<(), Reason> {
        if let Some(uid) = self.identity.uid {
            sys::setuid(uid)?;
        }
        Ok(())
    }
}

/// The variables that a user brings, each ending with a NUL, in memory that is all NULs.
struct Variables {
    room: &'static mut [u8],
    length: usize,
}

impl Variables {
    fn push_byte(&mut self, byte: u8) {
        if let Some(slot) = self.room.get_mut(self.length) {
            *slot = byte;
        }
        self.length += 1;
    }

    fn push(&mut self, mut text: ZStr) {
        while !text.ends(b':') {
            self.push_byte(text.first());
            text = text.rest();
        }
    }

    fn end_and_push(&mut self, text: ZStr) {
        self.push_byte(0);
        self.push(text);
    }

    /// Puts them into the environment, each unless the command line sets it.
    fn set(self, vectors: &mut Vectors) -> Result<(), Reason> {
        if self.length >= self.room.len() {
            return Err(Errno::TOOBIG.into());
        }
        let mut rest = self.room;
        for _ in 0..4 {
            let length = rest.iter().position(|byte| *byte == 0).unwrap_or(0);
            let (entry, behind) = rest.split_at_mut_checked(length + 1).unwrap_or_default();
            vectors.set_default(ZStr::terminate(entry));
            rest = behind;
        }
        Ok(())
    }
}

/// The number that a user or group is given by, up to a `:`, a `,` or the end; `None` if it is a name. A number that no id
/// can be is not looked up as a name.
fn id(text: Word) -> Result<Option<u32>, Reason> {
    let is_end = |text: Word| text.ends(b':') || text.first() == b',';
    let mut digits = text;
    while digits.first().is_ascii_digit() {
        digits = digits.rest();
    }
    if !is_end(digits) {
        return Ok(None);
    }
    let (id, _) = text.number(10, u64::from(u32::MAX) - 1).ok_or(Reason::NOT_FOUND)?;
    Ok(Some(id as u32))
}

/// The id of a group, up to a `,` or the end.
fn find_group(text: Word) -> Result<u32, Reason> {
    let mut found = id(text)?;
    if found.is_none() {
        each_byte(GROUP, text, &mut |line, byte| {
            if byte == b'\n' && line.is_own {
                found = line.id(0);
            }
            found.is_some()
        })?;
    }
    found.ok_or(Reason::NOT_FOUND)
}

/// Reads a file line by line, looking for a name; `visit` sees the line so far with each byte, and says when it is enough.
/// A missing file has no lines.
fn each_byte(path: Word, name: Word, visit: &mut dyn FnMut(&Line, u8) -> bool) -> Result<(), Reason> {
    let file = match sys::openat(Fd::CWD, path, O_RDONLY, 0) {
        Err(errno) if errno.is(ENOENT) => return Ok(()),
        opened => opened?,
    };
    let mut line = Line::new(name);
    let mut buffer = [0; 1024];
    let mut enough = false;
    while !enough {
        let size = sys::read(file, &mut buffer)? as usize;
        enough = size == 0;
        // A last line may lack its newline.
        let chunk = if enough { b"\n" } else { buffer.get(..size).unwrap_or_default() };
        for &byte in chunk {
            let complete = line.feed(byte);
            if visit(&line, byte) {
                enough = true;
                break;
            }
            if complete {
                line = Line::new(name);
            }
        }
    }
    sys::close(file);
    Ok(())
}
