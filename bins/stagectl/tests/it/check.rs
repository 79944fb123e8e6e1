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

pub(crate) const FLY: &str = "\
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
    assert_eq!((run.code, json_of(&run)), (0, json!([])));
}

#[test]
fn findings_of_both_files_are_exit_15() {
    let project = PROJECT.replace("[people]", "[peeple]");
    let dir = folder(&[("understudy.toml", project.as_str()), ("fly.toml", FLY)]);
    let run = stagectl(dir.path(), &["check", "--json"]);
    assert_eq!(run.code, 15);
    let report = json_of(&run);
    let codes: Vec<&Value> = report.as_array().unwrap().iter().map(|f| &f["code"]).collect();
    assert_eq!(codes, ["E0212", "E0102"]);
    assert_eq!(
        report[1],
        json!({
            "severity": "error", "code": "E0102", "file": "understudy.toml", "line": 7, "column": 2,
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
    assert_eq!((run.code, &json_of(&run)[0]["code"]), (2, &json!("E0108")));
    let broken = folder(&[("understudy.toml", "[project\n")]);
    let run = stagectl(broken.path(), &["check", "--json"]);
    assert_eq!((run.code, &json_of(&run)[0]["code"]), (2, &json!("E0101")));
    let without_fly = folder(&[("understudy.toml", PROJECT)]);
    let run = stagectl(without_fly.path(), &["check", "--json"]);
    assert_eq!(run.code, 2);
    let finding = &json_of(&run)[0];
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
fn p9_no_secret_is_printed() {
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

const FILES: &str = "\
app = \"runner\"
machine_config = \"machine.json\"
[http_service]
internal_port = 8080
[[http_service.checks]]
path = \"/healthz\"
[[files]]
guest_path = \"/etc/app.conf\"
local_path = \"deploy/app.conf\"
";

/// `fly deploy` reads them from the disk (fly.md 3.2); here they are read beside the file that names them.
#[test]
fn files_that_fly_toml_names_are_read_beside_it() {
    let machine = r#"{"dns": {"skip_registration": true}}"#;
    let dir = folder(&[
        ("app/fly.toml", FILES),
        ("app/machine.json", machine),
        ("app/deploy/app.conf", "workers = 4\n"),
    ]);
    let run = stagectl(dir.path(), &["check", "--config", "app/fly.toml", "--json"]);
    assert_eq!((run.code, json_of(&run)), (0, json!([])));
    let run = stagectl(dir.path(), &["render", "machines", "--config", "app/fly.toml", "--json"]);
    let config = json_of(&run)["app"].clone();
    // printf 'workers = 4\n' | base64
    assert_eq!(config["files"], json!([{"guest_path": "/etc/app.conf", "raw_value": "d29ya2VycyA9IDQK"}]));
    assert_eq!(config["dns"]["skip_registration"], json!(true));
    assert_eq!(config["services"][0]["internal_port"], json!(8080));

    fs::remove_file(dir.path().join("app/deploy/app.conf")).unwrap();
    fs::write(dir.path().join("app/machine.json"), "{").unwrap();
    let run = stagectl(dir.path(), &["check", "--config", "app/fly.toml", "--json"]);
    let found = json_of(&run);
    let places: Vec<_> = found
        .as_array()
        .unwrap()
        .iter()
        .map(|f| (&f["severity"], &f["code"], &f["line"], &f["column"]))
        .collect();
    let error = &json!("error");
    let expected =
        [(error, &json!("E0105"), &json!(2), &json!(18)), (error, &json!("E0108"), &json!(9), &json!(14))];
    assert_eq!((run.code, places.as_slice()), (2, expected.as_slice()), "{found}");
    assert_eq!(stagectl(dir.path(), &["render", "machines", "--config", "app/fly.toml"]).code, 2);
}

#[test]
fn a_suite_whose_file_is_not_there_is_named_where_it_stands() {
    let listed = format!("{PROJECT}[suites.smoke]\nfile = \"tests/smoke.toml\"\n");
    let asked = format!(
        "{PROJECT}[promotion.staging.production]\nsuites = [\"load\"]\napprovals = {{ count = 0 }}\n"
    );
    for (project, place, name) in
        [(&listed, (10, 8), "tests/smoke.toml"), (&asked, (10, 10), "tests/load.toml")]
    {
        let dir = folder(&[("understudy.toml", project.as_str()), ("fly.toml", FLY)]);
        let run = stagectl(dir.path(), &["check", "--json"]);
        let found = json_of(&run);
        let missing = found.as_array().unwrap().iter().find(|f| f["code"] == "E0108").unwrap();
        assert_eq!((&missing["line"], &missing["column"]), (&json!(place.0), &json!(place.1)), "{found}");
        assert!(missing["message"].as_str().unwrap().contains(name), "{found}");
        fs::create_dir(dir.path().join("tests")).unwrap();
        fs::write(dir.path().join(name), "").unwrap();
        let run = stagectl(dir.path(), &["check", "--json"]);
        assert!(!run.stdout.contains("E0108"), "{}", run.stdout);
    }
}

/// What may never end is not read at all, and of the rest no more than 1 MiB.
#[test]
fn only_files_of_a_reasonable_size_are_read() {
    let dir = folder(&[("large.toml", &"# \n".repeat(400_000)), ("most.toml", &"#\n".repeat(1 << 19))]);
    let pipe = dir.path().join("pipe.toml");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    for (file, said) in [
        ("/dev/zero", "no regular file"),
        ("pipe.toml", "no regular file"),
        ("large.toml", "1 MiB"),
        (".", "directory"),
    ] {
        for args in [["check", "--config", file, "--json"], ["check", "--project", file, "--json"]] {
            let run = stagectl(dir.path(), &args);
            let found = json_of(&run);
            assert_eq!((run.code, &found[0]["code"]), (2, &json!("E0108")), "{file}: {found}");
            assert!(found[0]["message"].as_str().unwrap().contains(said), "{file}: {found}");
        }
    }
    assert_eq!(stagectl(dir.path(), &["check", "--config", "most.toml"]).code, 15, "1 MiB is not too much");
}

/// P11: two names with one value behind them are one token.
#[test]
fn p11_tokens_that_are_equal_are_found_where_they_can_be_read() {
    let dir = folder(&[("understudy.toml", PROJECT), ("fly.toml", FLY)]);
    let check = |production: &str, staging: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_stagectl"));
        command.args(["check", "--json"]).current_dir(dir.path());
        let tokens = [("FLY_TOKEN_PRODUCTION", production), ("FLY_TOKEN_STAGING", staging)];
        let output = command.envs(tokens).output().unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    let (code, said) = check("hunter2", "hunter2");
    assert_eq!(code, Some(15), "{said}");
    for part in ["E0207", "env:FLY_TOKEN_PRODUCTION", "env:FLY_TOKEN_STAGING", "[shared]"] {
        assert!(said.contains(part), "`{part}` is missing in {said}");
    }
    assert!(!said.contains("hunter2"), "{said}");
    assert_eq!(check("hunter2", "hunter3"), (Some(0), "[]\n".to_owned()));
    assert_eq!(check("", ""), (Some(0), "[]\n".to_owned()), "what is not set is not known");
    let shared = format!("{PROJECT}[shared]\nsecrets = [\"env:FLY_TOKEN_STAGING\"]\n");
    fs::write(dir.path().join("understudy.toml"), shared).unwrap();
    assert_eq!(check("hunter2", "hunter2"), (Some(0), "[]\n".to_owned()), "said to be shared");
}

#[test]
fn who_approves_by_ssh_needs_a_key_that_is_believed() {
    let person = format!("ssh:SHA256:{}", "a".repeat(43));
    let project = PROJECT.replace("github:583231", &person);
    let dir = folder(&[("understudy.toml", project.as_str()), ("fly.toml", FLY)]);
    let codes = || {
        let run = stagectl(dir.path(), &["check", "--json"]);
        let found = json_of(&run);
        let codes = found.as_array().unwrap().iter().map(|it| it["code"].as_str().unwrap().to_owned());
        (run.code, codes.collect::<Vec<_>>())
    };
    assert_eq!(codes(), (15, vec!["E0407".to_owned()]));
    fs::create_dir(dir.path().join(".understudy")).unwrap();
    let signers = dir.path().join(".understudy/allowed_signers");
    fs::write(&signers, "# nobody yet\n").unwrap();
    assert_eq!(codes(), (15, vec!["E0407".to_owned()]));
    fs::write(&signers, "mira ssh-ed25519 AAAA\n").unwrap();
    assert_eq!(codes(), (0, Vec::new()));
}

#[test]
fn a_suite_asks_components_only() {
    let project = format!("{PROJECT}[suites.smoke]\nfile = \"tests/smoke.toml\"\n");
    let suite = "name = \"smoke\"\ntarget = \"app\"\n[[case]]\nname = \"c\"\n[[case.step]]\nrequest = \"GET /\"\nexpect.status = 200\n";
    let files = [("understudy.toml", project.as_str()), ("fly.toml", FLY), ("tests/smoke.toml", suite)];
    let dir = folder(&files);
    let run = stagectl(dir.path(), &["check", "--json"]);
    let found = json_of(&run);
    assert_eq!(
        (run.code, &found[0]["code"], &found[0]["file"]),
        (15, &json!("E0408"), &json!("tests/smoke.toml"))
    );
    assert_eq!((&found[0]["line"], &found[0]["column"]), (&json!(2), &json!(10)));
    let said = found[0]["message"].as_str().unwrap();
    assert!(said.contains("`app`") && said.contains("there are `api`"), "{said}");
    fs::write(dir.path().join("tests/smoke.toml"), suite.replace("\"app\"", "\"api\"")).unwrap();
    assert_eq!(stagectl(dir.path(), &["check"]).code, 0);
}

const DEPLOY: &str = "\
name: Fly Deploy
on:
  push:
    branches: [main]
jobs:
  deploy:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v4
      - uses: superfly/flyctl-actions/setup-flyctl@master
      - run: flyctl deploy --remote-only
        env:
          FLY_API_TOKEN: ${{ secrets.FLY_API_TOKEN }}
";

#[test]
fn workflows_beside_the_project_file_are_checked_with_it() {
    let dir = folder(&[
        ("understudy.toml", PROJECT),
        ("fly.toml", FLY),
        (".github/workflows/fly-deploy.yml", DEPLOY),
        (".github/workflows/README.md", "no workflow"),
    ]);
    let list = |run: &Run| -> Vec<(String, String)> {
        let findings: Vec<Value> = serde_json::from_str(&run.stdout).unwrap();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        findings.iter().map(|finding| (text(&finding["file"]), text(&finding["code"]))).collect()
    };
    let all = stagectl(dir.path(), &["check", "--json"]);
    assert_eq!(all.code, 15, "{}", all.stderr);
    let of_workflow: Vec<_> = list(&all).into_iter().filter(|(file, _)| file.contains("workflows")).collect();
    let file = ".github/workflows/fly-deploy.yml".to_owned();
    assert!(of_workflow.contains(&(file, "E0507".to_owned())), "production is built anew: {of_workflow:?}");
    assert_eq!(of_workflow.iter().filter(|(_, code)| code == "E0501").count(), 2, "{of_workflow:?}");

    let alone = stagectl(dir.path(), &["check", "--workflows", ".github/workflows", "--json"]);
    assert_eq!((alone.code, list(&alone)), (15, of_workflow));
    fs::write(dir.path().join("understudy.toml"), "[components").unwrap();
    let broken = stagectl(dir.path(), &["check", "--workflows", ".github/workflows", "--json"]);
    let told = [("understudy.toml".to_owned(), "E0101".to_owned())];
    assert_eq!((broken.code, list(&broken)), (2, told.to_vec()), "nobody guesses whose apps are whose");
    fs::remove_file(dir.path().join("understudy.toml")).unwrap();
    let nowhere = stagectl(dir.path(), &["check", "--workflows", "nowhere"]);
    assert_eq!(nowhere.code, 2);
    assert!(nowhere.stdout.contains("`nowhere` cannot be read"), "{}", nowhere.stdout);
}
