//! What stands for actions of others.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use crate::expression::text;

/// What is done where a step uses an action.
#[derive(Debug, Clone)]
pub enum Provided {
    /// The commit is fetched into the workspace: with its history and tags where `fetch-depth` is 0, else alone.
    Checkout,
    /// `path` is kept as `name` for other jobs of the run.
    Upload,
    /// What was kept as `name` is put into `path`.
    Download,
    /// These directories come first on the search path of the steps behind it.
    Path(Vec<PathBuf>),
}

/// Keeps a file or a directory.
pub(crate) fn upload(with: &Map<String, Value>, artefacts: &Path) -> Result<String, String> {
    let (name, path) = (asked(with, "name")?, asked(with, "path")?);
    let from = Path::new(&path);
    let to = artefacts.join(&name);
    copied(from, &to, &name).map_err(|error| format!("{path}: {error}"))?;
    Ok(format!("kept {path} as {name}\n"))
}

/// Puts what was kept where it is wanted.
pub(crate) fn download(with: &Map<String, Value>, artefacts: &Path) -> Result<String, String> {
    let (name, path) = (asked(with, "name")?, asked(with, "path")?);
    let from = artefacts.join(&name);
    if !from.is_dir() {
        return Err(format!("nothing was kept as {name}"));
    }
    for entry in fs::read_dir(&from).into_iter().flatten().flatten() {
        let to = Path::new(&path).join(entry.file_name());
        fs::create_dir_all(&path)
            .and_then(|()| fs::copy(entry.path(), to))
            .map_err(|error| error.to_string())?;
    }
    Ok(format!("put {name} into {path}\n"))
}

fn copied(from: &Path, to: &Path, name: &str) -> std::io::Result<()> {
    fs::create_dir_all(to)?;
    if from.is_dir() {
        for entry in fs::read_dir(from)? {
            let entry = entry?;
            fs::copy(entry.path(), to.join(entry.file_name()))?;
        }
        return Ok(());
    }
    let file = from.file_name().unwrap_or_else(|| name.as_ref());
    fs::copy(from, to.join(file)).map(|_| ())
}

fn asked(with: &Map<String, Value>, key: &str) -> Result<String, String> {
    with.get(key).map(text).filter(|value| !value.is_empty()).ok_or_else(|| format!("`with` has no `{key}`"))
}

/// The script of a checkout of the event's commit into the current directory.
pub(crate) fn checkout(with: &Map<String, Value>) -> String {
    let is_whole = with.get("fetch-depth").map(text).as_deref() == Some("0");
    let (how, more) = match is_whole {
        true => ("--tags", " '+refs/heads/*:refs/remotes/origin/*'"),
        false => ("--no-tags --depth 1", ""),
    };
    format!(
        "git init -q .\n\
         git remote add origin \"file://$CHECKOUT_FROM\"\n\
         git fetch -q {how} origin \"$GITHUB_SHA\"{more}\n\
         git checkout -q -B \"$GITHUB_REF_NAME\" \"$GITHUB_SHA\"\n"
    )
}
