//! A token for each environment, and one at all.

use super::super::{
    Places,
    deploys::{Deploy, Place},
    model::{Step, Workflow},
    script::Command,
};
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
    let mut seen: Vec<&str> = Vec::new();
    for deploy in workflow.deploys(places) {
        let (job, step) = (deploy.job, deploy.step);
        // A machine of one's own has what one has put there.
        if job.is_hosted && !seen.contains(&step.path.as_str()) {
            seen.push(&step.path);
            program_of(sink, &deploy);
            token_of(sink, &deploy);
        }
    }
}

fn program_of(sink: &Sink<'_>, deploy: &Deploy<'_>) {
    let (job, step) = (deploy.job, deploy.step);
    let mut before = job.steps.iter().take_while(|other| other.path != step.path);
    if step.uses.is_none() && !before.any(Step::may_provide) {
        let what = format!("`{}` calls flyctl, and no step has installed it", step.called());
        let why = "the machines of GitHub do not have it";
        let hint = Some("`uses: superfly/flyctl-actions/setup-flyctl@<commit>` before it".to_owned());
        sink.report(Severity::Warning, Code::NoFlyctl, &step.span, &step.path, what, why, hint);
    }
}

/// A deploy needs a token, from wherever.
fn token_of(sink: &Sink<'_>, deploy: &Deploy<'_>) {
    let (job, step) = (deploy.job, deploy.step);
    let gives = |other: &Step| {
        let is_secrets = other.action().is_some_and(|action| {
            action.starts_with("./") || ["secrets", "vault"].iter().any(|word| action.contains(word))
        });
        is_secrets || other.texts.iter().any(|text| text.value.contains("FLY_API_TOKEN"))
    };
    let says = |command: &Command| command.has_flag(&["--access-token", "-t"]);
    if deploy.token.is_none() && !step.commands.iter().any(says) && !job.steps.iter().any(gives) {
        let what = format!("`{}` has no token", step.called());
        let why = "flyctl reads it from FLY_API_TOKEN, and secrets are in no variable by themselves";
        let hint =
            "`env: { FLY_API_TOKEN: \"${{ secrets.… }}\" }`, a deploy token of that one app".to_owned();
        sink.report(Severity::Warning, Code::NoFlyctl, &step.span, &step.path, what, why, Some(hint));
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
            let environments = used_there.environment.as_ref().zip(other.environment.as_ref());
            let is_apart = environments.is_some_and(|(one, other)| one != other);
            other.place == Place::Other && other.secret == used_there.secret && !is_apart
        });
        let Some((other_file, other)) = other else { continue };
        let (secret, line) = (&used_there.secret, other.at.0);
        let what = format!("`{secret}` deploys to production, and to elsewhere in {other_file}:{line}");
        let mut problem = Problem::about_file(Severity::Error, Code::TokenShared, file, what)
            .because("whoever can change a branch that is deployed there can deploy to production")
            .with_hint("a deploy token for each app (`fly tokens create deploy -a APP`), production's in an environment of GitHub");
        (problem.line, problem.column) = used_there.at;
        problem.key.clone_from(&used_there.key);
        if !findings.contains(&problem) {
            findings.push(problem);
        }
    }
    findings
}
