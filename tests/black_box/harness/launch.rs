//! A launch of bgexec, described step by step, and how it ended.

#![allow(unsafe_code, reason = "Command::pre_exec: a caller's state can be set in no other way")]

use std::env;
use std::ffi::{CStr, CString, OsStr};
use std::fs::File;
use std::io::{self, Read, Seek};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::PoisonError;

use rustix::fs::Mode;
use rustix::io::{Errno, fcntl_dupfd_cloexec};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit, setsid, umask};

use super::sandbox::FORKING;
use super::{Role, eventually, kernel, probe, process};

/// The error that all new calls fail with, if the environment variable BGEXEC_REFUSE names one: ENOSYS as from an old kernel,
/// or EPERM as from a container's filter.
fn old_kernel() -> Option<Errno> {
    match env::var("BGEXEC_REFUSE").as_deref() {
        Err(_) => None,
        Ok("ENOSYS") => Some(Errno::NOSYS),
        Ok("EPERM") => Some(Errno::PERM),
        Ok(other) => panic!("BGEXEC_REFUSE is ENOSYS or EPERM, not {other}"),
    }
}

/// A command line and the state of the one who types it.
pub struct Launch {
    command: Command,
    sandbox: PathBuf,
    /// Anonymous files that take what is written to stdout and stderr: unlike a pipe they cannot keep the test waiting
    /// when a daemon holds them open.
    stdout: File,
    stderr: File,
}

impl Launch {
    /// A launch of a program by an ordinary caller.
    pub fn new(program: &Path, sandbox: &Path) -> Self {
        let anonymous = || tempfile::tempfile().expect("a temporary file can be made");
        let clone = |file: &File| file.try_clone().expect("a descriptor is free");
        let (stdout, stderr) = (anonymous(), anonymous());
        let mut command = Command::new(program);
        command
            .env("BGEXEC_SANDBOX", sandbox)
            .current_dir(sandbox)
            .stdin(Stdio::null())
            .stdout(clone(&stdout))
            .stderr(clone(&stderr));
        let launch = Self { command, sandbox: sandbox.to_owned(), stdout, stderr };
        let launch = launch.before_exec(kernel::become_ordinary);
        match old_kernel() {
            // The runtime is not what is tested, and cannot do without all of those calls.
            Some(errno) if !program.ends_with("runc") => launch.before_exec(move || kernel::refuse_new_calls(errno)),
            _ => launch,
        }
    }

    pub fn words<W: AsRef<OsStr>>(mut self, words: impl IntoIterator<Item = W>) -> Self {
        self.command.args(words);
        self
    }

    /// Executes the probe: it writes its report, then does what the verbs say.
    pub fn probe<'v>(self, verbs: impl IntoIterator<Item = &'v str>) -> Self {
        self.probe_as("report", verbs)
    }

    /// Executes the probe, which gives its report a name of its own.
    pub fn probe_as<'v>(self, report: &str, verbs: impl IntoIterator<Item = &'v str>) -> Self {
        self.words([probe()]).reporting(report, verbs)
    }

    /// Tells the probe, which is already named, to write its report, then to do what the verbs say.
    pub fn reporting<'v>(self, report: &str, verbs: impl IntoIterator<Item = &'v str>) -> Self {
        let report = self.sandbox.join(report);
        self.words([Path::new("report"), &report]).words(verbs)
    }

    /// Executes the probe, which blocks every signal before it writes its report, then does what the verbs say.
    pub fn blocking_probe<'v>(self, verbs: impl IntoIterator<Item = &'v str>) -> Self {
        self.words([probe()]).words(["block"]).reporting("report", verbs)
    }

    /// Executes the probe, which blocks every signal before it writes its report, and keeps a record of those that come.
    pub fn recording(self) -> Self {
        let record = self.sandbox.join("record");
        self.blocking_probe(["record"]).words([record])
    }

    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    pub fn env_remove(mut self, name: &str) -> Self {
        self.command.env_remove(name);
        self
    }

    pub fn env_clear(mut self) -> Self {
        self.command.env_clear();
        self
    }

    pub fn directory(mut self, directory: impl AsRef<Path>) -> Self {
        self.command.current_dir(directory);
        self
    }

    pub fn stdin(mut self, stdin: impl Into<Stdio>) -> Self {
        self.command.stdin(stdin);
        self
    }

    pub fn stdout(mut self, stdout: impl Into<Stdio>) -> Self {
        self.command.stdout(stdout);
        self
    }

    pub fn stderr(mut self, stderr: impl Into<Stdio>) -> Self {
        self.command.stderr(stderr);
        self
    }

    /// Does something between fork and exec, after all that was said before.
    ///
    /// A closure makes system calls only, since other threads of the tests may hold any lock at the fork.
    pub fn before_exec(mut self, step: impl FnMut() -> io::Result<()> + Send + Sync + 'static) -> Self {
        // SAFETY: no caller's closure does more than is said above.
        unsafe { self.command.pre_exec(step) };
        self
    }

    pub fn closed(self, numbers: impl IntoIterator<Item = i32> + Clone + Send + Sync + 'static) -> Self {
        self.before_exec(move || {
            numbers.clone().into_iter().for_each(kernel::close);
            Ok(())
        })
    }

    /// Opens descriptors of these numbers for bgexec to inherit.
    pub fn descriptors(
        self,
        numbers: impl IntoIterator<Item = i32> + Clone + Send + Sync + 'static,
        file: impl Into<OwnedFd>,
    ) -> Self {
        // Out of the way of the numbers that tests ask for.
        let file = fcntl_dupfd_cloexec(file.into(), 512).expect("a descriptor is free");
        self.before_exec(move || {
            let mut numbers = numbers.clone().into_iter();
            numbers.try_for_each(|number| kernel::duplicate(file.as_raw_fd(), number))
        })
    }

    pub fn ignoring(self, signals: impl IntoIterator<Item = i32> + Clone + Send + Sync + 'static) -> Self {
        self.before_exec(move || signals.clone().into_iter().try_for_each(kernel::ignore))
    }

    pub fn blocking(self, signals: impl IntoIterator<Item = i32> + Clone + Send + Sync + 'static) -> Self {
        self.before_exec(move || signals.clone().into_iter().try_for_each(kernel::block))
    }

    /// With a signal that came when nobody could take it.
    pub fn pending(self, signal: i32) -> Self {
        self.blocking([signal]).before_exec(move || kernel::send(rustix::process::getpid().as_raw_pid(), signal))
    }

    pub fn umask(self, mask: u32) -> Self {
        self.before_exec(move || {
            umask(Mode::from_raw_mode(mask));
            Ok(())
        })
    }

    /// Sets a soft limit, and the hard one if it has to be higher.
    pub fn limit(self, resource: Resource, soft: u64) -> Self {
        self.before_exec(move || {
            let maximum = getrlimit(resource).maximum.map(|hard| hard.max(soft));
            Ok(setrlimit(resource, Rlimit { current: Some(soft), maximum })?)
        })
    }

    pub fn leading_session(self) -> Self {
        self.before_exec(|| Ok(setsid().map(drop)?))
    }

    pub fn leading_group(mut self) -> Self {
        self.command.process_group(0);
        self
    }

    /// By a launcher that leads a process group, or by one that does not.
    pub fn in_role(self, role: Role) -> Self {
        if role == Role::Leader { self.leading_group() } else { self }
    }

    pub fn by_user(self, id: u32) -> Self {
        self.before_exec(move || kernel::become_user(id))
    }

    pub fn by_member(self, id: u32, groups: &'static [u32]) -> Self {
        self.before_exec(move || kernel::become_member(id, groups))
    }

    /// In a user namespace that has one user and one group: those of the one who launches, under another number.
    pub fn in_user_namespace(self, inside: u32, outside: u32) -> Self {
        let map = format!("{inside} {outside} 1");
        self.before_exec(move || kernel::leave_users(&map))
    }

    /// Where /etc/passwd and /etc/group are others.
    pub fn accounts(self, passwd: &Path, group: &Path) -> Self {
        let path = |path: &Path| CString::new(path.as_os_str().as_bytes()).expect("no NUL in a path");
        let (passwd, group) = (path(passwd), path(group));
        self.before_exec(move || {
            kernel::leave_mounts()?;
            kernel::cover(c"/etc/passwd", &passwd)?;
            kernel::cover(c"/etc/group", &group)
        })
    }

    pub fn being_pid_1(self) -> Self {
        self.before_exec(kernel::become_pid_1)
    }

    /// Where a directory is empty.
    pub fn hiding(self, directory: &'static CStr) -> Self {
        self.before_exec(kernel::leave_mounts).before_exec(move || kernel::hide(directory))
    }

    /// Where /proc shows nobody the processes of others.
    pub fn hiding_processes(self) -> Self {
        self.before_exec(kernel::leave_mounts).before_exec(|| kernel::mount_proc(c"hidepid=2"))
    }

    /// Where a filter refuses a system call.
    pub fn refused(self, refusal: kernel::Refusal) -> Self {
        self.before_exec(move || kernel::refuse(refusal))
    }

    /// Runs it to its end.
    #[track_caller]
    pub fn run(self) -> Output {
        self.spawn().wait()
    }

    /// Lets it run.
    #[track_caller]
    pub fn spawn(mut self) -> Running {
        let _others = FORKING.read().unwrap_or_else(PoisonError::into_inner);
        let child = self.command.spawn().unwrap_or_else(|error| panic!("{:?}: {error}", self.command));
        Running { child, stdout: self.stdout, stderr: self.stderr }
    }
}

/// A launch under way.
pub struct Running {
    child: Child,
    stdout: File,
    stderr: File,
}

impl Running {
    pub fn pid(&self) -> i32 {
        self.child.id().try_into().expect("a pid is a small number")
    }

    /// Kills it.
    pub fn end(self) {
        process::kill(self.pid());
        self.wait();
    }

    /// How it ended.
    #[track_caller]
    pub fn wait(mut self) -> Output {
        let status = eventually("the launch ends", || self.child.try_wait().expect("it is a child"));
        let text = |mut file: File| {
            let mut bytes = Vec::new();
            file.rewind().and_then(|()| file.read_to_end(&mut bytes)).expect("a file can be read");
            String::from_utf8_lossy(&bytes).into_owned()
        };
        Output { status, stdout: text(self.stdout), stderr: text(self.stderr) }
    }
}

/// How a launch ended and what it said.
#[derive(Debug)]
pub struct Output {
    pub status: ExitStatus,
    pub stdout: String,
    pub stderr: String,
}

impl Output {
    /// Success, without a word.
    #[track_caller]
    pub fn assert_started(&self) {
        assert_eq!((self.status.code(), &*self.stdout, &*self.stderr), (Some(0), "", ""));
    }

    /// Failure with a status and exactly the line `bgexec: unable to MESSAGE`.
    #[track_caller]
    pub fn assert_unable(&self, status: i32, message: &str) {
        let line = format!("bgexec: unable to {message}\n");
        assert_eq!((self.status.code(), &*self.stdout, &*self.stderr), (Some(status), "", &*line));
    }

    /// Failure with a status and one line that starts with `bgexec: unable to BEGINNING`.
    #[track_caller]
    pub fn assert_unable_to(&self, status: i32, beginning: &str) {
        assert_eq!((self.status.code(), &*self.stdout), (Some(status), ""), "{}", self.stderr);
        let start = format!("bgexec: unable to {beginning}");
        assert!(self.stderr.starts_with(&start), "{:?} starts {:?}", start, self.stderr);
        assert_eq!(self.stderr.find('\n'), Some(self.stderr.len() - 1), "one line: {}", self.stderr);
    }
}
