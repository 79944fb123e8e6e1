//! `cargo xtask simulate`: promotions made up by chance, and whether every promise was kept.

use std::time::Duration;

use clikit::{Exit, Failure, Output};

use crate::process::Shell;
use crate::repo::Repo;

/// A run that takes longer is cut into several, each with its own first seed.
const LIMIT: Duration = Duration::from_hours(6);

/// What is to be played.
#[derive(Clone, Copy, Debug)]
pub struct Wanted {
    /// How many plays.
    pub schedules: u64,
    /// The first one's seed; each of the others has the next.
    pub seed: u64,
    /// One object instead of lines.
    pub is_json: bool,
}

/// Plays them on all processors, in the release profile.
///
/// # Errors
/// 1 when it does not build or ends in another way than it should.
pub fn run(repo: &Repo, shell: &Shell, out: &Output, wanted: Wanted) -> Result<Exit, Failure> {
    let build = ["run", "--release", "--locked", "--quiet", "-p", "promotion", "--features", "conformance"];
    let (schedules, seed) = (wanted.schedules.to_string(), wanted.seed.to_string());
    let run = shell.cargo(&repo.root).limit(LIMIT).echoed_errors().args(build);
    let run = run.args(["--example", "simulate", "--", "--schedules", &schedules, "--seed", &seed]);
    let ran = run.args(wanted.is_json.then_some("--json")).run(shell)?;
    out.raw(ran.text.as_bytes())?;
    match ran.code {
        Some(0) => Ok(Exit::Done),
        Some(4) => Ok(Exit::TestsFailed),
        _ => Err(Failure::bug(format!("the simulation ended with {}", ran.ending())).with_why(ran.errors)),
    }
}
