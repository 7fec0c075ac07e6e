//! The command line as typed, with lexopt as the oracle.

use std::collections::BTreeMap;
use std::ffi::OsString;

use bgexec::options::Options;
use bgexec::options::table::{OPTS, ROWS};
use bgexec::report::Reason;
use bgexec::sys::zstr::{Vectors, Words};
use lexopt::Arg;

use super::string;
use super::words::limit;

/// Words that are no option, or none that there is.
pub const OTHERS: [&str; 15] = [
    "--",
    "-",
    "",
    "true",
    "./x",
    "--bogus",
    "--pidfil",
    "--pidfilex=y",
    "---",
    "--=",
    "-=",
    "-Z",
    "-qZ",
    "--q",
    "-\u{fc}",
];

/// What a command line comes to.
#[derive(Debug, PartialEq)]
pub struct Outcome {
    /// Why it is refused.
    pub refusal: Option<Refusal>,
    /// The options with their last values; a flag has none.
    pub options: BTreeMap<&'static str, Option<String>>,
    pub limits: BTreeMap<usize, [u64; 2]>,
    pub command: Vec<String>,
    /// In no order.
    pub environment: Vec<String>,
}

#[derive(Debug, Eq, PartialEq)]
pub enum Refusal {
    UnknownOption,
    ValueIsMissing,
    TakesNoValue,
    /// A variable or a limit that is none.
    Value,
}

impl Outcome {
    fn refused(refusal: Refusal) -> Self {
        let (options, limits) = (BTreeMap::new(), BTreeMap::new());
        Self { refusal: Some(refusal), options, limits, command: vec![], environment: vec![] }
    }
}

/// All strings from a place on.
pub fn strings(mut place: Words) -> Vec<String> {
    let mut strings = vec![];
    while let Some(word) = place.get() {
        strings.push(string(word));
        place = place.next();
    }
    strings
}

/// What the library reads.
pub fn parse(vectors: Vectors) -> Outcome {
    let mut options = Options::new(vectors);
    let parsed = options.parse();
    outcome(&options, parsed)
}

/// What it has read.
pub fn outcome(options: &Options, parsed: Result<(), Reason>) -> Outcome {
    if let Err(reason) = parsed {
        return Outcome::refused(match reason {
            Reason::UNKNOWN_OPTION => Refusal::UnknownOption,
            Reason::VALUE_IS_MISSING => Refusal::ValueIsMissing,
            Reason::TAKES_NO_VALUE => Refusal::TakesNoValue,
            _ => Refusal::Value,
        });
    }
    let given = OPTS.iter().zip(ROWS).filter_map(|(&opt, row)| {
        let value = options.value(opt)?;
        Some((row.long, (!row.value.is_empty()).then(|| string(value))))
    });
    let mut environment = strings(options.vectors.envp);
    environment.sort_unstable();
    Outcome {
        refusal: None,
        options: given.collect(),
        limits: (0..16).filter_map(|resource| Some((resource as usize, options.limit(resource)?))).collect(),
        command: strings(options.vectors.last.next()),
        environment,
    }
}

/// What lexopt reads.
pub fn reference_parse(words: &[String], environment: &[String]) -> Outcome {
    match try_reference_parse(words, environment) {
        Ok(outcome) => outcome,
        Err(refusal) => Outcome::refused(refusal),
    }
}

fn try_reference_parse(words: &[String], inherited: &[String]) -> Result<Outcome, Refusal> {
    let mut parser = lexopt::Parser::from_iter(words);
    parser.set_short_equals(false);
    let text = |word: OsString| word.into_string().expect("UTF-8");
    let name = |entry: &String| entry.split_once('=').map_or(entry.clone(), |(name, _)| name.to_owned());
    let mut outcome = Outcome { refusal: None, ..Outcome::refused(Refusal::Value) };
    let mut inherited = inherited.to_vec();
    loop {
        let row = match parser.next() {
            Ok(None) => break,
            Ok(Some(Arg::Value(first))) => {
                let rest = parser.raw_args().expect("no option is half read").map(text);
                outcome.command = [text(first)].into_iter().chain(rest).collect();
                break;
            }
            Ok(Some(Arg::Short(letter))) => ROWS.iter().find(|row| char::from(row.short) == letter && letter != ' '),
            Ok(Some(Arg::Long(long))) => ROWS.iter().find(|row| row.long == long),
            Err(_) => return Err(Refusal::TakesNoValue),
        };
        let row = row.ok_or(Refusal::UnknownOption)?;
        let long = if row.long == "supervisor-pidfile" { "pidfile" } else { row.long };
        if row.value.is_empty() {
            outcome.options.insert(long, None);
            continue;
        }
        let value = text(parser.value().map_err(|_| Refusal::ValueIsMissing)?);
        match long {
            "env" if value.find('=').is_none_or(|place| place == 0) => return Err(Refusal::Value),
            "unset" if value.is_empty() || value.contains('=') => return Err(Refusal::Value),
            "env" | "unset" => {
                inherited.retain(|entry| name(entry) != name(&value));
                outcome.environment.retain(|entry| name(entry) != name(&value));
                if long == "env" {
                    outcome.environment.push(value.clone());
                }
            }
            "rlimit" => {
                let (resource, limit) = limit(&value).ok_or(Refusal::Value)?;
                outcome.limits.insert(resource, limit);
            }
            _ => {}
        }
        outcome.options.insert(long, Some(value));
        // What is left of a flag's word would be its value.
    }
    if !outcome.options.contains_key("clear-env") {
        outcome.environment.extend(inherited);
    }
    outcome.environment.sort_unstable();
    Ok(outcome)
}
