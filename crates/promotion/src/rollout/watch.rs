//! Units that were proven and serve since (P12): they may seem unhealthy for a moment, and whoever routes may put them to
//! sleep and wake them again.

use std::collections::BTreeMap;

use super::health::{Expected, Health, differs, health};
use super::progress::Progress;
use super::role::Role;
use crate::model::{At, Limits, Unit, UnitId, UnitState, UnitVersion};

/// What is known of units that serve, from one look that reads a fleet back to the next.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Watched {
    /// The versions that the rollout gave.
    pub versions: BTreeMap<UnitId, UnitVersion>,
    /// Who was seen unhealthy and not healthy since; since when.
    pub sick: BTreeMap<UnitId, At>,
}

impl Watched {
    /// What the rollout with this progress left behind. Patience counts from now.
    pub fn after(progress: &Progress, now: At) -> Self {
        let sick = progress.sick.keys().map(|unit| (unit.clone(), now)).collect();
        Self { versions: progress.versions.clone(), sick }
    }
}

/// What is wrong with a unit that served.
#[derive(Debug)]
pub(super) struct Ill {
    pub(super) why: String,
    /// For longer than it may be.
    pub(super) is_over: bool,
    /// A request wakes it, or woke it: it has as long as any unit has to come up.
    pub(super) is_waking: bool,
}

/// Judges a unit that was proven and serves. Asleep is as well as proven, but for one that was seen unhealthy since: that
/// one has to be woken and to show that it is well. A unit without a proof does not become healthy by sleeping.
pub(super) fn watch(
    sick: &mut BTreeMap<UnitId, At>,
    unit: &Unit,
    role: &Role<'_>,
    expected: Expected<'_>,
    limits: &Limits,
    now: At,
) -> Result<(), Ill> {
    let sleeps = role.open && unit.is_asleep() && unit.wakes && differs(unit, expected).is_none();
    // Somebody stopped what was found at rest: it rests again.
    if role.duty.sleeps() && unit.state == UnitState::Stopped && !unit.is_asleep() {
        sick.remove(&unit.id);
        return Ok(());
    }
    let why = match health(unit, expected, now) {
        _ if sleeps && !sick.contains_key(&unit.id) => return Ok(()),
        Health::Healthy => {
            sick.remove(&unit.id);
            return Ok(());
        }
        _ if sleeps => format!("unit {} was seen unhealthy, and sleeps", unit.id),
        Health::NotYet(why) | Health::Broken(why) => why,
    };
    let age = now.since(*sick.entry(unit.id.clone()).or_insert(now));
    // Who rests may be started by anybody, and has then the same time to come up.
    let is_started = role.duty.sleeps() && unit.state != UnitState::Failed;
    let is_woken = is_started || unit.woken().is_some_and(|since| now.since(since) < limits.wait);
    let is_waking = (sleeps || is_woken) && age < limits.wait;
    Err(Ill { why, is_over: age >= limits.unhealthy && !is_waking, is_waking })
}

/// Whether `unit` has to be well: it runs at rest, or it rests in traffic and a request woke it.
pub(super) fn must_be_well(unit: &Unit, role: &Role<'_>, sick: &BTreeMap<UnitId, At>) -> bool {
    let is_up = matches!(unit.state, UnitState::Started | UnitState::Starting) || sick.contains_key(&unit.id);
    role.duty.runs() || role.duty.sleeps() && role.open && !unit.cordoned && is_up
}
