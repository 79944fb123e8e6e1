//! What a job may do, for how long, beside whom, and with what on its disk.

use super::super::{
    Places,
    deploys::Place,
    model::{Job, Step, Text, Workflow},
    script::Command,
};
use crate::{Code, Severity, reading::Sink};

/// Programs and verbs that read the repository's files.
const READERS: &[&[&str]] = &[
    &["npm", "run"],
    &["npm", "test"],
    &["npm", "ci"],
    &["pnpm"],
    &["yarn"],
    &["bun"],
    &["cargo"],
    &["make"],
    &["go", "test"],
    &["go", "build"],
    &["go", "run"],
    &["pytest"],
    &["bundle"],
    &["mix"],
    &["composer"],
    &["docker", "build"],
    &["docker", "compose"],
    &["terraform", "apply"],
    &["supabase", "db", "push"],
    &["itest"],
];

/// Actions that hold a machine while people think.
const WAITING: &[&str] = &["trstringer/manual-approval"];

pub(super) fn check(sink: &Sink<'_>, workflow: &Workflow, places: &Places) {
    let deploys = workflow.deploys(places);
    if !workflow.is_called() {
        permissions(sink, workflow);
    }
    for job in &workflow.jobs {
        let to_production =
            deploys.iter().any(|deploy| deploy.job.id == job.id && deploy.place == Place::Production);
        let changing: Vec<&Step> = job.steps.iter().filter(|step| step.changes()).collect();
        if !changing.is_empty() {
            if !workflow.is_called() {
                concurrency(sink, workflow, job, to_production);
            }
            if !job.has_timeout && !changing.iter().all(|step| step.has_timeout) {
                timeout(sink, job);
            }
        }
        checkout(sink, job);
        waiting(sink, job);
    }
}

fn permissions(sink: &Sink<'_>, workflow: &Workflow) {
    let lacks = workflow.jobs.iter().find(|job| !job.has_permissions);
    let Some(job) = lacks.filter(|_| !workflow.has_permissions) else { return };
    let what = format!("nothing says what the token of job `{}` may do", job.id);
    let why = "it gets what a setting of the repository gives, which may be to write everything";
    let hint =
        "`permissions: { contents: read }` at the top, and more only in the job that needs it".to_owned();
    sink.report(Severity::Warning, Code::NoPermissions, &workflow.span, "permissions", what, why, Some(hint));
}

fn concurrency(sink: &Sink<'_>, workflow: &Workflow, job: &Job, to_production: bool) {
    let groups = [job.concurrency.as_ref(), workflow.concurrency.as_ref()].map(|group| group.into_iter());
    let groups: Vec<_> = groups.into_iter().flatten().collect();
    // A name that no other run has is no group.
    let own = |path: &Vec<String>| {
        path[0] == "github" && path.get(1).is_some_and(|part| part.starts_with("run_") || part == "sha")
    };
    let is_own = |name: &Text| name.expressions().paths.iter().any(own);
    if groups.iter().all(|group| group.group.as_ref().is_some_and(is_own)) {
        let what = format!("two runs of `{}` may change the same environment at once", job.id);
        let why = "without a concurrency group that both are in, each push starts a run beside the others";
        let hint = Some("`concurrency: { group: deploy-ENVIRONMENT, cancel-in-progress: false }`".to_owned());
        sink.report(Severity::Warning, Code::NoConcurrency, &job.span, &job.path, what, why, hint);
        return;
    }
    if let Some(cancels) = groups.iter().filter_map(|group| group.cancels.as_ref()).find(|_| to_production) {
        let what = format!("a push ends `{}` in the middle of a deploy to production", job.id);
        let why = "a run that is cancelled leaves whatever it had done so far";
        let hint = Some("`cancel-in-progress: false`".to_owned());
        sink.report(Severity::Warning, Code::NoConcurrency, &cancels.span, &cancels.path, what, why, hint);
    }
}

fn timeout(sink: &Sink<'_>, job: &Job) {
    let what = format!("`{}` may hang for six hours", job.id);
    let why = "that is how long a job may take when nothing says less, and no other deploy of its group goes on meanwhile";
    let hint = Some("`timeout-minutes: 30`".to_owned());
    sink.report(Severity::Warning, Code::NoTimeout, &job.span, &job.path, what, why, hint);
}

fn checkout(sink: &Sink<'_>, job: &Job) {
    let brings = |step: &Step| {
        let is_action = step.is_action("actions/checkout") || step.is_action("actions/download-artifact");
        is_action || step.commands.iter().any(|command| command.behind(&["git", "clone"]).is_some())
    };
    let first = job.steps.iter().position(brings).unwrap_or(job.steps.len());
    let reads = |command: &Command| {
        let is_file = |word: &str| word.starts_with("./") && word.len() > 2;
        let script = || {
            command
                .arguments()
                .iter()
                .find(|word| !word.starts_with('-'))
                .filter(|word| word.ends_with(".sh") || word.ends_with(".py"))
        };
        let runs_file =
            ["bash", "sh", "python", "python3"].contains(&command.program()) && script().is_some();
        let is_deploy =
            ["fly", "flyctl"].iter().any(|program| command.behind(&[program, "deploy"]).is_some());
        let builds = is_deploy && !command.has_flag(&["--image", "-i", "--help"]);
        let is_reader = READERS.iter().any(|reader| command.behind(reader).is_some());
        is_reader || builds || runs_file || is_file(command.path())
    };
    let is_local = |step: &Step| step.action().is_some_and(|action| action.starts_with("./"));
    let reader = job.steps[..first].iter().find(|step| is_local(step) || step.commands.iter().any(reads));
    if let Some(step) = reader {
        let what = format!("`{}` finds no files of the repository", step.called());
        let why = "no step of this job has checked it out before";
        let hint = Some("`uses: actions/checkout@<commit>` as the first step".to_owned());
        sink.report(Severity::Warning, Code::NoCheckout, &step.span, &step.path, what, why, hint);
    }
}

fn waiting(sink: &Sink<'_>, job: &Job) {
    for step in job.steps.iter().filter(|step| WAITING.iter().any(|action| step.is_action(action))) {
        let what = format!("`{}` holds a machine while people think", step.called());
        let why = "the job ends after six hours at the latest, and the approval with it; until then it holds its group";
        let hint = "ask with `promote start`, which ends at once, or use an environment of GitHub with required reviewers";
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
