//! The options: rows of the program's own table, with the prose that is kept beside it.

use bgexec::options::table::{ROWS, Row};

/// The names of limits that completions offer: those of getrlimit(2).
pub const LIMITS: &str = "AS CORE CPU DATA FSIZE LOCKS MEMLOCK MSGQUEUE NICE NOFILE NPROC RSS RTPRIO RTTIME SIGPENDING \
                          STACK";

/// The signals that completions offer; others may be typed.
pub const SIGNALS: &str = "ABRT ALRM CHLD CONT HUP INT KILL PIPE QUIT STOP TERM TSTP TTIN TTOU USR1 USR2 WINCH";

/// Options that belong together.
pub struct Group {
    /// What they are about.
    pub title: &'static str,
    /// In the manual's order.
    pub options: Vec<Described>,
}

/// An option and what is said of it.
pub struct Described {
    /// Its row.
    pub row: &'static Row,
    /// What its value is completed with; `-` for a flag.
    pub kind: &'static str,
    /// What a completion says of it.
    pub summary: &'static str,
    /// What the manual says of it, as mdoc.
    pub manual: String,
}

impl Described {
    /// Its letter, if it has one.
    pub fn letter(&self) -> Option<char> {
        (self.row.short != b' ').then_some(char::from(self.row.short))
    }

    /// Whether it takes a value.
    pub fn takes_value(&self) -> bool {
        !self.row.value.is_empty()
    }
}

/// All options by group. An option that the table has and the prose has not, or the other way round, is a mistake.
pub fn groups() -> Vec<Group> {
    let mut groups: Vec<Group> = vec![];
    for line in include_str!("options.txt").lines().skip_while(|line| !line.starts_with('=')) {
        if let Some(title) = line.strip_prefix("= ") {
            groups.push(Group { title, options: vec![] });
            continue;
        }
        let options = &mut groups.last_mut().expect("a group comes first").options;
        if let Some(line) = line.strip_prefix('@') {
            let mut words = line.splitn(3, ' ');
            let mut word = || words.next().unwrap_or_else(|| panic!("three words in {line:?}"));
            let (name, kind, summary) = (word(), word(), word());
            let row = ROWS.iter().find(|row| row.long == name).unwrap_or_else(|| panic!("no option --{name}"));
            options.push(Described { row, kind, summary, manual: String::new() });
        } else {
            let manual = &mut options.last_mut().expect("an option comes first").manual;
            manual.push_str(line);
            manual.push('\n');
        }
    }
    for row in ROWS {
        let times = groups.iter().flat_map(|group| &group.options).filter(|option| option.row.long == row.long).count();
        assert_eq!(times, 1, "--{} is described so often", row.long);
    }
    groups
}
