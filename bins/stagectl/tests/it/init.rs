//! `stagectl init`, as a process, in repositories of several shapes.

use std::{fs, path::Path, process::Command};

use serde_json::{Value, json};

use crate::check::{Run, folder, json_of, stagectl};

const FLY: &str = "\
app = \"runner\"
[env]
APP_ENV = \"production\"
NODE_ENV = \"production\"
APP_URL = \"https://runner.fly.dev/app\"
OTHER_URL = \"https://my-runner.fly.dev\"
[http_service]
internal_port = 8080
[[http_service.checks]]
path = \"/health\"
";

const LEAD: &str = "github:583231";

fn init(dir: &Path, more: &[&str]) -> Run {
    let args: Vec<&str> = ["init", "--json"].iter().chain(more).copied().collect();
    stagectl(dir, &args)
}

fn states(run: &Run) -> Vec<(String, String)> {
    let files = json_of(run)["files"].as_array().unwrap().clone();
    let of = |file: &Value| {
        (file["file"].as_str().unwrap().to_owned(), file["state"].as_str().unwrap().to_owned())
    };
    files.iter().map(of).collect()
}

fn all(state: &str) -> Vec<(String, String)> {
    ["understudy.toml", "tests/smoke.toml"].map(|file| (file.to_owned(), state.to_owned())).to_vec()
}

/// The project file's text, read.
fn project(dir: &Path) -> toml::Value {
    toml::from_str(&fs::read_to_string(dir.join("understudy.toml")).unwrap()).unwrap()
}

/// The smallest project file, and what `stagectl check` says of it: nothing.
#[test]
fn what_is_written_is_right_and_a_second_run_writes_nothing() {
    let dir = folder(&[("fly.toml", FLY)]);
    let run = init(dir.path(), &["--lead", LEAD]);
    assert_eq!((run.code, states(&run)), (0, all("written")));
    let written = project(dir.path());
    assert_eq!(written["environments"]["production"]["web"]["app"].as_str(), Some("runner"));
    let staging = &written["environments"]["staging"]["web"];
    assert_eq!(staging["app"].as_str(), Some("runner-staging"));
    // How it was built and another app's address are as in production.
    let overlay: toml::Table =
        toml::from_str("APP_ENV = \"staging\"\nAPP_URL = \"https://runner-staging.fly.dev/app\"").unwrap();
    assert_eq!(staging["overlay"]["env"].as_table(), Some(&overlay));
    assert_eq!(written["people"]["leads"].as_array().unwrap()[0].as_str(), Some(LEAD));
    let check = stagectl(dir.path(), &["check"]);
    assert_eq!((check.code, check.stdout.as_str()), (0, "nothing found\n"), "{}", check.stderr);

    let before = fs::read(dir.path().join("understudy.toml")).unwrap();
    let run = init(dir.path(), &[]);
    assert_eq!((run.code, states(&run)), (0, all("unchanged")), "what it says is not asked again");
    assert_eq!(fs::read(dir.path().join("understudy.toml")).unwrap(), before);
}

#[test]
fn what_is_there_is_left_and_the_difference_is_shown() {
    let own = "\
[components.api]
config = \"fly.toml\"
[environments.production]
api.app = \"runner\"
[environments.staging]
api.app = \"runner-two\"
[people]
leads = [\"github:583231\"]
";
    let dir = folder(&[("fly.toml", FLY), ("understudy.toml", own)]);
    let run = init(dir.path(), &[]);
    // A suite that it does not name nobody would read.
    assert_eq!(states(&run), [("understudy.toml".to_owned(), "differs".to_owned())]);
    let report = json_of(&run);
    assert_eq!(report["components"][0]["name"], "api", "its own name");
    assert_eq!(report["components"][0]["staging"], "runner-two");
    assert!(report["files"][0]["diff"].as_str().unwrap().contains("+[suites.smoke]"), "{report}");
    assert_eq!(fs::read_to_string(dir.path().join("understudy.toml")).unwrap(), own);
}

#[test]
fn a_dry_run_writes_nothing_and_shows_it() {
    let dir = folder(&[("fly.toml", FLY)]);
    let run = stagectl(dir.path(), &["init", "--dry-run", "--lead", LEAD]);
    assert_eq!(run.code, 0);
    assert!(run.stdout.contains("understudy.toml: would be written\n    # "), "{}", run.stdout);
    assert!(run.stdout.contains("    [components.web]\n"), "{}", run.stdout);
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
}

/// Where staging has a file of its own, the project file says the same with an overlay: `render fly` reads like it.
#[test]
fn stagings_own_file_becomes_the_overlay() {
    let staging = "\
app = \"runner-test\"
primary_region = \"ams\"
[env]
APP_ENV = \"staging\"
NODE_ENV = \"production\"
APP_URL = \"https://test.example.com\"
OTHER_URL = \"https://my-runner.fly.dev\"
[http_service]
internal_port = 8080
min_machines_running = 0
[[http_service.checks]]
path = \"/health\"
[[vm]]
memory = \"512mb\"
";
    let dir = folder(&[("fly.toml", FLY), ("fly.staging.toml", staging), ("fly.preview.toml", FLY)]);
    let run = init(dir.path(), &["--lead", LEAD]);
    let report = json_of(&run);
    assert_eq!(report["components"][0]["staging"], "runner-test");
    assert_eq!(report["components"][0]["is_assumed"], false);
    let notes = report["notes"].to_string();
    assert!(notes.contains("`fly.preview.toml` is neither"), "{notes}");
    assert!(!notes.contains("no overlay can say"), "{notes}");
    let machines = |file: &str| {
        let run = stagectl(dir.path(), &["render", "machines", "--config", file]);
        serde_json::from_str::<Value>(&run.stdout).unwrap()
    };
    let theirs = machines("fly.staging.toml");
    let render = stagectl(dir.path(), &["render", "fly", "--env", "staging"]);
    assert_eq!(render.code, 0, "{}", render.stderr);
    assert_eq!(machines("fly.staging.toml"), theirs);
}

/// What no overlay can say is named, so that nobody believes it is there.
#[test]
fn what_an_overlay_cannot_say_is_named() {
    let staging = FLY.replace("8080", "9090").replace("NODE_ENV = \"production\"\n", "");
    let dir = folder(&[("fly.toml", FLY), ("fly.staging.toml", &staging)]);
    let run = init(dir.path(), &["--lead", LEAD, "--staging-app", "runner-s"]);
    let notes = json_of(&run)["notes"].to_string();
    assert!(notes.contains("also differs in `services`"), "{notes}");
    let overlay = &project(dir.path())["environments"]["staging"]["web"]["overlay"];
    assert_eq!(overlay["without-env"].as_array().unwrap()[0].as_str(), Some("NODE_ENV"));
}

/// P11: what is production's alone reaches staging neither by the overlay nor by the file that is rendered from it; and what
/// looks like a secret of staging is not copied into a file that it was not in. P9: nothing of it is printed.
#[test]
fn p11_what_only_production_may_have_stays_out_of_staging() {
    let secrets = "\
DATABASE_URL = \"postgres://u:hunter2@db.example.com/prod\"
QUEUE = \"rediss://cache.example.com:6379\"
STRIPE_KEY = \"sk_live_hunter2\"
SUPABASE_URL = \"https://prodprojectref.supabase.co\"
PEER = \"http://runner.internal:80\"
";
    let fly = FLY.replace("[env]\n", &format!("[env]\n{secrets}"));
    let names = ["DATABASE_URL", "PEER", "QUEUE", "STRIPE_KEY", "SUPABASE_URL"];
    let theirs = "app = \"runner-s\"\n[env]\nAPP_ENV = \"staging\"\nAPI_TOKEN = \"hunter2-of-staging\"\n\
                  [http_service]\ninternal_port = 8080\n";
    for (staging, also) in [(None, &[][..]), (Some(theirs), &["NODE_ENV", "APP_URL", "OTHER_URL"][..])] {
        let mut files = vec![("fly.toml", fly.as_str())];
        files.extend(staging.map(|text| ("fly.staging.toml", text)));
        let dir = folder(&files);
        let run = init(dir.path(), &["--lead", LEAD]);
        assert_eq!(run.code, 0, "{}", run.stderr);
        assert!(!format!("{}{}", run.stdout, run.stderr).contains("hunter2"), "{}", run.stdout);
        let written = fs::read_to_string(dir.path().join("understudy.toml")).unwrap();
        assert!(!written.contains("hunter2"), "{written}");
        let overlay = &project(dir.path())["environments"]["staging"]["web"]["overlay"];
        let without: Vec<&str> =
            overlay["without-env"].as_array().unwrap().iter().filter_map(|it| it.as_str()).collect();
        let mut expected = [&names[..], also].concat();
        expected.sort_unstable();
        assert_eq!(without, expected);
        let rendered = stagectl(dir.path(), &["render", "fly", "--env", "staging", "--dry-run"]);
        assert_eq!(rendered.code, 0, "{}", rendered.stderr);
        for name in names {
            assert!(!rendered.stdout.contains(name), "{name}: {}", rendered.stdout);
        }
        let notes = json_of(&run)["notes"].to_string();
        assert!(notes.contains("fly secrets set"), "{notes}");
    }
}

/// Files whose names or places say that they are not production's become no part of it.
#[test]
fn what_is_somebody_elses_environment_is_no_component() {
    let other = |app: &str| FLY.replace("runner", app);
    let dir = folder(&[
        ("deploy/production/fly.toml", FLY),
        ("deploy/staging/fly.toml", &other("runner-two")),
        ("deploy/fly.qa.toml", &other("runner-qa")),
        ("deploy/fly.worker.toml", &other("runner-worker")),
        ("tests/fixtures/fly.toml", "broken = ["),
        ("branch/fly.toml", &other("runner-branch")),
    ]);
    let report = json_of(&init(dir.path(), &["--lead", LEAD]));
    let found = report["components"].as_array().unwrap().iter();
    let found: Vec<_> = found.map(|it| (it["production"].clone(), it["staging"].clone())).collect();
    assert_eq!(
        found,
        [(json!("runner-branch"), json!("runner-branch-staging")), (json!("runner"), json!("runner-two"))]
    );
    let notes = report["notes"].to_string();
    assert!(
        notes.contains("`deploy/fly.qa.toml` is neither")
            && notes.contains("`deploy/fly.worker.toml` may be"),
        "{notes}"
    );
    let check = stagectl(dir.path(), &["check"]);
    assert_eq!((check.code, check.stdout.as_str()), (0, "nothing found\n"), "{}", check.stderr);
}

/// Several apps of one repository have names of their own; what a name says goes before the directory, and that before
/// what it does.
#[test]
fn each_app_of_a_monorepo_is_a_component() {
    let app = |name: &str| FLY.replace("runner", name);
    let worker = "app = \"jobs\"\n[processes]\nworker = \"node worker.js\"\n";
    let (web, api) = (app("shop-web"), app("shop-api"));
    let dir = folder(&[
        ("apps/web/fly.toml", &web),
        ("apps/api/fly.toml", &api),
        ("fly.worker.toml", worker),
        ("node_modules/x/fly.toml", "not = [toml"),
        ("supabase/migrations/1.sql", "select 1;"),
    ]);
    let configs =
        ["apps/web/fly.toml", "apps/api/fly.toml", "fly.worker.toml"].map(|file| ["--config", file]);
    let more = ["--lead", LEAD, "--staging-app", "api=shop-api-two"];
    let run = init(dir.path(), &[configs.as_flattened(), &more].concat());
    let report = json_of(&run);
    let names: Vec<_> =
        report["components"].as_array().unwrap().iter().map(|it| it["name"].clone()).collect();
    assert_eq!(names, [json!("api"), json!("web"), json!("worker")]);
    assert_eq!(report["components"][0]["staging"], "shop-api-two");
    assert!(report["notes"].to_string().contains("`supabase/migrations` has migrations"), "{report}");
    // Nothing proves that a worker without a check works but that it keeps running.
    assert_eq!(project(dir.path())["components"]["worker"]["healthy"]["started-for"].as_str(), Some("30s"));
    let check = stagectl(dir.path(), &["check"]);
    assert_eq!((check.code, check.stdout.as_str()), (0, "nothing found\n"), "{}", check.stderr);
}

/// Your own key, unless others are named: its line stands in the allowed signers, once.
#[test]
fn who_may_approve_is_known_by_a_key() {
    let key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIETkjU5nmho8f6KLUJa+tDNNSB3R/zs4kf63ALeF/GEZ";
    let home = folder(&[(".ssh/id_ed25519.pub", &format!("{key} mira@laptop\n"))]);
    let dir = folder(&[("fly.toml", FLY), (".understudy/allowed_signers", "jo ssh-ed25519 AAAA\n")]);
    let run = |more: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_stagectl"));
        command.args(["init", "--json"]).args(more).current_dir(dir.path());
        let output = command.env("HOME", home.path()).env_remove("UNDERSTUDY_KEY").output().unwrap();
        serde_json::from_slice::<Value>(&output.stdout).unwrap()
    };
    let report = run(&["--dry-run"]);
    // `ssh-keygen -l -f id_ed25519.pub`
    let person = "ssh:SHA256:YAyRxasl1UZCnHZOVGikM9qGMaqEjND6hNUR+rBVwHc";
    assert_eq!(report["leads"], json!([person]));
    assert!(report["notes"].to_string().contains("add a second person"), "{report}");
    let signers = &report["files"][2];
    assert_eq!(signers["text"], format!("mira@laptop {key}\n"));
    assert_eq!(signers["state"], "differs", "somebody else's line is there");
    fs::write(dir.path().join(".understudy/allowed_signers"), format!("jo x y\nmira@laptop {key}\n"))
        .unwrap();
    let public = home.path().join(".ssh/id_ed25519.pub").display().to_string();
    let report = run(&["--lead", LEAD, "--lead", &public]);
    assert_eq!(report["leads"], json!([LEAD, person]));
    assert_eq!(report["files"][2]["state"], "unchanged");
}

/// What is not known is asked at a terminal; elsewhere it is named with its options, all of it, and nothing is written.
#[test]
fn what_is_not_known_is_refused_with_the_options_that_say_it() {
    let dir = folder(&[("fly.toml", "[http_service]\ninternal_port = 80\n")]);
    let home = folder(&[]);
    let mut command = Command::new(env!("CARGO_BIN_EXE_stagectl"));
    command.arg("init").current_dir(dir.path()).env("HOME", home.path()).env_remove("UNDERSTUDY_KEY");
    let output = command.output().unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(told.contains("help: stagectl init --app web=APP --lead FILE.pub"), "{told}");
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
}

/// Files, options, and what is told.
type Case = (&'static [(&'static str, &'static str)], &'static [&'static str], &'static str);

#[test]
fn bad_input_is_named_and_nothing_is_written() {
    let cases: [Case; 8] = [
        (&[], &[], "there is no fly.toml of production here"),
        (&[("fly.staging.toml", FLY)], &[], "`fly.staging.toml` is staging's"),
        (&[("fly.toml", "app = [")], &[], "fly.toml:1:"),
        (&[("fly.toml", FLY), ("understudy.toml", "[componets.x]\n")], &[], "understudy.toml:1:"),
        (&[("fly.toml", FLY)], &["--lead", "nobody"], "--lead nobody is neither"),
        (&[("fly.toml", FLY)], &["--lead", "github:me"], "--lead github:me is nobody"),
        (&[("fly.toml", FLY)], &["--lead", LEAD, "--staging-app", "api=x"], "`api`, which was not found"),
        (&[("fly.toml", FLY)], &["--lead", LEAD, "--staging-app", "runner"], "an app for staging of `web`"),
    ];
    for (files, args, told) in cases {
        let dir = folder(files);
        let run = stagectl(dir.path(), &[&["init"], args].concat());
        assert_eq!(run.code, 2, "{told}: {}", run.stderr);
        assert!(run.stderr.contains(told), "{told}: {}", run.stderr);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), files.len(), "{told}");
    }
}

/// What cannot be written is named; what was written stays, and the next run goes on.
#[test]
fn a_run_that_could_not_write_is_finished_by_the_next() {
    let dir = folder(&[("fly.toml", FLY), ("tests", "a file where a directory shall be")]);
    let run = stagectl(dir.path(), &["init", "--lead", LEAD]);
    assert_eq!(run.code, 2);
    assert!(run.stderr.contains("`tests/smoke.toml` cannot be written"), "{}", run.stderr);
    fs::remove_file(dir.path().join("tests")).unwrap();
    let run = init(dir.path(), &[]);
    assert_eq!(states(&run).iter().map(|it| it.1.as_str()).collect::<Vec<_>>(), ["unchanged", "written"]);
}

/// What is rendered is rendered the same by its own verb, and a second run writes nothing; a project file that is there is not
/// changed, and workflows follow it.
#[test]
fn workflows_come_with_the_first_files_where_they_are_wanted() {
    let action = "acme/understudy@11bd71901bbe5b1630ceea73d27597364c9af683";
    let dir = folder(&[("app/fly.toml", FLY), (".git/HEAD", "ref: refs/heads/main\n")]);
    let app = dir.path().join("app");
    let run = init(&app, &["--lead", LEAD, "--action", action]);
    let names: Vec<String> = states(&run).into_iter().map(|(file, _)| file).collect();
    assert_eq!((run.code, names.len()), (0, 6), "{}", run.stderr);
    assert_eq!(names[2], "../.github/workflows/understudy-app-deploy-staging.yml");
    let check = stagectl(&app, &["render", "workflows", "--check"]);
    assert_eq!(check.code, 0, "{}", check.stdout);
    assert_eq!(stagectl(&app, &["check"]).stdout, "nothing found\n");
    let again = init(&app, &[]);
    assert!(states(&again).iter().all(|(_, state)| state == "unchanged"), "{}", again.stdout);

    // Without a word about them nothing is said of workflows; a bad one is refused by its option.
    let plain = folder(&[("fly.toml", FLY)]);
    assert_eq!(states(&init(plain.path(), &["--lead", LEAD])), all("written"));
    let late = init(plain.path(), &["--action", action]);
    let late: Vec<String> = states(&late).into_iter().map(|(_, state)| state).collect();
    assert_eq!(
        late,
        ["differs", "unchanged"],
        "the difference is shown, and nothing is written from half of it"
    );
    let bad = stagectl(plain.path(), &["init", "--action", "acme/understudy@v1"]);
    assert!(bad.code == 2 && bad.stderr.contains("40 hexadecimal digits"), "{}", bad.stderr);
}
