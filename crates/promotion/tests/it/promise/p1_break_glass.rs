//! P1, the exception with a name: break-glass.

use promotion::engine::{EngineError, Outcome};
use promotion::journal::{EnvironmentView, Receipt};
use promotion::machine::Phase;
use promotion::model::{Closing, Kind, Millis, Person, Release, Wish};
use promotion::ports::Verdict;
use promotion::testing::{Manners, World, env};

use crate::story::{releases, shape};

const HOUR: Millis = Millis::secs(3600);

/// `1.0.0` runs in production; `1.2.0` was tested nowhere.
async fn untested() -> (World, Release) {
    let world = World::new(1, Manners::default());
    let (first, second) = releases();
    world.rehearsed(&first, &second).await;
    (world, World::release("1.2.0", 3, 13))
}

async fn why(world: &World, id: &promotion::model::PromotionId) -> String {
    let view = world.bystander().view(&env("production")).await.unwrap();
    view.promotions[id].state.facts.failure.clone().expect("it says why").why
}

/// Design 4, P1: an exception is a verb with a name in the journal. It lifts evidence, people, freeze and breaker; it is
/// told at once, and stands in history and receipt.
#[tokio::test]
async fn p1_a_break_glass_lets_in_what_nobody_tested_by_name_and_on_the_record() {
    let (world, untested) = untested().await;
    let (_, second) = releases();
    world.suites.tell(&env("production"), "1.1.0", Verdict::Failed);
    for _ in 0..3 {
        world.approved(&second).await.drive().await.unwrap();
    }
    let until = world.now().plus(Millis(24 * HOUR.0));
    world.close(&World::developer(), Closing::Freeze { until }, "the fair").await.unwrap();
    world.break_glass(&World::lead(), HOUR, "the login is down").await.unwrap();
    let (handle, outcome) = world.put("production", Kind::Promote, &untested).await.unwrap();
    assert_eq!(outcome, Outcome::Ended(Phase::Succeeded), "nobody else was asked");

    let production = env("production");
    let view = world.bystander().view(&production).await.unwrap();
    let promoted = &view.promotions[&handle.id].state.facts;
    let glass = promoted.request.break_glass.as_ref().unwrap();
    assert_eq!((glass.by.as_str(), glass.reason.as_str()), ("ssh:SHA256:lead", "the login is down"));
    let warned = &promoted.plan.as_ref().unwrap().warnings;
    assert!(warned.iter().any(|line| line.contains("break-glass of ssh:SHA256:lead")), "{warned:?}");
    let told = world.desk.notices().into_iter().rfind(|notice| notice.promotion == handle.id).unwrap();
    assert!(told.urgent && told.text.contains("the login is down"), "{told:?}");
    let deployments = view.deployments();
    let marked: Vec<_> = deployments.iter().filter(|it| it.break_glass.is_some()).map(|it| &it.id).collect();
    assert_eq!(marked, [&handle.id]);
    let records = world.journal.read(&production, 0).await.unwrap();
    let store = world.journal.store_id().await.unwrap();
    let receipt = Receipt::of(store, &view, &records, &[], &handle.id).unwrap();
    assert_eq!(receipt.break_glass.as_ref(), Some(glass));
}

/// It ends by itself: what was asked for under it and comes too late is stopped, what is asked for later is asked as ever.
#[tokio::test]
async fn p1_a_break_glass_ends_by_itself() {
    let (world, untested) = untested().await;
    world.break_glass(&World::lead(), HOUR, "the login is down").await.unwrap();
    let handle = world.engine().request(world.ask("production", Kind::Promote, &untested)).await.unwrap();
    world.clock.advance(HOUR);
    let before = shape(&world).await;
    assert_eq!(handle.drive().await.unwrap(), Outcome::Ended(Phase::Blocked));
    let late = why(&world, &handle.id).await;
    assert!(late.contains("attestation") || late.contains("is over"), "{late}");
    let (handle, outcome) = world.put("production", Kind::Promote, &untested).await.unwrap();
    assert_eq!(outcome, Outcome::Ended(Phase::Blocked));
    assert!(why(&world, &handle.id).await.starts_with("gate attestation: "));
    assert_eq!(shape(&world).await, before);
    for time in [Millis(4 * HOUR.0 + 60_000), Millis::ZERO] {
        let refused = world.break_glass(&World::lead(), time, "for long").await.unwrap_err();
        assert!(matches!(&refused, EngineError::Refused { why } if why.contains("within 4h")), "{refused}");
    }
}

/// It is for those who could have approved, by their own word.
#[tokio::test]
async fn p1_only_who_may_approve_breaks_the_glass_and_only_by_their_own_word() {
    let (world, untested) = untested().await;
    let other = Person::new("ssh:SHA256:other").unwrap();
    let refused = world.break_glass(&other, HOUR, "me").await.unwrap_err();
    assert!(matches!(&refused, EngineError::Refused { why } if why.contains("may approve")), "{refused:?}");
    let refused = world.break_glass(&World::lead(), HOUR, " ").await.unwrap_err();
    assert!(refused.to_string().contains("needs a reason"), "{refused}");

    // A word is over its environment and its end, and is said once.
    let production = env("production");
    let until = world.now().plus(HOUR);
    let staging = env("staging");
    let break_it = |until, signed| {
        let (engine, production) = (world.bystander().clone(), production.clone());
        async move { engine.break_glass(&production, until, World::lead(), "down".to_owned(), signed).await }
    };
    let elsewhere =
        world.word(&World::lead(), &Wish::BreakGlass { environment: &staging, until, reason: "down" });
    assert!(matches!(break_it(until, elsewhere).await, Err(EngineError::Proof(_))));
    assert!(matches!(break_it(until, None).await, Err(EngineError::Proof(_))));
    let wish = Wish::BreakGlass { environment: &production, until, reason: "down" };
    let signed = world.word(&World::lead(), &wish);
    assert!(matches!(break_it(until.plus(HOUR), signed.clone()).await, Err(EngineError::Proof(_))));
    break_it(until, signed.clone()).await.unwrap();
    assert!(matches!(break_it(until, signed).await, Err(EngineError::Proof(_))), "said twice");
    let (_, outcome) = world.put("production", Kind::Promote, &untested).await.unwrap();
    assert_eq!(outcome, Outcome::Ended(Phase::Succeeded));
}

/// It lifts what people and calendars ask for, and nothing that keeps two from working in one place.
#[tokio::test]
async fn p1_a_break_glass_lifts_no_lock_and_no_mark_of_others() {
    let (world, untested) = untested().await;
    world.break_glass(&World::lead(), HOUR, "the login is down").await.unwrap();
    world.close(&World::developer(), Closing::Lock, "the index is rebuilt").await.unwrap();
    let (handle, outcome) = world.put("production", Kind::Promote, &untested).await.unwrap();
    assert_eq!(outcome, Outcome::Ended(Phase::Blocked));
    assert!(why(&world, &handle.id).await.starts_with("gate lock: "));
    let beside = world.beside("store-2", 1000);
    beside.break_glass(&World::lead(), HOUR, "the login is down").await.unwrap();
    let (_, outcome) = beside.put("production", Kind::Promote, &untested).await.unwrap();
    assert_eq!(outcome, Outcome::Ended(Phase::Blocked), "another store's mark");
}

/// A request that names a break-glass which nobody gave is no record of ours (P8).
#[tokio::test]
async fn p8_a_request_under_a_break_glass_that_was_none_is_named() {
    let (world, untested) = untested().await;
    world.break_glass(&World::lead(), HOUR, "down").await.unwrap();
    world.put("production", Kind::Promote, &untested).await.unwrap();
    let production = env("production");
    let records = world.journal.read(&production, 0).await.unwrap();
    EnvironmentView::new(production.clone()).extend(&records).unwrap();
    // The same records without the one that broke it, sealed anew as somebody would who can write into the store.
    let mut prev = promotion::journal::Record::root(&production);
    let mut forged = Vec::new();
    let is_glass =
        |entry: &promotion::journal::Entry| matches!(entry, promotion::journal::Entry::GlassBroken { .. });
    let upto = records.iter().position(|record| is_glass(&record.entry)).unwrap();
    for (n, record) in records.iter().enumerate().filter(|(n, _)| *n != upto).take(upto + 1) {
        let seq = if n > upto { record.seq - 1 } else { record.seq };
        let draft = promotion::journal::Draft {
            promotion: record.promotion.clone(),
            at: record.at,
            entry: record.entry.clone(),
        };
        let record = promotion::journal::Record::seal(&production, seq, record.epoch, draft, prev);
        prev = record.hash.clone();
        forged.push(record);
    }
    let error = EnvironmentView::new(production).extend(&forged).unwrap_err();
    assert!(
        error.to_string().contains("break-glass that was none") || format!("{error:?}").contains("none"),
        "{error:?}"
    );
}

/// An exception brings no rules: nobody looked at those of the release that came under it.
#[tokio::test]
async fn p1_what_came_under_a_break_glass_brings_no_rules() {
    let (world, untested) = untested().await;
    world.break_glass(&World::lead(), HOUR, "the login is down").await.unwrap();
    let mut ask = world.ask("production", Kind::Promote, &untested);
    (ask.policy.approvals, ask.policy.evidence) = (None, None);
    let handle = world.engine().request(ask).await.unwrap();
    assert_eq!(handle.drive().await.unwrap(), Outcome::Ended(Phase::Succeeded));
    let view = world.bystander().view(&env("production")).await.unwrap();
    assert_eq!(view.rules(), Some(&world.policy));
    world.clock.advance(HOUR);
    let mut ask = world.ask("production", Kind::Promote, &World::release("1.3.0", 4, 14));
    (ask.policy.approvals, ask.policy.evidence) = (None, None);
    let handle = world.engine().request(ask).await.unwrap();
    assert_eq!(handle.drive().await.unwrap(), Outcome::Ended(Phase::Blocked));
    assert!(why(&world, &handle.id).await.starts_with("gate attestation: "));
}

/// Where no rules are in force nobody is barred from saying it; that it counts is asked by the rules of what comes.
#[tokio::test]
async fn p1_a_break_glass_of_somebody_who_may_not_approve_counts_for_nothing() {
    let world = World::new(1, Manners::default());
    let other = Person::new("ssh:SHA256:other").unwrap();
    world.break_glass(&other, HOUR, "me").await.unwrap();
    let (first, _) = releases();
    let ask = world.ask_by(&World::lead(), "production", Kind::Bootstrap, &first);
    let handle = world.engine().request(ask).await.unwrap();
    assert_eq!(handle.drive().await.unwrap(), Outcome::Ended(Phase::Blocked));
    let why = why(&world, &handle.id).await;
    assert!(why.starts_with("gate break-glass: ") && why.contains("counts for nothing"), "{why}");
}

/// Whoever mended it early ends the exception early.
#[tokio::test]
async fn p1_a_shorter_break_glass_ends_a_longer_one() {
    let (world, untested) = untested().await;
    world.break_glass(&World::lead(), HOUR, "the login is down").await.unwrap();
    world.break_glass(&World::lead(), Millis::secs(60), "it is up again").await.unwrap();
    world.clock.advance(Millis::secs(120));
    let (handle, outcome) = world.put("production", Kind::Promote, &untested).await.unwrap();
    assert_eq!(outcome, Outcome::Ended(Phase::Blocked));
    assert!(why(&world, &handle.id).await.starts_with("gate attestation: "));
}

/// P1: the exception is for what somebody names. What would begin by itself waits until the glass is whole again.
#[tokio::test]
async fn p1_nothing_begins_by_itself_under_a_break_glass() {
    let (world, _) = untested().await;
    let (_, second) = releases();
    world.break_glass(&World::lead(), HOUR, "the hotfix").await.unwrap();
    let ask = || world.ask("production", Kind::Promote, &second);
    let refused = world.bystander().request_untried(ask()).await.unwrap_err();
    assert!(
        matches!(&refused, EngineError::Refused { why } if why.contains("the glass is broken")),
        "{refused}"
    );
    world.clock.advance(HOUR);
    world.bystander().request_untried(ask()).await.expect("it is over");
}
