//! Fencing at the provider: every unit of the target is leased in our name until the deadline, so that anybody
//! else's deploy stops and names us, and a dead runner's late calls are refused.

use std::collections::{BTreeMap, BTreeSet};

use super::EngineError;
use super::drive::Came;
use super::lanes::side_by_side;
use super::roll::Rollout;
use super::session::Session;
use crate::journal::Entry;
use crate::machine::{Event, Work};
use crate::model::{
    At, ComponentTarget, Fleet, LeaseView, Millis, Nonce, PromotionId, Unit, UnitId, UnitState, label,
};
use crate::ports::{Key, Performed, PortError, PortErrorKind};
use crate::rollout::{Decision, Stamp, UnitCall};

/// A lease is first taken for this long, and made to last until the deadline only when its number is journaled: a
/// runner that dies in between, or whose answer is lost, leaves units that are free again soon, for nobody else knows
/// the number (whoever asks is shown the description, not the number).
///
/// How short it may be: nothing is called before the lease was prolonged, so no call relies on the first one. Only the
/// prolonging does, since a provider may answer it with a new lease where the old one has run out, and that one would
/// last to the deadline under a number that nobody wrote down. So it is asked for only while a third is left, else the
/// lease is taken anew. That must not be the rule: a thousand units, 350 calls at a time that take a second each,
/// and one append are through in half of this time.
///
/// How long it need not be: no successor comes before the store's lease has run out, so it is no longer than that one.
pub(super) const FIRST_TTL: Millis = Millis::secs(30);

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

/// What became of it.
struct Asked {
    unit: UnitId,
    /// It was the lease of this runner, or of an earlier one, that nobody answered for: none of the promotion's is lost by
    /// going on without the unit.
    was_ours: bool,
    result: Result<Performed, PortError>,
}

/// The words under which our leases stand.
fn description(stamp: &Stamp) -> String {
    format!("understudy {} {} {}", stamp.environment, stamp.promotion, stamp.store)
}

/// Nothing happened, or nobody knows: the same is tried again.
pub(super) fn is_away(error: &PortError) -> bool {
    matches!(error.kind, PortErrorKind::NotSent | PortErrorKind::Ambiguous | PortErrorKind::Held)
}

fn refusal(error: PortError) -> Lease {
    if is_away(&error) { Lease::Away(error.message) } else { Lease::Theirs(error.message) }
}

impl Session<'_> {
    pub(super) async fn lease_units(&mut self) -> Result<Came, EngineError> {
        let stamp = self.stamp().await?;
        let components = self.view().state.facts.request.components.clone();
        for component in &components {
            let fleet = match self.taken(&component.place) {
                Some(fleet) => fleet,
                None => match self.engine.ports.deployer.observe_fleet(&component.place).await {
                    Ok(fleet) => fleet,
                    Err(error) => return Ok(Came::errored(error.message)),
                },
            };
            if let Some(came) = foreign(component, &fleet, &stamp) {
                return Ok(came);
            }
            if let Some(why) = self.unheard_of(component, &fleet, &stamp) {
                return Ok(Came::Event(Event::GateClosed { gate: "store".to_owned(), why }));
            }
            self.hear(&fleet);
            // A parked fleet is part of what is put back, though ordinary deploys leave it alone.
            // One whose host does not answer takes no lease, and no call either.
            let ours = |unit: &&Unit| (unit.managed || unit.is_parked()) && !unit.is_away();
            let units: Vec<UnitId> = fleet.units.iter().filter(ours).map(|unit| unit.id.clone()).collect();
            match self.lease(component, &units).await? {
                // Nothing was done yet: a host that takes no calls is no reason to begin without its fence (P2).
                Lease::Ours => {
                    if let Some(unit) = units.iter().find(|unit| !self.held.contains_key(*unit)) {
                        let why = format!(
                            "the host of machine {unit} answers no call about its lease, and without one others could \
                             change it meanwhile: it is tried again"
                        );
                        return Ok(Came::errored(why));
                    }
                }
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

    /// A unit that a promotion of this very store made or parked, and the store does not know that promotion: it was
    /// restored from an older copy, or is a copy itself. What it would decide it would decide on less than there is (P2).
    fn unheard_of(&self, component: &ComponentTarget, fleet: &Fleet, stamp: &Stamp) -> Option<String> {
        if cfg!(feature = "sabotage-p2") {
            return None;
        }
        let known = &self.environment.promotions;
        let is_unknown = |id: &&str| PromotionId::new(*id).is_ok_and(|id| !known.contains_key(&id));
        let ours = fleet.units.iter().filter(|unit| unit.label(label::STORE) == Some(stamp.store.as_str()));
        let (unit, id) = ours
            .filter_map(|unit| {
                let key = if unit.is_parked() { label::PARKED_BY } else { label::PROMOTION };
                Some((unit, unit.label(key).filter(is_unknown)?))
            })
            .next()?;
        let (place, name) = (&component.place.name, &stamp.environment);
        Some(format!(
            "machine {} of `{place}` is as promotion {id} left it, and store {} does not know that promotion though it is \
             its own: it was restored from an older copy, or is one. Go on with the newer store; where it is lost, take \
             `{name}` out with `stagectl eject --env {name} --destroy-parked`, and over again with `promote adopt --env {name}`",
            unit.id, stamp.store
        ))
    }

    /// Before a phase changes anything, every unit that the promotion holds is held to the end of that phase's time. A
    /// successor takes new leases, so that from then on the dead runner's calls are refused; a runner whose time was
    /// prolonged prolongs them. Whatever is in the way is no reason to go on without, but for a host that takes no calls:
    /// nobody can move what is there. Its number stays written down and is given back as soon as the host answers.
    pub(super) async fn keep_fenced(&mut self) -> Result<Option<Came>, EngineError> {
        if self.lease.is_none() {
            return Ok(None);
        }
        let stamp = self.stamp().await?;
        let components = self.view().state.facts.request.components.clone();
        for component in &components {
            if !self.lacks(component) {
                continue;
            }
            let fleet = match self.engine.ports.deployer.observe_fleet(&component.place).await {
                Ok(fleet) => fleet,
                Err(error) => return Ok(Some(Came::errored(error.message))),
            };
            self.hear(&fleet);
            self.forget_broken(&fleet, &stamp);
            let known = self.numbers(component).into_iter().flatten().map(|(unit, _)| unit.clone());
            let known: BTreeSet<UnitId> = known.chain(self.earlier(component).into_keys()).collect();
            let (there, gone): (Vec<UnitId>, Vec<UnitId>) =
                known.into_iter().partition(|unit| fleet.unit(unit).is_some());
            // Gone, or left out by a list that is old: its number is kept as if its host did not answer.
            gone.iter().for_each(|unit| self.miss(unit));
            let is_new = self.numbers(component).is_none();
            match self.lease(component, &there).await? {
                Lease::Ours => {}
                Lease::Theirs(why) | Lease::Away(why) => return Ok(Some(Came::errored(why))),
            }
            let (left, place) = (self.earlier(component), &component.place);
            for unit in there.iter().filter(|unit| is_new && left.contains_key(*unit)) {
                self.note(format!(
                    "{}: the host of {unit} does not answer: nothing is called there before its lease is ours again",
                    place.component
                ));
            }
        }
        Ok(None)
    }

    /// What nobody holds any more, or somebody else, is not ours, whatever we were promised: it is taken for a moment first.
    /// Prolonging might be answered with a new lease, which would last to the deadline even if that answer is lost.
    fn forget_broken(&mut self, fleet: &Fleet, stamp: &Stamp) {
        let (ours, now) = (description(stamp), self.now());
        for unit in &fleet.units {
            let is_ours = |lease: &LeaseView| lease.description == ours && lease.expires_at > now;
            if !unit.lease.as_ref().is_some_and(is_ours) {
                self.held.remove(&unit.id);
            }
        }
    }

    /// Whether a unit that the promotion holds is not held to the end, or not by this runner.
    fn lacks(&self, component: &ComponentTarget) -> bool {
        let is_short = |ours: &BTreeMap<UnitId, Nonce>| ours.keys().any(|unit| self.is_short(unit));
        self.numbers(component).is_some_and(is_short) || !self.earlier(component).is_empty()
    }

    /// Before its calls: what this promotion made since it was locked is leased as soon as it is seen, an earlier runner's
    /// number is given back as soon as its unit's host answers, and nothing is changed that is not ours: calls on what is
    /// out of reach are left out, and are not counted as sent.
    pub(super) async fn lease_ahead(
        &mut self,
        rollout: &Rollout,
        fleet: &Fleet,
        decision: &mut Decision,
    ) -> Result<Lease, EngineError> {
        let promotion = &rollout.stamp.promotion;
        let stands_in = format!("{promotion}/");
        let is_made = |unit: &Unit| {
            unit.label(label::PROMOTION) == Some(promotion.as_str())
                || unit.label(label::RESTORES).is_some_and(|key| key.starts_with(&stands_in))
        };
        let is_changed = |unit: &Unit| decision.calls.iter().any(|call| call.unit() == Some(&unit.id));
        let now = self.now();
        let is_held = |id: &UnitId| self.held.get(id).is_some_and(|until| *until > now);
        let is_done = |id: &UnitId| is_held(id) && !self.unwritten.contains_key(id);
        let earlier = self.view().earlier.get(&rollout.target.place.component);
        let is_left = |unit: &Unit| earlier.is_some_and(|earlier| earlier.contains_key(&unit.id));
        let free: Vec<UnitId> = fleet
            .units
            .iter()
            .filter(|unit| unit.state != UnitState::Destroyed && !is_done(&unit.id))
            .filter(|unit| is_made(unit) || is_changed(unit) || is_left(unit))
            .map(|unit| unit.id.clone())
            .collect();
        if free.is_empty() || cfg!(feature = "sabotage-p2") {
            return Ok(Lease::Ours);
        }
        let came = self.lease(&rollout.target, &free).await?;
        let is_held = |id: &UnitId| self.held.get(id).is_some_and(|until| *until > now);
        let Decision { calls, progress, .. } = decision;
        for call in calls.extract_if(.., |call| !call.unit().is_none_or(is_held)) {
            progress.not_sent(&call);
        }
        Ok(came)
    }

    /// Whether a phase that goes on for long must prolong what it holds, or take what is in reach again.
    pub(super) fn must_prolong(&self) -> bool {
        let Some((ours, _)) = self.lease else { return false };
        let view = self.view();
        let held = view.nonces.values().filter(|(epoch, _)| *epoch == ours);
        let short = held.flat_map(|(_, nonces)| nonces.keys()).filter(|unit| self.is_short(unit));
        let earlier = view.earlier.values().flat_map(BTreeMap::keys);
        short.chain(earlier).any(|unit| !self.is_silent(unit))
    }

    fn is_short(&self, unit: &UnitId) -> bool {
        let enough = self.leases_end().min(self.now().plus(Millis(TTL_MAX.0 / 2)));
        self.held.get(unit).is_none_or(|until| *until < enough)
    }

    /// For how long a lease is first taken.
    fn first_ttl(&self) -> Millis {
        FIRST_TTL.min(self.engine.options.lease_ttl)
    }

    /// What must be left of it for it to be prolonged.
    fn first_left(&self) -> Millis {
        Millis(self.first_ttl().0 / 3)
    }

    fn leases_end(&self) -> At {
        self.deadline().plus(SPARE)
    }

    /// Leases `units` until the deadline: for a moment first where we hold none, then, when the numbers are written down,
    /// to the end. What is out of reach is passed over.
    async fn lease(&mut self, component: &ComponentTarget, units: &[UnitId]) -> Result<Lease, EngineError> {
        let mut came = Lease::Ours;
        for _ in 0..ROUNDS {
            let refused = self.take(component, units).await?;
            if !matches!(refused, Lease::Ours) {
                return Ok(refused);
            }
            self.write_leases(component, units).await?;
            let soon = self.now().plus(self.first_left());
            let is_over = |unit: &&UnitId| self.held.get(*unit).is_some_and(|until| *until <= soon);
            if units.iter().any(|unit| is_over(&unit) && self.may_ask(unit)) {
                // Prolonged now, one of them might be made to last under a number that nobody has written down.
                came =
                    Lease::Away("the leases on machines ran out before they could be prolonged".to_owned());
                continue;
            }
            match self.prolong(component, units).await? {
                Lease::Theirs(why) => came = Lease::Theirs(why),
                ours_or_away => return Ok(ours_or_away),
            }
        }
        Ok(came)
    }

    /// Takes the leases that we do not hold, for a moment.
    async fn take(&mut self, component: &ComponentTarget, units: &[UnitId]) -> Result<Lease, EngineError> {
        let now = self.now();
        let (soon, earlier) = (now.plus(self.first_left()), self.earlier(component));
        let first = self.first_ttl();
        let wanted: Vec<Wanted> = units
            .iter()
            .filter(|unit| self.held.get(*unit).is_none_or(|until| *until <= soon))
            .filter(|unit| self.may_ask(unit))
            .map(|unit| Wanted {
                unit: unit.clone(),
                nonce: self.number(component, unit),
                earlier: earlier.get(unit).cloned(),
            })
            .collect();
        let mut came = Lease::Ours;
        for (unit, result) in self.ask(component, wanted, first, true).await? {
            match result {
                Ok(done) => self.granted(component, unit, now.plus(first), done.nonce),
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
        let time = self.leases_end().since(now).max(self.first_ttl()).min(TTL_MAX);
        let wanted: Vec<Wanted> = units
            .iter()
            .filter(|unit| self.is_short(unit) && self.may_ask(unit))
            .map(|unit| Wanted { unit: unit.clone(), nonce: self.number(component, unit), earlier: None })
            .collect();
        let mut came = Lease::Ours;
        for (unit, result) in self.ask(component, wanted, time, false).await? {
            match result {
                Ok(done) => self.granted(component, unit, now.plus(time), done.nonce),
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

    /// A lease was answered. Its number is to be written down where it is another one: on a prolonged lease that had run
    /// out, the provider gave a new one.
    fn granted(&mut self, component: &ComponentTarget, unit: UnitId, until: At, nonce: Option<Nonce>) {
        let new = nonce.filter(|is| self.number(component, &unit).as_ref() != Some(is));
        self.held.insert(unit.clone(), until);
        self.unwritten.extend(new.map(|nonce| (unit, nonce)));
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

    /// The numbers of earlier runners on units that this one has not leased.
    fn earlier(&self, component: &ComponentTarget) -> BTreeMap<UnitId, Nonce> {
        let name = &component.place.component;
        let mut earlier = self.view().earlier.get(name).cloned().unwrap_or_default();
        if self.numbers(component).is_none()
            && let Some((_, nonces)) = self.view().nonces.get(name)
        {
            earlier.extend(nonces.clone());
        }
        earlier
    }

    /// Writes down what was taken, with what stands there: the record says that its epoch holds them all, but for those
    /// out of reach, whose earlier numbers stay.
    async fn write_leases(
        &mut self,
        component: &ComponentTarget,
        units: &[UnitId],
    ) -> Result<(), EngineError> {
        let taken: Vec<(UnitId, Nonce)> =
            units.iter().filter_map(|unit| Some((unit.clone(), self.unwritten.get(unit)?.clone()))).collect();
        let name = &component.place.component;
        let (ours, known) = (self.numbers(component), self.earlier(component));
        let mut nonces = ours.cloned().unwrap_or_default();
        nonces.extend(taken.clone());
        let is_left = |unit: &UnitId| !nonces.contains_key(unit) && !self.held.contains_key(unit);
        let earlier: BTreeMap<UnitId, Nonce> = known
            .iter()
            .filter(|(unit, _)| is_left(unit))
            .map(|(unit, nonce)| (unit.clone(), nonce.clone()))
            .collect();
        let is_known = ours.is_some() || !self.view().nonces.contains_key(name);
        if taken.is_empty() && is_known && earlier == known {
            return Ok(());
        }
        self.append(vec![Entry::Leased { component: name.clone(), nonces, earlier }]).await?;
        for (unit, _) in taken {
            self.unwritten.remove(&unit);
        }
        Ok(())
    }

    /// Asks for leases, all together. Of a unit that is ours, or was an earlier runner's, and whose host does not answer
    /// any more nothing is said.
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
        let now = self.now();
        let lanes = wanted.into_iter().map(|Wanted { unit, nonce, earlier }| {
            let (id, deployer, description) = (&id, &deployer, &description);
            // A number that ran out, or that somebody broke, says no more of a silence than none.
            let was_ours = self.held.get(&unit).is_some_and(|until| *until > now);
            async move {
                let key = |verb: &str, nonce| Key { id: format!("{id}/{verb}/{unit}"), nonce };
                let is_renewal = nonce.is_some();
                if earlier.is_some() {
                    let call = UnitCall::Unlease { unit: unit.clone() };
                    let given = deployer.perform(place, &call, &key("unlease", earlier)).await;
                    if let Some(error) = given.err().filter(is_away) {
                        return Asked { unit, was_ours: true, result: Err(error) };
                    }
                }
                let call = UnitCall::Lease { unit: unit.clone(), ttl, description: description.clone() };
                let mut result = deployer.perform(place, &call, &key("lease", nonce)).await;
                if anew && is_renewal && result.as_ref().is_err_and(|error| !is_away(error)) {
                    // It ran out, and its number is worth nothing any more.
                    result = deployer.perform(place, &call, &key("lease", None)).await;
                }
                Asked { unit, was_ours: is_renewal && was_ours, result }
            }
        });
        let lanes: Vec<_> = lanes.collect();
        let mut came = Vec::new();
        for Asked { unit, was_ours, result } in self.keeping(side_by_side(lanes)).await? {
            // That a lease is ours under another number is an answer of its host.
            let is_lost = result
                .as_ref()
                .is_err_and(|error| matches!(error.kind, PortErrorKind::NotSent | PortErrorKind::Ambiguous));
            if !is_lost {
                self.heard(&unit);
            } else if self.lose(&unit, was_ours) {
                continue;
            }
            came.push((unit, result));
        }
        Ok(came)
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
