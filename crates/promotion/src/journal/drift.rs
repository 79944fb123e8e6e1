//! What an environment's journal says of drift: the one record that is open, and how earlier ones ended.

use crate::model::{At, Difference, Kind, Millis, Person, PromotionId};

/// Drift that comes back within this time had not ended.
const COMES_BACK: Millis = Millis::secs(3600);

/// Drift as it is recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DriftView {
    /// The record that opened it.
    pub seq: u64,
    /// The promotion that had put there what is recorded.
    pub of: PromotionId,
    /// When it was first seen.
    pub opened: At,
    /// When it last became other differences.
    pub changed: At,
    /// Its differences, as they were last seen.
    pub differences: Vec<Difference>,
    /// How often people heard of it.
    pub told: u32,
}

/// How drift ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DriftEnd {
    /// What is recorded runs again, and nobody said why.
    Gone,
    /// What ran was taken over.
    Accepted {
        /// Who took it over.
        by: Person,
        /// The adoption.
        promotion: PromotionId,
    },
    /// What is recorded was put there again.
    Repaired {
        /// Who asked for it.
        by: Person,
        /// The repair.
        promotion: PromotionId,
    },
    /// Something else was put there, or what had been there before.
    Replaced {
        /// By which promotion.
        promotion: PromotionId,
    },
    /// The environment was taken out of our hands.
    Ejected {
        /// By whom.
        by: Person,
    },
}

/// The drift of an environment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Drifts {
    pub(super) open: Option<DriftView>,
    pub(super) ended: Vec<(DriftView, At, DriftEnd)>,
}

impl Drifts {
    /// What was seen, in record `seq`; nothing where what is recorded runs again.
    pub(super) fn seen(
        &mut self,
        seq: u64,
        at: At,
        of: &PromotionId,
        found: &[Difference],
    ) -> Result<(), String> {
        if found.is_empty() {
            return if self.end(at, DriftEnd::Gone) {
                Ok(())
            } else {
                Err("it ends drift, and none is open".to_owned())
            };
        }
        if self.open.is_none() {
            let new = || DriftView {
                seq,
                of: of.clone(),
                opened: at,
                changed: at,
                differences: Vec::new(),
                told: 0,
            };
            self.open = Some(self.again(at, of).unwrap_or_else(new));
        }
        if let Some(open) = &mut self.open {
            (open.of, open.changed, open.differences) = (of.clone(), at, found.to_vec());
        }
        Ok(())
    }

    /// What had gone by itself a moment ago and is there again: the same drift, of which people heard.
    fn again(&mut self, at: At, of: &PromotionId) -> Option<DriftView> {
        self.ended
            .pop_if(|(drift, ended, how)| {
                *how == DriftEnd::Gone && drift.of == *of && at.since(*ended) < COMES_BACK
            })
            .map(|(drift, ..)| drift)
    }

    pub(super) fn end(&mut self, at: At, how: DriftEnd) -> bool {
        let open = self.open.take();
        let was_open = open.is_some();
        self.ended.extend(open.map(|drift| (drift, at, how)));
        was_open
    }

    /// What became of it when a promotion came to stand.
    pub(super) fn stands(&mut self, at: At, kind: &Kind, promotion: &PromotionId, by: &Person) {
        let (promotion, by) = (promotion.clone(), by.clone());
        self.end(
            at,
            match kind {
                Kind::Adopt => DriftEnd::Accepted { by, promotion },
                Kind::Repair => DriftEnd::Repaired { by, promotion },
                Kind::Deploy | Kind::Promote | Kind::Bootstrap | Kind::Rollback { .. } => {
                    DriftEnd::Replaced { promotion }
                }
            },
        );
    }
}
