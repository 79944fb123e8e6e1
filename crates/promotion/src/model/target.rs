//! What a component shall become.

use std::collections::{BTreeMap, BTreeSet};

use flytypes::{Digest, ImageRef};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{GroupName, Millis, Place, RegionName, SecretsTarget, Slot};

/// How a fleet is changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Strategy {
    /// A second fleet beside the first, traffic switched, the old one parked.
    BlueGreen,
    /// Unit after unit in place, each taken out of traffic first.
    Rolling,
    /// Everything in place at once: for what switches atomically by itself, such as a static site.
    Immediate,
}

/// What proves that a unit of the group is healthy (P12). Silence is no proof.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Proof {
    /// Every one of these checks reports passing, newer than the unit's version.
    Checks(BTreeSet<String>),
    /// It has been started for this long without ending.
    StartedFor(Millis),
    /// The provider's own answer is the proof: it serves the digest or it does not (a static site).
    Served,
}

/// One process group of a component.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupTarget {
    /// The provider's configuration without image and labels, normalised.
    pub config: Value,
    /// Units per region.
    pub counts: BTreeMap<RegionName, u32>,
    /// What proves health.
    pub proof: Proof,
}

/// Times and widths. All durations are upper or lower bounds on real waiting, in milliseconds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// At least this long between a change of routing and reliance on it: every edge must have heard. Zero
    /// switches waiting for edges off altogether, also asking them. Default 10 s.
    pub settle: Millis,
    /// At most this long for requests in flight to end. Default 30 s.
    pub drain: Millis,
    /// At most this long for a unit to become healthy. Default 5 min.
    pub wait: Millis,
    /// A unit that was healthy and serves may report unhealthy for this long before it counts as failed. Default 5 s.
    pub unhealthy: Millis,
    /// How long a call may still be under way after its answer was lost: the client's own timeout. Default 65 s.
    pub client_timeout: Millis,
    /// How many units may be out of traffic at once (rolling), at least 1.
    pub max_unavailable: u32,
    /// How long the old fleet is kept stopped for a warm way back. Default 10 min.
    pub park_for: Millis,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            settle: Millis::secs(10),
            drain: Millis::secs(30),
            wait: Millis::secs(300),
            unhealthy: Millis::secs(5),
            client_timeout: Millis::secs(65),
            max_unavailable: 1,
            park_for: Millis::secs(600),
        }
    }
}

/// What one component of an environment shall become.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ComponentTarget {
    /// Where.
    pub place: Place,
    /// The image to run, pinned to a digest, in the registry of the target.
    pub image: ImageRef,
    /// Where the image was tested; copied from there when it is another repository.
    pub source: ImageRef,
    /// Per process group.
    pub groups: BTreeMap<GroupName, GroupTarget>,
    /// How.
    pub strategy: Strategy,
    /// Times and widths.
    pub limits: Limits,
    /// What its secrets must be.
    #[serde(default, skip_serializing_if = "SecretsTarget::is_empty")]
    pub secrets: SecretsTarget,
}

impl ComponentTarget {
    /// One group of `shape` that runs `image` at `place`: blue-green, with default limits, copied from nowhere.
    pub fn new(place: Place, image: ImageRef, group: GroupName, shape: GroupTarget) -> Self {
        Self {
            place,
            source: image.clone(),
            image,
            groups: BTreeMap::from([(group, shape)]),
            strategy: Strategy::BlueGreen,
            limits: Limits::default(),
            secrets: SecretsTarget::default(),
        }
    }

    /// The content.
    pub fn digest(&self) -> Option<&Digest> {
        self.image.digest()
    }

    /// Every slot of the new fleet, in order.
    pub fn slots(&self) -> Vec<(Slot, GroupName, RegionName)> {
        let mut slots = Vec::new();
        for (group, target) in &self.groups {
            for (region, count) in &target.counts {
                for n in 0..*count {
                    if let Ok(slot) = Slot::new(format!("{group}/{region}/{n}")) {
                        slots.push((slot, group.clone(), region.clone()));
                    }
                }
            }
        }
        slots
    }
}

/// What is needed to create or update one unit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnitSpec {
    /// Process group.
    pub group: GroupName,
    /// Region; cannot change later.
    pub region: RegionName,
    /// Image by digest.
    pub image: ImageRef,
    /// The provider's configuration, as in [`GroupTarget::config`].
    pub config: Value,
    /// The version of the secrets that it gets at least, where the provider has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secrets_version: Option<u64>,
}
