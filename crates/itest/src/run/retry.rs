//! What is repeated, how often and after which pause.

use std::time::Duration;

use http::{HeaderMap, StatusCode, header::RETRY_AFTER};

use crate::{suite::model::Request, transport::TransportError};

/// The longest pause, whatever a target asks for.
const DELAY_MAX: Duration = Duration::from_secs(5);

/// How often a request is sent when it fails for a reason that may pass, and the pause between.
///
/// Repeated are: a connection that never stood, for any request; a connection cut later, a timeout and the
/// answers 502, 503 and 504, for GET, HEAD and steps declared `idempotent`. A wrong answer is never repeated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetryPolicy {
    /// How often a request is sent at most, from 1 (never repeated).
    pub attempts: u32,
    /// The pause after the first attempt; it doubles with each further one, up to five seconds. A longer
    /// `Retry-After` in seconds is heeded up to the same bound.
    pub delay: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self { attempts: 3, delay: Duration::from_millis(200) }
    }
}

impl RetryPolicy {
    /// The pause after attempt `attempt` (from 1), or `None` if it was the last one.
    pub(crate) fn pause(&self, attempt: u32, headers: Option<&HeaderMap>) -> Option<Duration> {
        if attempt >= self.attempts {
            return None;
        }
        let doubled = self.delay.saturating_mul(2_u32.saturating_pow(attempt - 1));
        let asked = headers
            .and_then(|headers| headers.get(RETRY_AFTER)?.to_str().ok()?.parse().ok())
            .map_or(Duration::ZERO, Duration::from_secs);
        Some(doubled.max(asked).min(DELAY_MAX))
    }
}

/// Whether a lost exchange may be tried again.
pub(super) fn may_repeat_lost(request: &Request, error: &TransportError) -> bool {
    error.is_transient() && (error.is_unsent() || request.is_repeatable())
}

/// Whether an answer that was not expected may be asked for again.
pub(super) fn may_repeat_answer(request: &Request, status: StatusCode) -> bool {
    request.is_repeatable() && is_passing_status(status)
}

/// Statuses that speak of a moment, not of the request (RFC 9110, 15.6.3 to 15.6.5).
pub(super) fn is_passing_status(status: StatusCode) -> bool {
    matches!(status.as_u16(), 502..=504)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_a_bound_and_end() {
        let policy = RetryPolicy { attempts: 4, delay: Duration::from_secs(2) };
        let pauses: Vec<_> = (1..=4).map(|n| policy.pause(n, None).map(|d| d.as_secs())).collect();
        assert_eq!(pauses, [Some(2), Some(4), Some(5), None]);
        assert_eq!(RetryPolicy { attempts: 1, ..policy }.pause(1, None), None);
    }

    #[test]
    fn retry_after_is_heeded_up_to_the_bound() {
        let policy = RetryPolicy::default();
        let after = |text: &'static str| HeaderMap::from_iter([(RETRY_AFTER, text.parse().unwrap())]);
        assert_eq!(policy.pause(1, Some(&after("1"))), Some(Duration::from_secs(1)));
        assert_eq!(policy.pause(1, Some(&after("3600"))), Some(DELAY_MAX));
        assert_eq!(policy.pause(1, Some(&after("soon"))), Some(policy.delay));
    }
}
