//! The files of the repository.

use crate::cargo;
use crate::process::Shell;
use clikit::{Exit, Failure, FailureExt};
use std::path::{Path, PathBuf};

/// A checkout, or a made-up one in a test.
#[derive(Clone, Debug)]
pub struct Repo {
    /// The directory of the workspace manifest.
    pub root: PathBuf,
}

/// Directories that hold nothing of ours.
const FOREIGN_DIRS: [&str; 4] = ["target", ".git", "node_modules", ".cargo-home"];

impl Repo {
    /// The repository that the current directory belongs to.
    ///
    /// # Errors
    /// Exit 2 where there is no workspace.
    pub fn find(shell: &Shell) -> Result<Self, Failure> {
        Ok(Self { root: cargo::workspace_root(shell)? })
    }

    /// All files below `dir` (relative to the root), sorted, as paths relative to the root. An absent directory
    /// has no files.
    ///
    /// # Errors
    /// Exit 8 if a directory cannot be read.
    pub fn files(&self, dir: &str) -> Result<Vec<PathBuf>, Failure> {
        let mut found = Vec::new();
        let mut open = vec![self.root.join(dir)];
        while let Some(dir) = open.pop() {
            if !dir.is_dir() {
                continue;
            }
            let entries = std::fs::read_dir(&dir).or_exit(Exit::Unavailable, || unreadable(&dir))?;
            for entry in entries {
                let entry = entry.or_exit(Exit::Unavailable, || unreadable(&dir))?;
                let kind = entry.file_type().or_exit(Exit::Unavailable, || unreadable(&entry.path()))?;
                let is_foreign = FOREIGN_DIRS.iter().any(|name| entry.file_name() == *name);
                if kind.is_dir() && !is_foreign {
                    open.push(entry.path());
                } else if kind.is_file() {
                    found.push(self.relative(&entry.path()));
                }
            }
        }
        found.sort();
        Ok(found)
    }

    /// Those of [`Repo::files`] that end with `.rs`.
    ///
    /// # Errors
    /// As [`Repo::files`].
    pub fn rust_files(&self, dir: &str) -> Result<Vec<PathBuf>, Failure> {
        let mut files = self.files(dir)?;
        files.retain(|file| file.extension().is_some_and(|e| e == "rs"));
        Ok(files)
    }

    /// The text of a file; what is not UTF-8 is replaced.
    ///
    /// # Errors
    /// Exit 2 if it cannot be read.
    pub fn read(&self, file: impl AsRef<Path>) -> Result<String, Failure> {
        let bytes =
            std::fs::read(self.root.join(&file)).or_exit(Exit::Usage, || unreadable(file.as_ref()))?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// Whether a file or directory is there.
    #[must_use]
    pub fn has(&self, file: impl AsRef<Path>) -> bool {
        self.root.join(file).exists()
    }

    /// `path` without the root.
    #[must_use]
    pub fn relative(&self, path: &Path) -> PathBuf {
        path.strip_prefix(&self.root).unwrap_or(path).to_path_buf()
    }
}

fn unreadable(path: &Path) -> String {
    format!("cannot read {}", path.display())
}
