//! A store in a bucket: in the stand-in's small S3, over HTTP.

use std::time::Duration;

use crate::support::{Project, Stage, within};

/// A runner is killed in the middle of a promotion; another process, which has nothing but the bucket, brings it to its end.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_promotion_goes_on_from_the_bucket_alone() {
    within(async {
        let project = Project { approvals: 0, lease: "2s", bucket: true, ..Project::default() };
        let stage = Stage::new(project).await;
        stage.run(&["status"]).await.exits(2).says(&["there is no journal at s3://journals/understudy"]);
        let (old, new) = (stage.push("1.0.0").await, stage.push("1.1.0").await);
        stage.put("production", &old).await;
        stage.put("staging", &new).await;
        let before = stage.audit_lines().len();
        let key = stage.key("developer");
        let mut runner = stage.command(&["start", "--to", "production", "--key", &key]).spawn().unwrap();
        // A machine was made: it is in the middle.
        while !stage.audit_lines()[before..].iter().any(|line| line["action"] == "machine-create") {
            assert!(runner.try_wait().unwrap().is_none(), "it is killed before its end");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        runner.kill().await.unwrap();
        let status = stage.run(&["status", "--env", "production", "--json"]).await.exits(0).json();
        let id =
            status["environments"][0]["under_way"][0]["id"].as_str().expect("it is under way").to_owned();
        stage.tick_until(&id, "succeeded").await;
        assert!(!stage.files().iter().any(|name| name.ends_with(".db")), "{:?}", stage.files());
        let lines = stage.audit_lines();
        let refused = |line: &&serde_json::Value| {
            line["action"].as_str().is_some_and(|action| action.starts_with("s3-")) && line["status"] == 403
        };
        assert_eq!(lines.iter().find(refused), None, "every request was signed as it should be");
        stage.end().await;
    })
    .await;
}
