//! How long calls and answers are on their way, so that what several runners do comes in any order.

use std::sync::Arc;

use super::clock::{Seeded, VirtualClock};
use crate::model::Millis;
use crate::ports::{Clock as _, PortError, Randomness as _};

/// The way between runners and whoever they ask. Each call takes part of it there, and its answer part of it back.
#[derive(Debug)]
pub struct Roads {
    clock: Arc<VirtualClock>,
    dice: Seeded,
    most: Millis,
    timeout: Millis,
}

impl Roads {
    /// Each way takes up to `most`, as the dice of `seed` have it. Whoever is stopped for `timeout` while a call waits to be
    /// sent does not send it any more.
    pub const fn new(clock: Arc<VirtualClock>, seed: u64, most: Millis, timeout: Millis) -> Self {
        Self { clock, dice: Seeded::new(seed), most, timeout }
    }

    /// A call of `work`, with both ways; without roads there and back at once. The call happens between the two.
    pub(super) async fn go<T>(
        roads: Option<&Arc<Self>>,
        work: impl FnOnce() -> Result<T, PortError>,
    ) -> Result<T, PortError> {
        let Some(roads) = roads else { return work() };
        if !roads.way().await {
            return Err(PortError::not_sent("it took too long to be sent"));
        }
        let done = work();
        roads.way().await;
        done
    }

    /// One way. False when it took longer than anybody waits.
    pub(super) async fn way(&self) -> bool {
        let begun = self.clock.now();
        self.clock.sleep(Millis(self.dice.below(self.most.0 + 1))).await;
        self.clock.now().since(begun) < self.timeout
    }
}
