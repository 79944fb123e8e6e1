//! What the proxy does by itself (fly.md 7): it stops what is idle, and starts what is asked for.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{Server, http, within};

/// The proxy looks this often.
const LOOK: Duration = Duration::from_millis(150);
/// A few looks: enough to be sure that none comes any more.
const SOME: Duration = Duration::from_millis(1200);

async fn server(looks: bool) -> Server {
    let look_ms = if looks { u64::try_from(LOOK.as_millis()).unwrap() } else { 3_600_000 };
    let s = Server::start_with(|options| options.idle_look_ms = look_ms).await;
    s.app("web").await;
    s.push("web", "v1", &[]).await;
    s
}

/// A configuration whose service says this.
fn config(s: &Server, service: &Value) -> Value {
    let mut config = s.config("web:v1");
    let fields = service.as_object().unwrap();
    config["services"][0].as_object_mut().unwrap().extend(fields.clone());
    config
}

async fn machine(s: &Server, config: &Value, region: &str) -> String {
    let id = s.started("web", json!({"config": config, "region": region})).await;
    s.until("web", &id, |m| m["checks"][0]["status"] == "passing" || m["state"] != "started").await;
    id
}

fn path(id: &str) -> String {
    format!("/v1/apps/web/machines/{id}")
}

async fn awake(s: &Server, ids: &[String]) -> usize {
    let mut n = 0;
    for id in ids {
        n += usize::from(s.machine("web", id).await["state"] == "started");
    }
    n
}

fn by_proxy(s: &Server, did: &str) -> Vec<Value> {
    s.audit().into_iter().filter(|l| l["event"] == "proxy" && l["did"] == did).collect()
}

/// "stops at most one machine per region" and look; the primary region keeps `min_machines_running`, others none; never
/// a cordoned one, never one without autostop.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn idle_machines_are_stopped_one_per_region_and_look() {
    within(async {
        let s = server(false).await;
        let mut stops =
            config(&s, &json!({"autostop": "stop", "autostart": true, "min_machines_running": 1}));
        stops["env"] = json!({"PRIMARY_REGION": "fra"});
        let (mut fra, mut ams) = (Vec::new(), Vec::new());
        for _ in 0..3 {
            fra.push(machine(&s, &stops, "fra").await);
        }
        for _ in 0..2 {
            ams.push(machine(&s, &stops, "ams").await);
        }
        let other = machine(&s, &config(&s, &json!({"autostop": "off"})), "ams").await;
        let closed = machine(&s, &stops, "lhr").await;
        s.post(&format!("{}/cordon", path(&closed)), json!({})).await;
        // Machines live on; the proxy begins to look when the next server does.
        let Server { dir, handle, .. } = s;
        handle.shutdown().await;
        let s = Server::start_on(dir, |options| options.idle_look_ms = 400).await;
        while by_proxy(&s, "stop").len() < 4 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        tokio::time::sleep(SOME).await;
        assert_eq!((awake(&s, &fra).await, awake(&s, &ams).await), (1, 0), "the primary region keeps one");
        assert_eq!(awake(&s, &[other, closed]).await, 2);
        // Two looks for four machines in two regions: never two of one region in the same look.
        let stopped = by_proxy(&s, "stop");
        for region in [&fra, &ams] {
            let of = stopped.iter().filter(|l| region.iter().any(|id| l["machine"] == id.as_str()));
            let at: Vec<u64> = of.map(|l| l["at_us"].as_u64().unwrap()).collect();
            assert_eq!(at.len(), 2);
            assert!(at.windows(2).all(|pair| pair[1] - pair[0] >= 300_000), "{at:?}");
        }
        // fly.md 1.5: events newest first, source proxy; the program was asked to end.
        let m = s.until("web", &ams[0], |m| m["state"] == "stopped").await;
        let told: Vec<_> =
            m["events"].as_array().unwrap()[..2].iter().map(|e| (&e["type"], &e["source"])).collect();
        assert_eq!(told, [(&json!("exit"), &json!("flyd")), (&json!("stop"), &json!("proxy"))]);
        assert_eq!(m["events"][0]["request"]["exit_event"]["requested_stop"], true);
        s.end().await;
    })
    .await;
}

/// Where several run, one more stays than have their soft limit of requests to do, and none with a request under way goes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_has_requests_under_way_is_not_stopped() {
    within(async {
        let s = server(true).await;
        let service = json!({"autostop": true, "autostart": true, "concurrency": {"type": "requests", "soft_limit": 1}});
        let id = machine(&s, &config(&s, &service), "fra").await;
        let url = s.edges("web").await.remove(0);
        // It may have been stopped already: the request starts it, and is then under way for a second.
        let mut slow = tokio::task::JoinSet::new();
        slow.spawn(async move { http("GET", &format!("{url}slow?1000"), &[], "").await });
        let path = "/localcloud/v1/concurrency?app=web";
        while s.get(path).await[0]["requests"] != 1 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let before = by_proxy(&s, "stop").len();
        let answer = loop {
            assert_eq!(s.machine("web", &id).await["state"], "started");
            match tokio::time::timeout(Duration::from_millis(30), slow.join_next()).await {
                Ok(answer) => break answer.unwrap().unwrap().unwrap(),
                Err(_) => continue,
            }
        };
        assert_eq!(answer.status, 200);
        s.until("web", &id, |m| m["state"] == "stopped").await;
        assert_eq!(by_proxy(&s, "stop").len(), before + 1);
        s.end().await;
    })
    .await;
}

/// A request for an app of which nothing runs starts one machine, waits for it, and is answered; also one that may not be
/// sent twice. Who may not be started is not, and the edge says so at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_starts_a_machine_that_sleeps() {
    within(async {
        let s = server(false).await;
        for (autostart, status) in [(false, 503), (true, 200)] {
            let made = config(&s, &json!({"autostop": true, "autostart": autostart}));
            let mut ids = Vec::new();
            for region in ["fra", "ams"] {
                ids.push(machine(&s, &made, region).await);
            }
            for id in &ids {
                s.post(&format!("{}/stop", path(id)), json!({})).await;
                s.until("web", id, |m| m["state"] == "stopped").await;
            }
            let url = s.edges("web").await.remove(0);
            let before = by_proxy(&s, "start").len();
            let (get, post, again) = tokio::join!(
                http("GET", &url, &[], ""),
                http("POST", &url, &[], "x"),
                http("POST", &url, &[], "y")
            );
            for answer in [get, post, again].map(Result::unwrap) {
                assert_eq!(answer.status, status, "{autostart}: {answer:?}");
            }
            let started = by_proxy(&s, "start");
            assert_eq!(started.len() - before, usize::from(autostart), "one is enough for all three");
            if autostart {
                assert_eq!(
                    started.last().unwrap()["machine"],
                    ids[0].as_str(),
                    "the one of the edge's region"
                );
            }
            for id in ids {
                s.ok("DELETE", &format!("{}?force=true", path(&id)), None).await;
            }
        }
        s.end().await;
    })
    .await;
}

/// The fault: at once, whatever the services say, and only what is in traffic.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fault_puts_a_machine_in_traffic_to_sleep() {
    within(async {
        let s = server(false).await;
        let made = config(&s, &json!({"autostart": true}));
        let (open, closed) = (machine(&s, &made, "fra").await, machine(&s, &made, "fra").await);
        s.post(&format!("{}/cordon", path(&closed)), json!({})).await;
        s.post("/localcloud/v1/faults", json!({"name": "autostop", "app": "web", "count": 1})).await;
        let m = s.until("web", &open, |m| m["state"] == "stopped").await;
        assert!(
            m["events"].as_array().unwrap().iter().any(|e| e["type"] == "stop" && e["source"] == "proxy"),
            "{m}"
        );
        assert_eq!(s.machine("web", &closed).await["state"], "started");
        assert_eq!(s.get("/localcloud/v1/faults/struck").await["autostop"]["web"], 1);
        s.end().await;
    })
    .await;
}
