//! The initramfs: made without any right, and what is in it. `.ci/boot` boots it.

use std::fs;
use std::os::unix::fs::symlink;
use std::process::Command;

use super::room::{Room, can, run, status, stderr, stdout};
use super::{contrib, has};

#[test]
fn image_is_made_without_rights_and_holds_what_was_asked_for() {
    if !has("busybox") || !has("gzip") {
        return;
    }
    let room = Room::new();
    // The size tells more of the padding than that of a program would.
    for (name, text) in [("bgexec", "one"), ("busybox", "four"), ("page", "seven  "), ("empty", "")] {
        fs::write(room.path().join(name), text).expect("the room is ours");
    }
    room.script("tool", "#!/bin/sh\n");
    symlink("page", room.path().join("link")).expect("the room is ours");
    let build = |shell: &[&str], image: &str| {
        let added = ["/srv/a/page=page", "srv/a/same=link", "/srv/empty=empty", "/bin/tool=tool"];
        let mut command = Command::new(shell[0]);
        command.args(&shell[1..]).arg(contrib("initramfs/build")).args([image, "bgexec", "busybox"]).args(added);
        let output = run(command.current_dir(room.path()));
        assert_eq!((status(&output), stdout(&output), stderr(&output)), (0, "", ""), "{shell:?}");
        fs::read(room.path().join(image)).expect("it was made")
    };
    let image = build(&["sh"], "image");
    assert!(build(&["sh"], "again") == image, "the same files give the same bytes");
    if can("there are no user namespaces", run(Command::new("unshare").args(["-U", "true"])).status.success()) {
        assert!(build(&["unshare", "-U", "sh"], "powerless") == image, "a user's image is like root's");
    }
    let list = run(room.command("sh").args(["-c", "gzip -dc < image | busybox cpio -tv 2> blocks"]));
    let found: Vec<_> = stdout(&list)
        .lines()
        .map(|line| {
            let words: Vec<_> = line.split_whitespace().collect();
            assert_eq!(words[1], "0/0", "{line}: everything is root's");
            format!("{} {}", words[0], words[words.len() - 1])
        })
        .collect();
    let init = fs::metadata(contrib("initramfs/init")).expect("it is there");
    assert!(stdout(&list).contains(&format!(" {} ", init.len())), "{}", stdout(&list));
    assert_eq!(
        found,
        [
            "drwxr-xr-x bin",
            "drwxr-xr-x dev",
            "drwxr-xr-x etc",
            "drwxr-xr-x etc/crontabs",
            "drwxr-xr-x proc",
            "drwxr-xr-x run",
            "drwxr-xr-x srv",
            "drwxr-xr-x sys",
            "drwxr-xr-x var",
            "drwxr-xr-x var/log",
            "drwxrwxrwt tmp",
            "crw------- dev/console",
            "-rwxr-xr-x init",
            "-rw-r--r-- bin/bgexec",
            "-rw-r--r-- bin/busybox",
            "drwxr-xr-x srv/a",
            "-rw-r--r-- srv/a/page",
            "-rw-r--r-- srv/a/same",
            "-rw-r--r-- srv/empty",
            "-rwxr-xr-x bin/tool",
        ]
    );
    let unpack = "mkdir unpacked && cd unpacked && gzip -dc < ../image | busybox cpio -id 2> ../blocks srv/a/same";
    let unpacked = run(room.command("sh").args(["-c", &format!("{unpack} && cat srv/a/same")]));
    assert_eq!((status(&unpacked), stdout(&unpacked)), (0, "seven  "), "{}", stderr(&unpacked));
}

#[test]
fn image_of_a_file_that_is_missing_is_none() {
    let room = Room::new();
    let output = run(room.command("sh").arg(contrib("initramfs/build")).args(["image", "/dev/null", "/nonexistent"]));
    assert_ne!(status(&output), 0);
    let left = fs::read_dir(room.path()).expect("the room is ours").flatten();
    assert_eq!(left.filter(|file| file.file_name() != "bin").count(), 0, "neither an image nor a part of one");
    let usage = run(room.command("sh").arg(contrib("initramfs/build")));
    assert_eq!((status(&usage), stderr(&usage).starts_with("usage: ")), (1, true));
}
