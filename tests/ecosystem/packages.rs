//! The recipes of distributions: what of them can be checked without the distribution.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::contrib;
use super::room::{Room, bgexec, run, status, stderr, stdout};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
const VERSION: &str = env!("CARGO_PKG_VERSION");

fn read(name: &str) -> String {
    fs::read_to_string(contrib(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

#[test]
fn versions_are_that_of_the_crate() {
    assert!(read("alpine/APKBUILD").contains(&format!("\npkgver={VERSION}\n")));
    assert!(read("buildroot/bgexec.mk").contains(&format!("\nBGEXEC_VERSION = {VERSION}\n")));
    assert!(read("debian/changelog").starts_with(&format!("bgexec ({VERSION}) ")));
    assert!(contrib(&format!("openembedded/bgexec_{VERSION}.bb")).exists());
}

#[test]
fn licences_have_the_hashes_that_are_told() {
    let check = |tool: &str, lines: String| {
        let mut command = Command::new("sh");
        command.args(["-c", "printf %s \"$1\" | \"$0\" -c --quiet", tool, &lines]).current_dir(ROOT);
        let output = run(&mut command);
        assert_eq!((status(&output), stdout(&output), stderr(&output)), (0, "", ""), "{lines}");
    };
    let hashes = read("buildroot/bgexec.hash");
    let hashes: String =
        hashes.lines().filter_map(|line| line.strip_prefix("sha256  ")).map(|line| format!("{line}\n")).collect();
    assert_eq!(hashes.lines().count(), 3);
    check("sha256sum", hashes);
    let recipe = read(&format!("openembedded/bgexec_{VERSION}.bb"));
    let sums: String = recipe
        .lines()
        .filter_map(|line| line.trim().strip_prefix("file://")?.strip_suffix(" \\")?.split_once(";md5="))
        .map(|(file, sum)| format!("{sum}  {file}\n"))
        .collect();
    assert_eq!(sums.lines().count(), 3);
    check("md5sum", sums);
}

/// With a shell in the place of abuild.
#[test]
fn alpine_packages_every_file() {
    let room = Room::new();
    fs::create_dir_all(room.path().join("target/release")).expect("the room is ours");
    room.program(bgexec(), "target/release/bgexec");
    let script = "startdir=$0; . \"$startdir/APKBUILD\"; cd \"$builddir\"; package";
    let mut command = Command::new("sh");
    command.args(["-euc", script]).arg(contrib("alpine"));
    command.env("pkgdir", room.at("package")).env("CARGO_TARGET_DIR", room.at("target"));
    let output = run(&mut command);
    assert_eq!((status(&output), stderr(&output)), (0, ""));
    let files = run(Command::new("find").args([".", "-type", "f"]).current_dir(room.path().join("package")));
    let mut files: Vec<_> = stdout(&files).lines().collect();
    files.sort_unstable();
    assert_eq!(
        files,
        [
            "./usr/bin/bgexec",
            "./usr/share/bash-completion/completions/bgexec",
            "./usr/share/fish/vendor_completions.d/bgexec.fish",
            "./usr/share/licenses/bgexec/LICENSE-APACHE",
            "./usr/share/licenses/bgexec/LICENSE-MIT",
            "./usr/share/licenses/bgexec/LICENSE-syscalls",
            "./usr/share/man/man8/bgexec.8",
            "./usr/share/zsh/site-functions/_bgexec",
        ]
    );
}

/// Each file that the Debian package installs lies in the tree; `.ci/ecosystem` builds it.
#[test]
fn debian_installs_what_is_there() {
    let rules = read("debian/rules");
    let installed: Vec<_> = rules.split_whitespace().filter(|word| word.starts_with("contrib/")).collect();
    assert_eq!(installed.len(), 4);
    for file in installed {
        assert!(Path::new(ROOT).join(file).exists(), "{file}");
    }
}
