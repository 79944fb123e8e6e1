//! What works here and what does not, looked at one by one; nothing is changed, and one thing that is broken hides no other.

mod clock;
mod people;
mod places;
mod runner;
mod store;

use clikit::{Common, Context, Failure};
use envconfig::EnvironmentName;
use futures_util::future::join_all;
use serde::Serialize;

use crate::given::{self, quoted};
use crate::wire::{Files, SIGNERS, Services, files};

/// How something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// It works.
    Good,
    /// It does not work, and what needs it will fail.
    Bad,
    /// It could not be looked at without changing something, or before something else works.
    Unknown,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What it is about: `files`, `people`, `you`, `store`, `runner's key`, `clock`, or `ENVIRONMENT: …`.
    pub about: String,
    /// How it is.
    pub state: State,
    /// What was seen.
    pub seen: String,
    /// What fails without it, as verbs.
    pub needed_for: Vec<String>,
    /// The command that mends it, ready to be pasted.
    pub mend: Option<String>,
    /// What to do, where no one command does it.
    pub advice: Option<String>,
}

impl Finding {
    fn new(about: impl Into<String>, state: State, seen: impl Into<String>) -> Self {
        Self {
            about: about.into(),
            state,
            seen: seen.into(),
            needed_for: Vec::new(),
            mend: None,
            advice: None,
        }
    }

    fn good(about: impl Into<String>, seen: impl Into<String>) -> Self {
        Self::new(about, State::Good, seen)
    }

    fn bad(about: impl Into<String>, seen: impl Into<String>) -> Self {
        Self::new(about, State::Bad, seen)
    }

    fn unknown(about: impl Into<String>, seen: impl Into<String>) -> Self {
        Self::new(about, State::Unknown, seen)
    }

    /// As a verb of ours would tell it.
    fn failed(about: impl Into<String>, failure: &Failure) -> Self {
        let reasons = failure.reasons();
        let why = if reasons.is_empty() { String::new() } else { format!(": {}", reasons.join(": ")) };
        let finding = Self::bad(about, format!("{}{why}", failure.what));
        match failure.hint.as_ref() {
            Some(hint) if given::is_ours(hint) => finding.mended_by(hint),
            Some(hint) => finding.advised(hint),
            None => finding,
        }
    }

    fn needed_for<S: Into<String>>(mut self, verbs: impl IntoIterator<Item = S>) -> Self {
        self.needed_for = verbs.into_iter().map(Into::into).collect();
        self
    }

    fn mended_by(mut self, mend: impl Into<String>) -> Self {
        self.mend = Some(mend.into());
        self
    }

    fn advised(mut self, advice: impl Into<String>) -> Self {
        self.advice = Some(advice.into());
        self
    }
}

/// Where commands are pasted.
struct Here {
    /// The project file's directory, as seen from here, with its last `/` if it is another one.
    root: String,
}

impl Here {
    fn of(common: &Common) -> Self {
        Self { root: common.project.with_file_name("").display().to_string() }
    }

    /// A path of the project, for a shell.
    fn path(&self, name: &str) -> String {
        quoted(&format!("{}{name}", self.root))
    }

    /// Puts a public key among the allowed signers.
    fn allow(&self, public: &str) -> String {
        let (dir, file) = (self.path(".understudy"), self.path(SIGNERS));
        format!("mkdir -p {dir} && echo \"NAME $(cat {})\" >> {file}", quoted(public))
    }
}

/// Looks at everything that verbs of ours need in `only`, or in every environment. What mends something can be pasted where
/// `common` was given.
///
/// # Errors
/// 2 when the project file has no such environment.
pub async fn examine(
    context: &Context,
    common: &Common,
    only: Option<&EnvironmentName>,
) -> Result<Vec<Finding>, Failure> {
    let mut findings = look(context, common, only).await?;
    for mend in findings.iter_mut().filter_map(|finding| finding.mend.as_mut()) {
        if given::is_ours(mend) {
            *mend = given::along(common, std::mem::take(mend));
        }
    }
    Ok(findings)
}

async fn look(
    context: &Context,
    common: &Common,
    only: Option<&EnvironmentName>,
) -> Result<Vec<Finding>, Failure> {
    let files = match files(context, common) {
        Ok(files) => files,
        Err(failure) => {
            let finding = Finding::failed("files", &failure).needed_for(["everything"]);
            let is_there = context.current_dir.join(&common.project).exists();
            let mend = if is_there { "stagectl check" } else { "stagectl init" };
            return Ok(vec![finding.mended_by(mend)]);
        }
    };
    let environments = files.project.environments();
    if let Some(only) = only.filter(|only| !environments.contains_key(*only)) {
        let known: Vec<String> = environments.keys().map(|name| format!("`{name}`")).collect();
        return Err(Failure::usage(format!("the project file has no environment `{only}`"))
            .with_hint(format!("there are: {}", known.join(", "))));
    }
    let here = Here::of(common);
    let mut findings = read(&files);
    findings.extend(people::look(context, &files, &here, only));
    findings.push(store::look(context, common, &files).await);
    findings.extend(runner::look(context, common, &files, &here));
    let services = match Services::new(context) {
        Ok(services) => services,
        Err(failure) => {
            findings.push(Finding::failed("network", &failure).needed_for(["everything"]));
            return Ok(findings);
        }
    };
    let asked = || environments.values().filter(|it| only.is_none_or(|only| it.name == *only));
    findings.extend(clock::look(context, &services, asked()).await);
    // What is promoted comes from the environments before.
    let is_before = |name: &EnvironmentName| {
        only.is_none_or(|only| files.project.paths_into(only.as_str()).any(|(from, _)| from == name))
    };
    let needed = environments.values().filter(|it| only == Some(&it.name) || is_before(&it.name));
    findings.extend(needed.flat_map(|it| places::tokens(context, &files, it, &here)));
    let places = asked().map(|environment| places::look(context, &files, environment, &services));
    findings.extend(join_all(places).await.into_iter().flatten());
    Ok(findings)
}

/// The files that could be read, and the suites that could not.
fn read(files: &Files) -> Vec<Finding> {
    let configs: Vec<&str> = files.configs.keys().map(String::as_str).collect();
    let seen = format!("the project file and the fly.toml of `{}` can be read", configs.join("`, `"));
    let mut findings = vec![Finding::good("files", seen)];
    for (name, suite) in &files.suites {
        if let Some(problems) = suite.problems() {
            let needed = ["promote deploy", "promote start", "promote test"];
            let finding = Finding::bad(format!("suite {name}"), problems).needed_for(needed);
            findings.push(finding.mended_by(format!("itest list {}", quoted(&suite.file))));
        }
    }
    findings
}
