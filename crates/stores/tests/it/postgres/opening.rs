//! Opening: who is first makes the tables, and what does not work is told with where, why and what to do.

use std::collections::BTreeSet;

use promotion::ports::Journal;
use stores::postgres::{OpenError, Postgres};
use stores::testing::{Cluster, Pooler};
use tokio::task::JoinSet;

use super::{address, id, open};

#[tokio::test(flavor = "multi_thread")]
async fn many_who_begin_at_once_make_one_store() {
    let cluster = Cluster::start();
    let pooler = Pooler::before(&cluster);
    for round in 0..6 {
        let mut tasks = JoinSet::new();
        for n in 0..8 {
            let more = format!("schema=round_{round}");
            let url = if n % 2 == 0 { cluster.url(&more) } else { pooler.url(&more) };
            tasks.spawn(async move {
                let store = Postgres::open(&address(&url), &id(&format!("store-{n}"))).await;
                store.unwrap().store_id().await.unwrap().to_string()
            });
        }
        let ids: BTreeSet<String> = tasks.join_all().await.into_iter().collect();
        assert_eq!(ids.len(), 1, "round {round}: {ids:?}");
    }
}

#[tokio::test]
async fn looking_for_a_store_makes_none() {
    let cluster = Cluster::start();
    let there = address(&cluster.url(""));
    assert!(Postgres::find(&there).await.unwrap().is_none());
    assert_eq!(cluster.sql("select count(*) from pg_namespace where nspname = 'understudy'"), "0");
    open(&cluster.url("")).await;
    assert!(Postgres::find(&there).await.unwrap().is_some());
    let beside = address(&cluster.url("schema=other"));
    assert!(Postgres::find(&beside).await.unwrap().is_none(), "each schema is a store of its own");
    // Somebody died between the tables and the marks in them.
    cluster.sql("delete from understudy.meta");
    assert!(Postgres::find(&there).await.unwrap().is_none());
    let again = Postgres::open(&there, &id("store-2")).await.unwrap();
    assert_eq!(again.store_id().await.unwrap(), id("store-2"));
}

#[tokio::test]
async fn a_store_of_a_later_version_is_left_alone() {
    let cluster = Cluster::start();
    open(&cluster.url("")).await;
    cluster.sql("update understudy.meta set value = '2' where key = 'format'");
    let error = Postgres::open(&address(&cluster.url("")), &id("store-1")).await.unwrap_err();
    assert!(matches!(&error, OpenError::Newer { found, known: "1", .. } if found == "2"), "{error:?}");
}

/// Each error says where, and none of them the password.
#[tokio::test]
async fn what_does_not_work_is_told_without_the_password() {
    let cluster = Cluster::start();
    let refused = async |url: &str| {
        let error = Postgres::open(&address(url), &id("store-1")).await.unwrap_err();
        let text = format!("{error} {error:?} {}", error.hint());
        assert!(Cluster::password().iter().all(|password| !text.contains(password)), "{text}");
        assert!(error.to_string().contains("@127.0.0.1:"), "it says where: {error}");
        error
    };
    let nobody = refused(&Cluster::url_at("127.0.0.1", 1, "")).await;
    assert!(matches!(nobody, OpenError::Unreachable { .. }), "{nobody:?}");
    assert!(nobody.to_string().contains("refused"), "{nobody}");

    cluster.sql("create role guest login password 'guest'");
    let port = cluster.port();
    let wrong = refused(&format!("postgres://guest:wr0ng@127.0.0.1:{port}/understudy")).await;
    assert!(matches!(wrong, OpenError::Login { .. }) && !wrong.to_string().contains("wr0ng"), "{wrong:?}");
    let none = refused(&format!("postgres://guest@127.0.0.1:{port}/understudy")).await;
    assert!(matches!(none, OpenError::Login { .. }), "{none:?}");
    let elsewhere = refused(&format!("postgres://guest:guest@127.0.0.1:{port}/nowhere")).await;
    assert!(matches!(elsewhere, OpenError::Login { .. }), "{elsewhere:?}");
    assert!(elsewhere.to_string().contains("nowhere"), "{elsewhere}");

    let guest = format!("postgres://guest:guest@127.0.0.1:{port}/understudy");
    let rightless = refused(&guest).await;
    assert!(matches!(rightless, OpenError::Refused { .. }), "{rightless:?}");
    assert!(rightless.hint().contains("CREATE on the database"));

    // Once an owner has made it, rights on it are enough.
    open(&cluster.url("")).await;
    cluster.sql("grant usage on schema understudy to guest");
    cluster.sql("grant select, insert, update on all tables in schema understudy to guest");
    let used = Postgres::open(&address(&guest), &id("store-2")).await.unwrap();
    assert_eq!(used.store_id().await.unwrap(), id("store-1"));
}
