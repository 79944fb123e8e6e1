//! Files that are made, and files that are there already.

use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use clikit::{Context, Failure};
use envconfig::scaffold::{Draft, DraftKind};
use serde::Serialize;

use super::super::diff::diff;
use super::read;

/// What became of a draft.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum State {
    /// It was not there.
    Written,
    /// It is not there, and nothing is written.
    Missing,
    /// It says the same, or has all the lines where only lines count.
    Unchanged,
    /// It says something else, and was left as it is.
    Differs,
}

/// A file of the first project.
#[derive(Debug, Serialize)]
pub(super) struct Told {
    /// As seen from the current directory.
    pub(super) file: String,
    pub(super) state: State,
    /// What would be written.
    pub(super) text: String,
    /// How what is there differs from that, for people; empty where it does not.
    pub(super) diff: String,
}

/// Writes what is not there. Each file is there as a whole or not at all, and what is there stays as it is.
pub(super) fn all(
    context: &Context,
    top: &Path,
    drafts: &[Draft],
    is_dry: bool,
) -> Result<Vec<Told>, Failure> {
    let told = |draft: &Draft| {
        let shown = top.join(&draft.path);
        let path = context.current_dir.join(&shown);
        let file = shown.display().to_string();
        let cannot = |doing: &str, why: String| {
            Failure::usage(format!("`{file}` cannot be {doing}"))
                .with_why(why)
                .with_hint("what was written stays; run it again")
        };
        let there = |text: &str| {
            let diff = compared(&file, text, draft);
            (if diff.is_empty() { State::Unchanged } else { State::Differs }, diff)
        };
        let (state, diff) = match read(&path) {
            Ok(text) => there(&text),
            Err(why) if path.symlink_metadata().is_ok() => return Err(cannot("read", why)),
            Err(_) if is_dry => (State::Missing, String::new()),
            Err(_) => match write(&path, &draft.text) {
                Ok(()) => (State::Written, String::new()),
                // Somebody else was as quick.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    there(&read(&path).map_err(|why| cannot("read", why))?)
                }
                Err(error) => return Err(cannot("written", error.to_string())),
            },
        };
        Ok(Told { file, state, text: draft.text.clone(), diff })
    };
    drafts.iter().map(told).collect()
}

/// How what is there differs; of the allowed signers only the keys that are missing count.
fn compared(file: &str, text: &str, draft: &Draft) -> String {
    const WANTED: &str = "as init would write it anew; yours stays";
    if draft.kind != DraftKind::Signers {
        let is_same = text == draft.text;
        return if is_same { String::new() } else { diff(file, text, &draft.text, WANTED) };
    }
    let key =
        |line: &str| line.split_whitespace().skip(1).find(|word| word.starts_with("AAAA")).map(str::to_owned);
    let there: Vec<String> = text.lines().filter_map(key).collect();
    let missing = draft.text.lines().filter(|line| key(line).is_none_or(|key| !there.contains(&key)));
    let missing: String = missing.map(|line| format!("+{line}\n")).collect();
    if missing.is_empty() { missing } else { format!("--- {file} lacks\n{missing}") }
}

/// A file that came there meanwhile stays.
fn write(path: &Path, text: &str) -> io::Result<()> {
    let dir = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(dir).map_err(|error| io::Error::other(format!("{}: {error}", dir.display())))?;
    let readable = fs::Permissions::from_mode(0o666);
    let mut file = tempfile::Builder::new().prefix(".init-").permissions(readable).tempfile_in(dir)?;
    file.write_all(text.as_bytes())?;
    file.as_file().sync_all()?;
    file.persist_noclobber(path).map_err(|error| error.error)?;
    Ok(())
}
