//! What a machine said over its serial port.

/// The lines, in their order.
#[derive(Debug)]
pub struct Said(Vec<String>);

impl Said {
    /// Of everything, the lines that are not the kernel's log; a panic is told by it alone, and stays.
    pub fn new(everything: &str) -> Said {
        let logged = |line: &str| line.starts_with('[') && !line.contains("panic");
        let lines = everything.lines().map(|line| line.trim_end_matches('\r'));
        Said(lines.filter(|line| !line.is_empty() && !logged(line)).map(str::to_owned).collect())
    }

    /// The number after each such word.
    pub fn numbers(&self, word: &str) -> Vec<u32> {
        let mut numbers = vec![];
        for line in &self.0 {
            for (at, _) in line.match_indices(word) {
                let digits = line[at + word.len()..].trim_start();
                let end = digits.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(digits.len());
                numbers.extend(digits[..end].parse::<u32>());
            }
        }
        numbers
    }

    /// Asserts that this was said. `PID` stands for the number of a process that is not the first. A daemon says its line
    /// when it comes to it, so that only the order among the daemons, and among all others, is certain.
    pub fn assert(&self, wanted: &[String]) {
        let said: Vec<_> = self.0.iter().map(|line| without_pids(line)).collect();
        let of_daemon = |line: &&String| line.starts_with("> daemon");
        let (daemons, others): (Vec<_>, Vec<_>) = said.iter().partition(of_daemon);
        let (wanted_daemons, wanted_others): (Vec<_>, Vec<_>) = wanted.iter().partition(of_daemon);
        assert_eq!(others, wanted_others, "{self:#?}");
        assert_eq!(daemons, wanted_daemons, "{self:#?}");
    }
}

/// `pid 123` becomes `pid PID`, and so do a session and a group.
fn without_pids(line: &str) -> String {
    let mut words = vec![];
    let mut previous = "";
    for word in line.split(' ') {
        let digits = word.trim_end_matches([')', ',']);
        let names_process = ["pid", "(pid", "session", "group"].contains(&previous);
        if names_process && digits.parse::<u32>().is_ok_and(|number| number > 1) {
            words.push(word.replace(digits, "PID"));
        } else {
            words.push(word.to_owned());
        }
        previous = word;
    }
    words.join(" ")
}
