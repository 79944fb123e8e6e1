//! Fencing at the provider: every unit of the target is leased in our name until the deadline, so that anybody
//! else's deploy stops and names us, and a dead runner's late calls are refused.

use std::collections::BTreeMap;

use super::EngineError;
use super::drive::Came;
use super::lanes::side_by_side;
use super::roll::Rollout;
use super::session::Session;
use crate::journal::Entry;
use crate::machine::{Event, Work};
use crate::model::{At, ComponentTarget, Fleet, Millis, Nonce, Unit, UnitId, UnitState, label};
use crate::ports::{Key, Performed, PortError, PortErrorKind};
use crate::rollout::{Stamp, UnitCall};

/// A lease is first taken for this long, and made to last until the deadline only when its number is journaled: a
/// runner that dies in between leaves units that are free again soon, for nobody else knows the number.
const FIRST_TTL: Millis = Millis::secs(60);

/// Leases end this long after the deadline: the way back that begins there finds its units still held, and prolongs.
const SPARE: Millis = Millis::secs(60);

/// No lease is asked for longer at once; a longer one is prolonged when half of it is over.
const TTL_MAX: Millis = Millis::secs(24 * 3600);

/// A lease that ran out meanwhile is taken anew and prolonged once more.
const ROUNDS: u32 = 2;

/// How leases on units came out.
pub(super) enum Lease {
    Ours,
    Theirs(String),
    Away(String),
}

/// A lease to take: its number where we know one, and the number of an earlier runner, which is given back first.
struct Wanted {
    unit: UnitId,
    nonce: Option<Nonce>,
    earlier: Option<Nonce>,
}

/// The words under which our leases stand.
fn description(stamp: &Stamp) -> String {
    format!("understudy {} {} {}", stamp.environment, stamp.promotion, stamp.store)
}

/// Nothing happened, or nobody knows: the same is tried again.
pub(super) fn is_away(error: &PortError) -> bool {
    matches!(error.kind, PortErrorKind::NotSent | PortErrorKind::Ambiguous)
}

fn refusal(error: PortError) -> Lease {
    if is_away(&error) { Lease::Away(error.message) } else { Lease::Theirs(error.message) }
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
            // A parked fleet is part of what is put back, though ordinary deploys leave it alone.
            // One whose host does not answer takes no lease, and no call either.
            let ours = |unit: &&Unit| (unit.managed || unit.is_parked()) && !unit.is_away();
            let units: Vec<UnitId> = fleet.units.iter().filter(ours).map(|unit| unit.id.clone()).collect();
            match self.lease(component, &units, &BTreeMap::new()).await? {
                Lease::Ours => {}
                Lease::Theirs(why) => {
                    // It ends here: what was leased so far is given back.
                    self.write_leases(component, &units).await?;
                    let gate = "unit leases".to_owned();
                    return Ok(Came::Event(Event::GateClosed { gate, why }));
                }
                Lease::Away(why) => return Ok(Came::errored(why)),
            }
        }
        Ok(Came::done(Work::Leased))
    }

    /// Before a phase changes anything, every unit that the promotion holds is held to the end of that phase's time. A
    /// successor takes new leases, so that from then on the dead runner's calls are refused; a runner whose time was
    /// prolonged prolongs them. Whatever is in the way is no reason to go on without.
    pub(super) async fn keep_fenced(&mut self) -> Result<Option<Came>, EngineError> {
        let Some((epoch, _)) = self.lease else { return Ok(None) };
        let components = self.view().state.facts.request.components.clone();
        for component in &components {
            let Some((taken, nonces)) = self.view().nonces.get(&component.place.component).cloned() else {
                continue;
            };
            let is_ours = taken == epoch;
            if nonces.is_empty() || (is_ours && !nonces.keys().any(|unit| self.is_short(unit))) {
                continue;
            }
            let fleet = match self.engine.ports.deployer.observe_fleet(&component.place).await {
                Ok(fleet) => fleet,
                Err(error) => return Ok(Some(Came::errored(error.message))),
            };
            let (there, gone): (Vec<UnitId>, Vec<UnitId>) =
                nonces.keys().cloned().partition(|unit| fleet.unit(unit).is_some());
            let end = self.leases_end();
            self.held.extend(gone.into_iter().map(|unit| (unit, end)));
            let earlier = if is_ours { BTreeMap::new() } else { nonces };
            match self.lease(component, &there, &earlier).await? {
                Lease::Ours => {}
                Lease::Theirs(why) | Lease::Away(why) => return Ok(Some(Came::errored(why))),
            }
        }
        Ok(None)
    }

    /// Before its calls: what this promotion made since it was locked is leased as soon as it is seen, and nothing is
    /// changed that is not.
    pub(super) async fn lease_ahead(
        &mut self,
        rollout: &Rollout,
        fleet: &Fleet,
        calls: &[UnitCall],
    ) -> Result<Lease, EngineError> {
        let promotion = &rollout.stamp.promotion;
        let stands_in = format!("{promotion}/");
        let is_made = |unit: &Unit| {
            unit.label(label::PROMOTION) == Some(promotion.as_str())
                || unit.label(label::RESTORES).is_some_and(|key| key.starts_with(&stands_in))
        };
        let is_changed = |unit: &Unit| calls.iter().any(|call| call.unit() == Some(&unit.id));
        let is_done = |id: &UnitId| self.held.contains_key(id) && !self.unwritten.contains_key(id);
        let free: Vec<UnitId> = fleet
            .units
            .iter()
            .filter(|unit| unit.state != UnitState::Destroyed && !is_done(&unit.id))
            .filter(|unit| is_made(unit) || is_changed(unit))
            .map(|unit| unit.id.clone())
            .collect();
        if free.is_empty() || cfg!(feature = "sabotage-p2") {
            return Ok(Lease::Ours);
        }
        self.lease(&rollout.target, &free, &BTreeMap::new()).await
    }

    /// Whether a phase that goes on for long must prolong what it holds.
    pub(super) fn must_prolong(&self) -> bool {
        let Some((ours, _)) = self.lease else { return false };
        let held = self.view().nonces.values().filter(|(epoch, _)| *epoch == ours);
        held.flat_map(|(_, nonces)| nonces.keys()).any(|unit| self.is_short(unit))
    }

    fn is_short(&self, unit: &UnitId) -> bool {
        let enough = self.leases_end().min(self.now().plus(Millis(TTL_MAX.0 / 2)));
        self.held.get(unit).is_none_or(|until| *until < enough)
    }

    fn leases_end(&self) -> At {
        self.deadline().plus(SPARE)
    }

    /// Leases `units` until the deadline: for a minute first where we hold none, then, when the numbers are written
    /// down, to the end.
    async fn lease(
        &mut self,
        component: &ComponentTarget,
        units: &[UnitId],
        earlier: &BTreeMap<UnitId, Nonce>,
    ) -> Result<Lease, EngineError> {
        let mut why = String::new();
        for _ in 0..ROUNDS {
            let refused = self.take(component, units, earlier).await?;
            if !matches!(refused, Lease::Ours) {
                return Ok(refused);
            }
            self.write_leases(component, units).await?;
            match self.prolong(component, units).await? {
                Lease::Ours => return Ok(Lease::Ours),
                Lease::Away(why) => return Ok(Lease::Away(why)),
                Lease::Theirs(said) => why = said,
            }
        }
        Ok(Lease::Theirs(why))
    }

    /// Takes the leases that we do not hold, for a minute.
    async fn take(
        &mut self,
        component: &ComponentTarget,
        units: &[UnitId],
        earlier: &BTreeMap<UnitId, Nonce>,
    ) -> Result<Lease, EngineError> {
        let now = self.now();
        let wanted: Vec<Wanted> = units
            .iter()
            .filter(|unit| self.held.get(*unit).is_none_or(|until| *until <= now))
            .map(|unit| Wanted {
                unit: unit.clone(),
                nonce: self.number(component, unit),
                earlier: earlier.get(unit).cloned(),
            })
            .collect();
        let mut came = Lease::Ours;
        for (unit, result) in self.ask(component, wanted, FIRST_TTL, true).await? {
            match result {
                Ok(done) => {
                    self.held.insert(unit.clone(), now.plus(FIRST_TTL));
                    self.unwritten.extend(done.nonce.map(|nonce| (unit, nonce)));
                }
                // Somebody else's is what matters: nothing is in the way of the others.
                Err(error) if matches!(came, Lease::Ours) || !is_away(&error) => came = refusal(error),
                Err(_) => {}
            }
        }
        Ok(came)
    }

    /// Makes the leases that we hold last until the deadline.
    async fn prolong(&mut self, component: &ComponentTarget, units: &[UnitId]) -> Result<Lease, EngineError> {
        let now = self.now();
        let time = self.leases_end().since(now).max(FIRST_TTL).min(TTL_MAX);
        let wanted: Vec<Wanted> = units
            .iter()
            .filter(|unit| self.is_short(unit))
            .map(|unit| Wanted { unit: unit.clone(), nonce: self.number(component, unit), earlier: None })
            .collect();
        let mut came = Lease::Ours;
        for (unit, result) in self.ask(component, wanted, time, false).await? {
            match result {
                Ok(done) => {
                    self.held.insert(unit.clone(), now.plus(time));
                    // Another number: it had run out, and the provider gave a new one.
                    let renewed = done.nonce.filter(|is| self.number(component, &unit).as_ref() != Some(is));
                    self.unwritten.extend(renewed.map(|nonce| (unit, nonce)));
                }
                Err(error) => {
                    if !is_away(&error) {
                        self.held.remove(&unit);
                    }
                    if matches!(came, Lease::Ours) || is_away(&error) {
                        came = refusal(error);
                    }
                }
            }
        }
        self.write_leases(component, units).await?;
        Ok(came)
    }

    /// The number of a lease that this runner took.
    fn number(&self, component: &ComponentTarget, unit: &UnitId) -> Option<Nonce> {
        self.unwritten.get(unit).or_else(|| self.numbers(component)?.get(unit)).cloned()
    }

    fn numbers(&self, component: &ComponentTarget) -> Option<&BTreeMap<UnitId, Nonce>> {
        let (ours, _) = self.lease?;
        let (epoch, nonces) = self.view().nonces.get(&component.place.component)?;
        (*epoch == ours).then_some(nonces)
    }

    /// Writes down what was taken, with what stands there: the record says that its epoch holds them all.
    async fn write_leases(
        &mut self,
        component: &ComponentTarget,
        units: &[UnitId],
    ) -> Result<(), EngineError> {
        let taken: Vec<(UnitId, Nonce)> =
            units.iter().filter_map(|unit| Some((unit.clone(), self.unwritten.get(unit)?.clone()))).collect();
        let name = &component.place.component;
        let is_known = self.numbers(component).is_some() || !self.view().nonces.contains_key(name);
        if taken.is_empty() && is_known {
            return Ok(());
        }
        let mut nonces = self.numbers(component).cloned().unwrap_or_default();
        nonces.extend(taken.clone());
        self.append(vec![Entry::Leased { component: name.clone(), nonces }]).await?;
        for (unit, _) in taken {
            self.unwritten.remove(&unit);
        }
        Ok(())
    }

    /// Asks for leases, all together.
    async fn ask(
        &mut self,
        component: &ComponentTarget,
        wanted: Vec<Wanted>,
        ttl: Millis,
        anew: bool,
    ) -> Result<Vec<(UnitId, Result<Performed, PortError>)>, EngineError> {
        if wanted.is_empty() {
            return Ok(Vec::new());
        }
        let description = description(&self.stamp().await?);
        let (id, deployer, place) = (self.id.clone(), self.engine.ports.deployer.clone(), &component.place);
        // Asleep since the last append, perhaps for long: a runner that lost the environment takes no lease.
        self.keep_lease().await?;
        let lanes = wanted.into_iter().map(|Wanted { unit, nonce, earlier }| {
            let (id, deployer, description) = (&id, &deployer, &description);
            async move {
                let key = |verb: &str, nonce| Key { id: format!("{id}/{verb}/{unit}"), nonce };
                if earlier.is_some() {
                    let call = UnitCall::Unlease { unit: unit.clone() };
                    let given = deployer.perform(place, &call, &key("unlease", earlier)).await;
                    if let Some(error) = given.err().filter(is_away) {
                        return (unit, Err(error));
                    }
                }
                let call = UnitCall::Lease { unit: unit.clone(), ttl, description: description.clone() };
                let is_renewal = nonce.is_some();
                let mut result = deployer.perform(place, &call, &key("lease", nonce)).await;
                if anew && is_renewal && result.as_ref().is_err_and(|error| !is_away(error)) {
                    // It ran out, and its number is worth nothing any more.
                    result = deployer.perform(place, &call, &key("lease", None)).await;
                }
                (unit, result)
            }
        });
        self.keeping(side_by_side(lanes.collect())).await
    }
}

/// The mark of another store, or of another environment of ours: two journals that do not know of each other must not
/// both move one fleet (P2), and no other environment's rules decide over it (P1).
pub(super) fn foreign(component: &ComponentTarget, fleet: &Fleet, stamp: &Stamp) -> Option<Came> {
    if cfg!(feature = "sabotage-p2") {
        return None;
    }
    let marked = |key: &str, ours: &str| {
        fleet.live().find_map(|unit| {
            let mark = unit.label(key).filter(|mark| *mark != ours)?;
            Some((format!("machine {} of `{}`", unit.id, component.place.name), mark.to_owned()))
        })
    };
    let (gate, why) = if let Some((unit, store)) = marked(label::STORE, stamp.store.as_str()) {
        let ours = &stamp.store;
        let why = format!(
            "{unit} is marked by store {store}, and this is store {ours}: go on with that store (--store, or [store] in the project file)"
        );
        ("store", why)
    } else {
        let (unit, other) = marked(label::ENVIRONMENT, stamp.environment.as_str())?;
        let ours = &stamp.environment;
        let why = format!(
            "{unit} is marked as environment `{other}`, and this is `{ours}`: bind `{ours}` to an app of its own in the project file, or call it `{other}` again"
        );
        ("environment", why)
    };
    Some(Came::Event(Event::GateClosed { gate: gate.to_owned(), why }))
}
