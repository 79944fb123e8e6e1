//! `stagectl render`, and `stagectl check --config`.

use std::{fs, path::PathBuf};

use serde_json::{Value, json};

use crate::check::{folder, json_of, stagectl};

const PROJECT: &str = "\
[components.api]
config = \"fly.toml\"
[environments.production]
api.app = \"runner\"
[environments.staging]
api.app = \"runner-staging\"
api.overlay = { env = { APP_ENV = \"staging\" }, min_machines_running = 0 }
[people]
leads = [\"github:583231\"]
";

const FLY: &str = "\
app = \"runner\" # production
[env]
APP_ENV = \"production\"
[processes]
app = \"bin/web\"
worker = \"bin/worker\"
[http_service]
internal_port = 8080
min_machines_running = 1
processes = [\"app\"]
";

/// What `render fly` makes of the two: the app and what the overlay names, and nothing else (comments and order stay).
const STAGING: &str = "\
# Written by `stagectl render fly --env staging` from fly.toml and the project file; changes here are lost.
app = \"runner-staging\" # production
[env]
APP_ENV = \"staging\"
[processes]
app = \"bin/web\"
worker = \"bin/worker\"
[http_service]
internal_port = 8080
min_machines_running = 0
processes = [\"app\"]
";

/// fly.md 3.3: the command of a group is `init.cmd`; `http_service` is one tcp service with the ports 80 and 443; `env`
/// gains `FLY_PROCESS_GROUP`; and nothing that only a release knows (image, release id, version) is there.
#[test]
fn machines_are_printed_by_process_group() {
    let dir = folder(&[("fly.toml", FLY)]);
    let metadata = |group: &str| json!({"fly_platform_version": "v2", "fly_process_group": group});
    let worker = json!({
        "env": {"APP_ENV": "production", "FLY_PROCESS_GROUP": "worker"},
        "metadata": metadata("worker"), "init": {"cmd": ["bin/worker"]},
    });
    let app = json!({
        "env": {"APP_ENV": "production", "FLY_PROCESS_GROUP": "app"},
        "metadata": metadata("app"), "init": {"cmd": ["bin/web"]},
        "services": [{
            "protocol": "tcp", "internal_port": 8080, "min_machines_running": 1,
            "ports": [{"port": 80, "handlers": ["http"]}, {"port": 443, "handlers": ["http", "tls"]}],
        }],
    });
    let run = stagectl(dir.path(), &["render", "machines", "--json"]);
    assert_eq!((run.code, json_of(&run)), (0, json!({"app": app, "worker": worker})));
    let run = stagectl(dir.path(), &["render", "machines", "--group", "worker"]);
    assert_eq!((run.code, json_of(&run)), (0, json!({"worker": worker})));
    assert!(run.stdout.contains("\n  \"worker\": {\n"), "for people it is indented: {}", run.stdout);
}

#[test]
fn a_group_or_file_that_is_not_there_is_bad_usage() {
    let dir = folder(&[("fly.toml", FLY), ("bad.toml", "[http_service]\n")]);
    let run = stagectl(dir.path(), &["render", "machines", "--group", "web"]);
    assert_eq!(run.code, 2);
    assert!(run.stderr.contains("`app`, `worker`"), "{}", run.stderr);
    assert_eq!(stagectl(dir.path(), &["render", "machines", "--config", "none.toml"]).code, 2);
    let run = stagectl(dir.path(), &["render", "machines", "--config", "bad.toml"]);
    assert_eq!(run.code, 2);
    assert!(
        run.stderr.contains("E0104") && run.stderr.contains("stagectl check --config bad.toml"),
        "{}",
        run.stderr
    );
}

#[test]
fn an_environment_s_file_is_written_over_production_s() {
    let dir = folder(&[("understudy.toml", PROJECT), ("fly.toml", FLY)]);
    let run = stagectl(dir.path(), &["render", "fly", "--env", "staging", "--dry-run"]);
    assert_eq!((run.code, run.stdout.as_str()), (0, STAGING));
    assert!(!dir.path().join("fly.staging.toml").exists());
    let run = stagectl(dir.path(), &["render", "fly", "--env", "staging"]);
    assert_eq!((run.code, run.stdout.as_str()), (0, "fly.staging.toml written\n"));
    assert_eq!(fs::read_to_string(dir.path().join("fly.staging.toml")).unwrap(), STAGING);
    assert_eq!(fs::read_to_string(dir.path().join("fly.toml")).unwrap(), FLY);
    let run = stagectl(dir.path(), &["render", "fly", "--env", "staging", "--check"]);
    assert_eq!((run.code, run.stdout.as_str()), (0, "fly.staging.toml is up to date\n"));
}

/// What is derived from a right file is right.
#[test]
fn a_rendered_file_passes_its_check() {
    let fly =
        format!("{FLY}[checks.alive]\ntype = \"tcp\"\nport = 8080\nprocesses = [\"app\", \"worker\"]\n");
    let dir = folder(&[("understudy.toml", PROJECT), ("fly.toml", fly.as_str())]);
    assert_eq!(stagectl(dir.path(), &["render", "fly", "--env", "staging"]).code, 0);
    let run = stagectl(dir.path(), &["check", "--config", "fly.staging.toml"]);
    assert_eq!((run.code, run.stdout.as_str()), (0, "nothing found\n"));
}

#[test]
fn a_check_shows_what_differs_and_writes_nothing() {
    let old = STAGING.replace("\"staging\"", "\"stagging\"");
    let dir = folder(&[("understudy.toml", PROJECT), ("fly.toml", FLY), ("fly.staging.toml", old.as_str())]);
    let run = stagectl(dir.path(), &["render", "fly", "--env", "staging", "--check"]);
    assert_eq!(run.code, 15);
    let lines: Vec<&str> = run.stdout.lines().filter(|line| line.starts_with(['-', '+', '@'])).collect();
    assert_eq!(
        lines,
        [
            "--- fly.staging.toml on disk",
            "+++ fly.staging.toml as it should be",
            "@@ line 4 @@",
            "-APP_ENV = \"stagging\"",
            "+APP_ENV = \"staging\"",
        ]
    );
    assert!(run.stdout.contains("to write it: stagectl render fly --env staging"), "{}", run.stdout);
    assert_eq!(fs::read_to_string(dir.path().join("fly.staging.toml")).unwrap(), old);
    let run = stagectl(dir.path(), &["render", "fly", "--env", "staging", "--check", "--json"]);
    let report = json_of(&run);
    assert_eq!((run.code, &report["ok"]), (15, &json!(false)));
    assert_eq!(
        report["files"][0],
        json!({"component": "api", "file": "fly.staging.toml", "differs": true, "text": STAGING})
    );
    // A file that is not there differs too.
    let dir = folder(&[("understudy.toml", PROJECT), ("fly.toml", FLY)]);
    assert_eq!(stagectl(dir.path(), &["render", "fly", "--env", "staging", "--check"]).code, 15);
}

#[test]
fn two_components_of_one_file_are_written_to_two() {
    let project = PROJECT
        .replace(
            "[environments.production]",
            "[components.jobs]\nconfig = \"fly.toml\"\n[environments.production]",
        )
        .replace(
            "api.app = \"runner-staging\"\n",
            "api.app = \"runner-staging\"\njobs.app = \"jobs-staging\"\n",
        );
    let dir = folder(&[("app/understudy.toml", project.as_str()), ("app/fly.toml", FLY)]);
    let args = ["render", "fly", "--env", "staging", "--project", "app/understudy.toml"];
    let run = stagectl(dir.path(), &args);
    assert_eq!(
        (run.code, run.stdout.as_str()),
        (0, "app/fly.api.staging.toml written\napp/fly.jobs.staging.toml written\n")
    );
    let text = fs::read_to_string(dir.path().join("app/fly.jobs.staging.toml")).unwrap();
    assert!(
        text.contains("app = \"jobs-staging\" # production\n[env]\nAPP_ENV = \"production\"\n"),
        "{text}"
    );
    let run = stagectl(dir.path(), &[&args[..], &["--component", "jobs", "--check"]].concat());
    assert_eq!((run.code, run.stdout.as_str()), (0, "app/fly.jobs.staging.toml is up to date\n"));
}

#[test]
fn what_cannot_be_rendered_is_bad_usage() {
    let json = PROJECT.replace("fly.toml", "fly.json");
    let dir =
        folder(&[("understudy.toml", PROJECT), ("fly.toml", FLY), ("json.toml", &json), ("fly.json", "{}")]);
    for (args, said) in [
        (&["render", "fly", "--env", "stagin"][..], "`production`, `staging`"),
        (&["render", "fly", "--env", "staging", "--component", "db"], "nothing of `staging`"),
        (&["render", "fly", "--env", "staging", "--project", "none.toml"], "cannot be read"),
        (&["render", "fly", "--env", "staging", "--project", "json.toml"], "only TOML can be written over"),
        (&["render", "fly", "--env", "staging", "--check", "--dry-run"], "cannot be used with"),
    ] {
        let run = stagectl(dir.path(), args);
        assert_eq!(run.code, 2, "{args:?}");
        assert!(run.stderr.contains(said), "{args:?}: {}", run.stderr);
    }
}

/// Without a project file, by the file's own name; notes are no findings.
#[test]
fn one_file_is_checked_by_itself() {
    let dir = folder(&[
        ("fly.yml", "app = \"x\"\n"),
        ("note.json", r#"{"env": {"A": 1}, "checks": {"a": {"type": "tcp", "port": 1}}}"#),
    ]);
    let run = stagectl(dir.path(), &["check", "--config", "fly.yml", "--json"]);
    assert_eq!(run.code, 15);
    let finding = &json_of(&run)[0];
    assert_eq!((&finding["code"], &finding["file"]), (&json!("E0109"), &json!("fly.yml")));
    let run = stagectl(dir.path(), &["check", "--config", "note.json", "--json"]);
    assert_eq!((run.code, &json_of(&run)[0]["code"]), (0, &json!("E0309")));
    let run = stagectl(dir.path(), &["check", "--config", "none.toml"]);
    assert_eq!(run.code, 2);
}

/// The same files and expectations as those of `envconfig`, through the program.
#[test]
fn the_program_says_of_every_file_what_is_expected() {
    let root = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../crates/envconfig/tests/fly"));
    let mut n_files = 0;
    for case in fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path()) {
        let name = ["fly.toml", "fly.json", "fly.yaml", "fly.yml"];
        let file = name.into_iter().find(|name| case.join(name).exists()).unwrap();
        let text = fs::read_to_string(case.join("expected.toml")).unwrap();
        let expected: toml::Table = text.parse().unwrap_or_else(|error| panic!("{case:?}: {error}"));
        let wanted = serde_json::to_value(&expected["findings"]).unwrap();
        let is_error = |said: &Value| said.as_str().unwrap().starts_with("error");
        let has_errors = wanted.as_array().unwrap().iter().any(is_error);

        let run = stagectl(&case, &["check", "--config", file, "--json"]);
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let said = |f: &Value| {
            format!("{} {} {}:{}", text(&f["severity"]), text(&f["code"]), f["line"], f["column"])
        };
        let found: Vec<String> = json_of(&run).as_array().unwrap().iter().map(said).collect();
        assert_eq!(json!(found), wanted, "{case:?}");

        let run = stagectl(&case, &["render", "machines", "--config", file, "--json"]);
        assert_eq!(run.code, if has_errors { 2 } else { 0 }, "{case:?}: {}", run.stderr);
        if !has_errors {
            let groups: Vec<&String> = expected["groups"].as_table().unwrap().keys().collect();
            let mut found: Vec<String> = json_of(&run).as_object().unwrap().keys().cloned().collect();
            found.sort();
            let mut wanted: Vec<String> = groups.into_iter().cloned().collect();
            wanted.sort();
            assert_eq!(found, wanted, "{case:?}");
        }
        n_files += 1;
    }
    assert!(n_files >= 60, "{n_files}");
}
