//! Apps and the names of their secrets.

use serde::{Deserialize, Serialize};

use crate::{
    AppName,
    tolerant::{is_default, nullable, words},
};

/// An app.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct App {
    /// Opaque id.
    #[serde(default, deserialize_with = "nullable")]
    pub id: String,
    /// Name.
    pub name: AppName,
    /// Status; lists leave it out.
    #[serde(default, skip_serializing_if = "is_default")]
    pub status: Option<AppStatus>,
    /// The private network it is in.
    #[serde(default, skip_serializing_if = "is_default")]
    pub network: Option<String>,
    /// The organisation that owns it; lists leave it out.
    #[serde(default, skip_serializing_if = "is_default")]
    pub organization: Option<Organization>,
    /// Number of machines.
    #[serde(default, deserialize_with = "nullable")]
    pub machine_count: u64,
    /// Number of volumes.
    #[serde(default, deserialize_with = "nullable")]
    pub volume_count: u64,
}

words! {
    /// Status of an app.
    AppStatus {
        /// Nothing was deployed yet.
        Pending = "pending",
        /// Something was deployed.
        Deployed = "deployed",
        /// Suspended by its owner or by Fly.
        Suspended = "suspended",
    }
}

/// An organisation.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Organization {
    /// Name for people.
    #[serde(deserialize_with = "nullable")]
    pub name: String,
    /// Name in paths and queries.
    #[serde(deserialize_with = "nullable")]
    pub slug: String,
}

/// The answer to the creation of an app.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct AppCreated {
    /// Opaque id.
    #[serde(deserialize_with = "nullable")]
    pub id: String,
}

/// One page of apps.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct AppPage {
    /// The apps.
    #[serde(deserialize_with = "nullable")]
    pub apps: Vec<App>,
    /// Number on all pages.
    #[serde(deserialize_with = "nullable")]
    pub total_apps: u64,
    /// Where the next page begins; absent or empty on the last.
    #[serde(skip_serializing_if = "is_default")]
    pub next_cursor: Option<String>,
}

/// A secret: its name and a salted digest, never its value.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Secret {
    /// Name of the variable.
    #[serde(deserialize_with = "nullable")]
    pub name: String,
    /// Digest as the API computes it.
    #[serde(deserialize_with = "nullable")]
    pub digest: String,
    /// RFC 3339.
    #[serde(skip_serializing_if = "is_default")]
    pub created_at: Option<String>,
    /// RFC 3339.
    #[serde(skip_serializing_if = "is_default")]
    pub updated_at: Option<String>,
}

/// Secrets of an app.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct SecretsReply {
    /// The secrets.
    #[serde(deserialize_with = "nullable")]
    pub secrets: Vec<Secret>,
    /// The version of the set; machines are bound to at least it by `min_secrets_version`.
    #[serde(skip_serializing_if = "is_default")]
    pub version: Option<u64>,
}
