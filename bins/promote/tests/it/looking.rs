//! status, history, show, explain, adopt, rollback: what they say, as programs read it.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::support::{PRODUCTION, Project, Stage, ended, within};

fn keys(value: &Value) -> BTreeSet<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

/// The shapes that programs rely on.
async fn shapes(stage: &Stage, id: &str) {
    let status = stage.run(&["status", "--json"]).await.exits(0).json();
    assert_eq!(keys(&status), BTreeSet::from(["ok", "environments"]));
    let environment = &status["environments"][0];
    assert_eq!(
        keys(environment),
        BTreeSet::from([
            "environment",
            "current",
            "since",
            "under_way",
            "records",
            "drift",
            "drift_ended",
            "closed"
        ])
    );
    assert_eq!((&environment["current"]["id"], &environment["under_way"]), (&json!(id), &json!([])));
    let promotion = BTreeSet::from([
        "id",
        "environment",
        "verb",
        "phase",
        "since",
        "version",
        "commit",
        "release",
        "digests",
        "release_commands",
        "requested_by",
        "plan",
        "approvals",
        "checklist",
        "attestations",
        "images",
        "release_commands",
        "why",
        "stalled",
        "tree",
    ]);
    assert_eq!(keys(&environment["current"]), promotion);

    let shown = stage.run(&["show", id, "--json"]).await.exits(0).json();
    let more = ["ok", "plan_detail", "snapshot"];
    assert_eq!(keys(&shown), promotion.iter().copied().chain(more).collect());
    assert_eq!((&shown["verb"], &shown["version"]), (&json!("promote"), &json!("1.1.0")));
    // The last six digits are enough.
    let short = stage.run(&["show", &id[id.len() - 6..], "--json"]).await.exits(0).json();
    assert_eq!(short["id"], json!(id));

    let receipt = stage.run(&["receipt", id]).await.exits(0).out;
    for word in ["built", "copied", "tested", "asked by", "running", "record"] {
        assert!(receipt.lines().any(|line| line.starts_with(word)), "{word}: {receipt}");
    }
    let signed = stage.run(&["receipt", id, "--json"]).await.exits(0).json();
    assert_eq!(keys(&signed), BTreeSet::from(["payload", "payloadType", "signatures"]));

    let explained = stage.run(&["explain", id, "--json"]).await.exits(0).json();
    assert_eq!(
        keys(&explained),
        promotion.iter().copied().chain(["ok", "events", "hold", "ahead"]).collect()
    );
    let events = explained["events"].as_array().unwrap();
    assert!(events.iter().all(|event| keys(event) == BTreeSet::from(["seq", "at", "what"])));
    let text: Vec<_> = events.iter().filter_map(|event| event["what"].as_str()).collect();
    for part in [
        "promote of 1.1.0 asked by",
        "machines leased",
        "settling in",
        "will create",
        "will stop",
        "-> succeeded",
    ] {
        assert!(text.iter().any(|line| line.contains(part)), "`{part}` is missing in {text:#?}");
    }

    let history = stage.run(&["history", "--env", "production", "--json"]).await.exits(0).json();
    let last = history["deployments"].as_array().unwrap().iter().find(|it| it["id"] == id).unwrap();
    let expected = [
        "id",
        "environment",
        "version",
        "commitSha",
        "deployedAt",
        "deployedBy",
        "status",
        "verb",
        "release",
        "digests",
        "apps",
        "plan",
        "why",
    ];
    assert_eq!(keys(last), expected.into_iter().collect());
    // Environment, app, digest and commit stand in every record.
    let serving = stage.serving().await;
    assert_eq!(last["apps"], json!({"api": PRODUCTION}));
    assert_eq!(BTreeSet::from([last["digests"]["api"].as_str().unwrap().to_owned()]), serving);
    assert_eq!(last["commitSha"], json!("110".repeat(14)[..40]));
    assert_eq!((&last["status"], &last["environment"]), (&json!("deployed"), &json!("production")));

    let table = stage.run(&["status"]).await.exits(0).out;
    assert!(table.contains("production") && table.contains("1.1.0"), "{table}");
    let table = stage.run(&["history"]).await.exits(0).out;
    assert!(table.contains(id) && table.contains("deployed"), "{table}");

    // docs/exit-codes.md: a stdout that takes nothing is 2, for it is no provider that comes back.
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let full = ended(stage.command(&["history"]).stdout(full).spawn().unwrap()).await;
    full.exits(2).says(&["cannot write to stdout"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_happened_can_be_read_and_undone() {
    within(async {
        let (stage, _) = Stage::played(Project { approvals: 0, ..Project::default() }).await;
        let key = stage.key("developer");
        let before = stage.serving().await;
        let started =
            stage.run(&["start", "--to", "production", "--key", &key, "--json"]).await.exits(0).json();
        let id = started["id"].as_str().unwrap();
        assert_eq!(started["state"], "succeeded");
        let after = stage.serving().await;
        assert_ne!(after, before);
        shapes(&stage, id).await;
        assert_eq!(stage.run(&["tick"]).await.exits(0).out, "nothing to do\n");

        let back = ["rollback", "--env", "production", "--reason", "it is slow", "--key", &key, "--json"];
        let dry: Vec<_> = back.into_iter().chain(["--dry-run"]).collect();
        let told = stage.run(&dry).await.exits(0).json();
        assert_eq!((&told["undoes"], &told["back_to"]), (&json!(id), &json!("1.0.0")));
        assert_eq!(stage.serving().await, after, "nothing was changed");
        let told = stage.run(&back).await.exits(0).json();
        assert_eq!((&told["verb"], &told["state"]), (&json!("rollback"), &json!("succeeded")));
        assert_eq!(stage.serving().await, before);
        // It went by the rules under which 1.0.0 was put there, its suite among them.
        let shown = stage.run(&["show", told["id"].as_str().unwrap(), "--json"]).await.exits(0).json();
        let target = &shown["plan_detail"]["target"];
        assert_eq!(
            (&target["policy"]["verify"], &target["policy_change"]),
            (&json!(["smoke"]), &Value::Null)
        );
        assert_eq!(told["attestations"][0]["suite"], "smoke");
        // What runs now was put there by the rollback, whoever put it there first.
        let status = stage.run(&["status", "--env", "production", "--json"]).await.exits(0).json();
        let production = &status["environments"][0];
        assert_eq!(
            (&production["since"], &production["current"]["version"]),
            (&shown["since"], &json!("1.0.0"))
        );
        let table = stage.run(&["status", "--env", "production"]).await.exits(0).out;
        assert!(table.contains(shown["since"].as_str().unwrap()), "{table}");

        // Another store takes production over only from a fleet that nobody marked.
        let adopt = ["adopt", "--env", "production", "--version", "1.0.0", "--key", &key, "--json"];
        let foreign: Vec<_> = adopt.into_iter().chain(["--store", "sqlite:other.db"]).collect();
        stage.run(&foreign).await.exits(3);
        // What stands already has rules, which adopting it again must not replace (P1).
        let told = stage.run(&adopt).await.exits(3).json();
        assert_eq!((&told["verb"], &told["state"]), (&json!("adopt"), &json!("blocked")));
        let nothing = stage.run(&["rollback", "--env", "production", "--key", &key]).await.exits(3);
        nothing.says(&["there is nothing before 1.0.0", "help: promote history --env production"]);
        stage.end().await;
    })
    .await;
}
