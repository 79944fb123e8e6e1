//! P3: every effect has one result at the provider, whatever call is lost, late, refused or lands twice; and with it
//! P5 and P6: the environment is the one or the other, never a mixture.

use promotion::ports::Randomness;
use promotion::testing::{Moment, Seeded};

use crate::story::{Story, fault, fault_sweep, faults, shape, undisturbed};

macro_rules! sweeps {
    ($($name:ident: $story:ident,)*) => {$(
        #[tokio::test]
        async fn $name() {
            fault_sweep(Story::$story).await;
        }
    )*};
}

sweeps! {
    p3_no_effect_lands_twice_whatever_call_of_a_promotion_fails: Promote,
    p3_no_effect_lands_twice_whatever_call_of_a_way_back_fails: PromoteThatFails,
    p3_no_effect_lands_twice_whatever_call_of_a_rolling_promotion_fails: Rolling,
    p3_no_effect_lands_twice_whatever_call_of_a_rolling_way_back_fails: RollingThatFails,
    p3_no_effect_lands_twice_whatever_call_fails_where_units_rest: Idle,
    p3_no_effect_lands_twice_whatever_call_of_a_way_back_fails_where_units_rest: IdleThatFails,
    p3_no_effect_lands_twice_whatever_call_of_a_rolling_promotion_fails_where_units_rest: RollingIdle,
    p3_no_effect_lands_twice_whatever_call_of_a_rolling_way_back_fails_where_units_rest: RollingIdleThatFails,
    p3_no_effect_lands_twice_whatever_call_of_a_bootstrap_fails: Bootstrap,
    p3_no_effect_lands_twice_whatever_call_of_a_rollback_by_a_person_fails: BackByPerson,
}

/// Two bad things at once: a call goes wrong and the runner dies somewhere else.
#[tokio::test]
async fn p3_no_effect_lands_twice_when_a_call_fails_and_the_runner_dies() {
    const PAIRS: u64 = 200;
    let chance = Seeded::new(3);
    let stories = [Story::Promote, Story::PromoteThatFails, Story::Rolling, Story::RollingThatFails];
    let mut wrong = Vec::new();
    for story in stories {
        let base = undisturbed(story).await;
        let before = shape(&base.asked.world).await;
        let faults = faults(base.asked.world.limits.client_timeout);
        for _ in 0..PAIRS / stories.len() as u64 {
            let call = base.calls.start + chance.below(base.calls.end - base.calls.start);
            let what = faults[usize::try_from(chance.below(faults.len() as u64)).unwrap()];
            let n = chance.below(base.moments.len() as u64);
            let moment = if chance.below(2) == 0 { Moment::Before(n) } else { Moment::After(n) };
            if let Err(why) = fault(&base, &before, call, what, moment).await {
                wrong.push(format!("{story:?}: {why}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {PAIRS}\n{}", wrong.len(), wrong.join("\n"));
}
