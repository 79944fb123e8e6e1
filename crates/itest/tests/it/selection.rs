//! Bad files beside good ones, and runs in which nothing runs.

use itest::{Filter, Verdict, exit};

use crate::{
    server::{Server, ok, status},
    support::{HEAD, execute, one_step, run_of, run_of_all},
};

const BAD: &str = "name = \"bad\"\ncasse = 1\n";

#[tokio::test]
async fn a_bad_file_never_hides_the_results_of_the_others() {
    let server = Server::staging(|_| ok("1")).await;
    let good = one_step("request = \"GET /x\"");
    let report = execute(&run_of_all(&[&good, BAD, "= =", &good], &server.url())).await;
    let names: Vec<_> =
        report.suites.iter().map(|suite| (suite.file.as_str(), suite.name.as_deref())).collect();
    assert_eq!(names, [("0.toml", Some("s")), ("1.toml", None), ("2.toml", None), ("3.toml", Some("s"))]);
    let problem = &report.suites[1].problems[0];
    assert_eq!((problem.line, problem.column, problem.message.as_str()), (2, 1, "unknown key `casse`"));
    assert_eq!(problem.help.as_deref(), Some("the nearest is `case`"));
    assert_eq!((report.totals.passed, report.exit_code()), (2, exit::UNREADABLE));
}

#[tokio::test]
async fn a_failure_beside_a_bad_file_is_still_a_failure() {
    let server = Server::staging(|_| status(500, "")).await;
    let report = execute(&run_of_all(&[BAD, &one_step("request = \"GET /x\"")], &server.url())).await;
    assert_eq!((report.totals.failed, report.exit_code()), (1, exit::TESTS_FAILED));
}

#[tokio::test]
async fn a_run_in_which_nothing_ran_is_no_success() {
    let server = Server::staging(|_| ok("1")).await;
    let good = one_step("request = \"GET /x\"");
    let by_name = Filter { name: Some("nothing like it".into()), ..Filter::default() };
    let by_tag = Filter { tags: vec!["smoke".into()], ..Filter::default() };
    for (texts, filter) in [
        (vec![], Filter::default()),
        (vec![HEAD], Filter::default()),
        (vec![&*good], by_name),
        (vec![&*good], by_tag),
    ] {
        let mut run = run_of_all(&texts, &server.url());
        run.filter = filter;
        let report = execute(&run).await;
        assert_eq!((report.totals.ran(), report.exit_code()), (0, exit::NO_TEST), "{texts:?}");
    }
    assert_eq!(server.asked.lock().unwrap().len(), 0, "not even the identity is asked for");
}

#[tokio::test]
async fn names_and_tags_select_cases() {
    let server = Server::staging(|_| ok("1")).await;
    let text = "name = \"s\"\ntarget = \"api\"\ntags = [\"all\"]\n\
                [[case]]\nname = \"a\"\ntags = [\"smoke\"]\n[[case.step]]\nrequest = \"GET /a\"\n\
                [[case]]\nname = \"b\"\n[[case.step]]\nrequest = \"GET /b\"\n";
    for (tags, name, expected) in [
        (vec!["smoke"], None, vec!["a"]),
        (vec!["all"], None, vec!["a", "b"]),
        (vec!["none", "smoke"], None, vec!["a"]),
        (vec![], Some("s::b"), vec!["b"]),
        (vec!["smoke"], Some("s::b"), vec![]),
    ] {
        let mut run = run_of(text, &server.url());
        run.filter = Filter { tags: tags.into_iter().map(Into::into).collect(), name: name.map(Into::into) };
        let report = execute(&run).await;
        let names: Vec<_> = report.suites[0].cases.iter().map(|case| case.name.as_str()).collect();
        assert_eq!(names, expected);
    }
}

#[tokio::test]
async fn a_missing_target_or_input_is_told_and_other_suites_still_run() {
    let server = Server::staging(|_| ok("1")).await;
    let lacking = one_step("request = \"GET /x\"\nheaders.a = \"{{token}}\"")
        .replace("\"api\"", "\"web\"")
        .replace("[[case]]", "inputs = [\"token\"]\n[[case]]");
    let report = execute(&run_of_all(&[&lacking, &one_step("request = \"GET /x\"")], &server.url())).await;
    let told: Vec<_> = report.suites[0].problems.iter().map(|problem| problem.message.as_str()).collect();
    assert_eq!(told, ["no URL was given for the target `web`", "no value was given for the input `token`"]);
    assert_eq!(report.suites[0].cases[0].verdict, Verdict::NotRun);
    assert_eq!(report.suites[1].cases[0].verdict, Verdict::Passed);
    assert_eq!(report.exit_code(), exit::UNREADABLE);
}
