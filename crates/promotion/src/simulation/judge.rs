//! Whether the promises were kept, as the provider's books and the journal's records show it.

use std::collections::{BTreeMap, BTreeSet};

use super::cast::{Cast, asked, is_before_effects, rests};
use super::plot::{Base, Plot, now};
use super::stage::Played;
use crate::journal::{self, Entry, EnvironmentView, Record};
use crate::machine::{Event, Phase};
use crate::model::{Millis, PromotionId, Strategy, Unit, UnitId, UnitState};
use crate::rollout::UnitCall;
use crate::testing::{Landed, World, env, shape, strays};

/// A promise that was not kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Which.
    pub promise: u32,
    /// What was seen.
    pub what: String,
}

/// A play that is over.
pub(super) struct Scene<'a> {
    pub(super) plot: Plot,
    pub(super) base: &'a Base,
    pub(super) cast: &'a Cast<'a>,
    pub(super) played: Played,
    /// What took effect in it.
    pub(super) landed: Vec<Landed>,
}

/// Calls that change nothing that is promised.
const fn is_lease(call: &UnitCall) -> bool {
    matches!(call, UnitCall::Lease { .. } | UnitCall::Unlease { .. })
}

/// Whose call it was.
fn owner(landed: &Landed) -> &str {
    landed.key.split('/').next().unwrap_or_default()
}

/// An environment's records, read from its store.
pub(super) fn records(world: &World, environment: &str) -> Vec<Record> {
    now(world.journal.read(&env(environment), 0)).expect("memory can be read")
}

/// How many steps each promotion took; what went wrong on the way and was tried again is none.
pub(super) fn steps(records: &[Record]) -> BTreeMap<PromotionId, usize> {
    let mut steps = BTreeMap::new();
    for record in records {
        if let (Some(id), Entry::Stepped { stamped, .. }) = (&record.promotion, &record.entry)
            && !matches!(stamped.event, Event::Errored { .. })
        {
            *steps.entry(id.clone()).or_default() += 1;
        }
    }
    steps
}

impl Scene<'_> {
    /// All that was broken, and how the promotions ended.
    pub(super) fn judged(&self) -> (Vec<Violation>, Vec<Phase>) {
        let mut broken = Vec::new();
        let records = records(self.cast.world, "production");
        let view = self.replayed(&records, &mut broken);
        let mut say = |promise, what: String| broken.push(Violation { promise, what });
        self.taken_back(&records, &mut say);
        self.alone(&mut say);
        self.ours(&mut say);
        let Some(view) = view else { return (broken, Vec::new()) };
        self.agreed(&view, &mut say);
        let ends: Vec<Phase> = asked(&view).map(|promotion| promotion.state.phase).collect();
        if self.played == Played::Late || !rests(&view) {
            let stalled = asked(&view).map(|it| format!("{} {:?}", it.state.phase, it.state.facts.stalled));
            say(
                4,
                format!(
                    "{:?}, at {}: {}",
                    self.played,
                    self.cast.world.now(),
                    stalled.collect::<Vec<_>>().join(", ")
                ),
            );
            return (broken, ends);
        }
        self.unexcused(&view, &mut say);
        self.short(&records, &view, &mut say);
        self.at_rest(&view, &mut say);
        self.served(&mut say);
        (broken, ends)
    }

    /// P8: the records add up to one state, however they are read.
    fn replayed(&self, records: &[Record], broken: &mut Vec<Violation>) -> Option<EnvironmentView> {
        // What was before the play is read once for all plays.
        let mut whole = self.cast.world.known("production");
        let mut parts = whole.clone();
        let before = records.iter().take_while(|record| record.seq <= whole.head).count();
        let records = &records[before..];
        let mut extend = |view: &mut EnvironmentView, records: &[Record]| {
            let read = view.extend(records);
            if let Err(error) = &read {
                broken.push(Violation { promise: 8, what: error.to_string() });
            }
            read.is_ok()
        };
        let (first, second) = records.split_at(records.len() / 2);
        let is_read = extend(&mut whole, records) && extend(&mut parts, first);
        let taken = is_read.then(|| bent(&parts, second)).flatten();
        let is_read = is_read && extend(&mut parts, second);
        if let Some(how) = taken {
            broken.push(Violation { promise: 8, what: format!("a record {how} is taken as it stands") });
        }
        if is_read && whole != parts {
            broken.push(Violation { promise: 8, what: "two readings differ".to_owned() });
        }
        is_read.then_some(whole)
    }

    /// What put the new release on a unit.
    fn placed(&self) -> impl Iterator<Item = &Landed> {
        let (_, release) = Plot::releases();
        self.landed.iter().filter(move |landed| {
            let (UnitCall::Create { spec, .. } | UnitCall::Update { spec, .. }) = &landed.call else {
                return false;
            };
            let digest = spec.image.digest();
            release.components.values().any(|new| Some(new) == digest)
        })
    }

    /// P1: what people took back before the first effect is heard, ends there, and has none.
    fn taken_back(&self, records: &[Record], say: &mut impl FnMut(u32, String)) {
        for (id, phase) in self.cast.unheard.borrow().iter() {
            say(1, format!("{id} was taken back while it was {phase}, and nobody listened"));
        }
        let mut phases: BTreeMap<&PromotionId, Phase> = BTreeMap::new();
        let mut over: BTreeSet<&PromotionId> = BTreeSet::new();
        for record in records {
            let (Some(id), Entry::Stepped { stamped, phase, .. }) = (&record.promotion, &record.entry) else {
                continue;
            };
            let before = phases.insert(id, *phase).filter(|before| is_before_effects(*before));
            let is_said = match &stamped.event {
                Event::Reject(_) => before.is_some(),
                Event::TakeBack(_) => before.is_some_and(|before| before != Phase::AwaitingApproval),
                _ => false,
            };
            if is_said {
                over.insert(id);
            }
            if over.contains(id) && *phase != Phase::Rejected {
                say(1, format!("{id} is {phase} behind record {}, though it was taken back", record.seq));
            }
        }
        for landed in self.placed().filter(|it| over.iter().any(|id| id.as_str() == owner(it))) {
            say(1, format!("{} {} though it was taken back", landed.key, landed.call.title()));
        }
    }

    /// P1: no unit gets the new release before the lead agreed to the very plan and looked at what is on the checklist, or
    /// without evidence.
    fn agreed(&self, view: &EnvironmentView, say: &mut impl FnMut(u32, String)) {
        let (agreed, looked) = (self.cast.agreed.borrow(), self.cast.looked.borrow());
        for landed in self.placed() {
            let promotion = asked(view).find(|it| it.id().as_str() == owner(landed));
            let plan =
                promotion.and_then(|it| Some((it.id().clone(), it.state.facts.plan.as_ref()?.hash.clone())));
            let is_agreed = plan.and_then(|plan| agreed.get(&plan)).is_some_and(|at| *at <= landed.at);
            if !is_agreed {
                say(1, format!("{} {} before anybody agreed", landed.key, landed.call.title()));
            }
            let is_looked_at = looked.iter().any(|(id, at)| id.as_str() == owner(landed) && *at <= landed.at);
            if self.plot.has_checklist() && !is_looked_at {
                say(1, format!("{} {} before anybody looked", landed.key, landed.call.title()));
            }
            if !self.plot.is_tested {
                say(1, format!("{} {} without evidence", landed.key, landed.call.title()));
            }
        }
    }

    /// P2: the calls of one promotion after those of another, never between them; of another store, none.
    fn alone(&self, say: &mut impl FnMut(u32, String)) {
        let mut before: BTreeSet<&str> = BTreeSet::new();
        let mut gone: BTreeSet<&UnitId> = BTreeSet::new();
        let mut last = "";
        let production =
            self.landed.iter().filter(|it| it.place.environment == env("production") && !is_lease(&it.call));
        for landed in production {
            let owner = owner(landed);
            // A call that ends what is gone changes nothing, however late it lands; its first one is judged.
            let is_idle = matches!(landed.call, UnitCall::Destroy { .. })
                && landed.call.unit().is_some_and(|unit| !gone.insert(unit));
            if owner == "parked" || is_idle {
                continue;
            }
            if owner.starts_with("p-9") {
                say(2, format!("{} {} of another store", landed.key, landed.call.title()));
            }
            if owner != last && !before.insert(owner) {
                say(2, format!("{} {} after {last} had begun", landed.key, landed.call.title()));
            }
            last = owner;
        }
    }

    /// P10: what others made stays as it is; nothing is destroyed that was not made or found as ours.
    fn ours(&self, say: &mut impl FnMut(u32, String)) {
        let strangers = &self.base.strangers;
        for landed in self.landed.iter().filter(|it| !is_lease(&it.call)) {
            if landed.unit.as_ref().is_some_and(|unit| strangers.contains(unit)) {
                say(10, format!("{} {} is of somebody else", landed.key, landed.call.title()));
            }
        }
        let fleet = now(self.cast.world.fleet("production", "api"));
        for stranger in strangers.iter().filter(|unit| fleet.unit(unit).is_none()) {
            say(10, format!("{stranger} of somebody else is gone"));
        }
    }

    /// P4: no promotion takes more than twice the steps that it takes when nobody disturbs it, counted from its beginning on.
    fn short(&self, records: &[Record], view: &EnvironmentView, say: &mut impl FnMut(u32, String)) {
        let steps = steps(records);
        for promotion in asked(view) {
            let n = steps.get(promotion.id()).copied().unwrap_or_default();
            if n > 2 * self.base.steps {
                say(
                    4,
                    format!("{} took {n} steps, {} when nobody disturbs it", promotion.id(), self.base.steps),
                );
            }
        }
    }

    /// P3: answers that were lost, came late or twice are no reason to go back. "A late duplicate create is adopted or
    /// destroyed", and the release goes on.
    fn unexcused(&self, view: &EnvironmentView, say: &mut impl FnMut(u32, String)) {
        if self.base.end != Phase::Succeeded || !self.cast.trouble.is_of_answers_only() {
            return;
        }
        for it in asked(view).filter(|it| it.state.phase == Phase::RolledBack) {
            let why =
                it.state.facts.failure.as_ref().map_or("nobody said why", |failure| failure.why.as_str());
            say(3, format!("{} is good, nothing but answers went wrong, and it went back: {why}", it.id()));
        }
    }

    /// P3, P5, P6 and P12: what stands is one release, whole and healthy, as it stood before or as it shall stand.
    fn at_rest(&self, view: &EnvironmentView, say: &mut impl FnMut(u32, String)) {
        let world = self.cast.world;
        let ends: Vec<Phase> = asked(view).map(|promotion| promotion.state.phase).collect();
        if let Some(failed) = asked(view).find(|it| it.state.phase == Phase::RollbackFailed) {
            let is_told = world.desk.notices().iter().any(|it| it.urgent && it.promotion == *failed.id());
            if !is_told {
                say(6, format!("the rollback of {} failed, and nobody was called", failed.id()));
            }
            let trouble = self.cast.trouble;
            if !trouble.refuses() && !trouble.is_out_of_time() && trouble.away.is_none() {
                say(6, format!("the rollback of {} failed: {:?}", failed.id(), failed.state.facts.failure));
            }
            return;
        }
        let has_succeeded = ends.contains(&Phase::Succeeded);
        let (old, new) = Plot::releases();
        let release = if has_succeeded { &new } else { &old };
        let is_single = self.cast.trouble.rival.is_none();
        if is_single && let Some(why) = strays(world) {
            say(3, why);
        }
        for component in ["api", "web"] {
            let target = world.component(
                "production",
                component,
                &release.components[&crate::testing::name(component)],
            );
            let fleet = now(world.fleet("production", component));
            let live: Vec<&Unit> = fleet.live().collect();
            let others: Vec<_> = live.iter().filter(|unit| unit.digest.as_ref() != target.digest()).collect();
            if let Some(unit) = others.first() {
                say(6, format!("{component} {} runs {:?} after {ends:?}", unit.id, unit.digest));
            }
            let wanted: u32 = target.groups.values().flat_map(|group| group.counts.values()).sum();
            if live.len() != wanted as usize {
                say(3, format!("{component} has {} units after {ends:?}", live.len()));
            }
            let is_ill = |unit: &&&Unit| {
                unit.cordoned
                    || unit.state != UnitState::Started
                    || unit.checks.is_empty()
                    || unit.checks.iter().any(|check| !check.passing)
            };
            if let Some(unit) = live.iter().find(is_ill) {
                say(
                    12,
                    format!(
                        "{component} {} stands {:?} {:?} after {ends:?}",
                        unit.id, unit.state, unit.checks
                    ),
                );
            }
        }
        if is_single {
            let wanted = if has_succeeded { &self.base.after } else { &self.base.before };
            let (stands, wanted) = (unleased(&now(shape(world))), unleased(wanted));
            if has_succeeded && self.base.end != Phase::Succeeded {
                say(12, "a release that is not good succeeded".to_owned());
            } else if stands != wanted {
                let promise = if has_succeeded { 3 } else { 5 };
                say(
                    promise,
                    format!("{ends:?}:\n  {}\ninstead of\n  {}", stands.join("\n  "), wanted.join("\n  ")),
                );
            }
        }
    }

    /// P7: requests are answered, where there are two units and nobody's clock jumps.
    fn served(&self, say: &mut impl FnMut(u32, String)) {
        if self.plot.strategy() == Strategy::Immediate || self.cast.trouble.is_out_of_time() {
            return;
        }
        let lost = self.cast.world.provider.lost(&World::place("production", "api"), self.cast.begun);
        if let Some(first) = lost.first() {
            say(
                7,
                format!(
                    "{} requests lost, the first at edge {}, {}: {}",
                    lost.len(),
                    first.edge,
                    first.at,
                    first.why
                ),
            );
        }
    }
}

/// How the first of `next` can be bent behind `view` and nobody notices.
fn bent(view: &EnvironmentView, next: &[Record]) -> Option<&'static str> {
    let takes = |record: &Record| {
        let record = std::slice::from_ref(record);
        journal::verify(&env("production"), view.head, view.hash().clone(), record).is_ok()
    };
    let (first, second) = (next.first()?, next.get(1));
    let changed = Record { at: first.at.plus(Millis(1)), ..first.clone() };
    if takes(&changed) {
        return Some("that was changed");
    }
    second.is_some_and(takes).then_some("whose forerunner is missing")
}

/// A lease that nobody gave back runs out by itself.
fn unleased(shape: &[String]) -> Vec<String> {
    let mut shape: Vec<String> = shape.iter().map(|it| it.replace("leased=true", "leased=false")).collect();
    shape.sort();
    shape
}

/// Let what is still on its way arrive, and look closely from now on.
pub(super) fn settle(world: &World) {
    world.provider.away_for(Millis::ZERO);
    world.clock.advance(Millis(world.limits.client_timeout.0 + world.limits.list_lag.0));
    world.provider.change(|manners| manners.list_lag = Millis::ZERO);
}
