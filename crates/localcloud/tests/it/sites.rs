//! Static sites on the edges.

use std::time::Duration;

use serde_json::json;

use crate::support::{Server, http, within};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bundle_is_served_switched_and_put_back() {
    within(async {
        let s = Server::start().await;
        let one = s
            .push_bundle(
                "page",
                "v1",
                &[("index.html", "<h1>one</h1>"), ("js/app.js", "1"), ("404.html", "lost")],
            )
            .await;
        let artifact = |digest: &str| format!("{}/page@{digest}", s.registry);
        let body = json!({"artifact": artifact(&one), "env": {"api": "x"}, "metadata": {"a": "1"}});
        let first = s.post("/localcloud/v1/sites/page", body).await;
        assert_eq!(
            (first["digest"].as_str(), first["cordoned"].as_bool()),
            (Some(one.as_str()), Some(false))
        );
        s.until_edges("page", |a| a.status == 200).await;
        for edge in s.edges("page").await {
            let index = http("GET", &edge, &[], "").await.unwrap();
            assert_eq!(index.text(), "<h1>one</h1>");
            assert_eq!(index.header("content-type"), "text/html; charset=utf-8");
            assert_eq!(index.header("x-site-digest"), one);
            assert_eq!(index.header("x-site-version"), first["version"].as_str().unwrap());
            let again = http("GET", &edge, &[("if-none-match", index.header("etag"))], "").await.unwrap();
            assert_eq!((again.status, again.body.len()), (304, 0));
            let env = http("GET", &format!("{edge}env.json"), &[], "").await.unwrap();
            assert_eq!(env.json(), json!({"api": "x"}));
            let script = http("GET", &format!("{edge}js/app.js"), &[], "").await.unwrap();
            assert_eq!(script.header("content-type"), "text/javascript; charset=utf-8");
            let lost = http("GET", &format!("{edge}none"), &[], "").await.unwrap();
            assert_eq!((lost.status, lost.text()), (404, String::from("lost")));
            for evil in ["..%2f..%2fsite.json", "../site.json"] {
                assert_eq!(http("GET", &format!("{edge}{evil}"), &[], "").await.unwrap().status, 404);
            }
            assert_eq!(http("POST", &edge, &[], "").await.unwrap().status, 405);
        }
        let two = s.push_bundle("page", "v2", &[("index.html", "two"), ("env.json", "{\"own\":1}")]).await;
        let stale = json!({"artifact": artifact(&two), "current_version": "old"});
        assert_eq!(s.call("POST", "/localcloud/v1/sites/page", Some(stale)).await.status, 409);
        let body = json!({"artifact": artifact(&two), "current_version": first["version"]});
        let second = s.post("/localcloud/v1/sites/page", body).await;
        assert_eq!(second["env"], json!({"api": "x"}), "kept where not given");
        s.until_edges("page", |a| a.text() == "two").await;
        let edge = s.edges("page").await[1].clone();
        assert_eq!(http("GET", &format!("{edge}env.json"), &[], "").await.unwrap().text(), "{\"own\":1}");
        let patched =
            s.ok("PATCH", "/localcloud/v1/sites/page/metadata", Some(json!({"a": null, "b": "2"}))).await;
        assert_eq!(patched["metadata"], json!({"b": "2"}));
        assert_eq!(patched["version"], second["version"]);
        assert_eq!(s.with_token("tok-b").call("GET", "/localcloud/v1/sites/page", None).await.status, 403);
        let foreign = json!({"app_name": "page", "org_slug": "other"});
        assert_eq!(s.with_token("tok-b").call("POST", "/v1/apps", Some(foreign)).await.status, 422);
        assert_eq!(s.call("DELETE", "/localcloud/v1/sites/page", None).await.status, 204);
        while http("GET", &edge, &[], "").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        s.end().await;
    })
    .await;
}

/// A name is free again once its owner is gone: whoever is told so may take it at once, on the same addresses.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_is_deleted_can_be_made_again_at_once() {
    within(async {
        let s = Server::start().await;
        let digest = s.push_bundle("page", "v1", &[("index.html", "one")]).await;
        let site = json!({"artifact": format!("{}/page@{digest}", s.registry)});
        let app = json!({"app_name": "web", "org_slug": "acme"});
        s.post("/localcloud/v1/sites/page", site.clone()).await;
        s.post("/v1/apps", app.clone()).await;
        let before = (s.edges("page").await, s.edges("web").await);
        // The edges have something to do meanwhile.
        let mut busy = tokio::task::JoinSet::new();
        for url in before.0.iter().chain(&before.1) {
            let url = url.clone();
            busy.spawn(async move {
                loop {
                    let _whatever_it_says = http("GET", &url, &[], "").await;
                    tokio::task::yield_now().await;
                }
            });
        }
        for n in 0..30 {
            assert_eq!(s.call("DELETE", "/localcloud/v1/sites/page", None).await.status, 204);
            let again = s.call("POST", "/localcloud/v1/sites/page", Some(site.clone())).await;
            assert_eq!(again.status, 200, "site, time {n}: {}", again.text());
            assert_eq!(s.call("DELETE", "/v1/apps/web", None).await.status, 202);
            let again = s.call("POST", "/v1/apps", Some(app.clone())).await;
            assert_eq!(again.status, 201, "app, time {n}: {}", again.text());
        }
        assert_eq!((s.edges("page").await, s.edges("web").await), before, "URLs stay good");
        busy.shutdown().await;
        s.until_edges("page", |a| a.text() == "one").await;
        s.end().await;
    })
    .await;
}
