//! The port's suite over a storage in memory with conditional writes.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use futures_util::TryStreamExt as _;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt as _};
use promotion::conformance::{self, JournalFixture};
use promotion::model::{EnvironmentName, StoreId};
use promotion::ports::Journal;
use stores::bucket::{Bucket, Place};
use tokio::task::JoinSet;

use super::{clock, place};

#[derive(Debug)]
struct Store {
    place: Place,
    objects: Arc<dyn ObjectStore>,
    n_runners: AtomicU64,
}

impl Store {
    /// The object with record `seq`, its lines, and which of them is the record's.
    async fn line(&self, environment: &EnvironmentName, seq: u64) -> (Path, Vec<String>, usize) {
        let journal = Path::from(format!("team/understudy/journal/{environment}"));
        let mut found: Vec<_> = self.objects.list(Some(&journal)).try_collect().await.unwrap();
        found.sort_by(|a, b| a.location.cmp(&b.location));
        let mut before = 0;
        for meta in found {
            let bytes = self.objects.get(&meta.location).await.unwrap().bytes().await.unwrap();
            let lines: Vec<String> =
                String::from_utf8(bytes.to_vec()).unwrap().split('\n').map(str::to_owned).collect();
            let n = usize::try_from(seq - before).unwrap();
            if n < lines.len() {
                return (meta.location, lines, n);
            }
            before += lines.len() as u64 - 1;
        }
        panic!("no record {seq}")
    }
}

#[async_trait]
impl JournalFixture for Store {
    async fn open(&self, fresh: &StoreId) -> Arc<dyn Journal> {
        let runner = format!("runner-{}", self.n_runners.fetch_add(1, Ordering::SeqCst));
        Arc::new(Bucket::open(self.place.clone(), &runner, fresh).await.unwrap())
    }

    async fn body(&self, environment: &EnvironmentName, seq: u64) -> String {
        let (_, lines, n) = self.line(environment, seq).await;
        lines[n].clone()
    }

    async fn overwrite(&self, environment: &EnvironmentName, seq: u64, body: &str) {
        let (path, mut lines, n) = self.line(environment, seq).await;
        body.clone_into(&mut lines[n]);
        self.objects.put(&path, lines.join("\n").into()).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_journal_in_object_storage_conforms() {
    let (objects, clock) = (Arc::new(InMemory::new()), clock());
    let place = place(objects.clone(), &clock);
    let store = Store { place, objects, n_runners: AtomicU64::new(0) };
    conformance::journal_store(&store, &*clock).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_who_begin_at_once_make_one_bucket_store() {
    let place = place(Arc::new(InMemory::new()), &clock());
    assert!(Bucket::find(place.clone(), "looker").await.unwrap().is_none());
    let mut tasks = JoinSet::new();
    for n in 0..8 {
        let place = place.clone();
        tasks.spawn(async move {
            let fresh = StoreId::new(format!("store-{n}")).unwrap();
            let store = Bucket::open(place, &format!("runner-{n}"), &fresh).await.unwrap();
            store.store_id().await.unwrap().to_string()
        });
    }
    let ids: BTreeSet<String> = tasks.join_all().await.into_iter().collect();
    assert_eq!(ids.len(), 1, "{ids:?}");
}

/// Names are the people's; those of objects are not.
#[tokio::test]
async fn an_environment_may_be_named_like_a_path() {
    let place = place(Arc::new(InMemory::new()), &clock());
    let store = super::open(&place, "one").await;
    let names = ["a/b", "preview%2F7", "..", "é"].map(|name| EnvironmentName::new(name).unwrap());
    for name in &names {
        store.append(name, 0, None, vec![super::faults::draft(1)]).await.unwrap();
    }
    let other = super::open(&place, "two").await;
    let mut sorted = names.to_vec();
    sorted.sort();
    assert_eq!(other.environments().await.unwrap(), sorted);
    for name in &names {
        assert_eq!(other.read(name, 0).await.unwrap().len(), 1);
    }
}
