//! A promotion that somebody asks for. Where people have to agree the run ends, and the promotion goes on with the rescuer.

use super::needs::{Kept, Needs, driving, tokens};
use super::steps::{asker, at_commit, binaries, checkout, script};
use super::yaml::{Job, Workflow, expression};
use super::{Hindrance, Source};
use crate::project::Environment;

/// Everything that promotes into an environment: images come from the ones before.
fn all(source: &Source<'_>, environment: &Environment) -> Result<Needs, Hindrance> {
    let own = driving(source.project, environment)?;
    let before = source.project.paths_into(environment.name.as_str());
    let before = before.filter_map(|(from, _)| source.project.environment(from.as_str()));
    before.map(tokens).try_fold(own, |all, needs| Ok(all.and(&needs?)))
}

/// Nothing is promoted with a configuration that nobody tested.
const GONE: &str = "echo \"::error title=Promote::the commit $commit, which was tested, is not in this repository any more: deploy anew\"; exit 1";

pub(super) fn workflow(
    source: &Source<'_>,
    environment: &Environment,
    kept: &mut Kept,
) -> Result<Workflow, Hindrance> {
    let name = &environment.name;
    let needs = all(source, environment)?;
    kept.add(name, &needs);
    kept.add_asker(name);
    let command = source.command("promote", &format!("start --to {name}"));
    let show = source.command("promote", "show");
    let mut before = source.project.paths_into(name.as_str()).map(|(from, _)| from);
    let other = match (before.next(), before.next()) {
        (Some(from), None) => {
            let status = source.command("promote", &format!("status --env {from}"));
            format!("else\n  commit=\"$({status} --json | jq -r '.environments[0].current.commit')\"\n")
        }
        _ => String::new(),
    };
    let run = format!(
        "args=() commit=\n\
         if [ -n \"$RELEASE\" ]; then\n  \
           args+=(--release \"$RELEASE\")\n  \
           commit=\"$({show} \"$RELEASE\" --json | jq -r .commit)\"\n\
         {other}fi\n\
         {}{command} \"${{args[@]}}\"\n",
        at_commit(GONE)
    );
    let mut step = script("Start", &needs, run);
    step.env.push(("RELEASE".to_owned(), expression("inputs.release")));
    let job = Job {
        steps: vec![checkout(true), binaries(source), asker(), step],
        ..source.job("promote", format!("Promote to {name}"), 120, Some(environment))
    };
    let on = "workflow_dispatch:\n  inputs:\n    release:\n      \
              description: The id of a deployment in the environment before; what runs there where nothing is said\n      \
              required: false\n      type: string\n";
    // In a group GitHub would drop all but the last that waits; the engine has a queue of its own.
    Ok(source.workflow(&format!("Promote to {name}"), on.to_owned(), None, vec![job]))
}
