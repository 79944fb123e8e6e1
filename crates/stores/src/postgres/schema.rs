//! The tables, made on first use by whoever comes first.

use promotion::model::StoreId;
use tokio_postgres::error::SqlState;

use super::OpenError;
use super::server::{Failed, Server};
use super::value::Value;

/// The format of the tables below. It changes when a version that knows this one would misread them.
const FORMAT: &str = "1";

/// Rounds of making the tables: each is lost only to somebody who made something in it.
const ROUNDS_MAX: u32 = 8;

/// `if not exists` is no lock: of two who make one thing at once, one gets an error and has to look again.
/// `writer` tells whose an append was, when the answer to it was lost.
fn tables(schema: &str) -> String {
    format!(
        "create schema if not exists {schema};
create table if not exists {schema}.meta (key text primary key, value text not null);
create table if not exists {schema}.record (
    environment text not null, seq bigint not null, body text not null, hash text not null,
    writer text not null, primary key (environment, seq));
create table if not exists {schema}.lease (
    environment text primary key, epoch bigint not null, holder text, until timestamptz not null);"
    )
}

/// What a store says of itself, and a name for whoever asked.
#[derive(Debug)]
pub(super) struct About {
    /// The store's own id.
    pub(super) id: StoreId,
    /// Nobody else has this one: made by the server, for this opening.
    pub(super) writer: String,
}

/// The store's id; none where there is no store yet.
pub(super) async fn find(server: &Server) -> Result<Option<About>, OpenError> {
    let step = "looking for the store";
    let schema = &server.address.schema;
    let table = format!("{schema}.meta");
    let there = server
        .query("select to_regclass($1) is not null", &[Value::Text(&table)])
        .await
        .map_err(|failed| failed.opening(server, step))?;
    if !there.first().is_some_and(|row| row.get(0)) {
        return Ok(None);
    }
    let sql = format!(
        "select (select value from {schema}.meta where key = 'format'), \
         (select value from {schema}.meta where key = 'store'), gen_random_uuid()::text"
    );
    let rows = server.query(&sql, &[]).await.map_err(|failed| failed.opening(server, step))?;
    let Some(row) = rows.first() else { return Ok(None) };
    let (format, id, writer): (Option<String>, Option<String>, String) = (row.get(0), row.get(1), row.get(2));
    let place = || server.address.to_string();
    match (format, id) {
        (Some(found), _) if found != FORMAT => Err(OpenError::Newer { place: place(), found, known: FORMAT }),
        (Some(_), Some(id)) => {
            let id = StoreId::new(id).map_err(|error| OpenError::Refused {
                place: place(),
                step: "reading the store's id",
                why: error.to_string(),
            })?;
            Ok(Some(About { id, writer }))
        }
        // Somebody is making it, or died doing so.
        _ => Ok(None),
    }
}

/// Makes what is missing and returns the store's id: `fresh`, unless somebody else was first.
pub(super) async fn make(server: &Server, fresh: &StoreId) -> Result<About, OpenError> {
    let schema = &server.address.schema;
    let step = "making the tables";
    let marks = format!(
        "insert into {schema}.meta (key, value) values ('format', $1), ('store', $2) on conflict do nothing"
    );
    let mut rounds = 0;
    loop {
        rounds += 1;
        match server.batch(&tables(schema)).await {
            Ok(()) => {}
            Err(Failed::Said(error)) if is_made_meanwhile(&error) && rounds < ROUNDS_MAX => continue,
            Err(failed) => return Err(failed.opening(server, step)),
        }
        let params = [Value::Text(FORMAT), Value::Text(fresh.as_str())];
        server.query(&marks, &params).await.map_err(|failed| failed.opening(server, step))?;
        if let Some(about) = find(server).await? {
            return Ok(about);
        }
        if rounds == ROUNDS_MAX {
            let place = server.address.to_string();
            return Err(OpenError::Refused { place, step, why: "they are not there afterwards".to_owned() });
        }
    }
}

fn is_made_meanwhile(error: &tokio_postgres::Error) -> bool {
    let codes = [
        SqlState::DUPLICATE_SCHEMA,
        SqlState::DUPLICATE_TABLE,
        SqlState::DUPLICATE_OBJECT,
        SqlState::UNIQUE_VIOLATION,
        // What the catalogue says when two replace one row of it; it has no code of its own.
        SqlState::INTERNAL_ERROR,
    ];
    error.code().is_some_and(|code| codes.contains(code))
}
