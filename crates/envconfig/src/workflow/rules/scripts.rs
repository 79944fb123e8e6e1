//! What scripts do with what is put into them, and whether they do anything.

use super::super::{
    expr::Expressions,
    model::{Job, Step, Workflow, named},
    script::Command,
};
use crate::{Code, Severity, reading::Sink};

/// What anybody can write who may open an issue or a pull request. Source: GitHub, "Script injections"; `*` is any part.
const FOREIGN: &[&str] = &[
    "github.head_ref",
    "github.event.issue.title",
    "github.event.issue.body",
    "github.event.pull_request.title",
    "github.event.pull_request.body",
    "github.event.pull_request.head.ref",
    "github.event.pull_request.head.label",
    "github.event.pull_request.head.repo.default_branch",
    "github.event.comment.body",
    "github.event.review.body",
    "github.event.review_comment.body",
    "github.event.discussion.title",
    "github.event.discussion.body",
    "github.event.head_commit.message",
    "github.event.head_commit.author.name",
    "github.event.head_commit.author.email",
    "github.event.commits.*.message",
    "github.event.commits.*.author.name",
    "github.event.commits.*.author.email",
    "github.event.pages.*.page_name",
    "github.event.workflow_run.head_branch",
    "github.event.workflow_run.head_commit.message",
];

/// Names of what has an effect.
const EFFECTS: &[&str] =
    &["deploy", "notify", "test", "tests", "publish", "release", "rollback", "migrate", "backup"];

pub(super) fn check(sink: &Sink<'_>, workflow: &Workflow) {
    for job in &workflow.jobs {
        for step in &job.steps {
            foreign(sink, step);
            secrets(sink, step);
            idle(sink, step);
            merged(sink, workflow, job, step);
        }
    }
}

fn is_foreign(path: &[String]) -> bool {
    FOREIGN.iter().any(|known| {
        let known: Vec<&str> = known.split('.').collect();
        known.len() == path.len() && known.iter().zip(path).all(|(one, other)| *one == "*" || one == other)
    })
}

/// Anybody's text as part of a script.
fn foreign(sink: &Sink<'_>, step: &Step) {
    for script in step.scripts() {
        let written = Expressions::each(&script.value).into_iter().filter(|one| !one.is_truth());
        let mut paths: Vec<String> = written
            .flat_map(|one| one.paths)
            .filter(|path| is_foreign(path))
            .map(|path| path.join("."))
            .collect();
        paths.sort();
        paths.dedup();
        for path in paths {
            let what = format!("`{path}` is written into the script of `{}`", step.called());
            let why = "anybody who opens an issue or a pull request writes it, and what is in it is run";
            let hint = Some("put it into a variable with `env:`, and quote that in the script".to_owned());
            sink.error(Code::ForeignText, &script.span, &script.path, what, why, hint);
        }
    }
}

fn secrets(sink: &Sink<'_>, step: &Step) {
    let is_secret = |path: &Vec<String>| {
        path[0] == "secrets" || (path[0] == "github" && path.get(1).is_some_and(|part| part == "token"))
    };
    for script in step.scripts() {
        let written = Expressions::each(&script.value).into_iter().filter(|one| !one.is_truth());
        let mut names: Vec<String> = written
            .flat_map(|one| one.paths)
            .filter(is_secret)
            .map(|path| if path.len() > 1 { path[1].to_uppercase() } else { "all secrets".to_owned() })
            .collect();
        names.sort();
        names.dedup();
        if !names.is_empty() {
            let what = format!("`{}` is written into a command line", names.join("`, `"));
            let why =
                "every process of the machine can read command lines, and a secret with a quote in it is run";
            let hint =
                Some("hand it over in `env:` of the step, and let the program read it from there".to_owned());
            sink.report(
                Severity::Warning,
                Code::SecretInCommand,
                &script.span,
                &script.path,
                what,
                why,
                hint,
            );
        }
    }
}

/// A step that says what it does and does not.
fn idle(sink: &Sink<'_>, step: &Step) {
    let Some(run) = &step.run else { return };
    let only_says = |command: &Command| {
        let words = command.arguments();
        command.program() == "echo"
            && !words.iter().any(|word| word.contains(['>', '`']) || word.contains("$("))
    };
    let called = step.called();
    let name = called.to_lowercase();
    let words: Vec<&str> = name.split(|c: char| !c.is_ascii_alphanumeric()).collect();
    let claims = words.iter().any(|word| EFFECTS.contains(word)) && !words.contains(&"skip");
    let what = if step.commands.is_empty() {
        format!("`{called}` holds nothing but comments")
    } else if claims && !run.value.contains('|') && step.commands.iter().all(only_says) {
        format!("`{called}` only prints that it happens")
    } else {
        return;
    };
    let why = "a step that does nothing is green, and everybody takes it for done";
    let hint = Some("write what it is to do, or take it out".to_owned());
    sink.report(Severity::Warning, Code::DoesNothing, &run.span, &run.path, what, why, hint);
}

/// A merge that starts nothing.
fn merged(sink: &Sink<'_>, workflow: &Workflow, job: &Job, step: &Step) {
    if !step.commands.iter().any(|command| command.behind(&["gh", "pr", "merge"]).is_some()) {
        return;
    }
    let is_own = |path: &Vec<String>| {
        let [context, name] = path.as_slice() else { return false };
        (context == "github" && name == "token") || (context == "secrets" && name == "github_token")
    };
    let token = [&step.env, &job.env, &workflow.env]
        .into_iter()
        .find_map(|env| ["GH_TOKEN", "GITHUB_TOKEN"].into_iter().find_map(|name| named(env, name)));
    let Some(token) = token.filter(|token| token.expressions().paths.iter().any(is_own)) else { return };
    let what = format!("the merge of `{}` starts no workflow", step.called());
    let why = "what is done with the workflow's own token causes no event, so a deploy on push never begins";
    let hint =
        "promote first, and merge as bookkeeping; or dispatch the deploy, or use the token of a GitHub App";
    let code = Code::MergeStartsNothing;
    sink.report(Severity::Warning, code, &token.span, &token.path, what, why, Some(hint.to_owned()));
}
