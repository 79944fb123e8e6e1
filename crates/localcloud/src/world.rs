//! What exists: apps with their secrets, machines, sites. Each record is a file of its own.

use std::{collections::BTreeMap, fmt, fs, io};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use crate::{
    clock,
    disk::{self, Layout},
    error::StartError,
    ids,
    machine::model::{Machine, State},
    registry::store::hex,
};

/// All records, by name or id.
#[derive(Debug, Default)]
pub(crate) struct World {
    pub(crate) apps: BTreeMap<String, App>,
    pub(crate) machines: BTreeMap<String, Machine>,
    pub(crate) sites: BTreeMap<String, Site>,
}

/// An app.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct App {
    pub(crate) name: String,
    pub(crate) org: String,
    pub(crate) id: String,
    pub(crate) number: u64,
    pub(crate) network: String,
    pub(crate) created_us: u64,
    pub(crate) secrets: Secrets,
}

/// A text that never prints.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Hidden(pub(crate) String);

impl fmt::Debug for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[hidden]")
    }
}

/// An app's secrets, with the values of every version: a machine keeps those it was bound to.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Secrets {
    salt: Hidden,
    pub(crate) version: u64,
    pub(crate) current: BTreeMap<String, Secret>,
    history: BTreeMap<u64, BTreeMap<String, Hidden>>,
}

/// One secret.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Secret {
    value: Hidden,
    pub(crate) digest: String,
    pub(crate) created_us: u64,
    pub(crate) updated_us: u64,
}

impl Secrets {
    pub(crate) fn new() -> Self {
        Self { salt: Hidden(ids::nonce()), version: 0, current: BTreeMap::new(), history: BTreeMap::new() }
    }

    /// Sets (`Some`) and removes (`None`) secrets as one new version.
    pub(crate) fn change(&mut self, values: BTreeMap<String, Option<String>>) {
        let now = clock::now_us();
        for (name, value) in values {
            let Some(value) = value else {
                self.current.remove(&name);
                continue;
            };
            let salted = Sha256::new()
                .chain_update(&self.salt.0)
                .chain_update(&name)
                .chain_update([0])
                .chain_update(&value);
            let digest = hex(&salted.finalize()[..8]);
            let created_us = self.current.get(&name).map_or(now, |s| s.created_us);
            self.current.insert(name, Secret { value: Hidden(value), digest, created_us, updated_us: now });
        }
        self.version += 1;
        let values = self.current.iter().map(|(name, secret)| (name.clone(), secret.value.clone()));
        self.history.insert(self.version, values.collect());
    }

    /// The values as they were at `version`.
    pub(crate) fn at(&self, version: u64) -> impl Iterator<Item = (&str, &str)> {
        self.history
            .get(&version)
            .into_iter()
            .flatten()
            .map(|(name, value)| (name.as_str(), value.0.as_str()))
    }
}

/// A static site.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Site {
    pub(crate) site: String,
    pub(crate) org: String,
    pub(crate) version: String,
    pub(crate) digest: String,
    pub(crate) artifact: String,
    pub(crate) env: Map<String, Value>,
    pub(crate) metadata: BTreeMap<String, String>,
    pub(crate) updated_us: u64,
}

impl World {
    /// Reads all records; forgets machines that were destroyed longer than `keep_s` ago.
    pub(crate) fn load(layout: &Layout, keep_s: u64) -> Result<Self, StartError> {
        let mut world = Self::default();
        for file in disk::names(&layout.apps()) {
            if let Some(app) = disk::load::<App>(&layout.apps().join(&file))? {
                world.apps.insert(app.name.clone(), app);
            }
        }
        for id in disk::names(&layout.machines()) {
            let Some(machine) = disk::load::<Machine>(&record(layout, &id))? else { continue };
            if is_forgotten(&machine, keep_s) {
                let _ = fs::remove_dir_all(layout.machine(&id));
            } else {
                world.machines.insert(id, machine);
            }
        }
        for site in disk::names(&layout.sites()) {
            if let Some(record) = disk::load::<Site>(&layout.site(&site).join("site.json"))? {
                world.sites.insert(site, record);
            }
        }
        Ok(world)
    }

    /// Machines of an app in order of their ids.
    pub(crate) fn machines_of<'a>(&'a self, app: &'a str) -> impl Iterator<Item = &'a Machine> + Clone {
        self.machines.values().filter(move |m| m.app == app)
    }

    /// The organisation that owns an app or a site.
    pub(crate) fn org_of(&self, name: &str) -> Option<&str> {
        let app = self.apps.get(name).map(|a| a.org.as_str());
        app.or_else(|| self.sites.get(name).map(|s| s.org.as_str()))
    }
}

/// Whether a destroyed machine is past the time in which it can be read.
pub(crate) fn is_forgotten(m: &Machine, keep_s: u64) -> bool {
    m.state == State::Destroyed && m.updated_us / 1_000_000 + keep_s < clock::now_s()
}

fn record(layout: &Layout, id: &str) -> std::path::PathBuf {
    layout.machine(id).join("machine.json")
}

/// Writes an app's record.
pub(crate) fn save_app(layout: &Layout, app: &App) -> io::Result<()> {
    disk::save(&layout.app(&app.name), app)
}

/// Writes a machine's record.
pub(crate) fn save_machine(layout: &Layout, machine: &Machine) -> io::Result<()> {
    disk::save_often(&record(layout, &machine.id), machine)
}

/// Writes a site's record.
pub(crate) fn save_site(layout: &Layout, site: &Site) -> io::Result<()> {
    disk::save(&layout.site(&site.site).join("site.json"), site)
}

/// Whether `name` can be an app or site: letters, digits and dashes, at most 63.
pub(crate) fn is_name(name: &str) -> bool {
    let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    (1..=63).contains(&name.len())
        && name.bytes().all(inner)
        && !name.starts_with('-')
        && !name.ends_with('-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_keep_each_version_and_print_nothing() {
        let mut secrets = Secrets::new();
        secrets.change(BTreeMap::from([(String::from("A"), Some(String::from("one")))]));
        secrets.change(BTreeMap::from([(String::from("A"), Some(String::from("two")))]));
        secrets.change(BTreeMap::from([(String::from("A"), None)]));
        assert_eq!(secrets.at(1).collect::<Vec<_>>(), [("A", "one")]);
        assert_eq!(secrets.at(2).collect::<Vec<_>>(), [("A", "two")]);
        assert_eq!(secrets.at(3).count(), 0);
        let printed = format!("{secrets:?}");
        assert!(!printed.contains("one") && !printed.contains("two"), "{printed}");
    }
}
