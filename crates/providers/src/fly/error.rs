//! What a failure of the Machines API means to the engine.

use flyclient::Delivery;
use flyclient::fly::{Error, ErrorKind};
use promotion::ports::{PortError, PortErrorKind};

use crate::chain::chain;

fn told(error: &Error) -> String {
    let mut text = chain(error);
    if let Some(detail) = error.detail()
        && !text.contains(detail)
    {
        text = format!("{text}: {detail}");
    }
    text
}

/// Sorts a failure by what the engine can do about it.
pub(super) fn port(error: &Error) -> PortError {
    let text = told(error);
    let kind = match (error.delivery(), error.kind()) {
        (Delivery::NotSent, _) | (_, ErrorKind::RateLimited { .. }) => PortErrorKind::NotSent,
        (Delivery::Applied | Delivery::Unknown, _) => PortErrorKind::Ambiguous,
        (Delivery::Refused, ErrorKind::Conflict) => conflict(error.detail().unwrap_or_default()),
        // A passing state: being replaced, being started. The next look decides again.
        (Delivery::Refused, ErrorKind::Precondition) => PortErrorKind::NotSent,
        (Delivery::Refused, _) => PortErrorKind::Refused,
    };
    PortError::new(kind, text)
}

/// The same for a call that only reads: it changes nothing, whatever became of its answer.
pub(super) fn read(error: &Error) -> PortError {
    let error = port(error);
    match error.kind {
        PortErrorKind::Ambiguous => PortError::not_sent(error.message),
        PortErrorKind::NotSent | PortErrorKind::Refused | PortErrorKind::Fenced | PortErrorKind::Held => {
            error
        }
    }
}

/// A conflict has one status and three causes, told apart by the server's words alone: somebody's lease, another update
/// under way, which passes, and a version that is not the present one any more.
fn conflict(said: &str) -> PortErrorKind {
    let said = said.to_ascii_lowercase();
    if said.contains("lease") {
        PortErrorKind::Fenced
    } else if said.contains("concurrent update") {
        PortErrorKind::NotSent
    } else {
        PortErrorKind::Refused
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conflicts_are_told_apart() {
        let lease = "lease currently held by understudy production p-1, expires at 2026-11-21T10:00:00Z";
        assert_eq!(conflict(lease), PortErrorKind::Fenced);
        assert_eq!(conflict("aborted: concurrent update in progress"), PortErrorKind::NotSent);
        assert_eq!(conflict("current_version 01A is stale; the machine is at 01B"), PortErrorKind::Refused);
    }
}
