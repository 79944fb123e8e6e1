//! P4 where whoever routes puts idle units to sleep (fly.md 7): no promotion fails of that, and P12 holds all the same.

use promotion::engine::Outcome;
use promotion::machine::Phase;
use promotion::model::{Millis, Strategy};
use promotion::testing::{Happens, Manners, World};

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

/// What a soak comes to in which `what` happens halfway.
async fn soaked(strategy: Strategy, what: Happens) -> (Phase, String, bool) {
    let mut world = World::new(1, Manners::default());
    world.strategy = strategy;
    world.policy.soak = Millis::secs(60);
    let (first, second) = releases();
    world.rehearsed(&first, &second).await;
    let before = shape(&world).await;
    let handle = world.approved(&second).await;
    let undisturbed = world.fork().await;
    let looks = undisturbed.provider.looks();
    let engine = undisturbed.engine();
    let through = engine.handle(handle.environment.clone(), handle.id.clone()).drive().await.unwrap();
    assert_eq!(through, Outcome::Ended(Phase::Succeeded));
    // A minute of looks at two components, twice a second: the last hundred are the soak's.
    let n_looks = undisturbed.provider.looks() - looks;
    assert!(n_looks > 150, "{n_looks}");
    world.provider.happens_at([world.provider.looks() + n_looks - 100], what);
    handle.drive().await.unwrap();
    let view = world.bystander().view(&handle.environment).await.unwrap();
    let state = &view.promotions[&handle.id].state;
    let why = state.facts.failure.as_ref().map(|failure| failure.why.clone()).unwrap_or_default();
    (state.phase, why, shape(&world).await == before)
}

/// Asleep in the soak is well; stopped by a person, or ended, is not, and the earlier release comes back.
#[tokio::test]
async fn p12_in_a_soak_asleep_is_well_and_ended_is_not() {
    for strategy in [Strategy::BlueGreen, Strategy::Rolling] {
        let (phase, why, _) = soaked(strategy, Happens::Idle).await;
        assert_eq!(phase, Phase::Succeeded, "{strategy:?}: {why}");
        let (phase, why, is_back) = soaked(strategy, Happens::Ended).await;
        assert_eq!((phase, is_back), (Phase::RolledBack, true), "{strategy:?}: {why}");
        assert!(why.contains("is stopped"), "{strategy:?}: {why}");
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
