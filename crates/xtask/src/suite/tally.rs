//! What a step found.

use std::time::Duration;

/// How a step ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Everything was as it must be.
    Passed,
    /// Something was not.
    Failed,
    /// It did not run, and says why.
    Skipped,
}

impl Verdict {
    /// The word in the table.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed => "FAILED",
            Self::Skipped => "skipped",
        }
    }
}

/// How many things a step looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Good ones.
    pub passed: usize,
    /// Bad ones.
    pub failed: usize,
    /// Those not looked at.
    pub skipped: usize,
}

/// What a step found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// How it ended.
    pub verdict: Verdict,
    /// What goes into the sums. A step that is no list of tests counts as one.
    pub counts: Counts,
    /// Lines for people; printed under the step's name.
    pub notes: Vec<String>,
    /// How long it took.
    pub took: Duration,
}

impl Report {
    /// From counts: failed where anything failed, skipped where nothing ran.
    #[must_use]
    pub fn of(counts: Counts, notes: Vec<String>) -> Self {
        let verdict = match counts {
            Counts { failed: 1.., .. } => Verdict::Failed,
            Counts { passed: 0, .. } => Verdict::Skipped,
            Counts { .. } => Verdict::Passed,
        };
        Self { verdict, counts, notes, took: Duration::ZERO }
    }

    /// One good thing.
    #[must_use]
    pub fn passed() -> Self {
        Self::of(Counts { passed: 1, ..Counts::default() }, Vec::new())
    }

    /// One bad thing.
    #[must_use]
    pub fn failed(note: impl Into<String>) -> Self {
        Self::of(Counts { failed: 1, ..Counts::default() }, vec![note.into()])
    }

    /// One thing that did not run.
    #[must_use]
    pub fn skipped(note: impl Into<String>) -> Self {
        Self::of(Counts { skipped: 1, ..Counts::default() }, vec![note.into()])
    }
}
