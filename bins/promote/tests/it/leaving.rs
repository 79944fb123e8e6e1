//! In and out again: an app that flyctl made is adopted, promoted into, put back and left, with the real binaries; and
//! flyctl's sequences go on working.

use std::collections::{BTreeMap, BTreeSet};

use flytypes::wire::{Machine, MachineState};
use localcloud::flyctl::Deploy;
use serde_json::{Value, json};

use crate::support::{PRODUCTION, Project, Stage, within};

/// Our keys on a machine.
fn ours(machine: &Machine) -> Vec<String> {
    let metadata = &machine.config.as_ref().unwrap().metadata;
    metadata.keys().filter(|key| key.starts_with("understudy_")).cloned().collect()
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

fn machines_of(list: &Value) -> BTreeSet<String> {
    list.as_array().unwrap().iter().map(|it| it["machine"].as_str().unwrap().to_owned()).collect()
}

/// flyctl deploys by both strategies; what serves then is what it was told to deploy, and nobody holds a lease.
async fn flyctl_works(stage: &Stage, deploy: &Deploy, versions: [&str; 2]) {
    for (version, bluegreen) in versions.into_iter().zip([false, true]) {
        let (flyctl, next) = (stage.flyctl(), Deploy { image: stage.push(version).await, ..deploy.clone() });
        if bluegreen {
            flyctl.deploy_bluegreen(&next).await.unwrap();
        } else {
            flyctl.deploy_rolling(&next).await.unwrap();
        }
        let machines = stage.machines(PRODUCTION).await;
        let serving = machines.iter().filter(|it| !it.cordoned && it.state == MachineState::Started);
        let tags: Vec<_> = serving.map(|machine| machine.image_ref.tag.clone()).collect();
        assert_eq!(tags, [version, version]);
        assert!(machines.iter().all(|machine| machine.lease.is_none()));
    }
}

/// Adopt → promote → rollback → eject, step by step as a team would type it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn adopt_promote_rollback_eject_on_an_app_that_flyctl_made() {
    within(async {
        let stage = Stage::new(Project::default()).await;
        let (old, new) = (stage.push("1.0.0").await, stage.push("1.1.0").await);
        let deploy = stage.deployed_by_flyctl(&old).await;
        let made = stage.machines(PRODUCTION).await;
        let (developer, lead) = (stage.key("developer"), stage.key("lead"));

        stage.run(&["adopt", "--env", "production", "--version", "1.0.0", "--key", &lead]).await.exits(0);
        stage.put("staging", &new).await;
        let start = ["start", "--to", "production", "--key", &developer, "--json"];
        let asked = stage.run(&start).await.exits(0).json();
        let (id, plan) = (asked["id"].as_str().unwrap(), asked["plan"].as_str().unwrap());
        stage.run(&["approve", id, "--plan", plan, "--key", &lead]).await.exits(0);
        stage.run(&["resume", id]).await.exits(0);
        let served: BTreeSet<_> = stage.serving().await;
        let back = ["rollback", "--env", "production", "--reason", "it is slow", "--key", &developer];
        stage.run(&back).await.exits(0);
        let before = stage.machines(PRODUCTION).await;
        assert_ne!(stage.serving().await, served);
        let serving = before.iter().filter(|machine| !machine.cordoned);
        let same: BTreeSet<_> = made.iter().map(|machine| machine.id.clone()).collect();
        assert_eq!(
            serving.map(|machine| machine.id.clone()).collect::<BTreeSet<_>>(),
            same,
            "the very machines"
        );

        let since = stage.audit_lines().len();
        let dry = ["eject", "--env", "production", "--dry-run", "--json"];
        let would = stage.stagectl(&dry).await.exits(0).json();
        assert_eq!((changes(&stage, since), &would["dry_run"]), (BTreeSet::new(), &json!(true)));
        let eject = ["eject", "--env", "production", "--destroy-parked", "--key", &lead, "--json"];
        let told = stage.stagectl(&eject).await.exits(0).json();
        assert_eq!(told["freed"], would["freed"]);
        assert_eq!(machines_of(&told["freed"]), same.iter().map(ToString::to_string).collect());

        let after = stage.machines(PRODUCTION).await;
        for (machine, was) in after.iter().filter(|machine| same.contains(&machine.id)).zip(&made) {
            assert_eq!(ours(machine), Vec::<String>::new());
            assert_eq!(machine.config.as_ref().unwrap().metadata, was.config.as_ref().unwrap().metadata);
            assert!(machine.lease.is_none());
        }
        // Nothing is parked after a way back: metadata, leases and tags are all there is to change.
        let expected = ["lease-acquire", "lease-release", "metadata-patch", "registry-manifest-delete"]
            .map(String::from);
        assert_eq!((changes(&stage, since), &told["destroyed"]), (BTreeSet::from(expected), &json!([])));
        assert_eq!(versions(&after), versions(&before), "no new version, no restart");
        let tags = told["tags"].as_array().unwrap();
        // What runs keeps its tag: a registry may clean up what has none.
        assert!(
            tags.len() == 1 && tags.iter().all(|tag| tag.as_str().unwrap().contains(":production-")),
            "{told}"
        );

        flyctl_works(&stage, &deploy, ["1.2.0", "1.3.0"]).await;
        let refused = stage.run(&start).await.exits(3).json();
        assert!(refused["why"].as_str().unwrap().contains("promote adopt --env production"), "{refused}");
        let history = stage.run(&["history", "--env", "production"]).await.exits(0).out;
        assert!(history.contains("adopt") && history.contains("rollback"), "{history}");
        // It stands where it happened: behind the way back, before what was refused since.
        let verbs: Vec<_> = history
            .lines()
            .filter_map(|line| ["rollback", "eject", "blocked"].into_iter().find(|it| line.contains(it)))
            .collect();
        let line = history.lines().find(|line| line.contains("ejected")).unwrap_or_default();
        assert!(verbs.starts_with(&["rollback", "eject"]) && line.contains("ssh:SHA256:"), "{history}");
        let history = stage.run(&["history", "--env", "production", "--json"]).await.exits(0).json();
        let ejects = history["ejects"].as_array().unwrap();
        assert!(
            ejects.len() == 1 && ejects[0]["by"].as_str().unwrap().starts_with("ssh:SHA256:"),
            "{history}"
        );
        assert!(
            ejects[0]["at"].as_str().unwrap().ends_with('Z') && ejects[0]["reason"].is_null(),
            "{history}"
        );
        let status = stage.run(&["status", "--env", "production"]).await.exits(0).out;
        assert!(status.contains("ejected"), "{status}");
        stage.run(&["adopt", "--env", "production", "--version", "1.3.0", "--key", &lead]).await.exits(0);
        stage.end().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn parked_machines_are_left_and_named_until_somebody_says_they_may_go() {
    within(async {
        let (stage, _) = Stage::played(Project { approvals: 0, ..Project::default() }).await;
        let lead = stage.key("lead");
        stage.run(&["start", "--to", "production", "--key", &lead]).await.exits(0);
        let before = stage.machines(PRODUCTION).await;
        let rests = |machine: &&Machine| machine.state == MachineState::Stopped;
        let parked: BTreeSet<String> = before.iter().filter(rests).map(|it| it.id.to_string()).collect();
        assert_eq!(parked.len(), 2);

        let eject = ["eject", "--env", "production", "--key", &lead];
        let told = stage.stagectl(&eject).await.exits(0).out;
        for part in parked.iter().map(String::as_str).chain(["parked", "--destroy-parked"]) {
            assert!(told.contains(part), "`{part}` is missing in {told}");
        }
        let after = stage.machines(PRODUCTION).await;
        assert_eq!(versions(&after), versions(&before));
        for machine in &after {
            assert_eq!(ours(machine).is_empty(), !parked.contains(machine.id.as_str()), "{}", machine.id);
        }
        let go: Vec<_> = eject.into_iter().chain(["--destroy-parked", "--json"]).collect();
        let told = stage.stagectl(&go).await.exits(0).json();
        assert_eq!((machines_of(&told["destroyed"]), &told["freed"]), (parked, &json!([])));
        let left = stage.machines(PRODUCTION).await;
        assert!(left.len() == 2 && left.iter().all(|machine| machine.state == MachineState::Started));
        stage.end().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_leaves_in_the_middle_or_with_another_journal() {
    within(async {
        let (stage, _) = Stage::played(Project::default()).await;
        let (developer, lead) = (stage.key("developer"), stage.key("lead"));
        let since = stage.audit_lines().len();
        let eject = ["eject", "--env", "production", "--key", &lead];
        let other: Vec<_> = eject.into_iter().chain(["--store", "sqlite:other.db"]).collect();
        stage.stagectl(&other).await.exits(3).says(&["is marked by store", "--store"]);
        stage
            .stagectl(&["eject", "--env", "production", "--key", &developer])
            .await
            .exits(3)
            .says(&["may approve"]);
        stage.stagectl(&["eject", "--env", "producton", "--key", &lead]).await.exits(2).says(&["producton"]);
        stage.stagectl(&["eject", "--env", "production"]).await.exits(2).says(&["--key"]);

        let machine = stage.machines(PRODUCTION).await[0].id.to_string();
        let held = stage.flyctl().hold(PRODUCTION, &machine).await.unwrap();
        stage.stagectl(&eject).await.exits(3).says(&[&machine, "acme@tokens.localcloud"]);
        held.give_back().await.unwrap();

        let waiting = stage.run(&["start", "--to", "production", "--key", &developer, "--json"]).await;
        let id = waiting.exits(0).json()["id"].as_str().unwrap().to_owned();
        stage.stagectl(&eject).await.exits(3).says(&[&id, "awaiting-approval", "promote abort"]);
        let leases = ["lease-acquire", "lease-release"].map(String::from);
        assert_eq!(changes(&stage, since), BTreeSet::from(leases), "no label was touched");
        stage.end().await;
    })
    .await;
}
