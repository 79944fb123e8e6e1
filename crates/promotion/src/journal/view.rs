//! What a chain adds up to: a fold over its records, through the same `step` that ran live.

use std::collections::BTreeMap;

use super::chain;
use super::closed::{ClosedBy, ClosedByPeople};
use super::drift::{DriftEnd, DriftView, Drifts};
use super::record::{Entry, Intent, OneOffStep, Outcome, Record};
use super::reported::Reported;
use crate::machine::{EffectName, Phase, State, apply};
use crate::model::{
    At, Attestation, BreakGlass, Class, ComponentName, DeploymentInfo, DeploymentStatus, EnvironmentName,
    Hash, Kind, Nonce, OneOffEnd, Person, Policy, PromotionId, UnitId,
};
use crate::ports::{JournalError, PortErrorKind};
use crate::rollout::{Direction, Progress, UnitCall};

/// An effect that is asked for and not done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutboxItem {
    /// The record that asked for it.
    pub seq: u64,
    /// Its place there.
    pub n: u32,
    /// What.
    pub effect: EffectName,
}

/// Calls that were meant and have no outcome: key → (component, direction, intent).
type OpenCalls = BTreeMap<String, (ComponentName, Direction, Intent)>;

/// One promotion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PromotionView {
    /// Its state.
    pub state: State,
    /// Per component and way.
    pub rollouts: BTreeMap<(ComponentName, Direction), Progress>,
    /// Calls without an outcome.
    pub open: OpenCalls,
    /// The provider leases we hold, and the epoch under which they were taken.
    pub nonces: BTreeMap<ComponentName, (u64, BTreeMap<UnitId, Nonce>)>,
    /// Numbers of earlier runners that are not given back yet: the hosts of their units did not answer.
    pub earlier: BTreeMap<ComponentName, BTreeMap<UnitId, Nonce>>,
    /// Release commands, as far as they came.
    pub one_offs: BTreeMap<ComponentName, OneOffView>,
    /// Effects to do.
    pub outbox: Vec<OutboxItem>,
    /// When it reached its phase's last change.
    pub at: At,
    /// Its first record.
    pub first: u64,
    /// How often people heard again of how it stands, since it stands so.
    pub told: u32,
    /// Since when it cannot be judged, where that is so.
    pub stalled_since: Option<At>,
    /// The effect that last told people that one of them has to do something.
    pub asked: Option<OutboxItem>,
}

/// How far a release command came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OneOffView {
    /// When a machine was last about to be made for it.
    pub meant_at: At,
    /// The machine that runs it, and since when that is known.
    pub run: Option<(UnitId, At)>,
    /// How it ended.
    pub ended: Option<OneOffEnd>,
}

/// One environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnvironmentView {
    /// Which.
    pub name: EnvironmentName,
    /// The last record.
    pub head: u64,
    hash: Hash,
    /// All promotions, by id (which sorts by time).
    pub promotions: BTreeMap<PromotionId, PromotionView>,
    /// The order in which they ended.
    ended: Vec<PromotionId>,
    breaker_reset: Option<At>,
    /// How many had ended each time the environment was taken out of our hands, and by whom and when the last time.
    ejects: Vec<usize>,
    ejected: Option<(At, Person)>,
    drifts: Drifts,
    closed: ClosedByPeople,
    glasses: Vec<BreakGlass>,
    reports: Vec<Reported>,
}

impl EnvironmentView {
    /// Before the first record.
    pub fn new(name: EnvironmentName) -> Self {
        let hash = Record::root(&name);
        Self {
            name,
            head: 0,
            hash,
            promotions: BTreeMap::new(),
            ended: Vec::new(),
            breaker_reset: None,
            ejects: Vec::new(),
            ejected: None,
            drifts: Drifts::default(),
            closed: ClosedByPeople::default(),
            glasses: Vec::new(),
            reports: Vec::new(),
        }
    }

    /// The last record's hash; of the name before the first one.
    pub const fn hash(&self) -> &Hash {
        &self.hash
    }

    /// Takes in records that follow; the chain and every step are checked (P8).
    pub fn extend(&mut self, records: &[Record]) -> Result<(), JournalError> {
        self.hash = chain::verify(&self.name, self.head, self.hash.clone(), records)?;
        for record in records {
            self.fold(record).map_err(|why| JournalError::Damaged {
                environment: self.name.clone(),
                seq: record.seq,
                why,
            })?;
            self.head = record.seq;
        }
        Ok(())
    }

    fn fold(&mut self, record: &Record) -> Result<(), String> {
        match (&record.entry, &record.promotion) {
            (Entry::Requested { request }, Some(id)) => {
                let broken = |glass: &BreakGlass| self.glasses.contains(glass) && request.at < glass.until;
                if request.break_glass.as_ref().is_some_and(|glass| !broken(glass)) {
                    return Err(format!("promotion {id} names a break-glass that was none"));
                }
                let view = PromotionView {
                    state: State::new((**request).clone()),
                    rollouts: BTreeMap::new(),
                    open: BTreeMap::new(),
                    nonces: BTreeMap::new(),
                    earlier: BTreeMap::new(),
                    one_offs: BTreeMap::new(),
                    outbox: Vec::new(),
                    at: record.at,
                    first: record.seq,
                    told: 0,
                    stalled_since: None,
                    asked: None,
                };
                if self.promotions.insert(id.clone(), view).is_some() {
                    return Err(format!("promotion {id} was requested twice"));
                }
                Ok(())
            }
            (Entry::BreakerReset { .. }, _) => {
                self.breaker_reset = Some(record.at);
                Ok(())
            }
            (Entry::Closed { closing, by, reason, signed }, _) => {
                self.closed.said(record.at, *closing, by, reason);
                // Whoever's clock is ahead signs a later instant; the same words do not count again after that.
                self.closed.changed = signed.as_ref().map(|signed| signed.at).max(self.closed.changed);
                Ok(())
            }
            (Entry::GlassBroken { glass }, _) => {
                self.glasses.push((**glass).clone());
                Ok(())
            }
            (Entry::Reported { about, suites }, _) => {
                let n_ended = self.ended.len();
                let report =
                    Reported { seq: record.seq, n_ended, about: (**about).clone(), suites: suites.clone() };
                report.check(self)?;
                self.reports.push(report);
                Ok(())
            }
            (Entry::Ejected { by, .. }, _) => {
                self.ejects.push(self.ended.len());
                self.ejected = Some((record.at, by.clone()));
                self.drifts.end(record.at, DriftEnd::Ejected { by: by.clone() });
                Ok(())
            }
            (Entry::Drifted { of, differences }, _) => {
                self.drifts.seen(record.seq, record.at, of, differences)
            }
            (Entry::ToldAgain { n }, None) => {
                // That people were told is so, whether or not what they were told of is over.
                if let Some(drift) = self.drifts.open.as_mut() {
                    drift.told = *n;
                }
                Ok(())
            }
            (Entry::ParkedEnded { .. } | Entry::Moved { .. } | Entry::Arrived { .. }, _) => Ok(()),
            (_, Some(id)) => {
                let view = self
                    .promotions
                    .get_mut(id)
                    .ok_or_else(|| format!("promotion {id} was never requested"))?;
                let lived = !view.state.phase.is_final();
                view.fold(record)?;
                if lived && view.state.phase.is_final() {
                    self.ended.push(id.clone());
                    if view.state.stands() {
                        let request = &view.state.facts.request;
                        self.drifts.stands(record.at, &request.kind, id, &request.requested_by);
                    }
                }
                Ok(())
            }
            (_, None) => Err("it belongs to no promotion".to_owned()),
        }
    }

    /// The promotion that holds the environment.
    pub fn active(&self) -> Option<&PromotionView> {
        self.promotions.values().find(|view| view.state.phase.is_active())
    }

    /// The promotion that is in the way of the next one: the active one, or one that is over and whose runner died before
    /// it gave its leases at the provider back.
    pub(crate) fn holder(&self) -> Option<&PromotionView> {
        let owes = |view: &&PromotionView| view.outbox.iter().any(|item| item.effect == EffectName::Release);
        self.active().or_else(|| self.promotions.values().find(owes))
    }

    /// The promotion that could change something here last: of those that ever had the environment, the one that moved last.
    pub(crate) fn last_at_work(&self) -> Option<&PromotionView> {
        let at_work = self.promotions.values().filter(|it| it.state.facts.locked_at.is_some());
        at_work.max_by_key(|promotion| promotion.at)
    }

    /// The promotions that ended, in that order.
    pub fn ended(&self) -> impl Iterator<Item = &PromotionView> {
        self.ended.iter().filter_map(|id| self.promotions.get(id))
    }

    /// The promotions whose releases run, or would run again, oldest first: the last one is what runs now. What stood
    /// there when the environment was taken out of our hands is none of them.
    pub fn standing(&self) -> Vec<&PromotionView> {
        let since = self.ejects.last().copied().unwrap_or_default();
        self.standing_of(self.ended.get(since..).unwrap_or_default())
    }

    fn standing_of(&self, ended: &[PromotionId]) -> Vec<&PromotionView> {
        let mut stack: Vec<&PromotionView> = Vec::new();
        let stands = |view: &&PromotionView| view.state.stands();
        for view in ended.iter().filter_map(|id| self.promotions.get(id)).filter(stands) {
            match &view.state.facts.request.kind {
                Kind::Rollback { of } => {
                    if let Some(n) = stack.iter().position(|view| view.id() == of) {
                        stack.truncate(n);
                    }
                }
                Kind::Deploy | Kind::Promote | Kind::Bootstrap | Kind::Adopt | Kind::Repair => {
                    stack.push(view);
                }
            }
        }
        stack
    }

    /// The drift that is open: what runs is not what is recorded, as far as anybody looked.
    pub const fn drift(&self) -> Option<&DriftView> {
        self.drifts.open.as_ref()
    }

    /// Earlier drift, oldest first, with when and how each ended.
    pub fn drifts_ended(&self) -> &[(DriftView, At, DriftEnd)] {
        &self.drifts.ended
    }

    /// Who took the environment out of our hands and when, where nothing was put or taken over there since.
    pub fn ejected(&self) -> Option<(At, &Person)> {
        let (at, by) = self.ejected.as_ref().filter(|_| self.current().is_none())?;
        Some((*at, by))
    }

    /// When the environment was last taken out of our hands, whatever came since: a word from before counts no more.
    pub(crate) fn last_ejected(&self) -> Option<At> {
        self.ejected.as_ref().map(|(at, _)| *at)
    }

    /// What runs now, as far as this journal knows.
    pub fn current(&self) -> Option<&PromotionView> {
        self.standing().pop()
    }

    /// The promotion whose release runs again when the work of `of` is undone.
    pub fn before(&self, of: &PromotionId) -> Option<&PromotionView> {
        let standing = self.standing();
        let place = standing.iter().position(|view| view.id() == of)?;
        standing.get(place.checked_sub(1)?).copied()
    }

    /// The rules in force: those that the release which runs now brought. Where nothing runs that this journal knows of,
    /// since everything was undone, those by which the last release came there. An adoption over what stood, and
    /// what came under a break-glass, goes on with the rules by which it was judged.
    pub fn rules(&self) -> Option<&Policy> {
        let came = |view: &&PromotionView| {
            view.state.phase == Phase::Succeeded
                && !matches!(view.state.facts.request.kind, Kind::Rollback { .. })
        };
        let standing = self.standing();
        let current = standing.last().map(|view| match view.state.facts.request.kind {
            // What is taken over where something stood, or came under a break-glass, brings no rules: nobody approved any.
            Kind::Adopt if standing.len() > 1 => view.state.policy(),
            _ if view.state.facts.request.break_glass.is_some() => view.state.policy(),
            _ => &view.state.facts.request.policy,
        });
        current.or_else(|| self.ended().filter(came).last().map(|view| view.state.policy()))
    }

    /// What class of environment this is: that of the last promotion that came as far as to change something. Requests
    /// that were refused before that say nothing.
    pub fn class(&self) -> Option<Class> {
        let acted = self.promotions.values().filter(|view| view.state.facts.snapshot.is_some());
        acted.max_by_key(|view| view.first).map(|view| view.state.facts.request.class)
    }

    /// The promotion that was asked for by these very words: who says them again repeats somebody.
    pub(crate) fn asked_by(&self, statement: &str) -> Option<&PromotionView> {
        self.promotions.values().find(|view| {
            let request = &view.state.facts.request;
            request
                .signed
                .as_ref()
                .is_some_and(|signed| request.wish().statement(&request.requested_by, signed.at) == statement)
        })
    }

    /// How far the last rollout of a component came, whosever it was and whichever way it went.
    pub(crate) fn last_rollout(&self, component: &ComponentName) -> Option<&Progress> {
        let all = self.promotions.values().flat_map(|view| &view.rollouts);
        let its = all.filter(|((of, _), _)| of == component);
        its.map(|(_, progress)| progress).max_by_key(|progress| progress.since)
    }

    /// When a person last closed the breaker.
    pub(crate) const fn breaker_reset(&self) -> Option<At> {
        self.breaker_reset
    }

    /// The lock of a person, where there is one.
    pub const fn lock(&self) -> Option<&ClosedBy> {
        self.closed.lock.as_ref()
    }

    /// The freezes of people that are not over at `now`.
    pub fn freezes(&self, now: At) -> impl Iterator<Item = &ClosedBy> {
        self.closed.freezes.iter().filter(move |freeze| freeze.until.is_none_or(|until| now < until))
    }

    /// The break-glass that lasts at `now`: the last one said, so that a shorter one ends a longer one.
    pub fn break_glass(&self, now: At) -> Option<&BreakGlass> {
        self.glasses.last().filter(|glass| now < glass.until)
    }

    /// The last break-glass, be it over or not.
    pub(crate) fn last_glass(&self) -> Option<&BreakGlass> {
        self.glasses.last()
    }

    /// When a person last closed or opened the environment.
    pub(crate) const fn closed_or_opened(&self) -> Option<At> {
        self.closed.changed
    }

    /// All evidence made here.
    pub fn attestations(&self) -> impl Iterator<Item = &Attestation> {
        let by_deploys = self.promotions.values().flat_map(|view| &view.state.facts.attestations);
        by_deploys.chain(self.reports.iter().flat_map(Reported::attestations))
    }

    /// The reports of other steps that were taken in here, oldest first.
    pub fn reports(&self) -> &[Reported] {
        &self.reports
    }

    /// All deployments, oldest first, as the outside sees them.
    pub fn deployments(&self) -> Vec<DeploymentInfo> {
        // What stood when the environment was taken out had been put there, and was not put back.
        let mut standing: Vec<&PromotionId> = self.standing().into_iter().map(PromotionView::id).collect();
        let mut from = 0;
        for to in &self.ejects {
            let stood = self.standing_of(self.ended.get(from..*to).unwrap_or_default());
            standing.extend(stood.into_iter().map(PromotionView::id));
            from = *to;
        }
        self.promotions.values().map(|view| view.deployment(standing.contains(&view.id()))).collect()
    }
}

impl PromotionView {
    /// Its id.
    pub const fn id(&self) -> &PromotionId {
        &self.state.facts.request.id
    }

    fn fold(&mut self, record: &Record) -> Result<(), String> {
        match &record.entry {
            Entry::Stepped { stamped, phase, effects } => {
                let (was, was_stalled) = (self.state.phase, self.state.facts.stalled.is_some());
                let follow = apply(&mut self.state, stamped).map_err(|rejected| rejected.to_string())?;
                if self.state.phase != *phase || follow != effects.as_slice() {
                    return Err(format!("it says {phase}, and the rules say {}", self.state.phase));
                }
                self.state.check()?;
                let is_stalled = self.state.facts.stalled.is_some();
                if self.state.phase != was {
                    self.at = record.at;
                    self.told = 0;
                } else if is_stalled != was_stalled {
                    self.told = 0;
                }
                self.stalled_since = is_stalled.then_some(self.stalled_since.unwrap_or(record.at));
                for (n, effect) in (0..).zip(effects) {
                    let item = OutboxItem { seq: record.seq, n, effect: *effect };
                    if matches!(effect, EffectName::AskApproval | EffectName::Escalate) {
                        self.asked = Some(item);
                    }
                    self.outbox.push(item);
                }
            }
            Entry::EffectDone { seq, n } => {
                let place = self.outbox.iter().position(|item| (item.seq, item.n) == (*seq, *n));
                let place = place.ok_or_else(|| format!("effect {seq}/{n} was never asked for"))?;
                if self.outbox.remove(place).effect == EffectName::Release {
                    self.nonces.clear();
                    self.earlier.clear();
                }
            }
            Entry::Meant { component, direction, progress, calls } => {
                self.rollouts.insert((component.clone(), *direction), (**progress).clone());
                for intent in calls {
                    self.open.insert(intent.key.clone(), (component.clone(), *direction, intent.clone()));
                }
            }
            Entry::Came { component, outcomes } => {
                for (key, outcome) in outcomes {
                    let (_, direction, intent) =
                        self.open.remove(key).ok_or_else(|| format!("call {key} was never meant"))?;
                    if let Some(progress) = self.rollouts.get_mut(&(component.clone(), direction)) {
                        let nonces = self.nonces.get(component).map(|(_, nonces)| nonces);
                        let mut numbers = nonces.into_iter().chain(self.earlier.get(component));
                        let unit = intent.call.unit();
                        let is_leased =
                            unit.is_some_and(|unit| numbers.any(|numbers| numbers.contains_key(unit)));
                        learn(progress, &intent.call, outcome, is_leased, record.at);
                    }
                }
            }
            Entry::Leased { component, nonces, earlier } => {
                self.nonces.insert(component.clone(), (record.epoch.unwrap_or(0), nonces.clone()));
                self.earlier.insert(component.clone(), earlier.clone());
            }
            Entry::OneOff { component, step } => {
                let view = OneOffView { meant_at: record.at, run: None, ended: None };
                let view = self.one_offs.entry(component.clone()).or_insert(view);
                match step {
                    OneOffStep::Meant { .. } => view.meant_at = record.at,
                    OneOffStep::Chosen { run } => view.run = Some((run.clone(), record.at)),
                    OneOffStep::Ended(end) => view.ended = Some(end.clone()),
                }
            }
            Entry::Requested { .. }
            | Entry::BreakerReset { .. }
            | Entry::Closed { .. }
            | Entry::GlassBroken { .. }
            | Entry::Ejected { .. }
            | Entry::Drifted { .. }
            | Entry::Reported { .. }
            | Entry::ParkedEnded { .. }
            | Entry::Moved { .. }
            | Entry::Arrived { .. } => {}
            Entry::ToldAgain { n } => self.told = *n,
        }
        Ok(())
    }

    fn deployment(&self, stands: bool) -> DeploymentInfo {
        let facts = &self.state.facts;
        let status = match self.state.phase {
            Phase::Succeeded if stands || matches!(facts.request.kind, Kind::Rollback { .. }) => {
                DeploymentStatus::Deployed
            }
            Phase::Succeeded | Phase::RolledBack => DeploymentStatus::RolledBack,
            phase if phase.is_final() => DeploymentStatus::Failed,
            _ => DeploymentStatus::Pending,
        };
        let components = facts.plan.iter().flat_map(|plan| &plan.target.components);
        let apps = components.map(|target| (target.place.component.clone(), target.place.name.clone()));
        DeploymentInfo {
            id: facts.request.id.clone(),
            environment: facts.request.environment.clone(),
            version: facts.request.release.version.clone(),
            commit_sha: facts.request.release.commit.clone(),
            deployed_at: self.at,
            deployed_by: facts.request.requested_by.clone(),
            status,
            verb: facts.request.kind.verb().to_owned(),
            release: facts.request.release.id(),
            digests: facts.request.release.components.clone(),
            apps: apps.collect(),
            plan: facts.plan.as_ref().map(|plan| plan.hash.clone()),
            why: facts.failure.as_ref().map(|failure| failure.why.clone()),
            break_glass: facts.request.break_glass.clone(),
        }
    }
}

/// What an outcome adds to what must be remembered.
fn learn(progress: &mut Progress, call: &UnitCall, outcome: &Outcome, is_leased: bool, at: At) {
    match outcome {
        Outcome::Settled => progress.lose(call, is_leased, at),
        Outcome::Failed(error) if error.kind == PortErrorKind::Ambiguous => {
            progress.lose(call, is_leased, at);
        }
        Outcome::Failed(error) if error.kind == PortErrorKind::Refused => progress.refuse(call),
        Outcome::Failed(_) => progress.not_sent(call),
        Outcome::Performed(done) => {
            progress.tell(call, done.unit.as_ref(), at);
            if let (UnitCall::Update { unit, .. }, Some(version)) = (call, &done.version) {
                progress.versions.insert(unit.clone(), version.clone());
                progress.sent(unit, at);
            }
        }
    }
}
