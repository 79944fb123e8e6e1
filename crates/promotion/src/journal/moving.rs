//! A store whose journal has moved takes nothing more, whoever still writes there.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use super::record::{Draft, Entry, Record};
use crate::model::{EnvironmentName, Millis, StoreId};
use crate::ports::{Grant, Journal, JournalError};

/// The last record of a chain that says where it goes on.
#[derive(Debug, Clone)]
struct Mark {
    seq: u64,
    /// That it goes on elsewhere.
    moved: Option<Entry>,
}

fn mark(records: &[Record]) -> Option<Mark> {
    records.iter().rev().find_map(|record| match &record.entry {
        Entry::Moved { .. } => Some(Mark { seq: record.seq, moved: Some(record.entry.clone()) }),
        Entry::Arrived { .. } => Some(Mark { seq: record.seq, moved: None }),
        _ => None,
    })
}

/// Rounds of ending a chain that should not have begun.
const ROUNDS_MAX: u32 = 5;

/// A store as those see it who write there. An append shows the last record that its writer knows, so that nobody writes
/// behind a record which they have not read; who has read that the journal moved writes nothing more.
#[derive(Debug)]
pub(crate) struct Current {
    store: Arc<dyn Journal>,
    marks: Mutex<BTreeMap<EnvironmentName, Mark>>,
}

impl Current {
    pub(crate) fn new(store: Arc<dyn Journal>) -> Self {
        Self { store, marks: Mutex::default() }
    }

    fn marks(&self) -> MutexGuard<'_, BTreeMap<EnvironmentName, Mark>> {
        self.marks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The mark with which a chain left.
    fn left(&self, environment: &EnvironmentName) -> Option<Mark> {
        self.marks().get(environment).filter(|mark| mark.moved.is_some()).cloned()
    }

    fn is_here(&self, environment: &EnvironmentName) -> Result<(), JournalError> {
        match self.left(environment) {
            Some(Mark { seq, moved: Some(Entry::Moved { to, .. }) }) => {
                Err(JournalError::Moved { environment: environment.clone(), to, seq })
            }
            _ => Ok(()),
        }
    }

    /// A chain without a record says nothing of its store: the others do.
    async fn others(&self, environment: &EnvironmentName) -> Result<Option<EnvironmentName>, JournalError> {
        for other in self.store.environments().await? {
            if other != *environment {
                self.read(&other, 0).await?;
                if self.left(&other).is_some() {
                    return Ok(Some(other));
                }
            }
        }
        Ok(None)
    }

    /// A chain that began leaves as the others did, where they left just then: a move under way sees it, or is seen here.
    async fn has_begun(&self, last: &Record) -> Result<(), JournalError> {
        let environment = &last.environment;
        let Some(other) = self.others(environment).await? else { return Ok(()) };
        let Some(entry) = self.left(&other).and_then(|mark| mark.moved) else { return Ok(()) };
        let draft = Draft { promotion: None, at: last.at, entry };
        let mut head = last.seq;
        for _ in 0..ROUNDS_MAX {
            match self.store.append(environment, head, None, vec![draft.clone()]).await {
                Err(JournalError::Conflict { head: newer }) => head = newer,
                Err(error) => return Err(error),
                Ok(_) => break,
            }
        }
        self.is_here(&other)
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
        if let Some(mark) = mark(&records) {
            let mut marks = self.marks();
            // An answer may be older than one that was heard before.
            if marks.get(environment).is_none_or(|known| known.seq < mark.seq) {
                marks.insert(environment.clone(), mark);
            }
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
        if head == 0
            && let Some(other) = self.others(environment).await?
        {
            self.is_here(&other)?;
        }
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
