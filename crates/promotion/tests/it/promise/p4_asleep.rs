//! P4 where whoever routes puts idle units to sleep (fly.md 7): no promotion fails of that, and P12 holds all the same.

use std::sync::Arc;

use promotion::engine::{Handle, Outcome};
use promotion::machine::Phase;
use promotion::model::{Millis, Strategy};
use promotion::testing::{Happens, Manners, Moment, Switch, World};

use crate::story::{Story, asleep_sweep, at_rest, releases, shape, undisturbed};

macro_rules! sweeps {
    ($($name:ident: $story:ident,)*) => {$(
        #[tokio::test]
        async fn $name() {
            asleep_sweep(Story::$story).await;
        }
    )*};
}

sweeps! {
    p4_a_promotion_ends_the_same_whenever_units_fall_asleep: Promote,
    p4_a_promotion_that_fails_is_put_back_whenever_units_fall_asleep: PromoteThatFails,
    p4_a_rolling_promotion_ends_the_same_whenever_units_fall_asleep: Rolling,
    p4_a_rolling_promotion_that_fails_is_put_back_whenever_units_fall_asleep: RollingThatFails,
    p4_a_canary_in_waves_ends_the_same_whenever_units_fall_asleep: CanaryInWaves,
    p4_a_promotion_in_waves_that_fails_is_put_back_whenever_units_fall_asleep: InWavesThatFails,
    p4_a_rollback_by_a_person_ends_the_same_whenever_units_fall_asleep: BackByPerson,
    p4_a_bootstrap_ends_the_same_whenever_units_fall_asleep: Bootstrap,
}

/// A world in which everything is ready to be promoted with this soak, and the promotion.
async fn to_soak(strategy: Strategy, soak: Millis) -> (World, Handle) {
    let mut world = World::new(1, Manners::default());
    world.strategy = strategy;
    world.policy.soak = soak;
    let (first, second) = releases();
    world.rehearsed(&first, &second).await;
    let handle = world.approved(&second).await;
    (world, handle)
}

/// What a soak comes to in which all this happens, one after the other and forty looks apart.
async fn soaked(strategy: Strategy, what: &[Happens]) -> (Phase, String, bool) {
    soaked_by(strategy, what, &Switch::new(Moment::Never)).await
}

/// The same by a runner that dies when its switch says so, and by rescuers from then on.
async fn soaked_by(strategy: Strategy, what: &[Happens], switch: &Arc<Switch>) -> (Phase, String, bool) {
    // A soak that is over at once shows how many looks come before.
    let (world, handle) = to_soak(strategy, Millis(1)).await;
    let found = world.provider.looks();
    assert_eq!(handle.drive().await.unwrap(), Outcome::Ended(Phase::Succeeded));
    let n_before = world.provider.looks() - found;
    let (world, handle) = to_soak(strategy, Millis::secs(600)).await;
    let begins = world.provider.looks() + n_before;
    let before = shape(&world).await;
    for (look, what) in (begins..).step_by(40).zip(what) {
        world.provider.happens_at([look], *what);
    }
    let runner = world.mortal(switch);
    let came = runner.handle(handle.environment.clone(), handle.id.clone()).drive().await;
    assert_eq!(came.is_err(), switch.is_dead(), "{came:?}");
    if switch.is_dead() {
        world.rescue(6).await;
    }
    assert!(world.provider.looks() > begins + 40 * what.len() as u64, "all of it happened");
    let view = world.bystander().view(&handle.environment).await.unwrap();
    let state = &view.promotions[&handle.id].state;
    let why = state.facts.failure.as_ref().map(|failure| failure.why.clone()).unwrap_or_default();
    (state.phase, why, shape(&world).await == before)
}

/// Asleep in the soak is well; stopped by a person, or ended, is not, and the earlier release comes back.
#[tokio::test]
async fn p12_in_a_soak_asleep_is_well_and_ended_is_not() {
    for strategy in [Strategy::BlueGreen, Strategy::Rolling] {
        let (phase, why, _) = soaked(strategy, &[Happens::Idle]).await;
        assert_eq!(phase, Phase::Succeeded, "{strategy:?}: {why}");
        let (phase, why, is_back) = soaked(strategy, &[Happens::Ended]).await;
        assert_eq!((phase, is_back), (Phase::RolledBack, true), "{strategy:?}: {why}");
        assert!(why.contains("is stopped"), "{strategy:?}: {why}");
    }
}

/// Who is woken in the soak and shows that it is unhealthy is not well because it sleeps again.
#[tokio::test]
async fn p12_in_a_soak_sleep_wipes_nothing_out() {
    let nap = [Happens::Idle, Happens::Sickens, Happens::Asked, Happens::Idle];
    for strategy in [Strategy::BlueGreen, Strategy::Rolling] {
        let (phase, why, is_back) = soaked(strategy, &nap).await;
        assert_eq!((phase, is_back), (Phase::RolledBack, true), "{strategy:?}: {why}");
        assert!(why.contains("was seen unhealthy"), "{strategy:?}: {why}");
        let (phase, why, _) =
            soaked(strategy, &[&nap[..], &[Happens::Recovers, Happens::Asked]].concat()).await;
        assert_eq!(phase, Phase::Succeeded, "{strategy:?}: {why}");
    }
}

/// Nor does it because the runner that saw it died, whenever that is.
#[tokio::test]
async fn p12_in_a_soak_a_successor_knows_who_was_seen_unhealthy() {
    let nap = [Happens::Idle, Happens::Sickens, Happens::Asked, Happens::Idle];
    let never = Switch::new(Moment::Never);
    let (phase, why, _) = soaked_by(Strategy::Rolling, &nap, &never).await;
    assert_eq!(phase, Phase::RolledBack, "{why}");
    let seen = never.seen();
    let turns = seen.iter().find(|(_, what)| what.as_str() == "write step to rolling-back");
    let n = *turns.expect("it turns back").0;
    // Before it turns back it sleeps for long enough.
    for moment in (n - 4..=n).flat_map(|n| [Moment::Before(n), Moment::After(n)]) {
        let switch = Switch::new(moment);
        let (phase, why, is_back) = soaked_by(Strategy::Rolling, &nap, &switch).await;
        assert_eq!((phase, is_back), (Phase::RolledBack, true), "{moment:?} of {n}: {why}");
    }
}

/// Whenever everything in traffic ends, it is put right or put back.
#[tokio::test]
async fn p5_whenever_units_end_it_is_the_release_or_what_was_found() {
    for story in [Story::Promote, Story::Rolling] {
        let base = undisturbed(story).await;
        let before = shape(&base.asked.world).await;
        for n in 0..base.looks {
            let run = base.asked.fork().await;
            run.world.provider.happens_at([run.world.provider.looks() + n], Happens::Ended);
            run.play(&run.world.engine()).await.unwrap();
            let wanted = match run.phase().await {
                Phase::Succeeded => &base.shape,
                Phase::RolledBack | Phase::Blocked | Phase::Aborted => &before,
                phase => panic!("{story:?}, look {n}: ends {phase}: {}", run.why().await),
            };
            // The other component may not have been touched yet: what somebody else stopped there stays so.
            let of_api = |shape: &[String]| -> Vec<String> {
                shape.iter().filter(|unit| unit.starts_with("api")).cloned().collect()
            };
            let now = at_rest(&run).await;
            assert_eq!(of_api(&now), of_api(wanted), "{story:?}, look {n}: {}", run.why().await);
        }
    }
}
