//! Reading back: is the fleet what it shall be? Asked before any final phase.

use super::call::{Job, Observed};
use super::health::{Expected, Health, health};
use super::next::single;
use super::sets::{found, is_ours, sets};
use crate::model::{At, Millis, UnitState};

/// Whether the fleet is the target: every slot filled once, healthy, by digest; nothing else in traffic.
pub fn arrived(job: Job<'_>, observed: &Observed, now: At) -> Result<(), String> {
    let sets = sets(job, &observed.fleet, None);
    single(job, observed)?;
    let mut serving = 0_usize;
    let in_traffic = |open: bool, unit: &crate::model::Unit| {
        if open && unit.cordoned { Err(format!("unit {} is out of traffic", unit.id)) } else { Ok(()) }
    };
    for one in &sets.incoming {
        let unit =
            *found(job, &observed.fleet, one).first().ok_or_else(|| format!("{:?} is missing", one.who))?;
        proven(unit, &one.proof, one.spec.image.digest(), now)?;
        in_traffic(one.open, unit)?;
        serving += 1;
    }
    for want in &sets.in_place {
        let unit = observed.fleet.unit(&want.unit).ok_or_else(|| format!("unit {} is gone", want.unit))?;
        if want.run {
            proven(unit, &want.proof, want.spec.image.digest(), now)?;
        } else if unit.digest.as_ref() != want.spec.image.digest() {
            return Err(format!("stopped unit {} has another digest", unit.id));
        }
        in_traffic(want.open, unit)?;
        serving += 1;
    }
    if let Some(unit) = observed.fleet.live().find(|unit| unit.digest.as_ref() != job.target.digest()) {
        return Err(format!("unit {} still has another digest", unit.id));
    }
    if serving == 0 {
        return Err("no unit serves".to_owned());
    }
    Ok(())
}

fn proven(
    unit: &crate::model::Unit,
    proof: &crate::model::Proof,
    digest: Option<&flytypes::Digest>,
    now: At,
) -> Result<(), String> {
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
        let unit =
            *found(job, &observed.fleet, one).first().ok_or_else(|| format!("{:?} is missing", one.who))?;
        if one.run && unit.state != UnitState::Started {
            return Err(format!("unit {} ran before and does not now", unit.id));
        }
        if !one.run && unit.state == UnitState::Started {
            return Err(format!("unit {} did not run before and does now", unit.id));
        }
        if unit.cordoned == one.open {
            return Err(format!("unit {} has another cordon than before", unit.id));
        }
        if is_ours(job, unit) && unit.digest.as_ref() != one.spec.image.digest() {
            return Err(format!("unit {} has another digest than before", unit.id));
        }
    }
    Ok(())
}
