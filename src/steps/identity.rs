//! Who COMMAND runs as. Names are looked up in /etc/passwd and /etc/group alone; numbers are never looked up.

#![forbid(unsafe_code)]

use super::Launch;
use super::exec::SHELL;
use crate::options::Opt;
use crate::passwd::{self, NO_ID};
use crate::report::Reason;
use crate::sys::abi::{EINVAL, ENOENT, EPERM, NGROUPS_MAX, O_RDONLY};
use crate::sys::zstr::{Word, ZStr};
use crate::sys::{self, Errno};

/// The ids that were asked for, as far as they are known.
pub struct Identity {
    uid: u32,
    gid: u32,
    /// The supplementary groups are the first `count` of these, for which there is memory once there is one. As long as there is
    /// none it is `gid` alone, unless `--groups` says that there are none.
    groups: &'static mut [u32],
    count: usize,
}

/// Where users are looked up.
const PASSWD: Word = ZStr::new(c"/etc/passwd");

/// Where groups are looked up.
const GROUP: Word = ZStr::new(c"/etc/group");

impl Identity {
    /// Nothing asked for.
    pub const fn new() -> Identity {
        Identity { uid: NO_ID, gid: NO_ID, groups: &mut [], count: 0 }
    }

    /// The user that was asked for, or else root.
    pub fn user(&self) -> u32 {
        if self.uid == NO_ID { 0 } else { self.uid }
    }

    /// Adds a supplementary group.
    fn join(&mut self, gid: u32) -> Result<(), Reason> {
        if self.groups.is_empty() {
            self.groups = sys::mmap_numbers::<NGROUPS_MAX>().ok_or(Errno::NOMEM)?;
        }
        let mut index = 0;
        while let Some(group) = self.groups.get_mut(index) {
            if index == self.count {
                *group = gid;
                self.count += 1;
            }
            if *group == gid {
                return Ok(());
            }
            index += 1;
        }
        Err(Errno::TOOBIG.into())
    }

    /// Sets the supplementary groups. Where that is not permitted, it is no failure as long as nothing would change: the
    /// ids are those already, and no group is held beyond those asked for.
    #[inline(never)]
    fn set_groups(&mut self, are_named: bool) -> Result<(), Reason> {
        let primary = [self.gid];
        let alone = self.count == 0 && !are_named;
        let asked = if alone { &primary } else { &self.groups[..self.groups.len().min(self.count)] };
        let Err(errno) = sys::setgroups(asked) else {
            return Ok(());
        };
        if alone {
            self.join(self.gid)?;
        }
        let count = self.groups.len().min(self.count);
        let held = &mut self.groups[count..];
        for index in 0..sys::getgroups(held)? as usize {
            let group = self.groups.get(count + index).copied().unwrap_or(0);
            self.join(group)?; // which changes nothing if it is asked for
        }
        let unchanged = self.count == count
            && (self.uid == NO_ID || self.uid == sys::geteuid())
            && (self.gid == NO_ID || self.gid == sys::getegid());
        if errno.is(EPERM) && unchanged { Ok(()) } else { Err(errno.into()) }
    }
}

impl Launch {
    /// Finds the ids of `--user`; one that is named brings its variables with it.
    pub(super) fn find_user(&mut self) -> Result<(), Reason> {
        let user = self.word();
        self.identity.uid = id(user, b':')?;
        if self.identity.uid == NO_ID {
            self.find_named_user(user)?;
        }
        let group = user.find(b':');
        if group.first() != 0 {
            self.identity.gid = find_group(group.rest(), 0)?;
        }
        Ok(())
    }

    fn find_named_user(&mut self, user: Word) -> Result<(), Reason> {
        let mut text = user;
        read(PASSWD, &mut text)?;
        loop {
            let uid = passwd::find(&mut text, user, b':', false).ok_or(Reason::NOT_FOUND)?;
            let gid = passwd::field(uid, 1).map_or(NO_ID, passwd::id);
            let directory = passwd::field(uid, 3).unwrap_or(uid);
            // A line that lacks fields, or has more, is no user's.
            if let (Some(shell), None) = (passwd::field(uid, 4), passwd::field(uid, 5))
                && gid != NO_ID
            {
                (self.identity.uid, self.identity.gid) = (passwd::id(uid), gid);
                self.bring(ZStr::new(c"HOME="), directory)?;
                let shell = if shell.ends(b'\n') { SHELL } else { shell };
                self.bring(ZStr::new(c"SHELL="), shell)?;
                self.bring(ZStr::new(c"USER="), user)?;
                return self.bring(ZStr::new(c"LOGNAME="), user);
            }
        }
    }

    /// Sets a variable, unless the command line sets it.
    fn bring(&mut self, name: Word, value: Word) -> Result<(), Reason> {
        self.plan.options.vectors.set_default(sys::mmap_variable(name, value).ok_or(Errno::NOMEM)?);
        Ok(())
    }

    /// Finds the id of `--group`.
    pub(super) fn find_primary_group(&mut self) -> Result<(), Reason> {
        self.identity.gid = find_group(self.word(), 0)?;
        Ok(())
    }

    /// Finds the ids of `--groups`, or else those of the primary group and of the groups that the named user is in.
    pub(super) fn find_groups(&mut self) -> Result<(), Reason> {
        let identity = &mut self.identity;
        if let Some(list) = self.plan.options.value(Opt::Groups) {
            let mut left = Some(list).filter(|list| list.first() != 0);
            while let Some(list) = left {
                identity.join(find_group(list, b',')?)?;
                left = list.find(b',').split().map(|(_, rest)| rest);
            }
            return Ok(());
        }
        if let Some(user) = self.plan.options.value(Opt::User)
            && id(user, b':')? == NO_ID
        {
            identity.join(identity.gid)?;
            let mut text = user;
            read(GROUP, &mut text)?;
            while let Some(gid) = passwd::find(&mut text, user, b':', true) {
                identity.join(passwd::id(gid))?;
            }
        }
        Ok(())
    }

    /// Sets the supplementary groups.
    pub(super) fn set_groups(&mut self) -> Result<(), Reason> {
        let are_named = self.plan.options.value(Opt::Groups).is_some();
        self.identity.set_groups(are_named)
    }

    /// Sets the group id.
    pub(super) fn set_gid(&self) -> Result<(), Reason> {
        Ok(sys::setgid(self.identity.gid)?)
    }

    /// Sets the user id. With the old one go the capabilities that `execve` would hand on.
    pub(super) fn set_uid(&self) -> Result<(), Reason> {
        sys::setuid(self.identity.uid)?;
        match sys::clear_ambient_capabilities() {
            Err(errno) if !errno.is(EINVAL) => Err(errno.into()),
            _ => Ok(()),
        }
    }
}

/// The number that a user or group is given by, up to the byte `end` or the text's; [`NO_ID`] if it is a name. A number that
/// no id can be is not looked up as a name.
fn id(text: Word, end: u8) -> Result<u32, Reason> {
    let mut digits = text;
    while digits.first().is_ascii_digit() {
        digits = digits.rest();
    }
    if !digits.ends(end) {
        return Ok(NO_ID);
    }
    let (id, _) = text.number(u64::from(NO_ID) - 1).ok_or(Reason::NOT_FOUND)?;
    Ok(id as u32)
}

/// The id of a group, up to the byte `end` or the text's.
fn find_group(name: Word, end: u8) -> Result<u32, Reason> {
    let id = id(name, end)?;
    if id != NO_ID {
        return Ok(id);
    }
    let mut text = name;
    read(GROUP, &mut text)?;
    Ok(passwd::id(passwd::find(&mut text, name, end, false).ok_or(Reason::NOT_FOUND)?))
}

/// Reads a file into `text`. A missing one is empty.
fn read(path: Word, text: &mut Word) -> Result<(), Reason> {
    *text = ZStr::new(c"");
    let file = match sys::open(path, O_RDONLY) {
        Err(errno) if errno.is(ENOENT) => return Ok(()),
        opened => opened?,
    };
    let content = sys::mmap(sys::size(file)? + 1).ok_or(Errno::NOMEM)?;
    sys::pread(file, content)?;
    sys::close(file);
    for byte in content.iter_mut() {
        if *byte == 0 {
            *byte = b'?'; // no end: there are lines behind it
        }
    }
    *text = ZStr::terminate(content);
    Ok(())
}
