//! What runs, where that is not what was put there.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::{At, ComponentName, UnitId};

/// One way in which what runs differs from what is recorded.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Difference {
    /// Of which component.
    pub component: ComponentName,
    /// In which respect, in the terms of `drift.ignore`: `image`, `count`, `cordon`, `env.NAME`, or a field of the unit's
    /// configuration such as `guest`.
    pub field: String,
    /// In which group and region, where it is a number of units.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
    /// The units that show it; none where they are gone.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub units: BTreeSet<UnitId>,
    /// What is recorded. Values of variables are not: they may be secret.
    pub was: String,
    /// What runs.
    pub is: String,
    /// Which tool was there last, as it left it written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// Since when, by the provider's clock: when the first of these units got the version it has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<At>,
}

impl Difference {
    /// Whether both say the same of the same units. Since when may be told otherwise each time: a provider counts starts
    /// and stops in, too.
    fn is(&self, other: &Self) -> bool {
        Self { since: None, ..self.clone() } == Self { since: None, ..other.clone() }
    }

    /// The instant of what is `known` already stays.
    pub(crate) fn keep_since(&mut self, known: &[Self]) {
        if let Some(known) = known.iter().find(|known| known.is(self)) {
            self.since = known.since;
        }
    }

    /// What is known of units of which nobody can tell now stays, too.
    pub(crate) fn hidden(&self, unknown: &BTreeSet<UnitId>) -> Option<Self> {
        let units: BTreeSet<UnitId> = self.units.intersection(unknown).cloned().collect();
        (!units.is_empty()).then(|| Self { units, ..self.clone() })
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.component, self.field)?;
        if let Some(at) = &self.at {
            write!(f, " of {at}")?;
        }
        if !self.units.is_empty() {
            let units: Vec<&str> = self.units.iter().map(UnitId::as_str).collect();
            write!(f, " on {}", units.join(", "))?;
        }
        write!(f, ": was {}, is {}", self.was, self.is)?;
        if let Some(by) = &self.by {
            write!(f, ", by {by}")?;
        }
        match self.since {
            Some(since) => write!(f, ", since {since}"),
            None => Ok(()),
        }
    }
}

/// Which differences are none, in the terms of [`Difference::field`]; `env` stands for every variable.
pub fn is_ignored(ignored: &BTreeSet<String>, field: &str) -> bool {
    ignored.contains(field) || field.starts_with("env.") && ignored.contains("env")
}
