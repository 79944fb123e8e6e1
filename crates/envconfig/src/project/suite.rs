//! `[suites.NAME]`: the test suites, and where they are.

use std::collections::{BTreeMap, BTreeSet};

use super::policy_read::Path;
use crate::{
    Code, ProjectPath, Resolved, SuiteName, TagName,
    reading::{Section, Value},
};

/// A suite of the integration-test framework.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Suite {
    /// The suite's file, relative to the project file.
    pub file: Resolved<ProjectPath>,
    /// Only cases with one of these tags; all cases when empty.
    pub tags: BTreeSet<TagName>,
}

/// What the file says about suites.
#[derive(Debug)]
pub(super) struct Suites {
    /// With a `[suites]` section the list is complete, and a policy cannot name any other.
    pub(super) is_complete: bool,
    pub(super) listed: BTreeMap<SuiteName, Option<Suite>>,
}

impl Suites {
    /// The listed suites, and the unlisted ones that policies name, at their conventional place.
    pub(super) fn with_conventional(self, paths: &[Path]) -> BTreeMap<SuiteName, Suite> {
        let mut suites: BTreeMap<_, _> =
            self.listed.into_iter().filter_map(|(name, suite)| Some((name, suite?))).collect();
        for name in paths.iter().flat_map(|path| &path.policy.suites.value) {
            // A suite's name has no character that a path could not have.
            if let Ok(file) = format!("tests/{name}.toml").parse() {
                let file = Resolved::default_of(file, "a suite that `[suites]` does not list is in `tests/`");
                suites.entry(name.clone()).or_insert(Suite { file, tags: BTreeSet::new() });
            }
        }
        suites
    }
}

pub(super) fn read(root: &Section<'_>) -> Suites {
    let Some(section) = root.get("suites").and_then(|value| value.section()) else {
        return Suites { is_complete: false, listed: BTreeMap::new() };
    };
    let mut listed = BTreeMap::new();
    for (entry, value) in section.all() {
        let suite = suite(&value);
        match entry.name.parse::<SuiteName>() {
            Ok(name) => {
                listed.insert(name, suite);
            }
            Err(error) => {
                let what = error.what_is_wrong();
                value.sink.error(Code::Malformed, &entry.span, &value.path, what, error.why, None);
            }
        }
    }
    Suites { is_complete: true, listed }
}

fn suite(value: &Value<'_>) -> Option<Suite> {
    let section = value.section()?;
    let file =
        section.require("file", "it says where the suite's cases are").and_then(|file| file.resolved());
    let tags = section.get("tags").and_then(|tags| tags.list_of()).unwrap_or_default();
    section.finish();
    Some(Suite { file: file?, tags: tags.into_iter().collect() })
}
