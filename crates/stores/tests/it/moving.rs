//! A journal goes round through every kind of store, and is the same in each.

use std::sync::Arc;

use object_store::memory::InMemory;
use promotion::journal::{Entry, MigrateError, Move, Record, Sqlite, migrate, verify};
use promotion::model::{At, EnvironmentName, Millis, StoreId};
use promotion::ports::{Import, Journal, JournalError};
use stores::bucket::Bucket;
use stores::postgres::Postgres;
use stores::testing::{Cluster, Pooler};

use crate::bucket::{clock, place};
use crate::postgres::address;

const fn this(by: &str) -> Move<'_> {
    Move { by, to: "the next", at: At(1_800_000_000_000) }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_journal_moves_through_all_stores_and_back() {
    let (dir, clock, id) = (tempfile::tempdir().unwrap(), clock(), StoreId::new("store-1").unwrap());
    let cluster = Cluster::start();
    let pooler = Pooler::before(&cluster);
    let file = Sqlite::open(&dir.path().join("journal.db"), clock.clone(), &id).unwrap();
    let server = Postgres::open(&address(&pooler.url("")), &id).await.unwrap();
    let bucket = Bucket::open(place(Arc::new(InMemory::new()), &clock), "one", &id).await.unwrap();
    let production = EnvironmentName::new("production").unwrap();
    let mut expected: Vec<Record> = Vec::new();
    let mut earlier = 0;
    let round: [(&dyn Journal, &dyn Import); 3] = [(&file, &server), (&server, &bucket), (&bucket, &file)];
    for (from, to) in round {
        let grant = from.take_lease(&production, "runner", Millis::secs(60)).await.unwrap();
        assert!(grant.epoch > earlier, "{} after {earlier}", grant.epoch);
        let drafts = (0..250).map(crate::postgres::faults::draft).collect();
        let head = expected.len() as u64;
        expected.extend(from.append(&production, head, Some(grant.epoch), drafts).await.unwrap());
        let held = migrate(from, to, this("zero")).await.unwrap_err();
        assert!(held.to_string().contains("held by runner"), "{held}");
        from.release_lease(&production, grant.epoch).await.unwrap();

        let by = format!("move to {}", expected.len());
        let moved = migrate(from, to, this(&by)).await.unwrap();
        let records = to.read(&production, 0).await.unwrap();
        verify(&production, 0, Record::root(&production), &records).unwrap();
        assert_eq!(records[..expected.len()], expected);
        // That it left, in both, and that it came.
        let ends: Vec<&Entry> = records[expected.len()..].iter().map(|record| &record.entry).collect();
        assert_eq!(
            ends,
            [&Entry::Moved { by: by.clone(), to: "the next".to_owned() }, &Entry::Arrived { by }]
        );
        assert_eq!(from.read(&production, 0).await.unwrap(), records[..=expected.len()]);
        let n_environments = to.environments().await.unwrap().len();
        assert_eq!((moved[0].records, n_environments), (expected.len() as u64 + 1, 1));
        expected = records;
        let late = to.append(&production, expected.len() as u64, Some(grant.epoch), vec![]).await;
        assert!(
            matches!(late, Err(JournalError::Fenced { .. })),
            "epochs of the old store are over: {late:?}"
        );
        earlier = grant.epoch + 1;
    }

    // Two addresses of one store, whatever kind of store it is.
    for store in [&file as &dyn Import, &server, &bucket] {
        let itself = migrate(store, store, this("itself")).await;
        assert!(matches!(itself, Err(MigrateError::Same)), "{itself:?}");
    }

    // What does not follow is not taken over, by any of them.
    for store in [&file as &dyn Import, &server, &bucket] {
        let head = store.read(&production, 0).await.unwrap().len() as u64;
        let behind = store.import(&production, head - 1, &expected[..1]).await;
        assert!(behind.is_err(), "{behind:?}");
        let foreign = store.import(&production, head, &expected[..1]).await;
        assert!(matches!(foreign, Err(JournalError::Damaged { .. })), "{foreign:?}");
        assert_eq!(store.read(&production, 0).await.unwrap().len() as u64, head);
    }
}
