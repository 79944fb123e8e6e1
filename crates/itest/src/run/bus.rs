//! The one way out: everything that a run says passes here and loses its secrets.

use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::Value;

use crate::{
    event::{Event, Events},
    redact::{Redact, Redactor, SHORTEST},
    report::{CaseReport, TargetReport},
};

pub(super) struct Bus<'a> {
    events: &'a dyn Events,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    redactor: Redactor,
    warnings: Vec<String>,
}

impl<'a> Bus<'a> {
    pub(super) fn new(events: &'a dyn Events) -> Self {
        Self { events, state: Mutex::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hides a value from now on.
    pub(super) fn learn(&self, name: &str, value: &Value) {
        let mut state = self.state();
        if !state.redactor.learn(value) {
            let warning =
                format!("the secret `{name}` is shorter than {SHORTEST} characters and is not hidden");
            if !state.warnings.contains(&warning) {
                state.warnings.push(warning);
            }
        }
    }

    pub(super) fn redact(&self, value: &mut impl Redact) {
        value.redact(&self.state().redactor);
    }

    pub(super) fn warnings(&self) -> Vec<String> {
        self.state().warnings.clone()
    }

    pub(super) fn tell(&self, mut event: Event) {
        self.redact(&mut event);
        self.events.event(&event);
    }

    /// Tells a case's end and returns what may be kept of it.
    pub(super) fn tell_case(&self, suite: &str, mut case: CaseReport) -> CaseReport {
        self.redact(&mut case);
        case.bound();
        self.tell(Event::CaseFinished { suite: suite.to_owned(), case: case.clone() });
        case
    }

    /// Tells who answered at a target and returns what may be kept of it.
    pub(super) fn tell_target(&self, mut target: TargetReport) -> TargetReport {
        self.redact(&mut target);
        target.bound();
        self.tell(Event::TargetIdentified(target.clone()));
        target
    }
}
