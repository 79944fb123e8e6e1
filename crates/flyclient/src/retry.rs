//! The one place that repeats a request. What may be repeated is a pure function; the delays come from backon; the clock, the
//! jitter's seed and the request are the caller's.

mod hint;

use std::{future::Future, time::Duration};

use backon::{BackoffBuilder, ExponentialBuilder};
use http::StatusCode;

pub(crate) use self::hint::retry_after;
use crate::{Clock, Delivery, transport::TransportError};

/// How often and how long a request is repeated. All bounds hold together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Attempts in all, at least 1.
    pub attempts_max: u32,
    /// Time from the first attempt to the start of the last.
    pub elapsed_max: Duration,
    /// The same where the server takes no connection: whoever waits for an answer wants to hear of that sooner.
    pub unreached_max: Duration,
    /// First delay; doubled each time, with a jitter of up to as much again.
    pub delay_min: Duration,
    /// Longest delay before jitter; also the longest that a server's `Retry-After` is obeyed.
    pub delay_max: Duration,
    /// Seed of the jitter: different for each process, or fixed for a replay.
    pub jitter_seed: u64,
}

impl RetryPolicy {
    /// Eight attempts in at most a minute, from 250 ms to 8 s apart.
    pub fn new(jitter_seed: u64) -> Self {
        Self {
            attempts_max: 8,
            elapsed_max: Duration::from_secs(60),
            unreached_max: Duration::from_secs(60),
            delay_min: Duration::from_millis(250),
            delay_max: Duration::from_secs(8),
            jitter_seed,
        }
    }

    /// No repetition at all.
    pub fn never() -> Self {
        Self { attempts_max: 1, ..Self::new(0) }
    }

    /// The delays of one request; `key` keeps requests that fail together apart.
    fn delays(&self, key: &str) -> impl Iterator<Item = Duration> + use<> {
        ExponentialBuilder::new()
            .with_min_delay(self.delay_min)
            .with_max_delay(self.delay_max)
            .with_max_times(self.attempts_max.saturating_sub(1) as usize)
            .with_jitter()
            .with_jitter_seed(self.jitter_seed ^ fnv(key))
            .build()
    }
}

/// FNV-1a, 64 bit: stable across processes, which a replay needs.
fn fnv(text: &str) -> u64 {
    text.bytes()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

/// How an attempt failed.
#[derive(Debug, Clone, Copy)]
pub enum Failure<'a> {
    /// The server answered.
    Status(StatusCode),
    /// It did not.
    Transport(&'a TransportError),
}

impl Failure<'_> {
    /// What is known of the effect.
    ///
    /// A 408 and all of 5xx may come from a proxy in front of a server that went on; every other 4xx, 429 included, is the
    /// server's own refusal.
    pub fn delivery(&self) -> Delivery {
        match self {
            Self::Status(status) => match status.as_u16() {
                200..=299 => Delivery::Applied,
                408 => Delivery::Unknown,
                300..=499 => Delivery::Refused,
                _ => Delivery::Unknown,
            },
            Self::Transport(error) if error.was_sent() => Delivery::Unknown,
            Self::Transport(_) => Delivery::NotSent,
        }
    }

    /// Whether it can go away by itself.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Status(status) => match status.as_u16() {
                408 | 429 => true,
                501 | 505 => false,
                code => (500..=599).contains(&code),
            },
            Self::Transport(error) => !matches!(
                error.reason(),
                crate::transport::Reason::Request | crate::transport::Reason::TooLong
            ),
        }
    }

    /// Whether the same request may be sent again without asking anybody: it is transient, and either had no effect for certain
    /// or has the same effect twice as once.
    pub fn may_repeat(&self, idempotent: bool) -> bool {
        self.is_transient()
            && (idempotent || matches!(self.delivery(), Delivery::NotSent | Delivery::Refused))
    }
}

/// One attempt's failure, as the loop needs it.
pub(crate) struct Attempt<E> {
    /// What to return when there is no other attempt.
    pub(crate) error: E,
    /// Whether there may be one.
    pub(crate) repeat: bool,
    /// Whether there was no connection.
    pub(crate) unreached: bool,
    /// What the server asked for.
    pub(crate) retry_after: Option<Duration>,
}

/// How a request went in all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Effort {
    pub(crate) attempts: u32,
    pub(crate) elapsed: Duration,
}

/// Repeats `attempt` within `policy`.
pub(crate) async fn run<T, E, F>(
    policy: &RetryPolicy,
    clock: &dyn Clock,
    key: &str,
    mut attempt: impl FnMut() -> F,
) -> (Result<T, E>, Effort)
where
    F: Future<Output = Result<T, Attempt<E>>>,
{
    let start = clock.now();
    let mut delays = policy.delays(key);
    let mut attempts = 0;
    loop {
        attempts += 1;
        let result = attempt().await;
        let elapsed = clock.now().saturating_sub(start);
        let effort = Effort { attempts, elapsed };
        let failure = match result {
            Ok(value) => return (Ok(value), effort),
            Err(failure) if !failure.repeat => return (Err(failure.error), effort),
            Err(failure) => failure,
        };
        let Some(delay) = delays.next() else { return (Err(failure.error), effort) };
        let asked = failure.retry_after.unwrap_or_default().min(policy.delay_max);
        let delay = delay.max(asked);
        let bound = if failure.unreached { policy.unreached_max } else { policy.elapsed_max };
        if elapsed + delay > bound.min(policy.elapsed_max) {
            return (Err(failure.error), effort);
        }
        clock.sleep(delay).await;
    }
}

#[cfg(test)]
mod tests;
