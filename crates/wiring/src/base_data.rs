//! What tests run on, as files of the project.

use std::fs::File;
use std::io::{Error, ErrorKind, Result};
use std::path::Path;

use promotion::model::{Hash, canonical};

/// The SHA-256 of `file`, which is a regular file below `root`: what lies elsewhere is no part of the project, and what is
/// none may never end.
pub(crate) fn hash_of(root: &Path, file: &str) -> Result<Hash> {
    let no = |why: &str| Error::new(ErrorKind::InvalidInput, why);
    let path = root.join(file).canonicalize()?;
    if !path.starts_with(root.canonicalize()?) {
        return Err(no("it lies outside of the project's directory"));
    }
    let found = path.metadata()?;
    if found.is_dir() {
        return Err(no("it is a directory: name the files in it"));
    }
    if !found.is_file() {
        return Err(no("it is no regular file, and others may never end"));
    }
    canonical::of_reader(File::open(path)?)
}
