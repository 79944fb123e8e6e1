//! The project file and everything it names, checked together.

use std::collections::BTreeSet;

use crate::{
    Code, Problem, Severity, cross,
    fly_toml::FlyToml,
    project::{Component, Project},
};

/// Checks a project file's `text` and every fly.toml that it names.
///
/// `file` is the project file's name for messages. `read` gets the path of a fly.toml as it is written in the project
/// file, relative to it, and answers the name for messages and the content, or why it cannot be read.
///
/// Returns every finding: the project file's first, then those of each component's file.
pub fn check(
    file: &str,
    text: &str,
    mut read: impl FnMut(&str) -> (String, Result<String, String>),
) -> Vec<Problem> {
    let parsed = match Project::parse(file, text) {
        Ok(parsed) => parsed,
        Err(problems) => return problems.list,
    };
    let project = parsed.value;
    let mut findings = parsed.findings;
    let mut seen = BTreeSet::new();
    for (name, component) in project.components() {
        let Component::Fly { config, .. } = component else { continue };
        let (fly_file, content) = read(config.value.as_str());
        let is_new = seen.insert(config.value.clone());
        match content.map(|text| FlyToml::parse(&fly_file, &text)) {
            Err(why) => findings.push(unreadable(file, name.as_str(), &fly_file, why, config)),
            Ok(Ok(fly)) => {
                // Two components may share a file; what is wrong in it is said once.
                findings.extend(fly.findings.into_iter().filter(|_| is_new));
                findings.extend(cross::findings(&project, file, name, &fly_file, &fly.value));
            }
            Ok(Err(problems)) => findings.extend(problems.list.into_iter().filter(|_| is_new)),
        }
    }
    findings
}

/// Checks one fly.toml, fly.json or fly.yaml by itself. `file` is its name, which also tells its format.
///
/// Nobody can say here how a group without checks proves that it works, so it is a warning and not an error.
pub fn check_fly(file: &str, text: &str) -> Vec<Problem> {
    let parsed = match FlyToml::parse(file, text) {
        Ok(parsed) => parsed,
        Err(problems) => return problems.list,
    };
    let mut findings = parsed.findings;
    findings.extend(parsed.value.unchecked().iter().map(|group| {
        let what = format!("the process group `{group}` has no health check");
        let mut problem = Problem::about_file(Severity::Warning, Code::NoChecks, file, what);
        if let Some(place) = parsed.value.group_places.get(group) {
            (problem.line, problem.column) = *place;
        }
        problem
            .because("a machine that started is not a machine that works, so nothing proves that it is healthy")
            .with_hint("add a check, or name another proof in the project file: `healthy = { started-for = \"30s\" }`")
    }));
    findings
}

fn unreadable(
    file: &str,
    component: &str,
    fly_file: &str,
    why: String,
    config: &crate::Resolved<crate::ProjectPath>,
) -> Problem {
    let what = format!("`{fly_file}` cannot be read");
    let mut problem = Problem::about_file(Severity::Error, Code::Unreadable, file, what)
        .because(why)
        .with_hint("the path is relative to the project file");
    problem.key = format!("components.{component}.config");
    if let crate::Source::File { line, column } = config.source {
        (problem.line, problem.column) = (line, column);
    }
    problem
}
