//! The one function that decides units. Level-triggered: called after each look, and after a crash simply again.

use super::call::{Decision, Direction, Job, Observed, UnitCall, Verdict};
use super::health::{Expected, Health, health};
use super::in_place::{self, Looked};
use super::progress::{Mark, Progress, Stage, Turn};
use super::sets::{Incoming, Sets, Who, found, is_destroyed, is_ours, sets, undo};
use crate::model::{At, Millis, Slot, Unit, UnitId, UnitState, label};

/// A start that shows no effect is sent again after this long.
pub(super) const START_AGAIN: Millis = Millis::secs(3);

/// Stages that one look may go through: once around, and no circle without an end.
const STAGES_MAX: usize = 12;

/// Decides what to call now. Pure; the runner writes `progress` down before it makes the calls.
pub fn next(job: Job<'_>, observed: &Observed, progress: &Progress, now: At) -> Decision {
    let mut look = Look {
        job,
        observed,
        sets: sets(job, &observed.fleet, Some(progress)),
        progress: progress.clone(),
        calls: Vec::new(),
        ask_edges: false,
        is_entered: false,
        now,
    };
    let mut verdict = look.stage();
    let mut before = progress.stage;
    for _ in 0..STAGES_MAX {
        if look.progress.stage == before || matches!(verdict, Verdict::Failed(_)) {
            break;
        }
        before = look.progress.stage;
        verdict = look.stage();
    }
    Decision { calls: look.calls, progress: look.progress, verdict, ask_edges: look.ask_edges }
}

/// Where every rollout begins.
pub const FIRST: Stage = Stage::InPlace;

struct Look<'a> {
    job: Job<'a>,
    observed: &'a Observed,
    sets: Sets,
    progress: Progress,
    calls: Vec<UnitCall>,
    ask_edges: bool,
    /// The stage was entered in this very look.
    is_entered: bool,
    now: At,
}

impl<'a> Look<'a> {
    /// One stage; moves `progress.stage` on when the stage's goal is seen.
    fn stage(&mut self) -> Verdict {
        let guarded = self.progress.stage >= Stage::SettlingIn && self.job.direction == Direction::Forward;
        if guarded && let Some(why) = self.sick() {
            return Verdict::Failed(why);
        }
        match self.progress.stage {
            Stage::InPlace => self.in_place(),
            Stage::Filling => self.fill(),
            Stage::Opening => self.open(),
            Stage::SettlingIn => self.settle_in(),
            Stage::Closing => self.close(),
            Stage::SettlingOut => self.wait(self.settle(), Stage::Draining),
            Stage::Draining => self.drain(),
            Stage::Stopping => self.stop(),
            Stage::Leaving => self.leave(),
            Stage::Resting => self.rest(),
            Stage::Done => Verdict::Done,
        }
    }

    fn settle(&self) -> Millis {
        if cfg!(feature = "sabotage-p7") { Millis::ZERO } else { self.job.target.limits.settle }
    }

    fn go(&mut self, stage: Stage) -> Verdict {
        self.progress.go(stage, self.now);
        let timeout = self.job.target.limits.client_timeout;
        self.progress.late.retain(|late| self.now < late.at.plus(timeout));
        self.is_entered = true;
        self.sets = sets(self.job, &self.observed.fleet, Some(&self.progress));
        self.going()
    }

    /// Under way, as far as the stage's own words say it.
    fn going(&self) -> Verdict {
        Verdict::Going { why: self.title(), wake: None }
    }

    fn title(&self) -> String {
        self.progress.stage.title(self.job.direction).to_owned()
    }

    /// The units that go, in words.
    const fn leavers(&self) -> &'static str {
        match self.job.direction {
            Direction::Forward => "the old units",
            Direction::Back => "the new units",
        }
    }

    /// The units that come in, in words.
    const fn comers(&self) -> &'static str {
        match self.job.direction {
            Direction::Forward => "the new units",
            Direction::Back => "the old units",
        }
    }

    /// Whether the stage took too long; the time in which a lost create may still land is not its own.
    fn late(&self) -> bool {
        let limits = &self.job.target.limits;
        let landed = self.progress.lost_create.map(|lost| lost.plus(limits.client_timeout));
        let begun = landed.map_or(self.progress.since, |landed| landed.max(self.progress.since));
        self.now.since(begun) > limits.wait
    }

    fn wait(&mut self, time: Millis, then: Stage) -> Verdict {
        let wake = self.progress.since.plus(time);
        if self.now >= wake { self.go(then) } else { Verdict::Going { why: self.title(), wake: Some(wake) } }
    }

    fn in_place(&mut self) -> Verdict {
        let (job, wants, now) = (self.job, std::mem::take(&mut self.sets.in_place), self.now);
        let looked =
            in_place::look(job, &wants, &self.observed.fleet, &mut self.progress, &mut self.calls, now);
        self.sets.in_place = wants;
        match looked {
            Looked::Through => self.go(Stage::Filling),
            Looked::Going { why, wake } => Verdict::Going { why, wake },
            Looked::Failed(why) => Verdict::Failed(why),
        }
    }

    fn fill(&mut self) -> Verdict {
        let mut missing = None;
        let incoming = std::mem::take(&mut self.sets.incoming);
        for one in &incoming {
            let units = found(self.job, &self.observed.fleet, one);
            self.destroy_duplicates(&units);
            match units.first() {
                None => missing = Some(self.create(one)),
                Some(unit) => match self.bring_up(one, unit) {
                    Health::Healthy => {}
                    Health::NotYet(why) => missing = Some(why),
                    // What did not come up on the way back is started again, for as long as there is patience.
                    Health::Broken(why) if self.job.direction == Direction::Back => missing = Some(why),
                    Health::Broken(why) => return Verdict::Failed(why),
                },
            }
        }
        self.sets.incoming = incoming;
        match missing {
            None => self.go(Stage::Opening),
            Some(why) if self.late() => {
                Verdict::Failed(format!("not healthy within {}: {why}", self.job.target.limits.wait))
            }
            Some(why) => {
                Verdict::Going { why, wake: Some(self.progress.since.plus(self.job.target.limits.wait)) }
            }
        }
    }

    /// Sends a create, unless one whose answer was lost may still land (P3).
    fn create(&mut self, one: &Incoming) -> String {
        let slot = match &one.who {
            Who::Slot(slot) => slot.clone(),
            Who::InsteadOf(gone) => match Slot::new(format!("restore/{gone}")) {
                Ok(slot) => slot,
                Err(error) => return error.to_string(),
            },
            Who::Unit(gone) => return format!("unit {gone} is gone"),
        };
        if let Some(lost) = self.progress.lost_create
            && self.now < lost.plus(self.job.target.limits.client_timeout)
            && !cfg!(feature = "sabotage-p3")
        {
            return format!("the answer to a create was lost: {slot} may still appear");
        }
        self.calls.push(UnitCall::Create {
            slot: slot.clone(),
            spec: one.spec.clone(),
            labels: one.labels.clone(),
            open: false,
        });
        format!("creating {slot}")
    }

    fn bring_up(&mut self, one: &Incoming, unit: &Unit) -> Health {
        if !one.run {
            return self.lay_down(one, unit);
        }
        let acted = self.progress.marks.get(&unit.id).and_then(|mark| mark.tried_at);
        let is_down = match unit.state {
            UnitState::Stopped => matches!(one.who, Who::Unit(_)),
            UnitState::Failed => self.job.direction == Direction::Back,
            _ => false,
        };
        if is_down {
            if acted.is_none_or(|at| self.now.since(at) >= START_AGAIN) {
                if unit.is_parked() {
                    let labels = one
                        .labels
                        .iter()
                        .map(|(key, value)| (key.clone(), Some(value.clone())))
                        .chain([(label::PARKED_UNTIL.to_owned(), None), (label::PARKED_BY.to_owned(), None)])
                        .collect();
                    self.calls.push(UnitCall::Tag { unit: unit.id.clone(), labels });
                }
                self.calls.push(UnitCall::Start { unit: unit.id.clone() });
                let tries = self.progress.marks.get(&unit.id).map_or(0, |mark| mark.tries) + 1;
                let mark = Mark { turn: Turn::Updating, since: self.now, tries, tried_at: Some(self.now) };
                self.progress.marks.insert(unit.id.clone(), mark);
            }
            let why = match unit.state {
                UnitState::Failed => format!("unit {} failed to start and is started again", unit.id),
                _ => format!("starting {}", unit.id),
            };
            return Health::NotYet(why);
        }
        self.judge(one, unit, acted.unwrap_or(self.progress.since))
    }

    /// A unit that shall not run at rest. On the way there it was started by being made: one is proven, all are stopped.
    /// On the way back nothing is asked of it here.
    fn lay_down(&mut self, one: &Incoming, unit: &Unit) -> Health {
        if self.job.direction == Direction::Back {
            return Health::Healthy;
        }
        let is_proven =
            self.progress.marks.get(&unit.id).is_some_and(|mark| mark.turn == Turn::Through) || !one.prove;
        if !is_proven {
            match self.judge(one, unit, self.progress.since) {
                Health::Healthy => {}
                not_healthy => return not_healthy,
            }
            let mark = Mark { turn: Turn::Through, since: self.now, tries: 0, tried_at: None };
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

    fn judge(&self, one: &Incoming, unit: &Unit, acted: At) -> Health {
        let Some(digest) = one.spec.image.digest() else {
            return Health::Broken(format!("the image of {} has no digest", unit.id));
        };
        let limits = &self.job.target.limits;
        let expected = Expected { digest, version: None, proof: &one.proof, acted, grace: limits.unhealthy };
        health(unit, expected, self.now)
    }

    fn destroy_duplicates(&mut self, units: &[&Unit]) {
        if cfg!(feature = "sabotage-p3") {
            return;
        }
        for unit in units.iter().skip(1) {
            self.calls.push(UnitCall::Destroy { unit: unit.id.clone() });
        }
    }

    fn incoming_units(&self) -> Vec<(&Incoming, &'a Unit)> {
        let fleet = &self.observed.fleet;
        self.sets
            .incoming
            .iter()
            .filter_map(|one| found(self.job, fleet, one).first().map(|unit| (one, *unit)))
            .collect()
    }

    fn open(&mut self) -> Verdict {
        let closed: Vec<UnitId> = self
            .incoming_units()
            .into_iter()
            .filter(|(one, unit)| one.open && unit.cordoned && (one.run || unit.state == UnitState::Stopped))
            .map(|(_, unit)| unit.id.clone())
            .collect();
        if closed.is_empty() {
            return self.go(Stage::SettlingIn);
        }
        if self.late() {
            return Verdict::Failed(format!("{} of {} would not take traffic", closed.len(), self.comers()));
        }
        self.calls.extend(closed.into_iter().map(|unit| UnitCall::Uncordon { unit }));
        self.going()
    }

    fn settle_in(&mut self) -> Verdict {
        let opened: Vec<_> = self.incoming_units().into_iter().filter(|(one, _)| one.open).collect();
        if opened.is_empty() {
            return self.go(Stage::Closing);
        }
        let ids: Vec<&UnitId> =
            opened.iter().filter(|(one, _)| one.run && one.answers).map(|(_, unit)| &unit.id).collect();
        for answer in &self.observed.edges {
            if answer.unit.as_ref().is_some_and(|unit| ids.contains(&unit)) {
                self.progress.edges.insert(answer.edge.clone());
            }
        }
        let wake = self.progress.since.plus(self.settle());
        let asked = (!ids.is_empty()).then_some(&self.observed.all_edges);
        let silent: Vec<&String> =
            asked.into_iter().flat_map(|edges| edges.difference(&self.progress.edges)).collect();
        if self.now >= wake && (silent.is_empty() || self.settle() == Millis::ZERO) {
            return self.go(Stage::Closing);
        }
        self.ask_edges = !ids.is_empty();
        if self.late()
            && let Some(edge) = silent.first()
        {
            return Verdict::Failed(format!("edge {edge} does not answer from {}", self.comers()));
        }
        Verdict::Going { why: self.title(), wake: Some(wake) }
    }

    fn outgoing_units(&self) -> Vec<&'a Unit> {
        self.sets.outgoing.iter().filter_map(|id| self.observed.fleet.unit(id)).collect()
    }

    fn close(&mut self) -> Verdict {
        let open: Vec<UnitId> = self
            .outgoing_units()
            .into_iter()
            .filter(|unit| !unit.cordoned)
            .map(|unit| unit.id.clone())
            .collect();
        if open.is_empty() {
            // Cordoned before this stage began: no edge sends them anything, so there is nothing to wait for.
            let were_closed = self.is_entered;
            return self.go(if were_closed { Stage::Stopping } else { Stage::SettlingOut });
        }
        if self.late() {
            return Verdict::Failed(format!("{} of {} stay in traffic", open.len(), self.leavers()));
        }
        let timeout = self.job.target.limits.client_timeout;
        let incoming = self.incoming_units();
        let units = incoming.iter().map(|(_, unit)| &unit.id);
        if let Some(until) = self.progress.closes_until(units, &self.observed.fleet, timeout)
            && self.now < until
        {
            let why = format!("a call whose answer was lost may still close {}", self.comers());
            return Verdict::Going { why, wake: Some(until) };
        }
        if incoming.iter().any(|(one, unit)| one.open && one.run && unit.cordoned) {
            // One took effect meanwhile.
            return self.go(Stage::Opening);
        }
        if incoming.len() < self.sets.incoming.len() {
            return self.go(Stage::Filling);
        }
        if !self.progress.sick.is_empty() {
            let why = format!("{} are not healthy any more", self.comers());
            return Verdict::Going { why, wake: None };
        }
        self.calls.extend(open.into_iter().map(|unit| UnitCall::Cordon { unit }));
        self.going()
    }

    fn drain(&mut self) -> Verdict {
        let busy = self.outgoing_units().iter().any(|unit| unit.concurrency != Some(0));
        let time =
            if busy && !cfg!(feature = "sabotage-p7") { self.job.target.limits.drain } else { Millis::ZERO };
        self.wait(time, Stage::Stopping)
    }

    fn stop(&mut self) -> Verdict {
        let mut waiting = false;
        for unit in self.outgoing_units() {
            match unit.state {
                UnitState::Stopped | UnitState::Failed | UnitState::Destroyed => {}
                UnitState::Stopping => waiting = true,
                UnitState::Starting | UnitState::Started | UnitState::Unknown => {
                    waiting = true;
                    self.calls.push(UnitCall::Stop { unit: unit.id.clone() });
                }
            }
        }
        if !waiting {
            return self.go(Stage::Leaving);
        }
        if self.late() {
            return Verdict::Failed(format!("{} do not stop", self.leavers()));
        }
        self.going()
    }

    fn leave(&mut self) -> Verdict {
        let until = self.progress.since.plus(self.job.target.limits.park_for);
        let mut waiting = false;
        for unit in self.outgoing_units() {
            match self.job.direction {
                Direction::Forward if unit.is_parked() => continue,
                Direction::Forward => {
                    let labels = [
                        (label::PARKED_UNTIL.to_owned(), Some(until.to_string())),
                        (label::PARKED_BY.to_owned(), Some(self.job.stamp.promotion.to_string())),
                    ];
                    self.calls.push(UnitCall::Tag { unit: unit.id.clone(), labels: labels.into() });
                }
                Direction::Back if is_destroyed(self.job, unit) => {
                    self.calls.push(UnitCall::Destroy { unit: unit.id.clone() });
                }
                Direction::Back => {
                    let record = self.job.snapshot.parked.iter().find(|record| record.unit.id == unit.id);
                    let Some(record) = record else { continue };
                    self.calls.push(UnitCall::Tag {
                        unit: unit.id.clone(),
                        labels: undo(unit, &record.unit.labels),
                    });
                }
            }
            waiting = true;
        }
        if !waiting {
            return self.go(Stage::Resting);
        }
        if self.late() {
            return Verdict::Failed(format!("{} could not be put away", self.leavers()));
        }
        self.going()
    }

    /// What remains is put as it shall be; what was sent and not answered may land until the client's own timeout.
    fn rest(&mut self) -> Verdict {
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
            let units = found(self.job, &self.observed.fleet, &one);
            self.destroy_duplicates(&units);
        }
        if !self.calls.is_empty() {
            if self.late() {
                return Verdict::Failed("the units do not come to rest".to_owned());
            }
            return self.going();
        }
        let timeout = self.job.target.limits.client_timeout;
        match self.progress.unsettled_until(&self.observed.fleet, timeout) {
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
        let stopped = |(one, unit): &(&Incoming, &Unit)| one.run && unit.state == UnitState::Stopped;
        !self.sets.in_place.is_empty()
            || !self.sets.outgoing.is_empty()
            || self.incoming_units().iter().any(stopped)
            || self.incoming_units().len() < self.sets.incoming.len()
    }

    /// Late calls of an earlier turn of a unit may have moved it once more.
    fn as_wanted(&mut self) {
        let fleet = &self.observed.fleet;
        let in_place = self.sets.in_place.iter().filter_map(|want| {
            let unit = fleet.unit(&want.unit)?;
            Some((want.open, want.run, unit))
        });
        let incoming = self.incoming_units().into_iter().map(|(one, unit)| (one.open, one.run, unit));
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
        let found = self
            .incoming_units()
            .into_iter()
            .map(|(one, unit)| (one.open, !one.run && !one.either, undo(unit, &one.labels), unit));
        for (open, asleep, labels, unit) in found.collect::<Vec<_>>() {
            self.lay(open, asleep, unit);
            if labels.iter().any(|(key, value)| unit.labels.get(key) != value.as_ref()) {
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

    /// A unit that served and no longer is healthy, for longer than it may.
    fn sick(&mut self) -> Option<String> {
        let mut reports = Vec::new();
        for (one, unit) in self.incoming_units() {
            if !one.run {
                continue;
            }
            let acted = self.progress.since;
            reports.push((unit.id.clone(), self.judge(one, unit, acted)));
        }
        for (id, report) in reports {
            match report {
                Health::Healthy => {
                    self.progress.sick.remove(&id);
                }
                Health::NotYet(why) | Health::Broken(why) => {
                    let since = *self.progress.sick.entry(id).or_insert(self.now);
                    if self.now.since(since) >= self.job.target.limits.unhealthy {
                        return Some(format!("it served and is unhealthy: {why}"));
                    }
                }
            }
        }
        None
    }
}

fn is_up(unit: &Unit) -> bool {
    matches!(unit.state, UnitState::Started | UnitState::Starting)
}

/// Whether every unit of `observed` that this promotion made stands in a slot of its own.
pub(super) fn single(job: Job<'_>, observed: &Observed) -> Result<(), String> {
    let mut slots = std::collections::BTreeSet::new();
    for unit in observed.fleet.units.iter().filter(|unit| is_ours(job, unit)) {
        if let Some(slot) = unit.label(label::SLOT)
            && unit.label(label::PARKED_UNTIL).is_none()
            && !slots.insert(slot)
        {
            return Err(format!("slot {slot} has two units"));
        }
    }
    Ok(())
}
