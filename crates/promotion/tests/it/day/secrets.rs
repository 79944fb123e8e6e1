//! Secrets: names that must be set, values that only new machines have, and what a way back can give again.

use std::collections::BTreeSet;

use promotion::engine::{Handle, Outcome};
use promotion::machine::Phase;
use promotion::model::{ComponentTarget, Decision, Kind, Plan, RollbackVerdict, Strategy, Unit, UnitState};
use promotion::ports::Verdict;
use promotion::rollout::UnitCall;
use promotion::testing::{Manners, World, env};
use serde_json::json;

use super::failure;
use crate::story::releases;

fn names(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

/// Release 1.0.0 in production with the secrets `A` and `B`, and 1.1.0 tested, which needs them.
async fn played(strategy: Strategy) -> World {
    let mut world = World::new(1, Manners::default());
    world.strategy = strategy;
    for environment in ["staging", "production"] {
        for name in ["A", "B"] {
            world.provider.set_secret(&World::place(environment, "api"), name);
        }
    }
    world.required = names(&["A", "B"]);
    let (first, second) = releases();
    world.rehearsed(&first, &second).await;
    world
}

fn place() -> promotion::model::Place {
    World::place("production", "api")
}

async fn plan(world: &World, handle: &Handle) -> Plan {
    let view = world.bystander().view(&handle.environment).await.unwrap();
    view.promotions[&handle.id].state.facts.plan.clone().unwrap()
}

/// What serves, and the version of the secrets that each unit has.
async fn given(world: &World) -> BTreeSet<(String, Option<u64>)> {
    let fleet = world.fleet("production", "api").await;
    let serves = |unit: &&Unit| unit.state == UnitState::Started && !unit.cordoned;
    let digest = |unit: &Unit| unit.digest.as_ref().unwrap().short().to_owned();
    let serving = fleet.units.iter().filter(serves);
    serving.map(|unit| (digest(unit), world.provider.secrets_of(&place(), &unit.id))).collect()
}

fn short(byte: u8) -> String {
    World::digest(byte).short().to_owned()
}

#[tokio::test]
async fn a_secret_that_is_required_and_not_set_blocks_before_anybody_is_asked() {
    let mut world = played(Strategy::BlueGreen).await;
    world.required = names(&["A", "B", "C", "D"]);
    let (_, second) = releases();
    let calls = world.provider.calls().len();
    let (handle, outcome) = world.put("production", Kind::Promote, &second).await.unwrap();
    assert_eq!(outcome, Outcome::Ended(Phase::Blocked));
    assert_eq!(
        failure(&world, &handle.id).await,
        "gate secrets: `C`, `D` of `api-production` are not set; set them with `set C D at api-production`"
    );
    assert_eq!(world.provider.calls().len(), calls, "nothing was changed");
    let planned = world.bystander().plan(world.ask("production", Kind::Promote, &second)).await.unwrap();
    assert!(planned.gates.unwrap_err().contains("`C`, `D`"), "whoever only looks hears it, too");

    world.provider.set_secret(&place(), "C");
    world.provider.set_secret(&place(), "D");
    let (_, outcome) = world.put("production", Kind::Promote, &second).await.unwrap();
    assert!(matches!(outcome, Outcome::Waiting { .. }), "{outcome:?}");
}

#[tokio::test]
async fn a_required_secret_that_goes_after_the_approval_blocks_before_the_first_change() {
    let world = played(Strategy::BlueGreen).await;
    let handle = world.approved(&releases().1).await;
    let before = given(&world).await;
    world.provider.unset_secret(&place(), "B");
    assert_eq!(handle.drive().await.unwrap(), Outcome::Ended(Phase::Blocked));
    let why = failure(&world, &handle.id).await;
    assert!(why.starts_with("gate secrets: `B` of `api-production` is not set; set it with"), "{why}");
    assert_eq!(given(&world).await, before);
}

/// The approval was over a plan with other secrets, so it is none for these (design: plan).
#[tokio::test]
async fn a_secret_that_changes_after_the_approval_voids_it() {
    for removed in [false, true] {
        let mut world = played(Strategy::BlueGreen).await;
        world.required = names(&["A"]);
        let handle = world.approved(&releases().1).await;
        let approved = plan(&world, &handle).await;
        if removed {
            world.provider.unset_secret(&place(), "B");
        } else {
            world.provider.set_secret(&place(), "A");
        }
        let outcome = handle.drive().await.unwrap();
        assert!(matches!(outcome, Outcome::Waiting { .. }), "{outcome:?}");
        let fresh = plan(&world, &handle).await;
        assert_ne!(fresh.hash, approved.hash);
        let view = world.bystander().view(&handle.environment).await.unwrap();
        assert!(view.promotions[&handle.id].state.facts.approvals.is_empty());
        let claim = world.claim(&handle, &World::lead(), Decision::Approve).await;
        world.bystander().decide(&handle.environment, claim).await.unwrap();
        assert_eq!(handle.drive().await.unwrap(), Outcome::Ended(Phase::Succeeded));
    }
}

/// fly.md 8.15: "set min_secrets_version, else a rollback or promotion silently loses settings or runs with old secrets".
#[tokio::test]
async fn every_machine_that_is_made_or_changed_gets_the_secrets_of_the_plan() {
    for strategy in [Strategy::BlueGreen, Strategy::Rolling] {
        let world = played(strategy).await;
        let since = world.provider.calls().len();
        let handle = world.approved(&releases().1).await;
        let wanted = plan(&world, &handle).await.component(&place().component).unwrap().secrets.version;
        assert_eq!(wanted, Some(2), "two were set");
        assert_eq!(handle.drive().await.unwrap(), Outcome::Ended(Phase::Succeeded));
        let calls = world.provider.calls().split_off(since);
        let asked: Vec<Option<u64>> = calls
            .iter()
            .filter(|(at, _)| *at == place())
            .filter_map(|(_, call)| match call {
                UnitCall::Create { spec, .. } | UnitCall::Update { spec, .. } => Some(spec.secrets_version),
                _ => None,
            })
            .collect();
        assert_eq!(asked, [wanted, wanted], "{strategy:?}");
    }
}

/// A parked fleet keeps what it was made with: the way back is exact (P5).
#[tokio::test]
async fn p5_a_parked_fleet_keeps_the_values_of_before() {
    let world = played(Strategy::BlueGreen).await;
    world.provider.set_secret(&place(), "A");
    let (first, second) = releases();
    let handle = world.approved(&second).await;
    let planned = plan(&world, &handle).await;
    assert_eq!(planned.target.rollback, RollbackVerdict::Allowed);
    let told = planned.warnings.iter().find(|line| line.contains("`A`")).unwrap();
    assert_eq!(
        told,
        "`A` of `api-production` was set after its machines were made: what runs now has the values of before, and \
         only the new machines get the new ones"
    );
    assert_eq!(handle.drive().await.unwrap(), Outcome::Ended(Phase::Succeeded));
    assert_eq!(given(&world).await, [(short(2), Some(3))].into());
    let (back, outcome) =
        world.put("production", Kind::Rollback { of: handle.id.clone() }, &first).await.unwrap();
    assert_eq!(outcome, Outcome::Ended(Phase::Succeeded));
    assert_eq!(given(&world).await, [(short(1), Some(2))].into());
    let planned = plan(&world, &back).await;
    assert!(!planned.warnings.iter().any(|line| line.contains("secrets")), "{:?}", planned.warnings);
}

/// In place nobody can give old values back, so the plan that people approve says so first (P5).
#[tokio::test]
async fn p5_a_rollback_in_place_cannot_give_old_values_back_and_the_plan_says_so_first() {
    let world = played(Strategy::Rolling).await;
    let (first, second) = releases();
    let handle = world.approved(&second).await;
    assert_eq!(plan(&world, &handle).await.target.rollback, RollbackVerdict::Allowed, "nothing is staged");
    world.abort(&handle, "wait for the secret").await.unwrap();

    world.provider.set_secret(&place(), "A");
    world.suites.tell(&env("production"), "1.1.0", Verdict::Failed);
    let handle = world.approved(&second).await;
    let RollbackVerdict::Caveat(said) = plan(&world, &handle).await.target.rollback else {
        panic!("allowed")
    };
    assert!(said.contains("`A` of `api-production`") && said.contains("cannot be given back"), "{said}");
    assert_eq!(handle.drive().await.unwrap(), Outcome::Ended(Phase::RolledBack));
    assert_eq!(given(&world).await, [(short(1), Some(3))].into(), "as it was said");

    // The same by a person, when the secret was set after the promotion.
    world.suites.tell(&env("production"), "1.1.0", Verdict::Passed);
    let handle = world.approved(&second).await;
    assert_eq!(handle.drive().await.unwrap(), Outcome::Ended(Phase::Succeeded));
    world.provider.set_secret(&place(), "B");
    let (back, outcome) =
        world.put("production", Kind::Rollback { of: handle.id.clone() }, &first).await.unwrap();
    assert_eq!(outcome, Outcome::Ended(Phase::Succeeded));
    let planned = plan(&world, &back).await;
    assert!(
        planned.warnings.iter().any(|line| line.contains("the secrets of `api-production` changed since"))
    );
}

#[tokio::test]
async fn a_name_that_is_a_variable_and_a_secret_is_named() {
    let world = played(Strategy::BlueGreen).await;
    let mut ask = world.ask("production", Kind::Promote, &releases().1);
    for component in &mut ask.components {
        rename(component);
    }
    let planned = world.bystander().plan(ask).await.unwrap();
    let told: Vec<_> = planned.plan.warnings.iter().filter(|line| line.contains("both")).collect();
    assert_eq!(
        told,
        ["`A` of `api-production` is both a variable and a secret: a machine gets one of the two"]
    );
}

fn rename(component: &mut ComponentTarget) {
    for group in component.groups.values_mut() {
        group.config = json!({"env": {"APP_ENV": "production", "A": "in plain sight"}}).into();
    }
}
