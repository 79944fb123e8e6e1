//! What scripts do with what is put into them, and whether they do anything.

use super::super::model::{Step, Workflow};
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
];

/// Names of what has an effect.
const EFFECTS: &[&str] = &["deploy", "notify", "test", "publish", "release", "rollback", "migrate", "backup"];

pub(super) fn check(sink: &Sink<'_>, workflow: &Workflow) {
    for step in workflow.jobs.iter().flat_map(|job| &job.steps) {
        foreign(sink, step);
        secret(sink, step);
        idle(sink, step);
        merged(sink, step);
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
    let Some(run) = &step.run else { return };
    for path in run.expressions().paths.iter().filter(|path| is_foreign(path)) {
        let what = format!("`{}` is written into the script of `{}`", path.join("."), step.called());
        let why = "anybody who opens an issue or a pull request writes it, and the shell runs what is in it";
        let hint = Some("put it into a variable with `env:`, and quote that in the script".to_owned());
        sink.error(Code::ForeignText, &run.span, &run.path, what, why, hint);
    }
}

fn secret(sink: &Sink<'_>, step: &Step) {
    let Some(run) = &step.run else { return };
    let found = run.expressions();
    if let Some(path) = found.paths.iter().find(|path| path[0] == "secrets" && path.len() > 1) {
        let what = format!("the secret `{}` is written into a command line", path[1].to_uppercase());
        let why = "every process of the machine can read command lines, and a script that fails may print it";
        let hint =
            Some("hand it over in `env:` of the step, and let the program read it from there".to_owned());
        sink.report(Severity::Warning, Code::SecretInCommand, &run.span, &run.path, what, why, hint);
    }
}

/// A step that says what it does and does not.
fn idle(sink: &Sink<'_>, step: &Step) {
    let Some(run) = &step.run else { return };
    let commands = step.commands();
    let only_says = |command: &String| command.starts_with("echo ") && !command.contains(['>', '|', '$']);
    let name = step.called().to_lowercase();
    let claims = EFFECTS.iter().any(|effect| name.contains(effect));
    let what = if commands.is_empty() {
        format!("`{}` holds nothing but comments", step.called())
    } else if claims && commands.iter().all(only_says) {
        format!("`{}` only prints that it happens", step.called())
    } else {
        return;
    };
    let why = "a step that does nothing is green, and everybody takes it for done";
    let hint = Some("write what it is to do, or take it out".to_owned());
    sink.report(Severity::Warning, Code::DoesNothing, &run.span, &run.path, what, why, hint);
}

/// A merge that starts nothing.
fn merged(sink: &Sink<'_>, step: &Step) {
    let is_merge = |command: &String| command.contains("gh pr merge") || command.contains("hub merge");
    if !step.commands().iter().any(is_merge) {
        return;
    }
    let own = |path: &Vec<String>| matches!(path.as_slice(), [context, name] if (context == "github" && name == "token") || (context == "secrets" && name == "github_token"));
    let token = step.env.iter().find(|(name, text)| {
        ["GH_TOKEN", "GITHUB_TOKEN"].contains(&name.as_str()) && text.expressions().paths.iter().any(own)
    });
    if let Some((_, token)) = token {
        let what = format!("the merge of `{}` starts no workflow", step.called());
        let why =
            "what is done with the workflow's own token causes no event, so a deploy on push never begins";
        let hint = "promote first, and merge as bookkeeping; or dispatch the deploy, or use the token of a GitHub App";
        sink.report(
            Severity::Warning,
            Code::MergeStartsNothing,
            &token.span,
            &token.path,
            what,
            why,
            Some(hint.to_owned()),
        );
    }
}
