//! P1: production gets no release without evidence and people, and exceptions have names.

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use promotion::engine::{Engine, EngineError, Handle, Outcome};
use promotion::machine::Phase;
use promotion::model::{
    Attestation, Claim, Decision, EvidenceRule, Hash, Kind, Millis, Person, Release, Statement, SuiteName,
    Word, canonical,
};
use promotion::ports::{Approvals, Attestor, PortError};
use promotion::testing::{Manners, Moment, Signer, Switch, World, env};

use crate::story::{plant, releases, shape};

/// `1.0.0` runs in production, `1.1.0` was tested on staging.
async fn rehearsed() -> (World, Release) {
    let world = World::new(1, Manners::default());
    let (first, second) = releases();
    world.rehearsed(&first, &second).await;
    (world, second)
}

/// Asks for a promotion of `release`; it must be blocked by `gate`, and production stays as it is.
async fn is_blocked(world: &World, release: &Release, gate: &str) -> String {
    let before = shape(world).await;
    let (handle, outcome) = world.put("production", Kind::Promote, release).await.unwrap();
    assert_eq!(outcome, Outcome::Ended(Phase::Blocked));
    assert_eq!(shape(world).await, before);
    let why = why(world, &handle).await;
    assert!(why.contains(&format!("gate {gate}: ")), "{why}");
    why
}

async fn why(world: &World, handle: &Handle) -> String {
    let view = world.bystander().view(&handle.environment).await.unwrap();
    view.promotions[&handle.id].state.facts.failure.clone().expect("it says why").why
}

async fn asked(world: &World, release: &Release) -> Handle {
    let handle = world.engine().request(world.ask("production", Kind::Promote, release)).await.unwrap();
    assert!(matches!(handle.drive().await.unwrap(), Outcome::Waiting { .. }));
    handle
}

async fn approvals(world: &World, handle: &Handle) -> usize {
    let view = world.bystander().view(&handle.environment).await.unwrap();
    view.promotions[&handle.id].state.facts.approvals.len()
}

#[tokio::test]
async fn p1_a_release_that_was_never_tested_is_blocked() {
    let (world, _) = rehearsed().await;
    let why = is_blocked(&world, &World::release("1.2.0", 3, 13), "attestation").await;
    assert!(why.contains("no valid attestation of suite `smoke` from `staging`"), "{why}");
    assert!(why.contains("promote deploy --env staging"), "it says what helps: {why}");
}

#[tokio::test]
async fn p1_evidence_grows_old() {
    let (world, second) = rehearsed().await;
    world.clock.advance(Millis::secs(25 * 3600));
    is_blocked(&world, &second, "attestation").await;
}

#[tokio::test]
async fn p1_evidence_of_another_build_of_the_same_version_is_none() {
    let (world, second) = rehearsed().await;
    let mut other = World::release("1.1.0", 9, 12);
    other.commit.clone_from(&second.commit);
    is_blocked(&world, &other, "attestation").await;
}

#[tokio::test]
async fn p1_each_suite_must_have_passed() {
    let mut world = World::new(1, Manners::default());
    let suites = BTreeSet::from(["smoke", "load"].map(|name| SuiteName::new(name).unwrap()));
    world.policy.evidence = Some(EvidenceRule {
        from: env("staging"),
        suites,
        max_age: Millis::secs(24 * 3600),
        base_data: BTreeSet::new(),
    });
    let (first, second) = releases();
    world.rehearsed(&first, &second).await;
    let why = is_blocked(&world, &second, "attestation").await;
    assert!(why.contains("`load`"), "{why}");
}

/// Signs over another text than the statement.
#[derive(Debug)]
struct Forger;

#[async_trait]
impl Attestor for Forger {
    async fn sign(&self, statement: &Statement) -> Result<Attestation, PortError> {
        let by = Person::new("ssh:SHA256:runner").unwrap();
        let signature = Signer::proof(&by, "something else");
        Ok(Attestation { statement: statement.clone(), by, signature })
    }

    async fn verify(&self, _: &Attestation) -> Result<(), PortError> {
        Ok(())
    }
}

#[tokio::test]
async fn p1_a_forged_attestation_is_none() {
    let world = World::new(1, Manners::default());
    let (first, second) = releases();
    world.put("production", Kind::Bootstrap, &first).await.unwrap();
    let mut ports = world.ports(&Switch::new(Moment::Never));
    ports.attestor = Arc::new(Forger);
    let forger = Engine::new(world.options.clone(), ports);
    let handle = forger.request(world.ask("staging", Kind::Bootstrap, &second)).await.unwrap();
    assert_eq!(handle.drive().await.unwrap(), Outcome::Ended(Phase::Succeeded));
    let why = is_blocked(&world, &second, "attestation").await;
    assert!(why.contains("the signature is not over this text"), "{why}");
}

#[tokio::test]
async fn p1_evidence_that_grows_old_between_approval_and_lock_stops_it() {
    let mut world = World::new(1, Manners::default());
    world.policy.evidence.as_mut().unwrap().max_age = Millis::secs(3600);
    let (first, second) = releases();
    world.rehearsed(&first, &second).await;
    let handle = world.approved(&second).await;
    world.clock.advance(Millis::secs(3601));
    let before = shape(&world).await;
    assert_eq!(handle.drive().await.unwrap(), Outcome::Ended(Phase::Blocked));
    assert_eq!(shape(&world).await, before);
}

#[tokio::test]
async fn p1_production_demands_evidence_even_when_its_policy_forgets_to() {
    let mut world = World::new(1, Manners::default());
    world.policy.evidence = None;
    let (first, second) = releases();
    world.put("production", Kind::Bootstrap, &first).await.unwrap();
    is_blocked(&world, &second, "attestation").await;
}

#[tokio::test]
async fn p1_no_other_verb_brings_an_untested_release_into_production() {
    let (world, _) = rehearsed().await;
    let new = World::release("1.2.0", 3, 13);
    for kind in [Kind::Deploy, Kind::Bootstrap, Kind::Adopt] {
        let before = shape(&world).await;
        let (_, outcome) = world.put("production", kind.clone(), &new).await.unwrap();
        assert!(
            matches!(outcome, Outcome::Ended(phase) if phase != Phase::Succeeded),
            "{kind:?}: {outcome:?}"
        );
        assert_eq!(shape(&world).await, before, "{kind:?}");
    }
}

#[tokio::test]
async fn p1_a_word_counts_only_over_this_plan_and_by_somebody_who_may() {
    let (world, second) = rehearsed().await;
    let handle = asked(&world, &second).await;
    let engine = world.engine();
    let good = world.claim(&handle, &World::lead(), Decision::Approve).await;
    let sign = |person: &Person, plan: &Hash| Claim {
        plan: plan.clone(),
        proof: Signer::proof(person, &Claim::statement(&handle.id, plan, Decision::Approve)),
        ..good.clone()
    };
    let stranger = Person::new("ssh:SHA256:stranger").unwrap();
    let other = canonical::hash("another plan", "");
    for (claim, expected) in [
        (sign(&World::lead(), &other), "it is for plan"),
        (sign(&World::developer(), &good.plan), "a requester's own word does not count"),
        (sign(&stranger, &good.plan), "is not among those who may approve"),
    ] {
        let error = engine.decide(&handle.environment, claim).await.unwrap_err();
        assert!(matches!(error, EngineError::Rejected(_)), "{error:?}");
        assert!(error.to_string().contains(expected), "{error}");
    }
    let unsigned = Claim { proof: "ssh:SHA256:lead:nothing".to_owned(), ..good.clone() };
    let error = engine.decide(&handle.environment, unsigned).await.unwrap_err();
    assert!(matches!(error, EngineError::Proof(_)), "{error:?}");
    assert_eq!(approvals(&world, &handle).await, 0);
    assert!(matches!(handle.drive().await.unwrap(), Outcome::Waiting { .. }));
    engine.decide(&handle.environment, good).await.unwrap();
    assert_eq!(handle.drive().await.unwrap(), Outcome::Ended(Phase::Succeeded));
}

#[tokio::test]
async fn p1_the_same_person_is_one_person() {
    let mut world = World::new(1, Manners::default());
    let second_lead = Person::new("ssh:SHA256:second-lead").unwrap();
    let rule = world.policy.approvals.as_mut().unwrap();
    rule.count = 2;
    rule.from.insert(second_lead.clone());
    let (first, second) = releases();
    world.rehearsed(&first, &second).await;
    let handle = asked(&world, &second).await;
    let engine = world.engine();
    let claim = world.claim(&handle, &World::lead(), Decision::Approve).await;
    engine.decide(&handle.environment, claim.clone()).await.unwrap();
    let again = engine.decide(&handle.environment, claim).await.unwrap_err();
    assert!(again.to_string().contains("has approved this plan already"), "{again}");
    assert!(matches!(handle.drive().await.unwrap(), Outcome::Waiting { .. }));
    let other = world.claim(&handle, &second_lead, Decision::Approve).await;
    engine.decide(&handle.environment, other).await.unwrap();
    assert_eq!(handle.drive().await.unwrap(), Outcome::Ended(Phase::Succeeded));
}

/// Also by somebody who had said yes, and also when nobody is asked any more.
#[tokio::test]
async fn p1_a_no_ends_it() {
    let (world, second) = rehearsed().await;
    let before = shape(&world).await;
    for handle in [asked(&world, &second).await, world.approved(&second).await] {
        let claim = world.claim(&handle, &World::lead(), Decision::Reject).await;
        world.engine().decide(&handle.environment, claim).await.unwrap();
        assert_eq!(handle.drive().await.unwrap(), Outcome::Ended(Phase::Rejected));
        assert_eq!(shape(&world).await, before);
    }
}

/// Design 4: who approved may take it back until the first change, also after enough people had agreed and while
/// another one's yes stands: a no wins.
#[tokio::test]
async fn p1_an_approval_is_taken_back_until_the_first_change_and_a_no_wins() {
    let mut world = World::new(1, Manners::default());
    let third = Person::new("ssh:SHA256:third").unwrap();
    let rule = world.policy.approvals.as_mut().unwrap();
    (rule.count, rule.from) = (2, BTreeSet::from([World::lead(), World::developer(), third.clone()]));
    let (first, second) = releases();
    world.rehearsed(&first, &second).await;
    let before = shape(&world).await;
    for (n, who) in [World::lead(), third.clone()].into_iter().enumerate() {
        let handle = asked(&world, &second).await;
        let production = &handle.environment;
        for person in [World::lead(), third.clone()] {
            let yes = world.claim(&handle, &person, Decision::Approve).await;
            world.bystander().decide(production, yes).await.unwrap();
        }
        if n == 1 {
            // It holds the environment already, and has changed nothing yet.
            let engine = world.mortal(&Switch::new(Moment::Before(2)));
            let _the_dead_answer_nobody = engine.handle(production.clone(), handle.id.clone()).drive().await;
        }
        let no = world.claim(&handle, &who, Decision::Reject).await;
        world.bystander().decide(production, no).await.unwrap();
        world.rescue(2).await;
        let view = world.bystander().view(production).await.unwrap();
        assert_eq!(view.promotions[&handle.id].state.phase, Phase::Rejected);
        assert_eq!(why(&world, &handle).await, format!("rejected by {who}"));
        assert_eq!(shape(&world).await, before);
    }
}

#[tokio::test]
async fn p1_drift_between_approval_and_lock_voids_the_approvals() {
    let (world, second) = rehearsed().await;
    let handle = world.approved(&second).await;
    let plan = world.claim(&handle, &World::lead(), Decision::Approve).await.plan;
    plant(&world, "api", 1, |_| ());
    let before = shape(&world).await;
    assert!(matches!(handle.drive().await.unwrap(), Outcome::Waiting { .. }), "people are asked again");
    assert_eq!(shape(&world).await, before, "nothing changed and nothing is held");
    assert_eq!(approvals(&world, &handle).await, 0);
    let claim = world.claim(&handle, &World::lead(), Decision::Approve).await;
    assert_ne!(claim.plan, plan, "it is another plan");
    world.engine().decide(&handle.environment, claim).await.unwrap();
    assert_eq!(handle.drive().await.unwrap(), Outcome::Ended(Phase::Succeeded));
    assert_eq!(world.fleet("production", "api").await.live().count(), 3, "the planned counts");
}

/// Says that every proof is somebody else's by now.
#[derive(Debug)]
struct Withdrawn;

#[async_trait]
impl Approvals for Withdrawn {
    async fn verify(&self, _: &Claim) -> Result<Person, PortError> {
        Err(PortError::refused("the comment was edited"))
    }

    async fn verify_word(&self, word: &Word) -> Result<Person, PortError> {
        Ok(word.by.clone())
    }
}

#[tokio::test]
async fn p1_an_approval_that_no_longer_holds_at_the_lock_stops_it() {
    let (world, second) = rehearsed().await;
    let handle = world.approved(&second).await;
    let mut ports = world.ports(&Switch::new(Moment::Never));
    ports.approvals = Arc::new(Withdrawn);
    let engine = Engine::new(world.options.clone(), ports);
    let outcome = engine.handle(handle.environment.clone(), handle.id.clone()).drive().await.unwrap();
    assert_eq!(outcome, Outcome::Ended(Phase::Blocked));
    assert!(why(&world, &handle).await.contains("the comment was edited"));
}

#[tokio::test]
async fn p1_a_release_that_changes_the_rules_is_judged_by_the_old_ones() {
    let (mut world, second) = rehearsed().await;
    world.policy.approvals = None;
    let handle = asked(&world, &second).await;
    let view = world.bystander().view(&handle.environment).await.unwrap();
    let target = view.promotions[&handle.id].state.facts.plan.clone().unwrap().target;
    assert!(target.policy.approvals.is_some(), "the rules of the release that runs");
    assert_eq!(target.policy_change.map(|policy| policy.approvals), Some(None), "the plan shows the change");
}

#[tokio::test]
async fn p1_only_what_runs_now_can_be_undone() {
    let (world, second) = rehearsed().await;
    let bootstrap = world.bystander().view(&env("production")).await.unwrap().current().unwrap().id().clone();
    world.approved(&second).await.drive().await.unwrap();
    let (first, _) = releases();
    let (handle, outcome) = world.put("production", Kind::Rollback { of: bootstrap }, &first).await.unwrap();
    assert_eq!(outcome, Outcome::Ended(Phase::Blocked));
    assert!(why(&world, &handle).await.contains("is not what runs"));
}

/// What is undone was the only release this journal knew of: the rules by which it came stay.
#[tokio::test]
async fn p1_the_rules_outlive_a_way_back_to_what_nobody_put_there() {
    let mut world = World::new(1, Manners::default());
    let (first, second) = releases();
    for (component, byte) in [("api", 1), ("web", 11)] {
        plant(&world, component, byte, |_| ());
    }
    world.put("staging", Kind::Bootstrap, &second).await.unwrap();
    let promoted = world.approved(&second).await;
    assert_eq!(promoted.drive().await.unwrap(), Outcome::Ended(Phase::Succeeded));
    let back = Kind::Rollback { of: promoted.id };
    let (_, outcome) = world.put("production", back, &first).await.unwrap();
    assert_eq!(outcome, Outcome::Ended(Phase::Succeeded));

    world.policy.approvals = None;
    let again = asked(&world, &second).await;
    assert!(matches!(again.drive().await.unwrap(), Outcome::Waiting { .. }), "people are asked as before");
}
