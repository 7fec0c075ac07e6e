//! The house rules: what is nowhere in the sources, or in one place alone.

mod sources;

use std::path::Path;

use bgexec::steps::{ORDER, Step};
use sources::{Source, program, repository, words};

/// The ground floor and the entrance, which alone may be unsafe.
const UNSAFE_ROOMS: [&str; 2] = ["src/start", "src/sys"];

/// The roots of the two crates, which cannot forbid what a room below them is allowed.
const ROOTS: [&str; 2] = ["src/lib.rs", "src/main.rs"];

/// The files of the program in which a line of code satisfies a condition, as `FILE: LINE`.
fn lines(code: impl Fn(&Source) -> String, mut condition: impl FnMut(&Source, &str) -> bool) -> Vec<String> {
    let mut found = vec![];
    for source in program() {
        for line in code(&source).lines() {
            if condition(&source, line) {
                found.push(format!("{}: {}", source.path.display(), line.trim()));
            }
        }
    }
    found
}

/// The files of the program that name a crate.
fn naming(name: &str) -> Vec<String> {
    let names = |source: &Source| source.bare_code().contains(&format!("{name}::"));
    program().into_iter().filter(names).map(|source| source.path.display().to_string()).collect()
}

/// What the code takes from a room: the name behind `ROOM::`, or each of a list there, which may go over lines; and another
/// name for the room itself.
fn taken(code: &str, room: &str) -> Vec<String> {
    let mut taken = vec![];
    for (at, _) in code.match_indices(room) {
        let (before, after) = (&code[..at], &code[at + room.len()..]);
        if before.ends_with(|letter: char| letter.is_alphanumeric() || letter == '_') {
            continue;
        }
        if before.ends_with("::") && after.starts_with(" as ") {
            taken.push(format!("{room} as"));
        }
        let Some(names) = after.strip_prefix("::") else { continue };
        let Some(list) = names.strip_prefix('{') else {
            taken.extend(
                names.split(|letter: char| !letter.is_alphanumeric() && letter != '_').next().map(str::to_owned),
            );
            continue;
        };
        let (mut items, mut depth) = (vec![String::new()], 0);
        for letter in list.chars() {
            match letter {
                '}' if depth == 0 => break,
                ',' if depth == 0 => items.push(String::new()),
                _ => items.last_mut().expect("there is one").push(letter),
            }
            depth += i32::from(letter == '{') - i32::from(letter == '}');
        }
        taken.extend(items.iter().filter_map(|item| words(item).next()).map(str::to_owned));
    }
    taken
}

#[test]
fn scanner_tells_code_from_comments_and_literals() {
    let text = "a /* \" */ 'b' // c\n\"d // e \\\" f\" g<'h>('\\'', r#\"i \" j\"#, b\"k\") l";
    let source = Source { path: Path::new("x.rs").to_owned(), text: text.to_owned() };
    assert_eq!(words(&source.bare_code()).collect::<Vec<_>>(), ["a", "g", "h", "r", "b", "l"]);
    assert_eq!(
        words(&source.code()).collect::<Vec<_>>(),
        ["a", "b", "d", "e", "f", "g", "h", "r", "i", "j", "b", "k", "l"]
    );
    assert_eq!(source.code().lines().count(), 2);
}

#[test]
fn what_is_taken_from_a_room_is_seen() {
    let code =
        "use crate::sys::{abi, zstr::{Word, ZStr},\n    getpid};\nuse crate::sys as kernel;\nsys::kill(); my_sys::x";
    assert_eq!(taken(code, "sys"), ["abi", "zstr", "getpid", "sys as", "kill"]);
}

#[test]
fn every_file_says_what_it_is() {
    for source in program() {
        assert!(source.text.starts_with("//! "), "{}", source.path.display());
    }
}

#[test]
fn unsafe_code_is_in_two_rooms() {
    let unsafe_lines = lines(Source::bare_code, |source, line| {
        words(line).any(|word| word == "unsafe") && !source.is_in(&UNSAFE_ROOMS)
    });
    assert_eq!(unsafe_lines, [""; 0]);
}

#[test]
fn unsafe_code_is_forbidden_everywhere_else() {
    for source in program() {
        if !source.is_in(&UNSAFE_ROOMS) && !source.is_in(&ROOTS) {
            let code = source.code();
            let first = code.lines().map(str::trim).find(|line| !line.is_empty());
            assert_eq!(first, Some("#![forbid(unsafe_code)]"), "{}", source.path.display());
        }
    }
}

#[test]
fn no_static_can_be_written_to() {
    let writable = ["mut", "Cell", "UnsafeCell", "OnceCell", "Mutex", "RwLock"];
    let statics = lines(Source::bare_code, |_, line| {
        let mut words = words(line).skip_while(|&word| word != "static");
        // Not the lifetime.
        !line.contains("'static") && words.any(|word| writable.contains(&word) || word.starts_with("Atomic"))
    });
    assert_eq!(statics, [""; 0]);
}

#[test]
fn nothing_is_on_a_heap() {
    let heap = ["alloc", "std", "Vec", "Box", "String", "Rc", "Arc", "ToOwned"];
    let allocating = lines(Source::bare_code, |_, line| words(line).any(|word| heap.contains(&word)));
    assert_eq!(allocating, [""; 0]);
}

#[test]
fn nothing_is_formatted_by_the_library() {
    let formatting = lines(Source::bare_code, |_, line| {
        line.contains("core::fmt") || ["format_args!", "write!", "writeln!"].iter().any(|call| line.contains(call))
    });
    assert_eq!(formatting, [""; 0]);
}

/// What may panic is evaluated by the compiler alone. What may do so unseen, an index or a division, the release's link
/// finds.
#[test]
fn nothing_panics_at_run_time() {
    let never = [".unwrap()", ".expect(", "assert!(", "assert_eq!(", "assert_ne!(", "todo!", "unimplemented!"];
    let panicking = lines(Source::bare_code, |_, line| never.iter().any(|call| line.contains(call)));
    assert_eq!(panicking, [""; 0]);
    let mut item = String::new();
    let panicking = lines(Source::bare_code, |_, line| {
        let starts_item =
            line.starts_with(|letter: char| letter.is_alphabetic()) || words(line).any(|word| word == "fn");
        if starts_item {
            item = line.to_owned();
        }
        ["panic!", "unreachable!"].iter().any(|call| line.contains(call)) && !words(&item).any(|word| word == "const")
    });
    assert_eq!(panicking, [""; 0]);
}

#[test]
fn crates_are_each_named_in_one_file() {
    assert_eq!(naming("syscalls"), ["src/sys/call.rs"]);
    assert_eq!(naming("linux_raw_sys"), ["src/sys/abi.rs"]);
}

/// The ground floor knows nothing of what stands on it.
#[test]
fn system_calls_know_no_policy() {
    let above = ["options", "plan", "steps", "report", "scan", "passwd"];
    let looking_up = program().into_iter().filter(|source| source.is_in(&["src/sys"])).filter_map(|source| {
        let room = above.iter().find(|room| !taken(&source.bare_code(), room).is_empty())?;
        Some(format!("{}: {room}", source.path.display()))
    });
    assert_eq!(looking_up.collect::<Vec<_>>(), [""; 0]);
}

/// Of the ground floor, what is pure may be used: strings, numbers, sets. Of what is above, types and tables.
#[test]
fn parsing_and_planning_never_touch_the_kernel() {
    let pure: [(&str, &[&str]); 3] = [
        ("sys", &["zstr", "abi", "SignalSet"]),
        ("report", &["Code", "Reason"]),
        ("steps", &["Step", "CONDITIONS", "WORDS"]),
    ];
    let mut others = vec![];
    for source in program() {
        if source.is_in(&["src/options", "src/plan.rs", "src/scan.rs", "src/passwd.rs"]) {
            for (room, pure) in pure {
                let names = taken(&source.bare_code(), room).into_iter().filter(|name| !pure.contains(&&**name));
                others.extend(names.map(|name| format!("{}: {room}::{name}", source.path.display())));
            }
        }
    }
    assert_eq!(others, [""; 0]);
}

#[test]
fn messages_are_made_in_one_file() {
    let texts = ["\"bgexec: ", "\"unable"];
    let speaking = lines(Source::code, |source, line| {
        !source.is_in(&["src/report.rs"]) && texts.iter().any(|text| line.contains(text))
    });
    assert_eq!(speaking, [""; 0]);
    let printing = lines(Source::bare_code, |source, line| {
        !source.is_in(&["src/report.rs", "src/sys"])
            && ["write(", "Text::new("].iter().any(|call| line.contains(call))
            && ["Fd::STD", "message"].iter().any(|where_to| line.contains(where_to))
    });
    assert_eq!(printing, [""; 0]);
}

/// A path means what it meant where it was typed.
#[test]
fn every_file_is_opened_before_the_first_change_of_directory() {
    let place = |wanted: Step| ORDER.iter().position(|&step| step == wanted).expect("a step of the order");
    let opens = |step: &Step| ["Std", "Open"].iter().any(|name| format!("{step:?}").starts_with(name));
    let openings: Vec<Step> = ORDER.iter().copied().filter(opens).collect();
    let known = [Step::Stdin, Step::Stdout, Step::Stderr, Step::OpenNotification];
    assert_eq!(openings, [&known[..], &[Step::OpenChildPidfile, Step::OpenLockfile, Step::OpenPidfile]].concat());
    for opening in openings {
        // A supervisor takes the steps after its own again and again.
        for change in [Step::Supervise, Step::Chroot, Step::Chdir] {
            assert!(place(opening) < place(change), "{opening:?} before {change:?}");
        }
    }
}

/// Names that say nothing.
#[test]
fn nothing_is_named_emptily() {
    let empty = ["manager", "helper", "util", "utils", "handler", "context", "misc", "data", "info"];
    let named = lines(Source::bare_code, |_, line| {
        let kinds = ["fn", "struct", "enum", "mod", "trait", "type", "const", "static"];
        let mut words = words(line).skip_while(|word| !kinds.contains(word)).skip(1);
        words.next().is_some_and(|name| {
            let mut parts = name.split('_').map(str::to_lowercase);
            parts.any(|part| empty.contains(&part.as_str()))
        })
    });
    assert_eq!(named, [""; 0]);
}

/// What is published speaks of the program and not of how it came about.
#[test]
fn nothing_is_left_of_the_workshop() {
    let traces = [
        concat!("/wo", "rk/"),
        concat!("../sha", "red"),
        concat!("TO", "DO"),
        concat!("FIX", "ME"),
        concat!("XX", "X "),
    ];
    for file in repository() {
        for (number, line) in file.text.lines().enumerate() {
            let found = traces.iter().find(|&&trace| line.contains(trace));
            assert_eq!(found, None, "{}:{}: {line}", file.path.display(), number + 1);
        }
    }
}
