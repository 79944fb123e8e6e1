//! Jobs of a run: their order, conditions and what starts them.

use actions::{Outcome, Workflow, WorkflowError};
use serde_json::json;

use crate::steps::{Place, run, workflow};

#[tokio::test]
async fn a_job_runs_after_those_it_needs_and_not_when_one_of_them_failed() {
    let place = Place::new();
    let workflow = workflow(
        r#"  z-first:
    runs-on: x
    outputs: {sha256: "${{ steps.test.outputs.sha256 }}"}
    steps:
      - {id: test, run: 'echo sha256=abc >> "$GITHUB_OUTPUT"; exit 4'}
  a-second:
    needs: [z-first]
    runs-on: x
    steps: [{run: "echo never"}]
  b-third:
    needs: a-second
    runs-on: x
    steps: [{run: "echo never"}]
  c-attest:
    needs: z-first
    if: ${{ !cancelled() && needs.z-first.outputs.sha256 != '' }}
    runs-on: x
    steps:
      - env: {SHA: "${{ needs.z-first.outputs.sha256 }}", RESULT: "${{ needs.z-first.result }}"}
        run: echo "$SHA $RESULT"
  d-report:
    needs: b-third
    if: ${{ failure() }}
    runs-on: x
    steps: [{run: "echo failed"}]
"#,
    );
    let run = run(&place.runner(), &workflow, &place.event()).await;
    let outcome = |id: &str| run.jobs[id].outcome;
    assert_eq!(
        ["z-first", "a-second", "b-third", "c-attest", "d-report"].map(outcome),
        [Outcome::Failure, Outcome::Skipped, Outcome::Skipped, Outcome::Success, Outcome::Success],
        "{}",
        run.log()
    );
    assert_eq!(run.jobs["c-attest"].steps[0].log, "abc failure\n");
}

#[test]
fn what_cannot_be_run_is_refused_and_not_passed_over() {
    for (text, why) in [
        ("on: push\njobs: {a: {runs-on: x, strategy: {matrix: {b: [1]}}, steps: []}}", "strategy"),
        ("on: push\njobs: {a: {uses: ./b.yml}}", "uses"),
        (
            "on: push\njobs: {a: {runs-on: x, steps: [{run: a, continue-on-error: true}]}}",
            "continue-on-error",
        ),
        ("on: push\njobs: {a: {runs-on: x, steps: [{run: a, shell: pwsh}]}}", "pwsh"),
        ("jobs: {}", "on"),
        ("on: {push: {paths: [a]}}\njobs: {}", "paths"),
    ] {
        let error = Workflow::parse(text).unwrap_err().to_string();
        assert!(error.contains(why), "{error}");
    }
    let circle =
        "on: push\njobs: {a: {needs: b, runs-on: x, steps: []}, b: {needs: [a], runs-on: x, steps: []}}";
    let error = Workflow::parse(circle).unwrap_err();
    assert_eq!(error, WorkflowError::Needs { job: "a".to_owned(), needs: "b".to_owned() });
}

#[test]
fn events_start_what_asks_for_them() {
    let place = Place::new();
    let on = |on: &str| Workflow::parse(&format!("on: {on}\njobs: {{}}")).unwrap();
    let push = place.event();
    let feature = actions::Event { reference: "refs/heads/feature/x".to_owned(), ..push.clone() };
    let staging = on("{push: {branches: [staging]}, workflow_dispatch: null}");
    assert!(staging.is_started_by(&push) && !staging.is_started_by(&feature));
    assert!(staging.is_started_by(&push.clone().named("workflow_dispatch", json!({}))));
    assert!(!staging.is_started_by(&push.clone().named("pull_request", json!({}))));
    let ended = |name: &str| {
        push.clone().named("workflow_run", json!({"action": "completed", "workflow_run": {"name": name}}))
    };
    let rescue = on(
        "{workflow_run: {workflows: [Deploy], types: [completed]}, repository_dispatch: {types: [understudy]}}",
    );
    assert!(rescue.is_started_by(&ended("Deploy")) && !rescue.is_started_by(&ended("Lint")));
    let sent = |kind: &str| push.clone().named("repository_dispatch", json!({"action": kind}));
    assert!(rescue.is_started_by(&sent("understudy")) && !rescue.is_started_by(&sent("other")));
    for all in ["push", "[push, pull_request]"] {
        assert!(on(all).is_started_by(&feature));
    }
}
