//! Recorded against running, look by look: one record of drift for each environment, opened once.

use std::collections::BTreeMap;

use super::compare::compare;
use super::tick::Ticked;
use super::verbs::lost_tail;
use super::{Engine, EngineError, Ports};
use crate::journal::{Draft, DriftView, Entry, EnvironmentView};
use crate::model::{At, Difference, EnvironmentName, Fleet, Millis, Place};
use crate::ports::JournalError;

/// What a tick saw of an environment's drift.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DriftSeen {
    /// There is some, and there was none.
    Opened(DriftView),
    /// It became another.
    Changed(DriftView),
    /// What is recorded runs again.
    Gone(DriftView),
}

impl DriftSeen {
    /// The drift, as it is now; as it was last, where it is gone.
    pub const fn drift(&self) -> &DriftView {
        match self {
            Self::Opened(drift) | Self::Changed(drift) | Self::Gone(drift) => drift,
        }
    }
}

/// Each place is looked at once in a tick, whoever wants to know, unless something happened there since; that it is away is
/// told once.
#[derive(Debug, Default)]
pub(super) struct Looks(BTreeMap<Place, (At, Option<Fleet>)>);

impl Looks {
    /// What was at `place` at `since` or later.
    pub(super) async fn at(
        &mut self,
        ports: &Ports,
        place: &Place,
        since: At,
        ticked: &mut Ticked,
    ) -> Option<&Fleet> {
        if self.0.get(place).is_none_or(|(at, _)| *at < since) {
            let at = ports.clock.now();
            let fleet = match ports.deployer.observe_fleet(place).await {
                Ok(fleet) => Some(fleet),
                Err(error) => {
                    ticked.problems.push(format!("{}: {}", place.name, error.message));
                    None
                }
            };
            self.0.insert(place.clone(), (at, fleet));
        }
        self.0.get(place).and_then(|(_, fleet)| fleet.as_ref())
    }
}

/// From when on a look at the places of `view` shows nobody's work in progress: none of ours is under way, none owes
/// leases, and so much time has gone by since the last one that acted ended that no list is as old as its calls. Calls that
/// come late were waited for before it ended.
pub(super) fn calm_since(view: &EnvironmentView, lag: Millis) -> Option<At> {
    let last = view.last_at_work().map(|promotion| promotion.at);
    let busy = view.promotions.values().any(|promotion| promotion.state.phase.is_active());
    let is_calm = !busy && view.holder().is_none();
    is_calm.then(|| last.map_or(At(i64::MIN), |last| last.plus(lag)))
}

impl Engine {
    /// Compares what runs with what is recorded, and writes down where that came out otherwise than before. A place that
    /// is away decides nothing: neither what differs there nor that nothing does.
    pub(super) async fn watch_drift(
        &self,
        environment: &EnvironmentName,
        looks: &mut Looks,
        ticked: &mut Ticked,
    ) -> Result<(), EngineError> {
        let view = self.view(environment).await?;
        let Some(current) = view.current() else { return Ok(()) };
        let recorded = current.recorded();
        let lag = recorded.iter().map(|it| it.target.limits.list_lag).max().unwrap_or(Millis::ZERO);
        let Some(calm) = calm_since(&view, lag).filter(|calm| self.ports.clock.now() >= *calm) else {
            return Ok(());
        };
        let Some(rules) = view.rules() else { return Ok(()) };
        let ignored = &rules.drift_ignored;
        let mut found = Vec::new();
        for component in &recorded {
            let place = &component.target.place;
            let Some(fleet) = looks.at(&self.ports, place, calm, ticked).await else { return Ok(()) };
            let mut compared = compare(component, fleet, ignored);
            let known = view.drift().map_or(&[][..], |drift| &drift.differences);
            compared.keep_hidden(&place.component, known);
            found.extend(compared.differences);
            ticked.unknown.extend(compared.unknown.into_iter().map(|what| (environment.clone(), what)));
        }
        let known = view.drift().map_or(&[][..], |drift| &drift.differences);
        for difference in &mut found {
            difference.keep_since(known);
        }
        found.sort();
        if found == known {
            return Ok(());
        }
        let seen = self.write_drift(&view, current.id().clone(), found).await?;
        ticked.drifted.extend(seen.map(|seen| (environment.clone(), seen)));
        Ok(())
    }

    /// Nothing where somebody else wrote meanwhile: they saw the same, or something began.
    async fn write_drift(
        &self,
        view: &EnvironmentView,
        of: crate::model::PromotionId,
        differences: Vec<Difference>,
    ) -> Result<Option<DriftSeen>, EngineError> {
        let entry = Entry::Drifted { of, differences };
        let draft = Draft { promotion: None, at: self.ports.clock.now(), entry };
        match self.ports.journal.append(&view.name, view.head, None, vec![draft]).await {
            Ok(_) => {}
            Err(JournalError::Conflict { head }) => {
                lost_tail(view, head)?;
                return Ok(None);
            }
            Err(error) => return Err(error.into()),
        }
        let after = self.view(&view.name).await?;
        Ok(match (view.drift(), after.drift()) {
            (None, Some(drift)) => Some(DriftSeen::Opened(drift.clone())),
            (Some(_), Some(drift)) => Some(DriftSeen::Changed(drift.clone())),
            (Some(drift), None) => Some(DriftSeen::Gone(drift.clone())),
            (None, None) => None,
        })
    }
}
