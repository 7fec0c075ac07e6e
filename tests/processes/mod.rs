//! Other processes, as /proc shows them to every test program.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// What /proc/PID/stat says behind the name, from the state on (proc_pid_stat(5)); `None` if there is no such process.
pub fn stat(pid: i32) -> Option<String> {
    let line = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    line.rsplit_once(") ").map(|(_, behind)| behind.to_owned())
}

/// Whether a process runs: a zombie does not.
pub fn is_alive(pid: i32) -> bool {
    stat(pid).is_some_and(|stat| !stat.starts_with(['Z', 'X']))
}

/// The processes that were executed with a path in their words or their environment.
#[allow(dead_code, reason = "not every test program uses it")]
pub fn naming(path: &Path) -> Vec<i32> {
    let path = path.as_os_str().as_bytes();
    let names = |pid: i32, file: &str| {
        let contents = fs::read(format!("/proc/{pid}/{file}")).unwrap_or_default();
        contents.windows(path.len()).any(|window| window == path)
    };
    fs::read_dir("/proc")
        .expect("the tests need /proc")
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|&pid| names(pid, "cmdline") || names(pid, "environ"))
        .collect()
}
