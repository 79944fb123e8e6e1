//! Somebody changes production past us: `promote tick` writes it down once, and there are two ways out.

use std::collections::BTreeSet;
use std::time::Duration;

use flytypes::wire::Machine;
use serde_json::{Value, json};

use crate::support::{PRODUCTION, Project, Ran, Stage, within};

/// No list is older than this (the default of the engine's limits), so what a tick finds later is as it is.
const LIST_LAG: Duration = Duration::from_secs(10);

async fn tick(stage: &Stage) -> Value {
    stage.run(&["tick", "--json"]).await.exits(0).json()
}

async fn drift(stage: &Stage) -> Value {
    let status = stage.run(&["status", "--env", "production", "--json"]).await.exits(0).json();
    status["environments"][0]["drift"].clone()
}

async fn last_end(stage: &Stage) -> Value {
    let status = stage.run(&["status", "--env", "production", "--json"]).await.exits(0).json();
    status["environments"][0]["drift_ended"].as_array().unwrap().last().unwrap()["end"].clone()
}

async fn records(stage: &Stage) -> u64 {
    let status = stage.run(&["status", "--env", "production", "--json"]).await.exits(0).json();
    status["environments"][0]["records"].as_u64().unwrap()
}

/// The digests and one variable of every machine in traffic.
fn seen(machines: &[Machine]) -> BTreeSet<(String, Option<String>)> {
    let serving = machines.iter().filter(|machine| !machine.cordoned);
    let seen = serving.map(|machine| {
        let config = machine.config.as_ref().unwrap();
        (machine.digest().unwrap().to_string(), config.env.get("LOG_LEVEL").cloned())
    });
    seen.collect()
}

async fn approved(stage: &Stage, asked: &Value) -> Ran {
    let (id, plan) = (asked["id"].as_str().unwrap(), asked["plan"].as_str().unwrap());
    stage.run(&["approve", id, "--plan", plan, "--key", &stage.key("lead")]).await.exits(0);
    stage.run(&["resume", id, "--json"]).await
}

/// `fly deploy`-like: another image and another variable, through the API and without us. Then the two ways out, as a team
/// would type them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_somebody_else_deployed_is_seen_repaired_and_accepted() {
    within(async {
        let (stage, _) = Stage::played(Project::default()).await;
        let (developer, lead) = (stage.key("developer"), stage.key("lead"));
        tokio::time::sleep(LIST_LAG).await;
        let calm = tick(&stage).await;
        assert_eq!((&calm["drifted"], &calm["unknown"]), (&json!([]), &json!([])), "{calm}");
        let none = ["start", "--to", "production", "--repair", "--key", &developer];
        stage.run(&none).await.exits(3).says(&["nothing is to be repaired", "promote tick"]);
        stage.run(&["adopt", "--env", "production", "--key", &lead]).await.exits(3).says(&["promote tick"]);

        let before = stage.machines(PRODUCTION).await;
        let image = stage.push("6.6.6").await;
        for machine in &before {
            stage
                .change(PRODUCTION, machine, |config| {
                    config.image.clone_from(&image);
                    config.env.insert("LOG_LEVEL".to_owned(), "hunter2".to_owned());
                    config.metadata.insert("fly_flyctl_version".to_owned(), "0.3.170".to_owned());
                })
                .await;
        }
        let found = tick(&stage).await;
        assert_eq!(found["drifted"][0]["what"], "opened", "{found}");
        let open = drift(&stage).await;
        assert_eq!(found["drifted"][0]["drift"], open);
        let differences = open["differences"].as_array().unwrap();
        let fields: Vec<&str> = differences.iter().map(|it| it["field"].as_str().unwrap()).collect();
        assert_eq!(fields, ["env.LOG_LEVEL", "image"], "{open}");
        let ids: BTreeSet<&str> = before.iter().map(|machine| machine.id.as_str()).collect();
        for difference in differences {
            let units = difference["units"].as_array().unwrap().iter().map(|it| it.as_str().unwrap());
            assert_eq!(units.collect::<BTreeSet<_>>(), ids);
            assert!(difference["since"].is_string(), "{difference}");
        }
        assert!(!found.to_string().contains("hunter2"), "the value may be a secret: {found}");
        let n = records(&stage).await;
        assert_eq!(tick(&stage).await["drifted"], json!([]));
        assert_eq!(records(&stage).await, n, "it is written down once");
        let told = stage.run(&["status", "--env", "production"]).await.exits(0).out;
        for part in ["drift", "image", "promote adopt --env production", "start --to production --repair"] {
            assert!(told.contains(part), "`{part}` is missing in {told}");
        }

        // One way out: what is recorded is put back. People agree as ever.
        let repair = ["start", "--to", "production", "--repair", "--key", &developer, "--json"];
        let asked = stage.run(&repair).await.exits(0).json();
        assert_eq!((&asked["verb"], &asked["state"]), (&json!("repair"), &json!("waiting")), "{asked}");
        let warnings = asked["warnings"].to_string();
        assert!(warnings.contains("drift since"), "{warnings}");
        let done = approved(&stage, &asked).await.exits(0).json();
        assert_eq!(done["state"], "succeeded", "{done}");
        assert_eq!(seen(&stage.machines(PRODUCTION).await), seen(&before));
        assert_eq!((drift(&stage).await, &last_end(&stage).await["how"]), (Value::Null, &json!("repaired")));
        tokio::time::sleep(LIST_LAG).await;
        assert_eq!(tick(&stage).await["drifted"], json!([]));

        // The other: what runs is taken over. The images are the same, so the release is.
        for machine in stage.machines(PRODUCTION).await.iter().filter(|machine| !machine.cordoned) {
            let level = |config: &mut flytypes::machine::MachineConfig| {
                config.env.insert("LOG_LEVEL".to_owned(), "debug".to_owned());
            };
            stage.change(PRODUCTION, machine, level).await;
        }
        assert_eq!(tick(&stage).await["drifted"][0]["what"], "opened");
        let running = seen(&stage.machines(PRODUCTION).await);
        let adopted = stage.run(&["adopt", "--env", "production", "--key", &lead, "--json"]).await;
        let adopted = adopted.exits(0).json();
        assert_eq!((&adopted["state"], &adopted["version"]), (&json!("succeeded"), &json!("1.0.0")));
        let end = last_end(&stage).await;
        assert_eq!((&end["how"], &end["promotion"]), (&json!("accepted"), &adopted["id"]), "{end}");
        assert!(end["by"].as_str().unwrap().starts_with("ssh:SHA256:"), "{end}");
        tokio::time::sleep(LIST_LAG).await;
        assert_eq!(tick(&stage).await["drifted"], json!([]), "it is what is recorded");
        assert_eq!(seen(&stage.machines(PRODUCTION).await), running);
        stage.end().await;
    })
    .await;
}

/// `tick` has nothing but the store: what the project file ignores stands there, with the release that it came with.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_project_file_ignores_is_no_drift() {
    within(async {
        let stage = Stage::new(Project::default()).await;
        stage.edit(
            "[environments.production]\n",
            "[environments.production]\ndrift.ignore = [\"env.LOG_LEVEL\"]\n",
        );
        let image = stage.push("1.0.0").await;
        let id = stage.put("production", &image).await;
        let shown = stage.run(&["show", &id, "--json"]).await.exits(0).json();
        assert_eq!(shown["plan_detail"]["target"]["policy"]["drift_ignored"], json!(["env.LOG_LEVEL"]));
        let machines = stage.machines(PRODUCTION).await;
        for (name, drifts) in [("LOG_LEVEL", false), ("OTHER", true)] {
            let set = |config: &mut flytypes::machine::MachineConfig| {
                config.env.insert(name.to_owned(), "debug".to_owned());
            };
            stage.change(PRODUCTION, &stage.machines(PRODUCTION).await[0], set).await;
            tokio::time::sleep(LIST_LAG).await;
            let found = tick(&stage).await["drifted"].clone();
            assert_eq!(found != json!([]), drifts, "{name}: {found}");
        }
        assert_eq!(machines.len(), stage.machines(PRODUCTION).await.len());
        stage.end().await;
    })
    .await;
}
