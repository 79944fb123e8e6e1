//! P5 and P6 where a person goes back and turns round: what was made in the place of a fleet that is gone goes again.

use promotion::engine::{Handle, Outcome};
use promotion::machine::Phase;
use promotion::model::{Kind, Millis};
use promotion::testing::{Manners, Moment, Switch, World};

use crate::story::{releases, shape};

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
