//! From argv to [`Options`].

#![forbid(unsafe_code)]

use super::table::{Name, OPTS, Opt, find};
use crate::report::Reason;
use crate::sys::zstr::{Vectors, Word, Words, ZStr};

/// An option as it was typed.
#[derive(Clone, Copy)]
pub struct Given {
    /// The word of the command line that names it.
    pub word: Word,
    /// Its value: the rest of that word, or the next one; for a flag the end of that word.
    pub value: Word,
    /// Whether the value is the next word.
    pub apart: bool,
}

impl Given {
    /// Refuses the option, for that reason.
    pub fn misuse(self, reason: Reason) -> Misuse {
        Misuse { word: self.word, value: self.apart.then_some(self.value), reason }
    }
}

/// What is wrong with the command line.
pub struct Misuse {
    /// The user's own word.
    pub word: Word,
    /// The value that followed it.
    pub value: Option<Word>,
    /// Why it cannot be used.
    pub reason: Reason,
}

/// The command line: what was typed, by option. Where one was given more than once, the last counts.
pub struct Options {
    given: [Option<Given>; OPTS.len()],
    /// argv up to COMMAND is read; `--env` and `--unset` stand at the front of the environment as `K=V` and `K`, each
    /// name once.
    pub vectors: Vectors,
    /// The environment as it was inherited, behind them.
    pub inherited: Words,
}

impl Options {
    /// Reads a command line up to COMMAND or the end.
    ///
    /// # Errors
    /// An unknown option, a missing value, a value for a flag, a variable without a name.
    pub fn parse(vectors: Vectors) -> Result<Options, Misuse> {
        let mut options = Options { given: [None; OPTS.len()], vectors, inherited: vectors.envp };
        while let Some(word) = options.vectors.last.next().get() {
            if word.first() != b'-' || word.rest().first() == 0 {
                break;
            }
            options.vectors.last = options.vectors.last.next();
            match word.strip(ZStr::new(c"--")) {
                Some(end) if end.first() == 0 => break,
                Some(name) => options.long(word, name)?,
                None => options.cluster(word)?,
            }
        }
        Ok(options)
    }

    /// The option as typed, if it was.
    pub fn given(&self, opt: Opt) -> Option<Given> {
        *self.given.get(opt as usize)?
    }

    /// Whether the option was given.
    pub fn has(&self, opt: Opt) -> bool {
        self.given(opt).is_some()
    }

    /// The option's value.
    pub fn value(&self, opt: Opt) -> Option<Word> {
        self.given(opt).map(|given| given.value)
    }

    fn long(&mut self, word: Word, name: Word) -> Result<(), Misuse> {
        let unusable = |reason| Misuse { word, value: None, reason };
        let found = find(Name::Long(name)).ok_or(unusable(Reason::UNKNOWN_OPTION))?;
        let end = found.rest.first() == 0;
        if !found.takes_value && !end {
            return Err(unusable(Reason::TAKES_NO_VALUE));
        }
        self.take(found.opt, word, found.rest.rest(), found.takes_value && end)
    }

    fn cluster(&mut self, word: Word) -> Result<(), Misuse> {
        let mut letters = word.rest();
        while letters.first() != 0 {
            let unknown = Misuse { word, value: None, reason: Reason::UNKNOWN_OPTION };
            let found = find(Name::Short(letters.first())).ok_or(unknown)?;
            letters = letters.rest();
            self.take(found.opt, word, letters, found.takes_value && letters.first() == 0)?;
            if found.takes_value {
                break;
            }
        }
        Ok(())
    }

    /// Notes an option whose value is `rest`, or the next word.
    fn take(&mut self, opt: Opt, word: Word, rest: Word, apart: bool) -> Result<(), Misuse> {
        let mut given = Given { word, value: rest, apart: false };
        if apart {
            let next = self.vectors.last.next();
            given.value = next.get().ok_or(given.misuse(Reason::VALUE_IS_MISSING))?;
            given.apart = true;
            self.vectors.last = next;
        }
        match opt {
            Opt::Env | Opt::Unset => self.edit(opt, given)?,
            _ => {
                if let Some(slot) = self.given.get_mut(opt as usize) {
                    *slot = Some(given);
                }
            }
        }
        Ok(())
    }

    /// Puts a variable, or the name of one that is to go, at the front of the environment, in the place of an earlier
    /// word on the same variable if there was one.
    fn edit(&mut self, opt: Opt, given: Given) -> Result<(), Misuse> {
        let equals = given.value.find(b'=');
        if equals == given.value || (equals.first() == 0) != (opt == Opt::Unset) {
            return Err(given.misuse(if opt == Opt::Unset { Reason::NOT_A_NAME } else { Reason::NOT_A_VARIABLE }));
        }
        match find_variable(self.vectors.envp, Some(self.inherited), given.value) {
            Some(place) => place.set(given.value),
            None => self.vectors.move_last_to_environment(given.value),
        }
        Ok(())
    }

    /// Makes the environment what COMMAND is to get: a variable that was set or unset replaces the inherited one, and
    /// with `--clear-env` nothing inherited is left.
    pub fn settle_environment(&mut self) {
        let edits = self.vectors.envp;
        let mut write = self.inherited;
        let mut read = self.inherited;
        while let Some(entry) = read.get() {
            read = read.next();
            if !self.has(Opt::ClearEnv) && find_variable(edits, Some(self.inherited), entry).is_none() {
                write.set(entry);
                write = write.next();
            }
        }
        write.cut();
        let mut place = edits;
        while place != self.inherited {
            // The names of variables that had to go are of no more use: the first entry takes the place of each.
            if let (Some(entry), Some(first)) = (place.get(), self.vectors.envp.get())
                && entry.find(b'=').first() == 0
            {
                place.set(first);
                self.vectors.envp = self.vectors.envp.next();
            }
            place = place.next();
        }
    }
}

/// The place of the entry for the same variable as `wanted`'s (`K=V` or `K`), from `place` on and before `end`.
pub fn find_variable(mut place: Words, end: Option<Words>, wanted: ZStr) -> Option<Words> {
    while Some(place) != end {
        let (mut ours, mut theirs) = (wanted, place.get()?);
        while ours.first() == theirs.first() && !matches!(ours.first(), 0 | b'=') {
            (ours, theirs) = (ours.rest(), theirs.rest());
        }
        if matches!(ours.first(), 0 | b'=') && matches!(theirs.first(), 0 | b'=') {
            return Some(place);
        }
        place = place.next();
    }
    None
}
