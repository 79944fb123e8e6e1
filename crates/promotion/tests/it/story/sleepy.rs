//! Runners that fall asleep in the middle.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use futures_util::future::BoxFuture;
use promotion::engine::{Engine, Ports};
use promotion::journal::{Draft, Record};
use promotion::model::{EnvironmentName, Millis, StoreId};
use promotion::ports::{Clock, Grant, Journal, JournalError};
use promotion::testing::{Moment, Switch, World};

/// A store's client that falls asleep right after its n-th append, and wakes up when `meanwhile` is over.
struct Sleepy {
    store: Arc<dyn Journal>,
    appends: AtomicU64,
    at: u64,
    /// While it is granted a lease, instead.
    is_in_lease: bool,
    meanwhile: Mutex<Option<BoxFuture<'static, ()>>>,
}

impl std::fmt::Debug for Sleepy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "asleep after append {}", self.at)
    }
}

impl Sleepy {
    async fn fall_asleep(&self) {
        let meanwhile = self.meanwhile.lock().unwrap().take();
        if let Some(meanwhile) = meanwhile {
            meanwhile.await;
        }
    }
}

#[async_trait]
impl Journal for Sleepy {
    async fn store_id(&self) -> Result<StoreId, JournalError> {
        self.store.store_id().await
    }

    async fn environments(&self) -> Result<Vec<EnvironmentName>, JournalError> {
        self.store.environments().await
    }

    async fn read(&self, environment: &EnvironmentName, after: u64) -> Result<Vec<Record>, JournalError> {
        self.store.read(environment, after).await
    }

    async fn append(
        &self,
        environment: &EnvironmentName,
        head: u64,
        epoch: Option<u64>,
        drafts: Vec<Draft>,
    ) -> Result<Vec<Record>, JournalError> {
        let result = self.store.append(environment, head, epoch, drafts).await;
        if self.appends.fetch_add(1, Ordering::SeqCst) == self.at && !self.is_in_lease {
            self.fall_asleep().await;
        }
        result
    }

    async fn take_lease(
        &self,
        environment: &EnvironmentName,
        holder: &str,
        ttl: Millis,
    ) -> Result<Grant, JournalError> {
        let result = self.store.take_lease(environment, holder, ttl).await;
        if self.is_in_lease {
            self.fall_asleep().await;
        }
        result
    }

    async fn renew_lease(
        &self,
        environment: &EnvironmentName,
        epoch: u64,
        ttl: Millis,
    ) -> Result<(), JournalError> {
        self.store.renew_lease(environment, epoch, ttl).await
    }

    async fn release_lease(&self, environment: &EnvironmentName, epoch: u64) -> Result<(), JournalError> {
        self.store.release_lease(environment, epoch).await
    }
}

/// A runner that falls asleep right after its `at`-th append, and wakes up when `meanwhile` is over.
pub(crate) fn sleepy(world: &World, at: u64, meanwhile: BoxFuture<'static, ()>) -> Engine {
    asleep(world, world.clock.clone(), (at, false), meanwhile)
}

/// The same, by a clock of its own.
pub(crate) fn sleepy_by(
    world: &World,
    clock: Arc<dyn Clock>,
    at: u64,
    meanwhile: BoxFuture<'static, ()>,
) -> Engine {
    asleep(world, clock, (at, false), meanwhile)
}

/// A runner that falls asleep when it was granted its first lease, before it hears of it.
pub(crate) fn sleepy_in_lease(world: &World, meanwhile: BoxFuture<'static, ()>) -> Engine {
    asleep(world, world.clock.clone(), (0, true), meanwhile)
}

fn asleep(
    world: &World,
    clock: Arc<dyn Clock>,
    (at, is_in_lease): (u64, bool),
    meanwhile: BoxFuture<'static, ()>,
) -> Engine {
    let mut ports = Ports { clock, ..world.ports(&Switch::new(Moment::Never)) };
    let (store, meanwhile) = (ports.journal.clone(), Mutex::new(Some(meanwhile)));
    ports.journal = Arc::new(Sleepy { store, appends: AtomicU64::new(0), at, is_in_lease, meanwhile });
    Engine::new(world.options.clone(), ports)
}
