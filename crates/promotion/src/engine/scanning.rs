//! Scans: the report of one is signed as evidence, and a gate judges the last one.

use std::collections::BTreeMap;

use super::attesting::{is_new, unsigned};
use super::error::refused;
use super::gates::Gate;
use super::session::Session;
use super::verbs::CLOCKS_APART_MAX;
use super::{Engine, EngineError};
use crate::journal::{Draft, Entry, ReportAbout};
use crate::model::{Attestation, Class, EnvironmentName, Kind, Millis, ReadScan, Scan, Statement};
use crate::ports::PortErrorKind;

/// What to do with a report that was taken in before.
const AGAIN: &str = "scan again";

impl Engine {
    /// Signs what a scan found in the release that `environment` runs now. Findings are signed like anything else: what they
    /// close is for the gate to say, by the rules in force where the release is to go.
    ///
    /// Refused where the report is about another commit or other images, older than `max_age`, or was taken in before.
    pub async fn attest_scan(
        &self,
        environment: &EnvironmentName,
        read: &ReadScan,
        max_age: Millis,
    ) -> Result<Attestation, EngineError> {
        let view = self.view(environment).await?;
        let now = self.ports.clock.now();
        let (current, config) = view.rehearsable().map_err(refused)?;
        let request = &current.state.facts.request;
        if let Some(why) = read.is_elsewhere(&request.release) {
            return Err(refused(format!("{why}, and `{environment}` runs that; scan what runs there")));
        }
        // A report that does not say when it ended is as old as its reading.
        let ended = read.ended.unwrap_or(now);
        if ended > now.plus(CLOCKS_APART_MAX) || now.since(ended) > max_age {
            return Err(refused(format!(
                "the scan ended at {ended}, here it is {now}, and it may be {max_age} old; scan again"
            )));
        }
        let statement = Statement {
            release: request.release.id(),
            config,
            suite: Scan::name(),
            environment: environment.clone(),
            class: request.class,
            deployment: current.id().clone(),
            report: read.hash().clone(),
            at: ended.min(now),
            components: request.release.components.clone(),
            suite_file: None,
            base_data: BTreeMap::new(),
            scan: Some(read.scan().clone()),
        };
        is_new(&view, read.hash(), AGAIN)?;
        let signed = self.ports.attestor.sign(&statement).await.map_err(|error| unsigned(&error))?;
        let about = Box::new(ReportAbout {
            deployment: statement.deployment,
            release: statement.release,
            report: statement.report,
            ended,
        });
        let entry = Entry::Reported { about, suites: BTreeMap::from([(Scan::name(), Some(signed.clone()))]) };
        self.append_open(environment, |view| {
            is_new(view, read.hash(), AGAIN)?;
            Ok(Draft { promotion: None, at: now, entry: entry.clone() })
        })
        .await?;
        Ok(signed)
    }
}

impl Session<'_> {
    /// The last scan of the release is young enough, and nothing in it is as bad as the rules say (P1).
    pub(super) async fn scanned(&self) -> Result<Gate, EngineError> {
        let state = &self.view().state;
        let request = &state.facts.request;
        let Some(rule) = state.policy().scan.as_ref().filter(|_| request.kind == Kind::Promote) else {
            return Ok(Gate::Open("none is asked for".to_owned()));
        };
        if let Some(lifted) = self.lifted() {
            return Ok(lifted);
        }
        if cfg!(feature = "sabotage-p1") {
            return Ok(Gate::Open("not looked at".to_owned()));
        }
        let from = self.engine.view(&rule.from).await?;
        let release = request.release.id();
        if rule.from == request.environment || from.class() == Some(Class::Production) {
            return Ok(Gate::Closed(format!("`{}` is no environment before this one", rule.from)));
        }
        let now = self.now();
        let mut refusal = None;
        for signed in from.scans(&release, rule, now) {
            match self.engine.ports.attestor.verify(signed).await {
                Ok(()) => {
                    let scan = signed.statement.scan.as_ref();
                    let closes = scan.and_then(|scan| rule.closes(scan, now));
                    let (at, report) = (signed.statement.at, signed.statement.report.short());
                    return Ok(match closes {
                        None => Gate::Open(format!("the scan of {at} found nothing that counts")),
                        Some(found) => Gate::Closed(format!(
                            "the scan of {at} (report {report}) found {found}; mend that, or let somebody answer for it \
                             for a while: `accepted` of `sarif` in the project file"
                        )),
                    });
                }
                Err(error) if error.kind == PortErrorKind::Refused => refusal = Some(error.message),
                Err(error) => return Ok(Gate::Away(error.message)),
            }
        }
        let refusal = refusal.map(|why| format!(" ({why})")).unwrap_or_default();
        Ok(Gate::Closed(format!(
            "release {} has no signed scan from `{}` within {}{refusal}; run `promote attest --env {} --sarif FILE`",
            release.short(),
            rule.from,
            rule.max_age,
            rule.from
        )))
    }
}
