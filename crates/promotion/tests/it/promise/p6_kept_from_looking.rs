//! P6: a runner that was kept from looking does not give a rollout up for what it has not seen.

use std::sync::Arc;

use async_trait::async_trait;
use futures_util::future::BoxFuture;
use promotion::engine::Engine;
use promotion::machine::Phase;
use promotion::model::{Fleet, Millis, Place};
use promotion::ports::{Clock as _, Deployer, Key, Performed, PortError};
use promotion::rollout::UnitCall;
use promotion::testing::{Manners, Moment, Provider, Switch, VirtualClock, World};

use crate::story::{Story, shape, sleepy, undisturbed, unleased};

const STORIES: [Story; 6] = [
    Story::Promote,
    Story::PromoteThatFails,
    Story::Rolling,
    Story::RollingThatFails,
    Story::CanaryInWaves,
    Story::InWavesThatFails,
];

/// Longer than any unit is waited for, and shorter than the lease lasts.
const LONG: Millis = Millis(25_000);

/// After any of its records something happens to a runner. The end must be the same.
async fn kept_from_looking(happens: impl Fn(&World) -> BoxFuture<'static, ()>) {
    let mut wrong = Vec::new();
    for story in STORIES {
        let base = undisturbed(story).await;
        assert!(LONG > base.asked.world.limits.wait && LONG < base.asked.world.options.lease_ttl);
        let n_appends = base.moments.values().filter(|what| what.starts_with("write")).count() as u64;
        for at in 0..n_appends {
            let run = base.asked.fork().await;
            run.play(&sleepy(&run.world, at, happens(&run.world))).await.unwrap();
            // Where it happened at the very end it is over now; a lease that nobody could give back runs out by itself.
            run.world.clock.advance(LONG);
            let (phase, now) = (run.phase().await, unleased(&shape(&run.world).await));
            if phase != story.end() || now != unleased(&base.shape) {
                wrong.push(format!("{story:?}, after record {at}: {phase}: {}", run.why().await));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// It is stopped (a laptop's lid, a busy host) for longer than a unit may take for anything: what it meant to do then it
/// does when it wakes.
#[tokio::test]
async fn p6_a_runner_that_sleeps_through_its_patience_gives_nothing_up() {
    kept_from_looking(|world| {
        let clock = world.clock.clone();
        Box::pin(async move { clock.advance(LONG) })
    })
    .await;
}

/// Nobody reaches the provider for as long.
#[tokio::test]
async fn p6_a_provider_that_is_away_for_longer_than_patience_is_waited_for() {
    kept_from_looking(|world| {
        let provider = world.provider.clone();
        Box::pin(async move { provider.away_for(LONG) })
    })
    .await;
}

/// A provider that takes its time for every look.
#[derive(Debug)]
struct Slow {
    provider: Provider,
    clock: Arc<VirtualClock>,
}

#[async_trait]
impl Deployer for Slow {
    async fn observe_fleet(&self, place: &Place) -> Result<Fleet, PortError> {
        self.clock.sleep(Millis(6_000)).await;
        self.provider.observe_fleet(place).await
    }

    async fn perform(&self, place: &Place, call: &UnitCall, key: &Key) -> Result<Performed, PortError> {
        self.provider.perform(place, call, key).await
    }
}

/// Where every look takes long nobody is kept from looking: a release that does not come up is put back after some multiple
/// of what a unit may take, and not when the whole promotion's time is over.
#[tokio::test]
async fn p4_a_provider_that_is_slow_at_every_look_does_not_make_patience_endless() {
    let mut world = World::new(1, Manners::default());
    world.policy.deadline = Millis::secs(24 * 3600);
    let run = Story::Rolling.asked_in(world).await;
    run.world.provider.change(|manners| manners.sick.push(World::digest(2)));
    run.approve_when_asked().await;
    let (world, begun) = (&run.world, run.world.now());
    let mut ports = world.ports(&Switch::new(Moment::Never));
    ports.deployer = Arc::new(Slow { provider: world.provider.clone(), clock: world.clock.clone() });
    run.play(&Engine::new(world.options.clone(), ports)).await.unwrap();
    assert_eq!(run.phase().await, Phase::RolledBack, "{}", run.why().await);
    let took = world.now().since(begun);
    assert!(took < Millis(world.limits.wait.0 * 30), "{took}");
}
