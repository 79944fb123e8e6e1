//! P5 and P6: after a rollback the environment is its snapshot, and what cannot be put back wakes a human.

use promotion::engine::Outcome;
use promotion::journal::BreakerState;
use promotion::machine::Phase;
use promotion::model::{Kind, Strategy, UnitState};
use promotion::ports::Verdict;
use promotion::testing::{Manners, World, env};
use serde_json::json;

use crate::story::{plant, releases, shape};

/// What is wrong with the release that comes.
#[derive(Debug, Clone, Copy)]
enum Bad {
    /// A suite fails in production.
    Suite,
    /// Its checks never pass.
    Sick,
    /// It does not start.
    Broken,
    /// Its image cannot be pulled, and the provider says nothing.
    Unpullable,
    /// Its second component does not start.
    SecondBroken,
}

/// The last digit of a release whose checks never pass.
const SICK: u8 = 9;

async fn world(strategy: Strategy) -> World {
    let manners = Manners { sick: vec![World::digest(SICK)], ..Manners::default() };
    let mut world = World::new(1, manners);
    world.strategy = strategy;
    let (first, second) = releases();
    world.rehearsed(&first, &second).await;
    // What else one finds in production: a stopped machine, one out of traffic, one with another size.
    plant(&world, "api", 1, |unit| unit.state = UnitState::Stopped);
    plant(&world, "api", 1, |unit| unit.cordoned = true);
    plant(&world, "api", 1, |unit| unit.config = json!({"guest": "bigger"}).into());
    plant(&world, "api", 7, |unit| unit.managed = false);
    // And one whose checks fail: no way back makes it healthier than it was found.
    plant(&world, "api", SICK, |_| ());
    world
}

fn make_bad(world: &World, bad: Bad) {
    let (api, web) = (World::digest(2), World::digest(12));
    match bad {
        Bad::Suite => world.suites.tell(&env("production"), "1.1.0", Verdict::Failed),
        Bad::Sick => world.provider.change(|manners| manners.sick.push(api)),
        Bad::Broken => world.provider.change(|manners| manners.broken.push(api)),
        Bad::Unpullable => world.provider.change(|manners| manners.unpullable.push(api)),
        Bad::SecondBroken => world.provider.change(|manners| manners.broken.push(web)),
    }
}

#[tokio::test]
async fn p5_after_a_rollback_production_equals_its_snapshot() {
    for strategy in [Strategy::BlueGreen, Strategy::Rolling, Strategy::Immediate] {
        for bad in [Bad::Suite, Bad::Sick, Bad::Broken, Bad::Unpullable, Bad::SecondBroken] {
            // A pull is part of an update; what is created has its image, or is no machine.
            if matches!((strategy, bad), (Strategy::BlueGreen, Bad::Unpullable)) {
                continue;
            }
            let world = world(strategy).await;
            let before = shape(&world).await;
            make_bad(&world, bad);
            let handle = world.approved(&releases().1).await;
            let outcome = handle.drive().await.unwrap();
            assert_eq!(outcome, Outcome::Ended(Phase::RolledBack), "{strategy:?} {bad:?}");
            let (now, before) = (shape(&world).await.join("\n"), before.join("\n"));
            assert_eq!(now, before, "{strategy:?} {bad:?}");
        }
    }
}

#[tokio::test]
async fn p5_a_rollback_by_a_person_brings_the_snapshot_back() {
    for strategy in [Strategy::BlueGreen, Strategy::Rolling] {
        let world = world(strategy).await;
        let before = shape(&world).await;
        let (first, second) = releases();
        let promoted = world.approved(&second).await;
        assert_eq!(promoted.drive().await.unwrap(), Outcome::Ended(Phase::Succeeded));
        assert_ne!(shape(&world).await, before);
        let (_, outcome) = world.put("production", Kind::Rollback { of: promoted.id }, &first).await.unwrap();
        assert_eq!(outcome, Outcome::Ended(Phase::Succeeded), "{strategy:?}");
        assert_eq!(shape(&world).await.join("\n"), before.join("\n"), "{strategy:?}");
    }
}

/// A rollback by a person that fails leaves what it found: the new fleet serves, the old one is parked.
#[tokio::test]
async fn p5_a_rollback_by_a_person_that_fails_is_undone_itself() {
    let world = world(Strategy::BlueGreen).await;
    let (first, second) = releases();
    let promoted = world.approved(&second).await;
    promoted.drive().await.unwrap();
    let before = shape(&world).await;
    world.provider.change(|manners| manners.sick.push(World::digest(1)));
    let (_, outcome) = world.put("production", Kind::Rollback { of: promoted.id }, &first).await.unwrap();
    assert_eq!(outcome, Outcome::Ended(Phase::RolledBack));
    assert_eq!(shape(&world).await.join("\n"), before.join("\n"));
}

#[tokio::test]
async fn p6_a_fleet_that_is_found_mixed_is_named_in_the_plan() {
    let world = World::new(1, Manners::default());
    let (first, second) = releases();
    world.rehearsed(&first, &second).await;
    plant(&world, "api", 9, |_| ());
    let handle = world.approved(&second).await;
    let view = world.bystander().view(&handle.environment).await.unwrap();
    let warnings = view.promotions[&handle.id].state.facts.plan.clone().unwrap().warnings;
    assert!(warnings.iter().any(|line| line.contains("is mixed: its machines run")), "{warnings:?}");
    assert_eq!(handle.drive().await.unwrap(), Outcome::Ended(Phase::Succeeded));
    assert_eq!(world.fleet("production", "api").await.digests(), [World::digest(2)].into());
}

#[tokio::test]
async fn p6_whatever_fails_no_fleet_is_left_mixed() {
    for bad in [Bad::Suite, Bad::Sick, Bad::Broken, Bad::SecondBroken] {
        let mut world = World::new(1, Manners::default());
        world.strategy = Strategy::Rolling;
        let (first, second) = releases();
        world.rehearsed(&first, &second).await;
        make_bad(&world, bad);
        let outcome = world.approved(&second).await.drive().await.unwrap();
        assert_eq!(outcome, Outcome::Ended(Phase::RolledBack), "{bad:?}");
        assert_eq!(world.fleet("production", "api").await.digests(), [World::digest(1)].into(), "{bad:?}");
        assert_eq!(world.fleet("production", "web").await.digests(), [World::digest(11)].into(), "{bad:?}");
    }
}

/// The new release is sick, and the old one does not come up again either.
#[tokio::test]
async fn p6_a_rollback_that_fails_says_so_wakes_somebody_and_stops_further_promotions() {
    let mut world = World::new(1, Manners::default());
    world.strategy = Strategy::Rolling;
    let (first, second) = releases();
    world.rehearsed(&first, &second).await;
    let handle = world.approved(&second).await;
    world.provider.change(|manners| {
        manners.broken.push(World::digest(2));
        manners.broken.push(World::digest(1));
    });
    assert_eq!(handle.drive().await.unwrap(), Outcome::Ended(Phase::RollbackFailed));
    let urgent: Vec<_> = world.desk.notices().into_iter().filter(|notice| notice.urgent).collect();
    assert_eq!(urgent.len(), 1);
    assert!(urgent[0].text.starts_with("ROLLBACK FAILED, a human must look"), "{}", urgent[0].text);
    let view = world.bystander().view(&handle.environment).await.unwrap();
    let breaker = view.breaker(&world.policy.breaker, world.now());
    assert!(matches!(breaker, BreakerState::Open { .. }), "{breaker:?}");
    assert_eq!(world.fleet("production", "web").await.digests(), [World::digest(11)].into());
}

/// One component cannot be put back: the others are, all the same.
#[tokio::test]
async fn p6_what_can_be_put_back_is_put_back() {
    let world = World::new(1, Manners::default());
    let (first, second) = releases();
    world.rehearsed(&first, &second).await;
    let before = world.fleet("production", "api").await.digests();
    let handle = world.approved(&second).await;
    world.provider.change(|manners| {
        manners.broken.push(World::digest(12));
        manners.broken.push(World::digest(11));
    });
    assert_eq!(handle.drive().await.unwrap(), Outcome::Ended(Phase::RollbackFailed));
    assert_eq!(world.fleet("production", "api").await.digests(), before);
}
