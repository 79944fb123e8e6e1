//! References to secrets. A secret itself is never written in a file.

use std::{fmt, str::FromStr};

use crate::{VariableName, text_value::serde_as_text};

/// Where a secret is found: `env:NAME` or `file:PATH`. The secret itself is never here, so this may be printed.
///
/// ```
/// use envconfig::SecretRef;
/// let token: SecretRef = "env:FLY_TOKEN_STAGING".parse()?;
/// assert_eq!(token.to_string(), "env:FLY_TOKEN_STAGING");
/// assert!("fm2_lJPECAAAAAAA".parse::<SecretRef>().is_err());
/// # Ok::<(), envconfig::SecretRefError>(())
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SecretRef {
    /// A variable of the environment that the binary was started with.
    Variable(VariableName),
    /// A file, as it is written: relative to the project file, or absolute (mounted secrets).
    File(SecretPath),
}

/// The path of a file that holds a secret.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SecretPath(String);

/// A text that is no reference to a secret. It does not hold the text, which may be the secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected a reference to a secret, `env:NAME` or `file:PATH`; what is written is not shown")]
#[non_exhaustive]
pub struct SecretRefError;

impl SecretPath {
    /// The path.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SecretPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for SecretRef {
    type Err = SecretRefError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once(':') {
            Some(("env", name)) => name.parse().map(Self::Variable).map_err(|_| SecretRefError),
            Some(("file", path)) if !path.is_empty() && !path.contains(|c: char| c.is_control()) => {
                Ok(Self::File(SecretPath(path.to_owned())))
            }
            _ => Err(SecretRefError),
        }
    }
}

impl fmt::Display for SecretRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Variable(name) => write!(f, "env:{name}"),
            Self::File(path) => write!(f, "file:{}", path.0),
        }
    }
}

impl fmt::Debug for SecretRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

serde_as_text!(SecretRef);
