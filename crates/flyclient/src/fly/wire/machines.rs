//! Machines: create, update, list, get, start, stop, cordon, wait, destroy, events.

use std::{collections::BTreeMap, time::Duration};

use flytypes::{
    AppName, GoDuration, InstanceId, MachineId, Region, machine::MachineConfig, wire::MachineState,
};
use http::Method;
use serde::Serialize;

use super::{Call, RateKind};

/// The API's longest wait; the edge in front of it cuts longer requests.
const WAIT_MAX: Duration = Duration::from_secs(60);
/// Time on top of the server's own wait for the answer to arrive.
const WAIT_RESERVE: Duration = Duration::from_secs(15);
/// The API's longest list of events.
const EVENTS_MAX: u8 = 50;

fn not(value: &bool) -> bool {
    !value
}

/// A new machine.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct CreateMachine {
    /// Configuration.
    pub config: MachineConfig,
    /// Name; made up by the API when absent. Never changes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Region; the nearest when absent. Never changes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub region: Option<Region>,
    /// It is not started, and comes to rest as `stopped`.
    #[serde(skip_serializing_if = "not")]
    pub skip_launch: bool,
    /// The edge does not send it requests until it is uncordoned.
    #[serde(skip_serializing_if = "not")]
    pub skip_service_registration: bool,
    /// Version of the app's secrets that it must have at least.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_secrets_version: Option<u64>,
    /// A lease is taken with it, for so many seconds; the answer carries the nonce.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lease_ttl: Option<u32>,
}

/// A new configuration of a machine; replaces the old one completely.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct UpdateMachine {
    /// Configuration, complete.
    pub config: MachineConfig,
    /// The version that is being replaced: if it is another by now the answer is a conflict and nothing changes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub current_version: Option<InstanceId>,
    /// It is not started if it is not running.
    #[serde(skip_serializing_if = "not")]
    pub skip_launch: bool,
    /// The edge does not send it requests until it is uncordoned.
    #[serde(skip_serializing_if = "not")]
    pub skip_service_registration: bool,
    /// Version of the app's secrets that it must have at least.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_secrets_version: Option<u64>,
}

/// Which machines.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ListMachines {
    /// With all of these metadata.
    pub metadata: BTreeMap<String, String>,
    /// In this region.
    pub region: Option<Region>,
    /// In one of these states.
    pub states: Vec<MachineState>,
    /// Also destroyed ones.
    pub include_deleted: bool,
    /// With who holds their leases.
    pub include_leases: bool,
    /// Machines on a page, 1 to 1000.
    pub page_size: Option<u16>,
}

/// How to stop; what is absent is as the machine's configuration says.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct StopMachine {
    /// Signal by name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signal: Option<String>,
    /// Time between the signal and SIGKILL.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<GoDuration>,
}

/// What to wait for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum WaitFor {
    /// Running.
    Started,
    /// Stopped; give the version, some servers insist on it.
    Stopped,
    /// Suspended.
    Suspended,
    /// Destroyed.
    Destroyed,
    /// Failed.
    Failed,
    /// Any state that does not pass by itself.
    Settled,
}

impl WaitFor {
    /// As the API writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Started => "started",
            Self::Stopped => "stopped",
            Self::Suspended => "suspended",
            Self::Destroyed => "destroyed",
            Self::Failed => "failed",
            Self::Settled => "settled",
        }
    }
}

/// A wait of at most a minute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaitMachine {
    /// What for.
    pub state: WaitFor,
    /// Of which version; the present one when absent.
    pub version: Option<InstanceId>,
    /// How long, 1 s to 60 s; rounded up to seconds, what is outside is clamped.
    pub timeout: Duration,
}

/// `POST /v1/apps/{app}/machines`. Not idempotent: the API has no key for it.
pub fn create_machine(app: &AppName, spec: &CreateMachine) -> Call {
    Call::of_app("create machine", Method::POST, app, "/machines").with_body(spec)
}

/// `POST /v1/apps/{app}/machines/{id}`. Not idempotent: each makes a new version.
pub fn update_machine(app: &AppName, id: &MachineId, spec: &UpdateMachine, lease: Option<&str>) -> Call {
    Call::of_machine("update machine", Method::POST, app, id, "").with_body(spec).with_lease(lease)
}

/// `GET /v1/apps/{app}/machines`, one page.
pub fn list_machines(app: &AppName, query: &ListMachines) -> Call {
    let mut call = Call::of_app("list machines", Method::GET, app, "/machines");
    // No rate is documented for lists; they read machines, so they keep to the rate of reading one.
    call.rate = RateKind::GetMachine;
    if query.include_deleted {
        call = call.with_query("include_deleted", "true");
    }
    if query.include_leases {
        call = call.with_query("include_leases", "true");
    }
    if let Some(region) = &query.region {
        call = call.with_query("region", region.as_str());
    }
    if !query.states.is_empty() {
        let states: Vec<_> = query.states.iter().map(MachineState::as_str).collect();
        call = call.with_query("state", states.join(","));
    }
    for (key, value) in &query.metadata {
        call = call.with_query(&format!("metadata.{key}"), value);
    }
    if let Some(size) = query.page_size {
        call = call.with_query("limit", size.clamp(1, 1000).to_string());
    }
    call
}

/// `GET /v1/apps/{app}/machines/{id}`.
pub fn get_machine(app: &AppName, id: &MachineId, include_leases: bool) -> Call {
    let mut call = Call::of_machine("get machine", Method::GET, app, id, "");
    call.rate = RateKind::GetMachine;
    if include_leases { call.with_query("include_leases", "true") } else { call }
}

/// `POST …/start`. Not declared idempotent: what happened in between shall be seen.
pub fn start_machine(app: &AppName, id: &MachineId, lease: Option<&str>) -> Call {
    Call::of_machine("start machine", Method::POST, app, id, "/start").with_lease(lease)
}

/// `POST …/stop`. Not declared idempotent, as start.
pub fn stop_machine(app: &AppName, id: &MachineId, how: &StopMachine, lease: Option<&str>) -> Call {
    Call::of_machine("stop machine", Method::POST, app, id, "/stop").with_body(how).with_lease(lease)
}

/// `POST …/cordon`. Not declared idempotent, as start.
pub fn cordon_machine(app: &AppName, id: &MachineId, lease: Option<&str>) -> Call {
    Call::of_machine("cordon machine", Method::POST, app, id, "/cordon").with_lease(lease)
}

/// `POST …/uncordon`. Not declared idempotent, as start.
pub fn uncordon_machine(app: &AppName, id: &MachineId, lease: Option<&str>) -> Call {
    Call::of_machine("uncordon machine", Method::POST, app, id, "/uncordon").with_lease(lease)
}

/// `DELETE /v1/apps/{app}/machines/{id}`; a running machine needs `force`. Not declared idempotent: the second answer is 404.
pub fn destroy_machine(app: &AppName, id: &MachineId, force: bool, lease: Option<&str>) -> Call {
    let call = Call::of_machine("destroy machine", Method::DELETE, app, id, "").with_lease(lease);
    if force { call.with_query("force", "true") } else { call }
}

/// `GET …/wait`. A 408 is the API's "not yet".
pub fn wait_machine(app: &AppName, id: &MachineId, wait: &WaitMachine) -> Call {
    let timeout = wait.timeout.clamp(Duration::from_secs(1), WAIT_MAX);
    let seconds = timeout.as_secs() + u64::from(timeout.subsec_nanos() > 0);
    let mut call = Call::of_machine("wait for machine", Method::GET, app, id, "/wait")
        .with_query("state", wait.state.as_str())
        .with_query("timeout", seconds.to_string());
    if let Some(version) = &wait.version {
        call = call.with_query("version", version.as_str());
    }
    call.value_statuses = &[408];
    call.timeout = Duration::from_secs(seconds) + WAIT_RESERVE;
    call
}

/// `GET …/events`, newest first; `limit` 1 to 50.
pub fn machine_events(app: &AppName, id: &MachineId, limit: u8) -> Call {
    Call::of_machine("list events of machine", Method::GET, app, id, "/events")
        .with_query("limit", limit.clamp(1, EVENTS_MAX).to_string())
}
