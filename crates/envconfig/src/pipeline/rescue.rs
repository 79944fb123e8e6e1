//! Whoever looks after what was left half done: on a schedule, when a run ended badly, and when somebody decided.

use super::needs::{Kept, Needs, runner_key, store, tokens};
use super::steps::{asker, at_commit, binaries, checkout, script};
use super::yaml::{Job, Workflow, expression, scalar};
use super::{Hindrance, Source};
use crate::project::{Class, Trigger};

/// What others send to have it looked at now: the type of a `repository_dispatch`.
const EVENT: &str = "understudy";

/// What is under way is finished all the same.
const GONE: &str = "echo \"::warning title=Rescue::the commit $commit of what is under way is not in this repository any more: suites are those of $GITHUB_SHA\"";

/// A run of the others that ended well.
const GOOD: &str = "github.event_name == 'workflow_run' && github.event.workflow_run.conclusion == 'success'";

pub(super) fn workflow(
    source: &Source<'_>,
    others: &[String],
    kept: &mut Kept,
) -> Result<Workflow, Hindrance> {
    let environments = || source.project.environments().values();
    let own = store(source.project)?.and(&runner_key(source.project)?);
    let needs: Needs = environments()
        .filter(|it| it.class.value != Class::Local)
        .map(tokens)
        .try_fold(own, |all, needs| Ok(all.and(&needs?)))?;
    // It reaches everything, so it stands where the most precious secrets are.
    let place =
        environments().find(|it| it.class.value == Class::Production).or_else(|| environments().next());
    let mut steps = vec![checkout(true), binaries(source)];
    let is_automatic = source.project.paths().values().any(|rules| rules.trigger.value == Trigger::Automatic);
    if is_automatic {
        steps.push(asker());
    }
    if let Some(place) = place {
        kept.add(&place.name, &needs);
        if is_automatic {
            kept.add_asker(&place.name);
        }
    }
    let command = source.command("promote", "tick");
    let status = source.command("promote", "status");
    let under_way = "jq -r '[.environments[].under_way[].commit][0] // empty'";
    let run = format!("commit=\"$({status} --json | {under_way})\"\n{}{command}\n", at_commit(GONE));
    steps.push(script("Look after everything", &needs, run));
    let job = Job {
        // What passed may go on by itself.
        condition: (!is_automatic).then(|| format!("!({GOOD})")),
        steps,
        ..source.job("tick", "Look after everything".to_owned(), 120, place)
    };
    // A run that does nothing takes no other's place: of those that wait in a group GitHub keeps the last.
    let own =
        if is_automatic { String::new() } else { expression(&format!("({GOOD}) && github.run_id || ''")) };
    let group = format!("{}-rescue{own}", source.scope());
    let names: Vec<String> = others.iter().map(|name| scalar(name)).collect();
    let on = format!(
        "schedule:\n  - cron: {}\n\
         workflow_run:\n  workflows: [{}]\n  types: [completed]\n\
         repository_dispatch:\n  types: [{EVENT}]\n\
         workflow_dispatch:\n",
        scalar(source.ci.rescue.value.as_str()),
        names.join(", ")
    );
    Ok(source.workflow("Rescue", on, Some(group), vec![job]))
}
