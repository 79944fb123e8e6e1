//! P3, P5 and P6 where every look shows what was a while ago: nothing is made twice, and no end is believed that is older
//! than our own calls.

use promotion::engine::Outcome;
use promotion::machine::Phase;
use promotion::model::{Kind, Millis, UnitState};
use promotion::ports::{Randomness as _, Verdict};
use promotion::testing::{Manners, Moment, Seeded, World, env};

use crate::story::{Story, Undisturbed, fault, faults, releases, shape, undisturbed, undisturbed_from};

/// Less than the `list_lag` of the world's limits, and more than the time between two looks.
const LAG: Millis = Millis(700);

/// The story, with looks that lag from the request on.
async fn lagging(story: Story) -> Undisturbed {
    let asked = story.asked().await;
    asked.world.provider.change(|manners| manners.list_lag = LAG);
    undisturbed_from(story, asked).await
}

/// Whatever lags, the same calls take effect, each as often: above all no second create.
#[tokio::test]
async fn p3_a_list_that_lags_makes_no_call_land_twice() {
    for story in Story::ALL {
        let (calm, lags) = (undisturbed(story).await, lagging(story).await);
        assert_eq!(lags.landed, calm.landed, "{story:?}");
    }
}

/// What comes on top of that: a call that goes wrong, and, two times out of three, a runner that dies.
#[tokio::test]
async fn p3_no_effect_lands_twice_whatever_fails_while_lists_lag() {
    const DRAWS: u64 = 25;
    let chance = Seeded::new(11);
    let mut wrong = Vec::new();
    for story in [Story::Promote, Story::PromoteThatFails, Story::RollingIdle, Story::RollingIdleThatFails] {
        let base = lagging(story).await;
        let before = shape(&story.asked().await.world).await;
        let faults = faults(base.asked.world.limits.client_timeout);
        for _ in 0..DRAWS {
            let call = base.calls.start + chance.below(base.calls.end - base.calls.start);
            let what = faults[usize::try_from(chance.below(faults.len() as u64)).unwrap()];
            let n = chance.below(base.moments.len() as u64);
            let moment = match chance.below(3) {
                0 => Moment::Never,
                1 => Moment::Before(n),
                _ => Moment::After(n),
            };
            if let Err(why) = fault(&base, &before, call, what, moment).await {
                wrong.push(format!("{story:?}: {why}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}\n{}", wrong.len(), wrong.join("\n"));
}

/// Whoever comes right after a promotion may be answered from elsewhere, where less is known yet than the last look of that
/// one showed: what it did is seen before anything counts as found.
#[tokio::test]
async fn p5_what_the_promotion_before_did_is_part_of_what_is_found() {
    let (first, second) = releases();
    let third = World::release("1.2.0", 3, 13);
    let mut world = World::new(1, Manners::default());
    world.policy.soak = Millis::ZERO;
    // Longer than a promotion takes.
    world.limits.list_lag = Millis::secs(30);
    world.rehearsed(&first, &second).await;
    world.put("staging", Kind::Deploy, &third).await.unwrap();
    world.provider.change(|manners| manners.list_lag = Millis(1));
    world.approved(&second).await.drive().await.unwrap();
    world.provider.change(|manners| manners.list_lag = Millis(world.limits.list_lag.0 - 100));
    let seen = world.fleet("production", "api").await;
    assert_eq!(seen.digests(), [World::digest(1)].into(), "it is not shown");
    world.suites.tell(&env("production"), "1.2.0", Verdict::Failed);
    let ended = world.approved(&third).await.drive().await.unwrap();
    assert_eq!(ended, Outcome::Ended(Phase::RolledBack), "the plan needs no second approval");
    world.provider.change(|manners| manners.list_lag = Millis::ZERO);
    let api = world.fleet("production", "api").await;
    assert_eq!(api.digests(), [World::digest(2)].into(), "{api:?}");
    assert!(api.live().all(|unit| unit.state == UnitState::Started && !unit.cordoned), "{api:?}");
}
