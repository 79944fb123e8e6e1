//! Runs end, whatever a target does, and say what they could not do.

use std::{sync::Arc, time::Duration};

use itest::{Event, Verdict, exit};
use tokio::sync::Notify;

use crate::{
    server::{Reply, Server, ok},
    support::{HEAD, execute, one_step, run_of, within},
};

fn two_cases(head: &str) -> String {
    format!(
        "{HEAD}{head}[[case]]\nname = \"a\"\n[[case.step]]\nrequest = \"GET /a\"\n\
         [[case]]\nname = \"b\"\n[[case.step]]\nrequest = \"GET /b\"\n"
    )
}

#[tokio::test]
async fn a_suite_ends_at_its_deadline_and_names_what_did_not_run() {
    let server = Server::staging(|_| Reply::Never).await;
    let mut run = run_of(&two_cases("deadline = \"300ms\"\n"), &server.url());
    run.limits.jobs = 1;
    let report = execute(&run).await;
    let cases: Vec<_> =
        report.suites[0].cases.iter().map(|case| (case.verdict, case.reason.clone().unwrap())).collect();
    assert_eq!(
        cases,
        [
            (Verdict::Errored, "the suite's deadline of 300ms is over".to_owned()),
            (Verdict::NotRun, "the suite's deadline of 300ms was over before it started".to_owned()),
        ]
    );
    assert_eq!(report.exit_code(), exit::TESTS_FAILED);
}

#[tokio::test]
async fn a_run_that_is_stopped_reports_what_it_has() {
    let asked_b = Arc::new(Notify::new());
    let told = Arc::clone(&asked_b);
    let server = Server::staging(move |asked| {
        if asked.line == "GET /b" {
            told.notify_one();
            return Reply::Never;
        }
        ok("1")
    })
    .await;
    let mut run = run_of(&two_cases(""), &server.url());
    run.limits.jobs = 1;
    let report = within(run.execute_until(&itest::Silent, async move { asked_b.notified().await })).await;
    let cases: Vec<_> = report.suites[0]
        .cases
        .iter()
        .map(|case| (case.name.as_str(), case.verdict, case.reason.as_deref()))
        .collect();
    assert_eq!(cases, [("a", Verdict::Passed, None), ("b", Verdict::NotRun, Some("interrupted"))]);
    assert!(report.interrupted);
    assert_eq!(report.exit_code(), exit::INTERRUPTED);
}

#[tokio::test]
async fn a_run_that_is_stopped_before_it_knows_the_target_names_every_case() {
    let server = Server::start(|_| async { Reply::Never }).await;
    let asked = Arc::clone(&server.asked);
    let stop = async move {
        while asked.lock().unwrap().is_empty() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    let run = run_of(&two_cases(""), &server.url());
    let report = within(run.execute_until(&itest::Silent, stop)).await;
    assert_eq!((report.totals.not_run, report.exit_code()), (2, exit::INTERRUPTED));
}

#[tokio::test]
async fn events_frame_the_run() {
    let server = Server::staging(|_| ok("1")).await;
    let run = run_of(&one_step("request = \"GET /x\""), &server.url());
    let (_, events) = crate::support::execute_listening(&run).await;
    let names: Vec<_> =
        events.iter().map(|event| serde_json::to_value(event).unwrap()["event"].clone()).collect();
    assert_eq!(names, ["run-started", "target-identified", "case-started", "case-finished", "run-finished"]);
    assert!(matches!(&events[0], Event::RunStarted { suites: 1, cases: 1, jobs: 32 }));
}
