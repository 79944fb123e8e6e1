//! A machine as the API describes it.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use super::{Lease, MachineEvent};
use crate::{
    Digest, ImageRef, ImageRefError, InstanceId, MachineId, Region,
    machine::MachineConfig,
    tolerant::{is_default, nullable, words},
};

/// Checks that the API invents for old versions of flyctl; they say nothing about the machine.
const COMPATIBILITY_CHECKS: &str = "bg_deployments_compat";

/// One machine.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Machine {
    /// Id.
    pub id: MachineId,
    /// Name; unique within the app.
    #[serde(default, deserialize_with = "nullable")]
    pub name: String,
    /// State.
    pub state: MachineState,
    /// Region; never changes.
    pub region: Region,
    /// The version of the configuration; new on each update.
    #[serde(default, deserialize_with = "unless_empty", skip_serializing_if = "is_default")]
    pub instance_id: Option<InstanceId>,
    /// The image that is really there, as resolved by the platform.
    #[serde(default, deserialize_with = "nullable")]
    pub image_ref: ImageRefWire,
    /// Address in the private network.
    #[serde(default, skip_serializing_if = "is_default")]
    pub private_ip: Option<String>,
    /// RFC 3339.
    #[serde(default, skip_serializing_if = "is_default")]
    pub created_at: Option<String>,
    /// RFC 3339.
    #[serde(default, skip_serializing_if = "is_default")]
    pub updated_at: Option<String>,
    /// Configuration; absent when the host does not answer.
    #[serde(default, skip_serializing_if = "is_default")]
    pub config: Option<MachineConfig>,
    /// What is known of the configuration when the host does not answer. Never write it back.
    #[serde(default, skip_serializing_if = "is_default")]
    pub incomplete_config: Option<Value>,
    /// What happened, newest first.
    #[serde(default, deserialize_with = "nullable", skip_serializing_if = "is_default")]
    pub events: Vec<MachineEvent>,
    /// Results of checks, with the API's inventions; see [`Machine::reported_checks`].
    #[serde(default, deserialize_with = "nullable", skip_serializing_if = "is_default")]
    pub checks: Vec<CheckStatus>,
    /// The lease's nonce, when a lease was asked for on create.
    #[serde(default, deserialize_with = "unless_empty", skip_serializing_if = "is_default")]
    pub nonce: Option<String>,
    /// Who holds it, when leases were asked for; without the nonce.
    #[serde(default, skip_serializing_if = "is_default")]
    pub lease: Option<Lease>,
    /// Whether the host answers; absent means it does.
    #[serde(default, deserialize_with = "unless_empty", skip_serializing_if = "is_default")]
    pub host_status: Option<HostStatus>,
    /// The edge sends it no new requests.
    #[serde(default, deserialize_with = "nullable")]
    pub cordoned: bool,
}

impl Machine {
    /// Results of real checks, without those that the API invents for old clients.
    pub fn reported_checks(&self) -> impl Iterator<Item = &CheckStatus> {
        self.checks.iter().filter(|check| !check.name.starts_with(COMPATIBILITY_CHECKS))
    }

    /// One entry of the configuration's metadata.
    pub fn metadata(&self, key: &str) -> Option<&str> {
        self.config.as_ref()?.metadata.get(key).map(String::as_str)
    }

    /// The digest that the platform resolved; index or platform manifest is not established.
    pub fn digest(&self) -> Option<&Digest> {
        self.image_ref.digest.as_ref()
    }
}

words! {
    /// The state of a machine.
    MachineState {
        /// Made and never started.
        Created = "created",
        /// Running.
        Started = "started",
        /// Stopped.
        Stopped = "stopped",
        /// Suspended to disk.
        Suspended = "suspended",
        /// Failed.
        Failed = "failed",
        /// Being made.
        Creating = "creating",
        /// Being started.
        Starting = "starting",
        /// Being stopped.
        Stopping = "stopping",
        /// Being restarted.
        Restarting = "restarting",
        /// Being suspended.
        Suspending = "suspending",
        /// Being updated.
        Updating = "updating",
        /// Its version is being replaced by another.
        Replacing = "replacing",
        /// The start failed; the platform tries on.
        LaunchFailed = "launch_failed",
        /// Being destroyed.
        Destroying = "destroying",
        /// Destroyed; readable for a while.
        Destroyed = "destroyed",
        /// An old version always reads so.
        Replaced = "replaced",
        /// Moved to another host under another id.
        Migrated = "migrated",
    }
}

impl MachineState {
    /// Whether it passes by itself into another state. An unknown word is taken as transient: keep observing.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Creating
            | Self::Starting
            | Self::Stopping
            | Self::Restarting
            | Self::Suspending
            | Self::Updating
            | Self::Replacing
            | Self::LaunchFailed
            | Self::Destroying
            | Self::Unknown(_) => true,
            Self::Created | Self::Started | Self::Stopped | Self::Suspended | Self::Failed => false,
            Self::Destroyed | Self::Replaced | Self::Migrated => false,
        }
    }

    /// Whether it never changes again.
    pub fn is_terminal(&self) -> bool {
        matches!(self, Self::Destroyed | Self::Replaced | Self::Migrated)
    }
}

words! {
    /// Whether a machine's host answers.
    HostStatus {
        /// It does.
        Ok = "ok",
        /// Not known.
        Uncertain = "unknown",
        /// It does not.
        Unreachable = "unreachable",
    }
}

words! {
    /// What a check last said.
    CheckState {
        /// It passed.
        Passing = "passing",
        /// It warns; a check that has not run yet does so too.
        Warning = "warning",
        /// It failed.
        Critical = "critical",
    }
}

/// The result of one check; service checks have generated names such as `servicecheck-00-http-8080`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckStatus {
    /// Name.
    pub name: String,
    /// Result.
    pub status: CheckState,
    /// What the check saw.
    #[serde(default, deserialize_with = "nullable", skip_serializing_if = "is_default")]
    pub output: String,
    /// RFC 3339; absent while it never ran.
    #[serde(default, deserialize_with = "unless_empty", skip_serializing_if = "is_default")]
    pub updated_at: Option<String>,
}

/// An image as the platform resolved it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ImageRefWire {
    /// Host of the registry.
    #[serde(deserialize_with = "nullable", skip_serializing_if = "is_default")]
    pub registry: String,
    /// Repository.
    #[serde(deserialize_with = "nullable", skip_serializing_if = "is_default")]
    pub repository: String,
    /// Tag; empty when the configuration named a digest.
    #[serde(deserialize_with = "nullable", skip_serializing_if = "is_default")]
    pub tag: String,
    /// Digest: the truth.
    #[serde(deserialize_with = "unless_empty", skip_serializing_if = "is_default")]
    pub digest: Option<Digest>,
    /// Labels of the image.
    #[serde(deserialize_with = "nullable", skip_serializing_if = "is_default")]
    pub labels: BTreeMap<String, String>,
}

impl ImageRefWire {
    /// As one reference, `registry/repository[:tag][@digest]`.
    pub fn reference(&self) -> Result<ImageRef, ImageRefError> {
        let mut text = format!("{}/{}", self.registry, self.repository);
        if !self.tag.is_empty() {
            text = format!("{text}:{}", self.tag);
        }
        if let Some(digest) = &self.digest {
            text = format!("{text}@{digest}");
        }
        text.parse()
    }
}

/// The answer to a start.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct StartReply {
    /// State before.
    pub previous_state: Option<MachineState>,
    /// It was moved to another host.
    #[serde(deserialize_with = "nullable")]
    pub migrated: bool,
    /// The other host.
    #[serde(deserialize_with = "unless_empty", skip_serializing_if = "is_default")]
    pub new_host: Option<String>,
}

/// The answer to a wait that came to its end before its timeout.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WaitOutcome {
    /// Success.
    #[serde(default = "yes")]
    pub ok: bool,
    /// The state that was reached; older answers leave it out.
    #[serde(default, deserialize_with = "unless_empty", skip_serializing_if = "is_default")]
    pub state: Option<MachineState>,
    /// The version that reached it.
    #[serde(default, deserialize_with = "unless_empty", skip_serializing_if = "is_default")]
    pub version: Option<InstanceId>,
    /// The event that told so.
    #[serde(default, deserialize_with = "unless_empty", skip_serializing_if = "is_default")]
    pub event_id: Option<String>,
}

fn yes() -> bool {
    true
}

/// Reads `null` and `""` as absent; Go writes an unset string so.
pub(super) fn unless_empty<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: TryFrom<String>,
    T::Error: std::fmt::Display,
{
    match Option::<String>::deserialize(deserializer)? {
        None => Ok(None),
        Some(text) if text.is_empty() => Ok(None),
        Some(text) => T::try_from(text).map(Some).map_err(serde::de::Error::custom),
    }
}
