//! P10: nothing is destroyed that neither carries our label nor stands in the snapshot of an approved plan.

use promotion::engine::Outcome;
use promotion::machine::Phase;
use promotion::model::{Millis, UnitId, UnitState, label};
use promotion::rollout::UnitCall;
use promotion::testing::{Manners, World, env};

use crate::story::{Asked, Story, plant, releases};

/// Machines that are none of our business: one that deploys leave alone, one that another tool made a moment ago, one
/// that somebody else parked.
fn strangers(world: &World) -> Vec<UnitId> {
    vec![
        plant(world, "api", 5, |unit| unit.managed = false),
        plant(world, "api", 6, |unit| {
            unit.managed = false;
            unit.labels.insert(label::PROMOTION.to_owned(), "p-9999".to_owned());
        }),
        plant(world, "api", 7, |unit| {
            unit.state = UnitState::Stopped;
            unit.labels.insert(label::PARKED_UNTIL.to_owned(), "2020-01-01T00:00:00Z".to_owned());
            unit.labels.insert(label::STORE.to_owned(), "store-9".to_owned());
        }),
    ]
}

fn touched(asked: &Asked, strangers: &[UnitId]) -> Vec<UnitCall> {
    let calls = asked.world.provider.calls();
    calls
        .into_iter()
        .map(|(_, call)| call)
        // A lease excludes others and changes nothing.
        .filter(|call| !matches!(call, UnitCall::Lease { .. } | UnitCall::Unlease { .. }))
        .filter(|call| call.unit().is_some_and(|unit| strangers.contains(unit)))
        .collect()
}

#[tokio::test]
async fn p10_machines_of_others_stay_through_every_story() {
    for story in Story::ALL {
        let asked = story.asked().await;
        let strangers = strangers(&asked.world);
        asked.play(&asked.world.engine()).await.unwrap();
        assert_eq!(asked.phase().await, story.end(), "{story:?}");
        asked.world.clock.advance(Millis::secs(7 * 24 * 3600));
        asked.world.engine().tick().await.unwrap();
        assert_eq!(touched(&asked, &strangers), [], "{story:?}");
        let fleet = asked.world.fleet("production", "api").await;
        assert!(strangers.iter().all(|unit| fleet.unit(unit).is_some()), "{story:?}");
    }
}

/// A machine that appears in the middle is nobody's until somebody says whose it is.
#[tokio::test]
async fn p10_a_machine_that_appears_meanwhile_is_not_ours_to_destroy() {
    let asked = Story::PromoteThatFails.asked().await;
    asked.approve_when_asked().await;
    let planted = plant(&asked.world, "web", 11, |unit| unit.managed = false);
    assert_eq!(asked.handle.drive().await.unwrap(), Outcome::Ended(Phase::RolledBack));
    assert!(asked.world.fleet("production", "web").await.unit(&planted).is_some());
}

#[tokio::test]
async fn p10_parked_fleets_end_when_their_time_is_over_and_not_before() {
    let world = World::new(1, Manners::default());
    let (first, second) = releases();
    world.rehearsed(&first, &second).await;
    world.approved(&second).await.drive().await.unwrap();
    let strangers = strangers(&world);
    let parked = |fleet: &promotion::model::Fleet| -> Vec<UnitId> {
        let units = fleet.units.iter().filter(|unit| unit.is_parked() && !strangers.contains(&unit.id));
        units.map(|unit| unit.id.clone()).collect()
    };
    let old = parked(&world.fleet("production", "api").await);
    assert_eq!(old.len(), 2);
    world.clock.advance(Millis(world.limits.park_for.0 - 60_000));
    assert_eq!(world.engine().tick().await.unwrap().ended, []);
    assert_eq!(parked(&world.fleet("production", "api").await), old, "still warm");

    world.clock.advance(Millis(120_000));
    let ticked = world.engine().tick().await.unwrap();
    let ours = ticked.ended.into_iter().filter(|(environment, _)| *environment == env("production"));
    let ended: Vec<UnitId> = ours.map(|(_, unit)| unit).collect();
    assert_eq!(ended, old);
    let fleet = world.fleet("production", "api").await;
    assert_eq!(parked(&fleet), []);
    assert!(strangers.iter().all(|unit| fleet.unit(unit).is_some()));
    assert_eq!(fleet.live().count(), 2, "what serves, serves");
    let calm = world.engine().tick().await.unwrap();
    assert_eq!((calm.ended, calm.problems), (Vec::new(), Vec::new()));
}
