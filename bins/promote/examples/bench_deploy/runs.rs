//! The table of runs, and one run from the empty stand-in to the line about it.

use std::time::Duration;

use serde_json::{Value, json};

use crate::fleet;
use crate::process::Watched;
use crate::stage::{APP, Stage};
use crate::traffic::Traffic;

/// One run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Run {
    /// Its name on the command line.
    pub(crate) name: &'static str,
    /// As the project file writes it.
    pub(crate) strategy: &'static str,
    /// Machines of the old release, in two regions.
    pub(crate) machines: usize,
    /// Whether the new release is taken back afterwards.
    pub(crate) and_back: bool,
    /// Only by name.
    pub(crate) is_large: bool,
}

const fn run(name: &'static str, strategy: &'static str, machines: usize) -> Run {
    Run { name, strategy, machines, and_back: false, is_large: false }
}

/// All runs. A new one is a new row.
pub(crate) const RUNS: &[Run] = &[
    run("rolling-1", "rolling", 1),
    run("rolling-2", "rolling", 2),
    run("rolling-10", "rolling", 10),
    run("rolling-100", "rolling", 100),
    run("canary-10", "canary", 10),
    run("bluegreen-1", "bluegreen", 1),
    Run { and_back: true, ..run("bluegreen-10", "bluegreen", 10) },
    run("bluegreen-100", "bluegreen", 100),
    run("immediate-1", "immediate", 1),
    run("immediate-10", "immediate", 10),
    run("immediate-100", "immediate", 100),
    Run { is_large: true, ..run("rolling-1000", "rolling", 1000) },
];

/// How long a stand-in that was started again over a large fleet has to find every program and to check it.
const CALM: Duration = Duration::from_secs(10);

/// Requests per second that go through the edges meanwhile.
pub(crate) const RATE: u64 = 200;

/// Brings the new release, and takes it back where the run says so: a line for each.
pub(crate) async fn perform(run: &Run) -> Result<Vec<Value>, String> {
    let stage = Stage::open(run).await;
    let old = stage.push("1.0.0").await;
    let new = stage.push("1.1.0").await;
    fleet::make(&stage, &old, run.machines).await;
    let stage = stage.restricted().await;
    if run.is_large {
        tokio::time::sleep(CALM).await;
    }
    let lines = both(&stage, run, &new).await;
    stage.end().await;
    lines
}

async fn both(stage: &Stage, run: &Run, image: &str) -> Result<Vec<Value>, String> {
    let key = stage.path("key").display().to_string();
    let deploy = ["deploy", "--env", "staging", "--image", image, "--key", &key];
    let mut lines = vec![measured(stage, run, "deploy", &deploy).await?];
    if run.and_back {
        let back = ["rollback", "--env", "staging", "--key", &key];
        lines.push(measured(stage, run, "rollback", &back).await?);
    }
    Ok(lines)
}

async fn measured(stage: &Stage, run: &Run, verb: &str, args: &[&str]) -> Result<Value, String> {
    let traffic = Traffic::begin(stage.edges().await, RATE);
    let ended = Watched::spawn(&mut stage.command(args)).ended().await;
    let traffic = traffic.end().await;
    if ended.code != Some(0) {
        return Err(format!("{} {verb} ended with {:?}: {}", run.name, ended.code, ended.err));
    }
    Ok(json!({
        "regions": fleet::regions(stage).await,
        "run": run.name, "verb": verb, "strategy": run.strategy, "machines": run.machines, "app": APP,
        "settings": stage.settings(), "audit": stage.audit(), "from_us": ended.from_us, "to_us": ended.to_us,
        "rss_kib": ended.rss_kib, "requests": traffic.sent, "failed": traffic.failed,
        "failures": traffic.failures,
    }))
}
