//! What waits for people and is not looked after: they are told again, a few times and no more.

use std::collections::BTreeSet;

use super::checklist::open_items;
use super::tick::Ticked;
use super::verbs::lost_tail;
use super::{Engine, EngineError};
use crate::journal::{Draft, Entry, EnvironmentView, PromotionView};
use crate::machine::Phase;
use crate::model::{At, EnvironmentName, Millis, PromotionId};
use crate::ports::{JournalError, Notice};

/// So long after it began, people are told again of what waits for them: while it may still be a matter of minutes, within
/// the same shift, and on the next day. Who has not answered by then is not reached by a fourth notice.
const AGAIN: [Millis; 3] = [Millis::secs(3600), Millis::secs(4 * 3600), Millis::secs(24 * 3600)];

/// Something that waits for people.
struct Matter {
    /// Whose record tells that they were told.
    of: Option<PromotionId>,
    /// How often they were told by now, and how often they should have been.
    told: u32,
    due: u32,
    notice: Notice,
}

/// How many of the times are over.
fn due(since: At, now: At) -> u32 {
    let over = AGAIN.iter().filter(|after| now >= since.plus(**after)).count();
    u32::try_from(over).unwrap_or(u32::MAX)
}

/// Since when `promotion` waits for a person, under which notice they heard of it first, and what to say.
fn waits(view: &EnvironmentView, promotion: &PromotionView, now: At) -> Option<(At, String, String)> {
    let (id, phase, facts) = (promotion.id(), promotion.state.phase, &promotion.state.facts);
    let first = |other: &str| match promotion.asked {
        Some(item) => format!("{id}/{}/{}", item.seq, item.n),
        None => format!("{id}/{other}"),
    };
    if phase.is_human_wait() {
        let plan = facts.plan.as_ref().map(|plan| plan.hash.to_string()).unwrap_or_default();
        let since = facts.phase_since;
        let state = &promotion.state;
        let items =
            open_items(state).map(|items| format!("; open on its checklist: {items}")).unwrap_or_default();
        let text = if state.needs_approval() && !state.quorum(None) {
            format!(
                "waits for approval since {since}, nobody answered: promote approve {id} --plan {plan}{items}"
            )
        } else {
            format!("waits for people since {since}, nobody answered{items}")
        };
        // Whose time is over ends now, and that is told.
        return (now < facts.deadline).then(|| (since, first("waiting"), text));
    }
    if phase == Phase::RollbackFailed {
        // What was refused before it changed anything looked after nothing.
        let acted = |it: &&PromotionView| it.state.facts.snapshot.is_some();
        let is_last = view.ended().filter(acted).last().is_some_and(|last| last.id() == id);
        let is_looked_after = view.breaker_reset().is_some_and(|reset| reset >= promotion.at)
            || view.last_ejected().is_some_and(|ejected| ejected >= promotion.at);
        let why = facts.failure.as_ref().map(|failure| format!(": {}", failure.why)).unwrap_or_default();
        let text = format!(
            "ROLLBACK FAILED at {}, a human must look{why}; then `promote breaker reset --env {} --reason R`",
            promotion.at, view.name
        );
        return (is_last && !is_looked_after).then(|| (promotion.at, first("failed"), text));
    }
    let (since, why) = (promotion.stalled_since?, facts.stalled.as_ref()?);
    (!phase.is_final())
        .then(|| (since, format!("{id}/stalled"), format!("{phase} does not go on since {since}: {why}")))
}

/// Everything that people should have heard of by `now` and did not.
fn matters(view: &EnvironmentView, now: At) -> Vec<Matter> {
    let mut matters = Vec::new();
    for promotion in view.promotions.values() {
        let Some((since, notice, text)) = waits(view, promotion, now) else { continue };
        let (of, told, due) = (Some(promotion.id().clone()), promotion.told, due(since, now));
        matters.push(Matter { of, told, due, notice: of_promotion(promotion, notice, true, text) });
    }
    if let Some((drift, put)) = view.drift().and_then(|it| Some((it, view.promotions.get(&it.of)?))) {
        let lines: Vec<String> = drift.differences.iter().map(ToString::to_string).collect();
        let name = &view.name;
        let text = format!(
            "`{name}` is not what {} put there, seen first at {}: {}; `promote adopt --env {name}` takes it over, \
             `promote start --to {name} --repair` puts back what is recorded",
            drift.of,
            drift.opened,
            lines.join("; ")
        );
        // The first time is at once, and nobody is woken for it.
        let due = due(drift.opened, now) + 1;
        let notice = of_promotion(put, format!("drift/{name}/{}", drift.seq), due > 1, text);
        matters.push(Matter { of: None, told: drift.told, due, notice });
    }
    matters.retain(|matter| matter.due > matter.told);
    matters
}

fn of_promotion(promotion: &PromotionView, id: String, urgent: bool, text: String) -> Notice {
    let facts = &promotion.state.facts;
    Notice {
        id,
        promotion: promotion.id().clone(),
        environment: facts.request.environment.clone(),
        phase: promotion.state.phase,
        plan: facts.plan.as_ref().map(|plan| plan.hash.clone()),
        urgent,
        text,
    }
}

impl Engine {
    /// Tells what is due, and writes down that it was told: under the environment's lease, so that of several runners one
    /// does. Who dies in between leaves it to be told once more, with the same id.
    pub(super) async fn tell_again(
        &self,
        environment: &EnvironmentName,
        ticked: &mut Ticked,
    ) -> Result<(), EngineError> {
        if matters(&*self.view(environment).await?, self.ports.clock.now()).is_empty() {
            return Ok(());
        }
        let holder = format!("{} to tell people", self.runner);
        let grant = match self.ports.journal.take_lease(environment, &holder, self.options.lease_ttl).await {
            Ok(grant) => grant,
            Err(JournalError::Held { .. }) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        let came = self.tell_held(environment, grant.epoch, ticked).await;
        let released = self.ports.journal.release_lease(environment, grant.epoch).await;
        came.and(released.map_err(EngineError::from))
    }

    async fn tell_held(
        &self,
        environment: &EnvironmentName,
        epoch: u64,
        ticked: &mut Ticked,
    ) -> Result<(), EngineError> {
        let mut failed = BTreeSet::new();
        loop {
            let view = self.view(environment).await?;
            let due = matters(&view, self.ports.clock.now());
            let Some(matter) = due.into_iter().find(|matter| !failed.contains(&matter.notice.id)) else {
                return Ok(());
            };
            if let Err(error) = self.ports.notifier.notify(&matter.notice).await {
                ticked.problems.push(format!("{environment}: could not tell: {error}"));
                failed.insert(matter.notice.id);
                continue;
            }
            ticked.told.push(matter.notice);
            // Behind the very records that the matter was read from: what came meanwhile may have ended it.
            let entry = Entry::ToldAgain { n: matter.due };
            let draft = Draft { promotion: matter.of, at: self.ports.clock.now(), entry };
            match self.ports.journal.append(environment, view.head, Some(epoch), vec![draft]).await {
                Ok(_) => {}
                // Somebody's word came between: what is still due is told by the next tick.
                Err(JournalError::Conflict { head }) => return Ok(lost_tail(&view, head)?),
                Err(error) => return Err(error.into()),
            }
        }
    }
}
