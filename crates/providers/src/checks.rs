//! Tests over `itest`, and edges asked one by one.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use flyclient::transport::{Body, HttpService, Request};
use http::Method;
use itest::{ExpectedIdentity, Run, Silent, Suite, Target};
use promotion::model::{ComponentName, EnvironmentName, Hash, Place, Release, SuiteName, UnitId, canonical};
use promotion::ports::{Checks, PortError, SuiteReport, Verdict};
use promotion::rollout::EdgeAnswer;
use url::Url;

use crate::answering::{IDENTITY, on_this_machine};

/// What is known of an environment for testing it.
#[derive(Debug, Clone, Default)]
pub struct Grounds {
    /// Component → where people reach it.
    pub targets: BTreeMap<ComponentName, Url>,
    /// Component → its edges, where each can be asked on its own.
    pub edges: BTreeMap<ComponentName, Vec<Url>>,
}

/// A suite's file: name and text.
#[derive(Debug, Clone)]
pub struct SuiteFile {
    /// For messages.
    pub file: String,
    /// Its content.
    pub text: String,
}

impl SuiteFile {
    /// Why no test of it would run: every problem with its place; none when it can be read.
    pub fn problems(&self) -> Option<String> {
        Suite::parse(&self.file, &self.text).err().map(|problems| problems.to_string().trim_end().to_owned())
    }

    /// Its SHA-256: what a report of it is held against.
    pub fn hash(&self) -> Hash {
        canonical::of_bytes(self.text.as_bytes())
    }

    /// Whether it asks `component` who it is before anything else; of a file that cannot be read nothing is known.
    pub fn asks_who(&self, component: &str) -> bool {
        Suite::parse(&self.file, &self.text)
            .is_ok_and(|suite| suite.targets().contains(component) && !suite.waives_identity(component))
    }

    /// The targets of its requests that are none of `components`; of a file that cannot be read nothing is known.
    pub fn strangers(&self, components: &[&str]) -> BTreeSet<String> {
        let Ok(suite) = Suite::parse(&self.file, &self.text) else { return BTreeSet::new() };
        let targets = suite.targets().into_iter().filter(|target| !components.contains(target));
        targets.map(str::to_owned).collect()
    }
}

/// Suites and edges of a project.
#[derive(Debug, Clone)]
pub struct ItestChecks {
    suites: BTreeMap<SuiteName, SuiteFile>,
    grounds: BTreeMap<EnvironmentName, Grounds>,
    service: Arc<dyn HttpService>,
}

/// The header by which an answer names its machine.
const MACHINE: &str = "x-machine-id";
/// Questions per edge and look: with an old and a new fleet in traffic half of the answers come from the old one.
const QUESTIONS: usize = 8;
const ANSWER: Duration = Duration::from_secs(2);
/// Failures that are told; the report has all.
const TOLD_MAX: usize = 5;

impl ItestChecks {
    /// Over files and addresses that were read already.
    pub fn new(
        suites: BTreeMap<SuiteName, SuiteFile>,
        grounds: BTreeMap<EnvironmentName, Grounds>,
        service: Arc<dyn HttpService>,
    ) -> Self {
        Self { suites, grounds, service }
    }

    fn targets(&self, environment: &EnvironmentName, release: &Release) -> BTreeMap<String, Target> {
        let grounds = self.grounds.get(environment);
        let targets = grounds.map(|grounds| grounds.targets.clone()).unwrap_or_default();
        targets
            .into_iter()
            .map(|(component, url)| {
                let identity = ExpectedIdentity {
                    version: Some(release.version.clone()),
                    commit: Some(release.commit.clone()),
                    ..ExpectedIdentity::environment(environment.as_str())
                };
                (component.to_string(), Target::new(url, identity))
            })
            .collect()
    }
}

#[async_trait]
impl Checks for ItestChecks {
    async fn run(
        &self,
        environment: &EnvironmentName,
        release: &Release,
        suite: &SuiteName,
    ) -> Result<SuiteReport, PortError> {
        let file = self
            .suites
            .get(suite)
            .ok_or_else(|| PortError::refused(format!("the project file has no suite `{suite}`")))?;
        let run = Run {
            suites: vec![Suite::parse(&file.file, &file.text)],
            targets: self.targets(environment, release),
            ..Run::default()
        };
        let report = run.execute(&Silent).await;
        let verdict = match report.exit_code() {
            0 => Verdict::Passed,
            10 => Verdict::NoTest,
            14 => Verdict::Inconclusive,
            _ => Verdict::Failed,
        };
        let mut why: Vec<String> =
            report.targets.iter().filter_map(|target| target.refused.clone()).collect();
        for suite in &report.suites {
            why.extend(
                suite
                    .problems
                    .iter()
                    .map(|problem| format!("{}:{}: {}", suite.file, problem.line, problem.message)),
            );
            for case in &suite.cases {
                // Why a case did not run stands with its target or file already.
                let errs = case.reason.as_ref().filter(|_| case.verdict == itest::Verdict::Errored);
                why.extend(errs.map(|reason| format!("{}: {reason}", case.name)));
                why.extend(case.failures.iter().map(|failure| {
                    format!(
                        "{}: {}: expected {}, found {}",
                        case.name, failure.assertion, failure.expected, failure.actual
                    )
                }));
            }
        }
        why.truncate(TOLD_MAX);
        Ok(SuiteReport {
            suite: suite.clone(),
            verdict,
            passed: u32::try_from(report.totals.passed + report.totals.flaky).unwrap_or(u32::MAX),
            failed: u32::try_from(report.totals.failed + report.totals.errored).unwrap_or(u32::MAX),
            why,
            report: canonical::hash("understudy test report v1", &report),
        })
    }

    fn edges(&self, place: &Place) -> BTreeSet<String> {
        self.edge_urls(place).iter().map(Url::to_string).collect()
    }

    async fn ask_edges(&self, place: &Place) -> Vec<EdgeAnswer> {
        let mut answers = Vec::new();
        for edge in self.edge_urls(place) {
            let questions = (0..QUESTIONS).map(|_| self.ask(edge));
            for unit in futures_util::future::join_all(questions).await.into_iter().flatten() {
                answers.push(EdgeAnswer { edge: edge.to_string(), unit: Some(unit) });
            }
        }
        answers
    }
}

impl ItestChecks {
    fn edge_urls(&self, place: &Place) -> &[Url] {
        self.grounds
            .get(&place.environment)
            .and_then(|grounds| grounds.edges.get(&place.component))
            .map(Vec::as_slice)
            .unwrap_or_default()
    }

    async fn ask(&self, edge: &Url) -> Option<UnitId> {
        let (url, headers) = on_this_machine(edge.join(IDENTITY).ok()?);
        let request = Request { method: Method::GET, url, headers, body: Body::Empty, timeout: Some(ANSWER) };
        let response = self.service.send(request).await.ok()?;
        let machine = response.headers.get(MACHINE)?.to_str().ok()?;
        response.status.is_success().then(|| UnitId::new(machine).ok()).flatten()
    }
}
