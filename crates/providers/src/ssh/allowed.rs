//! The `allowed_signers` file: `principals [options] keytype base64 [comment]`, one key a line.

use promotion::model::Person;
use ssh_key::PublicKey;

/// Who may sign what.
#[derive(Debug, Clone, Default)]
pub struct AllowedSigners {
    keys: Vec<(PublicKey, Option<Vec<String>>)>,
}

/// Why a file is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{line}: {why}")]
pub struct AllowedError {
    /// Which file.
    pub file: String,
    /// Which line, from 1.
    pub line: usize,
    /// What is wrong and what would be right.
    pub why: String,
}

impl AllowedSigners {
    /// Reads a file's text; `file` is for messages. Options other than `namespaces=` are refused rather than
    /// ignored: each of them takes a right away.
    pub fn parse(file: &str, text: &str) -> Result<Self, AllowedError> {
        let mut keys = Vec::new();
        for (n, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let wrong = |why: String| AllowedError { file: file.to_owned(), line: n + 1, why };
            let (_principals, rest) = line
                .split_once(char::is_whitespace)
                .ok_or_else(|| wrong("expected `name ssh-ed25519 AAAA…`".to_owned()))?;
            let (namespaces, key) = options(rest.trim_start()).map_err(wrong)?;
            let key = key.parse::<PublicKey>().map_err(|error| {
                wrong(format!("this is no public key ({error}); expected `ssh-ed25519 AAAA…`"))
            })?;
            keys.push((key, namespaces));
        }
        Ok(Self { keys })
    }

    /// Adds a key for one namespace.
    #[must_use]
    pub fn with(mut self, key: PublicKey, namespace: &str) -> Self {
        self.keys.push((key, Some(vec![namespace.to_owned()])));
        self
    }

    /// Whether `who` has a key here, for whatever; where nobody is listed nobody is known.
    pub fn knows(&self, who: &Person) -> bool {
        self.keys.iter().any(|(key, _)| super::person(key) == *who)
    }

    /// Whether `key` may sign in `namespace`. A line without namespaces is for what people say: requests and approvals.
    pub fn allows(&self, key: &PublicKey, namespace: &str) -> bool {
        self.keys(namespace).any(|allowed| allowed.key_data() == key.key_data())
    }

    /// The keys that may sign in `namespace`.
    pub fn keys(&self, namespace: &str) -> impl Iterator<Item = &PublicKey> {
        let namespace = namespace.to_owned();
        let may = move |(_, namespaces): &&(PublicKey, Option<Vec<String>>)| match namespaces {
            Some(names) => names.contains(&namespace),
            None => matches!(namespace.as_str(), super::APPROVAL_NAMESPACE | super::REQUEST_NAMESPACE),
        };
        self.keys.iter().filter(may).map(|(key, _)| key)
    }
}

fn options(rest: &str) -> Result<(Option<Vec<String>>, &str), String> {
    if rest.starts_with("ssh-") || rest.starts_with("ecdsa-") || rest.starts_with("sk-") {
        return Ok((None, rest));
    }
    let Some(value) = rest.strip_prefix("namespaces=\"") else {
        let option = rest.split(['=', ' ']).next().unwrap_or_default();
        return Err(format!("option `{option}` is not supported; only `namespaces=\"…\"` is"));
    };
    let (names, key) =
        value.split_once('"').ok_or_else(|| "the quote after `namespaces=` is not closed".to_owned())?;
    if key.starts_with(',') {
        return Err("only the option `namespaces=\"…\"` is supported".to_owned());
    }
    Ok((Some(names.split(',').map(|name| name.trim().to_owned()).collect()), key.trim_start()))
}
