//! Chance, for whoever makes a play up.

use crate::model::Millis;
use crate::ports::Randomness as _;
use crate::testing::Seeded;

/// The dice of one seed.
#[derive(Debug)]
pub(super) struct Dice(Seeded);

impl Dice {
    pub(super) const fn new(seed: u64) -> Self {
        Self(Seeded::new(seed))
    }

    /// A number below `bound`.
    pub(super) fn below(&self, bound: u64) -> u64 {
        self.0.below(bound)
    }

    /// Whether it comes to pass, so many times in a hundred.
    pub(super) fn is(&self, percent: u64) -> bool {
        self.below(100) < percent
    }

    /// One of them.
    pub(super) fn of<T: Copy>(&self, all: &[T]) -> T {
        all[usize::try_from(self.below(all.len() as u64)).unwrap_or_default()]
    }

    /// A time below `bound`.
    pub(super) fn time(&self, bound: Millis) -> Millis {
        Millis(self.below(bound.0.max(1)))
    }

    /// Dice of their own.
    pub(super) fn seed(&self) -> u64 {
        self.below(u64::MAX)
    }
}
