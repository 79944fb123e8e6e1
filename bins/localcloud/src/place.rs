//! The state directory as the verbs see it: which one, and the record by which they find the server.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use clikit::{Context, Exit, Failure, FailureExt as _};
use serde::{Deserialize, Serialize};

/// Beside the library's own files.
const RECORD: &str = "server.json";

/// A state directory.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    dir: PathBuf,
    is_default: bool,
}

/// Where the running server is. Holds no secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Record {
    /// Base URL of the API.
    pub(crate) api: String,
    /// Host and port of the registry.
    pub(crate) registry: String,
    /// Base URL of the small S3.
    #[serde(default)]
    pub(crate) s3: String,
    /// The server's process.
    pub(crate) pid: u32,
    /// The organisation that is meant when nobody names one.
    pub(crate) org: String,
    /// Organisation → the file with its token.
    pub(crate) tokens: BTreeMap<String, PathBuf>,
    /// URLs of the edges, the first region's first; an app is asked for by its host name, `APP.localhost`.
    #[serde(default)]
    pub(crate) edge_urls: Vec<String>,
}

impl Place {
    /// `--dir`, else `localcloud` in the user's state directory.
    pub(crate) fn of(context: &Context, dir: Option<&Path>) -> Result<Self, Failure> {
        let is_default = dir.is_none();
        let dir = dir.map(|dir| context.current_dir.join(dir));
        let dir = dir.or_else(|| Some(context.state_dir()?.join("localcloud"))).ok_or_else(|| {
            Failure::usage("no state directory is known: neither XDG_STATE_HOME nor HOME is set")
                .with_hint("localcloud --dir DIR …")
        })?;
        Ok(Self { dir, is_default })
    }

    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// The audit log, whether a server runs or not.
    pub(crate) fn audit(&self) -> PathBuf {
        self.dir.join("audit.jsonl")
    }

    /// A command on this directory, ready to be pasted.
    pub(crate) fn command(&self, verb: &str) -> String {
        let dir = if self.is_default {
            String::new()
        } else {
            format!(" --dir {}", quoted(&self.dir.to_string_lossy()))
        };
        format!("localcloud {verb}{dir}")
    }

    /// Says where the server is. Only for whoever holds the directory.
    pub(crate) fn publish(&self, record: &Record) -> Result<(), Failure> {
        let path = self.dir.join(RECORD);
        let unfinished = self.dir.join(format!(".{RECORD}.new"));
        let written = serde_json::to_vec(record)
            .map_err(io::Error::from)
            .and_then(|bytes| fs::write(&unfinished, bytes))
            .and_then(|()| fs::rename(&unfinished, &path));
        written.or_exit(Exit::Unavailable, || format!("cannot write `{}`", path.display()))
    }

    /// Takes the record away again; a failure leaves one that leads nowhere, which readers notice.
    pub(crate) fn retract(&self) {
        let _ = fs::remove_file(self.dir.join(RECORD));
    }

    /// The record of the last server that said where it is; it may be dead.
    pub(crate) fn record(&self) -> Result<Option<Record>, Failure> {
        let path = self.dir.join(RECORD);
        let unreadable = || format!("cannot read `{}`", path.display());
        match fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes).map(Some).or_exit(Exit::Unavailable, unreadable),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).or_exit(Exit::Unavailable, unreadable),
        }
    }
}

/// One word for a shell (POSIX 2.2.2: nothing is special between single quotes).
pub(crate) fn quoted(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:@%+=".contains(c);
    if !text.is_empty() && text.chars().all(is_plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn a_shell_reads_one_word() {
        assert_eq!(quoted("/tmp/a-b"), "/tmp/a-b");
        assert_eq!(quoted("/tmp/a b"), "'/tmp/a b'");
        assert_eq!(quoted("it's $HOME"), r"'it'\''s $HOME'");
        assert_eq!(quoted(""), "''");
    }
}
