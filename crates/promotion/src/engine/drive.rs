//! The loop: what the phase asks for is done, and what came of it is an event.

use super::session::Session;
use super::{Engine, EngineError, Outcome};
use crate::machine::{Event, Failure, Phase, Work};
use crate::model::{EnvironmentName, PromotionId};
use crate::ports::JournalError;

/// What the work of a phase came to.
pub(super) enum Came {
    /// An event for the machine.
    Event(Event),
    /// Somebody's word, the switch or the deadline came between.
    Yield,
}

impl Came {
    pub(super) const fn done(work: Work) -> Self {
        Self::Event(Event::Done(work))
    }

    pub(super) fn failed(why: impl Into<String>) -> Self {
        Self::Event(Event::Failed(Failure { component: None, suite: None, why: why.into() }))
    }

    pub(super) fn errored(why: impl Into<String>) -> Self {
        Self::Event(Event::Errored { why: why.into() })
    }
}

impl Engine {
    pub(super) async fn drive(
        &self,
        environment: &EnvironmentName,
        id: &PromotionId,
    ) -> Result<Outcome, EngineError> {
        let mut session = Session::open(self, environment, id).await?;
        let outcome = session.run().await;
        match outcome {
            // Another runner took the environment: everything we still know is the journal's.
            Err(EngineError::Journal(JournalError::Fenced { .. })) => {
                session.lease = None;
                Ok(Outcome::Busy { by: "another runner".to_owned() })
            }
            Err(error) => {
                // Best effort: the lease runs out by itself.
                let _unreachable_store = session.release_lease().await;
                Err(error)
            }
            Ok(outcome) => {
                session.release_lease().await?;
                if matches!(outcome, Outcome::Ended(_) | Outcome::Waiting { .. })
                    && let Err(why) = self.anchor(&session.environment).await
                {
                    session.note(why);
                }
                self.learn(session.environment);
                Ok(outcome)
            }
        }
    }
}

impl Session<'_> {
    async fn run(&mut self) -> Result<Outcome, EngineError> {
        let mut n_errored = 0;
        loop {
            self.sync().await?;
            if self.engine.is_stopped() {
                return Ok(Outcome::Interrupted);
            }
            let phase = self.phase();
            // Also while somebody else holds the environment: that is when others wait.
            if (phase.is_human_wait() || phase == Phase::Queued) && self.now() < self.deadline() {
                self.overtake().await?;
                if self.phase() != phase {
                    continue;
                }
            }
            let needs_lease = phase.is_active() || phase == Phase::Queued || !self.view().outbox.is_empty();
            if needs_lease && self.lease.is_none() {
                match self.take_lease().await {
                    Ok(()) => continue,
                    // It is over; what is left to tell is told by whoever comes when the environment is free.
                    Err(EngineError::Journal(JournalError::Held { .. })) if phase.is_final() => {
                        return Ok(Outcome::Ended(phase));
                    }
                    Err(EngineError::Journal(JournalError::Held { holder })) => {
                        return Ok(Outcome::Busy { by: holder });
                    }
                    Err(error) => return Err(error),
                }
            }
            if let Some(item) = self.view().outbox.first().copied() {
                self.perform_effect(item).await?;
                continue;
            }
            if phase.is_final() {
                return Ok(Outcome::Ended(phase));
            }
            if self.now() >= self.deadline() {
                self.emit(Event::Deadline).await?;
                continue;
            }
            if phase.is_human_wait() {
                return Ok(Outcome::Waiting { until: self.view().state.facts.deadline });
            }
            if phase == Phase::Queued {
                if let Some(other) = self.environment.holder() {
                    return Ok(Outcome::Busy { by: other.id().to_string() });
                }
                self.emit(Event::LockTaken { holder: self.engine.runner.clone() }).await?;
                continue;
            }
            match self.work(phase).await? {
                Came::Yield => {}
                // Somebody's word came between, and an append on the way read it: what was found then says nothing of the
                // phase that it led to. A unit that does not start is no reason to give the way back up.
                Came::Event(_) if self.phase() != phase => {}
                Came::Event(event) => {
                    let errored = matches!(event, Event::Errored { .. });
                    self.emit(event).await?;
                    if errored {
                        self.back_off(n_errored).await?;
                        n_errored += 1;
                    } else {
                        n_errored = 0;
                    }
                }
            }
        }
    }

    async fn work(&mut self, phase: Phase) -> Result<Came, EngineError> {
        if phase.is_active()
            && let Some(came) = self.keep_fenced().await?
        {
            return Ok(came);
        }
        match phase {
            Phase::Requested => self.make_plan().await,
            Phase::Planned => self.ask_gates().await,
            Phase::Locked => self.lease_units().await,
            Phase::Rechecking => self.recheck().await,
            Phase::Copying => self.copy().await,
            Phase::Snapshotting => self.snapshot().await,
            Phase::Deploying => self.deploy().await,
            Phase::Verifying => self.verify().await,
            Phase::Soaking => self.soak().await,
            Phase::RollingBack => self.roll_back().await,
            Phase::AwaitingApproval
            | Phase::Queued
            | Phase::Succeeded
            | Phase::Rejected
            | Phase::Expired
            | Phase::Superseded
            | Phase::Blocked
            | Phase::Aborted
            | Phase::RolledBack
            | Phase::RollbackFailed => Ok(Came::Yield),
        }
    }
}
