//! What runs: units and fleets as a provider shows them.

use std::collections::{BTreeMap, BTreeSet};

use flytypes::{Digest, ImageRef};
use serde::{Deserialize, Serialize};

use super::{
    At, ComponentName, EnvironmentName, GroupName, Hash, RegionName, UnitConfig, UnitId, UnitSpec,
    UnitVersion,
};

/// The labels the engine writes on units, in its own words; an adapter maps them to the provider's metadata.
pub mod label {
    /// Which promotion made the unit.
    pub const PROMOTION: &str = "promotion";
    /// The slot it was created for: the natural key of a create.
    pub const SLOT: &str = "slot";
    /// The environment.
    pub const ENVIRONMENT: &str = "environment";
    /// The component.
    pub const COMPONENT: &str = "component";
    /// The release's hash, its first twelve digits.
    pub const RELEASE: &str = "release";
    /// The store that answers for the unit.
    pub const STORE: &str = "store";
    /// Until when a stopped old unit is kept for a warm way back (RFC 3339).
    pub const PARKED_UNTIL: &str = "parked_until";
    /// Of a unit made in the place of one that was gone: `promotion/unit`, the natural key of that create.
    pub const RESTORES: &str = "restores";
    /// Of a machine that runs one command: the key it is found by.
    pub const ONE_OFF: &str = "one_off";
    /// Which promotion parked it.
    pub const PARKED_BY: &str = "parked_by";
}

/// Where a component lives in an environment.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Place {
    /// The environment.
    pub environment: EnvironmentName,
    /// The component.
    pub component: ComponentName,
    /// Which provider's calls move it, such as `fly` or `static`.
    pub provider: String,
    /// The provider's name for it: an app, a site.
    pub name: String,
}

impl Place {
    /// `component` of `environment`, moved by `provider`, which calls it `name`.
    pub fn new(
        environment: EnvironmentName,
        component: ComponentName,
        provider: impl Into<String>,
        name: impl Into<String>,
    ) -> Self {
        Self { environment, component, provider: provider.into(), name: name.into() }
    }
}

/// A unit's state; what a provider calls otherwise is mapped by its adapter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum UnitState {
    /// On its way to `Started`, also while an update replaces it.
    Starting,
    /// Running.
    Started,
    /// On its way to `Stopped`.
    Stopping,
    /// At rest; can be started.
    Stopped,
    /// It will not come up by itself.
    Failed,
    /// Gone, or going for good.
    Destroyed,
    /// The provider cannot tell (an unreachable host).
    Unknown,
}

impl std::fmt::Display for UnitState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Starting => "starting",
            Self::Started => "started",
            Self::Stopping => "stopping",
            Self::Stopped => "stopped",
            Self::Failed => "failed",
            Self::Destroyed => "destroyed",
            Self::Unknown => "in a state that the provider cannot tell",
        })
    }
}

/// A check's last result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckResult {
    /// The check.
    pub name: String,
    /// Whether it passed.
    pub passing: bool,
    /// When it was taken, by the provider's clock; none when it has not run yet.
    pub at: Option<At>,
    /// What it said, for people.
    pub output: String,
}

/// A lease somebody holds on a unit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeaseView {
    /// The holder's own words.
    pub description: String,
    /// When it ends.
    pub expires_at: At,
}

/// What whoever routes requests last did to a unit by itself: for want of requests, or because of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Nap {
    /// It was put to sleep, at this instant: nobody asked it for anything.
    Asleep(At),
    /// It was woken, at this instant: somebody asked.
    Woken(At),
}

/// A machine as the engine sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unit {
    /// The provider's id.
    pub id: UnitId,
    /// Its process group.
    pub group: GroupName,
    /// Its region.
    pub region: RegionName,
    /// Changes with every update.
    pub version: UnitVersion,
    /// When this version was made, by the provider's clock; results before it say nothing about it.
    pub version_since: Option<At>,
    /// The content it runs.
    pub digest: Option<Digest>,
    /// The same by name, pinned to the digest: what a way back needs.
    pub image: Option<ImageRef>,
    /// Its state.
    pub state: UnitState,
    /// Takes no new requests.
    pub cordoned: bool,
    /// Results of its checks.
    pub checks: Vec<CheckResult>,
    /// Who holds it.
    pub lease: Option<LeaseView>,
    /// Whether ordinary deploys may touch it; others are left alone and named.
    pub managed: bool,
    /// The engine's labels (see [`label`]).
    pub labels: BTreeMap<String, String>,
    /// The provider's configuration without image and labels, normalised so that equal means equal.
    pub config: UnitConfig,
    /// The units for which it stands by: the provider starts it when one of those is lost, and nobody else does.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub standby_for: BTreeSet<UnitId>,
    /// Requests in flight, where the provider can tell.
    pub concurrency: Option<u32>,
    /// What whoever routes requests last did to it, where that is the last thing that happened: none where a person or
    /// the engine stopped or started it, or its program ended by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nap: Option<Nap>,
    /// A request wakes it while it is stopped and in traffic.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub wakes: bool,
    /// Which tool deployed it besides the engine, as that tool left it written there: `flyctl 0.3.170, release 7`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deployed_by: Option<String>,
}

impl Unit {
    /// A managed unit that was just made to `spec` and is on its way up: no traffic, no checks, no labels yet.
    pub fn new(id: UnitId, version: UnitVersion, spec: &UnitSpec) -> Self {
        Self {
            id,
            group: spec.group.clone(),
            region: spec.region.clone(),
            version,
            version_since: None,
            digest: spec.image.digest().cloned(),
            image: Some(spec.image.clone()),
            state: UnitState::Starting,
            cordoned: true,
            checks: Vec::new(),
            lease: None,
            managed: true,
            labels: BTreeMap::new(),
            config: spec.config.clone(),
            standby_for: spec.standby_for.clone(),
            concurrency: None,
            nap: None,
            wakes: false,
            deployed_by: None,
        }
    }

    /// Writes labels; none deletes.
    pub fn relabel(&mut self, labels: &BTreeMap<String, Option<String>>) {
        for (key, value) in labels {
            match value {
                Some(value) => self.labels.insert(key.clone(), value.clone()),
                None => self.labels.remove(key),
            };
        }
    }

    /// A label's value.
    pub fn label(&self, key: &str) -> Option<&str> {
        self.labels.get(key).map(String::as_str)
    }

    /// Its host does not answer: what it is configured to be and what it runs nobody can tell.
    pub fn is_away(&self) -> bool {
        self.state == UnitState::Unknown
    }

    /// Put to sleep by whoever routes requests, until one comes. That says nothing against it where it was proven before.
    pub const fn is_asleep(&self) -> bool {
        self.slept().is_some()
    }

    /// Since when it is put to sleep, by the provider's clock.
    pub const fn slept(&self) -> Option<At> {
        match (self.nap, self.state) {
            (Some(Nap::Asleep(since)), UnitState::Stopped | UnitState::Stopping) => Some(since),
            _ => None,
        }
    }

    /// Since when a request wakes it, or woke it: what it reports may still be from before it slept.
    pub const fn woken(&self) -> Option<At> {
        match (self.nap, self.state) {
            (Some(Nap::Woken(since)), UnitState::Starting | UnitState::Started) => Some(since),
            _ => None,
        }
    }

    /// It sleeps in traffic until a request wakes it, whoever put it to rest.
    pub fn awaits_request(&self) -> bool {
        self.wakes && !self.cordoned && self.state == UnitState::Stopped
    }

    /// Kept stopped for a warm way back.
    pub fn is_parked(&self) -> bool {
        self.labels.contains_key(label::PARKED_UNTIL)
    }
}

/// All units of a component in an environment.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fleet {
    /// Sorted by id; destroyed ones are left out.
    pub units: Vec<Unit>,
    /// The version of the environment's secrets, where the provider has one.
    #[serde(default)]
    pub secrets_version: Option<u64>,
    /// Another one after every change of the secrets, where the provider keeps any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secrets: Option<Hash>,
}

impl Fleet {
    /// The units that serve, or are meant to: managed and not parked.
    pub fn live(&self) -> impl Iterator<Item = &Unit> {
        self.units.iter().filter(|unit| unit.managed && !unit.is_parked())
    }

    /// A unit by id.
    pub fn unit(&self, id: &UnitId) -> Option<&Unit> {
        // Sorted by id, as a provider answers; one that was put together otherwise is searched through.
        match self.units.binary_search_by(|unit| unit.id.cmp(id)) {
            Ok(n) => self.units.get(n),
            Err(_) => self.units.iter().find(|unit| unit.id == *id),
        }
    }

    /// The digests that run in live units; more than one is a mixed fleet (P6).
    pub fn digests(&self) -> BTreeSet<Digest> {
        self.live().filter_map(|unit| unit.digest.clone()).collect()
    }

    /// What each live unit runs, one by one and for people, where that is not one digest (P6).
    pub fn mix(&self) -> Option<String> {
        let runs = |unit: &Unit| {
            let digest = unit.digest.as_ref().map_or("an unknown image", Digest::short);
            format!("{} runs {digest}", unit.id)
        };
        let lines: Vec<String> = self.live().map(runs).collect();
        (self.digests().len() > 1).then(|| lines.join(", "))
    }
}
