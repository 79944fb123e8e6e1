//! `stagectl check`: exit codes and what is printed.

use std::{fs, path::Path, process::Command};

use serde_json::{Value, json};
use tempfile::TempDir;

const PROJECT: &str = "\
[components.api]
config = \"fly.toml\"
[environments.production]
api.app = \"runner\"
[environments.staging]
api.app = \"runner-staging\"
[people]
leads = [\"github:583231\"]
";

const FLY: &str = "\
app = \"runner\"
[http_service]
internal_port = 8080
[[http_service.checks]]
path = \"/healthz\"
";

pub(crate) struct Run {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

pub(crate) fn stagectl(dir: &Path, args: &[&str]) -> Run {
    let output = Command::new(env!("CARGO_BIN_EXE_stagectl")).args(args).current_dir(dir).output().unwrap();
    Run {
        code: output.status.code().unwrap(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

pub(crate) fn folder(files: &[(&str, &str)]) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = dir.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    dir
}

pub(crate) fn json_of(run: &Run) -> Value {
    assert_eq!(run.stderr, "");
    serde_json::from_str(&run.stdout).unwrap()
}

#[test]
fn a_right_project_is_exit_0() {
    let dir = folder(&[("understudy.toml", PROJECT), ("fly.toml", FLY)]);
    let run = stagectl(dir.path(), &["check"]);
    assert_eq!((run.code, run.stdout.as_str(), run.stderr.as_str()), (0, "nothing found\n", ""));
    let run = stagectl(dir.path(), &["check", "--json"]);
    assert_eq!((run.code, json_of(&run)), (0, json!({"ok": true, "findings": []})));
}

#[test]
fn findings_of_both_files_are_exit_15() {
    let project = PROJECT.replace("[people]", "[peeple]");
    let dir = folder(&[("understudy.toml", project.as_str()), ("fly.toml", FLY)]);
    let run = stagectl(dir.path(), &["check", "--json"]);
    assert_eq!(run.code, 15);
    let report = json_of(&run);
    assert_eq!(report["ok"], json!(false));
    let codes: Vec<&Value> = report["findings"].as_array().unwrap().iter().map(|f| &f["code"]).collect();
    assert_eq!(codes, ["E0212", "E0102"]);
    assert_eq!(
        report["findings"][1],
        json!({
            "severity": "error", "code": "E0102", "file": "understudy.toml", "line": 7, "column": 2, "key": "peeple",
            "message": "unknown key `peeple`; the file has no such section or key; did you mean `people`?",
        })
    );
}

#[test]
fn a_fly_toml_is_found_beside_the_project_file_and_named_as_seen_from_here() {
    let fly = FLY.replace("[[http_service.checks]]\npath = \"/healthz\"\n", "max_machines_running = 1\n");
    let dir = folder(&[("app/understudy.toml", PROJECT), ("app/fly.toml", fly.as_str())]);
    let run = stagectl(dir.path(), &["check", "--project", "app/understudy.toml"]);
    assert_eq!(run.code, 15);
    let lines: Vec<&str> = run.stdout.lines().collect();
    assert!(lines[0].starts_with("SEVERITY"), "{}", run.stdout);
    assert!(lines[1].starts_with("warning") && lines[1].contains("app/fly.toml:4:1"), "{}", run.stdout);
    assert!(lines[2].contains("E0402") && lines[2].contains("no health check"), "{}", run.stdout);
    let absolute = dir.path().join("app/understudy.toml");
    assert_eq!(stagectl(Path::new("/"), &["check", "--project", absolute.to_str().unwrap()]).code, 15);
}

#[test]
fn what_cannot_be_read_is_exit_2() {
    let empty = folder(&[]);
    let run = stagectl(empty.path(), &["check", "--json"]);
    assert_eq!((run.code, &json_of(&run)["findings"][0]["code"]), (2, &json!("E0108")));
    let broken = folder(&[("understudy.toml", "[project\n")]);
    let run = stagectl(broken.path(), &["check", "--json"]);
    assert_eq!((run.code, &json_of(&run)["findings"][0]["code"]), (2, &json!("E0101")));
    let without_fly = folder(&[("understudy.toml", PROJECT)]);
    let run = stagectl(without_fly.path(), &["check", "--json"]);
    assert_eq!(run.code, 2);
    let finding = &json_of(&run)["findings"][0];
    assert_eq!(
        (&finding["code"], &finding["line"], &finding["column"]),
        (&json!("E0108"), &json!(2), &json!(10))
    );
    let binary = folder(&[("understudy.toml", PROJECT)]);
    fs::write(binary.path().join("fly.toml"), [0xff, 0xfe]).unwrap();
    assert_eq!(stagectl(binary.path(), &["check"]).code, 2);
}

#[test]
fn a_note_is_printed_and_is_no_finding() {
    let project = format!("{PROJECT}[components.db]\nmigrations = \"m\"\n")
        .replace("api.app = \"runner\"\n", "api.app = \"runner\"\ndb.project = \"abcdefghijklmnopqrst\"\n");
    let dir = folder(&[("understudy.toml", project.as_str()), ("fly.toml", FLY)]);
    let run = stagectl(dir.path(), &["check"]);
    assert_eq!(run.code, 0, "{}", run.stdout);
    assert!(run.stdout.contains("note"), "{}", run.stdout);
}

#[test]
fn no_secret_is_printed() {
    let project = PROJECT.replace(
        "[environments.staging]\n",
        "[environments.staging]\nfly = { token = \"hunter2hunter2\", orgg = 1 }\n",
    );
    let dir = folder(&[("understudy.toml", project.as_str()), ("fly.toml", FLY)]);
    for args in [&["check"][..], &["check", "--json"]] {
        let run = stagectl(dir.path(), args);
        assert_eq!(run.code, 15);
        assert!(!format!("{}{}", run.stdout, run.stderr).contains("hunter2"), "{}", run.stdout);
    }
}

#[test]
fn bad_usage_is_exit_2() {
    let dir = folder(&[]);
    assert_eq!(stagectl(dir.path(), &["chek"]).code, 2);
    assert_eq!(stagectl(dir.path(), &["--help"]).code, 0);
}

/// docs/exit-codes.md: a stdout that takes nothing is 2.
#[test]
fn a_full_stdout_is_told() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("understudy.toml"), PROJECT).unwrap();
    fs::write(dir.path().join("fly.toml"), FLY).unwrap();
    let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_stagectl"));
    let output = command.arg("check").current_dir(dir.path()).stdout(full).output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(stderr.contains("cannot write to stdout"), "{stderr}");
    assert_eq!(output.status.code(), Some(2), "{stderr}");
}
