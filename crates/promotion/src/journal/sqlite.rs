//! A journal in one SQLite file: for one machine. `synchronous=FULL`, so that what was appended survives a power cut
//! (<https://sqlite.org/pragma.html#pragma_synchronous>).
//!
//! Calls block for the time of one commit (milliseconds); several processes may use one file.

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;
use rusqlite::config::DbConfig;
use rusqlite::{
    Connection, ErrorCode, OpenFlags, OptionalExtension, Transaction, TransactionBehavior, params,
};

use super::chain;
use super::record::{Draft, Record};
use super::verbatim::{Holding, Row};
use crate::model::{EnvironmentName, Hash, Millis, StoreId};
use crate::ports::{Clock, Grant, Import, Journal, JournalError, Verbatim};

/// A store in a file.
#[derive(Debug)]
pub struct Sqlite {
    connection: Mutex<Connection>,
    /// The last record that this store sealed, as it wrote it, and its hash: as long as it stands there to the letter it
    /// needs no second proof.
    sealed: Mutex<Option<Sealed>>,
    id: StoreId,
    clock: Arc<dyn Clock>,
}

/// A record as it was written.
#[derive(Debug)]
struct Sealed {
    environment: EnvironmentName,
    seq: u64,
    body: String,
    hash: Hash,
}

/// How long a call waits for another process's commit.
const BUSY: Duration = Duration::from_secs(10);

const SCHEMA: &str = "
create table if not exists meta (key text primary key, value text not null) strict;
create table if not exists record (
    environment text not null, seq integer not null, body text not null, hash text not null,
    primary key (environment, seq)) strict, without rowid;
create table if not exists lease (
    environment text primary key, epoch integer not null, holder text, until_ms integer not null) strict;
";

fn store(step: &'static str) -> impl Fn(rusqlite::Error) -> JournalError {
    move |error| JournalError::Store { step, message: error.to_string() }
}

impl Sqlite {
    /// Opens or makes the store at `path`; a new one gets the id `fresh`. The directory must exist.
    pub fn open(path: &Path, clock: Arc<dyn Clock>, fresh: &StoreId) -> Result<Self, JournalError> {
        let open = store("opening the file");
        let mut connection = Connection::open(path).map_err(&open)?;
        connection.busy_timeout(BUSY).map_err(&open)?;
        connection.pragma_update(None, "journal_mode", "wal").map_err(&open)?;
        connection.pragma_update(None, "synchronous", "full").map_err(&open)?;
        // Else each statement is prepared anew as soon as another value is bound to it (<https://sqlite.org/queryplanner-ng.html#qpstab>).
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true).map_err(&open)?;
        let transaction = connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(store("making the tables"))?;
        transaction.execute_batch(SCHEMA).map_err(store("making the tables"))?;
        transaction
            .execute("insert or ignore into meta values ('store', ?1)", [fresh.as_str()])
            .map_err(store("making the store's id"))?;
        let id: String = transaction
            .query_row("select value from meta where key = 'store'", [], |row| row.get(0))
            .map_err(store("reading the store's id"))?;
        transaction.commit().map_err(store("making the tables"))?;
        let id = StoreId::new(id).map_err(|error| JournalError::Store {
            step: "reading the store's id",
            message: error.to_string(),
        })?;
        Ok(Self { connection: Mutex::new(connection), sealed: Mutex::default(), id, clock })
    }

    /// The store at `path` as it stands, for whoever only reads: nothing is written, and every append is an error. None where
    /// there is no file, or one that is no store of ours.
    pub fn find(path: &Path, clock: Arc<dyn Clock>) -> Result<Option<Self>, JournalError> {
        let open = store("opening the file");
        if !path.exists() {
            return Ok(None);
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut log = path.as_os_str().to_owned();
        log.push("-wal");
        // Where nobody has it open there is no log, and a look that may expect one would make it and leave it there
        // (<https://sqlite.org/wal.html#read_only_databases>).
        let connection = match path.to_str().filter(|_| !Path::new(&log).exists()) {
            Some(path) => {
                let encoded = path.replace('%', "%25").replace('?', "%3f").replace('#', "%23");
                let uri = format!("file:{encoded}?immutable=1");
                Connection::open_with_flags(uri, flags | OpenFlags::SQLITE_OPEN_URI)
            }
            None => Connection::open_with_flags(path, flags),
        };
        let connection = connection.map_err(&open)?;
        connection.busy_timeout(BUSY).map_err(&open)?;
        let tables =
            "select count(*) from sqlite_schema where type = 'table' and name in ('meta', 'record', 'lease')";
        let n_tables: i64 = connection.query_row(tables, [], |row| row.get(0)).map_err(&open)?;
        if n_tables != 3 {
            return Ok(None);
        }
        let reading = store("reading the store's id");
        let id: Option<String> = connection
            .query_row("select value from meta where key = 'store'", [], |row| row.get(0))
            .optional()
            .map_err(&reading)?;
        let Some(id) = id else { return Ok(None) };
        let id = StoreId::new(id).map_err(|error| JournalError::Store {
            step: "reading the store's id",
            message: error.to_string(),
        })?;
        Ok(Some(Self { connection: Mutex::new(connection), sealed: Mutex::default(), id, clock }))
    }

    fn connection(&self) -> MutexGuard<'_, Connection> {
        self.connection.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

fn last(
    transaction: &Transaction<'_>,
    environment: &EnvironmentName,
    sealed: Option<&Sealed>,
) -> Result<(u64, Hash), JournalError> {
    let read = store("reading the last record");
    let row: Option<(i64, String, String)> = transaction
        .prepare_cached("select seq, body, hash from record where environment = ?1 order by seq desc limit 1")
        .and_then(|mut statement| {
            statement
                .query_row([environment.as_str()], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
                .optional()
        })
        .map_err(read)?;
    match row {
        None => Ok((0, Record::root(environment))),
        Some((seq, body, hash)) => {
            let seq = seq.unsigned_abs();
            let is_it = |sealed: &&Sealed| {
                let is_there = sealed.environment == *environment && sealed.seq == seq;
                is_there && sealed.body == body && sealed.hash.as_str() == hash
            };
            if let Some(sealed) = sealed.filter(is_it) {
                return Ok((seq, sealed.hash.clone()));
            }
            let last = chain::tip_beside(environment, seq, &body, &hash)?;
            Ok((seq, last.hash))
        }
    }
}

fn insert(
    transaction: &Transaction<'_>,
    environment: &EnvironmentName,
    record: &Record,
) -> Result<String, JournalError> {
    let body = text(record)?;
    let values = params![environment.as_str(), record.seq.cast_signed(), body, record.hash.as_str()];
    transaction
        .prepare_cached("insert into record values (?1, ?2, ?3, ?4)")
        .and_then(|mut statement| statement.execute(values))
        .map_err(store("appending"))?;
    Ok(body)
}

/// Appends behind the record that this store sealed last, as long as that stands there to the letter, is the last one and
/// no later lease was granted, in one statement. False where not all of it is so: then it is looked at why.
fn insert_behind(
    connection: &Connection,
    last: &Sealed,
    record: &Record,
    body: &str,
) -> Result<bool, JournalError> {
    let fenced = record.epoch.filter(|_| !cfg!(feature = "sabotage-p2")).map(u64::cast_signed);
    let values = params![
        record.environment.as_str(),
        record.seq.cast_signed(),
        body,
        record.hash.as_str(),
        last.seq.cast_signed(),
        last.body,
        last.hash.as_str(),
        fenced,
    ];
    connection
        .prepare_cached(
            "insert into record values (?1, (
                select ?2
                where (select seq = ?5 and body = ?6 and hash = ?7 from record where environment = ?1
                       order by seq desc limit 1)
                  and (?8 is null or ?8 = (select epoch from lease where environment = ?1))
             ), ?3, ?4)",
        )
        .and_then(|mut statement| statement.execute(values))
        .map(|_one_row| true)
        .or_else(|error| match error.sqlite_error_code() {
            // Without that there is no number, and a record has one.
            Some(ErrorCode::ConstraintViolation) => Ok(false),
            _ => Err(store("appending")(error)),
        })
}

fn text(record: &Record) -> Result<String, JournalError> {
    serde_json::to_string(record)
        .map_err(|error| JournalError::Store { step: "appending", message: error.to_string() })
}

fn epoch(transaction: &Transaction<'_>, environment: &EnvironmentName) -> Result<u64, JournalError> {
    let epoch: Option<i64> = transaction
        .prepare_cached("select epoch from lease where environment = ?1")
        .and_then(|mut statement| statement.query_row([environment.as_str()], |row| row.get(0)).optional())
        .map_err(store("reading the lease"))?;
    Ok(epoch.unwrap_or(0).unsigned_abs())
}

#[async_trait]
impl Journal for Sqlite {
    async fn store_id(&self) -> Result<StoreId, JournalError> {
        Ok(self.id.clone())
    }

    async fn environments(&self) -> Result<Vec<EnvironmentName>, JournalError> {
        let read = store("listing environments");
        let connection = self.connection();
        let mut statement = connection
            .prepare("select distinct environment from record order by environment")
            .map_err(&read)?;
        let names = statement.query_map([], |row| row.get::<_, String>(0)).map_err(&read)?;
        names
            .map(|name| {
                EnvironmentName::new(name.map_err(&read)?).map_err(|error| JournalError::Store {
                    step: "listing environments",
                    message: error.to_string(),
                })
            })
            .collect()
    }

    async fn read(&self, environment: &EnvironmentName, after: u64) -> Result<Vec<Record>, JournalError> {
        let read = store("reading records");
        let connection = self.connection();
        let mut statement = connection
            .prepare_cached(
                "select seq, body, hash from record where environment = ?1 and seq > ?2 order by seq",
            )
            .map_err(&read)?;
        let rows = statement
            .query_map(params![environment.as_str(), after.cast_signed()], |row| {
                Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?, row.get::<_, String>(2)?))
            })
            .map_err(&read)?;
        let mut records = Vec::new();
        for row in rows {
            let (seq, body, hash) = row.map_err(&read)?;
            records.push(chain::decode_beside(environment, seq.unsigned_abs(), &body, &hash)?);
        }
        Ok(records)
    }

    async fn append(
        &self,
        environment: &EnvironmentName,
        head: u64,
        under: Option<u64>,
        drafts: Vec<Draft>,
    ) -> Result<Vec<Record>, JournalError> {
        let write = store("appending");
        let mut connection = self.connection();
        let mut kept = self.sealed.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let ([draft], Some(last)) = (&*drafts, &*kept)
            && last.environment == *environment
            && last.seq == head
        {
            let record = Record::seal(environment, head + 1, under, draft.clone(), last.hash.clone());
            let body = text(&record)?;
            if insert_behind(&connection, last, &record, &body)? {
                *kept = Some(Sealed {
                    environment: environment.clone(),
                    seq: record.seq,
                    body,
                    hash: record.hash.clone(),
                });
                return Ok(vec![record]);
            }
        }
        let transaction =
            connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(&write)?;
        if let Some(under) = under
            && under != epoch(&transaction, environment)?
            && !cfg!(feature = "sabotage-p2")
        {
            return Err(JournalError::Fenced { epoch: under });
        }
        let (seq, mut prev) = last(&transaction, environment, kept.as_ref())?;
        if seq != head {
            return Err(JournalError::Conflict { head: seq });
        }
        let mut newest = None;
        let mut sealed = Vec::with_capacity(drafts.len());
        for (n, draft) in drafts.into_iter().enumerate() {
            let record = Record::seal(environment, head + 1 + n as u64, under, draft, prev);
            newest = Some(Sealed {
                environment: environment.clone(),
                seq: record.seq,
                body: insert(&transaction, environment, &record)?,
                hash: record.hash.clone(),
            });
            prev = record.hash.clone();
            sealed.push(record);
        }
        transaction.commit().map_err(&write)?;
        *kept = newest.or_else(|| kept.take());
        Ok(sealed)
    }

    async fn take_lease(
        &self,
        environment: &EnvironmentName,
        holder: &str,
        ttl: Millis,
    ) -> Result<Grant, JournalError> {
        let write = store("taking the lease");
        let now = self.clock.now();
        let mut connection = self.connection();
        let transaction =
            connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(&write)?;
        let row: Option<(i64, Option<String>, i64)> = transaction
            .query_row(
                "select epoch, holder, until_ms from lease where environment = ?1",
                [environment.as_str()],
                |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
            )
            .optional()
            .map_err(&write)?;
        let (epoch, other, until) = row.unwrap_or((0, None, 0));
        if let Some(other) = other
            && other != holder
            && now.0 < until
            && !cfg!(feature = "sabotage-p2")
        {
            return Err(JournalError::Held { holder: other });
        }
        transaction
            .execute(
                "insert or replace into lease values (?1, ?2, ?3, ?4)",
                params![environment.as_str(), epoch + 1, holder, now.plus(ttl).0],
            )
            .map_err(&write)?;
        transaction.commit().map_err(&write)?;
        Ok(Grant { epoch: (epoch + 1).unsigned_abs() })
    }

    async fn renew_lease(
        &self,
        environment: &EnvironmentName,
        epoch: u64,
        ttl: Millis,
    ) -> Result<(), JournalError> {
        let changed = self
            .connection()
            .execute(
                "update lease set until_ms = ?3 where environment = ?1 and epoch = ?2 and holder is not null",
                params![environment.as_str(), epoch.cast_signed(), self.clock.now().plus(ttl).0],
            )
            .map_err(store("renewing the lease"))?;
        if changed == 0 { Err(JournalError::Fenced { epoch }) } else { Ok(()) }
    }

    async fn release_lease(&self, environment: &EnvironmentName, epoch: u64) -> Result<(), JournalError> {
        self.connection()
            .execute(
                "update lease set holder = null where environment = ?1 and epoch = ?2",
                params![environment.as_str(), epoch.cast_signed()],
            )
            .map_err(store("releasing the lease"))?;
        Ok(())
    }
}

#[async_trait]
impl Verbatim for Sqlite {
    async fn verbatim(&self) -> Result<Holding, JournalError> {
        let read = store("reading everything");
        let connection = self.connection();
        let mut statement = connection
            .prepare("select environment, seq, body, hash from record order by environment, seq")
            .map_err(&read)?;
        // By their bytes: a text that was changed need not be one any more.
        let rows = statement.query_map([], |row| {
            let bytes =
                |n| row.get_ref(n).map(|value| value.as_bytes().map(<[u8]>::to_vec).unwrap_or_default());
            let environment = String::from_utf8_lossy(&bytes(0)?).into_owned();
            Ok(Row { environment, seq: row.get(1)?, body: bytes(2)?, hash: Some(bytes(3)?) })
        });
        let rows: Result<Vec<Row>, _> = rows.map_err(&read)?.collect();
        Ok(Holding { rows: rows.map_err(&read)?, faults: Vec::new() })
    }
}

#[async_trait]
impl Import for Sqlite {
    async fn import(
        &self,
        environment: &EnvironmentName,
        head: u64,
        records: &[Record],
    ) -> Result<(), JournalError> {
        let write = store("taking records over");
        let mut connection = self.connection();
        let transaction =
            connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(&write)?;
        let (seq, prev) = last(&transaction, environment, None)?;
        if seq != head {
            return Err(JournalError::Conflict { head: seq });
        }
        chain::verify(environment, head, prev, records)?;
        for record in records {
            insert(&transaction, environment, record)?;
        }
        transaction.commit().map_err(&write)
    }

    async fn end_lease(&self, environment: &EnvironmentName, epoch: u64) -> Result<(), JournalError> {
        let sql = "insert into lease values (?1, ?2, null, 0) on conflict (environment) do update \
                   set epoch = max(epoch + 1, excluded.epoch), holder = null";
        self.connection()
            .execute(sql, params![environment.as_str(), epoch.cast_signed()])
            .map_err(store("ending the lease"))?;
        Ok(())
    }
}
