//! Why no answer came, and whether asking again may help.

use std::{error::Error as StdError, io, time::Duration};

use crate::duration;

/// No (complete) answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TransportError {
    #[error("connection refused")]
    Refused,
    #[error("no connection within {}", duration::show(*.0))]
    ConnectTimeout(Duration),
    /// The connection ended; `connected` tells whether the request may have arrived.
    #[error("connection {}", if *.connected { "cut before the answer was complete" } else { "reset while connecting" })]
    Cut { connected: bool },
    #[error("no complete answer within {}", duration::show(*.0))]
    Timeout(Duration),
    #[error("the body is larger than {0} bytes")]
    TooLarge(usize),
    /// Nothing that passes by itself: an unknown name, a certificate, no HTTP.
    #[error("{0}")]
    Permanent(String),
}

impl TransportError {
    /// From reqwest's error; the URL is left out, since a query may hold a secret.
    pub(super) fn of(error: &reqwest::Error, connect_timeout: Duration) -> Self {
        let kind = chain(error).find_map(|error| error.downcast_ref::<io::Error>().map(io::Error::kind));
        if error.is_connect() {
            return match kind {
                Some(io::ErrorKind::ConnectionRefused) => Self::Refused,
                Some(kind) if is_cut(kind) => Self::Cut { connected: false },
                _ if error.is_timeout() => Self::ConnectTimeout(connect_timeout),
                _ => Self::Permanent(format!("cannot connect: {}", innermost(error))),
            };
        }
        let hyper = chain(error).find_map(|error| error.downcast_ref::<hyper::Error>());
        let incomplete = hyper.is_some_and(|error| {
            error.is_incomplete_message()
                || error.is_canceled()
                || error.is_closed()
                || error.is_body_write_aborted()
        });
        if incomplete || kind.is_some_and(is_cut) {
            Self::Cut { connected: true }
        } else {
            Self::Permanent(innermost(error))
        }
    }

    /// Whether the same request may get an answer when sent again.
    pub(crate) fn is_transient(&self) -> bool {
        match self {
            Self::Refused | Self::ConnectTimeout(_) | Self::Cut { .. } | Self::Timeout(_) => true,
            Self::TooLarge(_) | Self::Permanent(_) => false,
        }
    }

    /// Whether it is certain that the request did not reach the target.
    pub(crate) fn is_unsent(&self) -> bool {
        matches!(self, Self::Refused | Self::ConnectTimeout(_) | Self::Cut { connected: false })
    }
}

fn is_cut(kind: io::ErrorKind) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
    matches!(kind, BrokenPipe | ConnectionAborted | ConnectionReset | UnexpectedEof)
}

/// The error and what is underneath it.
fn chain(error: &reqwest::Error) -> impl Iterator<Item = &(dyn StdError + 'static)> {
    let first: &(dyn StdError + 'static) = error;
    std::iter::successors(Some(first), |error| (*error).source())
}

/// The deepest reason: those above say only which layer passed it on.
fn innermost(error: &reqwest::Error) -> String {
    let deepest = chain(error).skip(1).last();
    deepest.map_or_else(|| "the request cannot be sent".to_owned(), ToString::to_string)
}
