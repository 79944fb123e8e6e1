//! What became of a run.

use std::collections::BTreeMap;

/// How a step, job or run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// All is well.
    Success,
    /// A process ended with another code than 0, or could not be started.
    Failure,
    /// Its condition did not hold.
    Skipped,
}

impl Outcome {
    /// As GitHub writes it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Failure => "failure",
            Self::Skipped => "skipped",
        }
    }
}

/// A step.
#[derive(Debug, Clone)]
pub struct StepRun {
    /// What people call it.
    pub name: String,
    /// How it ended.
    pub outcome: Outcome,
    /// Where a process ended by itself.
    pub exit: Option<i32>,
    /// What it printed on both streams, with secrets masked.
    pub log: String,
}

impl StepRun {
    /// Lines that say `::error`, `::warning` or `::notice`, as GitHub takes them for annotations.
    pub fn annotations(&self) -> Vec<&str> {
        let levels = ["::error", "::warning", "::notice"];
        let lines = self.log.lines().map(str::trim_start);
        lines.filter(|line| levels.iter().any(|level| line.starts_with(level))).collect()
    }
}

/// A job.
#[derive(Debug, Clone)]
pub struct JobRun {
    /// How it ended.
    pub outcome: Outcome,
    /// What it told the others.
    pub outputs: BTreeMap<String, String>,
    /// Its steps, in order; none where it was skipped.
    pub steps: Vec<StepRun>,
    /// What its steps wrote for people.
    pub summary: String,
}

impl JobRun {
    pub(crate) fn without_steps(outcome: Outcome) -> Self {
        Self { outcome, outputs: BTreeMap::new(), steps: Vec::new(), summary: String::new() }
    }

    /// A step by its name.
    pub fn step(&self, name: &str) -> Option<&StepRun> {
        self.steps.iter().find(|step| step.name == name)
    }
}

/// A run of a workflow.
#[derive(Debug, Clone)]
pub struct Run {
    /// Its jobs by id.
    pub jobs: BTreeMap<String, JobRun>,
}

impl Run {
    /// How the run ended: as the worst of its jobs.
    pub fn outcome(&self) -> Outcome {
        let has_failed = self.jobs.values().any(|job| job.outcome == Outcome::Failure);
        if has_failed { Outcome::Failure } else { Outcome::Success }
    }

    /// Everything that was printed, for a failed test.
    pub fn log(&self) -> String {
        let mut text = String::new();
        for (id, job) in &self.jobs {
            text.push_str(&format!("== {id}: {}\n", job.outcome.name()));
            for step in &job.steps {
                text.push_str(&format!("-- {}: {}\n{}", step.name, step.outcome.name(), step.log));
            }
        }
        text
    }
}
