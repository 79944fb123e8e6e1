//! Nobody's chore: orphans are taken over, timers fire, parked fleets end.

use std::collections::BTreeMap;

use super::watching::{DriftSeen, Looks};
use super::{Engine, EngineError, Outcome};
use crate::journal::{Draft, Entry, EnvironmentView};
use crate::machine::Phase;
use crate::model::{
    At, ComponentName, EnvironmentName, Fleet, Millis, Place, PromotionId, Unit, UnitId, UnitState, label,
};
use crate::ports::{JournalError, Key, Notice};
use crate::rollout::UnitCall;

/// What a tick did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ticked {
    /// Promotions that were driven, and how far.
    pub driven: Vec<(EnvironmentName, PromotionId, Outcome)>,
    /// Parked units whose time was over.
    pub ended: Vec<(EnvironmentName, UnitId)>,
    /// Environments in which something else runs than is recorded, or does so no more: only what was not known before.
    pub drifted: Vec<(EnvironmentName, DriftSeen)>,
    /// What nobody can compare, for people; that is no drift.
    pub unknown: Vec<(EnvironmentName, String)>,
    /// What people were told: of drift, and again of what waits for them.
    pub told: Vec<Notice>,
    /// What is left to other runners, and why; that is no problem.
    pub notes: Vec<String>,
    /// What could not be done this time.
    pub problems: Vec<String>,
}

/// An error with its causes: who ran the tick sees nothing else of it.
fn told(error: &EngineError) -> String {
    let causes = std::iter::successors(Some(error as &dyn std::error::Error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

impl Engine {
    /// Looks after every environment of the store once. Idempotent; call it at least every few minutes (P4). An environment
    /// whose journal cannot be read is an error, after the others were looked after.
    pub async fn tick(&self) -> Result<Ticked, EngineError> {
        let mut ticked = Ticked::default();
        let mut unreadable = None;
        for environment in self.ports.journal.environments().await? {
            let view = match self.view(&environment).await {
                Ok(view) => view,
                Err(error) => {
                    // What is wrong with one is no reason to leave the others as they are.
                    unreadable = unreadable.or(Some(error));
                    continue;
                }
            };
            // Before it is tried again: what does not go on may not for long.
            if let Err(error) = self.tell_again(&environment, &mut ticked).await {
                ticked.problems.push(format!("{environment}: {}", told(&error)));
            }
            for id in self.due(&view) {
                match self.drive(&environment, &id).await {
                    Ok(outcome) => ticked.driven.push((environment.clone(), id, outcome)),
                    Err(error) => ticked.problems.push(format!("{id}: {}", told(&error))),
                }
            }
            let mut looks = Looks::default();
            if let Err(error) = self.end_parked(&environment, &mut looks, &mut ticked).await {
                ticked.problems.push(format!("{environment}: {}", told(&error)));
            }
            if let Err(error) = self.watch_drift(&environment, &mut looks, &mut ticked).await {
                ticked.problems.push(format!("{environment}: {}", told(&error)));
            }
            if let Err(error) = self.catch_up(&environment, &mut ticked).await {
                ticked.problems.push(format!("{environment}: {}", told(&error)));
            }
            if let Err(error) = self.tell_again(&environment, &mut ticked).await {
                ticked.problems.push(format!("{environment}: {}", told(&error)));
            }
        }
        unreadable.map_or(Ok(ticked), Err)
    }

    /// What has something to do: the one that holds the environment first, then in the order of asking.
    fn due(&self, view: &EnvironmentView) -> Vec<PromotionId> {
        let mut due: Vec<_> = view
            .promotions
            .values()
            .filter(|promotion| {
                let phase = promotion.state.phase;
                if phase.is_active() && cfg!(feature = "sabotage-p4") {
                    return false;
                }
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
        looks: &mut Looks,
        ticked: &mut Ticked,
    ) -> Result<(), EngineError> {
        let view = self.view(environment).await?;
        // What a person locked is left as it is: parked units cost little, and nobody knows what they are needed for.
        if view.active().is_some() || view.lock().is_some() {
            return Ok(());
        }
        // All places that were ever promoted into: a component that is no longer asked for may have parked units.
        let places: BTreeMap<Place, ComponentName> = view
            .ended()
            .filter(|view| view.state.phase == Phase::Succeeded)
            .flat_map(|view| &view.state.facts.request.components)
            .map(|component| (component.place.clone(), component.place.component.clone()))
            .collect();
        let mut due = Vec::new();
        for (place, component) in places {
            let Some(fleet) = looks.at(&self.ports, &place, At(i64::MIN), ticked).await else { continue };
            if !self.over(&view, &place, fleet).await?.is_empty() {
                due.push((place, component));
            }
        }
        if due.is_empty() {
            return Ok(());
        }
        let holder = format!("{} for parked units", self.runner);
        let asked = self.ports.clock.elapsed();
        let grant = match self.ports.journal.take_lease(environment, &holder, self.options.lease_ttl).await {
            Ok(grant) => grant,
            Err(JournalError::Held { .. }) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        let mut lease = (grant.epoch, asked);
        let came = self.destroy_parked(environment, &mut lease, due, ticked).await;
        let released = self.ports.journal.release_lease(environment, grant.epoch).await;
        came.and(released.map_err(EngineError::from))
    }

    /// Under the environment's lease, which the caller gives back whatever comes of this.
    async fn destroy_parked(
        &self,
        environment: &EnvironmentName,
        lease: &mut (u64, Millis),
        due: Vec<(Place, ComponentName)>,
        ticked: &mut Ticked,
    ) -> Result<(), EngineError> {
        for (place, component) in due {
            // Looked at again: nobody else changes them from here on.
            let looked = self.keeping(environment, lease, self.ports.deployer.observe_fleet(&place)).await?;
            let fleet = looked.map_err(|error| EngineError::Refused { why: error.message })?;
            let view = self.view(environment).await?;
            let units = self.over(&view, &place, &fleet).await?;
            if units.is_empty() {
                continue;
            }
            // Written down first: whoever finds a unit gone finds here why.
            let entry = Entry::ParkedEnded { component, units: units.clone() };
            let draft = Draft { promotion: None, at: self.ports.clock.now(), entry };
            if view.active().is_some() || view.lock().is_some() {
                break;
            }
            self.ports.journal.append(environment, view.head, Some(lease.0), vec![draft]).await?;
            for unit in units {
                let call = UnitCall::Destroy { unit: unit.clone() };
                let key = Key { id: format!("parked/{unit}"), nonce: None };
                let destroyed = self.ports.deployer.perform(&place, &call, &key);
                match self.keeping(environment, lease, destroyed).await? {
                    Ok(_) => ticked.ended.push((environment.clone(), unit)),
                    Err(error) => ticked.problems.push(format!("parked {unit}: {error}")),
                }
            }
        }
        Ok(())
    }

    /// Parked units of ours whose time is over: labelled, stopped, of this store and environment, and parked by a promotion
    /// that the store knows (P10): one that was restored from an older copy does not know what they are for.
    async fn over(
        &self,
        view: &EnvironmentView,
        place: &Place,
        fleet: &Fleet,
    ) -> Result<Vec<UnitId>, EngineError> {
        let store = self.ports.journal.store_id().await?;
        let now = self.ports.clock.now().to_string();
        let is_known = |unit: &Unit| match unit.label(label::PARKED_BY) {
            Some(by) => PromotionId::new(by).is_ok_and(|by| view.promotions.contains_key(&by)),
            None => true,
        };
        Ok(fleet
            .units
            .iter()
            .filter(|unit| {
                unit.label(label::PARKED_UNTIL).is_some_and(|until| until <= now.as_str())
                    && unit.label(label::STORE) == Some(store.as_str())
                    && unit.label(label::ENVIRONMENT) == Some(place.environment.as_str())
                    && unit.state == UnitState::Stopped
                    && is_known(unit)
            })
            .map(|unit| unit.id.clone())
            .collect())
    }
}
