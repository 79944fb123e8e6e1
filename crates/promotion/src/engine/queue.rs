//! Who goes next, where more than one promotion wants the same environment.

use super::EngineError;
use super::session::Session;
use crate::journal::{EnvironmentView, PromotionView};
use crate::model::{At, Kind, PromotionId, QueueRule, Release, Request};

/// Whether a request takes part in the queue. The way back, and what takes over or puts back what is recorded, neither
/// pushes anybody out nor is refused a place.
const fn is_new(kind: &Kind) -> bool {
    match kind {
        Kind::Deploy | Kind::Promote | Kind::Bootstrap => true,
        Kind::Rollback { .. } | Kind::Adopt | Kind::Repair => false,
    }
}

/// Why the queue does not take `request` in.
pub(super) fn refusal(view: &EnvironmentView, request: &Request) -> Option<String> {
    let rules = view.rules().unwrap_or(&request.policy);
    if rules.queue != QueueRule::Refuse || !is_new(&request.kind) {
        return None;
    }
    let other = view.promotions.values().find(|other| !other.state.phase.is_final())?;
    let (id, phase, name) = (other.id(), other.state.phase, &request.environment);
    Some(format!(
        "{id} is {phase} in `{name}`, and its policy takes one request at a time; wait until it is over, or end it with \
         `promote abort {id} --reason R`"
    ))
}

/// Why nothing begins by itself with `release` at `now`.
pub(super) fn in_the_way(view: &EnvironmentView, release: &Release, now: At) -> Option<String> {
    if let Some(before) = view.tried(release) {
        let (id, phase) = (before.id(), before.state.phase);
        return Some(format!("this release was asked for here already: {id} is {phase}"));
    }
    if let Some(glass) = view.break_glass(now) {
        let until = glass.until;
        return Some(format!(
            "the glass is broken until {until}, and what goes under it people name themselves"
        ));
    }
    let other = view.promotions.values().find(|other| !other.state.phase.is_final())?;
    Some(format!("{} is {}", other.id(), other.state.phase))
}

impl Session<'_> {
    /// Where the newest wins, what was asked for before and holds nothing yet ends here: it would be outdated by the time it
    /// came. What holds the environment goes to its end. Idempotent.
    pub(super) async fn overtake(&mut self) -> Result<(), EngineError> {
        let state = &self.view().state;
        if state.policy().queue != QueueRule::NewestWins || !is_new(&state.facts.request.kind) {
            return Ok(());
        }
        let first = self.view().first;
        let waits = |other: &&PromotionView| {
            let phase = other.state.phase;
            other.first < first
                && !phase.is_final()
                && !phase.is_active()
                && is_new(&other.state.facts.request.kind)
        };
        let older: Vec<PromotionId> =
            self.environment.promotions.values().filter(waits).map(|other| other.id().clone()).collect();
        if older.is_empty() {
            return Ok(());
        }
        for id in older {
            match self.engine.supersede(&self.environment.name, &id, self.id.clone()).await {
                // It took the environment, or ended, meanwhile.
                Ok(()) | Err(EngineError::Rejected(_)) => {}
                Err(error) => return Err(error),
            }
        }
        self.sync().await
    }
}
