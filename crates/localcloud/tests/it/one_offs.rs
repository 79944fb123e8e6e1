//! Machines that run one command and go: their exit code and their log outlive them.

use serde_json::json;

use crate::support::{Server, within};

/// fly.md 2.4: "create with skip_launch, auto_destroy, restart `no` … wait destroyed … GET machine (destroyed machines remain
/// readable) and find the exit event newer than the start"; 7: the logs.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_exit_code_and_a_log_outlive_the_machine() {
    within(async {
        let s = Server::start().await;
        s.app("web").await;
        s.push("web", "v1", &[]).await;
        let config = json!({
            "image": s.config("web:v1")["image"], "auto_destroy": true, "restart": {"policy": "no"},
            "init": {"exec": ["/bin/sh", "-c", "for n in $(seq 1 130); do echo line $n; done; exit 3"]},
        });
        let made = s.post("/v1/apps/web/machines", json!({"config": config, "skip_launch": true})).await;
        let id = made["id"].as_str().unwrap();
        s.until("web", id, |m| m["state"] == "stopped").await;
        let logs = format!("/api/v1/apps/web/logs?instance={id}");
        assert_eq!(s.get(&logs).await["data"], json!([]), "it has not run");
        s.post(&format!("/v1/apps/web/machines/{id}/start"), json!({})).await;
        let gone = s.until("web", id, |m| m["state"] == "destroyed").await;
        let exits: Vec<_> =
            gone["events"].as_array().unwrap().iter().filter(|e| e["type"] == "exit").collect();
        assert_eq!(exits.len(), 1, "it ran once: {gone}");
        assert_eq!(exits[0]["request"]["exit_event"]["exit_code"], 3);
        assert_eq!(s.call("POST", &format!("/v1/apps/web/machines/{id}/start"), None).await.status, 404);

        let page = s.get(&logs).await;
        let lines: Vec<&str> = page["data"]
            .as_array()
            .unwrap()
            .iter()
            .map(|l| l["attributes"]["message"].as_str().unwrap())
            .collect();
        assert_eq!((lines.len(), lines[0], lines[99]), (100, "line 31", "line 130"), "the last hundred");
        assert_eq!(page["data"][0]["attributes"]["instance"], id);
        let token = page["meta"]["next_token"].as_str().unwrap();
        let after = s.get(&format!("{logs}&next_token={token}")).await;
        assert_eq!(after["data"], json!([]), "nothing came after");
        assert_eq!(s.get("/api/v1/apps/web/logs?instance=other").await["data"], json!([]));
        assert_eq!(s.get("/api/v1/apps/web/logs?region=zzz").await["data"], json!([]));
        assert_eq!(s.get("/api/v1/apps/web/logs").await["data"].as_array().unwrap().len(), 100);
        assert_eq!(s.call("GET", "/api/v1/apps/web/logs?next_token=x", None).await.status, 400);
        assert_eq!(s.call("GET", "/api/v1/apps/elsewhere/logs", None).await.status, 404);
        s.end().await;
    })
    .await;
}
