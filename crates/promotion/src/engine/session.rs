//! One runner on one promotion: its reading of the chain, its lease, its appends.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::pace::Pace;
use super::silent::Silence;
use super::verbs::lost_tail;
use super::{Engine, EngineError, EngineEvent};
use crate::journal::{Draft, Entry, EnvironmentView, PromotionView};
use crate::machine::{Event, Phase, Stamped, decide};
use crate::model::{
    At, ComponentName, EnvironmentName, Fleet, Millis, Nonce, Place, PromotionId, Running, UnitId,
};
use crate::ports::{JournalError, PortError};
use crate::rollout::{Stamp, Watched};

pub(super) struct Session<'e> {
    pub(super) engine: &'e Engine,
    pub(super) id: PromotionId,
    pub(super) environment: EnvironmentView,
    /// The instant at which elapsed time began, as the machine's clock had it when this session did: from there on it counts,
    /// so that nothing it waits for is over because somebody set the clock.
    origin: At,
    /// The lease we hold, and when it was last renewed, in elapsed time.
    pub(super) lease: Option<(u64, Millis)>,
    /// Provider leases that this session took and has not written down yet.
    pub(super) unwritten: BTreeMap<UnitId, Nonce>,
    /// Until when the provider's leases last that this session took.
    pub(super) held: BTreeMap<UnitId, At>,
    /// Units whose hosts take no calls, as far as looks and leases show it.
    pub(super) silent: BTreeMap<UnitId, Silence>,
    /// When fleets were looked at.
    pace: Pace,
    /// What the plan was made for, or the snapshot taken of, and when that was looked at: what follows at once need not
    /// look again.
    pub(super) taken: BTreeMap<Place, (At, Fleet)>,
    /// What is known of units that serve, while they are read back.
    pub(super) watched: BTreeMap<ComponentName, Watched>,
    /// Every machine of a component as it was last read back.
    pub(super) ran: BTreeMap<ComponentName, Vec<Running>>,
    /// The time of a way back that was over before this session looked.
    anew: Option<At>,
    /// Whether a human has still to be told of that.
    pub(super) is_late_untold: bool,
}

impl Engine {
    /// Renews the lease on an environment (its epoch, and when it was last renewed, in elapsed time) when a third of it
    /// is gone.
    async fn keep(
        &self,
        environment: &EnvironmentName,
        lease: &mut (u64, Millis),
    ) -> Result<(), EngineError> {
        let (now, ttl) = (self.ports.clock.elapsed(), self.options.lease_ttl);
        if now.0.saturating_sub(lease.1.0) >= ttl.0 / 3 {
            self.ports.journal.renew_lease(environment, lease.0, ttl).await?;
            lease.1 = now;
        }
        Ok(())
    }

    /// Waits for `work` and keeps the lease meanwhile.
    pub(super) async fn keeping<T>(
        &self,
        environment: &EnvironmentName,
        lease: &mut (u64, Millis),
        work: impl Future<Output = T>,
    ) -> Result<T, EngineError> {
        let mut work = std::pin::pin!(work);
        let beat = Millis((self.options.lease_ttl.0 / 4).max(1));
        loop {
            let tick = std::pin::pin!(self.ports.clock.sleep(beat));
            match futures_util::future::select(work.as_mut(), tick).await {
                futures_util::future::Either::Left((done, _)) => return Ok(done),
                futures_util::future::Either::Right(((), _)) => self.keep(environment, lease).await?,
            }
        }
    }
}

impl<'e> Session<'e> {
    pub(super) async fn open(
        engine: &'e Engine,
        environment: &EnvironmentName,
        id: &PromotionId,
    ) -> Result<Self, EngineError> {
        // In this order: who is stopped between the two takes what expires for older, and not for younger.
        let mark = engine.ports.clock.elapsed();
        let session = Self {
            engine,
            id: id.clone(),
            origin: At(engine.ports.clock.now().0.saturating_sub_unsigned(mark.0)),
            environment: Arc::unwrap_or_clone(engine.view(environment).await?),
            lease: None,
            unwritten: BTreeMap::new(),
            held: BTreeMap::new(),
            silent: BTreeMap::new(),
            pace: Pace::default(),
            taken: BTreeMap::new(),
            watched: BTreeMap::new(),
            ran: BTreeMap::new(),
            anew: None,
            is_late_untold: false,
        };
        let Some(view) = session.environment.promotions.get(id) else {
            return Err(EngineError::Unknown { environment: environment.clone(), id: id.clone() });
        };
        let (state, now) = (&view.state, session.now());
        let is_late = state.phase == Phase::RollingBack && now >= state.facts.deadline;
        let anew = is_late.then(|| now.plus(state.whole_time()));
        Ok(Self { anew, is_late_untold: is_late, ..session })
    }

    /// When the phase's time is over. A way back that nobody was there to walk gets its whole time once more: giving it up
    /// unseen would leave the fleet as the dead runner left it.
    pub(super) fn deadline(&self) -> At {
        let deadline = self.view().state.facts.deadline;
        self.anew.map_or(deadline, |anew| anew.max(deadline))
    }

    /// Reads on. People's words arrive this way, also while we hold the lease.
    pub(super) async fn sync(&mut self) -> Result<(), EngineError> {
        let records = self.engine.ports.journal.read(&self.environment.name, self.environment.head).await?;
        self.environment.extend(&records)?;
        // Under a later lease somebody else is at work here: what they wrote down, numbers above all, is not ours to use.
        match self.lease {
            Some((epoch, _)) if records.iter().any(|record| record.epoch > Some(epoch)) => {
                Err(JournalError::Fenced { epoch }.into())
            }
            _ => Ok(()),
        }
    }

    /// Now: when the session began and what has passed since.
    pub(super) fn now(&self) -> At {
        self.origin.plus(self.engine.ports.clock.elapsed())
    }

    /// The promotion, which exists since `open`.
    pub(super) fn view(&self) -> &PromotionView {
        &self.environment.promotions[&self.id]
    }

    pub(super) fn phase(&self) -> Phase {
        self.view().state.phase
    }

    pub(super) async fn stamp(&self) -> Result<Stamp, EngineError> {
        let facts = &self.view().state.facts;
        Ok(Stamp {
            promotion: self.id.clone(),
            environment: self.environment.name.clone(),
            store: self.engine.ports.journal.store_id().await?,
            release: facts.request.release.id(),
        })
    }

    /// Appends, reading on first when somebody else appended: only for entries whose truth does not depend on what
    /// they said.
    pub(super) async fn append(&mut self, entries: Vec<Entry>) -> Result<(), EngineError> {
        loop {
            match self.try_append(entries.clone()).await {
                Err(EngineError::Journal(JournalError::Conflict { head })) => {
                    lost_tail(&self.environment, head)?;
                    self.sync().await?;
                }
                other => return other,
            }
        }
    }

    async fn try_append(&mut self, entries: Vec<Entry>) -> Result<(), EngineError> {
        let at = self.now();
        let drafts =
            entries.into_iter().map(|entry| Draft { promotion: Some(self.id.clone()), at, entry }).collect();
        let epoch = self.lease.map(|(epoch, _)| epoch);
        let sealed = self
            .engine
            .ports
            .journal
            .append(&self.environment.name, self.environment.head, epoch, drafts)
            .await?;
        self.environment.extend(&sealed)?;
        Ok(())
    }

    /// Puts `event` through the machine and appends the step. False when somebody's word came between: look again.
    pub(super) async fn emit(&mut self, event: Event) -> Result<bool, EngineError> {
        let stamped = Stamped { at: self.now(), event };
        let before = self.phase();
        let (phase, effects) = decide(&self.view().state, &stamped)?;
        let entry = Entry::Stepped { phase, effects: effects.to_vec(), stamped: Box::new(stamped.clone()) };
        match self.try_append(vec![entry]).await {
            Ok(()) => {}
            Err(EngineError::Journal(JournalError::Conflict { head })) => {
                lost_tail(&self.environment, head)?;
                self.sync().await?;
                return Ok(false);
            }
            Err(error) => return Err(error),
        }
        let why = self.view().state.facts.stalled.clone().or_else(|| match &stamped.event {
            Event::Failed(failure) => Some(failure.why.clone()),
            Event::GateClosed { gate, why } => Some(format!("{gate}: {why}")),
            Event::Differs { why, .. } => Some(why.clone()),
            Event::Cancel { by, reason, .. } => Some(format!("aborted by {by}: {reason}")),
            _ => None,
        });
        if self.phase() != before || why.is_some() {
            self.engine.say(EngineEvent::Phase {
                promotion: self.id.clone(),
                at: stamped.at,
                phase: self.phase(),
                why,
            });
        }
        Ok(true)
    }

    pub(super) fn note(&self, text: impl Into<String>) {
        self.engine.say(EngineEvent::Note { promotion: self.id.clone(), at: self.now(), text: text.into() });
    }

    /// Takes the environment's lease; `Held` is the caller's business.
    pub(super) async fn take_lease(&mut self) -> Result<(), EngineError> {
        let ports = &self.engine.ports;
        // Two promotions of one engine are two holders: the second waits for the first.
        let holder = format!("{} for {}", self.engine.runner, self.id);
        // It counts from here: who hears of it late may have lost it by then.
        let asked = ports.clock.elapsed();
        let grant =
            ports.journal.take_lease(&self.environment.name, &holder, self.engine.options.lease_ttl).await?;
        self.lease = Some((grant.epoch, asked));
        Ok(())
    }

    /// Renews the lease when a third of it is gone.
    pub(super) async fn keep_lease(&mut self) -> Result<(), EngineError> {
        match &mut self.lease {
            Some(lease) => self.engine.keep(&self.environment.name, lease).await,
            None => Ok(()),
        }
    }

    /// Waits for `work` and keeps the lease meanwhile: for calls that may take longer than a lease lasts.
    pub(super) async fn keeping<T>(&mut self, work: impl Future<Output = T>) -> Result<T, EngineError> {
        match &mut self.lease {
            Some(lease) => self.engine.keeping(&self.environment.name, lease, work).await,
            None => Ok(work.await),
        }
    }

    pub(super) async fn release_lease(&mut self) -> Result<(), EngineError> {
        if let Some((epoch, _)) = self.lease.take() {
            self.engine.ports.journal.release_lease(&self.environment.name, epoch).await?;
        }
        Ok(())
    }

    /// Looks at the fleet of `place`, and keeps in mind when that was.
    pub(super) async fn fleet(&mut self, place: &Place) -> Result<Fleet, PortError> {
        let begun = self.now();
        let fleet = self.engine.ports.deployer.observe_fleet(place).await;
        match &fleet {
            Ok(fleet) => {
                self.hear(fleet);
                let early = self.pace.looked(begun, self.now(), fleet, &self.engine.options);
                if early > Millis::ZERO {
                    self.engine.ports.clock.sleep(early).await;
                }
            }
            Err(_) => self.pace.failed(begun, &self.engine.options),
        }
        fleet
    }

    /// What was found at `place` a moment ago, if nobody used it since.
    pub(super) fn taken(&mut self, place: &Place) -> Option<Fleet> {
        let (at, fleet) = self.taken.remove(place)?;
        let moment = Pace::moment(fleet.units.len(), &self.engine.options);
        (self.now().since(at) < moment).then_some(fleet)
    }

    /// Calls were made on a fleet: it is looked at soon, but for calls that change nothing but where requests go.
    pub(super) const fn acted(&mut self, only_routes: bool) {
        self.pace.acted(only_routes);
    }

    /// Whether so many units are looked at that looks are dear.
    pub(super) const fn is_large(&self) -> bool {
        self.pace.is_large()
    }

    /// Whether a fleet was looked at a moment ago.
    pub(super) fn has_just_looked(&self) -> bool {
        self.pace.is_recent(self.now(), &self.engine.options)
    }

    /// Waits until it is time for the next look, no longer than until `wake`; for how long it meant to.
    pub(super) async fn pause(&mut self, wake: Option<At>) -> Result<Millis, EngineError> {
        let now = self.now();
        let next = self.pace.next(wake, &self.engine.options, now);
        let mut time = next.since(now);
        // Who waits for something else than a fleet looks no more often for that.
        if wake.is_none() && !self.has_just_looked() {
            time = time.max(self.engine.options.poll);
        }
        // For an instant it is looked then, and neither before nor after; what moves is not kept waiting.
        if self.pace.may_vary() {
            let shift = self.engine.ports.randomness.below(self.engine.options.poll.0.max(1) / 4 + 1);
            time = Millis(time.0 + shift);
        }
        let time = Millis(time.0.max(1));
        self.engine.ports.clock.sleep(time).await;
        self.keep_lease().await?;
        Ok(time)
    }

    /// Waits after the `n`-th try in a row that could not be judged: longer each time, and never so long that the
    /// lease runs out.
    pub(super) async fn back_off(&mut self, n: u32) -> Result<(), EngineError> {
        let options = &self.engine.options;
        let most = (options.lease_ttl.0 / 4).max(1);
        let time = options.poll.0.max(1).saturating_mul(1 << n.min(16)).min(most);
        let shift = self.engine.ports.randomness.below(time / 4 + 1);
        self.engine.ports.clock.sleep(Millis(time + shift)).await;
        self.keep_lease().await
    }

    /// Whether the loop that runs a phase must give way: the switch, the deadline, a word of somebody, or leases that
    /// end before the phase does.
    pub(super) async fn must_yield(&mut self, phase: Phase) -> Result<bool, EngineError> {
        self.sync().await?;
        self.keep_lease().await?;
        if self.is_due() {
            let _still_out_of_reach = self.keep_fenced().await?;
        }
        Ok(self.phase() != phase
            || self.engine.is_stopped()
            || self.now() >= self.deadline()
            || self.must_prolong())
    }
}
