//! What a word of a person asks of the store: no more than it must, and nobody is refused by what was read long ago.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use futures_util::FutureExt as _;
use promotion::engine::{Engine, EngineError, Handle};
use promotion::machine::Phase;
use promotion::model::{Decision, Kind};
use promotion::testing::{Manners, Moment, Switch, World};

use super::order::MockStore;

/// A world in which a promotion into production waits for a person, a runner that has read all of it or only that it was
/// asked for, and how often that runner has asked the store to read and to append since.
struct Waiting {
    world: World,
    handle: Handle,
    engine: Engine,
    reads: Arc<AtomicU32>,
    appends: Arc<AtomicU32>,
}

impl Waiting {
    async fn known(whole: bool) -> Self {
        let world = World::new(1, Manners::default());
        let (first, second) = (World::release("0.9.0", 5, 15), World::release("1.0.0", 1, 11));
        world.rehearsed(&first, &second).await;
        let (reads, appends) = (Arc::<AtomicU32>::default(), Arc::<AtomicU32>::default());
        let mut ports = world.ports(&Switch::new(Moment::Never));
        let mut store = MockStore::new();
        let (inner, n) = (ports.journal.clone(), reads.clone());
        store.expect_read().returning(move |environment, after| {
            n.fetch_add(1, Ordering::SeqCst);
            inner.read(environment, after).now_or_never().expect("memory never waits")
        });
        let (inner, n) = (ports.journal.clone(), appends.clone());
        store.expect_append().returning(move |environment, head, epoch, drafts| {
            n.fetch_add(1, Ordering::SeqCst);
            inner.append(environment, head, epoch, drafts).now_or_never().expect("memory never waits")
        });
        ports.journal = Arc::new(store);
        let engine = Engine::new(world.options.clone(), ports);

        let ask = world.ask("production", Kind::Promote, &second);
        let handle = world.engine().request(ask).await.unwrap();
        if !whole {
            engine.view(&handle.environment).await.unwrap();
        }
        handle.drive().await.unwrap();
        if whole {
            engine.view(&handle.environment).await.unwrap();
        }
        reads.store(0, Ordering::SeqCst);
        Self { world, handle, engine, reads, appends }
    }

    async fn approve(&self) -> Result<(), EngineError> {
        let claim = self.world.claim(&self.handle, &World::lead(), Decision::Approve).await;
        self.engine.decide(&self.handle.environment, claim).await.map(|_| ())
    }

    async fn phase(&self) -> Phase {
        let view = self.world.engine().view(&self.handle.environment).await.unwrap();
        view.promotions[&self.handle.id].state.phase
    }
}

/// Whoever appends names the last record that they know, and the store refuses where there is a later one: so that is what
/// is asked, and nothing else.
#[tokio::test]
async fn a_word_about_what_is_known_is_one_question() {
    let waiting = Waiting::known(true).await;
    waiting.approve().await.unwrap();
    assert_eq!(waiting.phase().await, Phase::Queued);
    assert_eq!(waiting.reads.load(Ordering::SeqCst), 0);
    assert_eq!(waiting.appends.load(Ordering::SeqCst), 1);
}

/// To whoever has read the request only, there is no plan yet that a word could be about.
#[tokio::test]
async fn nobody_is_refused_by_what_was_read_long_ago() {
    let waiting = Waiting::known(false).await;
    waiting.approve().await.unwrap();
    assert_eq!(waiting.phase().await, Phase::Queued);
    assert!(waiting.reads.load(Ordering::SeqCst) > 0);
}

/// What was said meanwhile counts: the word is judged by it, and what is not to be written is not.
#[tokio::test]
async fn a_word_that_somebody_was_quicker_than_is_judged_anew() {
    let waiting = Waiting::known(true).await;
    waiting.world.abort(&waiting.handle, "not today").await.unwrap();
    let before = waiting.world.engine().view(&waiting.handle.environment).await.unwrap().head;
    let refused = waiting.approve().await.unwrap_err();
    assert!(matches!(refused, EngineError::Rejected(_)), "{refused:?}");
    assert_eq!(waiting.phase().await, Phase::Aborted);
    assert_eq!(waiting.world.engine().view(&waiting.handle.environment).await.unwrap().head, before);
}
