//! The lines of /etc/passwd and /etc/group.
//!
//! ```text
//! name:password:uid:gid:comment:directory:shell      passwd(5)
//! name:password:gid:user,user,...                    group(5)
//! ```

#![forbid(unsafe_code)]

use crate::sys::zstr::ZStr;

/// What [`id`] gives where there is none: a number that no id can be.
pub const NO_ID: u32 = u32::MAX;

/// Finds the next line that has an id in field 2 and in field 0 a name, or, with `member`, that name among the users in
/// field 3. The name ends at its NUL or at the byte `end`. Gives where the id begins; `text` becomes what follows the line.
pub fn find<'a>(text: &mut ZStr<'a>, name: ZStr, end: u8, member: bool) -> Option<ZStr<'a>> {
    while text.first() != 0 {
        let line = *text;
        *text = line.past(b'\n');
        // What is commented out counts for nobody: glibc has it so, and a group more than was meant is a privilege.
        let Some(found) = field(line, 2).filter(|_| line.first() != b'#') else { continue };
        let mut word = if member { field(found, 1) } else { Some(line) };
        while let Some(start) = word {
            if is(start, name, end, member) && id(found) != NO_ID {
                return Some(found);
            }
            word = if member { behind(start, b',') } else { None };
        }
    }
    None
}

/// The field that comes so many behind the one that `text` begins in; `None` if the line has not so many.
pub fn field(text: ZStr, count: u32) -> Option<ZStr> {
    let mut field = Some(text);
    for _ in 0..count {
        field = behind(field?, b':');
    }
    field
}

/// The id that is all of a field, or [`NO_ID`].
#[inline(never)]
pub fn id(field: ZStr) -> u32 {
    match field.number(u64::from(NO_ID) - 1) {
        Some((id, rest)) if matches!(rest.first(), b':' | b'\n' | 0) => id as u32,
        _ => NO_ID,
    }
}

/// What follows the next separator, a `:`, or a `,` in the same field; `None` if there is none in the line.
#[inline(never)]
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

/// Whether a text begins with a name that is all of field 0, or of a `member`'s word. No name holds a separator.
fn is(mut text: ZStr, mut name: ZStr, end: u8, member: bool) -> bool {
    while !name.ends(end) {
        if text.first() != name.first() || matches!(name.first(), b':' | b',') {
            return false;
        }
        (text, name) = (text.rest(), name.rest());
    }
    matches!(text.first(), b':' | b'\n' | 0) || member && text.first() == b','
}
