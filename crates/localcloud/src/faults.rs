//! Faults: what goes wrong on purpose, at start ([`crate::Options::faults`]) and at run time.
//!
//! `GET /localcloud/v1/faults` answers `{"faults": [FAULT, …]}`, `PUT` replaces the whole list with the same shape
//! and `POST` adds one FAULT. Any known token may do it. The list is not kept over a restart of the server.
//!
//! FAULT is an object: `name` (below); optional filters `app`, `machine`, `action`, `region`; optional `count` (how often it
//! strikes; absent: until removed; at 0 it is dropped) or `probability` (0 to 1, drawn per chance); and its parameters.
//! `action` is the action's name in the audit log (`machine-update`, `machine-create`, `lease-acquire`, …).
//!
//! | name | parameters | effect |
//! |---|---|---|
//! | `boot-failure` | | the machine's process is not started: a `launch` event with status `failed`, state `failed` |
//! | `answer-408-after-success` | | the call takes effect, then 408 is answered (mutations that succeeded only) |
//! | `cut-connection` | `applied` (default false) | the TCP connection is dropped without an answer, before or after the call took effect; without an `action` filter only mutations are struck |
//! | `rate-limit-burst` | | 429 instead of doing anything |
//! | `latency` | `ms` | the call is delayed before anything happens |
//! | `check-failing` | | every check run of the machine is critical |
//! | `check-flapping` | | every second check run of the machine is critical |
//! | `pull-failure-silent-revert` | `keep_version` (default true) | an update answers 200 with a new version; then the machine comes back `started` on the old image and config, under the new version id, or with `keep_version: false` under the old one |
//! | `edge-lag` | `ms` (to 30000) | an edge (`region` filters) learns of a change after exactly this time |

use std::sync::{Mutex, MutexGuard, PoisonError};

use rand::{Rng, SeedableRng, rngs::StdRng};
use serde::{Deserialize, Serialize};

/// Which fault; the table is in the [module's documentation](self).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FaultName {
    /// The process is not started.
    BootFailure,
    /// Applied, then 408.
    #[serde(rename = "answer-408-after-success")]
    Answer408AfterSuccess,
    /// No answer at all.
    CutConnection,
    /// 429.
    RateLimitBurst,
    /// Slow.
    Latency,
    /// Checks are critical.
    CheckFailing,
    /// Checks are critical every second time.
    CheckFlapping,
    /// The update seems to work and does not.
    PullFailureSilentRevert,
    /// Edges are late.
    EdgeLag,
}

impl FaultName {
    /// The name as in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::BootFailure => "boot-failure",
            Self::Answer408AfterSuccess => "answer-408-after-success",
            Self::CutConnection => "cut-connection",
            Self::RateLimitBurst => "rate-limit-burst",
            Self::Latency => "latency",
            Self::CheckFailing => "check-failing",
            Self::CheckFlapping => "check-flapping",
            Self::PullFailureSilentRevert => "pull-failure-silent-revert",
            Self::EdgeLag => "edge-lag",
        }
    }
}

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
    /// Milliseconds, for `latency` and `edge-lag`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ms: Option<u64>,
    /// For `cut-connection`: whether the call takes effect first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub applied: Option<bool>,
    /// For `pull-failure-silent-revert`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep_version: Option<bool>,
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
            ms: None,
            applied: None,
            keep_version: None,
        }
    }

    fn problem(&self) -> Option<String> {
        let name = self.name.as_str();
        if self.probability.is_some_and(|p| !(0.0..=1.0).contains(&p)) {
            return Some(format!("{name}: probability must lie between 0 and 1"));
        }
        let timed = matches!(self.name, FaultName::Latency | FaultName::EdgeLag);
        if timed && self.ms.is_none_or(|ms| ms > 30_000) {
            return Some(format!("{name}: ms is needed, at most 30000"));
        }
        None
    }
}

/// A chance for a fault to strike.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Chance<'a> {
    pub(crate) app: Option<&'a str>,
    pub(crate) machine: Option<&'a str>,
    pub(crate) action: Option<&'a str>,
    pub(crate) region: Option<&'a str>,
}

impl Chance<'_> {
    fn fits(self, fault: &Fault) -> bool {
        let one =
            |filter: &Option<String>, value: Option<&str>| filter.as_deref().is_none_or(|f| Some(f) == value);
        one(&fault.app, self.app)
            && one(&fault.machine, self.machine)
            && one(&fault.action, self.action)
            && one(&fault.region, self.region)
    }
}

/// The faults in force.
#[derive(Debug)]
pub(crate) struct Faults {
    inner: Mutex<(Vec<Fault>, StdRng)>,
}

impl Faults {
    pub(crate) fn new(faults: Vec<Fault>, seed: u64) -> Result<Self, String> {
        let all = Self { inner: Mutex::new((Vec::new(), StdRng::seed_from_u64(seed))) };
        all.replace(faults)?;
        Ok(all)
    }

    fn lock(&self) -> MutexGuard<'_, (Vec<Fault>, StdRng)> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn list(&self) -> Vec<Fault> {
        self.lock().0.clone()
    }

    pub(crate) fn replace(&self, faults: Vec<Fault>) -> Result<(), String> {
        if let Some(problem) = faults.iter().find_map(Fault::problem) {
            return Err(problem);
        }
        self.lock().0 = faults;
        Ok(())
    }

    pub(crate) fn add(&self, fault: Fault) -> Result<(), String> {
        if let Some(problem) = fault.problem() {
            return Err(problem);
        }
        self.lock().0.push(fault);
        Ok(())
    }

    /// The first fitting fault that strikes, used up by one.
    pub(crate) fn strike(&self, name: FaultName, chance: Chance<'_>) -> Option<Fault> {
        self.strike_if(name, chance, |_| true)
    }

    pub(crate) fn strike_if(
        &self,
        name: FaultName,
        chance: Chance<'_>,
        wanted: impl Fn(&Fault) -> bool,
    ) -> Option<Fault> {
        let mut inner = self.lock();
        let (faults, rng) = &mut *inner;
        let at = faults.iter().position(|f| {
            f.name == name
                && f.count != Some(0)
                && chance.fits(f)
                && wanted(f)
                && f.probability.is_none_or(|p| rng.random_bool(p))
        })?;
        let struck = faults[at].clone();
        if let Some(count) = &mut faults[at].count {
            *count -= 1;
            if *count == 0 {
                faults.remove(at);
            }
        }
        Some(struck)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_run_out_and_filters_hold() {
        let mut fault = Fault::new(FaultName::RateLimitBurst);
        (fault.count, fault.app) = (Some(2), Some(String::from("web")));
        let faults = Faults::new(vec![fault], 1).unwrap();
        let web = Chance { app: Some("web"), ..Chance::default() };
        assert_eq!(faults.strike(FaultName::RateLimitBurst, Chance::default()), None);
        assert_eq!(faults.strike(FaultName::Latency, web), None);
        assert!(faults.strike(FaultName::RateLimitBurst, web).is_some());
        assert!(faults.strike(FaultName::RateLimitBurst, web).is_some());
        assert_eq!(faults.strike(FaultName::RateLimitBurst, web), None);
        assert!(faults.list().is_empty());
    }

    #[test]
    fn names_are_those_of_the_table_and_bad_values_are_refused() {
        let names: Vec<FaultName> = serde_json::from_str(
            r#"["boot-failure","answer-408-after-success","cut-connection","rate-limit-burst","latency",
                "check-failing","check-flapping","pull-failure-silent-revert","edge-lag"]"#,
        )
        .unwrap();
        for name in names {
            assert_eq!(serde_json::to_value(name).unwrap(), name.as_str());
        }
        assert!(Faults::new(vec![Fault::new(FaultName::Latency)], 0).is_err());
        assert!(serde_json::from_str::<Fault>(r#"{"name":"latency","mss":3}"#).is_err());
    }

    #[test]
    fn a_seed_gives_the_same_draws() {
        let draws = |seed| {
            let mut fault = Fault::new(FaultName::BootFailure);
            fault.probability = Some(0.5);
            let faults = Faults::new(vec![fault], seed).unwrap();
            (0..64)
                .map(|_| faults.strike(FaultName::BootFailure, Chance::default()).is_some())
                .collect::<Vec<_>>()
        };
        assert_eq!(draws(7), draws(7));
        assert_ne!(draws(7), draws(8));
    }
}
