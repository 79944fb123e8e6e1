//! P6: a runner that was kept from looking does not give a rollout up for what it has not seen.

use futures_util::future::BoxFuture;
use promotion::model::Millis;
use promotion::testing::World;

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
