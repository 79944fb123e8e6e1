//! Reading back: is the fleet what it shall be? Asked before any final phase.

use flytypes::Digest;

use super::call::{Direction, Job, Observed};
use super::health::{Expected, Health, health};
use super::next::single;
use super::sets::{Incoming, Who, found, is_ours, sets, undo};
use crate::model::{At, Fleet, Millis, Proof, Unit, UnitSpec, UnitState, label};

/// Whether the fleet is the target: every slot filled once, healthy, by digest; nothing else in traffic.
pub fn arrived(job: Job<'_>, observed: &Observed, now: At) -> Result<(), String> {
    let sets = sets(job, &observed.fleet, None);
    single(job, observed)?;
    let mut n_units = 0_usize;
    for one in &sets.incoming {
        let unit = *found(job, &observed.fleet, one).first().ok_or_else(|| missing(one))?;
        in_place_of(unit, &one.spec, one.run.then_some(&one.proof), one.open, now)?;
        n_units += 1;
    }
    for want in &sets.in_place {
        let unit = observed.fleet.unit(&want.unit).ok_or_else(|| format!("unit {} is gone", want.unit))?;
        in_place_of(unit, &want.spec, want.run.then_some(&want.proof), want.open, now)?;
        n_units += 1;
    }
    if let Some(unit) = observed.fleet.live().find(|unit| is_strange(job, unit)) {
        return Err(strange(unit));
    }
    if let Some(unit) = observed.fleet.live().find(|unit| unit.digest.as_ref() != job.target.digest()) {
        return Err(format!("unit {} still has another digest", unit.id));
    }
    if n_units == 0 {
        return Err("there is no unit".to_owned());
    }
    Ok(())
}

fn missing(one: &Incoming) -> String {
    match &one.who {
        Who::Slot(slot) => format!("there is no unit in slot {slot}"),
        Who::Unit(id) => format!("unit {id} is gone"),
        Who::InsteadOf(gone) => format!("unit {gone} is gone, and no other stands in for it"),
    }
}

/// Neither found nor made by this promotion: somebody else is at work at this place (P2).
fn is_strange(job: Job<'_>, unit: &Unit) -> bool {
    let was_found = job.snapshot.all().any(|record| record.unit.id == unit.id);
    !was_found && !is_ours(job, unit) && !cfg!(feature = "sabotage-p2")
}

fn strange(unit: &Unit) -> String {
    let maker = match (unit.label(label::PROMOTION), unit.label(label::STORE)) {
        (Some(promotion), Some(store)) => format!(" (promotion {promotion} of store {store} made it)"),
        _ => String::new(),
    };
    format!(
        "unit {} appeared meanwhile and is not of this promotion{maker}: let whoever made it finish or remove it, \
         then try again",
        unit.id
    )
}

/// How many units rest without having been started, for people: their proof is that of one in their group and region
/// (P12). None when there is no such unit.
pub fn unproven(job: Job<'_>) -> Option<String> {
    let sets = sets(job, &Fleet::default(), None);
    let rests = sets.incoming.iter().map(|one| (one.run, one.prove));
    let rests = rests.chain(sets.in_place.iter().map(|want| (want.run, want.prove)));
    let n = rests.filter(|(run, prove)| job.direction == Direction::Forward && !run && !prove).count();
    let units = if n == 1 { "unit" } else { "units" };
    (n > 0).then(|| {
        format!("{}: {n} stopped {units} unproven, same digest and config", job.target.place.component)
    })
}

/// Whether `unit` is what it shall be: proven when it runs; at rest by content and configuration, which are those of one
/// that was proven.
fn in_place_of(
    unit: &Unit,
    spec: &UnitSpec,
    proof: Option<&Proof>,
    open: bool,
    now: At,
) -> Result<(), String> {
    match proof {
        Some(proof) => proven(unit, proof, spec.image.digest(), now)?,
        None => {
            same(unit, spec, "than the release")?;
            // In traffic and asleep it may have been woken by a request.
            if unit.cordoned && unit.state != UnitState::Stopped {
                return Err(format!("unit {} shall be stopped", unit.id));
            }
        }
    }
    match (open, unit.cordoned) {
        (true, true) => Err(format!("unit {} is out of traffic", unit.id)),
        (false, false) => Err(format!("unit {} is in traffic", unit.id)),
        _ => Ok(()),
    }
}

fn same(unit: &Unit, spec: &UnitSpec, than: &str) -> Result<(), String> {
    if unit.digest.as_ref() != spec.image.digest() {
        return Err(format!("unit {} has another digest {than}", unit.id));
    }
    if unit.config != spec.config {
        return Err(format!("unit {} has another configuration {than}", unit.id));
    }
    Ok(())
}

fn proven(unit: &Unit, proof: &Proof, digest: Option<&Digest>, now: At) -> Result<(), String> {
    let Some(digest) = digest else { return Err("the image has no digest".to_owned()) };
    let expected = Expected { digest, version: None, proof, acted: At(0), grace: Millis::ZERO };
    match health(unit, expected, now) {
        Health::Healthy => Ok(()),
        Health::NotYet(why) | Health::Broken(why) => Err(why),
    }
}

/// Whether the fleet is the snapshot again (P5): digests, configuration, counts, regions, cordons, labels, running or
/// stopped; machine ids and instance versions apart.
pub fn restored(job: Job<'_>, observed: &Observed) -> Result<(), String> {
    if cfg!(feature = "sabotage-p6") || cfg!(feature = "sabotage-p5") {
        return Ok(());
    }
    let sets = sets(job, &observed.fleet, None);
    if let Some(id) = sets.outgoing.first() {
        return Err(format!("unit {id} is no part of what was found"));
    }
    if let Some(want) = sets.in_place.first() {
        return Err(format!("unit {} has another image or configuration than before", want.unit));
    }
    for one in &sets.incoming {
        let unit = *found(job, &observed.fleet, one).first().ok_or_else(|| missing(one))?;
        if one.run && unit.state != UnitState::Started {
            return Err(format!("unit {} ran before and does not now", unit.id));
        }
        // In traffic and asleep it may have been woken by a request.
        if !one.run && !one.either && unit.state == UnitState::Started && unit.cordoned {
            return Err(format!("unit {} did not run before and does now", unit.id));
        }
        if unit.cordoned == one.open {
            return Err(format!("unit {} has another cordon than before", unit.id));
        }
        same(unit, &one.spec, "than before")?;
        if undo(unit, &one.labels).iter().any(|(key, value)| unit.labels.get(key) != value.as_ref()) {
            return Err(format!("unit {} has other labels than before", unit.id));
        }
    }
    Ok(())
}
