//! The lines of /etc/passwd and /etc/group.
//!
//! ```text
//! name:password:uid:gid:comment:directory:shell      passwd(5)
//! name:password:gid:user,user,...                    group(5)
//! ```

#![forbid(unsafe_code)]

use crate::sys::zstr::ZStr;

/// Finds the next line that has an id in field 2 and in field 0 a name, or, with `member`, that name among the users in
/// field 3. The name ends at its NUL, a `:` or a `,`. Gives the id and what follows it; `text` becomes what follows the line.
pub fn find<'a>(text: &mut ZStr<'a>, name: ZStr, member: bool) -> Option<(u32, ZStr<'a>)> {
    while text.first() != 0 {
        let line = *text;
        *text = line.past(b'\n');
        let Some((id, rest)) = behind(line, b':').and_then(|password| self::id(behind(password, b':')?)) else {
            continue;
        };
        let mut word = if member { behind(rest, b':') } else { Some(line) };
        while let Some(start) = word {
            match end(start, name) {
                Some(b':') => return Some((id, rest)),
                Some(b',' | b'\n' | 0) if member => return Some((id, rest)),
                _ => word = if member { behind(start, b',') } else { None },
            }
        }
    }
    None
}

/// The group of the user whose line goes on with `rest` behind its id, the directory and the shell; if that line has all
/// its fields.
pub fn user(rest: ZStr) -> Option<(u32, ZStr, ZStr)> {
    let (gid, rest) = id(behind(rest, b':')?)?;
    let directory = behind(behind(rest, b':')?, b':')?;
    let shell = behind(directory, b':')?;
    if behind(shell, b':').is_some() {
        return None;
    }
    Some((gid, directory, shell))
}

/// The id that is all of a field, and what follows it: at most 2^32 - 2.
fn id(field: ZStr) -> Option<(u32, ZStr)> {
    let (id, rest) = field.number(10, u64::from(u32::MAX) - 1)?;
    if matches!(rest.first(), b':' | b'\n' | 0) { Some((id as u32, rest)) } else { None }
}

/// What follows the next separator, a `:`, or a `,` in the same field; `None` if there is none in the line.
fn behind(mut text: ZStr, separator: u8) -> Option<ZStr> {
    while let Some((byte, rest)) = text.split() {
        if byte == separator {
            return Some(rest);
        }
        if byte == b':' || byte == b'\n' {
            break;
        }
        text = rest;
    }
    None
}

/// The byte that follows a name in a text that begins with it; 0 at the end.
fn end(mut text: ZStr, mut name: ZStr) -> Option<u8> {
    while let Some((byte, rest)) = name.split()
        && byte != b':'
        && byte != b','
    {
        if text.first() != byte {
            return None;
        }
        (text, name) = (text.rest(), rest);
    }
    Some(text.first())
}
