//! `promote test` and `promote attest`: suites run in a step without keys, and another one signs what they said.

use std::fmt::Write as _;
use std::path::Path;

use clikit::{Exit, Failure, Progress};
use envconfig::project::Project;
use promotion::engine::Attested;
use promotion::model::{Hash, Millis, ReadReport, SuiteName, TestReport, Verdict, canonical};
use serde_json::json;
use wiring::Absent;
use wiring::rehearsal::{Rehearsal, write_whole};

use super::Run;
use super::start::rules_into;
use crate::args::{Attest, Test};
use crate::find;

/// `promote test`.
pub(crate) async fn test(run: &Run<'_>, args: Test) -> Result<Exit, Failure> {
    let environment = find::environment(&args.env)?;
    let progress = Progress::stderr(run.context);
    let rehearsal = Rehearsal::open(run.context, run.common, &environment).await?;
    let suites = asked(&args, rehearsal.project())?;
    let report = rehearsal.run(&suites, |line| progress.line(line)).await?;
    let text = report.text();
    let file = run.context.current_dir.join(&args.report);
    write_whole(&file, &text).map_err(|error| {
        Failure::unavailable(format!("the report {} cannot be written", file.display())).with_source(error)
    })?;
    let exit = exit(report.exit);
    let hash = canonical::of_bytes(text.as_bytes());
    let shown = args.report.display();
    let next = run.paste(format!("promote attest --env {environment} --report {shown} --sha256 {hash}"));
    let mut value = json!({"ok": exit == Exit::Done, "report": report, "file": shown.to_string(), "sha256": hash, "next": next});
    if exit != Exit::Done {
        value["error"] = json!({"exit": exit.number(), "name": exit.name(), "what": exit.meaning()});
    }
    run.out.conclude(exit, &value, |_| text_of(&report, &hash, &next))
}

/// The suites by name, else those that promotions from there ask for.
fn asked(args: &Test, project: &Project) -> Result<Vec<SuiteName>, Failure> {
    let named = |name: &str| SuiteName::new(name).map_err(|error| Failure::usage(error.to_string()));
    let mut names = Vec::new();
    if args.suite.is_empty() {
        for ((from, _), rules) in project.paths() {
            if from.as_str() == args.env {
                names.extend(rules.suites.value.iter().map(ToString::to_string));
            }
        }
    } else {
        names.clone_from(&args.suite);
    }
    names.sort();
    names.dedup();
    if names.is_empty() {
        return Err(Failure::usage(format!("no promotion from `{}` asks for a suite", args.env))
            .with_hint("name one with --suite NAME"));
    }
    names.iter().map(|name| named(name)).collect()
}

fn exit(code: u8) -> Exit {
    Exit::ALL.iter().copied().find(|exit| exit.number() == code).unwrap_or(Exit::TestsFailed)
}

fn text_of(report: &TestReport, hash: &Hash, next: &str) -> String {
    let mut out = String::new();
    let _ = writeln!(
        out,
        "tested     {} {} in {}, {}",
        report.version, report.commit, report.environment, report.deployment
    );
    for run in &report.suites {
        let (passed, failed) = (run.passed, run.failed);
        let _ = writeln!(
            out,
            "suite      {} {}: {passed} passed, {failed} failed",
            run.suite,
            run.verdict.name()
        );
        run.why.iter().for_each(|why| {
            let _ = writeln!(out, "           {why}");
        });
    }
    let _ = writeln!(out, "report     {hash}");
    let _ = writeln!(out, "next       {next}");
    out
}

/// `promote attest`.
pub(crate) async fn exec(run: &Run<'_>, args: Attest) -> Result<Exit, Failure> {
    let Some(report) = &args.report else { return super::scan::attest(run, &args).await };
    let read = read(run, &args, report)?;
    let wired = run.wire_to_sign(false, Absent::Refuse).await?;
    let environment = find::environment(&args.env)?;
    wired.targets(&args.env)?;
    wired.can_reach(&args.env)?;
    let rules = rules_into(&wired.project, &args.env);
    let from = wired.project.paths().iter().filter(|((from, _), _)| from.as_str() == args.env);
    let max_age = from.map(|(_, rules)| rules.attestation_max_age.value).min();
    let max_age = max_age.or_else(|| rules.map(|rules| rules.attestation_max_age.value));
    let max_age = max_age.map_or(DEFAULT_MAX_AGE, |age| Millis(age.as_millis()));
    run.warn(&wired.attestor.unbelieved().into_iter().collect::<Vec<_>>());
    let attested = wired.engine.attest(&environment, &read, &wired.suites, max_age).await;
    let attested = attested.map_err(find::engine_failure)?;
    let exit = match &attested {
        it if !it.not_passed.is_empty() => exit(read.report().exit),
        it if !it.inconclusive.is_empty() => Exit::Inconclusive,
        _ => Exit::Done,
    };
    let signed: Vec<_> = attested
        .signed
        .iter()
        .map(|it| json!({"suite": it.statement.suite, "by": it.by, "at": it.statement.at.to_string()}))
        .collect();
    let mut value = json!({
        "ok": exit == Exit::Done, "environment": environment, "deployment": read.report().deployment,
        "report": read.hash(), "signed": signed, "not_passed": attested.not_passed, "inconclusive": attested.inconclusive,
    });
    if exit != Exit::Done {
        value["error"] = json!({"exit": exit.number(), "name": exit.name(), "what": exit.meaning()});
    }
    run.out.conclude(exit, &value, |_| attested_text(&read, &attested))
}

/// Where no promotion begins in the environment: what was true a day ago may be trusted.
const DEFAULT_MAX_AGE: Millis = Millis::secs(24 * 3600);

/// The report, once it is the one that was meant.
fn read(run: &Run<'_>, args: &Attest, report: &Path) -> Result<ReadReport, Failure> {
    let shown = report.display();
    let none = |why: String| {
        Failure::usage(format!("{shown} is no report of `promote test`"))
            .with_why(why)
            .with_hint(format!("promote test --env {} --report {shown}", args.env))
    };
    let bytes =
        clikit::read_bytes(&run.context.current_dir.join(report)).map_err(|error| none(error.to_string()))?;
    is_meant(args, report, &bytes)?;
    TestReport::read(&bytes).map_err(none)
}

/// Whether a file is the one that `--sha256` names.
pub(super) fn is_meant(args: &Attest, file: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let is = canonical::of_bytes(bytes);
    match &args.sha256 {
        Some(meant) if is.as_str() != meant => {
            Err(Failure::refused(format!("{} is not the report that was written", file.display()))
                .with_why(format!("its SHA-256 is {is}, and {meant} was meant")))
        }
        _ => Ok(()),
    }
}

fn attested_text(read: &ReadReport, attested: &Attested) -> String {
    let mut out = String::new();
    let report = read.report();
    let _ = writeln!(out, "report     {} about {} in {}", read.hash(), report.deployment, report.environment);
    for it in &attested.signed {
        let _ =
            writeln!(out, "signed     {} passed at {}, by {}", it.statement.suite, it.statement.at, it.by);
    }
    for run in report.suites.iter().filter(|run| run.verdict != Verdict::Passed) {
        let why = run.why.first().map(|why| format!(": {why}")).unwrap_or_default();
        let _ = writeln!(out, "unsigned   {} {}{why}", run.suite, run.verdict.name());
    }
    out
}
