//! Release commands: each runs once, on a machine of its own, before any unit is touched.
//!
//! The machine is made at rest and found again by its key. Which one shall run is written down before it is started,
//! and a machine runs once in its life: whoever dies in between leaves a journal that names the one machine, so a
//! successor starts that one or none (P3). A create whose answer was lost is waited for as long as it may be under way.

use std::collections::BTreeMap;

use super::EngineError;
use super::drive::Came;
use super::locked::is_away;
use super::session::Session;
use crate::journal::{Entry, OneOffStep, OneOffView};
use crate::machine::{Event, Failure};
use crate::model::{
    At, ComponentName, ComponentTarget, Kind, Millis, OneOff, OneOffEnd, OneOffRun, OneOffSpec, OneOffState,
    PromotionId, UnitId, label,
};
use crate::ports::{PortError, PortErrorKind};
use crate::rollout::Stamp;

/// Lines of a log that are journaled.
const LINES_MAX: usize = 100;
/// Characters of one line that are journaled.
const LINE_CHARS_MAX: usize = 300;
/// Lines that stand in a failure's message.
const LINES_TOLD: usize = 5;
/// Looks for lines that have not arrived yet.
const LOG_LOOKS: u32 = 5;

/// What one look at a command came to.
enum Step {
    /// The journal moved on: look at it again at once.
    Again,
    /// Nothing to do but wait.
    Wait,
    /// The provider could not be asked.
    Away(String),
    /// It cannot run.
    Failed(String),
}

fn away(error: PortError) -> Step {
    if is_away(&error) { Step::Away(error.message) } else { Step::Failed(error.message) }
}

/// The same for every try: what a command's machines are found by.
fn key(promotion: &PromotionId, component: &ComponentName) -> String {
    format!("{promotion}/{component}/release-command")
}

impl Session<'_> {
    /// Runs what has to run before the first change. None when all of it ended well.
    pub(super) async fn run_release_commands(&mut self, stamp: &Stamp) -> Result<Option<Came>, EngineError> {
        if matches!(self.view().state.facts.request.kind, Kind::Rollback { .. } | Kind::Adopt | Kind::Repair)
        {
            return Ok(None);
        }
        for target in self.targets() {
            let Some(job) = &target.release_command else { continue };
            if let Some(came) = self.run_once(&target, job, stamp).await? {
                return Ok(Some(came));
            }
        }
        Ok(None)
    }

    async fn run_once(
        &mut self,
        target: &ComponentTarget,
        job: &OneOff,
        stamp: &Stamp,
    ) -> Result<Option<Came>, EngineError> {
        let (phase, name) = (self.phase(), target.place.component.clone());
        let failed = |why| {
            Some(Came::Event(Event::Failed(Failure { component: Some(name.clone()), suite: None, why })))
        };
        let mut looks_failed = 0;
        // Whether the last create certainly did not happen.
        let mut is_free = false;
        loop {
            if self.must_yield(phase).await? {
                return Ok(Some(Came::Yield));
            }
            let known = self.view().one_offs.get(&name).cloned();
            let step = match known {
                Some(OneOffView { ended: Some(end), .. }) => {
                    return Ok(bad_end(target, job, &end).and_then(failed));
                }
                Some(OneOffView { run: Some((run, since)), .. }) => {
                    self.follow(target, job, &run, since).await?
                }
                other => {
                    self.begin(target, job, stamp, other.map(|view| view.meant_at), &mut is_free).await?
                }
            };
            match step {
                Step::Again => looks_failed = 0,
                Step::Wait => {
                    looks_failed = 0;
                    self.pause(None).await?;
                }
                Step::Away(why) => {
                    looks_failed += 1;
                    if looks_failed > self.engine.options.looks_failed_max {
                        return Ok(Some(Came::errored(why)));
                    }
                    self.pause(None).await?;
                }
                Step::Failed(why) => return Ok(failed(format!("`{}` of `{name}`: {why}", job.title()))),
            }
        }
    }

    /// Finds the command's machine, or makes one.
    async fn begin(
        &mut self,
        target: &ComponentTarget,
        job: &OneOff,
        stamp: &Stamp,
        meant_at: Option<At>,
        is_free: &mut bool,
    ) -> Result<Step, EngineError> {
        let (port, place, component) =
            (self.engine.ports.one_offs.clone(), &target.place, &target.place.component);
        let key = key(&self.id, component);
        let runs = match port.observe_runs(place).await {
            Ok(runs) => runs,
            Err(error) => return Ok(away(error)),
        };
        let (ours, others): (Vec<_>, Vec<_>) = runs.into_iter().partition(|run| run.key() == Some(&key));
        if let Some(first) = ours.first() {
            return self.choose(component, first.id.clone()).await;
        }
        self.remove_left(target, &others, stamp).await?;
        let landed = meant_at.map(|meant| meant.plus(target.limits.unseen()));
        let may_land = landed.is_some_and(|landed| self.now() < landed) && !*is_free;
        if may_land && !cfg!(feature = "sabotage-p3") {
            return Ok(Step::Wait);
        }
        let step = OneOffStep::Meant { key: key.clone() };
        self.append(vec![Entry::OneOff { component: component.clone(), step }]).await?;
        *is_free = false;
        let spec = OneOffSpec {
            job: job.clone(),
            image: target.image.clone(),
            secrets_version: target.secrets.version,
            labels: labels(stamp, target, key),
        };
        // Asleep since the append, perhaps for long: a runner that lost the environment makes no machine.
        self.keep_lease().await?;
        match self.keeping(port.prepare(place, &spec)).await? {
            Ok(run) => self.choose(component, run).await,
            Err(error) if error.kind == PortErrorKind::Ambiguous => Ok(Step::Wait),
            Err(error) => {
                *is_free = error.kind == PortErrorKind::NotSent;
                Ok(away(error))
            }
        }
    }

    /// From here on this machine is the one, whoever goes on.
    async fn choose(&mut self, component: &ComponentName, run: UnitId) -> Result<Step, EngineError> {
        let step = OneOffStep::Chosen { run };
        self.append(vec![Entry::OneOff { component: component.clone(), step }]).await?;
        Ok(Step::Again)
    }

    /// Takes away what earlier promotions of this store left in this environment; nothing else is ours (P10).
    async fn remove_left(
        &mut self,
        target: &ComponentTarget,
        others: &[OneOffRun],
        stamp: &Stamp,
    ) -> Result<(), EngineError> {
        let is_ours = |run: &&OneOffRun| {
            let has = |key: &str, value: &str| run.labels.get(key).is_some_and(|is| is == value);
            run.is_there
                && has(label::STORE, stamp.store.as_str())
                && has(label::ENVIRONMENT, stamp.environment.as_str())
        };
        let port = self.engine.ports.one_offs.clone();
        for left in others.iter().filter(is_ours) {
            self.keep_lease().await?;
            let came = match self.keeping(port.remove(&target.place, &left.id)).await? {
                Ok(()) => format!("took away {}, which an earlier release command left", left.id),
                Err(error) => format!("{}, which an earlier release command left, stays: {error}", left.id),
            };
            self.note(format!("{}: {came}", target.place.component));
        }
        Ok(())
    }

    /// Starts the chosen machine, and waits until its command has ended.
    async fn follow(
        &mut self,
        target: &ComponentTarget,
        job: &OneOff,
        run: &UnitId,
        chosen_at: At,
    ) -> Result<Step, EngineError> {
        let (port, place) = (self.engine.ports.one_offs.clone(), &target.place);
        let state = match port.observe_run(place, run).await {
            Ok(state) => state,
            Err(error) => return Ok(away(error)),
        };
        let young = self.now().since(chosen_at) < target.limits.list_lag;
        match state {
            // A machine that was just made may not be shown yet: that is no end (fly.md 1.6).
            OneOffState::Ended { exit_code: None, why: None } if young => Ok(Step::Wait),
            OneOffState::Ended { exit_code, why } => self.ended(target, job, run, exit_code, why).await,
            OneOffState::Coming => Ok(Step::Wait),
            // However long nobody was there to start it: its time has not begun.
            OneOffState::Resting => {
                // Nor has it where the provider does not tell when it began: then it counts from the choice.
                let late = |time: &Millis| self.now().since(chosen_at) >= Millis(time.0 / 2);
                if job.timeout.as_ref().is_some_and(late) {
                    return self.choose(&place.component, run.clone()).await;
                }
                self.keep_lease().await?;
                match self.keeping(port.start(place, run)).await? {
                    Ok(()) => {
                        self.note(format!("{}: `{}` runs on {run}", place.component, job.title()));
                        Ok(Step::Wait)
                    }
                    // It may have begun: the next look shows.
                    Err(error) if is_away(&error) => Ok(Step::Wait),
                    Err(error) => Ok(Step::Failed(error.message)),
                }
            }
            OneOffState::Running { since } => {
                let since = since.unwrap_or(chosen_at);
                let Some(time) = job.timeout.filter(|time| self.now().since(since) >= *time) else {
                    return Ok(Step::Wait);
                };
                if let Err(error) = self.keeping(port.remove(place, run)).await? {
                    return Ok(away(error));
                }
                let why = format!("it did not end within {time}, and was ended");
                self.ended(target, job, run, None, Some(why)).await
            }
        }
    }

    /// Writes down how it ended, with what it said.
    async fn ended(
        &mut self,
        target: &ComponentTarget,
        job: &OneOff,
        run: &UnitId,
        exit_code: Option<i64>,
        why: Option<String>,
    ) -> Result<Step, EngineError> {
        let component = target.place.component.clone();
        let log = self.last_lines(target, run).await?;
        for line in &log {
            self.note(format!("{component} | {line}"));
        }
        if exit_code == Some(0) {
            self.note(format!("{component}: `{}` ended well", job.title()));
        }
        self.remove_rest(target).await?;
        let step = OneOffStep::Ended(OneOffEnd { run: run.clone(), exit_code, why, log });
        self.append(vec![Entry::OneOff { component, step }]).await?;
        Ok(Step::Again)
    }

    /// Takes away what is left of a command that is over: what landed twice and never ran, and what could not start. The
    /// next promotion finds what cannot be taken away now.
    async fn remove_rest(&mut self, target: &ComponentTarget) -> Result<(), EngineError> {
        let (port, key) = (self.engine.ports.one_offs.clone(), key(&self.id, &target.place.component));
        let Ok(runs) = port.observe_runs(&target.place).await else { return Ok(()) };
        let is_left = |it: &&OneOffRun| it.key() == Some(&key) && it.is_there;
        for left in runs.iter().filter(is_left) {
            self.keep_lease().await?;
            let _stays_for_now = self.keeping(port.remove(&target.place, &left.id)).await?;
        }
        Ok(())
    }

    /// The end of the log. Lines arrive late, and their absence must not keep a promotion.
    async fn last_lines(
        &mut self,
        target: &ComponentTarget,
        run: &UnitId,
    ) -> Result<Vec<String>, EngineError> {
        let port = self.engine.ports.one_offs.clone();
        let mut problem = None;
        for _ in 0..LOG_LOOKS {
            match self.keeping(port.observe_log(&target.place, run)).await? {
                Ok(mut lines) if !lines.is_empty() => {
                    let lines = lines.split_off(lines.len().saturating_sub(LINES_MAX));
                    return Ok(lines
                        .iter()
                        .map(|line| line.chars().take(LINE_CHARS_MAX).collect())
                        .collect());
                }
                Ok(_) => {}
                Err(error) => problem = Some(error.message),
            }
            self.pause(None).await?;
        }
        Ok(problem.map(|why| format!("(its log could not be read: {why})")).into_iter().collect())
    }

    /// When everything is deployed and proven. What cannot be taken away now never ran, and is no reason to put a release
    /// back: the next promotion finds it. None when it may go on.
    pub(super) async fn clear_release_commands(&mut self) -> Result<Option<Came>, EngineError> {
        match self.end_release_commands(true).await? {
            Some(Came::Event(Event::Errored { why })) => {
                self.note(format!("a machine of a release command stays: {why}"));
                Ok(None)
            }
            came => Ok(came),
        }
    }

    /// Nothing of a command stays, nor may one run on. Before anything is final, what appears late goes as well: a
    /// machine whose making was never answered may do so until the client's own timeout, and an old list may hide it for
    /// longer (P3). None when all are gone.
    pub(super) async fn end_release_commands(&mut self, is_final: bool) -> Result<Option<Came>, EngineError> {
        for target in self.targets() {
            if let Some(view) = self.view().one_offs.get(&target.place.component).cloned()
                && let Some(came) = self.end_one(&target, &view, is_final).await?
            {
                return Ok(Some(came));
            }
        }
        Ok(None)
    }

    async fn end_one(
        &mut self,
        target: &ComponentTarget,
        view: &OneOffView,
        is_final: bool,
    ) -> Result<Option<Came>, EngineError> {
        let (phase, port, component) =
            (self.phase(), self.engine.ports.one_offs.clone(), target.place.component.clone());
        let key = key(&self.id, &component);
        let landed = view.meant_at.plus(target.limits.unseen());
        let mut tries = 0;
        loop {
            if self.must_yield(phase).await? {
                return Ok(Some(Came::Yield));
            }
            let mut problem = None;
            match port.observe_runs(&target.place).await {
                Ok(runs) => {
                    let there: Vec<_> =
                        runs.iter().filter(|run| run.key() == Some(&key) && run.is_there).collect();
                    // One whose making was never answered may still appear, also beside the one that ran.
                    let is_over = !is_final || self.now() >= landed || cfg!(feature = "sabotage-p3");
                    if there.is_empty() && is_over {
                        break;
                    }
                    for run in there {
                        self.keep_lease().await?;
                        problem = self.keeping(port.remove(&target.place, &run.id)).await?.err().or(problem);
                    }
                }
                Err(error) => problem = Some(error),
            }
            if let Some(error) = problem {
                tries += 1;
                if tries > self.engine.options.looks_failed_max {
                    return Ok(Some(Came::errored(error.message)));
                }
            }
            self.pause(None).await?;
        }
        if let (Some((run, _)), None) = (&view.run, &view.ended) {
            let why = Some("it was ended before it was known how it ends".to_owned());
            let end = OneOffEnd { run: run.clone(), exit_code: None, why, log: Vec::new() };
            self.append(vec![Entry::OneOff { component, step: OneOffStep::Ended(end) }]).await?;
        }
        Ok(None)
    }
}

/// Whose it is. Not the label of what a promotion makes: no rollout shall take it for one of its units.
fn labels(stamp: &Stamp, target: &ComponentTarget, key: String) -> BTreeMap<String, String> {
    let mut labels = stamp.labels(target);
    labels.remove(label::PROMOTION);
    labels.insert(label::ONE_OFF.to_owned(), key);
    labels
}

/// Why an end is none that a promotion goes on from.
fn bad_end(target: &ComponentTarget, job: &OneOff, end: &OneOffEnd) -> Option<String> {
    let (title, component) = (job.title(), &target.place.component);
    let what = match (end.exit_code, &end.why) {
        (Some(0), _) => return None,
        (Some(code), None) => format!("`{title}` of `{component}` ended with exit code {code}"),
        (Some(code), Some(why)) => format!("`{title}` of `{component}` ended with exit code {code}: {why}"),
        (None, Some(why)) => format!("`{title}` of `{component}`: {why}"),
        (None, None) => format!(
            "nobody knows how `{title}` of `{component}` ended: {} is gone without a word. Look at what it did before \
             you start again, for then it runs again",
            end.run
        ),
    };
    let lines = &end.log[end.log.len().saturating_sub(LINES_TOLD)..];
    let said = match lines.is_empty() {
        true => String::new(),
        false => format!("; it said: {}", lines.join(" / ")),
    };
    Some(format!("{what}; no machine of the app was touched{said}"))
}
