//! Exit codes, streams, pipes and panics.

use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::process::{Command, Output, Stdio};

pub(crate) fn sample(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_clikit-sample"));
    command.args(args).env_remove("RUST_BACKTRACE").stdin(Stdio::null());
    command
}

fn run(args: &[&str]) -> (i32, String, String) {
    let Output { status, stdout, stderr } = sample(args).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code().unwrap(), text(stdout), text(stderr))
}

#[test]
fn data_goes_to_stdout_and_progress_to_stderr() {
    let (code, stdout, stderr) = run(&["show", "--project", "x.toml"]);
    assert_eq!((code, stdout.as_str()), (0, "project \"x.toml\"\n"));
    assert!(stderr.starts_with("[   0.") && stderr.ends_with("s] looking\n"), "{stderr}");
}

#[test]
fn the_common_arguments_stand_before_or_after_the_verb() {
    for args in [["--json", "--store", "s3://b", "show"], ["show", "--json", "--store", "s3://b"]] {
        let (code, stdout, _) = run(&args);
        assert_eq!((code, stdout.as_str()), (0, "{\"project\":\"understudy.toml\",\"store\":\"s3://b\"}\n"));
    }
}

#[test]
fn a_refusal_says_what_why_and_what_helps() {
    let (code, stdout, stderr) = run(&["refuse"]);
    assert_eq!((code, stdout.as_str()), (3, ""));
    assert_eq!(
        stderr,
        "error: production is frozen\n  why: frozen by ann: release party\n  \
         help: promote unlock --env production\n"
    );
}

#[test]
fn programs_get_exactly_one_object_however_it_ends() {
    for (args, want) in [
        (vec!["refuse", "--json"], 3),
        (vec!["half", "--json"], 5),
        (vec!["show", "--json", "--nonsense"], 2),
        (vec!["panic", "--json"], 1),
    ] {
        let (code, stdout, stderr) = run(&args);
        assert_eq!(code, want, "{args:?}: {stderr}");
        let value: Value =
            serde_json::from_str(&stdout).unwrap_or_else(|e| panic!("{args:?}: {e}: {stdout}"));
        assert_eq!(value["ok"], Value::Bool(false), "{args:?}");
        assert!(stderr.contains("error: "), "{args:?}: {stderr}");
    }
}

#[test]
fn bad_usage_is_two_and_help_is_zero() {
    let (code, stdout, stderr) = run(&["--nonsense"]);
    assert_eq!((code, stdout.as_str()), (2, ""));
    assert!(stderr.contains("--nonsense") && stderr.contains("Usage:"), "{stderr}");
    let (code, _, _) = run(&[]);
    assert_eq!(code, 2);
    let (code, stdout, stderr) = run(&["--help"]);
    assert_eq!((code, stderr.as_str()), (0, ""));
    assert!(stdout.contains("--project <FILE>"), "{stdout}");
    assert!(!stdout.contains('\u{1b}'), "colour without a terminal");
}

#[test]
fn a_reader_that_leaves_early_is_no_error() {
    let mut child = sample(&["flood"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, "line 0\n");
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), String::from_utf8(output.stderr).unwrap()), (Some(0), String::new()));
}

/// Where stdout leads is the caller's choice, as the arguments are: 2, and no provider that could come back.
#[test]
fn a_full_disk_is_told() {
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let output = sample(&["show"]).stdout(full).output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{stderr}");
    assert!(stderr.contains("cannot write to stdout") && stderr.contains("No space left"), "{stderr}");
}

#[test]
fn a_result_that_nobody_could_read_still_says_how_it_came_out() {
    for args in [["sad"].as_slice(), &["sad", "--json"]] {
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let output = sample(args).stdout(full).output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(6), "{stderr}");
        assert!(stderr.contains("cannot write to stdout"), "{stderr}");
    }
    assert_eq!(run(&["sad"]), (6, "it is bad\n".to_owned(), String::new()));
}

#[test]
fn p9_a_panic_is_our_bug_and_keeps_secrets() {
    let (code, _, stderr) = run(&["panic"]);
    assert_eq!(code, 1);
    assert!(stderr.contains("this is our bug") && stderr.contains("sample.rs:"), "{stderr}");
    assert!(stderr.contains("a literal message"), "{stderr}");
    let (code, stdout, stderr) = run(&["panic", "fo1_secret"]);
    assert_eq!(code, 1);
    assert!(!stdout.contains("fo1_secret") && !stderr.contains("fo1_secret"), "{stderr}");
    let output = sample(&["panic", "fo1_secret"]).env("RUST_BACKTRACE", "1").output().unwrap();
    assert!(!String::from_utf8(output.stderr).unwrap().contains("fo1_secret"));
}
