//! The rate budget of the Machines API, kept on our side so that its 429 stays the exception.
//!
//! <https://fly.io/docs/machines/api/working-with-machines-api/>: per action and machine (for creation: per app) one request a
//! second with a burst of three; reading one machine: five a second with a burst of ten.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use crate::Clock;

/// A rate with a burst.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// Time between two requests in the long run; zero is no limit.
    pub interval: Duration,
    /// Requests that may come at once after a pause, at least 1.
    pub burst: u32,
}

/// The rates in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rates {
    /// For reading one machine.
    pub get_machine: Rate,
    /// For everything else.
    pub other: Rate,
}

impl Rates {
    /// As documented.
    pub fn documented() -> Self {
        Self {
            get_machine: Rate { interval: Duration::from_millis(200), burst: 10 },
            other: Rate { interval: Duration::from_secs(1), burst: 3 },
        }
    }

    /// None, for a stand-in that has none.
    pub fn unlimited() -> Self {
        let rate = Rate { interval: Duration::ZERO, burst: 1 };
        Self { get_machine: rate, other: rate }
    }
}

/// Who has to wait waits so much longer: the server counts from when a request arrives, and the next one may be faster on
/// its way. It is given once, not each time, so that the rate in the long run stays what it is.
const RESERVE: Duration = Duration::from_millis(60);

/// Buckets above this number are looked through for full ones, which say nothing.
const BUCKETS_MAX: usize = 4096;

/// The budget, one bucket for each action and subject. Who waits has reserved: turns are taken in order of arrival.
#[derive(Debug)]
pub(crate) struct Budget {
    rates: Rates,
    /// For each bucket the time at which it is full again (the "theoretical arrival time" of the cell rate algorithm).
    full_at: Mutex<BTreeMap<(&'static str, String), Duration>>,
}

impl Budget {
    pub(crate) fn new(rates: Rates) -> Self {
        Self { rates, full_at: Mutex::new(BTreeMap::new()) }
    }

    /// Waits for a turn. A caller that gives up while waiting has used its turn all the same.
    pub(crate) async fn take(&self, clock: &dyn Clock, action: &'static str, subject: &str, kind: Kind) {
        let wait = self.reserve(clock.now(), action, subject, kind);
        if !wait.is_zero() {
            clock.sleep(wait).await;
        }
    }

    fn reserve(&self, now: Duration, action: &'static str, subject: &str, kind: Kind) -> Duration {
        let rate = match kind {
            Kind::GetMachine => self.rates.get_machine,
            Kind::Other => self.rates.other,
        };
        if rate.interval.is_zero() {
            return Duration::ZERO;
        }
        let mut full_at = self.full_at.lock().unwrap_or_else(PoisonError::into_inner);
        if full_at.len() > BUCKETS_MAX {
            full_at.retain(|_, &mut at| at > now);
        }
        let slot = full_at.entry((action, subject.to_owned())).or_insert(now);
        *slot = (*slot).max(now) + rate.interval;
        let wait = slot.saturating_sub(rate.interval * rate.burst.max(1)).saturating_sub(now);
        if wait.is_zero() { wait } else { wait + RESERVE }
    }
}

/// Which rate holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Reading one machine.
    GetMachine,
    /// Everything else.
    Other,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::ManualClock;

    async fn starts(kind: Kind, number: usize) -> Vec<u128> {
        let clock = ManualClock::new();
        let budget = Budget::new(Rates::documented());
        let mut starts = Vec::new();
        for _ in 0..number {
            budget.take(&clock, "a", "m", kind).await;
            starts.push(clock.now().as_millis());
        }
        starts
    }

    #[tokio::test]
    async fn three_at_once_then_one_a_second() {
        assert_eq!(starts(Kind::Other, 6).await, [0, 0, 0, 1060, 2060, 3060]);
    }

    #[tokio::test]
    async fn ten_reads_at_once_then_five_a_second() {
        let starts = starts(Kind::GetMachine, 13).await;
        assert_eq!(starts[..10], [0; 10]);
        assert_eq!(starts[10..], [260, 460, 660]);
    }

    #[tokio::test]
    async fn actions_and_machines_have_budgets_of_their_own_and_a_pause_refills() {
        let clock = ManualClock::new();
        let budget = Budget::new(Rates::documented());
        for subject in ["m1", "m2"] {
            for action in ["start", "stop"] {
                for _ in 0..3 {
                    budget.take(&clock, action, subject, Kind::Other).await;
                }
            }
        }
        assert!(clock.slept().is_empty());
        clock.advance(Duration::from_secs(2));
        for _ in 0..2 {
            budget.take(&clock, "start", "m1", Kind::Other).await;
        }
        assert!(clock.slept().is_empty());
        budget.take(&clock, "start", "m1", Kind::Other).await;
        assert_eq!(clock.slept(), [Duration::from_millis(1060)]);
    }

    #[test]
    fn those_who_come_together_are_put_in_a_row() {
        let budget = Budget::new(Rates::documented());
        let waits: Vec<_> =
            (0..5).map(|_| budget.reserve(Duration::ZERO, "a", "m", Kind::Other).as_millis()).collect();
        assert_eq!(waits, [0, 0, 0, 1060, 2060]);
    }

    #[test]
    fn full_buckets_are_forgotten() {
        let budget = Budget::new(Rates::documented());
        for number in 0..=BUCKETS_MAX {
            budget.reserve(Duration::ZERO, "a", &number.to_string(), Kind::Other);
        }
        budget.reserve(Duration::from_secs(60), "a", "new", Kind::Other);
        assert_eq!(budget.full_at.lock().unwrap().len(), 1);
    }

    #[test]
    fn no_limit_is_no_wait() {
        let budget = Budget::new(Rates::unlimited());
        assert!((0..100).all(|_| budget.reserve(Duration::ZERO, "a", "m", Kind::Other).is_zero()));
    }
}
