//! Changing units in place: out of traffic, drained, updated, proven, back into traffic; some at a time, the first
//! alone.

use std::collections::BTreeMap;

use super::call::{Direction, Job, UnitCall};
use super::health::{Expected, Health, health};
use super::next::START_AGAIN;
use super::progress::{Mark, Progress, Turn};
use crate::model::{At, Fleet, Proof, Strategy, Unit, UnitId, UnitSpec, UnitState};

/// How often an update whose answer was lost is sent again before the rollout gives up.
const TRIES_MAX: u32 = 3;

/// What one unit shall become.
#[derive(Debug, Clone)]
pub(super) struct Want {
    pub(super) unit: UnitId,
    pub(super) spec: UnitSpec,
    pub(super) proof: Proof,
    /// Takes traffic afterwards.
    pub(super) open: bool,
    /// Runs afterwards.
    pub(super) run: bool,
    /// Is proven, also when it does not run afterwards: then it is started for that, out of traffic (P12).
    pub(super) prove: bool,
    /// Labels afterwards.
    pub(super) labels: BTreeMap<String, Option<String>>,
}

impl Want {
    /// The unit already is what it shall become, as far as an update could make it so.
    pub(super) fn is_met(&self, unit: &Unit) -> bool {
        let labelled = self.labels.iter().all(|(key, value)| unit.labels.get(key) == value.as_ref());
        unit.digest.as_ref() == self.spec.image.digest() && unit.config == self.spec.config && labelled
    }
}

/// What a look at the units in place gave.
pub(super) enum Looked {
    Through,
    Going { why: String, wake: Option<At> },
    Failed(String),
}

/// Moves every unit of `wants` on by what can be done now.
pub(super) fn look(
    job: Job<'_>,
    wants: &[Want],
    fleet: &Fleet,
    progress: &mut Progress,
    calls: &mut Vec<UnitCall>,
    now: At,
) -> Looked {
    let at_once = job.target.strategy == Strategy::Immediate;
    let width = if at_once { wants.len() } else { job.target.limits.max_unavailable.max(1) as usize };
    let first_through = wants
        .iter()
        .any(|want| progress.marks.get(&want.unit).is_some_and(|mark| mark.turn == Turn::Through));
    let mut under_way = 0;
    let mut waits = (String::new(), None::<At>);
    for want in wants {
        let through = progress.marks.get(&want.unit).is_some_and(|mark| mark.turn == Turn::Through);
        if through {
            continue;
        }
        let allowed = if first_through || at_once { width } else { 1 };
        if under_way >= allowed {
            break;
        }
        let Some(unit) = fleet.unit(&want.unit) else {
            return Looked::Failed(format!("unit {} is gone", want.unit));
        };
        if !progress.marks.contains_key(&want.unit) {
            let others = wants.iter().map(|want| &want.unit).filter(|unit| **unit != want.unit);
            let until = progress.closes_until(others, fleet, job.target.limits.client_timeout);
            if let Some(until) = until.filter(|until| now < *until) {
                waits = ("a call whose answer was lost may still close another".to_owned(), Some(until));
                under_way += 1;
                break;
            }
            if let Some(id) = closed_again(wants, fleet, progress, now) {
                waits = (format!("{id} was taken out of traffic late: it goes back first"), Some(now));
                under_way += 1;
                break;
            }
            match faded(job, wants, fleet, progress, now) {
                None => {}
                Some((why, true)) => return Looked::Failed(why),
                Some((why, false)) => {
                    waits.0 = why;
                    under_way += 1;
                    break;
                }
            }
        }
        under_way += 1;
        // What is not changed needs no draining.
        let is_out = job.direction == Direction::Back && unit.cordoned && want.is_met(unit);
        let at_once_too = at_once && want.run == want.prove;
        let begin = if at_once_too || is_out { Turn::Updating } else { Turn::Closing };
        let fresh = Mark { turn: begin, since: now, tries: 0, tried_at: None };
        let mut mark = progress.marks.get(&want.unit).cloned().unwrap_or(fresh);
        let turn = UnitTurn { job, want, unit, progress, now };
        match turn.advance(&mut mark, calls) {
            Ok((why, wake)) => {
                waits.0 = why;
                waits.1 = match (waits.1, wake) {
                    (Some(a), Some(b)) => Some(a.min(b)),
                    (a, b) => a.or(b),
                };
            }
            Err(why) => return Looked::Failed(why),
        }
        progress.marks.insert(want.unit.clone(), mark);
    }
    if under_way == 0 { Looked::Through } else { Looked::Going { why: waits.0, wake: waits.1 } }
}

/// A unit that is through and was taken out of traffic once more, by a call that took effect late: its turn goes back to
/// where it is opened.
fn closed_again(wants: &[Want], fleet: &Fleet, progress: &mut Progress, now: At) -> Option<UnitId> {
    let is_closed = |want: &&Want| {
        let through = progress.marks.get(&want.unit).is_some_and(|mark| mark.turn == Turn::Through);
        through && want.open && want.run && fleet.unit(&want.unit).is_some_and(|unit| unit.cordoned)
    };
    let id = wants.iter().find(is_closed)?.unit.clone();
    let mark = progress.marks.get_mut(&id)?;
    (mark.turn, mark.since) = (Turn::Opening, now);
    Some(id)
}

/// Why no further unit may be taken out of traffic: one that is through, and must answer meanwhile, is not healthy any
/// more (P7); and whether that is so for longer than it may.
fn faded(
    job: Job<'_>,
    wants: &[Want],
    fleet: &Fleet,
    progress: &mut Progress,
    now: At,
) -> Option<(String, bool)> {
    if job.direction == Direction::Back {
        // What comes next is worse than what was put back.
        return None;
    }
    for want in wants.iter().filter(|want| want.run && want.open) {
        let Some(mark) = progress.marks.get(&want.unit).filter(|mark| mark.turn == Turn::Through) else {
            continue;
        };
        let (Some(unit), Some(digest)) = (fleet.unit(&want.unit), want.spec.image.digest()) else { continue };
        let grace = job.target.limits.unhealthy;
        let expected = Expected { digest, version: None, proof: &want.proof, acted: mark.since, grace };
        match health(unit, expected, now) {
            Health::Healthy => drop(progress.sick.remove(&want.unit)),
            Health::NotYet(why) | Health::Broken(why) => {
                let since = *progress.sick.entry(want.unit.clone()).or_insert(now);
                return Some((format!("it served and is unhealthy: {why}"), now.since(since) >= grace));
            }
        }
    }
    None
}

struct UnitTurn<'a> {
    job: Job<'a>,
    want: &'a Want,
    unit: &'a Unit,
    progress: &'a Progress,
    now: At,
}

type Waiting = Result<(String, Option<At>), String>;

impl UnitTurn<'_> {
    fn advance(&self, mark: &mut Mark, calls: &mut Vec<UnitCall>) -> Waiting {
        let limits = &self.job.target.limits;
        let id = &self.unit.id;
        loop {
            let next = match mark.turn {
                Turn::Closing if !self.unit.cordoned && (self.serves() || self.want.prove) => {
                    calls.push(UnitCall::Cordon { unit: id.clone() });
                    return Ok((format!("taking {id} out of traffic"), None));
                }
                // Whatever is routed to could be woken by a request: the edges must hear of the cordon there too.
                Turn::Closing if !(self.serves() || self.want.prove && self.want.open) => Turn::Updating,
                Turn::Closing => Turn::SettlingOut,
                Turn::SettlingOut => {
                    let wake = mark.since.plus(limits.settle);
                    if self.now < wake {
                        return Ok((format!("edges forget {id}"), Some(wake)));
                    }
                    Turn::Draining
                }
                Turn::Draining => {
                    let wake = mark.since.plus(limits.drain);
                    if self.now < wake && self.serves() && self.unit.concurrency != Some(0) {
                        return Ok((format!("{id} drains"), Some(wake)));
                    }
                    Turn::Updating
                }
                Turn::Updating => match self.update(mark, calls)? {
                    Some(waiting) => return Ok(waiting),
                    None if !self.want.run => Turn::Stopping,
                    None => Turn::Opening,
                },
                Turn::Stopping => match self.stop(mark, calls)? {
                    Some(waiting) => return Ok(waiting),
                    None => Turn::Opening,
                },
                Turn::Opening if self.unit.cordoned && self.want.open => {
                    calls.push(UnitCall::Uncordon { unit: id.clone() });
                    return Ok((format!("putting {id} into traffic"), None));
                }
                Turn::Opening => Turn::SettlingIn,
                Turn::SettlingIn => {
                    let wake = mark.since.plus(limits.settle);
                    if self.now < wake && self.want.open && self.want.run {
                        return Ok((format!("edges hear of {id}"), Some(wake)));
                    }
                    Turn::Through
                }
                Turn::Through => return Ok((format!("{id} is through"), None)),
            };
            mark.turn = next;
            mark.since = self.now;
        }
    }

    /// Stops what was started only to be proven, and what an update left running that was found stopped.
    fn stop(&self, mark: &Mark, calls: &mut Vec<UnitCall>) -> Result<Option<(String, Option<At>)>, String> {
        let id = &self.unit.id;
        match self.unit.state {
            UnitState::Stopped | UnitState::Failed | UnitState::Destroyed => return Ok(None),
            UnitState::Unknown if !self.want.prove => return Ok(None),
            _ if self.now.since(mark.since) > self.job.target.limits.wait => {
                return Err(format!("unit {id} was found stopped and does not stop again"));
            }
            UnitState::Started | UnitState::Starting | UnitState::Unknown => {
                calls.push(UnitCall::Stop { unit: id.clone() });
            }
            UnitState::Stopping => {}
        }
        Ok(Some((format!("stopping {id} again, as it was found"), None)))
    }

    fn serves(&self) -> bool {
        matches!(self.unit.state, UnitState::Started | UnitState::Starting)
    }

    /// Whether what an update made of the unit is there.
    fn is_at_rest(&self) -> bool {
        matches!(self.unit.state, UnitState::Started | UnitState::Stopped | UnitState::Failed)
    }

    /// Sends the update, or judges what became of it; none when the unit is through.
    fn update(
        &self,
        mark: &mut Mark,
        calls: &mut Vec<UnitCall>,
    ) -> Result<Option<(String, Option<At>)>, String> {
        let limits = &self.job.target.limits;
        let id = &self.unit.id;
        let answered = self.progress.versions.contains_key(id);
        let is_back = self.job.direction == Direction::Back;
        // What silently came up as something else on the way back is updated again: nothing better is left.
        let settled = mark.tried_at.is_some_and(|at| self.now >= at.plus(limits.client_timeout));
        let is_sent = mark.tries > 0 && answered && !(is_back && settled && self.is_at_rest());
        if !is_sent && !self.want.is_met(self.unit) {
            if let Some(tried) = mark.tried_at {
                let wake = tried.plus(limits.client_timeout);
                if self.now < wake {
                    return Ok(Some((
                        format!("the answer for {id} was lost: it may still land"),
                        Some(wake),
                    )));
                }
                if mark.tries >= TRIES_MAX {
                    return Err(format!("unit {id} took none of {TRIES_MAX} updates"));
                }
            }
            mark.tries += 1;
            mark.tried_at = Some(self.now);
            mark.since = self.now;
            calls.push(UnitCall::Update {
                unit: id.clone(),
                expect: self.unit.version.clone(),
                spec: self.want.spec.clone(),
                labels: self.want.labels.clone(),
                start: self.want.run || self.want.prove,
            });
            return Ok(Some((format!("updating {id}"), None)));
        }
        if !self.want.prove {
            return Ok(None);
        }
        // It is what it shall be and lies still: whoever updated it died before it was started. What failed to start is
        // started again on the way back, for as long as there is patience.
        let waited = mark.tried_at.is_none_or(|at| self.now.since(at) >= START_AGAIN);
        let is_down = match self.unit.state {
            UnitState::Stopped => is_back || mark.tries < TRIES_MAX,
            UnitState::Failed => is_back,
            _ => false,
        };
        if is_down && waited {
            mark.tries += 1;
            mark.tried_at = Some(self.now);
            calls.push(UnitCall::Start { unit: id.clone() });
            return Ok(Some((format!("starting {id}"), None)));
        }
        let Some(digest) = self.want.spec.image.digest() else {
            return Err(format!("the image of {id} has no digest"));
        };
        let expected = Expected {
            digest,
            version: self.progress.versions.get(id),
            proof: &self.want.proof,
            acted: mark.tried_at.unwrap_or(mark.since),
            grace: limits.unhealthy,
        };
        match health(self.unit, expected, self.now) {
            Health::Healthy => Ok(None),
            Health::Broken(why) if !is_back => Err(why),
            Health::NotYet(why) | Health::Broken(why) if self.now.since(mark.since) > limits.wait => {
                Err(format!("not healthy within {}: {why}", limits.wait))
            }
            Health::NotYet(why) | Health::Broken(why) => Ok(Some((why, Some(mark.since.plus(limits.wait))))),
        }
    }
}
