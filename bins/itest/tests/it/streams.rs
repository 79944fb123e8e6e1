//! Data on stdout, progress on stderr, secrets on neither.

use crate::support::{code, dir, itest, output, staging, suite, text};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn json_is_one_object_with_the_promised_names() {
    let server = staging().await;
    let dir = dir(&[("s.toml", &suite("s", "/broken")), ("bad.toml", "x = 1\n")]);
    let target = format!("api={}", server.uri());
    let args = ["run", "s.toml", "bad.toml", "--json", "--env", "staging", "--target", &target];
    let output = output(itest(dir.path()).args(args));
    assert_eq!(code(&output), 4);
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["schema"], 1);
    let totals = serde_json::json!({"passed": 0, "failed": 1, "flaky": 0, "errored": 0, "not_run": 0});
    assert_eq!(report["totals"], totals);
    let case = &report["suites"][0]["cases"][0];
    assert_eq!(
        (&case["name"], &case["verdict"], &case["attempts"]),
        (&"asks".into(), &"failed".into(), &1.into())
    );
    let failure = serde_json::json!({
        "step": "GET /broken", "assertion": "status (implied)", "expected": "2xx", "actual": "500", "line": 7,
    });
    assert_eq!(case["failures"], serde_json::json!([failure]));
    assert!(case["duration_ms"].is_u64());
    assert_eq!(report["targets"][0]["version"], "1.2.0");
    assert_eq!(report["suites"][1]["name"], serde_json::Value::Null);
    assert_eq!(report["suites"][1]["problems"][0]["line"], 1);
    let progress = text(&output.stderr);
    assert!(progress.contains("FAIL") && progress.contains("s::asks"), "{progress}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn text_says_what_failed_and_where() {
    let server = staging().await;
    let dir = dir(&[("s.toml", &suite("s", "/broken"))]);
    let target = format!("api={}", server.uri());
    let output = output(itest(dir.path()).args(["run", "s.toml", "--env", "staging", "--target", &target]));
    let shown = text(&output.stdout);
    for part in [
        "FAIL",
        "s::asks",
        "s.toml:7",
        "status (implied)",
        "expected 2xx",
        "actual   500",
        "0 passed, 1 failed",
    ] {
        assert!(shown.contains(part), "{part} in\n{shown}");
    }
    assert!(!shown.contains('\u{1b}'), "a pipe gets no colour");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_wrong_environment_is_named_beside_the_right_one() {
    let server = staging().await;
    let dir = dir(&[("s.toml", &suite("s", "/ok"))]);
    let target = format!("api={}", server.uri());
    let args = ["run", "s.toml", "--env", "production", "--version", "1.1.0", "--target", &target];
    let output = output(itest(dir.path()).args(args));
    let shown = text(&output.stdout);
    assert!(shown.contains("says it is `staging` 1.2.0, expected `production` 1.1.0"), "{shown}");
    assert!(shown.contains("0 passed, 1 not run"), "{shown}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn secrets_come_from_the_environment_and_are_not_shown() {
    let server = staging().await;
    let with_input = suite("s", "/broken").replace("[[case]]", "inputs = [\"token\"]\n[[case]]")
        + "headers.authorization = \"Bearer {{token}}\"\n";
    let dir = dir(&[("s.toml", &with_input)]);
    let target = format!("api={}", server.uri());
    let run = |secret: &str| {
        let mut command = itest(dir.path());
        command
            .args(["run", "s.toml", "--json", "--env", "staging", "--target", &target, "--secret", secret]);
        command.env("TOKEN", "hunter2222");
        output(&mut command)
    };
    let good = run("token=env:TOKEN");
    assert_eq!(code(&good), 4);
    let everything = text(&good.stdout) + &text(&good.stderr);
    assert!(everything.contains("*** broke it") && !everything.contains("hunter2222"), "{everything}");
    assert_eq!(code(&run("token=env:TOKNE")), 2, "not set");
    let literal = run("token=hunter2222");
    assert_eq!(code(&literal), 2);
    assert!(text(&literal.stderr).contains("can be read by every process"), "{}", text(&literal.stderr));
}
