//! A promotion that somebody asks for. Where people have to agree the run ends, and the promotion goes on with the rescuer.

use super::needs::{Kept, Needs, runner_key, store, tokens};
use super::steps::{asker, binaries, checkout, script};
use super::yaml::{Job, Workflow, expression};
use super::{Hindrance, Source};
use crate::project::Environment;

/// Everything that promotes into an environment: images come from the ones before.
pub(super) fn all(source: &Source<'_>, environment: &Environment) -> Result<Needs, Hindrance> {
    let own = store(source.project)?.and(&runner_key(source.project)?).and(&tokens(environment)?);
    let before = source.project.paths_into(environment.name.as_str());
    let before = before.filter_map(|(from, _)| source.project.environment(from.as_str()));
    before.map(tokens).try_fold(own, |all, needs| Ok(all.and(&needs?)))
}

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
    let run = format!(
        "args=()\n\
         if [ -n \"$RELEASE\" ]; then args+=(--release \"$RELEASE\"); fi\n\
         {command} \"${{args[@]}}\"\n"
    );
    let mut step = script("Start", &needs, run);
    step.env.push(("RELEASE".to_owned(), expression("inputs.release")));
    let job = Job {
        id: "promote",
        name: format!("Promote to {name}"),
        runs_on: source.ci.runs_on.value.to_string(),
        minutes: 120,
        environment: Some(name.to_string()),
        steps: vec![checkout(false), binaries(source), asker(), step],
        ..Job::default()
    };
    let on = "workflow_dispatch:\n  inputs:\n    release:\n      \
              description: The id of a deployment in the environment before; what runs there where nothing is said\n      \
              required: false\n      type: string\n";
    Ok(Workflow {
        name: format!("Promote to {name}"),
        on: on.to_owned(),
        group: format!("understudy-{name}"),
        directory: source.place.directory.clone(),
        jobs: vec![job],
    })
}
