//! The port's suite, straight and through a pooler.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use promotion::conformance::{self, JournalFixture};
use promotion::model::{At, EnvironmentName, Millis, StoreId};
use promotion::ports::{Clock, Journal};
use stores::postgres::Postgres;
use stores::testing::{Cluster, Pooler};

use super::address;

/// Only waits: nobody asks it for the time.
#[derive(Debug)]
pub(super) struct Waiting;

#[async_trait]
impl Clock for Waiting {
    fn now(&self) -> At {
        panic!("the store has a clock of its own")
    }

    fn elapsed(&self) -> Millis {
        panic!("the store has a clock of its own")
    }

    async fn sleep(&self, time: Millis) {
        tokio::time::sleep(Duration::from_millis(time.0)).await;
    }
}

#[derive(Debug)]
struct Store {
    cluster: Cluster,
    url: String,
}

#[async_trait]
impl JournalFixture for Store {
    async fn open(&self, fresh: &StoreId) -> Arc<dyn Journal> {
        Arc::new(Postgres::open(&address(&self.url), fresh).await.unwrap())
    }

    async fn body(&self, environment: &EnvironmentName, seq: u64) -> String {
        let row = format!("environment = '{environment}' and seq = {seq}");
        self.cluster.sql(&format!("select body from understudy.record where {row}"))
    }

    async fn overwrite(&self, environment: &EnvironmentName, seq: u64, body: &str) {
        let row = format!("environment = '{environment}' and seq = {seq}");
        let script =
            format!("update understudy.record set body = $vandal${body}$vandal$ where {row} returning 1");
        assert_eq!(self.cluster.sql(&script), "1");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_journal_in_postgresql_conforms() {
    let cluster = Cluster::start();
    let url = cluster.url("");
    conformance::journal_store(&Store { cluster, url }, &Waiting).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_journal_behind_a_transaction_pooler_conforms() {
    let cluster = Cluster::start();
    let pooler = Pooler::before(&cluster);
    let url = pooler.url("");
    conformance::journal_store(&Store { cluster, url }, &Waiting).await;
}

/// The suite above says something only if the pooler is one that forgets: a statement prepared by name is not there
/// for whoever uses it next.
#[tokio::test(flavor = "multi_thread")]
async fn the_pooler_of_these_tests_breaks_what_needs_a_session() {
    let cluster = Cluster::start();
    let pooler = Pooler::before(&cluster);
    let config: tokio_postgres::Config = pooler.url("").parse().unwrap();
    let (client, connection) = config.connect(tokio_postgres::NoTls).await.unwrap();
    let mut tasks = tokio::task::JoinSet::new();
    tasks.spawn(async move { connection.await.is_ok() });
    let named = async {
        let statement = client.prepare("select 1").await?;
        client.query(&statement, &[]).await
    };
    let error = named.await.unwrap_err();
    assert_eq!(error.code(), Some(&tokio_postgres::error::SqlState::INVALID_SQL_STATEMENT_NAME), "{error:?}");
}
