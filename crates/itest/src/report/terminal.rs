//! Reports and events for people.

use std::fmt;

use super::{CaseReport, Exchange, Failure, Report, SuiteReport, TargetReport, Verdict};
use crate::event::Event;

/// The whole report as text: what is wrong first in detail, then one line of totals.
///
/// Everything reads the same without colour. Text from a target is escaped and indented behind a `|`, so that
/// it can neither drive the terminal nor forge a workflow command.
#[derive(Debug, Clone, Copy)]
pub struct Terminal<'a> {
    report: &'a Report,
    colour: bool,
}

impl<'a> Terminal<'a> {
    /// Without colour.
    pub fn new(report: &'a Report) -> Self {
        Self { report, colour: false }
    }

    /// With the verdicts in colour, by ANSI escapes.
    #[must_use]
    pub fn coloured(self, colour: bool) -> Self {
        Self { colour, ..self }
    }
}

impl Verdict {
    /// The word of reports, such as `not-run`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::Flaky => "flaky",
            Self::Errored => "errored",
            Self::NotRun => "not-run",
        }
    }

    fn mark(self) -> &'static str {
        match self {
            Self::Passed => "PASS",
            Self::Failed => "FAIL",
            Self::Flaky => "FLAKY",
            Self::Errored => "ERROR",
            Self::NotRun => "NOT RUN",
        }
    }

    fn colour(self) -> u8 {
        match self {
            Self::Passed => 32,
            Self::Failed | Self::Errored => 31,
            Self::Flaky | Self::NotRun => 33,
        }
    }
}

/// One line about an event, for progress; `None` for events that need no line.
pub fn event_line(event: &Event, colour: bool) -> Option<String> {
    Some(match event {
        Event::RunStarted { suites, cases, jobs } => {
            format!("{:>8} {cases} cases of {suites} suites, {jobs} at a time", "RUN")
        }
        Event::TargetIdentified(target) => format!("{:>8} {}", "TARGET", target_line(target)),
        Event::RequestRepeated { suite, case, step, attempt, reason, .. } => format!(
            "{:>8} {} attempt {attempt} of `{}`: {}",
            "RETRY",
            full_name(suite, case),
            plain(step),
            plain(reason)
        ),
        Event::CaseFinished { suite, case } => case_line(suite, case, colour),
        Event::CaseStarted { .. } | Event::RunFinished { .. } => return None,
    })
}

impl fmt::Display for Terminal<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let report = self.report;
        for target in report.targets.iter().filter(|target| target.refused.is_some()) {
            writeln!(f, "{:>8} {}\n", "REFUSED", target_line(target))?;
        }
        for suite in &report.suites {
            problems(f, suite)?;
            for case in suite.cases.iter().filter(|case| case.verdict != Verdict::Passed) {
                self.case(f, suite, case)?;
            }
        }
        for warning in &report.warnings {
            writeln!(f, " warning: {}", plain(warning))?;
        }
        self.totals(f)
    }
}

impl Terminal<'_> {
    fn case(&self, f: &mut fmt::Formatter<'_>, suite: &SuiteReport, case: &CaseReport) -> fmt::Result {
        let name = suite.name.as_deref().unwrap_or(&suite.file);
        writeln!(f, "{}", case_line(name, case, self.colour))?;
        writeln!(f, "{:>8} {}:{}", "at", plain(&suite.file), case.line)?;
        if let Some(reason) = &case.reason {
            writeln!(f, "{:>8} {}", "because", plain(reason))?;
        }
        for retry in &case.retries {
            writeln!(
                f,
                "{:>8} {} of `{}`: {}",
                "attempt",
                retry.attempt,
                plain(&retry.step),
                plain(&retry.reason)
            )?;
        }
        for failure in &case.failures {
            assertion(f, suite, failure)?;
        }
        if let Some(exchange) = &case.exchange {
            self::exchange(f, exchange)?;
        }
        writeln!(f)
    }

    fn totals(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let report = self.report;
        let totals = report.totals;
        let counts = [
            (totals.passed, Verdict::Passed, "passed"),
            (totals.failed, Verdict::Failed, "failed"),
            (totals.flaky, Verdict::Flaky, "flaky"),
            (totals.errored, Verdict::Errored, "errored"),
            (totals.not_run, Verdict::NotRun, "not run"),
        ];
        let mut parts: Vec<_> = counts
            .iter()
            .filter(|(count, verdict, _)| *count > 0 || *verdict == Verdict::Passed)
            .map(|(count, verdict, word)| {
                let text = format!("{count} {word}");
                if *count > 0 { paint(&text, verdict.colour(), self.colour) } else { text }
            })
            .collect();
        let unreadable = report.suites.iter().filter(|suite| suite.name.is_none()).count();
        if unreadable > 0 {
            parts.push(format!("{unreadable} unreadable"));
        }
        if report.interrupted {
            parts.push("interrupted".to_owned());
        }
        writeln!(f, "{:>8} {} in {}", "TOTAL", parts.join(", "), seconds(report.duration_ms))
    }
}

fn problems(f: &mut fmt::Formatter<'_>, suite: &SuiteReport) -> fmt::Result {
    for problem in &suite.problems {
        let place = match problem.line {
            0 => plain(&suite.file),
            line => format!("{}:{line}:{}", plain(&suite.file), problem.column),
        };
        writeln!(f, "{:>8} {place}: {}", "PROBLEM", plain(&problem.to_string()))?;
    }
    if suite.problems.is_empty() { Ok(()) } else { writeln!(f) }
}

fn assertion(f: &mut fmt::Formatter<'_>, suite: &SuiteReport, failure: &Failure) -> fmt::Result {
    writeln!(f, "{:>8} {}  ({}:{})", "step", plain(&failure.step), plain(&suite.file), failure.line)?;
    writeln!(f, "{:>8} {}", "", plain(&failure.assertion))?;
    writeln!(f, "{:>8} expected {}", "", plain(&failure.expected))?;
    writeln!(f, "{:>8} actual   {}", "", plain(&failure.actual))
}

fn exchange(f: &mut fmt::Formatter<'_>, exchange: &Exchange) -> fmt::Result {
    let status = exchange.status.map_or_else(|| "no answer".to_owned(), |status| status.to_string());
    writeln!(f, "{:>8} {} -> {status} in {} ms", "sent", plain(&exchange.request), exchange.duration_ms)?;
    for line in exchange.body.lines() {
        writeln!(f, "{:>8} {}", "|", plain(line))?;
    }
    Ok(())
}

/// `    PASS [   0.023s] smoke::runs python`
fn case_line(suite: &str, case: &CaseReport, colour: bool) -> String {
    let mark = format!("{:>8}", case.verdict.mark());
    let mark = paint(&mark, case.verdict.colour(), colour);
    format!("{mark} [{:>9}] {}", seconds(case.duration_ms), full_name(suite, &case.name))
}

fn full_name(suite: &str, case: &str) -> String {
    format!("{}::{}", plain(suite), plain(case))
}

fn target_line(target: &TargetReport) -> String {
    if let Some(refused) = &target.refused {
        return format!("{} ({})", plain(refused), plain(&target.url));
    }
    let name = format!("`{}` {}", plain(&target.name), plain(&target.url));
    if let Some(waived) = &target.waived {
        return format!("{name} was not asked who it is: {}", plain(waived));
    }
    let known = [&target.environment, &target.version, &target.commit, &target.digest];
    let known: Vec<_> = known.into_iter().flatten().map(|text| plain(text)).collect();
    format!("{name} is {}", known.join(" "))
}

fn seconds(millis: u64) -> String {
    format!("{}.{:03}s", millis / 1000, millis % 1000)
}

fn paint(text: &str, colour: u8, on: bool) -> String {
    if on { format!("\u{1b}[{colour}m{text}\u{1b}[0m") } else { text.to_owned() }
}

/// Control characters made visible: what a target sends can neither end the line nor drive the terminal.
fn plain(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { c.escape_default().to_string() } else { c.to_string() })
        .collect()
}
