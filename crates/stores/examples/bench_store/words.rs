//! The process that has the promotions open: it takes people's words, and measures what each costs.

use std::io;
use std::path::Path;
use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use promotion::engine::{Engine, EngineError};
use promotion::model::{Claim, EnvironmentName, StoreId};
use promotion::ports::Journal as _;
use promotion::testing::{Manners, Moment, Switch, World, env};
use stores::postgres::{Address, Postgres};
use tokio::runtime::Handle;

use super::disk::Disk;
use super::open::Handed;
use super::{Measured, figure, millis, now, percentile};

/// The argument by which a process is told to be this one.
pub(super) const WORDS: &str = "words";

/// Fifty a second.
const EVERY: Duration = Duration::from_millis(20);
const ROUND_TRIPS: usize = 300;
const RSS_MIB: f64 = 64.0;

/// What this process had in memory at its most, in MiB (proc(5), `VmHWM`).
fn memory() -> Result<f64, Box<dyn std::error::Error>> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).ok_or("no VmHWM")?;
    let kib: f64 = line.trim().trim_end_matches(" kB").parse()?;
    Ok(kib / 1024.0)
}

/// Sleeps until then, to some ten microseconds: the runtime's own timers know milliseconds only, and what they are late
/// is not the store's.
fn until(due: Instant) {
    thread::sleep(due.saturating_duration_since(now()));
}

/// Brings each word when it is due; how long each took from then on.
fn brought(
    engine: &Engine,
    begun: Instant,
    waiting: Vec<(EnvironmentName, Claim)>,
) -> mpsc::Receiver<Result<Duration, EngineError>> {
    let (tell, told) = mpsc::channel();
    let (engine, runtime) = (engine.clone(), Handle::current());
    thread::spawn(move || {
        for (n, (environment, claim)) in (0_u32..).zip(waiting) {
            let due = begun + EVERY * n;
            until(due);
            let (engine, tell) = (engine.clone(), tell.clone());
            runtime.spawn(async move {
                let done = engine.decide(&environment, claim).await;
                // From when it was due: who is kept waiting by the one before has waited, too.
                let _nobody_measures_any_more = tell.send(done.map(|_| due.elapsed()));
            });
        }
    });
    told
}

/// What the disk takes meanwhile, between one word and the next.
fn synced(begun: Instant, n: usize) -> JoinHandle<io::Result<Vec<Duration>>> {
    thread::spawn(move || {
        let dir = tempfile::tempdir()?;
        let mut disk = Disk::new(dir.path())?;
        (0..n)
            .map(|n| {
                until(begun + EVERY * u32::try_from(n).unwrap_or(u32::MAX) + EVERY / 2);
                disk.sync()
            })
            .collect()
    })
}

pub(super) async fn measure() -> Measured {
    let handed: Handed = serde_json::from_reader(io::stdin())?;
    let address = Address::parse(&handed.url, Path::new("/"))?;
    let journal = Arc::new(Postgres::open(&address, &StoreId::new("bench")?).await?);
    let mut world = World::new(1, Manners::default());
    world.clock.advance(handed.at.since(world.now()));
    world.journal = journal.clone();
    let engine = Engine::new(world.options.clone(), world.ports(&Switch::new(Moment::Never)));
    for (environment, _) in &handed.waiting {
        engine.view(environment).await?;
    }
    let mut trips = Vec::with_capacity(ROUND_TRIPS);
    for _ in 0..ROUND_TRIPS {
        tokio::time::sleep(EVERY).await;
        let begun = now();
        journal.read(&env("nobody"), 0).await?;
        trips.push(begun.elapsed());
    }
    let (n_open, begun) = (handed.waiting.len(), now() + EVERY);
    let disk = synced(begun, n_open);
    let told = brought(&engine, begun, handed.waiting);
    let times: Result<Vec<Duration>, _> = tokio::task::block_in_place(|| told.iter().collect());
    let mut times = times?;
    let mut syncs = disk.join().map_err(|_| "whoever asks the disk panicked")??;
    let (sync, trip) = (percentile(&mut syncs, 990), percentile(&mut trips, 500));
    let limit = 3.0 * millis(sync) + millis(trip);
    let title = format!("postgres: p99 of a word, {n_open} promotions open, 50/s");
    Ok(vec![
        figure(&title, millis(percentile(&mut times, 990)), "ms", Some(limit)),
        figure("postgres: median of a word", millis(percentile(&mut times, 500)), "ms", None),
        figure("disk: p99 of a bare fdatasync of 8 KiB, 50/s", millis(sync), "ms", None),
        figure(
            "disk: median of a bare fdatasync of 8 KiB, 50/s",
            millis(percentile(&mut syncs, 500)),
            "ms",
            None,
        ),
        figure("postgres: one round trip, 50/s", millis(trip), "ms", None),
        figure(&format!("memory with {n_open} promotions open"), memory()?, "MiB", Some(RSS_MIB)),
    ])
}
