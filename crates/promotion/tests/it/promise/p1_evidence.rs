//! P1: evidence dies by a later run that did not pass, by another configuration where it was made, and by age.

use std::collections::BTreeMap;
use std::sync::Arc;

use promotion::engine::{Ask, Outcome};
use promotion::machine::Phase;
use promotion::model::{Hash, Kind, Millis, canonical};
use promotion::ports::Verdict;
use promotion::testing::{Manners, Moment, OwnClock, Switch, World, env};

use crate::story::releases;

async fn rehearsed() -> World {
    let world = World::new(1, Manners::default());
    let (first, second) = releases();
    world.rehearsed(&first, &second).await;
    world
}

/// Puts the second release on staging once more.
async fn again(world: &World) -> Phase {
    match world.put("staging", Kind::Deploy, &releases().1).await.unwrap().1 {
        Outcome::Ended(phase) => phase,
        other => panic!("{other:?}"),
    }
}

/// Why the gate of evidence is closed; nothing where people are asked.
async fn closed(world: &World) -> Option<String> {
    let handle = world.engine().request(world.ask("production", Kind::Promote, &releases().1)).await.unwrap();
    match handle.drive().await.unwrap() {
        Outcome::Waiting { .. } => None,
        Outcome::Ended(Phase::Blocked) => {
            let view = world.bystander().view(&env("production")).await.unwrap();
            let why = view.promotions[&handle.id].state.facts.failure.clone().unwrap().why;
            assert!(why.starts_with("gate attestation: "), "{why}");
            Some(why)
        }
        other => panic!("{other:?}"),
    }
}

/// What Kargo does not do: verification that failed later takes back what passed before.
#[tokio::test]
async fn p1_a_later_run_that_fails_voids_what_passed_before() {
    for verdict in [Verdict::Failed, Verdict::NoTest] {
        let world = rehearsed().await;
        world.suites.tell(&env("staging"), "1.1.0", verdict);
        assert_eq!(again(&world).await, Phase::RolledBack);
        let why = closed(&world).await.unwrap();
        assert!(why.contains("`smoke` did not pass there again in p-"), "{why}");
        // What passes after that is evidence of its own.
        world.suites.tell(&env("staging"), "1.1.0", Verdict::Passed);
        assert_eq!(again(&world).await, Phase::Succeeded);
        assert_eq!(closed(&world).await, None);
    }
}

/// What is later is what the journal has later: runners' clocks differ, and the one whose suite failed may go behind.
#[tokio::test]
async fn p1_a_later_run_that_fails_by_a_slow_clock_voids_what_passed_before() {
    let world = rehearsed().await;
    world.suites.tell(&env("staging"), "1.1.0", Verdict::Failed);
    let slow = Arc::new(OwnClock::new(world.clock.clone(), -120_000));
    let asked = world.engine().request(world.ask("staging", Kind::Deploy, &releases().1)).await.unwrap();
    let handle = world.engine_by(slow, &Switch::new(Moment::Never)).handle(asked.environment, asked.id);
    assert_eq!(handle.drive().await.unwrap(), Outcome::Ended(Phase::RolledBack));
    let why = closed(&world).await.expect("the evidence has died");
    assert!(why.contains(&format!("`smoke` did not pass there again in {}", handle.id)), "{why}");
}

/// A run that failed before is none that takes back what passed later, whatever a fast clock wrote beside it.
#[tokio::test]
async fn p1_an_earlier_run_that_failed_by_a_fast_clock_voids_nothing() {
    let world = rehearsed().await;
    world.suites.tell(&env("staging"), "1.2.0", Verdict::Failed);
    let third = World::release("1.2.0", 3, 13);
    let fast = Arc::new(OwnClock::new(world.clock.clone(), 120_000));
    let asked = world.engine().request(world.ask("staging", Kind::Deploy, &third)).await.unwrap();
    let handle = world.engine_by(fast, &Switch::new(Moment::Never)).handle(asked.environment, asked.id);
    assert_eq!(handle.drive().await.unwrap(), Outcome::Ended(Phase::RolledBack));
    world.suites.tell(&env("staging"), "1.2.0", Verdict::Passed);
    let (_, outcome) = world.put("staging", Kind::Deploy, &third).await.unwrap();
    assert_eq!(outcome, Outcome::Ended(Phase::Succeeded));
    let asked = world.ask("production", Kind::Promote, &third);
    let handle = world.engine().request(asked).await.unwrap();
    let outcome = handle.drive().await.unwrap();
    assert!(matches!(outcome, Outcome::Waiting { .. }), "{outcome:?}");
}

#[tokio::test]
async fn p1_a_failed_run_of_another_release_voids_nothing() {
    let world = rehearsed().await;
    world.suites.tell(&env("staging"), "1.2.0", Verdict::Failed);
    let third = World::release("1.2.0", 3, 13);
    let (_, outcome) = world.put("staging", Kind::Deploy, &third).await.unwrap();
    assert_eq!(outcome, Outcome::Ended(Phase::RolledBack));
    assert_eq!(closed(&world).await, None);
}

/// The release runs on staging with another configuration since, and nobody tested it with that.
#[tokio::test]
async fn p1_another_configuration_where_it_was_tested_voids_the_evidence() {
    let world = rehearsed().await;
    let put = async |is_tested: bool, value: &str| {
        let mut ask = world.ask("staging", Kind::Deploy, &releases().1);
        if !is_tested {
            ask.policy.verify.clear();
        }
        for group in ask.components.iter_mut().flat_map(|component| component.groups.values_mut()) {
            group.config["env"]["MODE"] = value.into();
        }
        let handle = world.engine().request(ask).await.unwrap();
        assert_eq!(handle.drive().await.unwrap(), Outcome::Ended(Phase::Succeeded));
    };
    // A release is judged by the rules of the one before, so this one is tested still, and brings other rules.
    put(false, "other").await;
    assert_eq!(closed(&world).await, None);
    put(false, "third").await;
    let why = closed(&world).await.unwrap();
    assert!(why.contains("with another configuration than the one that was tested"), "{why}");
    // Back to what was tested.
    put(true, "other").await;
    assert_eq!(closed(&world).await, None);
    put(true, "fourth").await;
    assert_eq!(closed(&world).await, None, "tested with it");
}

#[tokio::test]
async fn p1_old_evidence_is_none() {
    let world = rehearsed().await;
    let max_age = world.policy.evidence.as_ref().unwrap().max_age;
    world.clock.advance(Millis(max_age.0 + 1));
    let why = closed(&world).await.unwrap();
    assert!(why.contains("has no valid attestation of suite `smoke`"), "{why}");
}

const SEED: &str = "supabase/seed.sql";

/// What is asked for on base data with this content.
fn base_data(content: &str) -> BTreeMap<String, Hash> {
    BTreeMap::from([(SEED.to_owned(), canonical::of_bytes(content.as_bytes()))])
}

/// The second release on staging, tested on base data `content`.
async fn tested_on(world: &World, content: Option<&str>) {
    let mut ask = world.ask("staging", Kind::Deploy, &releases().1);
    ask.base_data = content.map(base_data).unwrap_or_default();
    let handle = world.engine().request(ask).await.unwrap();
    assert_eq!(handle.drive().await.unwrap(), Outcome::Ended(Phase::Succeeded));
}

/// Why the gate of evidence is closed to a promotion that brings base data `content`.
async fn closed_on(world: &World, content: Option<&str>) -> Option<String> {
    let mut ask = world.ask("production", Kind::Promote, &releases().1);
    ask.base_data = content.map(base_data).unwrap_or_default();
    let planned = world.engine().plan(ask).await.unwrap();
    planned.gates.err()
}

/// A world whose policy says what tests run on, with the second release tested on `content`.
async fn based(content: Option<&str>) -> World {
    let mut world = World::new(1, Manners::default());
    world.policy.evidence.as_mut().unwrap().base_data.insert(SEED.to_owned());
    let (first, _) = releases();
    world.put("production", Kind::Bootstrap, &first).await.unwrap();
    world.put("staging", Kind::Bootstrap, &first).await.unwrap();
    tested_on(&world, content).await;
    world
}

/// docs/guides/audit.md, "When evidence dies": evidence is bound to what it was made on. Both contents are named.
#[tokio::test]
async fn p1_evidence_dies_by_other_base_data() {
    let world = based(Some("insert 1")).await;
    assert_eq!(closed_on(&world, Some("insert 1")).await, None);
    let why = closed_on(&world, Some("insert 2")).await.unwrap();
    let short = |content: &str| base_data(content)[SEED].short().to_owned();
    assert!(why.starts_with("attestation: "), "{why}");
    for part in [SEED, &short("insert 1"), &short("insert 2")] {
        assert!(why.contains(part), "`{part}` is missing in {why}");
    }
    // Whoever leaves it out is not let in by that.
    let why = closed_on(&world, None).await.unwrap();
    assert!(why.contains("is not named where this was asked for"), "{why}");
    assert!(
        why.contains("name it under `base-data` until this release is there"),
        "it says what helps: {why}"
    );
    // Tested on it, it counts again.
    tested_on(&world, Some("insert 2")).await;
    assert_eq!(closed_on(&world, Some("insert 2")).await, None);
}

/// `base-data` is of one way from one environment to another: files that another way names are none of its evidence.
#[tokio::test]
async fn p1_base_data_that_the_rule_does_not_name_voids_nothing() {
    let world = based(Some("insert 1")).await;
    let mut ask = world.ask("staging", Kind::Deploy, &releases().1);
    ask.policy.verify.clear();
    for content in ["insert 2", "insert 3"] {
        let mut ask = Ask { base_data: base_data("insert 1"), ..ask.clone() };
        ask.base_data.insert("other.sql".to_owned(), canonical::of_bytes(content.as_bytes()));
        ask.signed = world.word(&World::developer(), &ask.wish());
        let handle = world.engine().request(ask).await.unwrap();
        assert_eq!(handle.drive().await.unwrap(), Outcome::Ended(Phase::Succeeded));
    }
    assert_eq!(closed_on(&world, Some("insert 1")).await, None);
}

/// What was tested on nobody knows what is no evidence for a policy that asks for it.
#[tokio::test]
async fn p1_evidence_without_base_data_is_none_where_the_policy_names_some() {
    let world = based(None).await;
    let why = closed_on(&world, Some("insert 1")).await.unwrap();
    assert!(why.contains(&format!("`{SEED}` was not named then")), "{why}");
}

/// What staging has now: the same release was put there with other base data, and no suite said anything of that.
#[tokio::test]
async fn p1_other_base_data_where_it_was_tested_voids_the_evidence() {
    let world = based(Some("insert 1")).await;
    let mut ask = world.ask("staging", Kind::Deploy, &releases().1);
    ask.policy.verify.clear();
    // A release is judged by the rules of the one before: the second one is not tested.
    for content in ["insert 2", "insert 3"] {
        let mut ask = Ask { base_data: base_data(content), ..ask.clone() };
        ask.signed = world.word(&World::developer(), &ask.wish());
        let handle = world.engine().request(ask).await.unwrap();
        assert_eq!(handle.drive().await.unwrap(), Outcome::Ended(Phase::Succeeded));
    }
    let why = closed_on(&world, Some("insert 2")).await.unwrap();
    assert!(why.contains("with other base data than it was tested on: `supabase/seed.sql` was"), "{why}");
}

/// The approval binds to it: it is under the plan's hash, and a plan that names none is what it was before there were any.
#[tokio::test]
async fn p1_base_data_is_under_the_hash_of_the_plan() {
    let world = rehearsed().await;
    let hash = async |content: Option<&str>| {
        let mut ask = world.ask("production", Kind::Promote, &releases().1);
        ask.base_data = content.map(base_data).unwrap_or_default();
        world.engine().plan(ask).await.unwrap().plan
    };
    let (one, other, none) = (hash(Some("1")).await, hash(Some("2")).await, hash(None).await);
    assert_ne!(one.hash, other.hash);
    let text = canonical::text(&none.target);
    assert!(!text.contains("base_data"), "{text}");
}
