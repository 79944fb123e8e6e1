//! What follows when a program ends by itself.

use std::time::Duration;

use super::spec::Restart;

/// A program that ran this long starts with a clean record.
pub(crate) const STEADY_US: u64 = 60_000_000;

/// What to do next.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// Start again after a pause.
    Again(Duration),
    /// Rest as `stopped`.
    Stopped,
    /// Rest as `failed`: retries are used up.
    Failed,
}

/// `restarts` is how often it was started again already since it last ran steadily.
pub(crate) fn after_exit(policy: Restart, code: i32, restarts: u32) -> Next {
    match policy {
        Restart::No => Next::Stopped,
        Restart::OnFailure { .. } if code == 0 => Next::Stopped,
        Restart::OnFailure { max_retries } if restarts >= max_retries => Next::Failed,
        Restart::OnFailure { .. } | Restart::Always => Next::Again(pause(restarts)),
    }
}

/// 100 ms, doubled each time, at most 5 s.
fn pause(restarts: u32) -> Duration {
    Duration::from_millis(100).saturating_mul(1 << restarts.min(6)).min(Duration::from_secs(5))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policies() {
        let on_failure = Restart::OnFailure { max_retries: 2 };
        assert_eq!(after_exit(Restart::No, 1, 0), Next::Stopped);
        assert_eq!(after_exit(on_failure, 0, 0), Next::Stopped);
        assert_eq!(after_exit(on_failure, 1, 1), Next::Again(Duration::from_millis(200)));
        assert_eq!(after_exit(on_failure, 1, 2), Next::Failed);
        assert_eq!(after_exit(Restart::Always, 0, 90), Next::Again(Duration::from_secs(5)));
    }
}
