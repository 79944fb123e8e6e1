//! P1, the rest of it: what an environment is cannot be talked away, and who is allowed the named exceptions.

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use promotion::engine::{Ask, Engine, EngineError, Handle, Outcome};
use promotion::machine::Phase;
use promotion::model::{Attestation, Class, Kind, Person, Policy, Release, Statement};
use promotion::ports::{Attestor, PortError};
use promotion::testing::{Manners, Moment, Signer, Switch, World, env};

use crate::story::{plant, releases, shape};

/// `1.0.0` runs in production, `1.1.0` was tested on staging.
async fn rehearsed() -> (World, Release) {
    let world = World::new(1, Manners::default());
    let (first, second) = releases();
    world.rehearsed(&first, &second).await;
    (world, second)
}

async fn driven(world: &World, ask: Ask) -> (Handle, Outcome) {
    let handle = world.engine().request(ask).await.unwrap();
    let outcome = handle.drive().await.unwrap();
    (handle, outcome)
}

async fn why(world: &World, handle: &Handle) -> String {
    let view = world.bystander().view(&handle.environment).await.unwrap();
    view.promotions[&handle.id].state.facts.failure.clone().expect("it says why").why
}

/// It must be blocked by `gate`, and production stays as it is.
async fn is_blocked(world: &World, ask: Ask, gate: &str) -> String {
    let before = shape(world).await;
    let (handle, outcome) = driven(world, ask).await;
    let why = why(world, &handle).await;
    assert_eq!(outcome, Outcome::Ended(Phase::Blocked), "{why}");
    assert_eq!(shape(world).await, before);
    assert!(why.contains(&format!("gate {gate}: ")), "{why}");
    why
}

/// An environment is of the class that the journal knows it by, whatever the project file says by now.
#[tokio::test]
async fn p1_a_production_that_is_called_staging_is_still_production() {
    let (world, _) = rehearsed().await;
    let new = World::release("1.2.0", 3, 13);
    for kind in [Kind::Deploy, Kind::Promote, Kind::Adopt] {
        let mut ask = world.ask("production", kind.clone(), &new);
        (ask.class, ask.policy) = (Class::Staging, Policy::default());
        if kind == Kind::Adopt {
            // What stands already is not adopted at all, before any gate is asked.
            is_blocked(&world, ask, "verb").await;
        } else {
            let why = is_blocked(&world, ask, "class").await;
            assert!(why.contains("production") && why.contains("staging"), "it says both: {why}");
            assert!(why.contains("class = \"production\""), "it says what helps: {why}");
        }
    }
    // The other way round it would take rules away from staging that nobody meant to give it.
    let mut ask = world.ask("staging", Kind::Promote, &new);
    ask.class = Class::Production;
    let (handle, outcome) = driven(&world, ask).await;
    assert_eq!(outcome, Outcome::Ended(Phase::Blocked));
    assert!(why(&world, &handle).await.contains("gate class: "));
}

/// A request that was blocked says nothing about what an environment is.
#[tokio::test]
async fn p1_who_was_refused_does_not_change_what_an_environment_is() {
    let world = World::new(1, Manners::default());
    let (first, second) = releases();
    let mut ask = world.ask("production", Kind::Promote, &first);
    ask.class = Class::Staging;
    let (_, outcome) = driven(&world, ask).await;
    assert_eq!(outcome, Outcome::Ended(Phase::Blocked), "there are no machines");
    world.rehearsed(&first, &second).await;
    let handle = world.approved(&second).await;
    assert_eq!(handle.drive().await.unwrap(), Outcome::Ended(Phase::Succeeded));
}

/// What passed in production was not rehearsed, be it this one or another.
#[tokio::test]
async fn p1_evidence_from_a_production_is_no_rehearsal() {
    for from in ["production", "elsewhere"] {
        let mut world = World::new(1, Manners::default());
        world.policy.evidence.as_mut().unwrap().from = env(from);
        let (first, _) = releases();
        world.put("production", Kind::Bootstrap, &first).await.unwrap();
        let mut ask = world.ask("elsewhere", Kind::Bootstrap, &first);
        ask.class = Class::Production;
        assert_eq!(driven(&world, ask).await.1, Outcome::Ended(Phase::Succeeded));
        let ask = world.ask("production", Kind::Promote, &first);
        let why = is_blocked(&world, ask, "attestation").await;
        assert!(why.contains(&format!("`{from}`")) && why.contains("rehears"), "{why}");
    }
}

/// Says of every environment that it is a preview.
#[derive(Debug)]
struct Mistaken(Signer);

#[async_trait]
impl Attestor for Mistaken {
    async fn sign(&self, statement: &Statement) -> Result<Attestation, PortError> {
        self.0.sign(&Statement { class: Class::Preview, ..statement.clone() }).await
    }

    async fn verify(&self, attestation: &Attestation) -> Result<(), PortError> {
        self.0.verify(attestation).await
    }
}

/// What was signed must agree with what the journal of that environment knows it by.
#[tokio::test]
async fn p1_evidence_about_another_class_than_its_environment_has_is_none() {
    let world = World::new(1, Manners::default());
    let (first, second) = releases();
    world.put("production", Kind::Bootstrap, &first).await.unwrap();
    let mut ports = world.ports(&Switch::new(Moment::Never));
    ports.attestor = Arc::new(Mistaken(Signer::new(Person::new("ssh:SHA256:runner").unwrap())));
    let mistaken = Engine::new(world.options.clone(), ports);
    let handle = mistaken.request(world.ask("staging", Kind::Bootstrap, &second)).await.unwrap();
    assert_eq!(handle.drive().await.unwrap(), Outcome::Ended(Phase::Succeeded));
    is_blocked(&world, world.ask("production", Kind::Promote, &second), "attestation").await;
}

/// Where only the lead may approve.
fn strict() -> World {
    let mut world = World::new(1, Manners::default());
    world.policy.approvals.as_mut().unwrap().from = BTreeSet::from([World::lead()]);
    world
}

/// What puts something under our rule without evidence is for those who could have approved it.
#[tokio::test]
async fn p1_bootstrap_and_adoption_of_production_are_for_those_who_may_approve_there() {
    let (first, _) = releases();
    for kind in [Kind::Bootstrap, Kind::Adopt] {
        let world = strict();
        if kind == Kind::Adopt {
            for (component, byte) in [("api", 1), ("web", 11)] {
                plant(&world, component, byte, |_| ());
            }
        }
        let refused = world.ask("production", kind.clone(), &first);
        let why = is_blocked(&world, refused, "role").await;
        assert!(why.contains("ssh:SHA256:developer") && why.contains("may approve"), "{why}");
        let asked = world.ask_by(&World::lead(), "production", kind.clone(), &first);
        assert_eq!(driven(&world, asked).await.1, Outcome::Ended(Phase::Succeeded), "{kind:?}");
    }
    // Where nobody is asked, nobody is named; and staging is for everybody.
    let mut world = strict();
    assert_eq!(
        world.put("staging", Kind::Bootstrap, &first).await.unwrap().1,
        Outcome::Ended(Phase::Succeeded)
    );
    world.policy.approvals.as_mut().unwrap().count = 0;
    assert_eq!(
        world.put("production", Kind::Bootstrap, &first).await.unwrap().1,
        Outcome::Ended(Phase::Succeeded)
    );
}

/// Everybody may go back: who sees the fire calls the brigade.
#[tokio::test]
async fn a_rollback_is_for_everybody_who_may_ask() {
    let world = strict();
    let (first, second) = releases();
    let bootstrap = world.ask_by(&World::lead(), "production", Kind::Bootstrap, &first);
    assert_eq!(driven(&world, bootstrap).await.1, Outcome::Ended(Phase::Succeeded));
    world.put("staging", Kind::Bootstrap, &second).await.unwrap();
    let promoted = world.approved(&second).await;
    promoted.drive().await.unwrap();
    let (_, outcome) = world.put("production", Kind::Rollback { of: promoted.id }, &first).await.unwrap();
    assert_eq!(outcome, Outcome::Ended(Phase::Succeeded));
}

/// Closing the breaker lets something in that failed before: for those who may approve there.
#[tokio::test]
async fn the_breaker_is_closed_by_those_who_may_approve_there() {
    let world = strict();
    let (first, second) = releases();
    let bootstrap = world.ask_by(&World::lead(), "production", Kind::Bootstrap, &first);
    driven(&world, bootstrap).await;
    world.put("staging", Kind::Bootstrap, &second).await.unwrap();
    let reset = async |who: Person| {
        world.engine().reset_breaker(&env("production"), who, "it is mended".to_owned()).await
    };
    let refused = reset(World::developer()).await.unwrap_err();
    assert!(matches!(refused, EngineError::Refused { .. }), "{refused:?}");
    assert!(refused.to_string().contains("may approve"), "{refused}");
    reset(World::lead()).await.unwrap();
}
