//! Short ways to run a suite in a test.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use itest::{CaseReport, Event, ExpectedIdentity, Limits, Report, RetryPolicy, Run, Suite, Target};

/// Nothing here may hang longer than this, however loaded the machine is.
const HARD_LIMIT: Duration = Duration::from_secs(120);

/// The head of a suite whose requests go to `api`.
pub(crate) const HEAD: &str = "name = \"s\"\ntarget = \"api\"\n";

/// A run of `text` against `url`, which must be `staging`. Pauses are short.
pub(crate) fn run_of(text: &str, url: &str) -> Run {
    run_of_all(&[text], url)
}

pub(crate) fn run_of_all(texts: &[&str], url: &str) -> Run {
    let target = Target::new(url.parse().unwrap(), ExpectedIdentity::environment("staging"));
    let files = texts.iter().enumerate();
    Run {
        suites: files.map(|(n, text)| Suite::parse(&format!("{n}.toml"), text)).collect(),
        targets: [("api".to_owned(), target)].into(),
        limits: Limits {
            retry: RetryPolicy { attempts: 3, delay: Duration::from_millis(1) },
            step_timeout: Duration::from_secs(60),
            ..Limits::default()
        },
        ..Run::default()
    }
}

pub(crate) async fn execute(run: &Run) -> Report {
    within(run.execute(&itest::Silent)).await
}

/// The report and everything that was told on the way.
pub(crate) async fn execute_listening(run: &Run) -> (Report, Vec<Event>) {
    let events = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&events);
    let listener = move |event: &Event| sink.lock().unwrap().push(event.clone());
    let report = within(run.execute(&listener)).await;
    let events = events.lock().unwrap().clone();
    (report, events)
}

pub(crate) async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(HARD_LIMIT, future).await.expect("the run hangs")
}

/// The only case of a report.
pub(crate) fn only(report: &Report) -> &CaseReport {
    let cases: Vec<_> = report.suites.iter().flat_map(|suite| &suite.cases).collect();
    assert_eq!(cases.len(), 1, "{report:#?}");
    cases[0]
}

/// A suite with one case of one step.
pub(crate) fn one_step(step: &str) -> String {
    format!("{HEAD}[[case]]\nname = \"c\"\n[[case.step]]\n{step}\n")
}
