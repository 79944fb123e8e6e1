//! Who goes next: in the order of asking, the newest, or nobody beside the first.

use promotion::engine::{EngineError, Handle, Outcome};
use promotion::machine::Phase;
use promotion::model::{Closing, Decision, Kind, Millis, Policy, QueueRule, Release};
use promotion::testing::{Manners, World, env};

use crate::story::releases;

/// `1.0.0` runs in production by these rules, `1.1.0` was tested on staging.
async fn rehearsed(queue: QueueRule) -> (World, Release) {
    let mut world = World::new(1, Manners::default());
    world.policy.queue = queue;
    let (first, second) = releases();
    world.rehearsed(&first, &second).await;
    (world, second)
}

async fn phase(world: &World, handle: &Handle) -> Phase {
    let view = world.bystander().view(&env("production")).await.unwrap();
    view.promotions[&handle.id].state.phase
}

#[tokio::test]
async fn first_come_lets_both_wait() {
    let (world, second) = rehearsed(QueueRule::FirstCome).await;
    let (first, _) = world.put("production", Kind::Promote, &second).await.unwrap();
    let (next, _) = world.put("production", Kind::Promote, &second).await.unwrap();
    assert_eq!(phase(&world, &first).await, Phase::AwaitingApproval);
    assert_eq!(phase(&world, &next).await, Phase::AwaitingApproval);
}

/// Superseding never cancels past the pivot, and who did not pass its own gates takes nobody's
/// place.
#[tokio::test]
async fn the_newest_takes_the_place_of_what_waits_once_it_waits_itself() {
    let (world, second) = rehearsed(QueueRule::NewestWins).await;
    let waits = world.put("production", Kind::Promote, &second).await.unwrap().0;
    let approved = world.approved(&second).await;
    assert_eq!(phase(&world, &waits).await, Phase::Superseded);
    let untested = World::release("1.2.0", 3, 13);
    let (_, outcome) = world.put("production", Kind::Promote, &untested).await.unwrap();
    assert_eq!(outcome, Outcome::Ended(Phase::Blocked));
    assert_eq!(phase(&world, &approved).await, Phase::Queued, "it was blocked, so it took nobody's place");

    let (newest, outcome) = world.put("production", Kind::Promote, &second).await.unwrap();
    assert!(matches!(outcome, Outcome::Waiting { .. }), "{outcome:?}");
    assert_eq!(phase(&world, &approved).await, Phase::Superseded);
    let view = world.bystander().view(&env("production")).await.unwrap();
    assert_eq!(view.promotions[&approved.id].state.facts.superseded_by.as_ref(), Some(&newest.id));
    world.rescue(1).await;
    assert!(
        world.desk.notices().iter().any(|notice| notice.promotion == approved.id),
        "who asked hears of it"
    );
    assert_eq!(phase(&world, &newest).await, Phase::AwaitingApproval);
}

/// What holds the environment goes to its end, and a way back takes nobody's place.
#[tokio::test]
async fn the_newest_ends_nothing_that_holds_the_environment() {
    let (world, second) = rehearsed(QueueRule::NewestWins).await;
    let running = world.approved(&second).await;
    let switch = promotion::testing::Switch::new(promotion::testing::Moment::After(30));
    let engine = world.mortal(&switch);
    let _the_dead_answer_nobody =
        engine.handle(running.environment.clone(), running.id.clone()).drive().await;
    assert!(phase(&world, &running).await.is_active(), "{}", phase(&world, &running).await);
    let newer = world.put("production", Kind::Promote, &second).await.unwrap().0;
    assert!(phase(&world, &running).await.is_active());
    world.rescue(4).await;
    assert_eq!(phase(&world, &newer).await, Phase::AwaitingApproval);
    assert_eq!(phase(&world, &running).await, Phase::Succeeded);

    let waits = world.put("production", Kind::Promote, &second).await.unwrap().0;
    let (first, _) = releases();
    world.put("production", Kind::Rollback { of: running.id }, &first).await.unwrap();
    assert_eq!(phase(&world, &waits).await, Phase::AwaitingApproval);
}

/// The second is refused by name; the way back is not.
#[tokio::test]
async fn where_the_second_is_refused_it_hears_which_is_the_first() {
    let (world, second) = rehearsed(QueueRule::Refuse).await;
    let promoted = world.approved(&second).await;
    assert_eq!(promoted.drive().await.unwrap(), Outcome::Ended(Phase::Succeeded));
    let (waits, _) = world.put("production", Kind::Promote, &second).await.unwrap();
    let refused = world.put("production", Kind::Promote, &second).await.unwrap_err();
    let EngineError::Refused { why } = &refused else { panic!("{refused:?}") };
    assert!(why.starts_with(&format!("{} is awaiting-approval in `production`", waits.id)), "{why}");
    assert!(why.contains(&format!("promote abort {}", waits.id)), "{why}");
    let (first, _) = releases();
    let (_, outcome) = world.put("production", Kind::Rollback { of: promoted.id }, &first).await.unwrap();
    assert_eq!(outcome, Outcome::Ended(Phase::Succeeded));
}

/// Journals of earlier versions know no queue: a policy that says nothing is written, and hashed, as it was.
#[test]
fn a_policy_that_says_nothing_of_the_queue_is_written_as_before() {
    let text = serde_json::to_string(&Policy::default()).unwrap();
    assert!(!text.contains("queue"), "{text}");
    let policy = Policy { queue: QueueRule::NewestWins, ..Policy::default() };
    assert!(serde_json::to_string(&policy).unwrap().contains("\"queue\":\"newest-wins\""));
}

/// It is while somebody else holds the environment that others wait: the newest does not wait for that.
#[tokio::test]
async fn the_newest_takes_the_place_of_what_waits_for_the_environment() {
    let (world, second) = rehearsed(QueueRule::NewestWins).await;
    let production = env("production");
    let waits = world.approved(&second).await;
    assert_eq!(phase(&world, &waits).await, Phase::Queued);
    world.journal.take_lease(&production, "somebody who works there", Millis::secs(600)).await.unwrap();
    assert!(matches!(waits.drive().await.unwrap(), Outcome::Busy { .. }));
    let newest = world.engine().request(world.ask("production", Kind::Promote, &second)).await.unwrap();
    newest.drive().await.unwrap();
    assert_eq!(phase(&world, &waits).await, Phase::Superseded);
    assert_eq!(phase(&world, &newest).await, Phase::AwaitingApproval);
}

/// What begins promotions by itself asks once for each release, also where two ask at once; where a gate was closed it may
/// ask again.
#[tokio::test]
async fn a_release_that_was_tried_is_not_asked_for_by_itself_again() {
    let (world, second) = rehearsed(QueueRule::FirstCome).await;
    let engine = world.bystander();
    let ask = || world.ask("production", Kind::Promote, &second);
    let (one, other) = tokio::join!(engine.request_untried(ask()), engine.request_untried(ask()));
    let taken: Vec<_> = [one, other].into_iter().filter_map(Result::ok).collect();
    assert_eq!(taken.len(), 1, "one of two");
    let again = engine.request_untried(ask()).await.unwrap_err();
    assert!(matches!(&again, EngineError::Refused { why } if why.contains(taken[0].id.as_str())), "{again}");

    // One at a time, whatever it is: people asked for the other one.
    let untested = World::release("1.2.0", 3, 13);
    let beside = engine.request_untried(world.ask("production", Kind::Promote, &untested)).await.unwrap_err();
    assert!(matches!(&beside, EngineError::Refused { why } if why.contains("requested")), "{beside}");
    world.abort(&taken[0], "not today").await.unwrap();
    for _ in 0..2 {
        let ask = world.ask("production", Kind::Promote, &untested);
        let handle = engine.request_untried(ask).await.expect("a gate may open");
        assert_eq!(handle.drive().await.unwrap(), Outcome::Ended(Phase::Blocked));
    }
}

/// Where the lock shows what no plan shows, here another store's mark, asking again would not end.
#[tokio::test]
async fn what_was_refused_behind_the_lock_is_not_asked_for_by_itself_again() {
    let (world, second) = rehearsed(QueueRule::FirstCome).await;
    let engine = world.bystander();
    let ask = || world.ask("production", Kind::Promote, &second);
    let handle = engine.request_untried(ask()).await.unwrap();
    handle.drive().await.unwrap();
    let claim = world.claim(&handle, &World::lead(), Decision::Approve).await;
    engine.decide(&handle.environment, claim).await.unwrap();
    // Somebody closes the environment between the approval and the lock.
    world.close(&World::lead(), Closing::Lock, "the fair").await.unwrap();
    assert_eq!(handle.drive().await.unwrap(), Outcome::Ended(Phase::Blocked));
    let view = engine.view(&env("production")).await.unwrap();
    assert!(view.promotions[&handle.id].state.facts.locked_at.is_some(), "it had the lock");
    world.close(&World::lead(), Closing::Unlock, "over").await.unwrap();
    let again = engine.request_untried(ask()).await.unwrap_err();
    assert!(matches!(&again, EngineError::Refused { why } if why.contains(handle.id.as_str())), "{again}");
}

/// What a rollback went back to has been where it goes, or was left out on purpose; it is not new.
#[tokio::test]
async fn what_a_rollback_went_back_to_goes_nowhere_by_itself() {
    let (world, second) = rehearsed(QueueRule::FirstCome).await;
    let staging = env("staging");
    let view = world.bystander().view(&staging).await.unwrap();
    let newest = view.newest().expect("it was deployed").state.facts.request.clone();
    assert_eq!(newest.release, second);
    let (first, _) = releases();
    world.put("staging", Kind::Rollback { of: newest.id }, &first).await.unwrap();
    let view = world.bystander().view(&staging).await.unwrap();
    assert_eq!(view.current().expect("it runs").state.facts.request.release, first);
    assert!(view.newest().is_none());
    // Deployed anew it is.
    world.put("staging", Kind::Deploy, &first).await.unwrap();
    let view = world.bystander().view(&staging).await.unwrap();
    assert_eq!(view.newest().expect("it was deployed").state.facts.request.release, first);
}
