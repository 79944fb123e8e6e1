//! `[ci]`: what the workflows that are written from the project file have to know, and nothing else here says.

use crate::{
    ActionRef, Code, CronSchedule, Resolved, RunnerLabel, ShellScript,
    reading::{Section, Value},
};

/// How a team's continuous integration builds and where our binaries come from.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Ci {
    /// The action that puts our binaries on the machine.
    pub action: Resolved<ActionRef>,
    /// The label of the machines that jobs run on.
    pub runs_on: Resolved<RunnerLabel>,
    /// What tests the source before anything is built, if anything does.
    pub test: Option<Resolved<ShellScript>>,
    /// What builds and pushes every component, where that is not flyctl.
    pub build: Option<Resolved<ShellScript>>,
    /// When somebody looks after what was left half done.
    pub rescue: Resolved<CronSchedule>,
}

/// As often as GitHub allows.
const RESCUE: &str = "*/5 * * * *";
const RUNS_ON: &str = "ubuntu-latest";

pub(super) fn read(root: &Section<'_>) -> Option<Ci> {
    let section = root.get("ci").and_then(|value| value.section())?;
    let action = section.require("action", "it says where the binaries come from, for every machine of CI");
    let runs_on = section.get("runs-on").map(|value| value.resolved());
    let test = section.get("test").map(|value| script(&value));
    let build = section.get("build").map(|value| script(&value));
    let rescue = section.get("rescue").map(|value| value.resolved());
    section.finish();
    let runs_on = runs_on.unwrap_or_else(|| default_of(RUNS_ON, "GitHub's own machines"));
    let rescue =
        rescue.unwrap_or_else(|| default_of(RESCUE, "GitHub starts a schedule at most every five minutes"));
    Some(Ci {
        action: action?.resolved()?,
        runs_on: runs_on?,
        test: test.map_or(Some(None), |test| test.map(Some))?,
        build: build.map_or(Some(None), |build| build.map(Some))?,
        rescue: rescue?,
    })
}

fn default_of<T: std::str::FromStr>(text: &str, why: &str) -> Option<Resolved<T>> {
    Some(Resolved::default_of(text.parse().ok()?, why))
}

/// A script may be a literal with a secret in it by mistake, which is never quoted.
fn script(value: &Value<'_>) -> Option<Resolved<ShellScript>> {
    let text = value.text()?;
    match text.parse() {
        Ok(script) => Some(value.found(script)),
        Err(error) => {
            let error: crate::Malformed = error;
            let what = format!("`{}` is no script", value.path);
            value.error(Code::Malformed, what, error.why, None);
            None
        }
    }
}
