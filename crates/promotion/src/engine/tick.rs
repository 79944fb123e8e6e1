//! Nobody's chore: orphans are taken over, timers fire, parked fleets end.

use super::{Engine, EngineError, Outcome};
use crate::journal::{Draft, Entry, EnvironmentView};
use crate::machine::Phase;
use crate::model::{ComponentTarget, EnvironmentName, PromotionId, UnitId, UnitState, label};
use crate::ports::{JournalError, Key};
use crate::rollout::UnitCall;

/// What a tick did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ticked {
    /// Promotions that were driven, and how far.
    pub driven: Vec<(EnvironmentName, PromotionId, Outcome)>,
    /// Parked units whose time was over.
    pub ended: Vec<(EnvironmentName, UnitId)>,
    /// What could not be done this time.
    pub problems: Vec<String>,
}

impl Engine {
    /// Looks after every environment of the store once. Idempotent; call it at least every few minutes (P4).
    pub async fn tick(&self) -> Result<Ticked, EngineError> {
        let mut ticked = Ticked::default();
        for environment in self.ports.journal.environments().await? {
            let view = self.view(&environment).await?;
            for id in self.due(&view) {
                match self.drive(&environment, &id).await {
                    Ok(outcome) => ticked.driven.push((environment.clone(), id, outcome)),
                    Err(error) => ticked.problems.push(format!("{id}: {error}")),
                }
            }
            if let Err(error) = self.end_parked(&environment, &mut ticked).await {
                ticked.problems.push(format!("{environment}: {error}"));
            }
        }
        Ok(ticked)
    }

    /// What has something to do: the one that holds the environment first, then in the order of asking.
    fn due(&self, view: &EnvironmentView) -> Vec<PromotionId> {
        let mut due: Vec<_> = view
            .promotions
            .values()
            .filter(|promotion| {
                let phase = promotion.state.phase;
                let timer = self.ports.clock.now() >= promotion.state.facts.deadline;
                !promotion.outbox.is_empty() || (!phase.is_final() && (!phase.is_human_wait() || timer))
            })
            .collect();
        due.sort_by_key(|promotion| (!promotion.state.phase.is_active(), promotion.first));
        due.into_iter().map(|promotion| promotion.id().clone()).collect()
    }

    async fn end_parked(
        &self,
        environment: &EnvironmentName,
        ticked: &mut Ticked,
    ) -> Result<(), EngineError> {
        let view = self.view(environment).await?;
        let Some(last) = view.ended().filter(|view| view.state.phase == Phase::Succeeded).last() else {
            return Ok(());
        };
        if view.active().is_some() {
            return Ok(());
        }
        let components = last.state.facts.request.components.clone();
        let grant =
            match self.ports.journal.take_lease(environment, &self.runner, self.options.lease_ttl).await {
                Ok(grant) => grant,
                Err(JournalError::Held { .. }) => return Ok(()),
                Err(error) => return Err(error.into()),
            };
        for component in &components {
            let units = self.over(component).await.unwrap_or_default();
            let mut gone = Vec::new();
            for unit in units {
                let call = UnitCall::Destroy { unit: unit.clone() };
                let key = Key { id: format!("parked/{unit}"), nonce: None };
                match self.ports.deployer.perform(&component.place, &call, &key).await {
                    Ok(_) => gone.push(unit),
                    Err(error) => ticked.problems.push(format!("parked {unit}: {error}")),
                }
            }
            if gone.is_empty() {
                continue;
            }
            ticked.ended.extend(gone.iter().map(|unit| (environment.clone(), unit.clone())));
            let entry = Entry::ParkedEnded { component: component.place.component.clone(), units: gone };
            let at = self.ports.clock.now();
            let head = self.view(environment).await?.head;
            let draft = Draft { promotion: None, at, entry };
            self.ports.journal.append(environment, head, Some(grant.epoch), vec![draft]).await?;
        }
        self.ports.journal.release_lease(environment, grant.epoch).await?;
        Ok(())
    }

    /// Parked units of ours whose time is over: labelled, stopped, of this store and environment (P10).
    async fn over(&self, component: &ComponentTarget) -> Result<Vec<UnitId>, EngineError> {
        let store = self.ports.journal.store_id().await?;
        let now = self.ports.clock.now().to_string();
        let Ok(fleet) = self.ports.deployer.observe_fleet(&component.place).await else {
            return Ok(Vec::new());
        };
        Ok(fleet
            .units
            .into_iter()
            .filter(|unit| {
                unit.label(label::PARKED_UNTIL).is_some_and(|until| until <= now.as_str())
                    && unit.label(label::STORE) == Some(store.as_str())
                    && unit.label(label::ENVIRONMENT) == Some(component.place.environment.as_str())
                    && unit.state == UnitState::Stopped
            })
            .map(|unit| unit.id)
            .collect())
    }
}
