//! What a run tells while it goes on.

use serde::Serialize;

use crate::{
    redact::{Redact, Redactor},
    report::{CaseReport, TargetReport, Totals},
};

/// One thing that happened. Secrets are already taken out; as JSON an event carries its name in `event`.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Event {
    /// Files are read and cases selected; nothing was sent yet.
    RunStarted {
        /// Suites that can be read.
        suites: usize,
        /// Selected cases, a matrix that is asked for later counted once.
        cases: usize,
        /// Most cases in flight at a time.
        jobs: usize,
    },
    /// A target said who it is, or was not asked.
    TargetIdentified(TargetReport),
    /// A case's first step is about to be sent.
    CaseStarted {
        /// The suite's name.
        suite: String,
        /// The case's name.
        case: String,
    },
    /// An attempt failed for a reason that may pass, and the request will be sent again.
    RequestRepeated {
        /// The suite's name.
        suite: String,
        /// The case's name.
        case: String,
        /// The step's label.
        step: String,
        /// The attempt that failed, from 1.
        attempt: u32,
        /// Why.
        reason: String,
        /// The pause before the next attempt.
        delay_ms: u64,
    },
    /// A case has its verdict.
    CaseFinished {
        /// The suite's name.
        suite: String,
        /// The case with all details.
        case: CaseReport,
    },
    /// Everything is over; the report follows as the result.
    RunFinished {
        /// How many cases had which verdict.
        totals: Totals,
        /// Wall time of the run.
        duration_ms: u64,
    },
}

/// Who listens. Called from the task that runs [`Run::execute`](crate::Run::execute), in order; must not block.
pub trait Events: Sync {
    /// Takes one event.
    fn event(&self, event: &Event);
}

impl<F: Fn(&Event) + Sync> Events for F {
    fn event(&self, event: &Event) {
        self(event);
    }
}

/// Nobody listens.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Events for Silent {
    fn event(&self, _: &Event) {}
}

impl Redact for Event {
    fn redact(&mut self, redactor: &Redactor) {
        match self {
            Self::RunStarted { suites: _, cases: _, jobs: _ }
            | Self::RunFinished { totals: _, duration_ms: _ } => {}
            Self::TargetIdentified(target) => target.redact(redactor),
            Self::CaseStarted { suite, case } => {
                suite.redact(redactor);
                case.redact(redactor);
            }
            Self::RequestRepeated { suite, case, step, attempt: _, reason, delay_ms: _ } => {
                for text in [suite, case, step, reason] {
                    text.redact(redactor);
                }
            }
            Self::CaseFinished { suite, case } => {
                suite.redact(redactor);
                case.redact(redactor);
            }
        }
    }
}
