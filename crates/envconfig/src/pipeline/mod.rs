//! The workflows of GitHub Actions that a project needs, written from its project file.
//!
//! * a push to an environment's branch is tested, built *once*, deployed there by digest, and tested there;
//! * a promotion is asked for by hand, and no machine waits while people think;
//! * a rescuer looks after what was left half done, on a schedule and whenever a run of the others ended badly;
//! * a guard keeps workflows that deploy around all this out of the repository.
//!
//! Each job gets the secrets of what it does, and no others: staging's have no token of production's, and where tests are apart
//! what runs them has no key that signs. Values come to scripts through variables only.

mod build;
mod deploy;
mod guard;
mod needs;
mod promote;
mod rescue;
mod steps;
mod yaml;

use std::collections::{BTreeMap, BTreeSet};

use needs::Kept;
use yaml::{Job, Workflow};

use crate::project::{Ci, Class, Environment, Project};
use crate::{EnvironmentName, shell_word};

/// The image label of the source tree's hash, as `git rev-parse 'HEAD^{tree}'` says it: a squash changes the commit, and not
/// the tree.
pub const TREE_LABEL: &str = "dev.understudy.source.tree";

/// Where the project file is in its repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InRepository {
    /// Its directory from the top on, if it is not there.
    pub directory: Option<String>,
    /// Its name.
    pub file: String,
}

impl InRepository {
    /// The first line of each file that is written from there: no other project's file has it.
    pub fn head(&self) -> String {
        let directory = self.directory.iter().map(|directory| format!("{directory}/")).collect::<String>();
        format!(
            "# Written by `stagectl render workflows` from {directory}{}; changes here are lost.",
            self.file
        )
    }
}

/// One file for `.github/workflows`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkflowFile {
    /// The file's name.
    pub name: String,
    /// What is in it.
    pub text: String,
}

/// Everything that was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rendered {
    /// The files, by name.
    pub files: Vec<WorkflowFile>,
    /// The secrets that each environment of GitHub has to keep.
    pub secrets: BTreeMap<EnvironmentName, BTreeSet<String>>,
}

/// Why no workflow can be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hindrance {
    /// What is in the way.
    pub what: String,
    /// Why it is.
    pub why: String,
    /// What to write instead.
    pub hint: String,
}

/// What all files are written from.
struct Source<'p> {
    project: &'p Project,
    ci: &'p Ci,
    place: &'p InRepository,
}

/// Writes the workflows of a project.
///
/// # Errors
/// What the project file lacks, one after the other.
pub fn render(project: &Project, place: &InRepository) -> Result<Rendered, Hindrance> {
    let ci = project.ci().ok_or_else(|| Hindrance {
        what: "the project file has no [ci]".to_owned(),
        why: "a machine of CI has to know where the binaries come from".to_owned(),
        hint: "[ci] with `action = \"OWNER/REPO@COMMIT\"`".to_owned(),
    })?;
    let source = Source { project, ci, place };
    let mut kept = Kept::default();
    let mut workflows = Vec::new();
    for environment in project.environments().values().filter(|it| source.is_followed(it)) {
        let name = source.file_name(&format!("deploy-{}", environment.name));
        workflows.push((name, deploy::workflow(&source, environment, &mut kept)?));
    }
    for environment in project.environments().values().filter(|it| source.is_promoted_into(it)) {
        let name = source.file_name(&format!("promote-{}", environment.name));
        workflows.push((name, promote::workflow(&source, environment, &mut kept)?));
    }
    if workflows.is_empty() {
        return Err(Hindrance {
            what: "no environment follows a branch, and none is promoted into".to_owned(),
            why: "there is nothing that a push or a person could start".to_owned(),
            hint: "`branch = \"staging\"` in [environments.staging]".to_owned(),
        });
    }
    let others = workflows.iter().map(|(_, workflow)| workflow.name.clone()).collect::<Vec<_>>();
    workflows.push((source.file_name("rescue"), rescue::workflow(&source, &others, &mut kept)?));
    workflows.push((source.file_name("guard"), guard::workflow(&source)));
    let files = workflows.into_iter().map(|(name, workflow)| source.file(name, &workflow)).collect();
    Ok(Rendered { files, secrets: kept.into_secrets() })
}

impl Source<'_> {
    /// The branch whose pushes go into an environment, if any do.
    fn branch<'e>(&self, environment: &'e Environment) -> Option<&'e str> {
        let said = environment.branch.as_ref().map(|branch| branch.value.as_str());
        said.or_else(|| (environment.class.value == Class::Staging).then(|| environment.name.as_str()))
    }

    fn is_followed(&self, environment: &Environment) -> bool {
        let is_deployed = matches!(environment.class.value, Class::Staging | Class::Preview);
        is_deployed && self.branch(environment).is_some()
    }

    fn is_promoted_into(&self, environment: &Environment) -> bool {
        self.project.paths_into(environment.name.as_str()).next().is_some()
    }

    fn file(&self, name: String, workflow: &Workflow) -> WorkflowFile {
        WorkflowFile { name, text: format!("{}\n{workflow}", self.place.head()) }
    }

    /// A file for `what`; projects below the top have their directory in it.
    fn file_name(&self, what: &str) -> String {
        format!("{}-{what}.yml", self.scope())
    }

    /// What tells this project's files and groups from those of others in the repository.
    fn scope(&self) -> String {
        let word = |c: char| if c.is_ascii_alphanumeric() { c } else { '-' };
        match &self.place.directory {
            Some(directory) => format!("understudy-{}", directory.chars().map(word).collect::<String>()),
            None => "understudy".to_owned(),
        }
    }

    /// A workflow, whose name says of which project it is where there may be several.
    fn workflow(&self, what: &str, on: String, group: Option<String>, jobs: Vec<Job>) -> Workflow {
        let directory = self.place.directory.clone();
        let name = match &directory {
            Some(directory) => format!("{what} ({directory})"),
            None => what.to_owned(),
        };
        Workflow { name, on, group, directory, jobs }
    }

    /// A job without steps, in GitHub's environment of this name where it needs secrets.
    fn job(&self, id: &'static str, name: String, minutes: u32, environment: Option<&Environment>) -> Job {
        let environment = environment.map(|environment| environment.name.to_string());
        Job { id, name, minutes, environment, runs_on: self.ci.runs_on.value.to_string(), ..Job::default() }
    }

    /// A command of ours, with the project file where that has a name of its own.
    fn command(&self, program: &str, verb: &str) -> String {
        match self.place.file.as_str() {
            Project::FILE_NAME => format!("{program} {verb}"),
            other => format!("{program} --project {} {verb}", shell_word(other)),
        }
    }
}

/// A branch as GitHub's filters read it: signs of patterns stand for themselves ("Filter pattern cheat sheet").
fn pattern(branch: &str) -> String {
    let mut pattern = String::new();
    for (n, c) in branch.chars().enumerate() {
        if c == '+' || (c == '!' && n == 0) {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    pattern
}
