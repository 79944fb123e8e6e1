//! One file per verb.

pub(crate) mod check;
pub(crate) mod eject;
pub(crate) mod fly;
pub(crate) mod machines;

use std::{fs, path::Path};

fn read(path: &Path) -> Result<String, String> {
    fs::read_to_string(path).map_err(|error| error.to_string())
}

/// A file that `config` names, relative to it.
fn read_beside(config: &Path, named: &str) -> Result<Vec<u8>, String> {
    fs::read(config.with_file_name("").join(named)).map_err(|error| error.to_string())
}
