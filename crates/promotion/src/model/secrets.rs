//! Secrets by their names. No value comes here, nor anything that a value could be guessed from.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::Hash;

/// What a component's secrets must be.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecretsTarget {
    /// The names without which nothing is put there.
    pub required: BTreeSet<String>,
    /// The version of the set that every unit gets at least, as far as the provider tells it. The plan fills it in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<u64>,
}

impl SecretsTarget {
    /// Whether nothing is asked and nothing is known.
    pub fn is_empty(&self) -> bool {
        self.required.is_empty() && self.version.is_none()
    }
}

/// The secrets of a place, as the provider shows them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SecretsSeen {
    /// The names that are set.
    pub names: BTreeSet<String>,
    /// The version of the set, where the provider tells it.
    pub version: Option<u64>,
    /// Another one after every change, also one of a value alone; none where the place has no secrets of its own.
    pub state: Option<Hash>,
    /// Set or changed, and not yet with every unit that was looked at: units get secrets when they are made or updated,
    /// and a start alone does not bring them.
    pub staged: BTreeSet<String>,
}

impl SecretsSeen {
    /// Those of `wanted` that are not set.
    pub fn missing(&self, wanted: &BTreeSet<String>) -> BTreeSet<String> {
        wanted.difference(&self.names).cloned().collect()
    }
}
