//! What people and calendars close: locks and freezes.

use promotion::engine::{Eject, EngineError, Outcome};
use promotion::machine::Phase;
use promotion::model::{At, Closing, FreezeSpan, FreezeWindow, Kind, Millis, Person, Policy, Release};
use promotion::testing::{Manners, Signer, World, env};

use crate::story::{releases, shape};

/// An hour that begins now.
const HOUR: Millis = Millis::secs(3600);

/// `1.0.0` runs in production, `1.1.0` was tested on staging. 2027-01-15T08:00Z is a Friday.
async fn rehearsed() -> (World, Release) {
    rehearsed_by(|_| ()).await
}

async fn rehearsed_by(change: impl FnOnce(&mut Policy)) -> (World, Release) {
    let mut world = World::new(1, Manners::default());
    change(&mut world.policy);
    let (first, second) = releases();
    world.rehearsed(&first, &second).await;
    (world, second)
}

/// It is blocked, and nothing changes; why.
async fn blocked(world: &World, kind: Kind, release: &Release) -> String {
    let before = shape(world).await;
    let (handle, outcome) = world.put("production", kind, release).await.unwrap();
    assert_eq!(outcome, Outcome::Ended(Phase::Blocked));
    assert_eq!(shape(world).await, before);
    super::failure(world, &handle.id).await
}

async fn goes(world: &World, release: &Release) {
    assert_eq!(world.approved(release).await.drive().await.unwrap(), Outcome::Ended(Phase::Succeeded));
}

fn other() -> Person {
    Person::new("ssh:SHA256:other").unwrap()
}

/// Design 6: who is stopped by a lock learns who, when, why and what opens it; nothing waits for a person's lock.
#[tokio::test]
async fn a_lock_stops_everything_until_somebody_opens_it() {
    let (world, second) = rehearsed().await;
    goes(&world, &second).await;
    let runs = world.bystander().view(&env("production")).await.unwrap().current().unwrap().id().clone();
    world.close(&World::developer(), Closing::Lock, "the index is rebuilt").await.unwrap();
    let (first, _) = releases();
    for (kind, release) in [(Kind::Promote, &second), (Kind::Rollback { of: runs }, &first)] {
        let why = blocked(&world, kind, release).await;
        assert!(why.starts_with("gate lock: `production` is locked by ssh:SHA256:developer since "), "{why}");
        assert!(why.contains("the index is rebuilt"), "{why}");
        assert!(why.contains("promote unlock --env production --reason R"), "{why}");
    }
    let again = world.close(&World::lead(), Closing::Lock, "me too").await.unwrap_err();
    assert!(again.to_string().contains("locked already, by ssh:SHA256:developer"), "{again}");
    world.close(&World::developer(), Closing::Unlock, "it is rebuilt").await.unwrap();
    goes(&world, &second).await;
}

/// While a person works there by hand nothing is taken away, and nobody takes the labels off.
#[tokio::test]
async fn a_lock_keeps_parked_machines_and_labels() {
    let (world, second) = rehearsed().await;
    goes(&world, &second).await;
    let units = async || world.fleet("production", "api").await.units.len();
    let before = units().await;
    world.close(&World::lead(), Closing::Lock, "by hand").await.unwrap();
    world.clock.advance(world.limits.park_for);
    world.rescue(1).await;
    assert_eq!(units().await, before);
    let mut eject = Eject {
        environment: env("production"),
        places: vec![World::place("production", "api"), World::place("production", "web")],
        destroy_parked: true,
        by: World::developer(),
        reason: None,
        signed: None,
    };
    eject.signed = world.word(&World::developer(), &eject.wish());
    let refused = world.engine().eject(eject).await.unwrap_err();
    assert!(refused.to_string().contains("locked by ssh:SHA256:lead"), "{refused}");
    assert_eq!(units().await, before);
    world.close(&World::lead(), Closing::Unlock, "done").await.unwrap();
    world.rescue(1).await;
    assert!(units().await < before, "their time is over");
}

/// Design 4: gates are asked again at Rechecking; a lock that came after the approval stops what was approved.
#[tokio::test]
async fn a_lock_or_freeze_after_the_approval_stops_what_was_approved() {
    for closing in [Closing::Lock, Closing::Freeze { until: At(1_900_000_000_000) }] {
        let (world, second) = rehearsed().await;
        let handle = world.approved(&second).await;
        world.close(&World::lead(), closing, "not now").await.unwrap();
        let before = shape(&world).await;
        assert_eq!(handle.drive().await.unwrap(), Outcome::Ended(Phase::Blocked));
        assert_eq!(shape(&world).await, before);
        let why = super::failure(&world, &handle.id).await;
        assert!(why.contains("not now") && why.contains("ssh:SHA256:lead"), "{why}");
    }
}

/// A freeze stops what is new, until its instant and by itself no longer; the way back is open.
#[tokio::test]
async fn a_freeze_of_a_person_ends_by_itself_and_stops_no_rollback() {
    let (world, second) = rehearsed().await;
    let promoted = world.approved(&second).await;
    assert_eq!(promoted.drive().await.unwrap(), Outcome::Ended(Phase::Succeeded));
    let until = world.now().plus(HOUR);
    world.close(&World::developer(), Closing::Freeze { until }, "the fair").await.unwrap();
    // A freeze that is shorter does not make the longer one shorter.
    let sooner = world.now().plus(Millis::secs(60));
    world.close(&other(), Closing::Freeze { until: sooner }, "a moment").await.unwrap();
    let why = blocked(&world, Kind::Promote, &second).await;
    assert!(why.starts_with(&format!("gate freeze: `production` is frozen until {until}, by ")), "{why}");
    assert!(why.contains("the fair"), "{why}");
    let (first, _) = releases();
    let (_, outcome) = world.put("production", Kind::Rollback { of: promoted.id }, &first).await.unwrap();
    assert_eq!(outcome, Outcome::Ended(Phase::Succeeded));
    world.clock.advance(HOUR);
    goes(&world, &second).await;
    let over = Closing::Freeze { until: world.now() };
    let refused = world.close(&World::lead(), over, "late").await.unwrap_err();
    assert!(matches!(refused, EngineError::Refused { .. }), "{refused:?}");
}

/// Opening lets something in: for those who may approve there, and for who closed it; closing is for everybody.
#[tokio::test]
async fn what_one_closed_others_open_only_who_may_approve() {
    let (world, _) = rehearsed().await;
    let unlock = |who| {
        let world = &world;
        async move { world.close(&who, Closing::Unlock, "done").await }
    };
    let nobody = unlock(World::lead()).await.unwrap_err();
    assert!(nobody.to_string().contains("nobody has closed"), "{nobody}");
    world.close(&World::lead(), Closing::Lock, "by hand").await.unwrap();
    let refused = unlock(other()).await.unwrap_err();
    assert!(refused.to_string().contains("stays closed, by ssh:SHA256:lead"), "{refused}");
    assert!(refused.to_string().contains("may approve"), "{refused}");
    unlock(World::developer()).await.unwrap();
    world.close(&other(), Closing::Lock, "mine").await.unwrap();
    unlock(other()).await.unwrap();
}

/// P1: a word is by whom it names, is said once, and is over what it says.
#[tokio::test]
async fn p1_nobody_opens_what_is_closed_by_another_persons_word_or_an_old_one() {
    let (world, second) = rehearsed().await;
    let production = env("production");
    let open = world.word(&World::lead(), &Closing::Unlock.wish(&production, "done"));
    world.clock.advance(Millis(1));
    world.close(&World::lead(), Closing::Lock, "by hand").await.unwrap();
    let close = |closing: Closing, signed| {
        let (engine, production) = (world.bystander().clone(), production.clone());
        async move { engine.close(&production, closing, World::lead(), "done".to_owned(), signed).await }
    };
    let old = close(Closing::Unlock, open).await.unwrap_err();
    assert!(
        matches!(old, EngineError::Proof(_)) && old.to_string().contains("after this was signed"),
        "{old}"
    );
    let lock = world.word(&World::lead(), &Closing::Lock.wish(&production, "done"));
    assert!(matches!(close(Closing::Unlock, lock).await.unwrap_err(), EngineError::Proof(_)));
    let text = Closing::Unlock.wish(&production, "done").statement(&World::lead(), world.now());
    let proof = Signer::proof(&World::developer(), &text);
    let forged = Some(promotion::model::Signed { at: world.now(), proof });
    assert!(matches!(close(Closing::Unlock, forged).await.unwrap_err(), EngineError::Proof(_)));
    blocked(&world, Kind::Promote, &second).await;
}

/// Fridays from 10:00 to Monday 08:00 in Berlin, which is an hour ahead of UTC in January (IANA).
fn weekend() -> FreezeWindow {
    let from = 4 * 24 * 60 + 10 * 60;
    let span = FreezeSpan::Week { from, to: 8 * 60 };
    FreezeWindow { span, zone: "Europe/Berlin".to_owned(), reason: "weekend".to_owned() }
}

/// The windows of the release last promoted decide, and say when they open.
#[tokio::test]
async fn a_window_of_the_policy_stops_what_is_new_and_says_when_it_opens() {
    let (world, second) = rehearsed_by(|policy| {
        policy.freezes = vec![weekend()];
        policy.evidence.as_mut().unwrap().max_age = Millis::secs(7 * 24 * 3600);
    })
    .await;
    // The world begins on Friday, 2027-01-15T08:00Z, an hour before the window.
    assert!(world.now() < "2027-01-15T09:00:00Z".parse().unwrap(), "{}", world.now());
    let handle = world.approved(&second).await;
    world.clock.advance(HOUR);
    assert_eq!(handle.drive().await.unwrap(), Outcome::Ended(Phase::Blocked), "it closed after the approval");
    let why = blocked(&world, Kind::Promote, &second).await;
    assert!(why.contains("Fri 10:00 to Mon 08:00 Europe/Berlin: weekend"), "{why}");
    assert!(why.contains("it opens at 2027-01-18T07:00:00.000Z"), "{why}");
    // A project file without the window is judged by the rules of the release that runs.
    let mut ask = world.ask("production", Kind::Promote, &second);
    ask.policy.freezes.clear();
    let handle = world.engine().request(ask).await.unwrap();
    assert_eq!(handle.drive().await.unwrap(), Outcome::Ended(Phase::Blocked));
    // A person's freeze that ends within the window says when it really opens.
    let until = world.now().plus(HOUR);
    world.close(&World::lead(), Closing::Freeze { until }, "the fair").await.unwrap();
    let why = blocked(&world, Kind::Promote, &second).await;
    assert!(why.contains("the fair, and by its policy until 2027-01-18T07:00:00.000Z"), "{why}");
    world.clock.advance(Millis::secs(3 * 24 * 3600));
    goes(&world, &second).await;
}

/// Journals of earlier versions have no freezes: a policy without any is written, and hashed, as it was.
#[test]
fn a_policy_without_a_freeze_is_written_as_before() {
    let text = serde_json::to_string(&Policy::default()).unwrap();
    assert!(!text.contains("freezes"), "{text}");
    let policy = Policy { freezes: vec![weekend()], ..Policy::default() };
    let read: Policy = serde_json::from_str(&serde_json::to_string(&policy).unwrap()).unwrap();
    assert_eq!(read, policy);
}
