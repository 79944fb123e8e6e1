//! Row 94: what may pass is repeated and marked; what cannot pass is not.

use std::sync::Mutex;

use itest::{Event, Verdict, exit};
use tokio::net::TcpListener;

use crate::{
    server::{Reply, Server, ok, status},
    support::{execute, one_step, only, run_of, within},
};

#[tokio::test]
async fn a_passing_503_makes_a_flaky_pass_with_the_first_result_kept() {
    let server = Server::staging(|asked| if asked.before == 0 { status(503, "busy") } else { ok("1") }).await;
    let report =
        execute(&run_of(&one_step("request = \"GET /x\"\nexpect.body = \"1\""), &server.url())).await;
    let case = only(&report);
    assert_eq!((case.verdict, case.attempts), (Verdict::Flaky, 2));
    let first = &case.retries[0];
    assert_eq!((first.attempt, first.reason.as_str(), first.step.as_str()), (1, "status 503", "GET /x"));
    let told: Vec<_> = first.failures.iter().map(|f| (f.assertion.as_str(), f.actual.as_str())).collect();
    assert_eq!(told, [("status (implied)", "503"), ("body equals", "\"busy\"")]);
    assert!(case.failures.is_empty(), "what the last attempt found is what counts");
    assert_eq!((report.totals.flaky, report.totals.passed), (1, 0));
    assert_eq!(report.exit_code(), exit::DONE);
}

#[tokio::test]
async fn flaky_can_be_made_to_count() {
    let server = Server::staging(|asked| if asked.before == 0 { status(502, "") } else { ok("") }).await;
    let mut run = run_of(&one_step("request = \"GET /x\""), &server.url());
    run.fail_on_flaky = true;
    assert_eq!(execute(&run).await.exit_code(), exit::FLAKY);
}

#[tokio::test]
async fn one_refused_connection_of_three_is_repeated_whatever_the_method() {
    // An address of its own, so that nobody takes the port while nobody listens on it.
    let first = TcpListener::bind("127.94.94.1:0").await.unwrap();
    let address = first.local_addr().unwrap();
    drop(first);
    let mut run = run_of(
        &one_step("request = \"POST /x\"")
            .replace("[[case]]", "[targets.api]\nidentity = \"none\"\nreason = \"x\"\n[[case]]"),
        &format!("http://{address}"),
    );
    run.fail_on_flaky = true;
    // The server comes up when the first refusal is told.
    let late = Mutex::new(None);
    let listener = |event: &Event| {
        if let Event::RequestRepeated { reason, .. } = event {
            assert_eq!(reason, "connection refused");
            let listener = std::net::TcpListener::bind(address).unwrap();
            listener.set_nonblocking(true).unwrap();
            let listener = TcpListener::from_std(listener).unwrap();
            *late.lock().unwrap() = Some(Server::on(listener, |_| async { ok("") }));
        }
    };
    let report = within(run.execute(&listener)).await;
    let case = only(&report);
    assert_eq!((case.verdict, case.attempts), (Verdict::Flaky, 2), "{case:#?}");
    assert_eq!(report.exit_code(), exit::FLAKY);
}

#[tokio::test]
async fn a_cut_connection_is_repeated_for_what_is_safe_to_send_twice() {
    for (cut, first) in [(true, "cut"), (false, "half")] {
        for (step, attempts, verdict) in [
            ("request = \"GET /x\"", 2, Verdict::Flaky),
            ("request = \"POST /x\"\nidempotent = true", 2, Verdict::Flaky),
            ("request = \"POST /x\"", 1, Verdict::Errored),
            ("request = \"DELETE /x\"", 1, Verdict::Errored),
        ] {
            let server = Server::staging(move |asked| match (asked.before, cut) {
                (0, true) => Reply::Cut,
                (0, false) => Reply::CutInBody,
                _ => ok(""),
            })
            .await;
            let report = execute(&run_of(&one_step(step), &server.url())).await;
            let case = only(&report);
            assert_eq!((case.verdict, case.attempts), (verdict, attempts), "{first} {step}\n{case:#?}");
            let reason =
                case.reason.clone().or_else(|| case.retries.first().map(|retry| retry.reason.clone()));
            assert!(reason.unwrap().contains("cut before the answer was complete"), "{case:#?}");
        }
    }
}

#[tokio::test]
async fn a_timeout_is_repeated_only_where_it_is_safe() {
    for method in ["GET", "POST"] {
        let server = Server::staging(|asked| if asked.before == 0 { Reply::Never } else { ok("") }).await;
        let step = format!("request = \"{method} /x\"\ntimeout = \"400ms\"");
        let report = execute(&run_of(&one_step(&step), &server.url())).await;
        let case = only(&report);
        let reason = "no complete answer within 400ms";
        if method == "POST" {
            assert_eq!((case.verdict, server.count("POST /x")), (Verdict::Errored, 1));
            assert!(case.reason.as_deref().unwrap().ends_with(reason), "{case:#?}");
        } else {
            // What the second attempt gets within its limit is up to the machine; that there is one is not.
            assert_eq!(case.retries[0].reason, reason);
        }
    }
}

#[tokio::test]
async fn a_wrong_answer_is_never_asked_for_again() {
    for (reply, expect) in [
        (200, "expect.body = \"right\""),
        (500, "expect.status = 200"),
        (429, "expect.status = 200"),
        (404, "expect.status = 200"),
        // The 503 was expected, so what is wrong with the answer will not pass.
        (503, "expect.status = 503\nexpect.body = \"right\""),
    ] {
        let server = Server::staging(move |_| status(reply, "wrong")).await;
        let step = format!("request = \"GET /x\"\n{expect}");
        let report = execute(&run_of(&one_step(&step), &server.url())).await;
        let case = only(&report);
        assert_eq!((case.verdict, case.attempts), (Verdict::Failed, 1), "{reply} {expect}\n{case:#?}");
        assert_eq!(server.count("GET /x"), 1);
        assert_eq!(report.exit_code(), exit::TESTS_FAILED);
    }
}

#[tokio::test]
async fn what_does_not_pass_fails_after_the_last_attempt_with_all_attempts_kept() {
    let server = Server::staging(|_| status(504, "")).await;
    let report = execute(&run_of(&one_step("request = \"GET /x\""), &server.url())).await;
    let case = only(&report);
    assert_eq!((case.verdict, case.attempts, case.retries.len()), (Verdict::Failed, 3, 2));
    assert_eq!(case.failures[0].actual, "504");
    assert_eq!(server.count("GET /x"), 3, "bounded attempts");
}

#[tokio::test]
async fn a_suite_can_forbid_repeating() {
    let server = Server::staging(|_| status(503, "")).await;
    let text = one_step("request = \"GET /x\"").replace("[[case]]", "[retry]\nattempts = 1\n[[case]]");
    let report = execute(&run_of(&text, &server.url())).await;
    assert_eq!((only(&report).verdict, server.count("GET /x")), (Verdict::Failed, 1));
}

#[tokio::test]
async fn all_refused_is_no_success() {
    let text = one_step("request = \"GET /x\"")
        .replace("[[case]]", "[targets.api]\nidentity = \"none\"\nreason = \"x\"\n[[case]]");
    // Port 1 of an address that nobody binds.
    let report = execute(&run_of(&text, "http://127.94.94.2:1")).await;
    let case = only(&report);
    assert_eq!((case.verdict, case.attempts), (Verdict::Errored, 3));
    assert!(case.reason.as_deref().unwrap().ends_with("connection refused, 3 times"), "{case:#?}");
    assert_eq!(report.exit_code(), exit::TESTS_FAILED);
}
