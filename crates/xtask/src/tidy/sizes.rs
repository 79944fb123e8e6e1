//! No file grows without end.

use super::{Finding, source};
use crate::repo::Repo;
use clikit::Failure;

/// The most lines of source that a file may have, what is only for tests not counted.
///
/// Files are meant to have about 150; at this number one concept has become two, whatever it is.
pub const LINES_MAX: usize = 700;

/// All files that are too long.
///
/// # Errors
/// If a file cannot be read.
pub fn check(repo: &Repo) -> Result<Vec<Finding>, Failure> {
    let mut findings = Vec::new();
    for dir in ["crates", "bins", "examples"] {
        for file in repo.rust_files(dir)? {
            if source::is_test_file(&file) {
                continue;
            }
            let n_lines = source::product_lines(&repo.read(&file)?).len();
            if n_lines > LINES_MAX {
                let text = format!("{n_lines} lines of source, {LINES_MAX} is the end: split it by concept");
                findings.push(Finding::of(&file, text));
            }
        }
    }
    Ok(findings)
}
