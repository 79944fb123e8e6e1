//! One file per verb.

pub(crate) mod check;
mod diff;
pub(crate) mod doctor;
pub(crate) mod eject;
pub(crate) mod fly;
pub(crate) mod init;
pub(crate) mod machines;
mod suites;
mod workflows;

use std::path::Path;

fn read(path: &Path) -> Result<String, String> {
    clikit::read_text(path).map_err(|error| error.to_string())
}

/// A file that `config` names, relative to it.
fn read_beside(config: &Path, named: &str) -> Result<Vec<u8>, String> {
    clikit::read_bytes(&config.with_file_name("").join(named)).map_err(|error| error.to_string())
}
