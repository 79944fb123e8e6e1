//! What a fleet was a while ago, for looks that come late.

use crate::model::{At, Unit};

/// Earlier fleets, oldest first.
#[derive(Debug, Clone, Default)]
pub(super) struct Past(Vec<(At, Vec<Unit>)>);

impl Past {
    /// Keeps what is there from now on.
    pub(super) fn note(&mut self, now: At, units: Vec<Unit>) {
        // What took effect late took effect before the last look, which did not see it.
        let now = self.0.last().map_or(now, |(last, _)| now.max(*last));
        if self.0.last().is_none_or(|(_, last)| *last != units) {
            self.0.push((now, units));
        }
    }

    /// What was there at `then`; what was first kept, before that.
    pub(super) fn as_of(&self, then: At) -> Vec<Unit> {
        let later = self.0.partition_point(|(at, _)| *at <= then);
        self.0.get(later.saturating_sub(1)).map(|(_, units)| units.clone()).unwrap_or_default()
    }
}
