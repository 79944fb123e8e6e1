//! Health checks, of a machine and of its services.

use serde::{Deserialize, Serialize};

use super::Other;
use crate::{
    GoDuration,
    tolerant::{is_default, nullable},
};

/// One health check. Durations follow the API's convention, see [`GoDuration`].
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Check {
    /// `http` or `tcp`.
    #[serde(rename = "type", deserialize_with = "nullable", skip_serializing_if = "is_default")]
    pub check_type: String,
    /// Port inside the machine; service checks take the service's when it is absent.
    #[serde(skip_serializing_if = "is_default")]
    pub port: Option<u16>,
    /// `informational` or `readiness`.
    #[serde(skip_serializing_if = "is_default")]
    pub kind: Option<String>,
    /// Time between two runs.
    #[serde(skip_serializing_if = "is_default")]
    pub interval: Option<GoDuration>,
    /// Time after which one run has failed.
    #[serde(skip_serializing_if = "is_default")]
    pub timeout: Option<GoDuration>,
    /// Time after the start in which failures do not count.
    #[serde(skip_serializing_if = "is_default")]
    pub grace_period: Option<GoDuration>,
    /// HTTP method.
    #[serde(skip_serializing_if = "is_default")]
    pub method: Option<String>,
    /// HTTP path with query.
    #[serde(skip_serializing_if = "is_default")]
    pub path: Option<String>,
    /// `http` or `https`.
    #[serde(skip_serializing_if = "is_default")]
    pub protocol: Option<String>,
    /// Certificates are not verified.
    #[serde(skip_serializing_if = "is_default")]
    pub tls_skip_verify: Option<bool>,
    /// Name for the verification of the certificate.
    #[serde(skip_serializing_if = "is_default")]
    pub tls_server_name: Option<String>,
    /// Request headers.
    #[serde(deserialize_with = "nullable", skip_serializing_if = "is_default")]
    pub headers: Vec<CheckHeader>,
    /// What this version does not know.
    #[serde(flatten)]
    pub other: Other,
}

/// A request header of a check.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct CheckHeader {
    /// Name.
    pub name: String,
    /// Values; each is sent as a line of its own.
    #[serde(deserialize_with = "nullable")]
    pub values: Vec<String>,
}
