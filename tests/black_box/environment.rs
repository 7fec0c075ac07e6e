//! The environment: inherited, changed, or empty.

use std::ffi::{CString, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::harness::{Launch, Sandbox, bgexec, kernel, probe};

/// A launch with an environment of three variables.
fn launch(sandbox: &Sandbox, options: &[&str]) -> Launch {
    sandbox.bgexec(options).env_clear().env("A", "1").env("AB", "2").env("B", "=3")
}

#[track_caller]
fn assert_environment(options: &[&str], expected: &[&str]) {
    let sandbox = Sandbox::new();
    launch(&sandbox, options).probe(["stay"]).run().assert_started();
    let mut environment = sandbox.report().environment;
    environment.sort();
    assert_eq!(environment, expected, "{options:?}");
}

#[test]
fn is_inherited() {
    assert_environment(&[], &["A=1", "AB=2", "B==3"]);
}

#[test]
fn variable_is_replaced() {
    assert_environment(&["-E", "A=new"], &["A=new", "AB=2", "B==3"]);
    assert_environment(&["--env=AB="], &["A=1", "AB=", "B==3"]);
    assert_environment(&["-EB=a=b"], &["A=1", "AB=2", "B=a=b"]);
}

#[test]
fn variable_is_added() {
    assert_environment(&["-E", "C=4", "-E", "ABC=5"], &["A=1", "AB=2", "ABC=5", "B==3", "C=4"]);
}

#[test]
fn last_value_of_a_variable_counts() {
    assert_environment(&["-E", "A=2", "-E", "C=3", "-E", "A=4", "-E", "C=5"], &["A=4", "AB=2", "B==3", "C=5"]);
}

#[test]
fn variable_that_was_inherited_twice_is_there_once_after_a_change() {
    let sandbox = Sandbox::new();
    let words = [&bgexec(), Path::new("-E"), Path::new("A=3"), &probe(), Path::new("report"), &sandbox.path("report")]
        .map(|word| CString::new(word.as_os_str().as_bytes()).expect("no NUL in a word"));
    let launch = sandbox.bgexec(&[]).before_exec(move || {
        let words = words.each_ref().map(CString::as_c_str);
        Err(kernel::execute(words[0], &words, &[c"A=1", c"B=2", c"A=2"]))
    });
    launch.run().assert_started();
    let mut environment = sandbox.report().environment;
    environment.sort();
    assert_eq!(environment, ["A=3", "B=2"]);
}

#[test]
fn variable_is_removed() {
    assert_environment(&["--unset", "A"], &["AB=2", "B==3"]);
    assert_environment(&["--unset=A", "--unset=B", "--unset=none"], &["AB=2"]);
}

#[test]
fn last_word_on_a_variable_counts() {
    assert_environment(&["--unset", "A", "-E", "A=2"], &["A=2", "AB=2", "B==3"]);
    assert_environment(&["-E", "A=2", "--unset", "A"], &["AB=2", "B==3"]);
}

#[test]
fn is_cleared_of_all_that_was_inherited() {
    assert_environment(&["--clear-env"], &[]);
    assert_environment(&["--clear-env", "-E", "C=4"], &["C=4"]);
    assert_environment(&["-E", "C=4", "--clear-env"], &["C=4"]);
    assert_environment(&["-E", "A=4", "--clear-env", "--unset", "B", "-E", "D=5"], &["A=4", "D=5"]);
}

#[test]
fn many_variables_are_set() {
    let sandbox = Sandbox::new();
    let options: Vec<String> = (0..500).map(|number| format!("-EV{number:03}={number}")).collect();
    let launch = launch(&sandbox, &["--clear-env"]).words(&options);
    launch.probe(["stay"]).run().assert_started();
    let mut environment = sandbox.report().environment;
    environment.sort();
    let expected: Vec<OsString> = (0..500).map(|number| format!("V{number:03}={number}").into()).collect();
    assert_eq!(environment, expected);
}

#[test]
fn as_large_as_the_kernel_allows_is_passed_on() {
    let sandbox = Sandbox::new();
    let mut launch = sandbox.bgexec(&["-E", "A=1", "--unset", "V3"]).env_clear();
    for number in 0..15 {
        launch = launch.env(&format!("V{number}"), "x".repeat(120_000));
    }
    launch.probe(["stay"]).run().assert_started();
    let environment = sandbox.report().environment;
    assert_eq!(environment.len(), 15);
    assert!(environment.contains(&"A=1".into()));
    assert_eq!(environment.iter().filter(|entry| entry.len() > 120_000).count(), 14);
}

#[test]
fn what_is_no_variable_is_refused() {
    for word in ["A", "", "=1", "="] {
        let output = Sandbox::new().bgexec(&["-E", word, "true"]).run();
        output.assert_unable_to(125, &format!("use -E {word}: "));
    }
    for word in ["A=1", "", "="] {
        let output = Sandbox::new().bgexec(&["--unset", word, "true"]).run();
        output.assert_unable_to(125, &format!("use --unset {word}: "));
    }
}
