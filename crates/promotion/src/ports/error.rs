//! What a port's failure means to the engine.

use serde::{Deserialize, Serialize};

/// What a caller can do about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PortErrorKind {
    /// Certainly nothing happened; the same call may be sent again.
    NotSent,
    /// Refused by the other side, and nothing happened; the same call would be refused again.
    Refused,
    /// Somebody else holds the unit.
    Fenced,
    /// The unit is leased in our own words under another number, and nothing happened: the number was lost with a runner or
    /// an answer. It is free when that lease ends.
    Held,
    /// It may have happened. Never repeated blindly: look first.
    Ambiguous,
}

/// A port's failure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct PortError {
    /// What can be done.
    pub kind: PortErrorKind,
    /// What happened, for people; never contains a secret.
    pub message: String,
}

impl PortError {
    /// A failure of `kind`.
    pub fn new(kind: PortErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }

    /// Nothing happened.
    pub fn not_sent(message: impl Into<String>) -> Self {
        Self::new(PortErrorKind::NotSent, message)
    }

    /// Refused.
    pub fn refused(message: impl Into<String>) -> Self {
        Self::new(PortErrorKind::Refused, message)
    }

    /// It may have happened.
    pub fn ambiguous(message: impl Into<String>) -> Self {
        Self::new(PortErrorKind::Ambiguous, message)
    }
}
