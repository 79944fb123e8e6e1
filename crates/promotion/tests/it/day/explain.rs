//! What holds a promotion: which gate or wait, why, since when, what opens it.

use promotion::engine::{Explained, Handle, Outcome};
use promotion::machine::Phase;
use promotion::model::{Closing, Kind};
use promotion::testing::{Manners, Moment, Switch, World, env};

use crate::story::releases;

async fn explained(world: &World, handle: &Handle) -> Explained {
    world.bystander().explain(&handle.environment, &handle.id).await.unwrap()
}

#[tokio::test]
async fn what_waits_for_people_says_who_may_and_until_when() {
    let world = World::new(1, Manners::default());
    let (first, second) = releases();
    world.rehearsed(&first, &second).await;
    let (handle, _) = world.put("production", Kind::Promote, &second).await.unwrap();
    let view = world.bystander().view(&env("production")).await.unwrap();
    let facts = &view.promotions[&handle.id].state.facts;
    let Explained { hold: Some(hold), ahead: None } = explained(&world, &handle).await else {
        panic!("held")
    };
    assert_eq!((hold.by.as_str(), hold.since), ("approval", facts.phase_since));
    // The requester is among those who may approve, and their own word does not count.
    assert_eq!(hold.why, "0 of 1 people have approved this plan; who may: ssh:SHA256:lead");
    assert_eq!(hold.until, Some(facts.deadline));
    let plan = &facts.plan.as_ref().unwrap().hash;
    assert_eq!(hold.opens, Some(format!("promote approve {} --plan {plan}", handle.id)));

    // What would stop it further on is said before anybody approves.
    world.close(&World::lead(), Closing::Lock, "by hand").await.unwrap();
    let ahead = explained(&world, &handle).await.ahead.unwrap();
    assert_eq!(ahead.0, "lock");
    assert!(ahead.1.contains("by hand"), "{ahead:?}");
    let after = world.bystander().view(&env("production")).await.unwrap();
    assert_eq!(after.head, view.head + 1, "looking writes nothing down");
}

#[tokio::test]
async fn what_a_gate_blocked_says_which_and_how_to_ask_again() {
    let world = World::new(1, Manners::default());
    let (first, second) = releases();
    world.rehearsed(&first, &second).await;
    let untested = World::release("1.2.0", 3, 13);
    let (handle, _) = world.put("production", Kind::Promote, &untested).await.unwrap();
    let hold = explained(&world, &handle).await.hold.unwrap();
    assert_eq!(hold.by, "gate attestation");
    assert!(hold.why.contains("promote deploy --env staging"), "{}", hold.why);
    assert_eq!(hold.opens.as_deref(), Some("promote start --to production"));
}

#[tokio::test]
async fn what_is_queued_names_whom_it_waits_for_and_what_is_done_is_held_by_nothing() {
    let world = World::new(1, Manners::default());
    let (first, second) = releases();
    world.rehearsed(&first, &second).await;
    let (running, behind) = (world.approved(&second).await, world.approved(&second).await);
    let engine = world.mortal(&Switch::new(Moment::After(30)));
    let _the_dead_answer_nobody =
        engine.handle(running.environment.clone(), running.id.clone()).drive().await;
    let hold = explained(&world, &behind).await.hold.unwrap();
    assert_eq!(hold.by, "queue");
    assert!(hold.why.starts_with(&format!("{} holds `production`", running.id)), "{}", hold.why);
    let hold = explained(&world, &running).await.hold.unwrap();
    assert_eq!(hold.opens, Some(format!("promote resume {}", running.id)), "its runner may have died");
    world.rescue(2).await;
    assert_eq!(running.drive().await.unwrap(), Outcome::Ended(Phase::Succeeded));
    assert_eq!(explained(&world, &running).await, Explained { hold: None, ahead: None });
}

/// What nobody could judge says so, since when, and is tried again by whoever comes by: that is no closed gate.
#[tokio::test]
async fn what_nobody_can_judge_says_what_is_away_and_since_when() {
    let world = World::new(1, Manners::default());
    let (first, second) = releases();
    world.rehearsed(&first, &second).await;
    let handle = world.approved(&second).await;
    world.provider.away_for(promotion::model::Millis::secs(3600));
    let engine = world.mortal(&Switch::new(Moment::After(60)));
    let _the_dead_answer_nobody = engine.handle(handle.environment.clone(), handle.id.clone()).drive().await;
    let view = world.bystander().view(&env("production")).await.unwrap();
    let promotion = &view.promotions[&handle.id];
    assert!(promotion.state.facts.stalled.is_some(), "{:?}", promotion.state.phase);
    let hold = explained(&world, &handle).await.hold.unwrap();
    assert_eq!((hold.by.as_str(), Some(hold.since)), (promotion.state.phase.name(), promotion.stalled_since));
    assert_eq!(Some(&hold.why), promotion.state.facts.stalled.as_ref());
}

/// A gate that cannot be asked is neither open nor closed, and whoever looks learns why.
#[tokio::test]
async fn a_gate_ahead_that_cannot_be_asked_says_so() {
    let mut world = World::new(1, Manners::default());
    for environment in ["staging", "production"] {
        world.provider.set_secret(&World::place(environment, "api"), "A");
    }
    world.required = ["A".to_owned()].into();
    let (first, second) = releases();
    world.rehearsed(&first, &second).await;
    let (handle, _) = world.put("production", Kind::Promote, &second).await.unwrap();
    assert_eq!(explained(&world, &handle).await.ahead, None);
    world.provider.away_for(promotion::model::Millis::secs(60));
    let (gate, why) = explained(&world, &handle).await.ahead.unwrap();
    assert_eq!(gate, "secrets");
    assert!(why.starts_with("it cannot be asked now, "), "{why}");
}
