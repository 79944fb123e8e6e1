//! The journal: every method one statement, by the server's clock.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard};

use async_trait::async_trait;
use promotion::journal::{Draft, Holding, Record, Row as Held, verify};
use promotion::model::{EnvironmentName, Hash, Millis, StoreId};
use promotion::ports::{Grant, Import, Journal, JournalError, Verbatim};
use sha2::{Digest as _, Sha256};
use tokio_postgres::Row;

use super::row::{self, Origin};
use super::schema::{self, About};
use super::server::Server;
use super::value::Value;
use super::{Address, OpenError};

/// How often an append or a grant is tried against runners that are quicker each time.
const TRIES_MAX: u32 = 5;

/// A store in PostgreSQL.
#[derive(Debug)]
pub struct Postgres {
    server: Server,
    about: About,
    n_appends: AtomicU64,
    /// The last record of a chain as far as we know: saves a read before each append. What is known wrongly is noticed
    /// by the statement that appends.
    tips: Mutex<BTreeMap<EnvironmentName, Tip>>,
}

/// A chain's last record, once it was proven sound or written by us: as long as its text stands there to the letter, it
/// needs no second proof.
#[derive(Debug, Clone)]
struct Tip {
    seq: u64,
    hash: Hash,
    /// Of its text, SHA-256; none before the first record.
    text: Option<Vec<u8>>,
}

impl Tip {
    fn new(seq: u64, hash: Hash, text: &str) -> Self {
        Self { seq, hash, text: Some(Sha256::digest(text).to_vec()) }
    }
}

impl Postgres {
    /// Opens the store at `address`; none where there is none.
    ///
    /// # Errors
    /// When the server cannot be reached or trusted, lets us not in, was written by a later version, or has tables of
    /// somebody else in the schema.
    pub async fn find(address: &Address) -> Result<Option<Self>, OpenError> {
        let server = Server::new(address.clone())?;
        let about = schema::find(&server).await?;
        Ok(about.map(|about| Self::of(server, about)))
    }

    /// Opens or makes the store at `address`; a new one gets the id `fresh`.
    ///
    /// # Errors
    /// As [`Postgres::find`], and when the role may not make a schema.
    pub async fn open(address: &Address, fresh: &StoreId) -> Result<Self, OpenError> {
        let server = Server::new(address.clone())?;
        let about = schema::make(&server, fresh).await?;
        Ok(Self::of(server, about))
    }

    fn of(server: Server, about: About) -> Self {
        Self { server, about, n_appends: AtomicU64::new(0), tips: Mutex::default() }
    }

    fn tips(&self) -> MutexGuard<'_, BTreeMap<EnvironmentName, Tip>> {
        self.tips.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    async fn ask(
        &self,
        step: &'static str,
        sql: &str,
        values: &[Value<'_>],
    ) -> Result<Vec<Row>, JournalError> {
        let sql = sql.replace("{s}", &self.server.address.schema);
        self.server.query(&sql, values).await.map_err(|failed| failed.while_(&self.server, step))
    }

    fn origin(&self, step: &'static str) -> Origin<'_> {
        Origin { place: &self.server.address, step }
    }

    /// The record behind which record `head + 1` goes; what stands before the first, where we are behind or ahead and the
    /// append will be refused anyway.
    async fn tip_at(&self, environment: &EnvironmentName, head: u64) -> Result<Tip, JournalError> {
        if let Some(tip) = self.tips().get(environment)
            && tip.seq == head
        {
            return Ok(tip.clone());
        }
        let none = || Tip { seq: 0, hash: Record::root(environment), text: None };
        let sql = "select seq, body, hash from {s}.record where environment = $1 order by seq desc limit 1";
        let step = "reading the last record";
        let rows = self.ask(step, sql, &[Value::Text(environment.as_str())]).await?;
        let Some(row) = rows.first() else { return Ok(none()) };
        let last = row::last(environment, row, self.origin(step))?;
        let tip = Tip::new(last.seq, last.hash, self.origin(step).column(row, 1)?);
        self.tips().insert(environment.clone(), tip.clone());
        Ok(if tip.seq == head { tip } else { none() })
    }
}

/// Appends, or returns nothing. The lease's row is locked while its epoch is compared, so that whoever is granted a later
/// one finds all that was appended under this one, and nothing comes after. As short as it can be: a statement without a
/// name is planned each time.
const APPEND: &str = "
insert into {s}.record (environment, seq, body, hash, writer)
select $1, new.seq, new.body, new.hash, $5
from unnest($6::bigint[], $7::text[], $8::text[]) as new (seq, body, hash)
where coalesce((select seq = $2 and hash = $3 and ($10::bytea is null or sha256(convert_to(body, 'UTF8')) = $10)
        from {s}.record where environment = $1 order by seq desc limit 1), $2 = 0 and $3 = $9)
    and ($4::bigint is null or (select epoch from {s}.lease where environment = $1 for share) = $4)
returning 1";

/// Why nothing was appended. Epochs and chains only grow, so what was wrong then still is; a text that is another one is
/// read again. The last column: whether an earlier try of this very append is there, whose answer was lost.
const WHY: &str = "
with tip as (
    select seq, hash from {s}.record where environment = $1 order by seq desc limit 1
)
select coalesce((select seq from tip), 0), (select hash from tip),
    (select epoch from {s}.lease where environment = $1),
    exists (select from {s}.record where environment = $1 and seq = $2 + 1 and writer = $3)";

/// What became of it.
enum Appended {
    Done,
    Conflict(u64),
    Fenced,
    /// The last record's hash is not the one we knew.
    Astray,
}

impl Postgres {
    async fn put(
        &self,
        (head, prev, epoch, writer): (u64, &Tip, Option<u64>, &str),
        environment: &EnvironmentName,
        records: &[Record],
    ) -> Result<Appended, JournalError> {
        let step = "appending";
        let seqs: Vec<i64> = records.iter().map(|record| record.seq.cast_signed()).collect();
        let hashes = records.iter().map(|record| record.hash.to_string()).collect();
        let bodies: Result<Vec<String>, _> = records.iter().map(serde_json::to_string).collect();
        let bodies = bodies.map_err(|error| JournalError::Store { step, message: error.to_string() })?;
        let newest = records.last().zip(bodies.last());
        let newest = newest.map(|(last, body)| Tip::new(last.seq, last.hash.clone(), body));
        let (at, under) = (head.cast_signed(), epoch.map(u64::cast_signed));
        let root = Record::root(environment);
        let values = [
            Value::Text(environment.as_str()),
            Value::Number(at),
            Value::Text(prev.hash.as_str()),
            Value::MaybeNumber(under),
            Value::Text(writer),
            Value::Numbers(seqs),
            Value::Texts(bodies),
            Value::Texts(hashes),
            Value::Text(root.as_str()),
            Value::MaybeBytes(prev.text.as_deref()),
        ];
        let n_put = self.ask(step, APPEND, &values).await?.len();
        if n_put == records.len()
            && let Some(newest) = newest
        {
            self.tips().insert(environment.clone(), newest);
            return Ok(Appended::Done);
        }
        let values = [Value::Text(environment.as_str()), Value::Number(at), Value::Text(writer)];
        let rows = self.ask(step, WHY, &values).await?;
        let (row, origin) = (only(&rows, step)?, self.origin(step));
        let (seq, hash): (i64, Option<&str>) = (origin.column(row, 0)?, origin.column(row, 1)?);
        let (held, is_mine): (Option<i64>, bool) = (origin.column(row, 2)?, origin.column(row, 3)?);
        Ok(if is_mine {
            Appended::Done
        } else if under.is_some() && held != under {
            Appended::Fenced
        } else if seq != at {
            Appended::Conflict(seq.unsigned_abs())
        } else if records.is_empty() && hash.unwrap_or(root.as_str()) == prev.hash.as_str() {
            Appended::Done
        } else {
            Appended::Astray
        })
    }
}

#[async_trait]
impl Journal for Postgres {
    async fn store_id(&self) -> Result<StoreId, JournalError> {
        Ok(self.about.id.clone())
    }

    async fn environments(&self) -> Result<Vec<EnvironmentName>, JournalError> {
        let step = "listing environments";
        let rows = self.ask(step, "select distinct environment from {s}.record", &[]).await?;
        let names = rows.iter().map(|row| {
            let name: String = self.origin(step).column(row, 0)?;
            EnvironmentName::new(name)
                .map_err(|error| JournalError::Store { step, message: error.to_string() })
        });
        let mut names: Vec<EnvironmentName> = names.collect::<Result<_, _>>()?;
        // By us: the server sorts as its database's language does.
        names.sort();
        Ok(names)
    }

    async fn read(&self, environment: &EnvironmentName, after: u64) -> Result<Vec<Record>, JournalError> {
        let sql = "select seq, body, hash from {s}.record where environment = $1 and seq > $2 order by seq";
        let values = [Value::Text(environment.as_str()), Value::Number(after.cast_signed())];
        let step = "reading records";
        let rows = self.ask(step, sql, &values).await?;
        let records: Result<Vec<_>, _> =
            rows.iter().map(|row| row::record(environment, row, self.origin(step))).collect();
        let records = records?;
        // Behind one that is bent nothing goes: whoever appends reads it again, and says so.
        if let Some((last, row)) = records.last().zip(rows.last())
            && last.content_hash() == last.hash
        {
            let tip = Tip::new(last.seq, last.hash.clone(), self.origin(step).column(row, 1)?);
            self.tips().insert(environment.clone(), tip);
        }
        Ok(records)
    }

    async fn append(
        &self,
        environment: &EnvironmentName,
        head: u64,
        epoch: Option<u64>,
        drafts: Vec<Draft>,
    ) -> Result<Vec<Record>, JournalError> {
        let n = self.n_appends.fetch_add(1, Ordering::Relaxed);
        let writer = format!("{}/{n}", self.about.writer);
        for _ in 0..TRIES_MAX {
            let behind = self.tip_at(environment, head).await?;
            let mut prev = behind.hash.clone();
            let mut sealed = Vec::with_capacity(drafts.len());
            for (n, draft) in drafts.iter().cloned().enumerate() {
                let record = Record::seal(environment, head + 1 + n as u64, epoch, draft, prev);
                prev = record.hash.clone();
                sealed.push(record);
            }
            match self.put((head, &behind, epoch, &writer), environment, &sealed).await? {
                Appended::Done => return Ok(sealed),
                Appended::Conflict(head) => return Err(JournalError::Conflict { head }),
                Appended::Fenced => return Err(JournalError::Fenced { epoch: epoch.unwrap_or_default() }),
                Appended::Astray => {
                    self.tips().remove(environment);
                }
            }
        }
        Err(JournalError::Store {
            step: "appending",
            message: format!("{}: the last record changed {TRIES_MAX} times meanwhile", self.server.address),
        })
    }

    async fn take_lease(
        &self,
        environment: &EnvironmentName,
        holder: &str,
        ttl: Millis,
    ) -> Result<Grant, JournalError> {
        let step = "taking the lease";
        let take = "
insert into {s}.lease as held (environment, epoch, holder, until)
values ($1, 1, $2, clock_timestamp() + $3 * interval '1 millisecond')
on conflict (environment) do update
set epoch = held.epoch + 1, holder = $2, until = clock_timestamp() + $3 * interval '1 millisecond'
where held.holder is null or held.holder = $2 or held.until <= clock_timestamp()
returning epoch";
        let holds = "select holder from {s}.lease
where environment = $1 and holder is not null and until > clock_timestamp()";
        for _ in 0..TRIES_MAX {
            let place = Value::Text(environment.as_str());
            let values = [place, Value::Text(holder), Value::Number(ttl.0.cast_signed())];
            if let Some(row) = self.ask(step, take, &values).await?.first() {
                let epoch: i64 = self.origin(step).column(row, 0)?;
                return Ok(Grant { epoch: epoch.unsigned_abs() });
            }
            // Only to say who; where it ended meanwhile, it is asked for again.
            if let Some(row) = self.ask(step, holds, &values[..1]).await?.first() {
                return Err(JournalError::Held { holder: self.origin(step).column(row, 0)? });
            }
        }
        Err(JournalError::Held { holder: "another runner".to_owned() })
    }

    async fn renew_lease(
        &self,
        environment: &EnvironmentName,
        epoch: u64,
        ttl: Millis,
    ) -> Result<(), JournalError> {
        let sql = "update {s}.lease set until = clock_timestamp() + $3 * interval '1 millisecond'
where environment = $1 and epoch = $2 and holder is not null returning 1";
        let place = Value::Text(environment.as_str());
        let values = [place, Value::Number(epoch.cast_signed()), Value::Number(ttl.0.cast_signed())];
        let rows = self.ask("renewing the lease", sql, &values).await?;
        if rows.is_empty() { Err(JournalError::Fenced { epoch }) } else { Ok(()) }
    }

    async fn release_lease(&self, environment: &EnvironmentName, epoch: u64) -> Result<(), JournalError> {
        let sql = "update {s}.lease set holder = null where environment = $1 and epoch = $2";
        let values = [Value::Text(environment.as_str()), Value::Number(epoch.cast_signed())];
        self.ask("releasing the lease", sql, &values).await.map(|_| ())
    }
}

#[async_trait]
impl Verbatim for Postgres {
    async fn verbatim(&self) -> Result<Holding, JournalError> {
        let sql = "select environment, seq, body, hash from {s}.record";
        let step = "reading everything";
        let rows = self.ask(step, sql, &[]).await?;
        let held = rows.iter().map(|row| {
            let origin = self.origin(step);
            let (body, hash): (String, String) = (origin.column(row, 2)?, origin.column(row, 3)?);
            let (body, hash) = (body.into_bytes(), Some(hash.into_bytes()));
            Ok(Held { environment: origin.column(row, 0)?, seq: origin.column(row, 1)?, body, hash })
        });
        Ok(Holding { rows: held.collect::<Result<_, JournalError>>()?, faults: Vec::new() })
    }
}

#[async_trait]
impl Import for Postgres {
    async fn import(
        &self,
        environment: &EnvironmentName,
        head: u64,
        records: &[Record],
    ) -> Result<(), JournalError> {
        let Some(first) = records.first() else { return Ok(()) };
        verify(environment, head, first.prev.clone(), records)?;
        let n = self.n_appends.fetch_add(1, Ordering::Relaxed);
        let writer = format!("{}/{n}", self.about.writer);
        let behind = Tip { seq: head, hash: first.prev.clone(), text: None };
        match self.put((head, &behind, None, &writer), environment, records).await? {
            Appended::Done => Ok(()),
            Appended::Conflict(head) => Err(JournalError::Conflict { head }),
            Appended::Astray | Appended::Fenced => Err(JournalError::Damaged {
                environment: environment.clone(),
                seq: first.seq,
                why: "it does not follow the record that is before it here".to_owned(),
            }),
        }
    }

    async fn end_lease(&self, environment: &EnvironmentName, epoch: u64) -> Result<(), JournalError> {
        let sql = "
insert into {s}.lease as held (environment, epoch, holder, until) values ($1, $2, null, clock_timestamp())
on conflict (environment) do update set epoch = greatest(held.epoch + 1, $2), holder = null";
        let values = [Value::Text(environment.as_str()), Value::Number(epoch.cast_signed())];
        self.ask("ending the lease", sql, &values).await.map(|_| ())
    }
}

fn only<'a>(rows: &'a [Row], step: &'static str) -> Result<&'a Row, JournalError> {
    rows.first()
        .ok_or_else(|| JournalError::Store { step, message: "the server answered without a row".to_owned() })
}
