//! `promote adopt` of an app that `fly deploy` made: its machines carry flyctl's metadata (fly.md 2.3), run a tag, and
//! know nothing of us.

use std::collections::{BTreeMap, BTreeSet};

use flytypes::wire::{Machine, MachineState};
use localcloud::flyctl::Deploy;
use serde_json::{Value, json};

use crate::support::{PRODUCTION, Project, Ran, Stage, within};

/// Production as flyctl deployed 1.0.0, without a journal.
async fn flyctls(project: Project) -> (Stage, Deploy) {
    let stage = Stage::new(project).await;
    let image = stage.push("1.0.0").await;
    let deploy = stage.deployed_by_flyctl(&image).await;
    (stage, deploy)
}

async fn adopt(stage: &Stage, more: &[&str]) -> Ran {
    let key = stage.key("lead");
    let args = ["adopt", "--env", "production", "--version", "1.0.0", "--commit", "c0ffee", "--key", &key];
    stage.run(&args.into_iter().chain(more.iter().copied()).collect::<Vec<_>>()).await
}

/// Id → version, of every machine.
fn versions(machines: &[Machine]) -> BTreeMap<String, String> {
    let version = |machine: &Machine| machine.instance_id.as_ref().unwrap().to_string();
    machines.iter().map(|machine| (machine.id.to_string(), version(machine))).collect()
}

/// What was changed since, by the provider's own records.
fn changes(stage: &Stage, since: usize) -> BTreeSet<String> {
    let lines = stage.audit_lines();
    let applied = lines[since..].iter().filter(|line| line["applied"] == true);
    applied.map(|line| line["action"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_flyctl_deployed_is_pinned_and_labelled_without_a_new_version() {
    within(async {
        let (stage, _) = flyctls(Project::default()).await;
        let before = stage.machines(PRODUCTION).await;
        let digest = before[0].digest().unwrap().to_string();
        assert!(!before[0].config.as_ref().unwrap().image.contains('@'), "flyctl sends a tag (fly.md 2.1)");
        let since = stage.audit_lines().len();

        let told = adopt(&stage, &["--dry-run", "--json"]).await.exits(0).json();
        assert_eq!(told["plan"]["target"]["release"]["components"], json!({"api": digest}), "{told}");
        stage.run(&["status"]).await.exits(2).says(&["there is no journal at"]);
        assert_eq!(changes(&stage, since), BTreeSet::new());

        let told = adopt(&stage, &["--json"]).await.exits(0).json();
        assert_eq!((&told["verb"], &told["state"]), (&json!("adopt"), &json!("succeeded")), "{told}");
        assert_eq!(told["digests"], json!({"api": digest}));

        // Metadata need no lease and make no version (fly.md 1.3); leases change nothing. The tag
        // keeps the image for a way back (fly.md 5: retention is not promised).
        let expected =
            ["lease-acquire", "lease-release", "metadata-patch", "registry-manifest-put"].map(String::from);
        assert_eq!(changes(&stage, since), BTreeSet::from(expected));
        let after = stage.machines(PRODUCTION).await;
        assert_eq!(versions(&after), versions(&before));
        let created = |machines: &[Machine]| -> Vec<usize> {
            machines.iter().map(|machine| machine.events.len()).collect()
        };
        assert_eq!(created(&after), created(&before), "no event, so no restart");
        for (machine, was) in after.iter().zip(&before) {
            assert!(machine.lease.is_none(), "given back");
            let (is, was) = (machine.config.as_ref().unwrap(), was.config.as_ref().unwrap());
            let mut rest = is.metadata.clone();
            rest.retain(|key, _| !key.starts_with("understudy_"));
            assert_eq!(rest, was.metadata, "flyctl's keys stay");
            assert_eq!(is.image, was.image);
            assert_eq!(is.metadata["understudy_environment"], "production");
        }

        // The record, and the snapshot in the journal.
        let history = stage.run(&["history", "--env", "production", "--json"]).await.exits(0).json();
        let record = &history["deployments"][0];
        assert_eq!(
            (&record["verb"], &record["status"], &record["commitSha"]),
            (&json!("adopt"), &json!("deployed"), &json!("c0ffee"))
        );
        let shown = stage.run(&["show", told["id"].as_str().unwrap(), "--json"]).await.exits(0).json();
        let units = shown["snapshot"]["components"]["api"]["units"].as_array().unwrap();
        let kept: BTreeMap<String, String> = units
            .iter()
            .map(|unit| {
                assert!(unit["image"].as_str().unwrap().ends_with(&format!("@{digest}")), "{unit}");
                let text = |key: &str| unit["unit"][key].as_str().unwrap().to_owned();
                (text("id"), text("version"))
            })
            .collect();
        assert_eq!(kept, versions(&before));
        let status = stage.run(&["status", "--env", "production"]).await.exits(0).out;
        assert!(status.contains("1.0.0") && status.contains("c0ffee"), "{status}");
        stage.end().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn adopting_again_changes_nothing_and_says_so() {
    within(async {
        let (stage, deploy) = flyctls(Project::default()).await;
        let first = adopt(&stage, &["--json"]).await.exits(0).json();
        let records =
            |status: &Value| status["environments"][0]["records"].as_u64().expect("the journal's length");
        let before = stage.run(&["status", "--json"]).await.exits(0).json();
        let since = stage.audit_lines().len();
        let again = adopt(&stage, &["--json"]).await.exits(0).json();
        assert_eq!((&again["id"], &again["state"]), (&first["id"], &json!("succeeded")), "{again}");
        assert_eq!(changes(&stage, since), BTreeSet::new());
        let after = stage.run(&["status", "--json"]).await.exits(0).json();
        assert_eq!(records(&after), records(&before), "no second record");
        let told = adopt(&stage, &[]).await.exits(0).out;
        assert!(told.contains("adopted already"), "{told}");

        // Another name for it is not taken, and that is said where nobody misses it.
        let named =
            ["adopt", "--env", "production", "--version", "2.0.0", "--key", &stage.key("lead"), "--json"];
        let said = ["--version 2.0.0", "1.0.0", "stagectl eject --env production"];
        let told = stage.run(&named).await.exits(0).says(&said).json();
        assert_eq!(told["version"], "1.0.0");
        let warnings = told["warnings"].to_string();
        assert!(said.iter().all(|part| warnings.contains(part)), "{warnings}");

        // One that came since is no part of it, and is told.
        let managed = [("fly_platform_version", "v2"), ("fly_process_group", "app")];
        let late = stage.flyctl().machine_run(PRODUCTION, &deploy.image, &managed).await.unwrap();
        let told = adopt(&stage, &["--json"]).await.exits(0).json();
        let warnings = told["warnings"].to_string();
        assert!(warnings.contains(&late) && warnings.contains("carries no label"), "{told}");
        stage.end().await;
    })
    .await;
}

/// A deploy that failed in the middle leaves two images (fly.md 8: "a failed `fly deploy` leaves a mixed fleet").
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mix_is_refused_machine_by_machine() {
    within(async {
        let (stage, deploy) = flyctls(Project::default()).await;
        let second = Deploy { image: stage.push("1.1.0").await, ..deploy };
        let mut flyctl = stage.flyctl();
        // The first machine goes alone, does not come up in time, and stays on the new image.
        flyctl.wait = std::time::Duration::ZERO;
        flyctl.deploy_rolling(&second).await.unwrap_err();
        let machines = stage.machines(PRODUCTION).await;
        let digests: BTreeSet<_> = machines.iter().map(|machine| machine.digest().unwrap().clone()).collect();
        assert_eq!(digests.len(), 2);
        let since = stage.audit_lines().len();
        let refused = adopt(&stage, &[]).await.exits(3).says(&["is mixed", "fly deploy"]);
        for machine in &machines {
            let line = format!("{} runs {}", machine.id, machine.digest().unwrap().short());
            assert!(refused.err.contains(&line), "`{line}` is missing in {}", refused.err);
        }
        assert_eq!(changes(&stage, since), BTreeSet::new());
        let status = stage.run(&["status", "--env", "production", "--json"]).await.exits(0).json();
        assert_eq!(status["environments"][0]["records"], 0, "{status}");
        stage.end().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fleet_that_somebody_has_leased_is_refused_with_the_holder() {
    within(async {
        let (stage, _) = flyctls(Project::default()).await;
        let machine = stage.machines(PRODUCTION).await[1].id.to_string();
        let held = stage.flyctl().hold(PRODUCTION, &machine).await.unwrap();
        let refused = adopt(&stage, &["--json"]).await.exits(3).json();
        let why = refused["why"].as_str().unwrap();
        // fly.md 1.7: the conflict names machine, holder and expiry. Without a description the holder is the token's owner.
        assert!(why.contains(&machine) && why.contains("acme@tokens.localcloud"), "{why}");
        let labelled = |machine: &Machine| {
            machine.config.as_ref().unwrap().metadata.keys().any(|key| key.starts_with("understudy_"))
        };
        let machines = stage.machines(PRODUCTION).await;
        assert!(!machines.iter().any(labelled));
        let leases = machines.iter().filter(|machine| machine.lease.is_some()).count();
        assert_eq!(leases, 1, "ours was given back");
        held.give_back().await.unwrap();
        adopt(&stage, &[]).await.exits(0);
        stage.end().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn strangers_are_named_and_what_rests_is_counted() {
    within(async {
        let (stage, deploy) = flyctls(Project::default()).await;
        let flyctl = stage.flyctl();
        let stray = flyctl.machine_run(PRODUCTION, &deploy.image, &[]).await.unwrap();
        let sleeper = stage.machines(PRODUCTION).await.into_iter().map(|machine| machine.id.to_string());
        let sleeper = sleeper.filter(|id| *id != stray).max().unwrap();
        flyctl.machine_stop(PRODUCTION, &sleeper).await.unwrap();
        let stray_was = stage.machines(PRODUCTION).await.into_iter().find(|it| it.id.as_str() == stray);

        let told = adopt(&stage, &[]).await.exits(0).out;
        assert!(told.contains(&stray) && told.contains("stays as it is"), "{told}");
        // P12: stopped machines are counted and not said to be proven.
        assert!(told.contains("1 stopped machine of `runner` unproven"), "{told}");
        let machines = stage.machines(PRODUCTION).await;
        let of = |id: &str| machines.iter().find(|machine| machine.id.as_str() == id).unwrap();
        assert_eq!(Some(of(&stray).config.clone()), stray_was.map(|machine| machine.config));
        assert_eq!(of(&sleeper).state, MachineState::Stopped);
        assert_eq!(of(&sleeper).config.as_ref().unwrap().metadata["understudy_environment"], "production");
        stage.end().await;
    })
    .await;
}
