//! Which file is executed, and how it is said that none was: 126, 127 and the reason.

use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::path::Path;

use rustix::fs::{AtFlags, CWD, unlinkat};

use crate::harness::{Sandbox, is_root};

const SCRIPT: &str = "#!/bin/sh";

/// A word that says which of the tools it is that runs.
fn write_tool(sandbox: &Sandbox, directory: &str) {
    sandbox.make_directory(directory);
    sandbox.write_script(&format!("{directory}/tool"), SCRIPT);
}

/// The path of the script that ran.
fn script_that_ran(sandbox: &Sandbox) -> std::path::PathBuf {
    let words = sandbox.report().words;
    assert_eq!(words[3], "stay");
    words[4].clone().into()
}

mod path {
    use super::*;

    #[test]
    fn is_searched_for_a_name_without_a_slash() {
        let sandbox = Sandbox::new();
        write_tool(&sandbox, "a");
        write_tool(&sandbox, "b");
        let (none, a, b) = (sandbox.path("none"), sandbox.path("a"), sandbox.path("b"));
        let path = format!("{}:{}:{}", none.display(), b.display(), a.display());
        sandbox.bgexec(&["tool"]).env("PATH", path).run().assert_started();
        assert_eq!(script_that_ran(&sandbox), b.join("tool"));
    }

    #[test]
    fn is_the_daemons_own() {
        let sandbox = Sandbox::new();
        write_tool(&sandbox, "a");
        write_tool(&sandbox, "b");
        let path = format!("PATH={}", sandbox.path("b").display());
        sandbox.bgexec(&["-E", &path, "tool"]).env("PATH", sandbox.path("a")).run().assert_started();
        assert_eq!(script_that_ran(&sandbox), sandbox.path("b/tool"));
    }

    #[test]
    fn search_goes_on_after_what_cannot_be_executed() {
        let sandbox = Sandbox::new();
        sandbox.make_directory("directory/tool");
        sandbox.make_directory("plain");
        sandbox.write("plain/tool", "not executable");
        sandbox.write("file", "not a directory");
        sandbox.make_directory("loop");
        symlink("tool", sandbox.path("loop/tool")).expect("the sandbox can be written to");
        write_tool(&sandbox, "good");
        let long = "x".repeat(5000);
        let elements = ["none", "file", "directory", "plain", "loop", &long, "good"];
        let path = elements.map(|name| sandbox.path(name).display().to_string()).join(":");
        sandbox.bgexec(&["tool"]).env("PATH", path).run().assert_started();
        assert_eq!(script_that_ran(&sandbox), sandbox.path("good/tool"));
    }

    #[test]
    fn permission_denied_is_what_is_said_if_nothing_better_comes() {
        let sandbox = Sandbox::new();
        sandbox.make_directory("plain");
        sandbox.make_directory("empty");
        sandbox.write("plain/tool", "not executable");
        let output = sandbox.bgexec(&["tool"]).env("PATH", "plain:empty").run();
        output.assert_unable(126, "execute tool: Permission denied");
    }

    #[test]
    fn without_the_name_is_not_found() {
        let sandbox = Sandbox::new();
        sandbox.write("file", "not a directory");
        let output = sandbox.bgexec(&["tool"]).env("PATH", "none:file").run();
        output.assert_unable(127, "execute tool: No such file or directory");
    }

    #[test]
    fn empty_element_is_the_directory_of_the_start() {
        for path in ["", ":none", "none:", "none::none"] {
            let sandbox = Sandbox::new();
            write_tool(&sandbox, ".");
            sandbox.bgexec(&["tool"]).env("PATH", path).run().assert_started();
            assert!(script_that_ran(&sandbox).ends_with("tool"), "PATH={path:?}");
        }
    }

    #[test]
    fn relative_element_is_in_the_directory_of_the_start() {
        let sandbox = Sandbox::new();
        write_tool(&sandbox, "bin");
        sandbox.bgexec(&["tool"]).env("PATH", "bin").run().assert_started();
        assert!(script_that_ran(&sandbox).ends_with("bin/tool"));
    }

    #[test]
    fn relative_and_empty_elements_are_in_the_directory_of_chdir() {
        for path in ["bin", "bin:", ""] {
            let sandbox = Sandbox::new();
            write_tool(&sandbox, "there/bin");
            write_tool(&sandbox, "there");
            let output = sandbox.bgexec(&["-c", "there", "tool"]).env("PATH", path).run();
            output.assert_started();
            assert_eq!(sandbox.report().cwd, sandbox.path("there"), "PATH={path:?}");
        }
    }

    #[test]
    fn unset_is_the_usual_one() {
        let sandbox = Sandbox::new();
        sandbox.bgexec(&["true"]).env_remove("PATH").run().assert_started();
        sandbox.bgexec(&["--unset", "PATH", "true"]).env("PATH", "none").run().assert_started();
        sandbox.bgexec(&["--clear-env", "true"]).env("PATH", "none").run().assert_started();
    }

    #[test]
    fn may_be_as_long_as_the_kernel_allows() {
        let sandbox = Sandbox::new();
        write_tool(&sandbox, "good");
        let path = "/none:".repeat(20_000) + "good";
        sandbox.bgexec(&["tool"]).env("PATH", path).run().assert_started();
        assert!(script_that_ran(&sandbox).ends_with("good/tool"));
    }
}

mod relative_path {
    use super::*;

    #[test]
    fn is_relative_to_the_directory_of_the_start() {
        let sandbox = Sandbox::new();
        sandbox.write_script("server", SCRIPT);
        sandbox.bgexec(&["./server"]).run().assert_started();
        assert_eq!(sandbox.report().cwd, Path::new("/"));
        assert!(script_that_ran(&sandbox).ends_with("server"));
    }

    #[test]
    fn is_relative_to_the_directory_of_chdir() {
        let sandbox = Sandbox::new();
        sandbox.make_directory("there");
        sandbox.write_script("there/server", SCRIPT);
        sandbox.bgexec(&["-c", "there", "./server"]).run().assert_started();
        assert_eq!(sandbox.report().cwd, sandbox.path("there"));
        assert_eq!(script_that_ran(&sandbox), Path::new("./server"));
    }

    #[test]
    fn of_the_start_is_not_looked_for_after_chdir() {
        let sandbox = Sandbox::new();
        sandbox.make_directory("there");
        sandbox.write_script("server", SCRIPT);
        let output = sandbox.bgexec(&["-c", "there", "./server"]).run();
        output.assert_unable(127, "execute ./server: No such file or directory");
    }

    #[test]
    fn keeps_its_name_as_the_first_word() {
        let sandbox = Sandbox::new();
        let probe = sandbox.copy_program(&crate::harness::probe());
        let name = Path::new(".").join(probe.file_name().expect("it has a name"));
        let report = sandbox.path("report");
        let words = [&name, Path::new("report"), &report, Path::new("stay")];
        sandbox.bgexec(&[]).words(words).run().assert_started();
        assert_eq!(sandbox.report().words[0], name);
    }
}

mod deleted_directory {
    use super::*;
    use crate::harness::Launch;

    /// A launch from a directory that is removed before bgexec starts.
    fn launch(sandbox: &Sandbox, options: &[&str]) -> Launch {
        let directory = sandbox.make_directory("deleted");
        let launch = sandbox.bgexec(options).directory(&directory);
        launch.before_exec(move || Ok(unlinkat(CWD, &directory, AtFlags::REMOVEDIR)?))
    }

    #[test]
    fn does_not_matter_to_absolute_paths() {
        let sandbox = Sandbox::new();
        launch(&sandbox, &[]).probe(["stay"]).run().assert_started();
        assert_eq!(sandbox.report().cwd, Path::new("/"));
    }

    #[test]
    fn does_not_matter_to_a_search_among_absolute_elements() {
        let sandbox = Sandbox::new();
        launch(&sandbox, &["true"]).env("PATH", "/usr/bin:/bin").run().assert_started();
    }

    #[test]
    fn does_not_matter_to_what_is_relative_to_chdir() {
        let sandbox = Sandbox::new();
        sandbox.write_script("server", SCRIPT);
        let there = sandbox.directory().display().to_string();
        launch(&sandbox, &["-c", &there, "./server"]).run().assert_started();
        assert_eq!(sandbox.report().cwd, sandbox.directory());
    }

    #[test]
    fn matters_to_a_relative_command() {
        let sandbox = Sandbox::new();
        let output = launch(&sandbox, &["./server"]).run();
        output.assert_unable(127, "execute ./server: No such file or directory");
    }

    #[test]
    fn matters_to_a_relative_file() {
        let sandbox = Sandbox::new();
        let output = launch(&sandbox, &["-p", "x.pid"]).probe(["stay"]).run();
        output.assert_unable(125, "open x.pid: No such file or directory");
    }
}

mod script_without_interpreter_line {
    use super::*;

    #[test]
    fn is_run_by_the_shell() {
        let sandbox = Sandbox::new();
        sandbox.write_script("script", "# a comment");
        sandbox.bgexec(&["./script", "-a", "", "b c"]).run().assert_started();
        let words = sandbox.report().words;
        assert!(Path::new(&words[4]).ends_with("script"));
        assert_eq!(words[5..], ["-a", "", "b c"]);
    }

    #[test]
    fn is_run_by_the_shell_from_path() {
        let sandbox = Sandbox::new();
        sandbox.write_script("script", "");
        sandbox.bgexec(&["script", "word"]).env("PATH", sandbox.directory()).run().assert_started();
        let words = sandbox.report().words;
        assert_eq!(words[4..], [sandbox.path("script").as_os_str(), "word".as_ref()]);
    }

    #[test]
    fn may_be_empty() {
        let sandbox = Sandbox::new();
        sandbox.write_program("empty", "");
        sandbox.bgexec(&["./empty"]).run().assert_started();
    }

    #[test]
    fn may_hold_binary_data_further_on() {
        let sandbox = Sandbox::new();
        let text = format!("exit\n{}\0", "#".repeat(300));
        sandbox.write_program("archive", text);
        sandbox.bgexec(&["./archive"]).run().assert_started();
    }

    #[test]
    fn is_no_executable_where_there_is_no_shell() {
        if !is_root() {
            return;
        }
        let sandbox = Sandbox::new();
        sandbox.write_script("script", "");
        let output = sandbox.bgexec(&["./script"]).hiding(c"/bin").run();
        output.assert_unable(126, "execute ./script: Exec format error");
    }
}

mod failure {
    use super::*;

    #[track_caller]
    fn assert_unable(sandbox: &Sandbox, command: &str, status: i32, reason: &str) {
        let output = sandbox.bgexec(&["-p", "x.pid", command, "word"]).run();
        output.assert_unable(status, &format!("execute {command}: {reason}"));
        assert!(!sandbox.exists("x.pid"));
        assert!(sandbox.is_deserted());
    }

    #[test]
    fn nothing_there() {
        assert_unable(&Sandbox::new(), "/nonexistent/cmd", 127, "No such file or directory");
    }

    #[test]
    fn no_name() {
        assert_unable(&Sandbox::new(), "", 127, "No such file or directory");
    }

    #[test]
    fn below_a_file() {
        let sandbox = Sandbox::new();
        sandbox.write("plain", "");
        assert_unable(&sandbox, "./plain/x", 127, "Not a directory");
    }

    #[test]
    fn not_executable() {
        let sandbox = Sandbox::new();
        sandbox.write("plain", "#!/bin/sh\n");
        assert_unable(&sandbox, "./plain", 126, "Permission denied");
    }

    #[test]
    fn directory() {
        assert_unable(&Sandbox::new(), "/", 126, "Permission denied");
    }

    #[test]
    fn symbolic_link_to_itself() {
        let sandbox = Sandbox::new();
        symlink("loop", sandbox.path("loop")).expect("the sandbox can be written to");
        assert_unable(&sandbox, "./loop", 126, "Too many levels of symbolic links");
    }

    #[test]
    fn name_too_long() {
        let name = format!("/{}", "x".repeat(300));
        assert_unable(&Sandbox::new(), &name, 126, "File name too long");
    }

    #[test]
    fn open_for_writing() {
        let sandbox = Sandbox::new();
        let program = sandbox.write_program("program", "#!/bin/sh\n");
        let _writer = File::options().append(true).open(program).expect("it was just written");
        assert_unable(&sandbox, "./program", 126, "Text file busy");
    }

    #[test]
    fn broken_executable() {
        let sandbox = Sandbox::new();
        sandbox.write_program("elf", b"\x7fELFgarbage");
        assert_unable(&sandbox, "./elf", 126, "Exec format error");
    }

    #[test]
    fn binary_of_an_unknown_kind() {
        let sandbox = Sandbox::new();
        let mut bytes = vec![b'x'; 256];
        bytes[255] = 0;
        sandbox.write_program("binary", bytes);
        assert_unable(&sandbox, "./binary", 126, "Exec format error");
    }

    #[test]
    fn interpreter_of_a_script_missing() {
        let sandbox = Sandbox::new();
        for interpreter in ["/nonexistent/interpreter", "/etc/passwd/interpreter"] {
            sandbox.write_program("s", format!("#!{interpreter}\n"));
            assert_unable(&sandbox, "./s", 127, "its interpreter was not found");
        }
    }

    #[test]
    fn interpreter_of_a_script_from_path_missing() {
        let sandbox = Sandbox::new();
        sandbox.write_program("tool", "#!/nonexistent/interpreter\n");
        let output = sandbox.bgexec(&["tool"]).env("PATH", sandbox.directory()).run();
        output.assert_unable(127, "execute tool: its interpreter was not found");
    }

    /// The dynamic loader of an executable from another distribution, or for another C library.
    #[test]
    fn loader_of_an_executable_missing() {
        let sandbox = Sandbox::new();
        let mut program = fs::read(crate::harness::probe()).expect("the probe can be read");
        let loader = b"/lib";
        let place = program.windows(loader.len()).position(|window| window == loader);
        let place = place.expect("the probe is linked dynamically");
        program[place..place + loader.len()].copy_from_slice(b"/bil");
        sandbox.write_program("foreign", program);
        assert_unable(&sandbox, "./foreign", 127, "its interpreter was not found");
    }
}
