//! Connections that are lost, at the worst moment too.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use promotion::journal::{Draft, Entry, Record, verify};
use promotion::model::{At, ComponentName, EnvironmentName, Millis, UnitId};
use promotion::ports::{Journal, JournalError};
use stores::testing::Cluster;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::open;

pub(crate) fn draft(n: u64) -> Draft {
    let component = ComponentName::new("api").unwrap();
    let units = vec![UnitId::new(format!("unit-{n}")).unwrap()];
    Draft { promotion: None, at: At(1_800_000_000_000), entry: Entry::ParkedEnded { component, units } }
}

pub(super) fn production() -> EnvironmentName {
    EnvironmentName::new("production").unwrap()
}

/// A wire to the server that can be cut.
struct Wire {
    port: u16,
    /// That many answers get lost from now on: the server has done what it was asked, and the connection is gone.
    deaf: Arc<AtomicU32>,
    /// That many pieces went to the server.
    asked: Arc<AtomicU32>,
    _tasks: JoinSet<()>,
}

impl Wire {
    async fn to(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = listener.local_addr().unwrap().port();
        let deaf = Arc::new(AtomicU32::new(0));
        let asked = Arc::new(AtomicU32::new(0));
        let (lost, n_asked) = (deaf.clone(), asked.clone());
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut open = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                open.spawn(pass(client, port, lost.clone(), n_asked.clone()));
            }
        });
        Self { port: at, deaf, asked, _tasks: tasks }
    }
}

/// Passes on what is said until an answer gets lost.
pub(super) async fn pass(client: TcpStream, port: u16, deaf: Arc<AtomicU32>, n_asked: Arc<AtomicU32>) {
    let server = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let asked = async {
        let mut buffer = vec![0; 1 << 16];
        loop {
            let n = from_client.read(&mut buffer).await?;
            if n == 0 {
                return Ok::<_, std::io::Error>(());
            }
            n_asked.fetch_add(1, Ordering::SeqCst);
            to_server.write_all(&buffer[..n]).await?;
        }
    };
    let answered = async {
        let mut buffer = vec![0; 1 << 16];
        loop {
            let n = from_server.read(&mut buffer).await?;
            let is_lost = deaf.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1)).is_ok();
            if n == 0 || is_lost {
                return Ok::<_, std::io::Error>(());
            }
            to_client.write_all(&buffer[..n]).await?;
        }
    };
    tokio::select! {
        biased;
        _ = answered => {}
        _ = asked => {}
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_append_whose_answer_is_lost_is_there_once_and_is_told_as_done() {
    let cluster = Cluster::start();
    let wire = Wire::to(cluster.port()).await;
    let store = open(&Cluster::url_at("127.0.0.1", wire.port, "")).await;
    let environment = production();
    let grant = store.take_lease(&environment, "one", Millis::secs(60)).await.unwrap();
    let mut expected: Vec<Record> = Vec::new();
    for n in 0..5 {
        let head = expected.len() as u64;
        wire.deaf.store(1, Ordering::SeqCst);
        let drafts = vec![draft(n), draft(n + 100)];
        let records = store.append(&environment, head, Some(grant.epoch), drafts).await.unwrap();
        assert_eq!(wire.deaf.load(Ordering::SeqCst), 0, "an answer was lost");
        expected.extend(records);
        assert_eq!(store.read(&environment, 0).await.unwrap(), expected);
    }
    verify(&environment, 0, Record::root(&environment), &expected).unwrap();
    assert_eq!(cluster.sql("select count(*), count(distinct writer) from understudy.record"), "10|5");

    // The same words of another runner are another append, however alike: who comes late is told.
    let other = open(&cluster.url("")).await;
    let late = other.append(&environment, 8, None, vec![draft(4), draft(104)]).await;
    assert!(matches!(late, Err(JournalError::Conflict { head: 10 })), "{late:?}");

    // Leases: what is asked again is not granted to somebody else, nor lost.
    wire.deaf.store(1, Ordering::SeqCst);
    store.renew_lease(&environment, grant.epoch, Millis::secs(60)).await.unwrap();
    wire.deaf.store(1, Ordering::SeqCst);
    let again = store.take_lease(&environment, "one", Millis::secs(60)).await.unwrap();
    assert!(again.epoch > grant.epoch);
    wire.deaf.store(1, Ordering::SeqCst);
    store.release_lease(&environment, again.epoch).await.unwrap();
    other.take_lease(&environment, "two", Millis::secs(60)).await.unwrap();
}

/// What a reader proved is what it appends behind; the statement compares it anyway. A question goes out in one piece, as
/// parse, bind, execute and sync may (PostgreSQL documentation, 55.2.3).
#[tokio::test(flavor = "multi_thread")]
async fn who_has_read_a_chain_appends_with_one_question() {
    let cluster = Cluster::start();
    let wire = Wire::to(cluster.port()).await;
    let environment = production();
    let writer = open(&cluster.url("")).await;
    writer.append(&environment, 0, None, vec![draft(1), draft(2)]).await.unwrap();

    let reader = open(&Cluster::url_at("127.0.0.1", wire.port, "sslmode=disable")).await;
    assert_eq!(reader.read(&environment, 0).await.unwrap().len(), 2);
    let before = wire.asked.load(Ordering::SeqCst);
    reader.append(&environment, 2, None, vec![draft(3)]).await.unwrap();
    assert_eq!(wire.asked.load(Ordering::SeqCst) - before, 1);

    // Nothing goes behind what was bent since: not for whoever wrote it, and not for whoever read it.
    let other = open(&cluster.url("")).await;
    assert_eq!(other.read(&environment, 0).await.unwrap().len(), 3);
    cluster.sql("update understudy.record set body = replace(body, 'unit-3', 'unit-4') where seq = 3");
    for store in [&reader, &other] {
        let bent = store.append(&environment, 3, None, vec![draft(4)]).await;
        assert!(matches!(bent, Err(JournalError::Damaged { seq: 3, .. })), "{bent:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_gone_is_an_error_and_one_that_is_back_is_used() {
    let mut cluster = Cluster::start();
    let store = open(&cluster.url("")).await;
    let environment = production();
    store.append(&environment, 0, None, vec![draft(1)]).await.unwrap();
    cluster
        .sql("select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'understudy'");
    store.append(&environment, 1, None, vec![draft(2)]).await.unwrap();
    cluster.crash();
    let gone = store.append(&environment, 2, None, vec![draft(3)]).await.unwrap_err();
    let text = gone.to_string();
    assert!(text.contains("while appending") && text.contains("cannot be reached"), "{text}");
    assert!(Cluster::password().iter().all(|password| !text.contains(password)), "{text}");
    cluster.resume();
    store.append(&environment, 2, None, vec![draft(3)]).await.unwrap();
    let all = store.read(&environment, 0).await.unwrap();
    verify(&environment, 0, Record::root(&environment), &all).unwrap();
    assert_eq!(all.len(), 3, "what returned survives the crash");
}

/// Whoever stops waiting leaves nothing behind that is sent later, and the store goes on.
#[tokio::test(flavor = "multi_thread")]
async fn a_caller_who_goes_away_leaves_the_store_usable() {
    let cluster = Cluster::start();
    let store = open(&cluster.url("")).await;
    let environment = production();
    let mut n_given_up = 0;
    for n in 0..40 {
        let head = store.read(&environment, 0).await.unwrap().len() as u64;
        let patience = Duration::from_micros(n * 100);
        let append = store.append(&environment, head, None, vec![draft(n), draft(n + 1)]);
        match tokio::time::timeout(patience, append).await {
            Ok(done) => assert_eq!(done.unwrap().len(), 2),
            Err(_) => n_given_up += 1,
        }
    }
    assert!(n_given_up > 0, "some were given up");
    let all = store.read(&environment, 0).await.unwrap();
    verify(&environment, 0, Record::root(&environment), &all).unwrap();
    assert_eq!(all.len() % 2, 0, "all of an append or nothing");
}

/// A database may have been set to another isolation for everybody: appends are still decided one by one.
#[tokio::test(flavor = "multi_thread")]
async fn stricter_isolation_only_makes_it_try_again() {
    let cluster = Cluster::start();
    for level in ["repeatable read", "serializable"] {
        cluster.sql(&format!("alter database understudy set default_transaction_isolation = '{level}'"));
        let schema = level.replace(' ', "_");
        let url = cluster.url(&format!("schema={schema}"));
        let (one, other) = (Arc::new(open(&url).await), Arc::new(open(&url).await));
        let clock = super::suite::Waiting;
        promotion::conformance::journal_shared(one, other, &clock).await;
    }
}
