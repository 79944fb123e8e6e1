//! The house rules that the compiler does not know.

pub mod arrows;
pub mod bans;
pub mod links;
pub mod promises;
pub mod purity;
pub mod reach;
pub mod sizes;
pub(crate) mod source;

use crate::cargo::{self, Package};
use crate::process::Shell;
use crate::repo::Repo;
use crate::requirements::Requirements;
use clikit::{Exit, Failure, Output};
use std::fmt;
use std::path::{Path, PathBuf};

/// A broken rule.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// The file, relative to the root.
    pub file: PathBuf,
    /// The line, from 1; 0 where the whole file is meant.
    pub line: usize,
    /// What is wrong and what to do.
    pub text: String,
}

impl Finding {
    /// A finding at a line, from 1.
    #[must_use]
    pub fn at(file: &Path, line: usize, text: impl Into<String>) -> Self {
        Self { file: file.to_path_buf(), line, text: text.into() }
    }

    /// A finding about a whole file.
    #[must_use]
    pub fn of(file: &Path, text: impl Into<String>) -> Self {
        Self::at(file, 0, text)
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}", self.file.display(), self.text),
            line => write!(f, "{}:{line}: {}", self.file.display(), self.text),
        }
    }
}

/// Every rule over a repository with these packages, in the order of files.
///
/// # Errors
/// If a file cannot be read.
pub fn check(repo: &Repo, packages: &[Package]) -> Result<Vec<Finding>, Failure> {
    let mut findings = arrows::check(repo, packages);
    findings.extend(sizes::check(repo)?);
    findings.extend(bans::check(repo)?);
    findings.extend(links::check(repo)?);
    findings.extend(reach::check(repo, packages)?);
    findings.extend(purity::check(repo)?);
    findings.extend(promises::check(repo, packages, &Requirements::read(repo)?)?);
    findings.sort();
    findings.dedup();
    Ok(findings)
}

/// `cargo xtask tidy`.
///
/// # Errors
/// If the repository cannot be read.
pub fn run(repo: &Repo, shell: &Shell, out: &Output) -> Result<Exit, Failure> {
    let findings = check(repo, &cargo::packages(&repo.root, shell)?)?;
    for finding in &findings {
        out.text(&format!("{finding}\n"))?;
    }
    out.text(&format!("tidy: {} findings\n", findings.len()))?;
    Ok(if findings.is_empty() { Exit::Done } else { Exit::Findings })
}
