//! What a machine shall be: the Machines API's `config` object and its parts.
//!
//! Every object keeps the fields it does not know in `other`, because an update replaces the whole configuration:
//! what is not sent back is lost. Field by field: <https://fly.io/docs/machines/api/machines-resource/>.

mod check;
mod compute;
mod normalise;
mod process;
mod service;
mod storage;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use check::{Check, CheckHeader};
pub use compute::{Guest, Init, Restart, RestartPolicy, Rootfs, StopConfig};
pub use process::{Dns, Metrics, Process};
pub use service::{
    Autostop, Concurrency, HttpOptions, HttpResponseOptions, Port, ProxyProtoOptions, Service, TlsOptions,
};
pub use storage::{File, Mount, Static};

use crate::tolerant::{is_default, nullable};

/// Fields that this version does not know, kept so that they survive a read and a write.
pub type Other = BTreeMap<String, Value>;

/// The complete configuration of one machine.
///
/// Absent, `null` and empty are one on reading; nothing empty is written. Compare two of them after
/// [`MachineConfig::normalised`].
///
/// ```
/// use flytypes::machine::MachineConfig;
/// let config: MachineConfig = serde_json::from_str(r#"{"image": "registry.fly.io/a:1", "env": null, "new": 1}"#)?;
/// assert_eq!(serde_json::to_string(&config)?, r#"{"image":"registry.fly.io/a:1","new":1}"#);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct MachineConfig {
    /// The image, as `registry/repository[:tag][@digest]`; empty in a configuration that is still without one.
    #[serde(deserialize_with = "nullable", skip_serializing_if = "is_default")]
    pub image: String,
    /// Environment variables. Values of secrets are never here: Fly injects them.
    #[serde(deserialize_with = "nullable", skip_serializing_if = "is_default")]
    pub env: BTreeMap<String, String>,
    /// Metadata; keys with the prefix `fly_` are flyctl's.
    #[serde(deserialize_with = "nullable", skip_serializing_if = "is_default")]
    pub metadata: BTreeMap<String, String>,
    /// How the first process is started.
    #[serde(skip_serializing_if = "is_default")]
    pub init: Option<Init>,
    /// Size of the virtual machine; absent keeps or takes the platform's default.
    #[serde(skip_serializing_if = "is_default")]
    pub guest: Option<Guest>,
    /// When the machine is started again after its process ended.
    #[serde(skip_serializing_if = "is_default")]
    pub restart: Option<Restart>,
    /// How the machine is stopped.
    #[serde(skip_serializing_if = "is_default")]
    pub stop_config: Option<StopConfig>,
    /// What the edge serves from this machine.
    #[serde(deserialize_with = "nullable", skip_serializing_if = "is_default")]
    pub services: Vec<Service>,
    /// Health checks of the machine by name; they do not gate traffic unless `kind` is `readiness`.
    #[serde(deserialize_with = "nullable", skip_serializing_if = "is_default")]
    pub checks: BTreeMap<String, Check>,
    /// Volumes.
    #[serde(deserialize_with = "nullable", skip_serializing_if = "is_default")]
    pub mounts: Vec<Mount>,
    /// Files that the edge serves without asking the machine.
    #[serde(deserialize_with = "nullable", skip_serializing_if = "is_default")]
    pub statics: Vec<Static>,
    /// Files written into the machine at start.
    #[serde(deserialize_with = "nullable", skip_serializing_if = "is_default")]
    pub files: Vec<File>,
    /// Where the platform scrapes the app's own metrics.
    #[serde(skip_serializing_if = "is_default")]
    pub metrics: Option<Metrics>,
    /// Several processes in one machine.
    #[serde(deserialize_with = "nullable", skip_serializing_if = "is_default")]
    pub processes: Vec<Process>,
    /// Name resolution inside the machine, and its registration outside.
    #[serde(skip_serializing_if = "is_default")]
    pub dns: Option<Dns>,
    /// `hourly`, `daily`, `weekly` or `monthly`.
    #[serde(skip_serializing_if = "is_default")]
    pub schedule: Option<String>,
    /// The machine is destroyed when its process ends.
    #[serde(deserialize_with = "nullable", skip_serializing_if = "is_default")]
    pub auto_destroy: bool,
    /// Ids of the machines for which this one stands by.
    #[serde(deserialize_with = "nullable", skip_serializing_if = "is_default")]
    pub standbys: Vec<String>,
    /// A preset such as `shared-cpu-1x`; deprecated in favour of `guest`.
    #[serde(skip_serializing_if = "is_default")]
    pub size: Option<String>,
    /// Deprecated in favour of `services[].autostart`.
    #[serde(skip_serializing_if = "is_default")]
    pub disable_machine_autostart: Option<bool>,
    /// The root file system.
    #[serde(skip_serializing_if = "is_default")]
    pub rootfs: Option<Rootfs>,
    /// A cache drive, passed through as it is.
    #[serde(skip_serializing_if = "is_default")]
    pub cache_drive: Option<Value>,
    /// Spot capacity, passed through as it is.
    #[serde(skip_serializing_if = "is_default")]
    pub spot: Option<Value>,
    /// Containers in one machine, passed through as they are.
    #[serde(deserialize_with = "nullable", skip_serializing_if = "is_default")]
    pub containers: Vec<Value>,
    /// Volumes of containers, passed through as they are.
    #[serde(deserialize_with = "nullable", skip_serializing_if = "is_default")]
    pub volumes: Vec<Value>,
    /// What this version does not know.
    #[serde(flatten)]
    pub other: Other,
}

#[cfg(test)]
mod tests;
