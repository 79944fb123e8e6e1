//! A journal moves from store to store.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use futures_util::future::BoxFuture;
use promotion::engine::EngineError;
use promotion::journal::{
    Draft, Entry, Holding, Memory, MigrateError, Move, Moved, Record, compare, migrate, verify,
};
use promotion::model::{At, ComponentName, Decision, EnvironmentName, Kind, Millis, StoreId, UnitId};
use promotion::ports::{Grant, Import, Journal, JournalError, Verbatim};
use promotion::testing::{Manners, VirtualClock, World, env};

use super::clock;
use crate::story::releases;

fn memory(id: &str) -> Memory {
    Memory::new(StoreId::new(id).unwrap(), clock())
}

fn draft(n: u64) -> Draft {
    let component = ComponentName::new("api").unwrap();
    let units = vec![UnitId::new(format!("unit-{n}")).unwrap()];
    Draft { promotion: None, at: At(1_800_000_000_000), entry: Entry::ParkedEnded { component, units } }
}

/// 450 records in production under three leases, 7 in staging.
async fn lived() -> Memory {
    let store = memory("store-1");
    let production = env("production");
    for n in 0..3 {
        let grant = store.take_lease(&production, "runner", Millis::secs(60)).await.unwrap();
        let drafts = (0..150).map(draft).collect();
        store.append(&production, n * 150, Some(grant.epoch), drafts).await.unwrap();
        store.release_lease(&production, grant.epoch).await.unwrap();
    }
    store.append(&env("staging"), 0, None, (0..7).map(draft).collect()).await.unwrap();
    store
}

const fn this(by: &str) -> Move<'_> {
    Move { by, to: "the new one", at: At(1_800_000_000_000) }
}

/// The new one has all that the old one has, down to where that left off, and goes on behind it.
async fn follows(new: &dyn Journal, old: &dyn Journal) {
    for name in ["production", "staging"] {
        let environment = env(name);
        let records = old.read(&environment, 0).await.unwrap();
        let continued = new.read(&environment, 0).await.unwrap();
        assert_eq!(continued[..records.len()], records);
        verify(&environment, 0, Record::root(&environment), &continued).unwrap();
        let Some(Entry::Moved { by, .. }) = records.last().map(|record| &record.entry) else {
            panic!("the old {name} goes on: {:?}", records.last())
        };
        assert_eq!(continued[records.len()].entry, Entry::Arrived { by: by.clone() });
    }
    assert_eq!(old.environments().await.unwrap(), new.environments().await.unwrap());
}

#[tokio::test]
async fn every_record_moves_and_nobody_goes_on_in_the_old_store() {
    let (old, new, production) = (lived().await, memory("store-1"), env("production"));
    let looked = compare(&old, &new).await.unwrap();
    assert_eq!(new.environments().await.unwrap(), [], "looking changes nothing");
    let moved = migrate(&old, &new, this("one")).await.unwrap();
    let counts = |moved: &[Moved]| moved.iter().map(|it| (it.records, it.copied)).collect::<Vec<_>>();
    assert_eq!(counts(&looked), [(450, 450), (7, 7)]);
    // With the record that it moved.
    assert_eq!(counts(&moved), [(451, 451), (8, 8)]);
    follows(&new, &old).await;
    // Three leases there were, and the move's own: the next one is later than all of them.
    let grant = new.take_lease(&production, "runner", Millis::secs(60)).await.unwrap();
    assert!(grant.epoch > 4, "{grant:?}");
    new.append(&production, 452, Some(grant.epoch), vec![draft(1)]).await.unwrap();

    // And back again, with what was added.
    new.release_lease(&production, grant.epoch).await.unwrap();
    let back = migrate(&new, &old, this("one")).await.unwrap();
    // That it came, what was added, and that it moved.
    assert_eq!((back[0].records, back[0].copied), (454, 3));
    follows(&old, &new).await;
    let again = old.take_lease(&production, "runner", Millis::secs(60)).await.unwrap();
    assert!(again.epoch > grant.epoch, "{again:?} after {grant:?}");
}

#[tokio::test]
async fn what_is_no_continuation_is_refused_and_left_alone() {
    let old = lived().await;
    let other = memory("store-2");
    assert!(matches!(migrate(&old, &other, this("one")).await, Err(MigrateError::Other { .. })));

    let apart = memory("store-1");
    let head = old.read(&env("production"), 0).await.unwrap();
    apart.import(&env("production"), 0, &head[..9]).await.unwrap();
    apart.append(&env("production"), 9, None, vec![draft(999)]).await.unwrap();
    match migrate(&old, &apart, this("one")).await {
        Err(MigrateError::NotItsBeginning { environment, seq: 10 }) => {
            assert_eq!(environment, env("production"))
        }
        other => panic!("{other:?}"),
    }
    let more = memory("store-1");
    more.append(&env("preview"), 0, None, vec![draft(1)]).await.unwrap();
    assert!(matches!(
        migrate(&old, &more, this("one")).await,
        Err(MigrateError::NotItsBeginning { seq: 1, .. })
    ));
    assert_eq!(apart.read(&env("production"), 0).await.unwrap().len(), 10);

    // A runner is at work: nothing moves, and it is not disturbed.
    let grant = old.take_lease(&env("staging"), "runner-7", Millis::secs(60)).await.unwrap();
    let new = memory("store-1");
    match migrate(&old, &new, this("one")).await {
        Err(MigrateError::Held { holder, .. }) => assert_eq!(holder, "runner-7"),
        other => panic!("{other:?}"),
    }
    old.renew_lease(&env("staging"), grant.epoch, Millis::secs(60)).await.unwrap();
    old.take_lease(&env("production"), "runner-8", Millis::secs(60)).await.unwrap();
}

/// What happens to the calls of a move, over both stores.
#[derive(Default)]
struct Weather {
    /// Calls so far.
    n: AtomicU64,
    /// From this call on nothing works.
    ends_at: Option<u64>,
    /// That one works, and is not answered.
    is_deaf: bool,
    /// Imports after which a disk is full.
    imports_left: Option<AtomicU64>,
    /// Before this call the mover sleeps, and meanwhile something happens.
    sleeps: Mutex<Option<(u64, Meanwhile)>>,
}

type Meanwhile = Box<dyn FnOnce() -> BoxFuture<'static, ()> + Send>;

impl std::fmt::Debug for Weather {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "weather after {} calls", self.n.load(Ordering::SeqCst))
    }
}

impl Weather {
    fn failed(message: &str) -> JournalError {
        JournalError::Store { step: "working", message: message.to_owned() }
    }

    /// `call`, unless it fails.
    async fn around<T: Send>(
        &self,
        call: impl Future<Output = Result<T, JournalError>> + Send,
    ) -> Result<T, JournalError> {
        let n = self.n.fetch_add(1, Ordering::SeqCst);
        let meanwhile = self.sleeps.lock().unwrap().take_if(|(at, _)| *at == n);
        if let Some((_, meanwhile)) = meanwhile {
            meanwhile().await;
        }
        match self.ends_at {
            Some(at) if n == at && self.is_deaf => {
                call.await?;
                Err(Self::failed("the answer was lost"))
            }
            Some(at) if n >= at => Err(Self::failed("it is away")),
            _ => call.await,
        }
    }

    fn has_room(&self) -> Result<(), JournalError> {
        let Some(left) = &self.imports_left else { return Ok(()) };
        let left = left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        left.map(|_| ()).map_err(|_| Self::failed("the disk is full"))
    }
}

/// A store under some weather.
#[derive(Debug)]
struct Short {
    inner: Arc<Memory>,
    weather: Arc<Weather>,
}

#[async_trait]
impl Journal for Short {
    async fn store_id(&self) -> Result<StoreId, JournalError> {
        self.weather.around(self.inner.store_id()).await
    }
    async fn environments(&self) -> Result<Vec<EnvironmentName>, JournalError> {
        self.weather.around(self.inner.environments()).await
    }
    async fn read(&self, environment: &EnvironmentName, after: u64) -> Result<Vec<Record>, JournalError> {
        self.weather.around(self.inner.read(environment, after)).await
    }
    async fn append(
        &self,
        environment: &EnvironmentName,
        head: u64,
        epoch: Option<u64>,
        drafts: Vec<Draft>,
    ) -> Result<Vec<Record>, JournalError> {
        self.weather.around(self.inner.append(environment, head, epoch, drafts)).await
    }
    async fn take_lease(
        &self,
        environment: &EnvironmentName,
        holder: &str,
        ttl: Millis,
    ) -> Result<Grant, JournalError> {
        self.weather.around(self.inner.take_lease(environment, holder, ttl)).await
    }
    async fn renew_lease(
        &self,
        environment: &EnvironmentName,
        epoch: u64,
        ttl: Millis,
    ) -> Result<(), JournalError> {
        self.weather.around(self.inner.renew_lease(environment, epoch, ttl)).await
    }
    async fn release_lease(&self, environment: &EnvironmentName, epoch: u64) -> Result<(), JournalError> {
        self.weather.around(self.inner.release_lease(environment, epoch)).await
    }
}

#[async_trait]
impl Verbatim for Short {
    async fn verbatim(&self) -> Result<Holding, JournalError> {
        self.inner.verbatim().await
    }
}

#[async_trait]
impl Import for Short {
    async fn import(
        &self,
        environment: &EnvironmentName,
        head: u64,
        records: &[Record],
    ) -> Result<(), JournalError> {
        self.weather.has_room()?;
        self.weather.around(self.inner.import(environment, head, records)).await
    }
    async fn end_lease(&self, environment: &EnvironmentName, epoch: u64) -> Result<(), JournalError> {
        self.weather.around(self.inner.end_lease(environment, epoch)).await
    }
}

#[tokio::test]
async fn a_move_that_breaks_off_anywhere_leaves_the_old_store_free_and_is_made_again() {
    // Each chain goes at once. In the old store there are three records more in the end: that it left and came back, and
    // what was said then; and that it left.
    for (n_imports, copied) in [(0, 454), (1, 3)] {
        let old = Arc::new(lived().await);
        let (inner, imports_left) = (Arc::new(memory("store-1")), Some(n_imports.into()));
        let new = Short { inner, weather: Arc::new(Weather { imports_left, ..Weather::default() }) };
        assert!(
            matches!(migrate(&*old, &new, this("one")).await, Err(MigrateError::Store { which: "new", .. })),
            "{n_imports}"
        );
        let grant = old.take_lease(&env("production"), "runner", Millis::secs(60)).await.unwrap();
        old.append(&env("production"), 452, Some(grant.epoch), vec![draft(7)]).await.unwrap();
        old.release_lease(&env("production"), grant.epoch).await.unwrap();
        let moved = migrate(&*old, &*new.inner, this("one")).await.unwrap();
        assert_eq!((moved[0].records, moved[0].copied), (454, copied));
        follows(&*new.inner, &*old).await;
    }
}

/// P2: two stores with one id must never both give leases, whoever moves once more.
#[tokio::test]
async fn p2_a_move_that_comes_second_opens_nothing() {
    let (old, new, production) = (lived().await, memory("store-1"), env("production"));
    let first = migrate(&old, &new, this("one")).await.unwrap();
    // Made again, it is through; somebody works in the new store, and is not disturbed.
    let grant = new.take_lease(&production, "runner", Millis::secs(60)).await.unwrap();
    let again = migrate(&old, &new, this("two")).await.unwrap();
    assert_eq!(again.iter().map(|chain| chain.copied).sum::<u64>(), 0);
    assert_eq!(again.len(), first.len());
    new.append(&production, 452, Some(grant.epoch), vec![draft(1)]).await.unwrap();
    // It went on there, and began another environment: nothing is left to do.
    new.append(&env("preview"), 0, None, vec![draft(1)]).await.unwrap();
    migrate(&old, &new, this("three")).await.unwrap();
    new.renew_lease(&production, grant.epoch, Millis::secs(60)).await.unwrap();
    for name in ["production", "staging"] {
        assert!(!goes_on(&old, &env(name)).await, "{name}");
    }
}

/// While another move is under way nothing is taken from it, nor given back.
#[tokio::test]
async fn p2_a_move_in_the_middle_of_another_one_is_refused() {
    let (old, new) = (lived().await, memory("store-1"));
    let other = "promote migrate-store other";
    let grant = old.take_lease(&env("production"), other, Millis::secs(60)).await.unwrap();
    assert!(matches!(migrate(&old, &new, this("one")).await, Err(MigrateError::Held { .. })));
    old.renew_lease(&env("production"), grant.epoch, Millis::secs(60)).await.unwrap();
    assert_eq!(new.environments().await.unwrap(), []);
    // The one that holds the last environment: what was held before it is free again.
    old.release_lease(&env("production"), grant.epoch).await.unwrap();
    old.take_lease(&env("staging"), other, Millis::secs(60)).await.unwrap();
    assert!(matches!(migrate(&old, &new, this("one")).await, Err(MigrateError::Held { .. })));
    old.take_lease(&env("production"), "runner", Millis::secs(60)).await.unwrap();
}

/// The new store takes nothing while not all of it is there, and the old one goes on.
#[tokio::test]
async fn p2_a_store_that_is_not_whole_takes_nothing() {
    let old = lived().await;
    let (inner, imports_left) = (Arc::new(memory("store-1")), Some(1.into()));
    let new = Short { inner, weather: Arc::new(Weather { imports_left, ..Weather::default() }) };
    assert!(migrate(&old, &new, this("one")).await.is_err());
    assert!(!goes_on(&*new.inner, &env("production")).await, "it is there, and not open");
    for name in ["production", "staging"] {
        assert!(goes_on(&old, &env(name)).await, "{name}");
    }
    migrate(&old, &*new.inner, this("two")).await.unwrap();
    assert!(goes_on(&*new.inner, &env("production")).await);
}

/// A move that died after the old store had left may have gone far: only it goes on, and to no third store.
#[tokio::test]
async fn p2_a_move_that_is_not_over_goes_nowhere_else() {
    let (old, new, third) = (lived().await, memory("store-1"), memory("store-1"));
    let epoch = old.take_lease(&env("staging"), "a mover", Millis::secs(1)).await.unwrap().epoch;
    let left = Entry::Moved { by: "zero".to_owned(), to: "the new one".to_owned() };
    let draft = Draft { promotion: None, at: At(1_800_000_000_000), entry: left };
    old.append(&env("staging"), 7, Some(epoch), vec![draft]).await.unwrap();
    old.release_lease(&env("staging"), epoch).await.unwrap();
    let elsewhere = migrate(&old, &third, Move { to: "a third one", ..this("one") }).await;
    assert!(matches!(elsewhere, Err(MigrateError::Elsewhere { .. })), "{elsewhere:?}");
    assert_eq!(third.environments().await.unwrap(), []);
    assert!(goes_on(&old, &env("production")).await);
    migrate(&old, &new, this("two")).await.unwrap();
    follows(&new, &old).await;
}

/// Two addresses of one store.
#[tokio::test]
async fn a_store_does_not_move_into_itself() {
    let old = lived().await;
    assert!(matches!(migrate(&old, &old, this("one")).await, Err(MigrateError::Same)));
    let new = memory("store-1");
    migrate(&old, &new, this("two")).await.unwrap();
    for store in [&old, &new] {
        let before = store.read(&env("production"), 0).await.unwrap();
        assert!(matches!(migrate(store, store, this("three")).await, Err(MigrateError::Same)));
        assert_eq!(store.read(&env("production"), 0).await.unwrap(), before);
    }
}

/// Whoever reads the old store, or has read it, writes nothing more there: neither a word, nor where nothing was before.
#[tokio::test]
async fn a_store_that_moved_takes_no_word_of_anybody() {
    let mut world = World::new(1, Manners::default());
    let (first, second) = releases();
    world.rehearsed(&first, &second).await;
    let ask = world.ask("production", Kind::Promote, &second);
    let handle = world.engine().request(ask).await.unwrap();
    handle.drive().await.unwrap();
    let claim = world.claim(&handle, &World::lead(), Decision::Approve).await;
    let has_read = world.engine();
    has_read.view(&handle.environment).await.unwrap();
    let new = Memory::new(world.journal.store_id().await.unwrap(), world.clock.clone());
    migrate(&*world.journal, &new, this("one")).await.unwrap();
    let before = world.journal.read(&handle.environment, 0).await.unwrap();
    let is_moved = |error: EngineError| matches!(error, EngineError::Journal(JournalError::Moved { .. }));
    for engine in [&has_read, &world.engine()] {
        let word = engine.decide(&handle.environment, claim.clone()).await;
        assert!(is_moved(word.unwrap_err()));
        let ask = world.ask("production", Kind::Promote, &second);
        assert!(is_moved(engine.request(ask).await.unwrap_err()));
        let fresh = world.ask("preview", Kind::Bootstrap, &second);
        assert!(is_moved(engine.request(fresh).await.unwrap_err()));
    }
    assert_eq!(world.journal.read(&handle.environment, 0).await.unwrap(), before);
    assert_eq!(world.journal.read(&env("preview"), 0).await.unwrap(), [], "nothing began there");
    // In the new one the word counts.
    world.journal = Arc::new(new);
    world.engine().decide(&handle.environment, claim).await.unwrap();
}

/// Whether a chain may be gone on with here.
async fn goes_on(store: &dyn Journal, environment: &EnvironmentName) -> bool {
    let records = store.read(environment, 0).await.unwrap();
    let said = records.iter().rev().find_map(|record| match record.entry {
        Entry::Moved { .. } => Some(false),
        Entry::Arrived { .. } => Some(true),
        _ => None,
    });
    said.unwrap_or(true)
}

/// P2: a move that dies at any of its calls, before or after that took effect, never leaves two stores that both take
/// records; and the next one, by anybody, ends it.
#[tokio::test]
async fn p2_a_move_that_dies_anywhere_is_ended_by_the_next_one() {
    let mut n_left_behind = 0;
    for is_deaf in [false, true] {
        for at in 0.. {
            let time = Arc::new(VirtualClock::new(At(1_800_000_000_000)));
            let store = || Arc::new(Memory::new(StoreId::new("store-1").unwrap(), time.clone()));
            let (old, new) = (store(), store());
            for name in ["production", "staging"] {
                old.append(&env(name), 0, None, vec![draft(1), draft(2)]).await.unwrap();
            }
            let weather = Arc::new(Weather { ends_at: Some(at), is_deaf, ..Weather::default() });
            let [from, to] = [&old, &new].map(|it| Short { inner: it.clone(), weather: weather.clone() });
            let has_ended = migrate(&from, &to, this("one")).await.is_ok();
            for name in ["production", "staging"] {
                let is_empty = new.read(&env(name), 0).await.unwrap().is_empty();
                let there = goes_on(&*old, &env(name)).await;
                let here = !is_empty && goes_on(&*new, &env(name)).await;
                assert!(!there || !here, "call {at}, {is_deaf}: both take records of {name}");
                n_left_behind += u32::from(!there && !here);
            }
            time.advance(Millis::secs(61));
            migrate(&*old, &*new, this("two")).await.unwrap();
            follows(&*new, &*old).await;
            for name in ["production", "staging"] {
                assert!(goes_on(&*new, &env(name)).await && !goes_on(&*old, &env(name)).await, "call {at}");
                new.take_lease(&env(name), "runner", Millis::secs(60)).await.unwrap();
            }
            if has_ended {
                assert!(at > 30, "{at} calls");
                break;
            }
        }
    }
    assert!(n_left_behind > 0, "some of them died between leaving and arriving");
}

/// P2: a mover that sleeps at any of its calls for longer than it holds the old store, while another one moves all of it, or
/// fails at that: never do both stores take records, and the next one ends it.
#[tokio::test]
async fn p2_a_mover_that_sleeps_while_another_moves_opens_nothing_twice() {
    for fails_at in [None, Some(20), Some(26), Some(30)] {
        for at in 0.. {
            let time = Arc::new(VirtualClock::new(At(1_800_000_000_000)));
            let store = || Arc::new(Memory::new(StoreId::new("store-1").unwrap(), time.clone()));
            let (old, new) = (store(), store());
            for name in ["production", "staging"] {
                old.append(&env(name), 0, None, vec![draft(1), draft(2)]).await.unwrap();
            }
            let meanwhile: Meanwhile = {
                let (time, old, new) = (time.clone(), old.clone(), new.clone());
                Box::new(move || {
                    Box::pin(async move {
                        time.advance(Millis::secs(61));
                        let weather = Arc::new(Weather { ends_at: fails_at, ..Weather::default() });
                        let [from, to] =
                            [&old, &new].map(|it| Short { inner: it.clone(), weather: weather.clone() });
                        let _may_fail = migrate(&from, &to, this("two")).await;
                    })
                })
            };
            let weather =
                Arc::new(Weather { sleeps: Mutex::new(Some((at, meanwhile))), ..Weather::default() });
            let [from, to] = [&old, &new].map(|it| Short { inner: it.clone(), weather: weather.clone() });
            let _may_fail = migrate(&from, &to, this("one")).await;
            let has_slept = weather.sleeps.lock().unwrap().is_none();
            for name in ["production", "staging"] {
                let is_empty = new.read(&env(name), 0).await.unwrap().is_empty();
                let there = goes_on(&*old, &env(name)).await;
                let here = !is_empty && goes_on(&*new, &env(name)).await;
                assert!(!there || !here, "call {at}, {fails_at:?}: both take records of {name}");
            }
            time.advance(Millis::secs(61));
            migrate(&*old, &*new, this("three")).await.unwrap();
            follows(&*new, &*old).await;
            for name in ["production", "staging"] {
                assert!(goes_on(&*new, &env(name)).await, "call {at}, {fails_at:?}");
                new.take_lease(&env(name), "runner", Millis::secs(60)).await.unwrap();
            }
            if !has_slept {
                assert!(at > 30, "{at} calls");
                break;
            }
        }
    }
}
