//! One fault with its filters and parameters.

use serde::{Deserialize, Serialize};

use super::name::{FaultName, Time};

/// The longest time of a fault, in milliseconds, where it holds something up.
const LONGEST: u64 = 30_000;
/// The longest time of one that a machine or a lease may simply have: a day.
const LASTING: u64 = 86_400_000;

/// One fault with its filters and parameters.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// Which.
    pub name: FaultName,
    /// Only this app or site.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub app: Option<String>,
    /// Only this machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub machine: Option<String>,
    /// Only this action.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<String>,
    /// Only this edge.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// How often it still strikes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
    /// How likely it strikes at each chance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probability: Option<f64>,
    /// How many chances pass before it strikes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skip: Option<u64>,
    /// How long it is on, in milliseconds from when it is set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub for_ms: Option<u64>,
    /// Milliseconds, where the table says what of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ms: Option<u64>,
    /// For `cut-connection` and `proxy-error`: whether the call takes effect first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub applied: Option<bool>,
    /// For `pull-failure-silent-revert`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep_version: Option<bool>,
    /// For `proxy-error`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
}

impl Fault {
    /// A fault without filters that strikes until removed.
    pub fn new(name: FaultName) -> Self {
        Self {
            name,
            app: None,
            machine: None,
            action: None,
            region: None,
            count: None,
            probability: None,
            skip: None,
            for_ms: None,
            ms: None,
            applied: None,
            keep_version: None,
            status: None,
        }
    }

    pub(super) fn problem(&self) -> Option<String> {
        let name = self.name.as_str();
        if self.probability.is_some_and(|p| !(0.0..=1.0).contains(&p)) {
            return Some(format!("{name}: probability must lie between 0 and 1"));
        }
        let longest = match self.name {
            FaultName::StuckReplacing
            | FaultName::SlowDestroy
            | FaultName::LeaseStolen
            | FaultName::LeaseExpiredEarly => LASTING,
            _ => LONGEST,
        };
        let is_needed = self.name.time() == Time::Must;
        if self.ms.map_or(is_needed, |ms| ms > longest) {
            let needed = if is_needed { "is needed, at most" } else { "is at most" };
            return Some(format!("{name}: ms {needed} {longest}"));
        }
        if self.ms.is_some() && self.name.time() == Time::None {
            return Some(format!("{name}: it takes no ms"));
        }
        if self.status.is_some_and(|status| !(502..=504).contains(&status)) {
            return Some(format!("{name}: status is 502, 503 or 504"));
        }
        None
    }
}
