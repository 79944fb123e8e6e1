//! What happened to a machine.

use serde::{Deserialize, Serialize};

use crate::tolerant::{is_default, nullable};

/// One event. Machines list theirs newest first.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct MachineEvent {
    /// Id.
    #[serde(deserialize_with = "nullable", skip_serializing_if = "is_default")]
    pub id: String,
    /// `launch`, `update`, `start`, `stop`, `exit`, `restart`, `destroy`, `suspend`, `cordon`, …
    #[serde(rename = "type", deserialize_with = "nullable")]
    pub event_type: String,
    /// State after it.
    #[serde(deserialize_with = "nullable")]
    pub status: String,
    /// Who did it: `flyd`, `user` or `proxy`.
    #[serde(deserialize_with = "nullable")]
    pub source: String,
    /// Milliseconds since 1970.
    #[serde(deserialize_with = "nullable")]
    pub timestamp: i64,
    /// Particulars.
    #[serde(skip_serializing_if = "is_default")]
    pub request: Option<EventRequest>,
}

/// Particulars of an event.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct EventRequest {
    /// How the process ended, on `exit`.
    #[serde(skip_serializing_if = "is_default")]
    pub exit_event: Option<ExitEvent>,
    /// Restarts since the last start by request.
    #[serde(deserialize_with = "nullable", skip_serializing_if = "is_default")]
    pub restart_count: u32,
}

/// How the first process of a machine ended.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ExitEvent {
    /// Exit code of the init.
    #[serde(deserialize_with = "nullable")]
    pub exit_code: i64,
    /// Exit code of the first process.
    #[serde(deserialize_with = "nullable")]
    pub guest_exit_code: i64,
    /// Signal that ended the first process; -1 is none.
    #[serde(deserialize_with = "nullable")]
    pub guest_signal: i64,
    /// Signal that ended the init; -1 is none.
    #[serde(deserialize_with = "nullable")]
    pub signal: i64,
    /// It ran out of memory.
    #[serde(deserialize_with = "nullable")]
    pub oom_killed: bool,
    /// Somebody asked for the stop.
    #[serde(deserialize_with = "nullable")]
    pub requested_stop: bool,
    /// It is started again.
    #[serde(deserialize_with = "nullable")]
    pub restarting: bool,
    /// RFC 3339.
    #[serde(skip_serializing_if = "is_default")]
    pub exited_at: Option<String>,
    /// What went wrong.
    #[serde(deserialize_with = "nullable", skip_serializing_if = "is_default")]
    pub error: String,
}

impl MachineEvent {
    /// How the process ended, if this event tells it.
    pub fn exit(&self) -> Option<&ExitEvent> {
        self.request.as_ref()?.exit_event.as_ref()
    }
}
