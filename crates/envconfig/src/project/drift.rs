//! `drift.ignore` of an environment: what may differ there from what was put there.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use crate::{Malformed, VariableName, reading::Value};

/// In what a machine, or their number, may differ; `env.NAME` besides. The fields of a machine's configuration are called
/// as the Machines API calls them.
const WORDS: &[&str] = &[
    "image",
    "count",
    "cordon",
    "env",
    "guest",
    "services",
    "checks",
    "mounts",
    "init",
    "restart",
    "stop_config",
    "statics",
    "files",
    "metadata",
    "metrics",
    "processes",
    "dns",
    "schedule",
    "auto_destroy",
    "size",
    "disable_machine_autostart",
    "rootfs",
    "cache_drive",
    "spot",
];

/// One thing that may differ from what is recorded: `count`, `env.LOG_LEVEL`, `guest`; `env` is every variable.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct DriftField(String);

impl DriftField {
    /// As it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for DriftField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl FromStr for DriftField {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let expected = "something that drifts";
        match text.strip_prefix("env.") {
            Some(name) => {
                name.parse::<VariableName>().map_err(|error| Malformed::new(text, expected, error.why))?;
            }
            None if WORDS.contains(&text) => {}
            None => return Err(Malformed::none_of(text, expected, WORDS)),
        }
        Ok(Self(text.to_owned()))
    }
}

pub(super) fn ignored(value: &Value<'_>) -> BTreeSet<DriftField> {
    let Some(section) = value.section() else { return BTreeSet::new() };
    let fields = section.get("ignore").and_then(|fields| fields.list_of()).unwrap_or_default();
    section.finish();
    fields.into_iter().collect()
}
