//! Row 20: cases derived from what the target itself lists.

use itest::{Filter, Verdict, exit};

use crate::{
    server::{Asked, Reply, Server, ok, status},
    support::{HEAD, execute, run_of},
};

const MATRIX: &str = r#"
[[case]]
name = "runs {{language}}"
[case.matrix]
as = "language"
request = "GET /languages"
list = "$.languages[*].id"
[case.matrix.each]
python3 = { source = "print('hello')" }
node = { source = "console.log('hello')" }
[[case.step]]
request = "POST /run"
json = { language = "{{language}}", source = "{{source}}" }
expect.json."$.stdout" = "hello\n"
"#;

/// Lists `languages`, and runs python3 and node.
async fn runner(languages: &'static str) -> Server {
    Server::staging(move |asked: Asked| {
        if asked.line == "GET /languages" {
            return ok(languages);
        }
        let sent: serde_json::Value = serde_json::from_str(&asked.body).unwrap();
        let fits = match sent["language"].as_str() {
            Some("python3") => sent["source"] == "print('hello')",
            Some("node") => sent["source"] == "console.log('hello')",
            _ => false,
        };
        if fits { ok("{\"stdout\":\"hello\\n\"}") } else { status(422, "{}") }
    })
    .await
}

fn suite() -> String {
    format!("{HEAD}{MATRIX}")
}

async fn verdicts(languages: &'static str, filter: Filter) -> (Vec<(String, Verdict)>, itest::Report) {
    let server = runner(languages).await;
    let mut run = run_of(&suite(), &server.url());
    run.filter = filter;
    let report = execute(&run).await;
    let cases = report.suites[0].cases.iter().map(|case| (case.name.clone(), case.verdict)).collect();
    (cases, report)
}

#[tokio::test]
async fn each_listed_value_is_a_case_in_the_order_of_the_list() {
    let (cases, report) =
        verdicts(r#"{"languages":[{"id":"python3"},{"id":"node"}]}"#, Filter::default()).await;
    assert_eq!(
        cases,
        [("runs python3".to_owned(), Verdict::Passed), ("runs node".to_owned(), Verdict::Passed)]
    );
    assert_eq!(report.exit_code(), exit::DONE);
}

#[tokio::test]
async fn a_listed_value_that_the_suite_does_not_know_is_an_error() {
    let (cases, report) = verdicts(r#"{"languages":[{"id":"ruby"},{"id":"node"}]}"#, Filter::default()).await;
    assert_eq!(
        cases,
        [("runs ruby".to_owned(), Verdict::Errored), ("runs node".to_owned(), Verdict::Passed)]
    );
    let reason = report.suites[0].cases[0].reason.as_deref();
    assert_eq!(reason, Some("the matrix gives nothing under `each` for `ruby`"));
    assert_eq!(report.exit_code(), exit::TESTS_FAILED);
}

#[tokio::test]
async fn no_list_is_an_error_and_never_no_test() {
    for (languages, why) in [
        ("{\"languages\":[]}", "the list of the matrix cannot be had: nothing is at $.languages[*].id"),
        ("[", "the list of the matrix cannot be had: not JSON: "),
        ("{\"languages\":[{\"id\":[]}]}", "which is no string, number or boolean"),
    ] {
        let (cases, report) = verdicts(languages, Filter::default()).await;
        assert_eq!(cases, [("runs {{language}}".to_owned(), Verdict::Errored)]);
        let reason = report.suites[0].cases[0].reason.clone().unwrap();
        assert!(reason.contains(why), "{reason}");
        assert_eq!(report.exit_code(), exit::TESTS_FAILED);
    }
}

#[tokio::test]
async fn a_list_that_is_refused_or_cut_is_an_error() {
    for (reply, why) in [(Some(500), "status 500"), (None, "cut before the answer was complete, 3 times")] {
        let server = Server::staging(move |_| reply.map_or(Reply::Cut, |code| status(code, ""))).await;
        let report = execute(&run_of(&suite(), &server.url())).await;
        let reason = report.suites[0].cases[0].reason.clone().unwrap();
        assert!(reason.contains(why), "{reason}");
    }
}

#[tokio::test]
async fn the_filter_sees_the_names_of_the_values() {
    let filter = Filter { name: Some("runs node".into()), ..Filter::default() };
    let (cases, _) = verdicts(r#"{"languages":[{"id":"python3"},{"id":"node"}]}"#, filter).await;
    assert_eq!(cases, [("runs node".to_owned(), Verdict::Passed)]);
}

#[tokio::test]
async fn values_can_be_written_down_and_are_appended_to_a_name_without_them() {
    let server = Server::staging(|_| ok("1")).await;
    let text = format!(
        "{HEAD}[[case]]\nname = \"page\"\nmatrix = {{ as = \"page\", values = [\"a\", 2] }}\n[[case.step]]\nrequest = \"GET /{{{{page}}}}\"\n"
    );
    let report = execute(&run_of(&text, &server.url())).await;
    let names: Vec<_> = report.suites[0].cases.iter().map(|case| case.name.as_str()).collect();
    assert_eq!(names, ["page [a]", "page [2]"]);
    assert_eq!((server.count("GET /a"), server.count("GET /2")), (1, 1));
}
