//! The tables, made on first use by whoever comes first. Nothing is written beside tables of somebody else.

use promotion::model::StoreId;
use tokio_postgres::error::SqlState;

use super::OpenError;
use super::row::Origin;
use super::server::{Failed, Server};
use super::shape::Shape;
use super::value::Value;

/// The format of the tables below. It changes when a version that knows this one would misread them.
const FORMAT: &str = "1";

/// Rounds of making the tables: each is lost only to somebody who made something in it.
const ROUNDS_MAX: u32 = 8;

/// All of them or none: one batch is one transaction. Without `if not exists` for the tables, so that one which came to
/// be there meanwhile is looked at before anything is written into it. As `Shape` knows them; `writer` tells whose an
/// append was, when the answer to it was lost.
fn tables(schema: &str) -> String {
    format!(
        "create schema if not exists {schema};
create table {schema}.meta (key text primary key, value text not null);
create table {schema}.record (
    environment text not null, seq bigint not null, body text not null, hash text not null,
    writer text not null, primary key (environment, seq));
create table {schema}.lease (
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

/// What stands in the schema.
enum Found {
    /// Nothing that has one of our names.
    Nothing,
    /// Our tables without a mark: somebody is making them, or died doing so.
    Unmarked,
    /// A store.
    Store(About),
}

async fn look(server: &Server) -> Result<Found, OpenError> {
    let step = "looking for the store";
    let place = || server.address.to_string();
    let foreign = |why: String| OpenError::Foreign { place: place(), why };
    let shape = Shape::of(server).await?;
    if shape.is_empty() {
        return Ok(Found::Nothing);
    }
    if let Some(why) = shape.fault_of_marks() {
        return Err(foreign(why));
    }
    let schema = &server.address.schema;
    let sql = format!(
        "select (select value from {schema}.meta where key = 'format'), \
         (select value from {schema}.meta where key = 'store'), \
         exists (select from {schema}.meta), gen_random_uuid()::text"
    );
    let rows = server.query(&sql, &[]).await.map_err(|failed| failed.opening(server, step))?;
    let Some(row) = rows.first() else { return Ok(Found::Nothing) };
    let origin = Origin { place: &server.address, step };
    let marks: (Option<String>, Option<String>) = (origin.opened(row, 0)?, origin.opened(row, 1)?);
    let (has_rows, writer): (bool, String) = (origin.opened(row, 2)?, origin.opened(row, 3)?);
    // A later version may have other tables; of this one they must be as we make them.
    if let (Some(found), Some(_)) = &marks
        && found != FORMAT
    {
        return Err(OpenError::Newer { place: place(), found: found.clone(), known: FORMAT });
    }
    if let Some(why) = shape.fault_of_any() {
        return Err(foreign(why));
    }
    match marks {
        (Some(_), Some(id)) => {
            let id = StoreId::new(id).map_err(|error| OpenError::Refused {
                place: place(),
                step: "reading the store's id",
                why: error.to_string(),
            })?;
            Ok(Found::Store(About { id, writer }))
        }
        (None, None) if !has_rows => Ok(Found::Unmarked),
        _ => Err(foreign("`meta` has rows, and they do not say which store it is".to_owned())),
    }
}

/// The store's id; none where there is no store yet.
pub(super) async fn find(server: &Server) -> Result<Option<About>, OpenError> {
    match look(server).await? {
        Found::Store(about) => Ok(Some(about)),
        Found::Nothing | Found::Unmarked => Ok(None),
    }
}

/// The store's id. Where there is no store it is made, and gets `fresh` unless somebody else is first; whoever uses one
/// that is there needs no right to make one.
pub(super) async fn make(server: &Server, fresh: &StoreId) -> Result<About, OpenError> {
    let step = "making the tables";
    for round in 1..=ROUNDS_MAX {
        match look(server).await? {
            Found::Store(about) => return Ok(about),
            Found::Unmarked => mark(server, fresh).await.map_err(|failed| failed.opening(server, step))?,
            Found::Nothing => match server.batch(&tables(&server.address.schema)).await {
                Err(Failed::Said(error)) if is_made_meanwhile(&error) && round < ROUNDS_MAX => {}
                made => made.map_err(|failed| failed.opening(server, step))?,
            },
        }
    }
    let place = server.address.to_string();
    Err(OpenError::Refused { place, step, why: "they are not there afterwards".to_owned() })
}

async fn mark(server: &Server, fresh: &StoreId) -> Result<(), Failed> {
    let schema = &server.address.schema;
    let sql = format!(
        "insert into {schema}.meta (key, value) values ('format', $1), ('store', $2) on conflict do nothing"
    );
    server.query(&sql, &[Value::Text(FORMAT), Value::Text(fresh.as_str())]).await.map(|_| ())
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
