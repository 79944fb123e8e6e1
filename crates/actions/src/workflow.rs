//! A workflow's file.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value};

/// Why a file cannot be run here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WorkflowError {
    /// It is no workflow, or has what this crate cannot run.
    #[error("the workflow cannot be read: {0}")]
    Unreadable(String),
    /// A job needs one that is not there, or itself.
    #[error("job `{job}` needs `{needs}`, which is no job before it")]
    Needs {
        /// Which job.
        job: String,
        /// What it needs.
        needs: String,
    },
}

/// A file of `.github/workflows`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Workflow {
    /// Its name, where it has one.
    #[serde(default)]
    pub name: Option<String>,
    pub(crate) on: Value,
    #[serde(default, rename = "permissions")]
    _permissions: Value,
    #[serde(default, rename = "concurrency")]
    _concurrency: Value,
    #[serde(default)]
    pub(crate) env: Map<String, Value>,
    #[serde(default)]
    pub(crate) defaults: Defaults,
    pub(crate) jobs: BTreeMap<String, Job>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Defaults {
    #[serde(default)]
    pub(crate) run: RunDefaults,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct RunDefaults {
    #[serde(default, rename = "shell")]
    _shell: Option<Bash>,
    #[serde(default)]
    pub(crate) working_directory: Option<String>,
}

/// The only shell that is run.
#[derive(Debug, Clone, Copy, Deserialize)]
pub(crate) enum Bash {
    #[serde(rename = "bash")]
    Bash,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Job {
    #[serde(default, rename = "name")]
    _name: Option<String>,
    #[serde(default)]
    pub(crate) needs: OneOrMany,
    #[serde(default, rename = "if")]
    pub(crate) condition: Option<String>,
    #[serde(rename = "runs-on")]
    _runs_on: Value,
    #[serde(default)]
    pub(crate) timeout_minutes: Option<u64>,
    #[serde(default)]
    pub(crate) environment: Option<Place>,
    #[serde(default, rename = "permissions")]
    _permissions: Value,
    #[serde(default, rename = "concurrency")]
    _concurrency: Value,
    #[serde(default)]
    pub(crate) outputs: BTreeMap<String, String>,
    #[serde(default)]
    pub(crate) env: Map<String, Value>,
    #[serde(default)]
    pub(crate) defaults: Defaults,
    pub(crate) steps: Vec<Step>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(untagged)]
pub(crate) enum OneOrMany {
    #[default]
    None,
    One(String),
    Many(Vec<String>),
}

impl OneOrMany {
    pub(crate) fn names(&self) -> &[String] {
        match self {
            Self::None => &[],
            Self::One(name) => std::slice::from_ref(name),
            Self::Many(names) => names,
        }
    }
}

/// An environment of GitHub.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub(crate) enum Place {
    Name(String),
    Named { name: String },
}

impl Place {
    pub(crate) fn name(&self) -> &str {
        match self {
            Self::Name(name) | Self::Named { name } => name,
        }
    }
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Step {
    #[serde(default)]
    pub(crate) name: Option<String>,
    #[serde(default)]
    pub(crate) id: Option<String>,
    #[serde(default, rename = "if")]
    pub(crate) condition: Option<String>,
    #[serde(default)]
    pub(crate) uses: Option<String>,
    #[serde(default)]
    pub(crate) with: Map<String, Value>,
    #[serde(default)]
    pub(crate) env: Map<String, Value>,
    #[serde(default)]
    pub(crate) run: Option<String>,
    #[serde(default, rename = "shell")]
    _shell: Option<Bash>,
    #[serde(default)]
    pub(crate) working_directory: Option<String>,
}

impl Step {
    /// What people call it.
    pub(crate) fn called(&self) -> String {
        let script =
            || self.run.as_deref().and_then(|run| run.lines().next()).map(|line| format!("Run {line}"));
        let action = || self.uses.as_ref().map(|uses| format!("Run {uses}"));
        self.name.clone().or_else(script).or_else(action).unwrap_or_default()
    }
}

impl Workflow {
    /// Reads a file.
    ///
    /// # Errors
    /// What is no workflow, or has keys that nobody runs here, such as `strategy`.
    pub fn parse(text: &str) -> Result<Self, WorkflowError> {
        let workflow: Self =
            serde_saphyr::from_str(text).map_err(|error| WorkflowError::Unreadable(error.to_string()))?;
        workflow.order()?;
        workflow.filters()?;
        Ok(workflow)
    }

    /// What starts it asks for nothing that [`Workflow::is_started_by`] does not look at.
    fn filters(&self) -> Result<(), WorkflowError> {
        let filters = self.on.as_object().into_iter().flatten();
        let keys =
            filters.flat_map(|(_, filter)| filter.as_object().into_iter().flatten()).map(|(key, _)| key);
        match keys
            .into_iter()
            .find(|key| !["branches", "types", "workflows", "inputs"].contains(&key.as_str()))
        {
            Some(key) => Err(WorkflowError::Unreadable(format!("nobody looks at `{key}` of `on` here"))),
            None => Ok(()),
        }
    }

    /// Its jobs by id, none before one that it needs.
    pub(crate) fn order(&self) -> Result<Vec<&str>, WorkflowError> {
        let mut order: Vec<&str> = Vec::new();
        while order.len() < self.jobs.len() {
            let is_done = |name: &String| order.contains(&name.as_str());
            let left = self.jobs.iter().filter(|(id, _)| !order.contains(&id.as_str()));
            let next = left.clone().find(|(_, job)| job.needs.names().iter().all(is_done));
            match (next, left.into_iter().next()) {
                (Some((id, _)), _) => order.push(id),
                (None, Some((id, job))) => {
                    let needs =
                        job.needs.names().iter().find(|name| !is_done(name)).cloned().unwrap_or_default();
                    return Err(WorkflowError::Needs { job: id.clone(), needs });
                }
                (None, None) => break,
            }
        }
        Ok(order)
    }
}
