//! The end of a parked fleet: under the environment's lease, which lasts as long as the work and no longer.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use promotion::engine::{Engine, Outcome};
use promotion::journal::{Draft, Record};
use promotion::machine::Phase;
use promotion::model::{EnvironmentName, Fleet, Millis, Place, StoreId};
use promotion::ports::{Clock, Deployer, Grant, Journal, JournalError, Key, Performed, PortError};
use promotion::rollout::UnitCall;
use promotion::testing::{Manners, Moment, Provider, Switch, World, env};

use crate::story::releases;

/// A provider that is slow to destroy, and away at one look.
#[derive(Debug)]
struct Sluggish {
    provider: Provider,
    clock: Arc<dyn Clock>,
    /// The look that fails, from 1.
    fails: u64,
    looks: AtomicU64,
    /// From call to answer.
    destroy: Millis,
    journal: Arc<dyn Journal>,
    met: Arc<Mutex<Vec<String>>>,
}

#[async_trait]
impl Deployer for Sluggish {
    async fn observe_fleet(&self, place: &Place) -> Result<Fleet, PortError> {
        if self.looks.fetch_add(1, Ordering::SeqCst) + 1 == self.fails {
            return Err(PortError::not_sent("503 the provider is away"));
        }
        self.provider.observe_fleet(place).await
    }

    async fn perform(&self, place: &Place, call: &UnitCall, key: &Key) -> Result<Performed, PortError> {
        let begun = self.clock.now();
        let mut before = begun;
        while before.since(begun) < self.destroy {
            tokio::task::yield_now().await;
            if self.clock.now() == before {
                // Nobody else lets time pass.
                self.clock.sleep(Millis::secs(1)).await;
            }
            before = self.clock.now();
        }
        let rival = self.journal.take_lease(&place.environment, "a rival", Millis::secs(30)).await;
        self.met.lock().unwrap().push(format!("{rival:?}"));
        self.provider.perform(place, call, key).await
    }
}

/// A store that takes no record.
#[derive(Debug)]
struct Full(Arc<dyn Journal>);

#[async_trait]
impl Journal for Full {
    async fn store_id(&self) -> Result<StoreId, JournalError> {
        self.0.store_id().await
    }

    async fn environments(&self) -> Result<Vec<EnvironmentName>, JournalError> {
        self.0.environments().await
    }

    async fn read(&self, environment: &EnvironmentName, after: u64) -> Result<Vec<Record>, JournalError> {
        self.0.read(environment, after).await
    }

    async fn append(
        &self,
        _: &EnvironmentName,
        _: u64,
        _: Option<u64>,
        _: Vec<Draft>,
    ) -> Result<Vec<Record>, JournalError> {
        Err(JournalError::Store { step: "appending", message: "disk full".to_owned() })
    }

    async fn take_lease(
        &self,
        environment: &EnvironmentName,
        holder: &str,
        ttl: Millis,
    ) -> Result<Grant, JournalError> {
        self.0.take_lease(environment, holder, ttl).await
    }

    async fn renew_lease(
        &self,
        environment: &EnvironmentName,
        epoch: u64,
        ttl: Millis,
    ) -> Result<(), JournalError> {
        self.0.renew_lease(environment, epoch, ttl).await
    }

    async fn release_lease(&self, environment: &EnvironmentName, epoch: u64) -> Result<(), JournalError> {
        self.0.release_lease(environment, epoch).await
    }
}

/// A world whose parked units' time is over.
async fn over() -> World {
    let world = World::new(1, Manners::default());
    let (first, second) = releases();
    world.rehearsed(&first, &second).await;
    let outcome = world.approved(&second).await.drive().await.unwrap();
    assert_eq!(outcome, Outcome::Ended(Phase::Succeeded));
    world.clock.advance(Millis(world.limits.park_for.0 + 60_000));
    world
}

fn sluggish(world: &World, fails: u64, destroy: Millis) -> (Engine, Arc<Mutex<Vec<String>>>) {
    let met: Arc<Mutex<Vec<String>>> = Arc::default();
    let mut ports = world.ports(&Switch::new(Moment::Never));
    ports.deployer = Arc::new(Sluggish {
        provider: world.provider.clone(),
        clock: world.clock.clone(),
        fails,
        looks: AtomicU64::new(0),
        destroy,
        journal: world.journal.clone(),
        met: met.clone(),
    });
    (Engine::new(world.options.clone(), ports), met)
}

/// Whether somebody may take the environment now.
async fn is_free(world: &World) -> bool {
    let grant = world.journal.take_lease(&env("production"), "the next", Millis::secs(30)).await;
    !matches!(grant, Err(JournalError::Held { .. }))
}

/// A tick that comes to nothing half-way holds nothing: the next promotion need not wait for its lease to run out.
#[tokio::test]
async fn a_tick_that_fails_half_way_gives_the_environment_back() {
    let mut failed = 0;
    for fails in 1..=6 {
        let world = over().await;
        let (engine, _) = sluggish(&world, fails, Millis::ZERO);
        let ticked = engine.tick().await.unwrap();
        failed += usize::from(!ticked.problems.is_empty());
        assert!(is_free(&world).await, "the look {fails} fails: {:?}", ticked.problems);
    }
    assert!(failed >= 3, "looks before and under the lease failed");
    let world = over().await;
    let mut ports = world.ports(&Switch::new(Moment::Never));
    ports.journal = Arc::new(Full(world.journal.clone()));
    let ticked = Engine::new(world.options.clone(), ports).tick().await.unwrap();
    assert!(ticked.problems.iter().any(|problem| problem.contains("disk full")), "{:?}", ticked.problems);
    assert!(is_free(&world).await, "a record could not be written");
}

/// Units that take longer to destroy than the environment's lease lasts are destroyed under it all the same.
#[tokio::test]
async fn destroying_for_long_keeps_the_environment() {
    let world = over().await;
    let (engine, met) = sluggish(&world, 0, Millis(3 * world.options.lease_ttl.0));
    let ticked = engine.tick().await.unwrap();
    assert_eq!(ticked.problems, Vec::<String>::new());
    assert_eq!(ticked.ended.len(), 4, "two of production, two of staging");
    for rival in met.lock().unwrap().iter() {
        assert!(rival.contains("Held"), "{rival}");
    }
    assert!(is_free(&world).await, "and then it is given back");
}
