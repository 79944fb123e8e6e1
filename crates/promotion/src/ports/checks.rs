//! Tests against what runs.

use std::collections::BTreeSet;
use std::fmt::Debug;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::PortError;
use crate::model::{EnvironmentName, Hash, Place, Release, SuiteName, Verdict};
use crate::rollout::EdgeAnswer;

/// A suite's result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SuiteReport {
    /// Which suite.
    pub suite: SuiteName,
    /// What it said.
    pub verdict: Verdict,
    /// Tests that passed.
    pub passed: u32,
    /// Tests that failed.
    pub failed: u32,
    /// The first failures, for people; bounded and free of secrets.
    pub why: Vec<String>,
    /// The whole report's hash.
    pub report: Hash,
}

impl SuiteReport {
    /// How it went, on one line for people. Where nothing could run, counts would hide why.
    pub fn line(&self) -> String {
        let Self { suite, passed, failed, why, .. } = self;
        match (passed + failed, why.as_slice()) {
            (0, []) => format!("suite {suite}: no test ran"),
            (0, why) => format!("suite {suite}: no test ran: {}", why.join("; ")),
            _ => format!("suite {suite}: {passed} passed, {failed} failed"),
        }
    }
}

/// Runs suites and asks edges.
#[async_trait]
pub trait Checks: Debug + Send + Sync + 'static {
    /// Runs `suite` against the environment, which must identify itself as `release`. Reads only, as far as the suite
    /// does; may be repeated.
    async fn run(
        &self,
        environment: &EnvironmentName,
        release: &Release,
        suite: &SuiteName,
    ) -> Result<SuiteReport, PortError>;

    /// The edges of a place; empty when it is not known.
    fn edges(&self, place: &Place) -> BTreeSet<String>;

    /// Asks every edge once or a few times and says which unit answered. An edge that does not answer is left out.
    async fn ask_edges(&self, place: &Place) -> Vec<EdgeAnswer>;
}
