//! What a process that ran the tests leaves with: the numbers, and the rule between them.

use super::Report;

/// Everything selected ran and passed.
pub const DONE: u8 = 0;
/// A suite cannot be read, or lacks a target or an input; nothing that ran failed.
pub const UNREADABLE: u8 = 2;
/// A target is not the requested environment and build, so nothing was run.
pub const REFUSED: u8 = 3;
/// A case failed, errored, or was cut off by its suite's deadline.
pub const TESTS_FAILED: u8 = 4;
/// The caller stopped the run.
pub const INTERRUPTED: u8 = 9;
/// No test ran.
pub const NO_TEST: u8 = 10;
/// A case passed only when repeated, and that was not to be accepted.
pub const FLAKY: u8 = 13;

impl Report {
    /// The first of these that applies: [`TESTS_FAILED`] (a failure is never hidden by a bad file beside it),
    /// [`REFUSED`], [`INTERRUPTED`], [`UNREADABLE`], [`TESTS_FAILED`] for cases that a deadline kept from
    /// running, [`NO_TEST`], [`FLAKY`] under `fail_on_flaky`, [`DONE`].
    pub fn exit_code(&self) -> u8 {
        let totals = &self.totals;
        if totals.failed + totals.errored > 0 {
            TESTS_FAILED
        } else if self.targets.iter().any(|target| target.refused.is_some()) {
            REFUSED
        } else if self.interrupted {
            INTERRUPTED
        } else if self.suites.iter().any(|suite| !suite.problems.is_empty()) {
            UNREADABLE
        } else if totals.not_run > 0 {
            TESTS_FAILED
        } else if totals.ran() == 0 {
            NO_TEST
        } else if self.fail_on_flaky && totals.flaky > 0 {
            FLAKY
        } else {
            DONE
        }
    }

    /// Whether the run is a success in every respect.
    pub fn is_success(&self) -> bool {
        self.exit_code() == DONE
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        report::{SCHEMA, SuiteReport, TargetReport, Totals},
        suite::problem::Problem,
    };

    fn report(totals: Totals) -> Report {
        Report {
            schema: SCHEMA,
            duration_ms: 0,
            interrupted: false,
            fail_on_flaky: false,
            totals,
            targets: Vec::new(),
            suites: Vec::new(),
            warnings: Vec::new(),
        }
    }

    fn bad_file() -> SuiteReport {
        let problems = vec![Problem::whole("x")];
        SuiteReport { file: "x.toml".into(), name: None, problems, cases: Vec::new() }
    }

    fn refused() -> TargetReport {
        TargetReport {
            name: "api".into(),
            url: String::new(),
            environment: None,
            version: None,
            commit: None,
            digest: None,
            waived: None,
            refused: Some("x".into()),
        }
    }

    const PASSED: Totals = Totals { passed: 1, failed: 0, flaky: 0, errored: 0, not_run: 0 };

    /// The table of exit codes: 0 done, 2 unreadable input, 3 refused by a gate, 4 tests failed,
    /// 9 interrupted, 10 no test ran, 13 flaky under `--fail-on-flaky`.
    #[test]
    fn one_reason_gives_its_own_code() {
        assert_eq!(report(PASSED).exit_code(), 0);
        assert_eq!(report(Totals { failed: 1, ..PASSED }).exit_code(), 4);
        assert_eq!(report(Totals { errored: 1, ..PASSED }).exit_code(), 4);
        assert_eq!(report(Totals { not_run: 1, ..PASSED }).exit_code(), 4);
        assert_eq!(report(Totals::default()).exit_code(), 10);
        let flaky = report(Totals { flaky: 1, ..PASSED });
        assert_eq!(flaky.exit_code(), 0);
        assert_eq!(Report { fail_on_flaky: true, ..flaky }.exit_code(), 13);
        assert_eq!(Report { suites: vec![bad_file()], ..report(PASSED) }.exit_code(), 2);
        assert_eq!(Report { suites: vec![bad_file()], ..report(Totals::default()) }.exit_code(), 2);
        let not_run = Totals { passed: 0, not_run: 3, ..PASSED };
        assert_eq!(Report { targets: vec![refused()], ..report(not_run) }.exit_code(), 3);
        assert_eq!(Report { interrupted: true, ..report(Totals { not_run: 1, ..PASSED }) }.exit_code(), 9);
    }

    #[test]
    fn a_failure_is_never_hidden_by_anything_else() {
        let worst = Report {
            suites: vec![bad_file()],
            interrupted: true,
            fail_on_flaky: true,
            ..report(Totals { failed: 1, flaky: 1, not_run: 1, ..PASSED })
        };
        assert_eq!(worst.exit_code(), 4);
    }
}
