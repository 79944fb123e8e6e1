//! A store whose journal has moved takes nothing more, whoever still writes there.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use super::record::{Draft, Entry, Record};
use crate::model::{EnvironmentName, Millis, StoreId};
use crate::ports::{Grant, Journal, JournalError};

/// The record with which a chain left, and the name of the move.
#[derive(Debug, Clone)]
struct Left {
    seq: u64,
    by: String,
}

/// Whether the last of `records` that says so says that the chain goes on elsewhere; none where none says anything of it.
fn left(records: &[Record]) -> Option<Option<Left>> {
    records.iter().rev().find_map(|record| match &record.entry {
        Entry::Moved { by } => Some(Some(Left { seq: record.seq, by: by.clone() })),
        Entry::Arrived { .. } => Some(None),
        _ => None,
    })
}

/// A store as those see it who write there. An append shows the last record that its writer knows, so that nobody writes
/// behind a record which they have not read; who has read that the journal moved writes nothing more.
#[derive(Debug)]
pub(crate) struct Current {
    store: Arc<dyn Journal>,
    /// Environments that left.
    left: Mutex<BTreeMap<EnvironmentName, Left>>,
}

impl Current {
    pub(crate) fn new(store: Arc<dyn Journal>) -> Self {
        Self { store, left: Mutex::default() }
    }

    fn known(&self) -> MutexGuard<'_, BTreeMap<EnvironmentName, Left>> {
        self.left.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_here(&self, environment: &EnvironmentName) -> Result<(), JournalError> {
        match self.known().get(environment) {
            Some(left) => Err(JournalError::Moved { environment: environment.clone(), seq: left.seq }),
            None => Ok(()),
        }
    }

    /// A chain that begins says nothing of the store: the others do, and then it leaves as they did. Asked once it has
    /// begun: a move under way sees it, or is seen here.
    async fn has_begun(&self, last: &Record) -> Result<(), JournalError> {
        for other in self.store.environments().await? {
            if other == last.environment {
                continue;
            }
            self.read(&other, 0).await?;
            let Some(Left { by, .. }) = self.known().get(&other).cloned() else { continue };
            let draft = Draft { promotion: None, at: last.at, entry: Entry::Moved { by } };
            self.store.append(&last.environment, last.seq, None, vec![draft]).await?;
            self.read(&last.environment, 0).await?;
            self.is_here(&last.environment)?;
        }
        Ok(())
    }
}

#[async_trait]
impl Journal for Current {
    async fn store_id(&self) -> Result<StoreId, JournalError> {
        self.store.store_id().await
    }

    async fn environments(&self) -> Result<Vec<EnvironmentName>, JournalError> {
        self.store.environments().await
    }

    async fn read(&self, environment: &EnvironmentName, after: u64) -> Result<Vec<Record>, JournalError> {
        let records = self.store.read(environment, after).await?;
        match left(&records) {
            Some(Some(left)) => drop(self.known().insert(environment.clone(), left)),
            Some(None) => drop(self.known().remove(environment)),
            None => {}
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
        self.is_here(environment)?;
        let sealed = self.store.append(environment, head, epoch, drafts).await?;
        if let Some(last) = sealed.last().filter(|_| head == 0) {
            self.has_begun(last).await?;
        }
        Ok(sealed)
    }

    async fn take_lease(
        &self,
        environment: &EnvironmentName,
        holder: &str,
        ttl: Millis,
    ) -> Result<Grant, JournalError> {
        self.is_here(environment)?;
        self.store.take_lease(environment, holder, ttl).await
    }

    async fn renew_lease(
        &self,
        environment: &EnvironmentName,
        epoch: u64,
        ttl: Millis,
    ) -> Result<(), JournalError> {
        self.store.renew_lease(environment, epoch, ttl).await
    }

    async fn release_lease(&self, environment: &EnvironmentName, epoch: u64) -> Result<(), JournalError> {
        self.store.release_lease(environment, epoch).await
    }
}
