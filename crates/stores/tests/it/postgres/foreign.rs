//! Tables that are not ours, or not as we made them.

use promotion::model::Millis;
use promotion::ports::{Journal, JournalError};
use stores::postgres::{OpenError, Postgres};
use stores::testing::Cluster;

use super::faults::{draft, production};
use super::{address, id, open};

/// What stands in `schema`: every relation, and all rows of those that are named.
fn seen(cluster: &Cluster, schema: &str, filled: &[&str]) -> String {
    let relations = format!(
        "select string_agg(relname || '/' || relkind::text, ' ' order by relname) from pg_class \
         where relnamespace = '{schema}'::regnamespace"
    );
    let mut text = cluster.sql(&relations);
    for table in filled {
        text.push_str(&cluster.sql(&format!("select string_agg(t::text, ' ') from {schema}.{table} t")));
    }
    text
}

/// A store never writes into what somebody else made: the three tables are ours only if they came together, have our
/// columns, and the marks in `meta` say so.
#[tokio::test]
async fn tables_of_somebody_else_are_refused_and_left_as_they_are() {
    let cluster = Cluster::start();
    let ours = "create table S.record (environment text, seq bigint, body text, hash text, writer text);
                create table S.lease (environment text, epoch bigint, holder text, until timestamptz);";
    let cases: [(&str, String, &[&str]); 9] = [
        (
            "`value` of `meta` is jsonb",
            "create table S.meta (key text primary key, value jsonb);
             insert into S.meta values ('plan', '{\"a\": 1}')"
                .to_owned(),
            &["meta"],
        ),
        (
            "`meta` and no `record`",
            "create table S.meta (key text primary key, value text);
             insert into S.meta values ('plan', 'gold')"
                .to_owned(),
            &["meta"],
        ),
        ("`meta` and no `record`", "create table S.meta (key text primary key, value text)".to_owned(), &[]),
        ("`record` and no `meta`", "create table S.record (song text)".to_owned(), &["record"]),
        ("`lease` and no `meta`", "create table S.lease (flat text)".to_owned(), &["lease"]),
        (
            "`meta` is no table",
            "create view S.meta as select 'a'::text as key, 'b'::text as value".to_owned(),
            &[],
        ),
        ("`meta` has no column `key`", format!("create table S.meta (name text, value text); {ours}"), &[]),
        (
            "they do not say which store it is",
            format!(
                "create table S.meta (key text, value text); insert into S.meta values ('a', 'b'); {ours}"
            ),
            &["meta"],
        ),
        (
            "`seq` of `record` is integer",
            format!(
                "create table S.meta (key text, value text); {ours} alter table S.record alter seq type int"
            ),
            &[],
        ),
    ];
    for (n, (why, script, filled)) in cases.into_iter().enumerate() {
        let schema = format!("case_{n}");
        cluster.sql(&format!("create schema {schema}; {}", script.replace("S.", &format!("{schema}."))));
        let before = seen(&cluster, &schema, filled);
        let there = address(&cluster.url(&format!("schema={schema}")));
        let opened = [
            Postgres::find(&there).await.map(|_| ()),
            Postgres::open(&there, &id("store-1")).await.map(|_| ()),
        ];
        for opened in opened {
            let error = opened.expect_err(why);
            assert!(matches!(error, OpenError::Foreign { .. }), "{why}: {error:?}");
            let text = error.to_string();
            assert!(text.contains(why) && text.contains(&schema) && text.contains("@127.0.0.1:"), "{text}");
            assert!(error.hint().contains("?schema="), "{}", error.hint());
        }
        assert_eq!(seen(&cluster, &schema, filled), before, "{why}");
    }
}

/// Another schema of the same database is a store as ever, and so are our tables with a column that somebody added.
#[tokio::test]
async fn a_schema_beside_theirs_is_a_store() {
    let cluster = Cluster::start();
    cluster.sql("create schema understudy; create table understudy.meta (key text, value jsonb)");
    let refused = Postgres::open(&address(&cluster.url("")), &id("store-1")).await;
    assert!(matches!(refused, Err(OpenError::Foreign { .. })), "{refused:?}");
    let url = cluster.url("schema=beside");
    open(&url).await.append(&production(), 0, None, vec![draft(1)]).await.unwrap();
    cluster.sql("alter table beside.record add column written timestamptz default now()");
    let again = open(&url).await;
    again.append(&production(), 1, None, vec![draft(2)]).await.unwrap();
    assert_eq!(again.read(&production(), 0).await.unwrap().len(), 2);
}

/// Somebody changes a table while a runner is at work: an error that says where and in which step, never a panic.
#[tokio::test]
async fn a_table_that_was_changed_is_an_error_in_every_step() {
    let cluster = Cluster::start();
    let (environment, hour) = (production(), Millis::secs(3600));
    let changes = [
        "alter table S.record alter seq type numeric",
        "alter table S.record alter body type jsonb using body::jsonb",
        "alter table S.record alter hash drop not null; update S.record set hash = null",
        "alter table S.lease alter epoch type numeric",
        "alter table S.record alter environment type bytea using environment::bytea",
    ];
    for (n, change) in changes.into_iter().enumerate() {
        let schema = format!("changed_{n}");
        let url = cluster.url(&format!("schema={schema}"));
        let (warm, cold) = (open(&url).await, open(&url).await);
        let grant = warm.take_lease(&environment, "one", hour).await.unwrap();
        warm.append(&environment, 0, Some(grant.epoch), vec![draft(1)]).await.unwrap();
        cluster.sql(&change.replace("S.", &format!("{schema}.")));
        let told = [
            ("listing environments", warm.environments().await.map(|_| ())),
            ("reading records", warm.read(&environment, 0).await.map(|_| ())),
            // Who knows no last record looks for it first, and so does who finds another hash than the one it knows.
            (
                "appending, reading the last record",
                cold.append(&environment, 1, None, vec![draft(2)]).await.map(|_| ()),
            ),
            (
                "appending, reading the last record",
                warm.append(&environment, 1, Some(grant.epoch), vec![draft(2)]).await.map(|_| ()),
            ),
            ("taking the lease", warm.take_lease(&environment, "one", hour).await.map(|_| ())),
        ];
        let mut n_failed = 0;
        for (at, result) in told {
            let Err(error) = result else { continue };
            n_failed += 1;
            let JournalError::Store { step, message } = &error else { panic!("{change}: {error:?}") };
            assert!(at.split(", ").any(|at| at == *step), "{change} at {step}: {message}");
            assert!(message.contains("@127.0.0.1:") && message.contains(&schema), "{change}: {message}");
        }
        assert!(n_failed > 0, "{change} is in nobody's way");
        let later = Postgres::find(&address(&url)).await;
        if change.contains(" type ") {
            assert!(matches!(later, Err(OpenError::Foreign { .. })), "{change}: {later:?}");
        }
    }
}
