//! Secrets of a place, as the provider in memory keeps them: names, and in which version each came. Values never.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;

use super::provider::{Provider, lock};
use crate::model::{Place, SecretsSeen, Unit, UnitId, canonical};
use crate::ports::{PortError, Secrets};

/// The secrets of one place.
#[derive(Debug, Clone, Default)]
pub(super) struct Vault {
    /// Grows with every change.
    pub(super) version: u64,
    /// The version in which each was last set.
    names: BTreeMap<String, u64>,
}

impl Vault {
    fn seen(&self, units: impl Iterator<Item = u64>) -> SecretsSeen {
        let oldest = units.min().unwrap_or(self.version);
        let staged = self.names.iter().filter(|(_, set)| **set > oldest);
        SecretsSeen {
            names: self.names.keys().cloned().collect(),
            version: Some(self.version),
            state: Some(canonical::hash("test secrets", &(self.version, &self.names))),
            staged: staged.map(|(name, _)| name.clone()).collect(),
        }
    }
}

impl Provider {
    /// Somebody sets a secret of `place`, and no machine is updated; a place has no secrets of its own until then.
    pub fn set_secret(&self, place: &Place, name: &str) {
        let mut books = lock(&self.books);
        let vault = books.vaults.entry(place.clone()).or_default();
        vault.version += 1;
        vault.names.insert(name.to_owned(), vault.version);
    }

    /// Somebody removes a secret.
    pub fn unset_secret(&self, place: &Place, name: &str) {
        let mut books = lock(&self.books);
        let vault = books.vaults.entry(place.clone()).or_default();
        vault.version += 1;
        vault.names.remove(name);
    }

    /// The version of the secrets that a unit has.
    pub fn secrets_of(&self, place: &Place, unit: &UnitId) -> Option<u64> {
        lock(&self.books).units.get(place)?.get(unit).map(|kept| kept.secrets)
    }
}

#[async_trait]
impl Secrets for Provider {
    async fn observe_secrets(&self, place: &Place, units: &[Unit]) -> Result<SecretsSeen, PortError> {
        self.is_reached()?;
        let books = lock(&self.books);
        let Some(vault) = books.vaults.get(place) else { return Ok(SecretsSeen::default()) };
        let kept = books.units.get(place);
        let had = units.iter().filter_map(|unit| kept?.get(&unit.id)).map(|kept| kept.secrets);
        Ok(vault.seen(had))
    }

    fn command(&self, place: &Place, names: &BTreeSet<String>) -> Option<String> {
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        Some(format!("set {} at {}", names.join(" "), place.name))
    }
}
