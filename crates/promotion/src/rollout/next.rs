//! The one function that decides units. Level-triggered: called after each look, and after a crash simply again.

use std::collections::BTreeMap;

use super::call::{Decision, Direction, Job, Observed, UnitCall, Verdict};
use super::health::{Expected, Running};
use super::in_place::{self, Looked};
use super::progress::{Progress, Stage};
use super::role::{Duty, Incoming, Labels, Role, spot, undo};
use super::seen::{Seen, is_ours};
use super::sets::{Sets, sets};
use super::watch::{Ill, must_be_well, watch};
use super::waves::{Scope, Waves};
use crate::model::{At, Millis, RegionName, Strategy, Unit, UnitId, UnitState, label};

/// Stages that one look may go through: once around, and no circle without an end.
const STAGES_MAX: usize = 12;

/// Decides what to call now. Pure; the runner writes `progress` down before it makes the calls.
pub fn next(job: Job<'_>, observed: &Observed, progress: &Progress, now: At) -> Decision {
    let lag = job.target.limits.list_lag;
    // Nothing follows from what was before our own calls; what it shows may be just what we want to see.
    if let Some(until) = progress.behind(&observed.fleet, lag, now) {
        let why = "what is shown is older than the last calls".to_owned();
        let verdict = Verdict::Going { why, wake: Some(until) };
        return Decision { calls: Vec::new(), progress: progress.clone(), verdict, ask_edges: false };
    }
    let mut look = Look {
        job,
        observed,
        seen: Seen::new(job, &observed.fleet),
        waves: Waves::new(job),
        sets: Sets::default(),
        progress: progress.clone(),
        calls: Vec::new(),
        ask_edges: false,
        is_entered: false,
        now,
    };
    look.progress.see_running(job.target, &observed.fleet, now);
    look.gather();
    let mut verdict = look.stage();
    let mut before = progress.stage;
    for _ in 0..STAGES_MAX {
        if look.progress.stage == before || matches!(verdict, Verdict::Failed(_)) {
            break;
        }
        before = look.progress.stage;
        verdict = look.stage();
    }
    let Look { calls, progress: mut after, ask_edges, .. } = look;
    // It is written down anyway, then without what every look shows by now.
    if after != *progress || !calls.is_empty() {
        after.forget_shown(lag, now);
    }
    Decision { calls, progress: after, verdict, ask_edges }
}

/// Where every rollout begins.
pub const FIRST: Stage = Stage::InPlace;

pub(super) struct Look<'a> {
    pub(super) job: Job<'a>,
    pub(super) observed: &'a Observed,
    pub(super) seen: Seen<'a>,
    waves: Waves<'a>,
    pub(super) sets: Sets<'a>,
    pub(super) progress: Progress,
    pub(super) calls: Vec<UnitCall>,
    ask_edges: bool,
    /// The stage was entered in this very look.
    is_entered: bool,
    pub(super) now: At,
}

impl<'a> Look<'a> {
    /// One stage; moves `progress.stage` on when the stage's goal is seen.
    fn stage(&mut self) -> Verdict {
        if self.job.direction == Direction::Forward
            && let Some(why) = self.sick()
        {
            return Verdict::Failed(why);
        }
        match self.progress.stage {
            Stage::InPlace => self.in_place(),
            Stage::Filling => self.fill(),
            Stage::Opening => self.open(),
            Stage::SettlingIn => self.settle_in(),
            Stage::Closing => self.close(),
            Stage::SettlingOut | Stage::Draining | Stage::Stopping if self.is_open_again() => {
                self.go(Stage::Closing)
            }
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

    /// The units that this stage is about.
    fn gather(&mut self) {
        let is_all = self.progress.stage >= Stage::Resting;
        let scope = if is_all { Scope::All } else { Scope::One(self.progress.wave) };
        self.sets = sets(self.job, &self.seen, &self.waves, scope, Some(&self.progress));
    }

    pub(super) fn go(&mut self, stage: Stage) -> Verdict {
        self.progress.go(stage, self.now);
        self.entered()
    }

    /// What every wave goes through is over for this one.
    fn next_wave(&mut self) -> Verdict {
        if self.progress.wave + 1 >= self.waves.count() {
            return self.go(Stage::Resting);
        }
        self.progress.go_on(FIRST, self.now);
        self.entered()
    }

    fn entered(&mut self) -> Verdict {
        let unseen = self.job.target.limits.unseen();
        self.progress.late.retain(|late| self.now < late.at.plus(unseen));
        self.is_entered = true;
        self.gather();
        self.going()
    }

    /// Under way, as far as the stage's own words say it.
    pub(super) fn going(&self) -> Verdict {
        Verdict::Going { why: self.title(), wake: None }
    }

    fn title(&self) -> String {
        let wave = if self.progress.stage < Stage::Resting {
            self.waves.title(self.progress.wave)
        } else {
            String::new()
        };
        format!("{}{wave}", self.progress.stage.title(self.job.direction))
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
    pub(super) fn late(&self) -> bool {
        self.late_since(self.progress.since)
    }

    pub(super) fn late_since(&self, begun: At) -> bool {
        let limits = &self.job.target.limits;
        let landed = self.progress.lost_create.map(|lost| lost.plus(limits.unseen()));
        self.now.since(landed.map_or(begun, |landed| landed.max(begun))) > limits.wait
    }

    fn wait(&mut self, time: Millis, then: Stage) -> Verdict {
        let wake = self.progress.since.plus(time);
        if self.now >= wake { self.go(then) } else { Verdict::Going { why: self.title(), wake: Some(wake) } }
    }

    fn in_place(&mut self) -> Verdict {
        let looked = in_place::look(
            self.job,
            &self.sets.in_place,
            &self.seen,
            &mut self.progress,
            &mut self.calls,
            self.now,
        );
        match looked {
            Looked::Through => {
                // On the way back nothing later looks at these again.
                if self.job.direction == Direction::Back {
                    self.progress.sick.clear();
                }
                self.go(Stage::Filling)
            }
            Looked::Going { why, wake } => {
                Verdict::Going { why: format!("{why}{}", self.waves.title(self.progress.wave)), wake }
            }
            Looked::Failed(why) => Verdict::Failed(why),
        }
    }

    pub(super) fn incoming_units(&self) -> Vec<(&Incoming<'a>, &'a Unit)> {
        let first = |one| self.seen.found(one).first().map(|unit| (one, *unit));
        self.sets.incoming.iter().filter_map(first).collect()
    }

    fn open(&mut self) -> Verdict {
        let is_closed = |(one, unit): &(&Incoming<'_>, &Unit)| {
            one.role.open && unit.cordoned && (one.role.duty.runs() || unit.state == UnitState::Stopped)
        };
        let closed: Vec<(Labels<'_>, &Unit)> = self
            .incoming_units()
            .into_iter()
            .filter(is_closed)
            .map(|(one, unit)| (one.role.labels.clone(), unit))
            .collect();
        if closed.is_empty() {
            return self.go(Stage::SettlingIn);
        }
        // Until then one that serves may be ended with its requests.
        let until = |unit: &Unit| self.progress.ends_late(unit, self.job.target.limits.unseen());
        let last = closed.iter().filter_map(|(_, unit)| until(unit)).max();
        if self.late_since(last.map_or(self.progress.since, |last| last.max(self.progress.since))) {
            return Verdict::Failed(format!("{} of {} would not take traffic", closed.len(), self.comers()));
        }
        let closed: Vec<_> = closed
            .into_iter()
            .filter(|(_, unit)| until(unit).is_none_or(|until| self.now >= until))
            .collect();
        if closed.is_empty() {
            let why = format!("a call whose answer was lost may still end {}", self.comers());
            return Verdict::Going { why, wake: last };
        }
        for (labels, unit) in closed {
            // Parked until it is proven: where it cannot come up it stays what it was, and no deploy counts it.
            let is_parked = unit.is_parked() && !cfg!(feature = "sabotage-p5");
            if let Some(labels) = labels.put_right(unit).filter(|_| is_parked) {
                self.calls.push(UnitCall::Tag { unit: unit.id.clone(), labels });
            }
            self.calls.push(UnitCall::Uncordon { unit: unit.id.clone() });
        }
        self.going()
    }

    /// What came into traffic settles in: for some time, and until edges answer from it. Each region of the wave must
    /// have been heard from, at whichever edge; in the last wave every edge must answer from what came, wherever it is.
    fn settle_in(&mut self) -> Verdict {
        let opened: Vec<&Unit> = self
            .incoming_units()
            .into_iter()
            .filter(|(one, _)| one.role.open)
            .map(|(_, unit)| unit)
            .collect();
        let asked = self.asked(|duty| duty == Duty::Serves);
        // A request may wake one that was found asleep where another fell asleep meanwhile: it answers as well.
        let woken = self.asked(Duty::sleeps);
        if opened.is_empty() && asked.is_empty() {
            return self.go(Stage::Closing);
        }
        for answer in &self.observed.edges {
            let of = answer.unit.as_ref().and_then(|id| asked.get(id).or_else(|| woken.get(id)));
            if let Some((region, is_of_wave)) = of {
                self.progress.edges.insert(answer.edge.clone());
                if *is_of_wave {
                    self.progress.regions.insert((*region).clone());
                }
            }
        }
        // What changed in place had its time to settle, unit by unit.
        let wake = self.progress.since.plus(if opened.is_empty() { Millis::ZERO } else { self.settle() });
        let silent = self.silent(&asked);
        if self.now >= wake && self.sleeps_somewhere() {
            return self.go(Stage::Filling);
        }
        if self.now >= wake && (silent.is_none() || self.settle() == Millis::ZERO) {
            return self.go(Stage::Closing);
        }
        self.ask_edges = !asked.is_empty();
        if self.late()
            && let Some(silent) = silent
        {
            return Verdict::Failed(silent);
        }
        // Settled before anybody asked the edges: they are asked at once.
        let at_once = self.observed.edges.is_empty().then(|| self.now.plus(Millis(1)));
        let wake = if self.now < wake { Some(wake) } else { at_once };
        Verdict::Going { why: self.title(), wake }
    }

    /// Whether all of a group that came to some region fell asleep there since, while those that go still answer: no request would
    /// wake them, and the first one afterwards would wait for a start (P7). They are brought up again before others leave.
    fn sleeps_somewhere(&self) -> bool {
        let incoming = self.incoming_units();
        let runs = |(one, _): &&(&Incoming<'_>, &Unit)| one.role.open && one.role.duty.runs();
        // One of another group answers nothing for this one.
        let is_awake = |unit: &Unit| {
            incoming.iter().filter(runs).any(|(_, other)| spot(other) == spot(unit) && !other.is_asleep())
        };
        let is_down = |unit: &Unit| unit.is_asleep() && unit.state == UnitState::Stopped;
        self.outgoing_units().iter().any(|unit| !unit.cordoned)
            && incoming.iter().filter(runs).any(|(_, unit)| is_down(unit) && !is_awake(unit))
    }

    /// The units that edges must answer from, with their regions, and whether they are of this wave.
    fn asked(&self, is_meant: impl Fn(Duty) -> bool) -> BTreeMap<&'a UnitId, (&'a RegionName, bool)> {
        let mut asked = BTreeMap::new();
        let mut ask = |sets: &Sets<'a>, is_of_wave: bool| {
            for one in sets.incoming.iter().filter(|one| one.role.open && is_meant(one.role.duty)) {
                let unit = self.seen.found(one).first().copied();
                let unit = unit.filter(|unit| !self.sleeps_as_found(one, unit));
                asked.extend(unit.map(|unit| (&unit.id, (&unit.region, is_of_wave))));
            }
            // Everything at once is for what switches by itself.
            let in_place = sets.in_place.iter().filter(|_| self.job.target.strategy != Strategy::Immediate);
            for want in in_place.filter(|want| want.role.open && is_meant(want.role.duty)) {
                // Nobody hears from one that fell asleep while others are nearer; it was proven in its turn.
                let unit = self.seen.unit(want.unit).filter(|unit| !unit.is_asleep());
                asked.extend(unit.map(|unit| (&unit.id, (&unit.region, is_of_wave))));
            }
        };
        ask(&self.sets, true);
        if self.progress.wave > 0 {
            ask(&self.earlier(), false);
        }
        asked
    }

    /// Who has not been heard from, in words.
    fn silent(&self, asked: &BTreeMap<&UnitId, (&RegionName, bool)>) -> Option<String> {
        if asked.is_empty() || self.observed.all_edges.is_empty() {
            return None;
        }
        let is_silent = |region: &&RegionName| !self.progress.regions.contains(*region);
        let mut of_wave = asked.values().filter(|(_, is_of_wave)| *is_of_wave).map(|(region, _)| *region);
        if self.waves.count() > 1
            && let Some(region) = of_wave.find(is_silent)
        {
            return Some(format!("no edge answers from {} in {region}", self.comers()));
        }
        let is_last = self.progress.wave + 1 == self.waves.count();
        let edge = self.observed.all_edges.difference(&self.progress.edges).next().filter(|_| is_last)?;
        Some(format!("edge {edge} does not answer from {}", self.comers()))
    }

    /// What the waves before this one brought.
    fn earlier(&self) -> Sets<'a> {
        sets(self.job, &self.seen, &self.waves, Scope::Before(self.progress.wave), Some(&self.progress))
    }

    pub(super) fn outgoing_units(&self) -> Vec<&'a Unit> {
        self.sets.outgoing.iter().filter_map(|id| self.seen.unit(id)).collect()
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
        let incoming = self.incoming_units();
        let late = self.progress.closing_late(&self.seen, self.job.target.limits.unseen());
        let is_ours = |id: &UnitId| incoming.iter().any(|(_, unit)| unit.id == *id);
        let until = late.iter().filter(|(id, _)| is_ours(id)).map(|(_, until)| *until).max();
        if let Some(until) = until.filter(|until| self.now < *until) {
            let why = format!("a call whose answer was lost may still close {}", self.comers());
            return Verdict::Going { why, wake: Some(until) };
        }
        if incoming.iter().any(|(one, unit)| one.role.open && one.role.duty.runs() && unit.cordoned) {
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

    /// Whether one that was taken out of traffic and still runs was put there once more: by a call whose answer was lost, or
    /// by somebody else.
    fn is_open_again(&self) -> bool {
        let runs = |unit: &&Unit| matches!(unit.state, UnitState::Starting | UnitState::Started);
        self.outgoing_units().iter().filter(|unit| runs(unit)).any(|unit| !unit.cordoned)
    }

    fn drain(&mut self) -> Verdict {
        let busy = self.outgoing_units().iter().any(|unit| unit.concurrency != Some(0));
        let time =
            if busy && !cfg!(feature = "sabotage-p7") { self.job.target.limits.drain } else { Millis::ZERO };
        self.wait(time, Stage::Stopping)
    }

    fn stop(&mut self) -> Verdict {
        let mut waiting = false;
        let unseen = self.job.target.limits.unseen();
        for unit in self.outgoing_units() {
            if let Some(until) = self.progress.opens_late(&unit.id, unseen).filter(|until| self.now < *until)
                && matches!(unit.state, UnitState::Starting | UnitState::Started)
            {
                let why = format!("a call whose answer was lost may still put {} into traffic", unit.id);
                return Verdict::Going { why, wake: Some(until) };
            }
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
                    // Whose it is stands there too, also where nobody ever adopted it: who parks it takes it away.
                    let stamp = self.job.stamp;
                    let labels = [
                        (label::PARKED_UNTIL, until.to_string()),
                        (label::PARKED_BY, stamp.promotion.to_string()),
                        (label::STORE, stamp.store.to_string()),
                        (label::ENVIRONMENT, stamp.environment.to_string()),
                    ];
                    let labels = labels.map(|(key, value)| (key.to_owned(), Some(value)));
                    self.calls.push(UnitCall::Tag { unit: unit.id.clone(), labels: labels.into() });
                }
                // What leaves is destroyed only when the snapshot does not know it, or another stands in for it.
                Direction::Back if !self.seen.was_found(&unit.id) || self.seen.live(&unit.id).is_some() => {
                    self.calls.push(UnitCall::Destroy { unit: unit.id.clone() });
                }
                Direction::Back => {
                    let Some(record) = self.seen.parked(&unit.id) else { continue };
                    self.calls.push(UnitCall::Tag {
                        unit: unit.id.clone(),
                        labels: undo(unit, &record.unit.labels),
                    });
                }
            }
            waiting = true;
        }
        if !waiting {
            return self.next_wave();
        }
        if self.late() {
            return Verdict::Failed(format!("{} could not be put away", self.leavers()));
        }
        self.going()
    }

    /// A unit that served and no longer is healthy, for longer than it may. Who is still on the way up is not looked at.
    fn sick(&mut self) -> Option<String> {
        let mut units = Vec::new();
        if self.progress.wave > 0 && self.progress.stage < Stage::Resting {
            units.extend(serving(&self.earlier(), &self.seen, &self.progress));
        }
        if self.progress.stage >= Stage::SettlingIn {
            units.extend(serving(&self.sets, &self.seen, &self.progress));
        }
        for (role, unit) in units {
            match self.judge_again(&role, unit) {
                Err(ill) if ill.is_over => return Some(format!("it served and is unhealthy: {}", ill.why)),
                _ => {}
            }
        }
        None
    }
}

impl Look<'_> {
    /// Judges a unit that was proven and serves.
    fn judge_again(&mut self, role: &Role<'_>, unit: &Unit) -> Result<(), Ill> {
        let Some(digest) = role.shape.image.digest() else {
            let why = format!("the image of {} has no digest", unit.id);
            return Err(Ill { why, is_over: true, is_waking: false });
        };
        let version = self.progress.versions.get(&unit.id).filter(|_| unit.is_asleep());
        let limits = &self.job.target.limits;
        let (proof, acted, grace) = (&role.proof, self.progress.since, limits.unhealthy);
        let expected = Expected { digest, version, proof, acted, grace, running: Running::Proven };
        watch(&mut self.progress.sick, unit, role, expected, limits, self.now)
    }
}

/// The units of `sets` that have to be well.
fn serving<'a>(sets: &Sets<'a>, seen: &Seen<'a>, progress: &Progress) -> Vec<(Role<'a>, &'a Unit)> {
    let incoming = sets.incoming.iter().map(|one| (&one.role, seen.found(one).first().copied()));
    let in_place = sets.in_place.iter().map(|want| (&want.role, seen.unit(want.unit)));
    let units = incoming.chain(in_place).filter_map(|(role, unit)| Some((role.clone(), unit?)));
    units.filter(|(role, unit)| must_be_well(unit, role, &progress.sick)).collect()
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
