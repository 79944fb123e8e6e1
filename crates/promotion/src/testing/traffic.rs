//! Judging traffic afterwards: what edges believed, what was true, and which requests were lost between.
//!
//! An edge hears of a change of routing after its lag. A request starts at every instant, on every edge, and takes
//! `service`. It is lost when no unit its edge believes in is alive (a refused connection is tried elsewhere), or when
//! its unit ends while it is in flight. Requests longer than the drain are not promised anything.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{At, Millis, UnitId};

/// What happened to a unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Change {
    pub(super) at: At,
    /// Routed to, as the provider's record says.
    pub(super) open: bool,
    /// Answers requests.
    pub(super) alive: bool,
}

/// A lost request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lost {
    /// On which edge.
    pub edge: usize,
    /// When it started.
    pub at: At,
    /// Why.
    pub why: String,
}

/// The history of every unit of a place.
#[derive(Debug, Clone, Default)]
pub(super) struct History(BTreeMap<UnitId, Vec<Change>>);

impl History {
    pub(super) fn note(&mut self, unit: &UnitId, change: Change) {
        let changes = self.0.entry(unit.clone()).or_default();
        if changes.last().is_none_or(|last| (last.open, last.alive) != (change.open, change.alive)) {
            changes.push(change);
        }
    }

    fn at(&self, unit: &UnitId, at: At) -> (bool, bool) {
        self.0[unit]
            .iter()
            .take_while(|change| change.at <= at)
            .last()
            .map_or((false, false), |change| (change.open, change.alive))
    }

    /// Judges all requests from `from` on; nothing is promised before the first unit serves.
    pub(super) fn lost(&self, lags: &[Millis], service: Millis, from: At) -> Vec<Lost> {
        let mut lost = Vec::new();
        for (edge, lag) in lags.iter().enumerate() {
            let mut instants: BTreeSet<At> = BTreeSet::from([from]);
            for change in self.0.values().flatten() {
                instants.insert(change.at);
                instants.insert(change.at.plus(*lag));
            }
            for at in instants.into_iter().filter(|at| *at >= from) {
                let heard = At(at.0 - lag.0.cast_signed());
                let believed: Vec<&UnitId> = self.0.keys().filter(|unit| self.at(unit, heard).0).collect();
                if !believed.iter().any(|unit| self.at(unit, at).1) {
                    lost.push(Lost { edge, at, why: format!("none of {believed:?} answers") });
                }
            }
            lost.extend(self.cut(edge, *lag, service, from));
        }
        lost
    }

    /// Requests in flight when their unit ended.
    fn cut(&self, edge: usize, lag: Millis, service: Millis, from: At) -> Vec<Lost> {
        let mut lost = Vec::new();
        for (unit, changes) in &self.0 {
            let ends =
                changes.windows(2).filter(|pair| pair[0].alive && !pair[1].alive).map(|pair| pair[1].at);
            for end in ends.filter(|end| *end >= from) {
                // Any instant in the service time before the end at which this edge still sent requests there.
                let first = At(end.0 - service.0.cast_signed());
                let sent = (first.0..end.0).any(|at| self.at(unit, At(at - lag.0.cast_signed())).0);
                if sent {
                    lost.push(Lost { edge, at: first, why: format!("{unit} ended with requests in flight") });
                }
            }
        }
        lost
    }
}
