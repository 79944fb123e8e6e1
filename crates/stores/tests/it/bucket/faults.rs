//! Answers that get lost, objects that get lost, and a runner that is fenced by a grant alone.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use async_trait::async_trait;
use futures_util::stream::BoxStream;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    ObjectStoreExt as _, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};
use promotion::journal::{Draft, Entry, Record, verify};
use promotion::model::{At, ComponentName, EnvironmentName, Millis, UnitId};
use promotion::ports::{Import as _, Journal, JournalError};
use stores::bucket::Bucket;

use super::{clock, open, place};

pub(super) fn draft(n: u64) -> Draft {
    let component = ComponentName::new("api").unwrap();
    let units = vec![UnitId::new(format!("unit-{n}")).unwrap()];
    Draft { promotion: None, at: At(1_800_000_000_000), entry: Entry::ParkedEnded { component, units } }
}

fn production() -> EnvironmentName {
    EnvironmentName::new("production").unwrap()
}

/// A storage of which answers to writes get lost: that many of those that were done, and of those that were not.
#[derive(Debug, Default)]
struct Lossy {
    inner: InMemory,
    done: AtomicU32,
    undone: AtomicU32,
}

impl fmt::Display for Lossy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("lossy")
    }
}

fn takes_one(count: &AtomicU32) -> bool {
    count.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1)).is_ok()
}

fn lost<T>() -> Result<T> {
    Err(object_store::Error::Generic { store: "lossy", source: "the connection was cut".into() })
}

/// All but writing goes straight through.
macro_rules! storage {
    ($name:ident, $put:item) => {
        #[async_trait]
        impl ObjectStore for $name {
            $put

            async fn put_multipart_opts(
                &self,
                path: &Path,
                options: PutMultipartOptions,
            ) -> Result<Box<dyn MultipartUpload>> {
                self.inner.put_multipart_opts(path, options).await
            }

            async fn get_opts(&self, path: &Path, options: GetOptions) -> Result<GetResult> {
                self.inner.get_opts(path, options).await
            }

            fn delete_stream(&self, paths: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
                self.inner.delete_stream(paths)
            }

            fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
                self.inner.list(prefix)
            }

            async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
                self.inner.list_with_delimiter(prefix).await
            }

            async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
                self.inner.copy_opts(from, to, options).await
            }
        }
    };
}

storage!(
    Lossy,
    async fn put_opts(&self, path: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        if takes_one(&self.undone) {
            return lost();
        }
        let put = self.inner.put_opts(path, payload, options).await?;
        if takes_one(&self.done) { lost() } else { Ok(put) }
    }
);

storage!(
    Hasty,
    async fn put_opts(&self, path: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        self.overtake(path).await;
        self.inner.put_opts(path, payload, options).await
    }
);

#[tokio::test]
async fn what_was_done_although_the_answer_was_lost_is_done_once() {
    let lossy = Arc::new(Lossy::default());
    let place = place(lossy.clone(), &clock());
    let (store, environment) = (open(&place, "one").await, production());
    lossy.done.store(2, Ordering::SeqCst);
    let grant = store.take_lease(&environment, "one", Millis::secs(60)).await.unwrap();
    assert_eq!(lossy.done.load(Ordering::SeqCst), 0, "both writes of a grant lost their answer");
    let mut expected: Vec<Record> = Vec::new();
    for n in 0..5 {
        lossy.done.store(1, Ordering::SeqCst);
        let drafts = vec![draft(n), draft(n + 100)];
        let head = expected.len() as u64;
        expected.extend(store.append(&environment, head, Some(grant.epoch), drafts).await.unwrap());
    }
    let other = open(&place, "two").await;
    assert_eq!(other.read(&environment, 0).await.unwrap(), expected);
    verify(&environment, 0, Record::root(&environment), &expected).unwrap();

    // The same words of somebody else are not ours.
    let late = other.append(&environment, 8, None, vec![draft(4), draft(104)]).await;
    assert!(matches!(late, Err(JournalError::Conflict { head: 10 })), "{late:?}");

    lossy.undone.store(1, Ordering::SeqCst);
    let failed = store.append(&environment, 10, Some(grant.epoch), vec![draft(7)]).await.unwrap_err();
    assert!(failed.to_string().contains("the connection was cut"), "{failed}");
    assert_eq!(store.read(&environment, 0).await.unwrap().len(), 10, "nothing was written");
    store.append(&environment, 10, Some(grant.epoch), vec![draft(7)]).await.unwrap();
    lossy.done.store(1, Ordering::SeqCst);
    store.renew_lease(&environment, grant.epoch, Millis::secs(60)).await.unwrap();
    lossy.done.store(1, Ordering::SeqCst);
    store.release_lease(&environment, grant.epoch).await.unwrap();
    other.take_lease(&environment, "two", Millis::secs(60)).await.unwrap();
}

/// The lease's object and an append's are two: what fences is that a grant stands among the appends. The old runner has
/// looked at nothing since its own last append, and is refused all the same.
#[tokio::test]
async fn p2_a_grant_is_in_the_way_of_an_append_under_an_earlier_one() {
    let clock = clock();
    let place = place(Arc::new(InMemory::new()), &clock);
    let (old, new, environment) = (open(&place, "old").await, open(&place, "new").await, production());
    let first = old.take_lease(&environment, "old", Millis(1)).await.unwrap();
    old.append(&environment, 0, Some(first.epoch), vec![draft(1)]).await.unwrap();
    clock.advance(Millis(2));
    let second = new.take_lease(&environment, "new", Millis::secs(60)).await.unwrap();
    let late = old.append(&environment, 1, Some(first.epoch), vec![draft(2)]).await;
    assert!(matches!(late, Err(JournalError::Fenced { .. })), "{late:?}");
    assert_eq!(new.read(&environment, 0).await.unwrap().len(), 1, "nothing came after the grant");
    new.append(&environment, 1, Some(second.epoch), vec![draft(3)]).await.unwrap();
    // People's words need no lease, and go behind whatever there is.
    old.append(&environment, 2, None, vec![draft(4)]).await.unwrap();
}

/// An old runner that appends without pause is at the next slot before everybody else. It does not keep its successor
/// out: past the end of its lease it looks before it appends.
#[tokio::test]
async fn p4_a_runner_that_never_stops_appending_does_not_keep_a_successor_out() {
    let clock = clock();
    let hasty = Arc::new(Hasty::default());
    let place = place(hasty.clone(), &clock);
    let (old, environment) = (Arc::new(open(&place, "old").await), production());
    let first = old.take_lease(&environment, "old", Millis(1)).await.unwrap();
    old.append(&environment, 0, Some(first.epoch), vec![draft(0)]).await.unwrap();
    clock.advance(Millis(2));
    *hasty.before.lock().await = Some((old.clone(), first.epoch));
    let new = open(&place, "new").await;
    let second = new.take_lease(&environment, "new", Millis::secs(60)).await.unwrap();
    assert!(second.epoch > first.epoch);
    assert!(hasty.was_fenced.load(Ordering::SeqCst), "the old runner was told");
}

/// A storage at which, whenever somebody is about to write a slot, the old runner has just written it.
#[derive(Debug, Default)]
struct Hasty {
    inner: InMemory,
    before: tokio::sync::Mutex<Option<(Arc<Bucket>, u64)>>,
    was_fenced: AtomicBool,
}

impl fmt::Display for Hasty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("hasty")
    }
}

impl Hasty {
    async fn overtake(&self, path: &Path) {
        let is_slot = path.as_ref().contains("/journal/");
        // Taken out meanwhile: its own write comes through here as well.
        let Some((old, epoch)) = (if is_slot { self.before.lock().await.take() } else { None }) else {
            return;
        };
        let head = old.read(&production(), 0).await.unwrap().len() as u64;
        match Box::pin(old.append(&production(), head, Some(epoch), vec![draft(head)])).await {
            Ok(_) => *self.before.lock().await = Some((old, epoch)),
            Err(JournalError::Fenced { .. }) => self.was_fenced.store(true, Ordering::SeqCst),
            Err(other) => panic!("{other:?}"),
        }
    }
}

/// A bucket that was put back from a copy, as far as its leases go: epochs go on from the greater number.
#[tokio::test]
async fn a_lease_that_was_lost_or_is_older_than_the_journal_takes_no_epoch_back() {
    let clock = clock();
    let objects = Arc::new(InMemory::new());
    let place = place(objects.clone(), &clock);
    let (store, environment) = (open(&place, "one").await, production());
    let mut last = 0;
    for _ in 0..4 {
        last = store.take_lease(&environment, "one", Millis::secs(60)).await.unwrap().epoch;
    }
    objects.delete(&Path::from("team/understudy/lease/production")).await.unwrap();
    let later = open(&place, "two").await;
    let grant = later.take_lease(&environment, "two", Millis::secs(60)).await.unwrap();
    assert!(grant.epoch > last, "{} after {last}", grant.epoch);
    let old = store.append(&environment, 0, Some(last), vec![draft(1)]).await;
    assert!(matches!(old, Err(JournalError::Fenced { .. })), "{old:?}");
}

/// The same for whoever ends a lease, as a move does in the store it goes to: an object that is behind by more grants than
/// a write is tried does not keep it out.
#[tokio::test]
async fn a_lease_that_is_far_older_than_the_journal_can_be_ended() {
    let clock = clock();
    let objects = Arc::new(InMemory::new());
    let place = place(objects.clone(), &clock);
    let (store, environment) = (open(&place, "one").await, production());
    let mut last = store.take_lease(&environment, "one", Millis::secs(60)).await.unwrap().epoch;
    let path = Path::from("team/understudy/lease/production");
    let copy = objects.get(&path).await.unwrap().bytes().await.unwrap();
    for _ in 0..40 {
        last = store.take_lease(&environment, "one", Millis::secs(60)).await.unwrap().epoch;
    }
    objects.put(&path, copy.into()).await.unwrap();
    let later = open(&place, "two").await;
    later.end_lease(&environment, 0).await.unwrap();
    let fenced = store.append(&environment, 0, Some(last), vec![draft(1)]).await;
    assert!(matches!(fenced, Err(JournalError::Fenced { .. })), "{fenced:?}");
    let grant = later.take_lease(&environment, "two", Millis::secs(60)).await.unwrap();
    assert!(grant.epoch > last + 1, "{} after {last} and the end of it", grant.epoch);
}

#[tokio::test]
async fn an_object_that_is_gone_or_cut_is_named() {
    let objects = Arc::new(InMemory::new());
    let place = place(objects.clone(), &clock());
    let (store, environment) = (open(&place, "one").await, production());
    for n in 0..4 {
        store.append(&environment, n * 2, None, vec![draft(n), draft(n + 10)]).await.unwrap();
    }
    let path = Path::from("team/understudy/journal/production/00000000000000000003");
    let whole = objects.get(&path).await.unwrap().bytes().await.unwrap();
    let cut = whole.slice(..whole.iter().rposition(|byte| *byte == b'\n').unwrap());
    let fault = async |journal: &dyn Journal| match journal.read(&environment, 0).await {
        Err(JournalError::Damaged { seq, why, .. }) => (seq, why),
        other => panic!("{other:?}"),
    };
    objects.put(&path, cut.into()).await.unwrap();
    for journal in [&store, &open(&place, "cold").await] {
        let (seq, why) = fault(journal).await;
        assert!(seq == 5 && why.contains("1 records and says 2"), "{seq}: {why}");
    }
    objects.delete(&path).await.unwrap();
    for journal in [&store, &open(&place, "cold").await] {
        let (seq, why) = fault(journal).await;
        assert!(seq == 5 && (why.contains("gone") || why.contains("missing")), "{seq}: {why}");
    }
    objects.put(&path, whole.into()).await.unwrap();
    assert_eq!(store.read(&environment, 0).await.unwrap().len(), 8);
}
