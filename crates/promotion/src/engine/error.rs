//! Why a call of the engine failed.

use crate::machine::Rejected;
use crate::model::{EnvironmentName, PromotionId};
use crate::ports::{JournalError, PortError};

/// What went wrong; nothing is lost by any of these.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EngineError {
    /// The store.
    #[error("the journal failed")]
    Journal(#[from] JournalError),
    /// The machine refused the event.
    #[error(transparent)]
    Rejected(#[from] Rejected),
    /// There is no such promotion.
    #[error("environment {environment} has no promotion {id}")]
    Unknown {
        /// Where it was looked for.
        environment: EnvironmentName,
        /// What was looked for.
        id: PromotionId,
    },
    /// A proof is none.
    #[error("the proof was refused: {0}")]
    Proof(PortError),
    /// What was asked cannot be done in this environment now.
    #[error("{why}")]
    Refused {
        /// Why, and what would help.
        why: String,
    },
}

/// What is not done, and why.
pub(super) fn refused(why: impl Into<String>) -> EngineError {
    EngineError::Refused { why: why.into() }
}
