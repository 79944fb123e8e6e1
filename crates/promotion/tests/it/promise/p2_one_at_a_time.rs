//! P2: never two mutating promotions in one environment, however many runners and stores.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use futures_util::future::BoxFuture;
use promotion::engine::{Engine, Handle, Outcome};
use promotion::journal::Memory;
use promotion::machine::Phase;
use promotion::model::{Fleet, Kind, Millis, Place, StoreId, UnitId, label};
use promotion::ports::{Deployer, JournalError, Key, Performed, PortError, Randomness};
use promotion::rollout::UnitCall;
use promotion::testing::{Manners, Moment, Provider, Seeded, Switch, World, env};

use crate::story::{Asked, Story, landed, releases, shape, sleepy, sleepy_in_lease, undisturbed};

type Interruption = Mutex<Option<BoxFuture<'static, ()>>>;

/// A provider's client in which something else happens right before the n-th call.
struct Interrupted {
    provider: Provider,
    at: u64,
    meanwhile: Interruption,
}

impl std::fmt::Debug for Interrupted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "interrupted at {}", self.at)
    }
}

#[async_trait]
impl Deployer for Interrupted {
    async fn observe_fleet(&self, place: &Place) -> Result<Fleet, PortError> {
        self.provider.observe_fleet(place).await
    }

    async fn perform(&self, place: &Place, call: &UnitCall, key: &Key) -> Result<Performed, PortError> {
        let is_now = self.provider.asked() == self.at;
        let meanwhile = if is_now { self.meanwhile.lock().unwrap().take() } else { None };
        if let Some(meanwhile) = meanwhile {
            meanwhile.await;
        }
        self.provider.perform(place, call, key).await
    }
}

/// A runner whose `at`-th call is preceded by `meanwhile`.
fn interrupted(world: &World, at: u64, meanwhile: BoxFuture<'static, ()>) -> Engine {
    let mut ports = world.ports(&Switch::new(Moment::Never));
    let provider = world.provider.clone();
    ports.deployer = Arc::new(Interrupted { provider, at, meanwhile: Mutex::new(Some(meanwhile)) });
    Engine::new(world.options.clone(), ports)
}

fn of(engine: &Engine, handle: &Handle) -> Handle {
    engine.handle(handle.environment.clone(), handle.id.clone())
}

#[tokio::test]
async fn p2_a_second_runner_finds_the_environment_held_at_every_call() {
    let base = undisturbed(Story::Promote).await;
    for n in base.calls.clone() {
        let run = base.asked.fork().await;
        let since = run.world.provider.calls().len();
        let met = Arc::new(AtomicBool::new(false));
        let (seen, second) = (met.clone(), of(&run.world.engine(), &run.handle));
        let meanwhile = Box::pin(async move {
            let outcome = second.drive().await.unwrap();
            // What is over is told as it ended, also while its last notices are on their way.
            let is_over = outcome == Outcome::Ended(Phase::Succeeded);
            assert!(is_over || matches!(outcome, Outcome::Busy { .. }), "{outcome:?}");
            seen.store(true, Ordering::SeqCst);
        });
        run.play(&interrupted(&run.world, n, meanwhile)).await.unwrap();
        assert!(met.load(Ordering::SeqCst), "call {n} was reached");
        assert_eq!(shape(&run.world).await, base.shape, "at call {n}");
        assert_eq!(landed(&run.world, since), base.landed, "at call {n}");
    }
}

/// A runner falls asleep after any of its records and sleeps through its lease; a rescuer brings the promotion to its
/// end; then the sleeper wakes.
#[tokio::test]
async fn p2_a_runner_that_wakes_up_late_changes_nothing() {
    let mut wrong = Vec::new();
    for story in [Story::Promote, Story::Rolling, Story::PromoteThatFails] {
        let base = undisturbed(story).await;
        let n_appends = base.moments.values().filter(|what| what.starts_with("write")).count() as u64;
        for at in 0..n_appends {
            let run = base.asked.fork().await;
            let since = run.world.provider.calls().len();
            let (clock, rescuer) = (run.world.clock.clone(), run.world.engine());
            let meanwhile: BoxFuture<'static, ()> = Box::pin(async move {
                clock.advance(Millis(31_000));
                rescuer.tick().await.unwrap();
            });
            let _whatever_the_sleeper_thinks = run.play(&sleepy(&run.world, at, meanwhile)).await;
            let phase = run.rescued().await;
            let (now, landed) = (shape(&run.world).await, landed(&run.world, since));
            if phase != story.end() || now != base.shape || landed != base.landed {
                wrong.push(format!("{story:?}, at record {at}: {phase}, {landed:?}\n  {}", now.join("\n  ")));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A runner falls asleep while it is granted the lease, and hears of it when a successor is at work under a later one: a
/// lease counts from when it was asked for, so that it is over by then, and the sleeper takes no machine out of its
/// successor's hands.
#[tokio::test]
async fn p2_a_lease_that_was_heard_of_late_is_none() {
    for died in [8, 12, 16, 20] {
        let run = Story::Promote.asked().await;
        run.approve_when_asked().await;
        let (clock, successor) =
            (run.world.clock.clone(), run.world.mortal(&Switch::new(Moment::After(died))));
        let (provider, landed) = (run.world.provider.clone(), Arc::new(AtomicUsize::new(0)));
        let before = landed.clone();
        let meanwhile: BoxFuture<'static, ()> = Box::pin(async move {
            clock.advance(Millis(31_000));
            let _dies = successor.tick().await;
            before.store(provider.calls().len(), Ordering::SeqCst);
        });
        let outcome = of(&sleepy_in_lease(&run.world, meanwhile), &run.handle).drive().await.unwrap();
        assert!(matches!(outcome, Outcome::Busy { .. }), "{died}: {outcome:?}");
        let calls = run.world.provider.calls();
        let (before, late) = calls.split_at(landed.load(Ordering::SeqCst));
        assert!(
            before.iter().any(|(_, call)| matches!(call, UnitCall::Lease { .. })),
            "{died}: it was at work"
        );
        assert!(late.is_empty(), "{died}: {late:?}");
        assert_eq!(run.rescued().await, Phase::Succeeded, "{died}: {}", run.why().await);
    }
}

#[tokio::test]
async fn p2_a_second_promotion_waits_for_the_first() {
    let base = undisturbed(Story::Promote).await;
    let (_, second) = releases();
    for n in base.calls.clone() {
        let run = base.asked.fork().await;
        let other = run.world.approved(&second).await;
        let waiting = of(&run.world.engine(), &other);
        let meanwhile = Box::pin(async move {
            let outcome = waiting.drive().await.unwrap();
            assert!(matches!(outcome, Outcome::Busy { .. }), "{outcome:?}");
        });
        run.play(&interrupted(&run.world, n, meanwhile)).await.unwrap();
        assert_eq!(run.phase().await, Phase::Succeeded);
        assert_eq!(shape(&run.world).await, base.shape, "at call {n}");
        // What runs is no longer what it was planned on: people are asked again, and then it goes on.
        let other = Asked { handle: other, world: run.world };
        assert_eq!(other.rescued().await, Phase::Succeeded);
    }
}

/// One engine driving two promotions at once is two holders, too.
#[tokio::test]
async fn p2_one_engine_drives_one_promotion_of_an_environment_at_a_time() {
    let base = undisturbed(Story::Promote).await;
    let run = base.asked.fork().await;
    let (_, second) = releases();
    let other = run.world.approved(&second).await;
    run.approve_when_asked().await;
    let cell: Arc<Mutex<Option<Handle>>> = Arc::default();
    let same = cell.clone();
    let meanwhile = Box::pin(async move {
        let handle = same.lock().unwrap().take().unwrap();
        let outcome = handle.drive().await.unwrap();
        assert!(matches!(outcome, Outcome::Busy { .. }), "{outcome:?}");
    });
    let engine = interrupted(&run.world, base.calls.start + 8, meanwhile);
    *cell.lock().unwrap() = Some(of(&engine, &other));
    assert_eq!(of(&engine, &run.handle).drive().await.unwrap(), Outcome::Ended(Phase::Succeeded));
    assert!(cell.lock().unwrap().is_none(), "the other one was driven meanwhile");
}

/// The same provider, seen by people with a store of their own.
fn with_another_store(world: &World) -> World {
    let mut other = World::new(2, Manners::default());
    other.clock = world.clock.clone();
    other.provider = world.provider.clone();
    other.ids = world.ids.clone();
    other.journal = Arc::new(Memory::new(StoreId::new("store-2").unwrap(), world.clock.clone()));
    other
}

#[tokio::test]
async fn p2_a_fleet_with_another_stores_mark_is_refused() {
    let world = World::new(1, Manners::default());
    let (first, second) = releases();
    world.rehearsed(&first, &second).await;
    let before = shape(&world).await;
    let other = with_another_store(&world);
    let (handle, outcome) = other.put("production", Kind::Adopt, &first).await.unwrap();
    assert_eq!(outcome, Outcome::Ended(Phase::Blocked));
    let view = other.bystander().view(&handle.environment).await.unwrap();
    let why = view.promotions[&handle.id].state.facts.failure.clone().unwrap().why;
    assert!(why.contains("is marked by store store-1, and this is store store-2"), "{why}");
    assert_eq!(shape(&world).await, before);
}

#[tokio::test]
async fn p2_somebody_elses_lease_on_a_machine_stops_it_before_the_first_change() {
    let world = World::new(1, Manners::default());
    let (first, second) = releases();
    world.rehearsed(&first, &second).await;
    let before = shape(&world).await;
    let unit = world.fleet("production", "web").await.units[0].id.clone();
    let handle = world.approved(&second).await;
    world.provider.seize(&World::place("production", "web"), &unit, "flyctl deploy");
    assert_eq!(handle.drive().await.unwrap(), Outcome::Ended(Phase::Blocked));
    let view = world.bystander().view(&handle.environment).await.unwrap();
    let why = view.promotions[&handle.id].state.facts.failure.clone().unwrap().why;
    assert!(why.contains("is leased by flyctl deploy"), "{why}");
    world.clock.advance(Millis::secs(3600));
    assert_eq!(shape(&world).await, before, "our own leases were given back");
}

#[tokio::test]
async fn p2_a_record_under_an_old_lease_is_refused() {
    let world = World::new(1, Manners::default());
    let production = env("production");
    let ttl = Millis::secs(30);
    let old = world.journal.take_lease(&production, "sleeper", ttl).await.unwrap();
    assert!(matches!(
        world.journal.take_lease(&production, "rescuer", ttl).await,
        Err(JournalError::Held { holder }) if holder == "sleeper"
    ));
    world.clock.advance(ttl);
    let new = world.journal.take_lease(&production, "rescuer", ttl).await.unwrap();
    assert!(new.epoch > old.epoch);
    let late = world.journal.append(&production, 0, Some(old.epoch), Vec::new()).await;
    assert!(matches!(late, Err(JournalError::Fenced { .. })), "{late:?}");
    assert!(matches!(
        world.journal.renew_lease(&production, old.epoch, ttl).await,
        Err(JournalError::Fenced { .. })
    ));
    world.journal.append(&production, 0, Some(new.epoch), Vec::new()).await.unwrap();
}

/// A provider's client that lets others go first, by chance, and remembers what it made and what it destroyed.
#[derive(Debug)]
struct Polite {
    provider: Provider,
    chance: Arc<Seeded>,
    made: Mutex<Vec<UnitId>>,
    destroyed: Mutex<Vec<UnitId>>,
}

impl Polite {
    fn new(world: &World, chance: &Arc<Seeded>) -> Arc<Self> {
        let (provider, chance) = (world.provider.clone(), chance.clone());
        Arc::new(Self { provider, chance, made: Mutex::default(), destroyed: Mutex::default() })
    }

    async fn wait(&self) {
        for _ in 0..self.chance.below(4) {
            tokio::task::yield_now().await;
        }
    }
}

#[async_trait]
impl Deployer for Polite {
    async fn observe_fleet(&self, place: &Place) -> Result<Fleet, PortError> {
        self.wait().await;
        let fleet = self.provider.observe_fleet(place).await;
        // What is seen may be over by the time it is acted upon.
        self.wait().await;
        fleet
    }

    async fn perform(&self, place: &Place, call: &UnitCall, key: &Key) -> Result<Performed, PortError> {
        let result = self.provider.perform(place, call, key).await;
        if let Ok(Performed { unit: Some(unit), .. }) = &result {
            self.made.lock().unwrap().push(unit.clone());
        }
        if let UnitCall::Destroy { unit } = call {
            self.destroyed.lock().unwrap().push(unit.clone());
        }
        result
    }
}

/// Two stores that know nothing of each other bootstrap one empty app with the same release at the same time: no lease
/// and no mark is there to stop either when it looks. Whoever finds the other's machines takes its own away (P2), and
/// never the other's (P10).
#[tokio::test]
async fn p2_two_stores_that_bootstrap_one_empty_app_at_once_do_not_both_succeed() {
    let mut n_met = 0;
    for seed in 0..40 {
        let chance = Arc::new(Seeded::new(seed));
        let world = World::new(seed, Manners::default());
        let other = with_another_store(&world);
        let mut sides = Vec::new();
        for world in [&world, &other] {
            let client = Polite::new(world, &chance);
            let mut ports = world.ports(&Switch::new(Moment::Never));
            ports.deployer = client.clone();
            let engine = Engine::new(world.options.clone(), ports);
            let ask = world.ask("production", Kind::Bootstrap, &releases().0);
            sides.push((client, engine.request(ask).await.unwrap(), world.journal.store_id().await.unwrap()));
        }
        let (one, two) = tokio::join!(sides[0].1.drive(), sides[1].1.drive());
        let ends = [one.unwrap(), two.unwrap()];
        let succeeded = Outcome::Ended(Phase::Succeeded);
        assert!(ends.iter().any(|end| *end != succeeded), "seed {seed}: both succeeded");
        let changed = |end: &Outcome| matches!(end, Outcome::Ended(Phase::Succeeded | Phase::RolledBack));
        n_met += u32::from(ends.iter().all(changed));
        for (end, (client, _, store)) in ends.iter().zip(&sides) {
            let mut n_units = 0;
            for component in ["api", "web"] {
                let units = world.fleet("production", component).await.units;
                n_units +=
                    units.iter().filter(|unit| unit.label(label::STORE) == Some(store.as_str())).count();
            }
            let expected = match end {
                Outcome::Ended(Phase::Succeeded) => 3,
                Outcome::Ended(Phase::RolledBack | Phase::Blocked | Phase::Aborted) => 0,
                end => panic!("seed {seed}: {end:?}"),
            };
            assert_eq!(n_units, expected, "seed {seed}: {store} {ends:?}");
            let made = client.made.lock().unwrap();
            let destroyed = client.destroyed.lock().unwrap();
            assert!(
                destroyed.iter().all(|unit| made.contains(unit)),
                "seed {seed}: {store} destroyed another's"
            );
        }
    }
    assert!(n_met > 0, "in some of the runs both made machines");
}
