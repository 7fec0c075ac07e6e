//! bgexec on machines that are booted for real: an initramfs that holds an init, bgexec and nothing else.
//!
//! Where the kernels and the programs are, variables of the environment say, which `.ci/boot` sets:
//! `BGEXEC_KERNEL_AMD64`, `BGEXEC_KERNEL_ARM64`, `BGEXEC_BUSYBOX_X86_64`, and for each processor `BGEXEC_BOOT_…` and
//! `BGEXEC_GUEST_…`.

mod archive;
mod machine;
#[path = "../room/mod.rs"]
mod room;
mod said;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use machine::{Machine, named};

/// What a daemon says of itself that has a session, a process group of its own, the null device, the lock of its pidfile, and
/// nothing else.
fn daemon(name: &str) -> String {
    format!("> daemon {name}: is in session PID, leads group PID, 0 device 1:3, 1 device 1:3, 2 device 1:3, 63 file")
}

fn owned(lines: &[&str]) -> Vec<String> {
    lines.iter().map(|&line| line.to_owned()).collect()
}

/// No /dev/null, no /proc; then /dev/null a regular file; then /dev mounted while daemons run; stop and status by locks alone.
fn bare(machine: &Machine) {
    let script = "list /dev\n\
        run /bgexec -p /a.pid /init daemon a\nawait /a.ready\nlist /dev\nkind /dev/null\n\
        create /dev/null\nrun /bgexec -p /b.pid /init daemon b\nawait /b.ready\nkind /dev/null\n\
        mount devtmpfs /dev\nkind /dev/null\nrun /bgexec -p /c.pid /init daemon c\nawait /c.ready\n\
        run /bgexec -T -p /a.pid\nrun /bgexec -p /a.pid /init daemon a\n\
        run /bgexec -K -p /a.pid\nrun /bgexec -K -p /b.pid\nrun /bgexec -K -p /c.pid\nreap\n\
        run /bgexec -T -p /a.pid\nkind /a.pid\nkind /proc\n\
        run /bgexec -p /d.pid /nope\nkind /d.pid\nreap\noff\n";
    let mut wanted = owned(&[
        "> /dev: console",
        "> status 0",
        "> /dev: console",
        "> /dev/null: nothing",
        "> status 0",
        "> /dev/null: file",
        "> mounted /dev",
        "> /dev/null: device 1:3",
        "> status 0",
        "running (pid PID)",
        "> status 0",
        "bgexec: unable to lock /a.pid: already running as pid PID",
        "> status 1",
        "> status 0",
        "> status 0",
        "> status 0",
        "> reaped 3",
        "not running",
        "> status 3",
        "> /a.pid: nothing",
        "> /proc: nothing",
        "bgexec: unable to execute /nope: No such file or directory",
        "> status 127",
        "> /d.pid: nothing",
        "> reaped 0",
    ]);
    wanted.extend(["a", "b", "c"].map(daemon));
    machine.boot(machine.archive(script), "rdinit=/init").assert(&wanted);
}

/// No console: 0-2 are closed.
fn no_console(machine: &Machine) {
    let script = "open\nrun /bgexec -p /a.pid /init daemon a\nawait /a.ready\n\
        run /bgexec -T -p /a.pid\nrun /bgexec -K -p /a.pid\nreap\nkind /a.pid\noff\n";
    // In the place of the device that the kernel has made, what it cannot open to write to.
    let said = machine.boot(machine.archive(script).directory("dev/console"), "rdinit=/init");
    let mut wanted = owned(&["> open", "> status 0", "> status 125", "> status 0", "> reaped 1", "> /a.pid: nothing"]);
    wanted.push(daemon("a"));
    said.assert(&wanted);
}

/// bgexec itself is pid 1: it reaps, and COMMAND powers the machine off.
fn first_process(machine: &Machine) {
    let script = "orphans 100\nopen\noff\n";
    let said = machine.boot(machine.archive(script), "rdinit=/bgexec -- /init");
    let wanted = owned(&["> reaped by pid 1: 100 of 100", "> open, 0 device 5:1, 1 device 5:1, 2 device 5:1"]);
    said.assert(&wanted);
}

/// Twenty daemons of a boot script, each in a session and a group of its own, and the one that status names.
fn twenty(machine: &Machine) {
    let names: Vec<String> = (10..30).map(|number| format!("d{number}")).collect();
    let mut script = String::new();
    let mut wanted = vec![];
    for name in &names {
        script += &format!("run /bgexec -p /{name}.pid /init daemon {name}\nawait /{name}.ready\n");
        wanted.extend(["> status 0".to_owned(), daemon(name)]);
    }
    for name in &names {
        script += &format!("run /bgexec -T -p /{name}.pid\n");
        wanted.extend(owned(&["running (pid PID)", "> status 0"]));
    }
    for name in &names {
        script += &format!("run /bgexec -K -p /{name}.pid\nrun /bgexec -T -p /{name}.pid\n");
        wanted.extend(owned(&["> status 0", "not running", "> status 3"]));
    }
    script += "reap\noff\n";
    wanted.push("> reaped 20".to_owned());
    let said = machine.boot(machine.archive(&script), "rdinit=/init");
    said.assert(&wanted);
    let distinct = |numbers: Vec<u32>| BTreeSet::from_iter(numbers).len();
    assert_eq!(distinct(said.numbers(" session ")), 20, "{said:#?}");
    assert_eq!(distinct(said.numbers(" group ")), 20, "{said:#?}");
    assert_eq!(said.numbers("running (pid "), said.numbers("leads group "), "{said:#?}");
}

/// The image that `contrib/initramfs/build` makes, with what an example of its user adds: a page for httpd, and what to run in
/// the place of a shell. The daemons run, one of them again after its death; what cannot run says so; all of them end.
fn example(machine: &Machine) {
    let directory = tempfile::tempdir().unwrap();
    let added = |path: &str, text: &str| {
        let file = directory.path().join(path.replace('/', "-"));
        fs::write(&file, text).unwrap();
        format!("{path}={}", file.display())
    };
    let check = "\
        for name in syslogd crond httpd; do bgexec -T -p /run/$name.pid; done\n\
        first=$(cat /run/httpd.child.pid)\n\
        until wget -q -O /first http://127.0.0.1/ 2> /dev/null; do :; done\n\
        cat /first\n\
        kill -KILL $first\n\
        until wget -q -O /page http://127.0.0.1/ 2> /dev/null; do :; done\n\
        cat /page\n\
        [ $first != $(cat /run/httpd.child.pid) ] && echo again\n\
        start nothing nothing\n\
        poweroff() { echo left: $(ls /run); /bin/poweroff -f; }\n";
    let page = added("/srv/index.html", "a page\n");
    let check = added("/check", check);
    let image = directory.path().join("image");
    let build = Path::new(env!("CARGO_MANIFEST_DIR")).join("contrib/initramfs/build");
    let mut build = Command::new(build);
    build.arg(&image).arg(&machine.bgexec).arg(named("BGEXEC_BUSYBOX_X86_64")).args([page, check]);
    assert!(room::run(&mut build).status.success());
    let said = machine.boot_image(&image, "-- . /check");
    said.assert(&owned(&[
        "running (pid PID)",
        "running (pid PID)",
        "running (pid PID)",
        "a page",
        "a page",
        "again",
        "bgexec: unable to execute nothing: No such file or directory",
        "init: nothing does not run: status 127",
        "left:",
    ]));
}

/// Every scene on every processor, each a test of its own.
macro_rules! scenes {
    ($($scene:ident: $($test:ident $processor:literal),*;)*) => {$($(
        #[test]
        fn $test() {
            if let Some(machine) = Machine::new($processor) {
                $scene(&machine);
            }
        }
    )*)*};
}

scenes! {
    bare: bare_x86_64 "X86_64", bare_i686 "I686", bare_aarch64 "AARCH64", bare_armv7 "ARMV7";
    no_console: no_console_x86_64 "X86_64", no_console_i686 "I686", no_console_aarch64 "AARCH64", no_console_armv7 "ARMV7";
    first_process: first_process_x86_64 "X86_64", first_process_i686 "I686", first_process_aarch64 "AARCH64",
        first_process_armv7 "ARMV7";
    twenty: twenty_x86_64 "X86_64", twenty_i686 "I686", twenty_aarch64 "AARCH64", twenty_armv7 "ARMV7";
    example: example_x86_64 "X86_64";
}
