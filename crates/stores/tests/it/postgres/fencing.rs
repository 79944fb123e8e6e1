//! P2 at the store: what a grant and an append do when they meet at the server.

use std::sync::Arc;
use std::time::Duration;

use promotion::journal::Record;
use promotion::model::Millis;
use promotion::ports::{Import, Journal, JournalError};
use stores::testing::Cluster;
use tokio::task::JoinSet;
use tokio_postgres::Client;

use super::faults::{draft, production};
use super::open;

/// An append of the old runner is held up inside the server, after it was let in and before it is done. Until then
/// nobody is granted a later lease: what a successor reads after its grant is all there will be of the old runner.
#[tokio::test(flavor = "multi_thread")]
async fn p2_a_grant_waits_for_an_append_that_is_under_way() {
    let cluster = Cluster::start();
    let store = Arc::new(open(&cluster.url("")).await);
    let environment = production();
    let old = store.take_lease(&environment, "old", Millis(1)).await.unwrap();

    let (vandal, appends, _tasks) = held_up(&cluster, Some(old.epoch)).await;
    let (successor, place) = (store.clone(), environment.clone());
    let mut grants = JoinSet::new();
    grants.spawn(async move {
        successor.take_lease(&place, "new", Millis::secs(60)).await.unwrap();
        successor.read(&place, 0).await.unwrap()
    });
    tokio::time::sleep(Duration::from_millis(300)).await;
    vandal.batch_execute("rollback").await.unwrap();
    let seen = grants.join_all().await.remove(0);
    match appends.join_all().await.remove(0) {
        Ok(records) => assert_eq!(seen, records, "it was there when the grant was"),
        Err(JournalError::Fenced { .. }) => assert_eq!(seen, []),
        Err(other) => panic!("{other:?}"),
    }
    assert_eq!(store.read(&environment, 0).await.unwrap(), seen, "and nothing came after");
}

/// The same for whoever shuts the store: what is read afterwards is all there will be, words of people too.
#[tokio::test(flavor = "multi_thread")]
async fn p2_shutting_waits_for_an_append_that_is_under_way() {
    let cluster = Cluster::start();
    let store = Arc::new(open(&cluster.url("")).await);
    let (vandal, appends, _tasks) = held_up(&cluster, None).await;
    let mover = store.clone();
    let mut moves = JoinSet::new();
    moves.spawn(async move {
        assert!(mover.shut(None, Some("a move")).await.unwrap());
        mover.read(&production(), 0).await.unwrap()
    });
    tokio::time::sleep(Duration::from_millis(300)).await;
    vandal.batch_execute("rollback").await.unwrap();
    let seen = moves.join_all().await.remove(0);
    match appends.join_all().await.remove(0) {
        Ok(records) => assert_eq!(seen, records, "it was there when the store was shut"),
        Err(JournalError::Shut { .. }) => assert_eq!(seen, []),
        Err(other) => panic!("{other:?}"),
    }
    assert_eq!(store.read(&production(), 0).await.unwrap(), seen, "and nothing came after");
}

type Appends = JoinSet<Result<Vec<Record>, JournalError>>;

/// An append that waits inside the server: somebody writes the same record and does not finish. The tasks keep that
/// connection alive.
async fn held_up(cluster: &Cluster, epoch: Option<u64>) -> (Client, Appends, JoinSet<()>) {
    let config: tokio_postgres::Config = cluster.url("").parse().unwrap();
    let (vandal, connection) = config.connect(tokio_postgres::NoTls).await.unwrap();
    let mut tasks = JoinSet::new();
    tasks.spawn(async move { drop(connection.await) });
    let write = "begin; insert into understudy.record values ('production', 1, '', '', 'vandal')";
    vandal.batch_execute(write).await.unwrap();
    let late = open(&cluster.url("")).await;
    let mut appends = JoinSet::new();
    appends.spawn(async move { late.append(&production(), 0, epoch, vec![draft(1)]).await });
    let waits =
        "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and query like '%put as%'";
    while cluster.sql(waits) != "1" {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    (vandal, appends, tasks)
}
