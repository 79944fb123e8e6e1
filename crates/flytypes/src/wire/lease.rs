//! Leases: who alone may change a machine, and until when.

use serde::{Deserialize, Serialize};

use super::machine::unless_empty;
use crate::{
    InstanceId,
    tolerant::{is_default, nullable},
};

/// A lease of one machine.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Lease {
    /// What its holder shows on every change; absent where others look at it.
    #[serde(deserialize_with = "unless_empty", skip_serializing_if = "is_default")]
    pub nonce: Option<String>,
    /// End, in seconds since 1970.
    #[serde(deserialize_with = "nullable")]
    pub expires_at: i64,
    /// Who holds it, as the token says.
    #[serde(deserialize_with = "nullable")]
    pub owner: String,
    /// What for, in the holder's words.
    #[serde(deserialize_with = "nullable", skip_serializing_if = "is_default")]
    pub description: String,
    /// A version of the lease or of the machine; which is not documented, so do not compare it.
    #[serde(deserialize_with = "unless_empty", skip_serializing_if = "is_default")]
    pub version: Option<InstanceId>,
}

/// The envelope of lease answers; no other resource has one.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct LeaseEnvelope<T: Default + PartialEq> {
    /// `success` or `error`.
    #[serde(deserialize_with = "nullable")]
    pub status: String,
    /// The lease, on success.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data: Option<T>,
    /// What is wrong: names machine, holder and end.
    #[serde(skip_serializing_if = "is_default")]
    pub message: Option<String>,
    /// The kind of what is wrong.
    #[serde(skip_serializing_if = "is_default")]
    pub code: Option<String>,
}
