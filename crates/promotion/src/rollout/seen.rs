//! What was seen and what was found, by name: so that a look at a thousand units is a thousand look-ups.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use super::call::Job;
use super::role::{Duty, Incoming, Role, Who};
use crate::model::{Fleet, Unit, UnitId, UnitRecord, UnitState, label};

/// Indices over a fleet and a snapshot.
#[derive(Debug)]
pub(super) struct Seen<'a> {
    job: Job<'a>,
    pub(super) fleet: &'a Fleet,
    units: BTreeMap<&'a UnitId, &'a Unit>,
    slots: BTreeMap<&'a str, Vec<&'a Unit>>,
    stand_ins: BTreeMap<&'a str, Vec<&'a Unit>>,
    live: BTreeMap<&'a UnitId, &'a UnitRecord>,
    parked: BTreeMap<&'a UnitId, &'a UnitRecord>,
    away: BTreeSet<&'a UnitId>,
}

impl<'a> Seen<'a> {
    pub(super) fn new(job: Job<'a>, fleet: &'a Fleet) -> Self {
        let mut seen = Self {
            job,
            fleet,
            units: fleet.units.iter().map(|unit| (&unit.id, unit)).collect(),
            slots: BTreeMap::new(),
            stand_ins: BTreeMap::new(),
            live: by_id(&job.snapshot.units),
            parked: by_id(&job.snapshot.parked),
            away: job.snapshot.away.iter().map(|unit| &unit.id).collect(),
        };
        for unit in &fleet.units {
            if let Some(slot) = unit.label(label::SLOT).filter(|_| is_ours(job, unit)) {
                seen.slots.entry(slot).or_default().push(unit);
            }
            if let Some(key) = unit.label(label::RESTORES) {
                seen.stand_ins.entry(key).or_default().push(unit);
            }
        }
        seen
    }

    /// A unit by id.
    pub(super) fn unit(&self, id: &UnitId) -> Option<&'a Unit> {
        self.units.get(id).copied()
    }

    /// How a unit that served was found.
    pub(super) fn live(&self, id: &UnitId) -> Option<&'a UnitRecord> {
        self.live.get(id).copied()
    }

    /// How a parked unit was found.
    pub(super) fn parked(&self, id: &UnitId) -> Option<&'a UnitRecord> {
        self.parked.get(id).copied()
    }

    /// Whether it stands in the snapshot.
    pub(super) fn was_found(&self, id: &UnitId) -> bool {
        self.live.contains_key(id) || self.parked.contains_key(id) || self.away.contains(id)
    }

    /// For whom a unit stands by that was found standing by for `found`: where one of those is gone, for what stands in
    /// for it, as soon as that is there.
    pub(super) fn stands_by<'f>(&self, found: &'f BTreeSet<UnitId>) -> Cow<'f, BTreeSet<UnitId>> {
        let stand_in = |of: &UnitId| {
            let made =
                self.stand_ins.get(restores(self.job, of).as_str()).filter(|_| self.unit(of).is_none());
            best_first(made, Duty::Serves).first().map(|unit| unit.id.clone())
        };
        if found.iter().all(|of| stand_in(of).is_none()) {
            return Cow::Borrowed(found);
        }
        Cow::Owned(found.iter().map(|of| stand_in(of).unwrap_or_else(|| of.clone())).collect())
    }

    /// Whether its host did not answer when it was found.
    pub(super) fn was_away(&self, id: &UnitId) -> bool {
        self.away.contains(id)
    }

    /// The units that stand for `incoming`, the one to keep first.
    pub(super) fn found(&self, incoming: &Incoming<'_>) -> Vec<&'a Unit> {
        let Role { duty, .. } = incoming.role;
        match &incoming.who {
            Who::Unit(id) => self.unit(id).into_iter().collect(),
            Who::Slot(slot) => best_first(self.slots.get(slot.as_str()), duty),
            Who::InsteadOf(gone) => best_first(self.stand_ins.get(restores(self.job, gone).as_str()), duty),
        }
    }
}

fn by_id(records: &[UnitRecord]) -> BTreeMap<&UnitId, &UnitRecord> {
    records.iter().map(|record| (&record.unit.id, record)).collect()
}

/// What has come furthest first: a unit that shall not run has come furthest when it is stopped, after its proof.
fn best_first<'a>(units: Option<&Vec<&'a Unit>>, duty: Duty) -> Vec<&'a Unit> {
    let mut units = units.cloned().unwrap_or_default();
    let is_up = |unit: &Unit| unit.state == UnitState::Started || unit.is_asleep() && duty.runs();
    let is_there = |unit: &Unit| is_up(unit) == duty.runs();
    if units.len() > 1 {
        units.sort_by_key(|unit| (unit.cordoned, !is_there(unit), unit.id.clone()));
    }
    units
}

/// Whether this promotion made `unit`.
pub(super) fn is_ours(job: Job<'_>, unit: &Unit) -> bool {
    unit.label(label::PROMOTION) == Some(job.stamp.promotion.as_str())
}

/// The natural key of what is made in the place of `gone`.
pub(super) fn restores(job: Job<'_>, gone: &UnitId) -> String {
    format!("{}/{gone}", job.stamp.promotion)
}
