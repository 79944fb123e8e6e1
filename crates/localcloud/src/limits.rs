//! The documented rate limits, as token buckets per action and machine.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use tokio::time::Instant;

/// Tokens per second and how many may be saved up.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rate {
    per_second: f64,
    burst: f64,
}

impl Rate {
    /// Per action and machine id; create: per app id (fly.io/docs/machines/api/working-with-machines-api).
    pub(crate) const ACTION: Self = Self { per_second: 1.0, burst: 3.0 };
    /// GET of one machine.
    pub(crate) const GET: Self = Self { per_second: 5.0, burst: 10.0 };
}

/// Tokens left, and when they were counted.
type Bucket = (f64, Instant);

/// All buckets, by action and id; an unused bucket is full.
#[derive(Debug, Default)]
pub(crate) struct Limits {
    buckets: Mutex<BTreeMap<(&'static str, String), Bucket>>,
}

impl Limits {
    /// Takes one token, or says that there is none.
    pub(crate) fn take(&self, action: &'static str, id: &str, rate: Rate, now: Instant) -> bool {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let (tokens, last) = buckets.entry((action, id.to_owned())).or_insert((rate.burst, now));
        let passed = now.saturating_duration_since(*last).as_secs_f64();
        *tokens = (*tokens + passed * rate.per_second).min(rate.burst);
        *last = now;
        let granted = *tokens >= 1.0;
        if granted {
            *tokens -= 1.0;
        }
        granted
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn three_at_once_then_one_a_second() {
        let (limits, t0) = (Limits::default(), Instant::now());
        let take = |ms| limits.take("machine-stop", "m", Rate::ACTION, t0 + Duration::from_millis(ms));
        assert_eq!(
            [take(0), take(0), take(0), take(0), take(999), take(1000)],
            [true, true, true, false, false, true]
        );
        assert!(limits.take("machine-start", "m", Rate::ACTION, t0), "each action has its own bucket");
    }
}
