//! A provider in memory with Fly's manners: updates answer before they are done, creates are not idempotent, leases
//! fence, and answers get lost.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};

use async_trait::async_trait;
use flytypes::Digest;

use super::happens::Happens;
use super::images::Images;
use super::manners::{Fault, Manners};
use super::one_offs::{Ran, RunCall};
use super::past::Past;
use super::roads::Roads;
use super::switch::Switch;
use super::traffic::{Change, History, Lost};
use super::vault::Vault;
use crate::model::{
    At, CheckResult, Fleet, GroupName, LeaseView, Millis, Nonce, Place, RegionName, Unit, UnitConfig, UnitId,
    UnitSpec, UnitState, UnitVersion,
};
use crate::ports::{Clock, Deployer, Key, Performed, PortError, PortErrorKind};
use crate::rollout::UnitCall;

/// A call that took effect.
#[derive(Debug, Clone)]
pub struct Landed {
    /// When.
    pub at: At,
    /// Where.
    pub place: Place,
    /// What.
    pub call: UnitCall,
    /// The unit it made or changed.
    pub unit: Option<UnitId>,
    /// Under which key.
    pub key: String,
}

#[derive(Debug, Clone, Default)]
pub(super) struct Books {
    pub(super) units: BTreeMap<Place, BTreeMap<UnitId, Kept>>,
    pub(super) vaults: BTreeMap<Place, Vault>,
    pub(super) runs: BTreeMap<Place, BTreeMap<UnitId, Ran>>,
    pub(super) late_runs: Vec<(At, Place, RunCall)>,
    history: BTreeMap<Place, History>,
    past: BTreeMap<Place, Past>,
    pub(super) ids: u64,
    asked: u64,
    requests: BTreeMap<u64, UnitCall>,
    calls: Vec<Landed>,
    faults: BTreeMap<u64, Fault>,
    /// What becomes of the next unit that is made.
    of_create: Option<Fault>,
    late: Vec<(At, Place, UnitCall, Key)>,
    away_until: Option<At>,
    looks: u64,
    /// At which looks something happens to every unit in traffic.
    pub(super) happens: BTreeMap<u64, Happens>,
}

#[derive(Debug, Clone)]
pub(super) struct Kept {
    pub(super) unit: Unit,
    /// The version of the secrets that it was last made or updated with.
    pub(super) secrets: u64,
    nonce: Option<Nonce>,
    pub(super) ready_at: At,
    /// What it goes back to when the pull fails.
    revert: Option<Box<Unit>>,
    /// The checks of this version of it do not pass.
    pub(super) ill: bool,
}

/// The provider.
#[derive(Debug, Clone)]
pub struct Provider {
    pub(super) clock: Arc<dyn Clock>,
    manners: Arc<Mutex<Manners>>,
    pub(super) books: Arc<Mutex<Books>>,
    images: Arc<Images>,
    pub(super) switch: Option<Arc<Switch>>,
    pub(super) roads: Option<Arc<Roads>>,
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

impl Provider {
    /// An empty provider.
    pub fn new(clock: Arc<dyn Clock>, manners: Manners) -> Self {
        Self {
            clock,
            manners: Arc::new(Mutex::new(manners)),
            books: Arc::default(),
            images: Arc::default(),
            switch: None,
            roads: None,
        }
    }

    /// The same provider, as a runner that may die sees it.
    #[must_use]
    pub fn mortal(&self, switch: Arc<Switch>) -> Self {
        Self { switch: Some(switch), ..self.clone() }
    }

    /// The same provider, at the end of a road.
    #[must_use]
    pub fn far(&self, roads: Option<Arc<Roads>>) -> Self {
        Self { roads, ..self.clone() }
    }

    /// A provider of its own that stands as this one does now.
    #[must_use]
    pub fn fork(&self, clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            manners: Arc::new(Mutex::new(lock(&self.manners).clone())),
            books: Arc::new(Mutex::new(lock(&self.books).clone())),
            images: Arc::new(self.images.fork()),
            switch: None,
            roads: None,
        }
    }

    /// The registry.
    pub fn images(&self) -> &Images {
        &self.images
    }

    /// How often a fleet was looked at.
    pub fn looks(&self) -> u64 {
        lock(&self.books).looks
    }

    /// Changes the manners.
    pub fn change(&self, change: impl FnOnce(&mut Manners)) {
        change(&mut lock(&self.manners));
    }

    /// Makes the call with this number (counted from 0 over all that were asked for) go wrong.
    pub fn fail(&self, n: u64, fault: Fault) {
        lock(&self.books).faults.insert(n, fault);
    }

    /// Makes the next call that makes a unit go wrong.
    pub fn fail_create(&self, fault: Fault) {
        lock(&self.books).of_create = Some(fault);
    }

    /// Nobody reaches the provider for this long.
    pub fn away_for(&self, time: Millis) {
        lock(&self.books).away_until = Some(self.clock.now().plus(time));
    }

    /// Whether a look comes through.
    pub(super) fn is_reached(&self) -> Result<(), PortError> {
        if self.switch.as_ref().is_some_and(|switch| switch.is_dead()) {
            return Err(PortError::not_sent("the runner was killed here"));
        }
        if self.is_away() {
            return Err(PortError::not_sent("the provider is away"));
        }
        Ok(())
    }

    pub(super) fn manners(&self) -> Manners {
        lock(&self.manners).clone()
    }

    /// What goes wrong with the call that is asked for now.
    pub(super) fn next_fault(&self) -> Option<Fault> {
        let mut books = lock(&self.books);
        let n = books.asked;
        books.asked += 1;
        books.faults.remove(&n)
    }

    pub(super) fn is_away(&self) -> bool {
        lock(&self.books).away_until.is_some_and(|until| self.clock.now() < until)
    }

    /// Every call that took effect, in order.
    pub fn calls(&self) -> Vec<(Place, UnitCall)> {
        lock(&self.books).calls.iter().map(|it| (it.place.clone(), it.call.clone())).collect()
    }

    /// The same after the first `n`, with when and by whom.
    pub fn landed(&self, n: usize) -> Vec<Landed> {
        lock(&self.books).calls.iter().skip(n).cloned().collect()
    }

    /// The call with this number, whatever became of it.
    pub fn asked_for(&self, n: u64) -> Option<UnitCall> {
        lock(&self.books).requests.get(&n).cloned()
    }

    /// How many calls were asked for, whatever became of them.
    pub fn asked(&self) -> u64 {
        lock(&self.books).asked
    }

    /// Puts a unit there that the engine did not make.
    pub fn plant(&self, place: &Place, change: impl FnOnce(&mut Unit)) -> UnitId {
        let now = self.clock.now();
        let mut books = lock(&self.books);
        books.ids += 1;
        let n = books.ids;
        let mut unit = blank(n, now);
        change(&mut unit);
        let id = unit.id.clone();
        let secrets = books.version_of_secrets(place);
        let kept = Kept { unit, secrets, nonce: None, ready_at: now, revert: None, ill: false };
        books.units.entry(place.clone()).or_default().insert(id.clone(), kept);
        id
    }

    /// Somebody else takes a lease.
    pub fn seize(&self, place: &Place, unit: &UnitId, who: &str) {
        self.seize_for(place, unit, who, Millis::secs(3600));
    }

    /// The same, for `time`.
    pub fn seize_for(&self, place: &Place, unit: &UnitId, who: &str, time: Millis) {
        let mut books = lock(&self.books);
        if let Some(kept) = books.units.get_mut(place).and_then(|units| units.get_mut(unit)) {
            kept.nonce = Nonce::new("theirs").ok();
            kept.unit.lease =
                Some(LeaseView { description: who.to_owned(), expires_at: self.clock.now().plus(time) });
        }
    }

    /// Requests that were lost since `from`.
    pub fn lost(&self, place: &Place, from: At) -> Vec<Lost> {
        self.settle();
        let books = lock(&self.books);
        let manners = lock(&self.manners);
        books
            .history
            .get(place)
            .map(|history| history.lost(&manners.lags, manners.service, from))
            .unwrap_or_default()
    }

    /// Lets what is due become true.
    pub(super) fn settle(&self) {
        let now = self.clock.now();
        self.settle_runs(now);
        let mut due: Vec<(At, Place, UnitCall, Key)> = {
            let mut books = lock(&self.books);
            let (due, later) = std::mem::take(&mut books.late).into_iter().partition(|(at, ..)| *at <= now);
            books.late = later;
            due
        };
        due.sort_by_key(|(at, ..)| *at);
        // When they were due, whenever somebody looks.
        for (at, place, call, key) in due {
            let _late_calls_may_be_refused = self.apply(at, &place, &call, &key);
        }
        let manners = lock(&self.manners).clone();
        let mut books = lock(&self.books);
        let Books { units, history, .. } = &mut *books;
        for (place, units) in units {
            let history = history.entry(place.clone()).or_default();
            for kept in units.values_mut() {
                kept.settle(&manners, now, history);
            }
        }
    }

    fn apply(&self, now: At, place: &Place, call: &UnitCall, key: &Key) -> Result<Performed, PortError> {
        let lag = lock(&self.manners).list_lag;
        lock(&self.books).remember(place, now, lag);
        let done = self.change_unit(now, place, call, key)?;
        let mut books = lock(&self.books);
        books.remember(place, now, lag);
        let unit = done.unit.clone().or_else(|| call.unit().cloned());
        let (place, call) = (place.clone(), call.clone());
        books.calls.push(Landed { at: now, place, call, unit, key: key.id.clone() });
        Ok(done)
    }

    fn change_unit(
        &self,
        now: At,
        place: &Place,
        call: &UnitCall,
        key: &Key,
    ) -> Result<Performed, PortError> {
        let manners = lock(&self.manners).clone();
        let mut books = lock(&self.books);
        if let Some(unit) = call.unit().filter(|unit| manners.unreachable.contains(unit)) {
            return Err(PortError::not_sent(format!("the host of unit {unit} does not answer")));
        }
        let is_start =
            |unit: &UnitId| matches!(call, UnitCall::Start { .. }) && manners.no_room.contains(unit);
        if call.unit().is_some_and(is_start) || (manners.full && matches!(call, UnitCall::Create { .. })) {
            // fly.md 1.8.
            return Err(PortError::refused("insufficient capacity: could not reserve resource for machine"));
        }
        if let UnitCall::Create { spec, labels, open, .. } = call {
            books.ids += 1;
            let n = books.ids;
            let secrets = books.given_secrets(place, spec)?;
            let (unit, ready_at) = (blank(n, now), now.plus(manners.boot));
            let mut kept = Kept { unit, secrets, nonce: None, ready_at, revert: None, ill: false };
            kept.become_spec(spec, now);
            kept.unit.labels.clone_from(labels);
            kept.unit.cordoned = !open;
            kept.unit.state =
                if spec.standby_for.is_empty() { UnitState::Starting } else { UnitState::Stopped };
            let done = Performed {
                unit: Some(kept.unit.id.clone()),
                version: Some(kept.unit.version.clone()),
                nonce: None,
            };
            books.units.entry(place.clone()).or_default().insert(kept.unit.id.clone(), kept);
            return Ok(done);
        }
        books.ids += 1;
        let n = books.ids;
        let given = match call {
            UnitCall::Update { spec, .. } => Some(books.given_secrets(place, spec)?),
            _ => None,
        };
        let Books { units, history, .. } = &mut *books;
        let history = history.entry(place.clone()).or_default();
        let units = units.entry(place.clone()).or_default();
        let id = call.unit().cloned().ok_or_else(|| PortError::refused("no unit"))?;
        let Some(kept) = units.get_mut(&id) else {
            return if matches!(call, UnitCall::Destroy { .. } | UnitCall::Unlease { .. }) {
                Ok(Performed::default())
            } else {
                Err(PortError::refused(format!("unit {id} not found")))
            };
        };
        kept.fence(call, key, now)?;
        let done = kept.perform(call, key, &manners, n, now)?;
        kept.secrets = given.unwrap_or(kept.secrets);
        if matches!(call, UnitCall::Destroy { .. }) {
            history.note(&id, Change { at: now, open: false, alive: false });
            units.remove(&id);
        }
        Ok(done)
    }
}

impl Books {
    fn units_of(&self, place: &Place) -> Vec<Unit> {
        self.units.get(place).into_iter().flat_map(BTreeMap::values).map(|kept| kept.unit.clone()).collect()
    }

    /// Keeps what is there now for looks that come late, where there are any.
    fn remember(&mut self, place: &Place, now: At, lag: Millis) {
        if lag == Millis::ZERO {
            self.past.remove(place);
            return;
        }
        let units = self.units_of(place);
        self.past.entry(place.clone()).or_default().note(now, units);
    }

    pub(super) fn version_of_secrets(&self, place: &Place) -> u64 {
        self.vaults.get(place).map_or(0, |vault| vault.version)
    }

    /// The secrets that a unit gets now: those of now, which must have come as far as it wants.
    fn given_secrets(&self, place: &Place, spec: &UnitSpec) -> Result<u64, PortError> {
        let version = self.version_of_secrets(place);
        match spec.secrets_version.filter(|wanted| *wanted > version) {
            Some(wanted) => {
                Err(PortError::refused(format!("secrets are at version {version}, not yet at {wanted}")))
            }
            None => Ok(version),
        }
    }
}

/// What is told of a unit whose host does not answer: that it is there, and its labels (fly.md 1.5, `incomplete_config`).
fn out_of_reach(unit: Unit) -> Unit {
    Unit {
        state: UnitState::Unknown,
        digest: None,
        image: None,
        config: UnitConfig::default(),
        checks: Vec::new(),
        version_since: None,
        ..unit
    }
}

fn blank(n: u64, now: At) -> Unit {
    Unit {
        id: UnitId::new(format!("unit{n:04}")).expect("digits are a name"),
        group: GroupName::new("app").expect("a name"),
        region: RegionName::new("fra").expect("a name"),
        version: UnitVersion::new(format!("version{n:04}")).expect("digits are a name"),
        version_since: Some(now),
        digest: None,
        image: None,
        state: UnitState::Started,
        cordoned: false,
        checks: Vec::new(),
        lease: None,
        managed: true,
        labels: BTreeMap::new(),
        config: UnitConfig::default(),
        standby_for: BTreeSet::new(),
        concurrency: None,
        nap: None,
        wakes: true,
        deployed_by: None,
    }
}

impl Kept {
    fn become_spec(&mut self, spec: &UnitSpec, now: At) {
        self.unit.group = spec.group.clone();
        self.unit.region = spec.region.clone();
        self.unit.digest = spec.image.digest().cloned();
        self.unit.image = Some(spec.image.clone());
        self.unit.config = spec.config.clone();
        self.unit.standby_for = spec.standby_for.clone();
        self.unit.wakes = spec.standby_for.is_empty();
        self.unit.nap = None;
        self.unit.version_since = Some(now);
        self.unit.checks.clear();
    }

    fn fence(&self, call: &UnitCall, key: &Key, now: At) -> Result<(), PortError> {
        let free = matches!(call, UnitCall::Tag { .. } | UnitCall::Lease { .. });
        match &self.unit.lease {
            Some(lease) if lease.expires_at > now && !free && self.nonce != key.nonce => Err(PortError::new(
                PortErrorKind::Fenced,
                format!("unit {} is leased by {}", self.unit.id, lease.description),
            )),
            _ => Ok(()),
        }
    }

    fn perform(
        &mut self,
        call: &UnitCall,
        key: &Key,
        manners: &Manners,
        n: u64,
        now: At,
    ) -> Result<Performed, PortError> {
        let unit = &mut self.unit;
        match call {
            UnitCall::Update { expect, spec, labels, start, .. } => {
                if unit.version != *expect {
                    return Err(PortError::refused(format!("unit {} has version {}", unit.id, unit.version)));
                }
                let before = Box::new(unit.clone());
                self.revert = spec
                    .image
                    .digest()
                    .is_some_and(|digest| manners.unpullable.contains(digest))
                    .then_some(before);
                self.become_spec(spec, now);
                self.unit.version = UnitVersion::new(format!("version{n:04}")).expect("digits are a name");
                self.unit.relabel(labels);
                self.unit.state = if *start { UnitState::Starting } else { UnitState::Stopped };
                (self.ready_at, self.ill) = (now.plus(manners.boot), false);
                return Ok(Performed { version: Some(self.unit.version.clone()), ..Performed::default() });
            }
            UnitCall::Start { .. } if unit.state == UnitState::Stopped => {
                self.start(manners, now);
                self.unit.nap = None;
            }
            UnitCall::Stop { .. } => (unit.state, unit.nap) = (UnitState::Stopped, None),
            UnitCall::Cordon { .. } => unit.cordoned = true,
            UnitCall::Uncordon { .. } => unit.cordoned = false,
            UnitCall::Tag { labels, .. } => unit.relabel(labels),
            UnitCall::Lease { ttl, description, .. } => {
                if let Some(lease) = &unit.lease
                    && lease.expires_at > now
                {
                    if key.nonce == self.nonce {
                        unit.lease =
                            Some(LeaseView { description: description.clone(), expires_at: now.plus(*ttl) });
                        return Ok(Performed { nonce: self.nonce.clone(), ..Performed::default() });
                    }
                    let kind = if lease.description == *description {
                        PortErrorKind::Held
                    } else {
                        PortErrorKind::Fenced
                    };
                    return Err(PortError::new(
                        kind,
                        format!("unit {} is leased by {}", unit.id, lease.description),
                    ));
                }
                unit.lease = Some(LeaseView { description: description.clone(), expires_at: now.plus(*ttl) });
                self.nonce = Nonce::new(format!("nonce{n:04}")).ok();
                return Ok(Performed { nonce: self.nonce.clone(), ..Performed::default() });
            }
            UnitCall::Unlease { .. } => {
                unit.lease = None;
                self.nonce = None;
            }
            UnitCall::Start { .. } | UnitCall::Create { .. } | UnitCall::Destroy { .. } => {}
        }
        Ok(Performed::default())
    }

    pub(super) fn start(&mut self, manners: &Manners, now: At) {
        self.unit.state = UnitState::Starting;
        self.unit.version_since = Some(now);
        self.unit.checks.clear();
        self.ready_at = now.plus(manners.boot);
    }

    fn settle(&mut self, manners: &Manners, now: At, history: &mut History) {
        let unit = &mut self.unit;
        let digest = unit.digest.clone();
        let is = |list: &[Digest]| digest.as_ref().is_some_and(|digest| list.contains(digest));
        if unit.state == UnitState::Starting && now >= self.ready_at {
            if let Some(before) = self.revert.take() {
                (unit.digest, unit.image) = (before.digest, before.image);
                (unit.config, unit.labels) = (before.config, before.labels);
                unit.state = UnitState::Started;
            } else if is(&manners.broken) {
                unit.state = UnitState::Failed;
            } else {
                unit.state = UnitState::Started;
            }
        }
        let started = unit.state == UnitState::Started;
        let healthy_at = self.ready_at.plus(manners.check);
        let passing = !is(&manners.sick) && !self.ill;
        if started && now >= healthy_at {
            unit.checks = manners
                .checks
                .iter()
                .map(|name| CheckResult {
                    name: name.clone(),
                    passing,
                    at: Some(now),
                    output: "as asked".to_owned(),
                })
                .collect();
        }
        let alive = started && now >= healthy_at && passing;
        history.note(&unit.id, Change { at: now, open: !unit.cordoned && started, alive });
    }
}

#[async_trait]
impl Deployer for Provider {
    async fn observe_fleet(&self, place: &Place) -> Result<Fleet, PortError> {
        Roads::go(self.roads.as_ref(), || self.look(place)).await
    }

    async fn perform(&self, place: &Place, call: &UnitCall, key: &Key) -> Result<Performed, PortError> {
        Roads::go(self.roads.as_ref(), || self.take(place, call, key)).await
    }
}

impl Provider {
    fn look(&self, place: &Place) -> Result<Fleet, PortError> {
        self.is_reached()?;
        self.settle();
        let due = {
            let mut books = lock(&self.books);
            books.looks += 1;
            let look = books.looks - 1;
            books.happens.remove(&look)
        };
        due.into_iter().for_each(|what| self.happens(what));
        let mut books = lock(&self.books);
        let away = lock(&self.manners).unreachable.clone();
        let (now, lag) = (self.clock.now(), lock(&self.manners).list_lag);
        books.remember(place, now, lag);
        let shown = |unit: Unit| if away.contains(&unit.id) { out_of_reach(unit) } else { unit };
        let units = match books.past.get(place) {
            Some(past) if lag > Millis::ZERO => past.as_of(At(now.0.saturating_sub(lag.0.cast_signed()))),
            _ => books.units_of(place),
        };
        Ok(Fleet { units: units.into_iter().map(shown).collect(), ..Fleet::default() })
    }

    fn take(&self, place: &Place, call: &UnitCall, key: &Key) -> Result<Performed, PortError> {
        let dead = || PortError::ambiguous("the runner was killed here");
        let moment = match &self.switch {
            Some(switch) => Some((switch, switch.before(&call.title()).ok_or_else(dead)?)),
            None => None,
        };
        self.settle();
        let away = self.is_away();
        let fault = {
            let mut books = lock(&self.books);
            let n = books.asked;
            books.asked += 1;
            books.requests.insert(n, call.clone());
            match (books.faults.remove(&n), call) {
                (None, UnitCall::Create { .. }) => books.of_create.take(),
                (fault, _) => fault,
            }
        };
        let result = match fault {
            _ if away => Err(PortError::not_sent("the provider is away")),
            None => self.apply(self.clock.now(), place, call, key),
            Some(Fault::NotSent) => Err(PortError::not_sent("429 rate limit exceeded")),
            Some(Fault::Refused) => Err(PortError::refused("422 insufficient capacity")),
            Some(Fault::LostCall) => Err(PortError::ambiguous("503 before anything happened")),
            Some(Fault::LostAnswer) => {
                let _lost = self.apply(self.clock.now(), place, call, key);
                Err(PortError::ambiguous("408 after it happened"))
            }
            Some(Fault::Late(time)) => {
                let at = self.clock.now().plus(time);
                lock(&self.books).late.push((at, place.clone(), call.clone(), key.clone()));
                Err(PortError::ambiguous("connection cut"))
            }
            Some(Fault::Twice) => {
                let first = self.apply(self.clock.now(), place, call, key);
                let _again = self.apply(self.clock.now(), place, call, key);
                first
            }
        };
        self.settle();
        match moment {
            Some((switch, n)) if !switch.after(n) => Err(dead()),
            _ => result,
        }
    }
}
