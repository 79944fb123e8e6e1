//! What has to run whatever happened, and what must not.

use super::super::model::{Job, Step, Text, Workflow};
use crate::{Code, Severity, reading::Sink};

/// Names of what leaves something behind when it is skipped.
const CLEANUP: &[&str] =
    &["always", "cleanup", "clean-up", "clean up", "destroy", "teardown", "tear-down", "tear down"];

fn is_cleanup(name: &str) -> bool {
    let name = name.to_lowercase().replace('_', "-");
    CLEANUP.iter().any(|word| name.contains(word))
}

pub(super) fn check(sink: &Sink<'_>, workflow: &Workflow) {
    for job in &workflow.jobs {
        let is_skipped = skipped_job(sink, job);
        if !is_skipped {
            skipped_steps(sink, job);
        }
        too_wide(sink, job);
        empty_matrix(sink, job);
    }
}

/// A job that cleans up, and is skipped as soon as one that it needs fails or is cancelled.
fn skipped_job(sink: &Sink<'_>, job: &Job) -> bool {
    let goes_on = job.condition.as_ref().is_some_and(|condition| condition.as_condition().goes_on());
    if job.needs.is_empty() || goes_on {
        return false;
    }
    let by_name = [Some(job.id.as_str()), job.name.as_deref()].into_iter().flatten().any(is_cleanup);
    let step = job.steps.iter().find(|step| is_cleanup(step.called()));
    let (span, path, called) = match (by_name, step) {
        (_, Some(step)) => (&step.span, &step.path, step.called()),
        (true, None) => (&job.span, &job.path, job.name.as_deref().unwrap_or(&job.id)),
        (false, None) => return false,
    };
    let needs: Vec<&str> = job.needs.iter().map(|need| need.value.as_str()).collect();
    let what =
        format!("`{called}` does not run when {} fails, is cancelled or is skipped", needs.join(" or "));
    let why = format!("job `{}` needs it and has no condition of its own, so it is skipped with it", job.id);
    let hint =
        "give the job `if: ${{ always() }}`, and each step that must not run then a condition of its own";
    sink.report(Severity::Warning, Code::CleanupSkipped, span, path, what, why, Some(hint.to_owned()));
    true
}

/// A step that cleans up behind steps that may fail.
fn skipped_steps(sink: &Sink<'_>, job: &Job) {
    let sets_up = |step: &Step| {
        step.uses.as_ref().is_some_and(|uses| uses.value.contains("checkout") || uses.value.contains("setup"))
    };
    for (n, step) in job.steps.iter().enumerate() {
        let may_fail = job.steps[..n].iter().any(|earlier| !sets_up(earlier));
        if may_fail && step.condition.is_none() && is_cleanup(step.called()) {
            let what = format!("`{}` does not run when a step before it fails", step.called());
            let why = "a step without a condition runs only while all is well";
            let hint = Some("give it `if: ${{ always() }}`".to_owned());
            sink.report(Severity::Warning, Code::CleanupSkipped, &step.span, &step.path, what, why, hint);
        }
    }
}

/// A job that goes on although what it needs was skipped or somebody cancelled.
fn too_wide(sink: &Sink<'_>, job: &Job) {
    let Some(condition) = job.condition.as_ref().filter(|_| !job.needs.is_empty()) else { return };
    let found = condition.as_condition();
    if !found.calls("always") {
        return;
    }
    let read = reads_outputs(job);
    let is_asked = |other: &String| {
        let is_result = |path: &Vec<String>| {
            path[0] == "needs" && path.get(1) == Some(other) && path.get(2).is_some_and(|p| p == "result")
        };
        found.paths.iter().any(is_result)
    };
    let blind = read.iter().find(|other| !is_asked(other));
    let changes = job.steps.iter().any(Step::changes);
    let (what, why) = if found.negated.iter().any(|name| name == "failure") {
        let why = "`always()` holds after a cancel too, and `failure()` does not hold when a job was skipped";
        (format!("job `{}` runs after a cancel, and after a job that was skipped", job.id), why.to_owned())
    } else if let Some(other) = blind {
        let why = format!("where `{other}` failed or was skipped, its outputs are empty");
        (format!("job `{}` runs whatever became of `{other}`, and reads its outputs", job.id), why)
    } else if changes && found.paths.iter().all(|path| path[0] != "needs") {
        let why = "a release goes out although its tests failed";
        (
            format!("job `{}` changes an environment whatever became of the jobs before it", job.id),
            why.to_owned(),
        )
    } else {
        return;
    };
    let hint = format!(
        "ask for what it relies on: `!cancelled() && needs.{}.result == 'success'`",
        job.needs[0].value
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
    paths
        .filter(|path| path[0] == "needs" && path.get(2).is_some_and(|p| p == "outputs"))
        .map(|mut path| path.swap_remove(1))
        .collect()
}

/// A list that another job works out, and that may be empty.
fn empty_matrix(sink: &Sink<'_>, job: &Job) {
    let asked = job.condition.as_ref().map(Text::as_condition).map(|found| found.paths).unwrap_or_default();
    for text in &job.matrix {
        let found = text.expressions();
        let listed = found.calls.iter().filter(|(name, _)| name == "fromjson");
        for path in listed.filter_map(|(_, argument)| found.paths.get((*argument)?)) {
            if asked.contains(path) {
                continue;
            }
            let path = path.join(".");
            let what = format!("job `{}` fails when `{path}` is an empty list, or nothing at all", job.id);
            let why =
                "GitHub ends a run whose matrix is empty with an error, and `fromJSON` of nothing is one too";
            let hint = format!("`if: ${{{{ {path} != '[]' && {path} != '' }}}}`");
            sink.error(Code::MatrixEmpty, &text.span, &text.path, what, why, Some(hint));
        }
    }
}
