//! Text under construction, byte by byte, in memory that somebody lends: messages, numbers, paths.

#![allow(unsafe_code)]

use core::mem::MaybeUninit;
use core::slice::from_raw_parts;

use super::abi;
use super::call::{Errno, Result};
use super::file::{Fd, write};
use super::zstr::ZStr;

/// Memory for a text. It is not touched before it is used.
pub type Room<const SIZE: usize> = [MaybeUninit<u8>; SIZE];

/// New memory for a text.
#[inline(always)]
pub const fn room<const SIZE: usize>() -> Room<SIZE> {
    [const { MaybeUninit::uninit() }; SIZE]
}

/// A text, and where it goes if there is more of it than there is memory.
///
/// # Safety
/// The invariant of every block in this impl: the first `length` bytes are there, and are initialized.
pub struct Text<'a> {
    bytes: &'a mut [MaybeUninit<u8>],
    length: u32,
    /// Whether all that went was written.
    written: Result<()>,
    to: Fd,
}

impl<'a> Text<'a> {
    /// An empty text, to be written to a descriptor.
    #[inline(always)]
    pub fn new(bytes: &'a mut [MaybeUninit<u8>], to: Fd) -> Text<'a> {
        Text { bytes, length: 0, to, written: Ok(()) }
    }

    /// Appends a byte.
    #[inline(never)]
    pub fn push_byte(&mut self, byte: u8) {
        if self.length as usize >= self.bytes.len() {
            let _ = self.write(); // is remembered
        }
        if let Some(place) = self.bytes.get_mut(self.length as usize) {
            place.write(byte);
            self.length += 1;
        }
    }

    /// Appends what a string has before `end`.
    #[inline(never)]
    pub fn push(&mut self, mut text: ZStr, end: u8) {
        while let Some((byte, rest)) = text.split_before(end) {
            self.push_byte(byte);
            text = rest;
        }
    }

    /// Appends a number in decimal digits.
    pub fn push_decimal(&mut self, number: u32) {
        if number > 9 {
            self.push_decimal(number / 10);
        }
        self.push_byte(b'0' + (number % 10) as u8);
    }

    /// What is not written yet.
    pub fn as_bytes(&self) -> &[u8] {
        // SAFETY: so many bytes are initialized.
        unsafe { from_raw_parts(self.bytes.as_ptr().cast(), self.length as usize) }
    }

    /// Writes what is not written yet.
    ///
    /// # Errors
    /// As [`crate::sys::write`], also if it was an earlier part that could not be written.
    pub fn write(&mut self) -> Result<()> {
        let written = write(self.to, self.as_bytes());
        self.length = 0;
        self.written = self.written.and(written);
        self.written
    }

    /// The text, of one that goes nowhere, as a string, with which it is complete.
    ///
    /// # Errors
    /// ENAMETOOLONG if it does not fit.
    pub fn as_zstr(&mut self) -> Result<ZStr<'_>> {
        self.push_byte(0);
        match self.written {
            // SAFETY: what is there ends with a NUL.
            Ok(()) => Ok(unsafe { ZStr::from_ptr(self.bytes.as_ptr().cast()) }),
            Err(_) => Err(Errno::new(abi::ENAMETOOLONG)),
        }
    }
}
