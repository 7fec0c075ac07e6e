//! Every place in the sources where the compiler does not vouch for what is done, and who does.

use std::fs;
use std::path::{Path, PathBuf};

const HEAD: &str = "\
<!-- Made by `cargo run --example generate` from the sources. -->

# What is unsafe, and why it is sound

`unsafe` stands in `src/start` and `src/sys` alone; all else forbids it. A block is one operation with one reason, which
stands above it in the source. A function is unsafe if its caller has to hold to what stands there.

| file | in | operation | reason |
|---|---|---|---|
";

/// The table.
pub fn text() -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = vec![];
    for room in ["src/start", "src/sys"] {
        find(&root.join(room), &mut files);
    }
    files.sort_unstable();
    let mut text = HEAD.to_owned();
    for file in files {
        let name = file.strip_prefix(root.join("src")).expect("it was found there").display().to_string();
        let source = fs::read_to_string(&file).unwrap_or_else(|error| panic!("{name}: {error}"));
        for [place, operation, reason] in rows(&name, &source) {
            let operation = operation.replace('|', "\\|");
            text += &format!("| {name} | `{place}` | `{operation}` | {} |\n", reason.replace('|', "\\|"));
        }
    }
    text
}

fn find(directory: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).expect("it is part of the repository").flatten() {
        let path = entry.path();
        if path.is_dir() {
            find(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

/// Where, what and why, for each block, function and declaration of a source.
fn rows(file: &str, source: &str) -> Vec<[String; 3]> {
    let lines: Vec<&str> = source.lines().map(str::trim).collect();
    let (mut rows, mut place) = (vec![], String::new());
    for (number, line) in lines.iter().enumerate() {
        if line.starts_with("//") {
            continue;
        }
        if let Some((before, name)) = line.split_once("fn ")
            && before.chars().all(|letter| letter.is_ascii_alphanumeric() || " ()\"_".contains(letter))
        {
            place = name.split(['(', '<']).next().expect("a first one").to_owned();
        } else if let Some(name) = line.strip_prefix("macro_rules! ") {
            place = name.trim_end_matches([' ', '{']).to_owned() + "!";
        }
        let is_declared = ["unsafe fn ", "unsafe extern ", "unsafe impl "].iter().any(|kind| line.contains(kind));
        assert!(line.matches("unsafe {").count() <= 1, "{file}: two blocks in one line: {line}");
        let operation = if let Some((_, block)) = line.split_once("unsafe {") {
            block_of(block, &lines[number + 1..])
        } else if is_declared {
            line.trim_end_matches([' ', '{']).to_owned()
        } else {
            continue;
        };
        let reason = reason(&lines[..number], is_declared);
        rows.push([place.clone(), operation, reason.unwrap_or_else(|| panic!("{file}: no reason for `{line}`"))]);
    }
    rows
}

/// What is in a block that begins in this line.
fn block_of(start: &str, following: &[&str]) -> String {
    let all = [&[start], following].concat().join(" ");
    let mut depth = 1;
    let end = all.find(|letter| {
        depth += i32::from(letter == '{') - i32::from(letter == '}');
        depth == 0
    });
    all[..end.expect("a block ends")].split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The comment above, behind `SAFETY:`; of a declaration its own documentation.
fn reason(before: &[&str], is_declared: bool) -> Option<String> {
    let is_between = |line: &&&str| {
        // The rest of a statement that the block is in, and attributes.
        !line.is_empty() && !line.ends_with([';', '}']) && !line.starts_with("//")
    };
    let skipped = before.iter().rev().take_while(is_between).count();
    let before = &before[..before.len() - skipped];
    let comment: Vec<&str> = before.iter().rev().map_while(|line| line.strip_prefix("//")).collect();
    let comment: Vec<&str> = comment.iter().rev().map(|line| line.trim_start_matches('/').trim()).collect();
    if let Some(place) = comment.iter().rposition(|line| line.starts_with("SAFETY:")) {
        return Some(comment[place..].join(" ").trim_start_matches("SAFETY:").trim().to_owned());
    }
    // What the caller has to hold to, or else what the function does: whoever calls it by that name expects just that.
    let section = comment.iter().position(|line| *line == "# Safety").map_or(0, |place| place + 1);
    let paragraph: Vec<&str> = comment.into_iter().skip(section).take_while(|line| !line.is_empty()).collect();
    (is_declared && !paragraph.is_empty()).then(|| paragraph.join(" "))
}
