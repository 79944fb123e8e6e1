//! The one table of exit codes: what a number means, in code, in the docs and in the tests.

use std::process::ExitCode;

/// How a run ended, as the number that a shell or a workflow sees.
///
/// The numbers are a promise to scripts: they are never reused and never change their meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Exit {
    /// 0: done, or waiting for a human where nobody sits at a terminal.
    Done = 0,
    /// 1: our bug.
    Bug = 1,
    /// 2: bad usage, unreadable input, or a stdout that takes nothing.
    Usage = 2,
    /// 3: refused by a gate.
    Refused = 3,
    /// 4: tests failed.
    TestsFailed = 4,
    /// 5: failed and rolled back.
    RolledBack = 5,
    /// 6: the rollback failed.
    RollbackFailed = 6,
    /// 7: waiting for a human, where `--exit-code` asks to see it.
    Waiting = 7,
    /// 8: a provider, the store or the disk is unavailable.
    Unavailable = 8,
    /// 9: interrupted, resumable.
    Interrupted = 9,
    /// 10: no test ran.
    NoTests = 10,
    /// 11: the measurement is invalid.
    InvalidMeasurement = 11,
    /// 12: performance regression.
    Regression = 12,
    /// 13: flaky under `--fail-on-flaky`.
    Flaky = 13,
    /// 14: inconclusive.
    Inconclusive = 14,
    /// 15: findings.
    Findings = 15,
}

impl Exit {
    /// Every code in the order of its number; the table that the documentation is generated from.
    pub const ALL: [Self; 16] = [
        Self::Done,
        Self::Bug,
        Self::Usage,
        Self::Refused,
        Self::TestsFailed,
        Self::RolledBack,
        Self::RollbackFailed,
        Self::Waiting,
        Self::Unavailable,
        Self::Interrupted,
        Self::NoTests,
        Self::InvalidMeasurement,
        Self::Regression,
        Self::Flaky,
        Self::Inconclusive,
        Self::Findings,
    ];

    /// The number the process leaves with, 0 to 15.
    #[must_use]
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// The name used in JSON: lower case, words joined by `-`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Bug => "bug",
            Self::Usage => "usage",
            Self::Refused => "refused",
            Self::TestsFailed => "tests-failed",
            Self::RolledBack => "rolled-back",
            Self::RollbackFailed => "rollback-failed",
            Self::Waiting => "waiting",
            Self::Unavailable => "unavailable",
            Self::Interrupted => "interrupted",
            Self::NoTests => "no-tests",
            Self::InvalidMeasurement => "invalid-measurement",
            Self::Regression => "regression",
            Self::Flaky => "flaky",
            Self::Inconclusive => "inconclusive",
            Self::Findings => "findings",
        }
    }

    /// One sentence for people: when a run ends like this.
    #[must_use]
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Done => {
                "It is done. Also when a human has to decide and nobody sits at a terminal: \
                 the JSON then says `\"state\":\"waiting\"`."
            }
            Self::Bug => "A bug of ours: a panic or a broken invariant. Please report it.",
            Self::Usage => {
                "Bad usage, or an input that cannot be read: arguments, project file, suite, plan. \
                 Also when stdout cannot be written; a reader that has closed the pipe is no error."
            }
            Self::Refused => "A gate refused: the message names the gate and what would open it.",
            Self::TestsFailed => "Tests ran and at least one failed.",
            Self::RolledBack => "The promotion failed and everything was put back.",
            Self::RollbackFailed => "The promotion failed and so did the way back: a human is needed now.",
            Self::Waiting => "Waiting for a human; only with `--exit-code`, otherwise 0.",
            Self::Unavailable => {
                "A provider, the store or the disk cannot be reached or used; try again later."
            }
            Self::Interrupted => {
                "Interrupted by a signal, or behind another run that holds the environment: nothing is lost and it \
                 can be resumed."
            }
            Self::NoTests => "Nothing ran: no test or benchmark matched.",
            Self::InvalidMeasurement => "A measurement is invalid, so nothing can be said about speed.",
            Self::Regression => "Slower than the baseline allows.",
            Self::Flaky => "A test failed first and passed later, and `--fail-on-flaky` was given.",
            Self::Inconclusive => "The evidence allows neither yes nor no.",
            Self::Findings => {
                "A check found something: `check`, `parity`, `schema diff`, `audit verify` or `receipt --verify`."
            }
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.number())
    }
}

#[cfg(test)]
mod tests {
    use super::Exit;
    use std::collections::BTreeSet;

    /// The numbers of the command-line contract, written down a second time by hand on purpose.
    #[test]
    fn the_numbers_are_the_promised_ones() {
        let table: Vec<(u8, &str)> = Exit::ALL.iter().map(|e| (e.number(), e.name())).collect();
        assert_eq!(
            table,
            [
                (0, "done"),
                (1, "bug"),
                (2, "usage"),
                (3, "refused"),
                (4, "tests-failed"),
                (5, "rolled-back"),
                (6, "rollback-failed"),
                (7, "waiting"),
                (8, "unavailable"),
                (9, "interrupted"),
                (10, "no-tests"),
                (11, "invalid-measurement"),
                (12, "regression"),
                (13, "flaky"),
                (14, "inconclusive"),
                (15, "findings"),
            ]
        );
    }

    #[test]
    fn meanings_differ_and_are_sentences() {
        let meanings: BTreeSet<&str> = Exit::ALL.iter().map(|e| e.meaning()).collect();
        assert_eq!(meanings.len(), Exit::ALL.len());
        assert!(meanings.iter().all(|m| m.ends_with('.') && !m.contains("  ")), "{meanings:#?}");
    }
}
