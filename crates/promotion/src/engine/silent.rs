//! Units whose hosts take no calls: nobody can move them, so what holds them waits, and nothing else does.

use super::locked::FIRST_TTL;
use super::session::Session;
use crate::model::{At, Fleet, Millis, UnitId};

/// Calls about a unit's lease in a row without an answer after which its host counts as out of reach: less may be the
/// network's bad moment, and then waiting is better than going on without the unit.
const LOST_MAX: u32 = 3;

/// A lease that was never ours may be that of an earlier runner that nobody knows the number of, and rests for as long as a
/// first lease does: only what is silent for longer is out of reach.
const SILENT_MAX: Millis = Millis(FIRST_TTL.0 + 10_000);

/// How long after that nobody asks again.
const AGAIN: Millis = Millis::secs(5);

/// What is known of a unit whose host does not answer.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Silence {
    /// The last look at its fleet showed that, or did not show the unit.
    is_shown: bool,
    /// Calls about its lease, the last ones in a row, that nobody answered; the first of them.
    n_lost: u32,
    since: Option<At>,
    /// Before then it is not asked again.
    again: Option<At>,
}

impl Session<'_> {
    /// Takes from a look whose hosts answer.
    pub(super) fn hear(&mut self, fleet: &Fleet) {
        for unit in &fleet.units {
            if unit.is_away() {
                self.silent.entry(unit.id.clone()).or_default().is_shown = true;
            } else if self.silent.get(&unit.id).is_some_and(|silence| silence.is_shown) {
                self.silent.remove(&unit.id);
            }
        }
    }

    /// A look does not show the unit at all.
    pub(super) fn miss(&mut self, unit: &UnitId) {
        self.silent.entry(unit.clone()).or_default().is_shown = true;
    }

    /// Whether the unit's host takes no calls, as far as is known.
    pub(super) fn is_silent(&self, unit: &UnitId) -> bool {
        self.silent.get(unit).is_some_and(|silence| silence.is_shown || silence.again.is_some())
    }

    /// Whether it may be asked for the unit's lease now.
    pub(super) fn may_ask(&self, unit: &UnitId) -> bool {
        let Some(silence) = self.silent.get(unit) else { return true };
        !silence.is_shown && silence.again.is_none_or(|again| self.now() >= again)
    }

    /// Whether a unit that is out of reach without any look showing it may be asked again.
    pub(super) fn is_due(&self) -> bool {
        let now = self.now();
        self.silent
            .values()
            .any(|silence| !silence.is_shown && silence.again.is_some_and(|again| now >= again))
    }

    /// A call about the lease of a unit got no answer; whether that lease was ours, or an earlier runner's whose number we
    /// know. Whether its host counts as out of reach now.
    pub(super) fn lose(&mut self, unit: &UnitId, was_ours: bool) -> bool {
        let now = self.now();
        let silence = self.silent.entry(unit.clone()).or_default();
        silence.n_lost += 1;
        let since = *silence.since.get_or_insert(now);
        let is_over = (was_ours && silence.n_lost >= LOST_MAX) || now.since(since) >= SILENT_MAX;
        silence.again = is_over.then(|| now.plus(AGAIN));
        is_over
    }

    /// Its host answered.
    pub(super) fn heard(&mut self, unit: &UnitId) {
        self.silent.remove(unit);
    }
}
