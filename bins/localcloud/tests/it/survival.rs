//! From nothing to an answer through the edge, and the same machine again after the server's death.

use std::{thread, time::Duration};

use serde_json::json;

use crate::{
    http::http,
    server::{Cloud, answers},
};

/// Builds and pushes the service, and gives the pinned reference.
fn pushed(cloud: &Cloud) -> String {
    let program = answers();
    let built =
        cloud.verb(&["image", "build", program.to_str().unwrap(), "--repository", "web", "--tag", "v1"]).ok();
    assert!(!built.err.is_empty(), "long work shows progress");
    built.out.trim_end().to_owned()
}

/// Asks until the edge knows the machine: it learns late on purpose.
fn until_answered(url: &str) -> String {
    for _ in 0..1200 {
        match http("GET", url, None, "") {
            Some((200, body)) => return body,
            _ => thread::sleep(Duration::from_millis(25)),
        }
    }
    panic!("{url} never answers")
}

fn survives(up: &[&str]) {
    let cloud = Cloud::new();
    let server = cloud.up(up);
    let image = pushed(&cloud);
    assert!(
        image.starts_with(server.said["registry"].as_str().unwrap()) && image.contains("/web@sha256:"),
        "{image}"
    );
    let id = server.app("web", &image);
    let env = cloud.verb(&["env", "--app", "web", "--json"]).ok().json();
    for (region, url) in env["urls"].as_object().unwrap() {
        assert_eq!(until_answered(url.as_str().unwrap()), format!("one {id}"), "{region}");
    }
    let before = server.call("GET", &format!("/v1/apps/web/machines/{id}"), &json!({}));
    let api = server.api().to_owned();
    server.kill();

    let gone = cloud.verb(&["faults"]);
    assert_eq!(gone.code, Some(8), "{gone:?}");
    assert!(gone.err.contains("localcloud up --dir"), "{gone:?}");

    let server = cloud.up(up);
    assert_eq!(server.api(), api, "the same ports again");
    let after = server.call("GET", &format!("/v1/apps/web/machines/{id}"), &json!({}));
    assert_eq!((&after["state"], &after["instance_id"]), (&json!("started"), &before["instance_id"]));
    assert_eq!(after["events"], before["events"], "it was found, not started again");
    let url = env["urls"]["fra"].as_str().unwrap();
    assert_eq!(until_answered(url), format!("one {id}"));
    let ended = server.interrupt();
    assert_eq!((ended.code, ended.out.as_str()), (Some(0), ""), "{ended:?}");
    assert!(ended.err.contains("machines live on"), "{ended:?}");

    let server = cloud.up(up);
    let after = server.call("GET", &format!("/v1/apps/web/machines/{id}"), &json!({}));
    assert_eq!(after["events"], before["events"], "Ctrl-C is not for the machines");
    assert_eq!(until_answered(url), format!("one {id}"));
}

#[test]
fn machines_on_the_best_runtime_survive_the_server() {
    survives(&[]);
}

#[test]
fn machines_on_the_plain_runtime_survive_the_server() {
    survives(&["--runtime", "plain"]);
}

#[test]
fn down_ends_the_server_and_its_machines() {
    let cloud = Cloud::new();
    let server = cloud.up(&["--runtime", "plain"]);
    let id = server.app("web", &pushed(&cloud));
    let said = cloud.verb(&["down", "--json"]).ok().json();
    assert_eq!(said, json!({"ok": true, "server_ended": true}));
    assert_eq!(cloud.verb(&["status"]).code, Some(8));
    assert_eq!(cloud.verb(&["down", "--json"]).ok().json(), json!({"ok": true, "server_ended": false}));
    let server = cloud.up(&["--runtime", "plain"]);
    let machine = server.call("GET", &format!("/v1/apps/web/machines/{id}"), &json!({}));
    assert_eq!(machine["state"], "stopped");
}

#[test]
fn down_on_exit_leaves_no_machine() {
    let cloud = Cloud::new();
    let server = cloud.up(&["--runtime", "plain", "--down-on-exit"]);
    let id = server.app("web", &pushed(&cloud));
    assert_eq!(server.interrupt().code, Some(0));
    let server = cloud.up(&["--runtime", "plain"]);
    let machine = server.call("GET", &format!("/v1/apps/web/machines/{id}"), &json!({}));
    assert_eq!(machine["state"], "stopped");
}
