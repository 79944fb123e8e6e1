//! Why a bucket cannot be used.

use promotion::ports::JournalError;

/// Why a store cannot be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The storage could not be read or written.
    #[error("{place} could not be used while {step}: {why}")]
    Refused {
        /// Where.
        place: String,
        /// What was being done.
        step: &'static str,
        /// What it said.
        why: String,
    },
    /// What is there is not ours, or of a later version.
    #[error("{place} holds something else than a store of format {known}: {why}")]
    Foreign {
        /// Where.
        place: String,
        /// Our format.
        known: u32,
        /// What is wrong with it.
        why: String,
    },
}

/// What a failed call means for the journal's callers.
pub(super) fn store(step: &'static str, error: &object_store::Error) -> JournalError {
    JournalError::Store { step, message: told(error) }
}

/// All that an error says, along its sources, once.
pub(super) fn told(error: &object_store::Error) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(next) = source {
        let next_text = next.to_string();
        if !text.contains(&next_text) {
            text.push_str(&format!(": {next_text}"));
        }
        source = next.source();
    }
    text
}
