//! Answers that nobody can judge.

use itest::Verdict;

use crate::{
    server::{Reply, Server, ok},
    support::{execute, one_step, only, run_of},
};

async fn errored(reply: impl Fn() -> Reply + Send + Sync + 'static, step: &str, limit: usize) -> String {
    let server = Server::staging(move |_| reply()).await;
    let mut run = run_of(&one_step(step), &server.url());
    run.limits.body_bytes_max = limit;
    let report = execute(&run).await;
    let case = only(&report);
    assert_eq!((case.verdict, case.attempts), (Verdict::Errored, 1), "{case:#?}");
    case.reason.clone().unwrap()
}

#[tokio::test]
async fn what_is_no_http_is_an_error_and_not_asked_for_again() {
    let reason = errored(|| Reply::Nonsense, "request = \"GET /x\"", 1_000).await;
    assert!(reason.starts_with("step `GET /x` (line 6): GET http://127.0.0.1:"), "{reason}");
    assert!(reason.contains("invalid HTTP"), "{reason}");
}

#[tokio::test]
async fn a_body_beyond_the_bound_is_not_kept() {
    let reason = errored(|| ok("x".repeat(1_001)), "request = \"GET /x\"", 1_000).await;
    assert!(reason.ends_with("the body is larger than 1000 bytes"), "{reason}");
}

#[tokio::test]
async fn a_captured_url_cannot_lead_elsewhere() {
    let server = Server::staging(|_| Reply::Answer {
        status: 302,
        headers: vec![("location", "http://example.com/steal".to_owned())],
        body: String::new(),
    })
    .await;
    let text = one_step(
        "request = \"GET /x\"\nexpect.status = 302\ncapture.next = { header = \"location\" }\n\
         [[case.step]]\nrequest = \"GET {{next}}\"\nheaders.authorization = \"Bearer abc\"",
    );
    let report = execute(&run_of(&text, &server.url())).await;
    let reason = only(&report).reason.clone().unwrap();
    assert!(
        reason.ends_with("`http://example.com/steal` is not at the target, which alone may be asked"),
        "{reason}"
    );
}

#[tokio::test]
async fn a_value_that_a_header_cannot_carry_is_an_error() {
    let text = one_step("request = \"GET /x\"\nheaders.a = \"{{v}}\"")
        .replace("[[case]]", "[variables]\nv = \"a\\nb\"\n[[case]]");
    let server = Server::staging(|_| ok("")).await;
    let report = execute(&run_of(&text, &server.url())).await;
    let reason = only(&report).reason.clone().unwrap();
    assert!(
        reason.ends_with("the value of the header a has characters that a header cannot carry"),
        "{reason}"
    );
}
