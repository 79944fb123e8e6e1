//! Where it strikes: chance from a seed, that likes what was struck least.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use super::play::{Model, Victims};
use super::trace::{Moment, Stop, Struck};
use super::{Moments, Wanted};

/// About as long as `approve` takes on a machine that has other things to do.
const APPROVING_MS: u64 = 200;

/// So late comes a machine whose answer was lost: by then somebody else is at work, who must not have made another.
const LATE_MS: u64 = 10_000;

/// SplitMix64.
#[derive(Debug)]
pub(super) struct Dice(AtomicU64);

impl Dice {
    pub(super) fn new(seed: u64, lane: usize) -> Self {
        let dice = Self(AtomicU64::new(seed));
        let own = (0..=lane).map(|_| dice.draw()).last().unwrap_or_default();
        Self(AtomicU64::new(own))
    }

    fn draw(&self) -> u64 {
        const STEP: u64 = 0x9e37_79b9_7f4a_7c15;
        let mut z = self.0.fetch_add(STEP, Ordering::Relaxed).wrapping_add(STEP);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(super) fn below(&self, bound: u64) -> u64 {
        self.draw() % bound.max(1)
    }

    fn of<'a, T>(&self, all: &'a [T]) -> Option<&'a T> {
        all.get(usize::try_from(self.below(all.len() as u64)).unwrap_or_default())
    }
}

/// One promotion, and who is killed in it and when.
#[derive(Debug, Clone)]
pub(super) struct Shot {
    /// Its place among the models.
    pub(super) model: usize,
    pub(super) moment: Moment,
    pub(super) victims: Victims,
}

#[derive(Debug, Default)]
struct Taken {
    /// Kills that are promised to somebody, with those that came.
    reserved: usize,
    struck: usize,
    tries: usize,
    kinds: BTreeMap<Struck, usize>,
}

/// What all lanes share.
#[derive(Debug)]
pub(super) struct Aim {
    wanted: Wanted,
    taken: Mutex<Taken>,
}

impl Aim {
    pub(super) fn new(wanted: Wanted) -> Self {
        Self { wanted, taken: Mutex::default() }
    }

    fn with<T>(&self, f: impl FnOnce(&mut Taken) -> T) -> T {
        f(&mut self.taken.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn wanted(&self) -> usize {
        self.wanted.kills
    }

    pub(super) fn struck(&self) -> usize {
        self.with(|taken| taken.struck)
    }

    /// Whether one more may be killed. It is then, or [`Aim::missed`] says that it was not.
    pub(super) fn reserve(&self) -> bool {
        self.with(|taken| {
            let is_free = taken.reserved < self.wanted.kills;
            taken.reserved += usize::from(is_free);
            is_free
        })
    }

    pub(super) fn missed(&self) {
        self.with(|taken| taken.reserved -= 1);
    }

    pub(super) fn hit(&self, struck: &[Struck]) {
        self.with(|taken| {
            taken.struck += 1;
            for one in struck {
                *taken.kinds.entry(one.clone()).or_default() += 1;
            }
        });
    }

    /// Nobody shoots any more.
    pub(super) fn give_up(&self) {
        self.with(|taken| taken.tries = usize::MAX);
    }

    /// The next one, with its kill reserved; none when enough were killed.
    pub(super) fn shot(
        &self,
        models: &[Model],
        strategy: usize,
        has_cloud: bool,
        dice: &Dice,
    ) -> Option<Shot> {
        // Whatever ends before its moment is tried again, but not for ever.
        let tries_max = self.wanted.kills.saturating_mul(3).saturating_add(20);
        let may = self.with(|taken| {
            taken.tries = taken.tries.saturating_add(1);
            taken.tries <= tries_max
        });
        if !may || !self.reserve() {
            return None;
        }
        let own = models.iter().enumerate().filter(|(_, model)| model.strategy == strategy);
        let stops = own.flat_map(|(n, model)| model.moments.iter().map(move |stop| (n, stop)));
        let stops: Vec<_> =
            stops.filter(|(_, stop)| stop.is_quiet || self.wanted.moments == Moments::Any).collect();
        let is_rare = dice.below(3) > 0;
        let least: Vec<_> = self.with(|taken| {
            let seen = |one: &Struck| taken.kinds.get(one).copied().unwrap_or_default();
            // Each effect first, then each of its sides: not every side can be hit on purpose.
            let times = |stop: &[Struck]| {
                let both = |effect: &str| {
                    ["before", "after"].iter().map(|side| seen(&(effect.to_owned(), *side))).sum::<usize>()
                };
                stop.iter().map(|one| (both(&one.0), seen(one))).min()
            };
            let min = stops.iter().filter_map(|(_, stop)| times(&stop.struck)).min();
            stops.iter().filter(|(_, stop)| times(&stop.struck) == min).copied().collect()
        });
        let (model, stop) = *dice.of(if is_rare { &least } else { &stops })?;
        let mut shot = Shot { model, moment: stop.moment, victims: Victims::Runner };
        if self.wanted.moments == Moments::Any {
            match dice.below(10) {
                0 => shot.moment = Moment::Approving(dice.below(APPROVING_MS)),
                1 | 2 => {
                    let after = 1 + usize::try_from(dice.below(8)).unwrap_or(0);
                    shot.victims = Victims::RescuerToo { after };
                }
                3 | 4 if has_cloud => shot.victims = Victims::CloudToo { ms: 50 + dice.below(1_000) },
                5 if has_cloud => {
                    let asks = |(_, stop): &&(usize, &Stop)| {
                        let is_create = |(effect, _): &Struck| effect == "create";
                        matches!(stop.moment, Moment::Record(_)) && stop.struck.iter().any(is_create)
                    };
                    // Where its machines are made anew; elsewhere nothing comes late that is not refused then.
                    if let Some((model, stop)) = stops.iter().find(asks) {
                        (shot.model, shot.moment) = (*model, stop.moment);
                        shot.victims = Victims::Late { ms: LATE_MS + dice.below(LATE_MS) };
                    }
                }
                _ => {}
            }
        }
        Some(shot)
    }
}
