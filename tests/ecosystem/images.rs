//! The container images: no Docker engine builds them here, but the root directory that their last stage describes is
//! made, and run by runc.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use super::room::{Room, bgexec, can, is_native, run, status, stderr, stdout};
use super::{contrib, has};

/// The last stage of a Dockerfile: what it starts from, the files it copies, and the words that it runs.
struct Stage {
    base: String,
    copies: Vec<(String, String)>,
    entrypoint: Vec<String>,
    command: Vec<String>,
}

fn last_stage(dockerfile: &str) -> Stage {
    let text = fs::read_to_string(contrib("docker").join(dockerfile)).expect("it is there");
    let mut stage = Stage { base: String::new(), copies: vec![], entrypoint: vec![], command: vec![] };
    let list =
        |list: &str| list.trim_matches(['[', ']']).split(", ").map(|word| word.trim_matches('"').into()).collect();
    for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        match line.split_once(' ').expect("an instruction has words") {
            ("FROM", base) => stage = Stage { base: base.into(), copies: vec![], entrypoint: vec![], command: vec![] },
            ("COPY", words) if stage.base == "rust:1.95 AS build" => assert_eq!(words, ". ."),
            ("COPY", words) => {
                let words = words.strip_prefix("--from=build /src/").expect("all comes from the first stage");
                let (from, to) = words.split_once(" /").expect("from and to");
                stage.copies.push((from.into(), to.into()));
            }
            ("ENTRYPOINT", words) => stage.entrypoint = list(words),
            ("CMD", words) => stage.command = list(words),
            ("WORKDIR", words) => assert_eq!(words, "/src"),
            ("RUN", words) => assert_eq!(words, "cargo build --release --locked"),
            (instruction, _) => panic!("{instruction}"),
        }
    }
    stage
}

/// Makes the root directory of a stage and runs its words, or others in the place of CMD; none if that cannot be here.
fn contained(room: &Room, stage: &Stage, command: &[&str]) -> Option<Output> {
    if !is_native() || !can("only root makes containers", rustix::process::geteuid().is_root()) || !has("runc") {
        return None;
    }
    for (from, to) in &stage.copies {
        let to = Path::new("rootfs").join(to);
        let directory = to.parent().expect("a file is in a directory");
        fs::create_dir_all(room.path().join(directory)).expect("the room is ours");
        let program = from == "target/release/bgexec";
        let from = if program { bgexec() } else { Path::new(env!("CARGO_MANIFEST_DIR")).join(from) };
        room.program(from, to.to_str().expect("it is text"));
    }
    let command: Vec<String> = match command {
        [] => stage.command.clone(),
        words => words.iter().map(|&word| word.into()).collect(),
    };
    let bundle = room.path();
    let _ = fs::remove_file(bundle.join("config.json"));
    assert_eq!(status(&run(Command::new("runc").arg("spec").current_dir(bundle))), 0);
    let words: Vec<_> = stage.entrypoint.iter().chain(&command).map(|word| format!("{word:?}")).collect();
    let proposed = fs::read_to_string(bundle.join("config.json")).expect("runc has made it");
    let proposed = proposed.replace("\"terminal\": true", "\"terminal\": false").replace("\"sh\"", &words.join(", "));
    // What Docker's containers may do, and those of `runc spec` may not.
    let proposed = proposed.replace("\"CAP_KILL\"", "\"CAP_KILL\", \"CAP_SETUID\", \"CAP_SETGID\"");
    fs::write(bundle.join("config.json"), proposed).expect("the room is ours");
    let name = bundle.file_name().expect("a room has a name");
    let mut runc = Command::new("runc");
    Some(run(runc.arg("--root").arg(bundle.join("state")).arg("run").arg(name).current_dir(bundle)))
}

#[test]
fn image_from_scratch() {
    let stage = last_stage("Dockerfile");
    assert_eq!(stage.base, "scratch");
    let room = Room::new();
    let Some(output) = contained(&room, &stage, &[]) else { return };
    let version = format!("bgexec {}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!((status(&output), stdout(&output), stderr(&output)), (0, version.as_str(), ""));
    let output = contained(&room, &stage, &["/app"]).expect("it ran before");
    let line = "bgexec: unable to execute /app: No such file or directory\n";
    assert_eq!((status(&output), stderr(&output)), (127, line));
}

/// With busybox in the place of Alpine, whose shell it is too.
#[test]
fn image_of_alpine() {
    let stage = last_stage("Dockerfile.alpine");
    assert!(stage.base.starts_with("alpine:"));
    for (from, _) in stage.copies.iter().skip(1) {
        assert!(Path::new(env!("CARGO_MANIFEST_DIR")).join(from).exists(), "{from}");
    }
    if !has("busybox") {
        return;
    }
    let busybox = run(Command::new("sh").args(["-c", "command -v busybox"]));
    let room = Room::new();
    fs::create_dir_all(room.path().join("rootfs/bin")).expect("the room is ours");
    room.program(stdout(&busybox).trim(), "rootfs/bin/sh");
    let Some(output) = contained(&room, &stage, &[]) else { return };
    assert_eq!((status(&output), stderr(&output)), (0, ""));
    let output = contained(&room, &stage, &["/bin/sh", "-c", "umask; exit 7"]).expect("it ran before");
    assert_eq!((status(&output), stdout(&output), stderr(&output)), (7, "0022\n", ""));
}
