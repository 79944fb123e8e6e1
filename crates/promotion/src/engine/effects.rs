//! Effects of the outbox: each is done at least once, in order, and marked as done.

use super::EngineError;
use super::checklist::open_items;
use super::lanes::side_by_side;
use super::locked::is_away;
use super::session::Session;
use crate::journal::{Entry, OutboxItem};
use crate::machine::{EffectName, Phase};
use crate::model::{Kind, Nonce, UnitId};
use crate::ports::{Key, Notice};
use crate::rollout::UnitCall;

/// Tries to give a provider's lease back before it is left to run out.
const UNLEASE_TRIES: u32 = 8;

impl Session<'_> {
    pub(super) async fn perform_effect(&mut self, item: OutboxItem) -> Result<(), EngineError> {
        let id = format!("{}/{}", item.seq, item.n);
        match item.effect {
            EffectName::Release => self.unlease().await?,
            EffectName::AskApproval => {
                let plan = self
                    .view()
                    .state
                    .facts
                    .plan
                    .as_ref()
                    .map(|plan| plan.hash.to_string())
                    .unwrap_or_default();
                let state = &self.view().state;
                let items = open_items(state).map(|items| format!("open on its checklist: {items}"));
                let text = match (state.needs_approval(), items) {
                    (false, Some(items)) => format!("waits for people: {items}"),
                    (_, items) => {
                        let items = items.map(|items| format!("; {items}")).unwrap_or_default();
                        format!("waits for approval: promote approve {} --plan {plan}{items}", self.id)
                    }
                };
                self.notify(&id, false, text).await;
            }
            EffectName::Tell => {
                // What nobody was asked about is told at once.
                let glass = self.view().state.facts.request.break_glass.as_ref();
                let under = glass.map(|glass| format!("under the {glass}; ")).unwrap_or_default();
                let text = format!("{under}{}", self.ending());
                self.notify(&id, !under.is_empty(), text).await;
            }
            EffectName::Escalate => {
                let text = format!("ROLLBACK FAILED, a human must look: {}", self.ending());
                self.notify(&id, true, text).await;
            }
        }
        self.append(vec![Entry::EffectDone { seq: item.seq, n: item.n }]).await
    }

    fn ending(&self) -> String {
        let state = &self.view().state;
        let request = &state.facts.request;
        let verb = match &request.kind {
            Kind::Rollback { of } => format!("rollback of {of}"),
            kind => format!("{} of {}", kind.verb(), request.release.version),
        };
        let why =
            state.facts.failure.as_ref().map(|failure| format!(": {}", failure.why)).unwrap_or_default();
        format!("{verb} in {}: {}{why}", request.environment, state.phase)
    }

    /// A way back that was not over in its time is walked on, by whoever takes it up; a human hears of each who does, for
    /// nobody else would notice runners that are cut off again and again (P6).
    pub(super) async fn tell_late(&mut self) {
        if std::mem::take(&mut self.is_late_untold) {
            let text = format!(
                "the way back is not over in its time and goes on, look what keeps it: {}",
                self.ending()
            );
            self.notify("late", true, text).await;
        }
    }

    async fn notify(&self, id: &str, urgent: bool, text: String) {
        let facts = &self.view().state.facts;
        let notice = Notice {
            id: format!("{}/{id}", self.id),
            promotion: self.id.clone(),
            environment: facts.request.environment.clone(),
            phase: self.phase(),
            plan: facts.plan.as_ref().map(|plan| plan.hash.clone()),
            urgent,
            text,
        };
        if let Err(error) = self.engine.ports.notifier.notify(&notice).await {
            // A deaf channel must not hold an environment: what was to be said stands in the journal.
            self.note(format!("could not tell: {error}"));
        }
    }

    async fn unlease(&mut self) -> Result<(), EngineError> {
        let (held, earlier) = (self.view().nonces.clone(), self.view().earlier.clone());
        let components = self.view().state.facts.request.components.clone();
        for component in &components {
            let name = &component.place.component;
            let nonces = held.get(name).map(|(_, nonces)| nonces);
            let mut left: Vec<(&UnitId, &Nonce)> =
                nonces.into_iter().chain(earlier.get(name)).flatten().collect();
            for n in 0..UNLEASE_TRIES {
                self.keep_lease().await?;
                let (deployer, id) = (self.engine.ports.deployer.clone(), self.id.clone());
                let calls = left.iter().map(|(unit, nonce)| {
                    let call = UnitCall::Unlease { unit: (*unit).clone() };
                    let key = Key { id: format!("{id}/unlease/{unit}"), nonce: Some((*nonce).clone()) };
                    let deployer = &deployer;
                    async move { deployer.perform(&component.place, &call, &key).await }
                });
                let results = self.keeping(side_by_side(calls.collect())).await?;
                // Gone, or somebody else's by now: nothing of ours is left.
                let mut away = results.into_iter().map(|result| result.is_err_and(|error| is_away(&error)));
                left.retain(|_| away.next().unwrap_or_default());
                if left.is_empty() {
                    break;
                }
                self.back_off(n).await?;
            }
        }
        self.held.clear();
        self.unwritten.clear();
        self.silent.clear();
        debug_assert!(self.phase().is_final() || self.phase() == Phase::Planned);
        Ok(())
    }
}
