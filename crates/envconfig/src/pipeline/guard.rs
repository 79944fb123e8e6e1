//! Who looks at each change whether it deploys around all this. It has no secret.

use super::steps::{binaries, checkout};
use super::yaml::{Job, Step, Workflow, expression, scalar};
use super::{Source, pattern};
use crate::project::Class;

pub(super) fn workflow(source: &Source<'_>) -> Workflow {
    let environments = source.project.environments().values();
    let production = environments.filter(|it| it.class.value == Class::Production);
    let mut branches: Vec<&str> =
        production.filter_map(|it| Some(it.branch.as_ref()?.value.as_str())).collect();
    if branches.is_empty() {
        branches.push("main");
    }
    let branches: Vec<String> = branches.into_iter().map(|branch| scalar(&pattern(branch))).collect();
    let step = |name, verb: &str| {
        let run = Some(format!("{}\n", source.command("stagectl", verb)));
        Step { name, run, ..Step::default() }
    };
    let job = Job {
        steps: vec![
            checkout(false),
            binaries(source),
            step("Check project and workflows", "check"),
            step("Check that these workflows are as they were written", "render workflows --check"),
        ],
        ..source.job("guard", "Nothing goes around staging".to_owned(), 10, None)
    };
    let on = format!("pull_request:\npush:\n  branches: [{}]\n", branches.join(", "));
    let group = format!("{}-guard-{}", source.scope(), expression("github.ref"));
    source.workflow("Guard", on, Some(group), vec![job])
}
