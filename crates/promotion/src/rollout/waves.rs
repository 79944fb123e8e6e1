//! Regions that change one wave after the other.

use std::collections::BTreeSet;

use super::call::{Direction, Job};
use crate::model::{RegionName, Strategy};

/// The waves of a rollout, none of them empty; what no wave names is the last one. On the way back there is one: what a
/// later wave broke is put back everywhere at once. So it is where everything changes at once.
#[derive(Debug)]
pub(super) struct Waves<'a>(Vec<BTreeSet<&'a RegionName>>);

/// Which waves are meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scope {
    All,
    /// The one with this number, from 0.
    One(usize),
    /// Those before it.
    Before(usize),
}

impl<'a> Waves<'a> {
    pub(super) fn new(job: Job<'a>) -> Self {
        let one = job.direction == Direction::Back || job.target.strategy == Strategy::Immediate;
        if one || job.target.waves.is_empty() {
            return Self(Vec::new());
        }
        let found = job.snapshot.units.iter().map(|record| &record.unit.region);
        let made = job.target.groups.values().flat_map(|group| group.counts.keys());
        let mut left: BTreeSet<&RegionName> = found.chain(made).collect();
        let mut waves = Vec::new();
        for named in &job.target.waves {
            let wave: BTreeSet<_> = left.iter().copied().filter(|region| named.contains(*region)).collect();
            left.retain(|region| !wave.contains(region));
            if !wave.is_empty() {
                waves.push(wave);
            }
        }
        if !left.is_empty() {
            waves.push(left);
        }
        Self(waves)
    }

    /// How many, at least one.
    pub(super) fn count(&self) -> usize {
        self.0.len().max(1)
    }

    /// Whether units of `region` are meant by `scope`.
    pub(super) fn holds(&self, scope: Scope, region: &RegionName) -> bool {
        let wave = || self.0.iter().position(|wave| wave.contains(region)).unwrap_or(0);
        match scope {
            Scope::All => true,
            Scope::One(n) => wave() == n,
            Scope::Before(n) => wave() < n,
        }
    }

    /// For people; nothing where there is only one.
    pub(super) fn title(&self, n: usize) -> String {
        match self.0.len() {
            0 | 1 => String::new(),
            count => format!(" (wave {} of {count}: {})", n + 1, self.regions(n)),
        }
    }

    /// The regions of a wave, for people.
    pub(super) fn regions(&self, n: usize) -> String {
        let regions = self.0.get(n).into_iter().flatten().map(|region| region.as_str());
        regions.collect::<Vec<_>>().join(", ")
    }

    /// The regions of all waves.
    pub(super) fn all(&self) -> BTreeSet<&'a RegionName> {
        self.0.iter().flatten().copied().collect()
    }
}
