//! What a job may do, for how long, beside whom, and with what on its disk.

use super::super::{
    Places,
    deploys::Place,
    model::{Job, Step, Workflow},
};
use crate::{Code, Severity, reading::Sink};

/// Programs that read the repository's files.
const READERS: &[&str] = &[
    "npm",
    "npx",
    "pnpm",
    "yarn",
    "bun",
    "cargo",
    "make",
    "go",
    "pytest",
    "python",
    "python3",
    "bundle",
    "mix",
    "composer",
    "docker",
    "terraform",
    "supabase",
    "itest",
];

/// Actions that hold a machine while people think.
const WAITING: &[&str] = &["trstringer/manual-approval"];

pub(super) fn check(sink: &Sink<'_>, workflow: &Workflow, places: &Places) {
    permissions(sink, workflow);
    let deploys = workflow.deploys(places);
    for job in &workflow.jobs {
        let goes_to_production =
            deploys.iter().any(|deploy| deploy.job.id == job.id && deploy.place == Place::Production);
        if job.steps.iter().any(Step::changes) {
            concurrency(sink, workflow, job, goes_to_production);
            timeout(sink, job);
        }
        checkout(sink, job);
        waiting(sink, job);
    }
}

fn permissions(sink: &Sink<'_>, workflow: &Workflow) {
    let lacks = workflow.jobs.iter().find(|job| !job.has_permissions && !job.is_elsewhere);
    let Some(job) = lacks.filter(|_| !workflow.has_permissions) else { return };
    let what = "nothing says what the workflow's token may do".to_owned();
    let why = format!(
        "`{}` then gets what the organisation's setting gives, which may be to write everything",
        job.id
    );
    let hint =
        "`permissions: { contents: read }` at the top, and more only in the job that needs it".to_owned();
    sink.report(Severity::Warning, Code::NoPermissions, &workflow.span, "permissions", what, why, Some(hint));
}

fn concurrency(sink: &Sink<'_>, workflow: &Workflow, job: &Job, is_production: bool) {
    let Some(group) = job.concurrency.as_ref().or(workflow.concurrency.as_ref()) else {
        let what = format!("two runs of `{}` may change the same environment at once", job.id);
        let why = "without a concurrency group each push starts a run beside the others";
        let hint = Some("`concurrency: { group: deploy-ENVIRONMENT, cancel-in-progress: false }`".to_owned());
        sink.report(Severity::Warning, Code::NoConcurrency, &job.span, &job.path, what, why, hint);
        return;
    };
    if let Some(cancels) = group.cancels.as_ref().filter(|_| is_production) {
        let what = format!("a push ends `{}` in the middle of a deploy to production", job.id);
        let why = "a run that is cancelled leaves whatever it had done so far";
        let hint = Some("`cancel-in-progress: false`".to_owned());
        sink.report(Severity::Warning, Code::NoConcurrency, &cancels.span, &cancels.path, what, why, hint);
    }
}

fn timeout(sink: &Sink<'_>, job: &Job) {
    if !job.has_timeout {
        let what = format!("`{}` may hang for six hours", job.id);
        let why =
            "that is how long a job may take when nothing says less, and nobody else can deploy meanwhile";
        let hint = Some("`timeout-minutes: 30`".to_owned());
        sink.report(Severity::Warning, Code::NoTimeout, &job.span, &job.path, what, why, hint);
    }
}

fn checkout(sink: &Sink<'_>, job: &Job) {
    let first =
        job.steps.iter().position(|step| step.is_action("actions/checkout")).unwrap_or(job.steps.len());
    let reads = |step: &Step| {
        step.commands().iter().any(|command| {
            let word = command.split_whitespace().next().unwrap_or_default();
            let is_here = word.starts_with("./") && word.len() > 2;
            let is_deploy = ["fly", "flyctl"].contains(&word)
                && command.contains(" deploy")
                && !command.contains("--image");
            READERS.contains(&word) || is_here || is_deploy
        })
    };
    if let Some(step) = job.steps[..first].iter().find(|step| reads(step)) {
        let what = format!("`{}` runs in an empty directory", step.called());
        let why = "no step of this job has checked the repository out before it";
        let hint = Some("`uses: actions/checkout@<commit>` as the first step".to_owned());
        sink.report(Severity::Warning, Code::NoCheckout, &step.span, &step.path, what, why, hint);
    }
}

fn waiting(sink: &Sink<'_>, job: &Job) {
    for step in job.steps.iter().filter(|step| WAITING.iter().any(|action| step.is_action(action))) {
        let what = format!("`{}` holds a machine while people think", step.called());
        let why = "it is billed for up to six hours, ends then, and needs `issues: write`; a team's members it cannot read with the workflow's token";
        let hint = "ask with `promote start`, which ends at once; the approval's event goes on with it, or an environment with required reviewers";
        sink.report(
            Severity::Warning,
            Code::RunnerWaits,
            &step.span,
            &step.path,
            what,
            why,
            Some(hint.to_owned()),
        );
    }
}
