//! The table of steps.

use super::tally::Report;
use super::{cargo_steps, demo, parts, supply, traceability, workflows};
use crate::libtest::Results;
use crate::process::Shell;
use crate::repo::Repo;
use crate::{pages, tidy};
use clikit::{Exit, Failure, Output};

/// What the steps of one run share.
#[derive(Debug)]
pub struct Session<'a> {
    /// The checkout.
    pub repo: &'a Repo,
    /// How programs are run.
    pub shell: &'a Shell,
    /// The tests that ran, once the step `tests` is through.
    pub results: Option<Results>,
}

impl<'a> Session<'a> {
    /// Nothing has run yet.
    #[must_use]
    pub fn new(repo: &'a Repo, shell: &'a Shell) -> Self {
        Self { repo, shell, results: None }
    }
}

/// One step.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    /// Its name in the table.
    pub name: &'static str,
    /// What it is for.
    pub about: &'static str,
    /// Runs it. An error is a failed step with the failure's text.
    pub run: fn(&mut Session<'_>) -> Result<Report, Failure>,
}

/// All steps in their order: cheap ones first, and `traceability` after `tests`.
pub const ALL: [Step; 14] = [
    Step { name: "parts", about: "programs that the tests use", run: parts::step },
    Step { name: "format", about: "cargo fmt --check", run: cargo_steps::format },
    Step { name: "tidy", about: "the house rules", run: tidy_step },
    Step { name: "lints", about: "clippy over everything", run: cargo_steps::lints },
    Step { name: "tests", about: "every test of the workspace", run: cargo_steps::tests },
    Step { name: "traceability", about: "the tests that requirements name", run: traceability::step },
    Step { name: "faults", about: "pairs of faults at the provider", run: cargo_steps::faults },
    Step {
        name: "bare-engine",
        about: "promotion without its default features",
        run: cargo_steps::bare_engine,
    },
    Step { name: "generated", about: "generated files are up to date", run: generated_step },
    Step { name: "supply", about: "crates from elsewhere against deny.toml", run: supply::step },
    Step { name: "workflows", about: "rendered workflows before actionlint", run: workflows::step },
    Step { name: "demo", about: "promote demo on the default runtime", run: demo::default_runtime },
    Step { name: "demo-plain", about: "promote demo --runtime plain", run: demo::plain_runtime },
    Step { name: "demo-no-pause", about: "promote demo --settle 0s, which must fail", run: demo::no_pause },
];

/// Steps that run when they are named, and not with all others. Pairs of faults take minutes where the host is busy, and
/// every fault alone is among the tests.
pub const BY_NAME: [&str; 1] = ["faults"];

fn tidy_step(session: &mut Session<'_>) -> Result<Report, Failure> {
    let packages = crate::cargo::packages(&session.repo.root, session.shell)?;
    let findings = tidy::check(session.repo, &packages)?;
    if findings.is_empty() {
        return Ok(Report::passed());
    }
    let lines: Vec<String> = findings.iter().map(ToString::to_string).collect();
    Ok(Report::failed(format!("{} findings\n{}", lines.len(), lines.join("\n"))))
}

fn generated_step(session: &mut Session<'_>) -> Result<Report, Failure> {
    let quiet = Output::to(false, std::io::stderr());
    match pages::run(session.repo, session.shell, &quiet, true, &[])? {
        Exit::Done => Ok(Report::passed()),
        _ => Ok(Report::failed("generated files are out of date: cargo xtask gen")),
    }
}
