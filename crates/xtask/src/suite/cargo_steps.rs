//! The steps that are cargo.

use super::steps::Session;
use super::tally::{Counts, Report};
use crate::libtest::{self, Outcome, Results};
use crate::process::Run;
use clikit::Failure;
use std::time::Duration;

/// Time for one cargo call, on a slow machine that compiles everything.
const LIMIT: Duration = Duration::from_mins(90);

/// What the bare engine must not pull in, and why.
const NOT_IN_THE_ENGINE: [(&str, &str); 5] = [
    ("reqwest", "the engine knows no HTTP"),
    ("hyper", "the engine knows no HTTP"),
    ("cc", "the bare engine builds without a C compiler"),
    ("rusqlite", "stores are features"),
    ("libsqlite3-sys", "stores are features"),
];

pub(super) fn cargo(session: &Session<'_>, args: &[&str]) -> Run {
    session.shell.cargo(&session.repo.root).args(args).limit(LIMIT)
}

fn one(session: &Session<'_>, args: &[&str]) -> Result<Report, Failure> {
    let run = cargo(session, args).echoed().merged();
    let ran = run.run(session.shell)?;
    if ran.is_ok() {
        return Ok(Report::passed());
    }
    Ok(Report::failed(format!("`{}` ended with {}", run.line(), ran.ending())))
}

/// `cargo fmt --check`, naming the files.
///
/// # Errors
/// If cargo cannot be started.
pub fn format(session: &mut Session<'_>) -> Result<Report, Failure> {
    one(session, &["fmt", "--all", "--", "--check", "-l"])
}

/// Clippy over all targets, every warning an error.
///
/// # Errors
/// If cargo cannot be started.
pub fn lints(session: &mut Session<'_>) -> Result<Report, Failure> {
    one(session, &["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"])
}

/// Every test of the workspace, doc tests too; the results stay in the session.
///
/// # Errors
/// If cargo cannot be started.
pub fn tests(session: &mut Session<'_>) -> Result<Report, Failure> {
    // Programs that tests start stand among the examples; a test build of an example is no such program.
    let programs = cargo(session, &["build", "--workspace", "--examples", "--locked"]).echoed_errors();
    if !programs.run(session.shell)?.is_ok() {
        return Ok(Report::failed("the examples do not compile"));
    }
    let test = |args: &[&str]| cargo(session, &["test", "--workspace", "--locked"]).args(args);
    let build = test(&["--all-targets", "--no-run", "--message-format", "json-render-diagnostics"]);
    let built = build.echoed_errors().run(session.shell)?;
    if !built.is_ok() {
        return Ok(Report::failed("the tests do not compile"));
    }
    let packages = libtest::executables(&built.text);
    let ran = test(&["--all-targets", "--no-fail-fast"]).echoed().run(session.shell)?;
    let mut results = libtest::parse(&ran.text, &ran.errors, &packages);
    let doc = test(&["--doc", "--no-fail-fast"]).echoed().run(session.shell)?;
    results.extend(libtest::parse_doc(&doc.text));
    let (is_ok, ending) = match ran.is_ok() {
        true => (doc.is_ok(), format!("cargo test --doc ended with {}", doc.ending())),
        false => (false, format!("cargo test ended with {}", ran.ending())),
    };
    let report = judge(&results, is_ok, &ending);
    session.results = Some(results);
    Ok(report)
}

/// Promotions under every fault of the provider and under pairs of them; the table is printed.
///
/// # Errors
/// If cargo cannot be started.
pub fn faults(session: &mut Session<'_>) -> Result<Report, Failure> {
    let programs = cargo(session, &["build", "-p", "providers", "--examples", "--locked"]).echoed_errors();
    if !programs.run(session.shell)?.is_ok() {
        return Ok(Report::failed("the examples do not compile"));
    }
    one(session, &["run", "--quiet", "-p", "providers", "--example", "faults", "--locked"])
}

/// A report from the results: the sums of the test binaries count, and they must agree with the names that were
/// read.
#[must_use]
pub fn judge(results: &Results, is_ok: bool, ending: &str) -> Report {
    let (passed, failed, skipped) = results.sums;
    let mut counts = Counts { passed, failed, skipped };
    let mut notes: Vec<String> = results
        .tests
        .iter()
        .filter(|(_, outcome)| **outcome == Outcome::Failed)
        .map(|(name, _)| format!("failed: {name}"))
        .collect();
    for binary in &results.unfinished {
        counts.failed += 1;
        notes.push(format!("{binary} began and never told its sum"));
    }
    if !is_ok && counts.failed == 0 {
        counts.failed = 1;
        notes.push(ending.to_owned());
    }
    Report::of(counts, notes)
}

/// `promotion` alone: it compiles without its default features, and its tree is as small as promised.
///
/// # Errors
/// If cargo cannot be started.
pub fn bare_engine(session: &mut Session<'_>) -> Result<Report, Failure> {
    let bare = ["-p", "promotion", "--no-default-features", "--locked"];
    let checked = cargo(session, &["check"]).args(bare).echoed().merged().run(session.shell)?;
    if !checked.is_ok() {
        return Ok(Report::failed("promotion does not compile with --no-default-features"));
    }
    let tree = cargo(session, &["tree", "--prefix", "none", "-e", "normal,build"]).args(bare);
    let tree = tree.run(session.shell)?;
    if !tree.is_ok() {
        return Err(Failure::unavailable("cargo tree failed").with_why(tree.errors));
    }
    let found = unwanted(&tree.text);
    Ok(if found.is_empty() { Report::passed() } else { Report::failed(found.join("\n")) })
}

/// What stands in the output of `cargo tree` and must not.
#[must_use]
pub fn unwanted(tree: &str) -> Vec<String> {
    let names: Vec<&str> = tree.lines().filter_map(|line| line.split(' ').next()).collect();
    let found = NOT_IN_THE_ENGINE.iter().filter(|(name, _)| names.contains(name));
    found.map(|(name, why)| format!("the bare engine pulls in `{name}`: {why}")).collect()
}
