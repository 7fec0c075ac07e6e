//! NUL-terminated strings and NULL-terminated arrays of them, as the kernel hands them to a new program.
//!
//! Both are one pointer wide. A length that nobody asked for is never computed, and a cursor that moves along costs
//! one instruction: this is where most of the program's size is won.

#![allow(unsafe_code)]

use core::cell::Cell;
use core::ffi::CStr;
use core::marker::PhantomData;
use core::ptr::NonNull;

use super::abi;

/// A NUL-terminated string: a pointer to its first byte.
///
/// # Safety
/// The invariant of every block in this impl: from the pointer on there is a NUL, and all up to it may be read for `'a`.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub struct ZStr<'a>(NonNull<u8>, PhantomData<&'a CStr>);

/// A string that lives as long as the process: a word of the command line or of the environment, or a literal.
pub type Word = ZStr<'static>;

impl<'a> ZStr<'a> {
    /// The string that a `CStr` holds.
    pub const fn new(text: &'a CStr) -> Self {
        // SAFETY: a reference is never null.
        ZStr(unsafe { NonNull::new_unchecked(text.as_ptr().cast_mut().cast()) }, PhantomData)
    }

    /// The string at an address.
    ///
    /// # Safety
    /// The address is the first byte of a NUL-terminated string that lives, unchanged, for `'a`.
    pub(super) const unsafe fn from_ptr(first: *const u8) -> Self {
        // SAFETY: no byte's address is null.
        ZStr(unsafe { NonNull::new_unchecked(first.cast_mut()) }, PhantomData)
    }

    /// The first byte, 0 at the end.
    #[inline(always)]
    pub fn first(self) -> u8 {
        // SAFETY: the NUL at least is there to read.
        unsafe { self.0.read() }
    }

    /// The string without its first byte; at the end, the same empty string.
    pub fn rest(self) -> Self {
        let step = usize::from(self.first() != 0);
        // SAFETY: moves only over a byte that is not the NUL.
        ZStr(unsafe { self.0.add(step) }, PhantomData)
    }

    /// The first byte, and the string without it; `None` at the end. Cheaper than [`ZStr::rest`], as it is known to move.
    #[inline(always)]
    pub fn split(self) -> Option<(u8, Self)> {
        match self.first() {
            0 => None,
            // SAFETY: moves over a byte that is not the NUL.
            byte => Some((byte, ZStr(unsafe { self.0.add(1) }, PhantomData))),
        }
    }

    /// The same, but `None` before a byte `end` as well.
    #[inline(always)]
    pub fn split_before(self, end: u8) -> Option<(u8, Self)> {
        if self.ends(end) { None } else { self.split() }
    }

    /// The string in a buffer, whose last byte becomes a NUL.
    pub fn terminate(buffer: &'a mut [u8]) -> Self {
        match buffer {
            [.., last] => *last = 0,
            [] => return ZStr::new(c""),
        }
        // SAFETY: the buffer ends with a NUL, if none comes before.
        unsafe { ZStr::from_ptr(buffer.as_ptr()) }
    }

    /// The address of the first byte, for a system call.
    pub fn as_ptr(self) -> *const u8 {
        self.0.as_ptr()
    }

    /// The same string, with a life that nobody vouches for.
    ///
    /// # Safety
    /// It must not be used once `'a` is over.
    pub(super) unsafe fn forever(self) -> Word {
        ZStr(self.0, PhantomData)
    }

    /// How many bytes come before the NUL.
    pub fn length(self) -> usize {
        self.find(0).offset(self)
    }

    /// How many bytes behind `start` it begins.
    pub fn offset(self, start: ZStr) -> usize {
        self.as_ptr() as usize - start.as_ptr() as usize
    }

    /// Whether it is the same string in the same place.
    pub fn is_at(self, place: Self) -> bool {
        self.0 == place.0
    }

    /// All bytes before the NUL.
    pub fn as_bytes(self) -> &'a [u8] {
        // SAFETY: all bytes before the NUL may be read.
        unsafe { core::slice::from_raw_parts(self.as_ptr(), self.length()) }
    }

    /// What follows `prefix` in the string, if the string starts with it.
    pub fn strip(self, prefix: ZStr) -> Option<Self> {
        self.strip_up_to(prefix, 0)
    }

    /// The same with a prefix that ends at a byte `end`, or with its text.
    #[inline(never)]
    pub fn strip_up_to(self, prefix: ZStr, end: u8) -> Option<Self> {
        let (mut here, mut there) = (self, prefix);
        while !there.ends(end) {
            if here.first() != there.first() {
                return None;
            }
            (here, there) = (here.rest(), there.rest());
        }
        Some(here)
    }

    /// The string, unless it has this text.
    #[inline(never)]
    pub fn unless(self, text: &CStr) -> Option<Self> {
        if self == text { None } else { Some(self) }
    }

    /// The number, of at most `highest` (below 2^60), that the decimal digits at the start make, and what follows them.
    #[inline(never)]
    pub fn number(self, highest: u64) -> Option<(u64, Self)> {
        self.digits(highest, 10)
    }

    /// The same for a number of whatever has no highest one.
    #[inline(never)]
    pub fn count(self) -> Option<(u64, Self)> {
        self.number(1 << 40)
    }

    /// A number like that with digits of another `base`.
    pub fn digits(self, highest: u64, base: u64) -> Option<(u64, Self)> {
        let mut rest = self;
        let mut value = 0;
        loop {
            let digit = u64::from(rest.first().wrapping_sub(b'0'));
            if digit > 9 {
                return if rest.is_at(self) { None } else { Some((value, rest)) };
            }
            value = value * base + digit;
            if digit >= base || value > highest {
                return None;
            }
            rest = rest.rest();
        }
    }

    /// Whether this is the end, or a `byte`.
    #[inline(always)]
    pub fn ends(self, byte: u8) -> bool {
        self.first() == 0 || self.first() == byte
    }

    /// What follows the first `byte`; the end if there is none.
    #[inline(never)]
    pub fn past(self, byte: u8) -> Self {
        let mut here = self;
        while let Some((first, rest)) = here.split() {
            here = rest;
            if first == byte {
                break;
            }
        }
        here
    }

    /// The position of the first `byte`, or else the end.
    pub fn find(self, byte: u8) -> Self {
        let mut here = self;
        while !here.ends(byte) {
            here = here.rest();
        }
        here
    }
}

/// Equal is what has the same text; for the same place there is [`ZStr::is_at`].
impl PartialEq<&CStr> for ZStr<'_> {
    fn eq(&self, other: &&CStr) -> bool {
        self.strip(ZStr::new(other)).is_some_and(|rest| rest.first() == 0)
    }
}

/// A place in a NULL-terminated array of strings, as argv and envp are.
///
/// # Safety
/// The invariant of every block in this impl: from the pointer on there is a NULL, and all up to it is writable memory
/// that nothing else refers to. Only [`Words::cut`] writes a NULL, and nothing ever overwrites one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(transparent)]
pub struct Words(NonNull<Cell<Option<Word>>>);

impl Words {
    /// # Safety
    /// `array` is the first slot of a NULL-terminated array of strings that lives, writable and otherwise untouched, as
    /// long as the process does.
    pub unsafe fn new(array: *mut *const u8) -> Self {
        // SAFETY: an array's address is not null, and a nullable pointer is laid out as `Option<Word>` is.
        Words(unsafe { NonNull::new_unchecked(array.cast()) })
    }

    /// The word here; `None` at the end.
    pub fn get(self) -> Option<Word> {
        // SAFETY: the NULL at least is there to read.
        unsafe { self.0.as_ref() }.get()
    }

    /// The next place; at the end, the same.
    #[inline(never)]
    pub fn next(self) -> Self {
        let step = usize::from(self.get().is_some());
        // SAFETY: moves only over a slot that is not the NULL.
        Words(unsafe { self.0.add(step) })
    }

    /// Puts another word here; at the end, nothing happens.
    pub fn set(self, word: Word) {
        if self.get().is_some() {
            // SAFETY: this slot is not the NULL.
            unsafe { self.0.as_ref() }.set(Some(word));
        }
    }

    /// Ends the array here.
    pub fn cut(self) {
        // SAFETY: this slot is the NULL or comes before it; either way the array stays terminated.
        unsafe { self.0.as_ref() }.set(None);
    }

    /// The first entry from here on for the same variable as `wanted`'s (`K=V` or `K`).
    pub fn find_variable(self, wanted: ZStr) -> Option<Words> {
        let mut place = self;
        while !place.get()?.strip_up_to(wanted, b'=').is_some_and(|rest| rest.ends(b'=')) {
            place = place.next();
        }
        Some(place)
    }

    /// The address of this slot, for a system call.
    pub fn as_ptr(self) -> *const *const u8 {
        self.0.as_ptr().cast_const().cast()
    }
}

/// argv and envp as the kernel lays them out: one array, envp right behind argv's NULL.
///
/// ```text
/// argv[0] … last … argv[argc-1] NULL envp[0] … inherited … NULL auxv…
/// └─ read ────┘    └─ unread ─┘      └─ added ─┘
/// ```
#[derive(Clone, Copy)]
pub struct Vectors {
    /// The arguments.
    pub argv: Words,
    /// The place of the last argument that was read; at first that is argv\[0\].
    pub last: Words,
    /// The environment.
    pub envp: Words,
    /// Where in it that begins which was inherited; before that stands what was added.
    pub inherited: Words,
    /// How many slots between argv's NULL and the environment are free.
    free: usize,
    /// Whether real and effective ids were the same when the program was started (credentials(7)).
    pub ids_agree: bool,
}

impl Vectors {
    /// # Safety
    /// `argc` is the address of the argument count on the stack that the kernel made for this process: argv follows it,
    /// then envp and the auxiliary vector. Nothing else may use them.
    #[inline(always)]
    pub unsafe fn new(argc: *mut usize) -> Self {
        // SAFETY: the argument count is there to read.
        let count = unsafe { argc.read() };
        // SAFETY: argv follows argc.
        let argv = unsafe { argc.add(1) };
        // SAFETY: envp follows argv's NULL.
        let envp = unsafe { argv.add(count + 1) };
        // SAFETY: the kernel ends argv with a NULL.
        let argv = unsafe { Words::new(argv.cast()) };
        // SAFETY: the kernel ends envp with a NULL.
        let envp = unsafe { Words::new(envp.cast()) };
        let mut vectors = Vectors { argv, last: argv, envp, inherited: envp, free: 0, ids_agree: false };
        vectors.ids_agree = vectors.compare_ids();
        vectors
    }

    /// Whether the auxiliary vector (getauxval(3)) has the same real and effective ids. To be asked before anything changes
    /// the environment, or where it ends.
    fn compare_ids(&self) -> bool {
        let mut differences = [0; 2];
        // SAFETY: the auxiliary vector follows the environment's NULL.
        let mut entry = unsafe { self.end().0.add(1) }.cast::<[usize; 2]>();
        loop {
            // SAFETY: the vector goes on up to AT_NULL.
            let [kind, value] = unsafe { entry.read() };
            if kind == abi::AT_NULL as usize {
                return differences == [0; 2];
            }
            // AT_UID, AT_EUID, AT_GID, AT_EGID
            if let Some(difference) = differences.get_mut(kind.wrapping_sub(abi::AT_UID as usize) / 2) {
                *difference ^= value;
            }
            // SAFETY: this was not the last entry.
            entry = unsafe { entry.add(1) };
        }
    }

    /// The argument that a position lies in; or, of one where an argument starts, the argument before and this one. Those that
    /// are in the environment by now count, too: all lie behind one another, as the kernel put them there
    /// (proc_pid_cmdline(5)). None if it lies in front of all but the first.
    pub fn arguments_at(&self, position: Option<Word>) -> [Option<Word>; 2] {
        let (Some(first), Some(position)) = (self.argv.get(), position) else {
            return const { [None; 2] };
        };
        let mut start = position.0;
        let mut found = None;
        while start > first.0 {
            // SAFETY: all between the first argument and a later one may be read.
            start = unsafe { start.sub(1) };
            // SAFETY: as before.
            if unsafe { start.read() } == 0 {
                // SAFETY: an argument follows the end of another.
                let word = ZStr(unsafe { start.add(1) }, PhantomData);
                if !word.is_at(position) {
                    return [Some(word), found];
                }
                found = Some(word);
            }
        }
        [Some(first), found]
    }

    /// Where the environment ends.
    fn end(&self) -> Words {
        let mut end = self.envp;
        while end.get().is_some() {
            end = end.next();
        }
        end
    }

    /// Sets a variable in place of the inherited one, unless it was added before.
    pub fn set_default(&mut self, entry: Word) {
        if self.envp.find_variable(entry).is_none_or(|place| place >= self.inherited) {
            self.replace(entry);
        }
    }

    /// Sets a variable in place of any other, at the end of the environment. It takes room from the auxiliary vector, which nobody
    /// reads any more and which has more than 30 slots on every kernel: enough for the few variables that bgexec sets of its own.
    #[inline(never)]
    pub fn replace(&mut self, entry: Word) {
        self.remove(entry);
        let end = self.end();
        // SAFETY: the auxiliary vector follows the environment's NULL.
        let next = Words(unsafe { end.0.add(1) });
        next.cut();
        // SAFETY: the array ends one slot later now.
        unsafe { end.0.as_ref() }.set(Some(entry));
    }

    /// Gives the slot of the argument read last to the environment, as its new first entry: what is still unread moves
    /// down by one, and so does the NULL between the two. So an entry is added without memory for a new array.
    pub fn export(&mut self, entry: Word) {
        let mut slot = self.last;
        if self.free > 0 {
            self.free -= 1;
            // SAFETY: the slot before the environment is free.
            self.envp = Words(unsafe { self.envp.0.sub(1) });
        } else if slot != self.argv {
            // SAFETY: `last` lies behind argv[0], so that the slot before it is an argument's too.
            self.last = Words(unsafe { slot.0.sub(1) });
            while slot.get().is_some() {
                let next = slot.next();
                // SAFETY: what lies behind, up to the NULL, moves here: the array stays terminated.
                unsafe { slot.0.as_ref() }.set(next.get());
                slot = next;
            }
            self.envp = slot;
        } else {
            return; // nothing was read
        }
        // SAFETY: this slot is free, or was argv's NULL before argv was made to end one slot earlier.
        unsafe { self.envp.0.as_ref() }.set(Some(entry));
    }

    /// Removes a variable (`K` or `K=V`) from the environment, as often as it is there. What stands before it moves up.
    pub fn remove(&mut self, variable: Word) {
        while let Some(place) = self.envp.find_variable(variable) {
            let mut slot = place;
            while slot != self.envp {
                // SAFETY: an entry lies before one that is not the first.
                let before = Words(unsafe { slot.0.sub(1) });
                // SAFETY: neither slot is the NULL.
                unsafe { slot.0.as_ref() }.set(before.get());
                slot = before;
            }
            self.envp = self.envp.next();
            self.free += 1;
            if place >= self.inherited {
                self.inherited = self.inherited.next();
            }
        }
    }
}
