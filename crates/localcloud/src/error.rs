//! Why a server does not start, and how an API call is refused.

use std::{io, net::SocketAddr, path::PathBuf};

use hyper::StatusCode;

/// Why the stand-in could not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// Another server holds the state directory.
    #[error("another server (process {pid}) already uses `{}`; stop it, or choose another directory", dir.display())]
    InUse {
        /// The state directory.
        dir: PathBuf,
        /// Who holds it, as the lock file says.
        pid: String,
    },
    /// An option cannot work.
    #[error("option `{option}`: {why}")]
    Option {
        /// Which one.
        option: &'static str,
        /// What would have to change.
        why: String,
    },
    /// A port is taken.
    #[error("cannot listen on {address} for the {what}; free the port, or start with a new state directory")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// What for.
        what: String,
        /// What the system said.
        source: io::Error,
    },
    /// A file of the state directory cannot be read, written or understood.
    #[error("cannot use `{}`: {step}", path.display())]
    State {
        /// Which file.
        path: PathBuf,
        /// What was being done.
        step: String,
        /// What the system said.
        source: io::Error,
    },
}

/// A refused call: status code, text, and the `status` word of the body `{error, status}`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{status}: {error}")]
pub(crate) struct ApiError {
    pub(crate) status: StatusCode,
    pub(crate) error: String,
    pub(crate) word: &'static str,
}

impl ApiError {
    pub(crate) fn new(status: StatusCode, error: impl Into<String>) -> Self {
        Self { status, error: error.into(), word: "unknown" }
    }

    pub(crate) fn bad(error: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, error)
    }

    pub(crate) fn not_found(error: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, error)
    }

    pub(crate) fn conflict(error: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, error)
    }

    pub(crate) fn failed_precondition(error: impl AsRef<str>) -> Self {
        Self::new(StatusCode::PRECONDITION_FAILED, format!("failed_precondition: {}", error.as_ref()))
    }

    pub(crate) fn unprocessable(error: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, error)
    }

    pub(crate) fn named(mut self, word: &'static str) -> Self {
        self.word = word;
        self
    }

    pub(crate) fn disk(error: &io::Error) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, format!("cannot write state: {error}"))
    }
}
