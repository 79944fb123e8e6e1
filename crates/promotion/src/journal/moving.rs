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
    /// By which move and where to it left; none where it goes on here.
    left: Option<(String, String)>,
}

fn mark(records: &[Record]) -> Option<Mark> {
    records.iter().rev().find_map(|Record { seq, entry, .. }| match entry {
        Entry::Moved { by, to } => Some(Mark { seq: *seq, left: Some((by.clone(), to.clone())) }),
        Entry::Arrived { .. } => Some(Mark { seq: *seq, left: None }),
        _ => None,
    })
}

/// A chain that left.
struct Left {
    environment: EnvironmentName,
    seq: u64,
    by: String,
    to: String,
}

impl Left {
    fn error(self) -> JournalError {
        JournalError::Moved { environment: self.environment, to: self.to, seq: self.seq }
    }
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

    fn left(&self, environment: &EnvironmentName) -> Option<Left> {
        let Mark { seq, left } = self.marks().get(environment)?.clone();
        let (by, to) = left?;
        Some(Left { environment: environment.clone(), seq, by, to })
    }

    fn is_here(&self, environment: &EnvironmentName) -> Result<(), JournalError> {
        self.left(environment).map_or(Ok(()), |left| Err(left.error()))
    }

    /// A chain without a record says nothing of its store: the others do.
    async fn other_left(&self, environment: &EnvironmentName) -> Result<Option<Left>, JournalError> {
        for other in self.store.environments().await? {
            if other != *environment {
                self.read(&other, 0).await?;
                if let Some(left) = self.left(&other) {
                    return Ok(Some(left));
                }
            }
        }
        Ok(None)
    }

    /// A chain that began leaves as the others did, where they left just then: a move under way sees it, or is seen here.
    async fn has_begun(&self, last: &Record) -> Result<(), JournalError> {
        let Some(left) = self.other_left(&last.environment).await? else { return Ok(()) };
        let entry = Entry::Moved { by: left.by.clone(), to: left.to.clone() };
        let draft = Draft { promotion: None, at: last.at, entry };
        let mut head = last.seq;
        for _ in 0..ROUNDS_MAX {
            match self.store.append(&last.environment, head, None, vec![draft.clone()]).await {
                Err(JournalError::Conflict { head: newer }) => head = newer,
                Err(error) => return Err(error),
                Ok(_) => break,
            }
        }
        Err(left.error())
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
            && let Some(left) = self.other_left(environment).await?
        {
            return Err(left.error());
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
