//! The port below all clients: one request in, one response out. No retry, no redirect, no credential.

mod reach;
mod redirect;
mod reqwest;
mod tls;

use std::{fmt, pin::Pin, time::Duration};

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt};
use http::{HeaderMap, Method, StatusCode};
use url::Url;

pub(crate) use self::redirect::{Credentials, CrossOrigin, follow};
pub use self::{
    reach::{Hear, Telling},
    reqwest::{Options, ReqwestService, SetupError},
    tls::Roots,
};

/// Bytes as they come, or go.
pub type ByteStream = Pin<Box<dyn Stream<Item = Result<Bytes, TransportError>> + Send>>;

/// Sends one request. Implementations follow no redirect and repeat nothing.
#[async_trait]
pub trait HttpService: Send + Sync + fmt::Debug {
    /// Returns when the response's head is there.
    ///
    /// # Errors
    /// [`TransportError`], which says whether the request can have reached the server.
    async fn send(&self, request: Request) -> Result<Response, TransportError>;
}

/// A request, with its credential already in its headers.
#[derive(Debug)]
pub struct Request {
    /// Method.
    pub method: Method,
    /// URL.
    pub url: Url,
    /// Headers.
    pub headers: HeaderMap,
    /// Body.
    pub body: Body,
    /// Time for everything, including the response's body; without it only silence is bounded.
    pub timeout: Option<Duration>,
}

/// A request's body.
pub enum Body {
    /// None.
    Empty,
    /// In memory.
    Bytes(Bytes),
    /// From elsewhere; cannot be sent twice.
    Stream {
        /// Length in bytes.
        length: u64,
        /// The bytes.
        stream: ByteStream,
    },
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("Empty"),
            Self::Bytes(bytes) => write!(f, "Bytes({} bytes)", bytes.len()),
            Self::Stream { length, .. } => write!(f, "Stream({length} bytes)"),
        }
    }
}

/// A response whose body is still to be read.
pub struct Response {
    /// Status.
    pub status: StatusCode,
    /// Headers.
    pub headers: HeaderMap,
    /// Body.
    pub body: ByteStream,
}

impl Response {
    /// With a body in memory.
    pub fn new(status: StatusCode, headers: HeaderMap, body: impl Into<Bytes>) -> Self {
        let body = body.into();
        Self { status, headers, body: Box::pin(futures_util::stream::once(async move { Ok(body) })) }
    }

    /// The whole body, at most `limit` bytes.
    ///
    /// # Errors
    /// [`Reason::TooLong`] behind `limit`, and what breaks off a body.
    pub async fn bytes(mut self, limit: usize) -> Result<Bytes, TransportError> {
        let mut whole = BytesMut::new();
        while let Some(part) = self.body.next().await {
            let part = part?;
            if whole.len() + part.len() > limit {
                return Err(TransportError::new(Reason::TooLong, true));
            }
            whole.extend_from_slice(&part);
        }
        Ok(whole.freeze())
    }

    /// A header as text.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Response").field("status", &self.status).finish_non_exhaustive()
    }
}

/// Why there is no response, or only a part of it.
#[derive(Debug, thiserror::Error)]
#[error("{reason}")]
pub struct TransportError {
    reason: Reason,
    sent: bool,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// What went wrong below HTTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// No connection: no such name, refused, no route, TLS.
    Connect,
    /// The time was over.
    Timeout,
    /// The connection was cut.
    Cut,
    /// The body is longer than any that was expected.
    TooLong,
    /// The request could not be made.
    Request,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connect => "no connection",
            Self::Timeout => "no answer in time",
            Self::Cut => "the connection was cut",
            Self::TooLong => "the answer is too long",
            Self::Request => "the request could not be made",
        })
    }
}

impl TransportError {
    /// `sent`: whether any of the request can have reached the server.
    pub fn new(reason: Reason, sent: bool) -> Self {
        Self { reason, sent, source: None }
    }

    /// With what was below.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// What went wrong.
    pub fn reason(&self) -> Reason {
        self.reason
    }

    /// Whether any of the request can have reached the server.
    pub fn was_sent(&self) -> bool {
        self.sent
    }
}
