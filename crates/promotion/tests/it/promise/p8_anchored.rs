//! P8: wherever a promotion ends or waits for people, the chain's last record is put outside the store; nothing waits for
//! that place.

use std::sync::Arc;

use async_trait::async_trait;
use promotion::engine::{Engine, Outcome, Ports};
use promotion::journal::audit;
use promotion::machine::Phase;
use promotion::model::{AnchorPoint, Attestation, Envelope, EnvironmentName, Statement, StoreId};
use promotion::ports::{Anchors as _, Attestor, PortError, Verbatim as _};
use promotion::testing::{Ashore, Moment, Switch, World, env};

use crate::story::{Asked, Story};

async fn asked() -> (Asked, Arc<Ashore>) {
    let ashore = Arc::new(Ashore::default());
    let mut asked = Story::Promote.asked().await;
    asked.world.anchors = Some(ashore.clone());
    (asked, ashore)
}

fn store() -> StoreId {
    StoreId::new("store-1").unwrap()
}

async fn points(ashore: &Ashore, environment: &EnvironmentName) -> Vec<AnchorPoint> {
    let mut points = Vec::new();
    for seq in ashore.list(&store(), environment).await.unwrap() {
        let text = ashore.get(&store(), environment, seq).await.unwrap().unwrap();
        let envelope: Envelope = serde_json::from_str(&text).unwrap();
        let point = AnchorPoint::of(&envelope).unwrap();
        assert_eq!((point.seq, &point.environment, point.store.clone()), (seq, environment, store()));
        points.push(point);
    }
    points
}

async fn head(world: &World) -> u64 {
    world.journal.read(&env("production"), 0).await.unwrap().len() as u64
}

#[tokio::test]
async fn p8_a_human_wait_and_an_end_are_anchored_by_their_last_record() {
    let (asked, ashore) = asked().await;
    let (production, engine) = (env("production"), asked.world.engine());
    let handle = engine.handle(production.clone(), asked.handle.id.clone());
    assert!(matches!(handle.drive().await.unwrap(), Outcome::Waiting { .. }));
    let waiting = head(&asked.world).await;
    asked.play(&engine).await.unwrap();
    assert_eq!(asked.phase().await, Phase::Succeeded);
    let ended = head(&asked.world).await;
    let points = points(&ashore, &production).await;
    assert_eq!(points.iter().map(|point| point.seq).collect::<Vec<_>>(), [waiting, ended]);
    // The chain as it stands is what was anchored; one record less is not.
    let memory = promotion::journal::Memory::new(store(), asked.world.clock.clone());
    let records = asked.world.journal.read(&production, 0).await.unwrap();
    for (kept, n_found) in [(records.len(), 0), (records.len() - 1, 1)] {
        memory.load(&production, records[..kept].to_vec());
        let mut audited = audit(&memory.verbatim().await.unwrap()).remove(0);
        points.iter().for_each(|point| audited.compare(point));
        assert_eq!(audited.findings.len(), n_found, "{:?}", audited.findings);
    }
}

#[tokio::test]
async fn p8_a_place_that_is_away_stops_nothing_and_a_tick_makes_up_for_it() {
    let (asked, ashore) = asked().await;
    let (production, engine) = (env("production"), asked.world.engine());
    ashore.go_away(true);
    let mut events = engine.events();
    asked.play(&engine).await.unwrap();
    assert_eq!(asked.phase().await, Phase::Succeeded);
    let mut said = String::new();
    while let Some(Some(event)) = futures_util::FutureExt::now_or_never(events.next()) {
        said.push_str(&format!("{event:?}"));
    }
    assert!(said.contains("was not anchored, and the next one makes up for it"), "{said}");
    let ticked = engine.tick().await.unwrap();
    assert!(ticked.problems.iter().any(|it| it.contains("was not anchored")), "{:?}", ticked.problems);
    ashore.go_away(false);
    assert_eq!(points(&ashore, &production).await, []);
    let before = head(&asked.world).await;
    assert_eq!(engine.tick().await.unwrap().problems, [""; 0]);
    let last = points(&ashore, &production).await.pop().unwrap();
    assert_eq!(last.seq, head(&asked.world).await);
    assert_eq!(
        last.seq, before,
        "an anchor is no record: else there would always be one that is not anchored"
    );
    assert_eq!(engine.tick().await.unwrap().problems, [""; 0]);
    assert_eq!(points(&ashore, &production).await.len(), 1, "what is anchored is not anchored again");
}

/// Seals, and knows that nobody believes it.
#[derive(Debug)]
struct Unlisted;

#[async_trait]
impl Attestor for Unlisted {
    async fn sign(&self, _: &Statement) -> Result<Attestation, PortError> {
        Err(PortError::refused("not asked"))
    }

    async fn verify(&self, _: &Attestation) -> Result<(), PortError> {
        Ok(())
    }

    fn unbelieved(&self) -> Option<String> {
        Some("its key is not listed".to_owned())
    }

    async fn seal(&self, payload_type: &str, payload: &[u8]) -> Result<Envelope, PortError> {
        Ok(Envelope { payload: payload.to_vec(), payload_type: payload_type.to_owned(), signatures: vec![] })
    }
}

/// What is there is never replaced: an anchor that nobody believes would stand in the way of one that counts. The runner
/// says so and has no problem, and the next one whose key is believed makes up for it.
#[tokio::test]
async fn p8_a_runner_that_nobody_believes_puts_no_anchor() {
    let (asked, ashore) = asked().await;
    let world = &asked.world;
    ashore.go_away(true);
    asked.play(&world.engine()).await.unwrap();
    ashore.go_away(false);
    let ports = Ports { attestor: Arc::new(Unlisted), ..world.ports(&Switch::new(Moment::Never)) };
    let ticked = Engine::new(world.options.clone(), ports).tick().await.unwrap();
    assert_eq!(points(&ashore, &env("production")).await, []);
    assert_eq!(ticked.problems, [""; 0]);
    assert!(ticked.notes.iter().any(|it| it.contains("its key is not listed")), "{:?}", ticked.notes);
    let ticked = world.engine().tick().await.unwrap();
    assert_eq!((ticked.problems, ticked.notes), (vec![], vec![]));
    assert_eq!(points(&ashore, &env("production")).await.pop().unwrap().seq, head(world).await);
}

#[tokio::test]
async fn anchors_in_memory_conform() {
    promotion::conformance::anchors(&Ashore::default()).await;
}
