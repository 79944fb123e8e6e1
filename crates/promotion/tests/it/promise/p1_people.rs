//! P1, the rest of it: what an environment is cannot be talked away, and who is allowed the named exceptions.

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use promotion::engine::{Ask, Engine, EngineError, Handle, Outcome};
use promotion::machine::Phase;
use promotion::model::{
    Attestation, Claim, Class, Fleet, Kind, Millis, Person, Place, Policy, Release, Request, Signed,
    Statement, Wish, Word,
};
use promotion::ports::{Approvals, Attestor, Deployer, Key, Performed, PortError};
use promotion::rollout::UnitCall;
use promotion::testing::{Manners, Moment, Provider, Signer, Switch, World, env};

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

/// An app is one app, whatever environment the project file binds it to by now.
#[derive(Debug)]
struct ByName(Provider);

impl ByName {
    fn place(place: &Place) -> Place {
        let (component, environment) = place.name.split_once('-').expect("component-environment");
        World::place(environment, component)
    }
}

#[async_trait]
impl Deployer for ByName {
    async fn observe_fleet(&self, place: &Place) -> Result<Fleet, PortError> {
        self.0.observe_fleet(&Self::place(place)).await
    }

    async fn perform(&self, place: &Place, call: &UnitCall, key: &Key) -> Result<Performed, PortError> {
        self.0.perform(&Self::place(place), call, key).await
    }
}

/// A new name in the project file, with a class and rules of its own, over the same app.
#[tokio::test]
async fn p1_a_production_by_another_name_keeps_its_rules() {
    let (world, _) = rehearsed().await;
    let new = World::release("1.2.0", 3, 13);
    for kind in [Kind::Deploy, Kind::Adopt] {
        let mut ask = world.ask("live", kind, &new);
        for target in &mut ask.components {
            target.place.name = target.place.name.replace("live", "production");
        }
        let before = shape(&world).await;
        let mut ports = world.ports(&Switch::new(Moment::Never));
        ports.deployer = Arc::new(ByName(world.provider.clone()));
        let engine = Engine::new(world.options.clone(), ports);
        let handle = engine.request(ask).await.unwrap();
        assert_eq!(handle.drive().await.unwrap(), Outcome::Ended(Phase::Blocked));
        let why = why(&world, &handle).await;
        assert!(why.contains("is marked as environment `production`, and this is `live`"), "{why}");
        assert_eq!(shape(&world).await, before);
    }
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
        Attestor::verify(&self.0, attestation).await
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
    let refused = world.reset_breaker(&World::developer(), "it is mended").await.unwrap_err();
    assert!(matches!(refused, EngineError::Refused { .. }), "{refused:?}");
    assert!(refused.to_string().contains("may approve"), "{refused}");
    world.reset_breaker(&World::lead(), "it is mended").await.unwrap();
}

/// How many promotions the journal of production knows.
async fn asked_so_far(world: &World) -> usize {
    world.bystander().view(&env("production")).await.unwrap().promotions.len()
}

/// It must be refused for want of a proof, and nothing is written down.
async fn is_no_proof(world: &World, ask: Ask, says: &str) {
    let before = asked_so_far(world).await;
    let error = world.engine().request(ask).await.unwrap_err();
    assert!(matches!(error, EngineError::Proof(_)), "{error:?}");
    assert!(error.to_string().contains(says), "`{says}` is not in: {error}");
    assert_eq!(asked_so_far(world).await, before);
}

/// Who asks is proven as who approves is: else one person could be both by naming somebody else.
#[tokio::test]
async fn p1_nobody_asks_in_another_persons_name() {
    let (world, second) = rehearsed().await;
    let good = || world.ask("production", Kind::Promote, &second);
    is_no_proof(&world, Ask { signed: None, ..good() }, "no signature").await;
    let nonsense = Signed { at: world.now(), proof: "ssh:SHA256:lead:nothing".to_owned() };
    is_no_proof(&world, Ask { signed: Some(nonsense), ..good() }, "not over this text").await;
    // The lead, who wants to approve it too, lets the request be the developer's.
    let mut posing = good();
    posing.signed = world.word(&World::lead(), &posing.wish());
    is_no_proof(&world, posing, "not over this text").await;
    let mut posing = good();
    let text = posing.wish().statement(&World::developer(), world.now());
    posing.signed = Some(Signed { at: world.now(), proof: Signer::proof(&World::lead(), &text) });
    is_no_proof(&world, posing, "it names ssh:SHA256:developer and is by ssh:SHA256:lead").await;
    let handle = world.engine().request(good()).await.unwrap();
    let view = world.bystander().view(&env("production")).await.unwrap();
    let request = &view.promotions[&handle.id].state.facts.request;
    assert_eq!(request.requested_by, World::developer());
    assert!(request.signed.is_some(), "the proof stands in the journal");
}

/// A word is over one verb, one environment, one release and what it undoes, counts for ten minutes, and once.
#[tokio::test]
async fn p1_a_word_asks_for_what_was_signed_now_and_once() {
    let (world, second) = rehearsed().await;
    let good = world.ask("production", Kind::Promote, &second);
    let others = [
        Ask { kind: Kind::Bootstrap, ..good.clone() },
        Ask { environment: env("elsewhere"), ..good.clone() },
        Ask { release: World::release("1.2.0", 3, 13), ..good.clone() },
    ];
    for other in others {
        is_no_proof(&world, other, "not over this text").await;
    }
    let back = |of: &str| Kind::Rollback { of: of.parse().unwrap() };
    let mut undoing = world.ask("production", back("p-1"), &second);
    undoing.kind = back("p-2");
    is_no_proof(&world, undoing, "not over this text").await;

    world.engine().request(good.clone()).await.unwrap();
    is_no_proof(&world, good, "already").await;
    let old = world.ask("production", Kind::Promote, &second);
    world.clock.advance(Millis(600_001));
    is_no_proof(&world, old, "sign it again").await;
    let mut early = world.ask("production", Kind::Promote, &second);
    let at = world.now().plus(Millis(61_000));
    let proof = Signer::proof(&World::developer(), &early.wish().statement(&World::developer(), at));
    early.signed = Some(Signed { at, proof });
    is_no_proof(&world, early, "sign it again").await;
}

/// A line in a journal or on a screen: what it says, and no line break in it that fakes another one.
#[test]
fn what_is_signed_is_one_line_that_a_person_can_read() {
    let (production, by, at) = (env("production"), World::lead(), promotion::model::At(1_800_000_000_000));
    let promotion = "p-7".parse().unwrap();
    let release = World::release("1.0.0", 1, 11).id();
    let request = Wish::Request { environment: &production, kind: &Kind::Promote, release: release.clone() };
    assert_eq!(
        request.statement(&by, at),
        format!("understudy request promote production release {release} by {by} at {at}\n")
    );
    let kind = Kind::Rollback { of: "p-6".parse().unwrap() };
    let request = Wish::Request { environment: &production, kind: &kind, release: release.clone() };
    assert_eq!(
        request.statement(&by, at),
        format!("understudy request rollback production undoing p-6 release {release} by {by} at {at}\n")
    );
    let abort = Wish::Abort { promotion: &promotion, reason: "slow\nand \"bad\"" };
    assert_eq!(
        abort.statement(&by, at),
        format!("understudy abort p-7 reason \"slow\\nand \\\"bad\\\"\" by {by} at {at}\n")
    );
    let reset = Wish::ResetBreaker { environment: &production, reason: "mended" };
    assert_eq!(
        reset.statement(&by, at),
        format!("understudy reset breaker production reason \"mended\" by {by} at {at}\n")
    );
}

/// Ends and closed breakers carry their proof as well.
#[tokio::test]
async fn p1_nobody_aborts_or_closes_a_breaker_in_another_persons_name() {
    let (world, second) = rehearsed().await;
    let (handle, _) = driven(&world, world.ask("production", Kind::Promote, &second)).await;
    let (engine, lead, production) = (world.engine(), World::lead(), env("production"));
    let other = "p-other".parse().unwrap();
    let wrong = [
        None,
        world.word(&lead, &Wish::Abort { promotion: &other, reason: "stop" }),
        world.word(&lead, &Wish::Abort { promotion: &handle.id, reason: "another reason" }),
        world.word(&World::developer(), &Wish::Abort { promotion: &handle.id, reason: "stop" }),
    ];
    for signed in wrong {
        let word = engine.abort(&production, &handle.id, lead.clone(), "stop".to_owned(), signed).await;
        assert!(matches!(word, Err(EngineError::Proof(_))), "{word:?}");
    }
    assert!(matches!(handle.drive().await.unwrap(), Outcome::Waiting { .. }));
    world.abort(&handle, "stop").await.unwrap();
    assert_eq!(handle.drive().await.unwrap(), Outcome::Ended(Phase::Aborted));

    let reset =
        async |signed| engine.reset_breaker(&production, lead.clone(), "mended".to_owned(), signed).await;
    let other = env("staging");
    let good = world.word(&lead, &Wish::ResetBreaker { environment: &production, reason: "mended" });
    for signed in [None, world.word(&lead, &Wish::ResetBreaker { environment: &other, reason: "mended" })] {
        let word = reset(signed).await;
        assert!(matches!(word, Err(EngineError::Proof(_))), "{word:?}");
    }
    reset(good.clone()).await.unwrap();
    // Who reads it in the journal cannot say it again.
    let again = reset(good).await.unwrap_err();
    assert!(matches!(again, EngineError::Proof(_)), "{again:?}");
}

/// Believes approvals, and no word any more: the asker's key was taken off the list.
#[derive(Debug)]
struct Dismissed(Arc<dyn Approvals>);

#[async_trait]
impl Approvals for Dismissed {
    async fn verify(&self, claim: &Claim) -> Result<Person, PortError> {
        self.0.verify(claim).await
    }

    async fn verify_word(&self, word: &Word) -> Result<Person, PortError> {
        Err(PortError::refused(format!("{} is not in the allowed signers", word.by)))
    }
}

#[tokio::test]
async fn p1_a_requester_who_is_nobody_any_more_at_the_lock_stops_it() {
    let (world, second) = rehearsed().await;
    let handle = world.approved(&second).await;
    let before = shape(&world).await;
    let mut ports = world.ports(&Switch::new(Moment::Never));
    ports.approvals = Arc::new(Dismissed(ports.approvals.clone()));
    let engine = Engine::new(world.options.clone(), ports);
    let outcome = engine.handle(handle.environment.clone(), handle.id.clone()).drive().await.unwrap();
    assert_eq!(outcome, Outcome::Ended(Phase::Blocked));
    let why = why(&world, &handle).await;
    assert!(why.contains("gate requester: ") && why.contains("ask again"), "{why}");
    assert_eq!(shape(&world).await, before);
}

/// A journal from before requests carried proof is read as it is.
#[tokio::test]
async fn p1_an_older_request_is_read_and_has_no_proof() {
    let (world, second) = rehearsed().await;
    let (handle, _) = driven(&world, world.ask("production", Kind::Promote, &second)).await;
    let view = world.bystander().view(&env("production")).await.unwrap();
    let request = &view.promotions[&handle.id].state.facts.request;
    let mut value = serde_json::to_value(request).unwrap();
    value.as_object_mut().unwrap().remove("signed").expect("a new one carries it");
    let older: Request = serde_json::from_value(value.clone()).unwrap();
    assert_eq!(older, Request { signed: None, ..request.clone() });
    assert_eq!(serde_json::to_value(&older).unwrap(), value, "its hash stays what it was");
}
