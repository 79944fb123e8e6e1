//! PostgreSQL and 1,000 promotions that wait for people: one process makes them, and another one has them open while
//! people answer 50 times a second.
//!
//! The provider, its machines and the suites are ours, in memory, and stand for other people's services: they stay in the
//! process that makes the promotions, so that the other one's memory is what an engine and a store take.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use promotion::engine::{Engine, Outcome};
use promotion::model::{At, Claim, Decision, EnvironmentName, Kind, StoreId};
use promotion::testing::{Manners, Moment, Switch, World, env};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use stores::postgres::{Address, Postgres};
use stores::testing::Cluster;

use super::Measured;
use super::words::WORDS;

const OPEN: usize = 1_000;

/// What the other process is told.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Handed {
    /// The store's address.
    pub(super) url: String,
    /// What time it is in the promotions' world.
    pub(super) at: At,
    /// Who waits for which word.
    pub(super) waiting: Vec<(EnvironmentName, Claim)>,
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
    let url = cluster.url("");
    let journal =
        Arc::new(Postgres::open(&Address::parse(&url, Path::new("/"))?, &StoreId::new("bench")?).await?);
    let mut world = World::new(1, Manners::default());
    world.journal = journal;
    let engine = Engine::new(world.options.clone(), world.ports(&Switch::new(Moment::Never)));
    let mut waiting = Vec::with_capacity(OPEN);
    for n in 0..OPEN {
        let name = format!("env-{n:04}");
        waiting.push((env(&name), asked(&world, &engine, &name).await?));
    }
    let handed = serde_json::to_vec(&Handed { url, at: world.now(), waiting })?;
    let mut other = Command::new(std::env::current_exe()?)
        .arg(WORDS)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    // Its end is what tells the other one that this is all.
    let mut input = other.stdin.take().ok_or("the other process has no input")?;
    input.write_all(&handed)?;
    drop(input);
    let output = other.wait_with_output()?;
    if !output.status.success() {
        return Err(format!("the process that has the promotions open ended with {}", output.status).into());
    }
    let figures = String::from_utf8(output.stdout)?;
    figures.lines().map(|line| Ok(serde_json::from_str::<Value>(line)?)).collect()
}
