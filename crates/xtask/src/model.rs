//! `cargo xtask model`: the model of the protocol, searched further than the tests do.

use std::time::Duration;

use clikit::{Exit, Failure, Output};

use crate::process::Shell;
use crate::repo::Repo;

/// Each fault more makes it several times as long.
const LIMIT: Duration = Duration::from_hours(2);

/// How much there is, and how much goes wrong.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// Calls of the rollout, 4 to 16.
    pub calls: u8,
    /// Runners that die, up to 3.
    pub crashes: u8,
    /// Leases that run out under living runners, up to 3.
    pub expiries: u8,
    /// One object instead of lines.
    pub is_json: bool,
}

/// Searches on all processors, in the release profile.
///
/// # Errors
/// 1 when it does not build or ends in another way than it should.
pub fn run(repo: &Repo, shell: &Shell, out: &Output, wanted: &Wanted) -> Result<Exit, Failure> {
    let example = ["run", "--release", "--locked", "--quiet", "-p", "promotion", "--example", "model", "--"];
    let bounds = [("--calls", wanted.calls), ("--crashes", wanted.crashes), ("--expiries", wanted.expiries)];
    let bounds = bounds.into_iter().flat_map(|(name, n)| [name.to_owned(), n.to_string()]);
    let run = shell.cargo(&repo.root).limit(LIMIT).echoed_errors().args(example).args(bounds);
    let ran = run.args(wanted.is_json.then_some("--json")).run(shell)?;
    out.raw(ran.text.as_bytes())?;
    match ran.code {
        Some(0) => Ok(Exit::Done),
        Some(2) => Err(Failure::usage(ran.errors)),
        Some(4) => Ok(Exit::TestsFailed),
        _ => Err(Failure::bug(format!("the search ended with {}", ran.ending())).with_why(ran.errors)),
    }
}
