//! Each way to end has its code: 0 done, 2 unreadable input, 3 refused by a gate, 4 tests failed, 9 interrupted,
//! 10 no test ran, 13 flaky under `--fail-on-flaky`.

use std::process::Stdio;

use wiremock::{Mock, ResponseTemplate, matchers::path};

use crate::support::{code, dir, itest, output, staging, suite, text};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_ends_with_the_code_of_its_worst_news() {
    let server = staging().await;
    let (good, failing) = (suite("good", "/ok"), suite("failing", "/broken"));
    let dir = dir(&[("good.toml", &good), ("failing.toml", &failing), ("bad.toml", "nmae = 1\n")]);
    let target = format!("api={}", server.uri());
    for (expected, args) in [
        (0, "good.toml --env staging"),
        (0, "good.toml --env staging --version 1.2.0 --commit 0123456"),
        (0, "good.toml failing.toml --env staging --tag good"),
        (2, "good.toml bad.toml --env staging"),
        (2, "good.toml nowhere.toml --env staging"),
        (2, "bad.toml --env staging"),
        (2, "good.toml --env staging --jobs 0"),
        (2, "good.toml --env staging --bogus"),
        (2, "good.toml --version 1.2.0"),
        (3, "good.toml --env production"),
        (3, "good.toml --env staging --version 1.3.0"),
        (3, "good.toml"),
        (4, "failing.toml --env staging"),
        (4, "good.toml bad.toml failing.toml --env staging"),
        (4, ". --env staging"),
        (10, "good.toml --env staging --filter nothing"),
        (10, "good.toml --env staging --tag nothing"),
    ] {
        let output = output(itest(dir.path()).args(["run", "--target", &target]).args(args.split(' ')));
        assert_eq!(code(&output), expected, "{args}\n{}{}", text(&output.stdout), text(&output.stderr));
    }
    let output = output(itest(dir.path()).args(["run", "good.toml", "--env", "staging"]));
    assert_eq!(code(&output), 2, "a suite whose target has no URL cannot be run");
    assert!(text(&output.stdout).contains("no URL was given for the target `api`"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn flaky_is_a_success_unless_asked_otherwise() {
    for (expected, flag) in [(0, None), (13, Some("--fail-on-flaky"))] {
        let server = staging().await;
        let busy = Mock::given(path("/flaky")).respond_with(ResponseTemplate::new(503)).up_to_n_times(1);
        busy.with_priority(1).mount(&server).await;
        Mock::given(path("/flaky")).respond_with(ResponseTemplate::new(200)).mount(&server).await;
        let dir = dir(&[("s.toml", &suite("s", "/flaky"))]);
        let target = format!("api={}", server.uri());
        let mut command = itest(dir.path());
        command.args(["run", "s.toml", "--env", "staging", "--target", &target]).args(flag);
        let output = output(&mut command);
        assert_eq!(code(&output), expected, "{}", text(&output.stdout));
        assert!(text(&output.stdout).contains("0 passed, 1 flaky"), "{}", text(&output.stdout));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_interrupted_run_still_reports() {
    let server = staging().await;
    let slow = ResponseTemplate::new(200).set_delay(std::time::Duration::from_secs(600));
    Mock::given(path("/slow")).respond_with(slow).mount(&server).await;
    let text_of = suite("s", "/slow").replace("[[case]]", "step-timeout = \"10m\"\n[[case]]");
    let dir = dir(&[("s.toml", &text_of)]);
    let target = format!("api={}", server.uri());
    let mut command = itest(dir.path());
    command.args(["run", "s.toml", "--json", "--env", "staging", "--target", &target]);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    while !server.received_requests().await.unwrap().iter().any(|request| request.url.path() == "/slow") {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    let kill = std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(kill.success());
    let output = tokio::task::block_in_place(|| child.wait_with_output().unwrap());
    assert_eq!(code(&output), 9);
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["suites"][0]["cases"][0]["verdict"], "not-run");
    assert_eq!(report["interrupted"], true);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_listing_sends_nothing_and_names_what_cannot_be_read() {
    let dir =
        dir(&[("a/x.toml", &suite("x", "/ok")), ("a/b/y.toml", &suite("y", "/ok")), ("a/.z.toml", "= =")]);
    let listed = output(itest(dir.path()).args(["list", "a"]));
    assert_eq!(code(&listed), 0);
    assert_eq!(text(&listed.stdout), "y::asks  (a/b/y.toml:4)  [y]\nx::asks  (a/x.toml:4)  [x]\n");
    std::fs::write(dir.path().join("a/w.toml"), "name = \"w\"\ncse = 1\n").unwrap();
    let listed = output(itest(dir.path()).args(["list", "a"]));
    assert_eq!(code(&listed), 2);
    let text = text(&listed.stdout);
    assert!(text.contains("a/w.toml:2:1: unknown key `cse`; the nearest is `case`"), "{text}");
    assert!(text.contains("x::asks"), "the others are listed: {text}");
}

/// docs/exit-codes.md: a stdout that takes nothing is 2, unless the run has worse to say.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_stdout_is_told_and_hides_no_failed_test() {
    let server = staging().await;
    let dir = dir(&[("good.toml", &suite("good", "/ok")), ("failing.toml", &suite("failing", "/broken"))]);
    let target = format!("api={}", server.uri());
    for (expected, args) in [
        (2, ["list", "good.toml"].as_slice()),
        (2, &["--help"]),
        (2, &["run", "good.toml", "--env", "staging", "--target", &target]),
        (4, &["run", "failing.toml", "--env", "staging", "--target", &target]),
    ] {
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let output = itest(dir.path()).args(args).stdout(Stdio::from(full)).output().unwrap();
        assert_eq!(code(&output), expected, "{args:?}: {}", text(&output.stderr));
        assert!(text(&output.stderr).contains("cannot write to stdout"), "{args:?}");
    }
}

/// A refusal says what and why, and so does a run of nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_directory_without_suites_is_named() {
    let dir = dir(&[("empty/readme.md", "nothing here")]);
    for (expected, verb) in [(10, "run"), (0, "list")] {
        let output = output(itest(dir.path()).args([verb, "empty"]));
        assert_eq!(code(&output), expected, "{verb}");
        let told = text(&output.stderr);
        assert!(told.contains("no suite in `empty`") && told.contains("*.toml"), "{verb}: {told}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_link_that_leads_back_is_not_followed() {
    let dir = dir(&[("suites/good.toml", &suite("good", "/ok"))]);
    std::os::unix::fs::symlink(".", dir.path().join("suites/back")).unwrap();
    let output = output(itest(dir.path()).args(["list", "suites", "--json"]));
    let listed: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let files: Vec<_> = listed["suites"].as_array().unwrap().iter().map(|suite| &suite["file"]).collect();
    assert_eq!(files, ["suites/good.toml"]);
}
