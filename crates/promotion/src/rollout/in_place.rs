//! Changing units in place: out of traffic, drained, updated, proven, back into traffic.

use super::call::{Direction, Job, UnitCall};
use super::fill::START_AGAIN;
use super::health::{Expected, Health, Running, health};
use super::pool::{Pool, on_trial};
use super::progress::{Mark, Progress, Turn};
use super::role::Want;
use super::seen::Seen;
use super::watch::{must_be_well, watch};
use crate::model::{At, Strategy, Unit, UnitId, UnitState};

/// How often an update whose answer was lost is sent again before the rollout gives up.
const TRIES_MAX: u32 = 3;

/// What a look at the units in place gave.
pub(super) enum Looked {
    Through,
    Going { why: String, wake: Option<At> },
    Failed(String),
}

/// What is waited for; the earliest instant at which time alone changes something.
#[derive(Default)]
struct Waits {
    why: String,
    wake: Option<At>,
    /// When the first and the last of those are settled that only have to be heard of.
    settled: Option<(At, At)>,
    /// Somebody has no turn yet, and begins as soon as another is through.
    is_awaited: bool,
    n_units: usize,
}

impl Waits {
    fn add(&mut self, why: String, wake: Option<At>) {
        self.n_units += 1;
        if self.n_units == 1 {
            self.why = why;
        }
        self.wake = match (self.wake, wake) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
    }

    /// A unit that only has to be heard of: before all are, that is news only to who waits for its place.
    fn settle(&mut self, why: String, at: At) {
        self.add(why, None);
        let (first, last) = self.settled.unwrap_or((at, at));
        self.settled = Some((first.min(at), last.max(at)));
    }

    /// Something that is waited for without a turn.
    fn mention(&mut self, why: String, wake: Option<At>) {
        let n_units = self.n_units;
        self.add(why, wake);
        self.n_units = n_units;
    }

    fn looked(self) -> Looked {
        let Self { why, wake, settled, is_awaited, n_units } = self;
        let settled = settled.map(|(first, last)| if is_awaited { first } else { last });
        let wake = wake.into_iter().chain(settled).min();
        let why = if n_units > 1 { format!("{n_units} units at once; {why}") } else { why };
        Looked::Going { why, wake }
    }
}

/// Moves every unit of `wants` on by what can be done now. Whoever has a turn goes on with it; then others begin theirs,
/// as far as the pool lets them.
pub(super) fn look<'a>(
    job: Job<'a>,
    wants: &[Want<'a>],
    seen: &Seen<'a>,
    progress: &mut Progress,
    calls: &mut Vec<UnitCall>,
    now: At,
) -> Looked {
    let mut round = Round { job, wants, seen, progress, calls, waits: Waits::default(), now };
    match round.play() {
        Err(why) => Looked::Failed(why),
        Ok(true) => Looked::Through,
        Ok(false) => round.waits.looked(),
    }
}

/// One look at all units in place.
struct Round<'r, 'a> {
    job: Job<'a>,
    wants: &'r [Want<'a>],
    seen: &'r Seen<'a>,
    progress: &'r mut Progress,
    calls: &'r mut Vec<UnitCall>,
    waits: Waits,
    now: At,
}

/// Somebody who has no turn yet.
type Waiting<'r, 'a> = Vec<(&'r Want<'a>, &'a Unit)>;

/// Why, and until when at least.
type Hold = Option<(String, Option<At>)>;

impl<'r, 'a> Round<'r, 'a> {
    /// Whether all are through.
    fn play(&mut self) -> Result<bool, String> {
        let reopened = self.closed_again();
        let mut waiting = Vec::new();
        for want in self.wants {
            let turn = self.progress.marks.get(want.unit).map(|mark| mark.turn);
            let unit = self.seen.unit(want.unit).ok_or_else(|| format!("unit {} is gone", want.unit))?;
            if turn == Some(Turn::Through) {
                continue;
            }
            if turn.is_some() {
                self.advance(want, unit)?;
            } else {
                waiting.push((want, unit));
            }
        }
        // Whoever came through in this very look makes room for the next, and must be in traffic and healthy for that.
        let reopened = reopened.or_else(|| self.closed_again());
        let hold = self.hold(reopened)?;
        let mut pool = Pool::new(self.job, self.wants, self.seen, self.progress);
        if waiting.is_empty() {
            return Ok(self.waits.n_units == 0);
        }
        self.waits.is_awaited = true;
        match hold.or_else(|| self.trial(&mut waiting)) {
            Some((why, wake)) => self.waits.mention(why, wake),
            None => {
                for (want, unit) in self.chosen(&waiting, &mut pool) {
                    self.advance(want, unit)?;
                }
            }
        }
        Ok(false)
    }

    /// Who of those that wait begins now.
    fn chosen(&mut self, waiting: &Waiting<'r, 'a>, pool: &mut Pool<'a>) -> Waiting<'r, 'a> {
        let (now, wants) = (self.now, self.wants);
        let mut closing = self.progress.closing_late(self.seen, self.job.target.limits.unseen());
        closing.retain(|(id, until)| now < *until && wants.iter().any(|want| want.unit == *id));
        let mut begin = Vec::new();
        for (want, unit) in waiting {
            // On the strength of another that a lost call may still close nobody is taken out of traffic.
            let late = closing.iter().filter(|(id, _)| *id != want.unit);
            if let Some(until) = late.map(|(_, until)| *until).max() {
                let why = "a call whose answer was lost may still close another";
                self.waits.mention(why.to_owned(), Some(until));
                return begin;
            }
            if pool.begin(want, unit) {
                begin.push((*want, *unit));
            }
        }
        // Where the one that has to be left cannot be had by waiting, there is nothing to wait for.
        for (want, unit) in waiting {
            if pool.is_idle(want.role.shape.group) {
                pool.take(want, unit);
                begin.push((*want, *unit));
            }
        }
        begin
    }

    /// Why nobody else may begin now; an error where it is so for longer than it may.
    fn hold(&mut self, reopened: Option<UnitId>) -> Result<Hold, String> {
        if let Some(id) = reopened {
            let why = format!("{id} was taken out of traffic late: it goes back first");
            return Ok(Some((why, Some(self.now))));
        }
        match (self.faded(), self.job.direction) {
            // Whoever was put back and blinks is waited for: the next one may be all that answers meanwhile (P7).
            (Some((why, false)), _) => Ok(Some((why, None))),
            // What comes next is worse than what was put back.
            (_, Direction::Back) => Ok(None),
            (Some((why, true)), Direction::Forward) => Err(why),
            (None, Direction::Forward) if self.progress.sick.is_empty() => Ok(None),
            (None, Direction::Forward) => {
                Ok(Some(("units that came before are not healthy any more".to_owned(), None)))
            }
        }
    }

    /// The trial of a canary: who is not on trial waits until those who are have served for long enough.
    fn trial(&mut self, waiting: &mut Waiting<'r, 'a>) -> Hold {
        if self.job.target.strategy != Strategy::Canary || self.job.direction == Direction::Back {
            return None;
        }
        let on_trial = on_trial(self.wants);
        let marks = &self.progress.marks;
        let is_through = |unit: &&UnitId| marks.get(*unit).is_some_and(|mark| mark.turn == Turn::Through);
        if on_trial.is_empty() {
            return None;
        }
        if !on_trial.iter().all(is_through) {
            waiting.retain(|(want, _)| on_trial.contains(want.unit));
            let why = "the units on trial change before any other";
            return waiting.is_empty().then(|| (why.to_owned(), None));
        }
        let bake = self.job.target.limits.bake;
        let until = self.progress.bake.get_or_insert(self.now).plus(bake);
        let units = if on_trial.len() == 1 { "unit serves" } else { "units serve" };
        (self.now < until).then(|| (format!("{} {units} on trial for {bake}", on_trial.len()), Some(until)))
    }

    fn advance(&mut self, want: &'r Want<'a>, unit: &'a Unit) -> Result<(), String> {
        let job = self.job;
        let at_once = job.target.strategy == Strategy::Immediate;
        // What is not changed needs no draining.
        let is_out = job.direction == Direction::Back && unit.cordoned && want.is_met(unit, self.seen);
        let at_once_too = at_once && want.role.duty.runs() == want.role.duty.proves();
        let begin = if at_once_too || is_out { Turn::Updating } else { Turn::Closing };
        let fresh = Mark { turn: begin, since: self.now, tries: 0, tried_at: None, unsent: false };
        let mut mark = self.progress.marks.get(want.unit).cloned().unwrap_or(fresh);
        let turn = UnitTurn { job, want, unit, seen: self.seen, progress: self.progress, now: self.now };
        let (why, wake) = turn.advance(&mut mark, self.calls)?;
        match (mark.turn, wake) {
            (Turn::Through, _) => {}
            (Turn::SettlingIn, Some(at)) => self.waits.settle(why, at),
            _ => self.waits.add(why, wake),
        }
        self.progress.marks.insert(want.unit.clone(), mark);
        Ok(())
    }

    /// A unit that is through and was taken out of traffic once more, by a call that took effect late: its turn goes back
    /// to where it is opened.
    fn closed_again(&mut self) -> Option<UnitId> {
        let (seen, marks) = (self.seen, &self.progress.marks);
        let is_closed = |want: &&Want<'_>| {
            let through = marks.get(want.unit).is_some_and(|mark| mark.turn == Turn::Through);
            let serves = want.role.open && want.role.duty.runs();
            through && serves && seen.unit(want.unit).is_some_and(|unit| unit.cordoned)
        };
        let id = self.wants.iter().find(is_closed)?.unit.clone();
        let mark = self.progress.marks.get_mut(&id)?;
        (mark.turn, mark.since) = (Turn::Opening, self.now);
        Some(id)
    }

    /// Why no further unit may be taken out of traffic: one that is through, and must answer meanwhile, is not healthy
    /// any more (P7); and whether that is so for longer than it may.
    fn faded(&mut self) -> Option<(String, bool)> {
        let limits = &self.job.target.limits;
        let mut faded: Option<(String, bool)> = None;
        for want in self.wants.iter().filter(|want| want.role.open) {
            let Some(mark) = self.progress.marks.get(want.unit) else { continue };
            let (Some(unit), Some(digest)) = (self.seen.unit(want.unit), want.role.shape.image.digest())
            else {
                continue;
            };
            // The way back does not wait for one that was found asleep.
            let is_meant = match self.job.direction {
                Direction::Forward => must_be_well(unit, &want.role, &self.progress.sick),
                Direction::Back => want.role.duty.runs(),
            };
            if mark.turn != Turn::Through || !is_meant {
                continue;
            }
            let version = self.progress.versions.get(want.unit).filter(|_| unit.is_asleep());
            let (proof, acted, grace) = (&want.role.proof, mark.since, limits.unhealthy);
            let expected = Expected { digest, version, proof, acted, grace, running: Running::Proven };
            if let Err(ill) = watch(&mut self.progress.sick, unit, &want.role, expected, limits, self.now) {
                if ill.is_over || faded.is_none() {
                    faded = Some((format!("it served and is unhealthy: {}", ill.why), ill.is_over));
                }
                if ill.is_over {
                    break;
                }
            }
        }
        faded
    }
}

struct UnitTurn<'a> {
    job: Job<'a>,
    want: &'a Want<'a>,
    unit: &'a Unit,
    seen: &'a Seen<'a>,
    progress: &'a Progress,
    now: At,
}

type Advanced = Result<(String, Option<At>), String>;

impl UnitTurn<'_> {
    fn advance(&self, mark: &mut Mark, calls: &mut Vec<UnitCall>) -> Advanced {
        let limits = &self.job.target.limits;
        let id = &self.unit.id;
        loop {
            let next = match mark.turn {
                Turn::Closing | Turn::Opening if self.now.since(mark.since) > limits.wait => {
                    return Err(format!(
                        "unit {id} would not be moved in or out of traffic within {}",
                        limits.wait
                    ));
                }
                Turn::Closing if !self.unit.cordoned && (self.is_up_or_shall_be() || self.sleeps()) => {
                    calls.push(UnitCall::Cordon { unit: id.clone() });
                    return Ok((format!("taking {id} out of traffic"), None));
                }
                // Whatever is routed to could be woken by a request, and be replaced under it: the edges must hear of the
                // cordon there too.
                Turn::Closing if !self.is_routed_to() => Turn::Updating,
                Turn::Closing => Turn::SettlingOut,
                // A call whose answer was lost, or somebody else, put it into traffic once more.
                Turn::SettlingOut | Turn::Draining if !self.unit.cordoned && self.is_routed_to() => {
                    Turn::Closing
                }
                Turn::SettlingOut => {
                    let settled = mark.since.plus(limits.settle);
                    if self.now < settled {
                        // Where nobody counts its requests there is nothing to see before it has drained, too.
                        let is_blind = self.serves() && self.unit.concurrency.is_none();
                        let wake = if is_blind { settled.plus(limits.drain) } else { settled };
                        return Ok((format!("edges forget {id}"), Some(wake)));
                    }
                    (mark.turn, mark.since) = (Turn::Draining, settled);
                    continue;
                }
                Turn::Draining => {
                    let wake = mark.since.plus(limits.drain);
                    if self.now < wake && self.serves() && self.unit.concurrency != Some(0) {
                        return Ok((format!("{id} drains"), Some(wake)));
                    }
                    let late = self.progress.opens_late(id, limits.unseen());
                    if let Some(until) = late.filter(|until| self.now < *until && self.is_routed_to()) {
                        let why = format!("a call whose answer was lost may still put {id} into traffic");
                        return Ok((why, Some(until)));
                    }
                    Turn::Updating
                }
                Turn::Updating => match self.update(mark, calls)? {
                    Some(waiting) => return Ok(waiting),
                    None if !self.want.role.duty.runs() => Turn::Stopping,
                    None => Turn::Opening,
                },
                Turn::Stopping => match self.stop(mark, calls)? {
                    Some(waiting) => return Ok(waiting),
                    // What was never taken out of traffic is no news to anybody.
                    None if !(self.unit.cordoned && self.want.role.open) => Turn::Through,
                    None => Turn::Opening,
                },
                Turn::Opening if self.unit.cordoned && self.want.role.open => {
                    let late = self.progress.ends_late(self.unit, limits.unseen());
                    if let Some(until) = late.filter(|until| self.now < *until) {
                        return Ok((format!("a call whose answer was lost may still end {id}"), Some(until)));
                    }
                    calls.push(UnitCall::Uncordon { unit: id.clone() });
                    return Ok((format!("putting {id} into traffic"), None));
                }
                Turn::Opening => Turn::SettlingIn,
                Turn::SettlingIn => {
                    let wake = mark.since.plus(limits.settle);
                    if self.now < wake && self.want.role.open {
                        return Ok((format!("edges hear of {id}"), Some(wake)));
                    }
                    Turn::Through
                }
                Turn::Through => return Ok((format!("{id} is through"), None)),
            };
            mark.turn = next;
            // What edges hear of they hear from when the call was accepted, however late a look shows it.
            let heard = match next {
                Turn::SettlingOut => self.progress.accepted(id, true),
                Turn::SettlingIn => self.progress.accepted(id, false),
                _ => None,
            };
            mark.since = heard.map_or(self.now, |at| at.min(self.now));
        }
    }

    /// Stops what was started only to be proven, and what an update left running that was found stopped.
    fn stop(&self, mark: &Mark, calls: &mut Vec<UnitCall>) -> Result<Option<(String, Option<At>)>, String> {
        let id = &self.unit.id;
        match self.unit.state {
            UnitState::Stopped | UnitState::Failed | UnitState::Destroyed => return Ok(None),
            UnitState::Unknown if !self.want.role.duty.proves() => return Ok(None),
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

    fn is_up_or_shall_be(&self) -> bool {
        self.serves() || self.want.role.duty.proves()
    }

    /// Whether a request would wake it, were it sent one: only its provider starts what stands by (fly.md 2.3).
    fn sleeps(&self) -> bool {
        let lies = matches!(self.unit.state, UnitState::Stopped | UnitState::Stopping);
        lies && self.want.role.shape.standby_for.is_empty()
    }

    /// Whether edges may send requests to it until they have heard of its cordon.
    fn is_routed_to(&self) -> bool {
        self.serves() || self.want.role.open && (self.want.role.duty.proves() || self.sleeps())
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
        let settled = mark.tried_at.is_some_and(|at| self.now >= at.plus(limits.unseen()));
        let is_sent = mark.tries > 0 && answered && !(is_back && settled && self.is_at_rest());
        if !is_sent && !self.want.is_met(self.unit, self.seen) {
            if let Some(tried) = mark.tried_at {
                let (pause, why) = match mark.unsent {
                    true => (START_AGAIN, format!("{id} could not be updated just now")),
                    false => (limits.unseen(), format!("the answer for {id} was lost: it may still land")),
                };
                let wake = tried.plus(pause);
                if self.now < wake {
                    return Ok(Some((why, Some(wake))));
                }
                if mark.unsent && self.now.since(mark.since) > limits.wait {
                    return Err(format!("unit {id} could not be updated within {}", limits.wait));
                }
                if mark.tries >= TRIES_MAX && !mark.unsent {
                    return Err(format!("unit {id} took none of {TRIES_MAX} updates"));
                }
            }
            // What never arrived is no try of its own, and has no time of its own.
            if !mark.unsent {
                mark.tries += 1;
                mark.since = self.now;
            }
            (mark.unsent, mark.tried_at) = (false, Some(self.now));
            calls.push(UnitCall::Update {
                unit: id.clone(),
                expect: self.unit.version.clone(),
                spec: self.want.role.shape.spec(self.seen),
                labels: self.want.role.labels.changes(self.unit),
                start: self.want.role.duty.proves(),
            });
            return Ok(Some((format!("updating {id}"), None)));
        }
        if !self.want.role.duty.proves() {
            return Ok(None);
        }
        // It is what it shall be and lies still: whoever updated it died before it was started. What failed to start is
        // started again on the way back, for as long as there is patience.
        let waited = mark.tried_at.is_none_or(|at| self.now.since(at) >= START_AGAIN);
        let is_down = match self.unit.state {
            // To fall asleep is no failure: it is started for as long as any unit may take to come up.
            UnitState::Stopped if self.unit.is_asleep() && !is_back => {
                self.now.since(mark.since) <= limits.wait
            }
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
        let Some(digest) = self.want.role.shape.image.digest() else {
            return Err(format!("the image of {id} has no digest"));
        };
        let expected = Expected {
            digest,
            version: self.progress.versions.get(id),
            proof: &self.want.role.proof,
            acted: mark.tried_at.unwrap_or(mark.since),
            grace: limits.unhealthy,
            running: self.progress.running(self.unit),
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
