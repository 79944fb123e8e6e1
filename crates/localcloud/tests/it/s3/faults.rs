//! What goes wrong on purpose, and what the audit log tells.

use std::time::Duration;

use serde_json::{Value, json};

use super::client::S3;
use crate::support::{Server, within};

/// The audit lines of calls to the S3.
fn calls(s: &Server) -> Vec<Value> {
    let is_s3 = |line: &Value| line["action"].as_str().is_some_and(|action| action.starts_with("s3-"));
    s.audit().into_iter().filter(is_s3).collect()
}

async fn fault(s: &Server, fault: Value) {
    s.post("/localcloud/v1/faults", fault).await;
}

/// API Reference, "Error responses": SlowDown is 503, ConditionalRequestConflict 409; neither does anything.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s3_refuses_for_a_while() {
    within(async {
        let s = Server::start().await;
        let s3 = S3::of(&s).await;
        s3.put("/bucket", "").await;
        fault(&s, json!({"name": "slow-down", "app": "bucket", "count": 2})).await;
        for method in ["PUT", "GET"] {
            s3.send(method, "/bucket/key", &[], "x").await.refused(503, "SlowDown");
        }
        s3.get("/bucket/key").await.refused(404, "NoSuchKey");
        fault(&s, json!({"name": "conditional-conflict", "count": 1})).await;
        s3.put("/bucket/other", "unconditional").await;
        let absent = [("if-none-match", "*")];
        s3.send("PUT", "/bucket/key", &absent, "x").await.refused(409, "ConditionalRequestConflict");
        assert_eq!(
            s3.send("PUT", "/bucket/key", &absent, "y").await.status,
            200,
            "it was not written before"
        );
        let struck = s.get("/localcloud/v1/faults/struck").await;
        assert_eq!(struck, json!({"slow-down": {"bucket": 2}, "conditional-conflict": {"bucket": 1}}));
        s.end().await;
    })
    .await;
}

/// What a client cannot tell apart from outside: a write whose answer is lost, one that never came, and one that lands
/// later. Only writes are struck, unless a read is named.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_get_lost_before_after_and_long_before_the_write() {
    within(async {
        let s = Server::start().await;
        let s3 = S3::of(&s).await;
        s3.put("/bucket", "").await;
        let write = async |key: &str| s3.try_send("PUT", &format!("/bucket/{key}"), &[], b"x").await;
        let is_there = async |key: &str| s3.get(&format!("/bucket/{key}")).await.status == 200;
        fault(&s, json!({"name": "cut-connection", "applied": true, "count": 1})).await;
        assert!(!is_there("after").await, "reads pass");
        assert!(write("after").await.is_err() && is_there("after").await, "done, and not answered");
        fault(&s, json!({"name": "cut-connection", "action": "s3-object-put", "count": 1})).await;
        assert!(write("before").await.is_err() && !is_there("before").await, "not done");
        fault(&s, json!({"name": "late-landing", "ms": 2000, "count": 1})).await;
        assert!(write("late").await.is_err() && !is_there("late").await, "not done yet");
        let line_of = |key: &str| {
            let of = |line: &Value| line["method"] == "PUT" && line["path"] == format!("/bucket/{key}");
            calls(&s).into_iter().find(of)
        };
        while line_of("late").is_none() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert!(is_there("late").await, "done at last");
        let tell = |key: &str| {
            let line = line_of(key).unwrap();
            (line["applied"].clone(), line["status"].clone(), line["fault"].clone())
        };
        assert_eq!(tell("after"), (json!(true), json!(200), json!("cut-connection")));
        assert_eq!(tell("before"), (json!(false), json!(502), json!("cut-connection")));
        assert_eq!(tell("late"), (json!(true), json!(200), json!("late-landing")));
        s.end().await;
    })
    .await;
}

/// The audit log's documentation: one line a call, with its action, the bucket as `app`, and whether it changed something.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_call_has_its_line() {
    within(async {
        let s = Server::start().await;
        let s3 = S3::of(&s).await;
        s3.put("/bucket", "").await;
        s3.send("HEAD", "/bucket", &[], "").await;
        s3.put("/bucket/a%20key", "x").await;
        s3.get("/bucket/a%20key").await;
        s3.send("HEAD", "/bucket/a%20key", &[], "").await;
        s3.get("/bucket?list-type=2").await;
        s3.send("PUT", "/bucket/a%20key", &[("if-none-match", "*")], "y").await;
        s3.send("DELETE", "/bucket/a%20key", &[], "").await;
        s3.send("POST", "/bucket?delete=", &[], "<Delete><Object><Key>a</Key></Object></Delete>").await;
        s3.with_token("tok-x").get("/bucket/a%20key").await;
        let told = calls(&s);
        let told: Vec<_> = told
            .iter()
            .map(|line| {
                (line["action"].as_str().unwrap(), line["status"].as_u64().unwrap(), line["applied"] == true)
            })
            .collect();
        let wanted = [
            ("s3-bucket-create", 200, true),
            ("s3-bucket-head", 200, false),
            ("s3-object-put", 200, true),
            ("s3-object-get", 200, false),
            ("s3-object-head", 200, false),
            ("s3-objects-list", 200, false),
            ("s3-object-put", 412, false),
            ("s3-object-delete", 204, true),
            ("s3-objects-delete", 200, true),
            ("s3-object-get", 403, false),
        ];
        assert_eq!(told, wanted);
        let lines = calls(&s);
        assert!(lines.iter().all(|line| line["app"] == "bucket" && line["machine"].is_null()), "{lines:?}");
        assert_eq!(
            (&lines[2]["org"], &lines[9]["org"]),
            (&json!("acme"), &Value::Null),
            "nobody known asked last"
        );
        assert_eq!(lines[2]["path"], "/bucket/a%20key");
        s.end().await;
    })
    .await;
}
