//! Requests of the Machines API as values: no socket, no credential, no base URL.
//!
//! Paths and fields as in the API's reference, <https://fly.io/docs/machines/api/>.

mod apps;
mod leases;
mod logs;
mod machines;
mod metadata;
mod secrets;

use std::{fmt, time::Duration};

use flytypes::{AppName, MachineId};
use http::Method;
use serde::Serialize;
use serde_json::Value;

pub use self::{
    apps::{NewApp, create_app, get_app, list_apps},
    leases::{NewLease, acquire_lease, get_lease, refresh_lease, release_lease},
    logs::read_logs,
    machines::{
        CreateMachine, ListMachines, StopMachine, UpdateMachine, WaitFor, WaitMachine, cordon_machine,
        create_machine, destroy_machine, get_machine, list_machines, machine_events, start_machine,
        stop_machine, uncordon_machine, update_machine, wait_machine,
    },
    metadata::{delete_metadata, get_metadata, patch_metadata, set_metadata},
    secrets::{SecretChanges, list_secrets, set_secrets},
};
pub use crate::limits::Kind as RateKind;
use crate::text::segment;

/// Header with the nonce of a lease; goes on every change of a leased machine.
pub const LEASE_NONCE: &str = "fly-machine-lease-nonce";

/// Time for a call that does not wait for anything. The edge in front of the API cuts at about 60 s.
const TIMEOUT: Duration = Duration::from_secs(30);

/// One request as a value.
#[derive(Clone, PartialEq)]
pub struct Call {
    /// What it does, for instance `update machine`; also the action of its rate budget.
    pub operation: &'static str,
    /// Method.
    pub method: Method,
    /// Path with `/v1`, percent-encoded.
    pub path: String,
    /// Query, not encoded.
    pub query: Vec<(String, String)>,
    /// Headers beside the usual ones; names in lower case.
    pub headers: Vec<(&'static str, String)>,
    /// JSON body.
    pub body: Option<Value>,
    /// The app, for errors and budget.
    pub app: Option<AppName>,
    /// The machine, for errors and budget.
    pub machine: Option<MachineId>,
    /// Twice has the same effect as once, so that it may be repeated without knowing what came of it.
    pub idempotent: bool,
    /// Time for one attempt.
    pub timeout: Duration,
    /// Which rate holds for it.
    pub rate: RateKind,
    /// Statuses beside 2xx that are values, no errors.
    pub value_statuses: &'static [u16],
}

impl Call {
    fn new(operation: &'static str, method: Method, path: String) -> Self {
        let idempotent = method == Method::GET;
        Self {
            operation,
            method,
            path,
            query: Vec::new(),
            headers: Vec::new(),
            body: None,
            app: None,
            machine: None,
            idempotent,
            timeout: TIMEOUT,
            rate: RateKind::Other,
            value_statuses: &[],
        }
    }

    fn of_app(operation: &'static str, method: Method, app: &AppName, tail: &str) -> Self {
        let mut call = Self::new(operation, method, format!("/v1/apps/{app}{tail}"));
        call.app = Some(app.clone());
        call
    }

    fn of_machine(
        operation: &'static str,
        method: Method,
        app: &AppName,
        id: &MachineId,
        tail: &str,
    ) -> Self {
        let mut call =
            Self::of_app(operation, method, app, &format!("/machines/{}{tail}", segment(id.as_str())));
        call.machine = Some(id.clone());
        call
    }

    fn with_query(mut self, key: &str, value: impl Into<String>) -> Self {
        self.query.push((key.to_owned(), value.into()));
        self
    }

    fn with_body(mut self, body: &impl Serialize) -> Self {
        self.body =
            Some(serde_json::to_value(body).expect("because wire values have text keys and finite numbers"));
        self
    }

    fn with_lease(mut self, nonce: Option<&str>) -> Self {
        if let Some(nonce) = nonce {
            self.headers.push((LEASE_NONCE, nonce.to_owned()));
        }
        self
    }

    fn idempotent(mut self) -> Self {
        self.idempotent = true;
        self
    }

    /// With the cursor of the next page.
    pub(super) fn with_cursor(self, cursor: Option<&str>) -> Self {
        match cursor {
            Some(cursor) => self.with_query("cursor", cursor),
            None => self,
        }
    }

    /// Whose budget it takes: the machine's, else the app's.
    pub(super) fn subject(&self) -> String {
        match (&self.machine, &self.app) {
            (Some(machine), _) => machine.to_string(),
            (None, Some(app)) => app.to_string(),
            (None, None) => String::new(),
        }
    }

    /// What tells it from others that fail at the same time.
    pub(super) fn key(&self) -> String {
        format!("{} {}", self.operation, self.path)
    }
}

/// Without body and header values: both may be confidential.
impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Call({}: {} {})", self.operation, self.method, self.path)
    }
}

#[cfg(test)]
mod tests;
