//! The record of a machine: all that must survive the death of the server.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
};

use cell::runtime::{Cell, Launch};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::spec::{Spec, Stop};
use crate::{clock, error::ApiError, ids, world::Hidden};

/// Newest events kept; the API answers at most 50.
const EVENTS: usize = 50;
/// Newest versions kept.
const VERSIONS: usize = 50;

/// The states of fly.md 1.6 that occur here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum State {
    Created,
    Starting,
    Started,
    Stopping,
    Stopped,
    Restarting,
    Updating,
    Replacing,
    Destroying,
    Destroyed,
    Failed,
}

impl State {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Starting => "starting",
            Self::Started => "started",
            Self::Stopping => "stopping",
            Self::Stopped => "stopped",
            Self::Restarting => "restarting",
            Self::Updating => "updating",
            Self::Replacing => "replacing",
            Self::Destroying => "destroying",
            Self::Destroyed => "destroyed",
            Self::Failed => "failed",
        }
    }

    /// What `wait?state=settled` waits for.
    pub(crate) fn is_settled(self) -> bool {
        matches!(self, Self::Started | Self::Stopped | Self::Destroyed | Self::Failed)
    }
}

/// Where the keeper takes the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Goal {
    Run,
    Rest,
    Gone,
}

/// A program that runs, or ran until somebody looks.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Running {
    pub(crate) launch: Launch,
    pub(crate) cell: Cell,
    /// Which generation it was started for.
    pub(crate) generation: u64,
    pub(crate) since_us: u64,
}

impl fmt::Debug for Running {
    /// Without the launch: its environment holds secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Running")
            .field("cell", &self.cell)
            .field("generation", &self.generation)
            .finish_non_exhaustive()
    }
}

/// The intent to start a process, on disk before it is started.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Launching {
    pub(crate) generation: u64,
    /// What the machine's directory had recorded before: anything else there now is this start's.
    pub(crate) before: Option<Cell>,
}

/// Which image runs: `image_ref` of the API.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ImageRef {
    pub(crate) registry: String,
    pub(crate) repository: String,
    /// Empty when the image was named by digest.
    pub(crate) tag: String,
    pub(crate) digest: String,
    pub(crate) labels: BTreeMap<String, String>,
    /// The manifest that is unpacked: `digest` itself, or its platform's child.
    pub(crate) manifest: String,
}

impl ImageRef {
    /// `registry/repository[:tag]@digest`.
    pub(crate) fn composite(&self) -> String {
        let tag = if self.tag.is_empty() { String::new() } else { format!(":{}", self.tag) };
        format!("{}/{}{tag}@{}", self.registry, self.repository, self.digest)
    }
}

/// Who may change the machine.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Lease {
    pub(crate) nonce: Hidden,
    /// Unix seconds.
    pub(crate) expires_at: u64,
    pub(crate) owner: String,
    pub(crate) description: String,
    pub(crate) version: String,
    /// Ends then, in microseconds, whatever `expires_at` says.
    #[serde(default)]
    pub(crate) ends_us: Option<u64>,
}

impl Lease {
    pub(crate) fn is_live(&self) -> bool {
        self.expires_at > clock::now_s() && self.ends_us.is_none_or(|ends| ends > clock::now_us())
    }
}

/// The last result of a check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct CheckResult {
    pub(crate) name: String,
    pub(crate) gates: bool,
    pub(crate) passing: bool,
    pub(crate) output: String,
    pub(crate) updated_us: u64,
}

/// What a failed pull goes back to.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Revert {
    pub(crate) config: Arc<Value>,
    pub(crate) image: ImageRef,
    pub(crate) instance_id: Option<String>,
}

/// The record. What is long and seldom changes is shared by its copies.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Machine {
    pub(crate) id: String,
    pub(crate) app: String,
    pub(crate) name: String,
    pub(crate) region: String,
    pub(crate) state: State,
    pub(crate) goal: Goal,
    pub(crate) instance_id: String,
    /// Grows with everything that needs a new process.
    pub(crate) generation: u64,
    pub(crate) created_us: u64,
    pub(crate) updated_us: u64,
    pub(crate) config: Arc<Value>,
    pub(crate) image: ImageRef,
    pub(crate) cordoned: bool,
    pub(crate) address: Ipv4Addr,
    pub(crate) secrets_version: u64,
    pub(crate) lease: Option<Lease>,
    pub(crate) running: Option<Running>,
    /// A process is being started; left behind when the server dies in between.
    pub(crate) launching: Option<Launching>,
    pub(crate) stop: Stop,
    pub(crate) restarts: u32,
    pub(crate) checks: Vec<CheckResult>,
    pub(crate) events: Vec<Arc<Value>>,
    pub(crate) versions: Vec<(String, Arc<Value>)>,
    pub(crate) revert: Option<Revert>,
    /// An update does not come to an end before that.
    #[serde(default)]
    pub(crate) stuck_until_us: Option<u64>,
    /// It reads `destroying` until then.
    #[serde(default)]
    pub(crate) buried_after_us: Option<u64>,
}

impl Machine {
    /// The acted-on part of the configuration; it was read once before it was stored.
    pub(crate) fn spec(&self) -> Result<Spec, ApiError> {
        Spec::read(&self.config)
    }

    /// Whether an update hangs.
    pub(crate) fn is_stuck(&self) -> bool {
        self.stuck_until_us.is_some_and(|until| until > clock::now_us())
    }

    /// The value of a metadata key.
    pub(crate) fn metadata(&self, key: &str) -> Option<&str> {
        self.config.get("metadata")?.get(key)?.as_str()
    }

    /// Records an event, newest first.
    pub(crate) fn event(&mut self, kind: &str, status: &str, source: &str, request: Option<Value>) {
        let mut event = json!({
            "id": ids::ulid(), "type": kind, "status": status, "source": source, "timestamp": clock::now_us() / 1000,
        });
        if let Some(request) = request {
            event["request"] = request;
        }
        self.events.insert(0, Arc::new(event));
        self.events.truncate(EVENTS);
    }

    /// Takes over a new configuration as a new version.
    pub(crate) fn new_version(&mut self, config: Value) {
        let config = Arc::new(config);
        self.instance_id = ids::ulid();
        self.versions.insert(0, (self.instance_id.clone(), Arc::clone(&config)));
        self.versions.truncate(VERSIONS);
        self.config = config;
        self.updated_us = clock::now_us();
    }

    /// Everything that ran so far is out of date: a new process is needed, and old check results count no more.
    pub(crate) fn new_generation(&mut self) {
        self.generation += 1;
        self.restarts = 0;
        self.reset_checks();
    }

    /// All checks of the present configuration, critical, older than anything that happens from now on.
    pub(crate) fn reset_checks(&mut self) {
        let updated_us = clock::now_us().min(self.updated_us).saturating_sub(1_000_000);
        let checks = self.spec().map(|s| s.checks).unwrap_or_default();
        self.checks = checks
            .into_iter()
            .map(|c| CheckResult {
                name: c.name,
                gates: c.gates,
                passing: false,
                output: String::from("not yet run"),
                updated_us,
            })
            .collect();
    }

    /// The lease in force, if any.
    pub(crate) fn live_lease(&self) -> Option<&Lease> {
        self.lease.as_ref().filter(|lease| lease.is_live())
    }

    /// Where the first service can be reached.
    pub(crate) fn endpoint(&self) -> Option<SocketAddr> {
        let port = *self.spec().ok()?.services.first()?;
        self.running.as_ref()?.cell.endpoints.get(&port).copied()
    }

    /// Whether every check that gates traffic passes.
    pub(crate) fn passes(&self) -> bool {
        self.checks.iter().all(|c| c.passing || !c.gates)
    }

    /// Names of versions known.
    pub(crate) fn known_versions(&self) -> BTreeSet<&str> {
        self.versions.iter().map(|(v, _)| v.as_str()).collect()
    }
}
