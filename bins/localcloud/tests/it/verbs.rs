//! `env`, `faults`, `audit`, `status` against a running server.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    os::unix::fs::PermissionsExt as _,
    process::{Command, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

use serde_json::{Value, json};

use crate::{
    http::http,
    server::{Cloud, run},
};

#[test]
fn a_shell_that_evaluates_env_reaches_the_server() {
    let cloud = Cloud::new();
    let server = cloud.up(&["--runtime", "plain", "--region", "ord", "syd"]);
    server.call("POST", "/v1/apps", &json!({"app_name": "web", "org_slug": "personal"}));
    let lines = cloud.verb(&["env", "--app", "web"]).ok().out;
    let token = server.token();
    assert!(!lines.contains(&token), "the lines may be shown");
    let print =
        "echo $FLY_FLAPS_BASE_URL $FLY_API_TOKEN $FLY_REGISTRY_HOST $LOCALCLOUD_URL $LOCALCLOUD_URL_SYD";
    let mut shell = Command::new("/bin/sh");
    shell.env_clear().env("PATH", "/usr/bin:/bin").args(["-c", &format!("{lines}\n{print}")]);
    let said = run(shell.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped())).ok().out;
    let words: Vec<&str> = said.split_whitespace().collect();

    let env = cloud.verb(&["env", "--app", "web", "--json"]).ok().json();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let registry = text(&server.said["registry"]);
    let (ord, syd) = (text(&env["urls"]["ord"]), text(&env["urls"]["syd"]));
    assert_eq!(words, [server.api(), &token, &registry, &ord, &syd]);
    assert_eq!(env["variables"]["FLY_API_TOKEN"], json!(token));
    // No machine yet: the edge itself answers.
    assert_eq!(http("GET", &syd, None, "").unwrap().0, 503);

    let unknown = cloud.verb(&["env", "--app", "wbe", "--json"]);
    assert_eq!(unknown.code, Some(2), "{unknown:?}");
    assert_eq!(unknown.json()["ok"], json!(false));
}

/// What `fly storage create` sets, and `promote --store s3://…` reads: key id, key, endpoint, region, bucket.
#[test]
fn a_shell_that_evaluates_env_has_the_key_to_a_bucket() {
    let cloud = Cloud::new();
    let server = cloud.up(&["--runtime", "plain", "--token", "tok-a=acme", "tok-b=acme:pull"]);
    let lines = cloud.verb(&["env"]).ok().out;
    assert!(!lines.contains("tok-a"), "the lines may be shown: {lines}");
    let print =
        "echo $AWS_ACCESS_KEY_ID $AWS_SECRET_ACCESS_KEY $AWS_ENDPOINT_URL_S3 $AWS_REGION $BUCKET_NAME";
    let mut shell = Command::new("/bin/sh");
    shell.env_clear().env("PATH", "/usr/bin:/bin").args(["-c", &format!("{lines}\n{print}")]);
    let said = run(shell.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped())).ok().out;
    let endpoint = server.said["s3"].as_str().unwrap();
    let id = localcloud::Orgs::key_id("tok-a");
    assert_eq!(
        said.split_whitespace().collect::<Vec<_>>(),
        [id.as_str(), "tok-a", endpoint, "auto", "understudy-acme"]
    );
    let env = cloud.verb(&["env", "--json"]).ok().json();
    assert_eq!(env["variables"]["AWS_SECRET_ACCESS_KEY"], json!("tok-a"));
    // Who does not sign is refused before the bucket is looked at.
    let (status, body) = http("GET", &format!("{endpoint}/understudy-acme/key"), None, "").unwrap();
    assert!(status == 403 && body.contains("<Code>AccessDenied</Code>"), "{status} {body}");
}

#[test]
fn the_token_is_made_once_and_is_the_owners_alone() {
    let cloud = Cloud::new();
    let server = cloud.up(&["--runtime", "plain"]);
    let (first, file) = (server.token(), server.said["tokens"]["personal"].as_str().unwrap().to_owned());
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(fs::metadata(cloud.dir()).unwrap().permissions().mode() & 0o077, 0);
    assert!(first.len() >= 32);
    let ended = server.interrupt();
    assert!(!ended.err.contains(&first), "{ended:?}");
    assert!(
        ended.err.contains("plain: asked for") && ended.err.contains("export FLY_REGISTRY_HOST="),
        "{ended:?}"
    );
    assert_eq!(cloud.up(&["--runtime", "plain"]).token(), first);
}

#[test]
fn faults_come_and_go_at_run_time() {
    let cloud = Cloud::new();
    let first = r#"{"name":"latency","action":"app-list","ms":1}"#;
    let server = cloud.up(&["--runtime", "plain", "--fault", first]);
    let list = |ran: crate::server::Ran| ran.ok().json()["faults"].clone();
    let latency: Value = serde_json::from_str(first).unwrap();
    assert_eq!(list(cloud.verb(&["faults", "--json"])), json!([latency]));
    let burst = r#"{"name":"rate-limit-burst","action":"app-create"}"#;
    assert_eq!(list(cloud.verb(&["faults", "--add", burst, "--json"])).as_array().unwrap().len(), 2);
    let create = || {
        let url = format!("{}/v1/apps", server.api());
        http("POST", &url, Some(&server.token()), r#"{"app_name":"web","org_slug":"personal"}"#).unwrap().0
    };
    assert_eq!(create(), 429);
    let shown = cloud.verb(&["faults"]).ok().out;
    assert!(shown.contains("rate-limit-burst  action=app-create"), "{shown}");
    let turned =
        cloud.verb(&["faults", "--quirk", "strict_nonce=true", "retry_after_s=2", "--json"]).ok().json();
    assert_eq!(
        (&turned["quirks"]["strict_nonce"], &turned["quirks"]["retry_after_s"]),
        (&json!(true), &json!(2))
    );
    assert!(cloud.verb(&["faults"]).ok().out.contains("quirk retry_after_s=2"));
    let printed = cloud.verb(&["faults", "--json"]).ok().out;
    assert_eq!(list(cloud.verb(&["faults", "--clear", "--json"])), json!([]));
    assert_eq!(create(), 201);
    assert_eq!(list(cloud.verb(&["faults", "--set", &printed, "--json"])).as_array().unwrap().len(), 2);

    // What only the server refuses is bad usage too.
    let unfit = cloud.verb(&["faults", "--add", r#"{"name":"latency"}"#]);
    assert_eq!(unfit.code, Some(2), "{unfit:?}");
    assert!(unfit.err.contains("ms is needed"), "{unfit:?}");
}

#[test]
fn the_audit_log_is_read_from_any_line() {
    let cloud = Cloud::new();
    let server = cloud.up(&["--runtime", "plain"]);
    let all = cloud.verb(&["audit", "--json"]).ok().json();
    let next = all["next"].as_u64().unwrap();
    assert_eq!(all["lines"].as_array().unwrap().len() as u64, next);
    server.call("POST", "/v1/apps", &json!({"app_name": "web", "org_slug": "personal"}));
    let since = next.to_string();
    let lines = cloud.verb(&["audit", "--since", &since]).ok().out;
    let created = lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let created: Vec<Value> = created.filter(|line| line["action"] == "app-create").collect();
    assert_eq!(created.len(), 1, "{lines}");
    assert_eq!((&created[0]["applied"], &created[0]["org"]), (&json!(true), &json!("personal")));
    assert!(!lines.contains(&server.token()));
    drop(server.interrupt());
    assert!(cloud.verb(&["audit", "--since", &since]).ok().out.starts_with(&lines), "also without a server");
}

#[test]
fn a_followed_audit_log_shows_what_comes_and_ends_when_asked() {
    let cloud = Cloud::new();
    let server = cloud.up(&["--runtime", "plain"]);
    let mut follower = cloud.command(&["audit", "--follow"]).stderr(Stdio::null()).spawn().unwrap();
    let out = BufReader::new(follower.stdout.take().unwrap());
    let (sender, lines) = mpsc::channel();
    thread::spawn(move || out.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
    server.call("POST", "/v1/apps", &json!({"app_name": "later", "org_slug": "personal"}));
    let mut seen = std::iter::from_fn(|| lines.recv_timeout(Duration::from_secs(30)).ok());
    let found = seen.any(|line| line.contains("app-create"));
    let pid = follower.id().to_string();
    let _ = Command::new("kill").args(["-INT", &pid]).status();
    let ended = seen.count();
    if !found {
        let _ = follower.kill();
    }
    assert_eq!((found, follower.wait().unwrap().code()), (true, Some(0)), "{ended} more lines");
}

#[test]
fn status_says_where_and_on_what() {
    let cloud = Cloud::new();
    assert_eq!(cloud.verb(&["status"]).code, Some(8));
    let server = cloud.up(&["--runtime", "plain"]);
    let status = cloud.verb(&["status", "--json"]).ok().json();
    assert_eq!(status, server.said);
    assert_eq!((&status["runtime"], &status["why"]), (&json!("plain"), &json!("plain: asked for")));
    let text = cloud.verb(&["status"]).ok().out;
    assert!(text.contains(server.api()) && text.contains("plain: asked for"), "{text}");
}
