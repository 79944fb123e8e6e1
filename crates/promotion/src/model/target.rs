//! What a component shall become.

use std::collections::{BTreeMap, BTreeSet};

use flytypes::{Digest, ImageRef};
use serde::{Deserialize, Serialize};

use super::{GroupName, Millis, OneOff, Place, RegionName, SecretsTarget, Slot, Unit, UnitConfig, UnitId};

/// How a fleet is changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Strategy {
    /// A second fleet beside the first, traffic switched, the old one parked.
    BlueGreen,
    /// In place, each unit taken out of traffic first: the first of each group and region alone there, then as many at
    /// once as `max_unavailable` says.
    Rolling,
    /// Like rolling, but the first of each group and region serve for a while (`bake`) before any other changes. There
    /// are no traffic weights: what they serve is their share of the units.
    Canary,
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
    pub config: UnitConfig,
    /// Units per region.
    pub counts: BTreeMap<RegionName, u32>,
    /// What proves health.
    pub proof: Proof,
}

/// How many units of a process group may be out of traffic at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum MaxUnavailable {
    /// So many; 0 counts as 1, since otherwise nothing would ever change.
    Units(u32),
    /// A part of the group.
    Part {
        /// In thousandths.
        permille: u32,
    },
}

impl MaxUnavailable {
    /// A third, as flyctl has it.
    pub const DEFAULT: Self = Self::Part { permille: 330 };

    /// For a group of `total` units: a part is rounded up, and it is never less than one.
    pub fn of(self, total: usize) -> usize {
        let of = |n: u32| usize::try_from(n).unwrap_or(usize::MAX);
        match self {
            Self::Units(n) => of(n).max(1),
            Self::Part { permille } => total.saturating_mul(of(permille)).div_ceil(1000).max(1),
        }
    }
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
    /// How long a look may show what was before a call that was accepted: the age of a list that is answered from what
    /// the provider knew a while ago. Default 10 s.
    #[serde(default = "Limits::list_lag", skip_serializing_if = "Limits::is_list_lag")]
    pub list_lag: Millis,
    /// How many units of a group may be out of traffic at once (rolling, canary). Default a third.
    pub max_unavailable: MaxUnavailable,
    /// How long the first units serve before any other changes (canary). Default 5 min.
    #[serde(default = "Limits::bake", skip_serializing_if = "Limits::is_bake")]
    pub bake: Millis,
    /// How long the old fleet is kept stopped for a warm way back. Default 10 min.
    pub park_for: Millis,
}

impl Limits {
    /// How long after a lost answer a look may still not show what became of the call.
    pub const fn unseen(&self) -> Millis {
        Millis(self.client_timeout.0.saturating_add(self.list_lag.0))
    }

    /// The default of [`Limits::list_lag`]. Plans are hashed without it, so it never changes.
    const fn list_lag() -> Millis {
        Millis::secs(10)
    }

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks with a reference")]
    fn is_list_lag(lag: &Millis) -> bool {
        *lag == Self::list_lag()
    }

    /// The default of [`Limits::bake`]. Plans are hashed without it, so it never changes.
    const fn bake() -> Millis {
        Millis::secs(300)
    }

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks with a reference")]
    fn is_bake(bake: &Millis) -> bool {
        *bake == Self::bake()
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            settle: Millis::secs(10),
            drain: Millis::secs(30),
            wait: Millis::secs(300),
            unhealthy: Millis::secs(5),
            client_timeout: Millis::secs(65),
            list_lag: Self::list_lag(),
            max_unavailable: MaxUnavailable::DEFAULT,
            bake: Self::bake(),
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
    /// Those of them that answer requests from outside, which are lost where no machine of theirs is in traffic.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub serves: BTreeSet<GroupName>,
    /// How.
    pub strategy: Strategy,
    /// Why it is changed in this way, where that is not by a second fleet; for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub because: Option<String>,
    /// Regions that change one wave after the other; those that no wave names are the last one. Empty: all at once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub waves: Vec<BTreeSet<RegionName>>,
    /// Times and widths.
    pub limits: Limits,
    /// The configuration of units that keep something of their own, which the group's does not speak of.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub own: BTreeMap<UnitId, UnitConfig>,
    /// Units that shall take requests, or not, otherwise than they are found.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub traffic: BTreeMap<UnitId, bool>,
    /// What its secrets must be.
    #[serde(default, skip_serializing_if = "SecretsTarget::is_empty")]
    pub secrets: SecretsTarget,
    /// What runs once, with the new image, before any unit is touched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release_command: Option<OneOff>,
}

impl ComponentTarget {
    /// One group of `shape` that runs `image` at `place`: blue-green, with default limits, copied from nowhere.
    pub fn new(place: Place, image: ImageRef, group: GroupName, shape: GroupTarget) -> Self {
        Self {
            place,
            source: image.clone(),
            image,
            groups: BTreeMap::from([(group, shape)]),
            serves: BTreeSet::new(),
            strategy: Strategy::BlueGreen,
            because: None,
            waves: Vec::new(),
            own: BTreeMap::new(),
            traffic: BTreeMap::new(),
            limits: Limits::default(),
            secrets: SecretsTarget::default(),
            release_command: None,
        }
    }

    /// What a unit that is there shall be configured as, in its group: as the group, but for what it keeps of its own.
    pub fn config_of<'a>(&'a self, unit: &UnitId, group: &'a GroupTarget) -> &'a UnitConfig {
        self.own.get(unit).unwrap_or(&group.config)
    }

    /// Whether a unit that is found so is out of traffic afterwards.
    pub(crate) fn cordons(&self, unit: &Unit) -> bool {
        self.traffic.get(&unit.id).map_or(unit.cordoned, |open| !open)
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
                    if let Some(slot) = Self::slot(group, region, n) {
                        slots.push((slot, group.clone(), region.clone()));
                    }
                }
            }
        }
        slots
    }

    /// The slot with number `n` of a group in a region.
    pub(crate) fn slot(group: &GroupName, region: &RegionName, n: u32) -> Option<Slot> {
        Slot::new(format!("{group}/{region}/{n}")).ok()
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
    pub config: UnitConfig,
    /// The version of the secrets that it gets at least, where the provider has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secrets_version: Option<u64>,
    /// The units for which it stands by. One that does is made and changed without being started.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub standby_for: BTreeSet<UnitId>,
}
