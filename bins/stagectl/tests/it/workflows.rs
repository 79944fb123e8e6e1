//! `stagectl render workflows`: which files it writes, and which it leaves alone. What is in them is tested where they are
//! written and where they are run.

use std::{fs, path::Path};

use serde_json::json;
use tempfile::TempDir;

use crate::check::{FLY, Run, folder, json_of, stagectl};

const PROJECT: &str = "\
[store]
url = \"env:UNDERSTUDY_STORE\"
key = \"env:RUNNER_KEY\"
[ci]
action = \"acme/understudy@11bd71901bbe5b1630ceea73d27597364c9af683\"
[components.api]
config = \"fly.toml\"
[environments.production]
api.app = \"runner\"
[environments.staging]
api.app = \"runner-staging\"
[environments.develop]
branch = \"develop\"
api.app = \"runner-develop\"
[people]
leads = [\"github:583231\"]
";

const FILES: [&str; 5] = [
    "understudy-deploy-develop.yml",
    "understudy-deploy-staging.yml",
    "understudy-guard.yml",
    "understudy-promote-production.yml",
    "understudy-rescue.yml",
];

fn team() -> TempDir {
    folder(&[("understudy.toml", PROJECT), ("fly.toml", FLY)])
}

fn names(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir.join(".github/workflows")).into_iter().flatten();
    let mut names: Vec<String> = entries.map(|it| it.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn render(dir: &Path, args: &[&str]) -> Run {
    stagectl(dir, &[&["render", "workflows"], args].concat())
}

#[test]
fn what_is_written_is_kept_and_what_is_not_ours_is_left() {
    let dir = team();
    let at = |name: &str| dir.path().join(".github/workflows").join(name);
    assert_eq!(render(dir.path(), &["--check"]).code, 15);
    assert_eq!(render(dir.path(), &["--dry-run"]).code, 0);
    assert_eq!(names(dir.path()), [""; 0], "neither writes anything");
    let written = render(dir.path(), &[]);
    assert_eq!((written.code, names(dir.path())), (0, FILES.map(str::to_owned).to_vec()));
    let told = ".github/workflows/understudy-guard.yml written";
    assert!(written.stdout.contains(told), "{}", written.stdout);
    let kept = "GitHub's environment `production` keeps: AWS_ACCESS_KEY_ID, ";
    assert!(
        written.stdout.contains(kept) && written.stdout.contains("FLY_TOKEN_PRODUCTION"),
        "{}",
        written.stdout
    );

    // A second run changes nothing.
    let before = fs::metadata(at(FILES[0])).unwrap().modified().unwrap();
    let again = json_of(&render(dir.path(), &["--json"]));
    assert_eq!(
        (&again["ok"], &again["files"][0]["differs"], &again["left"]),
        (&json!(true), &json!(false), &json!([]))
    );
    assert_eq!(fs::metadata(at(FILES[0])).unwrap().modified().unwrap(), before);
    assert_eq!(render(dir.path(), &["--check"]).code, 0);
    assert_eq!(stagectl(dir.path(), &["check"]).code, 0, "our own rules find nothing");

    // One that somebody changed, one whose environment is gone, and one that is not ours.
    fs::write(at("ci.yml"), "on: push\njobs: {}\n").unwrap();
    let text = fs::read_to_string(at(FILES[2])).unwrap();
    fs::write(at(FILES[2]), text.replace("timeout-minutes: 10", "timeout-minutes: 100")).unwrap();
    let less =
        PROJECT.replace("[environments.develop]\nbranch = \"develop\"\napi.app = \"runner-develop\"\n", "");
    fs::write(dir.path().join("understudy.toml"), less).unwrap();
    let check = render(dir.path(), &["--check"]);
    assert_eq!(check.code, 15);
    for part in [
        "-    timeout-minutes: 100",
        "understudy-deploy-develop.yml is not written any more",
        "stagectl render workflows",
    ] {
        assert!(check.stdout.contains(part), "{part}: {}", check.stdout);
    }
    assert_eq!(names(dir.path()).len(), 6, "a check writes nothing");
    assert_eq!(render(dir.path(), &[]).code, 0);
    assert_eq!(names(dir.path()), [&["ci.yml"], &FILES[1..]].concat());
    assert_eq!(fs::read_to_string(at(FILES[2])).unwrap(), text);
}

#[test]
fn a_file_of_somebody_else_is_not_written_over() {
    let dir = team();
    fs::create_dir_all(dir.path().join(".github/workflows")).unwrap();
    let guard = dir.path().join(".github/workflows/understudy-guard.yml");
    fs::write(&guard, "name: My own guard\n").unwrap();
    let run = render(dir.path(), &[]);
    assert_eq!(run.code, 2);
    assert!(
        run.stderr.contains("`.github/workflows/understudy-guard.yml` is somebody else's"),
        "{}",
        run.stderr
    );
    assert_eq!(names(dir.path()), ["understudy-guard.yml"], "and nothing else is written either");
    let latin = b"# caf\xe9\nname: My own guard\n";
    fs::write(&guard, latin).unwrap();
    let run = render(dir.path(), &[]);
    assert!(run.code == 2 && run.stderr.contains("is there and cannot be read"), "{}", run.stderr);
    assert_eq!(fs::read(&guard).unwrap(), latin);
    fs::write(&guard, "name: My own guard\n").unwrap();
    assert_eq!(fs::read_to_string(&guard).unwrap(), "name: My own guard\n");
}

#[test]
fn a_project_below_the_top_has_its_workflows_at_the_top() {
    let dir = folder(&[
        ("app/understudy.toml", PROJECT),
        ("app/fly.toml", FLY),
        (".git/HEAD", "ref: refs/heads/main\n"),
    ]);
    let app = dir.path().join("app");
    let run = render(&app, &[]);
    assert_eq!((run.code, names(dir.path()).len(), names(&app).len()), (0, 5, 0), "{}", run.stderr);
    let deploy = dir.path().join(".github/workflows/understudy-app-deploy-staging.yml");
    let deploy = fs::read_to_string(deploy).unwrap();
    // A second project in the repository has its own files.
    for (name, text) in [("understudy.toml", PROJECT), ("fly.toml", FLY)] {
        fs::create_dir_all(dir.path().join("other")).unwrap();
        fs::write(dir.path().join("other").join(name), text.replace("runner", "other")).unwrap();
    }
    assert_eq!((render(&dir.path().join("other"), &[]).code, names(dir.path()).len()), (0, 10));
    assert_eq!(render(&app, &["--check"]).code, 0);
    assert!(deploy.contains("working-directory: app\n"), "{deploy}");
    assert_eq!(
        stagectl(dir.path(), &["--project", "app/understudy.toml", "render", "workflows", "--check"]).code,
        0
    );
    // The checks look there, too.
    fs::write(
        dir.path().join(".github/workflows/own.yml"),
        "on: push\njobs: {a: {runs-on: x, steps: [{uses: a/b@v1}]}}\n",
    )
    .unwrap();
    let check = stagectl(&app, &["check"]);
    assert!(check.code == 15 && check.stdout.contains("E0501"), "{}", check.stdout);
}

#[test]
fn what_the_project_file_lacks_is_said() {
    let dir =
        folder(&[("understudy.toml", &PROJECT.replace("key = \"env:RUNNER_KEY\"\n", "")), ("fly.toml", FLY)]);
    let run = render(dir.path(), &[]);
    assert_eq!(run.code, 2);
    for part in [
        "no workflow can be written: [store] has no `key`",
        "why: ",
        "help: `key = \"env:UNDERSTUDY_RUNNER_KEY\"`",
    ] {
        assert!(run.stderr.contains(part), "{part}: {}", run.stderr);
    }
}
