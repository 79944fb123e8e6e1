//! What a unit shall be at rest, and what it has to show for that.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use super::seen::Seen;
use crate::model::{
    GroupName, ImageRef, Proof, RegionName, Slot, Unit, UnitConfig, UnitId, UnitRecord, UnitSpec, UnitState,
    label,
};

/// What is asked of a unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Duty {
    /// It runs, is proven healthy, and answers requests while it is in traffic.
    Serves,
    /// It runs, and no more is asked: nobody could demand an answer of it when it was found.
    Runs,
    /// It does not run at rest, and is started for once to be proven, out of traffic (P12).
    ProvenOnce,
    /// It does not run at rest, and is what a proven one is.
    Rests,
    /// Running or not is all one: it had failed or was out of reach when it was found.
    Either,
}

impl Duty {
    /// It runs at rest.
    pub(super) const fn runs(self) -> bool {
        matches!(self, Self::Serves | Self::Runs)
    }

    /// It has to run at least once to be proven.
    pub(super) const fn proves(self) -> bool {
        matches!(self, Self::Serves | Self::Runs | Self::ProvenOnce)
    }

    /// It must not run at rest.
    pub(super) const fn sleeps(self) -> bool {
        matches!(self, Self::ProvenOnce | Self::Rests)
    }
}

/// Group, region, content and configuration.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shape<'a> {
    pub(super) group: &'a GroupName,
    pub(super) region: &'a RegionName,
    pub(super) image: &'a ImageRef,
    pub(super) config: &'a UnitConfig,
    /// The least version of the secrets.
    pub(super) secrets_version: Option<u64>,
    /// For which units it stands by, as it was found.
    pub(super) standby_for: &'a BTreeSet<UnitId>,
}

/// Most units stand by for nobody.
pub(super) static NOBODY: BTreeSet<UnitId> = BTreeSet::new();

impl<'a> Shape<'a> {
    /// What the unit of `record` was, with secrets of at least this version: earlier ones nobody can give back.
    pub(super) const fn of(record: &'a UnitRecord, secrets_version: Option<u64>) -> Self {
        let UnitRecord { unit, image } = record;
        let Unit { group, region, config, standby_for, .. } = unit;
        Self { group, region, image, config, secrets_version, standby_for }
    }

    pub(super) const fn place(self) -> Spot<'a> {
        (self.group, self.region)
    }

    /// What a unit is asked to be; whom it stands by for as `seen` shows it.
    pub(super) fn spec(self, seen: &Seen<'_>) -> UnitSpec {
        UnitSpec {
            group: self.group.clone(),
            region: self.region.clone(),
            image: self.image.clone(),
            config: self.config.clone(),
            secrets_version: self.secrets_version,
            standby_for: seen.stands_by(self.standby_for).into_owned(),
        }
    }

    /// Whether `unit` has this content and configuration, and stands by for the same units.
    fn is_met(self, unit: &Unit, seen: &Seen<'_>) -> bool {
        let is_alike = unit.digest.as_ref() == self.image.digest() && unit.config == *self.config;
        is_alike && unit.standby_for == *seen.stands_by(self.standby_for)
    }
}

/// Where units are alike: one group in one region.
pub(super) type Spot<'a> = (&'a GroupName, &'a RegionName);

/// The spot of a unit.
pub(super) const fn spot(unit: &Unit) -> Spot<'_> {
    (&unit.group, &unit.region)
}

/// The labels a unit shall have.
#[derive(Debug, Clone)]
pub(super) enum Labels<'a> {
    /// These, whatever others it has.
    With(Rc<BTreeMap<String, String>>),
    /// The same for a unit that changes where it stands: it fills no slot, whatever was once written on it, or on the one that
    /// somebody copied it from.
    InPlace(Rc<BTreeMap<String, String>>),
    /// These and no others.
    Exactly(&'a BTreeMap<String, String>),
    /// Those it has.
    Any,
}

impl Labels<'_> {
    pub(super) fn are_met(&self, unit: &Unit) -> bool {
        match self {
            Self::With(labels) => has(unit, labels),
            Self::InPlace(labels) => has(unit, labels) && unit.label(label::SLOT).is_none(),
            Self::Exactly(labels) => unit.labels == **labels,
            Self::Any => true,
        }
    }

    /// What makes them `unit`'s.
    pub(super) fn changes(&self, unit: &Unit) -> BTreeMap<String, Option<String>> {
        match self {
            Self::With(labels) => written(labels),
            Self::InPlace(labels) => {
                let slot = unit.label(label::SLOT).map(|_| (label::SLOT.to_owned(), None));
                written(labels).into_iter().chain(slot).collect()
            }
            Self::Exactly(labels) => undo(unit, labels),
            Self::Any => BTreeMap::new(),
        }
    }

    /// What makes them the only ones that `unit` has; none where they are.
    pub(super) fn put_right(&self, unit: &Unit) -> Option<BTreeMap<String, Option<String>>> {
        let labels = match self {
            Self::With(labels) | Self::InPlace(labels) => &**labels,
            Self::Exactly(labels) => labels,
            Self::Any => return None,
        };
        (unit.labels != *labels).then(|| undo(unit, labels))
    }

    /// Those of a unit that is made to have them.
    pub(super) fn whole(&self) -> BTreeMap<String, String> {
        match self {
            Self::With(labels) | Self::InPlace(labels) => (**labels).clone(),
            Self::Exactly(labels) => (*labels).clone(),
            Self::Any => BTreeMap::new(),
        }
    }
}

fn has(unit: &Unit, labels: &BTreeMap<String, String>) -> bool {
    labels.iter().all(|(key, value)| unit.labels.get(key) == Some(value))
}

fn written(labels: &BTreeMap<String, String>) -> BTreeMap<String, Option<String>> {
    labels.iter().map(|(key, value)| (key.clone(), Some(value.clone()))).collect()
}

/// What makes `unit`'s labels these again.
pub(super) fn undo(unit: &Unit, labels: &BTreeMap<String, String>) -> BTreeMap<String, Option<String>> {
    let mut labels = written(labels);
    for key in unit.labels.keys() {
        labels.entry(key.clone()).or_insert(None);
    }
    labels
}

/// What a unit shall be.
#[derive(Debug, Clone)]
pub(super) struct Role<'a> {
    pub(super) shape: Shape<'a>,
    pub(super) proof: Cow<'a, Proof>,
    /// Takes traffic at rest.
    pub(super) open: bool,
    pub(super) duty: Duty,
    pub(super) labels: Labels<'a>,
}

/// A unit that changes where it stands.
#[derive(Debug, Clone)]
pub(super) struct Want<'a> {
    pub(super) unit: &'a UnitId,
    pub(super) role: Role<'a>,
    /// It was found in traffic, running or asleep: without it there is one less to answer.
    pub(super) served: bool,
}

impl Want<'_> {
    /// The unit already is what it shall become, as far as an update could make it so.
    pub(super) fn is_met(&self, unit: &Unit, seen: &Seen<'_>) -> bool {
        self.role.shape.is_met(unit, seen) && self.role.labels.are_met(unit)
    }
}

/// A unit that shall serve, made or revived.
#[derive(Debug, Clone)]
pub(super) struct Incoming<'a> {
    pub(super) who: Who<'a>,
    pub(super) role: Role<'a>,
}

/// How an incoming unit is found again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Who<'a> {
    Slot(Slot),
    Unit(&'a UnitId),
    /// Stands in for one that is gone.
    InsteadOf(&'a UnitId),
}

/// How a unit was found at rest; a new unit in its place ends the same. Who had failed was meant to run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Rest {
    pub(super) stopped: bool,
    pub(super) cordoned: bool,
}

impl Rest {
    pub(super) const SERVING: Self = Self { stopped: false, cordoned: false };

    pub(super) const fn of(unit: &Unit) -> Self {
        let stopped = matches!(unit.state, UnitState::Stopped | UnitState::Stopping);
        Self { stopped, cordoned: unit.cordoned }
    }
}
