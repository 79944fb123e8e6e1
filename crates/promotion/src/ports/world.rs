//! Time, ids and chance: the ports through which a run becomes replayable.

use std::fmt::Debug;

use async_trait::async_trait;

use crate::model::{At, Millis, PromotionId};

/// The clock.
#[async_trait]
pub trait Clock: Debug + Send + Sync + 'static {
    /// Now, as the machine's clock has it: whoever sets that, sets this.
    fn now(&self) -> At;
    /// How long it is since some instant that stays the same while the process runs. Never goes back, and nobody sets it.
    /// Where the system can tell, the time that the machine slept is part of it (`CLOCK_BOOTTIME`, `clock_gettime(2)`).
    fn elapsed(&self) -> Millis;
    /// Waits. Cancelling is free of effects.
    async fn sleep(&self, time: Millis);
}

/// Fresh ids.
pub trait Ids: Debug + Send + Sync + 'static {
    /// A promotion id that no other call ever returned; sorts by time.
    fn promotion(&self) -> PromotionId;
    /// Names this runner among all runners there ever were.
    fn runner(&self) -> String;
}

/// Chance.
pub trait Randomness: Debug + Send + Sync + 'static {
    /// A number in `0..bound`; `bound` is at least 1.
    fn below(&self, bound: u64) -> u64;
}
