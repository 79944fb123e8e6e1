//! What an expression reads is there.

use super::super::model::{Job, Text, Workflow};
use crate::{
    Code,
    reading::{Sink, suggest},
};

pub(super) fn check(sink: &Sink<'_>, workflow: &Workflow) {
    for job in &workflow.jobs {
        needs(sink, workflow, job);
        let condition = job.condition.as_ref().map(|condition| (condition, condition.as_condition()));
        let others = job.texts.iter().map(|text| (text, text.expressions()));
        let all: Vec<&str> = job.steps.iter().filter_map(|step| step.id.as_deref()).collect();
        for (text, found) in others.chain(condition) {
            for path in &found.paths {
                of_job(sink, workflow, job, text, path);
                // A job's own outputs are worked out at its end.
                of_step(sink, text, path, &all);
            }
        }
        for (n, step) in job.steps.iter().enumerate() {
            let earlier: Vec<&str> = job.steps[..n].iter().filter_map(|step| step.id.as_deref()).collect();
            let condition = step.condition.as_ref().map(|condition| (condition, condition.as_condition()));
            let others = step.texts.iter().map(|text| (text, text.expressions()));
            for (text, found) in others.chain(condition) {
                for path in &found.paths {
                    of_job(sink, workflow, job, text, path);
                    of_step(sink, text, path, &earlier);
                }
            }
        }
    }
}

fn needs(sink: &Sink<'_>, workflow: &Workflow, job: &Job) {
    for need in &job.needs {
        if workflow.job(&need.value).is_none() {
            let what = format!("there is no job `{}`", need.value.escape_debug());
            let known: Vec<&str> = workflow.jobs.iter().map(|job| job.id.as_str()).collect();
            let why = "GitHub refuses a workflow that needs a job it does not have";
            sink.error(
                Code::NothingDeclared,
                &need.span,
                &need.path,
                what,
                why,
                suggest(&need.value, &known),
            );
        }
    }
}

/// `needs.JOB.outputs.NAME` and `needs.JOB.result`.
fn of_job(sink: &Sink<'_>, workflow: &Workflow, job: &Job, text: &Text, path: &[String]) {
    let [context, other, rest @ ..] = path else { return };
    if context != "needs" || other == "*" {
        return;
    }
    let say = |what: String, why: &str, hint: Option<String>| {
        sink.error(Code::NothingDeclared, &text.span, &text.path, what, why, hint);
    };
    if !job.needs.iter().any(|need| need.value.eq_ignore_ascii_case(other)) {
        let what = format!("`needs.{other}` is read, and `{}` does not need that job", job.id);
        say(what, "it is empty, whatever that job did", Some(format!("add `{other}` to `needs`")));
        return;
    }
    let (Some(other), [kind, name, ..]) = (workflow.job(other), rest) else { return };
    let is_there = |(declared, _): &(String, Text)| declared.eq_ignore_ascii_case(name);
    if kind == "outputs" && name != "*" && other.uses.is_none() && !other.outputs.iter().any(is_there) {
        let known: Vec<&str> = other.outputs.iter().map(|(name, _)| name.as_str()).collect();
        let what = format!("job `{}` has no output `{name}`", other.id);
        let hint = suggest(name, &known).unwrap_or_else(|| {
            format!("declare it: `outputs: {{ {name}: \"${{{{ steps.ID.outputs.{name} }}}}\" }}`")
        });
        say(what, "it is empty, so a condition on it never holds", Some(hint));
    }
}

/// `steps.ID.outputs.NAME`, `steps.ID.outcome` and `steps.ID.conclusion`.
fn of_step(sink: &Sink<'_>, text: &Text, path: &[String], known: &[&str]) {
    let [context, id, ..] = path else { return };
    if context != "steps" || id == "*" || known.iter().any(|known| known.eq_ignore_ascii_case(id)) {
        return;
    }
    let what = format!("no earlier step of this job has the id `{id}`");
    let why = "it is empty, whatever the step was meant to say";
    sink.error(Code::NothingDeclared, &text.span, &text.path, what, why, suggest(id, known));
}
