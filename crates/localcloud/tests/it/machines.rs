//! The Machines API: apps, create, update, the life of a machine.

use serde_json::{Value, json};

use crate::support::{Server, best_runtime, http, lines, within};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_machine_runs_its_image_with_the_platforms_environment() {
    within(async {
        let s = Server::start().await;
        s.app("web").await;
        let digest = s.push("web", "v1", &[("FROM_IMAGE", "yes"), ("VERSION", "image")]).await;
        let mut config = s.config("web:v1");
        config["env"] = json!({"VERSION": "config", "PRIMARY_REGION": "ams"});
        config["metadata"] = json!({"fly_process_group": "api"});
        config["schedule"] = json!("daily");
        let created = s.post("/v1/apps/web/machines", json!({"config": config, "region": "ams"})).await;
        let id = created["id"].as_str().unwrap();
        assert_eq!(id.len(), 14);
        s.wait("web", id, "started", created["instance_id"].as_str().unwrap()).await;
        let machine = s.until("web", id, |m| m["checks"][0]["status"] == "passing").await;
        assert_eq!(machine["image_ref"]["digest"], digest.as_str());
        assert_eq!(machine["image_ref"]["tag"], "v1");
        assert_eq!(machine["image_ref"]["labels"]["org.opencontainers.image.version"], "v1");
        assert_eq!(machine["checks"][0]["name"], "servicecheck-00-http-8080");
        assert_eq!(machine["config"]["schedule"], "daily", "unknown fields are preserved");
        s.until_edges("web", |a| a.status == 200).await;
        let env = lines(&http("GET", &s.edges("web").await[0], &[], "").await.unwrap().text());
        for (name, value) in [
            ("FLY_APP_NAME", "web"),
            ("FLY_MACHINE_ID", id),
            ("FLY_REGION", "ams"),
            ("FLY_PROCESS_GROUP", "api"),
            ("FLY_MACHINE_VERSION", created["instance_id"].as_str().unwrap()),
            ("PRIMARY_REGION", "ams"),
            ("VERSION", "config"),
            ("FROM_IMAGE", "yes"),
        ] {
            assert_eq!(env.get(name).map(String::as_str), Some(value), "{name}");
        }
        let log = s.call("GET", &format!("/localcloud/v1/apps/web/machines/{id}/log"), None).await;
        assert!(log.text().contains("listening on"), "{}", log.text());
        s.end().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_whole_image_runs_on_the_best_runtime_there_is() {
    within(async {
        let s = Server::start_with(|o| o.runtime = best_runtime()).await;
        println!("runtime {}: {}", s.handle.runtime(), s.handle.runtime_why());
        s.app("web").await;
        let digest = s.push_whole("web", "v1").await;
        for region in ["fra", "ams"] {
            let id = s.started("web", json!({"config": s.config("web:v1"), "region": region})).await;
            let machine = s.until("web", &id, |m| m["checks"][0]["status"] == "passing").await;
            assert_eq!(machine["image_ref"]["digest"], digest.as_str());
        }
        for (edge, region) in s.edges("web").await.iter().zip(["fra", "ams"]) {
            while !http("GET", edge, &[], "")
                .await
                .is_ok_and(|a| a.text().contains(&format!("FLY_REGION={region}")))
            {
                tokio::time::sleep(std::time::Duration::from_millis(10)).await;
            }
        }
        s.end().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_update_is_asynchronous_and_makes_a_new_version() {
    within(async {
        let s = Server::start().await;
        s.app("web").await;
        s.push("web", "v1", &[]).await;
        let digest = s.push("web", "v2", &[("VERSION", "2")]).await;
        let id = s.started("web", json!({"config": s.config("web:v1")})).await;
        let before = s.until("web", &id, |m| m["checks"][0]["status"] == "passing").await;
        let path = format!("/v1/apps/web/machines/{id}");
        let stale = json!({"config": s.config("web:v2"), "current_version": "01ARZ3NDEKTSV4RRFFQ69G5FAV"});
        assert_eq!(s.call("POST", &path, Some(stale)).await.status, 409);
        let config = s.config(&format!("web@{digest}"));
        let body = json!({"config": config, "current_version": before["instance_id"]});
        let after = s.post(&path, body).await;
        assert_eq!(after["state"], "replacing");
        assert_ne!(after["instance_id"], before["instance_id"]);
        assert_eq!(after["image_ref"]["tag"], "", "named by digest");
        assert_eq!(after["checks"][0]["status"], "critical");
        assert!(
            after["checks"][0]["updated_at"].as_str() < after["updated_at"].as_str(),
            "older than the update"
        );
        assert_eq!(s.call("POST", &format!("{path}/start"), None).await.status, 412, "start while replacing");
        s.wait("web", &id, "started", after["instance_id"].as_str().unwrap()).await;
        let now = s.until("web", &id, |m| m["checks"][0]["status"] == "passing").await;
        assert_eq!(now["image_ref"]["digest"], digest.as_str());
        assert!(now["checks"][0]["updated_at"].as_str() > after["updated_at"].as_str());
        let old = before["instance_id"].as_str().unwrap();
        let waited = s.call("GET", &format!("{path}/wait?state=started&timeout=1&version={old}"), None).await;
        assert_eq!(waited.status, 408);
        assert!(waited.text().contains("replaced"), "{}", waited.text());
        let versions = s.get(&format!("{path}/versions")).await;
        assert_eq!(versions.as_array().unwrap().len(), 2);
        s.end().await;
    })
    .await;
}

/// From the audit log alone: a new version's checks begin as failed, and say when they pass.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_audit_log_tells_when_checks_pass() {
    within(async {
        let s = Server::start().await;
        s.app("web").await;
        s.push("web", "v1", &[]).await;
        let id = s.started("web", json!({"config": s.config("web:v1")})).await;
        s.until("web", &id, |m| m["checks"][0]["status"] == "passing").await;
        let updated =
            s.post(&format!("/v1/apps/web/machines/{id}"), json!({"config": s.config("web:v1")})).await;
        s.until("web", &id, |m| {
            m["instance_id"] == updated["instance_id"] && m["checks"][0]["status"] == "passing"
        })
        .await;
        let audit = s.audit();
        let checks: Vec<_> = audit.iter().filter(|l| l["event"] == "check" && l["machine"] == id).collect();
        let said: Vec<_> = checks.iter().map(|l| l["passing"].as_bool().unwrap()).collect();
        assert_eq!(said, [true, false, true]);
        assert_eq!(checks[2]["instance_id"], updated["instance_id"]);
        assert_eq!(
            (&checks[2]["app"], &checks[2]["check"]),
            (&json!("web"), &json!("servicecheck-00-http-8080"))
        );
        s.end().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stopped_machines_stay_stopped_and_states_guard_each_call() {
    within(async {
        let s = Server::start().await;
        s.app("web").await;
        s.push("web", "v1", &[]).await;
        let created =
            s.post("/v1/apps/web/machines", json!({"config": s.config("web:v1"), "skip_launch": true})).await;
        let path = format!("/v1/apps/web/machines/{}", created["id"].as_str().unwrap());
        let (id, version) = (created["id"].as_str().unwrap(), created["instance_id"].as_str().unwrap());
        assert_eq!(created["state"], "created");
        assert_eq!(s.call("POST", &format!("{path}/start"), None).await.status, 412, "start from created");
        s.wait("web", id, "stopped", version).await;
        let updated = s.post(&path, json!({"config": s.config("web:v1")})).await;
        s.wait("web", id, "stopped", updated["instance_id"].as_str().unwrap()).await;
        let started = s.post(&format!("{path}/start"), json!({})).await;
        assert_eq!(started["previous_state"], "stopped");
        let version = updated["instance_id"].as_str().unwrap();
        s.wait("web", id, "started", version).await;
        let refused = s.call("DELETE", &path, None).await;
        assert_eq!(refused.status, 412);
        assert!(refused.json()["error"].as_str().unwrap().contains("force=true"));
        s.post(&format!("{path}/stop"), json!({"signal": "SIGTERM", "timeout": "2s"})).await;
        s.wait("web", id, "stopped", version).await;
        let events = s.get(&format!("{path}/events?limit=50")).await;
        let exit = events.as_array().unwrap().iter().find(|e| e["type"] == "exit").unwrap();
        assert_eq!(exit["request"]["exit_event"]["requested_stop"], true);
        assert_eq!(s.call("DELETE", &path, None).await.status, 200);
        s.wait("web", id, "destroyed", version).await;
        assert_eq!(s.machine("web", id).await["state"], "destroyed", "still readable");
        assert_eq!(s.get("/v1/apps/web/machines").await, json!([]));
        assert_eq!(s.get("/v1/apps/web/machines?include_deleted=true").await.as_array().unwrap().len(), 1);
        s.end().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn exits_follow_the_restart_policy() {
    within(async {
        let s = Server::start().await;
        s.app("job").await;
        s.push("job", "v1", &[]).await;
        let run = async |policy: Value, exit: &str| {
            let config = json!({
                "image": format!("{}/job:v1", s.registry), "env": {"EXIT": exit}, "restart": policy,
            });
            let machine = s.post("/v1/apps/job/machines", json!({"config": config})).await;
            let id = machine["id"].as_str().unwrap().to_owned();
            s.get(&format!("/v1/apps/job/machines/{id}/wait?state=stopped,failed&timeout=30")).await;
            s.machine("job", &id).await
        };
        let exits = |m: &Value| {
            let events = m["events"].as_array().unwrap().iter().filter(|e| e["type"] == "exit");
            events.map(|e| e["request"]["exit_event"]["exit_code"].as_i64().unwrap()).collect::<Vec<_>>()
        };
        let no = run(json!({"policy": "no"}), "3").await;
        assert_eq!((no["state"].as_str(), exits(&no)), (Some("stopped"), vec![3]));
        let fine = run(json!({"policy": "on-failure"}), "0").await;
        assert_eq!((fine["state"].as_str(), exits(&fine)), (Some("stopped"), vec![0]));
        let twice = run(json!({"policy": "on-failure", "max_retries": 2}), "4").await;
        assert_eq!((twice["state"].as_str(), exits(&twice)), (Some("failed"), vec![4, 4, 4]));
        s.end().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn metadata_needs_no_version_and_filters_lists() {
    within(async {
        let s = Server::start().await;
        s.app("web").await;
        s.push("web", "v1", &[]).await;
        let mut config = s.config("web:v1");
        config["metadata"] = json!({"a": "1", "b": "2"});
        let body = json!({"config": config, "skip_launch": true});
        let machine = s.post("/v1/apps/web/machines", body.clone()).await;
        for _ in 0..2 {
            s.post("/v1/apps/web/machines", body.clone()).await;
        }
        let (id, version) = (machine["id"].as_str().unwrap(), machine["instance_id"].clone());
        let path = format!("/v1/apps/web/machines/{id}/metadata");
        let patch = json!({"metadata": {"a": null, "c": "3"}, "machine_version": version});
        assert_eq!(s.ok("PATCH", &path, Some(patch)).await, json!({"b": "2", "c": "3"}));
        let stale = json!({"metadata": {"a": "x"}, "machine_version": "old"});
        assert_eq!(s.call("PATCH", &path, Some(stale)).await.status, 412);
        assert_eq!(s.call("POST", &format!("{path}/d"), Some(json!({"value": "4"}))).await.status, 204);
        assert_eq!(s.call("DELETE", &format!("{path}/b"), None).await.status, 204);
        assert_eq!(s.get(&path).await, json!({"c": "3", "d": "4"}));
        assert_eq!(s.machine("web", id).await["instance_id"], version);
        let found = s.get("/v1/apps/web/machines?metadata.c=3&metadata.d=4").await;
        assert_eq!(found.as_array().unwrap().len(), 1);
        let first = s.call("GET", "/v1/apps/web/machines?limit=2", None).await;
        let cursor = first.header("fly-next-cursor").to_owned();
        assert_eq!(first.json().as_array().unwrap().len(), 2);
        let rest = s.call("GET", &format!("/v1/apps/web/machines?limit=2&cursor={cursor}"), None).await;
        assert_eq!((rest.json().as_array().unwrap().len(), rest.header("fly-next-cursor")), (1, ""));
        s.end().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn organisations_are_kept_apart_and_refusals_say_why() {
    within(async {
        let s = Server::start().await;
        s.app("web").await;
        s.push("web", "v1", &[]).await;
        let other = s.with_token("tok-b");
        assert_eq!(s.with_token("nope").call("GET", "/v1/apps/web", None).await.status, 401);
        assert_eq!(other.call("GET", "/v1/apps/web", None).await.status, 403);
        assert_eq!(s.call("GET", "/v1/apps/none", None).await.status, 404);
        let taken =
            other.call("POST", "/v1/apps", Some(json!({"app_name": "web", "org_slug": "other"}))).await;
        assert_eq!((taken.status, taken.json()["status"].as_str()), (422, Some("name_taken")));
        assert!(!taken.header("fly-request-id").is_empty());
        other.app("theirs").await;
        let body = json!({"config": s.config("web:v1")});
        let foreign = other.call("POST", "/v1/apps/theirs/machines", Some(body)).await;
        assert!(
            foreign.status == 400 && foreign.text().contains("another organization"),
            "{}",
            foreign.text()
        );
        let unknown =
            s.call("POST", "/v1/apps/web/machines", Some(json!({"config": s.config("web:v9")}))).await;
        assert!(unknown.status == 400 && unknown.text().contains("manifest unknown"), "{}", unknown.text());
        let broken = s.call("POST", "/v1/apps/web/machines", Some(json!({"config": {"image": 3}}))).await;
        assert_eq!(broken.status, 400);
        s.end().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn documented_rate_limits_answer_429() {
    within(async {
        let s = Server::start_with(|o| o.rate_limits = true).await;
        s.app("web").await;
        s.push("web", "v1", &[]).await;
        let body = json!({"config": s.config("web:v1"), "skip_launch": true});
        let id = s.post("/v1/apps/web/machines", body).await["id"].as_str().unwrap().to_owned();
        let mut answers = Vec::new();
        for _ in 0..5 {
            answers.push(s.call("POST", &format!("/v1/apps/web/machines/{id}/cordon"), None).await);
        }
        assert!(answers[..3].iter().all(|a| a.status == 200), "a burst of three");
        // Under load a second may pass between two calls and give one more.
        let refused = answers.iter().find(|a| a.status == 429).expect("five at once are too many");
        assert!(refused.text().contains("rate limit exceeded"));
        s.end().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_program_that_ignores_port_is_refused_by_name() {
    within(async {
        let s = Server::start().await;
        s.app("web").await;
        s.push("web", "v1", &[("DEAF", "1")]).await;
        let machine = s.post("/v1/apps/web/machines", json!({"config": s.config("web:v1")})).await;
        let id = machine["id"].as_str().unwrap();
        let failed = s.until("web", id, |m| m["state"] == "failed").await;
        let why = failed["events"][0]["request"]["error"].as_str().unwrap();
        assert!(why.contains("/web:v1@sha256:") && why.contains("PORT"), "{why}");
        s.end().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unknown_behaviour_can_be_turned_round() {
    within(async {
        let s = Server::start_with(|o| {
            (o.quirks.strict_wait_instance, o.quirks.skip_launch_rests_created) = (true, true);
        })
        .await;
        s.app("web").await;
        s.push("web", "v1", &[]).await;
        let body = json!({"config": s.config("web:v1"), "skip_launch": true});
        let machine = s.post("/v1/apps/web/machines", body).await;
        let wait =
            format!("/v1/apps/web/machines/{}/wait?state=stopped&timeout=1", machine["id"].as_str().unwrap());
        assert_eq!(s.call("GET", &wait, None).await.status, 400);
        let version = machine["instance_id"].as_str().unwrap();
        assert_eq!(s.call("GET", &format!("{wait}&instance_id={version}"), None).await.status, 408);
        for bad in ["timeout=61", "timeout=0", "timeout=x", "state=created"] {
            assert_eq!(
                s.call("GET", &format!("{wait}&{bad}").replace("&timeout=1&t", "&t"), None).await.status,
                400,
                "{bad}"
            );
        }
        s.end().await;
    })
    .await;
}
