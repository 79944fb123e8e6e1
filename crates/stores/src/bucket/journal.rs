//! The journal over slots and leases.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError};

use async_trait::async_trait;
use percent_encoding::percent_decode_str;
use promotion::journal::{Draft, Holding, Record, verify};
use promotion::model::{EnvironmentName, Millis, StoreId};
use promotion::ports::{Grant, Import, Journal, JournalError, Verbatim};
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;

use super::error::{store, told};
use super::lease::{self, Lease};
use super::log::Log;
use super::place::{Place, Put};
use super::{OpenError, slot, verbatim};

/// The form of the whole store.
const FORMAT: u32 = 1;

/// How often a write is tried against runners that are quicker each time; each time one of them has got on.
const TRIES_MAX: u32 = 32;

/// A store in object storage.
#[derive(Debug)]
pub struct Bucket {
    place: Place,
    id: StoreId,
    runner: String,
    n_writes: AtomicU64,
    logs: std::sync::Mutex<BTreeMap<EnvironmentName, Arc<Mutex<Log>>>>,
}

/// What the object `store` says.
#[derive(Debug, Serialize, Deserialize)]
struct About {
    format: u32,
    id: StoreId,
}

impl Bucket {
    /// Opens the store at `place`; none where there is none. `runner` is a name that nobody else ever has.
    ///
    /// # Errors
    /// When the storage cannot be read, or holds something else.
    pub async fn find(place: Place, runner: &str) -> Result<Option<Self>, OpenError> {
        let path = place.store();
        let shown = path.to_string();
        let found = place.get(&path).await.map_err(|error| OpenError::Refused {
            place: shown.clone(),
            step: "looking for the store",
            why: told(&error),
        })?;
        let Some((text, _)) = found else { return Ok(None) };
        let foreign = |why: String| OpenError::Foreign { place: shown.clone(), known: FORMAT, why };
        let about: About = serde_json::from_str(&text).map_err(|error| foreign(error.to_string()))?;
        if about.format != FORMAT {
            return Err(foreign(format!("it says format {}", about.format)));
        }
        let (runner, n_writes) = (runner.to_owned(), AtomicU64::new(0));
        Ok(Some(Self { place, id: about.id, runner, n_writes, logs: std::sync::Mutex::default() }))
    }

    /// Opens or makes the store at `place`; a new one gets the id `fresh`.
    ///
    /// # Errors
    /// As [`Bucket::find`], and when the storage cannot be written.
    pub async fn open(place: Place, runner: &str, fresh: &StoreId) -> Result<Self, OpenError> {
        if let Some(there) = Self::find(place.clone(), runner).await? {
            return Ok(there);
        }
        let refused = |why: String| OpenError::Refused {
            place: place.store().to_string(),
            step: "making the store",
            why,
        };
        let text = serde_json::to_string(&About { format: FORMAT, id: fresh.clone() })
            .map_err(|error| refused(error.to_string()))?;
        if let Put::Unknown(error) = place.create(&place.store(), text).await {
            return Err(refused(told(&error)));
        }
        // Ours, or of somebody who was quicker.
        let there = Self::find(place.clone(), runner).await?;
        there.ok_or_else(|| refused("it is not there afterwards".to_owned()))
    }

    fn log(&self, environment: &EnvironmentName) -> Arc<Mutex<Log>> {
        let mut logs = self.logs.lock().unwrap_or_else(PoisonError::into_inner);
        let log = logs.entry(environment.clone());
        log.or_insert_with(|| Arc::new(Mutex::new(Log::new(environment.clone())))).clone()
    }

    fn writer(&self) -> String {
        format!("{}/{}", self.runner, self.n_writes.fetch_add(1, Ordering::Relaxed))
    }

    /// Whether `epoch` may still append, as far as the lease's object says. The slots decide; but a runner that lost its
    /// lease and appends without pause would always be at the next slot before the grant that is to stop it. So whoever
    /// is past the end that it knows of looks first.
    async fn is_over(
        &self,
        environment: &EnvironmentName,
        log: &mut Log,
        epoch: u64,
    ) -> Result<bool, JournalError> {
        let (known, until_ms) = log.lease;
        if known == epoch && self.place.time.now().is_some_and(|now| now.0 < until_ms) {
            return Ok(false);
        }
        let found = lease::read(&self.place, environment).await?;
        log.lease = (found.lease.epoch, found.lease.until_ms);
        Ok(found.lease.epoch > epoch)
    }

    /// The latest epoch there was. The greater of both: a lease's object that was restored from a copy does not take
    /// epochs back.
    async fn latest(&self, environment: &EnvironmentName, lease: &Lease) -> Result<u64, JournalError> {
        let log = self.log(environment);
        let mut log = log.lock().await;
        log.catch_up(&self.place).await?;
        Ok(log.epoch.max(lease.epoch))
    }

    /// Puts the grant of `epoch` among the appends; `false` when a later one is there.
    async fn mark(
        &self,
        environment: &EnvironmentName,
        epoch: u64,
        until_ms: i64,
    ) -> Result<bool, JournalError> {
        let log = self.log(environment);
        let mut log = log.lock().await;
        let writer = self.writer();
        for _ in 0..TRIES_MAX {
            log.catch_up(&self.place).await?;
            if log.epoch >= epoch {
                return Ok(false);
            }
            let text = slot::of_grant((environment, log.next()), &writer, epoch)
                .map_err(|error| unwritable(&error))?;
            if log.write(&self.place, &writer, text, None).await? {
                log.lease = (epoch, until_ms);
                return Ok(true);
            }
        }
        Err(crowded("taking the lease"))
    }
}

fn unwritable(error: &serde_json::Error) -> JournalError {
    JournalError::Store { step: "writing a slot", message: error.to_string() }
}

fn crowded(step: &'static str) -> JournalError {
    JournalError::Store { step, message: format!("others were quicker {TRIES_MAX} times") }
}

#[async_trait]
impl Journal for Bucket {
    async fn store_id(&self) -> Result<StoreId, JournalError> {
        Ok(self.id.clone())
    }

    async fn environments(&self) -> Result<Vec<EnvironmentName>, JournalError> {
        let step = "listing environments";
        let journals = self.place.journals();
        let listed = self.place.objects.list_with_delimiter(Some(&journals)).await;
        let mut names = Vec::new();
        for path in listed.map_err(|error| store(step, &error))?.common_prefixes {
            let name = percent_decode_str(path.filename().unwrap_or_default()).decode_utf8_lossy();
            let name = EnvironmentName::new(name)
                .map_err(|error| JournalError::Store { step, message: error.to_string() })?;
            let log = self.log(&name);
            let mut log = log.lock().await;
            log.catch_up(&self.place).await?;
            // Grants alone are no records.
            names.extend((log.head() > 0).then_some(name));
        }
        names.sort();
        Ok(names)
    }

    async fn read(&self, environment: &EnvironmentName, after: u64) -> Result<Vec<Record>, JournalError> {
        let log = self.log(environment);
        let mut log = log.lock().await;
        log.catch_up(&self.place).await?;
        log.read(&self.place, after).await
    }

    async fn append(
        &self,
        environment: &EnvironmentName,
        head: u64,
        epoch: Option<u64>,
        drafts: Vec<Draft>,
    ) -> Result<Vec<Record>, JournalError> {
        let log = self.log(environment);
        let mut log = log.lock().await;
        let writer = self.writer();
        // What is known is enough to try: if it is too little, the slot is taken.
        let mut is_behind = log.head() != head || epoch.is_some_and(|epoch| epoch != log.epoch);
        for _ in 0..TRIES_MAX {
            if is_behind || drafts.is_empty() {
                log.catch_up(&self.place).await?;
            }
            if let Some(epoch) = epoch
                && (epoch != log.epoch || self.is_over(environment, &mut log, epoch).await?)
            {
                return Err(JournalError::Fenced { epoch });
            }
            if log.head() != head {
                return Err(JournalError::Conflict { head: log.head() });
            }
            if drafts.is_empty() {
                return Ok(Vec::new());
            }
            let mut prev = log.hash(&self.place).await?;
            let mut sealed = Vec::with_capacity(drafts.len());
            for (n, draft) in drafts.iter().cloned().enumerate() {
                let record = Record::seal(environment, head + 1 + n as u64, epoch, draft, prev);
                prev = record.hash.clone();
                sealed.push(record);
            }
            let text = slot::of_records((environment, log.next()), &writer, &sealed)
                .map_err(|error| unwritable(&error))?;
            if log.write(&self.place, &writer, text, sealed.last()).await? {
                return Ok(sealed);
            }
            is_behind = true;
        }
        Err(crowded("appending"))
    }

    async fn take_lease(
        &self,
        environment: &EnvironmentName,
        holder: &str,
        ttl: Millis,
    ) -> Result<Grant, JournalError> {
        for _ in 0..TRIES_MAX {
            let found = lease::read(&self.place, environment).await?;
            if let Some(other) = found.other(holder) {
                return Err(JournalError::Held { holder: other.to_owned() });
            }
            let epoch = self.latest(environment, &found.lease).await? + 1;
            let until_ms = found.end(&self.place, ttl);
            let lease = Lease { epoch, holder: Some(holder.to_owned()), until_ms, writer: self.writer() };
            if found.replace(&self.place, environment, &lease).await?
                && self.mark(environment, epoch, until_ms).await?
            {
                return Ok(Grant { epoch });
            }
        }
        Err(crowded("taking the lease"))
    }

    async fn renew_lease(
        &self,
        environment: &EnvironmentName,
        epoch: u64,
        ttl: Millis,
    ) -> Result<(), JournalError> {
        for _ in 0..TRIES_MAX {
            let found = lease::read(&self.place, environment).await?;
            if found.lease.epoch != epoch || found.lease.holder.is_none() {
                return Err(JournalError::Fenced { epoch });
            }
            let until_ms = found.end(&self.place, ttl);
            let lease = Lease { until_ms, writer: self.writer(), ..found.lease.clone() };
            if found.replace(&self.place, environment, &lease).await? {
                self.log(environment).lock().await.lease = (epoch, until_ms);
                return Ok(());
            }
        }
        Err(crowded("renewing the lease"))
    }

    async fn release_lease(&self, environment: &EnvironmentName, epoch: u64) -> Result<(), JournalError> {
        for _ in 0..TRIES_MAX {
            let found = lease::read(&self.place, environment).await?;
            if found.lease.epoch != epoch || found.lease.holder.is_none() {
                return Ok(());
            }
            let lease = Lease { holder: None, writer: self.writer(), ..found.lease.clone() };
            if found.replace(&self.place, environment, &lease).await? {
                return Ok(());
            }
        }
        Err(crowded("releasing the lease"))
    }
}

#[async_trait]
impl Verbatim for Bucket {
    async fn verbatim(&self) -> Result<Holding, JournalError> {
        verbatim::read(&self.place).await
    }
}

#[async_trait]
impl Import for Bucket {
    async fn import(
        &self,
        environment: &EnvironmentName,
        head: u64,
        records: &[Record],
    ) -> Result<(), JournalError> {
        if records.is_empty() {
            return Ok(());
        }
        let log = self.log(environment);
        let mut log = log.lock().await;
        let writer = self.writer();
        for _ in 0..TRIES_MAX {
            log.catch_up(&self.place).await?;
            if log.head() != head {
                return Err(JournalError::Conflict { head: log.head() });
            }
            verify(environment, head, log.hash(&self.place).await?, records)?;
            let text = slot::of_records((environment, log.next()), &writer, records)
                .map_err(|error| unwritable(&error))?;
            if log.write(&self.place, &writer, text, records.last()).await? {
                return Ok(());
            }
        }
        Err(crowded("taking records over"))
    }

    async fn end_lease(&self, environment: &EnvironmentName, epoch: u64) -> Result<(), JournalError> {
        for _ in 0..TRIES_MAX {
            let found = lease::read(&self.place, environment).await?;
            let epoch = epoch.max(self.latest(environment, &found.lease).await? + 1);
            let lease = Lease { epoch, holder: None, until_ms: 0, writer: self.writer() };
            if found.replace(&self.place, environment, &lease).await?
                && self.mark(environment, epoch, 0).await?
            {
                return Ok(());
            }
        }
        Err(crowded("ending the lease"))
    }
}
