//! `cargo xtask test`: every step that must be green, one table, one line of counts.

pub mod cargo_steps;
pub mod demo;
pub mod parts;
pub mod steps;
pub mod supply;
pub mod tally;
pub mod traceability;
pub mod workflows;

use crate::process::Shell;
use crate::repo::Repo;
use clikit::{Exit, Failure, Output, Table, elapsed_text};
use steps::{Session, Step};
use tally::{Report, Verdict};

/// Runs every step, also after a failed one, and ends with the table and, alone on a line,
/// `N passed, N failed, N skipped`. With `names` only these steps.
///
/// # Errors
/// Exit 2 for an unknown name, else only if stdout cannot be written: a step that cannot run is a failed step.
pub fn run(repo: &Repo, shell: &Shell, out: &Output, names: &[String]) -> Result<Exit, Failure> {
    let all = || steps::ALL.iter().map(|step| step.name);
    if let Some(unknown) = names.iter().find(|name| all().all(|known| known != name.as_str())) {
        let failure = Failure::usage(format!("there is no step called `{unknown}`"));
        return Err(failure.with_why(format!("the steps are: {}", all().collect::<Vec<_>>().join(", "))));
    }
    let is_wanted = |step: &Step| match names {
        [] => !steps::BY_NAME.contains(&step.name),
        names => names.iter().any(|name| name == step.name),
    };
    let wanted: Vec<Step> = steps::ALL.into_iter().filter(is_wanted).collect();
    run_steps(&wanted, &mut Session::new(repo, shell), out)
}

/// Runs these steps; [`run`] with another list, for tests.
///
/// # Errors
/// As [`run`].
pub fn run_steps(steps: &[Step], session: &mut Session<'_>, out: &Output) -> Result<Exit, Failure> {
    let mut reports = Vec::new();
    for step in steps {
        session.shell.progress.line(format!("{}: {}", step.name, step.about));
        let begun = session.shell.progress.elapsed();
        let mut report = (step.run)(session).unwrap_or_else(|failure| Report::failed(failure.render()));
        report.took = session.shell.progress.elapsed().saturating_sub(begun);
        let line = format!("{}: {} after {}", step.name, report.verdict.word(), elapsed_text(report.took));
        session.shell.progress.line(line);
        reports.push((step.name, report));
    }
    out.text(&summary(&reports))?;
    let is_green = reports.iter().all(|(_, report)| report.verdict != Verdict::Failed);
    Ok(if is_green { Exit::Done } else { Exit::TestsFailed })
}

fn summary(reports: &[(&str, Report)]) -> String {
    let mut table = Table::new(["step", "result", "passed", "failed", "skipped", "time"]);
    let (mut passed, mut failed, mut skipped) = (0, 0, 0);
    let mut notes = String::new();
    for (name, report) in reports {
        let counts = report.counts;
        let number = |n: usize| if n == 0 { "-".to_owned() } else { n.to_string() };
        let cells = [number(counts.passed), number(counts.failed), number(counts.skipped)];
        let [p, f, s] = cells;
        table.row([(*name).to_owned(), report.verdict.word().to_owned(), p, f, s, elapsed_text(report.took)]);
        passed += counts.passed;
        failed += counts.failed;
        skipped += counts.skipped;
        for note in &report.notes {
            notes.push_str(&format!("{name}: {}\n", note.trim_end().replace('\n', "\n    ")));
        }
    }
    format!("\n{notes}\n{table}\n{passed} passed, {failed} failed, {skipped} skipped\n")
}
