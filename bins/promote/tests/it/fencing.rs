//! Leases at the provider, by its own records.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::support::{PRODUCTION, Project, STAGING, Stage, within};

/// What a lease fences (fly.md 1.7), by the names of the provider's records.
const FENCED: [&str; 6] = [
    "machine-update",
    "machine-start",
    "machine-stop",
    "machine-cordon",
    "machine-uncordon",
    "machine-delete",
];

/// Changes of machines that nobody had leased then, and calls that were refused because of a lease or its number.
fn unfenced(lines: &[Value]) -> Vec<String> {
    let mut leased: BTreeSet<&str> = BTreeSet::new();
    let mut wrong = Vec::new();
    for line in lines {
        let (Some(action), Some(machine)) = (line["action"].as_str(), line["machine"].as_str()) else {
            continue;
        };
        let status = line["status"].as_u64().unwrap();
        match action {
            "lease-acquire" if status == 201 => drop(leased.insert(machine)),
            "lease-release" if status == 200 => drop(leased.remove(machine)),
            _ if status == 409 => wrong.push(format!("refused: {line}")),
            _ if FENCED.contains(&action) && !leased.contains(machine) => {
                wrong.push(format!("unfenced: {line}"));
            }
            _ => {}
        }
    }
    wrong
}

/// Bootstrap, deploy, a way back, a promotion and a rollback by a person, at a provider that takes no number of a lease
/// that is over (the stricter reading of fly.md 1.7): no call is refused, and no machine is changed unleased.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_strict_provider_refuses_nothing_and_sees_no_unleased_change() {
    within(async {
        let project = Project { approvals: 0, strict_nonce: true, ..Project::default() };
        let (stage, _) = Stage::played(project).await;
        let (key, before) = (stage.key("developer"), stage.serving().await);
        let start = ["start", "--to", "production", "--key", &key, "--json"];

        stage.fail_smoke(true);
        let failed = stage.run(&start).await.exits(5).json();
        assert_eq!(failed["state"], "rolled-back", "{failed}");
        assert_eq!(stage.serving().await, before);
        stage.fail_smoke(false);

        let done = stage.run(&start).await.exits(0).json();
        assert_eq!(done["state"], "succeeded", "{done}");
        let back = ["rollback", "--env", "production", "--reason", "it is slow", "--key", &key, "--json"];
        let back = stage.run(&back).await.exits(0).json();
        assert_eq!(back["state"], "succeeded", "{back}");
        assert_eq!(stage.serving().await, before);

        let lines = stage.audit_lines();
        assert_eq!(unfenced(&lines), Vec::<String>::new());
        let changes = lines.iter().filter(|line| FENCED.iter().any(|is| line["action"] == *is)).count();
        assert!(changes > 10, "{changes} changes: somebody renamed them");
        for app in [PRODUCTION, STAGING] {
            let held: Vec<_> =
                stage.machines(app).await.into_iter().filter_map(|machine| machine.lease).collect();
            assert!(held.is_empty(), "given back: {held:?}");
        }
        stage.end().await;
    })
    .await;
}
