//! P4, and P3 with it: a runner may die at any moment; rescuers come by, and the end is the same.

use crate::story::{Story, crash_pairs, crash_sweep};

macro_rules! sweeps {
    ($($name:ident: $story:ident,)*) => {$(
        #[tokio::test]
        async fn $name() {
            crash_sweep(Story::$story).await;
        }
    )*};
}

sweeps! {
    p4_a_promotion_ends_the_same_wherever_its_runner_dies: Promote,
    p4_a_promotion_that_fails_is_put_back_wherever_its_runner_dies: PromoteThatFails,
    p4_a_rolling_promotion_ends_the_same_wherever_its_runner_dies: Rolling,
    p4_a_rolling_promotion_that_fails_is_put_back_wherever_its_runner_dies: RollingThatFails,
    p4_a_promotion_ends_the_same_where_units_fall_asleep_wherever_its_runner_dies: RollingAsleep,
    p4_a_promotion_ends_the_same_where_units_rest_wherever_its_runner_dies: Idle,
    p4_a_rolling_promotion_ends_the_same_where_units_rest_wherever_its_runner_dies: RollingIdle,
    p4_a_canary_in_waves_ends_the_same_wherever_its_runner_dies: CanaryInWaves,
    p4_a_promotion_in_waves_that_fails_is_put_back_wherever_its_runner_dies: InWavesThatFails,
    p4_a_bootstrap_ends_the_same_wherever_its_runner_dies: Bootstrap,
    p4_a_rollback_by_a_person_ends_the_same_wherever_its_runner_dies: BackByPerson,
    p4_a_rollback_by_a_person_that_fails_is_undone_wherever_its_runner_dies: BackByPersonThatFails,
    p4_a_rollback_by_a_person_whose_suite_fails_stays_wherever_its_runner_dies: BackByPersonThatStays,
    p4_a_promotion_with_a_command_ends_the_same_wherever_its_runner_dies: Command,
    p4_a_promotion_whose_command_fails_is_put_back_wherever_its_runner_dies: CommandThatFails,
    p4_an_adoption_ends_the_same_wherever_its_runner_dies: Adopt,
}

/// All pairs of deaths of one promotion: of its runner, and then of the first rescuer.
#[tokio::test]
async fn p4_a_promotion_ends_the_same_wherever_two_die() {
    assert!(crash_pairs(Story::Rolling).await > 1_000);
}
