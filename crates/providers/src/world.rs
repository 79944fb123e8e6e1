//! Time, ids and chance of the real world.

use std::sync::atomic::{AtomicU64, Ordering};

use promotion::model::PromotionId;
pub use promotion::plain::SystemClock;
use promotion::ports::{Ids, Randomness};
use rand::Rng as _;

/// UUIDs version 7 (RFC 9562), which sort by time.
#[derive(Debug, Default)]
pub struct UuidIds {
    runners: AtomicU64,
}

#[expect(clippy::disallowed_methods, reason = "this is where ids enter")]
fn fresh() -> uuid::Uuid {
    uuid::Uuid::now_v7()
}

impl UuidIds {
    /// An id for a new store.
    pub fn store(&self) -> promotion::model::StoreId {
        promotion::model::StoreId::new(format!("store-{}", fresh().simple())).expect("hex digits are a name")
    }
}

impl Ids for UuidIds {
    fn promotion(&self) -> PromotionId {
        PromotionId::new(format!("p-{}", fresh().simple())).expect("hex digits are a name")
    }

    fn runner(&self) -> String {
        let n = self.runners.fetch_add(1, Ordering::Relaxed);
        format!("runner-{}-{n}", fresh().simple())
    }
}

/// The operating system's randomness.
#[derive(Debug, Clone, Copy, Default)]
pub struct OsRandomness;

impl Randomness for OsRandomness {
    #[expect(clippy::disallowed_methods, reason = "this is where chance enters")]
    fn below(&self, bound: u64) -> u64 {
        rand::rng().random_range(0..bound.max(1))
    }
}

/// A random number for names and tokens, from the operating system.
#[expect(clippy::disallowed_methods, reason = "this is where chance enters")]
pub fn random_u128() -> u128 {
    rand::rng().random()
}
