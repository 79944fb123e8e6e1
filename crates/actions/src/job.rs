//! A job at work: its directories, its variables, and what its steps said so far.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use crate::environment::{RunOf, contexts};
use crate::expression::{ExpressionError, Status, fill};
use crate::report::{JobRun, Outcome, StepRun};
use crate::runner::{RunError, Runner};
use crate::workflow::Job;

pub(crate) struct Work<'r> {
    pub(crate) runner: &'r Runner,
    pub(crate) run: RunOf<'r>,
    pub(crate) job: &'r Job,
    /// Of the job: `workspace`, `temp`, `home`, and files between its steps.
    pub(crate) dir: PathBuf,
    /// What jobs of the run keep for each other.
    pub(crate) artefacts: PathBuf,
    /// Variables that steps said for those behind them, over those of the machine.
    pub(crate) variables: BTreeMap<String, String>,
    pub(crate) masks: Vec<String>,
    pub(crate) path: Vec<String>,
    needs: Value,
    secrets: BTreeMap<String, String>,
    pub(crate) steps: Map<String, Value>,
    pub(crate) status: Status,
    pub(crate) summary: String,
    pub(crate) n_steps: usize,
}

impl<'r> Work<'r> {
    pub(crate) fn new(
        runner: &'r Runner,
        run: RunOf<'r>,
        (id, job): (&str, &'r Job),
        root: &Path,
        (needs, secrets): (Value, BTreeMap<String, String>),
    ) -> Result<Self, RunError> {
        let dir = root.join(id);
        let artefacts = root.join("artefacts");
        for made in ["workspace", "temp", "home"].map(|name| dir.join(name)).iter().chain([&artefacts]) {
            fs::create_dir_all(made).map_err(|source| RunError::Files { path: made.clone(), source })?;
        }
        let mut variables = runner.variables.clone();
        variables.extend(run.variables(id, &dir));
        // A secret of many lines would be known by any of them.
        let lines = secrets.values().flat_map(|value| value.lines().map(str::trim));
        let masks = lines.filter(|line| line.len() > 3).map(str::to_owned).collect();
        Ok(Self {
            runner,
            run,
            job,
            dir,
            artefacts,
            variables,
            masks,
            path: Vec::new(),
            needs,
            secrets,
            steps: Map::new(),
            status: Status::default(),
            summary: String::new(),
            n_steps: 0,
        })
    }

    /// Everything that a step's expressions may read.
    pub(crate) fn contexts(&self, env: &BTreeMap<String, String>) -> Value {
        contexts([
            ("github", self.run.github()),
            ("needs", self.needs.clone()),
            ("inputs", self.run.inputs()),
            ("secrets", json!(self.secrets)),
            ("steps", Value::Object(self.steps.clone())),
            ("env", json!(env)),
            ("runner", json!({"temp": self.dir.join("temp"), "os": "Linux"})),
        ])
    }

    /// A map of `env:`, worked out.
    pub(crate) fn filled(
        &self,
        env: &Map<String, Value>,
        contexts: &Value,
    ) -> Result<BTreeMap<String, String>, ExpressionError> {
        let one = |(name, value): (&String, &Value)| {
            let text = crate::expression::text(value);
            Ok((name.clone(), fill(&text, contexts, self.status)?))
        };
        env.iter().map(one).collect()
    }

    /// A text without secrets.
    pub(crate) fn masked(&self, text: &str) -> String {
        self.masks.iter().fold(text.to_owned(), |text, mask| text.replace(mask, "***"))
    }

    /// What became of it.
    pub(crate) fn end(self, job: &Job, steps: Vec<StepRun>) -> Result<JobRun, ExpressionError> {
        let all = self.contexts(&BTreeMap::new());
        let output = |(name, value): (&String, &String)| Ok((name.clone(), fill(value, &all, self.status)?));
        let mut outputs = job.outputs.iter().map(output).collect::<Result<BTreeMap<_, _>, _>>()?;
        // GitHub drops what a secret stands in, and so does this one.
        outputs.retain(|_, value| !self.masks.iter().any(|mask| value.contains(mask)));
        let outcome = if self.status.has_failed { Outcome::Failure } else { Outcome::Success };
        Ok(JobRun { outcome, outputs, steps, summary: self.summary })
    }
}
