//! People, by what they can prove themselves with.

use std::{fmt, str::FromStr};

use crate::{Malformed, text_value::serde_as_text};

/// A person: `github:<numeric id>` or `ssh:SHA256:<fingerprint>`.
///
/// A GitHub login can be renamed and taken over by somebody else, the id cannot; hence the number.
/// A fingerprint is what `ssh-keygen -l` prints.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Person {
    /// The numeric id of a GitHub account.
    GitHub(u64),
    /// The fingerprint of an SSH key.
    Ssh(Fingerprint),
}

/// `SHA256:` and 43 characters of unpadded base64, as OpenSSH prints it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint(String);

impl Fingerprint {
    /// With the leading `SHA256:`.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Fingerprint {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let base64 = |c: char| c.is_ascii_alphanumeric() || c == '+' || c == '/';
        match text.strip_prefix("SHA256:") {
            Some(hash) if hash.len() == 43 && hash.chars().all(base64) => Ok(Self(text.to_owned())),
            _ => {
                let why = "it is `SHA256:` and 43 characters, as `ssh-keygen -l -f key.pub` prints it";
                Err(Malformed::new(text, "an SSH key's fingerprint", why))
            }
        }
    }
}

impl FromStr for Person {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = |why: &str| Malformed::new(text, "a person", why);
        match text.split_once(':') {
            Some(("github", id)) => match id.parse::<u64>() {
                Ok(id) if id > 0 && !text.contains('+') => Ok(Self::GitHub(id)),
                _ => Err(wrong(
                    "a GitHub account is named by its numeric id, because a login can change hands: \
                     `gh api users/LOGIN --jq .id` prints it",
                )),
            },
            Some(("ssh", fingerprint)) => match fingerprint.parse() {
                Ok(fingerprint) => Ok(Self::Ssh(fingerprint)),
                Err(Malformed { why, .. }) => Err(wrong(&format!("of an SSH key's fingerprint, {why}"))),
            },
            _ => Err(wrong("it is `github:<numeric id>` or `ssh:SHA256:<fingerprint>`")),
        }
    }
}

impl fmt::Display for Person {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::GitHub(id) => write!(f, "github:{id}"),
            Self::Ssh(fingerprint) => write!(f, "ssh:{fingerprint}"),
        }
    }
}

impl fmt::Debug for Person {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

serde_as_text!(Fingerprint);
serde_as_text!(Person);
