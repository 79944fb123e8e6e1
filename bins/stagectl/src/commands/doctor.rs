//! `stagectl doctor`: what works from here, and what mends the rest.

use clikit::{Common, Context, Exit, Failure, Output, Table};
use serde::Serialize;
use wiring::doctor::{Finding, State, examine};

use crate::args::Doctor;

/// What `--json` prints.
#[derive(Serialize)]
struct Report {
    /// Whether the exit code is 0.
    ok: bool,
    findings: Vec<Finding>,
}

pub(crate) async fn exec(
    context: &Context,
    out: &Output,
    common: &Common,
    args: &Doctor,
) -> Result<Exit, Failure> {
    let findings = examine(context, common, args.env.as_ref()).await?;
    let ok = findings.iter().all(|finding| finding.state != State::Bad);
    let exit = if ok { Exit::Done } else { Exit::Findings };
    out.conclude(exit, &Report { ok, findings }, |report| human(&report.findings))
}

fn human(findings: &[Finding]) -> String {
    let mut table = Table::new(["", "about", "seen"]);
    for finding in findings {
        let state = match finding.state {
            State::Good => "ok",
            State::Bad => "BAD",
            State::Unknown => "?",
        };
        table.row([state, &finding.about, &finding.seen]);
    }
    let mut text = table.to_string();
    let open = findings.iter().filter(|finding| finding.state != State::Good);
    for finding in open.filter(|finding| finding.mend.is_some() || finding.advice.is_some()) {
        text.push_str(&format!("\n{}", finding.about));
        if !finding.needed_for.is_empty() {
            text.push_str(&format!(", needed for {}", finding.needed_for.join(", ")));
        }
        text.push_str(":\n");
        text.extend(finding.mend.iter().chain(&finding.advice).map(|line| format!("  {line}\n")));
    }
    text
}
