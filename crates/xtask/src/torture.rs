//! `cargo xtask torture`: promotions whose runners, people's words and rescuers are killed by SIGKILL, and what became
//! of them.

use std::time::Duration;

use clikit::{Exit, Failure, Output};

use crate::process::{Ran, Shell};
use crate::repo::Repo;

/// A run that takes longer is cut into several, each with its own seed.
const LIMIT: Duration = Duration::from_hours(6);
/// Of a debug build on two processors, with time to spare.
const BUILD_LIMIT: Duration = Duration::from_mins(30);

/// What is to be done.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// How many processes are killed.
    pub kills: u64,
    /// What decides where it strikes.
    pub seed: u64,
    /// In how many stand-ins at once; by default as many as the kills are worth.
    pub lanes: Option<u64>,
    /// One object instead of lines.
    pub is_json: bool,
}

/// Builds the binaries and the harness beside them and kills. The dev profile: whoever waits, waits for the provider.
///
/// # Errors
/// 1 when it does not build or ends in another way than it should.
pub fn run(repo: &Repo, shell: &Shell, out: &Output, wanted: &Wanted) -> Result<Exit, Failure> {
    let ran = strike(repo, shell, wanted, None)?;
    out.raw(ran.text.as_bytes())?;
    match ran.code {
        Some(0) => Ok(Exit::Done),
        Some(4) => Ok(Exit::TestsFailed),
        _ => Err(Failure::bug(format!("the torture ended with {}", ran.ending())).with_why(ran.errors)),
    }
}

/// The harness as it ended, with everything built under `feature` and into `target`, where these are given.
///
/// # Errors
/// 1 when it does not build.
pub(crate) fn strike(
    repo: &Repo,
    shell: &Shell,
    wanted: &Wanted,
    sabotage: Option<(&str, &str)>,
) -> Result<Ran, Failure> {
    let mut cargo = shell.cargo(&repo.root);
    if let Some((_, target)) = sabotage {
        cargo = cargo.var("CARGO_TARGET_DIR", target);
    }
    let features: Vec<&str> = sabotage.iter().flat_map(|(feature, _)| ["--features", *feature]).collect();
    // The harness looks for the binaries beside itself.
    let build = ["build", "--locked", "--quiet", "-p", "promote", "-p", "localcloud-cli"];
    let what = ["--bin", "promote", "--bin", "localcloud", "--example", "torture"];
    let built = cargo.clone().limit(BUILD_LIMIT).echoed_errors().args(build).args(what).args(&features);
    let built = built.run(shell)?;
    if !built.is_ok() {
        let failure = Failure::bug(format!("the torture does not build: {}", built.ending()));
        return Err(failure.with_why(built.errors));
    }
    let run = cargo.limit(LIMIT).echoed_errors();
    let run = run.args(["run", "--locked", "--quiet", "-p", "promote", "--example", "torture"]);
    let (kills, seed) = (wanted.kills.to_string(), wanted.seed.to_string());
    let run = run.args(&features).args(["--", "--kills", &kills, "--seed", &seed]);
    let run = run.args(wanted.lanes.iter().flat_map(|lanes| ["--lanes".to_owned(), lanes.to_string()]));
    run.args(wanted.is_json.then_some("--json")).run(shell)
}
