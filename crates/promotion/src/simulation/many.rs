//! Many plays, added up.

use std::collections::BTreeMap;
use std::ops::Range;

use super::{Plays, Violation};
use crate::machine::Phase;
use crate::model::{Hash, canonical};

/// What came of many plays.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Season {
    /// How many plays.
    pub plays: u64,
    /// Runners and rescuers that were killed at work in them.
    pub deaths: u64,
    /// How often promotions ended how.
    pub ends: BTreeMap<Phase, u64>,
    /// Broken promises, each with the seed of its play.
    pub violations: Vec<(u64, Violation)>,
    traces: Vec<Hash>,
}

impl Season {
    /// One hash over the traces of all plays in their order.
    #[must_use]
    pub fn trace(&self) -> Hash {
        canonical::hash("simulated plays", &self.traces)
    }

    /// This one and the next.
    pub fn join(&mut self, next: Self) {
        self.plays += next.plays;
        self.deaths += next.deaths;
        for (end, n) in next.ends {
            *self.ends.entry(end).or_default() += n;
        }
        self.violations.extend(next.violations);
        self.traces.extend(next.traces);
    }
}

impl Plays {
    /// The plays of these seeds, one after the other.
    pub fn season(&mut self, seeds: Range<u64>) -> Season {
        let mut season = Season::default();
        let mut traces = Vec::new();
        for seed in seeds {
            let play = self.play(seed);
            season.plays += 1;
            season.deaths += play.deaths;
            for end in play.ends {
                *season.ends.entry(end).or_default() += 1;
            }
            season.violations.extend(play.violations.into_iter().map(|it| (seed, it)));
            traces.push(play.trace);
        }
        season.traces = vec![canonical::hash("simulated season", &traces)];
        season
    }
}
