//! What came out of a run.

pub mod exit;
mod redaction;
pub(crate) mod terminal;

use serde::Serialize;

use crate::suite::problem::Problem;

/// The version of the JSON form.
pub(crate) const SCHEMA: u32 = 1;

/// How one case ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Every assertion held at the first attempt.
    Passed,
    /// An answer came and was not as expected.
    Failed,
    /// Passed, but only after a request was repeated.
    Flaky,
    /// No judgement was possible: no answer, a deadline, a value that could not be filled in.
    Errored,
    /// Never started, or stopped by the caller.
    NotRun,
}

/// How many cases had which verdict.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Totals {
    /// [`Verdict::Passed`].
    pub passed: usize,
    /// [`Verdict::Failed`].
    pub failed: usize,
    /// [`Verdict::Flaky`].
    pub flaky: usize,
    /// [`Verdict::Errored`].
    pub errored: usize,
    /// [`Verdict::NotRun`].
    pub not_run: usize,
}

impl Totals {
    /// Cases that have a verdict about the target.
    pub fn ran(&self) -> usize {
        self.passed + self.failed + self.flaky + self.errored
    }

    pub(crate) fn count(&mut self, verdict: Verdict) {
        let counter = match verdict {
            Verdict::Passed => &mut self.passed,
            Verdict::Failed => &mut self.failed,
            Verdict::Flaky => &mut self.flaky,
            Verdict::Errored => &mut self.errored,
            Verdict::NotRun => &mut self.not_run,
        };
        *counter += 1;
    }
}

/// The whole result. Suites are in the order they were given, cases in the order of their file.
///
/// As JSON a report is one object; names are stable, new ones may be added, and `schema` changes when an old
/// one changes its meaning. Durations are whole milliseconds. Absent values are `null`.
///
/// ```json
/// {
///   "schema": 1,
///   "duration_ms": 812,
///   "interrupted": false, "fail_on_flaky": false,
///   "totals": {"passed": 3, "failed": 1, "flaky": 0, "errored": 0, "not_run": 0},
///   "targets": [{"name": "api", "url": "https://…", "environment": "staging", "version": "1.2.0",
///                "commit": null, "digest": null, "waived": null, "refused": null}],
///   "suites": [{
///     "file": "smoke.toml", "name": "smoke", "problems": [],
///     "cases": [{
///       "name": "runs python", "tags": [], "line": 12, "verdict": "failed", "reason": null,
///       "attempts": 1, "duration_ms": 40, "retries": [],
///       "failures": [{"step": "run", "assertion": "json $.stdout equals", "expected": "\"hi\\n\"",
///                     "actual": "\"\"", "line": 20}],
///       "exchange": {"request": "POST https://…/api/v1/run", "status": 200, "duration_ms": 31, "body": "{…}"}
///     }]
///   }],
///   "warnings": []
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// The version of this form.
    pub schema: u32,
    /// Wall time of the run.
    pub duration_ms: u64,
    /// The caller stopped the run before its end.
    pub interrupted: bool,
    /// Whether a flaky case counts against the run.
    pub fail_on_flaky: bool,
    /// How many cases had which verdict.
    pub totals: Totals,
    /// Every target that was asked who it is, by name.
    pub targets: Vec<TargetReport>,
    /// Every file, also those that could not be read.
    pub suites: Vec<SuiteReport>,
    /// What the caller should know although it changes no verdict.
    pub warnings: Vec<String>,
}

/// Who answered at a target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TargetReport {
    /// The target's name.
    pub name: String,
    /// Its URL.
    pub url: String,
    /// The environment it says it is.
    pub environment: Option<String>,
    /// The version it says it runs.
    pub version: Option<String>,
    /// The commit it says it runs.
    pub commit: Option<String>,
    /// The image digest it says it runs.
    pub digest: Option<String>,
    /// The suite's reason for not asking.
    pub waived: Option<String>,
    /// Why nothing was run against it.
    pub refused: Option<String>,
}

/// One file.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SuiteReport {
    /// The file's name as given.
    pub file: String,
    /// The suite's name; `null` if the file could not be read.
    pub name: Option<String>,
    /// Why the file could not be read or its cases not be run.
    pub problems: Vec<Problem>,
    /// The selected cases.
    pub cases: Vec<CaseReport>,
}

/// One case.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CaseReport {
    /// The name, a matrix value filled in.
    pub name: String,
    /// The suite's tags and its own.
    pub tags: Vec<String>,
    /// Its line in the file.
    pub line: usize,
    /// How it ended.
    pub verdict: Verdict,
    /// Why it errored or did not run.
    pub reason: Option<String>,
    /// How often the most repeated request was sent; 0 if nothing was sent.
    pub attempts: u32,
    /// From its first step to its verdict, pauses included.
    pub duration_ms: u64,
    /// Every attempt that was followed by another, the first attempt's result first.
    pub retries: Vec<Retry>,
    /// What was not as expected, all of the step at once.
    pub failures: Vec<Failure>,
    /// The exchange that failed.
    pub exchange: Option<Exchange>,
}

/// An attempt that failed for a reason that may pass.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Retry {
    /// The step's label.
    pub step: String,
    /// Counted from 1.
    pub attempt: u32,
    /// What happened, such as `connection refused` or `status 503`.
    pub reason: String,
    /// The pause after it.
    pub delay_ms: u64,
    /// What was not as expected of the answer, if one came.
    pub failures: Vec<Failure>,
}

/// One assertion that did not hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Failure {
    /// The step's label.
    pub step: String,
    /// What was asserted, such as `json $.stdout equals`.
    pub assertion: String,
    /// The expected value, as JSON where it is a value.
    pub expected: String,
    /// What was there instead.
    pub actual: String,
    /// The line of the assertion.
    pub line: usize,
}

/// A request and its answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Exchange {
    /// Method and URL.
    pub request: String,
    /// The status, if an answer came.
    pub status: Option<u16>,
    /// From sending to the end of the answer.
    pub duration_ms: u64,
    /// The beginning of the answer's body.
    pub body: String,
}
