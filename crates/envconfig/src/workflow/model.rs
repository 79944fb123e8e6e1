//! A workflow as far as the rules look at it.

use super::expr::Expressions;
use crate::reading::Span;

/// A text and where it stands.
#[derive(Debug, Clone)]
pub(super) struct Text {
    pub(super) value: String,
    pub(super) span: Span,
    /// The keys that lead to it.
    pub(super) path: String,
}

impl Text {
    pub(super) fn expressions(&self) -> Expressions {
        Expressions::within(&self.value)
    }

    /// As a condition of a job or step.
    pub(super) fn as_condition(&self) -> Expressions {
        Expressions::of_condition(&self.value)
    }
}

/// Names and what stands behind them.
pub(super) type Texts = Vec<(String, Text)>;

/// One file of `.github/workflows`.
#[derive(Debug)]
pub(super) struct Workflow {
    pub(super) name: Option<String>,
    /// Where it begins to say what it does.
    pub(super) span: Span,
    pub(super) push: Option<Push>,
    pub(super) has_permissions: bool,
    pub(super) concurrency: Option<Concurrency>,
    pub(super) env: Texts,
    pub(super) jobs: Vec<Job>,
}

impl Workflow {
    pub(super) fn job(&self, id: &str) -> Option<&Job> {
        self.jobs.iter().find(|job| job.id.eq_ignore_ascii_case(id))
    }
}

/// Which pushes start it. Without branches and tags all do.
#[derive(Debug, Default)]
pub(super) struct Push {
    pub(super) branches: Vec<String>,
    pub(super) tags: Vec<String>,
}

/// A concurrency group.
#[derive(Debug)]
pub(super) struct Concurrency {
    /// Where it says that whoever comes later ends the one that runs, if it does.
    pub(super) cancels: Option<Text>,
}

#[derive(Debug)]
pub(super) struct Job {
    pub(super) id: String,
    pub(super) span: Span,
    pub(super) path: String,
    pub(super) name: Option<String>,
    pub(super) needs: Vec<Text>,
    pub(super) condition: Option<Text>,
    pub(super) outputs: Texts,
    pub(super) env: Texts,
    /// The environment of GitHub that it runs in.
    pub(super) environment: Option<String>,
    /// The lists that it is repeated for.
    pub(super) matrix: Vec<Text>,
    pub(super) has_permissions: bool,
    pub(super) concurrency: Option<Concurrency>,
    pub(super) has_timeout: bool,
    /// It is a workflow of its own, in another file.
    pub(super) is_elsewhere: bool,
    pub(super) steps: Vec<Step>,
    /// Every text outside of its steps.
    pub(super) texts: Vec<Text>,
}

#[derive(Debug)]
pub(super) struct Step {
    pub(super) span: Span,
    pub(super) path: String,
    pub(super) id: Option<String>,
    pub(super) name: Option<String>,
    pub(super) condition: Option<Text>,
    pub(super) uses: Option<Text>,
    pub(super) run: Option<Text>,
    pub(super) with: Texts,
    pub(super) env: Texts,
    /// Every text in it.
    pub(super) texts: Vec<Text>,
}

impl Step {
    /// What people call it.
    pub(super) fn called(&self) -> &str {
        let uses = || self.uses.as_ref().map(|uses| uses.value.as_str());
        self.name.as_deref().or(self.id.as_deref()).or_else(uses).unwrap_or("run")
    }

    /// Whether it is this action, whatever its version.
    pub(super) fn is_action(&self, name: &str) -> bool {
        self.uses.as_ref().is_some_and(|uses| {
            let (action, _) = uses.value.split_once('@').unwrap_or((&uses.value, ""));
            action.eq_ignore_ascii_case(name)
        })
    }

    /// The lines of its script that do something, each with the lines that continue it.
    pub(super) fn commands(&self) -> Vec<String> {
        let script = self.run.as_ref().map(|run| run.value.replace("\\\n", " ")).unwrap_or_default();
        let is_command = |line: &&str| !line.is_empty() && !line.starts_with('#');
        script.lines().map(str::trim).filter(is_command).map(str::to_owned).collect()
    }
}
