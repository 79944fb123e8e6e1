//! Leases of machines.

use std::time::Duration;

use flytypes::{AppName, MachineId};
use http::Method;
use serde_json::json;

use super::Call;

/// A lease to be taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewLease {
    /// How long, at least 1 s; rounded up to seconds.
    pub ttl: Duration,
    /// What for; whoever is refused reads it.
    pub description: String,
}

fn seconds(ttl: Duration) -> u64 {
    (ttl.as_secs() + u64::from(ttl.subsec_nanos() > 0)).max(1)
}

/// `POST …/lease`, answered by 201. Not idempotent: a lost answer leaves a lease whose nonce nobody knows.
pub fn acquire_lease(app: &AppName, id: &MachineId, lease: &NewLease) -> Call {
    let body = json!({"ttl": seconds(lease.ttl), "description": lease.description});
    Call::of_machine("acquire lease of machine", Method::POST, app, id, "/lease").with_body(&body)
}

/// `POST …/lease` with the nonce: moves the end. Idempotent: only the holder can, and twice is once.
pub fn refresh_lease(app: &AppName, id: &MachineId, ttl: Duration, nonce: &str) -> Call {
    Call::of_machine("refresh lease of machine", Method::POST, app, id, "/lease")
        .with_body(&json!({"ttl": seconds(ttl)}))
        .with_lease(Some(nonce))
        .idempotent()
}

/// `GET …/lease`.
pub fn get_lease(app: &AppName, id: &MachineId) -> Call {
    Call::of_machine("get lease of machine", Method::GET, app, id, "/lease")
}

/// `DELETE …/lease` with the nonce. Not declared idempotent: the second answer is 404.
pub fn release_lease(app: &AppName, id: &MachineId, nonce: &str) -> Call {
    Call::of_machine("release lease of machine", Method::DELETE, app, id, "/lease").with_lease(Some(nonce))
}
