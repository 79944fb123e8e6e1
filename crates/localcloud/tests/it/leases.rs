//! Leases: their envelope, and what they keep others from (fly.md 1.7).

use serde_json::json;

use crate::support::{Server, within};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lease_fences_every_change_but_metadata() {
    within(async {
        let s = Server::start().await;
        s.app("web").await;
        s.push("web", "v1", &[]).await;
        let body = json!({"config": s.config("web:v1"), "skip_launch": true});
        let id = s.post("/v1/apps/web/machines", body.clone()).await["id"].as_str().unwrap().to_owned();
        let path = format!("/v1/apps/web/machines/{id}");
        let lease = format!("{path}/lease");
        assert_eq!(s.call("GET", &lease, None).await.status, 404);
        let taken =
            s.call("POST", &lease, Some(json!({"ttl": 60, "description": "understudy production"}))).await;
        assert_eq!(taken.status, 201);
        let (taken, nonce) = (taken.json(), taken.json()["data"]["nonce"].as_str().unwrap().to_owned());
        assert_eq!(taken["status"], "success");
        let held = s.call("POST", &format!("{lease}?ttl=13"), None).await;
        assert_eq!((held.status, held.json()["status"].as_str()), (409, Some("error")));
        assert!(held.json()["message"].as_str().unwrap().contains("understudy production"));
        for (method, call) in [
            ("POST", ""),
            ("POST", "/start"),
            ("POST", "/stop"),
            ("POST", "/restart"),
            ("POST", "/suspend"),
            ("POST", "/signal"),
            ("POST", "/cordon"),
            ("POST", "/uncordon"),
            ("DELETE", "?force=true"),
        ] {
            let refused = s.call(method, &format!("{path}{call}"), Some(body.clone())).await;
            assert_eq!(refused.status, 409, "{method} {call}");
            assert!(refused.json()["error"].as_str().unwrap().contains(&id));
        }
        let metadata = s.call("POST", &format!("{path}/metadata/a"), Some(json!({"value": "1"}))).await;
        assert_eq!(metadata.status, 204);
        let with = [("fly-machine-lease-nonce", nonce.as_str())];
        let ok = s.call_with("POST", &format!("{path}/cordon"), &with, None).await.unwrap();
        assert_eq!(ok.status, 200);
        let longer = s.call_with("POST", &format!("{lease}?ttl=600"), &with, None).await.unwrap().json();
        assert_eq!(longer["data"]["nonce"], nonce.as_str());
        assert!(longer["data"]["expires_at"].as_u64() > taken["data"]["expires_at"].as_u64());
        let seen = s.get(&format!("{path}?include_leases=true")).await;
        assert_eq!(seen["lease"]["description"], "understudy production");
        assert!(seen["lease"].get("nonce").is_none(), "the nonce is its holder's");
        assert_eq!(s.call("DELETE", &lease, None).await.status, 409);
        let gone = s.call_with("DELETE", &lease, &with, None).await.unwrap();
        assert_eq!(gone.json(), json!({"status": "success", "data": {"ok": true}}));
        assert_eq!(s.call("POST", &format!("{path}/uncordon"), None).await.status, 200);
        s.end().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn leases_run_out_and_come_with_a_create() {
    within(async {
        let s = Server::start_with(|o| o.quirks.strict_nonce = true).await;
        s.app("web").await;
        s.push("web", "v1", &[]).await;
        let body = json!({"config": s.config("web:v1"), "skip_launch": true, "lease_ttl": 1});
        let machine = s.post("/v1/apps/web/machines", body).await;
        let cordon = format!("/v1/apps/web/machines/{}/cordon", machine["id"].as_str().unwrap());
        let with = [("fly-machine-lease-nonce", machine["nonce"].as_str().unwrap())];
        while s.call("POST", &cordon, None).await.status == 409 {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        let late = s.call_with("POST", &cordon, &with, None).await.unwrap();
        assert_eq!(late.status, 409, "strict: a nonce of no live lease");
        s.end().await;
    })
    .await;
}
