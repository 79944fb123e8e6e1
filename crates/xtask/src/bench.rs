//! `cargo xtask bench`: figures, each beside its limit or what others need.
//!
//! A benchmark is a program that prints one JSON object per figure on a line of its own:
//! `{"figure":"…","value":1.5,"unit":"ms","limit":4,"peer":{"name":"…","value":9}}`; `limit` and `peer` are
//! optional, smaller is better, and every other line is commentary. One that only drives prints what it did instead,
//! and the figures are worked out here from what others wrote down meanwhile ([`deploy`]).

pub mod deploy;

use crate::process::{Run, Shell};
use crate::repo::Repo;
use clikit::{Exit, Failure, FailureExt, Output, Table};
use serde::Deserialize;
use std::time::Duration;

/// One benchmark.
#[derive(Clone, Copy, Debug)]
pub struct Bench {
    /// Its name on the command line.
    pub name: &'static str,
    /// What it measures.
    pub about: &'static str,
    /// Program and arguments, run in the root of the repository. `cargo` is the one that called us.
    pub command: &'static [&'static str],
    /// What the lines that it prints are.
    pub prints: Prints,
    /// Whether it runs only when it is asked for by name: it takes long.
    pub is_large: bool,
}

/// What a benchmark's lines of JSON are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prints {
    /// A figure each.
    Figures,
    /// A promotion each, whose figures are computed from the audit log ([`deploy`]).
    Promotions,
}

/// All benchmarks. A new one is a new row.
pub const BENCHES: &[Bench] = &[
    Bench {
        name: "promotion",
        about: "our own share of a promotion's time, calls per machine, start of a machine",
        command: &["cargo", "run", "--release", "-q", "-p", "promote", "--example", "bench_promotion"],
        prints: Prints::Figures,
        is_large: false,
    },
    Bench {
        name: "deploy",
        about: "promotions of up to 100 machines under Fly's latency, boot time, edge lag and limits",
        command: &["sh", "-c", DEPLOY],
        prints: Prints::Promotions,
        is_large: false,
    },
    Bench {
        name: "store",
        about: "an append beside a bare commit, 1,000 open promotions, and how soon a dead runner is followed",
        command: &["cargo", "run", "--release", "-q", "-p", "stores", "--example", "bench_store"],
        prints: Prints::Figures,
        is_large: false,
    },
    Bench {
        name: "deploy-1000",
        about: "the same with 1,000 machines, rolling",
        command: &["sh", "-c", DEPLOY_1000],
        prints: Prints::Promotions,
        is_large: true,
    },
];

/// The driver finds the programs that it starts beside itself.
macro_rules! deploy {
    ($runs:literal) => {
        concat!(
            "cargo build --release -q -p promote -p localcloud --bin promote --bin localcloud-fixture ",
            "--bin localcloud-fixture-app --example bench_deploy && exec target/release/examples/bench_deploy",
            $runs
        )
    };
}
const DEPLOY: &str = deploy!("");
const DEPLOY_1000: &str = deploy!(" rolling-1000");

/// One figure that a benchmark measured.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Figure {
    /// What was measured.
    pub figure: String,
    /// The number; smaller is better.
    pub value: f64,
    /// Its unit.
    pub unit: String,
    /// Above this it is a regression.
    pub limit: Option<f64>,
    /// The same for somebody else's program, measured in the same run.
    pub peer: Option<Peer>,
}

/// Somebody else's number.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Peer {
    /// Whose.
    pub name: String,
    /// The number in the same unit.
    pub value: f64,
}

/// Runs all benchmarks, or the one called `name`.
///
/// # Errors
/// Exit 2 for an unknown name, 8 if stdout cannot be written.
pub fn run(repo: &Repo, shell: &Shell, out: &Output, name: Option<&str>) -> Result<Exit, Failure> {
    run_benches(BENCHES, repo, shell, out, name)
}

/// Runs these benchmarks; [`run`] with another list, for tests.
///
/// Exit 10 if there is none, 11 if one fails or measures nothing, 12 if a figure is above its limit.
///
/// # Errors
/// As [`run`].
pub fn run_benches(
    benches: &[Bench],
    repo: &Repo,
    shell: &Shell,
    out: &Output,
    name: Option<&str>,
) -> Result<Exit, Failure> {
    let wanted: Vec<&Bench> =
        benches.iter().filter(|bench| name.map_or(!bench.is_large, |name| name == bench.name)).collect();
    if benches.is_empty() {
        out.text("no bench yet\n")?;
        return Ok(Exit::NoTests);
    }
    if wanted.is_empty() {
        let names: Vec<&str> = benches.iter().map(|bench| bench.name).collect();
        let failure = Failure::usage(format!("there is no benchmark called `{}`", name.unwrap_or_default()));
        return Err(failure.with_hint(format!("cargo xtask bench [{}]", names.join("|"))));
    }
    let mut table = Table::new(["bench", "figure", "value", "unit", "limit", "peer", "verdict"]);
    let mut worst = Exit::Done;
    for bench in wanted {
        shell.progress.line(format!("{}: {}", bench.name, bench.about));
        let figures = measure(bench, repo, shell).unwrap_or_else(|failure| {
            shell.progress.line(failure.render());
            Vec::new()
        });
        if figures.is_empty() {
            worst = worst_of(worst, Exit::InvalidMeasurement);
            table.row([bench.name, "-", "-", "-", "-", "-", "nothing was measured"]);
        }
        for figure in figures {
            let is_over = figure.limit.is_some_and(|limit| figure.value > limit);
            if is_over {
                worst = worst_of(worst, Exit::Regression);
            }
            table.row(cells(bench.name, &figure, is_over));
        }
    }
    out.text(&table.to_string())?;
    Ok(worst)
}

/// An invalid measurement is worse than a regression: about it nothing at all can be said.
fn worst_of(a: Exit, b: Exit) -> Exit {
    if a == Exit::InvalidMeasurement || b == Exit::InvalidMeasurement { Exit::InvalidMeasurement } else { b }
}

fn measure(bench: &Bench, repo: &Repo, shell: &Shell) -> Result<Vec<Figure>, Failure> {
    let (program, args) =
        bench.command.split_first().ok_or_else(|| Failure::bug("a benchmark without a command"))?;
    let run = if *program == "cargo" { shell.cargo(&repo.root) } else { Run::new(program, &repo.root) };
    let ran = run.args(args).limit(Duration::from_mins(60)).echoed_errors().run(shell)?;
    if !ran.is_ok() {
        return Err(Failure::invalid_measurement(format!("the benchmark ended with {}", ran.ending())));
    }
    let mut figures = Vec::new();
    for line in ran.text.lines().filter(|line| line.starts_with('{')) {
        match bench.prints {
            Prints::Figures => figures.push(read(line, "a figure")?),
            Prints::Promotions => {
                let told: deploy::Told = read(line, "a promotion")?;
                figures.extend(deploy::figures(&told).map_err(Failure::invalid_measurement)?);
            }
        }
    }
    match figures.iter().find(|figure| !figure.value.is_finite()) {
        Some(figure) => Err(Failure::invalid_measurement(format!("{} is no number", figure.figure))),
        None => Ok(figures),
    }
}

fn read<T: serde::de::DeserializeOwned>(line: &str, what: &str) -> Result<T, Failure> {
    serde_json::from_str(line).or_exit(Exit::InvalidMeasurement, || format!("{what} cannot be read"))
}

fn cells(bench: &str, figure: &Figure, is_over: bool) -> [String; 7] {
    let none = || "-".to_owned();
    [
        bench.to_owned(),
        figure.figure.clone(),
        number(figure.value),
        figure.unit.clone(),
        figure.limit.map_or_else(none, number),
        figure.peer.as_ref().map_or_else(none, |peer| format!("{} {}", peer.name, number(peer.value))),
        match (is_over, figure.limit) {
            (true, _) => "ABOVE THE LIMIT".to_owned(),
            (false, Some(_)) => "within".to_owned(),
            (false, None) => none(),
        },
    ]
}

/// Three significant digits at most, and no more than are there.
fn number(value: f64) -> String {
    let digits = match value.abs() {
        0.0..10.0 => 2,
        10.0..100.0 => 1,
        _ => 0,
    };
    format!("{value:.digits$}")
}
