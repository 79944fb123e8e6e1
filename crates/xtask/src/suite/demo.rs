//! The demo as a user runs it, and what its JSON must say.

use super::steps::Session;
use super::tally::Report;
use crate::process::Run;
use clikit::{Exit, Failure, FailureExt};
use serde_json::Value;
use std::time::Duration;

/// The fewest requests that have to be sent during a promotion for "none failed" to mean something.
const REQUESTS_MIN: u64 = 500;

/// The demo on the runtime that it chooses by itself.
///
/// # Errors
/// If it cannot be started.
pub fn default_runtime(session: &mut Session<'_>) -> Result<Report, Failure> {
    demo(session, None)
}

/// The demo without isolation.
///
/// # Errors
/// If it cannot be started.
pub fn plain_runtime(session: &mut Session<'_>) -> Result<Report, Failure> {
    demo(session, Some("plain"))
}

fn demo(session: &Session<'_>, runtime: Option<&str>) -> Result<Report, Failure> {
    let root = &session.repo.root;
    let promote = |args: &[&str]| -> Run {
        let run = session.shell.cargo(root).args([
            "run",
            "--quiet",
            "--release",
            "--locked",
            "-p",
            "promote",
            "--",
        ]);
        run.args(args).limit(Duration::from_mins(45))
    };
    let help = promote(&["--help"]).echoed_errors().run(session.shell)?;
    if !help.text.lines().any(|line| line.trim_start().starts_with("demo")) {
        return Ok(if help.is_ok() {
            Report::skipped("not run: this `promote` has no verb `demo` yet")
        } else {
            Report::failed("promote does not build")
        });
    }
    let mut args = vec!["demo", "--json"];
    args.extend(runtime.iter().flat_map(|name| ["--runtime", name]));
    let ran = promote(&args).limit(Duration::from_mins(15)).echoed_errors().run(session.shell)?;
    if !ran.is_ok() {
        return Ok(Report::failed(format!("promote demo ended with {}\n{}", ran.ending(), ran.text)));
    }
    let value: Value = serde_json::from_str(&ran.text)
        .or_exit(Exit::TestsFailed, || "the demo's stdout is not one JSON object")?;
    let problems = problems(&value, runtime);
    Ok(if problems.is_empty() { Report::passed() } else { Report::failed(problems.join("\n")) })
}

/// Everything that is wrong with the demo's result.
#[must_use]
pub fn problems(value: &Value, runtime: Option<&str>) -> Vec<String> {
    let mut problems = Vec::new();
    let mut demand = |holds: bool, text: String| {
        if !holds {
            problems.push(text);
        }
    };
    demand(value["ok"] == true, format!("ok is {}", value["ok"]));
    let named = value["runtime"].to_string();
    demand(value["runtime"] != Value::Null, "it does not name its runtime".to_owned());
    demand(runtime.is_none_or(|name| named.contains(name)), format!("the runtime is {named}"));
    for key in ["journal", "audit"] {
        demand(value[key].is_string(), format!("it does not say where the {key} is"));
    }
    let promotions = value["promotions"].as_array().map_or(&[][..], Vec::as_slice);
    demand(promotions.len() == 2, format!("{} promotions, 2 are wanted", promotions.len()));
    let wanted = [("succeeded", "digest"), ("rolled_back", "production_digest_before")];
    for (i, (promotion, (outcome, after))) in (1..).zip(promotions.iter().zip(wanted)) {
        let what = format!("promotion {i}");
        demand(promotion["outcome"] == outcome, format!("{what}: the outcome is {}", promotion["outcome"]));
        let (got, want) = (&promotion["production_digest_after"], &promotion[after]);
        let is_digest = want.as_str().is_some_and(|text| text.starts_with("sha256:"));
        demand(
            is_digest && got == want,
            format!("{what}: production ends with {got}, and {after} is {want}"),
        );
        let (sent, failed) = (&promotion["requests"]["sent"], &promotion["requests"]["failed"]);
        demand(
            sent.as_u64() >= Some(REQUESTS_MIN),
            format!("{what}: {sent} requests, {REQUESTS_MIN} are wanted"),
        );
        demand(*failed == 0, format!("{what}: {failed} requests failed"));
    }
    problems
}
