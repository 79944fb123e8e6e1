//! The journal over HTTP: in localcloud's small S3, which checks signatures, lists in pages, and loses answers.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use cell::runtime::{self, RuntimeKind};
use cell::shim::Shim;
use localcloud::faults::{Fault, FaultName};
use localcloud::{Handle, Localcloud, Options, Orgs};
use promotion::conformance;
use promotion::journal::{Record, verify};
use promotion::model::{At, EnvironmentName, Millis, StoreId};
use promotion::ports::{Clock, Journal, JournalError};
use stores::bucket::{Bucket, Credentials, OpenError, S3Address};
use tempfile::TempDir;

use super::faults::draft;

/// `Date` tells whole seconds (RFC 9110, 5.6.7), and so a lease of the suite, 400 ms, may last 2.4 s. The suite waits for
/// twice its leases, here 3.2 s.
const SLOWER: u64 = 4;

#[derive(Debug)]
pub(super) struct Waiting;

#[async_trait]
impl Clock for Waiting {
    fn now(&self) -> At {
        At(0)
    }

    fn elapsed(&self) -> Millis {
        Millis::ZERO
    }

    async fn sleep(&self, time: Millis) {
        tokio::time::sleep(Duration::from_millis(time.0 * SLOWER)).await;
    }
}

/// A bucket.
struct Served {
    cloud: Handle,
    address: S3Address,
    _dir: TempDir,
}

impl Served {
    async fn start(faults: Vec<Fault>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        // Nothing runs on it.
        let shim = Shim { exe: "/bin/false".into(), args: Vec::new() };
        let runtime = runtime::choose(Some(RuntimeKind::Plain), shim).unwrap();
        let orgs = Orgs::one("tok-a", "acme").with("tok-b", "other");
        let mut options = Options::new(dir.path(), Arc::from(runtime), orgs);
        options.buckets = BTreeMap::from([("journals".to_owned(), "acme".to_owned())]);
        (options.faults, options.seed) = (faults, 7);
        let cloud = Localcloud::start(options).await.unwrap();
        let address = format!("s3://journals/team/understudy?endpoint={}", cloud.s3_url());
        Self { address: S3Address::parse(&address).unwrap(), cloud, _dir: dir }
    }

    async fn open_with(&self, token: &str, secret: &str, runner: &str) -> Result<Arc<Bucket>, OpenError> {
        let credentials = Credentials { key_id: Orgs::key_id(token), secret: secret.into(), token: None };
        let place = self.address.connect(&credentials).unwrap();
        Bucket::open(place, runner, &StoreId::new("store-1").unwrap()).await.map(Arc::new)
    }

    async fn open(&self, runner: &str) -> Arc<Bucket> {
        self.open_with("tok-a", "tok-a", runner).await.unwrap()
    }
}

fn fault(name: FaultName, action: &str) -> Fault {
    Fault { action: Some(action.to_owned()), ..Fault::new(name) }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_journal_conforms_over_http() {
    // As from a storage elsewhere; and a runner that appends without pause fills no thousands of slots.
    let served =
        Served::start(vec![Fault { ms: Some(10), ..fault(FaultName::Latency, "s3-object-put") }]).await;
    let (one, other) = (served.open("one").await, served.open("other").await);
    conformance::journal(&*one, &Waiting).await;
    conformance::journal_shared(one, other, &Waiting).await;
    served.cloud.shutdown().await;
}

/// Under every fault of a write an append is done once or not at all, and what was answered is there. What was not answered
/// is looked at, as the engine does.
#[tokio::test(flavor = "multi_thread")]
async fn p3_appends_are_there_once_whatever_becomes_of_the_answers() {
    let often = |name, applied| Fault { probability: Some(0.2), applied, ..fault(name, "s3-object-put") };
    let served = Served::start(vec![
        often(FaultName::SlowDown, None),
        often(FaultName::ConditionalConflict, None),
        often(FaultName::CutConnection, Some(true)),
        often(FaultName::CutConnection, Some(false)),
        Fault { ms: Some(300), count: Some(2), skip: Some(20), ..often(FaultName::LateLanding, None) },
    ])
    .await;
    let mut store = served.open_with("tok-a", "tok-a", "one").await;
    while store.is_err() {
        store = served.open_with("tok-a", "tok-a", "one").await;
    }
    let (store, environment) = (store.unwrap(), EnvironmentName::new("production").unwrap());
    let (mut answered, mut unknown): (Vec<Record>, u64) = (Vec::new(), 0);
    let mut head = 0;
    for n in 0..60 {
        match store.append(&environment, head, None, vec![draft(n), draft(n + 1000)]).await {
            Ok(records) => {
                head += records.len() as u64;
                answered.extend(records);
            }
            // Not known; or what was not known came in between.
            Err(JournalError::Store { .. } | JournalError::Conflict { .. }) => {
                unknown += 1;
                head = store.read(&environment, 0).await.unwrap().len() as u64;
            }
            Err(error) => panic!("{error:?}"),
        }
    }
    // What is still under way lands.
    tokio::time::sleep(Duration::from_millis(600)).await;
    let all = served.open("two").await.read(&environment, 0).await.unwrap();
    verify(&environment, 0, Record::root(&environment), &all).unwrap();
    assert!(answered.iter().all(|record| all.contains(record)), "what was answered is there");
    let mut drafts: Vec<String> = all.iter().map(|record| format!("{:?}", record.entry)).collect();
    let n_records = drafts.len();
    drafts.sort();
    drafts.dedup();
    assert_eq!(drafts.len(), n_records, "nothing is there twice");
    let n_answered = answered.len() as u64;
    assert!(n_answered > 0 && unknown > 0, "{n_answered} answered, {unknown} not");
    let audit = std::fs::read_to_string(served.cloud.audit_path()).unwrap();
    for name in ["slow-down", "conditional-conflict", "cut-connection", "late-landing"] {
        assert!(audit.contains(&format!("\"fault\":\"{name}\"")), "{name} struck");
    }
    assert!(all.len() as u64 <= n_answered + 2 * unknown, "nothing came from nowhere");
    served.cloud.shutdown().await;
}

/// P9: whoever has a wrong key is told what is wrong, and no key.
#[tokio::test(flavor = "multi_thread")]
async fn p9_a_wrong_key_is_told_by_the_storages_own_words() {
    let served = Served::start(Vec::new()).await;
    for (token, secret, code) in [
        ("tok-a", "tok-wrong", "SignatureDoesNotMatch"),
        ("tok-unknown", "tok-unknown", "InvalidAccessKeyId"),
        ("tok-b", "tok-b", "AccessDenied"),
    ] {
        let refused = served.open_with(token, secret, "one").await.unwrap_err().to_string();
        assert!(refused.contains(code) && !refused.contains("tok-"), "{refused}");
    }
    served.cloud.shutdown().await;
}
