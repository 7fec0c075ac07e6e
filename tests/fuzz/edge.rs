//! Memory that ends where what is put into it ends: who reads one byte further, is killed.

#![allow(unsafe_code, reason = "a mapping, and words in it")]

use std::ffi::CStr;
use std::ptr::{copy_nonoverlapping, null_mut};
use std::sync::atomic::AtomicPtr;

use bgexec::sys::zstr::{Vectors, Word, ZStr};

const PAGE: usize = 4096;

/// How much may be put into it.
const LENGTH: usize = 16 * PAGE;

/// Such memory. It holds one thing at a time.
pub struct Edge(AtomicPtr<u8>);

impl Edge {
    pub fn new() -> Self {
        // SAFETY: a new mapping is at nobody else's place.
        let start = unsafe {
            libc::mmap(
                null_mut(),
                LENGTH + PAGE,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
                -1,
                0,
            )
        };
        assert_ne!(start, libc::MAP_FAILED);
        // SAFETY: the mapping is one page longer.
        let end = unsafe { start.cast::<u8>().add(LENGTH) };
        // SAFETY: the last page of the mapping is nobody's yet.
        assert_eq!(unsafe { libc::mprotect(end.cast(), PAGE, libc::PROT_NONE) }, 0);
        Self(AtomicPtr::new(end))
    }

    /// Puts bytes at the end, in the place of what was there.
    fn put(&mut self, bytes: &[u8]) -> *mut u8 {
        assert!(bytes.len() <= LENGTH);
        // SAFETY: the mapping is as long as that.
        let start = unsafe { self.0.get_mut().sub(bytes.len()) };
        // SAFETY: nobody uses any more what was there, as below.
        unsafe { copy_nonoverlapping(bytes.as_ptr(), start, bytes.len()) };
        start
    }

    /// A word, which is one until another is put there.
    pub fn word(&mut self, text: &str) -> Word {
        assert!(!text.contains('\0'));
        let start = self.put(&[text.as_bytes(), b"\0"].concat());
        // SAFETY: it ends with a NUL; no check keeps a word for longer than its input.
        ZStr::new(unsafe { CStr::from_ptr(start.cast()) })
    }
}

/// Argument count, arguments and environment, laid out as the kernel does it but for what would come behind.
pub struct Stack {
    strings: Edge,
    pointers: Edge,
}

impl Stack {
    pub fn new() -> Self {
        Self { strings: Edge::new(), pointers: Edge::new() }
    }

    pub fn vectors(&mut self, words: &[String], environment: &[String]) -> Vectors {
        let all: String = words.iter().chain(environment).flat_map(|word| [word, "\0"]).collect();
        let mut place = self.strings.put(all.as_bytes()) as usize;
        let mut pointers = |strings: &[String], array: &mut Vec<usize>| {
            for string in strings {
                array.push(place);
                place += string.len() + 1;
            }
            array.push(0);
        };
        let mut array = vec![words.len()];
        pointers(words, &mut array);
        pointers(environment, &mut array);
        array.extend([0, 0]); // the end of the auxiliary vector
        let bytes: Vec<u8> = array.iter().flat_map(|word| word.to_ne_bytes()).collect();
        // SAFETY: laid out as it should be, and aligned, since a page's end is; no check keeps it longer than its input.
        unsafe { Vectors::new(self.pointers.put(&bytes).cast()) }
    }
}
