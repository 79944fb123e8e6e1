//! What happens to units in traffic without the engine: whoever routes puts them to sleep and wakes them.

use std::collections::BTreeMap;

use super::manners::Manners;
use super::provider::{Kept, Provider, lock};
use crate::model::{At, Nap, Place, UnitId, UnitState};

/// What happens to units in traffic without the engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Happens {
    /// Nobody asks for anything: whoever routes puts them to sleep.
    Idle,
    /// Requests come and wake those that a request wakes.
    Asked,
    /// They end: by themselves, or stopped by somebody.
    Ended,
    /// Their checks do not pass any more, until they are updated.
    Sickens,
    /// Their checks pass again.
    Recovers,
}

impl Provider {
    /// At the looks with these numbers (counted from 0 over all) `what` happens to every unit in traffic.
    pub fn happens_at(&self, looks: impl IntoIterator<Item = u64>, what: Happens) {
        lock(&self.books).happens.extend(looks.into_iter().map(|look| (look, what)));
    }

    /// `what` happens to every unit in traffic.
    pub fn happens(&self, what: Happens) {
        self.settle();
        let (manners, now) = (self.manners(), self.clock.now());
        for kept in lock(&self.books).units.values_mut().flat_map(BTreeMap::values_mut) {
            kept.happens(what, &manners, now);
        }
    }

    /// `what` happens to this unit, where it is in traffic.
    pub fn happens_to(&self, unit: &UnitId, what: Happens) {
        let (manners, now) = (self.manners(), self.clock.now());
        for kept in lock(&self.books).units.values_mut().filter_map(|units| units.get_mut(unit)) {
            kept.happens(what, &manners, now);
        }
    }

    /// A request wakes a unit that sleeps, as whoever routes does it, under whosever lease.
    pub fn wake(&self, place: &Place, unit: &UnitId) {
        let (now, boot) = (self.clock.now(), self.manners().boot);
        let mut books = lock(&self.books);
        if let Some(kept) = books.units.get_mut(place).and_then(|units| units.get_mut(unit))
            && kept.unit.state == UnitState::Stopped
        {
            kept.unit.state = UnitState::Starting;
            kept.unit.version_since = Some(now);
            kept.unit.checks.clear();
            kept.ready_at = now.plus(boot);
        }
    }
}

impl Kept {
    pub(super) fn happens(&mut self, what: Happens, manners: &Manners, now: At) {
        match (what, self.unit.state) {
            _ if self.unit.cordoned => {}
            (Happens::Sickens | Happens::Recovers, _) => self.ill = what == Happens::Sickens,
            (Happens::Idle, UnitState::Started) => {
                (self.unit.state, self.unit.nap) = (UnitState::Stopped, Some(Nap::Asleep(now)));
            }
            (Happens::Asked, UnitState::Stopped) if self.unit.wakes => {
                self.start(manners, now);
                self.unit.nap = Some(Nap::Woken(now));
            }
            (Happens::Ended, UnitState::Started | UnitState::Stopped) => {
                (self.unit.state, self.unit.nap) = (UnitState::Stopped, None);
            }
            (Happens::Idle | Happens::Asked | Happens::Ended, _) => {}
        }
    }
}
