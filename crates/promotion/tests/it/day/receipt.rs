//! A receipt says what the journal says, and nothing where a promotion is not over.

use std::sync::Arc;

use async_trait::async_trait;
use promotion::engine::{Engine, Outcome, Ports};
use promotion::journal::Receipt;
use promotion::machine::Phase;
use promotion::model::{Attestation, Kind, Millis, Statement, SuiteName, canonical};
use promotion::ports::{Attestor, PortError, Verdict};
use promotion::testing::{Happens, Manners, Moment, Switch, World, env};

use crate::story::{Asked, Story, releases};

async fn receipt(asked: &Asked) -> Result<Receipt, String> {
    receipt_by(&asked.world.engine(), asked).await
}

async fn receipt_by(engine: &Engine, asked: &Asked) -> Result<Receipt, String> {
    let receipt = engine.receipt(&env("production"), &asked.handle.id).await;
    receipt.map_err(|error| error.to_string())
}

#[tokio::test]
async fn a_receipt_names_source_images_tests_people_and_machines() {
    let asked = Story::Promote.asked().await;
    let why = receipt(&asked).await.unwrap_err();
    assert!(why.contains("is requested"), "{why}");
    asked.play(&asked.world.engine()).await.unwrap();
    let receipt = receipt(&asked).await.unwrap();
    let (_, second) = releases();
    assert_eq!((receipt.phase, receipt.verb.as_str()), (Phase::Succeeded, "promote"));
    assert_eq!((&receipt.built.version, &receipt.built.commit), (&second.version, &second.commit));
    assert_eq!(receipt.release, second.id());
    assert!(receipt.copied.keys().eq(second.components.keys()));
    // The policy of these worlds asks for the suite `smoke` from staging, and for the lead.
    let smoke = SuiteName::new("smoke").unwrap();
    assert!(receipt.tested.iter().any(|it| it.suite == smoke && it.environment == env("staging")));
    assert_eq!(receipt.approved.iter().map(|it| it.by.clone()).collect::<Vec<_>>(), [World::lead()]);
    let view = asked.world.bystander().view(&env("production")).await.unwrap();
    let claim = &view.promotions[&asked.handle.id].state.facts.approvals[0].claim;
    assert_eq!(receipt.approved[0].proof, canonical::hash("understudy proof v1", claim.proof.as_str()));
    // What the provider has, machine by machine; the old ones are parked and run nothing.
    for (component, running) in &receipt.running {
        let fleet = asked.world.fleet("production", component.as_str()).await;
        let mut there: Vec<_> = fleet
            .units
            .iter()
            .filter(|unit| unit.digest.as_ref() == second.components.get(component))
            .map(|unit| (unit.id.clone(), unit.region.clone(), unit.digest.clone()))
            .collect();
        let mut told: Vec<_> =
            running.iter().map(|it| (it.id.clone(), it.region.clone(), it.digest.clone())).collect();
        there.sort();
        told.sort();
        assert_eq!(told, there, "{component}");
    }
    assert!(receipt.running.keys().eq(second.components.keys()));
    // The record in which it ended is a point of the chain.
    let records = asked.world.journal.read(&env("production"), 0).await.unwrap();
    let end = &records[receipt.record.seq as usize - 1];
    assert_eq!(end.hash, receipt.record.hash);
    let said: serde_json::Value = serde_json::from_slice(&receipt.payload()).unwrap();
    assert_eq!(said["_type"], "https://in-toto.io/Statement/v1");
    let named: Vec<_> =
        said["subject"].as_array().unwrap().iter().map(|it| it["name"].as_str().unwrap()).collect();
    assert!(named.iter().copied().eq(second.components.keys().map(|name| name.as_str())));
}

/// What was put back does not run, whatever was read back of it before.
#[tokio::test]
async fn a_receipt_of_what_was_put_back_names_no_machine() {
    let asked = Story::PromoteThatFails.asked().await;
    asked.play(&asked.world.engine()).await.unwrap();
    let receipt = receipt(&asked).await.unwrap();
    assert_eq!(receipt.phase, Phase::RolledBack);
    assert!(receipt.running.is_empty(), "{:?}", receipt.running);
}

/// P1 asks for evidence of a promotion alone: what no gate looked at is no ground of what was done.
#[tokio::test]
async fn a_receipt_of_what_is_asked_for_no_evidence_names_no_test() {
    let asked = Story::Promote.asked().await;
    asked.play(&asked.world.engine()).await.unwrap();
    let repair = asked.world.put("production", Kind::Repair, &releases().1).await.unwrap().0;
    let repair = Asked { world: asked.world, handle: repair };
    repair.play(&repair.world.engine()).await.unwrap();
    let receipt = receipt(&repair).await.unwrap();
    assert_eq!((receipt.verb.as_str(), receipt.tested), ("repair", vec![]));
}

/// What the gate would not have believed is not told as tested either: see docs/guides/audit.md, "When evidence dies".
#[tokio::test]
async fn a_receipt_of_what_was_blocked_names_no_evidence_that_had_died() {
    let asked = Story::Promote.asked().await;
    let world = &asked.world;
    world.suites.tell(&env("staging"), "1.1.0", Verdict::Failed);
    world.put("staging", Kind::Deploy, &releases().1).await.unwrap();
    assert_eq!(asked.play(&world.engine()).await.unwrap(), Outcome::Ended(Phase::Blocked));
    let receipt = receipt(&asked).await.unwrap();
    assert_eq!((receipt.phase, receipt.tested), (Phase::Blocked, vec![]));
}

/// A receipt is about what was known then: it says the same of a promotion whatever becomes of the release later.
#[tokio::test]
async fn a_receipt_keeps_its_evidence_when_that_dies_later() {
    let asked = Story::Promote.asked().await;
    let world = &asked.world;
    asked.play(&world.engine()).await.unwrap();
    let before = receipt(&asked).await.unwrap().tested;
    assert_eq!(before.len(), 1);
    world.suites.tell(&env("staging"), "1.1.0", Verdict::Failed);
    world.put("staging", Kind::Deploy, &releases().1).await.unwrap();
    assert_eq!(receipt(&asked).await.unwrap().tested, before);
}

/// A person's rollback that came where it led stays there, though its soak failed: its machines run.
#[tokio::test]
async fn a_receipt_of_a_rollback_that_stays_names_its_machines() {
    let mut world = World::new(1, Manners::default());
    world.policy.soak = Millis::secs(300);
    let asked = Story::BackByPerson.asked_in(world).await;
    let mut soaking = Vec::new();
    for n in 1..400 {
        let run = asked.fork().await;
        run.play_until(Moment::After(n)).await;
        if run.phase().await == Phase::Soaking {
            soaking.push(run);
            break;
        }
    }
    let run = soaking.pop().expect("it soaks");
    run.world.provider.happens(Happens::Ended);
    assert_eq!(run.rescued().await, Phase::RollbackFailed, "{}", run.why().await);
    let view = run.world.bystander().view(&env("production")).await.unwrap();
    assert!(view.promotions[&run.handle.id].state.stands());
    let receipt = receipt(&run).await.unwrap();
    assert!(receipt.running.keys().eq(releases().0.components.keys()), "{:?}", receipt.running);
}

/// What a receipt names as tested is evidence of its release, by the rule of its plan: not any that the journal has.
#[tokio::test]
async fn a_receipt_that_names_evidence_of_something_else_differs_from_the_journal() {
    let asked = Story::Promote.asked().await;
    let world = &asked.world;
    asked.play(&world.engine()).await.unwrap();
    let good = receipt(&asked).await.unwrap();
    let third = World::release("1.2.0", 3, 13);
    world.put("staging", Kind::Deploy, &third).await.unwrap();
    let (back, outcome) =
        world.put("production", Kind::Rollback { of: asked.handle.id.clone() }, &releases().0).await.unwrap();
    assert_eq!(outcome, Outcome::Ended(Phase::Succeeded));
    let records = world.journal.read(&env("production"), 0).await.unwrap();
    let staging = world.bystander().view(&env("staging")).await.unwrap();
    let differs = |receipt: &Receipt| -> Vec<String> {
        let found = receipt.against(&records, &[(*staging).clone()]);
        found.into_iter().map(|it| format!("{}: {}", it.field, it.expected)).collect()
    };
    assert_eq!(differs(&good), Vec::<String>::new());

    let signed = staging.attestations().find(|it| it.statement.release == third.id()).unwrap();
    let mut other = good.clone();
    other.tested[0].at = signed.statement.at;
    other.tested[0].report = signed.statement.report.clone();
    other.tested[0].proof = canonical::hash("understudy proof v1", signed.signature.as_str());
    let found = differs(&other);
    assert!(found.len() == 1 && found[0].starts_with("tested: evidence of `smoke`"), "{found:?}");

    // No gate asks a rollback for evidence.
    let mut other = world.engine().receipt(&env("production"), &back.id).await.unwrap();
    assert_eq!(differs(&other), Vec::<String>::new());
    other.tested.push(good.tested[0].clone());
    let found = differs(&other);
    assert!(found.iter().any(|it| it == "tested: no evidence: none was asked for"), "{found:?}");
}

/// Believes nobody.
#[derive(Debug)]
struct Doubter;

#[async_trait]
impl Attestor for Doubter {
    async fn sign(&self, _: &Statement) -> Result<Attestation, PortError> {
        Err(PortError::refused("no key"))
    }

    async fn verify(&self, _: &Attestation) -> Result<(), PortError> {
        Err(PortError::refused("nobody is believed"))
    }
}

/// A receipt is signed: it tells as tested only what whoever signs it believes.
#[tokio::test]
async fn a_receipt_names_no_test_whose_signature_is_not_believed() {
    let asked = Story::Promote.asked().await;
    asked.play(&asked.world.engine()).await.unwrap();
    assert_eq!(receipt(&asked).await.unwrap().tested.len(), 1);
    let ports = Ports { attestor: Arc::new(Doubter), ..asked.world.ports(&Switch::new(Moment::Never)) };
    let doubting = Engine::new(asked.world.options.clone(), ports);
    assert_eq!(receipt_by(&doubting, &asked).await.unwrap().tested, vec![]);
}
