//! The virtual machine itself: size, first process, restart and stop.

use serde::{Deserialize, Serialize};

use super::Other;
use crate::{
    GoDuration,
    tolerant::{is_default, nullable, words},
};

/// Size of a machine. Memory in MB as Fly counts it (256 per shared CPU and up).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Guest {
    /// `shared` or `performance`.
    #[serde(skip_serializing_if = "is_default")]
    pub cpu_kind: Option<String>,
    /// Number of CPUs.
    #[serde(skip_serializing_if = "is_default")]
    pub cpus: Option<u32>,
    /// Memory in MB.
    #[serde(skip_serializing_if = "is_default")]
    pub memory_mb: Option<u32>,
    /// Upper bound of a balloon, in MB.
    #[serde(skip_serializing_if = "is_default")]
    pub max_memory_mb: Option<u32>,
    /// Number of GPUs.
    #[serde(skip_serializing_if = "is_default")]
    pub gpus: Option<u32>,
    /// Kind of GPU.
    #[serde(skip_serializing_if = "is_default")]
    pub gpu_kind: Option<String>,
    /// Dedicated host.
    #[serde(skip_serializing_if = "is_default")]
    pub host_dedication_id: Option<String>,
    /// Kernel arguments.
    #[serde(deserialize_with = "nullable", skip_serializing_if = "is_default")]
    pub kernel_args: Vec<String>,
    /// Whether the root file system outlives a restart: `never`, `restart` or `always`.
    #[serde(skip_serializing_if = "is_default")]
    pub persist_rootfs: Option<String>,
    /// What this version does not know.
    #[serde(flatten)]
    pub other: Other,
}

/// How the first process is started. Empty lists keep what the image says.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Init {
    /// Replaces the image's entrypoint and command, without a shell.
    #[serde(deserialize_with = "nullable", skip_serializing_if = "is_default")]
    pub exec: Vec<String>,
    /// Replaces the image's entrypoint.
    #[serde(deserialize_with = "nullable", skip_serializing_if = "is_default")]
    pub entrypoint: Vec<String>,
    /// Replaces the image's command.
    #[serde(deserialize_with = "nullable", skip_serializing_if = "is_default")]
    pub cmd: Vec<String>,
    /// A terminal is attached.
    #[serde(deserialize_with = "nullable", skip_serializing_if = "is_default")]
    pub tty: bool,
    /// Swap in MB.
    #[serde(skip_serializing_if = "is_default")]
    pub swap_size_mb: Option<u32>,
    /// Kernel arguments.
    #[serde(deserialize_with = "nullable", skip_serializing_if = "is_default")]
    pub kernel_args: Vec<String>,
    /// What this version does not know.
    #[serde(flatten)]
    pub other: Other,
}

/// When a machine is started again after its process ended.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Restart {
    /// The policy; absent means on failure.
    #[serde(skip_serializing_if = "is_default")]
    pub policy: Option<RestartPolicy>,
    /// Number of attempts under `on-failure`; the API's default is ten.
    #[serde(skip_serializing_if = "is_default")]
    pub max_retries: Option<u32>,
    /// What this version does not know.
    #[serde(flatten)]
    pub other: Other,
}

words! {
    /// A restart policy; fly.toml's `never` is read as `no`.
    RestartPolicy {
        /// Never.
        No = "no" | "never",
        /// When it ended with an error.
        OnFailure = "on-failure",
        /// Always.
        Always = "always",
    }
}

/// How a machine is stopped. Defaults of the API: SIGINT, 5 s; at most 300 s.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct StopConfig {
    /// Time between the signal and SIGKILL.
    #[serde(skip_serializing_if = "is_default")]
    pub timeout: Option<GoDuration>,
    /// The signal by name, for instance `SIGTERM`.
    #[serde(skip_serializing_if = "is_default")]
    pub signal: Option<String>,
    /// What this version does not know.
    #[serde(flatten)]
    pub other: Other,
}

/// The root file system.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Rootfs {
    /// Whether it outlives a restart: `never`, `restart` or `always`.
    #[serde(skip_serializing_if = "is_default")]
    pub persist: Option<String>,
    /// Size in GB.
    #[serde(skip_serializing_if = "is_default")]
    pub size_gb: Option<u32>,
    /// What this version does not know.
    #[serde(flatten)]
    pub other: Other,
}
