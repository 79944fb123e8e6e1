//! What remains is put as it shall be, and what was sent and not answered is waited for.

use super::call::{Direction, UnitCall, Verdict};
use super::next::{FIRST, Look};
use super::progress::Stage;
use super::role::Incoming;
use crate::model::{Unit, UnitState};

impl Look<'_> {
    /// What remains is put as it shall be; what was sent and not answered may land, and be hidden by an old list, for
    /// [`Limits::unseen`](crate::model::Limits::unseen).
    pub(super) fn rest(&mut self) -> Verdict {
        match self.job.direction {
            Direction::Back if self.is_disturbed() => {
                self.progress.marks.clear();
                return self.go(FIRST);
            }
            Direction::Back if cfg!(feature = "sabotage-p5") => {}
            Direction::Back => self.as_found(),
            Direction::Forward => self.as_wanted(),
        }
        for one in std::mem::take(&mut self.sets.incoming) {
            let units = self.seen.found(&one);
            self.destroy_duplicates(&units);
        }
        if let Some(id) = self.sets.away.first() {
            let why = format!("the host of unit {id} does not answer, so it cannot be put back");
            return if self.late() { Verdict::Failed(why) } else { Verdict::Going { why, wake: None } };
        }
        if !self.calls.is_empty() {
            if self.late() {
                return Verdict::Failed("the units do not come to rest".to_owned());
            }
            return self.going();
        }
        let unseen = self.job.target.limits.unseen();
        match self.progress.unsettled_until(&self.observed.fleet, unseen) {
            Some(wake) if self.now < wake && !cfg!(feature = "sabotage-p3") => Verdict::Going {
                why: "a call whose answer was lost may still land".to_owned(),
                wake: Some(wake),
            },
            _ => {
                self.go(Stage::Done);
                Verdict::Done
            }
        }
    }

    /// A call of the way there landed on the way back: it is undone like the others.
    fn is_disturbed(&self) -> bool {
        // One that fell asleep in traffic since it was proven is as it was found, until a request wakes it.
        let stopped = |(one, unit): &(&Incoming<'_>, &Unit)| {
            one.role.duty.runs() && unit.state == UnitState::Stopped && !unit.is_asleep()
        };
        !self.sets.in_place.is_empty()
            || !self.sets.outgoing.is_empty()
            || self.incoming_units().iter().any(stopped)
            || self.incoming_units().len() < self.sets.incoming.len()
    }

    /// Late calls of an earlier turn of a unit may have moved it once more.
    fn as_wanted(&mut self) {
        let in_place = self.sets.in_place.iter().filter_map(|want| {
            let unit = self.seen.unit(want.unit)?;
            Some((want.role.open, want.role.duty.runs(), unit))
        });
        let incoming =
            self.incoming_units().into_iter().map(|(one, unit)| (one.role.open, one.role.duty.runs(), unit));
        for (open, run, unit) in incoming.chain(in_place).collect::<Vec<_>>() {
            self.lay(open, !run, unit);
        }
        for unit in self.outgoing_units() {
            self.gate(false, unit);
            if is_up(unit) {
                self.calls.push(UnitCall::Stop { unit: unit.id.clone() });
            }
        }
    }

    fn as_found(&mut self) {
        let found = self.incoming_units().into_iter().map(|(one, unit)| {
            let labels = one.role.labels.put_right(unit);
            (one.role.open, one.role.duty.sleeps(), labels, unit)
        });
        for (open, asleep, labels, unit) in found.collect::<Vec<_>>() {
            self.lay(open, asleep, unit);
            if let Some(labels) = labels {
                self.calls.push(UnitCall::Tag { unit: unit.id.clone(), labels });
            }
        }
    }

    /// To rest: stopped while it is out of traffic, then into traffic or not. Who sleeps in traffic and runs now was
    /// woken by a request, which it answers (P7).
    fn lay(&mut self, open: bool, asleep: bool, unit: &Unit) {
        let is_woken = open && !unit.cordoned;
        if asleep && is_up(unit) && !is_woken {
            self.gate(false, unit);
            self.calls.push(UnitCall::Stop { unit: unit.id.clone() });
        } else {
            self.gate(open, unit);
        }
    }

    /// Into traffic or out of it.
    fn gate(&mut self, open: bool, unit: &Unit) {
        match (open, unit.cordoned) {
            (true, true) => self.calls.push(UnitCall::Uncordon { unit: unit.id.clone() }),
            (false, false) => self.calls.push(UnitCall::Cordon { unit: unit.id.clone() }),
            _ => {}
        }
    }
}

fn is_up(unit: &Unit) -> bool {
    matches!(unit.state, UnitState::Started | UnitState::Starting)
}
