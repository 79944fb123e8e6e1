//! P3: every effect has one result at the provider, whatever call is lost, late, refused or lands twice; and with it
//! P5 and P6: the environment is the one or the other, never a mixture.

use promotion::model::Millis;
use promotion::ports::Randomness;
use promotion::rollout::UnitCall;
use promotion::testing::{Fault, Manners, Moment, Seeded, World};

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
    p3_no_effect_lands_twice_whatever_call_fails_where_units_fall_asleep: RollingAsleep,
    p3_no_effect_lands_twice_whatever_call_fails_where_units_rest: Idle,
    p3_no_effect_lands_twice_whatever_call_of_a_way_back_fails_where_units_rest: IdleThatFails,
    p3_no_effect_lands_twice_whatever_call_of_a_rolling_promotion_fails_where_units_rest: RollingIdle,
    p3_no_effect_lands_twice_whatever_call_of_a_rolling_way_back_fails_where_units_rest: RollingIdleThatFails,
    p3_no_effect_lands_twice_whatever_call_of_a_canary_in_waves_fails: CanaryInWaves,
    p3_no_effect_lands_twice_whatever_call_of_a_way_back_from_waves_fails: InWavesThatFails,
    p3_a_command_runs_once_whatever_call_of_a_promotion_fails: Command,
    p3_a_command_that_fails_runs_once_whatever_call_fails: CommandThatFails,
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

/// "What no lease fences (create, metadata) is settled by listing until nothing changes for the client's own timeout."
/// A leased unit's other calls are fenced by whoever leases it next, and cost that time only where their landing would still
/// change what stands there: of these stories that is the cordon of a unit that is in traffic again. An update that
/// lands late is refused, for the unit's version has moved on.
#[tokio::test]
async fn p3_a_lost_answer_costs_the_clients_timeout_only_where_it_could_change_something() {
    const TIMEOUT: Millis = Millis::secs(60);
    for story in [Story::Promote, Story::Rolling] {
        let mut world = World::new(1, Manners::default());
        world.limits.client_timeout = TIMEOUT;
        let asked = story.asked_in(world).await;
        let calm = asked.fork().await;
        let first = calm.world.provider.asked();
        calm.play(&calm.world.engine()).await.unwrap();
        let took = |run: &crate::story::Asked| run.world.now().since(asked.world.now());
        let mut leased = Vec::new();
        for n in first..calm.world.provider.asked() {
            let call = calm.world.provider.asked_for(n).unwrap();
            let rests = match &call {
                UnitCall::Lease { unit, .. } => {
                    leased.push(unit.clone());
                    continue;
                }
                UnitCall::Unlease { .. } => continue,
                _ if call.unit().is_some_and(|unit| !leased.contains(unit)) => true,
                UnitCall::Create { .. } | UnitCall::Tag { .. } => true,
                UnitCall::Cordon { .. } => story == Story::Rolling,
                _ => false,
            };
            let run = asked.fork().await;
            run.world.provider.fail(n, Fault::LostAnswer);
            run.play(&run.world.engine()).await.unwrap();
            assert_eq!(run.phase().await, story.end(), "{story:?}, {}", call.title());
            let more = Millis(took(&run).0.saturating_sub(took(&calm).0));
            let (least, most) = (Millis(TIMEOUT.0 / 2), Millis(TIMEOUT.0 / 4));
            assert!(if rests { more >= least } else { more <= most }, "{story:?}, {}: {more}", call.title());
        }
    }
}
