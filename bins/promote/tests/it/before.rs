//! What has to be there, and what has to run, before a machine is touched: secrets and release commands.

use serde_json::Value;

use crate::support::{PRODUCTION, Project, STAGING, Stage, within};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_missing_secret_blocks_and_says_the_command_that_sets_it() {
    within(async {
        let (stage, _) = Stage::played(Project::default()).await;
        let wanted = "config = \"fly.toml\"\nsecrets = { required = [\"DATABASE_URL\", \"API_KEY\"] }\n";
        stage.edit("config = \"fly.toml\"\n", wanted);
        stage.set_secret(PRODUCTION, "API_KEY", "one").await;
        let key = stage.key("developer");
        let set = "fly secrets set --stage DATABASE_URL=… --app runner";
        let start = ["start", "--to", "production", "--key", &key];
        let ran = stage.run(&start).await.exits(3);
        assert!(ran.out.contains("gate secrets: `DATABASE_URL` of `runner` is not set"), "{ran:?}");
        assert!(ran.out.contains(set), "{ran:?}");
        let plan = ["plan", "--to", "production", "--key", &key];
        let ran = stage.run(&plan).await.exits(3);
        assert!(ran.out.contains("gate closed: secrets: `DATABASE_URL`") && ran.out.contains(set), "{ran:?}");

        stage.set_secret(PRODUCTION, "DATABASE_URL", "postgres://app:hunter2@db/x").await;
        let ran = stage.run(&plan).await.exits(0);
        let staged = "`API_KEY`, `DATABASE_URL` of `runner` were set after its machines were made";
        assert!(ran.out.contains(staged), "{ran:?}");
        assert!(ran.out.contains("gate secrets: all 2 that are required are set"), "{ran:?}");
        let ran = stage.run(&start).await.exits(0);
        assert!(ran.out.contains("phase      awaiting-approval"), "{ran:?}");
        let journal = std::fs::read(stage.path("understudy.db")).unwrap();
        assert!(!String::from_utf8_lossy(&journal).contains("hunter2"), "values are nobody's business");
        stage.end().await;
    })
    .await;
}

/// P5: in place Fly cannot give old values of secrets back, so a way back asks first.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_way_back_to_other_secrets_is_asked_for_first() {
    within(async {
        let stage = Stage::new(Project { approvals: 0, ..Project::default() }).await;
        stage.edit("strategy = \"bluegreen\"", "strategy = \"rolling\"");
        let (old, new) = (stage.push("1.0.0").await, stage.push("1.1.0").await);
        stage.set_secret(PRODUCTION, "API_KEY", "hunter2").await;
        stage.put("production", &old).await;
        stage.put("staging", &new).await;
        let key = stage.key("developer");
        stage.run(&["start", "--to", "production", "--key", &key]).await.exits(0);
        let back = ["rollback", "--env", "production", "--key", &key];
        let dry: Vec<_> = back.into_iter().chain(["--dry-run", "--json"]).collect();
        let told = stage.run(&dry).await.exits(0).json();
        assert_eq!(told["other_secrets"], serde_json::json!([]), "nothing changed since");

        stage.set_secret(PRODUCTION, "API_KEY", "hunter3").await;
        let told = stage.run(&dry).await.exits(0).json();
        assert_eq!(told["other_secrets"], serde_json::json!(["api"]), "{told}");
        let serving = stage.serving().await;
        let said =
            ["the secrets of `api`", "why: ", "help: promote rollback --env production --accept-secrets"];
        let refused = stage.run(&back).await.exits(3).says(&said);
        assert!(!refused.err.contains("hunter"), "{refused:?}");
        let json: Vec<_> = back.into_iter().chain(["--json"]).collect();
        assert_eq!(stage.run(&json).await.exits(3).json()["error"]["name"], "refused");
        assert_eq!(stage.serving().await, serving, "nothing was changed");
        let agreed: Vec<_> = back.into_iter().chain(["--accept-secrets"]).collect();
        stage.run(&agreed).await.exits(0);
        assert_ne!(stage.serving().await, serving);
        stage.end().await;
    })
    .await;
}

/// The machine runs the new image with other words: the image is this very binary.
fn with_release_command(stage: &Stage, words: &str) {
    let path = stage.path("fly.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    let text = text.split("[deploy]").next().unwrap();
    std::fs::write(path, format!("{text}[deploy]\n  release_command = \"{words}\"\n")).unwrap();
}

fn created(stage: &Stage, app: &str) -> usize {
    let is_create = |line: &&Value| line["action"] == "machine-create" && line["app"] == app;
    stage.audit_lines().iter().filter(is_create).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_release_command_that_fails_ends_it_before_any_machine_is_touched() {
    within(async {
        let (stage, _) = Stage::played(Project::default()).await;
        let (before, made) = (stage.machines(STAGING).await, created(&stage, STAGING));
        let image = stage.push("1.2.0").await;
        let key = stage.key("developer");
        with_release_command(&stage, "nothing-of-ours");
        let deploy = ["deploy", "--env", "staging", "--image", &image, "--key", &key, "--json"];
        let ran = stage.run(&deploy).await.exits(5);
        let told = ran.json();
        let why = told["why"].as_str().unwrap();
        // 2: bad usage (docs/exit-codes.md), for this binary knows no such verb and says so.
        let what =
            "`nothing-of-ours` of `api` ended with exit code 2; no machine of the app was touched; it said: ";
        assert!(why.starts_with(what) && why.contains("nothing-of-ours'"), "{why}");
        assert_eq!(told["release_commands"][0]["exit_code"], 2);
        let log = told["release_commands"][0]["log"].as_array().unwrap();
        assert!(log.iter().any(|line| line.as_str().unwrap().contains("nothing-of-ours")), "{told}");
        let same = |machines: &[flytypes::wire::Machine]| -> Vec<_> {
            machines
                .iter()
                .map(|machine| (machine.id.clone(), machine.instance_id.clone(), machine.cordoned))
                .collect()
        };
        assert_eq!(same(&stage.machines(STAGING).await), same(&before));
        assert_eq!(created(&stage, STAGING), made + 1, "the command's own machine alone was made");

        with_release_command(&stage, "--version");
        let ran = stage.run(&deploy).await.exits(0);
        let id = ran.json()["id"].as_str().unwrap().to_owned();
        assert!(ran.err.contains("`--version` ended well"), "{ran:?}");
        let shown = stage.run(&["show", &id]).await.exits(0).out;
        assert!(shown.contains("command    api: exit code 0"), "{shown}");
        assert!(shown.contains("           | promote "), "{shown}");
        let plan = stage.run(&["plan", "--to", "production", "--key", &key]).await.exits(0).out;
        assert!(
            plan.contains("rollback: unknown: `--version` of `api` may change what no rollback puts back"),
            "{plan}"
        );
        assert!(plan.contains("api run `--version` once, on a machine of its own"), "{plan}");
        stage.end().await;
    })
    .await;
}
