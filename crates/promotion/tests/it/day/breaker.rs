//! The circuit breaker: closed, open, half-open.

use promotion::engine::Outcome;
use promotion::journal::BreakerState;
use promotion::machine::Phase;
use promotion::model::{Kind, Millis, Release};
use promotion::ports::Verdict;
use promotion::testing::{Manners, World, env};

use crate::story::releases;

/// The window of the default rule, and a little more.
const WINDOW: Millis = Millis::secs(24 * 3600 + 1);

/// Three promotions of `1.1.0` failed just now.
async fn opened() -> (World, Release) {
    let mut world = World::new(1, Manners::default());
    world.policy.evidence.as_mut().unwrap().max_age = Millis::secs(7 * 24 * 3600);
    let (first, second) = releases();
    world.rehearsed(&first, &second).await;
    world.suites.tell(&env("production"), "1.1.0", Verdict::Failed);
    for _ in 0..3 {
        let outcome = world.approved(&second).await.drive().await.unwrap();
        assert_eq!(outcome, Outcome::Ended(Phase::RolledBack));
    }
    (world, second)
}

async fn state(world: &World) -> BreakerState {
    let view = world.bystander().view(&env("production")).await.unwrap();
    view.breaker(&world.policy.breaker, world.now())
}

async fn blocked(world: &World, release: &Release) -> String {
    let (handle, outcome) = world.put("production", Kind::Promote, release).await.unwrap();
    assert_eq!(outcome, Outcome::Ended(Phase::Blocked));
    let why = super::failure(world, &handle.id).await;
    assert!(why.starts_with("gate breaker: "), "{why}");
    why
}

/// While it is open nothing goes, whatever was tested meanwhile; it says since when, and from when on one may try.
#[tokio::test]
async fn an_open_breaker_lets_nothing_in_however_well_it_was_tested() {
    let (world, second) = opened().await;
    let BreakerState::Open { since, until: Some(until), .. } = state(&world).await else { panic!("open") };
    assert_eq!(until, since.plus(Millis::secs(24 * 3600)));
    world.put("staging", Kind::Deploy, &second).await.unwrap();
    let why = blocked(&world, &second).await;
    assert!(why.contains(&format!("open since {since}; from {until} on one may try")), "{why}");
}

/// Half-open: a release may try that was put into staging after the breaker had opened, and passed there. What had
/// passed before is what failed.
#[tokio::test]
async fn p1_a_half_open_breaker_lets_in_what_was_rehearsed_since_and_nothing_else() {
    let (world, second) = opened().await;
    world.clock.advance(WINDOW);
    assert_eq!(state(&world).await.name(), "half-open");
    let why = blocked(&world, &second).await;
    assert!(why.contains("3 promotions failed within 24h"), "{why}");
    assert!(why.contains("promote deploy --env staging --image REF"), "{why}");
    assert!(why.contains("promote breaker reset --env production"), "{why}");
    // What fails on staging is no probe.
    let other = World::release("1.2.0", 3, 13);
    world.suites.tell(&env("staging"), "1.2.0", Verdict::Failed);
    assert_eq!(
        world.put("staging", Kind::Deploy, &other).await.unwrap().1,
        Outcome::Ended(Phase::RolledBack)
    );
    let (handle, outcome) = world.put("production", Kind::Promote, &other).await.unwrap();
    assert_eq!(outcome, Outcome::Ended(Phase::Blocked), "{}", super::failure(&world, &handle.id).await);

    world.put("staging", Kind::Deploy, &second).await.unwrap();
    world.suites.tell(&env("production"), "1.1.0", Verdict::Passed);
    let outcome = world.approved(&second).await.drive().await.unwrap();
    assert_eq!(outcome, Outcome::Ended(Phase::Succeeded));
    assert_eq!(state(&world).await, BreakerState::Closed { failures: 0 }, "a probe that holds closes it");
}

/// One failure of the probe opens it for another window, not another three.
#[tokio::test]
async fn a_probe_that_fails_opens_the_breaker_again() {
    let (world, second) = opened().await;
    world.clock.advance(WINDOW);
    world.put("staging", Kind::Deploy, &second).await.unwrap();
    let probe = world.approved(&second).await;
    let late = world.approved(&second).await;
    assert_eq!(probe.drive().await.unwrap(), Outcome::Ended(Phase::RolledBack));
    let BreakerState::Open { why, since, until } = state(&world).await else { panic!("open") };
    assert!(why.contains(probe.id.as_str()), "{why}");
    assert_eq!(until, Some(since.plus(Millis::secs(24 * 3600))));
    // One probe: what was let through beside it is asked again before it changes anything.
    assert_eq!(late.drive().await.unwrap(), Outcome::Ended(Phase::Blocked));
    // What was rehearsed before this opening is no longer enough.
    world.clock.advance(WINDOW);
    blocked(&world, &second).await;
    world.reset_breaker(&World::lead(), "the suite was wrong").await.unwrap();
    assert_eq!(state(&world).await, BreakerState::Closed { failures: 0 });
}

/// A failed rollback means that nobody knows what runs: no probe tells, a person looks.
#[tokio::test]
async fn a_failed_rollback_is_never_half_open() {
    let asked = crate::story::Story::BackByPersonThatStays.asked().await;
    assert_eq!(asked.rescued().await, Phase::RollbackFailed);
    let world = &asked.world;
    world.clock.advance(Millis(3 * WINDOW.0));
    assert!(matches!(state(world).await, BreakerState::Open { until: None, .. }), "{:?}", state(world).await);
    world.reset_breaker(&World::lead(), "looked").await.unwrap();
    assert_eq!(state(world).await.name(), "closed");
}
