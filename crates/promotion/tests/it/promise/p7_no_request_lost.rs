//! P7: a request that starts during a promotion or its rollback is answered, whatever each edge believes just then.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use flytypes::Digest;
use promotion::engine::Engine;
use promotion::machine::Phase;
use promotion::model::{At, Fleet, Millis, Nonce, Place, Unit};
use promotion::ports::{Deployer, Key, Performed, PortError};
use promotion::rollout::UnitCall;
use promotion::testing::{Fault, Lost, Manners, Moment, Provider, Switch, World};

use crate::story::{Story, shape, sleepy};

/// Edges with lags below `settle`; the seed shifts when the runner looks.
async fn lost(story: Story, seed: u64, lags: [u64; 2], settle: Millis) -> Vec<Lost> {
    let manners = Manners { lags: lags.map(Millis).into(), ..Manners::default() };
    let mut world = World::new(seed, manners);
    world.limits.settle = settle;
    let asked = story.asked_in(world).await;
    let from: At = asked.world.now();
    asked.play(&asked.world.engine()).await.unwrap();
    assert_eq!(asked.phase().await, story.end());
    // Whatever the edges still have to hear.
    asked.world.clock.advance(Millis(5_000));
    asked.world.provider.lost(&World::place("production", "api"), from)
}

const LAGS: [[u64; 2]; 4] = [[0, 0], [150, 900], [999, 1], [500, 998]];

#[tokio::test]
async fn p7_no_request_is_lost_by_promotions_and_their_rollbacks() {
    let stories = [
        Story::Promote,
        Story::PromoteThatFails,
        Story::Rolling,
        Story::RollingThatFails,
        Story::CanaryInWaves,
        Story::InWavesThatFails,
        Story::BackByPerson,
        Story::BackByPersonThatFails,
        Story::BackByPersonThatStays,
    ];
    for story in stories {
        for (seed, lags) in (1..).zip(LAGS) {
            let lost = lost(story, seed, lags, Millis(1_000)).await;
            assert!(lost.is_empty(), "{story:?} with lags {lags:?}, seed {seed}: {lost:?}");
        }
    }
}

/// The test of the test: who does not wait for the edges loses requests, and the judge sees it.
#[tokio::test]
async fn p7_without_waiting_for_the_edges_the_judge_finds_losses() {
    for story in [Story::Promote, Story::Rolling] {
        let lost = lost(story, 1, [150, 900], Millis::ZERO).await;
        assert!(!lost.is_empty(), "{story:?}");
    }
}

/// An edge slower than `settle` is what the asking of edges is for; nobody can ask here, so requests are lost.
#[tokio::test]
async fn p7_an_edge_slower_than_promised_shows() {
    let lost = lost(Story::Promote, 1, [150, 3_000], Millis(1_000)).await;
    assert!(!lost.is_empty());
}

/// A release that is healthy until it serves.
#[derive(Debug)]
struct Fades {
    provider: Provider,
    release: Digest,
}

#[async_trait]
impl Deployer for Fades {
    async fn observe_fleet(&self, place: &Place) -> Result<Fleet, PortError> {
        self.provider.observe_fleet(place).await
    }

    async fn perform(&self, place: &Place, call: &UnitCall, key: &Key) -> Result<Performed, PortError> {
        let result = self.provider.perform(place, call, key).await;
        let fleet = self.provider.observe_fleet(place).await?;
        let serves = |unit: &Unit| unit.digest.as_ref() == Some(&self.release) && !unit.cordoned;
        if matches!(call, UnitCall::Uncordon { .. }) && fleet.units.iter().any(serves) {
            self.provider.change(|manners| manners.sick = vec![self.release.clone()]);
        }
        result
    }
}

/// Plays `story`, whose provider is what `around` makes of it; what `api` lost.
async fn lost_with(
    story: Story,
    around: impl Fn(Provider) -> Arc<dyn Deployer>,
) -> (Phase, String, Vec<Lost>) {
    let asked = story.asked().await;
    let (world, from) = (&asked.world, asked.world.now());
    let mut ports = world.ports(&Switch::new(Moment::Never));
    ports.deployer = around(world.provider.clone());
    asked.play(&Engine::new(world.options.clone(), ports)).await.unwrap();
    world.clock.advance(Millis(5_000));
    let lost = world.provider.lost(&World::place("production", "api"), from);
    (asked.phase().await, asked.why().await, lost)
}

/// The next machine, or the old fleet, is taken out of traffic only while what was put there before is healthy.
#[tokio::test]
async fn p7_a_release_that_fades_in_traffic_is_not_relied_on() {
    for story in [Story::Promote, Story::Rolling] {
        let fades =
            |provider| -> Arc<dyn Deployer> { Arc::new(Fades { provider, release: World::digest(2) }) };
        let (phase, why, lost) = lost_with(story, fades).await;
        assert_eq!(phase, Phase::RolledBack, "{story:?}: {why}");
        assert!(lost.is_empty(), "{story:?}: {} lost, the first of them {:?}", lost.len(), lost.first());
    }
}

/// Machines that are taken away as soon as both serve.
#[derive(Debug)]
struct Vanish {
    provider: Provider,
    release: Digest,
    is_over: AtomicBool,
}

#[async_trait]
impl Deployer for Vanish {
    async fn observe_fleet(&self, place: &Place) -> Result<Fleet, PortError> {
        let fleet = self.provider.observe_fleet(place).await?;
        let serves = |unit: &&Unit| unit.digest.as_ref() == Some(&self.release) && !unit.cordoned;
        let units: Vec<_> = fleet.units.iter().filter(serves).map(|unit| unit.id.clone()).collect();
        let is_now = *place == World::place("production", "api") && units.len() == 2;
        if !is_now || self.is_over.swap(true, Ordering::SeqCst) {
            return Ok(fleet);
        }
        for unit in units {
            self.provider.seize(place, &unit, "somebody with the nonce");
            let key = Key { id: "theirs".to_owned(), nonce: Nonce::new("theirs").ok() };
            self.provider.perform(place, &UnitCall::Destroy { unit }, &key).await?;
        }
        self.provider.observe_fleet(place).await
    }

    async fn perform(&self, place: &Place, call: &UnitCall, key: &Key) -> Result<Performed, PortError> {
        self.provider.perform(place, call, key).await
    }
}

/// What is gone is made again before the old fleet is closed.
#[tokio::test]
async fn p7_new_machines_that_are_gone_are_not_relied_on() {
    let vanish = |provider| -> Arc<dyn Deployer> {
        Arc::new(Vanish { provider, release: World::digest(2), is_over: AtomicBool::new(false) })
    };
    let (phase, why, lost) = lost_with(Story::Promote, vanish).await;
    assert_eq!(phase, Phase::Succeeded, "{why}");
    assert!(lost.is_empty(), "{} lost, the first of them {:?}", lost.len(), lost.first());
}

/// Whoever drives may die at any moment, and the rescuer comes when it comes.
#[tokio::test]
async fn p7_no_request_is_lost_wherever_the_runner_dies() {
    for story in [Story::Promote, Story::PromoteThatFails, Story::RollingThatFails, Story::BackByPerson] {
        let mut world = World::new(1, Manners { lags: vec![Millis(150), Millis(900)], ..Manners::default() });
        world.options.poll = Millis(250);
        let start = story.asked_in(world).await;
        let whole = start.fork().await;
        let switch = whole.play_until(Moment::Never).await;
        for n in (0..=switch.seen().len() as u64).step_by(3) {
            let asked = start.fork().await;
            let from = asked.world.now();
            asked.play_until(Moment::After(n)).await;
            assert_eq!(asked.rescued().await, story.end());
            asked.world.clock.advance(Millis(5_000));
            let lost = asked.world.provider.lost(&World::place("production", "api"), from);
            assert!(lost.is_empty(), "{story:?}, {:?}: {:?}", switch.seen().get(&n), lost.first());
        }
    }
}

/// Somebody aborts at any moment, also while the second machine was just taken out of traffic to be changed: it goes
/// back into traffic before the first is changed back (P5, too).
#[tokio::test]
async fn p7_no_request_is_lost_whenever_somebody_aborts() {
    for story in
        [Story::Promote, Story::Rolling, Story::RollingIdle, Story::CanaryInWaves, Story::BackByPerson]
    {
        let start = story.asked().await;
        let before = shape(&start.world).await;
        let switch = start.fork().await.play_until(Moment::Never).await;
        let mut n_put_back = 0;
        for (n, what) in switch.seen().into_iter().step_by(3) {
            let asked = start.fork().await;
            let from = asked.world.now();
            asked.play_until(Moment::After(n)).await;
            if asked.world.abort(&asked.handle, "not this one").await.is_err() {
                continue;
            }
            // Also a lease whose number died with the runner is over by then.
            asked.world.rescue(4).await;
            let phase = asked.phase().await;
            assert!(matches!(phase, Phase::Aborted | Phase::RolledBack), "{story:?}, {what}: {phase}");
            n_put_back += u32::from(phase == Phase::RolledBack);
            asked.world.clock.advance(Millis(5_000));
            let lost = asked.world.provider.lost(&World::place("production", "api"), from);
            assert!(lost.is_empty(), "{story:?}, {what}: {:?}", lost.first());
            assert_eq!(shape(&asked.world).await, before, "{story:?}, {what}");
        }
        assert!(n_put_back > 5, "{story:?}: {n_put_back} of them had begun");
    }
}

/// A call whose answer was lost may take effect when the machine is long meant to serve again: nothing else is taken out
/// of traffic until it cannot any more.
#[tokio::test]
async fn p7_no_request_is_lost_where_a_call_takes_effect_late() {
    let stories = [Story::PromoteThatFails, Story::Rolling, Story::RollingThatFails, Story::BackByPerson];
    let mut losses = Vec::new();
    for story in stories {
        let start = story.asked().await;
        let whole = start.fork().await;
        let first = whole.world.provider.asked();
        whole.play(&whole.world.engine()).await.unwrap();
        let provider = &whole.world.provider;
        let is_close =
            |n: &u64| matches!(provider.asked_for(*n), Some(UnitCall::Cordon { .. } | UnitCall::Stop { .. }));
        for n in (first..provider.asked()).filter(is_close) {
            for late in [500, 1_500, 3_000, 4_900] {
                let asked = start.fork().await;
                let from = asked.world.now();
                asked.world.provider.fail(n, Fault::Late(Millis(late)));
                asked.play(&asked.world.engine()).await.unwrap();
                assert_eq!(asked.phase().await, story.end(), "{story:?}, call {n}");
                asked.world.clock.advance(Millis(5_000));
                let lost = asked.world.provider.lost(&World::place("production", "api"), from);
                if let Some(lost) = lost.first() {
                    let call = provider.asked_for(n).map(|call| call.title()).unwrap_or_default();
                    losses.push(format!("{story:?}: {call} {late} ms late: {lost:?}"));
                }
            }
        }
    }
    assert!(losses.is_empty(), "{losses:#?}");
}

/// The same where the way back begins before the call has taken effect.
#[tokio::test]
async fn p7_no_request_is_lost_where_a_call_takes_effect_on_the_way_back() {
    let start = Story::Promote.asked().await;
    let whole = start.fork().await;
    let first = whole.world.provider.asked();
    whole.play(&whole.world.engine()).await.unwrap();
    let provider = &whole.world.provider;
    let is_cordon = |n: u64| matches!(provider.asked_for(n), Some(UnitCall::Cordon { .. }));
    let two = (first..provider.asked()).find(|n| is_cordon(*n) && is_cordon(n + 1)).expect("two are closed");
    for time in [900, 1_900, 2_900, 3_900, 4_900] {
        let asked = start.fork().await;
        let from = asked.world.now();
        for late in [two, two + 1] {
            asked.world.provider.fail(late, Fault::Late(Millis(time)));
        }
        // They are sent again, and refused.
        asked.world.provider.fail(two + 2, Fault::Refused);
        asked.play(&asked.world.engine()).await.unwrap();
        assert_eq!(asked.phase().await, Phase::RolledBack, "{time}");
        asked.world.clock.advance(Millis(5_000));
        let lost = asked.world.provider.lost(&World::place("production", "api"), from);
        assert!(lost.is_empty(), "{time} ms late: {:?}", lost.first());
    }
}

/// The same where a person wants it back meanwhile: what a call may still change or stop is put into traffic when that is
/// over, and not before; what one may still put into traffic is changed or stopped then.
#[tokio::test]
async fn p7_no_request_is_lost_where_a_call_takes_effect_after_somebody_aborts() {
    let mut losses = Vec::new();
    let mut n_put_back = 0;
    for story in [Story::Promote, Story::Rolling] {
        let start = story.asked().await;
        let whole = start.fork().await;
        let first = whole.world.provider.asked();
        let switch = whole.play_until(Moment::Never).await;
        let n_appends = switch.seen().values().filter(|what| what.starts_with("write")).count() as u64;
        let provider = &whole.world.provider;
        let is_such = |n: &u64| {
            use UnitCall::{Stop, Uncordon, Update};
            matches!(provider.asked_for(*n), Some(Update { .. } | Stop { .. } | Uncordon { .. }))
        };
        for n in (first..provider.asked()).filter(is_such) {
            for at in 0..n_appends {
                let run = Arc::new(start.fork().await);
                let from = run.world.now();
                run.world.provider.fail(n, Fault::Late(Millis(4_500)));
                let aborts = run.clone();
                let abort = Box::pin(async move {
                    // Where it is over already nobody can.
                    let _it_is_over = aborts.world.abort(&aborts.handle, "not this one").await;
                });
                // Aborted before it was agreed to it is over before that.
                let _nobody_can_agree = run.play(&sleepy(&run.world, at, abort)).await;
                n_put_back += u32::from(run.phase().await == Phase::RolledBack);
                run.world.clock.advance(Millis(5_000));
                let lost = run.world.provider.lost(&World::place("production", "api"), from);
                if let Some(lost) = lost.first() {
                    let call = provider.asked_for(n).map(|call| call.title()).unwrap_or_default();
                    losses.push(format!("{story:?}: {call} late, aborted after record {at}: {lost:?}"));
                }
            }
        }
    }
    assert!(losses.is_empty(), "{losses:#?}");
    assert!(n_put_back > 20, "{n_put_back} of them had begun");
}
