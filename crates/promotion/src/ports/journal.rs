//! The journal: append-only, one hash chain per environment, the only truth.

use std::fmt::Debug;

use async_trait::async_trait;

use crate::journal::{Draft, Holding, Record};
use crate::model::{EnvironmentName, Millis, StoreId};

/// A lease on an environment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grant {
    /// Grows with every grant; what is appended under an older one is refused.
    pub epoch: u64,
}

/// Why a journal refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JournalError {
    /// Somebody appended meanwhile; read on and decide again.
    #[error("the journal moved on to record {head}")]
    Conflict {
        /// The last record there is.
        head: u64,
    },
    /// A later lease was granted: this runner lost the environment.
    #[error("the lease with epoch {epoch} is over: another runner holds the environment")]
    Fenced {
        /// Our epoch.
        epoch: u64,
    },
    /// Somebody holds the lease.
    #[error("the environment is held by {holder}")]
    Held {
        /// Who.
        holder: String,
    },
    /// The journal goes on in another store, and this one takes nothing more.
    #[error("the journal of {environment} moved to {to}, as its record {seq} here says")]
    Moved {
        /// Which chain.
        environment: EnvironmentName,
        /// Where to.
        to: String,
        /// Which record.
        seq: u64,
    },
    /// The store could not be read or written.
    #[error("the store failed while {step}: {message}")]
    Store {
        /// What was being done.
        step: &'static str,
        /// What it said.
        message: String,
    },
    /// A record is not what was written.
    #[error("the journal of {environment} is damaged at record {seq}: {why}")]
    Damaged {
        /// Which chain.
        environment: EnvironmentName,
        /// Which record.
        seq: u64,
        /// What is wrong.
        why: String,
    },
}

/// A store of journals. Every method is atomic; what returned `Ok` survives a power cut.
#[async_trait]
pub trait Journal: Debug + Send + Sync + 'static {
    /// The store's own id, made once.
    async fn store_id(&self) -> Result<StoreId, JournalError>;

    /// Every environment that has a record, sorted.
    async fn environments(&self) -> Result<Vec<EnvironmentName>, JournalError>;

    /// All records of a chain after `after`, in order.
    async fn read(&self, environment: &EnvironmentName, after: u64) -> Result<Vec<Record>, JournalError>;

    /// Appends all of `drafts` or none, when `head` still is the last record (0 for an empty chain) and, with an
    /// `epoch`, no later lease was granted. Records under the lease show its epoch.
    async fn append(
        &self,
        environment: &EnvironmentName,
        head: u64,
        epoch: Option<u64>,
        drafts: Vec<Draft>,
    ) -> Result<Vec<Record>, JournalError>;

    /// Takes the environment's lease when it is free, over, or `holder`'s own. The epoch always grows.
    async fn take_lease(
        &self,
        environment: &EnvironmentName,
        holder: &str,
        ttl: Millis,
    ) -> Result<Grant, JournalError>;

    /// Makes the lease last `ttl` from now; `Fenced` when another was granted.
    async fn renew_lease(
        &self,
        environment: &EnvironmentName,
        epoch: u64,
        ttl: Millis,
    ) -> Result<(), JournalError>;

    /// Gives the lease back; nothing happens when it is not ours any more.
    async fn release_lease(&self, environment: &EnvironmentName, epoch: u64) -> Result<(), JournalError>;
}

/// A store that shows what it holds.
#[async_trait]
pub trait Verbatim: Journal {
    /// Everything, to the letter. What cannot be read as a record is no error: an audit names it.
    async fn verbatim(&self) -> Result<Holding, JournalError>;
}

/// A store that takes over chains as they were written elsewhere.
#[async_trait]
pub trait Import: Verbatim {
    /// Appends `records` as they are, all or none, when `head` still is the last record and they follow it.
    async fn import(
        &self,
        environment: &EnvironmentName,
        head: u64,
        records: &[Record],
    ) -> Result<(), JournalError>;

    /// Ends whatever lease there is on the environment. Every later grant is greater than that one and than `epoch`.
    async fn end_lease(&self, environment: &EnvironmentName, epoch: u64) -> Result<(), JournalError>;
}
