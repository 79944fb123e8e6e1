//! Asking every target who it is, once, before any case.

use std::collections::BTreeMap;

use crate::{
    identity::Claim,
    report::TargetReport,
    run::{RetryPolicy, outgoing, plan::Planned, retry, session::Session},
    suite::model::IdentitySource,
    target::{Target, shown},
    transport::{Answer, TransportError},
};

impl Session<'_> {
    /// Every pair of target and page that the cases need, asked in the order of the targets' names.
    pub(super) async fn identities(&self, cases: &[Planned<'_>]) -> Vec<TargetReport> {
        let mut wanted: BTreeMap<(&str, IdentitySource), &Target> = BTreeMap::new();
        for planned in cases {
            for name in planned.case.targets() {
                if let Some(target) = self.run.targets.get(name) {
                    let source = planned.suite.targets.get(name).cloned().unwrap_or_default();
                    wanted.insert((name, source), target);
                }
            }
        }
        let asked = wanted.iter().map(|((name, source), target)| async move {
            self.bus.tell_target(self.identity(name, target, source).await)
        });
        futures_util::future::join_all(asked).await
    }

    async fn identity(&self, name: &str, target: &Target, source: &IdentitySource) -> TargetReport {
        let mut report = TargetReport {
            name: name.to_owned(),
            url: shown(&target.url),
            environment: None,
            version: None,
            commit: None,
            digest: None,
            waived: None,
            refused: None,
        };
        let (path, build_path) = match source {
            IdentitySource::Waived { reason } => {
                report.waived = Some(reason.clone());
                return report;
            }
            IdentitySource::Page { path, build_path } => (path, build_path.as_deref()),
        };
        let Some(expected) = &target.identity else {
            report.refused = Some(format!(
                "nobody said which environment the target `{name}` must be, and the suite does not waive it"
            ));
            return report;
        };
        match self.claim(target, path, build_path).await {
            Ok(claim) => {
                let verdict = claim.check(expected).map_err(|error| match claim.environment {
                    None => format!("{error} (asked at {path})"),
                    Some(_) => error,
                });
                report.environment = claim.environment;
                report.version = claim.version;
                report.commit = claim.commit;
                report.digest = claim.digest;
                report.refused = verdict.err().map(|error| format!("target `{name}` {error}"));
            }
            Err(error) => report.refused = Some(format!("target `{name}` {error}")),
        }
        report
    }

    async fn claim(&self, target: &Target, path: &str, build_path: Option<&str>) -> Result<Claim, String> {
        let mut claim = Claim::read(&self.page(target, path).await?)?;
        if let Some(build_path) = build_path {
            claim = claim.and(Claim::read(&self.page(target, build_path).await?)?)?;
        }
        Ok(claim)
    }

    /// Gets a page, repeating what may pass.
    async fn page(&self, target: &Target, path: &str) -> Result<Answer, String> {
        let lost = |error: &dyn std::fmt::Display| format!("does not say who it is: GET {path}: {error}");
        let policy: &RetryPolicy = &self.run.limits.retry;
        let outgoing =
            outgoing::get(target, path, self.run.limits.step_timeout).map_err(|error| lost(&error))?;
        let wire = self.wire(target).map_err(|error| lost(&error))?;
        let mut attempt = 1;
        loop {
            let result: Result<Answer, TransportError> = wire.send(&outgoing).await;
            let pause = match &result {
                Ok(answer) if retry::is_passing_status(answer.status) => {
                    policy.pause(attempt, Some(&answer.headers))
                }
                Err(error) if error.is_transient() => policy.pause(attempt, None),
                _ => None,
            };
            let Some(pause) = pause else {
                return match result {
                    Ok(answer) if retry::is_passing_status(answer.status) => {
                        Err(lost(&format!("status {}", answer.status.as_u16())))
                    }
                    other => other.map_err(|error| lost(&error)),
                };
            };
            tokio::time::sleep(pause).await;
            attempt += 1;
        }
    }
}
