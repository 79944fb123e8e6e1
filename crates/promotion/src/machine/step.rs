//! The one function that decides phases. Pure: no clock, no IO, no randomness, no logging.

use serde::{Deserialize, Serialize};

use super::event::{Event, Stamped};
use super::phase::{EffectName, Guard, Phase, Signal};
use super::state::State;
use super::table::{Rule, TABLE};

/// What follows from an event.
#[must_use]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The state after it.
    pub next: State,
    /// What the shell does once, after the step is journaled.
    pub effects: Vec<EffectName>,
}

/// An event that changes nothing, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("`{signal}` is refused while the promotion is {phase}: {why}")]
pub struct Rejected {
    /// Where the promotion stands.
    pub phase: Phase,
    /// What was tried.
    pub signal: Signal,
    /// Why not.
    pub why: String,
}

/// Decides what follows from `stamped` in `state`.
///
/// The answer depends on its arguments alone, so that a journal replays to the same states for ever (P8).
pub fn step(state: &State, stamped: &Stamped) -> Result<Step, Rejected> {
    let mut next = state.clone();
    let effects = apply(&mut next, stamped)?.to_vec();
    Ok(Step { next, effects })
}

/// The same in place: `state` becomes what follows, or stays as it is where nothing follows.
pub(crate) fn apply(state: &mut State, stamped: &Stamped) -> Result<&'static [EffectName], Rejected> {
    let (phase, effects) = decide(state, stamped)?;
    state.enter(phase, stamped.at, &stamped.event);
    Ok(effects)
}

/// The phase after it and what is done once, without the facts.
pub(crate) fn decide(state: &State, stamped: &Stamped) -> Result<(Phase, &'static [EffectName]), Rejected> {
    let signal = stamped.event.signal();
    let refuse = |why: String| Rejected { phase: state.phase, signal, why };
    if state.phase.is_final() {
        return Err(refuse("it has ended".to_owned()));
    }
    if let Event::Approve(approval) | Event::Reject(approval) = &stamped.event
        && let Some(why) = state.objection(approval)
    {
        return Err(refuse(why));
    }
    if let Event::CheckOff(word) | Event::TakeBack(word) = &stamped.event
        && let Some(why) = state.objection_to_check(word, matches!(stamped.event, Event::CheckOff(_)))
    {
        return Err(refuse(why));
    }
    if matches!(stamped.event, Event::Approve(_) | Event::CheckOff(_))
        && state.phase.is_human_wait()
        && stamped.at >= state.facts.deadline
    {
        return Err(refuse(format!("the time to approve was over at {}", state.facts.deadline)));
    }
    if let Event::Done(work) = &stamped.event
        && !work.belongs_to(state.phase)
    {
        return Err(refuse("that is the work of another phase".to_owned()));
    }
    let row = TABLE
        .iter()
        .find(|row| row.from == state.phase && row.on == signal && holds(row.when, state, stamped))
        .ok_or_else(|| refuse("no rule".to_owned()))?;
    match row.rule {
        Rule::Ignore(why) => Err(refuse(why.to_owned())),
        Rule::Go(phase, effects) => Ok((phase, effects)),
    }
}

fn holds(guard: Guard, state: &State, stamped: &Stamped) -> bool {
    let quorum = || match &stamped.event {
        Event::Approve(approval) => state.quorum(Some(approval)) && state.unchecked(None).is_empty(),
        Event::CheckOff(word) => state.quorum(None) && state.unchecked(Some(word)).is_empty(),
        _ => state.quorum(None) && state.unchecked(None).is_empty(),
    };
    match guard {
        Guard::Always => true,
        Guard::NeedsApproval => state.asks_people(),
        Guard::NeedsNobody => !state.asks_people(),
        Guard::QuorumMet => quorum(),
        Guard::QuorumOpen => !quorum(),
        Guard::SoakAsked => state.policy().soak.0 > 0,
        Guard::NoSoak => state.policy().soak.0 == 0,
        Guard::TimeIsUp => state.time_is_up(stamped.at),
        Guard::TimeIsLeft => !state.time_is_up(stamped.at),
        Guard::IsRollback => state.is_rollback(),
        Guard::IsForward => !state.is_rollback(),
    }
}
