//! Workflows that are written from a project file. What they have to be is said by GitHub's "Workflow syntax", "Security
//! hardening" and by what went wrong in pipelines of others; that they run is shown where they are run.

use std::collections::{BTreeMap, BTreeSet};

use envconfig::pipeline::{Hindrance, InRepository, Rendered, render};
use envconfig::project::Project;
use envconfig::{Places, check_workflows};
use serde_json::Value;

const ACTION: &str = "acme/understudy@11bd71901bbe5b1630ceea73d27597364c9af683";

const PROJECT: &str = r#"
[store]
url = "env:UNDERSTUDY_STORE"
key = "env:UNDERSTUDY_RUNNER_KEY"
[ci]
action = "ACTION"
test = "npm test"
[components.api]
config = "backend/fly.toml"
[environments.production]
branch = "main"
fly = { token = "env:FLY_TOKEN_PRODUCTION" }
api.app = "runner"
[environments.staging]
branch = "staging"
fly = { token = "env:FLY_TOKEN_STAGING" }
api.app = "runner-staging"
[promotion.staging.production]
suites = ["smoke"]
tests = "apart"
[people]
leads = ["github:583231"]
"#;

fn project(change: impl Fn(String) -> String) -> Project {
    let text = change(PROJECT.replace("ACTION", ACTION));
    Project::parse("understudy.toml", &text).unwrap_or_else(|problems| panic!("{problems}")).value
}

fn at_top() -> InRepository {
    InRepository { directory: None, file: "understudy.toml".to_owned() }
}

fn rendered(project: &Project) -> BTreeMap<String, String> {
    let Rendered { files, .. } = render(project, &at_top()).unwrap();
    files.into_iter().map(|file| (file.name, file.text)).collect()
}

fn yaml(text: &str) -> Value {
    serde_saphyr::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// Every job of every file: `FILE/JOB`.
fn jobs(files: &BTreeMap<String, String>) -> BTreeMap<String, Value> {
    let of = |(name, text): (&String, &String)| -> Vec<(String, Value)> {
        let jobs = yaml(text)["jobs"].as_object().unwrap().clone();
        let name = name.trim_start_matches("understudy-").trim_end_matches(".yml");
        jobs.into_iter().map(|(id, job)| (format!("{name}/{id}"), job)).collect()
    };
    files.iter().flat_map(of).collect()
}

/// The names behind `secrets.`.
fn secrets(job: &Value) -> BTreeSet<String> {
    let text = job.to_string();
    let name = |part: &str| part.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
    text.split("secrets.").skip(1).map(name).collect()
}

fn scripts(job: &Value) -> Vec<&str> {
    job["steps"].as_array().unwrap().iter().filter_map(|step| step["run"].as_str()).collect()
}

fn hindered(change: impl Fn(String) -> String) -> Hindrance {
    render(&project(change), &at_top()).unwrap_err()
}

#[test]
fn our_own_rules_find_nothing_in_what_is_written() {
    for change in [
        |text: String| text,
        |text: String| text.replace("tests = \"apart\"", "trigger = \"automatic\""),
        |text: String| text.replace("test = \"npm test\"", "build = '''\n./build.sh \"$VERSION\"\n'''"),
        |text: String| text.replace("\"env:UNDERSTUDY_STORE\"", "\"s3://journals/runner\""),
    ] {
        let project = project(change);
        let files: Vec<(String, String)> = rendered(&project).into_iter().collect();
        assert_eq!(files.len(), 4, "{files:?}");
        let found: Vec<String> =
            check_workflows(&files, &Places::of(&project)).iter().map(ToString::to_string).collect();
        assert!(found.is_empty(), "{}", found.join("\n"));
    }
}

#[test]
fn p11_no_job_of_stagings_gets_a_token_of_productions() {
    let jobs = jobs(&rendered(&project(|text| text)));
    for (name, job) in &jobs {
        let is_of_staging = name.starts_with("deploy-staging/") || name.starts_with("guard/");
        let has = secrets(job).contains("FLY_TOKEN_PRODUCTION");
        assert_eq!(has, !is_of_staging, "{name} {job}");
        let place = job["environment"].as_str();
        let wanted =
            if has { Some("production") } else { Some("staging").filter(|_| !secrets(job).is_empty()) };
        assert_eq!(place, wanted, "secrets come from GitHub's environment of their place: {name}");
    }
}

/// What runs code of the branch has nothing that signs or deploys; each job has what its verb needs, and nothing else.
#[test]
fn p9_each_job_has_the_secrets_of_what_it_does() {
    let jobs = jobs(&rendered(&project(|text| text)));
    let bucket = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "UNDERSTUDY_STORE"];
    let signs = ["FLY_TOKEN_STAGING", "UNDERSTUDY_RUNNER_KEY"];
    let asks = ["UNDERSTUDY_KEY"];
    let promotes = ["FLY_TOKEN_PRODUCTION"];
    let wanted: [(&str, &[&[&str]]); 8] = [
        ("deploy-staging/test", &[]),
        ("deploy-staging/build", &[&["FLY_TOKEN_STAGING"]]),
        ("deploy-staging/deploy", &[&bucket, &signs, &asks]),
        ("deploy-staging/verify", &[&bucket]),
        ("deploy-staging/attest", &[&bucket, &signs]),
        ("promote-production/promote", &[&bucket, &signs, &asks, &promotes]),
        ("rescue/tick", &[&bucket, &signs, &promotes]),
        ("guard/guard", &[]),
    ];
    assert_eq!(jobs.keys().map(String::as_str).collect::<BTreeSet<_>>(), wanted.map(|(name, _)| name).into());
    for (name, groups) in wanted {
        let names: BTreeSet<String> = groups.concat().into_iter().map(str::to_owned).collect();
        assert_eq!(secrets(&jobs[name]), names, "{name}");
    }
    // In a script they would be in a process list.
    for (name, script) in
        jobs.iter().flat_map(|(name, job)| scripts(job).into_iter().map(move |run| (name, run)))
    {
        assert!(!script.contains("${{"), "{name}: {script}");
    }
}

#[test]
fn an_image_is_built_once_and_goes_on_by_its_digest() {
    let files = rendered(&project(|text| text));
    let jobs = jobs(&files);
    let builds = |job: &Value| scripts(job).iter().any(|run| run.contains("flyctl deploy"));
    let builders: Vec<&String> = jobs.iter().filter(|(_, job)| builds(job)).map(|(name, _)| name).collect();
    assert_eq!(builders, ["deploy-staging/build"]);
    let build = scripts(&jobs["deploy-staging/build"])[0];
    for part in ["--build-only", "--push", "--app runner-staging", "cd backend", "--config fly.toml"] {
        assert!(build.contains(part), "{part}: {build}");
    }
    for label in ["image.revision=$REVISION", "image.version=$VERSION", "source.tree=$TREE"] {
        assert!(build.contains(label), "{label}: {build}");
    }
    let deploy = &jobs["deploy-staging/deploy"];
    assert_eq!(deploy["needs"], serde_json::json!(["build"]));
    assert!(deploy.to_string().contains("needs.build.outputs.images"), "{deploy}");
}

#[test]
fn tests_and_signing_are_two_jobs_where_the_project_wants_it_and_the_deploy_tests_elsewhere() {
    let apart = jobs(&rendered(&project(|text| text)));
    let together = jobs(&rendered(&project(|text| text.replace("tests = \"apart\"\n", ""))));
    let of = |jobs: &BTreeMap<String, Value>| jobs.keys().filter(|name| name.starts_with("deploy-")).count();
    assert_eq!((of(&apart), of(&together)), (5, 3));
    // A failure is signed, too: older evidence ends with it.
    let condition = apart["deploy-staging/attest"]["if"].as_str().unwrap();
    assert!(
        condition.contains("!cancelled()") && condition.contains("needs.verify.outputs.sha256"),
        "{condition}"
    );
}

#[test]
fn names_are_read_back_as_what_they_are() {
    let project = project(|text| {
        text.replace("environments.staging", "environments.on")
            .replace("promotion.staging", "promotion.on")
            .replace("branch = \"staging\"", "class = \"staging\"\nbranch = \"feature/#1\"")
    });
    let place = InRepository { directory: Some("deploy here".to_owned()), file: "it's.toml".to_owned() };
    let files = render(&project, &place).unwrap().files;
    let deploy = files.iter().find(|file| file.name == "understudy-deploy-here-deploy-on.yml").unwrap();
    let read = yaml(&deploy.text);
    assert_eq!(read["on"]["push"]["branches"], serde_json::json!(["feature/#1"]));
    assert_eq!(read["jobs"]["deploy"]["environment"], "on");
    assert_eq!(read["defaults"]["run"]["working-directory"], "deploy here");
    assert!(deploy.text.contains("promote --project 'it'\\''s.toml' deploy --env on"), "{}", deploy.text);
}

/// Scripts of people are what they are, however they are indented; a token of flyctl's own name is there once.
#[test]
fn scripts_of_people_are_read_back_as_they_were() {
    let script = "  if true; then\n    echo a\n  fi\n\necho ': b'\n";
    let project = project(|text| {
        text.replace("test = \"npm test\"", &format!("test = '''{script}'''\nbuild = \"true\""))
            .replace("env:FLY_TOKEN_STAGING", "env:FLY_API_TOKEN")
    });
    let files = rendered(&project);
    let deploy = yaml(&files["understudy-deploy-staging.yml"]);
    assert_eq!(scripts(&deploy["jobs"]["test"]), [script]);
    let build = &files["understudy-deploy-staging.yml"].split("Build and push").nth(1).unwrap();
    let build = build.split("run: |").next().unwrap();
    assert_eq!(build.matches("FLY_API_TOKEN:").count(), 1, "{build}");
}

/// What follows no branch is deployed by nobody's push, and production by none at all.
#[test]
fn a_branch_starts_what_follows_it_and_nothing_else() {
    let more = "[environments.develop]\nbranch = \"develop\"\napi.app = \"runner-develop\"\n\
                [environments.branch]\nclass = \"preview\"\napi.app = \"runner-branch\"\n[people]";
    let files = rendered(&project(|text| text.replace("[people]", more)));
    let pushes = |name: &str| yaml(&files[name])["on"]["push"]["branches"].clone();
    let mut names: Vec<&str> = files.keys().map(String::as_str).collect();
    names.retain(|name| name.contains("deploy"));
    assert_eq!(names, ["understudy-deploy-develop.yml", "understudy-deploy-staging.yml"]);
    assert_eq!(pushes(names[0]), serde_json::json!(["develop"]));
    assert_eq!(pushes(names[1]), serde_json::json!(["staging"]));
    assert_eq!(pushes("understudy-guard.yml"), serde_json::json!(["main"]), "it only looks");
    let promote = yaml(&files["understudy-promote-production.yml"]);
    let odd = rendered(&project(|text| text.replace("branch = \"staging\"", "branch = \"a+b!\"")));
    assert_eq!(yaml(&odd["understudy-deploy-staging.yml"])["on"]["push"]["branches"][0], "a\\+b!");
    assert_eq!(promote["on"].as_object().unwrap().keys().collect::<Vec<_>>(), ["workflow_dispatch"]);
    // Clicks and schedules run from another branch than the one that was tested.
    let run = |name: &str| scripts(&jobs(&files)[name]).pop().unwrap().to_owned();
    let (promote, rescue) = (run("promote-production/promote"), run("rescue/tick"));
    assert!(
        promote.contains("promote status --env staging --json") && promote.contains("exit 1"),
        "{promote}"
    );
    assert!(
        rescue.contains("under_way") && !rescue.contains("exit 1"),
        "nothing keeps it from its work: {rescue}"
    );
    // Without a word about it, staging follows its own name.
    let files = rendered(&project(|text| text.replace("branch = \"staging\"\n", "")));
    assert_eq!(yaml(&files["understudy-deploy-staging.yml"])["on"]["push"]["branches"][0], "staging");
}

/// No machine is held while people think; what ended badly is looked after at once; nothing ends what is under way.
#[test]
fn the_rescuer_hears_of_every_run_and_nobody_waits() {
    let files = rendered(&project(|text| text));
    let rescue = yaml(&files["understudy-rescue.yml"]);
    assert_eq!(rescue["on"]["schedule"][0]["cron"], "*/5 * * * *");
    // What went well needs nobody, and takes nobody's place in the queue.
    let condition = rescue["jobs"]["tick"]["if"].as_str().unwrap();
    assert!(condition.contains("!(github.event_name == 'workflow_run' && "), "{condition}");
    assert!(rescue["concurrency"]["group"].as_str().unwrap().contains("&& github.run_id || ''"), "{rescue}");
    let automatic = project(|text| text.replace("tests = \"apart\"", "trigger = \"automatic\""));
    let goes_on = yaml(&rendered(&automatic)["understudy-rescue.yml"]);
    assert!(goes_on["jobs"]["tick"]["if"].is_null(), "what passed goes on by itself");
    let heard = rescue["on"]["workflow_run"]["workflows"].as_array().unwrap();
    let names = ["understudy-deploy-staging.yml", "understudy-promote-production.yml"];
    assert_eq!(*heard, names.map(|name| yaml(&files[name])["name"].clone()));
    for (name, text) in &files {
        let read = yaml(text);
        let is_click = name.contains("promote-");
        assert_eq!(read["concurrency"]["cancel-in-progress"].is_null(), is_click, "{name}");
        assert_ne!(read["concurrency"]["cancel-in-progress"], true, "{name}");
        assert_eq!(read["permissions"], serde_json::json!({"contents": "read"}), "{name}");
        assert!(!text.contains("--wait"), "{name}");
        for job in read["jobs"].as_object().unwrap().values() {
            assert!(job["timeout-minutes"].as_u64().is_some_and(|minutes| minutes <= 120), "{name}");
        }
    }
}

#[test]
fn what_is_missing_is_said_with_what_to_write() {
    let without = |from: &'static str, to: &'static str| move |text: String| text.replace(from, to);
    let none =
        hindered(|text| text.replace(&format!("[ci]\naction = \"{ACTION}\"\ntest = \"npm test\"\n"), ""));
    assert!(none.what.contains("no [ci]") && none.hint.contains("OWNER/REPO@COMMIT"), "{none:?}");
    let file = hindered(without("env:FLY_TOKEN_STAGING", "file:staging.token"));
    assert!(file.what.contains("`staging`") && file.what.contains("staging.token"), "{file:?}");
    let key = hindered(without("key = \"env:UNDERSTUDY_RUNNER_KEY\"\n", ""));
    assert!(key.what.contains("`key`") && key.hint.contains("env:UNDERSTUDY_RUNNER_KEY"), "{key:?}");
    let clash = hindered(without("env:UNDERSTUDY_RUNNER_KEY", "env:UNDERSTUDY_KEY"));
    assert!(clash.what.contains("UNDERSTUDY_KEY") && clash.hint.contains("another variable"), "{clash:?}");
    let anchor = hindered(without("[ci]", "anchor = \"file:///var/anchors\"\n[ci]"));
    assert!(anchor.what.contains("anchors") && anchor.hint.contains("bucket"), "{anchor:?}");
    let sqlite = hindered(without("\"env:UNDERSTUDY_STORE\"", "\"sqlite:journal.db\""));
    assert!(sqlite.what.contains("a file") && sqlite.hint.contains("bucket"), "{sqlite:?}");
    let site = hindered(|text| {
        text.replace(
            "[environments.production]",
            "[components.web]\ndir = \"dist\"\n[environments.production]",
        )
        .replace("api.app = \"runner-staging\"", "api.app = \"runner-staging\"\nweb.site = \"web-staging\"")
        .replace("api.app = \"runner\"\n", "api.app = \"runner\"\nweb.site = \"web\"\n")
    });
    assert!(site.what.contains("`web`") && site.hint.contains("`build` of [ci]"), "{site:?}");
}

#[test]
fn what_stands_in_ci_is_read_with_line_and_reason() {
    for (from, to, why) in [
        (ACTION, "acme/understudy@v1", "40 hexadecimal digits"),
        (ACTION, "understudy", "OWNER/REPO@COMMIT"),
        ("test = \"npm test\"", "test = \"echo ${{ secrets.A }}\"", "data becomes code"),
        ("test = \"npm test\"", "test = \" \"", "it is empty"),
        ("test = \"npm test\"", "rescue = \"hourly\"", "five fields"),
        ("test = \"npm test\"", "tests = \"npm test\"", "did you mean `test`?"),
    ] {
        let text = PROJECT.replace("ACTION", ACTION).replace(from, to);
        let problems = Project::parse("understudy.toml", &text).unwrap_err().to_string();
        assert!(problems.contains(why), "{problems}");
    }
}
