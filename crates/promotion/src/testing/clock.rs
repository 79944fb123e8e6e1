//! Virtual time, counted ids, seeded chance.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use async_trait::async_trait;

use crate::model::{At, Millis, PromotionId};
use crate::ports::{Clock, Ids, Randomness};

/// Time that passes only when somebody sleeps. One task at a time.
#[derive(Debug)]
pub struct VirtualClock(AtomicI64);

impl VirtualClock {
    /// Starts at `at`.
    pub const fn new(at: At) -> Self {
        Self(AtomicI64::new(at.0))
    }

    /// Lets time pass.
    pub fn advance(&self, time: Millis) {
        self.0.fetch_add(time.0.cast_signed(), Ordering::SeqCst);
    }
}

#[async_trait]
impl Clock for VirtualClock {
    fn now(&self) -> At {
        At(self.0.load(Ordering::SeqCst))
    }

    async fn sleep(&self, time: Millis) {
        self.advance(time);
    }
}

/// Ids in order: `p-0001`, …; runners `runner-1`, ….
#[derive(Debug, Default)]
pub struct Counted {
    promotions: AtomicU64,
    runners: AtomicU64,
}

impl Counted {
    /// Counts on by itself from here.
    #[must_use]
    pub fn fork(&self) -> Self {
        Self {
            promotions: AtomicU64::new(self.promotions.load(Ordering::SeqCst)),
            runners: AtomicU64::new(self.runners.load(Ordering::SeqCst)),
        }
    }
}

impl Ids for Counted {
    fn promotion(&self) -> PromotionId {
        let n = self.promotions.fetch_add(1, Ordering::SeqCst) + 1;
        PromotionId::new(format!("p-{n:04}")).expect("digits are a name")
    }

    fn runner(&self) -> String {
        format!("runner-{}", self.runners.fetch_add(1, Ordering::SeqCst) + 1)
    }
}

/// A small generator (SplitMix64, public domain algorithm by Sebastiano Vigna): the same seed, the same numbers.
#[derive(Debug)]
pub struct Seeded(AtomicU64);

impl Seeded {
    /// From a seed.
    pub const fn new(seed: u64) -> Self {
        Self(AtomicU64::new(seed))
    }
}

impl Randomness for Seeded {
    fn below(&self, bound: u64) -> u64 {
        let state =
            self.0.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::SeqCst).wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % bound.max(1)
    }
}
