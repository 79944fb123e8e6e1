//! By whose rules a person goes back, and what becomes of a way back that fails.

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use promotion::engine::{Engine, Handle, Outcome};
use promotion::machine::Phase;
use promotion::model::{EnvironmentName, Kind, Millis, Place, Plan, Release, SuiteName};
use promotion::ports::{Checks, PortError, SuiteReport, Verdict};
use promotion::rollout::EdgeAnswer;
use promotion::testing::{Manners, Moment, Switch, World, env};

use super::failure;
use crate::story::{plant, releases};

/// `1.0.0` runs in production, `1.1.0` was tested on staging.
async fn rehearsed() -> (World, Release) {
    let world = World::new(1, Manners::default());
    let (first, second) = releases();
    world.rehearsed(&first, &second).await;
    (world, second)
}

async fn plan(world: &World, handle: &Handle) -> Plan {
    let view = world.bystander().view(&handle.environment).await.unwrap();
    view.promotions[&handle.id].state.facts.plan.clone().expect("there is a plan")
}

/// Fails the suite `own` whatever runs; what it ran is kept.
#[derive(Debug)]
struct Picky(Arc<dyn Checks>);

#[async_trait]
impl Checks for Picky {
    async fn run(
        &self,
        environment: &EnvironmentName,
        release: &Release,
        suite: &SuiteName,
    ) -> Result<SuiteReport, PortError> {
        let mut report = self.0.run(environment, release, suite).await?;
        if suite.as_str() == "own" {
            report.verdict = Verdict::Failed;
        }
        Ok(report)
    }

    fn edges(&self, place: &Place) -> BTreeSet<String> {
        self.0.edges(place)
    }

    async fn ask_edges(&self, place: &Place) -> Vec<EdgeAnswer> {
        self.0.ask_edges(place).await
    }
}

/// A rollback goes by the rules of the release it goes back to: those under which that release was put there.
#[tokio::test]
async fn a_release_cannot_stop_its_own_removal_by_the_rules_it_brought() {
    let (mut world, second) = rehearsed().await;
    let rules = world.policy.clone();
    world.policy.verify.insert(SuiteName::new("own").unwrap());
    world.policy.soak = Millis(rules.soak.0 + 7);
    let promoted = world.approved(&second).await;
    assert_eq!(promoted.drive().await.unwrap(), Outcome::Ended(Phase::Succeeded));

    let mut ports = world.ports(&Switch::new(Moment::Never));
    ports.checks = Arc::new(Picky(ports.checks.clone()));
    let engine = Engine::new(world.options.clone(), ports);
    let (first, _) = releases();
    let mut ask = world.ask("production", Kind::Rollback { of: promoted.id }, &first);
    ask.policy = rules.clone();
    let handle = engine.request(ask).await.unwrap();
    assert_eq!(handle.drive().await.unwrap(), Outcome::Ended(Phase::Succeeded));
    let plan = plan(&world, &handle).await;
    assert_eq!(plan.target.policy, rules);
    assert_eq!(plan.target.policy_change, None);
    assert_eq!(world.fleet("production", "api").await.digests(), [World::digest(1)].into());
}

/// The units are back as they were and the suite fails: nobody is sent forward into the release they ran away from.
#[tokio::test]
async fn a_rollback_whose_suite_fails_stays_on_the_earlier_release_and_wakes_somebody() {
    let (world, second) = rehearsed().await;
    let promoted = world.approved(&second).await;
    promoted.drive().await.unwrap();
    world.suites.tell(&env("production"), "1.0.0", Verdict::Failed);
    let (first, _) = releases();
    let back = Kind::Rollback { of: promoted.id.clone() };
    let (handle, outcome) = world.put("production", back.clone(), &first).await.unwrap();
    assert_eq!(outcome, Outcome::Ended(Phase::RollbackFailed));
    for (component, byte) in [("api", 1), ("web", 11)] {
        assert_eq!(world.fleet("production", component).await.digests(), [World::digest(byte)].into());
    }
    let why = failure(&world, &handle.id).await;
    assert!(why.contains("suite `smoke` failed") && why.contains("stays on 1.0.0"), "{why}");
    let urgent: Vec<_> = world.desk.notices().into_iter().filter(|notice| notice.urgent).collect();
    assert_eq!(urgent.len(), 1, "{urgent:?}");

    // What runs is what the journal says runs, and there is nothing left to undo.
    let view = world.bystander().view(&env("production")).await.unwrap();
    assert_eq!(view.current().unwrap().state.facts.request.release.version, "1.0.0");
    assert_eq!(world.put("production", back, &first).await.unwrap().1, Outcome::Ended(Phase::Blocked));
}

/// Which build an adopted release is nobody proved, so no suite can say that it is that one.
#[tokio::test]
async fn a_rollback_to_what_was_adopted_asks_no_suite() {
    let world = World::new(1, Manners::default());
    let (first, second) = releases();
    for (component, byte) in [("api", 1), ("web", 11)] {
        plant(&world, component, byte, |_| ());
    }
    world.put("production", Kind::Adopt, &first).await.unwrap();
    world.put("staging", Kind::Bootstrap, &second).await.unwrap();
    let promoted = world.approved(&second).await;
    assert_eq!(promoted.drive().await.unwrap(), Outcome::Ended(Phase::Succeeded));
    world.suites.tell(&env("production"), "1.0.0", Verdict::Failed);
    let (_, outcome) = world.put("production", Kind::Rollback { of: promoted.id }, &first).await.unwrap();
    assert_eq!(outcome, Outcome::Ended(Phase::Succeeded));
}

/// What another promotion of ours is changing is nobody's to take away: that promotion is named, and how it ends.
#[tokio::test]
async fn a_way_back_while_another_promotion_goes_names_that_one() {
    let (world, second) = rehearsed().await;
    let promoted = world.approved(&second).await;
    assert_eq!(promoted.drive().await.unwrap(), Outcome::Ended(Phase::Succeeded));
    let third = World::release("1.2.0", 3, 13);
    world.put("staging", Kind::Deploy, &third).await.unwrap();
    let next = world.approved(&third).await;
    let (first, _) = releases();
    let mut told = 0;
    for n in (10..100).step_by(10) {
        let world = world.fork().await;
        let runner = world.mortal(&Switch::new(Moment::After(n)));
        let _dead_or_done = runner.handle(next.environment.clone(), next.id.clone()).drive().await;
        if world.bystander().view(&next.environment).await.unwrap().active().is_none() {
            continue;
        }
        let ask = world.ask("production", Kind::Rollback { of: promoted.id.clone() }, &first);
        let Err(refused) = world.engine().plan(ask).await else { continue };
        let why = refused.to_string();
        assert!(why.contains(next.id.as_str()) && why.contains("promote abort"), "after {n}: {why}");
        told += 1;
    }
    assert!(told > 0, "some of them had made machines");
}
