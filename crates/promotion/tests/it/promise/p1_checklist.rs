//! P1: what people have to look at is looked at by whom the policy names, over the plan that is carried out.

use promotion::engine::{EngineError, Handle, Outcome};
use promotion::machine::Phase;
use promotion::model::{CheckOff, ChecklistItem, Decision, Kind, Millis, Person, Policy, Signed, canonical};
use promotion::testing::{Manners, Moment, Signer, Switch, World, env};

use crate::story::{releases, repair};

/// A world whose policy has two items: one for the lead, one for whoever asks.
async fn rehearsed() -> World {
    let mut world = World::new(1, Manners::default());
    let own = ChecklistItem { by: [World::developer()].into(), ..World::item("slow") };
    world.policy.checklist = vec![World::item("looked"), own];
    let (first, second) = releases();
    world.rehearsed(&first, &second).await;
    world
}

async fn waiting(world: &World) -> Handle {
    let (handle, outcome) = world.put("production", Kind::Promote, &releases().1).await.unwrap();
    assert!(matches!(outcome, Outcome::Waiting { .. }), "{outcome:?}");
    handle
}

async fn approve(world: &World, handle: &Handle) {
    let claim = world.claim(handle, &World::lead(), Decision::Approve).await;
    world.engine().decide(&handle.environment, claim).await.unwrap();
}

async fn phase(world: &World, handle: &Handle) -> Phase {
    world.bystander().view(&handle.environment).await.unwrap().promotions[&handle.id].state.phase
}

fn told<T: std::fmt::Debug>(result: Result<T, EngineError>) -> String {
    result.unwrap_err().to_string()
}

/// Approvals and items, in whatever order: it goes on with the last of them and not before.
#[tokio::test]
async fn p1_a_promotion_waits_for_every_item_and_for_the_approvals() {
    for order in [[0, 1, 2], [2, 1, 0], [1, 2, 0], [1, 0, 2]] {
        let world = rehearsed().await;
        let handle = waiting(&world).await;
        for (n, step) in order.into_iter().enumerate() {
            assert_eq!(phase(&world, &handle).await, Phase::AwaitingApproval, "{order:?} {n}");
            assert!(matches!(handle.drive().await.unwrap(), Outcome::Waiting { .. }));
            match step {
                0 => approve(&world, &handle).await,
                1 => drop(world.check(&handle, &World::lead(), "looked", true).await.unwrap()),
                _ => drop(world.check(&handle, &World::developer(), "slow", true).await.unwrap()),
            }
        }
        assert_eq!(handle.drive().await.unwrap(), Outcome::Ended(Phase::Succeeded));
        let receipt = world.engine().receipt(&env("production"), &handle.id).await.unwrap();
        let checked: Vec<_> = receipt.checklist.iter().map(|it| (it.item.as_str(), it.by.clone())).collect();
        assert_eq!(checked, [("looked", World::lead()), ("slow", World::developer())]);
        assert!(receipt.checklist.iter().all(|it| it.proof.is_some()));
    }
}

/// A signer who is not named is refused by name, with those who may; so are an unknown item and a word that is said twice.
#[tokio::test]
async fn p1_only_whom_the_policy_names_checks_an_item_off() {
    let world = rehearsed().await;
    let handle = waiting(&world).await;
    let said = told(world.check(&handle, &World::developer(), "looked", true).await);
    let wanted =
        format!("{} is not among those who may check off `looked`: {}", World::developer(), World::lead());
    assert!(said.contains(&wanted), "{said}");
    let said = told(world.check(&handle, &World::lead(), "other", true).await);
    assert!(said.contains("`other` is no item of its checklist, which has `looked`, `slow`"), "{said}");
    let said = told(world.check(&handle, &World::lead(), "looked", false).await);
    assert!(said.contains("nobody has checked off `looked`"), "{said}");
    world.check(&handle, &World::lead(), "looked", true).await.unwrap();
    let said = told(world.check(&handle, &World::lead(), "looked", true).await);
    assert!(said.contains("`looked` is checked off already, by"), "{said}");
    approve(&world, &handle).await;
    assert_eq!(phase(&world, &handle).await, Phase::AwaitingApproval);
    let explained = world.engine().explain(&env("production"), &handle.id).await.unwrap().hold.unwrap();
    assert_eq!(explained.by, "checklist");
    for part in ["`slow` (somebody looked at slow)", World::developer().as_str()] {
        assert!(explained.why.contains(part), "{}", explained.why);
    }
    assert_eq!(explained.opens.unwrap(), format!("promote check-off slow --id {}", handle.id));
}

/// A repair brings nothing new (docs/guides/gates.md): nobody is asked, and no word that nobody asked for ends it.
#[tokio::test]
async fn p1_where_nobody_is_asked_for_a_checklist_no_word_counts() {
    let world = rehearsed().await;
    let repair = repair(&world, "production").await;
    assert!(matches!(repair.drive().await.unwrap(), Outcome::Waiting { .. }));
    let said = told(world.check(&repair, &World::lead(), "looked", true).await);
    assert!(said.contains("nobody is asked for a checklist here"), "{said}");
}

/// Who may say no to a promotion may do so too where it waits for its checklist alone.
#[tokio::test]
async fn p1_what_waits_for_its_checklist_alone_can_be_rejected() {
    let mut world = World::new(1, Manners::default());
    world.policy.checklist = vec![World::item("looked")];
    world.policy.approvals.as_mut().unwrap().count = 0;
    let (first, second) = releases();
    world.rehearsed(&first, &second).await;
    let handle = waiting(&world).await;
    let yes = world.claim(&handle, &World::lead(), Decision::Approve).await;
    let said = told(world.engine().decide(&handle.environment, yes).await);
    assert!(said.contains("nobody is asked to approve this plan"), "{said}");
    let no = world.claim(&handle, &World::lead(), Decision::Reject).await;
    world.engine().decide(&handle.environment, no).await.unwrap();
    assert_eq!(phase(&world, &handle).await, Phase::Rejected);
}

/// A word is over one plan and one item, and by whoever signed it.
#[tokio::test]
async fn p1_a_word_over_another_plan_or_with_another_proof_is_none() {
    let world = rehearsed().await;
    let handle = waiting(&world).await;
    let good = world.check(&handle, &World::lead(), "looked", true).await.unwrap();
    let engine = world.engine();
    let said = async |word: CheckOff| told(engine.check_off(&env("production"), word).await);

    let other = CheckOff { plan: canonical::hash("another", ""), ..good.clone() };
    let signed = world.word(&World::lead(), &other.wish());
    let why = said(CheckOff { signed, ..other }).await;
    assert!(why.contains("it is for plan"), "{why}");

    world.check(&handle, &World::lead(), "looked", false).await.unwrap();
    let why = said(good.clone()).await;
    assert!(why.contains("after this was signed; look, and sign anew"), "{why}");
    // The developer signs the lead's word; a word over one item stands for another.
    let (at, lead) = (world.now(), World::lead());
    let forged = Signed { at, proof: Signer::proof(&World::developer(), &good.wish().statement(&lead, at)) };
    let why = said(CheckOff { signed: Some(forged), ..good.clone() }).await;
    assert!(why.contains("the proof was refused"), "{why}");
    let moved = CheckOff { item: "slow".parse().unwrap(), ..good };
    assert!(said(moved).await.contains("the proof was refused"));
    assert_eq!(phase(&world, &handle).await, Phase::AwaitingApproval);
}

/// As with approvals: before anybody was let go on the item is open again, then it ends the promotion, and after the first
/// change it is too late.
#[tokio::test]
async fn p1_a_check_off_is_taken_back_until_the_first_change() {
    let world = rehearsed().await;
    let handle = waiting(&world).await;
    world.check(&handle, &World::lead(), "looked", true).await.unwrap();
    world.check(&handle, &World::lead(), "looked", false).await.unwrap();
    world.check(&handle, &World::developer(), "slow", true).await.unwrap();
    approve(&world, &handle).await;
    assert_eq!(phase(&world, &handle).await, Phase::AwaitingApproval);
    world.check(&handle, &World::lead(), "looked", true).await.unwrap();
    assert_eq!(phase(&world, &handle).await, Phase::Queued);
    world.check(&handle, &World::lead(), "looked", false).await.unwrap();
    assert_eq!(handle.drive().await.unwrap(), Outcome::Ended(Phase::Rejected));
    let view = world.bystander().view(&env("production")).await.unwrap();
    let why = view.promotions[&handle.id].state.facts.failure.clone().unwrap().why;
    assert_eq!(why, format!("{} took back the check-off of `looked`", World::lead()));

    let handle = waiting(&world).await;
    world.check(&handle, &World::lead(), "looked", true).await.unwrap();
    world.check(&handle, &World::developer(), "slow", true).await.unwrap();
    approve(&world, &handle).await;
    assert_eq!(handle.drive().await.unwrap(), Outcome::Ended(Phase::Succeeded));
    let said = told(world.check(&handle, &World::lead(), "looked", false).await);
    assert!(said.contains("it has ended"), "{said}");
}

/// What changed since the plan was looked at voids what was said of it, of the checklist too.
#[tokio::test]
async fn p1_another_plan_has_its_checklist_open_again() {
    let world = rehearsed().await;
    let handle = waiting(&world).await;
    world.check(&handle, &World::lead(), "looked", true).await.unwrap();
    world.check(&handle, &World::developer(), "slow", true).await.unwrap();
    approve(&world, &handle).await;
    let place = World::place("production", "api");
    world.provider.plant(&place, |unit| unit.digest = Some(World::digest(1)));
    let outcome = handle.drive().await.unwrap();
    assert!(matches!(outcome, Outcome::Waiting { .. }), "{outcome:?}");
    let view = world.bystander().view(&env("production")).await.unwrap();
    let state = &view.promotions[&handle.id].state;
    assert_eq!((state.unchecked(None).len(), state.facts.approvals.len()), (2, 0));
}

/// A key that is out of the allowed signers by then: asked again after the lock.
#[tokio::test]
async fn p1_a_check_off_whose_proof_does_not_hold_any_more_closes_the_gate() {
    use std::sync::Arc;

    use promotion::engine::{Engine, Ports};
    use promotion::model::{Claim, Word};
    use promotion::ports::{Approvals, PortError};

    /// Believes approvals and requests, and no check-off any more.
    #[derive(Debug)]
    struct Forgets(Arc<dyn Approvals>);

    #[async_trait::async_trait]
    impl Approvals for Forgets {
        async fn verify(&self, claim: &Claim) -> Result<Person, PortError> {
            self.0.verify(claim).await
        }

        async fn verify_word(&self, word: &Word) -> Result<Person, PortError> {
            if word.text.starts_with("understudy check-off looked ") {
                return Err(PortError::refused("this key is out of the allowed signers"));
            }
            self.0.verify_word(word).await
        }
    }

    let world = rehearsed().await;
    let handle = waiting(&world).await;
    world.check(&handle, &World::lead(), "looked", true).await.unwrap();
    world.check(&handle, &World::developer(), "slow", true).await.unwrap();
    approve(&world, &handle).await;
    let ports = world.ports(&Switch::new(Moment::Never));
    let approvals = Arc::new(Forgets(ports.approvals.clone()));
    let engine = Engine::new(world.options.clone(), Ports { approvals, ..ports });
    let outcome = engine.handle(env("production"), handle.id.clone()).drive().await.unwrap();
    assert_eq!(outcome, Outcome::Ended(Phase::Blocked));
    let view = world.bystander().view(&env("production")).await.unwrap();
    let why = view.promotions[&handle.id].state.facts.failure.clone().unwrap().why;
    let wanted = format!("gate checklist: that {} checked off `looked` does not hold", World::lead());
    assert!(why.starts_with(&wanted), "{why}");
}

/// The rules of the release last promoted decide: one that drops the checklist is judged by it, and one that brings one shows
/// that. A policy without a checklist is spelled as before there were any.
#[tokio::test]
async fn p1_a_release_cannot_drop_the_checklist_that_judges_it() {
    let mut world = rehearsed().await;
    world.policy.checklist.clear();
    let handle = waiting(&world).await;
    approve(&world, &handle).await;
    assert!(matches!(handle.drive().await.unwrap(), Outcome::Waiting { .. }));
    let view = world.bystander().view(&env("production")).await.unwrap();
    let plan = view.promotions[&handle.id].state.facts.plan.clone().unwrap().target;
    assert_eq!((plan.policy.checklist.len(), plan.policy_change.unwrap().checklist.len()), (2, 0));
    assert!(!canonical::text(&Policy::default()).contains("checklist"));
}

/// A checklist alone asks people too, and nobody's approval is taken in its place.
#[tokio::test]
async fn p1_a_checklist_without_approvals_is_waited_for() {
    let mut world = World::new(1, Manners::default());
    world.policy.checklist = vec![World::item("looked")];
    world.policy.approvals = None;
    let (first, second) = releases();
    world.rehearsed(&first, &second).await;
    let handle = waiting(&world).await;
    let claim = world.claim(&handle, &World::lead(), Decision::Approve).await;
    let said = told(world.engine().decide(&handle.environment, claim).await);
    assert!(said.contains("nobody is asked to approve this plan"), "{said}");
    let notice = world.desk.notices().pop().unwrap().text;
    assert!(notice.contains("waits for people: open on its checklist: `looked`"), "{notice}");
    world.check(&handle, &World::lead(), "looked", true).await.unwrap();
    assert_eq!(handle.drive().await.unwrap(), Outcome::Ended(Phase::Succeeded));

    let handle = world.engine().request(world.ask("production", Kind::Promote, &second)).await.unwrap();
    handle.drive().await.unwrap();
    world.clock.advance(Millis::secs(24 * 3600));
    let said = told(world.check(&handle, &World::lead(), "looked", true).await);
    assert!(said.contains("the time to approve was over"), "{said}");
}

/// Lifted, on the record, like approvals: a break-glass asks nobody; and what goes back asks nobody either.
#[tokio::test]
async fn a_break_glass_and_a_rollback_ask_for_no_checklist() {
    let world = rehearsed().await;
    world.break_glass(&World::lead(), Millis::secs(600), "the login is down").await.unwrap();
    let (handle, outcome) = world.put("production", Kind::Promote, &releases().1).await.unwrap();
    assert_eq!(outcome, Outcome::Ended(Phase::Succeeded));
    let back = Kind::Rollback { of: handle.id };
    let (_, outcome) = world.put("production", back, &releases().0).await.unwrap();
    assert_eq!(outcome, Outcome::Ended(Phase::Succeeded));
}
