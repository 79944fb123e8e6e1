//! The edge: late views, retries of what is safe, never a second POST.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::{Client, Server, http, lines, within};

async fn two_machines(s: &Server) -> (String, String) {
    s.app("web").await;
    s.push("web", "v1", &[]).await;
    let a = s.started("web", json!({"config": s.config("web:v1"), "region": "fra"})).await;
    let b = s.started("web", json!({"config": s.config("web:v1"), "region": "ams"})).await;
    for id in [&a, &b] {
        s.until("web", id, |m| m["checks"][0]["status"] == "passing").await;
    }
    // The audit log tells what each edge believes.
    let knows = |audit: &[Value], region: &str, id: &str| {
        let mut lines = audit.iter().rev().filter(|l| l["event"] == "edge");
        lines.find(|l| l["region"] == region && l["machine"] == id).is_some_and(|l| l["routable"] == true)
    };
    while !["fra", "ams"].iter().all(|r| [&a, &b].iter().all(|id| knows(&s.audit(), r, id))) {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    (a, b)
}

async fn traffic(s: &Client, key: &str) -> u64 {
    let edges = s.get("/localcloud/v1/traffic?app=web").await;
    edges.as_array().unwrap().iter().map(|e| e[key].as_u64().unwrap()).sum()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cordon_wait_stop_loses_no_request() {
    within(async {
        let s = Server::start().await;
        let (a, b) = two_machines(&s).await;
        let (stop, sent, failed) =
            (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
        let mut load = tokio::task::JoinSet::new();
        for url in s.edges("web").await {
            for method in ["GET", "POST"] {
                let (url, stop, sent, failed) = (url.clone(), stop.clone(), sent.clone(), failed.clone());
                load.spawn(async move {
                    while !stop.load(Ordering::Relaxed) {
                        let answer = http(method, &format!("{url}slow?2"), &[], "x").await;
                        sent.fetch_add(1, Ordering::Relaxed);
                        if !answer.is_ok_and(|a| a.status == 200) {
                            failed.fetch_add(1, Ordering::Relaxed);
                        }
                    }
                });
            }
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
        s.post(&format!("/v1/apps/web/machines/{a}/cordon"), json!({})).await;
        // Beyond the longest lag, then until nothing is under way.
        tokio::time::sleep(Duration::from_millis(150)).await;
        loop {
            let counts = s.get("/localcloud/v1/concurrency?app=web").await;
            let of_a = counts.as_array().unwrap().iter().find(|c| c["machine"] == a.as_str()).unwrap();
            if of_a["requests"] == 0 {
                break;
            }
        }
        s.post(&format!("/v1/apps/web/machines/{a}/stop"), json!({})).await;
        s.get(&format!("/v1/apps/web/machines/{a}/wait?state=stopped&timeout=30")).await;
        tokio::time::sleep(Duration::from_millis(100)).await;
        stop.store(true, Ordering::Relaxed);
        while load.join_next().await.is_some() {}
        assert_eq!(failed.load(Ordering::Relaxed), 0);
        assert!(sent.load(Ordering::Relaxed) > 20);
        for url in s.edges("web").await {
            assert_eq!(lines(&http("GET", &url, &[], "").await.unwrap().text())["FLY_MACHINE_ID"], b);
        }
        s.end().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_late_edge_believes_the_past_and_retries_only_refused_connections() {
    within(async {
        let s = Server::start().await;
        let (a, b) = two_machines(&s).await;
        s.post("/localcloud/v1/faults", json!({"name": "edge-lag", "ms": 30_000})).await;
        let fra = s.edges("web").await[0].clone();
        s.post(&format!("/v1/apps/web/machines/{a}/cordon"), json!({})).await;
        let answer = http("GET", &fra, &[], "").await.unwrap();
        assert_eq!(lines(&answer.text())["FLY_MACHINE_ID"], a, "the news has not arrived");
        s.post(&format!("/v1/apps/web/machines/{a}/stop"), json!({})).await;
        s.get(&format!("/v1/apps/web/machines/{a}/wait?state=stopped&timeout=30")).await;
        for method in ["GET", "POST"] {
            let answer = http(method, &fra, &[], "").await.unwrap();
            assert_eq!((answer.status, &lines(&answer.text())["FLY_MACHINE_ID"]), (200, &b));
        }
        assert!(traffic(&s, "refused").await >= 2);
        s.end().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sent_post_is_never_sent_again_and_a_get_is() {
    within(async {
        let s = Server::start().await;
        let (a, b) = two_machines(&s).await;
        let fra = s.edges("web").await[0].clone();
        let answer = http("POST", &format!("{fra}drop"), &[], "once").await.unwrap();
        assert_eq!(answer.status, 502);
        let mut posts = 0;
        for id in [&a, &b] {
            let counted =
                http("GET", &format!("{fra}count"), &[("fly-force-instance-id", id)], "").await.unwrap();
            posts += counted.text().parse::<u64>().unwrap();
        }
        assert_eq!(posts, 1, "it reached one machine once");
        assert_eq!(traffic(&s, "retries").await, 0);
        assert_eq!(http("GET", &format!("{fra}drop"), &[], "").await.unwrap().status, 503);
        assert!(traffic(&s, "retries").await >= 2, "a GET was tried on both");
        s.end().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn force_instance_reaches_a_cordoned_machine_and_hosts_route() {
    within(async {
        let s = Server::start().await;
        s.app("web").await;
        s.push("web", "v1", &[]).await;
        let fra = s.edges("web").await[0].clone();
        let empty = http("GET", &fra, &[], "").await.unwrap();
        assert_eq!(empty.status, 503);
        assert!(empty.header("x-localcloud-reason").contains("no started"));
        let body = json!({"config": s.config("web:v1"), "skip_service_registration": true});
        let id = s.started("web", body).await;
        assert_eq!(s.machine("web", &id).await["cordoned"], true);
        s.until("web", &id, |m| m["checks"][0]["status"] == "passing").await;
        let force = [("fly-force-instance-id", id.as_str())];
        while http("GET", &fra, &force, "").await.unwrap().status != 200 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert_eq!(http("GET", &fra, &[], "").await.unwrap().status, 503, "no traffic until uncordoned");
        s.post(&format!("/v1/apps/web/machines/{id}/uncordon"), json!({})).await;
        s.until_edges("web", |a| a.status == 200).await;
        let info = http("GET", &format!("{}/localcloud/v1/info", s.api), &[], "").await.unwrap().json();
        let shared = info["edges"][0]["url"].as_str().unwrap();
        let answer = http("GET", shared, &[("host", "web.localhost:1")], "").await.unwrap();
        assert_eq!(lines(&answer.text())["FLY_MACHINE_ID"], id);
        assert!(!answer.header("fly-request-id").is_empty());
        assert_eq!(http("GET", shared, &[("host", "nothing")], "").await.unwrap().status, 404);
        let streamed = http("GET", &format!("{fra}stream?1"), &[], "").await.unwrap();
        assert_eq!(streamed.text(), "onetwosix");
        let long = "x".repeat(300_000);
        assert_eq!(http("POST", &format!("{fra}echo"), &[], long.clone()).await.unwrap().text(), long);
        s.end().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kept_connections_that_a_machine_closes_cost_no_request() {
    within(async {
        let s = Server::start().await;
        s.app("web").await;
        s.push("web", "v1", &[("IDLE_MS", "2")]).await;
        let id = s.started("web", json!({"config": s.config("web:v1")})).await;
        s.until("web", &id, |m| m["checks"][0]["status"] == "passing").await;
        s.until_edges("web", |a| a.status == 200).await;
        let fra = s.edges("web").await[0].clone();
        for (method, body) in [("GET", ""), ("POST", "x")] {
            for i in 0..150 {
                let answer = http(method, &fra, &[], body).await.unwrap();
                assert_eq!(answer.status, 200, "{method} {i}: {}", answer.text());
                tokio::time::sleep(Duration::from_micros(1500 + 50 * (i % 20))).await;
            }
        }
        s.end().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_goes_away_leaves_no_count_behind() {
    within(async {
        let s = Server::start().await;
        let (a, _) = two_machines(&s).await;
        let fra = s.edges("web").await[0].clone();
        let count = async || {
            let counts = s.get("/localcloud/v1/concurrency?app=web").await;
            let all: &Vec<Value> = counts.as_array().unwrap();
            all.iter().find(|c| c["machine"] == a.as_str()).unwrap()["requests"].as_u64().unwrap()
        };
        let mut clients = tokio::task::JoinSet::new();
        for _ in 0..3 {
            let url = format!("{fra}slow?20000");
            clients.spawn(async move { http("GET", &url, &[], "").await });
        }
        while count().await < 3 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        clients.shutdown().await;
        while count().await > 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        s.end().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upgraded_connection_passes_bytes_both_ways() {
    within(async {
        let s = Server::start().await;
        two_machines(&s).await;
        let fra = s.edges("web").await[0].clone();
        let authority = fra.trim_start_matches("http://").trim_end_matches('/').to_owned();
        let mut stream = tokio::net::TcpStream::connect(&authority).await.unwrap();
        let head = "GET /upgrade HTTP/1.1\r\nhost: web\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n";
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n\r\n") {
            answer.push(stream.read_u8().await.unwrap());
        }
        assert!(answer.starts_with(b"HTTP/1.1 101"), "{}", String::from_utf8_lossy(&answer));
        stream.write_all(b"ping").await.unwrap();
        let mut back = [0; 4];
        stream.read_exact(&mut back).await.unwrap();
        assert_eq!(&back, b"ping");
        drop(stream);
        s.end().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_machine_killed_under_load_gives_errors_but_never_a_hang() {
    within(async {
        let s = Server::start().await;
        let (a, _) = two_machines(&s).await;
        let fra = s.edges("web").await[0].clone();
        let mut clients = tokio::task::JoinSet::new();
        for method in ["GET", "POST"] {
            let url = format!("{fra}slow?30000");
            clients.spawn(async move { http(method, &url, &[], "x").await.unwrap().status });
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
        s.post(&format!("/v1/apps/web/machines/{a}/signal"), json!({"signal": 9})).await;
        while let Some(status) = clients.join_next().await {
            assert_eq!(status.unwrap(), 502, "both had a body, so neither goes again");
        }
        s.until("web", &a, |m| m["events"].as_array().unwrap().iter().any(|e| e["type"] == "exit")).await;
        s.until("web", &a, |m| m["state"] == "started").await;
        s.end().await;
    })
    .await;
}
