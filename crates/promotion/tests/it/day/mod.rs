//! Ordinary and bad days: breaker, queue, expiry, abort, a provider that is away.

mod adopt;
mod back;
mod breaker;
mod closing;
mod command;
mod drift;
mod drift_ends;
mod drift_seen;
mod eject;
mod explain;
mod flyctl_history;
mod groups;
mod parked;
mod queue;
mod receipt;
mod reminded;
mod secrets;
mod traffic;

use promotion::engine::{EngineError, Outcome};
use promotion::machine::Phase;
use promotion::model::{Kind, Millis, PromotionId};
use promotion::ports::Verdict;
use promotion::testing::{Manners, Moment, World, env};

use crate::story::{Asked, Story, releases, shape};

async fn failure(world: &World, id: &PromotionId) -> String {
    let view = world.bystander().view(&env("production")).await.unwrap();
    view.promotions[id].state.facts.failure.clone().expect("it says why").why
}

#[tokio::test]
async fn three_failures_open_the_breaker_and_a_person_closes_it() {
    let world = World::new(1, Manners::default());
    let (first, second) = releases();
    world.rehearsed(&first, &second).await;
    world.suites.tell(&env("production"), "1.1.0", Verdict::Failed);
    for _ in 0..3 {
        let outcome = world.approved(&second).await.drive().await.unwrap();
        assert_eq!(outcome, Outcome::Ended(Phase::RolledBack));
    }
    let (handle, outcome) = world.put("production", Kind::Promote, &second).await.unwrap();
    assert_eq!(outcome, Outcome::Ended(Phase::Blocked));
    let why = failure(&world, &handle.id).await;
    assert!(why.starts_with("gate breaker: 3 promotions failed within 24h"), "{why}");
    assert!(why.contains("promote breaker reset --env production"), "{why}");

    world.suites.tell(&env("production"), "1.1.0", Verdict::Passed);
    world.reset_breaker(&World::lead(), "the suite was wrong").await.unwrap();
    let outcome = world.approved(&second).await.drive().await.unwrap();
    assert_eq!(outcome, Outcome::Ended(Phase::Succeeded));
}

/// The same world, with a runner that died while it deployed.
async fn under_way(asked: &Asked) -> Asked {
    for n in (5..).step_by(5) {
        let run = asked.fork().await;
        run.play_until(Moment::After(n)).await;
        if run.phase().await == Phase::Deploying {
            return run;
        }
        assert!(!run.phase().await.is_final(), "it never deployed");
    }
    unreachable!("a moment comes before the end")
}

/// Failed is not aborted: what a person ends says nothing about the release.
#[tokio::test]
async fn what_people_abort_does_not_count_as_a_failure() {
    let mut asked = Story::Promote.asked().await;
    let (_, second) = releases();
    for _ in 0..3 {
        asked = under_way(&asked).await;
        asked.world.abort(&asked.handle, "later").await.unwrap();
        assert_eq!(asked.rescued().await, Phase::RolledBack);
        let handle = asked.world.approved(&second).await;
        asked = Asked { handle, world: asked.world };
    }
    assert_eq!(asked.rescued().await, Phase::Succeeded);
}

/// Three failures within 24 hours open it: those of yesterday do not add up with one of today.
#[tokio::test]
async fn failures_of_yesterday_are_forgotten() {
    let mut world = World::new(1, Manners::default());
    world.policy.evidence.as_mut().unwrap().max_age = Millis::secs(72 * 3600);
    let (first, second) = releases();
    world.rehearsed(&first, &second).await;
    world.suites.tell(&env("production"), "1.1.0", Verdict::Failed);
    for n in 0..3 {
        let outcome = world.approved(&second).await.drive().await.unwrap();
        assert_eq!(outcome, Outcome::Ended(Phase::RolledBack));
        if n == 1 {
            world.clock.advance(Millis::secs(24 * 3600 + 1));
        }
    }
    let (_, outcome) = world.put("production", Kind::Promote, &second).await.unwrap();
    assert!(matches!(outcome, Outcome::Waiting { .. }), "{outcome:?}");
}

#[tokio::test]
async fn nobody_answers_and_a_tick_ends_it() {
    let world = World::new(1, Manners::default());
    let (first, second) = releases();
    world.rehearsed(&first, &second).await;
    let (handle, outcome) = world.put("production", Kind::Promote, &second).await.unwrap();
    let Outcome::Waiting { until } = outcome else { panic!("{outcome:?}") };
    assert_eq!(until.since(world.now()), Millis::secs(24 * 3600));
    world.clock.advance(Millis::secs(24 * 3600 - 1));
    assert_eq!(world.engine().tick().await.unwrap().driven, [], "it still waits");
    world.clock.advance(Millis::secs(1));
    let ticked = world.engine().tick().await.unwrap();
    assert_eq!(ticked.driven, [(env("production"), handle.id.clone(), Outcome::Ended(Phase::Expired))]);
    assert!(world.desk.notices().last().unwrap().text.contains("expired"));
}

#[tokio::test]
async fn an_abort_before_the_first_change_changes_nothing() {
    let asked = Story::Promote.asked().await;
    let before = shape(&asked.world).await;
    asked.approve_when_asked().await;
    let handle = &asked.handle;
    asked.world.abort(handle, "not today").await.unwrap();
    assert_eq!(handle.drive().await.unwrap(), Outcome::Ended(Phase::Aborted));
    assert_eq!(shape(&asked.world).await, before);
    let why = failure(&asked.world, &handle.id).await;
    assert!(why.contains("aborted by ssh:SHA256:lead: not today"), "{why}");
    let again = asked.world.abort(handle, "").await;
    assert!(matches!(again, Err(EngineError::Rejected(_))), "what has ended cannot be aborted");
}

/// Aborted at any moment, the environment is as it was, or the promotion was done already.
#[tokio::test]
async fn an_abort_after_the_first_change_puts_everything_back() {
    let base = crate::story::undisturbed(Story::Promote).await;
    let before = shape(&base.asked.world).await;
    for n in base.moments.keys().step_by(3) {
        let run = base.asked.fork().await;
        run.play_until(Moment::After(*n)).await;
        let word = run.world.abort(&run.handle, "stop").await;
        let phase = run.rescued().await;
        let wanted = if phase == Phase::Succeeded { &base.shape } else { &before };
        assert_eq!(word.is_err(), phase == Phase::Succeeded, "moment {n}: {word:?}");
        assert!(
            matches!(phase, Phase::Succeeded | Phase::Aborted | Phase::RolledBack),
            "moment {n}: {phase}"
        );
        // A lease whose number died with the runner runs out by itself.
        run.world.clock.advance(Millis(60_000));
        assert_eq!(shape(&run.world).await, *wanted, "moment {n}: {phase}");
    }
}

#[tokio::test]
async fn an_interrupted_promotion_goes_on_where_it_was() {
    let base = crate::story::undisturbed(Story::Promote).await;
    let run = base.asked.fork().await;
    run.approve_when_asked().await;
    let engine = run.world.engine();
    engine.stop();
    let stopped = engine.handle(run.handle.environment.clone(), run.handle.id.clone());
    assert_eq!(stopped.drive().await.unwrap(), Outcome::Interrupted);
    assert_eq!(run.handle.drive().await.unwrap(), Outcome::Ended(Phase::Succeeded));
    assert_eq!(shape(&run.world).await, base.shape);
}

/// Nobody reaches the provider for a while: nothing is decided on it, and then it goes on.
#[tokio::test]
async fn a_provider_that_is_away_is_waited_for() {
    let base = crate::story::undisturbed(Story::Promote).await;
    for n in base.moments.keys().step_by(4) {
        let run = base.asked.fork().await;
        run.play_until(Moment::After(*n)).await;
        run.world.provider.away_for(Millis::secs(120));
        let phase = run.rescued().await;
        assert_eq!(phase, Phase::Succeeded, "moment {n}: {}", run.why().await);
        // Leases that could not be given back meanwhile end by themselves, after deadline and way back.
        run.world.clock.advance(Millis(2 * run.world.policy.deadline.0));
        assert_eq!(shape(&run.world).await, base.shape, "moment {n}");
    }
}

#[tokio::test]
async fn a_waiting_promotion_can_be_superseded_and_a_running_one_cannot() {
    let asked = Story::Promote.asked().await;
    asked.approve_when_asked().await;
    let world = &asked.world;
    let newer = PromotionId::new("p-newer").unwrap();
    world.engine().supersede(&asked.handle.environment, &asked.handle.id, newer.clone()).await.unwrap();
    assert_eq!(asked.handle.drive().await.unwrap(), Outcome::Ended(Phase::Superseded));

    let running: Asked = Story::Promote.asked().await;
    let base = crate::story::undisturbed(Story::Promote).await;
    running.play_until(Moment::After(*base.moments.keys().nth(30).unwrap())).await;
    let refused = running
        .world
        .bystander()
        .supersede(&running.handle.environment, &running.handle.id, newer)
        .await
        .unwrap_err();
    assert!(refused.to_string().contains("it holds the environment"), "{refused}");
    assert_eq!(running.rescued().await, Phase::Succeeded);
}
