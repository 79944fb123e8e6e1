//! Which units come in, which change in place, and which go.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::call::{Direction, Job};
use super::health::was_healthy;
use super::in_place::Want;
use super::progress::{Progress, Stage};
use crate::model::{
    ComponentTarget, Fleet, GroupName, PromotionId, Proof, RegionName, Slot, Strategy, Unit, UnitId,
    UnitRecord, UnitSpec, UnitState, label,
};

/// One unit that shall serve, made or revived.
#[derive(Debug, Clone)]
pub(super) struct Incoming {
    pub(super) who: Who,
    pub(super) spec: UnitSpec,
    pub(super) proof: Proof,
    /// Takes traffic at rest.
    pub(super) open: bool,
    /// Runs at rest.
    pub(super) run: bool,
    /// Is proven, also when it does not run at rest: then it is started for that, out of traffic (P12).
    pub(super) prove: bool,
    /// Answers requests while it is in traffic, as far as one may demand that of it.
    pub(super) answers: bool,
    /// Running or not is all one: it had failed or was out of reach when it was found.
    pub(super) either: bool,
    pub(super) labels: BTreeMap<String, String>,
}

/// How an incoming unit is found again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Who {
    Slot(Slot),
    Unit(UnitId),
    /// Stands in for one that is gone.
    InsteadOf(UnitId),
}

/// The three sets.
#[derive(Debug, Default)]
pub(super) struct Sets {
    pub(super) in_place: Vec<Want>,
    pub(super) incoming: Vec<Incoming>,
    pub(super) outgoing: Vec<UnitId>,
}

/// Which units come in, change in place and go. A unit whose turn in place has begun stays in place until that stage
/// is over, also when it already is what it shall become: it still has to come up and take traffic.
pub(super) fn sets(job: Job<'_>, fleet: &Fleet, progress: Option<&Progress>) -> Sets {
    let begun = |unit: &UnitId| {
        progress.is_some_and(|progress| progress.stage == Stage::InPlace && progress.marks.contains_key(unit))
    };
    match job.direction {
        Direction::Forward => forward(job),
        Direction::Back => back(job, fleet, &begun),
    }
}

/// Whether this promotion made `unit`.
pub(super) fn is_ours(job: Job<'_>, unit: &Unit) -> bool {
    unit.label(label::PROMOTION) == Some(job.stamp.promotion.as_str())
}

/// The units of `fleet` that stand for `incoming`, the one to keep first.
pub(super) fn found<'f>(job: Job<'_>, fleet: &'f Fleet, incoming: &Incoming) -> Vec<&'f Unit> {
    match &incoming.who {
        Who::Unit(id) => fleet.unit(id).into_iter().collect(),
        Who::Slot(slot) => {
            let is_it = |unit: &&Unit| is_ours(job, unit) && unit.label(label::SLOT) == Some(slot.as_str());
            best_first(fleet.units.iter().filter(is_it).collect(), incoming.run)
        }
        Who::InsteadOf(gone) => {
            let key = restores(job, gone);
            let is_it = |unit: &&Unit| unit.label(label::RESTORES) == Some(key.as_str());
            best_first(fleet.units.iter().filter(is_it).collect(), incoming.run)
        }
    }
}

/// What has come furthest first: a unit that shall not run has come furthest when it is stopped, after its proof.
fn best_first(mut units: Vec<&Unit>, run: bool) -> Vec<&Unit> {
    let is_there = |unit: &Unit| (unit.state == UnitState::Started) == run;
    units.sort_by_key(|unit| (unit.cordoned, !is_there(unit), unit.id.clone()));
    units
}

fn restores(job: Job<'_>, gone: &UnitId) -> String {
    format!("{}/{gone}", job.stamp.promotion)
}

/// How a unit was found at rest; a new unit in its place ends the same. Who had failed was meant to run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Rest {
    stopped: bool,
    cordoned: bool,
}

impl Rest {
    const SERVING: Self = Self { stopped: false, cordoned: false };

    fn of(unit: &Unit) -> Self {
        let stopped = matches!(unit.state, UnitState::Stopped | UnitState::Stopping);
        Self { stopped, cordoned: unit.cordoned }
    }
}

fn forward(job: Job<'_>) -> Sets {
    let target = job.target;
    let fill = target.strategy == Strategy::BlueGreen || job.snapshot.units.is_empty();
    let mut sets = Sets::default();
    // Where one stopped unit is proven already: one per group and region is, the others are what that one is.
    let mut proven: BTreeSet<(GroupName, RegionName)> = BTreeSet::new();
    let mut kept: BTreeMap<(GroupName, RegionName), u32> = BTreeMap::new();
    for record in &job.snapshot.units {
        let key = (record.unit.group.clone(), record.unit.region.clone());
        let room = wanted(target, &key) > kept.get(&key).copied().unwrap_or(0);
        match target.groups.get(&record.unit.group) {
            Some(group) if !fill && room => {
                *kept.entry(key.clone()).or_default() += 1;
                let rest = Rest::of(&record.unit);
                let labels =
                    job.stamp.labels(target).into_iter().map(|(key, value)| (key, Some(value))).collect();
                sets.in_place.push(Want {
                    unit: record.unit.id.clone(),
                    spec: UnitSpec {
                        group: record.unit.group.clone(),
                        region: record.unit.region.clone(),
                        image: target.image.clone(),
                        config: group.config.clone(),
                        secrets_version: target.secrets.version,
                    },
                    proof: group.proof.clone(),
                    open: !rest.cordoned,
                    run: !rest.stopped,
                    prove: !rest.stopped || proven.insert(key),
                    labels,
                });
            }
            _ => sets.outgoing.push(record.unit.id.clone()),
        }
    }
    let mut rests = if fill { found_at_rest(job) } else { BTreeMap::new() };
    for (slot, group, region) in target.slots() {
        let Some(shape) = target.groups.get(&group) else { continue };
        let key = (group.clone(), region.clone());
        if let Some(left) = kept.get_mut(&key)
            && *left > 0
        {
            *left -= 1;
            continue;
        }
        let rest = rests.get_mut(&key).and_then(VecDeque::pop_front).unwrap_or(Rest::SERVING);
        let mut labels = job.stamp.labels(target);
        labels.insert(label::SLOT.to_owned(), slot.to_string());
        let spec = UnitSpec {
            group,
            region,
            image: target.image.clone(),
            config: shape.config.clone(),
            secrets_version: target.secrets.version,
        };
        sets.incoming.push(Incoming {
            who: Who::Slot(slot),
            spec,
            proof: shape.proof.clone(),
            open: !rest.cordoned,
            run: !rest.stopped,
            prove: !rest.stopped || proven.insert(key),
            answers: true,
            either: false,
            labels,
        });
    }
    sets
}

/// How the units of each group and region rested, those that served first: new slots take it over in this order.
fn found_at_rest(job: Job<'_>) -> BTreeMap<(GroupName, RegionName), VecDeque<Rest>> {
    let mut rests: BTreeMap<_, VecDeque<Rest>> = BTreeMap::new();
    for UnitRecord { unit, .. } in &job.snapshot.units {
        rests.entry((unit.group.clone(), unit.region.clone())).or_default().push_back(Rest::of(unit));
    }
    rests.values_mut().for_each(|rests| rests.make_contiguous().sort());
    rests
}

/// What leaves is destroyed only when the snapshot does not know it.
pub(super) fn is_destroyed(job: Job<'_>, unit: &Unit) -> bool {
    !job.snapshot.all().any(|record| record.unit.id == unit.id)
}

fn wanted(target: &ComponentTarget, key: &(GroupName, RegionName)) -> u32 {
    target.groups.get(&key.0).and_then(|group| group.counts.get(&key.1)).copied().unwrap_or(0)
}

fn back(job: Job<'_>, fleet: &Fleet, begun: &dyn Fn(&UnitId) -> bool) -> Sets {
    let mut sets = Sets::default();
    for record in &job.snapshot.units {
        let (proof, answers) = asked_again(job.target, record);
        let either = matches!(record.unit.state, UnitState::Failed | UnitState::Unknown);
        let spec = UnitSpec {
            group: record.unit.group.clone(),
            region: record.unit.region.clone(),
            image: record.image.clone(),
            config: record.unit.config.clone(),
            secrets_version: job.target.secrets.version,
        };
        let open = !record.unit.cordoned;
        match fleet.unit(&record.unit.id) {
            Some(unit) if (is_same(unit, record) && !begun(&unit.id)) || cfg!(feature = "sabotage-p6") => {
                let who = Who::Unit(unit.id.clone());
                let labels = record.unit.labels.clone();
                let run = record.ran();
                sets.incoming.push(Incoming {
                    who,
                    spec,
                    proof,
                    open,
                    run,
                    prove: run,
                    answers,
                    either,
                    labels,
                });
            }
            Some(unit) => {
                let want = Want {
                    unit: unit.id.clone(),
                    spec,
                    proof,
                    open,
                    run: record.ran(),
                    prove: record.ran(),
                    labels: undo(unit, &record.unit.labels),
                };
                sets.in_place.push(want);
            }
            None => {
                // It is what the lost one was, labels too, so that whoever made that one can still undo it.
                let mut labels = record.unit.labels.clone();
                labels.insert(label::RESTORES.to_owned(), restores(job, &record.unit.id));
                sets.incoming.push(Incoming {
                    who: Who::InsteadOf(record.unit.id.clone()),
                    spec,
                    proof,
                    open,
                    run: record.ran(),
                    prove: record.ran(),
                    answers,
                    either,
                    labels,
                });
            }
        }
    }
    if !sets.in_place.is_empty() {
        let out: Vec<Incoming>;
        (out, sets.incoming) = sets.incoming.into_iter().partition(|one| is_out(fleet, one));
        let back = out.into_iter().filter_map(put_back);
        sets.in_place.splice(0..0, back);
    }
    // What serves is touched last: a unit that is out of traffic or broken costs nobody anything (P7).
    sets.in_place.sort_by_key(|want| {
        fleet.unit(&want.unit).is_some_and(|unit| !unit.cordoned && unit.state == UnitState::Started)
    });
    sets.outgoing =
        fleet.units.iter().filter(|unit| must_leave(job, unit)).map(|unit| unit.id.clone()).collect();
    sets
}

/// Whether a unit that is as it was found was only taken out of traffic. It goes back into traffic before another is
/// taken out to be changed back (P7).
fn is_out(fleet: &Fleet, one: &Incoming) -> bool {
    let Who::Unit(id) = &one.who else { return false };
    let is_idle = |unit: &Unit| unit.cordoned && unit.state == UnitState::Started;
    one.open && one.run && fleet.unit(id).is_some_and(is_idle)
}

/// The turn of a unit that only goes back into traffic; its labels are put right at rest.
fn put_back(one: Incoming) -> Option<Want> {
    let Who::Unit(unit) = one.who else { return None };
    let Incoming { spec, proof, open, run, prove, .. } = one;
    Some(Want { unit, spec, proof, open, run, prove, labels: BTreeMap::new() })
}

/// On the way back: what this promotion made, and what it took out of the parked fleet.
fn must_leave(job: Job<'_>, unit: &Unit) -> bool {
    if job.snapshot.units.iter().any(|record| record.unit.id == unit.id) {
        return false;
    }
    if let Some(record) = job.snapshot.parked.iter().find(|record| record.unit.id == unit.id) {
        return unit.labels != record.unit.labels
            || (unit.cordoned, unit.state) != (record.unit.cordoned, record.unit.state);
    }
    let stands_in_for = |promotion: &PromotionId| {
        unit.label(label::RESTORES).is_some_and(|key| key.starts_with(&format!("{promotion}/")))
    };
    let is_made =
        is_ours(job, unit) || cfg!(feature = "sabotage-p10") || job.undone.is_some_and(stands_in_for);
    is_made && !stands_in_for(&job.stamp.promotion)
}

/// Content and configuration are as recorded.
pub(super) fn is_same(unit: &Unit, record: &UnitRecord) -> bool {
    unit.digest == record.unit.digest && unit.config == record.unit.config
}

/// What makes `unit`'s labels these again.
pub(super) fn undo(unit: &Unit, labels: &BTreeMap<String, String>) -> BTreeMap<String, Option<String>> {
    let mut labels: BTreeMap<String, Option<String>> =
        labels.iter().map(|(key, value)| (key.clone(), Some(value.clone()))).collect();
    for key in unit.labels.keys() {
        labels.entry(key.clone()).or_insert(None);
    }
    labels
}

/// What a unit must prove on the way back, and whether it may be asked to answer: no more than when it was found (P5).
/// Who was healthy then is proven healthy again; of the others the state is enough.
fn asked_again(target: &ComponentTarget, record: &UnitRecord) -> (Proof, bool) {
    let proof = proof_of(target, record);
    if was_healthy(&record.unit, &proof) { (proof, true) } else { (Proof::Served, false) }
}

/// What proves the old release healthy: its own checks where it reported any, else what proves the new one.
fn proof_of(target: &ComponentTarget, record: &UnitRecord) -> Proof {
    let names: BTreeSet<String> = record.unit.checks.iter().map(|check| check.name.clone()).collect();
    match target.groups.get(&record.unit.group).map(|group| &group.proof) {
        Some(proof @ (Proof::Served | Proof::StartedFor(_))) => proof.clone(),
        _ if !names.is_empty() => Proof::Checks(names),
        Some(proof) => proof.clone(),
        None => Proof::StartedFor(target.limits.settle),
    }
}
