//! Waiting for a state: 200 when reached, 408 as the normal "not yet".

use std::time::Duration;

use hyper::StatusCode;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::{Call, Handled, Reply};
use crate::{cloud::Cloud, error::ApiError, machine::model::Machine};

const STATES: [&str; 6] = ["started", "stopped", "suspended", "destroyed", "failed", "settled"];

/// GET `…/wait?state=&timeout=&version=`; `instance_id` is the older name of `version`; seconds, 1 to 60.
pub(super) async fn wait(cloud: &Cloud, call: &Call) -> Handled {
    let query = &call.query;
    let mut states = query.list("state");
    if states.is_empty() {
        states.push("started");
    }
    if let Some(unknown) = states.iter().find(|s| !STATES.contains(s)) {
        return Err(ApiError::bad(format!(
            "cannot wait for state `{unknown}`; states are {}",
            STATES.join(", ")
        )));
    }
    let timeout = match query.get("timeout").map(str::parse::<u64>) {
        None => 60,
        Some(Ok(timeout @ 1..=60)) => timeout,
        Some(_) => return Err(ApiError::bad("timeout must be whole seconds between 1 and 60")),
    };
    let version = query.get("version").or_else(|| query.get("instance_id")).filter(|v| !v.is_empty());
    if cloud.quirks().strict_wait_instance && version.is_none() && states.contains(&"stopped") {
        return Err(ApiError::bad("instance_id is required when waiting for stopped"));
    }
    let deadline = Instant::now() + Duration::from_secs(timeout);
    let mut changed = cloud.changed.subscribe();
    loop {
        let machine = call.machine(cloud)?;
        if let Some(version) = version.filter(|v| !machine.known_versions().contains(v)) {
            return Err(ApiError::bad(format!("the machine has no version {version}")));
        }
        if reached(&machine, &states, version) {
            let event = machine.events.first().and_then(|e| e.get("id")).cloned().unwrap_or(Value::Null);
            return Ok(Reply::ok(json!({
                "ok": true, "state": machine.state.as_str(), "version": machine.instance_id, "event_id": event,
            })));
        }
        // The sender lives as long as the server.
        if tokio::time::timeout_at(deadline, changed.changed()).await.is_err() {
            return Err(timed_out(&machine, &states, version));
        }
    }
}

/// An old version reads `replaced`, which nobody waits for.
fn reached(m: &Machine, states: &[&str], version: Option<&str>) -> bool {
    version.is_none_or(|v| v == m.instance_id)
        && (states.contains(&m.state.as_str()) || (states.contains(&"settled") && m.state.is_settled()))
}

fn timed_out(m: &Machine, states: &[&str], version: Option<&str>) -> ApiError {
    let current = if version.is_none_or(|v| v == m.instance_id) { m.state.as_str() } else { "replaced" };
    let wanted = states.join(", ");
    let why = format!(
        "timeout reached waiting for machine's state to change to {wanted}; current state is {current}"
    );
    ApiError::new(StatusCode::REQUEST_TIMEOUT, why).named("deadline_exceeded")
}
