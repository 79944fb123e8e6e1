//! One process, PostgreSQL, 1,000 promotions that wait for people, and people who answer 50 times a second.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use promotion::engine::{Engine, Outcome};
use promotion::model::{Claim, Decision, Kind, StoreId};
use promotion::ports::Journal as _;
use promotion::testing::{Manners, Moment, Switch, World, env};
use stores::postgres::{Address, Postgres};
use stores::testing::Cluster;
use tokio::task::JoinSet;

use super::{Measured, disk, figure, millis, now, percentile};

const OPEN: usize = 1_000;
/// Fifty a second.
const EVERY: Duration = Duration::from_millis(20);
const SYNCS: usize = 500;
const ROUND_TRIPS: usize = 300;
const RSS_MIB: f64 = 64.0;

/// What this process had in memory at its most, in MiB (proc(5), `VmHWM`).
fn memory() -> Result<f64, Box<dyn std::error::Error>> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).ok_or("no VmHWM")?;
    let kib: f64 = line.trim().trim_end_matches(" kB").parse()?;
    Ok(kib / 1024.0)
}

/// Somebody asked for a promotion into `name`, and was told to wait for a person; that person's word.
async fn asked(world: &World, engine: &Engine, name: &str) -> Result<Claim, Box<dyn std::error::Error>> {
    let old = World::release("0.9.0", 5, 15);
    for (component, digest) in &old.components {
        let target = world.component(name, component.as_str(), digest);
        world.provider.plant(&target.place, |unit| {
            (unit.digest, unit.image) = (Some(digest.clone()), Some(target.image.clone()));
        });
    }
    let mut ask = world.ask(name, Kind::Promote, &World::release("1.0.0", 1, 11));
    ask.policy.approvals.clone_from(&world.policy.approvals);
    let handle = engine.request(ask).await?;
    let outcome = handle.drive().await?;
    if !matches!(outcome, Outcome::Waiting { .. }) {
        return Err(format!("{name} does not wait for anybody: {outcome:?}").into());
    }
    Ok(world.claim(&handle, &World::lead(), Decision::Approve).await)
}

pub(super) async fn measure() -> Measured {
    let cluster = Cluster::start();
    let address = Address::parse(&cluster.url(""), Path::new("/"))?;
    let journal = Arc::new(Postgres::open(&address, &StoreId::new("bench")?).await?);
    let mut world = World::new(1, Manners::default());
    world.journal = journal.clone();
    let engine = Engine::new(world.options.clone(), world.ports(&Switch::new(Moment::Never)));
    let mut waiting = Vec::with_capacity(OPEN);
    for n in 0..OPEN {
        let name = format!("env-{n:04}");
        waiting.push((env(&name), asked(&world, &engine, &name).await?));
    }
    let dir = tempfile::tempdir()?;
    let mut syncs = disk::syncs(dir.path(), SYNCS)?;
    let mut trips = Vec::with_capacity(ROUND_TRIPS);
    for _ in 0..ROUND_TRIPS {
        let begun = now();
        journal.read(&env("nobody"), 0).await?;
        trips.push(begun.elapsed());
    }
    let begun = now();
    let mut words = JoinSet::new();
    for (n, (environment, claim)) in (0_u32..).zip(waiting) {
        let due = begun + EVERY * n;
        tokio::time::sleep_until(due.into()).await;
        let engine = engine.clone();
        // From when it was due: who is kept waiting by the one before has waited, too.
        words.spawn(async move { engine.decide(&environment, claim).await.map(|_| due.elapsed()) });
    }
    let mut times = Vec::with_capacity(OPEN);
    while let Some(word) = words.join_next().await {
        times.push(word??);
    }
    syncs.extend(disk::syncs(dir.path(), SYNCS)?);
    let (sync, trip) = (percentile(&mut syncs, 990), percentile(&mut trips, 500));
    let limit = 3.0 * millis(sync) + millis(trip);
    let title = format!("postgres: p99 of a word, {OPEN} promotions open, 50/s");
    Ok(vec![
        figure(&title, millis(percentile(&mut times, 990)), "ms", Some(limit)),
        figure("postgres: median of a word", millis(percentile(&mut times, 500)), "ms", None),
        figure("disk: p99 of a bare fdatasync", millis(sync), "ms", None),
        figure("postgres: one round trip", millis(trip), "ms", None),
        figure(&format!("memory with {OPEN} promotions open"), memory()?, "MiB", Some(RSS_MIB)),
    ])
}
