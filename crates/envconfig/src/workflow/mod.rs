//! A team's own workflows of GitHub Actions, read for what goes wrong with them when a release is on its way.
//!
//! Not everything that a workflow may be: `actionlint` does that. Here are the defects that make a pipeline promote
//! something else than it tested, skip what it must not skip, or wait for people on a rented machine.
//!
//! Facts: GitHub's "Workflow syntax for GitHub Actions", "Security hardening for GitHub Actions", "Contexts reference".

mod deploys;
mod expr;
mod model;
mod read;
mod rules;
mod script;

use deploys::Place;
use rules::token;

use crate::{
    Parsed, Problem,
    project::{Class, Project},
    reading::{Format, read_file},
};

/// What a project says about the names that its workflows use. Without one, production runs from `main` or `master`, and an
/// app is what its name says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Places {
    /// The branches that production follows.
    branches: Vec<String>,
    /// Apps, and whether they are production's.
    apps: Vec<(String, Place)>,
}

impl Default for Places {
    fn default() -> Self {
        Self { branches: vec!["main".to_owned(), "master".to_owned()], apps: Vec::new() }
    }
}

impl Places {
    /// As the project file says. A branch that another environment follows is not production's.
    pub fn of(project: &Project) -> Self {
        let environments = || project.environments().values();
        let is_production = |class: Class| class == Class::Production;
        let branches = |wanted: bool| {
            let these =
                environments().filter(move |environment| is_production(environment.class.value) == wanted);
            these
                .filter_map(|environment| Some(environment.branch.as_ref()?.value.to_string()))
                .collect::<Vec<_>>()
        };
        let mut places = Self::default();
        if !branches(true).is_empty() {
            places.branches = branches(true);
        }
        let others = branches(false);
        places.branches.retain(|branch| !others.contains(branch));
        places.apps.extend(environments().flat_map(|environment| {
            let place = if is_production(environment.class.value) { Place::Production } else { Place::Other };
            environment.fly_apps().map(move |(_, binding)| (binding.app.value.to_string(), place))
        }));
        places
    }
}

/// Checks workflows, all of a repository together: `files` are their names for messages and their texts.
///
/// Returns every finding in the order of the files, then what only several of them tell. Nothing is asked of GitHub.
pub fn check_workflows(files: &[(String, String)], places: &Places) -> Vec<Problem> {
    let mut findings = Vec::new();
    let mut tokens = Vec::new();
    for (file, text) in files {
        let read = read_file(file, text, Format::Yaml, false, |sink, root| {
            let workflow = read::workflow(root);
            rules::all(sink, &workflow, places);
            // Also where something else is wrong with the file.
            tokens.extend(token::uses(sink, &workflow, places).into_iter().map(|used| (file.as_str(), used)));
            Some(())
        });
        findings.extend(match read {
            Ok(Parsed { findings: found, .. }) => found,
            Err(problems) => problems.list,
        });
    }
    findings.extend(token::shared(&tokens));
    findings
}
