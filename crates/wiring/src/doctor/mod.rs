//! What works here and what does not, looked at one by one; nothing is changed, and one thing that is broken hides no other.

mod clock;
mod people;
mod places;
mod runner;
mod store;

use std::collections::BTreeSet;

use clikit::{Common, Context, Failure};
use envconfig::EnvironmentName;
use serde::Serialize;

use crate::wire::{Services, files};

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
    /// The command, or the line of a file, that mends it.
    pub mend: Option<String>,
}

impl Finding {
    fn new(about: impl Into<String>, state: State, seen: impl Into<String>) -> Self {
        Self { about: about.into(), state, seen: seen.into(), needed_for: Vec::new(), mend: None }
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
        Self { mend: failure.hint.clone(), ..Self::bad(about, format!("{}{why}", failure.what)) }
    }

    fn needed_for<S: Into<String>>(mut self, verbs: impl IntoIterator<Item = S>) -> Self {
        self.needed_for = verbs.into_iter().map(Into::into).collect();
        self
    }

    fn mended_by(mut self, mend: impl Into<String>) -> Self {
        self.mend = Some(mend.into());
        self
    }
}

/// Looks at everything that verbs of ours need in `only`, or in every environment.
///
/// # Errors
/// 2 when the project file has no such environment.
pub async fn examine(
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
    let configs: BTreeSet<&str> = files.configs.keys().map(String::as_str).collect();
    let read = configs.into_iter().collect::<Vec<_>>().join("`, `");
    let mut findings =
        vec![Finding::good("files", format!("the project file and the fly.toml of `{read}` can be used"))];
    findings.extend(people::look(context, &files));
    findings.extend(store::look(context, common, &files).await);
    findings.extend(runner::look(context, common, &files));
    let services = match Services::new(context) {
        Ok(services) => services,
        Err(failure) => {
            findings.push(Finding::failed("network", &failure).needed_for(["everything"]));
            return Ok(findings);
        }
    };
    let asked = || environments.values().filter(|it| only.is_none_or(|only| it.name == *only));
    findings.extend(clock::look(context, &services, asked()).await);
    for environment in asked() {
        findings.extend(places::look(context, &files, environment, &services).await);
    }
    Ok(findings)
}
