//! The lines of /etc/passwd and /etc/group, read byte by byte: a file may be cut into chunks anywhere, and a line may be of
//! any length.
//!
//! ```text
//! name:password:uid:gid:comment:directory:shell      passwd(5)
//! name:password:gid:user,user,...                    group(5)
//! ```

#![forbid(unsafe_code)]

use crate::sys::zstr::ZStr;

/// A line, as far as it was read, and what it says of a name.
pub struct Line<'a> {
    /// The name that is looked for; it ends at its NUL, a `:` or a `,`.
    name: ZStr<'a>,
    /// What of the name is still to come in the present word; `None` if the word is another.
    expected: Option<ZStr<'a>>,
    /// The number of the field that is read, from 0 on.
    pub field: u32,
    /// Whether the line is the name's own.
    pub is_own: bool,
    /// Whether the name is among the users of this group.
    pub has_member: bool,
    /// The fields 2 and 3 as numbers, so far: `None` if they are none, `Some(None)` if they are empty.
    ids: [Option<Option<u32>>; 2],
}

impl<'a> Line<'a> {
    /// The start of a line.
    pub fn new(name: ZStr<'a>) -> Line<'a> {
        Line { name, expected: Some(name), field: 0, is_own: false, has_member: false, ids: [Some(None); 2] }
    }

    /// Reads the next byte, or a newline in place of one that the last line lacks. Gives whether the line is complete.
    pub fn feed(&mut self, byte: u8) -> bool {
        let found = self.expected.is_some_and(|rest| rest.ends(b':') || rest.first() == b',');
        match byte {
            b'\n' | b':' => {
                self.is_own |= found && self.field == 0;
                self.has_member |= found && self.field == 3;
                self.expected = Some(self.name);
                self.field += 1;
            }
            b',' if self.field == 3 => {
                self.has_member |= found;
                self.expected = Some(self.name);
            }
            _ => self.expected = self.expected.filter(|rest| !found && rest.first() == byte).map(ZStr::rest),
        }
        let separator = byte == b':' || byte == b'\n';
        if let Some(id) = self.ids.get_mut((self.field as usize).wrapping_sub(2))
            && !separator
        {
            let digit = u32::from(byte.wrapping_sub(b'0'));
            let value = id.and_then(|id| id.unwrap_or(0).checked_mul(10)?.checked_add(digit));
            *id = value.filter(|value| digit < 10 && *value != u32::MAX).map(Some);
        }
        byte == b'\n'
    }

    /// The number in field 2 (`index` 0) or 3 (1), if it is one below 2^32 - 1.
    pub fn id(&self, index: usize) -> Option<u32> {
        self.ids.get(index).copied().flatten().flatten()
    }
}
