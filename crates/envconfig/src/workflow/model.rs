//! A workflow as far as the rules look at it.

use super::expr::Expressions;
use super::script::{Command, commands};
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

/// The text behind a name.
pub(super) fn named<'t>(texts: &'t Texts, name: &str) -> Option<&'t Text> {
    texts.iter().find(|(is, _)| is == name).map(|(_, text)| text)
}

/// One file of `.github/workflows`.
#[derive(Debug)]
pub(super) struct Workflow {
    pub(super) name: Option<String>,
    /// Where it begins to say what it does.
    pub(super) span: Span,
    /// What starts it.
    pub(super) events: Vec<String>,
    /// Which branches and tags do, by a push or by another workflow that ran on them.
    pub(super) push: Option<Filter>,
    pub(super) has_permissions: bool,
    pub(super) concurrency: Option<Concurrency>,
    pub(super) env: Texts,
    pub(super) jobs: Vec<Job>,
}

impl Workflow {
    pub(super) fn job(&self, id: &str) -> Option<&Job> {
        self.jobs.iter().find(|job| job.id.eq_ignore_ascii_case(id))
    }

    /// Whether only other workflows start it, which say what it may do and beside whom.
    pub(super) fn is_called(&self) -> bool {
        !self.events.is_empty() && self.events.iter().all(|event| event == "workflow_call")
    }
}

/// Which branches and tags start it, as patterns. Without any all do.
#[derive(Debug, Default)]
pub(super) struct Filter {
    pub(super) branches: Vec<String>,
    pub(super) ignored: Vec<String>,
    pub(super) tags: Vec<String>,
}

/// A concurrency group.
#[derive(Debug)]
pub(super) struct Concurrency {
    /// Its name.
    pub(super) group: Option<Text>,
    /// Where it says that whoever comes later always ends the one that runs, if it does.
    pub(super) cancels: Option<Text>,
}

#[derive(Debug, Default)]
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
    /// The workflow of another file that it is.
    pub(super) uses: Option<Text>,
    /// Whether its machine is one of GitHub's, with what those have installed.
    pub(super) is_hosted: bool,
    pub(super) steps: Vec<Step>,
    /// Every text outside of its steps and its condition.
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
    pub(super) directory: Option<String>,
    pub(super) with: Texts,
    pub(super) env: Texts,
    pub(super) has_timeout: bool,
    /// Every text in it but its condition.
    pub(super) texts: Vec<Text>,
    /// What its script runs.
    pub(super) commands: Vec<Command>,
}

impl Job {
    /// What people call it, on one line.
    pub(super) fn called(&self) -> String {
        self.name.as_deref().unwrap_or(&self.id).escape_debug().to_string()
    }
}

impl Step {
    /// What people call it, on one line.
    pub(super) fn called(&self) -> String {
        let uses = || self.uses.as_ref().map(|uses| uses.value.as_str());
        let called = self.name.as_deref().or(self.id.as_deref()).or_else(uses);
        called.unwrap_or("run").escape_debug().to_string()
    }

    /// The action that it is, without its version.
    pub(super) fn action(&self) -> Option<&str> {
        let uses = self.uses.as_ref()?;
        Some(uses.value.split_once('@').map_or(uses.value.as_str(), |(action, _)| action))
    }

    /// Whether it is this action, whatever its version.
    pub(super) fn is_action(&self, name: &str) -> bool {
        self.action().is_some_and(|action| action.eq_ignore_ascii_case(name))
    }

    /// Its scripts: what a shell runs, and what an action is told to run.
    pub(super) fn scripts(&self) -> impl Iterator<Item = &Text> {
        let script = if self.is_action("actions/github-script") { "script" } else { "args" };
        self.run.iter().chain(named(&self.with, script).filter(|_| self.uses.is_some()))
    }

    /// What it runs.
    pub(super) fn read_commands(run: Option<&Text>, uses: Option<&Text>, with: &Texts) -> Vec<Command> {
        let is_fly = uses.is_some_and(|uses| uses.value.starts_with("superfly/flyctl-actions@"));
        let told = named(with, "args").filter(|_| is_fly).map(|args| format!("flyctl {}", args.value));
        let script = run.map(|run| run.value.clone()).or(told).unwrap_or_default();
        commands(&script)
    }
}
