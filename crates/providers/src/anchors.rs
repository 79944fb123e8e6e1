//! Anchors in a directory: `STORE/ENVIRONMENT/RECORD.json`, each written once.

use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use promotion::model::{EnvironmentName, StoreId};
use promotion::ports::{Anchors, PortError};

/// A directory for anchors. It is made with the first one.
#[derive(Debug, Clone)]
pub struct DirectoryAnchors {
    root: PathBuf,
}

impl DirectoryAnchors {
    /// Below `root`.
    pub const fn new(root: PathBuf) -> Self {
        Self { root }
    }

    fn store(&self, store: &StoreId) -> PathBuf {
        self.root.join(escaped(store.as_str()))
    }

    fn chain(&self, store: &StoreId, environment: &EnvironmentName) -> PathBuf {
        self.store(store).join(escaped(environment.as_str()))
    }
}

/// Padded, so that the order of names is that of numbers.
fn file(seq: u64) -> String {
    format!("{seq:020}.json")
}

fn seq_of(name: &str) -> Option<u64> {
    name.strip_suffix(".json").filter(|digits| digits.len() == 20)?.parse().ok()
}

/// A name that no file system takes for anything else.
fn escaped(name: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    name.bytes()
        .map(|byte| if is_plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

fn unescaped(name: &str) -> Option<String> {
    let mut bytes = Vec::new();
    let mut rest = name;
    while let Some(first) = rest.chars().next() {
        let (taken, byte) = match first {
            '%' => (3, u8::from_str_radix(rest.get(1..3)?, 16).ok()?),
            plain => (plain.len_utf8(), u8::try_from(plain).ok()?),
        };
        bytes.push(byte);
        rest = rest.get(taken..)?;
    }
    String::from_utf8(bytes).ok()
}

fn failed(what: &str, path: &Path, error: &std::io::Error) -> PortError {
    PortError::not_sent(format!("anchors: {} cannot be {what}: {error}", path.display()))
}

/// The names in a directory; none where there is no such directory.
fn names(directory: &Path) -> Result<Vec<String>, PortError> {
    let read = |error: std::io::Error| failed("read", directory, &error);
    let entries = match std::fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(read(error)),
    };
    let names = entries.map(|entry| Ok(entry.map_err(read)?.file_name().to_string_lossy().into_owned()));
    names.collect()
}

#[async_trait]
impl Anchors for DirectoryAnchors {
    async fn put(
        &self,
        store: &StoreId,
        environment: &EnvironmentName,
        seq: u64,
        text: &str,
    ) -> Result<(), PortError> {
        let directory = self.chain(store, environment);
        let path = directory.join(file(seq));
        let wrong = |error: std::io::Error| failed("written", &path, &error);
        std::fs::create_dir_all(&directory).map_err(wrong)?;
        // Whole or not at all: whoever dies here leaves a file that is no anchor.
        let draft = directory.join(format!("draft-{:032x}", crate::random_u128()));
        let written = std::fs::File::create_new(&draft).and_then(|mut file| {
            file.write_all(text.as_bytes())?;
            file.sync_all()
        });
        let kept = written.and_then(|()| std::fs::hard_link(&draft, &path));
        let _no_anchor = std::fs::remove_file(&draft);
        match kept {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
            kept => kept.map_err(wrong),
        }
    }

    async fn environments(&self, store: &StoreId) -> Result<Vec<EnvironmentName>, PortError> {
        let names = names(&self.store(store))?;
        let known = |name: String| EnvironmentName::new(unescaped(&name)?).ok();
        let mut found: Vec<EnvironmentName> = names.into_iter().filter_map(known).collect();
        found.sort();
        Ok(found)
    }

    async fn list(&self, store: &StoreId, environment: &EnvironmentName) -> Result<Vec<u64>, PortError> {
        let names = names(&self.chain(store, environment))?;
        let mut found: Vec<u64> = names.iter().filter_map(|name| seq_of(name)).collect();
        found.sort_unstable();
        Ok(found)
    }

    async fn get(
        &self,
        store: &StoreId,
        environment: &EnvironmentName,
        seq: u64,
    ) -> Result<Option<String>, PortError> {
        let path = self.chain(store, environment).join(file(seq));
        match std::fs::read(&path) {
            // An audit says of one that is no text that it is none.
            Ok(bytes) => Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(failed("read", &path, &error)),
        }
    }
}
