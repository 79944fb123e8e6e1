//! The one place that reads the clocks: exit records carry the time, and waiting has an end.

use std::time::{Duration, Instant, SystemTime};

/// Milliseconds since 1970.
pub(crate) fn unix_ms() -> u64 {
    #[expect(
        clippy::disallowed_methods,
        reason = "an exit record says when the program ended; nothing replays it"
    )]
    let now = SystemTime::now();
    let since = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// A moment after which waiting is given up.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Deadline(Instant);

impl Deadline {
    pub(crate) fn after(time: Duration) -> Self {
        Self(now() + time)
    }

    pub(crate) fn is_over(self) -> bool {
        now() >= self.0
    }
}

fn now() -> Instant {
    #[expect(clippy::disallowed_methods, reason = "bounds a wait on real processes; nothing replays it")]
    Instant::now()
}
