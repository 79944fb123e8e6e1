//! Files that are written from others, and held against those on disk.

use std::fs;
use std::path::Path;

use clikit::{Context, Failure};
use serde::Serialize;

use super::{diff::diff, read};

/// What is done with them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Mode {
    /// Nothing is written, and what differs is shown.
    pub(super) is_check: bool,
    /// Nothing is written, and what would be is shown.
    pub(super) is_dry: bool,
}

/// One of them.
#[derive(Debug, Serialize)]
pub(super) struct Rendered {
    /// As seen from the current directory.
    pub(super) file: String,
    /// Whether the file on disk is another one, or absent.
    pub(super) differs: bool,
    text: String,
    #[serde(skip)]
    before: Option<String>,
}

impl Rendered {
    /// `text` for the file `target`. What stands there and cannot be read is not written over.
    pub(super) fn new(context: &Context, target: &Path, text: String) -> Result<Self, Failure> {
        let (path, file) = (context.current_dir.join(target), target.display().to_string());
        let before = match read(&path) {
            Ok(before) => Some(before),
            Err(_) if path.symlink_metadata().is_err() => None,
            Err(why) => {
                let failure = Failure::usage(format!("`{file}` is there and cannot be read")).with_why(why);
                return Err(failure.with_hint("move it away, and run it again"));
            }
        };
        let differs = before.as_deref() != Some(text.as_str());
        Ok(Self { file, differs, text, before })
    }

    /// What stands there, if anything does.
    pub(super) fn before(&self) -> Option<&str> {
        self.before.as_deref()
    }

    /// Writes it where it differs.
    pub(super) fn write(&self, context: &Context) -> Result<(), Failure> {
        if !self.differs {
            return Ok(());
        }
        let path = context.current_dir.join(&self.file);
        let made = path.parent().map_or(Ok(()), fs::create_dir_all);
        made.and_then(|()| fs::write(&path, &self.text)).map_err(|error| {
            Failure::unavailable(format!("`{}` cannot be written", self.file)).with_source(error)
        })
    }

    pub(super) fn told(&self, mode: Mode) -> String {
        match (mode.is_dry, self.differs, mode.is_check) {
            (true, _, _) => self.text.clone(),
            (false, false, _) => format!("{} is up to date\n", self.file),
            (false, true, false) => format!("{} written\n", self.file),
            (false, true, true) => {
                let before = self.before.as_deref().unwrap_or_default();
                diff(&self.file, before, &self.text, "as it should be")
            }
        }
    }
}
