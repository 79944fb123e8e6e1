//! The demo, and what its JSON must say.

use super::steps::Session;
use super::tally::{Counts, Report};
use crate::cargo;
use crate::process::{Ran, Run};
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

/// The demo without the pause after each change of routing. It has to fail, and for that reason: an edge that
/// forgives everything would let every other run of the demo pass.
///
/// # Errors
/// If it cannot be started.
pub fn no_pause(session: &mut Session<'_>) -> Result<Report, Failure> {
    let ran = match run(session, &["--settle", "0s"])? {
        Ok(ran) => ran,
        Err(report) => return Ok(report),
    };
    let value = serde_json::from_str(&ran.text).unwrap_or(Value::Null);
    Ok(match loss(ran.code, &value) {
        Ok(why) => {
            Report::of(Counts { passed: 1, ..Counts::default() }, vec![format!("fails as it must: {why}")])
        }
        Err(why) => Report::failed(format!("promote demo --settle 0s {why}\n{}", ran.text)),
    })
}

fn demo(session: &Session<'_>, runtime: Option<&str>) -> Result<Report, Failure> {
    let args: Vec<&str> = runtime.iter().flat_map(|name| ["--runtime", name]).collect();
    let ran = match run(session, &args)? {
        Ok(ran) => ran,
        Err(report) => return Ok(report),
    };
    if !ran.is_ok() {
        return Ok(Report::failed(format!("promote demo ended with {}\n{}", ran.ending(), ran.text)));
    }
    let value: Value = serde_json::from_str(&ran.text)
        .or_exit(Exit::TestsFailed, || "the demo's stdout is not one JSON object")?;
    let problems = problems(&value, runtime);
    Ok(if problems.is_empty() { Report::passed() } else { Report::failed(problems.join("\n")) })
}

/// Runs `promote demo --json` with these arguments; a report instead where there is no such verb. It is the binary that the
/// tests have built: to build another one for release takes longer than all that is seen here.
fn run(session: &Session<'_>, args: &[&str]) -> Result<Result<Ran, Report>, Failure> {
    let program = match cargo::programs(session.repo, session.shell) {
        Ok(programs) => programs.join("promote"),
        Err(failure) => return Ok(Err(Report::failed(failure.what))),
    };
    let promote = || Run::new(&program.to_string_lossy(), &session.repo.root).echoed_errors();
    let help = promote().args(["--help"]).run(session.shell)?;
    if !help.is_ok() {
        return Ok(Err(Report::failed("promote does not tell its verbs")));
    }
    if !help.text.lines().any(|line| line.trim_start().starts_with("demo")) {
        return Ok(Err(Report::skipped("not run: this `promote` has no verb `demo`")));
    }
    let demo = promote().args(["demo", "--json"]).args(args).limit(Duration::from_mins(15));
    demo.run(session.shell).map(Ok)
}

/// How the demo without the pause failed, or why its end is no proof that the pause is needed.
///
/// # Errors
/// What is wrong, as the end of a sentence.
pub fn loss(code: Option<i32>, value: &Value) -> Result<String, String> {
    if code == Some(i32::from(Exit::Done.number())) {
        return Err("lost nothing: a pause that nobody needs proves nothing".to_owned());
    }
    if code != Some(i32::from(Exit::TestsFailed.number())) {
        return Err(format!("ended with {code:?} and not with {}", Exit::TestsFailed.number()));
    }
    let promotions = value["promotions"].as_array().map_or(&[][..], Vec::as_slice);
    let failed: u64 =
        promotions.iter().filter_map(|promotion| promotion["requests"]["failed"].as_u64()).sum();
    if failed > 0 {
        return Ok(format!("{failed} requests lost"));
    }
    let whys = value["error"]["why"].as_array().map_or(&[][..], Vec::as_slice);
    match whys.iter().chain(promotions.iter().map(|it| &it["why"])).find_map(Value::as_str) {
        Some(why) if why.contains("suite `") => Ok(why.to_owned()),
        Some(why) => Err(format!("failed for another reason: {why}")),
        None => Err("failed and does not say why".to_owned()),
    }
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
        let seconds = &promotion["seconds"];
        demand(seconds.as_f64() > Some(0.0), format!("{what}: it took {seconds} seconds"));
    }
    problems
}
