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
    /// As the project file says.
    pub fn of(project: &Project) -> Self {
        let mut places = Self::default();
        let environments = || project.environments().values();
        let production = environments().filter(|environment| environment.class.value == Class::Production);
        let named = production.filter_map(|environment| environment.branch.as_ref());
        places.branches.extend(named.map(|branch| branch.value.to_string()));
        places.apps.extend(environments().flat_map(|environment| {
            let place = match environment.class.value {
                Class::Production => Place::Production,
                _ => Place::Other,
            };
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
        match read_file(file, text, Format::Yaml, false, |sink, root| {
            let workflow = read::workflow(root);
            rules::all(sink, &workflow, places);
            Some(token::uses(sink, &workflow, places))
        }) {
            Ok(Parsed { value, findings: found }) => {
                findings.extend(found);
                tokens.extend(value.into_iter().map(|used| (file.as_str(), used)));
            }
            Err(problems) => findings.extend(problems.list),
        }
    }
    findings.extend(token::shared(&tokens));
    findings
}
