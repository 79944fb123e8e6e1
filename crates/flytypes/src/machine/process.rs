//! Processes, name resolution and metrics of a machine.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Other;
use crate::tolerant::{is_default, nullable};

/// One of several processes in a machine.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Process {
    /// Replaces entrypoint and command, without a shell.
    #[serde(deserialize_with = "nullable", skip_serializing_if = "is_default")]
    pub exec: Vec<String>,
    /// Replaces the entrypoint.
    #[serde(deserialize_with = "nullable", skip_serializing_if = "is_default")]
    pub entrypoint: Vec<String>,
    /// Replaces the command.
    #[serde(deserialize_with = "nullable", skip_serializing_if = "is_default")]
    pub cmd: Vec<String>,
    /// User that runs it.
    #[serde(skip_serializing_if = "is_default")]
    pub user: Option<String>,
    /// Environment variables beside the machine's.
    #[serde(deserialize_with = "nullable", skip_serializing_if = "is_default")]
    pub env: BTreeMap<String, String>,
    /// Secrets given to it, passed through as they are.
    #[serde(deserialize_with = "nullable", skip_serializing_if = "is_default")]
    pub secrets: Vec<Value>,
    /// The app's secrets are kept from it.
    #[serde(deserialize_with = "nullable", skip_serializing_if = "is_default")]
    pub ignore_app_secrets: bool,
    /// Variables taken from the machine's properties, passed through as they are.
    #[serde(deserialize_with = "nullable", skip_serializing_if = "is_default")]
    pub env_from: Vec<Value>,
    /// What this version does not know.
    #[serde(flatten)]
    pub other: Other,
}

/// Name resolution inside the machine, and its registration outside.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Dns {
    /// The machine is not found under the app's internal name.
    #[serde(deserialize_with = "nullable", skip_serializing_if = "is_default")]
    pub skip_registration: bool,
    /// Name servers.
    #[serde(deserialize_with = "nullable", skip_serializing_if = "is_default")]
    pub nameservers: Vec<String>,
    /// Search domains.
    #[serde(deserialize_with = "nullable", skip_serializing_if = "is_default")]
    pub searches: Vec<String>,
    /// Resolver options, passed through as they are.
    #[serde(deserialize_with = "nullable", skip_serializing_if = "is_default")]
    pub options: Vec<Value>,
    /// Forwarding rules, passed through as they are.
    #[serde(deserialize_with = "nullable", skip_serializing_if = "is_default")]
    pub dns_forward_rules: Vec<Value>,
    /// Host name inside the machine.
    #[serde(skip_serializing_if = "is_default")]
    pub hostname: Option<String>,
    /// What this version does not know.
    #[serde(flatten)]
    pub other: Other,
}

/// Where the platform scrapes the app's own metrics.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Metrics {
    /// Port inside the machine.
    #[serde(deserialize_with = "nullable", skip_serializing_if = "is_default")]
    pub port: u16,
    /// Path.
    #[serde(deserialize_with = "nullable", skip_serializing_if = "is_default")]
    pub path: String,
    /// By HTTPS.
    #[serde(deserialize_with = "nullable", skip_serializing_if = "is_default")]
    pub https: bool,
    /// What this version does not know.
    #[serde(flatten)]
    pub other: Other,
}
