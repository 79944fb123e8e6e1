//! Who may be taken out of traffic now (P7): how many at once, the first alone, and always one that answers.

use std::collections::{BTreeMap, BTreeSet};

use super::call::{Direction, Job};
use super::health::seems_healthy;
use super::progress::{Progress, Turn};
use super::role::{Spot, Want, spot};
use super::seen::Seen;
use super::sets::serves;
use crate::model::{GroupName, Strategy, Unit, UnitId};

/// Units that do not run are changed so many at a time, as flyctl does (fly.md 2.5).
const ASLEEP_MAX: usize = 30;

/// Units of one group, or of one group in one region.
#[derive(Debug, Default)]
struct Count {
    /// That have their turn and run at rest.
    out: usize,
    /// That have their turn and do not run at rest.
    asleep: usize,
    /// That had their turn and run at rest.
    through: usize,
    /// That had their turn.
    done: usize,
    /// That answer requests now, or are woken by them.
    answer: usize,
    /// That did when they were found.
    answered: usize,
}

/// Counts of everybody who takes part.
#[derive(Debug)]
pub(super) struct Pool<'a> {
    job: Job<'a>,
    groups: BTreeMap<&'a GroupName, Count>,
    spots: BTreeMap<Spot<'a>, Count>,
    widths: BTreeMap<&'a GroupName, usize>,
}

impl<'a> Pool<'a> {
    pub(super) fn new(job: Job<'a>, wants: &[Want<'a>], seen: &Seen<'a>, progress: &Progress) -> Self {
        let mut pool = Self { job, groups: BTreeMap::new(), spots: BTreeMap::new(), widths: BTreeMap::new() };
        let mut running: BTreeMap<&GroupName, usize> = BTreeMap::new();
        for record in &job.snapshot.units {
            *running.entry(&record.unit.group).or_default() += usize::from(record.ran());
            if serves(&record.unit) {
                pool.each(spot(&record.unit), |count| count.answered += 1);
            }
        }
        let width = |total| job.target.limits.max_unavailable.of(total);
        pool.widths = running.into_iter().map(|(group, total)| (group, width(total))).collect();
        let has_turn =
            |unit: &Unit| progress.marks.get(&unit.id).is_some_and(|mark| mark.turn != Turn::Through);
        for unit in seen.fleet.live().filter(|unit| answers(unit) && !has_turn(unit)) {
            pool.each(spot(unit), |count| count.answer += 1);
        }
        for want in wants {
            let runs = want.role.duty.runs();
            match progress.marks.get(want.unit).map(|mark| mark.turn) {
                None => {}
                Some(Turn::Through) => pool.each(want.role.shape.place(), |count| {
                    count.done += 1;
                    count.through += usize::from(runs);
                }),
                Some(_) => pool.each(want.role.shape.place(), |count| count.begin(runs)),
            }
        }
        pool
    }

    fn each(&mut self, spot: Spot<'a>, change: impl Fn(&mut Count)) {
        change(self.groups.entry(spot.0).or_default());
        change(self.spots.entry(spot).or_default());
    }

    /// Begins the turn of `unit`, if it may begin now.
    pub(super) fn begin(&mut self, want: &Want<'a>, unit: &Unit) -> bool {
        let spot = want.role.shape.place();
        let may = self.has_room(want, spot) && (!answers(unit) || self.leaves_one(spot));
        if may {
            self.take(want, unit);
        }
        may
    }

    /// Whether nobody of a group has a turn: then whoever is next goes, since waiting would change nothing.
    pub(super) fn is_idle(&self, group: &GroupName) -> bool {
        self.groups.get(group).is_none_or(|count| count.out + count.asleep == 0)
    }

    /// Begins the turn of `unit` in any case.
    pub(super) fn take(&mut self, want: &Want<'a>, unit: &Unit) {
        let answers = usize::from(answers(unit));
        self.each(want.role.shape.place(), |count| {
            count.answer = count.answer.saturating_sub(answers);
            count.begin(want.role.duty.runs());
        });
    }

    fn has_room(&self, want: &Want<'_>, spot: Spot<'_>) -> bool {
        if self.job.target.strategy == Strategy::Immediate {
            return true;
        }
        let none = Count::default();
        let (here, group) =
            (self.spots.get(&spot).unwrap_or(&none), self.groups.get(spot.0).unwrap_or(&none));
        let is_alone = here.out + here.asleep == 0;
        let runs = want.role.duty.runs();
        if self.job.direction == Direction::Forward {
            // The first of what is new there, and the first that serves.
            let is_first = here.done == 0 || (runs && here.through == 0);
            if is_first && !is_alone {
                return false;
            }
        }
        let width = self.widths.get(spot.0).copied().unwrap_or(1);
        if runs { group.out < width } else { group.asleep < ASLEEP_MAX }
    }

    /// Whether one that answers is left in the region, or anywhere where the region has no other.
    fn leaves_one(&self, spot: Spot<'_>) -> bool {
        if self.job.target.strategy == Strategy::Immediate {
            return true;
        }
        let none = Count::default();
        let (here, group) =
            (self.spots.get(&spot).unwrap_or(&none), self.groups.get(spot.0).unwrap_or(&none));
        match (here.answer, here.answered) {
            (2.., _) => true,
            (_, 2..) => false,
            _ => group.answer >= 2 || group.answered < 2,
        }
    }
}

impl Count {
    const fn begin(&mut self, runs: bool) {
        if runs {
            self.out += 1;
        } else {
            self.asleep += 1;
        }
    }
}

/// Whether `unit` answers requests, or sleeps in traffic until one wakes it: not every one that is stopped there does.
fn answers(unit: &Unit) -> bool {
    unit.awaits_request() || !unit.cordoned && seems_healthy(unit)
}

/// Who serves on trial before any other changes: the first of each group in each region that has another one; where no
/// region has, the first of the group. One that is alone is nobody's share: it changes as in a rolling update.
pub(super) fn on_trial<'a>(wants: &[Want<'a>]) -> BTreeSet<&'a UnitId> {
    let mut groups: BTreeMap<&GroupName, BTreeMap<Spot<'a>, Vec<&'a UnitId>>> = BTreeMap::new();
    for want in wants.iter().filter(|want| want.served && want.role.duty.runs()) {
        let spot = want.role.shape.place();
        groups.entry(spot.0).or_default().entry(spot).or_default().push(want.unit);
    }
    let mut chosen = BTreeSet::new();
    for spots in groups.values() {
        let shared: Vec<_> =
            spots.values().filter(|units| units.len() > 1).filter_map(|units| units.first()).collect();
        if shared.is_empty() && spots.len() > 1 {
            chosen.extend(spots.values().flatten().next());
        }
        chosen.extend(shared);
    }
    chosen
}
