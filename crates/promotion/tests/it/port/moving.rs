//! A journal moves from store to store.

use std::sync::Arc;

use async_trait::async_trait;
use promotion::journal::{
    Draft, Entry, Holding, MOVED, Memory, MigrateError, Record, compare, migrate, verify,
};
use promotion::model::{At, ComponentName, EnvironmentName, Millis, StoreId, UnitId};
use promotion::ports::{Grant, Import, Journal, JournalError, Verbatim};
use promotion::testing::env;

use super::clock;

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

async fn equal(one: &dyn Journal, other: &dyn Journal) {
    for name in ["production", "staging"] {
        let environment = env(name);
        let records = one.read(&environment, 0).await.unwrap();
        assert_eq!(other.read(&environment, 0).await.unwrap(), records);
        verify(&environment, 0, Record::root(&environment), &records).unwrap();
    }
    assert_eq!(one.environments().await.unwrap(), other.environments().await.unwrap());
}

#[tokio::test]
async fn every_record_moves_and_nobody_goes_on_in_the_old_store() {
    let (old, new, production) = (lived().await, memory("store-1"), env("production"));
    let looked = compare(&old, &new).await.unwrap();
    assert_eq!(new.environments().await.unwrap(), [], "looking changes nothing");
    let moved = migrate(&old, &new, "one").await.unwrap();
    assert_eq!(moved, looked);
    let counts: Vec<_> = moved.iter().map(|moved| (moved.records, moved.copied)).collect();
    assert_eq!(counts, [(450, 450), (7, 7)]);
    equal(&old, &new).await;
    match old.take_lease(&production, "runner", Millis::secs(60)).await {
        Err(JournalError::Held { holder }) => assert!(holder.starts_with(MOVED), "{holder}"),
        other => panic!("the old store is closed, not {other:?}"),
    }
    // Three leases there were, and the move's own: the next one is later than all of them.
    let grant = new.take_lease(&production, "runner", Millis::secs(60)).await.unwrap();
    assert!(grant.epoch > 4, "{grant:?}");
    new.append(&production, 450, Some(grant.epoch), vec![draft(1)]).await.unwrap();

    // And back again, with what was added.
    new.release_lease(&production, grant.epoch).await.unwrap();
    let back = migrate(&new, &old, "one").await.unwrap();
    assert_eq!((back[0].records, back[0].copied), (451, 1));
    equal(&new, &old).await;
    let again = old.take_lease(&production, "runner", Millis::secs(60)).await.unwrap();
    assert!(again.epoch > grant.epoch, "{again:?} after {grant:?}");
}

#[tokio::test]
async fn what_is_no_continuation_is_refused_and_left_alone() {
    let old = lived().await;
    let other = memory("store-2");
    assert!(matches!(migrate(&old, &other, "one").await, Err(MigrateError::Other { .. })));

    let apart = memory("store-1");
    let head = old.read(&env("production"), 0).await.unwrap();
    apart.import(&env("production"), 0, &head[..9]).await.unwrap();
    apart.append(&env("production"), 9, None, vec![draft(999)]).await.unwrap();
    match migrate(&old, &apart, "one").await {
        Err(MigrateError::NotItsBeginning { environment, seq: 10 }) => {
            assert_eq!(environment, env("production"))
        }
        other => panic!("{other:?}"),
    }
    let more = memory("store-1");
    more.append(&env("preview"), 0, None, vec![draft(1)]).await.unwrap();
    assert!(matches!(migrate(&old, &more, "one").await, Err(MigrateError::NotItsBeginning { seq: 1, .. })));
    assert_eq!(apart.read(&env("production"), 0).await.unwrap().len(), 10);

    // A runner is at work: nothing moves, and it is not disturbed.
    let grant = old.take_lease(&env("staging"), "runner-7", Millis::secs(60)).await.unwrap();
    let new = memory("store-1");
    match migrate(&old, &new, "one").await {
        Err(MigrateError::Held { holder, .. }) => assert_eq!(holder, "runner-7"),
        other => panic!("{other:?}"),
    }
    old.renew_lease(&env("staging"), grant.epoch, Millis::secs(60)).await.unwrap();
    old.take_lease(&env("production"), "runner-8", Millis::secs(60)).await.unwrap();
}

/// A store whose disk is full after so many imports.
#[derive(Debug)]
struct Short {
    inner: Memory,
    left: std::sync::Mutex<u32>,
}

#[async_trait]
impl Journal for Short {
    async fn store_id(&self) -> Result<StoreId, JournalError> {
        self.inner.store_id().await
    }
    async fn environments(&self) -> Result<Vec<EnvironmentName>, JournalError> {
        self.inner.environments().await
    }
    async fn read(&self, environment: &EnvironmentName, after: u64) -> Result<Vec<Record>, JournalError> {
        self.inner.read(environment, after).await
    }
    async fn append(
        &self,
        environment: &EnvironmentName,
        head: u64,
        epoch: Option<u64>,
        drafts: Vec<Draft>,
    ) -> Result<Vec<Record>, JournalError> {
        self.inner.append(environment, head, epoch, drafts).await
    }
    async fn take_lease(
        &self,
        environment: &EnvironmentName,
        holder: &str,
        ttl: Millis,
    ) -> Result<Grant, JournalError> {
        self.inner.take_lease(environment, holder, ttl).await
    }
    async fn renew_lease(
        &self,
        environment: &EnvironmentName,
        epoch: u64,
        ttl: Millis,
    ) -> Result<(), JournalError> {
        self.inner.renew_lease(environment, epoch, ttl).await
    }
    async fn release_lease(&self, environment: &EnvironmentName, epoch: u64) -> Result<(), JournalError> {
        self.inner.release_lease(environment, epoch).await
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
        let is_full = {
            let mut left = self.left.lock().unwrap();
            let is_full = *left == 0;
            *left = left.saturating_sub(1);
            is_full
        };
        if is_full {
            return Err(JournalError::Store {
                step: "taking records over",
                message: "the disk is full".to_owned(),
            });
        }
        self.inner.import(environment, head, records).await
    }
    async fn end_lease(&self, environment: &EnvironmentName, epoch: u64) -> Result<(), JournalError> {
        self.inner.end_lease(environment, epoch).await
    }
}

#[tokio::test]
async fn a_move_that_breaks_off_anywhere_leaves_the_old_store_free_and_is_made_again() {
    // Production goes in parts of 200, 200 and 50; the fourth import is staging's.
    for (n_imports, copied) in [(0, 451), (1, 251), (2, 51), (3, 1)] {
        let old = Arc::new(lived().await);
        let new = Short { inner: memory("store-1"), left: std::sync::Mutex::new(n_imports) };
        assert!(
            matches!(migrate(&*old, &new, "one").await, Err(MigrateError::Store { which: "new", .. })),
            "{n_imports}"
        );
        let grant = old.take_lease(&env("production"), "runner", Millis::secs(60)).await.unwrap();
        old.append(&env("production"), 450, Some(grant.epoch), vec![draft(7)]).await.unwrap();
        old.release_lease(&env("production"), grant.epoch).await.unwrap();
        *new.left.lock().unwrap() = u32::MAX;
        let moved = migrate(&*old, &new, "one").await.unwrap();
        assert_eq!((moved[0].records, moved[0].copied), (451, copied));
        equal(&*old, &new.inner).await;
    }
}

/// P2: two stores with one id must never both give leases, whoever moves once more.
#[tokio::test]
async fn p2_a_move_that_comes_second_opens_nothing() {
    let (old, new, production) = (lived().await, memory("store-1"), env("production"));
    let first = migrate(&old, &new, "one").await.unwrap();
    // Made again, it is through; somebody works in the new store, and is not disturbed.
    let grant = new.take_lease(&production, "runner", Millis::secs(60)).await.unwrap();
    let again = migrate(&old, &new, "two").await.unwrap();
    assert_eq!(again.iter().map(|chain| chain.copied).sum::<u64>(), 0);
    assert_eq!(again.len(), first.len());
    new.append(&production, 450, Some(grant.epoch), vec![draft(1)]).await.unwrap();
    // It went on there: no beginning any more, and the old store stays closed all the same.
    assert!(matches!(migrate(&old, &new, "two").await, Err(MigrateError::NotItsBeginning { .. })));
    for name in ["production", "staging"] {
        let held = old.take_lease(&env(name), "runner", Millis::secs(60)).await;
        assert!(matches!(held, Err(JournalError::Held { .. })), "{held:?}");
    }
}

/// While another move is under way nothing is taken from it, nor given back.
#[tokio::test]
async fn p2_a_move_in_the_middle_of_another_one_is_refused() {
    let (old, new) = (lived().await, memory("store-1"));
    let other = format!("{MOVED} other");
    let grant = old.take_lease(&env("production"), &other, Millis::secs(60)).await.unwrap();
    assert!(matches!(migrate(&old, &new, "one").await, Err(MigrateError::Held { .. })));
    old.renew_lease(&env("production"), grant.epoch, Millis::secs(60)).await.unwrap();
    assert_eq!(new.environments().await.unwrap(), []);
    // The one that holds the last environment: what was held before it is free again.
    old.release_lease(&env("production"), grant.epoch).await.unwrap();
    old.take_lease(&env("staging"), &other, Millis::secs(60)).await.unwrap();
    assert!(matches!(migrate(&old, &new, "one").await, Err(MigrateError::Held { .. })));
    old.take_lease(&env("production"), "runner", Millis::secs(60)).await.unwrap();
}

/// The new store gives no lease while it holds only a beginning.
#[tokio::test]
async fn p2_a_store_that_is_not_whole_gives_no_lease() {
    let old = lived().await;
    let new = Short { inner: memory("store-1"), left: std::sync::Mutex::new(1) };
    assert!(migrate(&old, &new, "one").await.is_err());
    for name in ["production", "staging"] {
        let held = new.take_lease(&env(name), "runner", Millis::secs(60)).await;
        assert!(matches!(held, Err(JournalError::Held { .. })), "{name}: {held:?}");
    }
    *new.left.lock().unwrap() = u32::MAX;
    migrate(&old, &new, "two").await.unwrap();
    new.take_lease(&env("production"), "runner", Millis::secs(60)).await.unwrap();
}
