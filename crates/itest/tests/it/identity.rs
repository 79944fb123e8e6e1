//! Row 23: the target says who it is, or nothing is run.

use itest::{Report, Verdict, exit};

use crate::{
    server::{Asked, Reply, Server, ok, status},
    support::{execute, one_step, only, run_of},
};

async fn refused(server: &Server, run: &itest::Run) -> String {
    let report = execute(run).await;
    assert_eq!(only(&report).verdict, Verdict::NotRun);
    assert_eq!(server.count("GET /x"), 0, "nothing was run");
    assert_eq!(report.exit_code(), exit::REFUSED);
    assert_eq!((report.totals.not_run, report.totals.ran()), (1, 0));
    let refused = report.targets[0].refused.clone().unwrap();
    assert_eq!(only(&report).reason.as_ref(), Some(&refused), "each case names the reason");
    refused
}

fn page(path: &'static str, reply: impl Fn() -> Reply + Send + Sync + 'static) -> impl Fn(Asked) -> Reply {
    move |asked| if asked.line == format!("GET {path}") { reply() } else { ok("1") }
}

async fn server(handler: impl Fn(Asked) -> Reply + Send + Sync + 'static) -> Server {
    Server::start(move |asked| {
        let reply = handler(asked);
        async move { reply }
    })
    .await
}

fn expecting(version: Option<&str>, url: &str, head: &str) -> itest::Run {
    let text = one_step("request = \"GET /x\"").replace("[[case]]", &format!("{head}\n[[case]]"));
    let mut run = run_of(&text, url);
    let identity = run.targets.get_mut("api").unwrap().identity.as_mut().unwrap();
    identity.environment = "production".into();
    identity.version = version.map(Into::into);
    run
}

fn passed(report: &Report) {
    assert_eq!(report.exit_code(), exit::DONE, "{report:#?}");
}

#[tokio::test]
async fn another_environment_is_refused_before_any_case() {
    let server = Server::staging(|_| ok("1")).await;
    let refused = refused(&server, &expecting(Some("1.1.0"), &server.url(), "")).await;
    assert_eq!(refused, "target `api` says it is `staging` 1.2.0, expected `production` 1.1.0");
    assert_eq!(server.count("GET /.well-known/environment"), 1, "asked once");
}

#[tokio::test]
async fn another_build_of_the_right_environment_is_refused() {
    let server =
        server(page("/.well-known/environment", || ok(r#"{"environment":"production","version":"1.0.0"}"#)))
            .await;
    let refused = refused(&server, &expecting(Some("1.1.0"), &server.url(), "")).await;
    assert_eq!(refused, "target `api` says it is `production` 1.0.0, expected `production` 1.1.0");
}

#[tokio::test]
async fn a_target_that_does_not_say_who_it_is_is_refused() {
    for (reply, why) in [
        (
            404,
            "does not say which environment it is, expected `production` (asked at /.well-known/environment)",
        ),
        (503, "does not say who it is: GET /.well-known/environment: status 503"),
    ] {
        let server = server(page("/.well-known/environment", move || status(reply, ""))).await;
        let refused = refused(&server, &expecting(None, &server.url(), "")).await;
        assert_eq!(refused, format!("target `api` {why}"));
    }
}

#[tokio::test]
async fn a_target_that_is_not_there_is_refused() {
    let run = expecting(None, "http://127.94.94.3:1", "");
    let report = execute(&run).await;
    let refused = report.targets[0].refused.as_deref().unwrap();
    assert_eq!(
        refused,
        "target `api` does not say who it is: GET /.well-known/environment: connection refused"
    );
    assert_eq!(report.exit_code(), exit::REFUSED);
}

#[tokio::test]
async fn headers_identify_too_and_must_not_contradict_the_page() {
    let headers = || vec![("x-environment", "production".to_owned()), ("x-version", "1.1.0".to_owned())];
    let by_header =
        server(move |_| Reply::Answer { status: 404, headers: headers(), body: String::new() }).await;
    let mut run = expecting(Some("1.1.0"), &by_header.url(), "");
    run.suites = vec![itest::Suite::parse("s.toml", &one_step("request = \"GET /x\"\nexpect.status = 404"))];
    passed(&execute(&run).await);

    let torn = server(move |_| Reply::Answer {
        status: 200,
        headers: headers(),
        body: r#"{"environment":"staging"}"#.to_owned(),
    })
    .await;
    let refused = refused(&torn, &expecting(None, &torn.url(), "")).await;
    assert_eq!(refused, "target `api` says two things about its environment: `staging` and `production`");
}

#[tokio::test]
async fn a_static_site_identifies_itself_by_two_files() {
    let site = server(|asked| match asked.line.as_str() {
        "GET /env.json" => ok(r#"{"environment":"production","api":"x"}"#),
        "GET /build.json" => ok(r#"{"version":"1.1.0","commit":"0123456789abcdef0123456789abcdef01234567"}"#),
        _ => ok("1"),
    })
    .await;
    let head = "[targets.api]\nidentity = { path = \"/env.json\", build-path = \"/build.json\" }";
    let mut run = expecting(Some("1.1.0"), &site.url(), head);
    run.targets.get_mut("api").unwrap().identity.as_mut().unwrap().commit = Some("0123456789".into());
    let report = execute(&run).await;
    passed(&report);
    assert_eq!(report.targets[0].commit.as_deref(), Some("0123456789abcdef0123456789abcdef01234567"));
}

#[tokio::test]
async fn an_identity_page_that_is_busy_is_asked_again() {
    let busy = Server::start(|asked| async move {
        match (asked.line.as_str(), asked.before) {
            ("GET /.well-known/environment", 0) => status(503, ""),
            ("GET /.well-known/environment", 1) => Reply::Cut,
            _ => ok(r#"{"environment":"staging"}"#),
        }
    })
    .await;
    let report = execute(&run_of(&one_step("request = \"GET /x\""), &busy.url())).await;
    passed(&report);
    assert_eq!(report.totals.passed, 1, "the page is no case and makes none flaky");
}

#[tokio::test]
async fn a_suite_can_waive_the_question_with_a_reason_that_is_reported() {
    let silent = server(|_| ok("1")).await;
    let head = "[targets.api]\nidentity = \"none\"\nreason = \"an appliance\"";
    let report = execute(&expecting(Some("1.1.0"), &silent.url(), head)).await;
    passed(&report);
    assert_eq!(report.targets[0].waived.as_deref(), Some("an appliance"));
    assert_eq!(silent.asked.lock().unwrap().len(), 1, "only the case was sent");
}

#[tokio::test]
async fn without_an_expected_environment_nothing_is_run() {
    let server = Server::staging(|_| ok("1")).await;
    let mut run = run_of(&one_step("request = \"GET /x\""), &server.url());
    run.targets.get_mut("api").unwrap().identity = None;
    let refused = refused(&server, &run).await;
    assert!(refused.contains("nobody said which environment the target `api` must be"), "{refused}");
}
