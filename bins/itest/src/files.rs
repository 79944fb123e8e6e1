//! From paths to suites. A path that cannot be read becomes a problem of its own and hides nothing else.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use clikit::Progress;
use itest::{Problems, Suite};

/// Every suite under `paths`, in the order given; inside a directory by name.
pub(crate) fn suites(current_dir: &Path, paths: &[PathBuf]) -> Vec<Result<Suite, Problems>> {
    let mut suites = Vec::new();
    for path in paths {
        match files(current_dir, path) {
            Ok(files) => suites.extend(files.iter().map(|file| suite(current_dir, file))),
            Err(error) => suites.push(Err(Problems::unreadable(path.display().to_string(), error))),
        }
    }
    suites
}

/// Says so where there is no suite at all: silence would look like success.
pub(crate) fn miss(suites: &[Result<Suite, Problems>], paths: &[PathBuf], progress: &Progress) {
    if suites.is_empty() {
        let paths: Vec<String> = paths.iter().map(|path| format!("`{}`", path.display())).collect();
        progress.line(format!("there is no suite in {}: suites are files `*.toml`", paths.join(", ")));
    }
}

fn suite(current_dir: &Path, file: &Path) -> Result<Suite, Problems> {
    let name = file.display().to_string();
    match fs::read_to_string(current_dir.join(file)) {
        Ok(text) => Suite::parse(&name, &text),
        Err(error) => Err(Problems::unreadable(name, error)),
    }
}

/// The file itself, or every `*.toml` below the directory except hidden ones. Links to directories are not followed:
/// they may lead back here, and then nothing would end.
fn files(current_dir: &Path, path: &Path) -> io::Result<Vec<PathBuf>> {
    if !fs::metadata(current_dir.join(path))?.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut entries = fs::read_dir(current_dir.join(path))?
        .map(|entry| entry.map(|entry| path.join(entry.file_name())))
        .collect::<io::Result<Vec<_>>>()?;
    entries.sort();
    let mut found = Vec::new();
    for entry in entries {
        let is_hidden = entry.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
        let is_dir = fs::symlink_metadata(current_dir.join(&entry)).is_ok_and(|metadata| metadata.is_dir());
        if is_hidden {
            continue;
        } else if is_dir {
            found.extend(files(current_dir, &entry)?);
        } else if entry.extension().is_some_and(|extension| extension == "toml") {
            found.push(entry);
        }
    }
    Ok(found)
}
