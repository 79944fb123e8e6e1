//! The tests that requirements name exist and passed in this very run.

use super::steps::Session;
use super::tally::{Counts, Report};
use crate::libtest::{Outcome, Results};
use crate::requirements::Requirements;
use clikit::Failure;

/// Looks at every named test.
///
/// # Errors
/// Exit 2 if the requirements cannot be read.
pub fn step(session: &mut Session<'_>) -> Result<Report, Failure> {
    let requirements = Requirements::read(session.repo)?;
    match &session.results {
        Some(results) => Ok(judge(&requirements, results)),
        None => Ok(Report::failed("no test ran, so no requirement is proven")),
    }
}

/// A report from requirements and results: one count per named test.
#[must_use]
pub fn judge(requirements: &Requirements, results: &Results) -> Report {
    let mut counts = Counts::default();
    let mut notes = Vec::new();
    for row in &requirements.rows {
        for test in &row.tests {
            let wrong = match results.tests.get(test) {
                Some(Outcome::Passed) => {
                    counts.passed += 1;
                    continue;
                }
                Some(Outcome::Failed) => "failed",
                Some(Outcome::Ignored) => "was ignored",
                None => "does not exist",
            };
            counts.failed += 1;
            notes.push(format!("requirement {} names the test {test}, which {wrong}", row.id));
        }
    }
    let n_proven = requirements.rows.iter().filter(|row| !row.tests.is_empty()).count();
    notes.push(format!("{n_proven} of {} requirements are proven by a test", requirements.rows.len()));
    if counts == Counts::default() {
        counts.skipped = 1;
    }
    Report::of(counts, notes)
}
