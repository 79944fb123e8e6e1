//! The plan: what will be true afterwards, and the calls that lead there if nothing goes wrong.

use std::collections::{BTreeMap, BTreeSet};

use flytypes::Digest;
use serde::{Deserialize, Serialize};

use super::{
    Class, ComponentName, ComponentTarget, EnvironmentName, GroupName, Hash, ImagePreview, Kind, Policy,
    RegionName, Release, Unit, canonical,
};

/// Whether going back is possible.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RollbackVerdict {
    /// Images, configuration, counts and cordons come back exactly.
    Allowed,
    /// There is nothing to go back to.
    Nothing,
    /// With this said first.
    Caveat(String),
    /// Nobody can tell, for this reason: machines come back, and what else was changed does not.
    Unknown(String),
}

/// One component as it was found when the plan was made; a difference at Rechecking is drift.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Baseline {
    /// What runs.
    pub digests: BTreeSet<Digest>,
    /// Units per group and region.
    pub counts: BTreeMap<GroupName, BTreeMap<RegionName, u32>>,
    /// The units' configurations.
    pub configs: BTreeSet<Hash>,
    /// The version of the secrets.
    pub secrets_version: Option<u64>,
    /// Another one after every change of the secrets, also where they have no version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secrets: Option<Hash>,
}

impl Baseline {
    /// What `units` show.
    pub fn of<'a>(units: impl Iterator<Item = &'a Unit>, secrets_version: Option<u64>) -> Self {
        let mut base = Self { secrets_version, ..Self::default() };
        for unit in units {
            base.digests.extend(unit.digest.clone());
            *base.counts.entry(unit.group.clone()).or_default().entry(unit.region.clone()).or_default() += 1;
            base.configs.insert(canonical::hash("understudy unit config v1", &unit.config));
        }
        base
    }
}

/// What will be true afterwards. Everything here is under the plan's hash.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// The environment.
    pub environment: EnvironmentName,
    /// Its class.
    pub class: Class,
    /// Which verb.
    pub kind: Kind,
    /// The release.
    pub release: Release,
    /// Per component, counts filled in.
    pub components: Vec<ComponentTarget>,
    /// What was found.
    pub baseline: BTreeMap<ComponentName, Baseline>,
    /// What the tests that count ran on: file → SHA-256.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub base_data: BTreeMap<String, Hash>,
    /// The rules in force: those of the release last promoted here.
    pub policy: Policy,
    /// The rules this release brings, where they differ.
    pub policy_change: Option<Policy>,
    /// Whether there is a way back.
    pub rollback: RollbackVerdict,
}

/// A line of the preview.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PreviewLine {
    /// Which component.
    pub component: ComponentName,
    /// What would be called, for people.
    pub call: String,
}

/// A target with its hash, and the preview for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// Over the target alone.
    pub hash: Hash,
    /// What approval binds to.
    pub target: Target,
    /// The calls if nothing goes wrong; not under the hash.
    pub preview: Vec<PreviewLine>,
    /// What a reader should know before approving; not under the hash.
    pub warnings: Vec<String>,
    /// Where the images come from, and what that moves; not under the hash, which has their digests.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub images: Vec<ImagePreview>,
}

impl Plan {
    /// Seals a target.
    pub fn new(target: Target, preview: Vec<PreviewLine>, warnings: Vec<String>) -> Self {
        let hash = canonical::hash("understudy plan v1", &target);
        Self { hash, target, preview, warnings, images: Vec::new() }
    }

    /// With what is known of its images.
    #[must_use]
    pub fn with_images(mut self, images: Vec<ImagePreview>) -> Self {
        self.images = images;
        self
    }

    /// Whether the hash is the target's.
    pub fn is_sound(&self) -> bool {
        self.hash == canonical::hash("understudy plan v1", &self.target)
    }

    /// What evidence about the configuration binds to: every component's configuration, names and counts apart,
    /// so that a rehearsal in a smaller environment can be told from one with another configuration.
    pub fn component(&self, name: &ComponentName) -> Option<&ComponentTarget> {
        self.target.components.iter().find(|target| target.place.component == *name)
    }
}
