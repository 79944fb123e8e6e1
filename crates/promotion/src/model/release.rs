//! What is promoted.

use std::collections::BTreeMap;

use flytypes::Digest;
use serde::{Deserialize, Serialize};

use super::{ComponentName, Hash, canonical};

/// The digests of all components, and where they come from. Its hash is what evidence binds to: registry and
/// repository are no part of it, so a copy in another organisation is the same release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Release {
    /// For people and for the identity check.
    pub version: String,
    /// The source commit.
    pub commit: String,
    /// The source tree's hash, where known: a squash or merge changes the commit, not the tree.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tree: Option<String>,
    /// Component → content.
    pub components: BTreeMap<ComponentName, Digest>,
}

impl Release {
    /// `components` of `version`, built from `commit`; the tree is not known.
    pub fn new(
        version: impl Into<String>,
        commit: impl Into<String>,
        components: BTreeMap<ComponentName, Digest>,
    ) -> Self {
        Self { version: version.into(), commit: commit.into(), tree: None, components }
    }

    /// What evidence binds to.
    pub fn id(&self) -> Hash {
        canonical::hash("understudy release v1", self)
    }
}
