//! How soon a rescuer goes on: from where the dead runner's lease on the environment ends to the rescuer's first record.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use promotion::engine::Engine;
use promotion::journal::{Draft, Record, Sqlite};
use promotion::model::{EnvironmentName, Kind, Millis, StoreId};
use promotion::plain::SystemClock;
use promotion::ports::{Grant, Journal, JournalError};
use promotion::testing::{Manners, Moment, Switch, World, env};
use stores::postgres::{Address, Postgres};
use stores::testing::Cluster;
use tokio::sync::Mutex;

use super::{Measured, figure, now};

/// How long the dead runner's lease lasts.
const LEASE: Duration = Duration::from_secs(2);
/// A rescuer comes by this often.
const COMES_BY: Duration = Duration::from_millis(100);
/// Takeovers from which the longest counts.
const TIMES: u32 = 5;
const LIMIT_S: f64 = 1.0;

/// A store that keeps in mind when the first record came under a lease.
#[derive(Debug)]
struct Watched {
    store: Arc<dyn Journal>,
    first: Mutex<Option<Instant>>,
}

#[async_trait]
impl Journal for Watched {
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
        let sealed = self.store.append(environment, head, epoch, drafts).await?;
        if epoch.is_some() {
            self.first.lock().await.get_or_insert_with(now);
        }
        Ok(sealed)
    }

    async fn take_lease(
        &self,
        environment: &EnvironmentName,
        holder: &str,
        ttl: Millis,
    ) -> Result<Grant, JournalError> {
        self.store.take_lease(environment, holder, ttl).await
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

/// The time from the end of a dead runner's lease to the first record of a rescuer.
async fn takeover(store: Arc<dyn Journal>, name: &str) -> Result<Duration, Box<dyn std::error::Error>> {
    let mut world = World::new(1, Manners::default());
    let watched = Arc::new(Watched { store: store.clone(), first: Mutex::default() });
    world.journal = watched.clone();
    let ports = || world.ports(&Switch::new(Moment::Never));
    let dead = Engine::new(world.options.clone(), ports());
    let ask = world.ask(name, Kind::Bootstrap, &World::release("1.0.0", 1, 11));
    dead.request(ask).await?;
    let ttl = Millis(u64::try_from(LEASE.as_millis())?);
    store.take_lease(&env(name), "a runner that is dead", ttl).await?;
    let ends = now() + LEASE;
    let rescuer = Engine::new(world.options.clone(), ports());
    loop {
        let _whoever_holds_it = rescuer.tick().await?;
        if let Some(first) = *watched.first.lock().await {
            return Ok(first.saturating_duration_since(ends));
        }
        if now() > ends + Duration::from_secs(30) {
            return Err(format!("nobody took {name} over").into());
        }
        tokio::time::sleep(COMES_BY).await;
    }
}

async fn longest(store: Arc<dyn Journal>) -> Result<f64, Box<dyn std::error::Error>> {
    let mut longest = Duration::ZERO;
    for n in 0..TIMES {
        longest = longest.max(takeover(store.clone(), &format!("env-{n}")).await?);
    }
    Ok(longest.as_secs_f64())
}

pub(super) async fn measure() -> Measured {
    let dir = tempfile::tempdir()?;
    let id = StoreId::new("bench")?;
    let sqlite = Arc::new(Sqlite::open(&dir.path().join("journal.db"), Arc::new(SystemClock), &id)?);
    let cluster = Cluster::start();
    let address = Address::parse(&cluster.url(""), Path::new("/"))?;
    let postgres = Arc::new(Postgres::open(&address, &id).await?);
    let title =
        |store: &str| format!("{store}: from the end of a dead runner's lease to the first record after it");
    Ok(vec![
        figure(&title("sqlite"), longest(sqlite).await?, "s", Some(LIMIT_S)),
        figure(&title("postgres"), longest(postgres).await?, "s", Some(LIMIT_S)),
    ])
}
