//! What has to run whatever happened, and what must not.

use super::super::{
    model::{Job, Step, Text, Workflow},
    script::Command,
};
use crate::{Code, Severity, reading::Sink};

/// Names of what leaves something behind when it is skipped.
const CLEANUP: &[&str] =
    &["cleanup", "clean-up", "clean up", "destroy", "teardown", "tear-down", "tear down"];
/// Names of what makes something that has to go again.
const CREATION: &[&str] = &["create", "provision", "spin up", "launch", "deploy", "bring up"];

fn has(name: &str, words: &[&str]) -> bool {
    let name = name.to_lowercase().replace('_', "-");
    words.iter().any(|word| name.contains(word))
}

fn is_cleanup(step: &Step) -> bool {
    has(&step.called(), CLEANUP)
}

fn creates(step: &Step) -> bool {
    let is_script = |command: &Command| has(command.path(), CREATION);
    !is_cleanup(step)
        && (step.changes() || has(&step.called(), CREATION) || step.commands.iter().any(is_script))
}

/// Whether somebody chose it: then it is no clean-up of this run.
fn is_chosen(condition: &Text) -> bool {
    condition.as_condition().paths.iter().any(|path| path[0] == "inputs" || path[0] == "github")
}

pub(super) fn check(sink: &Sink<'_>, workflow: &Workflow) {
    for job in &workflow.jobs {
        skipped_job(sink, workflow, job);
        skipped_steps(sink, job);
        too_wide(sink, job);
        empty_matrix(sink, job);
    }
}

/// A job that cleans up what others of its run made, and is skipped as soon as one that it needs fails or is cancelled.
fn skipped_job(sink: &Sink<'_>, workflow: &Workflow, job: &Job) {
    let condition = job.condition.as_ref();
    if job.needs.is_empty() || condition.is_some_and(|it| it.as_condition().goes_on() || is_chosen(it)) {
        return;
    }
    // What also changes an environment has to wait for what it needs.
    if job.steps.iter().any(creates) {
        return;
    }
    let is_named = has(&job.called(), CLEANUP) || has(&job.id, CLEANUP);
    let step = job.steps.iter().find(|step| is_cleanup(step) && step.condition.is_none());
    let (span, path, called) = match (step, is_named) {
        (Some(step), _) => (&step.span, &step.path, step.called()),
        (None, true) => (&job.span, &job.path, job.called()),
        (None, false) => return,
    };
    let made_here = || {
        let others = workflow.jobs.iter().filter(|other| other.id != job.id);
        others.into_iter().any(|other| has(&other.id, CREATION) || other.steps.iter().any(creates))
    };
    if !has(&called, &["always"]) && !made_here() {
        return;
    }
    let needs: Vec<&str> = job.needs.iter().map(|need| need.value.as_str()).collect();
    let what =
        format!("`{called}` does not run when {} fails, is cancelled or is skipped", needs.join(" or "));
    let why = format!("job `{}` needs it, and nothing says that it runs all the same", job.id);
    let hint = "give the job `if: ${{ always() }}`, and each other step a condition of its own".to_owned();
    sink.report(Severity::Warning, Code::CleanupSkipped, span, path, what, why, Some(hint));
}

/// A step that cleans up what an earlier one of its job made, behind steps that may fail.
fn skipped_steps(sink: &Sink<'_>, job: &Job) {
    for (n, step) in job.steps.iter().enumerate().filter(|(_, step)| is_cleanup(step)) {
        let is_made = job.steps[..n].iter().any(creates);
        let condition = step.condition.as_ref();
        if is_made && !condition.is_some_and(|it| it.as_condition().goes_on() || is_chosen(it)) {
            let what = format!("`{}` does not run when a step before it fails", step.called());
            let why = "a step whose condition asks nothing else runs only while all is well";
            let hint = Some("give it `if: ${{ always() }}`".to_owned());
            sink.report(Severity::Warning, Code::CleanupSkipped, &step.span, &step.path, what, why, hint);
        }
    }
}

/// A job that goes on although what it needs was skipped or failed, or somebody cancelled.
fn too_wide(sink: &Sink<'_>, job: &Job) {
    let Some(condition) = job.condition.as_ref().filter(|_| !job.needs.is_empty()) else { return };
    let found = condition.as_condition();
    let is_cleanup = has(&job.called(), CLEANUP) || has(&job.id, CLEANUP);
    if !found.goes_on() || is_cleanup {
        return;
    }
    let asked = found.asks_about();
    let is_asked = |other: &str| asked.iter().any(|asked| *asked == other || *asked == "*");
    let read = reads_outputs(job);
    let changes = job.steps.iter().any(Step::changes);
    let blind = read.iter().find(|other| changes && !is_asked(other));
    let (what, why) = if found.calls("always") && found.denies("failure") && !found.denies("cancelled") {
        let why = "`always()` holds after a cancel too, and `failure()` does not hold when a job was skipped";
        (format!("job `{}` runs after a cancel, and after a job that was skipped", job.id), why.to_owned())
    } else if let Some(other) = blind {
        let why = format!("where `{other}` failed or was skipped, its outputs are empty");
        (format!("job `{}` runs whatever became of `{other}`, and reads its outputs", job.id), why)
    } else if changes && asked.is_empty() && !found.denies("failure") {
        let why = "a release goes out although what it waits for failed";
        (
            format!("job `{}` changes an environment whatever became of the jobs before it", job.id),
            why.to_owned(),
        )
    } else {
        return;
    };
    let other = blind.or(read.first()).map_or(job.needs[0].value.as_str(), String::as_str);
    let hint = format!(
        "ask for what it relies on: `if: ${{{{ !cancelled() && needs.{other}.result == 'success' }}}}`"
    );
    sink.report(
        Severity::Warning,
        Code::RunsRegardless,
        &condition.span,
        &condition.path,
        what,
        why,
        Some(hint),
    );
}

/// The jobs whose outputs a job reads.
fn reads_outputs(job: &Job) -> Vec<String> {
    let texts = job.texts.iter().chain(job.steps.iter().flat_map(|step| &step.texts));
    let paths = texts.flat_map(|text| text.expressions().paths);
    paths.filter(|path| is_output(path)).map(|mut path| path.swap_remove(1)).collect()
}

/// Whether it is `needs.JOB.outputs…`.
fn is_output(path: &[String]) -> bool {
    path[0] == "needs" && path.get(2).is_some_and(|part| part == "outputs")
}

/// A list that another job works out, and that may be empty.
fn empty_matrix(sink: &Sink<'_>, job: &Job) {
    let asked = job.condition.as_ref().map(Text::as_condition).unwrap_or_default();
    let is_list = |text: &&Text| !text.path.contains(".exclude");
    for text in job.matrix.iter().filter(is_list) {
        let found = text.expressions();
        let listed = found.calls.iter().filter(|(name, _)| name == "fromjson" && !found.has_default);
        for path in listed.filter_map(|(_, argument)| found.paths.get((*argument)?)) {
            if !is_output(path) || asked.paths.iter().any(|asked| asked.len() > 3 && asked[..3] == path[..3])
            {
                continue;
            }
            let path = path.join(".");
            let what = format!("job `{}` fails when `{path}` is an empty list, or nothing at all", job.id);
            let why =
                "GitHub ends a run whose matrix is empty with an error, and `fromJSON` of nothing is one too";
            let hint = format!("`if: ${{{{ {path} != '[]' && {path} != '' }}}}`");
            sink.report(Severity::Warning, Code::MatrixEmpty, &text.span, &text.path, what, why, Some(hint));
        }
    }
}
