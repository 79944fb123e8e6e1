//! `stagectl eject`: what it says before it talks to anybody. What it does is tested with `promote`, against a stand-in.

use crate::check::{folder, stagectl};

const PROJECT: &str = "\
[project]
name = \"runner\"
[components.api]
config = \"fly.toml\"
[environments.production]
fly = { token = \"file:token\" }
api.app = \"runner\"
";
const FLY: &str = "app = \"runner\"\n[http_service]\ninternal_port = 8080\n";

#[test]
fn an_environment_is_named_and_known() {
    let dir = folder(&[("understudy.toml", PROJECT), ("fly.toml", FLY), ("token", "abc")]);
    let run = stagectl(dir.path(), &["eject"]);
    assert_eq!(run.code, 2);
    assert!(run.stderr.contains("--env"), "{}", run.stderr);
    let run = stagectl(dir.path(), &["eject", "--env", "stagin", "--store", "sqlite:u.db", "--json"]);
    let told: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!((run.code, told["ok"].as_bool()), (2, Some(false)));
    assert!(run.stdout.contains("no environment `stagin`"), "{}", run.stdout);
}

#[test]
fn without_a_project_file_it_says_where_to_run() {
    let dir = folder(&[]);
    let run = stagectl(dir.path(), &["eject", "--env", "production"]);
    assert_eq!(run.code, 2);
    assert!(run.stderr.contains("--project FILE"), "{}", run.stderr);
}

#[test]
fn its_help_says_what_changes_and_what_does_not() {
    let dir = folder(&[]);
    let run = stagectl(dir.path(), &["eject", "--help"]);
    assert_eq!(run.code, 0);
    let help = run.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
    for part in ["--destroy-parked", "--dry-run", "--reason", "--key", "restarted", "promote adopt"] {
        assert!(help.contains(part), "`{part}` is missing in {help}");
    }
}
