//! Faults of machines and their hosts (fly.md 9): each does what its row says, and then it is over.

use serde_json::{Value, json};

use crate::support::{Server, within};

async fn server() -> Server {
    let s = Server::start().await;
    s.app("web").await;
    s.push("web", "v1", &[]).await;
    s.push("web", "v2", &[("VERSION", "2")]).await;
    s
}

async fn fault(s: &Server, fault: Value) {
    s.post("/localcloud/v1/faults", fault).await;
}

fn path(id: &str) -> String {
    format!("/v1/apps/web/machines/{id}")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_update_hangs_and_only_force_ends_it_sooner() {
    within(async {
        let s = server().await;
        let body = json!({"config": s.config("web:v2")});
        let id = s.started("web", json!({"config": s.config("web:v1")})).await;
        fault(&s, json!({"name": "stuck-replacing", "machine": id, "count": 1, "ms": 700})).await;
        let begun = tokio::time::Instant::now();
        let updated = s.post(&path(&id), body.clone()).await;
        assert_eq!(updated["state"], "replacing");
        // fly.md 1.8: 412 while it is replaced, 409 for a concurrent update.
        for (call, status) in [("/start", 412), ("/stop", 412), ("", 409)] {
            let refused = s.call("POST", &format!("{}{call}", path(&id)), Some(body.clone())).await;
            assert_eq!(refused.status, status, "{call}: {}", refused.text());
        }
        s.wait("web", &id, "started", updated["instance_id"].as_str().unwrap()).await;
        assert!(begun.elapsed().as_millis() >= 700);
        assert_eq!(s.machine("web", &id).await["image_ref"]["digest"], updated["image_ref"]["digest"]);

        fault(&s, json!({"name": "stuck-replacing", "count": 1})).await;
        s.post(&path(&id), body).await;
        tokio::time::sleep(std::time::Duration::from_millis(400)).await;
        assert_eq!(s.machine("web", &id).await["state"], "replacing", "without an end");
        assert_eq!(s.call("DELETE", &path(&id), None).await.status, 412);
        s.ok("DELETE", &format!("{}?force=true", path(&id)), None).await;
        s.until("web", &id, |m| m["state"] == "destroyed").await;
        s.end().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_and_a_create_are_refused_for_a_while() {
    within(async {
        let s = server().await;
        let body = json!({"config": s.config("web:v1"), "skip_launch": true});
        fault(&s, json!({"name": "insufficient-capacity", "action": "machine-create", "count": 1})).await;
        let full = s.call("POST", "/v1/apps/web/machines", Some(body.clone())).await;
        // fly.md 1.8: 422, and `status` says what it is.
        assert_eq!((full.status, full.json()["status"].as_str()), (422, Some("insufficient_capacity")));
        assert_eq!(s.get("/v1/apps/web/machines").await, json!([]), "nothing was made");
        let made = s.post("/v1/apps/web/machines", body).await;
        let id = made["id"].as_str().unwrap();
        s.wait("web", id, "stopped", made["instance_id"].as_str().unwrap()).await;
        fault(&s, json!({"name": "insufficient-capacity", "count": 1})).await;
        fault(&s, json!({"name": "start-precondition", "count": 1})).await;
        let start = format!("{}/start", path(id));
        let answers = [
            s.call("POST", &start, None).await.status,
            s.call("POST", &start, None).await.status,
            s.call("POST", &start, None).await.status,
        ];
        assert_eq!(answers, [412, 422, 200]);
        s.end().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unreachable_host_hides_the_config_and_traffic_goes_on() {
    within(async {
        let s = server().await;
        let mut config = s.config("web:v1");
        config["metadata"] = json!({"fly_process_group": "app"});
        let id = s.started("web", json!({"config": config})).await;
        s.until_edges("web", |answer| answer.status == 200).await;
        fault(&s, json!({"name": "host-unreachable", "machine": id, "for_ms": 1500})).await;
        let listed = s.get("/v1/apps/web/machines").await[0].clone();
        for shown in [listed, s.machine("web", &id).await] {
            assert_eq!((&shown["host_status"], &shown["config"]), (&json!("unreachable"), &Value::Null));
            assert_eq!(shown["incomplete_config"]["metadata"]["fly_process_group"], "app");
        }
        for call in ["/stop", "/cordon", "/lease", "/metadata/a"] {
            let lost = s.call("POST", &format!("{}{call}", path(&id)), Some(json!({"value": "1"}))).await;
            assert_eq!(lost.status, 504, "{call}");
            assert!(serde_json::from_slice::<Value>(&lost.body).is_err(), "no JSON: {}", lost.text());
        }
        s.until_edges("web", |answer| answer.status == 200).await;
        let back = s.until("web", &id, |m| m["host_status"] == "ok").await;
        assert_eq!((&back["state"], &back["cordoned"]), (&json!("started"), &json!(false)), "nothing landed");
        s.end().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_proxy_wakes_what_sleeps_in_traffic_only() {
    within(async {
        let s = server().await;
        let made = |closed: bool| json!({"config": s.config("web:v1"), "skip_launch": true, "skip_service_registration": closed});
        let mut ids = Vec::new();
        for closed in [false, true] {
            let machine = s.post("/v1/apps/web/machines", made(closed)).await;
            let id = machine["id"].as_str().unwrap().to_owned();
            s.wait("web", &id, "stopped", machine["instance_id"].as_str().unwrap()).await;
            ids.push(id);
        }
        fault(&s, json!({"name": "autostart", "ms": 50})).await;
        let woken = s.until("web", &ids[0], |m| m["state"] == "started").await;
        let by_proxy =
            |e: &Value| e["type"] == "start" && e["status"] == "starting" && e["source"] == "proxy";
        assert!(woken["events"].as_array().unwrap().iter().any(by_proxy), "{woken}");
        assert_eq!(s.machine("web", &ids[1]).await["state"], "stopped", "out of traffic");
        // Stopped in the middle of something, it is started again.
        s.post(&format!("{}/stop", path(&ids[0])), json!({})).await;
        s.until("web", &ids[0], |m| m["events"][0]["source"] == "flyd" && m["state"] == "started").await;
        s.end().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_destroy_takes_its_time() {
    within(async {
        let s = server().await;
        let id = s.started("web", json!({"config": s.config("web:v1")})).await;
        fault(&s, json!({"name": "slow-destroy", "count": 1, "ms": 600})).await;
        let begun = tokio::time::Instant::now();
        s.ok("DELETE", &format!("{}?force=true", path(&id)), None).await;
        assert_eq!(s.get("/v1/apps/web/machines").await[0]["state"], "destroying");
        s.until("web", &id, |m| m["state"] == "destroyed").await;
        assert!(begun.elapsed().as_millis() >= 600);
        assert_eq!(s.get("/v1/apps/web/machines").await, json!([]));
        s.end().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn leases_are_stolen_and_do_not_last() {
    within(async {
        let s = server().await;
        let made =
            s.post("/v1/apps/web/machines", json!({"config": s.config("web:v1"), "skip_launch": true})).await;
        let (id, lease) =
            (made["id"].as_str().unwrap(), format!("{}/lease", path(made["id"].as_str().unwrap())));
        let take = || async { s.call("POST", &format!("{lease}?ttl=60"), None).await };
        let nonce = take().await.json()["data"]["nonce"].as_str().unwrap().to_owned();
        fault(&s, json!({"name": "lease-stolen", "count": 1, "ms": 400})).await;
        let cordon = format!("{}/cordon", path(id));
        let with = [("fly-machine-lease-nonce", nonce.as_str())];
        let refused = s.call_with("POST", &cordon, &with, None).await.unwrap();
        assert_eq!(refused.status, 409);
        assert!(
            refused.text().contains("somebody@else") && refused.text().contains(id),
            "{}",
            refused.text()
        );
        assert_eq!(s.call_with("POST", &format!("{lease}?ttl=60"), &with, None).await.unwrap().status, 409);
        while take().await.status == 409 {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        fault(&s, json!({"name": "lease-expired-early", "ms": 300, "count": 1})).await;
        let own = s.get(&format!("{}?include_leases=true", path(id))).await;
        assert!(own["lease"].is_object(), "taken before the fault was set");
        // A machine of its own, whose first lease is the one that ends early.
        let other =
            s.post("/v1/apps/web/machines", json!({"config": s.config("web:v1"), "skip_launch": true})).await;
        let other = other["id"].as_str().unwrap();
        let short = s.call("POST", &format!("{}/lease?ttl=60", path(other)), None).await.json();
        let now = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs();
        assert!(short["data"]["expires_at"].as_u64().unwrap() >= now + 55, "it is promised for a minute");
        let cordon = format!("{}/cordon", path(other));
        assert_eq!(s.call("POST", &cordon, None).await.status, 409, "held for now");
        while s.call("POST", &cordon, None).await.status == 409 {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        let seen = s.get(&format!("{}?include_leases=true", path(other))).await;
        assert!(seen.get("lease").is_none(), "{seen}");
        s.end().await;
    })
    .await;
}
