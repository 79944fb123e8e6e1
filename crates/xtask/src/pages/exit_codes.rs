//! docs/exit-codes.md, from the one table in the code.

use super::{cell, heading};
use crate::process::Shell;
use crate::repo::Repo;
use clikit::{Exit, Failure};

pub(super) fn page(_repo: &Repo, _shell: &Shell) -> Result<String, Failure> {
    let mut text = heading("Exit codes", "the table in crates/clikit/src/exit.rs");
    text.push_str("\nAll binaries use this one table. With `--json` the name stands in `error.name`.\n\n");
    text.push_str("| code | name | when |\n|---:|---|---|\n");
    for exit in Exit::ALL {
        text.push_str(&format!("| {} | `{}` | {} |\n", exit.number(), exit.name(), cell(exit.meaning())));
    }
    Ok(text)
}
