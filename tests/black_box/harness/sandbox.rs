//! A directory for one test, with everything that the test starts.

use std::ffi::OsStr;
use std::fs::{self, File, Permissions};
use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{PoisonError, RwLock};
use std::thread;
use std::time::SystemTime;

use rustix::process::Signal;
use tempfile::TempDir;

use super::{Launch, Legacy, Report, Role, bgexec, bgexec_command, eventually, probe, process};

/// A file that is to be executed must not be open for writing in a child which another test has just forked: it would be
/// "Text file busy". So those who write such files and those who fork take turns.
pub static FORKING: RwLock<()> = RwLock::new(());

/// Does something while no test is between fork and exec.
pub fn between_forks<T>(action: impl FnOnce() -> T) -> T {
    let _alone = FORKING.write().unwrap_or_else(PoisonError::into_inner);
    action()
}

/// A directory that nobody else uses. At its end every process is killed that was executed with its path in a word, as
/// each probe is, or in the environment, as all is that was launched from here.
pub struct Sandbox(TempDir);

impl Sandbox {
    pub fn new() -> Self {
        let directory = tempfile::Builder::new()
            .prefix("bgexec-")
            .permissions(Permissions::from_mode(0o755))
            .tempdir()
            .expect("a temporary directory can be made");
        Self(directory)
    }

    /// The directory.
    pub fn directory(&self) -> &Path {
        self.0.path()
    }

    /// A path in the directory.
    pub fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.directory().join(name)
    }

    /// A launch from this directory; what it is to execute is still to be said.
    pub fn bgexec(&self, options: &[&str]) -> Launch {
        self.command(&bgexec_command()).words(options)
    }

    /// A launch of the program that a command line begins with, with its first words.
    pub fn command(&self, words: &[PathBuf]) -> Launch {
        self.launch(&words[0]).words(&words[1..])
    }

    /// The beginning of a command line for any user: bgexec where all may execute it.
    pub fn bgexec_for_all(&self) -> Vec<PathBuf> {
        let mut words = bgexec_command();
        words.pop();
        words.push(self.copy_program(&bgexec()));
        words
    }

    /// One program that is bgexec, also where it takes another to run it.
    pub fn bgexec_program(&self) -> PathBuf {
        match &*bgexec_command() {
            [runner, bgexec] => self
                .write_program("bgexec", format!("#!/bin/sh\nexec {} {} \"$@\"\n", runner.display(), bgexec.display())),
            _ => bgexec(),
        }
    }

    /// The same by a probe, which runs as a subreaper to see what is left in the end: see [`Sandbox::legacy`].
    pub fn adopted(&self, role: Role, options: &[&str]) -> Launch {
        let role = if role == Role::Leader { "leader" } else { "member" };
        let launch = self.launch(&probe()).words([OsStr::new("adopt"), self.path("legacy").as_os_str()]);
        launch.words([role]).words(bgexec_command()).words(options)
    }

    /// What the launch of [`Sandbox::adopted`] left.
    #[track_caller]
    pub fn legacy(&self) -> Legacy {
        Legacy::parse(&self.read("legacy"))
    }

    /// A launch of any program from this directory.
    pub fn launch(&self, program: &Path) -> Launch {
        Launch::new(program, self.directory())
    }

    /// Starts a probe that stays as a daemon, and returns what it found.
    #[track_caller]
    pub fn start(&self, options: &[&str]) -> Report {
        self.bgexec(options).probe(["stay"]).run().assert_started();
        self.report()
    }

    /// The report of the probe, which writes it a moment after its launch.
    #[track_caller]
    pub fn report(&self) -> Report {
        Report::parse(&self.eventually_read("report"))
    }

    /// Waits until the file `record` holds just this.
    #[track_caller]
    pub fn assert_recorded(&self, record: &str) {
        eventually(record, || (self.exists("record") && self.read("record") == record).then_some(()));
    }

    /// The contents of a file that is not there yet, or has no whole line: a shell creates one before it writes to it.
    #[track_caller]
    pub fn eventually_read(&self, name: &str) -> String {
        eventually(name, || fs::read_to_string(self.path(name)).ok().filter(|text| text.ends_with('\n')))
    }

    /// Waits for a file, whatever it holds.
    #[track_caller]
    pub fn await_file(&self, name: &str) {
        eventually(name, || self.exists(name).then_some(()));
    }

    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    pub fn exists(&self, name: &str) -> bool {
        fs::symlink_metadata(self.path(name)).is_ok()
    }

    /// The permissions of a file.
    pub fn mode(&self, name: &str) -> u32 {
        let metadata = fs::metadata(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
        metadata.permissions().mode() & 0o7777
    }

    /// The pid in a pidfile.
    #[track_caller]
    pub fn pid(&self, pidfile: &str) -> i32 {
        let contents = self.read(pidfile);
        let digits = contents.strip_suffix('\n').expect("a newline ends a pidfile");
        digits.parse().expect("a pidfile holds a number")
    }

    pub fn write(&self, name: &str, contents: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, contents).expect("the sandbox can be written to");
        path
    }

    /// Makes a file one that was last written then.
    pub fn set_modified(&self, name: &str, time: SystemTime) {
        let file = File::options().append(true).open(self.path(name)).expect("it is there");
        file.set_modified(time).expect("it is ours");
    }

    pub fn make_directory(&self, name: &str) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(&path).expect("the sandbox can be written to");
        path
    }

    /// Makes a directory that every user may write to.
    pub fn make_open_directory(&self, name: &str) -> PathBuf {
        let path = self.make_directory(name);
        fs::set_permissions(&path, Permissions::from_mode(0o777)).expect("it is ours");
        path
    }

    /// Writes a file that can be executed.
    pub fn write_program(&self, name: &str, contents: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        let options = File::options().write(true).create(true).truncate(true).mode(0o755).clone();
        between_forks(|| options.open(&path).and_then(|mut file| file.write_all(contents.as_ref())))
            .expect("the sandbox can be written to");
        path
    }

    /// A copy of a program, for users who may not enter the directory of the original.
    pub fn copy_program(&self, original: &Path) -> PathBuf {
        let name = original.file_name().and_then(OsStr::to_str).expect("a program has a name");
        let contents = fs::read(original).expect("the program can be read");
        self.write_program(name, contents)
    }

    /// A script that becomes a probe: it stays, after it has written the report with the words given to the script.
    pub fn write_script(&self, name: &str, first_line: &str) -> PathBuf {
        let (probe, report) = (probe(), self.path("report"));
        let body = format!("exec {} report {} stay \"$0\" \"$@\"\n", probe.display(), report.display());
        self.write_program(name, format!("{first_line}\n{body}"))
    }

    /// Whether no process is left that was launched from here.
    pub fn is_deserted(&self) -> bool {
        process::naming(self.directory()).is_empty()
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        // A second panic would end the whole program, and with it what other tests have to say.
        let kill = if thread::panicking() { |pid| process::signal(pid, Signal::KILL) } else { process::kill };
        process::naming(self.directory()).into_iter().for_each(kill);
    }
}
