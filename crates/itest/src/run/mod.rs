//! Running suites.

mod bus;
mod case;
mod identities;
mod matrix;
mod outgoing;
mod plan;
mod retry;
mod session;

use std::{collections::BTreeMap, future::Future, time::Duration};

pub use self::retry::RetryPolicy;
use crate::{
    event::Events,
    report::Report,
    suite::{Suite, problem::Problems},
    target::Target,
    variables::Variables,
};

/// What to run, where and within which limits.
#[derive(Debug, Clone, Default)]
pub struct Run {
    /// Every file, readable or not: what [`Suite::parse`] returned. The report keeps this order.
    pub suites: Vec<Result<Suite, Problems>>,
    /// The targets by the names that suites use.
    pub targets: BTreeMap<String, Target>,
    /// Which cases.
    pub filter: Filter,
    /// Bounds that a suite does not set itself.
    pub limits: Limits,
    /// Values for the suites' inputs; they win over a suite's own variables.
    pub variables: Variables,
    /// Names of variables whose values are secret, beside those that the suites name.
    pub secrets: Vec<String>,
    /// Whether a case that passed only when repeated counts against the run.
    pub fail_on_flaky: bool,
}

/// Which cases to run; the default is all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// The case or its suite has one of these tags; empty is no condition.
    pub tags: Vec<String>,
    /// A part of `suite::case`.
    pub name: Option<String>,
}

/// Bounds of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Most cases, and so requests, in flight at a time, at least 1. Waiting for a network is no work for a
    /// processor, so this has nothing to do with the number of cores.
    pub jobs: usize,
    /// Until an answer is complete, for steps that set none.
    pub step_timeout: Duration,
    /// Until a connection stands.
    pub connect_timeout: Duration,
    /// From a suite's first request to its last verdict, for suites that set none.
    pub suite_deadline: Duration,
    /// The largest body, in bytes, that is read.
    pub body_bytes_max: usize,
    /// What is repeated, for suites that say nothing.
    pub retry: RetryPolicy,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            jobs: 32,
            step_timeout: Duration::from_secs(10),
            connect_timeout: Duration::from_secs(5),
            suite_deadline: Duration::from_secs(600),
            body_bytes_max: 8 * 1024 * 1024,
            retry: RetryPolicy::default(),
        }
    }
}

impl Run {
    /// Runs everything and reports. Needs a tokio runtime with time and IO.
    ///
    /// Identities first, then lists of matrices, then the cases. Dropping the future stops the run without a
    /// report; to stop with one, use [`Run::execute_until`].
    pub async fn execute(&self, events: &dyn Events) -> Report {
        self.execute_until(events, std::future::pending()).await
    }

    /// As [`Run::execute`], but what is unfinished when `stop` is ready is given up and reported as not run.
    pub async fn execute_until(&self, events: &dyn Events, stop: impl Future<Output = ()> + Send) -> Report {
        session::Session::new(self, events).report(stop).await
    }
}

impl Filter {
    fn takes_tags<'t>(&self, mut tags: impl Iterator<Item = &'t String>) -> bool {
        self.tags.is_empty() || tags.any(|tag| self.tags.contains(tag))
    }

    fn takes_name(&self, suite: &str, case: &str) -> bool {
        self.name.as_ref().is_none_or(|part| format!("{suite}::{case}").contains(part.as_str()))
    }
}
