//! Which units come in, which change in place, and which go.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::rc::Rc;

use super::call::{Direction, Job};
use super::health::was_healthy;
use super::progress::{Progress, Stage};
use super::role::{Duty, Incoming, Labels, NOBODY, Rest, Role, Shape, Spot, Want, Who, spot};
use super::seen::{Seen, is_ours, restores};
use super::waves::{Scope, Waves};
use crate::model::{
    ComponentTarget, PromotionId, Proof, Strategy, Unit, UnitId, UnitRecord, UnitState, label,
};

/// The three sets.
#[derive(Debug, Default)]
pub(super) struct Sets<'a> {
    pub(super) in_place: Vec<Want<'a>>,
    pub(super) incoming: Vec<Incoming<'a>>,
    pub(super) outgoing: Vec<&'a UnitId>,
    /// Units to be put back whose host does not answer now.
    pub(super) away: Vec<&'a UnitId>,
}

/// Which units of `scope` come in, change in place and go. A unit whose turn in place has begun stays in place until
/// that stage is over, also when it already is what it shall become: it still has to come up and take traffic.
pub(super) fn sets<'a>(
    job: Job<'a>,
    seen: &Seen<'a>,
    waves: &Waves<'a>,
    scope: Scope,
    progress: Option<&Progress>,
) -> Sets<'a> {
    let begun = |unit: &UnitId| {
        progress.is_some_and(|progress| progress.stage == Stage::InPlace && progress.marks.contains_key(unit))
    };
    match job.direction {
        Direction::Forward => forward(job, waves, scope),
        Direction::Back => back(job, seen, &begun, progress),
    }
}

fn forward<'a>(job: Job<'a>, waves: &Waves<'a>, scope: Scope) -> Sets<'a> {
    let target = job.target;
    let fill = target.strategy == Strategy::BlueGreen || job.snapshot.units.is_empty();
    let mut sets = Sets::default();
    let stamp = Rc::new(job.stamp.labels(target));
    // Where one stopped unit is proven already: one per group and region is, the others are what that one is.
    let mut proven: BTreeSet<Spot<'_>> = BTreeSet::new();
    let mut duty = |rest: Rest, spot, standby_for: &BTreeSet<UnitId>| match rest.stopped {
        false => Duty::Serves,
        // Only the provider starts one that stands by.
        true if !standby_for.is_empty() => Duty::Rests,
        true if proven.insert(spot) => Duty::ProvenOnce,
        true => Duty::Rests,
    };
    let mut kept: BTreeMap<Spot<'_>, u32> = BTreeMap::new();
    let is_meant = |record: &&UnitRecord| waves.holds(scope, &record.unit.region);
    for record in job.snapshot.units.iter().filter(is_meant) {
        let spot = spot(&record.unit);
        let room = wanted(target, spot) > kept.get(&spot).copied().unwrap_or(0);
        match target.groups.get(&record.unit.group) {
            Some(group) if !fill && room => {
                *kept.entry(spot).or_default() += 1;
                let rest = Rest { cordoned: target.cordons(&record.unit), ..Rest::of(&record.unit) };
                let found = Shape::of(record, target.secrets.version);
                let config = target.config_of(&record.unit.id, group);
                let shape = Shape { image: &target.image, config, ..found };
                sets.in_place.push(Want {
                    unit: &record.unit.id,
                    role: Role {
                        shape,
                        proof: Cow::Borrowed(&group.proof),
                        open: !rest.cordoned,
                        duty: duty(rest, spot, &record.unit.standby_for),
                        labels: Labels::InPlace(stamp.clone()),
                    },
                    served: serves(&record.unit),
                });
            }
            _ => sets.outgoing.push(&record.unit.id),
        }
    }
    let mut rests = if fill { found_at_rest(job) } else { BTreeMap::new() };
    for (group, shape) in &target.groups {
        for (region, count) in &shape.counts {
            if !waves.holds(scope, region) {
                continue;
            }
            let spot = (group, region);
            // Who is left alone where others change in place is one of those that there shall be.
            let is_left = |unit: &&Unit| !fill && (&unit.group, &unit.region) == spot;
            let left = job.snapshot.away.iter().filter(is_left).count();
            let kept = kept.get(&spot).copied().unwrap_or(0);
            let there = kept.saturating_add(u32::try_from(left).unwrap_or(u32::MAX));
            for n in there..*count {
                let Some(slot) = ComponentTarget::slot(group, region, n) else { continue };
                let rest = rests.get_mut(&spot).and_then(VecDeque::pop_front);
                let (rest, standby_for, found) = rest.unwrap_or((Rest::SERVING, &NOBODY, None));
                sets.incoming.push(Incoming {
                    who: Who::Slot(slot),
                    role: Role {
                        shape: Shape {
                            group,
                            region,
                            image: &target.image,
                            config: found.map_or(&shape.config, |unit| target.config_of(unit, shape)),
                            secrets_version: target.secrets.version,
                            standby_for,
                        },
                        proof: Cow::Borrowed(&shape.proof),
                        open: !rest.cordoned,
                        duty: duty(rest, spot, standby_for),
                        labels: Labels::With(stamp.clone()),
                    },
                });
            }
        }
    }
    sets
}

/// Whether a request may come to `unit`: it runs in traffic, or sleeps there until one comes.
pub(super) fn serves(unit: &Unit) -> bool {
    unit.awaits_request() || !unit.cordoned && matches!(unit.state, UnitState::Started | UnitState::Starting)
}

/// How a unit rested, for whom it stood by, and which it was.
type Rested<'a> = (Rest, &'a BTreeSet<UnitId>, Option<&'a UnitId>);

/// How the units of each group and region rested, those that served first: new slots take it over in this order. One
/// that stood by and was started meanwhile is one that serves.
fn found_at_rest<'a>(job: Job<'a>) -> BTreeMap<Spot<'a>, VecDeque<Rested<'a>>> {
    let mut rests: BTreeMap<_, VecDeque<Rested<'_>>> = BTreeMap::new();
    for UnitRecord { unit, .. } in &job.snapshot.units {
        let rest = Rest { cordoned: job.target.cordons(unit), ..Rest::of(unit) };
        let standby_for = if rest.stopped { &unit.standby_for } else { &NOBODY };
        rests.entry(spot(unit)).or_default().push_back((rest, standby_for, Some(&unit.id)));
    }
    rests.values_mut().for_each(|rests| rests.make_contiguous().sort());
    rests
}

fn wanted(target: &ComponentTarget, (group, region): Spot<'_>) -> u32 {
    target.groups.get(group).and_then(|group| group.counts.get(region)).copied().unwrap_or(0)
}

fn back<'a>(
    job: Job<'a>,
    seen: &Seen<'a>,
    begun: &dyn Fn(&UnitId) -> bool,
    progress: Option<&Progress>,
) -> Sets<'a> {
    let mut sets = Sets::default();
    let is_given_up = |unit: &UnitId| progress.is_some_and(|progress| progress.is_given_up(unit));
    let mut replaced = Vec::new();
    for record in &job.snapshot.units {
        let role = found_role(job.target, record);
        match seen.unit(&record.unit.id) {
            // It may not be started where it stands: another one stands in, then it goes.
            Some(unit) if is_same(seen, unit, record) && is_given_up(&unit.id) => {
                replaced.push(&unit.id);
                sets.incoming.push(stand_in(job, record, role));
            }
            Some(unit)
                if (is_same(seen, unit, record) && !begun(&unit.id)) || cfg!(feature = "sabotage-p6") =>
            {
                sets.incoming.push(Incoming { who: Who::Unit(&record.unit.id), role });
            }
            Some(unit) if unit.is_away() => sets.away.push(&record.unit.id),
            Some(unit) => sets.in_place.push(Want { unit: &record.unit.id, served: serves(unit), role }),
            None => sets.incoming.push(stand_in(job, record, role)),
        }
    }
    if !sets.in_place.is_empty() {
        let out: Vec<Incoming<'_>>;
        (out, sets.incoming) = sets.incoming.into_iter().partition(|one| is_out(seen, one));
        let back = out.into_iter().filter_map(put_back);
        sets.in_place.splice(0..0, back);
    }
    // What serves is touched last: a unit that is out of traffic or broken costs nobody anything (P7).
    sets.in_place.sort_by_key(|want| {
        seen.unit(want.unit).is_some_and(|unit| !unit.cordoned && unit.state == UnitState::Started)
    });
    sets.outgoing =
        seen.fleet.units.iter().filter(|unit| must_leave(job, seen, unit)).map(|unit| &unit.id).collect();
    sets.outgoing.extend(replaced);
    sets
}

/// What is made in the place of a unit: it is what that one was, labels too, so that whoever made it can still undo it.
fn stand_in<'a>(job: Job<'a>, record: &'a UnitRecord, role: Role<'a>) -> Incoming<'a> {
    let mut labels = record.unit.labels.clone();
    labels.insert(label::RESTORES.to_owned(), restores(job, &record.unit.id));
    let who = Who::InsteadOf(&record.unit.id);
    Incoming { who, role: Role { labels: Labels::With(Rc::new(labels)), ..role } }
}

/// What a unit must be on the way back, and what is asked of it: no more than when it was found (P5). Who was healthy
/// then is proven healthy again; of the others the state is enough.
fn found_role<'a>(target: &ComponentTarget, record: &'a UnitRecord) -> Role<'a> {
    let proof = proof_of(target, record);
    let was_healthy = was_healthy(&record.unit, &proof);
    let duty = match record.unit.state {
        _ if record.ran() && was_healthy => Duty::Serves,
        _ if record.ran() => Duty::Runs,
        UnitState::Failed | UnitState::Unknown => Duty::Either,
        _ => Duty::Rests,
    };
    Role {
        shape: Shape::of(record, target.secrets.version),
        proof: Cow::Owned(if was_healthy { proof } else { Proof::Served }),
        open: !record.unit.cordoned,
        duty,
        labels: Labels::Exactly(&record.unit.labels),
    }
}

/// Whether a unit that is as it was found was only taken out of traffic: it runs, or sleeps until a request wakes it. It
/// goes back into traffic before another is taken out to be changed back (P7).
fn is_out(seen: &Seen<'_>, one: &Incoming<'_>) -> bool {
    let Who::Unit(id) = &one.who else { return false };
    let rests = if one.role.duty.runs() { UnitState::Started } else { UnitState::Stopped };
    let fell_asleep = |unit: &Unit| one.role.duty.runs() && unit.is_asleep();
    let is_idle = |unit: &Unit| unit.cordoned && (unit.state == rests || fell_asleep(unit));
    one.role.open && seen.unit(id).is_some_and(is_idle)
}

/// The turn of a unit that only goes back into traffic; its labels are put right at rest.
fn put_back(one: Incoming<'_>) -> Option<Want<'_>> {
    let Who::Unit(unit) = one.who else { return None };
    Some(Want { unit, role: Role { labels: Labels::Any, ..one.role }, served: false })
}

/// On the way back: what this promotion made, and what it took out of the parked fleet.
fn must_leave(job: Job<'_>, seen: &Seen<'_>, unit: &Unit) -> bool {
    if seen.live(&unit.id).is_some() {
        return false;
    }
    if let Some(record) = seen.parked(&unit.id) {
        // Nobody but the way back of a way back takes parked ones, and what a lost host hides is not ours to judge.
        if unit.is_away() && job.undone.is_none() {
            return false;
        }
        return unit.labels != record.unit.labels
            || (unit.cordoned, unit.state) != (record.unit.cordoned, record.unit.state);
    }
    let stands_in_for = |promotion: &PromotionId| {
        let key = unit.label(label::RESTORES).and_then(|key| key.strip_prefix(promotion.as_str()));
        key.is_some_and(|rest| rest.starts_with('/'))
    };
    let is_made =
        is_ours(job, unit) || cfg!(feature = "sabotage-p10") || job.undone.is_some_and(stands_in_for);
    is_made && !stands_in_for(&job.stamp.promotion)
}

/// Content and configuration are as recorded, and it stands by for the same units, or for what stands in for them.
fn is_same(seen: &Seen<'_>, unit: &Unit, record: &UnitRecord) -> bool {
    let (now, then) = (unit, &record.unit);
    let is_alike = now.digest == then.digest && now.config == then.config;
    is_alike && now.standby_for == *seen.stands_by(&then.standby_for)
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
