//! Runs all jobs of a workflow.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::environment::{RunOf, contexts};
use crate::event::Event;
use crate::expression::{ExpressionError, Status, fill, holds};
use crate::job::Work;
use crate::provided::Provided;
use crate::report::{JobRun, Outcome, Run};
use crate::workflow::{Job, Workflow, WorkflowError};

/// Why a run has no end.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The workflow's jobs have no order.
    #[error(transparent)]
    Workflow(#[from] WorkflowError),
    /// An expression has no value here.
    #[error("job `{job}`: {source}")]
    Expression {
        /// Where.
        job: String,
        /// What is wrong with it.
        source: ExpressionError,
    },
    /// A directory of the run cannot be made or written.
    #[error("the run's files in {} cannot be written", path.display())]
    Files {
        /// Where.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
}

/// A machine that runs workflows, job after job.
#[derive(Debug, Clone)]
pub struct Runner {
    pub(crate) root: PathBuf,
    pub(crate) variables: BTreeMap<String, String>,
    provided: BTreeMap<String, Provided>,
    secrets: BTreeMap<String, BTreeMap<String, String>>,
}

impl Runner {
    /// Works below `root`. Scripts get `path` as their search path, and no variable of this process.
    pub fn new(root: impl Into<PathBuf>, path: &str) -> Self {
        let variables = BTreeMap::from([("PATH".to_owned(), path.to_owned())]);
        Self { root: root.into(), variables, provided: BTreeMap::new(), secrets: BTreeMap::new() }
    }

    /// A variable of every process, as a machine has it.
    #[must_use]
    pub fn with_variable(mut self, name: &str, value: &str) -> Self {
        self.variables.insert(name.to_owned(), value.to_owned());
        self
    }

    /// What stands for the action `OWNER/REPO`, or `OWNER/REPO/DIR`, whatever its commit.
    #[must_use]
    pub fn provide(mut self, action: &str, provided: Provided) -> Self {
        self.provided.insert(action.to_owned(), provided);
        self
    }

    /// A secret of one environment of GitHub: no job of another one gets it.
    #[must_use]
    pub fn with_secret(mut self, environment: &str, name: &str, value: &str) -> Self {
        self.secrets.entry(environment.to_owned()).or_default().insert(name.to_owned(), value.to_owned());
        self
    }

    pub(crate) fn provided(&self, uses: &str) -> Option<&Provided> {
        self.provided.get(uses.split('@').next()?)
    }

    pub(crate) fn secrets(&self, environment: Option<&str>) -> BTreeMap<String, String> {
        environment.and_then(|name| self.secrets.get(name)).cloned().unwrap_or_default()
    }

    /// Runs a workflow to its end, the jobs one after the other. `id` is the run's, and new for each. Dropped in the middle it
    /// leaves what its steps did so far, and kills the script that runs with everything that it started.
    ///
    /// # Errors
    /// What the run itself cannot do. A step that fails is no error: [`Run`] says so.
    pub async fn run(&self, workflow: &Workflow, event: &Event, id: u64) -> Result<Run, RunError> {
        let run = RunOf { workflow, event, id };
        let root = self.root.join(format!("run-{id}"));
        let mut jobs: BTreeMap<String, JobRun> = BTreeMap::new();
        for job in workflow.order()? {
            let done = self.job(run, &root, job, &workflow.jobs[job], &jobs).await?;
            jobs.insert(job.to_owned(), done);
        }
        Ok(Run { jobs })
    }

    async fn job(
        &self,
        run: RunOf<'_>,
        root: &Path,
        id: &str,
        job: &Job,
        before: &BTreeMap<String, JobRun>,
    ) -> Result<JobRun, RunError> {
        let wrong = |source| RunError::Expression { job: id.to_owned(), source };
        let needs = needs(job, before);
        let all = contexts([("github", run.github()), ("needs", needs.clone()), ("inputs", run.inputs())]);
        let status = status(job, run.workflow, before);
        if !holds(job.condition.as_deref(), &all, status).map_err(wrong)? {
            return Ok(JobRun::without_steps(Outcome::Skipped));
        }
        let place = job
            .environment
            .as_ref()
            .map(|place| fill(place.name(), &all, status))
            .transpose()
            .map_err(wrong)?;
        let secrets = self.secrets(place.as_deref());
        let mut work = Work::new(self, run, (id, job), root, (needs, secrets))?;
        let mut steps = Vec::new();
        for step in &job.steps {
            steps.push(work.step(step).await.map_err(wrong)?);
        }
        work.end(job, steps).map_err(wrong)
    }
}

/// The context `needs`.
fn needs(job: &Job, before: &BTreeMap<String, JobRun>) -> Value {
    let of = |name: &String| {
        let done = before.get(name)?;
        Some((name.clone(), json!({"result": done.outcome.name(), "outputs": done.outputs})))
    };
    Value::Object(job.needs.names().iter().filter_map(of).collect())
}

/// How the jobs went that this one needs, and those that they need.
fn status(job: &Job, workflow: &Workflow, before: &BTreeMap<String, JobRun>) -> Status {
    let mut names: Vec<&String> = job.needs.names().iter().collect();
    let mut n = 0;
    while n < names.len() {
        let further = workflow.jobs.get(names[n]).map(|job| job.needs.names()).unwrap_or_default();
        let further: Vec<&String> = further.iter().filter(|name| !names.contains(name)).collect();
        names.extend(further);
        n += 1;
    }
    let has = |wanted| names.iter().any(|name| before.get(*name).is_some_and(|job| job.outcome == wanted));
    Status {
        has_failed: has(Outcome::Failure),
        // A run goes to its end or is dropped; nobody cancels one here.
        is_cancelled: false,
        is_short: has(Outcome::Skipped),
    }
}
