//! P2: a store that was restored from a copy knows less than the machines, and moves none of them. "After a restored store
//! the epoch continues from the greater of store and provider, or the runner refuses": what the provider shows of a
//! promotion is its id.

use std::sync::Arc;

use promotion::engine::{Eject, Outcome};
use promotion::journal::Memory;
use promotion::machine::Phase;
use promotion::model::{Kind, Millis, StoreId};
use promotion::testing::{Manners, World, env};

use crate::story::shape;

/// Production has 1.0.0; a copy of the store is made; then 1.1.0 comes; then the store is what the copy says. The ids of
/// promotions are random, so that those after the restore are others.
async fn restored() -> World {
    let mut world = World::new(1, Manners::default());
    world.policy.approvals = None;
    let (first, second) = (World::release("1.0.0", 1, 11), World::release("1.1.0", 2, 12));
    world.put("production", Kind::Bootstrap, &first).await.unwrap();
    world.put("staging", Kind::Bootstrap, &first).await.unwrap();
    world.put("staging", Kind::Deploy, &second).await.unwrap();
    let copy = world.journal.read(&env("production"), 0).await.unwrap();
    let staging = world.journal.read(&env("staging"), 0).await.unwrap();
    let (_, outcome) = world.put("production", Kind::Promote, &second).await.unwrap();
    assert_eq!(outcome, Outcome::Ended(Phase::Succeeded));
    let older = Memory::new(StoreId::new("store-1").unwrap(), world.clock.clone());
    older.load(&env("production"), copy);
    older.load(&env("staging"), staging);
    let mut after = world.beside("store-1", 50);
    after.journal = Arc::new(older);
    after
}

/// What runs was put there by a promotion that the store has never heard of.
#[tokio::test]
async fn p2_a_store_that_knows_less_than_the_machines_moves_none_of_them() {
    let world = restored().await;
    let before = shape(&world).await;
    let third = World::release("1.2.0", 3, 13);
    world.put("staging", Kind::Deploy, &third).await.unwrap();
    let (handle, outcome) = world.put("production", Kind::Promote, &third).await.unwrap();
    assert_eq!(outcome, Outcome::Ended(Phase::Blocked));
    let view = world.bystander().view(&handle.environment).await.unwrap();
    let why = view.promotions[&handle.id].state.facts.failure.as_ref().unwrap().why.clone();
    assert!(why.contains("gate store") && why.contains("restored from an older copy"), "{why}");
    assert!(why.contains("machine unit") && why.contains("`api-production`"), "{why}");
    assert_eq!(shape(&world).await, before);
}

/// Somebody looked, and took out and over what runs: from there on it goes on.
#[tokio::test]
async fn p2_what_a_restored_store_does_not_know_can_be_taken_over() {
    let world = restored().await;
    let mut eject = Eject {
        environment: env("production"),
        places: ["api", "web"].map(|component| World::place("production", component)).into(),
        destroy_parked: true,
        reason: None,
        by: World::lead(),
        signed: None,
    };
    eject.signed = world.word(&World::lead(), &eject.wish());
    world.engine().eject(eject).await.unwrap();
    let current = World::release("1.1.0", 2, 12);
    let (_, outcome) = world.put("production", Kind::Adopt, &current).await.unwrap();
    assert_eq!(outcome, Outcome::Ended(Phase::Succeeded));
    let third = World::release("1.2.0", 3, 13);
    world.put("staging", Kind::Deploy, &third).await.unwrap();
    let (_, outcome) = world.put("production", Kind::Promote, &third).await.unwrap();
    assert_eq!(outcome, Outcome::Ended(Phase::Succeeded));
}

/// P10: what that promotion parked is not ended either when its time is over: nobody here knows what it is for.
#[tokio::test]
async fn p10_a_restored_store_ends_no_parked_fleet_that_it_does_not_know() {
    let world = restored().await;
    let parked = async || {
        let fleet = world.fleet("production", "api").await;
        fleet.units.iter().filter(|unit| unit.is_parked()).count()
    };
    let before = parked().await;
    assert!(before > 0);
    world.clock.advance(Millis(world.limits.park_for.0 * 2));
    let mut ended = world.engine().tick().await.unwrap().ended;
    ended.retain(|(environment, _)| *environment == env("production"));
    assert_eq!((ended, parked().await), (Vec::new(), before));
}
