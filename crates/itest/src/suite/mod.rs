//! Suites: what a file says, as values.

pub(crate) mod assertion;
pub(crate) mod model;
mod parse;
pub(crate) mod problem;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use self::{
    model::{Case, IdentitySource},
    problem::Problems,
};
use crate::{run::RetryPolicy, variables::Variables};

/// One suite file, checked: unknown keys, undefined variables, paths, patterns and units cannot occur in it.
#[derive(Debug, Clone)]
pub struct Suite {
    pub(crate) file: String,
    pub(crate) name: String,
    pub(crate) tags: Vec<String>,
    pub(crate) variables: Variables,
    /// Names the caller must give values for.
    pub(crate) inputs: BTreeSet<String>,
    /// Names whose values never appear in what a run says.
    pub(crate) secrets: BTreeSet<String>,
    pub(crate) deadline: Option<Duration>,
    pub(crate) step_timeout: Option<Duration>,
    pub(crate) retry: Option<RetryPolicy>,
    pub(crate) targets: BTreeMap<String, IdentitySource>,
    pub(crate) cases: Vec<Case>,
}

/// What a listing shows of one case.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct CaseInfo {
    /// The name, with `{{…}}` where a matrix that is asked for at run time fills it in.
    pub name: String,
    /// The suite's tags and the case's own.
    pub tags: Vec<String>,
    /// Line of the case in its file.
    pub line: usize,
    /// The number of steps.
    pub steps: usize,
}

impl Suite {
    /// Reads one file. `file` is its name in messages and reports.
    ///
    /// # Errors
    /// Every problem of the file at once, with line, column and the nearest known key.
    pub fn parse(file: &str, text: &str) -> Result<Self, Problems> {
        parse::suite(file, text)
    }

    /// The file's name as given to [`Suite::parse`].
    pub fn file(&self) -> &str {
        &self.file
    }

    /// The suite's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The suite's own tags.
    pub fn tags(&self) -> &[String] {
        &self.tags
    }

    /// The names of all targets that its requests go to.
    pub fn targets(&self) -> BTreeSet<&str> {
        self.cases.iter().flat_map(Case::targets).collect()
    }

    /// The names that the caller must give values for.
    pub fn inputs(&self) -> impl Iterator<Item = &str> {
        self.inputs.iter().map(String::as_str)
    }

    /// Whether the suite runs against `target` without asking who answers there.
    pub fn waives_identity(&self, target: &str) -> bool {
        matches!(self.targets.get(target), Some(IdentitySource::Waived { .. }))
    }

    /// The cases in the order of the file.
    pub fn cases(&self) -> impl Iterator<Item = CaseInfo> {
        self.cases.iter().map(|case| CaseInfo {
            name: case.label.clone(),
            tags: self.tags.iter().chain(&case.tags).cloned().collect(),
            line: case.line,
            steps: case.steps.len(),
        })
    }
}
