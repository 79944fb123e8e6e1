//! The port for time: how long something took, and waiting.

use std::{fmt, time::Duration};

use async_trait::async_trait;

/// A monotonic clock that can also wait.
#[async_trait]
pub trait Clock: Send + Sync + fmt::Debug {
    /// Time since a fixed but arbitrary instant; never goes back.
    fn now(&self) -> Duration;

    /// Returns after `duration`.
    async fn sleep(&self, duration: Duration);
}

/// The clock of the tokio runtime; it stands still where a test has paused that.
#[derive(Debug, Clone, Copy)]
pub struct TokioClock {
    start: tokio::time::Instant,
}

impl TokioClock {
    /// A clock that starts now.
    pub fn new() -> Self {
        Self { start: tokio::time::Instant::now() }
    }
}

impl Default for TokioClock {
    fn default() -> Self {
        Self::new()
    }
}

#[async_trait]
impl Clock for TokioClock {
    fn now(&self) -> Duration {
        self.start.elapsed()
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}
