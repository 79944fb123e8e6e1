//! The API as the seeds describe it, and what every response carries.

use std::{os::unix::fs::MetadataExt as _, time::Duration};

use serde_json::json;

use crate::support::{Flag, PATIENCE, request, service};

#[tokio::test]
async fn programs_run_in_each_installed_language() {
    let service = service(&[]).await;
    for (language, source) in [
        ("bash", "echo hello; echo oops >&2"),
        ("python3", "import sys\nprint('hello')\nprint('oops', file=sys.stderr)"),
        ("nodejs", "console.log('hello'); console.error('oops')"),
    ] {
        if service.has(language).await {
            let answer = service.run(language, source).await;
            assert_eq!(answer.status, 200);
            assert_eq!(
                answer.json(),
                json!({"stdout": "hello\n", "stderr": "oops\n", "error": ""}),
                "{language}"
            );
        }
    }
}

#[tokio::test]
async fn a_failing_program_is_still_an_answer() {
    let service = service(&[]).await;
    if !service.has("bash").await {
        return;
    }
    let answer = service.run("bash", "echo so far; exit 3").await;
    assert_eq!((answer.status, answer.json()["error"].as_str()), (200, Some("exit status 3")));
    assert_eq!(answer.json()["stdout"], "so far\n");
    let answer = service.run("bash", "kill -KILL $$").await;
    assert_eq!((answer.status, answer.json()["error"].as_str()), (200, Some("ended by signal 9")));
}

#[tokio::test]
async fn a_program_past_its_time_is_ended_with_its_children_and_what_it_said_is_kept() {
    let service = service(&[("RUN_TIMEOUT_MS", "2000")]).await;
    if !service.has("bash").await {
        return;
    }
    let answer = service.run("bash", "echo before; sleep 1000 & echo $!; wait").await;
    assert_eq!(answer.status, 200);
    let result = answer.json();
    assert_eq!(result["error"], "it ran longer than 2000 ms and was ended");
    let stdout = result["stdout"].as_str().unwrap();
    let child = stdout.strip_prefix("before\n").unwrap().trim();
    let gone = async {
        while std::fs::read_to_string(format!("/proc/{child}/cmdline"))
            .is_ok_and(|line| line.starts_with("sleep"))
        {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, gone).await.unwrap();
}

#[tokio::test]
async fn a_child_that_keeps_the_output_open_delays_nothing() {
    let service = service(&[]).await;
    if !service.has("bash").await {
        return;
    }
    let answer = service.run("bash", "sleep 1000 & echo done").await;
    assert_eq!(answer.json(), json!({"stdout": "done\n", "stderr": "", "error": ""}));
}

#[tokio::test]
async fn output_ends_at_its_limit() {
    let service = service(&[]).await;
    if !service.has("bash").await {
        return;
    }
    let result =
        service.run("bash", "while :; do echo 0123456789012345678901234567890123456789; done").await.json();
    assert_eq!(result["stdout"].as_str().unwrap().len(), 128_000);
    assert_eq!(result["error"], "it wrote more than 128000 bytes and was ended");
}

#[tokio::test]
async fn a_program_gets_no_environment_little_disk_and_a_directory_that_goes_away() {
    let service = service(&[]).await;
    if !service.has("bash").await {
        return;
    }
    let source = "pwd; echo \"secret=$CARGO home=$HOME\"; id -u 2>/dev/null || echo $UID; \
                  printf x > here && echo can write; \
                  for n in {1..40}; do printf '%010000d' 0; done > big; echo past the limit";
    let result = service.run("bash", source).await.json();
    let lines: Vec<&str> = result["stdout"].as_str().unwrap().lines().collect();
    assert_eq!(lines[1], "secret= home=");
    assert_eq!(lines[3], "can write");
    assert_ne!(lines.get(4), Some(&"past the limit"), "a file of 400000 bytes: {result}");
    let own = std::fs::metadata("/proc/self").unwrap().uid();
    let expected = if own == 0 { "65534".to_owned() } else { own.to_string() };
    assert_eq!(lines[2], expected, "root runs nobody's code as nobody");
    assert!(!std::path::Path::new(lines[0]).exists(), "{}", lines[0]);
}

#[tokio::test]
async fn bad_requests_are_told_what_is_wrong_in_json() {
    let service = service(&[]).await;
    for (body, word) in [
        ("{", "line 1"),
        (r#"{"language":"bash"}"#, "`source`"),
        (r#"{"source":"x"}"#, "`language`"),
        (r#"{"source":"x","language":"cobol"}"#, "`cobol`"),
        ("[]", "object"),
    ] {
        let answer = request(service.address, "POST", "/api/v1/run", body).await;
        assert_eq!(answer.status, 400, "{body}");
        let error = answer.json()["error"].as_str().unwrap().to_owned();
        assert!(error.contains(word), "{body}: {error}");
    }
    let huge = format!(r#"{{"source":"{}","language":"bash"}}"#, "x".repeat(3 << 20));
    let answer = request(service.address, "POST", "/api/v1/run", &huge).await;
    assert_eq!(answer.status, 413);
    assert!(answer.json()["error"].is_string());
    assert_eq!(service.get("/nowhere").await.status, 404);
}

#[tokio::test]
async fn more_programs_than_runners_are_refused_at_once() {
    let service = service(&[("NUM_RUNNERS", "1")]).await;
    if !service.has("bash").await {
        return;
    }
    let (begun, go) = (Flag::new("busy-begun"), Flag::new("busy-go"));
    let slow = format!("echo > {begun}; while [ ! -e {go} ]; do sleep 0.01; done; echo slow");
    let first = service.run("bash", &slow);
    let second = async {
        begun.is_there().await;
        let refused = service.run("bash", "echo too early").await;
        std::fs::write(&go.0, "").unwrap();
        refused
    };
    let (first, second) = tokio::join!(first, second);
    assert_eq!(second.status, 503);
    assert_eq!(first.json()["stdout"], "slow\n");
    assert!(second.json()["error"].as_str().unwrap().contains("no runner available"));
    assert_eq!(second.headers["retry-after"], "1");
}

#[tokio::test]
async fn every_response_says_who_answers() {
    let service = service(&[
        ("APP_ENV", "staging"),
        ("VERSION", "1.1.0"),
        ("COMMIT", "abc123"),
        ("APP_LABEL", "nonce-7"),
        ("FLY_APP_NAME", "runner-staging"),
        ("FLY_MACHINE_ID", "d891"),
        ("FLY_REGION", "fra"),
        ("FLY_IMAGE_REF", "registry.fly.io/runner:v1@sha256:feed"),
    ])
    .await;
    for path in ["/", "/healthz", "/readyz", "/api/v1/languages", "/env.json", "/nowhere", "/style.css"] {
        let headers = service.get(path).await.headers;
        for (name, value) in [
            ("x-environment", "staging"),
            ("x-version", "1.1.0"),
            ("x-commit", "abc123"),
            ("x-machine-id", "d891"),
            ("x-label", "nonce-7"),
            ("access-control-allow-origin", "*"),
        ] {
            assert_eq!(headers.get(name).map(String::as_str), Some(value), "{path}: {name}");
        }
    }
    let environment = service.get("/.well-known/environment").await.json();
    assert_eq!(environment["digest"], "sha256:feed");
    assert_eq!(
        (&environment["environment"], &environment["app"], &environment["machine"], &environment["region"]),
        (&json!("staging"), &json!("runner-staging"), &json!("d891"), &json!("fra"))
    );
    assert_eq!(environment["languages"], service.get("/api/v1/languages").await.json()["languages"]);
}

#[tokio::test]
async fn browsers_may_ask_from_anywhere() {
    let service = service(&[]).await;
    for path in ["/api/v1/languages", "/api/v1/run"] {
        let answer = request(service.address, "OPTIONS", path, "").await;
        assert_eq!(answer.status, 200);
        assert!(answer.headers["access-control-allow-methods"].contains("POST"));
        assert_eq!(answer.headers["access-control-allow-headers"], "content-type");
    }
}

#[tokio::test]
async fn the_better_release_tells_how_long_it_took() {
    for (version, has) in [("1.0.0", false), ("1.1.0", true)] {
        let service = service(&[("VERSION", version)]).await;
        assert_eq!(service.get("/").await.body.contains("duration"), has);
        if service.has("bash").await {
            assert_eq!(service.run("bash", "echo").await.json()["duration_ms"].is_u64(), has, "{version}");
        }
    }
}

#[tokio::test]
async fn without_any_language_it_is_alive_but_not_ready() {
    let service = service(&[("PATH", "/nonexistent")]).await;
    assert_eq!(service.get("/healthz").await.status, 200);
    let ready = service.get("/readyz").await;
    assert_eq!(ready.status, 503);
    assert!(ready.json()["why"].as_str().unwrap().contains("/nonexistent"));
}

#[tokio::test]
async fn what_has_begun_is_answered_before_the_end() {
    let mut service = service(&[]).await;
    if !service.has("bash").await {
        return;
    }
    let (begun, go) = (Flag::new("end-begun"), Flag::new("end-go"));
    let source = format!("echo > {begun}; while [ ! -e {go} ]; do sleep 0.01; done; echo late");
    let stop = service.stop.take().unwrap();
    let address = service.address;
    let running = service.run("bash", &source);
    let ending = async {
        begun.is_there().await;
        stop.send(()).unwrap();
        while tokio::net::TcpStream::connect(address).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        std::fs::write(&go.0, "").unwrap();
    };
    let (answer, ()) = tokio::join!(running, ending);
    assert_eq!(answer.json()["stdout"], "late\n");
    tokio::time::timeout(PATIENCE, service.ended).await.unwrap().unwrap().unwrap();
}
