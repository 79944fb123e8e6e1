//! P1: what is put somewhere is the release that was asked for, tested and approved: all of it, and nothing else.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use flytypes::{Digest, ImageRef};
use promotion::engine::{Ask, Engine, Handle, Outcome};
use promotion::machine::Phase;
use promotion::model::{EnvironmentName, Kind, PromotionId, UnitState};
use promotion::ports::{Copied, ImageFacts, PortError, Registry, Survey, Watch};
use promotion::testing::{Manners, Moment, Switch, World, env, name};

use crate::story::{plant, releases, shape};

async fn rehearsed() -> World {
    let world = World::new(1, Manners::default());
    let (first, second) = releases();
    world.rehearsed(&first, &second).await;
    world
}

/// What is deployed now.
async fn current(world: &World, environment: &str) -> PromotionId {
    world.bystander().view(&env(environment)).await.unwrap().current().unwrap().id().clone()
}

/// The words with which `ask` is blocked; nothing is changed by it.
async fn is_blocked(world: &World, ask: Ask) -> String {
    let before = shape(world).await;
    let handle = world.engine().request(ask).await.unwrap();
    let outcome = handle.drive().await.unwrap();
    assert_eq!(outcome, Outcome::Ended(Phase::Blocked));
    assert_eq!(shape(world).await, before);
    why(world, &handle).await
}

async fn why(world: &World, handle: &Handle) -> String {
    let view = world.bystander().view(&handle.environment).await.unwrap();
    view.promotions[&handle.id].state.facts.failure.clone().map(|failure| failure.why).unwrap_or_default()
}

#[tokio::test]
async fn p1_a_tested_release_does_not_bring_another_image() {
    let world = rehearsed().await;
    let mut ask = world.ask("production", Kind::Promote, &releases().1);
    let other = world.component("production", "api", &World::digest(7));
    ask.components[0].image = other.image;
    let why = is_blocked(&world, ask).await;
    assert!(why.contains("is not the `api` of release 1.1.0"), "{why}");
}

#[tokio::test]
async fn p1_a_release_is_put_there_whole_and_once() {
    let world = rehearsed().await;
    let ask = world.ask("production", Kind::Promote, &releases().1);
    let half = Ask { components: ask.components[..1].to_vec(), ..ask.clone() };
    let why = is_blocked(&world, half).await;
    assert!(why.contains("release 1.1.0 is `api`, `web`, and the request brings `api`"), "{why}");

    let mut twice = world.ask("production", Kind::Promote, &releases().1);
    twice.components.push(ask.components[0].clone());
    let why = is_blocked(&world, twice).await;
    assert!(why.contains("`api` is asked for twice"), "{why}");
}

#[tokio::test]
async fn p1_a_request_for_one_environment_does_not_reach_into_another() {
    let world = rehearsed().await;
    let mut ask = world.ask("staging", Kind::Deploy, &releases().1);
    ask.components = world.ask("production", Kind::Deploy, &releases().1).components;
    let why = is_blocked(&world, ask).await;
    assert!(why.contains("`api-production` is a place in `production`"), "{why}");
}

/// Evidence is about what ran: a way back on staging does not make any for a release of somebody's choice.
#[tokio::test]
async fn p1_a_rollback_goes_to_what_was_there_and_attests_nothing_else() {
    let world = rehearsed().await;
    let of = current(&world, "staging").await;
    let never = World::release("1.0.0", 7, 11);
    let why = is_blocked(&world, world.ask("staging", Kind::Rollback { of }, &never)).await;
    assert!(why.contains("there was no 070707070707 of `api`"), "{why}");
    let view = world.bystander().view(&env("staging")).await.unwrap();
    assert!(view.attestations().all(|it| it.statement.release != never.id()));
}

/// Two images ran before: a suite that passes then says nothing about either of them.
#[tokio::test]
async fn p1_a_rollback_to_a_mixed_fleet_makes_no_evidence() {
    let world = World::new(1, Manners::default());
    let (first, second) = releases();
    world.put("staging", Kind::Bootstrap, &first).await.unwrap();
    let strange = world.component("staging", "api", &World::digest(7));
    world.provider.plant(&strange.place.clone(), |unit| {
        unit.digest = strange.digest().cloned();
        unit.image = Some(strange.image.clone());
        unit.state = UnitState::Started;
    });
    world.put("staging", Kind::Deploy, &second).await.unwrap();
    let of = current(&world, "staging").await;
    let mixed = World::release("1.0.0", 7, 11);
    let (handle, outcome) = world.put("staging", Kind::Rollback { of }, &mixed).await.unwrap();
    assert_eq!(outcome, Outcome::Ended(Phase::Succeeded), "{}", why(&world, &handle).await);
    let view = world.bystander().view(&env("staging")).await.unwrap();
    assert!(view.attestations().all(|it| it.statement.release != mixed.id()));
}

#[tokio::test]
async fn p1_what_came_together_goes_back_together() {
    let world = rehearsed().await;
    let (first, second) = releases();
    world.approved(&second).await.drive().await.unwrap();
    let of = current(&world, "production").await;
    let mut ask = world.ask("production", Kind::Rollback { of }, &first);
    ask.components.truncate(1);
    let why = is_blocked(&world, ask).await;
    assert!(why.contains("brought `api`, `web`, and they go back together"), "{why}");
}

/// The way back from the first release would be an empty environment, and from an adoption none at all.
#[tokio::test]
async fn p1_there_is_no_way_back_from_what_came_first() {
    let (first, _) = releases();
    let world = rehearsed().await;
    let of = current(&world, "production").await;
    let why = is_blocked(&world, world.ask("production", Kind::Rollback { of }, &first)).await;
    assert!(why.contains("there is nothing before"), "{why}");

    let world = World::new(1, Manners::default());
    for (component, byte) in [("api", 1), ("web", 11)] {
        plant(&world, component, byte, |_| ());
    }
    world.put("production", Kind::Adopt, &first).await.unwrap();
    let of = current(&world, "production").await;
    let why = is_blocked(&world, world.ask("production", Kind::Rollback { of }, &first)).await;
    assert!(why.contains("there is nothing before"), "{why}");
}

/// A component that came with the release goes with it.
#[tokio::test]
async fn a_rollback_takes_a_component_away_that_was_new() {
    let world = World::new(1, Manners::default());
    let (first, second) = releases();
    let mut only = first.clone();
    only.components.remove(&name("web"));
    world.put("staging", Kind::Bootstrap, &only).await.unwrap();
    world.put("staging", Kind::Deploy, &second).await.unwrap();
    let of = current(&world, "staging").await;
    let mut ask = world.ask("staging", Kind::Rollback { of }, &only);
    ask.components = world.ask("staging", Kind::Deploy, &second).components;
    let handle = world.engine().request(ask).await.unwrap();
    assert_eq!(
        handle.drive().await.unwrap(),
        Outcome::Ended(Phase::Succeeded),
        "{}",
        why(&world, &handle).await
    );
    assert_eq!(world.fleet("staging", "api").await.digests(), [World::digest(1)].into());
    assert_eq!(world.fleet("staging", "web").await.live().count(), 0);
}

/// A component that no release brought here before comes with one that was tested and approved.
#[tokio::test]
async fn p1_a_component_that_is_new_comes_like_the_others() {
    let world = World::new(1, Manners::default());
    let (first, second) = releases();
    let mut only = first.clone();
    only.components.remove(&name("web"));
    world.put("production", Kind::Bootstrap, &only).await.unwrap();
    world.put("staging", Kind::Bootstrap, &only).await.unwrap();
    world.put("staging", Kind::Deploy, &second).await.unwrap();
    let handle = world.approved(&second).await;
    assert_eq!(
        handle.drive().await.unwrap(),
        Outcome::Ended(Phase::Succeeded),
        "{}",
        why(&world, &handle).await
    );
    assert_eq!(world.fleet("production", "web").await.digests(), [World::digest(12)].into());
}

/// A component that is known here and has no machines lost them, or the project file names another app: neither is
/// filled up by a promotion.
#[tokio::test]
async fn p1_a_component_that_lost_its_machines_is_no_new_one() {
    let world = rehearsed().await;
    let mut ask = world.ask("production", Kind::Promote, &releases().1);
    ask.components[0].place.name = "api-elsewhere".to_owned();
    let why = is_blocked(&world, ask).await;
    assert!(why.contains("`api-elsewhere` has no machines"), "{why}");
}

/// A registry that takes its time: meanwhile somebody adds two machines.
#[derive(Debug)]
struct Slow {
    world: Arc<World>,
    registry: Arc<dyn Registry>,
    is_over: AtomicBool,
}

#[async_trait]
impl Registry for Slow {
    async fn resolve(&self, environment: &EnvironmentName, image: &ImageRef) -> Result<Digest, PortError> {
        self.registry.resolve(environment, image).await
    }

    async fn look(&self, environment: &EnvironmentName, image: &ImageRef) -> Result<ImageFacts, PortError> {
        if !self.is_over.swap(true, Ordering::SeqCst) {
            plant(&self.world, "api", 1, |_| ());
            plant(&self.world, "api", 1, |_| ());
        }
        self.registry.look(environment, image).await
    }

    async fn survey(
        &self,
        environment: &EnvironmentName,
        from: &ImageRef,
        to: &ImageRef,
    ) -> Result<Survey, PortError> {
        self.registry.survey(environment, from, to).await
    }

    async fn ensure_copy(
        &self,
        environment: &EnvironmentName,
        from: &ImageRef,
        to: &ImageRef,
        watch: Watch,
    ) -> Result<Copied, PortError> {
        self.registry.ensure_copy(environment, from, to, watch).await
    }

    async fn ensure_tag(
        &self,
        environment: &EnvironmentName,
        image: &ImageRef,
        tag: &str,
    ) -> Result<(), PortError> {
        self.registry.ensure_tag(environment, image, tag).await
    }
}

/// What was approved is two machines instead of two, not two instead of four.
#[tokio::test]
async fn p1_what_changes_while_images_are_copied_stops_it() {
    let world = Arc::new(rehearsed().await);
    let handle = world.approved(&releases().1).await;
    let mut ports = world.ports(&Switch::new(Moment::Never));
    let (registry, is_over) = (ports.registry.clone(), AtomicBool::new(false));
    ports.registry = Arc::new(Slow { world: world.clone(), registry, is_over });
    let engine = Engine::new(world.options.clone(), ports);
    let outcome = engine.handle(handle.environment.clone(), handle.id.clone()).drive().await.unwrap();
    assert_eq!(outcome, Outcome::Ended(Phase::Aborted));
    let why = why(&world, &handle).await;
    assert!(why.contains("`api` has other machine counts or regions than when the plan was made"), "{why}");
    let fleet = world.fleet("production", "api").await;
    assert_eq!((fleet.live().count(), fleet.digests()), (4, [World::digest(1)].into()));
}
