//! What a failure of the Machines API means to the engine.

use flyclient::Delivery;
use flyclient::fly::{Error, ErrorKind};
use promotion::ports::{PortError, PortErrorKind};

fn chain(error: &Error) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    if let Some(detail) = error.detail()
        && !text.contains(detail)
    {
        text = format!("{text}: {detail}");
    }
    text
}

/// Sorts a failure by what the engine can do about it.
pub(super) fn port(error: &Error) -> PortError {
    let text = chain(error);
    let kind = match (error.delivery(), error.kind()) {
        (Delivery::NotSent, _) | (_, ErrorKind::RateLimited { .. }) => PortErrorKind::NotSent,
        (Delivery::Applied | Delivery::Unknown, _) => PortErrorKind::Ambiguous,
        (Delivery::Refused, ErrorKind::Conflict) if text.contains("lease") => PortErrorKind::Fenced,
        // A passing state: being replaced, being started. The next look decides again.
        (Delivery::Refused, ErrorKind::Precondition) => PortErrorKind::NotSent,
        (Delivery::Refused, _) => PortErrorKind::Refused,
    };
    PortError::new(kind, text)
}
