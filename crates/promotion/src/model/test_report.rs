//! What suites said where nobody can sign: a file that the first of two steps leaves, and the second one reads.
//!
//! Whoever runs a branch's code could write anything into it. That suites passed, how many tests, and when, is their word;
//! what that word is about is held against what is known elsewhere: the journal, the provider, a trusted checkout.

use std::collections::{BTreeMap, BTreeSet};

use flytypes::Digest;
use serde::{Deserialize, Serialize};

use super::{At, ComponentName, EnvironmentName, Hash, PromotionId, StoreId, SuiteName, canonical};

/// What a suite said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// At least one test ran and all passed.
    Passed,
    /// A test failed, or the target is not the environment and build that was asked for.
    Failed,
    /// No test ran: never a pass.
    NoTest,
    /// It could not be judged; may be asked again.
    Inconclusive,
}

impl Verdict {
    /// As reports and people's lines have it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::NoTest => "no-test",
            Self::Inconclusive => "inconclusive",
        }
    }
}

/// One suite of a report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SuiteRun {
    /// Which.
    pub suite: SuiteName,
    /// The suite's file as it was run: its SHA-256.
    pub file: Hash,
    /// When it began.
    pub started: At,
    /// When it ended.
    pub ended: At,
    /// What it said.
    pub verdict: Verdict,
    /// Tests that passed.
    pub passed: u32,
    /// Tests that failed.
    pub failed: u32,
    /// The first failures, for people.
    pub why: Vec<String>,
}

/// What ran against a deployment, and how it went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TestReport {
    /// What kind of file this is: [`TestReport::FORM`].
    pub form: String,
    /// The journal that knows the deployment.
    pub store: StoreId,
    /// Where.
    pub environment: EnvironmentName,
    /// Which deployment was tested.
    pub deployment: PromotionId,
    /// The release's hash.
    pub release: Hash,
    /// The configuration the release was put there with.
    pub config: Hash,
    /// The release's version, which the targets had to name.
    pub version: String,
    /// The release's commit, which the targets had to name.
    pub commit: String,
    /// What the release consists of.
    pub components: BTreeMap<ComponentName, Digest>,
    /// When the first suite began.
    pub started: At,
    /// When the last one ended.
    pub ended: At,
    /// Suite by suite.
    pub suites: Vec<SuiteRun>,
    /// How the step that wrote it ended, by the table of exit codes.
    pub exit: u8,
}

/// A report as it was read, and the hash of the file: nobody has one without the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadReport {
    report: TestReport,
    hash: Hash,
}

impl ReadReport {
    /// What it says.
    pub const fn report(&self) -> &TestReport {
        &self.report
    }

    /// The file's SHA-256.
    pub const fn hash(&self) -> &Hash {
        &self.hash
    }
}

/// The most that is read of a report: a project has a handful of suites, and each of them says a few lines.
const BYTES_MAX: usize = 256 * 1024;
const SUITES_MAX: usize = 100;
const WHYS_MAX: usize = 20;
const WHY_MAX: usize = 4096;

impl TestReport {
    /// What a report says it is.
    pub const FORM: &'static str = "urn:understudy:test-report:v1";

    /// As it is written: JSON for people and programs, ending in a line feed.
    pub fn text(&self) -> String {
        let value = serde_json::to_string_pretty(self);
        value.map(|text| text + "\n").unwrap_or_default()
    }

    /// Reads a file strictly; why it is no report that could be true. That it is true is for others to find out.
    pub fn read(bytes: &[u8]) -> Result<ReadReport, String> {
        if bytes.len() > BYTES_MAX {
            return Err(format!("it has {} bytes, and a report has at most {BYTES_MAX}", bytes.len()));
        }
        let report: Self = serde_json::from_slice(bytes).map_err(|error| shown(&error.to_string(), 300))?;
        report
            .wrong()
            .map_or_else(|| Ok(ReadReport { report: report.clone(), hash: canonical::of_bytes(bytes) }), Err)
    }

    /// How a run with these suites ends, by the table of exit codes.
    pub fn exit_of(suites: &[SuiteRun]) -> u8 {
        let any = |verdict: Verdict| suites.iter().any(|run| run.verdict == verdict);
        match () {
            () if any(Verdict::Failed) => 4,
            () if any(Verdict::NoTest) || suites.is_empty() => 10,
            () if any(Verdict::Inconclusive) => 14,
            () => 0,
        }
    }

    /// In what it contradicts itself.
    fn wrong(&self) -> Option<String> {
        if self.form != Self::FORM {
            return Some(format!("it is `{}`, and not {}", shown(&self.form, 80), Self::FORM));
        }
        if self.suites.is_empty() || self.suites.len() > SUITES_MAX {
            return Some(format!("it has {} suites, expected 1 to {SUITES_MAX}", self.suites.len()));
        }
        if self.started > self.ended {
            return Some(format!("it ended at {}, before it began at {}", self.ended, self.started));
        }
        for (field, hash) in [("release", &self.release), ("config", &self.config)] {
            if !hash.is_whole() {
                return Some(format!("its `{field}` is no SHA-256 in 64 lower-case hex digits"));
            }
        }
        let mut seen = BTreeSet::new();
        for run in &self.suites {
            let suite = &run.suite;
            if !seen.insert(suite) {
                return Some(format!("suite `{suite}` is in it twice"));
            }
            if !run.file.is_whole() {
                return Some(format!("`file` of suite `{suite}` is no SHA-256 in 64 lower-case hex digits"));
            }
            if run.started > run.ended || run.started < self.started || run.ended > self.ended {
                return Some(format!("the time of suite `{suite}` is not within that of the report"));
            }
            let is_pass = run.passed > 0 && run.failed == 0;
            let is_so = match run.verdict {
                Verdict::Passed => is_pass && run.why.is_empty(),
                Verdict::NoTest => run.passed == 0 && run.failed == 0,
                Verdict::Failed | Verdict::Inconclusive => true,
            };
            if !is_so {
                let (passed, failed) = (run.passed, run.failed);
                let verdict = run.verdict.name();
                return Some(format!(
                    "suite `{suite}` is {verdict}, with {passed} passed and {failed} failed tests"
                ));
            }
            let is_line = |why: &String| why.len() <= WHY_MAX && !why.chars().any(char::is_control);
            if run.why.len() > WHYS_MAX || !run.why.iter().all(is_line) {
                return Some(format!("what suite `{suite}` says is no {WHYS_MAX} lines of text"));
            }
        }
        let exit = Self::exit_of(&self.suites);
        (self.exit != exit).then(|| format!("it says exit code {}, and its suites say {exit}", self.exit))
    }
}

/// The beginning of a text that somebody else wrote, in one line.
fn shown(text: &str, most: usize) -> String {
    text.chars().take(most).flat_map(char::escape_debug).collect()
}
