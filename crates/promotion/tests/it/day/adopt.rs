//! Adoption asked for by a program: what the engine itself refuses and says.

use promotion::engine::Outcome;
use promotion::machine::Phase;
use promotion::model::{Kind, UnitState};
use promotion::testing::{Manners, World, env};

use crate::story::{plant, releases};

/// A fleet of deploys that nobody took over: two machines of each component on `first`, one of `web` on 12.
fn found() -> World {
    let world = World::new(1, Manners::default());
    for component in ["api", "web"] {
        plant(&world, component, if component == "api" { 1 } else { 11 }, |_| {});
    }
    world
}

/// P6: a fleet found mixed is refused, and every machine is named with what it runs.
#[tokio::test]
async fn p6_a_mixed_fleet_is_not_adopted() {
    let world = found();
    let other = plant(&world, "api", 2, |_| {});
    let (first, _) = releases();
    let ask = world.ask_by(&World::lead(), "production", Kind::Adopt, &first);
    let handle = world.engine().request(ask).await.unwrap();
    assert_eq!(handle.drive().await.unwrap(), Outcome::Ended(Phase::Blocked));
    let view = world.engine().view(&env("production")).await.unwrap();
    let why = view.promotions[&handle.id].state.facts.failure.clone().unwrap().why;
    let fleet = world.fleet("production", "api").await;
    for unit in &fleet.units {
        let line = format!("{} runs {}", unit.id, unit.digest.as_ref().unwrap().short());
        assert!(why.contains(&line), "`{line}` is missing in {why}");
    }
    assert!(why.contains(other.as_str()) && fleet.units.iter().all(|unit| unit.labels.is_empty()), "{why}");
}

/// P12: what is taken over at rest is counted, and nobody starts it.
#[tokio::test]
async fn p12_what_is_adopted_at_rest_is_counted_as_unproven() {
    let world = found();
    let asleep = plant(&world, "api", 1, |unit| unit.state = UnitState::Stopped);
    let (first, _) = releases();
    let ask = world.ask_by(&World::lead(), "production", Kind::Adopt, &first);
    let handle = world.engine().request(ask).await.unwrap();
    assert_eq!(handle.drive().await.unwrap(), Outcome::Ended(Phase::Succeeded));
    let view = world.engine().view(&env("production")).await.unwrap();
    let warnings = view.promotions[&handle.id].state.facts.plan.clone().unwrap().warnings;
    assert_eq!(warnings, ["1 stopped machine of `api-production` unproven, same digest: taken over at rest"]);
    let fleet = world.fleet("production", "api").await;
    assert_eq!(fleet.unit(&asleep).unwrap().state, UnitState::Stopped);
    assert_eq!(fleet.unit(&asleep).unwrap().label("environment"), Some("production"));
}
