//! Standard input, output and error of a supervisor and its program.

use std::{
    fs::{File, OpenOptions},
    path::Path,
};

use nix::unistd::{dup2_stderr, dup2_stdin, dup2_stdout};

use super::failure::{Failure, Step as _};
use crate::record;

/// Input from nowhere, output to the cell's log.
pub(super) fn redirect(dir: &Path) -> Result<(), Failure> {
    let null = File::open("/dev/null").step("open /dev/null")?;
    let log = dir.join(record::LOG);
    let log =
        OpenOptions::new().create(true).append(true).open(&log).step(format!("open {}", log.display()))?;
    dup2_stdin(&null).step("redirect standard input")?;
    dup2_stdout(&log).step("redirect standard output")?;
    dup2_stderr(&log).step("redirect standard error")
}

/// A line of the shim's own in the machine's log.
#[cfg(target_os = "linux")]
pub(super) fn note(text: &str) {
    use std::io::Write as _;
    drop(writeln!(std::io::stderr(), "cell: {text}"));
}
