//! `stagectl doctor` where everything works, and where one thing stopped working.

use serde_json::Value;

use crate::support::{PRODUCTION, Project, Stage, within};

fn of<'v>(told: &'v Value, about: &str) -> (&'v str, &'v str) {
    let findings = told["findings"].as_array().unwrap();
    let found = findings.iter().find(|it| it["about"] == about).unwrap_or_else(|| panic!("{about}: {told}"));
    (found["state"].as_str().unwrap(), found["seen"].as_str().unwrap())
}

#[tokio::test]
async fn what_works_is_seen_without_a_change_and_what_stopped_is_named() {
    within(async {
        let (stage, _) = Stage::played(Project::default()).await;
        let (since, files) = (stage.audit_lines().len(), stage.files());
        let told = stage.stagectl(&["doctor", "--json"]).await.exits(0).json();
        let changes = stage.audit_lines()[since..].iter().filter(|line| line["applied"] == true).count();
        assert_eq!((told["ok"].as_bool(), changes), (Some(true), 0), "{told}");
        assert_eq!(stage.files(), files, "nothing is left beside the journal");
        for about in
            ["files", "people", "store", "clock", "production: image of runner", "staging: address of api"]
        {
            assert_eq!(of(&told, about).0, "good", "{about}: {told}");
        }
        let (state, seen) = of(&told, &format!("production: app {PRODUCTION}"));
        assert_eq!(state, "good");
        assert!(seen.ends_with(" machines, 2 labelled by us"), "{seen}");

        stage.edit("file:staging.token", "file:gone.token");
        let told = stage.stagectl(&["doctor", "--json"]).await.exits(15).json();
        assert_eq!(of(&told, "staging: token").0, "bad", "{told}");
        assert_eq!(of(&told, &format!("production: app {PRODUCTION}")).0, "good", "{told}");
        stage.end().await;
    })
    .await;
}
