//! Machines of release commands, as the provider in memory runs them, with the same faults as its other calls.

use std::collections::BTreeMap;

use async_trait::async_trait;

use super::manners::Fault;
use super::provider::{Provider, lock};
use super::roads::Roads;
use crate::model::{At, OneOffRun, OneOffSpec, OneOffState, Place, UnitId};
use crate::ports::{OneOffs, PortError};

/// A call that changes something.
#[derive(Debug, Clone)]
pub(super) enum RunCall {
    Prepare(Box<OneOffSpec>),
    Start(UnitId),
    Remove(UnitId),
}

impl RunCall {
    const fn title(&self) -> &'static str {
        match self {
            Self::Prepare(_) => "prepare a command",
            Self::Start(_) => "start a command",
            Self::Remove(_) => "remove a command",
        }
    }
}

/// One machine of a command.
#[derive(Debug, Clone)]
pub(super) struct Ran {
    spec: OneOffSpec,
    secrets: u64,
    made_at: At,
    started_at: Option<At>,
    /// When it is over, from its start on.
    ends_at: Option<At>,
    removed_at: Option<At>,
}

/// A command that really ran.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Executed {
    /// Where.
    pub place: Place,
    /// In words.
    pub command: Vec<String>,
    /// The content it ran with.
    pub digest: String,
    /// When.
    pub at: At,
    /// The version of the secrets it had.
    pub secrets: u64,
}

impl Provider {
    /// Every time a command began to run, in order.
    pub fn executed(&self) -> Vec<Executed> {
        let books = lock(&self.books);
        let of = |(place, ran): (&Place, &Ran)| {
            Some(Executed {
                place: place.clone(),
                command: ran.spec.job.command.clone(),
                digest: ran.spec.image.digest()?.short().to_owned(),
                at: ran.started_at?,
                secrets: ran.secrets,
            })
        };
        let all = books.runs.iter().flat_map(|(place, runs)| runs.values().map(move |ran| (place, ran)));
        let mut executed: Vec<_> = all.filter_map(of).collect();
        executed.sort_by(|a, b| (a.at, a).cmp(&(b.at, b)));
        executed
    }

    /// Machines of commands that are still there, at rest or running.
    pub fn commands_there(&self) -> usize {
        let books = lock(&self.books);
        let runs = books.runs.values().flat_map(BTreeMap::values);
        runs.filter(|ran| self.state(ran).is_some_and(|state| !matches!(state, OneOffState::Ended { .. })))
            .count()
    }

    /// What is due by now.
    pub(super) fn settle_runs(&self, now: At) {
        let due: Vec<_> = {
            let mut books = lock(&self.books);
            let (due, later) =
                std::mem::take(&mut books.late_runs).into_iter().partition(|(at, ..)| *at <= now);
            books.late_runs = later;
            due
        };
        for (_, place, call) in due {
            let _late_calls_may_be_refused = self.change_run(&place, &call);
        }
    }

    fn change_run(&self, place: &Place, call: &RunCall) -> Result<Option<UnitId>, PortError> {
        let (now, command) = (self.clock.now(), self.manners().command);
        let mut books = lock(&self.books);
        match call {
            RunCall::Prepare(spec) => {
                let secrets = books.version_of_secrets(place);
                if spec.secrets_version.is_some_and(|wanted| wanted > secrets) {
                    return Err(PortError::refused(format!("secrets are at version {secrets}")));
                }
                books.ids += 1;
                let id = UnitId::new(format!("run{:04}", books.ids)).expect("digits are a name");
                let ran = Ran {
                    spec: (**spec).clone(),
                    secrets,
                    made_at: now,
                    started_at: None,
                    ends_at: None,
                    removed_at: None,
                };
                books.runs.entry(place.clone()).or_default().insert(id.clone(), ran);
                Ok(Some(id))
            }
            RunCall::Start(id) => {
                if let Some(ran) = books.runs.get_mut(place).and_then(|runs| runs.get_mut(id))
                    && ran.removed_at.is_none()
                {
                    ran.started_at.get_or_insert(now);
                    ran.ends_at.get_or_insert(now.plus(command));
                }
                Ok(None)
            }
            RunCall::Remove(id) => {
                if let Some(ran) = books.runs.get_mut(place).and_then(|runs| runs.get_mut(id)) {
                    ran.removed_at.get_or_insert(now);
                }
                Ok(None)
            }
        }
    }

    /// How it stands; none when it was taken away before it ran.
    fn state(&self, ran: &Ran) -> Option<OneOffState> {
        let (now, manners) = (self.clock.now(), self.manners());
        let Some((started, end)) = ran.started_at.zip(ran.ends_at) else {
            return ran.removed_at.is_none().then_some(OneOffState::Resting);
        };
        if ran.removed_at.is_some_and(|removed| removed < end) {
            return Some(OneOffState::Ended { exit_code: None, why: None });
        }
        if now < end {
            return Some(OneOffState::Running { since: Some(started) });
        }
        let fails = manners.exits.iter().find(|(digest, _)| ran.spec.image.digest() == Some(digest));
        let exit_code = (!manners.forgets_exits).then(|| fails.map_or(0, |(_, code)| *code));
        Some(OneOffState::Ended { exit_code, why: None })
    }

    /// Whether a look finds it yet.
    fn is_shown(&self, ran: &Ran) -> bool {
        self.clock.now() >= ran.made_at.plus(self.manners().unshown)
    }

    async fn disturbed(&self, place: &Place, call: RunCall) -> Result<Option<UnitId>, PortError> {
        Roads::go(self.roads.as_ref(), || self.take_run(place, call)).await
    }

    fn take_run(&self, place: &Place, call: RunCall) -> Result<Option<UnitId>, PortError> {
        let dead = || PortError::ambiguous("the runner was killed here");
        let moment = match &self.switch {
            Some(switch) => Some((switch, switch.before(call.title()).ok_or_else(dead)?)),
            None => None,
        };
        self.settle();
        let (away, fault) = (self.is_away(), self.next_fault());
        let result = match fault {
            _ if away => Err(PortError::not_sent("the provider is away")),
            None => self.change_run(place, &call),
            Some(Fault::NotSent) => Err(PortError::not_sent("429 rate limit exceeded")),
            Some(Fault::Refused) => Err(PortError::refused("422 insufficient capacity")),
            Some(Fault::LostCall) => Err(PortError::ambiguous("503 before anything happened")),
            Some(Fault::LostAnswer) => {
                let _lost = self.change_run(place, &call);
                Err(PortError::ambiguous("408 after it happened"))
            }
            Some(Fault::Late(time)) => {
                let at = self.clock.now().plus(time);
                lock(&self.books).late_runs.push((at, place.clone(), call));
                Err(PortError::ambiguous("connection cut"))
            }
            Some(Fault::Twice) => {
                let first = self.change_run(place, &call);
                let _again = self.change_run(place, &call);
                first
            }
        };
        match moment {
            Some((switch, n)) if !switch.after(n) => Err(dead()),
            _ => result,
        }
    }
}

#[async_trait]
impl OneOffs for Provider {
    async fn observe_runs(&self, place: &Place) -> Result<Vec<OneOffRun>, PortError> {
        self.is_reached()?;
        self.settle();
        let books = lock(&self.books);
        let shown = |(id, ran): (&UnitId, &Ran)| {
            self.is_shown(ran).then_some(())?;
            let state = self.state(ran)?;
            let is_there = !matches!(state, OneOffState::Ended { .. });
            Some(OneOffRun { id: id.clone(), labels: ran.spec.labels.clone(), state, is_there })
        };
        Ok(books.runs.get(place).into_iter().flatten().filter_map(shown).collect())
    }

    async fn prepare(&self, place: &Place, spec: &OneOffSpec) -> Result<UnitId, PortError> {
        let made = self.disturbed(place, RunCall::Prepare(Box::new(spec.clone()))).await?;
        made.ok_or_else(|| PortError::refused("no machine was made"))
    }

    async fn start(&self, place: &Place, run: &UnitId) -> Result<(), PortError> {
        self.disturbed(place, RunCall::Start(run.clone())).await.map(drop)
    }

    async fn observe_run(&self, place: &Place, run: &UnitId) -> Result<OneOffState, PortError> {
        self.is_reached()?;
        self.settle();
        let books = lock(&self.books);
        let ran = books.runs.get(place).and_then(|runs| runs.get(run)).filter(|ran| self.is_shown(ran));
        let gone = OneOffState::Ended { exit_code: None, why: None };
        Ok(ran.and_then(|ran| self.state(ran)).unwrap_or(gone))
    }

    async fn observe_log(&self, place: &Place, run: &UnitId) -> Result<Vec<String>, PortError> {
        self.is_reached()?;
        let books = lock(&self.books);
        let ran = books.runs.get(place).and_then(|runs| runs.get(run));
        let ran = ran.filter(|ran| ran.started_at.is_some());
        Ok(ran
            .map(|ran| vec![format!("+ {}", ran.spec.job.title()), "migrated 3 tables".to_owned()])
            .unwrap_or_default())
    }

    async fn remove(&self, place: &Place, run: &UnitId) -> Result<(), PortError> {
        self.disturbed(place, RunCall::Remove(run.clone())).await.map(drop)
    }
}
