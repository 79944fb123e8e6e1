//! Reading back: is the fleet what it shall be? Asked before any final phase.

use super::call::{Direction, Job, Observed};
use super::health::{Expected, Running};
use super::next::single;
use super::role::{Duty, Incoming, Role, Shape, Who};
use super::seen::{Seen, is_ours};
use super::sets::{Sets, sets};
use super::watch::{Watched, must_be_well, watch};
use super::waves::{Scope, Waves};
use crate::model::{At, Fleet, Millis, Unit, UnitId, UnitState, label};

fn all<'a>(job: Job<'a>, seen: &Seen<'a>) -> Sets<'a> {
    sets(job, seen, &Waves::new(job), Scope::All, None)
}

/// What keeps a fleet from being what it shall be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Amiss {
    /// What, for people.
    pub why: String,
    /// No more than that a request woke a unit which was proven and slept: it comes up, or is amiss soon.
    pub is_waking: bool,
}

impl From<String> for Amiss {
    fn from(why: String) -> Self {
        Self { why, is_waking: false }
    }
}

/// Whether the fleet is the target: every slot filled once, healthy, by digest; nothing else in traffic. A unit that was
/// proven on the way (the rollout is over, or there is nothing to read back) may have fallen asleep since; `watched` goes
/// from one look to the next.
pub fn arrived(job: Job<'_>, watched: &mut Watched, observed: &Observed, now: At) -> Result<(), Amiss> {
    let seen = Seen::new(job, &observed.fleet);
    let sets = all(job, &seen);
    single(job, observed)?;
    let mut units = Vec::new();
    for one in &sets.incoming {
        units.push((*seen.found(one).first().ok_or_else(|| missing(one))?, &one.role));
    }
    for want in &sets.in_place {
        let unit = seen.unit(want.unit).ok_or_else(|| format!("unit {} is gone", want.unit))?;
        units.push((unit, &want.role));
    }
    let mut waking = None;
    for (unit, role) in &units {
        match is_at_rest(job, unit, role, watched, now) {
            Err(amiss) if amiss.is_waking => waking = Some(amiss),
            at_rest => at_rest?,
        }
        stands_by(unit, &seen)?;
    }
    if let Some(unit) = observed.fleet.live().find(|unit| is_strange(job, &seen, unit)) {
        return Err(strange(unit).into());
    }
    let is_other = |unit: &&Unit| {
        let is_left = seen.was_away(&unit.id) && unit.is_away();
        !is_left && unit.digest.as_ref() != job.target.digest()
    };
    if let Some(unit) = observed.fleet.live().find(is_other) {
        let why = match seen.was_away(&unit.id) {
            true => format!(
                "unit {} came back from a host that did not answer, and has another digest: try again, now that it can \
                 be changed like the others",
                unit.id
            ),
            false => format!("unit {} still has another digest", unit.id),
        };
        return Err(why.into());
    }
    if units.is_empty() {
        return Err("there is no unit".to_owned().into());
    }
    waking.map_or(Ok(()), Err)
}

/// Whoever stands by, does so for units that serve.
fn stands_by(unit: &Unit, seen: &Seen<'_>) -> Result<(), String> {
    let is_gone = |of: &&UnitId| seen.unit(of).is_none_or(Unit::is_parked);
    match unit.standby_for.iter().find(is_gone) {
        Some(gone) => Err(format!("unit {} stands by for {gone}, which does not serve any more", unit.id)),
        None => Ok(()),
    }
}

/// The same on the way back: for those that it was found standing by for, or for what stands in for them. Of one that
/// was gone before nobody asks anything.
fn stands_by_again(unit: &Unit, role: &Role<'_>, seen: &Seen<'_>) -> Result<(), String> {
    if unit.standby_for == *seen.stands_by(role.shape.standby_for) {
        return Ok(());
    }
    Err(format!("unit {} stands by for others than before", unit.id))
}

fn missing(one: &Incoming<'_>) -> String {
    match &one.who {
        Who::Slot(slot) => format!("there is no unit in slot {slot}"),
        Who::Unit(id) => format!("unit {id} is gone"),
        Who::InsteadOf(gone) => format!("unit {gone} is gone, and no other stands in for it"),
    }
}

/// Neither found nor made by this promotion: somebody else is at work at this place (P2).
fn is_strange(job: Job<'_>, seen: &Seen<'_>, unit: &Unit) -> bool {
    !seen.was_found(&unit.id) && !is_ours(job, unit) && !cfg!(feature = "sabotage-p2")
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
    let fleet = Fleet::default();
    let sets = all(job, &Seen::new(job, &fleet));
    let duties = sets.incoming.iter().map(|one| one.role.duty);
    let duties = duties.chain(sets.in_place.iter().map(|want| want.role.duty));
    let n = duties.filter(|duty| job.direction == Direction::Forward && *duty == Duty::Rests).count();
    let units = if n == 1 { "unit" } else { "units" };
    (n > 0).then(|| {
        format!("{}: {n} stopped {units} unproven, same digest and config", job.target.place.component)
    })
}

/// Whether `unit` is what it shall be: proven when it runs; at rest by content and configuration, which are those of one
/// that was proven, itself where it fell asleep.
fn is_at_rest(
    job: Job<'_>,
    unit: &Unit,
    role: &Role<'_>,
    watched: &mut Watched,
    now: At,
) -> Result<(), Amiss> {
    if !role.duty.runs() || role.open && unit.is_asleep() {
        same(unit, role.shape, "than the release")?;
    }
    // In traffic and asleep it may have been woken by a request.
    if !role.duty.runs() && unit.cordoned && unit.state != UnitState::Stopped {
        return Err(format!("unit {} shall be stopped", unit.id).into());
    }
    match (role.open, unit.cordoned) {
        (true, true) => return Err(format!("unit {} is out of traffic", unit.id).into()),
        (false, false) => return Err(format!("unit {} is in traffic", unit.id).into()),
        _ => {}
    }
    if must_be_well(unit, role, &watched.sick) { proven(job, unit, role, watched, now) } else { Ok(()) }
}

fn same(unit: &Unit, shape: Shape<'_>, than: &str) -> Result<(), String> {
    if unit.digest.as_ref() != shape.image.digest() {
        return Err(format!("unit {} has another digest {than}", unit.id));
    }
    if unit.config != *shape.config {
        return Err(format!("unit {} has another configuration {than}", unit.id));
    }
    Ok(())
}

fn proven(job: Job<'_>, unit: &Unit, role: &Role<'_>, watched: &mut Watched, now: At) -> Result<(), Amiss> {
    let Some(digest) = role.shape.image.digest() else {
        return Err("the image has no digest".to_owned().into());
    };
    // A unit that runs shows by its checks that it is healthy, one that fell asleep only by what was proven before.
    let version = watched.versions.get(&unit.id).filter(|_| unit.is_asleep());
    let (proof, acted, grace, running) = (&role.proof, At(0), Millis::ZERO, Running::Proven);
    let expected = Expected { digest, version, proof, acted, grace, running };
    let judged = watch(&mut watched.sick, unit, role, expected, &job.target.limits, now);
    judged.map_err(|ill| Amiss { why: ill.why, is_waking: ill.is_waking })
}

/// Whether the fleet is the snapshot again (P5): digests, configuration, counts, regions, cordons, labels, running or
/// stopped; machine ids and instance versions apart. Nor did anybody else put another image beside it (P6).
pub fn restored(job: Job<'_>, observed: &Observed) -> Result<(), String> {
    if cfg!(feature = "sabotage-p6") || cfg!(feature = "sabotage-p5") {
        return Ok(());
    }
    let seen = Seen::new(job, &observed.fleet);
    let sets = all(job, &seen);
    if let Some(id) = sets.outgoing.first() {
        return Err(format!("unit {id} is no part of what was found"));
    }
    if let Some(want) = sets.in_place.first() {
        return Err(format!("unit {} has another image or configuration than before", want.unit));
    }
    if let Some(id) = sets.away.first() {
        return Err(format!("the host of unit {id} does not answer, and nobody knows what it is"));
    }
    for one in &sets.incoming {
        let unit = *seen.found(one).first().ok_or_else(|| missing(one))?;
        let role = &one.role;
        let naps = role.open && (unit.is_asleep() || unit.woken().is_some());
        // Who kept ending when it was found keeps coming up.
        let comes_up = role.duty == Duty::Runs && unit.state == UnitState::Starting;
        if role.duty.runs() && unit.state != UnitState::Started && !naps && !comes_up {
            return Err(format!("unit {} ran before and does not now", unit.id));
        }
        // In traffic and asleep it may have been woken by a request.
        if role.duty.sleeps() && unit.state == UnitState::Started && unit.cordoned {
            return Err(format!("unit {} did not run before and does now", unit.id));
        }
        if unit.cordoned == role.open {
            return Err(format!("unit {} has another cordon than before", unit.id));
        }
        same(unit, role.shape, "than before")?;
        stands_by_again(unit, role, &seen)?;
        if role.labels.put_right(unit).is_some() {
            return Err(format!("unit {} has other labels than before", unit.id));
        }
    }
    // What others made meanwhile is theirs to take away (P10); with an image of its own it leaves a mix behind (P6).
    let found = &job.snapshot.units;
    let is_found = |unit: &Unit| found.iter().any(|record| record.unit.digest == unit.digest);
    let mixes = |unit: &&Unit| unit.digest.is_some() && is_strange(job, &seen, unit) && !is_found(unit);
    let stranger = observed.fleet.live().find(mixes).filter(|_| !found.is_empty());
    stranger.map_or(Ok(()), |unit| Err(strange(unit)))
}
