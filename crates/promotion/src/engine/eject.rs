//! Leaving: our labels come off what runs, and the journal says so. Nothing is restarted, stopped or changed otherwise.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use flytypes::{Digest, ImageRef};

use super::closing;
use super::error::refused;
use super::keeping::keep_tags;
use super::lanes::side_by_side;
use super::locked::is_away;
use super::verbs::lost_tail;
use super::{Engine, EngineError};
use crate::journal::{Draft, Entry, EnvironmentView};
use crate::model::{
    ComponentName, EnvironmentName, Fleet, Millis, Nonce, Person, Place, PromotionId, Signed, StoreId, Unit,
    UnitId, UnitState, Wish, label,
};
use crate::ports::{JournalError, Key, Performed, PortError, PortErrorKind};
use crate::rollout::UnitCall;

/// What [`Engine::eject`] takes.
#[derive(Debug, Clone)]
pub struct Eject {
    /// Which environment.
    pub environment: EnvironmentName,
    /// Where its components live; places that only the journal knows come on top.
    pub places: Vec<Place>,
    /// Whether parked units are destroyed, instead of left and told.
    pub destroy_parked: bool,
    /// Who wants it.
    pub by: Person,
    /// Why.
    pub reason: Option<String>,
    /// The proof of who, over [`Eject::wish`].
    pub signed: Option<Signed>,
}

impl Eject {
    /// What is asked for, as whoever asks signs it.
    pub fn wish(&self) -> Wish<'_> {
        let (destroy_parked, reason) = (self.destroy_parked, self.reason.as_deref());
        Wish::Eject { environment: &self.environment, destroy_parked, reason }
    }
}

/// A unit at its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnitAt {
    /// Where.
    pub place: Place,
    /// Which.
    pub unit: UnitId,
}

/// What an eject did, or would do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ejected {
    /// Units without our labels now; they run as before.
    pub freed: Vec<UnitAt>,
    /// Parked units that are gone.
    pub destroyed: Vec<UnitAt>,
    /// Parked units that are still there, with our labels, and until when they were to be kept.
    pub parked: Vec<(UnitAt, String)>,
    /// Tags that the registry does not keep any more.
    pub tags: Vec<String>,
    /// What a reader should know.
    pub warnings: Vec<String>,
}

/// What stands at the places of an environment, as far as it is ours.
#[derive(Debug, Default)]
struct Found {
    /// With the keys of their labels.
    labelled: Vec<(UnitAt, BTreeSet<String>)>,
    parked: Vec<(UnitAt, String)>,
    /// What units are, running or parked.
    digests: BTreeMap<UnitId, Digest>,
    warnings: Vec<String>,
}

/// The provider's leases that keep deploys out meanwhile; a runner that dies leaves them to end by themselves.
const TTL: Millis = Millis::secs(60);
/// Looks until every label is off.
const ROUNDS: u32 = 10;

/// Nothing may be on its way: what it would do next rests on the labels. Nor may somebody have locked it.
fn nothing_under_way(view: &EnvironmentView) -> Result<(), EngineError> {
    if let Some(lock) = view.lock() {
        let name = &view.name;
        let unlock = format!("`promote unlock --env {name} --reason R`");
        return Err(refused(format!("`{name}` is locked {}; ask them, then {unlock}", closing::said(lock))));
    }
    let Some(other) = view.promotions.values().find(|other| !other.state.phase.is_final()) else {
        return Ok(());
    };
    let (id, phase) = (other.id(), other.state.phase);
    Err(refused(format!(
        "{id} is {phase} in `{}`: let it come to its end (`promote tick`), or `promote abort {id} --reason R`",
        view.name
    )))
}

impl Engine {
    /// Takes an environment out of our hands, once it is proven who wants that: for those who may approve there. Our
    /// labels come off every unit; parked units stay as they are unless they shall be destroyed. What was recorded
    /// stays, the rules with it, and the next promotion asks for an adoption first.
    ///
    /// Refused while a promotion is under way, where another store or environment marked a unit, and where somebody
    /// else holds one. Idempotent: called again it does what is left to do.
    pub async fn eject(&self, eject: Eject) -> Result<Ejected, EngineError> {
        let by = self.heard(&eject.wish(), &eject.by, eject.signed.as_ref()).await?;
        let eject = Eject { by, ..eject };
        let view = self.may_eject(&eject).await?;
        // A runner that died before it gave its leases back.
        for owing in view.promotions.values().filter(|it| !it.outbox.is_empty()) {
            self.drive(&eject.environment, owing.id()).await?;
        }
        let holder = format!("{} to eject", self.runner);
        let ttl = self.options.lease_ttl;
        let asked = self.ports.clock.elapsed();
        let grant = match self.ports.journal.take_lease(&eject.environment, &holder, ttl).await {
            Ok(grant) => grant,
            Err(JournalError::Held { holder }) => {
                return Err(refused(format!("`{}` is held by {holder}; try again", eject.environment)));
            }
            Err(error) => return Err(error.into()),
        };
        let mut lease = (grant.epoch, asked);
        let came = self.eject_held(&eject, &mut lease).await;
        let released = self.ports.journal.release_lease(&eject.environment, grant.epoch).await;
        let ejected = came?;
        released?;
        Ok(ejected)
    }

    /// What [`Engine::eject`] would do; nothing is written and nothing changes. Everybody may look.
    pub async fn would_eject(&self, eject: &Eject) -> Result<Ejected, EngineError> {
        let view = self.view(&eject.environment).await?;
        nothing_under_way(&view)?;
        let found = self.found(eject, &view).await?;
        let (destroyed, parked) = ends(eject, found.parked);
        let freed = found.labelled.into_iter().map(|(at, _)| at).collect();
        let tags = idle_tags(&view, &found.digests, &destroyed)
            .iter()
            .map(|(image, tag)| named(image, tag))
            .collect();
        Ok(Ejected { freed, destroyed, parked, tags, warnings: found.warnings })
    }

    async fn may_eject(&self, eject: &Eject) -> Result<Arc<EnvironmentView>, EngineError> {
        let view = self.view(&eject.environment).await?;
        nothing_under_way(&view)?;
        let last = || Some(&view.promotions.values().next_back()?.state.facts.request.policy);
        if let Some(why) = view.rules().or_else(last).and_then(|rules| rules.bars(&eject.by)) {
            return Err(refused(format!("`{}` stays: {why}; one of them takes it out", eject.environment)));
        }
        Ok(view)
    }

    /// Under the environment's lease, which the caller gives back.
    async fn eject_held(&self, eject: &Eject, lease: &mut (u64, Millis)) -> Result<Ejected, EngineError> {
        let view = self.view(&eject.environment).await?;
        let found = self.keeping(&eject.environment, lease, self.found(eject, &view)).await??;
        let (ending, parked) = ends(eject, found.parked);
        if found.labelled.is_empty() && ending.is_empty() && view.current().is_none() {
            return Ok(Ejected { parked, warnings: found.warnings, ..Ejected::default() });
        }
        let labelled: Vec<UnitAt> = found.labelled.iter().map(|(at, _)| at.clone()).collect();
        let units: Vec<&UnitAt> = labelled.iter().chain(&ending).collect();
        let nonces = self.keeping(&eject.environment, lease, self.hold(eject, &units)).await??;
        let tags = idle_tags(&view, &found.digests, &ending);
        let came = self.take_off(eject, lease, &labelled, &ending, &nonces, tags).await;
        let kept = self.keeping(&eject.environment, lease, self.let_go(eject, &units, &nonces)).await?;
        let mut ejected = came?;
        ejected.parked = parked;
        ejected.warnings.extend(found.warnings.into_iter().chain(kept));
        Ok(ejected)
    }

    async fn take_off(
        &self,
        eject: &Eject,
        lease: &mut (u64, Millis),
        labelled: &[UnitAt],
        ending: &[UnitAt],
        nonces: &BTreeMap<UnitId, Nonce>,
        tags: BTreeSet<(ImageRef, String)>,
    ) -> Result<Ejected, EngineError> {
        // Written down first: whoever finds units without labels finds here why.
        self.write_ejected(eject, lease.0, labelled, ending).await?;
        let mut ejected = Ejected { freed: labelled.to_vec(), ..Ejected::default() };
        for at in ending {
            let call = UnitCall::Destroy { unit: at.unit.clone() };
            match self.keeping(&eject.environment, lease, self.call(eject, at, &call, nonces)).await? {
                Ok(_) => ejected.destroyed.push(at.clone()),
                Err(error) => ejected.warnings.push(format!("parked {} stays: {error}", at.unit)),
            }
        }
        self.unlabel(eject, lease, nonces).await?;
        for (image, tag) in tags {
            let dropping = self.ports.registry.drop_tag(&eject.environment, &image, &tag);
            match self.keeping(&eject.environment, lease, dropping).await? {
                Ok(true) => ejected.tags.push(named(&image, &tag)),
                Ok(false) => {}
                Err(error) => {
                    let why = format!("tags of `{}` may stay: {error}", image.repository());
                    if !ejected.warnings.contains(&why) {
                        ejected.warnings.push(why);
                    }
                }
            }
        }
        Ok(ejected)
    }

    /// Until no look shows a label of ours on what is not parked.
    async fn unlabel(
        &self,
        eject: &Eject,
        lease: &mut (u64, Millis),
        nonces: &BTreeMap<UnitId, Nonce>,
    ) -> Result<(), EngineError> {
        let mut why = String::new();
        for _ in 0..ROUNDS {
            let view = self.view(&eject.environment).await?;
            let found = self.keeping(&eject.environment, lease, self.found(eject, &view)).await?;
            match found {
                Ok(found) if found.labelled.is_empty() => return Ok(()),
                Ok(found) => {
                    let calls = found.labelled.iter().map(|(at, keys)| {
                        let labels = keys.iter().map(|key| (key.clone(), None)).collect();
                        let call = UnitCall::Tag { unit: at.unit.clone(), labels };
                        async move { self.call(eject, at, &call, nonces).await }
                    });
                    let came = self.keeping(&eject.environment, lease, side_by_side(calls.collect())).await?;
                    why = came.into_iter().find_map(Result::err).map_or(why, |error| error.to_string());
                }
                Err(error) => why = error.to_string(),
            }
            self.ports.clock.sleep(Millis(self.options.poll.0.max(1))).await;
        }
        Err(refused(format!("some machines still carry our labels ({why}); run it again")))
    }

    async fn write_ejected(
        &self,
        eject: &Eject,
        epoch: u64,
        labelled: &[UnitAt],
        ending: &[UnitAt],
    ) -> Result<(), EngineError> {
        let by_component = |list: &[UnitAt]| {
            let mut units: BTreeMap<ComponentName, Vec<UnitId>> = BTreeMap::new();
            for at in list {
                units.entry(at.place.component.clone()).or_default().push(at.unit.clone());
            }
            units
        };
        let entry = Entry::Ejected {
            by: eject.by.clone(),
            reason: eject.reason.clone(),
            signed: eject.signed.clone(),
            freed: by_component(labelled),
            destroyed: by_component(ending),
        };
        loop {
            let view = self.view(&eject.environment).await?;
            nothing_under_way(&view)?;
            if let (Some(signed), Some(last)) = (&eject.signed, view.last_ejected())
                && signed.at <= last
            {
                let why =
                    format!("this was signed before `{}` was taken out at {last}; sign anew", view.name);
                return Err(EngineError::Proof(PortError::refused(why)));
            }
            let draft = Draft { promotion: None, at: self.ports.clock.now(), entry: entry.clone() };
            match self.ports.journal.append(&eject.environment, view.head, Some(epoch), vec![draft]).await {
                Ok(_) => return Ok(()),
                Err(JournalError::Conflict { head }) => lost_tail(&view, head)?,
                Err(error) => return Err(error.into()),
            }
        }
    }

    async fn call(
        &self,
        eject: &Eject,
        at: &UnitAt,
        call: &UnitCall,
        nonces: &BTreeMap<UnitId, Nonce>,
    ) -> Result<Performed, PortError> {
        let id = format!("eject/{}/{}/{}", eject.environment, call.verb(), at.unit);
        let key = Key { id, nonce: nonces.get(&at.unit).cloned() };
        self.ports.deployer.perform(&at.place, call, &key).await
    }

    /// Leases on all of `units`, or none: a deploy that is under way would write our labels back.
    async fn hold(&self, eject: &Eject, units: &[&UnitAt]) -> Result<BTreeMap<UnitId, Nonce>, EngineError> {
        let description = format!("understudy {} eject", eject.environment);
        let none = BTreeMap::new();
        let calls = units.iter().map(|at| {
            let call = UnitCall::Lease { unit: at.unit.clone(), ttl: TTL, description: description.clone() };
            let none = &none;
            async move { self.call(eject, at, &call, none).await }
        });
        let mut nonces = BTreeMap::new();
        let mut theirs: Option<PortError> = None;
        for (at, result) in units.iter().zip(side_by_side(calls.collect()).await) {
            match result {
                Ok(done) => nonces.extend(done.nonce.map(|nonce| (at.unit.clone(), nonce))),
                // Somebody else's is what matters.
                Err(error) if theirs.as_ref().is_none_or(is_away) => theirs = Some(error),
                Err(_) => {}
            }
        }
        let Some(error) = theirs else { return Ok(nonces) };
        let _runs_out_by_itself = self.let_go(eject, units, &nonces).await;
        Err(refused(format!("somebody holds what would be taken out: {error}")))
    }

    /// What could not be given back is told.
    async fn let_go(
        &self,
        eject: &Eject,
        units: &[&UnitAt],
        nonces: &BTreeMap<UnitId, Nonce>,
    ) -> Vec<String> {
        let held = units.iter().filter(|at| nonces.contains_key(&at.unit));
        let calls = held.map(|at| {
            let call = UnitCall::Unlease { unit: at.unit.clone() };
            async move { (at, self.call(eject, at, &call, nonces).await) }
        });
        let told = side_by_side(calls.collect()).await.into_iter();
        told.filter_map(|(at, result)| {
            let error = result.err().filter(is_away)?;
            Some(format!("the lease on {} ends by itself within {TTL}: {error}", at.unit))
        })
        .collect()
    }

    async fn found(&self, eject: &Eject, view: &EnvironmentView) -> Result<Found, EngineError> {
        let store = self.ports.journal.store_id().await?;
        let mut found = Found::default();
        let past = view.promotions.values().flat_map(|it| &it.state.facts.request.components);
        let past: BTreeSet<&Place> = past.map(|target| &target.place).collect();
        let past = past.into_iter().filter(|place| !eject.places.contains(place));
        for (place, is_past) in eject.places.iter().map(|it| (it, false)).chain(past.map(|it| (it, true))) {
            match self.ports.deployer.observe_fleet(place).await {
                Ok(fleet) => found.take(place, fleet, view, &store)?,
                // An app that was deleted since has nothing of ours.
                Err(error) if is_past && error.kind == PortErrorKind::Refused => {
                    found.warnings.push(format!("`{}` was not looked at: {error}", place.name));
                }
                Err(error) => {
                    return Err(refused(format!("`{}` cannot be looked at: {error}", place.name)));
                }
            }
        }
        Ok(found)
    }
}

/// The tags that keep what nothing is any more: what runs or is parked keeps its own, for whoever cleans the registry up
/// takes what no tag names.
fn idle_tags(
    view: &EnvironmentView,
    digests: &BTreeMap<UnitId, Digest>,
    ending: &[UnitAt],
) -> BTreeSet<(ImageRef, String)> {
    let stays = |unit: &UnitId| !ending.iter().any(|at| at.unit == *unit);
    let stay: BTreeSet<&Digest> =
        digests.iter().filter(|(unit, _)| stays(unit)).map(|(_, digest)| digest).collect();
    let is_idle = |image: &ImageRef| image.digest().is_some_and(|digest| !stay.contains(digest));
    keep_tags(view).into_iter().filter(|(image, _)| is_idle(image)).collect()
}

fn named(image: &ImageRef, tag: &str) -> String {
    format!("{}/{}:{tag}", image.registry(), image.repository())
}

/// What of the parked is destroyed, and what is left.
fn ends(eject: &Eject, parked: Vec<(UnitAt, String)>) -> (Vec<UnitAt>, Vec<(UnitAt, String)>) {
    if eject.destroy_parked {
        (parked.into_iter().map(|(at, _)| at).collect(), Vec::new())
    } else {
        (Vec::new(), parked)
    }
}

impl Found {
    fn take(
        &mut self,
        place: &Place,
        fleet: Fleet,
        view: &EnvironmentView,
        store: &StoreId,
    ) -> Result<(), EngineError> {
        for unit in fleet.units {
            self.digests.extend(unit.digest.clone().map(|digest| (unit.id.clone(), digest)));
            match foreign(&unit, place, view, store) {
                None => {}
                // Somebody else's parked fleet is in nobody's way, and theirs to end.
                Some(why) if unit.is_parked() => {
                    self.warnings.push(format!("{why}; it is parked and stays"));
                    continue;
                }
                Some(why) => return Err(refused(why)),
            }
            let at = UnitAt { place: place.clone(), unit: unit.id.clone() };
            match unit.label(label::PARKED_UNTIL) {
                _ if !is_ours(&unit, view) => {}
                Some(until) if unit.state == UnitState::Stopped => self.parked.push((at, until.to_owned())),
                Some(_) => {
                    self.warnings.push(format!("machine {} is parked and not stopped: it stays", unit.id))
                }
                None => self.labelled.push((at, unit.labels.into_keys().collect())),
            }
        }
        Ok(())
    }
}

/// Ours by its mark, or, where what was put back carried none, by the promotion that made it again.
fn is_ours(unit: &Unit, view: &EnvironmentView) -> bool {
    let made_by = || unit.label(label::RESTORES)?.split_once('/').map(|(id, _)| id);
    let is_known = |id: &str| PromotionId::new(id).is_ok_and(|id| view.promotions.contains_key(&id));
    unit.label(label::STORE).is_some() || made_by().is_some_and(is_known)
}

/// The mark of another store or environment: its journal answers for that unit, and not this one (P2).
fn foreign(unit: &Unit, place: &Place, view: &EnvironmentView, store: &StoreId) -> Option<String> {
    let other = |key: &str, ours: &str| unit.label(key).filter(|mark| *mark != ours).map(str::to_owned);
    let (whose, go_on) = if let Some(mark) = other(label::STORE, store.as_str()) {
        (format!("store {mark}, and this is store {store}"), "go on with that store (--store)")
    } else {
        let mark = other(label::ENVIRONMENT, view.name.as_str())?;
        (format!("environment `{mark}`, and this is `{}`", view.name), "take that environment out")
    };
    Some(format!("machine {} of `{}` is marked by {whose}: {go_on}", unit.id, place.name))
}
