//! Incoming units are made or revived until all are healthy.

use std::collections::{BTreeMap, BTreeSet};

use super::call::{Direction, UnitCall, Verdict};
use super::health::{Expected, Health, health};
use super::next::Look;
use super::progress::{Mark, Stage, Turn};
use super::role::{Incoming, Role, Spot, Who, spot};
use crate::model::{At, Millis, Slot, Unit, UnitId, UnitState, label};

/// A start that shows no effect is sent again after this long.
pub(super) const START_AGAIN: Millis = Millis::secs(3);

/// Per group and region.
type Primaries<'i> = BTreeMap<Spot<'i>, Option<BTreeSet<UnitId>>>;

impl Look<'_> {
    pub(super) fn fill(&mut self) -> Verdict {
        let mut missing = None;
        let mut begun = self.progress.since;
        let incoming = std::mem::take(&mut self.sets.incoming);
        let primaries = self.primaries(&incoming);
        for one in &incoming {
            let units = self.seen.found(one);
            self.destroy_duplicates(&units);
            match units.first() {
                None => missing = Some(self.create(one, &primaries)),
                Some(unit) => match self.bring_up(one, unit) {
                    Health::Healthy => {}
                    Health::NotYet(why) => {
                        // Of many, the last is made long after the first (fly.md 1.8): each has its own time.
                        begun = begun.max(unit.version_since.unwrap_or(begun).min(self.now));
                        missing = Some(why);
                    }
                    // What did not come up on the way back is started again, for as long as there is patience.
                    Health::Broken(why) if self.job.direction == Direction::Back => missing = Some(why),
                    Health::Broken(why) => return Verdict::Failed(why),
                },
            }
        }
        self.sets.incoming = incoming;
        match missing {
            None => self.go(Stage::Opening),
            Some(why) if self.late_since(begun) => {
                Verdict::Failed(format!("not healthy within {}: {why}", self.job.target.limits.wait))
            }
            Some(why) => Verdict::Going { why, wake: Some(begun.plus(self.job.target.limits.wait)) },
        }
    }

    /// Sends a create, unless one whose answer was lost may still land (P3).
    fn create(&mut self, one: &Incoming<'_>, primaries: &Primaries<'_>) -> String {
        let slot = match &one.who {
            Who::Slot(slot) => slot.clone(),
            Who::InsteadOf(gone) => match Slot::new(format!("restore/{gone}")) {
                Ok(slot) => slot,
                Err(error) => return error.to_string(),
            },
            Who::Unit(gone) => return format!("unit {gone} is gone"),
        };
        if let Some(lost) = self.progress.lost_create
            && self.now < lost.plus(self.job.target.limits.unseen())
            && !cfg!(feature = "sabotage-p3")
        {
            return format!("the answer to a create was lost: {slot} may still appear");
        }
        let mut spec = one.role.shape.spec(&self.seen);
        if matches!(one.who, Who::Slot(_)) && !spec.standby_for.is_empty() {
            match self.stands_by_for(one, primaries) {
                Some(new) => spec.standby_for = new,
                None => return format!("{slot} stands by for units that are not there yet"),
            }
        }
        let is_lost = |of: &UnitId| self.seen.live(of).is_some() && self.seen.unit(of).is_none();
        if matches!(one.who, Who::InsteadOf(_)) && spec.standby_for.iter().any(is_lost) {
            return format!("{slot} stands by for units that are not there yet");
        }
        let mut labels = one.role.labels.whole();
        if matches!(one.who, Who::Slot(_)) {
            labels.insert(label::SLOT.to_owned(), slot.to_string());
        }
        self.calls.push(UnitCall::Create { slot: slot.clone(), spec, labels, open: false });
        format!("creating {slot}")
    }

    /// The units for which others may stand by, per group and region; none where one is still missing.
    fn primaries<'i>(&self, incoming: &'i [Incoming<'_>]) -> Primaries<'i> {
        let mut primaries = Primaries::new();
        if incoming.iter().all(|one| one.role.shape.standby_for.is_empty()) {
            return primaries;
        }
        for one in incoming.iter().filter(|one| one.role.shape.standby_for.is_empty()) {
            let first = self.seen.found(one).first().map(|unit| unit.id.clone());
            let ids = primaries.entry(one.role.shape.place()).or_insert_with(|| Some(BTreeSet::new()));
            match (ids.as_mut(), first) {
                (Some(ids), Some(first)) => drop(ids.insert(first)),
                _ => *ids = None,
            }
        }
        primaries
    }

    /// The new units in the place of those for which the old one stood by.
    fn stands_by_for(&self, one: &Incoming<'_>, primaries: &Primaries<'_>) -> Option<BTreeSet<UnitId>> {
        let mut ids = BTreeSet::new();
        for old in one.role.shape.standby_for {
            let Some(record) = self.seen.live(old) else { continue };
            match primaries.get(&spot(&record.unit)) {
                Some(Some(new)) => ids.extend(new.iter().cloned()),
                // Its group or region is gone, or not everybody is there.
                Some(None) => return None,
                None => {}
            }
        }
        Some(ids)
    }

    fn bring_up(&mut self, one: &Incoming<'_>, unit: &Unit) -> Health {
        if !one.role.duty.runs() {
            return self.lay_down(one, unit);
        }
        if self.sleeps_as_found(one, unit) {
            return Health::Healthy;
        }
        let acted = self.progress.marks.get(&unit.id).and_then(|mark| mark.tried_at);
        let is_down = match unit.state {
            UnitState::Stopped => matches!(one.who, Who::Unit(_)) || unit.is_asleep(),
            UnitState::Failed => self.job.direction == Direction::Back,
            _ => false,
        };
        if is_down {
            if acted.is_none_or(|at| self.now.since(at) >= START_AGAIN) {
                self.calls.push(UnitCall::Start { unit: unit.id.clone() });
                let tries = self.progress.marks.get(&unit.id).map_or(0, |mark| mark.tries) + 1;
                let mark = Mark {
                    turn: Turn::Updating,
                    since: self.now,
                    tries,
                    tried_at: Some(self.now),
                    unsent: false,
                };
                self.progress.marks.insert(unit.id.clone(), mark);
            }
            let why = match unit.state {
                UnitState::Failed => format!("unit {} failed to start and is started again", unit.id),
                _ => format!("starting {}", unit.id),
            };
            return Health::NotYet(why);
        }
        self.judge(&one.role, unit, acted.unwrap_or(self.progress.since))
    }

    /// On the way back: whether `unit` only fell asleep since it was found, in traffic, and nobody answers in its place, so
    /// that the next request wakes it.
    pub(super) fn sleeps_as_found(&self, one: &Incoming<'_>, unit: &Unit) -> bool {
        let answers = |other: &&Unit| !other.cordoned && spot(other) == spot(unit);
        self.job.direction == Direction::Back
            && one.role.open
            && unit.is_asleep()
            && unit.awaits_request()
            && !self.outgoing_units().iter().any(answers)
    }

    /// A unit that shall not run at rest. On the way there it was started by being made: one is proven, all are stopped.
    /// On the way back nothing is asked of it here.
    fn lay_down(&mut self, one: &Incoming<'_>, unit: &Unit) -> Health {
        if self.job.direction == Direction::Back {
            return Health::Healthy;
        }
        let is_proven = self.progress.marks.get(&unit.id).is_some_and(|mark| mark.turn == Turn::Through)
            || !one.role.duty.proves();
        if !is_proven {
            match self.judge(&one.role, unit, self.progress.since) {
                Health::Healthy => {}
                not_healthy => return not_healthy,
            }
            let mark = Mark { turn: Turn::Through, since: self.now, tries: 0, tried_at: None, unsent: false };
            self.progress.marks.insert(unit.id.clone(), mark);
        }
        match unit.state {
            UnitState::Stopped => Health::Healthy,
            UnitState::Failed => Health::Broken(format!("unit {} failed to start", unit.id)),
            // In traffic and asleep: who runs now was woken by a request.
            UnitState::Started if !unit.cordoned => Health::Healthy,
            UnitState::Started => {
                self.calls.push(UnitCall::Stop { unit: unit.id.clone() });
                Health::NotYet(format!("stopping {} again, as it was found", unit.id))
            }
            UnitState::Starting | UnitState::Stopping | UnitState::Unknown | UnitState::Destroyed => {
                Health::NotYet(format!("unit {} shall be stopped", unit.id))
            }
        }
    }

    pub(super) fn judge(&self, role: &Role<'_>, unit: &Unit, acted: At) -> Health {
        let Some(digest) = role.shape.image.digest() else {
            return Health::Broken(format!("the image of {} has no digest", unit.id));
        };
        let limits = &self.job.target.limits;
        let (proof, grace, running) = (&role.proof, limits.unhealthy, self.progress.running(unit));
        let expected = Expected { digest, version: None, proof, acted, grace, running };
        health(unit, expected, self.now)
    }

    pub(super) fn destroy_duplicates(&mut self, units: &[&Unit]) {
        if cfg!(feature = "sabotage-p3") {
            return;
        }
        for unit in units.iter().skip(1) {
            self.calls.push(UnitCall::Destroy { unit: unit.id.clone() });
        }
    }
}
