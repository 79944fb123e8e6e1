//! What nobody outside knows of the real service (fly.md 10) can be turned round, also while it runs.

use serde_json::{Value, json};

use crate::support::{Server, within};

async fn set(s: &Server, quirks: Value) {
    s.ok("PATCH", "/localcloud/v1/quirks", Some(quirks)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn quirks_are_turned_round_at_run_time() {
    within(async {
        let s = Server::start_with(|o| o.rate_limits = true).await;
        s.app("web").await;
        s.push("web", "v1", &[]).await;
        assert_eq!(s.get("/localcloud/v1/quirks").await["destroyed_readable_s"], 600);
        for bad in [json!({"strict_nonse": true}), json!({"strict_nonce": 1}), json!([])] {
            let refused = s.call("PATCH", "/localcloud/v1/quirks", Some(bad)).await;
            assert_eq!(refused.status, 400, "{}", refused.text());
        }
        // Whether 429 carries Retry-After.
        s.post("/localcloud/v1/faults", json!({"name": "rate-limit-burst", "count": 2})).await;
        let bare = s.call("GET", "/v1/apps/web", None).await;
        assert!(bare.status == 429 && bare.headers.get("retry-after").is_none(), "{:?}", bare.headers);
        set(&s, json!({"retry_after_s": 2})).await;
        let told = s.call("GET", "/v1/apps/web", None).await;
        assert_eq!((told.status, told.header("retry-after")), (429, "2"));
        // How long a destroyed machine is readable, and where skip_launch rests.
        set(&s, json!({"skip_launch_rests_created": true, "destroyed_readable_s": 0})).await;
        let body = json!({"config": s.config("web:v1"), "skip_launch": true});
        let made = s.post("/v1/apps/web/machines", body).await;
        let id = made["id"].as_str().unwrap();
        tokio::time::sleep(std::time::Duration::from_millis(400)).await;
        assert_eq!(s.machine("web", id).await["state"], "created", "200 ms later it would be stopped");
        set(&s, json!({"skip_launch_rests_created": false})).await;
        // Limits are on: five reads a second, and ten ahead (fly.md 1.8).
        let (path, apart) = (format!("/v1/apps/web/machines/{id}"), std::time::Duration::from_millis(250));
        while !s.call("GET", &path, None).await.text().contains(r#""state":"stopped""#) {
            tokio::time::sleep(apart).await;
        }
        s.ok("DELETE", &path, None).await;
        while s.call("GET", &path, None).await.status != 404 {
            tokio::time::sleep(apart).await;
        }
        s.end().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_ended_lease_is_renewed_or_not() {
    within(async {
        let s = Server::start().await;
        s.app("web").await;
        s.push("web", "v1", &[]).await;
        let body = json!({"config": s.config("web:v1"), "skip_launch": true});
        let made = s.post("/v1/apps/web/machines", body).await;
        let lease = format!("/v1/apps/web/machines/{}/lease", made["id"].as_str().unwrap());
        for (strict, renewed) in [(true, 409), (false, 201)] {
            set(&s, json!({"strict_refresh": strict})).await;
            s.post("/localcloud/v1/faults", json!({"name": "lease-expired-early", "count": 1, "ms": 50}))
                .await;
            let nonce = s.post(&format!("{lease}?ttl=60"), json!({})).await["data"]["nonce"].clone();
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            let with = [("fly-machine-lease-nonce", nonce.as_str().unwrap())];
            let again = s.call_with("POST", &format!("{lease}?ttl=60"), &with, None).await.unwrap();
            assert_eq!(again.status, renewed, "{}", again.text());
        }
        s.end().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn blobs_are_mounted_across_organisations_or_not() {
    within(async {
        let s = Server::start().await;
        s.app("web").await;
        let other = s.with_token("tok-b");
        other.app("stage").await;
        let digest = other.push_blob("stage", b"the very same").await["digest"].as_str().unwrap().to_owned();
        let mount = format!("/v2/web/blobs/uploads/?mount={digest}&from=stage");
        for (across, status, there) in [(false, 202, 404), (true, 201, 200)] {
            set(&s, json!({"mount_across_orgs": across})).await;
            // 202: begin an upload instead (distribution spec 1.1, mounting).
            assert_eq!(s.registry("POST", &mount, "").await.status, status);
            assert_eq!(s.registry("HEAD", &format!("/v2/web/blobs/{digest}"), "").await.status, there);
        }
        s.end().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_machine_reports_the_index_or_the_platform() {
    within(async {
        let s = Server::start().await;
        s.app("web").await;
        let child = s.push("web", "v1", &[]).await;
        let architecture = if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" };
        let index = json!({
            "schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json",
            "manifests": [{
                "mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": child, "size": 1,
                "platform": {"os": "linux", "architecture": architecture},
            }],
        });
        let put = s.registry("PUT", "/v2/web/manifests/many", index.to_string()).await;
        assert_eq!(put.status, 201, "{}", put.text());
        let top = put.header("docker-content-digest").to_owned();
        for (platform, wanted) in [(false, &top), (true, &child)] {
            set(&s, json!({"platform_digest": platform})).await;
            let body = json!({"config": s.config("web:many"), "skip_launch": true});
            let made = s.post("/v1/apps/web/machines", body).await;
            assert_eq!(made["image_ref"]["digest"], wanted.as_str());
        }
        s.end().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tags_are_listed_or_not() {
    within(async {
        let s = Server::start().await;
        s.app("web").await;
        s.push("web", "v1", &[]).await;
        for (hidden, status) in [(false, 200), (true, 404)] {
            set(&s, json!({"no_tag_list": hidden})).await;
            assert_eq!(s.registry("GET", "/v2/web/tags/list", "").await.status, status);
        }
        s.end().await;
    })
    .await;
}
