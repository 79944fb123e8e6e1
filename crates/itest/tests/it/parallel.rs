//! Cases overlap up to the limit, whatever the number of cores; order is that of the files.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use itest::exit;
use tokio::sync::Barrier;

use crate::{
    server::{Server, ok},
    support::{HEAD, execute, run_of, within},
};

fn cases(count: usize) -> String {
    let case = |n| format!("[[case]]\nname = \"case {n}\"\n[[case.step]]\nrequest = \"GET /{n}\"\n");
    format!("{HEAD}{}", (0..count).map(case).collect::<String>())
}

#[tokio::test]
async fn thirty_two_cases_are_in_flight_at_once_by_default() {
    // Nobody is answered before all 32 have asked: with fewer in flight the run would never end.
    let barrier = Arc::new(Barrier::new(32));
    let server = Server::start(move |asked| {
        let barrier = Arc::clone(&barrier);
        async move {
            if asked.line.contains("well-known") {
                return ok(r#"{"environment":"staging"}"#);
            }
            barrier.wait().await;
            ok("1")
        }
    })
    .await;
    let report = execute(&run_of(&cases(64), &server.url())).await;
    assert_eq!((report.totals.passed, report.exit_code()), (64, exit::DONE));
    let names: Vec<_> = report.suites[0].cases.iter().map(|case| case.name.clone()).collect();
    let expected: Vec<_> = (0..64).map(|n| format!("case {n}")).collect();
    assert_eq!(names, expected, "the report is in the order of the file");
}

#[tokio::test]
async fn no_more_cases_than_allowed_are_in_flight() {
    let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let counters = (Arc::clone(&now), Arc::clone(&most));
    let server = Server::start(move |asked| {
        let (now, most) = (Arc::clone(&counters.0), Arc::clone(&counters.1));
        async move {
            if asked.line.contains("well-known") {
                return ok(r#"{"environment":"staging"}"#);
            }
            most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            tokio::task::yield_now().await;
            now.fetch_sub(1, Ordering::SeqCst);
            ok("1")
        }
    })
    .await;
    let mut run = run_of(&cases(40), &server.url());
    run.limits.jobs = 3;
    assert_eq!(execute(&run).await.totals.passed, 40);
    assert!((1..=3).contains(&most.load(Ordering::SeqCst)), "{most:?}");
}

#[tokio::test]
async fn the_steps_of_a_case_are_in_order() {
    let server = Server::staging(|_| ok("1")).await;
    let steps: String = (0..5).map(|n| format!("[[case.step]]\nrequest = \"GET /{n}\"\n")).collect();
    let text = format!("{HEAD}[[case]]\nname = \"c\"\n{steps}");
    execute(&run_of(&text, &server.url())).await;
    let lines: Vec<_> = server.asked.lock().unwrap().iter().skip(1).map(|asked| asked.line.clone()).collect();
    assert_eq!(lines, ["GET /0", "GET /1", "GET /2", "GET /3", "GET /4"]);
}

#[tokio::test]
async fn a_run_can_be_moved_to_another_task() {
    fn is_send<T: Send>(value: T) -> T {
        value
    }
    let run = run_of(HEAD, "http://127.0.0.1:1");
    within(is_send(run.execute(&itest::Silent))).await;
}
