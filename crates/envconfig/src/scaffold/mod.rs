//! From a repository that deploys with `fly deploy` to its first project file: what is found in it, what only people know,
//! and the files that follow from both.
//!
//! ```
//! use envconfig::scaffold::{Answers, Repository, Survey};
//! let mut repository = Repository::default();
//! repository.texts.insert("fly.toml".to_owned(), "app = \"runner\"\n[http_service]\ninternal_port = 80".to_owned());
//! let survey = Survey::of(&repository, &|_, _| Err("not here".to_owned())).expect("it can be read");
//! let answers = Answers { leads: vec!["github:583231".parse()?], ..Answers::default() };
//! let drafts = survey.drafts(&answers).expect("nothing is missing");
//! assert_eq!(drafts[0].path, "understudy.toml");
//! assert!(drafts[0].text.contains("web.app = \"runner-staging\""));
//! # Ok::<(), envconfig::Malformed>(())
//! ```

mod answers;
mod credential;
mod differs;
mod elsewhere;
mod files;
mod project_text;
mod suite_text;
mod survey;

use std::collections::{BTreeMap, BTreeSet};

use crate::{AppName, ComponentName, ProcessGroup, ProjectPath, check::SIGNERS, fly_toml::Overlay};

pub use answers::{Answers, Assumed, Missing};

/// A repository's files that say how it is deployed, as somebody read them.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Repository {
    /// Text by path, from the repository's top on, with `/` between parts: `fly.toml`, `apps/api/fly.staging.toml`.
    pub texts: BTreeMap<String, String>,
    /// Where migrations of a database are, if there are any.
    pub migrations: Vec<String>,
    /// Production's files, where somebody said which; else what their names and places say.
    pub configs: BTreeSet<String>,
}

impl std::fmt::Debug for Repository {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Repository")
            .field("texts", &self.texts.keys().collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}

/// Reads a file that another one names: by the path of that file and the name in it; or says why it cannot be read.
pub type Beside<'a> = dyn Fn(&str, &str) -> Result<Vec<u8>, String> + 'a;

/// What is in a [`Repository`].
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Survey {
    /// What is deployed, by its name.
    pub apps: BTreeMap<ComponentName, FoundApp>,
    /// What was found and is left out, and why; for people.
    pub notes: Vec<String>,
}

/// A Fly app of a [`Survey`]. It is not shown: its variables may hold what nobody should see.
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub struct FoundApp {
    /// Production's fly.toml.
    pub config: ProjectPath,
    /// The app that the file is for.
    pub app: Option<AppName>,
    /// Whether requests reach it from outside.
    pub serves: bool,
    /// Process groups that nothing proves to be healthy.
    pub unchecked: Vec<ProcessGroup>,
    /// Paths that its checks ask for with GET, each once.
    pub paths: Vec<String>,
    /// Production's variables, as its file says them.
    pub env: BTreeMap<String, String>,
    /// Those that are, or lead to, something that only production may have (P11).
    pub own: BTreeSet<String>,
    /// Staging's own file, where there is one.
    pub staging: Option<FoundStaging>,
}

impl std::fmt::Debug for FoundApp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FoundApp")
            .field("config", &self.config)
            .field("app", &self.app)
            .finish_non_exhaustive()
    }
}

/// A fly.toml of staging.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct FoundStaging {
    /// The file.
    pub config: String,
    /// The app that the file is for.
    pub app: Option<AppName>,
    /// How it differs from production's, as far as an overlay can say it. Nothing that looks like a secret is in it.
    pub overlay: Overlay,
    /// In what else it differs.
    pub beyond: Vec<String>,
    /// Variables of it that look like secrets, and are left where they are.
    pub secrets: BTreeSet<String>,
}

/// What a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DraftKind {
    /// The project file.
    Project,
    /// A suite.
    Suite,
    /// The allowed signers, of which each line counts by itself.
    Signers,
    /// A workflow, which is made by somebody else from the project file.
    Workflow,
}

/// A file to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Draft {
    /// What it is.
    pub kind: DraftKind,
    /// From the project file's directory on.
    pub path: String,
    /// Its text.
    pub text: String,
}

impl Draft {
    /// A workflow.
    pub fn workflow(path: String, text: String) -> Self {
        Self { kind: DraftKind::Workflow, path, text }
    }
}

/// The suite that a first project file names, where the project file expects it.
const SUITE: &str = "tests/smoke.toml";

/// The project file's usual name.
const PROJECT: &str = "understudy.toml";

impl Survey {
    /// The files of `answers`, the project file first.
    ///
    /// # Errors
    /// Everything that is still to be answered.
    pub fn drafts(&self, answers: &Answers) -> Result<Vec<Draft>, Vec<Missing>> {
        let settled = answers::settle(self, answers)?;
        let draft = |kind, path: &str, text| Draft { kind, path: path.to_owned(), text };
        let mut drafts = vec![draft(DraftKind::Project, PROJECT, project_text::of(self, &settled))];
        if self.is_asked() {
            drafts.push(draft(DraftKind::Suite, SUITE, suite_text::of(self)));
        }
        if !answers.signers.is_empty() {
            let text: String = answers.signers.iter().map(|line| format!("{line}\n")).collect();
            drafts.push(draft(DraftKind::Signers, SIGNERS, text));
        }
        Ok(drafts)
    }

    /// Whether requests from outside reach anything of it, so that a suite has somebody to ask.
    pub fn is_asked(&self) -> bool {
        self.apps.values().any(|app| app.serves)
    }

    /// What is taken for granted where `answers` say nothing.
    pub fn assumed(&self, answers: &Answers) -> Vec<Assumed> {
        answers::assumed(self, answers)
    }
}

/// A text as TOML writes it.
fn quoted(text: &str) -> String {
    toml_edit::Value::from(text).to_string()
}
