//! Which tokens a verb needs: those of the environments that it changes or takes images from, and no others. A machine of CI
//! that deploys to staging has none of production's, and whoever approves has none at all.

use serde_json::json;

use crate::support::{Project, Stage, within};

const TOKENS: [&str; 2] = ["production.token", "staging.token"];

/// Only these tokens are here from now on.
fn only(stage: &Stage, kept: &[&str]) {
    for name in TOKENS {
        let (here, away) = (stage.path(name), stage.path(&format!("away-{name}")));
        match (kept.contains(&name), here.exists()) {
            (true, false) => std::fs::rename(away, here).unwrap(),
            (false, true) => std::fs::rename(here, away).unwrap(),
            (true, true) | (false, false) => {}
        }
    }
}

fn needs(environment: &str) -> [String; 3] {
    [
        format!("{environment}.token cannot be read"),
        format!("environment `{environment}` needs it"),
        format!("stagectl doctor --env {environment}"),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn staging_is_deployed_and_tested_without_a_token_of_productions() {
    within(async {
        let (stage, _) = Stage::played(Project::default()).await;
        let third = stage.push("1.2.0").await;
        let (developer, lead) = (stage.key("developer"), stage.key("lead"));
        only(&stage, &["staging.token"]);
        let deploy = ["deploy", "--env", "staging", "--image", &third, "--key", &developer, "--json"];
        assert_eq!(stage.run(&deploy).await.exits(0).json()["state"], "succeeded");
        let before = stage.audit_lines().len();
        for refused in [
            &["plan", "--to", "production"][..],
            &["start", "--to", "production", "--key", &developer],
            &["start", "--to", "production", "--dry-run"],
            &["adopt", "--env", "production", "--key", &lead],
            &["rollback", "--env", "production", "--key", &lead],
            &["tick"],
        ] {
            let [what, why, hint] = needs("production");
            stage.run(refused).await.exits(2).says(&[&what, &why, &hint]);
        }
        let [what, why, hint] = needs("production");
        stage
            .stagectl(&["eject", "--env", "production", "--key", &lead])
            .await
            .exits(2)
            .says(&[&what, &why, &hint]);
        let asked = stage.audit_lines().len() - before;
        assert_eq!(asked, 0, "nobody was asked for what cannot be done");
        // What is promoted is read with the right of where it comes from.
        only(&stage, &["production.token"]);
        let [what, why, hint] = needs("staging");
        stage.run(&["plan", "--to", "production"]).await.exits(2).says(&[&what, &why, &hint]);
        stage.end().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_looks_and_approves_has_no_token_and_nothing_is_driven_without() {
    within(async {
        let (stage, _) = Stage::played(Project::default()).await;
        let (developer, lead) = (stage.key("developer"), stage.key("lead"));
        let start = ["start", "--to", "production", "--key", &developer, "--json"];
        let waiting = stage.run(&start).await.exits(0).json();
        assert_eq!(waiting["state"], "waiting");
        let (id, plan) = (waiting["id"].as_str().unwrap(), waiting["plan"].as_str().unwrap());
        only(&stage, &[]);
        for looks in [&["status"][..], &["history"], &["show", id], &["explain", id], &["audit", "verify"]] {
            stage.run(looks).await.exits(0);
        }
        stage.run(&["approve", id, "--plan", plan, "--key", &lead]).await.exits(0);
        let abort = ["abort", id, "--reason", "R", "--key", &developer];
        for drives in [&["resume", id][..], &abort, &["tick"]] {
            let [what, why, hint] = needs("production");
            stage.run(drives).await.exits(2).says(&[&what, &why, &hint]);
        }
        let shown = stage.run(&["show", id, "--json"]).await.exits(0).json();
        assert_eq!(shown["phase"], json!("queued"), "it stands where it stood: {shown}");
        only(&stage, &TOKENS);
        assert_eq!(stage.run(&["resume", id, "--json"]).await.exits(0).json()["state"], "succeeded");
        stage.end().await;
    })
    .await;
}
