//! A store that is ill for a while.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;

use super::trouble::Illness;
use crate::journal::{Draft, Record};
use crate::model::{At, EnvironmentName, Millis, StoreId};
use crate::ports::{Clock, Grant, Journal, JournalError};
use crate::testing::VirtualClock;

/// The store, and how and when it is ill.
#[derive(Debug)]
pub(super) struct Ailing {
    pub(super) store: Arc<dyn Journal>,
    pub(super) clock: Arc<VirtualClock>,
    pub(super) illness: Illness,
    pub(super) from: At,
    pub(super) until: At,
    /// Writes so far.
    pub(super) n: AtomicU64,
}

fn ill(step: &'static str, message: &str) -> JournalError {
    JournalError::Store { step, message: message.to_owned() }
}

impl Ailing {
    fn is(&self, illness: Illness) -> bool {
        let now = self.clock.now();
        self.illness == illness && self.from <= now && now < self.until
    }

    /// What is written leaves a mark, or an error.
    fn has_room(&self, step: &'static str) -> Result<(), JournalError> {
        let is_odd = self.n.fetch_add(1, Ordering::SeqCst) % 2 == 1;
        if self.is(Illness::Full) {
            return Err(ill(step, "the disk is full"));
        }
        if is_odd && self.is(Illness::Torn) { Err(ill(step, "the write broke off")) } else { Ok(()) }
    }

    /// What whoever wrote hears.
    fn heard<T>(&self, step: &'static str, written: T) -> Result<T, JournalError> {
        let is_lost = self.is(Illness::Deaf) || self.is(Illness::Torn);
        if is_lost { Err(ill(step, "the answer was lost")) } else { Ok(written) }
    }
}

#[async_trait]
impl Journal for Ailing {
    async fn store_id(&self) -> Result<StoreId, JournalError> {
        self.store.store_id().await
    }

    async fn environments(&self) -> Result<Vec<EnvironmentName>, JournalError> {
        self.store.environments().await
    }

    async fn read(&self, environment: &EnvironmentName, after: u64) -> Result<Vec<Record>, JournalError> {
        self.store.read(environment, after).await
    }

    async fn append(
        &self,
        environment: &EnvironmentName,
        head: u64,
        epoch: Option<u64>,
        drafts: Vec<Draft>,
    ) -> Result<Vec<Record>, JournalError> {
        self.has_room("appending")?;
        let sealed = self.store.append(environment, head, epoch, drafts).await?;
        self.heard("appending", sealed)
    }

    async fn take_lease(
        &self,
        environment: &EnvironmentName,
        holder: &str,
        ttl: Millis,
    ) -> Result<Grant, JournalError> {
        self.has_room("taking the lease")?;
        let grant = self.store.take_lease(environment, holder, ttl).await?;
        self.heard("taking the lease", grant)
    }

    async fn renew_lease(
        &self,
        environment: &EnvironmentName,
        epoch: u64,
        ttl: Millis,
    ) -> Result<(), JournalError> {
        self.has_room("renewing the lease")?;
        self.store.renew_lease(environment, epoch, ttl).await
    }

    async fn release_lease(&self, environment: &EnvironmentName, epoch: u64) -> Result<(), JournalError> {
        self.has_room("releasing the lease")?;
        self.store.release_lease(environment, epoch).await
    }
}
