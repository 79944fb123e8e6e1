//! P12: healthy is state, version, digest and every check, newer than the update; silence is no proof.

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use promotion::engine::{Engine, EngineEvent, Outcome};
use promotion::machine::Phase;
use promotion::model::{
    At, CheckResult, EnvironmentName, Kind, Millis, Place, Proof, Release, Strategy, SuiteName, Unit,
    UnitState, UnitVersion,
};
use promotion::ports::{Checks, Deployer, Key, PortError, SuiteReport};
use promotion::rollout::{EdgeAnswer, Expected, Health, Running, UnitCall, health};
use promotion::testing::{Happens, Manners, Moment, Provider, Switch, World};

use crate::story::{plant, releases, shape};

const NOW: At = At(1_800_000_100_000);

async fn unit() -> Unit {
    let world = World::new(1, Manners::default());
    let id = plant(&world, "api", 1, |_| ());
    let mut unit = world.fleet("production", "api").await.unit(&id).unwrap().clone();
    unit.version = UnitVersion::new("v2").unwrap();
    unit.version_since = Some(At(NOW.0 - 10_000));
    unit.checks = vec![check("alive", true, Some(-1_000)), check("ready", true, Some(-1_000))];
    unit
}

fn check(name: &str, passing: bool, at: Option<i64>) -> CheckResult {
    let at = at.map(|ms| At(NOW.0 + ms));
    CheckResult { name: name.to_owned(), passing, at, output: "500 from /readyz".to_owned() }
}

fn checks(names: &[&str]) -> Proof {
    Proof::Checks(names.iter().map(|name| (*name).to_owned()).collect())
}

fn judge(unit: &Unit, proof: &Proof, acted: i64) -> Health {
    let (digest, version) = (World::digest(1), UnitVersion::new("v2").unwrap());
    let expected = Expected {
        digest: &digest,
        version: Some(&version),
        proof,
        acted: At(NOW.0 - acted),
        grace: Millis(5_000),
        running: Running::Proven,
    };
    health(unit, expected, NOW)
}

fn not_yet(health: &Health, says: &str) {
    assert!(matches!(health, Health::NotYet(why) if why.contains(says)), "{health:?} says {says:?}");
}

fn broken(health: &Health, says: &str) {
    assert!(matches!(health, Health::Broken(why) if why.contains(says)), "{health:?} says {says:?}");
}

#[tokio::test]
async fn p12_every_configured_check_must_pass_and_be_newer_than_the_version() {
    let good = unit().await;
    let both = checks(&["alive", "ready"]);
    assert_eq!(judge(&good, &both, 9_000), Health::Healthy);
    let with = |checks: Vec<CheckResult>| Unit { checks, ..good.clone() };
    let alive = || check("alive", true, Some(-1_000));
    not_yet(&judge(&with(vec![alive()]), &both, 9_000), "check ready has not reported");
    not_yet(&judge(&with(Vec::new()), &both, 9_000), "has not reported");
    let old = with(vec![alive(), check("ready", true, Some(-10_001))]);
    not_yet(&judge(&old, &both, 9_000), "check ready has not reported yet");
    let never = with(vec![alive(), check("ready", true, None)]);
    not_yet(&judge(&never, &both, 9_000), "check ready has not reported yet");
    let failing = with(vec![alive(), check("ready", false, Some(-1_000))]);
    not_yet(&judge(&failing, &both, 9_000), "check ready says: 500 from /readyz");
    broken(&judge(&good, &checks(&[]), 9_000), "neither checks nor another proof");
}

#[tokio::test]
async fn p12_state_version_and_digest_come_before_checks() {
    let good = unit().await;
    let proof = checks(&["alive"]);
    let with = |change: &dyn Fn(&mut Unit)| {
        let mut unit = good.clone();
        change(&mut unit);
        unit
    };
    for (state, is_broken) in [
        (UnitState::Starting, false),
        (UnitState::Stopping, false),
        (UnitState::Unknown, false),
        (UnitState::Failed, true),
        (UnitState::Destroyed, true),
    ] {
        let health = judge(&with(&|unit| unit.state = state), &proof, 9_000);
        assert_eq!(matches!(health, Health::Broken(_)), is_broken, "{state:?}: {health:?}");
        assert_ne!(health, Health::Healthy, "{state:?}");
    }
    // Right after the update it may still show what it was; later that is what it is.
    let stopped = with(&|unit| unit.state = UnitState::Stopped);
    not_yet(&judge(&stopped, &proof, 1_000), "is stopped");
    broken(&judge(&stopped, &proof, 9_000), "is stopped");
    let other = with(&|unit| unit.digest = Some(World::digest(9)));
    not_yet(&judge(&other, &proof, 1_000), "instead of");
    broken(&judge(&other, &proof, 9_000), "instead of");
    let moved = with(&|unit| unit.version = UnitVersion::new("v3").unwrap());
    broken(&judge(&moved, &proof, 9_000), "went to version v3");
}

#[tokio::test]
async fn p12_started_for_means_for_that_long() {
    let good = unit().await;
    assert_eq!(judge(&good, &Proof::StartedFor(Millis(10_000)), 9_000), Health::Healthy);
    not_yet(&judge(&good, &Proof::StartedFor(Millis(10_001)), 9_000), "must run for");
    let unknown = Unit { version_since: None, ..good };
    not_yet(&judge(&unknown, &Proof::StartedFor(Millis(1)), 9_000), "must run for");
}

/// The provider answers an update well, cannot pull the image, and goes back to the old one without a word.
#[tokio::test]
async fn p12_an_image_that_cannot_be_pulled_is_noticed() {
    let mut world = World::new(1, Manners::default());
    world.strategy = Strategy::Rolling;
    let (first, second) = releases();
    world.rehearsed(&first, &second).await;
    let before = shape(&world).await;
    world.provider.change(|manners| manners.unpullable.push(World::digest(2)));
    let handle = world.approved(&second).await;
    assert_eq!(handle.drive().await.unwrap(), Outcome::Ended(Phase::RolledBack));
    let view = world.bystander().view(&handle.environment).await.unwrap();
    let why = view.promotions[&handle.id].state.facts.failure.clone().unwrap().why;
    assert!(why.contains("instead of"), "{why}");
    assert_eq!(shape(&world).await, before);
}

/// Checks that pass on the old version prove nothing about the new one.
#[tokio::test]
async fn p12_a_sick_release_never_takes_traffic() {
    for strategy in [Strategy::BlueGreen, Strategy::Rolling] {
        let mut world = World::new(1, Manners::default());
        world.strategy = strategy;
        let (first, second) = releases();
        world.rehearsed(&first, &second).await;
        world.provider.change(|manners| manners.sick.push(World::digest(2)));
        let since = world.provider.calls().len();
        let outcome = world.approved(&second).await.drive().await.unwrap();
        assert_eq!(outcome, Outcome::Ended(Phase::RolledBack), "{strategy:?}");
        let fleet = world.fleet("production", "api").await;
        let opened: Vec<UnitCall> = world
            .provider
            .calls()
            .into_iter()
            .skip(since)
            .map(|(_, call)| call)
            .filter(|call| matches!(call, UnitCall::Uncordon { unit } if fleet.unit(unit).is_none()))
            .collect();
        assert_eq!(opened, [], "{strategy:?}");
        assert_eq!(fleet.digests(), [World::digest(1)].into(), "{strategy:?}");
    }
}

/// "Stopped machines: one per group and region is started, proven and put back, the rest counted."
#[tokio::test]
async fn p12_of_the_stopped_machines_one_per_group_and_region_is_started_proven_and_put_back() {
    for strategy in [Strategy::BlueGreen, Strategy::Rolling, Strategy::Immediate] {
        for is_sick in [false, true] {
            let mut world = World::new(1, Manners::default());
            world.strategy = strategy;
            let (first, second) = releases();
            world.rehearsed(&first, &second).await;
            let place = World::place("production", "api");
            for unit in world.fleet("production", "api").await.units {
                let key = Key { id: "a person".to_owned(), nonce: None };
                let stop = UnitCall::Stop { unit: unit.id };
                world.provider.perform(&place, &stop, &key).await.unwrap();
            }
            if is_sick {
                world.provider.change(|manners| manners.sick.push(World::digest(2)));
            }
            let handle = world.approved(&second).await;
            let mut events = handle.events();
            let outcome = handle.drive().await.unwrap();
            let mut notes = Vec::new();
            while let Some(event) = events.try_next() {
                if let EngineEvent::Note { text, .. } = event {
                    notes.push(text);
                }
            }
            let counted =
                notes.iter().any(|text| text == "api: 1 stopped unit unproven, same digest and config");
            assert_eq!(counted, !is_sick, "{strategy:?}: {notes:?}");
            let view = world.bystander().view(&handle.environment).await.unwrap();
            let plan = view.promotions[&handle.id].state.facts.plan.clone().unwrap();
            let warned = "api: 1 stopped unit unproven, same digest and config";
            assert!(plan.warnings.iter().any(|text| text == warned), "{strategy:?}: {:?}", plan.warnings);
            let end = if is_sick { Phase::RolledBack } else { Phase::Succeeded };
            assert_eq!(outcome, Outcome::Ended(end), "{strategy:?}");
            let fleet = world.fleet("production", "api").await;
            let rest: Vec<_> = fleet.live().map(|unit| (unit.state, unit.cordoned)).collect();
            assert_eq!(rest, [(UnitState::Stopped, false); 2], "{strategy:?}");
            let runs = World::digest(if is_sick { 1 } else { 2 });
            assert_eq!(fleet.digests(), [runs].into(), "{strategy:?}");
        }
    }
}

#[tokio::test]
async fn p12_a_group_without_any_proof_is_refused_when_the_plan_is_made() {
    let world = World::new(1, Manners::default());
    let (first, _) = releases();
    let mut ask = world.ask("production", Kind::Bootstrap, &first);
    for group in ask.components[0].groups.values_mut() {
        group.proof = Proof::Checks(BTreeSet::new());
    }
    let handle = world.engine().request(ask).await.unwrap();
    assert_eq!(handle.drive().await.unwrap(), Outcome::Ended(Phase::Blocked));
    let view = world.bystander().view(&handle.environment).await.unwrap();
    let why = view.promotions[&handle.id].state.facts.failure.clone().unwrap().why;
    assert!(why.contains("has no checks") && why.contains("started-for"), "{why}");
    assert!(world.fleet("production", "api").await.units.is_empty());
}

/// Suites during which something happens to whatever runs in production.
#[derive(Debug)]
struct Meanwhile {
    checks: Arc<dyn Checks>,
    provider: Provider,
    what: Happens,
}

#[async_trait]
impl Checks for Meanwhile {
    async fn run(
        &self,
        environment: &EnvironmentName,
        release: &Release,
        suite: &SuiteName,
    ) -> Result<SuiteReport, PortError> {
        let report = self.checks.run(environment, release, suite).await;
        let units = self.provider.observe_fleet(&World::place("production", "api")).await?.units;
        units.iter().for_each(|unit| self.provider.happens_to(&unit.id, self.what));
        report
    }

    fn edges(&self, place: &Place) -> BTreeSet<String> {
        self.checks.edges(place)
    }

    async fn ask_edges(&self, place: &Place) -> Vec<EdgeAnswer> {
        self.checks.ask_edges(place).await
    }
}

/// P12 without a soak: what the suites tested must still be healthy when they are through, and only then it is attested.
#[tokio::test]
async fn p12_what_falls_ill_while_its_suites_run_is_no_release() {
    for (what, ends) in [
        (Happens::Idle, Phase::Succeeded),
        (Happens::Ended, Phase::RolledBack),
        (Happens::Sickens, Phase::RolledBack),
    ] {
        let mut world = World::new(1, Manners::default());
        world.policy.soak = Millis::ZERO;
        let (first, second) = releases();
        world.rehearsed(&first, &second).await;
        let handle = world.approved(&second).await;
        let mut ports = world.ports(&Switch::new(Moment::Never));
        ports.checks =
            Arc::new(Meanwhile { checks: ports.checks.clone(), provider: world.provider.clone(), what });
        let engine = Engine::new(world.options.clone(), ports);
        let ended = engine.handle(handle.environment.clone(), handle.id.clone()).drive().await.unwrap();
        assert_eq!(ended, Outcome::Ended(ends), "{what:?}");
        let view = world.bystander().view(&handle.environment).await.unwrap();
        let state = &view.promotions[&handle.id].state;
        assert_eq!(state.facts.attestations.is_empty(), ends != Phase::Succeeded, "{what:?}");
    }
}
