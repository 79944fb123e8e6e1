//! A receipt says what the journal says, and nothing where a promotion is not over.

use promotion::journal::Receipt;
use promotion::machine::Phase;
use promotion::model::{StoreId, SuiteName, canonical};
use promotion::testing::{World, env};

use crate::story::{Asked, Story, releases};

async fn receipt(asked: &Asked) -> Result<Receipt, String> {
    let (world, production) = (&asked.world, env("production"));
    let view = world.bystander().view(&production).await.unwrap();
    let staging = world.bystander().view(&env("staging")).await.unwrap();
    let records = world.journal.read(&production, 0).await.unwrap();
    let store = StoreId::new("store-1").unwrap();
    Receipt::of(store, &view, &records, Some(&staging), &asked.handle.id)
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
