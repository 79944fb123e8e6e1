//! Each fault does what its row says.

use serde_json::{Value, json};

use crate::support::{Server, within};

async fn server() -> Server {
    let s = Server::start().await;
    s.app("web").await;
    s.push("web", "v1", &[]).await;
    s
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn boot_failure_ends_in_failed() {
    within(async {
        let s = server().await;
        s.post("/localcloud/v1/faults", json!({"name": "boot-failure", "app": "web", "count": 1})).await;
        let machine = s.post("/v1/apps/web/machines", json!({"config": s.config("web:v1")})).await;
        let id = machine["id"].as_str().unwrap();
        s.get(&format!("/v1/apps/web/machines/{id}/wait?state=failed&timeout=30")).await;
        let events = s.machine("web", id).await["events"].clone();
        assert_eq!(
            (events[0]["type"].as_str(), events[0]["status"].as_str()),
            (Some("launch"), Some("failed"))
        );
        s.post(&format!("/v1/apps/web/machines/{id}/start"), json!({})).await;
        s.wait("web", id, "started", machine["instance_id"].as_str().unwrap()).await;
        s.end().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lost_answers_are_told_by_the_audit_log() {
    within(async {
        let s = server().await;
        let mut config = s.config("web:v1");
        config["metadata"] = json!({"understudy_key": "k-1"});
        let body = json!({"config": config, "skip_launch": true});
        s.ok(
            "PUT",
            "/localcloud/v1/faults",
            Some(json!({"faults": [
                {"name": "answer-408-after-success", "action": "machine-create", "count": 1},
                {"name": "cut-connection", "action": "app-create", "count": 1},
                {"name": "cut-connection", "action": "secret-update", "count": 1, "applied": true},
            ]})),
        )
        .await;
        assert_eq!(s.call("POST", "/v1/apps/web/machines", Some(body)).await.status, 408);
        let found = s.get("/v1/apps/web/machines?metadata.understudy_key=k-1").await;
        assert_eq!(found.as_array().unwrap().len(), 1, "it took effect");
        assert!(s.try_call("POST", "/v1/apps", Some(json!({"app_name": "x"}))).await.is_err());
        assert_eq!(s.call("GET", "/v1/apps/x", None).await.status, 404, "cut before it took effect");
        let secret = json!({"values": {"A": "hush"}});
        assert!(s.try_call("POST", "/v1/apps/web/secrets", Some(secret)).await.is_err());
        assert_eq!(s.get("/v1/apps/web/secrets").await["version"], 1, "cut after it took effect");
        assert_eq!(s.get("/localcloud/v1/faults").await, json!({"faults": []}), "all used up");
        let audit = s.audit();
        let line = |action: &str| audit.iter().find(|l| l["action"] == action).unwrap().clone();
        let create = line("machine-create");
        assert_eq!(create["applied"], true);
        assert_eq!(create["status"], 200, "what was decided, not what was sent");
        assert_eq!(
            (create["fault"].as_str(), create["key"].as_str()),
            (Some("answer-408-after-success"), Some("k-1"))
        );
        assert_eq!(create["machine"], found[0]["id"]);
        let cut =
            |applied: bool| audit.iter().any(|l| l["fault"] == "cut-connection" && l["applied"] == applied);
        assert!(cut(true) && cut(false));
        let text = std::fs::read_to_string(s.dir.path().join("audit.jsonl")).unwrap();
        assert!(!text.contains("hush") && !text.contains("tok-a"), "no secret in the log");
        s.end().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bursts_and_latency() {
    within(async {
        let s = server().await;
        s.ok(
            "PUT",
            "/localcloud/v1/faults",
            Some(json!({"faults": [
                {"name": "rate-limit-burst", "action": "app-get", "count": 2},
                {"name": "latency", "action": "app-get", "count": 3, "ms": 120},
            ]})),
        )
        .await;
        let since = tokio::time::Instant::now();
        let mut answers = Vec::new();
        for _ in 0..3 {
            answers.push(s.call("GET", "/v1/apps/web", None).await.status);
        }
        assert_eq!(answers, [429, 429, 200]);
        assert!(since.elapsed() >= std::time::Duration::from_millis(360));
        s.end().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn checks_fail_and_flap() {
    within(async {
        let s = server().await;
        s.post("/localcloud/v1/faults", json!({"name": "check-failing", "app": "web"})).await;
        let mut config = s.config("web:v1");
        config["services"][0]["checks"][0]["grace_period"] = json!("50ms");
        config["services"][0]["checks"][0]["interval"] = json!("50ms");
        let id = s.started("web", json!({"config": config})).await;
        s.until("web", &id, |m| m["checks"][0]["output"] == "fault check-failing").await;
        s.ok(
            "PUT",
            "/localcloud/v1/faults",
            Some(json!({"faults": [{"name": "check-flapping", "machine": id}]})),
        )
        .await;
        for status in ["passing", "critical", "passing", "critical"] {
            s.until("web", &id, |m| m["checks"][0]["status"] == status).await;
        }
        s.ok("PUT", "/localcloud/v1/faults", Some(json!({"faults": []}))).await;
        s.until("web", &id, |m| m["checks"][0]["status"] == "passing").await;
        s.end().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failed_pull_silently_reverts() {
    within(async {
        let s = server().await;
        s.push("web", "v2", &[("VERSION", "2")]).await;
        for keep in [true, false] {
            let id = s.started("web", json!({"config": s.config("web:v1")})).await;
            let before = s.machine("web", &id).await;
            let fault = json!({"name": "pull-failure-silent-revert", "machine": id, "count": 1, "keep_version": keep});
            s.post("/localcloud/v1/faults", fault).await;
            let body = json!({"config": s.config("web:v2")});
            let after: Value = s.post(&format!("/v1/apps/web/machines/{id}"), body).await;
            assert_ne!(after["instance_id"], before["instance_id"]);
            assert_ne!(after["image_ref"]["digest"], before["image_ref"]["digest"]);
            let now = s.until("web", &id, |m| m["state"] == "started").await;
            assert_eq!(now["image_ref"]["digest"], before["image_ref"]["digest"], "the old image");
            assert_eq!(now["config"]["image"], before["config"]["image"]);
            assert_eq!(now["instance_id"], if keep { &after } else { &before }["instance_id"]);
        }
        s.end().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_faults_are_refused() {
    within(async {
        let s = server().await;
        for fault in
            [json!({"name": "no-such"}), json!({"name": "latency"}), json!({"name": "boot-failure", "x": 1})]
        {
            let answer = s.call("POST", "/localcloud/v1/faults", Some(fault)).await;
            assert!((400..500).contains(&answer.status), "{}", answer.text());
        }
        s.end().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fault_on_every_call_can_still_be_ended() {
    within(async {
        let s = server().await;
        for fault in ["cut-connection", "rate-limit-burst"] {
            s.post("/localcloud/v1/faults", json!({"name": fault})).await;
        }
        assert_eq!(s.call("GET", "/v1/apps/web", None).await.status, 429);
        s.ok("PUT", "/localcloud/v1/faults", Some(json!({"faults": []}))).await;
        assert_eq!(s.call("GET", "/v1/apps/web", None).await.status, 200);
        s.end().await;
    })
    .await;
}
