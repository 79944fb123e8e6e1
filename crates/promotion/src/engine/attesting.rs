//! The second of two steps: the report of suites that ran where nobody can sign is held against what is known here, and
//! signed.

use std::collections::{BTreeMap, BTreeSet};

use super::compare::compare;
use super::error::refused;
use super::verbs::CLOCKS_APART_MAX;
use super::watching::calm_since;
use super::{Engine, EngineError};
use crate::journal::{Draft, Entry, EnvironmentView, PromotionView, ReportAbout};
use crate::model::{
    At, Attestation, EnvironmentName, Hash, Millis, ReadReport, Statement, SuiteName, SuiteRun, Verdict,
};
use crate::ports::PortError;

/// What became of a report.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Attested {
    /// Evidence that was signed.
    pub signed: Vec<Attestation>,
    /// Suites that did not pass: what they had passed before counts no more.
    pub not_passed: Vec<SuiteName>,
    /// Suites of which nothing can be said.
    pub inconclusive: Vec<SuiteName>,
}

impl Engine {
    /// Signs what a report says of what `environment` runs now, as it is read back from the provider; `suites` are the files
    /// of the suites as they stand where nobody's branch is trusted. A suite that did not pass is written down unsigned.
    ///
    /// Refused where anything in it is not so: another release or configuration, other files, tests older than `max_age` or
    /// than the deployment, or a report that was taken in before.
    pub async fn attest(
        &self,
        environment: &EnvironmentName,
        read: &ReadReport,
        suites: &BTreeMap<SuiteName, Hash>,
        max_age: Millis,
    ) -> Result<Attested, EngineError> {
        let view = self.view(environment).await?;
        let now = self.ports.clock.now();
        let store = self.ports.journal.store_id().await?;
        if read.report().store != store {
            return Err(refused(format!(
                "the report is about store {}, and this is {store}: name that one with --store",
                read.report().store
            )));
        }
        let (current, config) = tested(&view, read)?;
        in_time(&view, current, read, max_age, now)?;
        same_files(read, suites)?;
        self.runs_as_recorded(&view, current).await?;
        let mut attested = Attested::default();
        let mut entry = BTreeMap::new();
        for run in &read.report().suites {
            let suite = run.suite.clone();
            match run.verdict {
                Verdict::Passed => {
                    let statement = statement(&view, current, &config, read, run, now);
                    let signed =
                        self.ports.attestor.sign(&statement).await.map_err(|error| unsigned(&error))?;
                    attested.signed.push(signed.clone());
                    entry.insert(suite, Some(signed));
                }
                Verdict::Failed | Verdict::NoTest => {
                    attested.not_passed.push(suite.clone());
                    entry.insert(suite, None);
                }
                Verdict::Inconclusive => attested.inconclusive.push(suite),
            }
        }
        if !entry.is_empty() {
            self.take_in(environment, read, entry, max_age).await?;
        }
        Ok(attested)
    }

    async fn take_in(
        &self,
        environment: &EnvironmentName,
        read: &ReadReport,
        suites: BTreeMap<SuiteName, Option<Attestation>>,
        max_age: Millis,
    ) -> Result<(), EngineError> {
        let report = read.report();
        let about = Box::new(ReportAbout {
            deployment: report.deployment.clone(),
            release: report.release.clone(),
            report: read.hash().clone(),
            ended: report.ended,
        });
        let (entry, at) = (Entry::Reported { about, suites }, self.ports.clock.now());
        self.append_open(environment, |view| {
            // What began meanwhile may have changed what was looked at.
            let (current, _) = tested(view, read)?;
            in_time(view, current, read, max_age, at)?;
            Ok(Draft { promotion: None, at, entry: entry.clone() })
        })
        .await
    }

    /// Whether the provider shows what `current` had put there, and nothing else.
    async fn runs_as_recorded(
        &self,
        view: &EnvironmentView,
        current: &PromotionView,
    ) -> Result<(), EngineError> {
        let recorded = current.recorded();
        let lag = recorded.iter().map(|it| it.target.limits.list_lag).max().unwrap_or(Millis::ZERO);
        if let Some(calm) = calm_since(view, lag) {
            let wait = calm.since(self.ports.clock.now());
            if wait > Millis::ZERO {
                self.ports.clock.sleep(wait).await;
            }
        }
        // How many there are and who is in traffic says nothing of what was tested; all else is what the evidence is about.
        let mut ignored = view.rules().map_or_else(BTreeSet::new, |rules| rules.drift_ignored.clone());
        ignored.retain(|field| matches!(field.as_str(), "count" | "cordon"));
        for component in &recorded {
            let place = &component.target.place;
            let fleet = self.ports.deployer.observe_fleet(place).await.map_err(|error| {
                refused(format!("what `{}` runs cannot be read back: {}", place.name, error.message))
            })?;
            let compared = compare(component, &fleet, &ignored);
            let other = compared.differences.first().map(ToString::to_string);
            if let Some(other) = other.or_else(|| compared.unknown.first().cloned()) {
                return Err(refused(format!(
                    "`{}` does not run what {} put there, so nobody knows what was tested: {other}; deploy it again, and \
                     test that",
                    view.name,
                    current.id()
                )));
            }
        }
        Ok(())
    }
}

pub(super) fn unsigned(error: &PortError) -> EngineError {
    refused(format!("it cannot be signed: {}", error.message))
}

/// The deployment that stands, where the report is about that one.
fn tested<'v>(
    view: &'v EnvironmentView,
    read: &ReadReport,
) -> Result<(&'v PromotionView, Hash), EngineError> {
    let (name, report) = (&view.name, read.report());
    if report.environment != *name {
        return Err(refused(format!("the report is about `{}`, and not about `{name}`", report.environment)));
    }
    let (current, config) = view.testable().map_err(refused)?;
    let again = format!("run `promote test --env {name}` against it");
    if *current.id() != report.deployment {
        return Err(refused(format!(
            "the report is about {}, and `{name}` runs {} now; {again}",
            report.deployment,
            current.id()
        )));
    }
    let request = &current.state.facts.request;
    let release = &request.release;
    let is_release = report.release == release.id()
        && report.components == release.components
        && report.version == release.version
        && report.commit == release.commit;
    if !is_release {
        return Err(refused(format!(
            "the report is about release {} ({}), and `{name}` runs {} ({}); {again}",
            report.version.escape_debug(),
            report.release.short(),
            release.version,
            release.id().short()
        )));
    }
    if config != report.config {
        return Err(refused(format!(
            "the report is about configuration {}, and `{name}` runs with {}; {again}",
            report.config.short(),
            config.short()
        )));
    }
    is_new(view, read.hash(), &again)?;
    Ok((current, config))
}

/// Refused where the report was taken in before; `again` says what to do then.
pub(super) fn is_new(view: &EnvironmentView, report: &Hash, again: &str) -> Result<(), EngineError> {
    match view.report(report) {
        Some(taken) => {
            Err(refused(format!("this report was taken in already, by record {}; {again}", taken.seq)))
        }
        None => Ok(()),
    }
}

/// Whether it was tested after it was put there, with nothing else at work since, and lately enough.
fn in_time(
    view: &EnvironmentView,
    current: &PromotionView,
    read: &ReadReport,
    max_age: Millis,
    now: At,
) -> Result<(), EngineError> {
    let report = read.report();
    let again = "run `promote test` again";
    if report.started.plus(CLOCKS_APART_MAX) < current.at {
        return Err(refused(format!(
            "the tests began at {}, and what they are about was put there at {}; {again}",
            report.started, current.at
        )));
    }
    let other = view.last_at_work().filter(|last| last.id() != current.id() && report.started <= last.at);
    if let Some(other) = other {
        return Err(refused(format!(
            "the tests began at {}, and {} was at work in `{}` until {}: some of the answers may be of what it had put \
             there; {again}",
            report.started,
            other.id(),
            view.name,
            other.at
        )));
    }
    if report.ended > now.plus(CLOCKS_APART_MAX) {
        return Err(refused(format!("the tests ended at {}, and here it is {now}", report.ended)));
    }
    let oldest = report.suites.iter().map(|run| run.ended).min().unwrap_or(report.ended);
    if now.since(oldest) > max_age {
        return Err(refused(format!(
            "the tests ended at {oldest}, which is more than {max_age} ago (attestation-max-age); {again}"
        )));
    }
    Ok(())
}

/// Whether the suites that ran are those of the checkout that is trusted.
fn same_files(read: &ReadReport, suites: &BTreeMap<SuiteName, Hash>) -> Result<(), EngineError> {
    for SuiteRun { suite, file, .. } in &read.report().suites {
        let why = match suites.get(suite) {
            None => format!("the project file has no suite `{suite}`"),
            Some(here) if here != file => format!(
                "suite `{suite}` is another file here ({}) than the one that ran ({}); check out the same commit in both \
                 steps, and test again",
                here.short(),
                file.short()
            ),
            Some(_) => continue,
        };
        return Err(refused(why));
    }
    Ok(())
}

fn statement(
    view: &EnvironmentView,
    current: &PromotionView,
    config: &Hash,
    read: &ReadReport,
    run: &SuiteRun,
    now: At,
) -> Statement {
    let request = &current.state.facts.request;
    Statement {
        release: request.release.id(),
        config: config.clone(),
        suite: run.suite.clone(),
        environment: request.environment.clone(),
        class: request.class,
        deployment: current.id().clone(),
        report: read.hash().clone(),
        // A clock that is ahead makes no evidence that lasts longer.
        at: run.ended.min(now),
        components: request.release.components.clone(),
        suite_file: Some(run.file.clone()),
        base_data: view.base_data_of(request),
        scan: None,
    }
}
