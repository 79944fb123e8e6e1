//! A component's rollout: look, decide, write down, call, write down, look again.

use std::collections::BTreeMap;

use super::lanes::side_by_side;
use super::locked::Lease;
use super::session::Session;
use super::{EngineError, EngineEvent};
use crate::journal::{Entry, Intent, Outcome};
use crate::model::{ComponentSnapshot, ComponentTarget, Millis, PromotionId, UnitId};
use crate::ports::{Key, PortError, PortErrorKind};
use crate::rollout::{
    Decision, Direction, EdgeAnswer, FIRST, Job, Observed, Progress, Stage, Stamp, UnitCall, Verdict, next,
    unproven,
};

/// How a component's rollout came out.
pub(super) enum Rolled {
    Done,
    Failed(String),
    Errored(String),
    Yield,
}

/// Refusals that a way back bears before it gives up: what is refused once may be in a passing state.
const REFUSALS_MAX: u32 = 8;

/// A look that comes later than it should by this part of a unit's patience, and by [`LATE_LEAST`] at least: the runner was
/// stopped, or reached nobody.
const KEPT_FROM: u64 = 4;

/// A look that is late by less than this is only slow, however short the patience.
const LATE_LEAST: Millis = Millis::secs(3);

/// So often one rollout gets its patience anew from one runner. Where every look takes that long it is no accident.
const ANEW_MAX: u32 = 5;

/// What a rollout works on.
pub(super) struct Rollout {
    pub(super) target: ComponentTarget,
    pub(super) snapshot: ComponentSnapshot,
    pub(super) stamp: Stamp,
    /// Which way the units go.
    pub(super) direction: Direction,
    /// Under which way it is journaled: a rollback by a person goes back as its forward work.
    pub(super) filed: Direction,
    /// The promotion whose undoing is itself undone.
    pub(super) undone: Option<PromotionId>,
}

impl Rollout {
    pub(super) const fn job(&self) -> Job<'_> {
        Job {
            target: &self.target,
            snapshot: &self.snapshot,
            stamp: &self.stamp,
            direction: self.direction,
            undone: self.undone.as_ref(),
        }
    }
}

impl Session<'_> {
    pub(super) async fn roll(&mut self, rollout: &Rollout) -> Result<Rolled, EngineError> {
        let phase = self.phase();
        let slot = (rollout.target.place.component.clone(), rollout.filed);
        self.settle_open(rollout).await?;
        let mut looks_failed = 0;
        let mut refusals = 0;
        let mut ask_edges = false;
        let mut said = None;
        let mut is_taken_up = true;
        let mut hurried = Vec::new();
        // When it was to be looked at again.
        let mut due = self.now();
        let mut n_anew = 0;
        loop {
            if self.must_yield(phase).await? {
                return Ok(Rolled::Yield);
            }
            let observed = match self.look(rollout, ask_edges).await {
                Ok(observed) => observed,
                Err(error) => {
                    looks_failed += 1;
                    if looks_failed > self.engine.options.looks_failed_max {
                        return Ok(Rolled::Errored(error.message));
                    }
                    self.pause(None).await?;
                    continue;
                }
            };
            looks_failed = 0;
            let before = self.view().rollouts.get(&slot).cloned();
            let decided = self.now();
            let (lost, wait) = (decided.since(due), rollout.target.limits.wait);
            let is_late = n_anew < ANEW_MAX && lost >= LATE_LEAST.max(Millis(wait.0 / KEPT_FROM));
            n_anew += u32::from(is_late);
            let progress = match &before {
                Some(progress) if is_taken_up => progress.resumed(decided),
                Some(progress) if is_late => progress.unwatched(decided, lost >= wait),
                Some(progress) => progress.clone(),
                None => self.beginning(rollout),
            };
            is_taken_up = false;
            let mut decision = next(rollout.job(), &observed, &progress, decided);
            match self.lease_ahead(rollout, &observed.fleet, &mut decision).await? {
                Lease::Ours => {}
                Lease::Theirs(why) if rollout.filed == Direction::Forward => return Ok(Rolled::Failed(why)),
                Lease::Theirs(why) | Lease::Away(why) => return Ok(Rolled::Errored(why)),
            }
            self.tell(rollout, before.as_ref(), &decision, &mut said);
            let problems = self.act(rollout, before.as_ref(), &decision).await?;
            ask_edges = decision.ask_edges;
            if let Some(rolled) = give_up(rollout, &problems, &mut refusals) {
                return Ok(rolled);
            }
            let slept = match decision.verdict {
                Verdict::Done => {
                    unproven(rollout.job()).into_iter().for_each(|line| self.note(line));
                    return Ok(Rolled::Done);
                }
                Verdict::Failed(why) => return Ok(Rolled::Failed(why)),
                // In place it is known when what was accepted is settled: a large fleet is not looked at once more for it.
                Verdict::Going { wake, .. }
                    if self.is_large()
                        && decision.progress.stage == Stage::InPlace
                        && problems.is_empty()
                        && only_routes(&decision.calls) =>
                {
                    let settled = self.now().plus(rollout.target.limits.settle);
                    let wake = wake.filter(|wake| *wake > decided);
                    self.pause(Some(wake.map_or(settled, |wake| wake.min(settled)))).await?
                }
                // What a call changed shows at once, unless a unit comes up by it: one look more, without a pause; never
                // two after the same calls.
                Verdict::Going { .. }
                    if decision.calls.iter().any(shows_at_once)
                        && problems.is_empty()
                        && decision.calls != hurried =>
                {
                    hurried = decision.calls;
                    self.pause(Some(decided)).await?
                }
                // An instant that came while this was written down is no later than any other.
                Verdict::Going { wake, .. } => self.pause(wake.filter(|wake| *wake > decided)).await?,
            };
            due = decided.plus(slept);
        }
    }

    pub(super) fn beginning(&self, rollout: &Rollout) -> Progress {
        let component = &rollout.target.place.component;
        match self.view().rollouts.get(&(component.clone(), Direction::Forward)) {
            Some(there) => there.turned(FIRST, self.now()),
            None => Progress::new(FIRST, self.now()).after(self.environment.last_rollout(component)),
        }
    }

    /// Calls an earlier runner meant and of which nobody knows what became: the next look shows. A create among them
    /// may still land.
    pub(super) async fn settle_open(&mut self, rollout: &Rollout) -> Result<(), EngineError> {
        let component = rollout.target.place.component.clone();
        let outcomes: BTreeMap<String, Outcome> = self
            .view()
            .open
            .iter()
            .filter(|(_, (of, ..))| *of == component)
            .map(|(key, _)| (key.clone(), Outcome::Settled))
            .collect();
        if outcomes.is_empty() {
            return Ok(());
        }
        self.append(vec![Entry::Came { component, outcomes }]).await
    }

    pub(super) async fn look(&mut self, rollout: &Rollout, ask_edges: bool) -> Result<Observed, PortError> {
        let place = &rollout.target.place;
        let fleet = match self.taken(place) {
            Some(fleet) => fleet,
            None => self.fleet(place).await?,
        };
        let ports = &self.engine.ports;
        let edges: Vec<EdgeAnswer> = if ask_edges { ports.checks.ask_edges(place).await } else { Vec::new() };
        Ok(Observed { fleet, edges, all_edges: ports.checks.edges(place) })
    }

    fn tell(
        &self,
        rollout: &Rollout,
        before: Option<&Progress>,
        decision: &Decision,
        said: &mut Option<String>,
    ) {
        let stage = decision.progress.stage;
        if before.is_none_or(|before| before.stage != stage) {
            self.engine.say(EngineEvent::Stage {
                promotion: self.id.clone(),
                at: self.now(),
                component: rollout.target.place.component.clone(),
                direction: rollout.direction,
                stage,
            });
        }
        if let Verdict::Going { why, .. } = &decision.verdict
            && said.as_ref() != Some(why)
            && why != stage.title(rollout.direction)
        {
            self.note(format!("{}: {why}", rollout.target.place.component));
            *said = Some(why.clone());
        }
    }

    /// Writes the progress and the intents down, makes the calls, writes down what became of them.
    pub(super) async fn act(
        &mut self,
        rollout: &Rollout,
        before: Option<&Progress>,
        decision: &Decision,
    ) -> Result<Vec<PortError>, EngineError> {
        if before == Some(&decision.progress) && decision.calls.is_empty() {
            return Ok(Vec::new());
        }
        let component = rollout.target.place.component.clone();
        let calls: Vec<Intent> = decision
            .calls
            .iter()
            .map(|call| Intent { key: key(rollout, call), call: call.clone() })
            .collect();
        self.append(vec![Entry::Meant {
            component: component.clone(),
            direction: rollout.filed,
            progress: Box::new(decision.progress.clone()),
            calls: calls.clone(),
        }])
        .await?;
        if calls.is_empty() {
            return Ok(Vec::new());
        }
        // Asleep since the append, perhaps for long: a runner that lost the environment makes no call.
        self.keep_lease().await?;
        let nonces = self.view().nonces.get(&component).map(|(_, nonces)| nonces.clone()).unwrap_or_default();
        let results = self.call_all(rollout, &calls, &nonces).await?;
        let mut outcomes = BTreeMap::new();
        let mut problems = Vec::new();
        for (intent, result) in calls.iter().zip(results) {
            self.engine.say(EngineEvent::Call {
                promotion: self.id.clone(),
                at: self.now(),
                component: component.clone(),
                call: intent.call.title(),
                problem: result.as_ref().err().map(|error| error.message.clone()),
            });
            let outcome = match result {
                Ok(done) => Outcome::Performed(done),
                Err(error) => {
                    if error.kind == PortErrorKind::Fenced
                        && let Some(unit) = intent.call.unit()
                    {
                        self.held.remove(unit);
                    }
                    problems.push(error.clone());
                    Outcome::Failed(error)
                }
            };
            outcomes.insert(intent.key.clone(), outcome);
        }
        self.append(vec![Entry::Came { component, outcomes }]).await?;
        Ok(problems)
    }

    /// Makes independent calls together, keeping the lease meanwhile. Calls on one unit stay in order.
    async fn call_all(
        &mut self,
        rollout: &Rollout,
        calls: &[Intent],
        nonces: &BTreeMap<UnitId, crate::model::Nonce>,
    ) -> Result<Vec<Result<crate::ports::Performed, PortError>>, EngineError> {
        let deployer = self.engine.ports.deployer.clone();
        let place = &rollout.target.place;
        let mut by_unit: BTreeMap<Option<&UnitId>, Vec<usize>> = BTreeMap::new();
        let mut alone: Vec<Vec<usize>> = Vec::new();
        for (n, intent) in calls.iter().enumerate() {
            match intent.call.unit() {
                Some(unit) => by_unit.entry(Some(unit)).or_default().push(n),
                None => alone.push(vec![n]),
            }
        }
        alone.extend(by_unit.into_values());
        let lanes = alone.into_iter().map(|lane| {
            let deployer = deployer.clone();
            async move {
                let mut results = Vec::new();
                for n in lane {
                    let intent = &calls[n];
                    let nonce = intent.call.unit().and_then(|unit| nonces.get(unit)).cloned();
                    let key = Key { id: intent.key.clone(), nonce };
                    results.push((n, deployer.perform(place, &intent.call, &key).await));
                }
                results
            }
        });
        let lanes = self.keeping(side_by_side(lanes.collect())).await?;
        self.acted(only_routes(calls.iter().map(|intent| &intent.call)));
        let mut results: Vec<_> = lanes.into_iter().flatten().collect();
        results.sort_by_key(|(n, _)| *n);
        Ok(results.into_iter().map(|(_, result)| result).collect())
    }
}

/// Whether these calls change where requests go, and nothing else.
fn only_routes<'a>(calls: impl IntoIterator<Item = &'a UnitCall>) -> bool {
    let mut calls = calls.into_iter().peekable();
    calls.peek().is_some()
        && calls.all(|call| matches!(call, UnitCall::Cordon { .. } | UnitCall::Uncordon { .. }))
}

/// Whether what `call` does is done when it is answered.
const fn shows_at_once(call: &UnitCall) -> bool {
    !matches!(call, UnitCall::Create { .. } | UnitCall::Update { start: true, .. } | UnitCall::Start { .. })
}

/// What refusals make of a rollout, if anything. A lease that somebody broke is asked for again before the next call:
/// that shows whether it is theirs now.
fn give_up(rollout: &Rollout, problems: &[PortError], refusals: &mut u32) -> Option<Rolled> {
    let of = |kind| problems.iter().find(|error| error.kind == kind);
    let (refused, fenced) = (of(PortErrorKind::Refused), of(PortErrorKind::Fenced));
    let error = refused.or(fenced)?;
    *refusals += 1;
    let is_over = *refusals > REFUSALS_MAX;
    match (rollout.filed, refused) {
        // On a way back that a person asked for, too, there may be another way.
        (Direction::Forward, Some(_)) if rollout.direction == Direction::Forward || is_over => {
            Some(Rolled::Failed(error.message.clone()))
        }
        (Direction::Forward, None) | (Direction::Back, Some(_)) if is_over => {
            Some(Rolled::Failed(error.message.clone()))
        }
        (Direction::Back, None) if is_over => Some(Rolled::Errored(error.message.clone())),
        (Direction::Forward | Direction::Back, _) => None,
    }
}

/// The same for every try of the same call.
fn key(rollout: &Rollout, call: &UnitCall) -> String {
    let object = match call {
        UnitCall::Create { slot, .. } => slot.to_string(),
        UnitCall::Update { unit, expect, .. } => format!("{unit}@{expect}"),
        _ => call.unit().map(ToString::to_string).unwrap_or_default(),
    };
    let way = match rollout.filed {
        Direction::Forward => "forward",
        Direction::Back => "back",
    };
    format!("{}/{}/{way}/{}/{object}", rollout.stamp.promotion, rollout.target.place.component, call.verb())
}
