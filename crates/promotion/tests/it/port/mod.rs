//! Every port's conformance suite against what this crate brings.

mod journal;
mod moving;
mod order;
mod words;

use std::collections::BTreeMap;
use std::sync::Arc;

use promotion::conformance;
use promotion::machine::Phase;
use promotion::model::{
    At, Claim, Class, Decision, GroupName, Millis, OneOffSpec, PromotionId, RegionName, Signed, Statement,
    SuiteName, UnitSpec, Wish, Word, canonical,
};
use promotion::ports::{Deployer as _, Key, Notice};
use promotion::rollout::UnitCall;
use promotion::testing::{Counted, Desk, Manners, Seeded, Signer, Suites, VirtualClock, World, env};

#[tokio::test]
async fn commands_in_memory_conform() {
    let world = World::new(1, Manners::default());
    let [good, bad] = [1, 2].map(|byte| OneOffSpec {
        job: World::migration(),
        image: world.component("production", "api", &World::digest(byte)).image,
        secrets_version: None,
        labels: BTreeMap::from([("store".to_owned(), "store-1".to_owned())]),
    });
    world.provider.change(|manners| manners.exits.push((World::digest(2), 7)));
    let fixture = conformance::OneOffFixture {
        place: World::place("production", "api"),
        slow: Some(good.clone()),
        good,
        bad,
        code: 7,
        line: "migrated".to_owned(),
        patience: Millis::secs(10),
    };
    conformance::one_offs(&world.provider, &fixture, &*world.clock).await;
}

#[tokio::test]
async fn secrets_in_memory_conform() {
    let world = World::new(1, Manners::default());
    let (place, provider) = (World::place("production", "api"), &world.provider);
    let set = async |name: &str, value: Option<&str>| match value {
        Some(_) => provider.set_secret(&place, name),
        None => provider.unset_secret(&place, name),
    };
    let target = world.component("production", "api", &World::digest(1));
    let spec = UnitSpec {
        group: GroupName::new("app").unwrap(),
        region: RegionName::new("fra").unwrap(),
        image: target.image.clone(),
        config: target.groups.values().next().unwrap().config.clone(),
        secrets_version: None,
        standby_for: std::collections::BTreeSet::new(),
    };
    let key = Key { id: "k".to_owned(), nonce: None };
    let renewed = async || {
        let fleet = provider.observe_fleet(&place).await.unwrap();
        let call = match fleet.units.first() {
            None => UnitCall::Create {
                slot: "app/fra/0".parse().unwrap(),
                spec: spec.clone(),
                labels: BTreeMap::new(),
                open: false,
            },
            Some(unit) => UnitCall::Update {
                unit: unit.id.clone(),
                expect: unit.version.clone(),
                spec: spec.clone(),
                labels: BTreeMap::new(),
                start: true,
            },
        };
        provider.perform(&place, &call, &key).await.unwrap();
        provider.observe_fleet(&place).await.unwrap().units.remove(0)
    };
    conformance::secrets(provider, &place, set, renewed).await;
}

fn clock() -> Arc<VirtualClock> {
    Arc::new(VirtualClock::new(At(1_800_000_000_000)))
}

#[tokio::test]
async fn the_provider_in_memory_conforms() {
    let world = World::new(1, Manners::default());
    let target = world.component("production", "api", &World::digest(1));
    let other = world.component("production", "api", &World::digest(2));
    let group = target.groups.values().next().unwrap().clone();
    let fixture = conformance::DeployerFixture {
        place: target.place.clone(),
        missing: None,
        images: [target.image.clone(), other.image],
        group: GroupName::new("app").unwrap(),
        region: RegionName::new("fra").unwrap(),
        config: (*group.config).clone(),
        proof: group.proof,
        patience: Millis::secs(5),
        has_leases: true,
        has_cordons: true,
        has_room: true,
    };
    conformance::deployer(&world.provider, &fixture, &*world.clock).await;
    let registry = conformance::RegistryFixture {
        environment: env("production"),
        image: target.image,
        missing: None,
        copy: Some(target.source),
    };
    conformance::registry(&world.provider, &registry).await;
}

#[tokio::test]
async fn people_and_suites_in_memory_conform() {
    let lead = World::lead();
    let (promotion, plan) = (PromotionId::new("p-1").unwrap(), canonical::hash("a plan", ""));
    let proof = Signer::proof(&lead, &Claim::statement(&promotion, &plan, Decision::Approve));
    let claim =
        Claim { promotion: promotion.clone(), plan: plan.clone(), decision: Decision::Approve, proof };
    let signer = Signer::new(lead.clone());
    conformance::approvals(&signer, &claim, &lead).await;
    let (production, at) = (env("production"), At(1_800_000_000_000));
    let wish = Wish::ResetBreaker { environment: &production, reason: "it is mended" };
    let proof = Signer::proof(&lead, &wish.statement(&lead, at));
    let word = Word::new(&wish, &lead, Some(&Signed { at, proof }), at);
    conformance::words(&signer, &word, &lead, &claim).await;
    let (release, smoke) = (World::release("1.0.0", 1, 11), SuiteName::new("smoke").unwrap());
    let statement = Statement {
        release: release.id(),
        config: canonical::hash("a configuration", ""),
        suite: smoke.clone(),
        environment: env("staging"),
        class: Class::Staging,
        deployment: promotion.clone(),
        report: canonical::hash("a report", ""),
        at: At(1_800_000_000_000),
        components: std::collections::BTreeMap::new(),
        suite_file: None,
        base_data: std::collections::BTreeMap::new(),
        scan: None,
    };
    conformance::attestor(&signer, &statement).await;
    let notice = Notice {
        id: "p-1/1/0".to_owned(),
        promotion,
        environment: env("production"),
        phase: Phase::Succeeded,
        plan: Some(plan),
        urgent: false,
        text: "it runs".to_owned(),
    };
    conformance::notifier(&Desk::default(), &notice).await;
    let place = World::place("staging", "api");
    conformance::checks(&Suites::default(), &env("staging"), &release, &smoke, &place).await;
}

#[tokio::test]
async fn time_ids_and_chance_in_memory_conform() {
    conformance::clock(&*clock()).await;
    conformance::ids(&Counted::default());
    conformance::randomness(&Seeded::new(7));
}
