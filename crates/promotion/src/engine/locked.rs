//! Fencing at the provider: every unit of the target is leased in our name until the deadline, so that anybody
//! else's deploy stops and names us, and a dead runner's late calls are refused.

use super::EngineError;
use super::drive::Came;
use super::session::Session;
use crate::journal::Entry;
use crate::machine::{Event, Phase, Work};
use crate::model::{ComponentTarget, Fleet, Millis, Nonce, UnitId, label};
use crate::ports::{Key, PortErrorKind};
use crate::rollout::{Stamp, UnitCall};

/// A lease is first taken for this long, and made to last until the deadline only when its number is journaled: a
/// runner that dies in between leaves units that are free again soon, for nobody else knows the number.
const FIRST_TTL: Millis = Millis::secs(60);

/// How a lease on a unit came out.
enum Lease {
    Ours(Option<Nonce>),
    Theirs(String),
    Away(String),
}

/// The words under which our leases stand.
fn description(stamp: &Stamp) -> String {
    format!("understudy {} {} {}", stamp.environment, stamp.promotion, stamp.store)
}

impl Session<'_> {
    pub(super) async fn lease_units(&mut self) -> Result<Came, EngineError> {
        let stamp = self.stamp().await?;
        let components = self.view().state.facts.request.components.clone();
        for component in &components {
            let fleet = match self.engine.ports.deployer.observe_fleet(&component.place).await {
                Ok(fleet) => fleet,
                Err(error) => return Ok(Came::errored(error.message)),
            };
            if let Some(came) = foreign(component, &fleet, &stamp) {
                return Ok(came);
            }
            if let Some(came) = self.lease_fleet(component, &fleet, &stamp).await? {
                return Ok(came);
            }
        }
        Ok(Came::done(Work::Leased))
    }

    /// A successor takes new leases before it changes anything: from then on the dead runner's calls are refused.
    pub(super) async fn rotate_leases(&mut self) -> Result<Option<Came>, EngineError> {
        let Some((epoch, _)) = self.lease else { return Ok(None) };
        let stale = self.view().nonces.values().any(|(taken, nonces)| *taken != epoch && !nonces.is_empty());
        if !stale {
            return Ok(None);
        }
        let stamp = self.stamp().await?;
        let components = self.view().state.facts.request.components.clone();
        for component in &components {
            let name = &component.place.component;
            let Some((taken, nonces)) = self.view().nonces.get(name).cloned() else { continue };
            if taken == epoch {
                continue;
            }
            let fleet = match self.engine.ports.deployer.observe_fleet(&component.place).await {
                Ok(fleet) => fleet,
                Err(error) => return Ok(Some(Came::errored(error.message))),
            };
            for (unit, nonce) in &nonces {
                if fleet.unit(unit).is_none() {
                    continue;
                }
                self.keep_lease().await?;
                let call = UnitCall::Unlease { unit: unit.clone() };
                let key = Key { id: format!("{}/unlease/{unit}", self.id), nonce: Some(nonce.clone()) };
                let result = self.engine.ports.deployer.perform(&component.place, &call, &key).await;
                if let Err(error) = result
                    && matches!(error.kind, PortErrorKind::NotSent | PortErrorKind::Ambiguous)
                {
                    return Ok(Some(Came::errored(error.message)));
                }
            }
            let kept = nonces.into_keys().collect::<Vec<_>>();
            let fleet = Fleet {
                units: fleet.units.into_iter().filter(|unit| kept.contains(&unit.id)).collect(),
                ..Fleet::default()
            };
            if let Some(came) = self.lease_fleet(component, &fleet, &stamp).await? {
                return Ok(Some(came));
            }
        }
        Ok(None)
    }

    async fn lease_fleet(
        &mut self,
        component: &ComponentTarget,
        fleet: &Fleet,
        stamp: &Stamp,
    ) -> Result<Option<Came>, EngineError> {
        let whole = self.view().state.facts.deadline.since(self.now());
        for (is_first, ttl) in [(true, FIRST_TTL.min(whole)), (false, whole)] {
            for unit in fleet.units.iter().filter(|unit| unit.managed) {
                self.keep_lease().await?;
                match self.lease_unit(component, &unit.id, ttl, stamp).await {
                    Lease::Ours(nonce) if is_first => {
                        self.unwritten.extend(nonce.map(|nonce| (unit.id.clone(), nonce)));
                    }
                    Lease::Ours(_) => {}
                    Lease::Theirs(why) => {
                        // It ends here: what was leased so far is given back.
                        if self.phase() == Phase::Locked && is_first {
                            self.write_leases(component, fleet).await?;
                        }
                        let gate = "unit leases".to_owned();
                        return Ok(Some(Came::Event(Event::GateClosed { gate, why })));
                    }
                    Lease::Away(why) => return Ok(Some(Came::errored(why))),
                }
            }
            if is_first {
                self.write_leases(component, fleet).await?;
            }
        }
        Ok(None)
    }

    /// Only a whole fleet's leases are written down, or none will be needed: the record says that its epoch holds them
    /// all.
    async fn write_leases(&mut self, component: &ComponentTarget, fleet: &Fleet) -> Result<(), EngineError> {
        let nonces = fleet
            .units
            .iter()
            .filter_map(|unit| Some((unit.id.clone(), self.unwritten.remove(&unit.id)?)))
            .collect();
        self.append(vec![Entry::Leased { component: component.place.component.clone(), nonces }]).await
    }

    async fn lease_unit(
        &self,
        component: &ComponentTarget,
        unit: &UnitId,
        ttl: Millis,
        stamp: &Stamp,
    ) -> Lease {
        let call = UnitCall::Lease { unit: unit.clone(), ttl, description: description(stamp) };
        let written = self
            .view()
            .nonces
            .get(&component.place.component)
            .filter(|(epoch, _)| self.lease.is_some_and(|(ours, _)| ours == *epoch))
            .and_then(|(_, nonces)| nonces.get(unit));
        let nonce = self.unwritten.get(unit).or(written).cloned();
        let key = Key { id: format!("{}/lease/{unit}", self.id), nonce };
        match self.engine.ports.deployer.perform(&component.place, &call, &key).await {
            Ok(done) => Lease::Ours(done.nonce),
            Err(error) => match error.kind {
                PortErrorKind::Fenced | PortErrorKind::Refused => Lease::Theirs(error.message),
                PortErrorKind::NotSent | PortErrorKind::Ambiguous => Lease::Away(error.message),
            },
        }
    }
}

/// Another store's mark: two journals that do not know of each other must not both move one fleet (P2).
pub(super) fn foreign(component: &ComponentTarget, fleet: &Fleet, stamp: &Stamp) -> Option<Came> {
    if cfg!(feature = "sabotage-p2") {
        return None;
    }
    let unit = fleet
        .live()
        .find(|unit| unit.label(label::STORE).is_some_and(|store| store != stamp.store.as_str()))?;
    let store = unit.label(label::STORE).unwrap_or_default();
    let why = format!(
        "machine {} of `{}` is marked by store {store}, and this is store {}: use that store, or move it with `promote migrate-store`",
        unit.id, component.place.name, stamp.store
    );
    Some(Came::Event(Event::GateClosed { gate: "store".to_owned(), why }))
}
