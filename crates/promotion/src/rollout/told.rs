//! What a look must show since calls were accepted. One that does not is older than they are: nothing follows from it.
//!
//! A provider may answer a list from what it knew some time ago. An accepted call is not seen there at once, and what is
//! seen instead may be just what a promotion wants to see: a unit as it was found, before it was taken out of traffic.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::call::UnitCall;
use crate::model::{At, Fleet, Millis, Unit, UnitId, UnitState, UnitVersion};

/// What an accepted call made so of its unit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "kebab-case")]
pub enum Visible {
    /// It was made.
    There,
    /// It was ended.
    Gone,
    /// An update left this version behind.
    Left {
        /// Which.
        version: UnitVersion,
    },
    /// It was put into traffic or taken out of it.
    Cordoned {
        /// Out of it.
        cordoned: bool,
    },
    /// It was started or stopped.
    Running {
        /// Started.
        running: bool,
    },
    /// Its labels were written; none deletes.
    Labels {
        /// Label to value.
        labels: BTreeMap<String, Option<String>>,
    },
}

/// A call that was accepted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// When, at the latest.
    pub at: At,
    /// Which unit.
    pub unit: UnitId,
    /// What a look must show of it.
    pub visible: Visible,
}

impl Told {
    /// Whether a fleet that shows `unit` may be younger than this call. What a host that does not answer runs nobody
    /// can tell.
    fn is_shown(&self, unit: Option<&Unit>) -> bool {
        let Some(unit) = unit else { return self.visible != Visible::There };
        match &self.visible {
            Visible::There => true,
            Visible::Gone => unit.state == UnitState::Destroyed,
            _ if unit.is_away() => true,
            Visible::Left { version } => unit.version != *version,
            Visible::Cordoned { cordoned } => unit.cordoned == *cordoned,
            // Since then it may have been put to sleep by whoever routes.
            Visible::Running { running: true } => {
                unit.state != UnitState::Stopped || unit.slept().is_some_and(|since| since > self.at)
            }
            Visible::Running { running: false } => {
                !matches!(unit.state, UnitState::Started | UnitState::Starting)
            }
            Visible::Labels { labels } => {
                labels.iter().all(|(key, value)| unit.labels.get(key) == value.as_ref())
            }
        }
    }

    /// Whether anything is left of this call once `call` has been sent to a unit, too.
    fn outlives(&mut self, call: &UnitCall) -> bool {
        if call.unit() != Some(&self.unit) {
            return true;
        }
        match (call, &mut self.visible) {
            (UnitCall::Destroy { .. }, _)
            | (UnitCall::Cordon { .. } | UnitCall::Uncordon { .. }, Visible::Cordoned { .. })
            | (
                UnitCall::Start { .. } | UnitCall::Stop { .. } | UnitCall::Update { .. },
                Visible::Running { .. },
            ) => false,
            (
                UnitCall::Tag { labels, .. } | UnitCall::Update { labels, .. },
                Visible::Labels { labels: told },
            ) => {
                told.retain(|key, _| !labels.contains_key(key));
                !told.is_empty()
            }
            _ => true,
        }
    }
}

/// What `call` made so of which unit; `new` is the one that it made.
fn done(call: &UnitCall, new: Option<&UnitId>) -> Option<(UnitId, Visible)> {
    let visible = match call {
        UnitCall::Create { .. } => return Some((new?.clone(), Visible::There)),
        UnitCall::Update { expect, .. } => Visible::Left { version: expect.clone() },
        UnitCall::Start { .. } => Visible::Running { running: true },
        UnitCall::Stop { .. } => Visible::Running { running: false },
        UnitCall::Cordon { .. } => Visible::Cordoned { cordoned: true },
        UnitCall::Uncordon { .. } => Visible::Cordoned { cordoned: false },
        UnitCall::Destroy { .. } => Visible::Gone,
        UnitCall::Tag { labels, .. } => Visible::Labels { labels: labels.clone() },
        UnitCall::Lease { .. } | UnitCall::Unlease { .. } => return None,
    };
    Some((call.unit()?.clone(), visible))
}

/// Keeps in mind that `call` was accepted, and which unit it made.
pub(super) fn tell(told: &mut Vec<Told>, call: &UnitCall, new: Option<&UnitId>, at: At) {
    forget(told, call);
    told.extend(done(call, new).map(|(unit, visible)| Told { at, unit, visible }));
}

/// Forgets what is no more so where `call` took effect, or may have.
pub(super) fn forget(told: &mut Vec<Told>, call: &UnitCall) {
    told.retain_mut(|one| one.outlives(call));
}

/// By when the last call was accepted that put `unit` into traffic or took it out of it.
pub(super) fn accepted(told: &[Told], unit: &UnitId, cordoned: bool) -> Option<At> {
    let its = told.iter().filter(|one| one.unit == *unit && one.visible == Visible::Cordoned { cordoned });
    its.map(|one| one.at).max()
}

/// Until when a look that found `fleet` may be older than calls that were accepted; none where it shows them all, or
/// where no look is as old as that, so that what they did was undone.
pub(super) fn behind(told: &[Told], fleet: &Fleet, lag: Millis, now: At) -> Option<At> {
    let is_recent = |one: &&Told| now < one.at.plus(lag);
    let hidden = told.iter().filter(is_recent).filter(|one| !one.is_shown(fleet.unit(&one.unit)));
    hidden.map(|one| one.at.plus(lag)).max()
}
