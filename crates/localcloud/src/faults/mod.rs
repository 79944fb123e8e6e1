//! Faults: what goes wrong on purpose, at start ([`crate::Options::faults`]) and at run time.
//!
//! `GET /localcloud/v1/faults` answers `{"faults": [FAULT, …]}`, `PUT` replaces the whole list with the same shape
//! and `POST` adds one FAULT. Any known token may do it. The list is not kept over a restart of the server.
//!
//! `GET /localcloud/v1/faults/struck` answers how often each struck since the server started, `{NAME: {APP: TIMES}}`.
//!
//! FAULT is an object: `name` (below) and, where wanted:
//!
//! - filters: `app`, `machine`, `action`, `region`. `action` is the action's name in the audit log (`machine-update`,
//!   `machine-create`, `lease-acquire`, …);
//! - how often: `count` (how often it strikes; at 0 it is dropped), `probability` (0 to 1, drawn per chance), `skip` (so many
//!   chances pass first), `for_ms` (it is on for so long after it was set). Without them it strikes until removed;
//! - the parameters of its row.
//!
//! | name | parameters | effect |
//! |---|---|---|
//! | `boot-failure` | | the machine's process is not started: a `launch` event with status `failed`, state `failed` |
//! | `answer-408-after-success` | | the call takes effect, then 408 is answered (mutations that succeeded only) |
//! | `cut-connection` | `applied` (default false) | the TCP connection is dropped without an answer, before or after the call took effect; without an `action` filter only mutations are struck |
//! | `late-landing` | `ms` | the TCP connection is dropped without an answer; after `ms` the call is taken up as if it had just come, with the lease as it is then; without an `action` filter only mutations are struck |
//! | `proxy-error` | `status` (502, 503 or 504; default 502), `applied` (default false) | a proxy's answer without JSON, before or after the call took effect |
//! | `rate-limit-burst` | | 429 instead of doing anything |
//! | `latency` | `ms` | the call is delayed before anything happens |
//! | `stale-list` | `ms` | a list of machines shows what was `ms` ago, but nothing from before the fault was set; a GET of one machine is always fresh |
//! | `check-failing` | | every check run of the machine is critical |
//! | `check-flapping` | | every second check run of the machine is critical |
//! | `pull-failure-silent-revert` | `keep_version` (default true) | an update answers 200 with a new version; then the machine comes back `started` on the old image and config, under the new version id, or with `keep_version: false` under the old one |
//! | `stuck-replacing` | `ms` (absent: without an end) | an update answers 200 and the machine stays `replacing` or `updating`: start and stop are 412, an update is 409, only a destroy by force ends it sooner |
//! | `start-precondition` | | a start is 412, as while a machine is being replaced |
//! | `insufficient-capacity` | | a create or a start is 422 with status `insufficient_capacity`; other actions with an `action` filter |
//! | `host-unreachable` | | `host_status` is `unreachable`, `incomplete_config` stands instead of `config`, checks and events are empty; every other call on the machine is 504 without JSON; its traffic goes on |
//! | `autostart` | `ms` (default 0) | the proxy starts a stopped machine that is in traffic (has services, is not cordoned), so long after it was seen at rest |
//! | `autostop` | `ms` (default 0) | the proxy stops a machine that is in traffic (started, has services, is not cordoned) and has no request under way, so long after it was seen so; whatever its services say |
//! | `slow-destroy` | `ms` | a machine that is destroyed reads `destroying` for this long |
//! | `lease-stolen` | `ms` (default 5000) | a call with the nonce of a live lease finds it broken and taken by another for this long: 409 |
//! | `lease-expired-early` | `ms` | a lease that is taken or prolonged ends after this, whatever was asked and answered |
//! | `slow-down` | | a call to the small S3 is answered 503 `SlowDown`, and nothing happens |
//! | `conditional-conflict` | | a PutObject with `If-Match` or `If-None-Match` is answered 409 `ConditionalRequestConflict`, and nothing happens |
//! | `edge-lag` | `ms` (to 30000) | an edge (`region` filters) learns of a change after exactly this time |
//!
//! Calls to the small S3 are struck by `latency`, `cut-connection`, `late-landing` and their own two; their `app` is the
//! bucket, and their actions begin with `s3-`. Calls to the registry are struck by none.
//!
//! `ms` is at most 30,000, but for `stuck-replacing`, `slow-destroy`, `lease-stolen` and `lease-expired-early`.

mod fault;
mod name;

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use rand::{Rng, SeedableRng, rngs::StdRng};
use tokio::time::Instant;

pub use fault::Fault;
pub use name::FaultName;

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

/// A fault in force.
#[derive(Debug)]
struct Standing {
    fault: Fault,
    /// Until then; always, where it has no end of its own.
    until: Option<Instant>,
}

impl Standing {
    fn new(fault: Fault) -> Self {
        let until = fault.for_ms.map(|ms| Instant::now() + Duration::from_millis(ms));
        Self { fault, until }
    }

    fn is_over(&self, now: Instant) -> bool {
        self.fault.count == Some(0) || self.until.is_some_and(|until| until <= now)
    }
}

/// How often each fault struck, by name and app; what is about no app stands under the empty name.
pub(crate) type Struck = BTreeMap<&'static str, BTreeMap<String, u64>>;

#[derive(Debug)]
struct Inner {
    standing: Vec<Standing>,
    rng: StdRng,
    struck: Struck,
}

/// The faults in force.
#[derive(Debug)]
pub(crate) struct Faults {
    inner: Mutex<Inner>,
}

impl Faults {
    pub(crate) fn new(faults: Vec<Fault>, seed: u64) -> Result<Self, String> {
        let rng = StdRng::seed_from_u64(seed);
        let all = Self { inner: Mutex::new(Inner { standing: Vec::new(), rng, struck: Struck::new() }) };
        all.replace(faults)?;
        Ok(all)
    }

    /// The list, without those that are over.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        inner.standing.retain(|standing| !standing.is_over(now));
        inner
    }

    pub(crate) fn list(&self) -> Vec<Fault> {
        self.lock().standing.iter().map(|standing| standing.fault.clone()).collect()
    }

    /// How often each struck.
    pub(crate) fn struck(&self) -> Struck {
        self.lock().struck.clone()
    }

    /// Whether a fault of this name is in force, wherever it strikes.
    pub(crate) fn has(&self, name: FaultName) -> bool {
        self.lock().standing.iter().any(|standing| standing.fault.name == name)
    }

    pub(crate) fn replace(&self, faults: Vec<Fault>) -> Result<(), String> {
        if let Some(problem) = faults.iter().find_map(Fault::problem) {
            return Err(problem);
        }
        self.lock().standing = faults.into_iter().map(Standing::new).collect();
        Ok(())
    }

    pub(crate) fn add(&self, fault: Fault) -> Result<(), String> {
        if let Some(problem) = fault.problem() {
            return Err(problem);
        }
        self.lock().standing.push(Standing::new(fault));
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
        let Inner { standing, rng, struck: times } = &mut *inner;
        for Standing { fault, .. } in standing.iter_mut() {
            if fault.name != name || !chance.fits(fault) || !wanted(fault) {
                continue;
            }
            if let Some(skip) = fault.skip.as_mut().filter(|skip| **skip > 0) {
                *skip -= 1;
                continue;
            }
            if fault.probability.is_some_and(|p| !rng.random_bool(p)) {
                continue;
            }
            let struck = fault.clone();
            let app = chance.app.unwrap_or_default().to_owned();
            *times.entry(name.as_str()).or_default().entry(app).or_default() += 1;
            if let Some(count) = &mut fault.count {
                *count -= 1;
            }
            return Some(struck);
        }
        None
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
    fn a_fault_lets_chances_pass_and_is_over_in_time() {
        let mut late = Fault::new(FaultName::RateLimitBurst);
        (late.skip, late.count) = (Some(2), Some(1));
        let faults = Faults::new(vec![late], 1).unwrap();
        let strikes = || faults.strike(FaultName::RateLimitBurst, Chance::default()).is_some();
        assert_eq!([strikes(), strikes(), strikes(), strikes()], [false, false, true, false]);
        let mut over = Fault::new(FaultName::CheckFailing);
        over.for_ms = Some(0);
        faults.add(over).unwrap();
        assert!(!faults.has(FaultName::CheckFailing));
        assert!(faults.strike(FaultName::CheckFailing, Chance::default()).is_none());
    }

    #[test]
    fn names_are_those_of_the_table_and_bad_values_are_refused() {
        let page = include_str!("mod.rs");
        for name in FaultName::ALL {
            assert_eq!(serde_json::to_value(name).unwrap(), name.as_str());
            assert!(page.contains(&format!("//! | `{}` |", name.as_str())), "{name:?} has no row");
        }
        let mut odd = Fault::new(FaultName::ProxyError);
        odd.status = Some(200);
        assert!(Faults::new(vec![odd], 0).is_err());
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
