//! A store that outlives who opened it, and that others can write into.

use std::fmt::Debug;
use std::sync::Arc;

use async_trait::async_trait;

use super::{TTL, draft, head, journal, journal_shared, name};
use crate::journal::{Record, verify};
use crate::model::{EnvironmentName, Hash, StoreId};
use crate::ports::{Clock, Journal, JournalError};

/// A store as the suite needs it: empty at first, to be opened many times, and open to vandals.
#[async_trait]
pub trait JournalFixture: Debug + Send + Sync {
    /// Opens the store as one more runner does; a new one gets the id `fresh`.
    async fn open(&self, fresh: &StoreId) -> Arc<dyn Journal>;

    /// What the store holds as record `seq`, to the letter.
    async fn body(&self, environment: &EnvironmentName, seq: u64) -> String;

    /// Writes `body` over it, past the journal.
    async fn overwrite(&self, environment: &EnvironmentName, seq: u64, body: &str);
}

/// Everything a store of journals promises. `clock` is what leases run by, for waiting.
pub async fn journal_store(fixture: &dyn JournalFixture, clock: &dyn Clock) {
    let (first, second) = (id("store-1"), id("store-2"));
    let one = fixture.open(&first).await;
    journal(&*one, clock).await;
    let other = fixture.open(&second).await;
    reopened(&*one, &*other).await;
    drop(one);
    let one = fixture.open(&second).await;
    reopened(&*other, &*one).await;
    journal_shared(one.clone(), other, clock).await;
    spoilt(fixture, &*one, &*fixture.open(&second).await).await;
}

fn id(text: &str) -> StoreId {
    StoreId::new(text).expect("a name")
}

/// Who opens it later finds what was written, leases too.
async fn reopened(earlier: &dyn Journal, later: &dyn Journal) {
    let production = name("production");
    assert_eq!(later.store_id().await.expect("an id"), id("store-1"), "a store keeps its id");
    assert_eq!(
        later.environments().await.expect("a list"),
        earlier.environments().await.expect("a list"),
        "all chains are there"
    );
    let (then, now) = (earlier.read(&production, 0).await, later.read(&production, 0).await);
    assert_eq!(now.expect("a chain"), then.expect("a chain"), "so is every record");
    let grant = earlier.take_lease(&production, "three", TTL).await.expect("its own");
    match later.take_lease(&production, "four", TTL).await {
        Err(JournalError::Held { holder }) => assert_eq!(holder, "three"),
        other => panic!("a lease is everybody's, not {other:?}"),
    }
    later.renew_lease(&production, grant.epoch, TTL).await.expect("an epoch is known to all");
}

/// What somebody else wrote into the store is named by its number, and nothing is appended behind it. `warm` has read
/// the chain before, `cold` has not.
async fn spoilt(fixture: &dyn JournalFixture, warm: &dyn Journal, cold: &dyn Journal) {
    let (environment, foreign) = (name("spoilt"), name("foreign"));
    let drafts = (1..=4).map(draft).collect();
    let all = warm.append(&environment, 0, None, drafts).await.expect("four records");
    warm.append(&foreign, 0, None, vec![draft(9)]).await.expect("a chain of its own");
    let stranger = fixture.body(&foreign, 1).await;
    // Also whoever wrote that one itself a moment ago sees that it stands where it does not belong.
    let alike = name("alike");
    cold.append(&alike, 0, None, vec![draft(9)]).await.expect("a chain as long");
    fixture.overwrite(&alike, 1, &stranger).await;
    let behind = warm.append(&alike, 1, None, vec![draft(10)]).await;
    assert!(matches!(&behind, Err(JournalError::Damaged { seq: 1, .. })), "{behind:?}");
    for seq in [2, 4] {
        let right = fixture.body(&environment, seq).await;
        let bent = right.replacen("unit-", "Unit-", 1);
        assert_ne!(bent, right, "the record holds what was written");
        for (body, how) in [("", "nothing"), ("{}", "no record"), (&*bent, "bent"), (&*stranger, "foreign")] {
            fixture.overwrite(&environment, seq, body).await;
            for journal in [warm, cold] {
                let found = fault(journal, &environment).await;
                assert_eq!(found, Some(seq), "record {seq} of 4 is {how}");
            }
            let after = warm.read(&environment, seq).await.expect("what comes after it is sound");
            assert_eq!(after, all[usize::try_from(seq).expect("small")..], "behind record {seq}");
            if seq == 4 {
                let behind = cold.append(&environment, 4, None, vec![draft(5)]).await;
                let is_named = matches!(&behind, Err(JournalError::Damaged { seq: 4, .. }));
                assert!(is_named, "nothing goes behind a last record that is {how}: {behind:?}");
            }
        }
        fixture.overwrite(&environment, seq, &right).await;
        assert_eq!(fault(cold, &environment).await, None, "it is whole again");
    }
    assert_eq!(head(cold, &environment).await, 4, "nothing was left behind");
    let next = cold.append(&environment, 4, None, vec![draft(5)]).await.expect("a sound chain");
    assert_eq!((next[0].seq, &next[0].prev), (5, &all[3].hash));
}

/// The number of the record at fault, found by the store or by whoever reads.
async fn fault(journal: &dyn Journal, environment: &EnvironmentName) -> Option<u64> {
    let seen: Result<Hash, JournalError> = match journal.read(environment, 0).await {
        Ok(records) => verify(environment, 0, Record::root(environment), &records),
        Err(error) => Err(error),
    };
    match seen {
        Ok(_) => None,
        Err(JournalError::Damaged { seq, environment: at, .. }) => {
            assert_eq!(at, *environment, "it says in which chain");
            Some(seq)
        }
        Err(other) => panic!("a record that is not what was written is damage, not {other:?}"),
    }
}
