//! What a rollout must remember between looks: what cannot be seen in the fleet, above all since when.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::call::{Direction, UnitCall};
use super::health::Running;
use super::seen::Seen;
use super::told::{self, Told};
use crate::model::{
    At, ComponentTarget, Fleet, Millis, Proof, RegionName, Unit, UnitId, UnitState, UnitVersion,
};

/// How often a start may be refused before another unit stands in: what is refused once may be in a passing state.
const STARTS_MAX: u32 = 2;

/// Where a component's rollout stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// Units are changed in place, some at a time.
    InPlace,
    /// Incoming units are made or revived until all are healthy.
    Filling,
    /// Incoming units are put into traffic.
    Opening,
    /// Every edge must hear of them.
    SettlingIn,
    /// Outgoing units are taken out of traffic.
    Closing,
    /// Every edge must hear of that.
    SettlingOut,
    /// Their requests in flight end.
    Draining,
    /// They are stopped.
    Stopping,
    /// They are parked (forward) or destroyed (back).
    Leaving,
    /// What remains is put as it was found (back), and late duplicates are looked for.
    Resting,
    /// Nothing is left to do.
    Done,
}

impl Stage {
    /// What goes on, for people. On the way there the new units come in and the old ones go, on the way back the other
    /// way round.
    pub const fn title(self, direction: Direction) -> &'static str {
        match (self, direction) {
            (Self::InPlace, Direction::Forward) => "changing units in place",
            (Self::InPlace, Direction::Back) => "changing units back in place",
            (Self::Filling, Direction::Forward) => "bringing the new units up",
            (Self::Filling, Direction::Back) => "bringing the old units up again",
            (Self::Opening, Direction::Forward) => "putting the new units into traffic",
            (Self::Opening, Direction::Back) => "putting the old units back into traffic",
            (Self::SettlingIn, Direction::Forward) => "every edge must hear of the new units",
            (Self::SettlingIn, Direction::Back) => "every edge must hear of the old units again",
            (Self::Closing, Direction::Forward) => "taking the old units out of traffic",
            (Self::Closing, Direction::Back) => "taking the new units out of traffic",
            (Self::SettlingOut, Direction::Forward) => "every edge must forget the old units",
            (Self::SettlingOut, Direction::Back) => "every edge must forget the new units",
            (Self::Draining, Direction::Forward) => "requests in flight to the old units end",
            (Self::Draining, Direction::Back) => "requests in flight to the new units end",
            (Self::Stopping, Direction::Forward) => "stopping the old units",
            (Self::Stopping, Direction::Back) => "stopping the new units",
            (Self::Leaving, Direction::Forward) => "parking the old units",
            (Self::Leaving, Direction::Back) => "taking the new units away",
            (Self::Resting, Direction::Forward) => "putting units to rest",
            (Self::Resting, Direction::Back) => "putting units to rest as they were found",
            (Self::Done, _) => "nothing is left to do",
        }
    }
}

/// Where one unit stands while it is changed in place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Turn {
    /// Out of traffic.
    Closing,
    /// Every edge must hear of it.
    SettlingOut,
    /// Requests in flight end.
    Draining,
    /// Changed, and on its way to healthy.
    Updating,
    /// Stopped again: it ran only to be proven.
    Stopping,
    /// Back into traffic.
    Opening,
    /// Every edge must hear of it.
    SettlingIn,
    /// Through.
    Through,
}

/// One unit's turn.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// Where it stands.
    pub turn: Turn,
    /// Since when.
    pub since: At,
    /// How often the update was sent.
    pub tries: u32,
    /// When it was last sent.
    pub tried_at: Option<At>,
    /// That one certainly did not arrive.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unsent: bool,
}

/// A component's progress. Written to the journal whenever it changes, before the calls that follow from it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// Where it stands.
    pub stage: Stage,
    /// Since when.
    pub since: At,
    /// Which wave of regions, from 0.
    #[serde(default, skip_serializing_if = "is_first")]
    pub wave: usize,
    /// Since when the first units serve on trial, all of them (canary).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bake: Option<At>,
    /// Units that are changed in place.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub marks: BTreeMap<UnitId, Mark>,
    /// Edges that answered from the incoming fleet.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub edges: BTreeSet<String>,
    /// Regions whose new units some edge answered from.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub regions: BTreeSet<RegionName>,
    /// Units that were healthy, served, and report unhealthy; since when.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub sick: BTreeMap<UnitId, At>,
    /// The version each unit got by our update.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub versions: BTreeMap<UnitId, UnitVersion>,
    /// Units that must run for some time to be proven, of which version, and since when they are seen running.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub running: BTreeMap<UnitId, (UnitVersion, At)>,
    /// How often the provider refused to start a unit: where it stands there is no room for it any more.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub no_room: BTreeMap<UnitId, u32>,
    /// When an answer was last lost to a call that no lease fences, a create, a tag or one on a unit that is not ours
    /// to lease: it may still land, until the client's own timeout, and an old list may hide it for longer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lost: Option<At>,
    /// When an answer to a create was last lost: a duplicate may still appear.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lost_create: Option<At>,
    /// Calls on leased units whose answers were lost, each kind once per unit: whether one may still land matters only where
    /// it would change something.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub late: Vec<LateCall>,
    /// Calls that were accepted a moment ago: a look that does not show them is older than they are.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub told: Vec<Told>,
}

/// A call whose answer was lost.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LateCall {
    /// When.
    pub at: At,
    /// The call.
    pub call: UnitCall,
}

impl LateCall {
    /// Whether its unit would change if it landed now. The unit's lease does not fence it: that is ours, and is given
    /// back in the end; whoever leases the unit next does.
    pub(super) fn would_change(&self, unit: &Unit) -> bool {
        let is_up = matches!(unit.state, UnitState::Started | UnitState::Starting);
        match &self.call {
            // Refused by a unit that has moved on.
            UnitCall::Update { expect, .. } => unit.version == *expect,
            UnitCall::Start { .. } => !is_up,
            UnitCall::Stop { .. } => unit.state != UnitState::Stopped,
            UnitCall::Cordon { .. } => !unit.cordoned,
            UnitCall::Uncordon { .. } => unit.cordoned,
            UnitCall::Create { .. } | UnitCall::Tag { .. } | UnitCall::Destroy { .. } => true,
            UnitCall::Lease { .. } | UnitCall::Unlease { .. } => false,
        }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks with a reference")]
const fn is_first(wave: &usize) -> bool {
    *wave == 0
}

impl Progress {
    /// The beginning.
    pub const fn new(stage: Stage, now: At) -> Self {
        Self {
            stage,
            since: now,
            wave: 0,
            bake: None,
            marks: BTreeMap::new(),
            edges: BTreeSet::new(),
            regions: BTreeSet::new(),
            sick: BTreeMap::new(),
            versions: BTreeMap::new(),
            running: BTreeMap::new(),
            no_room: BTreeMap::new(),
            lost: None,
            lost_create: None,
            late: Vec::new(),
            told: Vec::new(),
        }
    }

    /// Keeps in mind that the answer to `call` was lost, and whether we held the lease on its unit: where there are
    /// leases, whoever comes next fences it.
    pub(crate) fn lose(&mut self, call: &UnitCall, is_leased: bool, at: At) {
        told::forget(&mut self.told, call);
        if matches!(call, UnitCall::Create { .. }) {
            self.lost_create = Some(at);
        }
        if !is_leased || matches!(call, UnitCall::Create { .. } | UnitCall::Tag { .. }) {
            self.lost = Some(at);
            return;
        }
        self.late.retain(|late| (late.call.verb(), late.call.unit()) != (call.verb(), call.unit()));
        self.late.push(LateCall { at, call: call.clone() });
    }

    /// Keeps in mind that `call` was accepted by `at`, and which unit it made.
    pub(crate) fn tell(&mut self, call: &UnitCall, new: Option<&UnitId>, at: At) {
        told::tell(&mut self.told, call, new, at);
    }

    /// By when the call was accepted that put `unit` into traffic or took it out of it, where that was in this stage and
    /// by this runner: what was before nobody watched, and another's clock may be another one.
    pub(super) fn accepted(&self, unit: &UnitId, cordoned: bool) -> Option<At> {
        told::accepted(&self.told, unit, cordoned).filter(|at| *at >= self.since)
    }

    /// Until when a look that found `fleet` may be older than calls that were accepted; none where it shows them.
    pub(crate) fn behind(&self, fleet: &Fleet, lag: Millis, now: At) -> Option<At> {
        told::behind(&self.told, fleet, lag, now)
    }

    /// Forgets calls that every look shows by now.
    pub(super) fn forget_shown(&mut self, lag: Millis, now: At) {
        self.told.retain(|told| now < told.at.plus(lag));
    }

    /// Keeps in mind what was told before this begins: the same units are looked at.
    #[must_use]
    pub(crate) fn after(self, earlier: Option<&Self>) -> Self {
        Self { told: earlier.map(|earlier| earlier.told.clone()).unwrap_or_default(), ..self }
    }

    /// Keeps in mind that `call` certainly did not arrive, and may be made again soon.
    pub(crate) fn not_sent(&mut self, call: &UnitCall) {
        if let UnitCall::Update { unit, .. } = call
            && let Some(mark) = self.marks.get_mut(unit)
        {
            mark.unsent = true;
        }
    }

    /// Keeps in mind that the update of `unit` was taken: from here on it has its time to come up.
    pub(crate) fn sent(&mut self, unit: &UnitId, at: At) {
        if let Some(mark) = self.marks.get_mut(unit) {
            mark.since = mark.since.max(at);
        }
    }

    /// Keeps in mind since when units run that have to run for some time.
    pub(super) fn see_running(&mut self, target: &ComponentTarget, fleet: &Fleet, now: At) {
        let is_timed = |unit: &&Unit| {
            let group = target.groups.get(&unit.group);
            group.is_none_or(|group| matches!(group.proof, Proof::StartedFor(_)))
        };
        let runs = |unit: &&Unit| unit.state == UnitState::Started;
        let mut running = BTreeMap::new();
        for unit in fleet.units.iter().filter(is_timed).filter(runs) {
            let known = self.running.remove(&unit.id).filter(|(version, _)| *version == unit.version);
            running.insert(unit.id.clone(), known.unwrap_or_else(|| (unit.version.clone(), now)));
        }
        self.running = running;
    }

    /// Since when `unit` is seen running.
    pub(super) fn running(&self, unit: &Unit) -> Running {
        let known = self.running.get(&unit.id).filter(|(version, _)| *version == unit.version);
        known.map_or(Running::Unseen, |(_, since)| Running::Since(*since))
    }

    /// Keeps in mind that `call` was refused, where that says something about its unit.
    pub(crate) fn refuse(&mut self, call: &UnitCall) {
        if let UnitCall::Start { unit } = call {
            *self.no_room.entry(unit.clone()).or_default() += 1;
        }
    }

    /// Whether a unit cannot be started where it stands, as far as trying shows it.
    pub(super) fn is_given_up(&self, unit: &UnitId) -> bool {
        self.no_room.get(unit).is_some_and(|refusals| *refusals >= STARTS_MAX)
    }

    /// Until when a call whose answer was lost may still land and change something in the fleet.
    pub(super) fn unsettled_until(&self, fleet: &Fleet, unseen: Millis) -> Option<At> {
        let late = self.late.iter().filter(|late| {
            let unit = late.call.unit().and_then(|unit| fleet.unit(unit));
            unit.is_some_and(|unit| late.would_change(unit))
        });
        late.map(|late| late.at).chain(self.lost).max().map(|lost| lost.plus(unseen))
    }

    /// Units that a call whose answer was lost may still take out of traffic, and until when: so long no other is taken
    /// out on the strength of these (P7).
    pub(super) fn closing_late<'u>(&'u self, seen: &Seen<'u>, unseen: Millis) -> Vec<(&'u UnitId, At)> {
        let closes = |late: &'u LateCall| {
            let unit = seen.unit(late.call.unit()?)?;
            let is_close = matches!(late.call, UnitCall::Cordon { .. } | UnitCall::Stop { .. });
            (is_close && late.would_change(unit)).then(|| (&unit.id, late.at.plus(unseen)))
        };
        self.late.iter().filter_map(closes).collect()
    }

    /// Until when a call whose answer was lost may still change `unit` or stop it: so long it is not put into traffic (P7).
    pub(super) fn ends_late(&self, unit: &Unit, unseen: Millis) -> Option<At> {
        let ends = |late: &&LateCall| {
            let is_end = matches!(
                late.call,
                UnitCall::Update { .. } | UnitCall::Stop { .. } | UnitCall::Destroy { .. }
            );
            is_end && late.call.unit() == Some(&unit.id) && late.would_change(unit)
        };
        self.late.iter().filter(ends).map(|late| late.at.plus(unseen)).max()
    }

    /// Until when a call whose answer was lost may still put `unit` into traffic: so long nothing is changed on it, and it is
    /// not stopped (P7).
    pub(super) fn opens_late(&self, unit: &UnitId, unseen: Millis) -> Option<At> {
        let is_open =
            |late: &&LateCall| matches!(&late.call, UnitCall::Uncordon { unit: opened } if opened == unit);
        self.late.iter().filter(is_open).map(|late| late.at.plus(unseen)).max()
    }

    /// The beginning of the way back from here: what may still land stays in mind.
    #[must_use]
    pub fn turned(&self, stage: Stage, now: At) -> Self {
        let (late, told) = (self.late.clone(), self.told.clone());
        Self { lost: self.lost, lost_create: self.lost_create, late, told, ..Self::new(stage, now) }
    }

    /// Taken up again after nobody looked for a while: patience counts from now. Waiting anew is safe, and a unit is
    /// not late because its runner was.
    #[must_use]
    pub fn resumed(&self, now: At) -> Self {
        let mut progress = self.clone();
        progress.since = now;
        // Who was seen unhealthy has still to show that it is well.
        progress.sick.values_mut().for_each(|since| *since = now);
        // What must hold all the time was not watched.
        progress.bake = progress.bake.map(|_| now);
        progress.marks.values_mut().for_each(|mark| mark.since = now);
        progress
    }

    /// Looked at again by a runner that was kept from looking: stopped, or without its provider. Patience counts from now
    /// here too; what only takes time has had it. A trial begins anew where nobody watched it `for_long`.
    #[must_use]
    pub fn unwatched(&self, now: At, for_long: bool) -> Self {
        let mut progress = self.resumed(now);
        if !for_long {
            progress.bake = self.bake;
        }
        if matches!(self.stage, Stage::SettlingOut | Stage::Draining) {
            progress.since = self.since;
        }
        for (unit, mark) in &mut progress.marks {
            let was = &self.marks[unit];
            if !matches!(was.turn, Turn::Closing | Turn::Updating | Turn::Stopping | Turn::Opening) {
                mark.since = was.since;
            }
        }
        progress
    }

    /// Enters `stage`.
    pub(super) fn go(&mut self, stage: Stage, now: At) {
        self.stage = stage;
        self.since = now;
        self.edges.clear();
        self.regions.clear();
    }

    /// Enters the next wave, whose first stage is `stage`.
    pub(super) fn go_on(&mut self, stage: Stage, now: At) {
        self.go(stage, now);
        self.wave += 1;
        self.bake = None;
    }
}
