//! A token for each environment, and one at all.

use super::super::{Places, deploys::Place, model::Workflow};
use crate::{Code, Problem, Severity, reading::Sink};

/// A secret that deploys somewhere.
#[derive(Debug)]
pub(crate) struct Used {
    secret: String,
    place: Place,
    /// The environment of GitHub whose secret it may be.
    environment: Option<String>,
    at: (u32, u32),
    key: String,
}

pub(super) fn check(sink: &Sink<'_>, workflow: &Workflow, places: &Places) {
    for deploy in workflow.deploys(places) {
        let (span, path, called) = (&deploy.step.span, &deploy.step.path, deploy.step.called());
        let before = deploy.job.steps.iter().take_while(|step| step.path != deploy.step.path);
        let is_there = deploy.step.uses.is_some() || deploy.step.installs_flyctl();
        if !is_there && !before.into_iter().any(|step| step.installs_flyctl()) {
            let what = format!("`{called}` calls flyctl, and no step has installed it");
            let why = "the machines of GitHub do not have it";
            let hint = Some("`uses: superfly/flyctl-actions/setup-flyctl@<commit>` before it".to_owned());
            sink.report(Severity::Warning, Code::NoFlyctl, span, path, what, why, hint);
        }
        let says_token = deploy.step.commands().iter().any(|command| command.contains("--access-token"));
        if deploy.token.is_none() && !says_token {
            let what = format!("`{called}` has no token");
            let why = "flyctl reads it from FLY_API_TOKEN, and secrets are in no variable by themselves";
            let hint =
                Some("`env: { FLY_API_TOKEN: ${{ secrets.… }} }`, a deploy token of that one app".to_owned());
            sink.report(Severity::Warning, Code::NoFlyctl, span, path, what, why, hint);
        }
    }
}

/// The secrets that this workflow deploys with.
pub(crate) fn uses(sink: &Sink<'_>, workflow: &Workflow, places: &Places) -> Vec<Used> {
    let deploys = workflow.deploys(places);
    let used = deploys.iter().filter_map(|deploy| {
        let (secret, text) = deploy.token.as_ref().filter(|(secret, _)| !secret.is_empty())?;
        Some(Used {
            secret: secret.clone(),
            place: deploy.place,
            environment: deploy.job.environment.clone(),
            at: sink.position(text.span.start),
            key: text.path.clone(),
        })
    });
    used.collect()
}

/// Secrets that deploy to production and to somewhere else. Environments of GitHub may have a secret of one name each.
pub(crate) fn shared(used: &[(&str, Used)]) -> Vec<Problem> {
    let mut findings: Vec<Problem> = Vec::new();
    for (file, used_there) in used.iter().filter(|(_, used)| used.place == Place::Production) {
        let other = used.iter().find(|(_, other)| {
            let is_apart = used_there.environment.is_some()
                && other.environment.is_some()
                && used_there.environment != other.environment;
            other.place == Place::Other && other.secret == used_there.secret && !is_apart
        });
        let Some((other_file, other)) = other else { continue };
        let what = format!(
            "`{}` deploys to production, and to staging in {other_file}:{}",
            used_there.secret, other.at.0
        );
        let mut problem = Problem::about_file(Severity::Error, Code::TokenShared, file, what)
            .because("whoever can change a branch that is deployed to staging can deploy to production")
            .with_hint("a deploy token for each app (`fly tokens create deploy -a APP`), production's in an environment of GitHub");
        (problem.line, problem.column) = used_there.at;
        problem.key.clone_from(&used_there.key);
        if !findings.contains(&problem) {
            findings.push(problem);
        }
    }
    findings
}
