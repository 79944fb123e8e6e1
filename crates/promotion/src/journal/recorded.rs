//! What a promotion put at its places, as its records say: what runs is compared with it, and a repair leads back to it.

use std::collections::BTreeMap;

use super::view::PromotionView;
use crate::model::{
    Baseline, ComponentSnapshot, ComponentTarget, GroupName, GroupTarget, Kind, Proof, RegionName, Unit,
};

/// Where units are counted together: one group in one region.
pub type Spot = (GroupName, RegionName);

/// One component as it was put there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded {
    /// Image, configuration, counts. What ran once is no part of it, and nothing is copied: the image is there.
    pub target: ComponentTarget,
    /// How many units are out of traffic.
    pub cordoned: BTreeMap<Spot, u32>,
}

impl PromotionView {
    /// What it put at each of its places, or took over there. Empty before it had come that far.
    pub fn recorded(&self) -> Vec<Recorded> {
        let facts = &self.state.facts;
        let (Some(plan), Some(snapshot)) = (&facts.plan, &facts.snapshot) else { return Vec::new() };
        let recorded = |target: &ComponentTarget| {
            let found = snapshot.components.get(&target.place.component);
            let mut target = match found.filter(|_| facts.request.kind == Kind::Adopt) {
                Some(found) => adopted(target, found),
                None => target.clone(),
            };
            let mut cordoned = BTreeMap::new();
            for record in found.into_iter().flat_map(|found| &found.units) {
                let spot = (record.unit.group.clone(), record.unit.region.clone());
                if target.cordons(&record.unit) && target.groups.contains_key(&spot.0) {
                    *cordoned.entry(spot).or_default() += 1;
                }
            }
            target.traffic.clear();
            target.release_command = None;
            target.source = target.image.clone();
            Recorded { target, cordoned }
        };
        plan.target.components.iter().map(recorded).collect()
    }
}

/// What was taken over stays as it was found, whatever the project file would have made of it.
fn adopted(asked: &ComponentTarget, found: &ComponentSnapshot) -> ComponentTarget {
    let mut target = asked.clone();
    target.groups.clear();
    target.own.clear();
    let units = || found.units.iter().map(|record| &record.unit);
    for unit in units() {
        let proof = || proof(asked.groups.get(&unit.group), unit);
        let group = target.groups.entry(unit.group.clone()).or_insert_with(|| GroupTarget {
            config: unit.config.clone(),
            counts: BTreeMap::new(),
            proof: proof(),
        });
        if group.config != unit.config {
            target.own.insert(unit.id.clone(), unit.config.clone());
        }
    }
    let mut counts = Baseline::of(units().chain(&found.away), None).counts;
    for (name, group) in &mut target.groups {
        group.counts = counts.remove(name).unwrap_or_default();
    }
    target
}

/// The checks that a unit reported as it was found, else what the project file names.
fn proof(asked: Option<&GroupTarget>, unit: &Unit) -> Proof {
    let reported = || Proof::Checks(unit.checks.iter().map(|check| check.name.clone()).collect());
    match asked.map(|group| &group.proof) {
        Some(Proof::Checks(_)) if !unit.checks.is_empty() => reported(),
        None => reported(),
        Some(proof) => proof.clone(),
    }
}
