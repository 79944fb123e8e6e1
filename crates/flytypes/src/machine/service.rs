//! What the edge serves from a machine.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use serde_json::Value;

use super::{Check, Other};
use crate::tolerant::{is_default, nullable};

/// One service: public ports in front of one port inside the machine.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Service {
    /// `tcp` or `udp`.
    #[serde(deserialize_with = "nullable", skip_serializing_if = "is_default")]
    pub protocol: String,
    /// Port inside the machine.
    #[serde(deserialize_with = "nullable", skip_serializing_if = "is_default")]
    pub internal_port: u16,
    /// The edge may start the machine for a request.
    #[serde(skip_serializing_if = "is_default")]
    pub autostart: Option<bool>,
    /// What the edge may do with the machine when it is idle.
    #[serde(skip_serializing_if = "is_default")]
    pub autostop: Option<Autostop>,
    /// Machines that autostop leaves running in the primary region.
    #[serde(skip_serializing_if = "is_default")]
    pub min_machines_running: Option<u32>,
    /// Public ports.
    #[serde(deserialize_with = "nullable", skip_serializing_if = "is_default")]
    pub ports: Vec<Port>,
    /// Checks that gate the traffic of this service.
    #[serde(deserialize_with = "nullable", skip_serializing_if = "is_default")]
    pub checks: Vec<Check>,
    /// Checks by a machine of their own, passed through as they are.
    #[serde(deserialize_with = "nullable", skip_serializing_if = "is_default")]
    pub machine_checks: Vec<Value>,
    /// Load limits.
    #[serde(skip_serializing_if = "is_default")]
    pub concurrency: Option<Concurrency>,
    /// Key for requests forced to one instance; flyctl sends `null`.
    #[serde(skip_serializing_if = "is_default")]
    pub force_instance_key: Option<String>,
    /// What this version does not know.
    #[serde(flatten)]
    pub other: Other,
}

/// What happens to an idle machine. The API accepts a boolean or a word and answers booleans for off and stop; both are
/// read, and the boolean is written where there is one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Autostop {
    /// Nothing: `false` or `off`.
    Off,
    /// It is stopped: `true` or `stop`.
    Stop,
    /// It is suspended.
    Suspend,
    /// A word that this version does not know.
    Unknown(String),
}

impl Autostop {
    /// As a word.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Off => "off",
            Self::Stop => "stop",
            Self::Suspend => "suspend",
            Self::Unknown(text) => text,
        }
    }
}

impl Serialize for Autostop {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Off => serializer.serialize_bool(false),
            Self::Stop => serializer.serialize_bool(true),
            Self::Suspend | Self::Unknown(_) => serializer.serialize_str(self.as_str()),
        }
    }
}

impl<'de> Deserialize<'de> for Autostop {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;

        impl de::Visitor<'_> for Visitor {
            type Value = Autostop;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("true, false, \"off\", \"stop\" or \"suspend\"")
            }

            fn visit_bool<E: de::Error>(self, stop: bool) -> Result<Autostop, E> {
                Ok(if stop { Autostop::Stop } else { Autostop::Off })
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Autostop, E> {
                Ok(match text {
                    "off" => Autostop::Off,
                    "stop" => Autostop::Stop,
                    "suspend" => Autostop::Suspend,
                    other => Autostop::Unknown(other.to_owned()),
                })
            }
        }

        deserializer.deserialize_any(Visitor)
    }
}

/// Load limits of one machine: above `soft_limit` others are preferred, at `hard_limit` it gets nothing more.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Concurrency {
    /// What is counted: `connections` or `requests`.
    #[serde(rename = "type", deserialize_with = "nullable", skip_serializing_if = "is_default")]
    pub concurrency_type: String,
    /// Soft limit.
    #[serde(skip_serializing_if = "is_default")]
    pub soft_limit: Option<u32>,
    /// Hard limit.
    #[serde(skip_serializing_if = "is_default")]
    pub hard_limit: Option<u32>,
    /// What this version does not know.
    #[serde(flatten)]
    pub other: Other,
}

/// A public port, or a range of them.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Port {
    /// The port, unless it is a range.
    #[serde(skip_serializing_if = "is_default")]
    pub port: Option<u16>,
    /// First port of a range.
    #[serde(skip_serializing_if = "is_default")]
    pub start_port: Option<u16>,
    /// Last port of a range.
    #[serde(skip_serializing_if = "is_default")]
    pub end_port: Option<u16>,
    /// `http`, `tls`, `pg_tls`, `proxy_proto`, `edge_http`; in the order they are applied.
    #[serde(deserialize_with = "nullable", skip_serializing_if = "is_default")]
    pub handlers: Vec<String>,
    /// Plain HTTP is redirected to HTTPS.
    #[serde(deserialize_with = "nullable", skip_serializing_if = "is_default")]
    pub force_https: bool,
    /// TLS at the edge.
    #[serde(skip_serializing_if = "is_default")]
    pub tls_options: Option<TlsOptions>,
    /// HTTP at the edge.
    #[serde(skip_serializing_if = "is_default")]
    pub http_options: Option<HttpOptions>,
    /// The PROXY protocol towards the machine.
    #[serde(skip_serializing_if = "is_default")]
    pub proxy_proto_options: Option<ProxyProtoOptions>,
    /// What this version does not know.
    #[serde(flatten)]
    pub other: Other,
}

/// TLS at the edge.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct TlsOptions {
    /// Protocols offered by ALPN.
    #[serde(deserialize_with = "nullable", skip_serializing_if = "is_default")]
    pub alpn: Vec<String>,
    /// TLS versions, for instance `TLSv1.2`.
    #[serde(deserialize_with = "nullable", skip_serializing_if = "is_default")]
    pub versions: Vec<String>,
    /// A self-signed certificate where no name matches.
    #[serde(skip_serializing_if = "is_default")]
    pub default_self_signed: Option<bool>,
    /// What this version does not know.
    #[serde(flatten)]
    pub other: Other,
}

/// HTTP at the edge.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct HttpOptions {
    /// Responses are compressed.
    #[serde(skip_serializing_if = "is_default")]
    pub compress: Option<bool>,
    /// The machine speaks HTTP/2 without TLS.
    #[serde(skip_serializing_if = "is_default")]
    pub h2_backend: Option<bool>,
    /// Idle time of a connection, in seconds.
    #[serde(skip_serializing_if = "is_default")]
    pub idle_timeout: Option<u32>,
    /// Time to read the request's head, in seconds.
    #[serde(skip_serializing_if = "is_default")]
    pub headers_read_timeout: Option<u32>,
    /// Changes to responses.
    #[serde(skip_serializing_if = "is_default")]
    pub response: Option<HttpResponseOptions>,
    /// Replay caches, passed through as they are.
    #[serde(deserialize_with = "nullable", skip_serializing_if = "is_default")]
    pub replay_cache: Vec<Value>,
    /// What this version does not know.
    #[serde(flatten)]
    pub other: Other,
}

/// Changes to responses at the edge.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct HttpResponseOptions {
    /// Headers that are set (a text or a list of texts) or removed (`false`).
    #[serde(deserialize_with = "nullable", skip_serializing_if = "is_default")]
    pub headers: BTreeMap<String, Value>,
    /// Fly's own headers are not added.
    #[serde(skip_serializing_if = "is_default")]
    pub pristine: Option<bool>,
    /// What this version does not know.
    #[serde(flatten)]
    pub other: Other,
}

/// The PROXY protocol towards the machine.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ProxyProtoOptions {
    /// `v1` or `v2`.
    #[serde(skip_serializing_if = "is_default")]
    pub version: Option<String>,
    /// What this version does not know.
    #[serde(flatten)]
    pub other: Other,
}
