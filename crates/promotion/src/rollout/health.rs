//! What healthy means (P12): state, version, digest, and every configured check, newer than the version.

use flytypes::Digest;

use crate::model::{At, CheckResult, Millis, Proof, Unit, UnitState, UnitVersion};

/// A judgement on one unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Health {
    /// Proven.
    Healthy,
    /// Not yet; what is missing.
    NotYet(String),
    /// It will not become healthy by waiting.
    Broken(String),
}

/// Since when a unit is seen running.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Running {
    /// It was proven once: what the provider says of it is enough.
    Proven,
    /// It is not seen running.
    Unseen,
    /// Since then, by our own clock.
    Since(At),
}

/// What a unit is measured against.
#[derive(Debug, Clone, Copy)]
pub struct Expected<'a> {
    /// The content it must run.
    pub digest: &'a Digest,
    /// The version our update made, where its answer arrived.
    pub version: Option<&'a UnitVersion>,
    /// What proves health.
    pub proof: &'a Proof,
    /// When we last told it to change; what it shows right after may still be old.
    pub acted: At,
    /// For how long it may be.
    pub grace: Millis,
    /// Where it must run for some time first: since when it is seen running. By the provider's clock alone a runner whose
    /// own is ahead would take it for proven too soon.
    pub running: Running,
}

/// Judges `unit`.
pub fn health(unit: &Unit, expected: Expected<'_>, now: At) -> Health {
    let late = now.since(expected.acted) > expected.grace;
    let soften = |why: String| if late { Health::Broken(why) } else { Health::NotYet(why) };
    match unit.state {
        UnitState::Started => {}
        UnitState::Failed => return Health::Broken(format!("unit {} failed to start", unit.id)),
        UnitState::Destroyed => return Health::Broken(format!("unit {} is gone", unit.id)),
        // It can be started again, which is what its turn does.
        UnitState::Stopped if unit.is_asleep() => {
            return Health::NotYet(format!("unit {} fell asleep before it was proven", unit.id));
        }
        UnitState::Stopped => return soften(format!("unit {} is stopped", unit.id)),
        UnitState::Starting | UnitState::Stopping | UnitState::Unknown => {
            return Health::NotYet(format!("unit {} is {}", unit.id, unit.state));
        }
    }
    match differs(unit, expected) {
        Some(why) => soften(why),
        None => proven(unit, expected.proof, expected.running, now),
    }
}

/// Why `unit` is not what is expected, by content and version.
pub(super) fn differs(unit: &Unit, expected: Expected<'_>) -> Option<String> {
    if unit.digest.as_ref() != Some(expected.digest) {
        let runs = unit.digest.as_ref().map_or("no known digest", Digest::short);
        return Some(format!("unit {} runs {runs} instead of {}", unit.id, expected.digest.short()));
    }
    let version = expected.version.filter(|version| unit.version != **version)?;
    Some(format!("unit {} went to version {} instead of {version}", unit.id, unit.version))
}

/// Whether `unit` was healthy when it was found: started, and what proves it had reported. For how long it had been up
/// nobody asks.
pub(super) fn was_healthy(unit: &Unit, proof: &Proof) -> bool {
    let proved = match proof {
        Proof::Served | Proof::StartedFor(_) => true,
        Proof::Checks(_) => proven(unit, proof, Running::Proven, At(i64::MAX)) == Health::Healthy,
    };
    unit.state == UnitState::Started && proved
}

/// Whether `unit` runs and nothing it reports says that it is unhealthy.
pub(super) fn seems_healthy(unit: &Unit) -> bool {
    unit.state == UnitState::Started && unit.checks.iter().all(|check| check.passing && fresh(check, unit))
}

fn proven(unit: &Unit, proof: &Proof, running: Running, now: At) -> Health {
    match proof {
        Proof::Served => Health::Healthy,
        Proof::StartedFor(time) => {
            let is_long = |since: At| now.since(since) >= *time;
            let is_seen = match running {
                Running::Proven => true,
                Running::Unseen => false,
                Running::Since(since) => is_long(since),
            };
            match unit.version_since {
                Some(since) if is_seen && is_long(since) => Health::Healthy,
                _ => Health::NotYet(format!("unit {} must run for {time}", unit.id)),
            }
        }
        Proof::Checks(_) if cfg!(feature = "sabotage-p12") => Health::Healthy,
        Proof::Checks(names) if names.is_empty() => {
            Health::Broken(format!("group {} has neither checks nor another proof", unit.group))
        }
        Proof::Checks(names) => {
            for name in names {
                match unit.checks.iter().find(|check| check.name == *name) {
                    Some(check) if fresh(check, unit) && check.passing => {}
                    Some(check) if fresh(check, unit) => {
                        return Health::NotYet(format!(
                            "unit {}: check {name} says: {}",
                            unit.id, check.output
                        ));
                    }
                    _ => {
                        return Health::NotYet(format!(
                            "unit {}: check {name} has not reported yet",
                            unit.id
                        ));
                    }
                }
            }
            Health::Healthy
        }
    }
}

fn fresh(check: &CheckResult, unit: &Unit) -> bool {
    check.at.is_some_and(|at| unit.version_since.is_none_or(|since| at >= since))
}
