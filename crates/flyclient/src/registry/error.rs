//! Errors of the registry, by what the caller can do.

use std::{fmt, time::Duration};

use flytypes::Digest;

use crate::Delivery;

/// A registry call that failed. It never holds the token, also not where the server sent it back.
#[derive(Debug)]
pub struct Error(Box<Context>);

#[derive(Debug)]
pub(super) struct Context {
    pub(super) operation: &'static str,
    /// `registry/repository[:tag][@digest]`, or as much of it as is meant.
    pub(super) subject: String,
    pub(super) kind: ErrorKind,
    pub(super) delivery: Delivery,
    pub(super) transient: bool,
    pub(super) status: Option<u16>,
    pub(super) attempts: u32,
    pub(super) detail: Option<String>,
    pub(super) source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// What a caller can do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// There is no such image, or no such repository.
    NotFound,
    /// The credential is not accepted.
    Unauthenticated,
    /// The credential does not reach this repository.
    Forbidden,
    /// Too many requests, also after waiting.
    RateLimited {
        /// What the server asked for.
        retry_after: Option<Duration>,
    },
    /// The registry rejected what was sent.
    Invalid,
    /// The registry answered other content than it was asked for.
    Corrupt {
        /// The digest that was asked for.
        expected: Digest,
        /// The digest of what came.
        actual: Digest,
    },
    /// The answer is not what the specification says.
    Undecodable,
    /// The registry does not work at the moment.
    Unavailable,
    /// No answer in time.
    Timeout,
    /// No connection, or it was cut.
    Transport,
    /// The client is set up wrongly.
    Configuration,
}

impl Error {
    pub(super) fn new(context: Context) -> Self {
        Self(Box::new(context))
    }

    pub(super) fn plain(operation: &'static str, subject: &str, kind: ErrorKind) -> Self {
        Self::new(Context {
            operation,
            subject: subject.to_owned(),
            kind,
            delivery: Delivery::Refused,
            transient: false,
            status: None,
            attempts: 1,
            detail: None,
            source: None,
        })
    }

    pub(super) fn configuration(operation: &'static str, subject: &str, detail: &str) -> Self {
        let mut error = Self::plain(operation, subject, ErrorKind::Configuration);
        error.0.detail = Some(detail.to_owned());
        error.0.delivery = Delivery::NotSent;
        error
    }

    pub(super) fn undecodable(operation: &'static str, subject: &str, detail: impl Into<String>) -> Self {
        let mut error = Self::plain(operation, subject, ErrorKind::Undecodable);
        error.0.detail = Some(detail.into());
        error
    }

    pub(super) fn with_attempts(mut self, attempts: u32) -> Self {
        self.0.attempts = attempts;
        self
    }

    /// What was tried.
    pub fn operation(&self) -> &'static str {
        self.0.operation
    }

    /// On what, `registry/repository[:tag][@digest]`.
    pub fn subject(&self) -> &str {
        &self.0.subject
    }

    /// What a caller can do about it.
    pub fn kind(&self) -> &ErrorKind {
        &self.0.kind
    }

    /// Whether it can go away by itself.
    pub fn is_transient(&self) -> bool {
        self.0.transient
    }

    /// Whether the request had an effect. Everything here is addressed by content: doing it again is harmless.
    pub fn delivery(&self) -> Delivery {
        self.0.delivery
    }

    /// Whether there is no such image.
    pub fn is_not_found(&self) -> bool {
        self.0.kind == ErrorKind::NotFound
    }
}

impl ErrorKind {
    fn words(&self) -> String {
        match self {
            Self::NotFound => "not found; push it first, or check repository and tag: registries keep no image for ever".to_owned(),
            Self::Unauthenticated => "the credential is not accepted; give a token that `fly tokens create` printed".to_owned(),
            Self::Forbidden => {
                "the credential does not reach this repository; images of another organisation need a token of theirs".to_owned()
            }
            Self::RateLimited { retry_after: None } => "too many requests".to_owned(),
            Self::RateLimited { retry_after: Some(wait) } => {
                format!("too many requests, try again in {} s", wait.as_secs())
            }
            Self::Invalid => "the registry rejected it".to_owned(),
            Self::Corrupt { expected, actual } => {
                format!("the content is not what its digest says: expected {expected}, got {actual}")
            }
            Self::Undecodable => "the answer is not what the specification says".to_owned(),
            Self::Unavailable => "the registry does not work at the moment".to_owned(),
            Self::Timeout => "no answer in time".to_owned(),
            Self::Transport => "no connection".to_owned(),
            Self::Configuration => "the client is set up wrongly".to_owned(),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let context = &*self.0;
        write!(f, "{} {}: {}", context.operation, context.subject, context.kind.words())?;
        if let Some(status) = context.status {
            write!(f, " (status {status})")?;
        }
        if let Some(detail) = &context.detail {
            write!(f, ": {detail}")?;
        }
        if context.attempts > 1 {
            write!(f, "; {} attempts", context.attempts)?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source.as_deref().map(|source| source as _)
    }
}
