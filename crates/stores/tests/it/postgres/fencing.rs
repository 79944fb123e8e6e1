//! P2 at the store: what a grant and an append do when they meet at the server.

use std::sync::Arc;
use std::time::Duration;

use promotion::model::Millis;
use promotion::ports::{Journal, JournalError};
use stores::testing::Cluster;
use tokio::task::JoinSet;

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

    // Somebody writes the same record and does not finish: whoever appends has to wait for that.
    let config: tokio_postgres::Config = cluster.url("").parse().unwrap();
    let (vandal, connection) = config.connect(tokio_postgres::NoTls).await.unwrap();
    let mut tasks = JoinSet::new();
    tasks.spawn(async move { drop(connection.await) });
    let write = "begin; insert into understudy.record values ('production', 1, '', '', 'vandal')";
    vandal.batch_execute(write).await.unwrap();
    let late = open(&cluster.url("")).await;
    let place = environment.clone();
    let mut appends = JoinSet::new();
    appends.spawn(async move { late.append(&place, 0, Some(old.epoch), vec![draft(1)]).await });
    let waits =
        "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and query like '%from unnest%'";
    while cluster.sql(waits) != "1" {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }

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
