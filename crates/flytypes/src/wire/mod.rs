//! What the Machines API answers. Unknown fields are ignored, unknown words are kept.

mod app;
mod event;
mod lease;
mod logs;
mod machine;

pub use app::{App, AppCreated, AppPage, AppStatus, Organization, Secret, SecretsReply};
pub use event::{EventRequest, ExitEvent, MachineEvent};
pub use lease::{Lease, LeaseEnvelope};
pub use logs::{LogEntry, LogLine, LogMeta, LogPage};
pub use machine::{
    CheckState, CheckStatus, HostStatus, ImageRefWire, Machine, MachineState, StartReply, WaitOutcome,
};

#[cfg(test)]
mod tests;
