//! Faults of calls: what lands late, what a proxy answers, what is seen too late.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{Server, within};

async fn server() -> Server {
    let s = Server::start().await;
    s.app("web").await;
    s.push("web", "v1", &[]).await;
    s
}

fn sleeper(s: &Server) -> Value {
    json!({"config": s.config("web:v1"), "skip_launch": true})
}

async fn count(s: &Server) -> usize {
    s.get("/v1/apps/web/machines").await.as_array().unwrap().len()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cut_call_lands_later_and_meets_the_lease_of_then() {
    within(async {
        let s = server().await;
        let machines = "/v1/apps/web/machines";
        s.post("/localcloud/v1/faults", json!({"name": "late-landing", "count": 1, "ms": 400})).await;
        assert!(s.try_call("POST", machines, Some(sleeper(&s))).await.is_err());
        assert_eq!(count(&s).await, 0, "not yet");
        while count(&s).await == 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let line = s.audit().into_iter().find(|l| l["action"] == "machine-create").unwrap();
        assert_eq!((&line["applied"], &line["fault"]), (&json!(true), &json!("late-landing")));
        assert!(line["ms"].as_u64().unwrap() >= 400, "{line}");

        let id = s.get(machines).await[0]["id"].as_str().unwrap().to_owned();
        let cordon = format!("{machines}/{id}/cordon");
        let fault = json!({"name": "late-landing", "action": "machine-cordon", "count": 1, "ms": 300});
        s.post("/localcloud/v1/faults", fault).await;
        assert!(s.try_call("POST", &cordon, None).await.is_err());
        s.call("POST", &format!("{machines}/{id}/lease?ttl=60"), None).await;
        let landed = loop {
            let line = s.audit().into_iter().find(|l| l["action"] == "machine-cordon");
            if let Some(line) = line {
                break line;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        };
        assert_eq!((&landed["applied"], &landed["status"]), (&json!(false), &json!(409)), "fenced");
        s.end().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_proxy_answers_without_json_before_or_after() {
    within(async {
        let s = server().await;
        for (applied, status, there) in [(false, 502, 0), (true, 503, 1)] {
            let fault = json!({
                "name": "proxy-error", "action": "machine-create", "count": 1, "status": status, "applied": applied,
            });
            s.post("/localcloud/v1/faults", fault).await;
            let answer = s.call("POST", "/v1/apps/web/machines", Some(sleeper(&s))).await;
            assert_eq!(answer.status, status);
            assert!(answer.text().starts_with("<html>"), "{}", answer.text());
            assert_eq!(count(&s).await, there);
        }
        let lines: Vec<Value> =
            s.audit().into_iter().filter(|l| l["action"] == "machine-create").collect();
        let told: Vec<_> = lines.iter().map(|l| (l["status"].as_u64(), l["applied"].as_bool())).collect();
        // What was decided, not what was sent.
        assert_eq!(told, [(Some(502), Some(false)), (Some(200), Some(true))]);
        s.end().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_list_shows_what_was_and_a_get_what_is() {
    within(async {
        let s = server().await;
        let first = s.post("/v1/apps/web/machines", sleeper(&s)).await["id"].as_str().unwrap().to_owned();
        s.until("web", &first, |m| m["state"] == "stopped").await;
        let fault = json!({"name": "stale-list", "ms": 500, "for_ms": 3000});
        s.post("/localcloud/v1/faults", fault).await;
        s.post(&format!("/v1/apps/web/machines/{first}/cordon"), json!({})).await;
        s.post("/v1/apps/web/machines", sleeper(&s)).await;
        let listed = s.get("/v1/apps/web/machines").await;
        assert_eq!(listed.as_array().unwrap().len(), 1, "the new one is not there yet: {listed}");
        assert_eq!(listed[0]["cordoned"], false);
        assert_eq!(s.machine("web", &first).await["cordoned"], true);
        while count(&s).await == 1 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let find = |list: Value| list.as_array().unwrap().iter().find(|m| m["id"] == first.as_str()).cloned();
        assert_eq!(find(s.get("/v1/apps/web/machines").await).unwrap()["cordoned"], true);
        s.end().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fault_ends_by_itself() {
    within(async {
        let s = server().await;
        s.post("/localcloud/v1/faults", json!({"name": "rate-limit-burst", "skip": 1, "for_ms": 600})).await;
        assert_eq!(s.call("GET", "/v1/apps/web", None).await.status, 200, "the first one passes");
        assert_eq!(s.call("GET", "/v1/apps/web", None).await.status, 429);
        while s.call("GET", "/v1/apps/web", None).await.status == 429 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert_eq!(s.get("/localcloud/v1/faults").await, json!({"faults": []}));
        let struck = s.get("/localcloud/v1/faults/struck").await;
        assert!(struck["rate-limit-burst"]["web"].as_u64() >= Some(1), "{struck}");
        s.end().await;
    })
    .await;
}
