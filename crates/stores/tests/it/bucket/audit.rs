//! P8: what lies in the bucket is audited to the letter, the lines around the records too.

use std::sync::Arc;

use futures_util::TryStreamExt as _;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt as _};
use promotion::journal::{Fault, Finding, audit};
use promotion::model::Millis;
use promotion::ports::{Journal, JournalError, Verbatim};
use promotion::testing::env;
use stores::bucket::Bucket;

use super::faults::draft;
use super::{clock, place};

/// Three slots: two records, a grant, a record under it.
async fn lived(objects: &Arc<InMemory>) -> Bucket {
    let store = super::open(&place(objects.clone(), &clock()), "one").await;
    let production = env("production");
    store.append(&production, 0, None, vec![draft(1), draft(2)]).await.unwrap();
    let grant = store.take_lease(&production, "runner", Millis::secs(30)).await.unwrap();
    store.append(&production, 2, Some(grant.epoch), vec![draft(3)]).await.unwrap();
    store
}

async fn findings(store: &Bucket) -> Vec<Finding> {
    audit(&store.verbatim().await.unwrap()).into_iter().flat_map(|chain| chain.findings).collect()
}

async fn slots(objects: &InMemory) -> Vec<(Path, Vec<u8>)> {
    let journal = Path::from("team/understudy/journal");
    let mut found = Vec::new();
    for meta in objects.list(Some(&journal)).try_collect::<Vec<_>>().await.unwrap() {
        let bytes = objects.get(&meta.location).await.unwrap().bytes().await.unwrap();
        found.push((meta.location, bytes.to_vec()));
    }
    found.sort();
    found
}

#[tokio::test]
async fn p8_every_bit_of_every_slot_is_covered() {
    let objects = Arc::new(InMemory::new());
    let store = lived(&objects).await;
    assert_eq!(findings(&store).await, []);
    let (mut n_flipped, mut missed) = (0, Vec::new());
    for (path, bytes) in slots(&objects).await {
        for bit in (0..bytes.len() * 8).step_by(3) {
            let mut bent = bytes.clone();
            bent[bit / 8] ^= 1 << (bit % 8);
            objects.put(&path, bent.into()).await.unwrap();
            n_flipped += 1;
            if findings(&store).await.is_empty() {
                missed.push(format!("{path} {bit}"));
            }
        }
        objects.put(&path, bytes.into()).await.unwrap();
    }
    assert_eq!(missed, [""; 0]);
    assert!(n_flipped > 3_000, "{n_flipped}");
    assert_eq!(findings(&store).await, []);
}

#[tokio::test]
async fn p8_missing_and_strange_objects_are_named() {
    let objects = Arc::new(InMemory::new());
    let store = lived(&objects).await;
    let slots = slots(&objects).await;
    let faults = async || {
        let found = findings(&store).await;
        found.into_iter().map(|it| (it.seq, it.fault)).collect::<Vec<_>>()
    };
    objects.delete(&slots[0].0).await.unwrap();
    assert_eq!(faults().await, [(1, Fault::Missing), (1, Fault::Missing)], "the object, and its records");
    objects.put(&slots[0].0, slots[0].1.clone().into()).await.unwrap();
    objects.delete(&slots[1].0).await.unwrap();
    assert_eq!(faults().await, [(3, Fault::Missing)], "a grant has no record");
    // One slot in the place of another.
    objects.put(&slots[1].0, slots[0].1.clone().into()).await.unwrap();
    assert!(faults().await.contains(&(3, Fault::Changed)), "{:?}", faults().await);
    objects.put(&slots[1].0, slots[1].1.clone().into()).await.unwrap();
    let stray = Path::from("team/understudy/journal/production/note");
    objects.put(&stray, "hello".into()).await.unwrap();
    assert_eq!(faults().await, [(0, Fault::Foreign)]);
}

/// The sum covers the first line; whoever bends that line could leave the sum out. Behind a slot that has one that is
/// named, and such a slot is not read.
#[tokio::test]
async fn p8_a_sum_that_was_taken_out_is_named() {
    let objects = Arc::new(InMemory::new());
    let store = lived(&objects).await;
    for (path, bytes) in slots(&objects).await.split_off(1) {
        let text = String::from_utf8(bytes.clone()).unwrap();
        let (before, rest) = text.split_once(",\"sum\":\"").unwrap();
        let bent = format!("{before}{}", &rest[65..]).replacen("\"writer\":\"", "\"writer\":\"x", 1);
        objects.put(&path, bent.into()).await.unwrap();
        let found: Vec<_> = findings(&store).await.into_iter().map(|it| it.fault).collect();
        assert_eq!(found, [Fault::Changed], "{path}");
        let later = super::open(&place(objects.clone(), &clock()), "two").await;
        let refused = later.read(&env("production"), 0).await.unwrap_err();
        assert!(matches!(refused, JournalError::Damaged { .. }), "{path}: {refused}");
        objects.put(&path, bytes.into()).await.unwrap();
    }
    assert_eq!(findings(&store).await, []);
}

/// Slots that were written before they had a sum are read and audited as before.
#[tokio::test]
async fn slots_without_a_sum_are_read_for_ever() {
    let objects = Arc::new(InMemory::new());
    let store = lived(&objects).await;
    for (path, bytes) in slots(&objects).await {
        let text = String::from_utf8(bytes).unwrap();
        let (before, rest) = text.split_once(",\"sum\":\"").unwrap();
        objects.put(&path, format!("{before}{}", &rest[65..]).into()).await.unwrap();
    }
    assert_eq!(findings(&store).await, []);
    let later = super::open(&place(objects.clone(), &clock()), "two").await;
    let records = later.read(&env("production"), 0).await.unwrap();
    assert_eq!(records.len(), 3);
    let epoch = records[2].epoch;
    later.append(&env("production"), 3, epoch, vec![draft(4)]).await.unwrap();
}
