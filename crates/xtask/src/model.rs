//! `cargo xtask model`: the model of the protocol, searched further than the tests do.

use crate::process::Shell;
use crate::repo::Repo;
use clikit::{Exit, Failure};
use std::time::Duration;

/// Time for the search: half a minute to minutes, as the machine is.
const LIMIT: Duration = Duration::from_mins(60);

/// What is searched: calls, crashes, takeovers, lost answers, changes of the world.
const BOUNDS: [&str; 5] = ["12", "2", "2", "0", "0"];

/// Searches; prints instants met, instants that differ, and seconds.
///
/// # Errors
/// Exit 4 if a promise breaks.
pub fn run(repo: &Repo, shell: &Shell) -> Result<Exit, Failure> {
    let example = ["run", "--release", "-q", "-p", "promotion", "--example", "model", "--"];
    let ran = shell.cargo(&repo.root).args(example).args(BOUNDS).limit(LIMIT).echoed().run(shell)?;
    if ran.is_ok() {
        return Ok(Exit::Done);
    }
    Err(Failure::tests_failed("the model breaks a promise, or did not come to its end").with_why(ran.errors))
}
