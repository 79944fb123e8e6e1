//! When to look again: soon while something moves, seldom while only time passes, and never more often in the long run
//! than the provider's other users should have to bear.

use super::Options;
use crate::model::{At, Fleet, Millis, Unit, UnitState};

/// A fleet up to this size is looked at as often as something moves in it, a larger one a quarter as often: one look
/// lists them all.
const SMALL: usize = 20;

/// How much less often a large fleet is looked at in the long run.
const SLOWER: u64 = 4;

/// How much less often where only time passes; a large fleet saves its looks up for when something moves.
const CALMER: u64 = 2;
const CALMER_LARGE: u64 = 5;

/// How long it is from one look to the next where something moves, in percent of what the long run allows: looks that
/// were saved while only time passed are there for that, and of a large fleet most are. Never
/// is more than half of the time spent on looking.
const SOONER: u64 = 60;
const SOONER_LARGE: u64 = 20;

/// Looks in hand at the beginning: the burst that Fly grants for reads
/// (<https://fly.io/docs/machines/api/working-with-machines-api/>).
const BURST: u64 = 10;

/// Looks at a large fleet that are saved up at most while only time passes. In the long run there are no more for that;
/// and Fly's own bucket for reads, which fills five times as fast, is never emptied by so many.
const SAVED: u64 = 2 * BURST;

/// What is known of the looks so far.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Pace {
    last: Option<At>,
    /// When no look is owed any more (the "theoretical arrival time" of the cell rate algorithm).
    paid_at: Option<At>,
    is_large: bool,
    is_moving: bool,
    /// How long the last look took.
    took: Millis,
    /// The instant for which the next look is meant.
    awaited: Option<At>,
}

impl Pace {
    /// A look that began at `at` found `fleet`.
    ///
    /// A look for an instant begins before it, by the time that a look takes. Where that was too early by a little, what
    /// it found is as good then: so long is to be waited before anything is decided.
    pub(super) fn looked(&mut self, at: At, now: At, fleet: &Fleet, options: &Options) -> Millis {
        self.took = now.since(at);
        self.is_large = fleet.units.len() > SMALL;
        self.is_moving = fleet.units.iter().any(moves);
        self.owe(at, options);
        let early = self.awaited.take().map_or(Millis::ZERO, |awaited| awaited.since(now));
        if early <= self.took { early } else { Millis::ZERO }
    }

    /// Whether a fleet was looked at a moment ago.
    pub(super) fn is_recent(&self, now: At, options: &Options) -> bool {
        self.last.is_some_and(|last| now.since(last) <= self.apart(options))
    }

    /// For how long a look at so many units is one of a moment ago: reading a large fleet takes time by itself.
    pub(super) fn moment(n_units: usize, options: &Options) -> Millis {
        apart(n_units > SMALL, options)
    }

    /// Calls were made: something moves, whatever was seen before. Of a large fleet that is so only where units come or
    /// go by them.
    pub(super) const fn acted(&mut self, only_routes: bool) {
        self.is_moving = self.is_moving || !(self.is_large && only_routes);
    }

    /// Whether looks are dear.
    pub(super) const fn is_large(&self) -> bool {
        self.is_large
    }

    /// A look that began at `at` found nothing out.
    pub(super) fn failed(&mut self, at: At, options: &Options) {
        self.is_moving = true;
        self.awaited = None;
        self.owe(at, options);
    }

    fn owe(&mut self, at: At, options: &Options) {
        let begins = at.plus(Millis(self.apart(options).0 * (self.saved() - BURST)));
        let paid_at = self.paid_at.map_or(begins, |paid_at| paid_at.max(at));
        self.paid_at = Some(paid_at.plus(self.apart(options)));
        self.last = Some(at);
    }

    fn apart(&self, options: &Options) -> Millis {
        apart(self.is_large, options)
    }

    /// How many looks are saved up at most.
    const fn saved(&self) -> u64 {
        if self.is_large { SAVED } else { BURST }
    }

    /// When to look again, no later than at `wake`, at which time alone changes something; at once where that is over.
    pub(super) fn next(&mut self, wake: Option<At>, options: &Options, now: At) -> At {
        let ahead = wake.map(|wake| At(wake.0.saturating_sub(self.took.0.cast_signed())));
        let at = self.soonest(ahead, options, now);
        self.awaited = wake.filter(|_| ahead.is_some_and(|ahead| at >= ahead));
        at
    }

    /// Whether the next look may as well come a little later, so that runners which began together do not stay so.
    pub(super) const fn may_vary(&self) -> bool {
        self.awaited.is_none() && !self.is_moving
    }

    fn soonest(&self, ahead: Option<At>, options: &Options, now: At) -> At {
        let (Some(last), Some(paid_at)) = (self.last, self.paid_at) else { return now };
        let poll = options.poll.0.max(1);
        let calmer = if self.is_large { CALMER_LARGE } else { CALMER };
        let sooner = if self.is_large { SOONER_LARGE } else { SOONER };
        let quick = (self.apart(options).0 * sooner / 100).max(2 * self.took.0).max(1);
        // A runner that waits must still keep its lease.
        let slow = (self.apart(options).0 * calmer).min((options.lease_ttl.0 / 4).max(poll));
        let soon = last.plus(Millis(if self.is_moving { quick } else { slow }));
        let at = ahead.map_or(soon, |ahead| {
            // A look shortly before the instant would see what that one sees.
            let is_near = !self.is_moving && ahead.since(soon) < self.apart(options);
            if is_near { ahead } else { ahead.min(soon) }
        });
        // However late it is: no more than what is saved ahead of what the long run allows.
        let owed = Millis(self.apart(options).0 * self.saved());
        let allowed = At(paid_at.0.saturating_sub(owed.0.cast_signed()));
        at.max(allowed).max(now)
    }
}

/// The time between two looks in the long run.
fn apart(is_large: bool, options: &Options) -> Millis {
    let poll = options.poll.0.max(1);
    Millis(if is_large { poll * SLOWER } else { poll })
}

/// Whether a look soon may find `unit` otherwise.
fn moves(unit: &Unit) -> bool {
    match unit.state {
        UnitState::Starting | UnitState::Stopping => true,
        UnitState::Started => unit.checks.iter().any(|check| !check.passing),
        UnitState::Stopped | UnitState::Failed | UnitState::Unknown | UnitState::Destroyed => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::UnitSpec;

    const OPTIONS: Options = Options { lease_ttl: Millis(30_000), poll: Millis(250), looks_failed_max: 10 };
    const NOW: At = At(1_000_000);

    fn fleet(n: usize, state: UnitState) -> Fleet {
        let spec = UnitSpec {
            group: "app".parse().unwrap(),
            region: "fra".parse().unwrap(),
            image: format!("registry.fly.io/app@sha256:{}", "1".repeat(64)).parse().unwrap(),
            config: crate::model::UnitConfig::default(),
            secrets_version: None,
            standby_for: std::collections::BTreeSet::new(),
        };
        let unit = |n: usize| {
            let made = Unit::new(format!("m{n}").parse().unwrap(), "v1".parse().unwrap(), &spec);
            Unit { state, ..made }
        };
        Fleet { units: (0..n).map(unit).collect(), ..Fleet::default() }
    }

    /// The times of the next `looks` looks, from now on, at a fleet that stays as it is.
    fn times(fleet: &Fleet, looks: usize) -> Vec<i64> {
        let (mut pace, mut now, mut times) = (Pace::default(), NOW, Vec::new());
        for _ in 0..looks {
            now = pace.next(None, &OPTIONS, now);
            times.push(now.0 - NOW.0);
            pace.looked(now, now, fleet, &OPTIONS);
        }
        times
    }

    #[test]
    fn four_looks_a_second_in_the_long_run_and_two_while_time_passes() {
        let moving = times(&fleet(20, UnitState::Starting), 100);
        assert_eq!(moving[..4], [0, 150, 300, 450], "the burst");
        // After 20 s: ten ahead and four for each second.
        assert!(moving.iter().filter(|at| **at <= 20_000).count() <= 10 + 80 + 1, "{moving:?}");
        assert_eq!(moving[99] - moving[98], 250);
        assert_eq!(times(&fleet(20, UnitState::Started), 4), [0, 500, 1000, 1500]);
    }

    #[test]
    fn a_large_fleet_has_a_burst_and_then_one_look_a_second() {
        let times = times(&fleet(21, UnitState::Starting), 40);
        assert_eq!(times[..4], [0, 200, 400, 600], "the burst");
        let last: Vec<i64> = times.windows(2).map(|pair| pair[1] - pair[0]).skip(30).collect();
        assert!(last.iter().all(|apart| *apart == 1000), "{last:?}");
        // After 20 s: ten at once and one for each second, as Fly counts reads.
        assert!(times.iter().filter(|at| **at <= 20_000).count() <= 10 + 20 + 1, "{times:?}");
    }

    #[test]
    fn it_looks_at_the_instant_at_which_time_changes_something() {
        let mut pace = Pace::default();
        pace.looked(NOW, NOW, &fleet(2, UnitState::Started), &OPTIONS);
        let mut at =
            |wake: i64| pace.next(Some(NOW.plus(Millis(wake.unsigned_abs()))), &OPTIONS, NOW).0 - NOW.0;
        assert_eq!([at(120), at(500), at(5000)], [120, 500, 500]);
        let past = pace.next(Some(At(NOW.0 - 1)), &OPTIONS, NOW);
        assert_eq!(past, NOW, "an instant that came meanwhile is not waited for");
    }

    #[test]
    fn a_large_fleet_that_waits_saves_looks_for_when_it_moves() {
        let (mut pace, mut at, mut times) = (Pace::default(), NOW, Vec::new());
        let start = NOW.plus(Millis(10_000));
        // Ten seconds of settling and draining, then units that start.
        while at < start.plus(Millis(2_500)) {
            let state = if at < start { UnitState::Started } else { UnitState::Starting };
            pace.looked(at, at, &fleet(100, state), &OPTIONS);
            times.push(at.0 - NOW.0);
            at = pace.next((at < start).then_some(start), &OPTIONS, at);
        }
        assert_eq!(times[..3], [0, 5000, 10_000]);
        assert_eq!(times[3..7], [10_200, 10_400, 10_600, 10_800], "{times:?}");
    }

    #[test]
    fn a_large_fleet_saves_up_twice_a_burst_and_no_look_more() {
        let (mut pace, mut at) = (Pace::default(), NOW);
        let mut looks = |from: i64, to: i64, state: UnitState| {
            let (mut n, units) = (0, fleet(100, state));
            at = at.max(At(NOW.0 + from));
            while at < At(NOW.0 + to) {
                pace.looked(at, at, &units, &OPTIONS);
                at = pace.next(None, &OPTIONS, at);
                n += 1;
            }
            n
        };
        let waiting = looks(0, 100_000, UnitState::Started);
        assert_eq!(waiting, 20, "one in five seconds");
        // Twenty in hand, and one for each of the ten seconds.
        let moving = looks(100_000, 110_000, UnitState::Starting);
        assert!((27..=31).contains(&moving), "{moving}");
        let later = looks(110_000, 130_000, UnitState::Starting);
        assert!((19..=21).contains(&later), "{later}");
    }

    #[test]
    fn calls_that_only_route_move_nothing_in_a_large_fleet() {
        for (n, next) in [(100, 5_000), (20, 150)] {
            let mut pace = Pace::default();
            pace.looked(NOW, NOW, &fleet(n, UnitState::Started), &OPTIONS);
            pace.acted(true);
            assert_eq!(pace.next(None, &OPTIONS, NOW).since(NOW), Millis(next), "{n} units");
            pace.acted(false);
            assert!(pace.next(None, &OPTIONS, NOW).since(NOW) < Millis(500), "{n} units");
        }
    }

    #[test]
    fn a_look_for_an_instant_is_there_at_that_instant() {
        let (mut pace, units) = (Pace::default(), fleet(2, UnitState::Started));
        let after = |ms: i64| At(NOW.0 + ms);
        // It took 60 ms, so the next one begins as much before the instant at which it is wanted.
        pace.looked(NOW, after(60), &units, &OPTIONS);
        assert_eq!(pace.next(Some(after(300)), &OPTIONS, after(60)), after(240));
        // That one was faster: what it found is decided on when the instant has come.
        assert_eq!(pace.looked(after(240), after(290), &units, &OPTIONS), Millis(10));
        // Nobody waits long for what a look found, nor for an instant that it was not meant for.
        assert_eq!(pace.next(Some(after(5000)), &OPTIONS, after(300)), after(740));
        assert_eq!(pace.looked(after(740), after(800), &units, &OPTIONS), Millis::ZERO);
    }

    #[test]
    fn a_pause_is_no_longer_than_a_lease_bears() {
        let options = Options { lease_ttl: Millis(2_000), poll: Millis(400), ..OPTIONS };
        let mut pace = Pace::default();
        pace.looked(NOW, NOW, &fleet(2, UnitState::Started), &options);
        assert_eq!(pace.next(None, &options, NOW).0 - NOW.0, 500);
    }
}
