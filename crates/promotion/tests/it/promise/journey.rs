//! The main job, told in memory.

use promotion::engine::Outcome;
use promotion::machine::Phase;
use promotion::model::{Decision, DeploymentStatus, Kind, Millis, UnitState};
use promotion::ports::Verdict;
use promotion::rollout::UnitCall;
use promotion::testing::{Fault, Manners, World, env};

#[tokio::test]
async fn a_tested_release_goes_to_production() {
    let world = World::new(1, Manners::default());
    let (good, better) = (World::release("1.0.0", 1, 11), World::release("1.1.0", 2, 12));
    world.rehearsed(&good, &better).await;
    let handle = world.approved(&better).await;
    assert_eq!(handle.drive().await.unwrap(), Outcome::Ended(Phase::Succeeded));

    let fleet = world.fleet("production", "api").await;
    assert_eq!(fleet.digests(), [World::digest(2)].into());
    assert_eq!(fleet.live().count(), 2);
    let parked: Vec<_> = fleet.units.iter().filter(|unit| unit.is_parked()).collect();
    assert_eq!(parked.len(), 2);
    assert!(parked.iter().all(|unit| unit.state == UnitState::Stopped && unit.cordoned));
    assert_eq!(world.fleet("production", "web").await.digests(), [World::digest(12)].into());
}

#[tokio::test]
async fn a_release_that_fails_in_production_is_put_back() {
    let world = World::new(1, Manners::default());
    let (good, bad) = (World::release("1.0.0", 1, 11), World::release("1.2.0", 3, 13));
    world.rehearsed(&good, &bad).await;
    world.suites.tell(&env("production"), "1.2.0", Verdict::Failed);
    let before = (world.fleet("production", "api").await, world.fleet("production", "web").await);
    let handle = world.approved(&bad).await;
    assert_eq!(handle.drive().await.unwrap(), Outcome::Ended(Phase::RolledBack));

    for (component, before) in [("api", before.0), ("web", before.1)] {
        let after = world.fleet("production", component).await;
        assert_eq!(after.digests(), before.digests(), "{component}");
        assert_eq!(after.units.len(), before.units.len(), "{component}");
    }
    let view = world.engine().view(&env("production")).await.unwrap();
    let last = view.deployments().pop().unwrap();
    assert_eq!(last.status, DeploymentStatus::RolledBack);
    assert!(last.why.unwrap().contains("suite `smoke` failed"));
}

#[tokio::test]
async fn a_person_goes_back_to_the_warm_fleet() {
    let world = World::new(1, Manners::default());
    let (good, better) = (World::release("1.0.0", 1, 11), World::release("1.1.0", 2, 12));
    world.rehearsed(&good, &better).await;
    let promoted = world.approved(&better).await;
    promoted.drive().await.unwrap();
    let warm: Vec<_> =
        world.fleet("production", "api").await.units.into_iter().filter(|unit| unit.is_parked()).collect();

    let back = Kind::Rollback { of: promoted.id.clone() };
    let (_, outcome) = world.put("production", back, &good).await.unwrap();
    assert_eq!(outcome, Outcome::Ended(Phase::Succeeded));
    let fleet = world.fleet("production", "api").await;
    assert_eq!(fleet.digests(), [World::digest(1)].into());
    let ids: Vec<_> = fleet.live().map(|unit| unit.id.clone()).collect();
    assert_eq!(
        ids,
        warm.iter().map(|unit| unit.id.clone()).collect::<Vec<_>>(),
        "the parked machines serve again"
    );
    let view = world.engine().view(&env("production")).await.unwrap();
    assert_eq!(view.current().unwrap().state.facts.request.release.version, "1.0.0");
}

#[tokio::test]
async fn a_release_that_fails_on_staging_is_put_back_there() {
    let world = World::new(1, Manners::default());
    let (good, better) = (World::release("1.0.0", 1, 11), World::release("1.1.0", 2, 12));
    world.rehearsed(&good, &better).await;
    let before = world.fleet("staging", "api").await.digests();
    let bad = World::release("1.2.0", 3, 13);
    world.suites.tell(&env("staging"), "1.2.0", Verdict::Failed);
    let (_, outcome) = world.put("staging", Kind::Deploy, &bad).await.unwrap();
    assert_eq!(outcome, Outcome::Ended(Phase::RolledBack));
    assert_eq!(world.fleet("staging", "api").await.digests(), before);
}

/// The time for becoming healthy begins when the call can be sent, not while a lost one may still land.
#[tokio::test]
async fn a_lost_create_takes_no_time_from_becoming_healthy() {
    let (good, better) = (World::release("1.0.0", 1, 11), World::release("1.1.0", 2, 12));
    let shorter = || {
        let mut world = World::new(1, Manners::default());
        world.limits.wait = Millis(world.limits.client_timeout.0 - 1_000);
        world
    };
    let world = shorter();
    world.rehearsed(&good, &better).await;
    let handle = world.approved(&better).await;
    let before = world.provider.calls().len() as u64;
    handle.drive().await.unwrap();
    let creates = |(_, call): &(_, UnitCall)| matches!(call, UnitCall::Create { .. });
    let calls = world.provider.calls();
    let first = calls.iter().skip(usize::try_from(before).unwrap()).position(creates).unwrap();

    let world = shorter();
    world.rehearsed(&good, &better).await;
    let handle = world.approved(&better).await;
    world.provider.fail(before + u64::try_from(first).unwrap(), Fault::LostCall);
    assert_eq!(handle.drive().await.unwrap(), Outcome::Ended(Phase::Succeeded));
}

/// Who runs already has rules here; taking it over again would put others in their place.
#[tokio::test]
async fn p1_adoption_cannot_change_the_rules_of_what_stands_already() {
    let world = World::new(1, Manners::default());
    let good = World::release("1.0.0", 1, 11);
    world.put("production", Kind::Bootstrap, &good).await.unwrap();
    let (_, outcome) = world.put("production", Kind::Adopt, &good).await.unwrap();
    assert_eq!(outcome, Outcome::Ended(Phase::Blocked));
}

#[tokio::test]
async fn p1_an_approval_after_its_time_counts_for_nothing() {
    let world = World::new(1, Manners::default());
    let (good, better) = (World::release("1.0.0", 1, 11), World::release("1.1.0", 2, 12));
    world.rehearsed(&good, &better).await;
    let engine = world.engine();
    let handle = engine.request(world.ask("production", Kind::Promote, &better)).await.unwrap();
    handle.drive().await.unwrap();
    let claim = world.claim(&handle, &World::lead(), Decision::Approve).await;
    world.clock.advance(Millis::secs(24 * 3600));
    let late = engine.decide(&handle.environment, claim).await.unwrap_err().to_string();
    assert!(late.contains("the time to approve was over"), "{late}");
}

#[tokio::test]
async fn who_approved_can_still_reject() {
    let world = World::new(1, Manners::default());
    let (good, better) = (World::release("1.0.0", 1, 11), World::release("1.1.0", 2, 12));
    world.rehearsed(&good, &better).await;
    let handle = world.approved(&better).await;
    let claim = world.claim(&handle, &World::lead(), Decision::Reject).await;
    world.engine().decide(&handle.environment, claim).await.unwrap();
    assert_eq!(handle.drive().await.unwrap(), Outcome::Ended(Phase::Rejected));
}
