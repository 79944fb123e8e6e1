//! Lines that programs wrote, as the logs API gives them.

use serde::{Deserialize, Serialize};

use crate::tolerant::{is_default, nullable};

/// One page of lines, oldest first.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct LogPage {
    /// The lines.
    #[serde(deserialize_with = "nullable")]
    pub data: Vec<LogEntry>,
    /// Where to go on.
    #[serde(deserialize_with = "nullable")]
    pub meta: LogMeta,
}

/// Where the next page begins.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct LogMeta {
    /// For the next request; what comes after this page.
    #[serde(skip_serializing_if = "is_default")]
    pub next_token: Option<String>,
}

/// One line with its id.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct LogEntry {
    /// Opaque.
    #[serde(deserialize_with = "nullable")]
    pub id: String,
    /// The line.
    #[serde(deserialize_with = "nullable")]
    pub attributes: LogLine,
}

/// A line.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct LogLine {
    /// RFC 3339.
    #[serde(deserialize_with = "nullable")]
    pub timestamp: String,
    /// What was written.
    #[serde(deserialize_with = "nullable")]
    pub message: String,
    /// How grave.
    #[serde(deserialize_with = "nullable")]
    pub level: String,
    /// The machine.
    #[serde(deserialize_with = "nullable")]
    pub instance: String,
    /// Where it runs.
    #[serde(deserialize_with = "nullable")]
    pub region: String,
}
