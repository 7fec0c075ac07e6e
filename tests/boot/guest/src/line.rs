//! A line of text: one to say, or one of the script, cut into words.

use core::ffi::CStr;
use core::fmt;

/// How many words a line can have.
pub const WORDS: usize = 32;

/// A line to say, which goes out in one write so that lines of several processes do not mix.
pub struct Line {
    bytes: [u8; 512],
    length: usize,
}

impl Line {
    pub fn new() -> Line {
        Line { bytes: [0; 512], length: 0 }
    }

    pub fn bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

impl fmt::Write for Line {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let end = self.length + text.len();
        self.bytes.get_mut(self.length..end).ok_or(fmt::Error)?.copy_from_slice(text.as_bytes());
        self.length = end;
        Ok(())
    }
}

/// Cuts a line, whose spaces have become NULs and which ends with one, into words.
pub fn words<'a>(mut line: &'a [u8], words: &mut [&'a CStr; WORDS]) -> usize {
    let mut count = 0;
    while let Ok(word) = CStr::from_bytes_until_nul(line) {
        line = &line[word.count_bytes() + 1..];
        if !word.is_empty() && count < WORDS {
            words[count] = word;
            count += 1;
        }
    }
    count
}
