//! From argv to [`Options`].

#![forbid(unsafe_code)]

use core::cell::Cell;

use super::table::{OPTS, Opt, find};
use crate::report::Reason;
use crate::scan;
use crate::sys::abi::RLIM_NLIMITS;
use crate::sys::zstr::{Vectors, Word, Words, ZStr};

/// An option as it was typed.
#[derive(Clone, Copy)]
struct Given {
    /// The place on the command line of the word that names it.
    slot: Words,
    /// Its value: the rest of that word, or the next one; for a flag the rest of that word, which means nothing.
    value: Word,
}

/// The command line: what was typed, by option. Where one was given more than once, the last counts.
pub struct Options {
    /// argv up to COMMAND is read; the environment is what COMMAND is to get.
    pub vectors: Vectors,
    /// The option that is looked at; after a refusal, the one that was refused.
    examined: Cell<Given>,
    /// The limits of `--rlimit`, by resource.
    pub limits: [Option<[u64; 2]>; RLIM_NLIMITS],
    given: [Option<Given>; OPTS.len()],
}

impl Options {
    /// No options yet, of the command line in `vectors`.
    pub fn new(vectors: Vectors) -> Options {
        let examined = Given { slot: vectors.last, value: ZStr::new(c"") };
        Options { vectors, examined: Cell::new(examined), limits: [None; RLIM_NLIMITS], given: [None; OPTS.len()] }
    }

    /// Reads the command line up to COMMAND or the end.
    ///
    /// # Errors
    /// An unknown option, a missing value, a value for a flag, a variable without a name; [`Options::examined`] is which.
    pub fn parse(&mut self) -> Result<(), Reason> {
        while let Some(word) = self.vectors.last.next().get() {
            let name = word.rest();
            if word.first() != b'-' || name.first() == 0 {
                break; // COMMAND
            }
            self.vectors.last = self.vectors.last.next();
            if word == c"--" {
                break;
            }
            let long = name.first() == b'-';
            let mut rest = if long { word } else { name };
            while rest.first() != 0 {
                rest = self.take(rest, long)?;
            }
        }
        if self.has(Opt::ClearEnv) {
            self.vectors.inherited.cut();
        }
        Ok(())
    }

    /// Whether the option was given.
    pub fn has(&self, opt: Opt) -> bool {
        self.value(opt).is_some()
    }

    /// The option's value, if it was given.
    #[inline(never)]
    pub fn value(&self, opt: Opt) -> Option<Word> {
        Some((*self.given.get(opt as usize)?)?.value)
    }

    /// The same, for a closer look.
    pub fn examine(&self, opt: Opt) -> Option<Word> {
        self.examined.set((*self.given.get(opt as usize)?)?);
        Some(self.examined.get().value)
    }

    /// The user's own words on the option that was looked at last: its name, and its value if that is a word of its own.
    pub fn examined(&self) -> [Option<Word>; 2] {
        let Given { slot, value } = self.examined.get();
        [slot.get(), slot.next().get().filter(|next| *next == value)]
    }

    /// Takes the option that `name` begins with, in the word that was read last. Gives what is left of that word.
    fn take(&mut self, name: Word, long: bool) -> Result<Word, Reason> {
        let slot = self.vectors.last;
        self.examined.set(Given { slot, value: name });
        let (opt, takes_value, mut rest) = find(name, long).ok_or(Reason::UNKNOWN_OPTION)?;
        if takes_value {
            if rest.first() == 0 {
                self.vectors.last = slot.next();
                rest = slot.next().get().ok_or(Reason::VALUE_IS_MISSING)?;
            } else if long {
                rest = rest.rest();
            }
            self.examined.set(Given { slot, value: rest });
            rest = ZStr::new(c"");
        } else if long && rest.first() != 0 {
            return Err(Reason::TAKES_NO_VALUE);
        }
        match opt {
            Opt::Env | Opt::Unset => self.edit(opt == Opt::Env)?,
            Opt::Rlimit => {
                let (resource, limit) = scan::limit(self.examined.get().value).ok_or(Reason::NOT_A_LIMIT)?;
                if let Some(place) = self.limits.get_mut(resource) {
                    *place = Some(limit);
                }
            }
            _ => {}
        }
        let opt = if opt == Opt::SupervisorPid { Opt::Pidfile } else { opt };
        if let Some(place) = self.given.get_mut(opt as usize) {
            *place = Some(self.examined.get());
        }
        Ok(rest)
    }

    /// Sets or removes a variable.
    fn edit(&mut self, set: bool) -> Result<(), Reason> {
        let entry = self.examined.get().value;
        let equals = entry.find(b'=');
        if equals == entry || (equals.first() != 0) != set {
            return Err(Reason::NOT_A_VARIABLE);
        }
        self.vectors.remove(entry);
        if set {
            self.vectors.export(entry);
        }
        Ok(())
    }
}
