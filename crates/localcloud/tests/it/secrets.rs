//! Secrets: digests outside, values inside, bound by version.

use serde_json::json;

use crate::support::{Server, http, lines, within};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn values_reach_the_program_of_the_version_it_was_updated_with() {
    within(async {
        let s = Server::start().await;
        s.app("web").await;
        s.push("web", "v1", &[]).await;
        let set = s.post("/v1/apps/web/secrets", json!({"values": {"SECRET": "one", "OTHER": "x"}})).await;
        assert_eq!(set["version"], 1);
        assert!(!set.to_string().contains("one"), "values are never readable");
        let id = s.started("web", json!({"config": s.config("web:v1"), "min_secrets_version": 1})).await;
        s.until_edges("web", |a| a.status == 200).await;
        let edge = s.edges("web").await[0].clone();
        let secret =
            async || lines(&http("GET", &edge, &[], "").await.unwrap().text()).get("SECRET").cloned();
        assert_eq!(secret().await.as_deref(), Some("one"));
        let two = s.call("POST", "/v1/apps/web/secrets/SECRET", Some(json!({"value": "two"}))).await;
        assert_eq!((two.status, two.json()["version"].as_u64()), (201, Some(2)));
        s.post(&format!("/v1/apps/web/machines/{id}/restart"), json!({})).await;
        s.until("web", &id, |m| m["state"] == "started" && m["checks"][0]["status"] == "passing").await;
        s.until_edges("web", |a| a.status == 200).await;
        assert_eq!(secret().await.as_deref(), Some("one"), "a restart does not apply staged secrets");
        let unreached = json!({"config": s.config("web:v1"), "min_secrets_version": 9});
        assert_eq!(s.call("POST", &format!("/v1/apps/web/machines/{id}"), Some(unreached)).await.status, 412);
        let update = json!({"config": s.config("web:v1"), "min_secrets_version": 2});
        let new = s.post(&format!("/v1/apps/web/machines/{id}"), update).await;
        s.wait("web", &id, "started", new["instance_id"].as_str().unwrap()).await;
        s.until_edges("web", |a| lines(&a.text()).get("SECRET").is_some_and(|v| v == "two")).await;
        let list = s.get("/v1/apps/web/secrets").await;
        assert_eq!(list["secrets"].as_array().unwrap().len(), 2);
        assert_eq!(s.ok("DELETE", "/v1/apps/web/secrets/OTHER", None).await["version"], 3);
        assert_eq!(s.call("GET", "/v1/apps/web/secrets/OTHER", None).await.status, 404);
        s.end().await;
    })
    .await;
}
