//! Links from page to page lead somewhere.

use super::Finding;
use crate::repo::Repo;
use clikit::Failure;
use std::path::{Component, Path, PathBuf};

/// All relative links in Markdown files whose file is not there.
///
/// # Errors
/// If a file cannot be read.
pub fn check(repo: &Repo) -> Result<Vec<Finding>, Failure> {
    let mut findings = Vec::new();
    for file in repo.files("")? {
        if file.extension().is_none_or(|e| e != "md") {
            continue;
        }
        for (number, line) in (1..).zip(repo.read(&file)?.lines()) {
            for target in targets(line) {
                if !repo.has(resolve(&file, target)) {
                    findings.push(Finding::at(&file, number, format!("the link to {target} leads nowhere")));
                }
            }
        }
    }
    Ok(findings)
}

/// The relative targets of `[text](target)` in a line, without their `#part`.
fn targets(line: &str) -> Vec<&str> {
    let ends = line.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    let files = ends.map(|target| target.split('#').next().unwrap_or_default());
    files.filter(|target| !target.is_empty() && !target.contains(':') && !target.contains(' ')).collect()
}

/// `target` as seen from `file`, without `.` and `..`.
fn resolve(file: &Path, target: &str) -> PathBuf {
    let mut path = file.parent().unwrap_or(Path::new("")).to_path_buf();
    for part in Path::new(target).components() {
        match part {
            Component::ParentDir => {
                path.pop();
            }
            Component::CurDir => {}
            other => path.push(other),
        }
    }
    path
}
