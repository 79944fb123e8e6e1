//! P5 and P6 where a person goes back and turns round: what was made in the place of a fleet that is gone goes again.

use promotion::engine::{Handle, Outcome};
use promotion::machine::Phase;
use promotion::model::{Kind, Millis};
use promotion::testing::{Manners, Moment, Switch, World};

use crate::story::{plant, releases, shape};

/// A person goes back to a fleet whose time in the park is over; nobody has driven that yet.
async fn going_back() -> (World, Handle) {
    let world = World::new(1, Manners::default());
    let (first, second) = releases();
    world.rehearsed(&first, &second).await;
    let promoted = world.approved(&second).await;
    assert_eq!(promoted.drive().await.unwrap(), Outcome::Ended(Phase::Succeeded));
    world.clock.advance(Millis(world.limits.park_for.0 + 60_000));
    world.engine().tick().await.unwrap();
    assert_eq!(world.fleet("production", "api").await.units.len(), 2, "the parked ones are gone");
    let back = Kind::Rollback { of: promoted.id };
    let handle = world.engine().request(world.ask("production", back, &first)).await.unwrap();
    (world, handle)
}

/// Whenever somebody aborts a rollback by a person, production is as that found it: no machine of the earlier release
/// stays in traffic beside the later one.
#[tokio::test]
async fn p5_a_rollback_by_a_person_that_is_aborted_leaves_nothing_of_the_earlier_release() {
    let (whole, handle) = going_back().await;
    let before = shape(&whole).await.join("\n");
    let start = whole.fork().await;
    let switch = Switch::new(Moment::Never);
    whole.mortal(&switch).handle(handle.environment.clone(), handle.id.clone()).drive().await.unwrap();
    let mut n_put_back = 0;
    for (n, what) in switch.seen() {
        let world = start.fork().await;
        let mortal = world.mortal(&Switch::new(Moment::Before(n)));
        let _dead = mortal.handle(handle.environment.clone(), handle.id.clone()).drive().await;
        if world.abort(&handle, "not this way").await.is_err() {
            continue;
        }
        world.rescue(4).await;
        let view = world.bystander().view(&handle.environment).await.unwrap();
        let phase = view.promotions[&handle.id].state.phase;
        assert!(matches!(phase, Phase::Aborted | Phase::RolledBack), "{what}: {phase}");
        assert_eq!(shape(&world).await.join("\n"), before, "{what}");
        n_put_back += u32::from(phase == Phase::RolledBack);
    }
    assert!(n_put_back > 20, "{n_put_back} of them had begun");
}

/// A machine that somebody made after the promotion is not ours to change (P10), and left alone it would serve the
/// later release beside the earlier one.
#[tokio::test]
async fn p6_a_rollback_that_would_leave_a_machine_behind_is_refused_and_names_it() {
    let world = World::new(1, Manners::default());
    let (first, second) = releases();
    world.rehearsed(&first, &second).await;
    let promoted = world.approved(&second).await;
    assert_eq!(promoted.drive().await.unwrap(), Outcome::Ended(Phase::Succeeded));
    let extra = plant(&world, "api", 2, |_| ());
    let before = shape(&world).await;
    let back = Kind::Rollback { of: promoted.id };
    let (handle, outcome) = world.put("production", back.clone(), &first).await.unwrap();
    assert_eq!(outcome, Outcome::Ended(Phase::Blocked));
    let view = world.bystander().view(&handle.environment).await.unwrap();
    let why = view.promotions[&handle.id].state.facts.failure.clone().unwrap().why;
    assert!(why.contains(&format!("machine {extra} of `api-production`")), "{why}");
    assert_eq!(shape(&world).await, before);
}

/// Whoever runs the earlier release already is in nobody's way.
#[tokio::test]
async fn p6_a_machine_on_the_earlier_release_does_not_stop_a_rollback() {
    let world = World::new(1, Manners::default());
    let (first, second) = releases();
    world.rehearsed(&first, &second).await;
    let promoted = world.approved(&second).await;
    promoted.drive().await.unwrap();
    plant(&world, "api", 1, |_| ());
    let back = Kind::Rollback { of: promoted.id };
    assert_eq!(world.put("production", back, &first).await.unwrap().1, Outcome::Ended(Phase::Succeeded));
    assert_eq!(world.fleet("production", "api").await.digests(), [World::digest(1)].into());
}
