//! The ways out of drift: what runs is taken over, what is recorded is put back, or something else is put there.

use std::sync::Arc;

use async_trait::async_trait;
use promotion::engine::{Ask, Engine, Outcome, Ticked};
use promotion::journal::DriftEnd;
use promotion::machine::Phase;
use promotion::model::{Decision, Fleet, Kind, Millis, Place, Release, Strategy};
use promotion::ports::{Deployer, Key, Performed, PortError};
use promotion::rollout::UnitCall;
use promotion::testing::{Manners, Moment, Provider, Switch, World, env};
use serde_json::{Value, json};

use super::drift_seen::{call_of_somebody, open, put, somebody, tick, units};
use super::failure;
use crate::story::{plant, releases, shape};

async fn last_end(world: &World) -> DriftEnd {
    let view = world.engine().view(&env("production")).await.unwrap();
    view.drifts_ended().last().expect("it ended").2.clone()
}

/// What the developer asks for to have put back what is recorded.
async fn repair(world: &World) -> Ask {
    let view = world.engine().view(&env("production")).await.unwrap();
    let current = view.current().unwrap();
    let request = current.state.facts.request.clone();
    let mut ask = world.ask("production", Kind::Repair, &request.release);
    ask.components = current.recorded().into_iter().map(|it| it.target).collect();
    ask.policy = request.policy;
    ask
}

/// Another image on one machine, another size of the other, one machine more, and one out of traffic.
async fn mess(world: &World) {
    let fleet = units(world).await;
    somebody(world, &fleet[0], |spec| {
        let digest = World::digest(9);
        spec.image =
            promotion::model::ImageRef::by_digest("registry.fly.io", "api-production", digest).unwrap();
        spec.config["env"]["DEBUG"] = "1".into();
    })
    .await;
    somebody(world, &fleet[1], |spec| spec.config["guest"] = serde_json::json!({"memory_mb": 512})).await;
    call_of_somebody(world, UnitCall::Cordon { unit: fleet[1].id.clone() }).await;
    plant(world, "api", 1, |_| {});
    world.clock.advance(Millis::secs(10));
}

/// What of production must be as before: images, configurations, counts, traffic.
async fn seen(world: &World) -> Vec<(String, String, bool)> {
    let mut seen: Vec<_> = units(world)
        .await
        .into_iter()
        .map(|unit| (unit.digest.unwrap().to_string(), unit.config.to_string(), unit.cordoned))
        .collect();
    seen.sort();
    seen
}

/// Ordinary gates: people approve it as the policy asks. No evidence is asked of what passed the gates here once: it
/// is no release that production lacks (P1), and a day later there would be none.
#[tokio::test]
async fn what_is_recorded_is_put_back() {
    for strategy in [Strategy::BlueGreen, Strategy::Rolling] {
        let mut world = World::new(1, Manners::default());
        world.strategy = strategy;
        put(&world).await;
        let before = seen(&world).await;
        mess(&world).await;
        tick(&world).await;
        let drift = open(&world).await.expect("it is recorded");
        let fields: Vec<&str> = drift.differences.iter().map(|it| it.field.as_str()).collect();
        assert_eq!(fields, ["cordon", "count", "env.DEBUG", "guest", "image"]);
        world.clock.advance(Millis::secs(48 * 3600));

        let handle = world.engine().request(repair(&world).await).await.unwrap();
        assert!(matches!(handle.drive().await.unwrap(), Outcome::Waiting { .. }), "people are asked");
        let claim = world.claim(&handle, &World::lead(), Decision::Approve).await;
        world.engine().decide(&handle.environment, claim).await.unwrap();
        let outcome = handle.drive().await.unwrap();
        let view = world.engine().view(&env("production")).await.unwrap();
        let why = view.promotions[&handle.id].state.facts.failure.clone();
        assert_eq!(outcome, Outcome::Ended(Phase::Succeeded), "{strategy:?}: {why:?}");
        assert_eq!(seen(&world).await, before, "{strategy:?}");
        let repaired = DriftEnd::Repaired { by: World::developer(), promotion: handle.id.clone() };
        assert_eq!(last_end(&world).await, repaired);
        world.clock.advance(Millis::secs(60));
        assert_eq!(tick(&world).await, Ticked::default(), "{strategy:?}");
        let (first, _) = releases();
        assert_eq!(view.current().unwrap().state.facts.request.release, first);
    }
}

#[tokio::test]
async fn nothing_is_repaired_where_nothing_drifted() {
    let world = World::new(1, Manners::default());
    put(&world).await;
    let handle = world.engine().request(repair(&world).await).await.unwrap();
    assert_eq!(handle.drive().await.unwrap(), Outcome::Ended(Phase::Blocked));
    let why = failure(&world, &handle.id).await;
    assert!(why.contains("there is no drift in `production`"), "{why}");
}

/// P1: a repair is no way in for another release, nor for the recorded one in another shape.
#[tokio::test]
async fn p1_a_repair_brings_what_is_recorded_and_nothing_else() {
    let world = World::new(1, Manners::default());
    put(&world).await;
    mess(&world).await;
    tick(&world).await;
    let other: Release = World::release("6.6.6", 6, 16);
    let mut shaped = repair(&world).await;
    for group in shaped.components[0].groups.values_mut() {
        group.config["env"]["APP_ENV"] = "mine".into();
    }
    for ask in [world.ask("production", Kind::Repair, &other), shaped] {
        let before = shape(&world).await;
        let handle = world.engine().request(ask).await.unwrap();
        assert_eq!(handle.drive().await.unwrap(), Outcome::Ended(Phase::Blocked));
        let why = failure(&world, &handle.id).await;
        assert!(why.contains("is not what"), "{why}");
        assert_eq!(shape(&world).await, before);
    }
}

/// What was taken over is what is recorded from then on; whoever asked for it accepted it.
#[tokio::test]
async fn what_runs_is_accepted_by_taking_it_over() {
    let world = World::new(1, Manners::default());
    put(&world).await;
    let (first, _) = releases();
    let ask = || world.ask_by(&World::lead(), "production", Kind::Adopt, &first);
    let handle = world.engine().request(ask()).await.unwrap();
    assert_eq!(handle.drive().await.unwrap(), Outcome::Ended(Phase::Blocked), "no drift, no adoption");

    let unit = units(&world).await[0].clone();
    somebody(&world, &unit, |spec| spec.config["guest"] = serde_json::json!({"memory_mb": 512})).await;
    plant(&world, "api", 1, |unit| unit.cordoned = true);
    world.clock.advance(Millis::secs(10));
    tick(&world).await;
    assert_eq!(open(&world).await.expect("it is recorded").differences.len(), 3);
    let handle = world.engine().request(ask()).await.unwrap();
    assert_eq!(handle.drive().await.unwrap(), Outcome::Ended(Phase::Succeeded));
    let accepted = DriftEnd::Accepted { by: World::lead(), promotion: handle.id.clone() };
    assert_eq!((open(&world).await, last_end(&world).await), (None, accepted));
    world.clock.advance(Millis::secs(60));
    assert_eq!(tick(&world).await, Ticked::default(), "it is what is recorded");

    // And what is recorded comes back from there on.
    let before = seen(&world).await;
    let unit = units(&world).await[0].clone();
    somebody(&world, &unit, |spec| spec.config["guest"] = serde_json::json!({"memory_mb": 1024})).await;
    tick(&world).await;
    let handle = world.engine().request(repair(&world).await).await.unwrap();
    assert!(matches!(handle.drive().await.unwrap(), Outcome::Waiting { .. }));
    let claim = world.claim(&handle, &World::lead(), Decision::Approve).await;
    world.engine().decide(&handle.environment, claim).await.unwrap();
    assert_eq!(handle.drive().await.unwrap(), Outcome::Ended(Phase::Succeeded));
    assert_eq!(seen(&world).await, before);
    world.clock.advance(Millis::secs(60));
    assert_eq!(tick(&world).await, Ticked::default());
}

/// Who promotes over drift hears of it first, and ends it.
#[tokio::test]
async fn a_promotion_over_drift_says_so_and_ends_it() {
    let world = World::new(1, Manners::default());
    let (first, second) = releases();
    world.rehearsed(&first, &second).await;
    world.clock.advance(Millis::secs(60));
    let unit = units(&world).await[0].clone();
    somebody(&world, &unit, |spec| spec.config["guest"] = serde_json::json!({"memory_mb": 512})).await;
    tick(&world).await;
    let planned = world.engine().plan(world.ask("production", Kind::Promote, &second)).await.unwrap();
    let told = planned.plan.warnings.join("\n");
    assert!(told.contains("drift since") && told.contains("api: guest on"), "{told}");
    let handle = world.approved(&second).await;
    assert_eq!(handle.drive().await.unwrap(), Outcome::Ended(Phase::Succeeded));
    assert_eq!(last_end(&world).await, DriftEnd::Replaced { promotion: handle.id.clone() });
    world.clock.advance(Millis::secs(60));
    assert_eq!(tick(&world).await, Ticked::default());
}

/// P1: what is taken over brings no rules of its own, for nobody approved any.
#[tokio::test]
async fn p1_taking_over_what_drifted_brings_no_rules() {
    let world = World::new(1, Manners::default());
    put(&world).await;
    let unit = units(&world).await[0].clone();
    somebody(&world, &unit, |spec| spec.config["guest"] = serde_json::json!({"memory_mb": 512})).await;
    tick(&world).await;
    let (first, second) = releases();
    let mut ask = world.ask_by(&World::lead(), "production", Kind::Adopt, &first);
    (ask.policy.approvals, ask.policy.evidence) = (None, None);
    let handle = world.engine().request(ask).await.unwrap();
    assert_eq!(handle.drive().await.unwrap(), Outcome::Ended(Phase::Succeeded));
    let view = world.engine().view(&env("production")).await.unwrap();
    assert_eq!(view.rules(), Some(&world.policy));

    // Nor for what comes next, whatever that brings.
    let mut ask = world.ask("production", Kind::Promote, &second);
    (ask.policy.approvals, ask.policy.evidence) = (None, None);
    let handle = world.engine().request(ask).await.unwrap();
    assert_eq!(handle.drive().await.unwrap(), Outcome::Ended(Phase::Blocked));
    let why = failure(&world, &handle.id).await;
    assert!(why.contains("gate attestation"), "{why}");
}

/// A provider whose machines keep their size, whatever the group's is.
#[derive(Debug)]
struct KeepsSizes(Provider);

#[async_trait]
impl Deployer for KeepsSizes {
    async fn observe_fleet(&self, place: &Place) -> Result<Fleet, PortError> {
        self.0.observe_fleet(place).await
    }

    fn kept(&self, _: &Place, present: &Value, wanted: &Value) -> Value {
        let mut kept = wanted.clone();
        if let Some(guest) = present.get("guest") {
            kept["guest"] = guest.clone();
        }
        kept
    }

    async fn perform(&self, place: &Place, call: &UnitCall, key: &Key) -> Result<Performed, PortError> {
        self.0.perform(place, call, key).await
    }
}

/// What a machine has of its own, and a second fleet took over, a repair keeps.
#[tokio::test]
async fn a_repair_keeps_what_machines_have_of_their_own() {
    for strategy in [Strategy::BlueGreen, Strategy::Rolling] {
        let mut world = World::new(1, Manners::default());
        world.strategy = strategy;
        let (first, second) = releases();
        world.put("production", Kind::Bootstrap, &first).await.unwrap();
        world.put("staging", Kind::Bootstrap, &second).await.unwrap();
        let unit = units(&world).await[1].clone();
        somebody(&world, &unit, |spec| spec.config["guest"] = json!({"memory_mb": 1024})).await;
        let mut ports = world.ports(&Switch::new(Moment::Never));
        ports.deployer = Arc::new(KeepsSizes(world.provider.clone()));
        let engine = Engine::new(world.options.clone(), ports);
        let drive = async |ask: Ask| {
            let handle = engine.request(ask).await.unwrap();
            assert!(matches!(handle.drive().await.unwrap(), Outcome::Waiting { .. }), "{strategy:?}");
            let claim = world.claim(&handle, &World::lead(), Decision::Approve).await;
            engine.decide(&handle.environment, claim).await.unwrap();
            assert_eq!(handle.drive().await.unwrap(), Outcome::Ended(Phase::Succeeded), "{strategy:?}");
            world.clock.advance(Millis::secs(60));
        };
        drive(world.ask("production", Kind::Promote, &second)).await;
        let before = seen(&world).await;
        let large = before.iter().filter(|(_, config, _)| config.contains("1024")).count();
        assert_eq!(large, 1, "{strategy:?}: {before:?}");
        assert_eq!(engine.tick().await.unwrap(), Ticked::default(), "{strategy:?}");

        for unit in units(&world).await {
            somebody(&world, &unit, |spec| spec.config["env"]["DEBUG"] = "1".into()).await;
        }
        engine.tick().await.unwrap();
        drive(repair(&world).await).await;
        assert_eq!(seen(&world).await, before, "{strategy:?}");
    }
}
