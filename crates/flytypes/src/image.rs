//! Image references: `registry/repository[:tag][@digest]`.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::{Digest, DigestError};

/// A reference to an image. The registry is always written out; a tag names, only a digest identifies.
///
/// ```
/// use flytypes::ImageRef;
/// let image: ImageRef = "registry.fly.io/runner:deployment-1".parse()?;
/// assert_eq!((image.registry(), image.repository(), image.tag()), ("registry.fly.io", "runner", Some("deployment-1")));
/// assert!(image.digest().is_none());
/// let local: ImageRef = "127.0.0.1:5000/runner:v1".parse()?;
/// assert_eq!(local.registry(), "127.0.0.1:5000");
/// # Ok::<(), flytypes::ImageRefError>(())
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ImageRef {
    registry: String,
    repository: String,
    tag: Option<String>,
    digest: Option<Digest>,
}

/// Why a text is no image reference.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ImageRefError {
    /// No registry host, or no repository behind it.
    #[error("`{text}` is no image reference: expected `registry/repository[:tag][@sha256:…]`")]
    Shape {
        /// What was read.
        text: String,
    },
    /// The part after `@` is no digest.
    #[error("`{text}` is no image reference")]
    Digest {
        /// What was read.
        text: String,
        /// What is wrong with the digest.
        source: DigestError,
    },
}

impl ImageRef {
    /// A reference by digest alone, the only form a promotion deploys.
    pub fn by_digest(registry: &str, repository: &str, digest: Digest) -> Result<Self, ImageRefError> {
        let named: Self = format!("{registry}/{repository}").parse()?;
        if named.tag.is_some() || named.digest.is_some() {
            return Err(ImageRefError::Shape { text: format!("{registry}/{repository}@{digest}") });
        }
        Ok(named.pinned(digest))
    }

    /// The registry's host, with its port if it has one.
    pub fn registry(&self) -> &str {
        &self.registry
    }

    /// The repository below the registry.
    pub fn repository(&self) -> &str {
        &self.repository
    }

    /// The tag, if one was written.
    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    /// The digest, if one was written.
    pub fn digest(&self) -> Option<&Digest> {
        self.digest.as_ref()
    }

    /// The same repository, pinned to `digest`, without a tag.
    #[must_use]
    pub fn pinned(&self, digest: Digest) -> Self {
        Self {
            registry: self.registry.clone(),
            repository: self.repository.clone(),
            tag: None,
            digest: Some(digest),
        }
    }
}

fn word(text: &str, extra: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || extra.contains(c))
}

impl FromStr for ImageRef {
    type Err = ImageRefError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let shape = || ImageRefError::Shape { text: text.to_owned() };
        let (name, digest) = match text.split_once('@') {
            Some((name, digest)) => {
                let digest = digest
                    .parse()
                    .map_err(|source| ImageRefError::Digest { text: text.to_owned(), source })?;
                (name, Some(digest))
            }
            None => (text, None),
        };
        let (registry, path) = name.split_once('/').ok_or_else(shape)?;
        let host = registry.contains('.') || registry.contains(':') || registry == "localhost";
        let (repository, tag) = match path.rsplit_once(':') {
            Some((repository, tag)) => (repository, Some(tag)),
            None => (path, None),
        };
        let good = host
            && word(registry, ".-:[]")
            && word(repository, "._-/")
            && !repository.starts_with('/')
            && !repository.ends_with('/')
            && tag.is_none_or(|tag| word(tag, "._-") && tag.len() <= 128);
        if !good {
            return Err(shape());
        }
        Ok(Self {
            registry: registry.to_owned(),
            repository: repository.to_owned(),
            tag: tag.map(str::to_owned),
            digest,
        })
    }
}

impl TryFrom<String> for ImageRef {
    type Error = ImageRefError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<ImageRef> for String {
    fn from(image: ImageRef) -> Self {
        image.to_string()
    }
}

impl fmt::Display for ImageRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.registry, self.repository)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        if let Some(digest) = &self.digest {
            write!(f, "@{digest}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for ImageRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
