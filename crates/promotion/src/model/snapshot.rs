//! What is needed to put an environment back.

use std::collections::BTreeMap;

use flytypes::ImageRef;
use serde::{Deserialize, Serialize};

use super::{At, ComponentName, Fleet, Hash, Place, Unit, UnitState};

/// One unit as it was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnitRecord {
    /// The unit, with configuration, labels, state and cordon.
    pub unit: Unit,
    /// Its image by digest.
    pub image: ImageRef,
}

impl UnitRecord {
    /// Whether it ran when it was found.
    pub fn ran(&self) -> bool {
        matches!(self.unit.state, UnitState::Started | UnitState::Starting)
    }
}

/// One component as it was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ComponentSnapshot {
    /// Where.
    pub place: Place,
    /// The live units, sorted by id; unmanaged ones are no part of it.
    pub units: Vec<UnitRecord>,
    /// The parked units, which only a rollback by a person touches.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parked: Vec<UnitRecord>,
    /// Units whose host did not answer, as far as they were seen: what they are nobody knows, so they are left alone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub away: Vec<Unit>,
    /// The version of the secrets the units had.
    pub secrets_version: Option<u64>,
    /// Which secrets there were; another one after every change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secrets: Option<Hash>,
}

impl ComponentSnapshot {
    /// Takes the live units of `fleet`. A unit without a digest could not be put back: an error, unless its host does not
    /// answer.
    pub fn take(place: Place, fleet: &Fleet) -> Result<Self, String> {
        let record = |unit: &Unit| {
            let image = unit.image.clone().filter(|image| image.digest().is_some())?;
            Some(UnitRecord { unit: unit.clone(), image })
        };
        let (mut units, mut away) = (Vec::new(), Vec::new());
        for unit in fleet.live() {
            if unit.is_away() {
                away.push(unit.clone());
                continue;
            }
            units.push(record(unit).ok_or_else(|| format!("unit {} shows no digest", unit.id))?);
        }
        let parked = fleet.units.iter().filter(|unit| unit.managed && unit.is_parked()).filter_map(record);
        let (secrets_version, secrets) = (fleet.secrets_version, fleet.secrets.clone());
        Ok(Self { place, units, parked: parked.collect(), away, secrets_version, secrets })
    }

    /// Every unit that stands in it.
    pub fn all(&self) -> impl Iterator<Item = &UnitRecord> {
        self.units.iter().chain(&self.parked)
    }
}

/// An environment as it was found before the first change.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    /// When it was complete.
    pub at: Option<At>,
    /// Per component.
    pub components: BTreeMap<ComponentName, ComponentSnapshot>,
}
