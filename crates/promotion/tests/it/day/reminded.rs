//! What waits for people and is not looked after: they are told again after 1 h, 4 h and 24 h, and no more, under the id
//! that they know (P3: at least once, with the same id), however many runners come by.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use futures_util::future::BoxFuture;
use promotion::engine::{DriftSeen, Engine, Outcome};
use promotion::machine::Phase;
use promotion::model::{Kind, Millis};
use promotion::ports::{Notice, Notifier, PortError};
use promotion::testing::{Manners, Moment, Switch, World};

use super::drift_seen::{put, somebody, tick, units};
use crate::story::{Asked, Story, releases};

const HOUR: u64 = 3600;

/// Two runners come by every twenty minutes for so many hours; what they tell, with the hour.
async fn told_within(world: &World, hours: u64) -> Vec<(u64, Notice)> {
    let from = world.now();
    let mut told = Vec::new();
    for _ in 0..hours * 3 {
        world.clock.advance(Millis::secs(HOUR / 3));
        let (one, other) = (world.engine(), world.engine());
        let (one, other) = tokio::join!(one.tick(), other.tick());
        for notice in [one, other].into_iter().flat_map(|ticked| ticked.unwrap().told) {
            told.push((world.now().since(from).0 / 1000 / HOUR, notice));
        }
    }
    told
}

fn hours(told: &[(u64, Notice)]) -> Vec<u64> {
    told.iter().map(|(hour, _)| *hour).collect()
}

#[tokio::test]
async fn open_drift_is_told_at_once_and_then_urgently() {
    let world = World::new(1, Manners::default());
    put(&world).await;
    let unit = units(&world).await[0].clone();
    somebody(&world, &unit, |spec| spec.config["guest"] = serde_json::json!({"memory_mb": 512})).await;
    let at_once = tick(&world).await.told;
    let [first] = &at_once[..] else { panic!("{at_once:?}") };
    assert!(!first.urgent && first.text.contains("api: guest on"), "{first:?}");
    let told = told_within(&world, 60).await;
    assert_eq!(hours(&told), [1, 4, 24]);
    assert!(told.iter().all(|(_, notice)| notice.urgent && notice.id == first.id), "{told:?}");
    let desk: Vec<Notice> = world.desk.notices().into_iter().filter(|it| it.id == first.id).collect();
    assert_eq!(desk.len(), 4, "nobody hears of it twice");
}

/// Tells people, and meanwhile something happens.
struct Meanwhile {
    desk: Arc<dyn Notifier>,
    happens: Mutex<Option<BoxFuture<'static, ()>>>,
}

impl std::fmt::Debug for Meanwhile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("meanwhile")
    }
}

#[async_trait]
impl Notifier for Meanwhile {
    async fn notify(&self, notice: &Notice) -> Result<(), PortError> {
        let happens = self.happens.lock().unwrap().take();
        if let Some(happens) = happens {
            happens.await;
        }
        self.desk.notify(notice).await
    }
}

/// P8: another runner sees that the drift is over while people are told of it: that they were told is then no record, and
/// the journal can be read.
#[tokio::test]
async fn p8_drift_that_ends_while_people_are_told_of_it_spoils_no_journal() {
    let world = Arc::new(World::new(1, Manners::default()));
    put(&world).await;
    let unit = units(&world).await[0].clone();
    let guest = unit.config["guest"].clone();
    somebody(&world, &unit, |spec| spec.config["guest"] = serde_json::json!({"memory_mb": 512})).await;
    let other = world.clone();
    let happens = Box::pin(async move {
        let unit = units(&other).await[0].clone();
        somebody(&other, &unit, |spec| {
            if guest.is_null() {
                spec.config.as_object_mut().unwrap().remove("guest");
            } else {
                spec.config["guest"] = guest;
            }
        })
        .await;
        let seen = tick(&other).await.drifted;
        assert!(matches!(&seen[..], [(_, DriftSeen::Gone(_))]), "{seen:?}");
    });
    let mut ports = world.ports(&Switch::new(Moment::Never));
    ports.notifier = Arc::new(Meanwhile { desk: ports.notifier.clone(), happens: Mutex::new(Some(happens)) });
    let told = Engine::new(world.options.clone(), ports).tick().await.unwrap().told;
    assert_eq!(told.len(), 1, "{told:?}");
    let view = world.engine().view(&promotion::testing::env("production")).await.unwrap();
    assert_eq!(view.drift(), None);
    assert_eq!(tick(&world).await.problems, Vec::<String>::new());
}

/// The approval's wait ends after 24 h; until then it is told again under the notice that asked for it.
#[tokio::test]
async fn a_promotion_that_waits_for_approval_is_told_again() {
    let world = World::new(1, Manners::default());
    let (first, second) = releases();
    world.rehearsed(&first, &second).await;
    let (handle, outcome) = world.put("production", Kind::Promote, &second).await.unwrap();
    assert!(matches!(outcome, Outcome::Waiting { .. }));
    let asked = world.desk.notices().pop().expect("people are asked");
    let told = told_within(&world, 30).await;
    assert_eq!(hours(&told), [1, 4]);
    for (_, notice) in &told {
        assert_eq!((notice.id.as_str(), &notice.promotion), (asked.id.as_str(), &handle.id));
        assert!(notice.urgent && notice.text.contains("promote approve"), "{notice:?}");
    }
}

/// P6: a rollback that failed always escalates; until a person closed the breaker, nobody is known to have looked.
#[tokio::test]
async fn p6_a_failed_rollback_is_told_again_until_somebody_looked() {
    for looked in [false, true] {
        let asked: Asked = Story::BackByPersonThatStays.asked().await;
        asked.play(&asked.world.engine()).await.unwrap();
        assert_eq!(asked.phase().await, Phase::RollbackFailed);
        let world = &asked.world;
        let notices = world.desk.notices();
        let escalated = notices.iter().find(|notice| notice.urgent).expect("it pages a human");
        // What is refused looks after nothing.
        let (_, second) = releases();
        let (_, outcome) = world.put("production", Kind::Promote, &second).await.unwrap();
        assert_eq!(outcome, Outcome::Ended(Phase::Blocked));
        if looked {
            world.reset_breaker(&World::lead(), "I looked").await.unwrap();
        }
        let told = told_within(world, 60).await;
        let told: Vec<_> = told.into_iter().filter(|(_, it)| it.phase == Phase::RollbackFailed).collect();
        assert_eq!(hours(&told), if looked { vec![] } else { vec![1, 4, 24] });
        assert!(told.iter().all(|(_, notice)| notice.urgent && notice.id == escalated.id), "{told:?}");
    }
}

/// Nobody drives it, and what it needs is away: whoever comes by says so before they try.
#[tokio::test]
async fn a_promotion_that_does_not_go_on_is_told() {
    let world = World::new(1, Manners::default());
    let (first, second) = releases();
    world.rehearsed(&first, &second).await;
    let ask = world.ask("production", Kind::Promote, &second);
    let id = world.engine().request(ask).await.unwrap().id;
    world.provider.away_for(Millis::secs(2 * HOUR));
    let runner = world.mortal(&Switch::new(Moment::After(6)));
    let _dies = runner.tick().await;
    let view = world.bystander().view(&promotion::testing::env("production")).await.unwrap();
    assert!(view.promotions[&id].state.facts.stalled.is_some(), "it came as far as to fail");
    world.clock.advance(Millis::secs(HOUR));
    let told = tick(&world).await.told;
    let [notice] = &told[..] else { panic!("{told:?}") };
    assert!(notice.urgent && notice.id == format!("{id}/stalled"), "{notice:?}");
    assert!(notice.text.contains("does not go on"), "{notice:?}");
}
