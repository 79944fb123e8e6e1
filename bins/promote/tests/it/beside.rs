//! Beside flyctl: its deploys go on working after ours, and what they put there is not undone behind their back.

use std::collections::{BTreeMap, BTreeSet};

use flytypes::wire::{Machine, MachineState};
use localcloud::flyctl::Deploy;
use serde_json::{Value, json};

use crate::support::{PRODUCTION, Project, Stage, within};

/// Production was deployed by flyctl and adopted, and got 1.1.0 from staging by promotion.
async fn promoted() -> (Stage, Deploy, String) {
    let stage = Stage::new(Project { approvals: 0, ..Project::default() }).await;
    let (old, new) = (stage.push("1.0.0").await, stage.push("1.1.0").await);
    let deploy = stage.deployed_by_flyctl(&old).await;
    let lead = stage.key("lead");
    stage.run(&["adopt", "--env", "production", "--version", "1.0.0", "--key", &lead]).await.exits(0);
    stage.put("staging", &new).await;
    let start = ["start", "--to", "production", "--key", &lead, "--json"];
    let told = stage.run(&start).await.exits(0).json();
    (stage, deploy, told["id"].as_str().unwrap().to_owned())
}

fn rests(machine: &Machine) -> bool {
    machine.state == MachineState::Stopped
}

/// Id → (version, digest) of the machines that serve, or of those that rest.
fn of(machines: &[Machine], parked: bool) -> BTreeMap<String, (String, String)> {
    let told = |machine: &Machine| {
        let version = machine.instance_id.as_ref().unwrap().to_string();
        (machine.id.to_string(), (version, machine.digest().unwrap().to_string()))
    };
    let state = if parked { MachineState::Stopped } else { MachineState::Started };
    machines.iter().filter(|machine| machine.state == state).map(told).collect()
}

async fn rollback(stage: &Stage, more: &[&str]) -> crate::support::Ran {
    let key = stage.key("developer");
    let args = ["rollback", "--env", "production", "--reason", "it is slow", "--key", &key];
    stage.run(&args.into_iter().chain(more.iter().copied()).collect::<Vec<_>>()).await
}

fn applied(stage: &Stage, since: usize) -> Vec<Value> {
    stage.audit_lines().into_iter().skip(since).filter(|line| line["applied"] == true).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn flyctl_deploys_in_the_parked_window_and_after_a_way_back() {
    within(async {
        let (stage, deploy, _) = promoted().await;
        let parked = of(&stage.machines(PRODUCTION).await, true);
        assert_eq!(parked.len(), 2);
        let next = Deploy { image: stage.push("1.2.0").await, ..deploy.clone() };
        stage.flyctl().deploy_rolling(&next).await.unwrap();
        let machines = stage.machines(PRODUCTION).await;
        assert_eq!(of(&machines, true), parked, "parked machines are none of flyctl's");
        let serving: BTreeSet<_> = of(&machines, false).into_values().map(|(_, digest)| digest).collect();
        assert!(serving.len() == 1 && of(&machines, false).len() == 2, "{serving:?}");

        let (stage_back, deploy, _) = promoted().await;
        rollback(&stage_back, &[]).await.exits(0);
        for strategy in ["rolling", "bluegreen"] {
            let (flyctl, version) =
                (stage_back.flyctl(), if strategy == "rolling" { "1.2.0" } else { "1.3.0" });
            let next = Deploy { image: stage_back.push(version).await, ..deploy.clone() };
            match strategy {
                "rolling" => flyctl.deploy_rolling(&next).await.unwrap(),
                _ => flyctl.deploy_bluegreen(&next).await.unwrap(),
            }
            let machines = stage_back.machines(PRODUCTION).await;
            let serving = machines.iter().filter(|machine| !machine.cordoned && !rests(machine));
            let tags: Vec<_> = serving.map(|machine| machine.image_ref.tag.clone()).collect();
            assert_eq!(tags, [version, version], "{strategy}");
            assert!(machines.iter().all(|machine| machine.lease.is_none()), "{strategy}");
        }
        stage.end().await;
        stage_back.end().await;
    })
    .await;
}

/// What flyctl put there since is not what the promotion put there: going back would throw it away, so it is refused,
/// and says which machine, what and who.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_way_back_over_what_flyctl_deployed_since_is_refused() {
    within(async {
        for strategy in ["rolling", "bluegreen"] {
            let (stage, deploy, promotion) = promoted().await;
            let put = of(&stage.machines(PRODUCTION).await, false).into_values().next().unwrap().1;
            let (flyctl, next) = (stage.flyctl(), Deploy { image: stage.push("1.2.0").await, ..deploy });
            match strategy {
                "rolling" => flyctl.deploy_rolling(&next).await.unwrap(),
                _ => flyctl.deploy_bluegreen(&next).await.unwrap(),
            }
            let before = stage.machines(PRODUCTION).await;
            let since = stage.audit_lines().len();
            let serving = of(&before, false);
            let (machine, (_, runs)) = serving.iter().next().unwrap();
            let short = |digest: &str| digest.trim_start_matches("sha256:")[..12].to_owned();
            // fly.md 2.3: flyctl writes its version and the release on every machine; ours has neither, so its first is 1.
            let parts = [machine, &short(runs), &short(&put), &promotion, "flyctl 0.3.170", "release "];
            let dry = rollback(&stage, &["--dry-run"]).await.exits(3);
            let told = rollback(&stage, &["--json"]).await.exits(3).json();
            assert_eq!(told["state"], json!("blocked"), "{told}");
            for text in [dry.err.as_str(), told["why"].as_str().unwrap()] {
                for part in parts {
                    assert!(text.contains(part), "{strategy}: `{part}` is missing in {text}");
                }
            }
            assert_eq!(applied(&stage, since), Vec::<Value>::new(), "{strategy}: nothing was changed");
            assert_eq!(of(&stage.machines(PRODUCTION).await, false), serving);
            stage.end().await;
        }
    })
    .await;
}

/// A promotion over what flyctl deployed says so, and its way back leads to exactly that: flyctl's own machines, which
/// carry a copy of our labels (a green is made from a clone of a blue's configuration, fly.md 2.5).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_promotion_goes_over_what_flyctl_deployed_and_back_to_it() {
    within(async {
        let (stage, deploy, promotion) = promoted().await;
        let next = Deploy { image: stage.push("1.2.0").await, ..deploy.clone() };
        stage.flyctl().deploy_bluegreen(&next).await.unwrap();
        let flyctls = of(&stage.machines(PRODUCTION).await, false);
        let newer = stage.push("1.3.0").await;
        stage.put("staging", &newer).await;
        let start = ["start", "--to", "production", "--key", &stage.key("developer"), "--json"];
        let told = stage.run(&start).await.exits(0).json();
        assert_eq!(told["state"], json!("succeeded"), "{told}");
        let warnings = told["warnings"].to_string();
        let machine = flyctls.keys().next().unwrap();
        for part in [machine.as_str(), "flyctl 0.3.170", &promotion] {
            assert!(warnings.contains(part), "`{part}` is missing in {warnings}");
        }
        assert_ne!(of(&stage.machines(PRODUCTION).await, false), flyctls);
        rollback(&stage, &[]).await.exits(0);
        assert_eq!(of(&stage.machines(PRODUCTION).await, false), flyctls, "the very machines and versions");
        let last = Deploy { image: stage.push("1.4.0").await, ..deploy };
        stage.flyctl().deploy_rolling(&last).await.unwrap();
        stage.end().await;
    })
    .await;
}
