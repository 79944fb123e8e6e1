//! What a scan found in a release, as it is signed, and the rule that judges it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{At, EnvironmentName, Millis, SuiteName};

/// How bad a finding is (SARIF 2.1.0, 3.27.10), best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    /// No finding.
    None,
    /// Minor.
    Note,
    /// A problem.
    Warning,
    /// A serious problem.
    Error,
}

impl Level {
    /// As reports and the project file have it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// Findings of one rule in one file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScanFinding {
    /// The rule.
    pub rule: String,
    /// How bad.
    pub level: Level,
    /// The rule's `security-severity` in tenths, where it has one: 98 is 9.8.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub severity: Option<u8>,
    /// Where, where that is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// The first line of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
    /// How many.
    pub count: u32,
}

impl std::fmt::Display for ScanFinding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} `{}`", self.level.name(), self.rule)?;
        if let Some(severity) = self.severity {
            write!(f, " (security-severity {}.{})", severity / 10, severity % 10)?;
        }
        if let Some(file) = &self.file {
            write!(f, " in {file}")?;
            self.line.map_or(Ok(()), |line| write!(f, ":{line}"))?;
        }
        if self.count > 1 { write!(f, ", {} times", self.count) } else { Ok(()) }
    }
}

/// What a scan found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scan {
    /// The tools that ran.
    pub tools: Vec<String>,
    /// The worst first.
    pub findings: Vec<ScanFinding>,
    /// Findings that are not listed one by one: how many of each level.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub more: BTreeMap<Level, u32>,
    /// Findings that the report itself says are suppressed.
    pub suppressed: u32,
}

impl Scan {
    /// Under which name scans stand among what a release passed. No suite of a project file can have it.
    pub fn name() -> SuiteName {
        SuiteName::new("scan:sarif").expect("it has no white space")
    }
}

/// A finding that somebody answers for, for a while.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AcceptedFinding {
    /// Of which rule.
    pub rule: String,
    /// In which file; everywhere, where none is named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// Who answers for it.
    pub owner: String,
    /// Why.
    pub reason: String,
    /// From when on it counts again.
    pub until: At,
}

/// What a scan must have said of a release before it is promoted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScanRule {
    /// The environment in whose journal it is.
    pub from: EnvironmentName,
    /// No older than this.
    pub max_age: Millis,
    /// Findings of this level and above close the gate.
    pub fail_on: Level,
    /// So do those of rules with this `security-severity` and above, in tenths.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub severity: Option<u8>,
    /// Findings that do not.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub accepted: Vec<AcceptedFinding>,
}

/// Findings that are named one by one.
const NAMED_MAX: usize = 5;

impl ScanRule {
    /// What in `scan` closes the gate at `now`, for people; nothing where it is open.
    pub fn closes(&self, scan: &Scan, now: At) -> Option<String> {
        let counts = |it: &&ScanFinding| {
            it.level >= self.fail_on
                || self.severity.is_some_and(|least| it.severity.is_some_and(|is| is >= least))
        };
        let mut lines = Vec::new();
        for finding in scan.findings.iter().filter(counts) {
            let fits = |it: &&AcceptedFinding| {
                it.rule == finding.rule
                    && it.file.as_ref().is_none_or(|file| Some(file) == finding.file.as_ref())
            };
            let mut accepted = self.accepted.iter().filter(fits);
            if accepted.clone().any(|it| now < it.until) {
                continue;
            }
            let over = accepted
                .next()
                .map(|it| format!(", accepted by {} until {}, which is over", it.owner, it.until));
            lines.push(format!("{finding}{}", over.unwrap_or_default()));
        }
        let unlisted: u32 =
            scan.more.iter().filter(|(level, _)| **level >= self.fail_on).map(|(_, n)| n).sum();
        let n_more = lines.len().saturating_sub(NAMED_MAX);
        lines.truncate(NAMED_MAX);
        if n_more > 0 {
            lines.push(format!("and {n_more} more"));
        }
        if unlisted > 0 {
            lines.push(format!("and {unlisted} that are not listed"));
        }
        (!lines.is_empty()).then(|| lines.join("; "))
    }
}
