//! From argv to [`Options`].

#![forbid(unsafe_code)]

use core::cell::Cell;

use super::table::{COUNT, Opt, find};
use crate::report::Reason;
use crate::scan;
use crate::sys::abi::RLIM_NLIMITS;
use crate::sys::zstr::{Vectors, Word, ZStr};

/// The command line: what was typed, by option. Where one was given more than once, the last counts.
#[repr(C)] // what is asked for most often comes first: short instructions reach it
pub struct Options {
    given: [bool; COUNT],
    /// Bit N for resource N: has a limit.
    limited: u32,
    /// argv up to COMMAND is read; the environment is what COMMAND is to get.
    pub vectors: Vectors,
    /// The option that is looked at; after a refusal, the one that was refused: where its value begins, or some place in
    /// the word that names it.
    examined: Cell<Option<Word>>,
    /// Of each its value: the rest of the word that names it, or the next one; of a flag the rest of its word.
    values: [Option<Word>; COUNT],
    limits: [[u64; 2]; RLIM_NLIMITS],
}

impl Options {
    /// No options yet, of the command line in `vectors`.
    #[inline(always)]
    pub fn new(vectors: Vectors) -> Options {
        Options {
            given: const { [false; COUNT] },
            limited: 0,
            values: const { [None; COUNT] },
            limits: const { [[0; 2]; RLIM_NLIMITS] },
            vectors,
            examined: Cell::new(None),
        }
    }

    /// Reads the command line up to COMMAND or the end.
    ///
    /// # Errors
    /// An unknown option, a missing value, a value for a flag, a variable without a name; [`Options::examined`] is which.
    #[inline(never)]
    pub fn parse(&mut self) -> Result<(), Reason> {
        while let Some(word) = self.vectors.last.next().get()
            && word.first() == b'-'
            && let Some((letter, name)) = word.rest().split()
        {
            self.vectors.last = self.vectors.last.next();
            let long = letter == b'-';
            if long && name.first() == 0 {
                break;
            }
            let mut rest = if long { name } else { word.rest() };
            while rest.first() != 0 {
                rest = self.take(rest, long)?;
            }
        }
        if self.has(Opt::ClearEnv) {
            self.vectors.inherited.cut();
        }
        Ok(())
    }

    /// Whether the option was given, or the fact is one.
    #[inline(always)]
    pub fn has(&self, opt: Opt) -> bool {
        self.given.get(opt as usize).is_some_and(|given| *given)
    }

    /// Makes something a fact, or none.
    #[inline(always)]
    pub fn imply(&mut self, opt: Opt, is_so: bool) {
        if let Some(given) = self.given.get_mut(opt as usize) {
            *given = is_so;
        }
    }

    /// The option's value, if it was given or was settled.
    #[inline(always)]
    pub fn value(&self, opt: Opt) -> Option<Word> {
        *self.values.get(opt as usize)?
    }

    /// Gives the option a value, or none, whatever is on the command line.
    pub fn settle(&mut self, opt: Opt, value: Option<Word>) {
        self.imply(opt, value.is_some());
        if let Some(place) = self.values.get_mut(opt as usize) {
            *place = value;
        }
    }

    /// The value, for a closer look.
    pub fn examine(&self, opt: Opt) -> Option<Word> {
        let value = self.value(opt);
        self.examined.set(value);
        value
    }

    /// The user's own words on the option that was looked at last: its name, and its value if that is a word of its own.
    pub fn examined(&self) -> [Option<Word>; 2] {
        self.vectors.arguments_at(self.examined.get())
    }

    /// The limits of `--rlimit` on a resource.
    pub fn limit(&self, resource: u32) -> Option<[u64; 2]> {
        self.limits.get(resource as usize).copied().filter(|_| self.limited >> resource & 1 != 0)
    }

    /// Takes the option that `name` begins with, in the word that was read last. Gives what is left of that word.
    fn take(&mut self, name: Word, long: bool) -> Result<Word, Reason> {
        self.examined.set(Some(name));
        let (mut opt, takes_value, mut rest) = find(name, long).ok_or(Reason::UNKNOWN_OPTION)?;
        let mut value = rest;
        if takes_value {
            if rest.first() == 0 {
                self.vectors.last = self.vectors.last.next();
                value = self.vectors.last.get().ok_or(Reason::VALUE_IS_MISSING)?;
            } else if long {
                value = rest.rest();
            }
            rest = ZStr::new(c"");
        } else if long && rest.first() != 0 {
            return Err(Reason::TAKES_NO_VALUE);
        }
        self.examined.set(Some(value));
        if opt == Opt::Env as usize || opt == Opt::Unset as usize {
            self.edit(value, opt == Opt::Env as usize)?;
        } else if opt == Opt::Rlimit as usize {
            let (resource, limit) = scan::limit(value).ok_or(Reason::NOT_A_LIMIT)?;
            if let Some(place) = self.limits.get_mut(resource) {
                *place = limit;
                self.limited |= 1 << resource;
            }
        } else if opt == Opt::SupervisorPidfile as usize {
            opt = Opt::Pidfile as usize;
        }
        if let (Some(given), Some(place)) = (self.given.get_mut(opt), self.values.get_mut(opt)) {
            *given = true;
            *place = Some(value);
        }
        Ok(rest)
    }

    /// Sets or removes a variable.
    fn edit(&mut self, entry: Word, set: bool) -> Result<(), Reason> {
        let equals = entry.find(b'=');
        if equals.is_at(entry) || (equals.first() != 0) != set {
            return Err(if set { Reason::NOT_A_VARIABLE } else { Reason::NOT_A_NAME });
        }
        self.vectors.remove(entry);
        if set {
            self.vectors.export(entry);
        }
        Ok(())
    }
}
