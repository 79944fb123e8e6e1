//! Updating a machine: a full replacement of its configuration, answered before it has happened.

use serde_json::Value;

use super::{
    Call, Handled, Reply,
    create::{self, Prepared},
    lease,
};
use crate::{
    clock,
    cloud::Cloud,
    error::ApiError,
    faults::{Chance, FaultName},
    machine::{
        model::{Goal, Revert, State},
        view::{self, Detail},
    },
};

/// POST `/v1/apps/{app}/machines/{id}`.
///
/// A machine that runs (or failed) is replaced; one that rests stays at rest with the new version. `current_version`,
/// where given, must be the present version, else 409 and nothing changes.
pub(super) fn update(cloud: &Cloud, call: &Call) -> Handled {
    let before = call.machine(cloud)?;
    let Prepared { mut config, image, secrets_version, body } = create::prepare(cloud, call)?;
    if config.get("metadata").is_none_or(Value::is_null) {
        config["metadata"] = serde_json::json!({});
    }
    let current = body.get("current_version").and_then(Value::as_str).filter(|v| !v.is_empty());
    refuse_moves(&before.region, &before.name, &body)?;
    let skip_launch = body.get("skip_launch").and_then(Value::as_bool).unwrap_or(false);
    let chance = Chance { app: Some(&call.app), machine: Some(&call.machine), ..Chance::default() };
    let ttl = body.get("lease_ttl").and_then(Value::as_u64).filter(|t| *t > 0);
    let reply = cloud.change(&call.machine, |m| {
        if let Some(current) = current.filter(|c| *c != m.instance_id) {
            let why = format!("current_version {current} is stale; the machine is at {}", m.instance_id);
            return Err(ApiError::conflict(why));
        }
        let (state, goal) = match m.state {
            State::Replacing | State::Updating => {
                return Err(ApiError::conflict("aborted: concurrent update in progress"));
            }
            State::Destroyed | State::Destroying => {
                return Err(ApiError::not_found("machine not found: it is destroyed"));
            }
            State::Created if m.goal == Goal::Run => (State::Replacing, Goal::Run),
            State::Started | State::Starting | State::Restarting | State::Failed => {
                (State::Replacing, Goal::Run)
            }
            State::Created | State::Stopped | State::Stopping => (State::Updating, Goal::Rest),
        };
        let goal = if skip_launch { Goal::Rest } else { goal };
        if let Some(fault) = cloud.faults.strike(FaultName::StuckReplacing, chance) {
            let until = |ms: u64| clock::now_us().saturating_add(ms * 1000);
            m.stuck_until_us = Some(fault.ms.map_or(u64::MAX, until));
        }
        if let Some(fault) = cloud.faults.strike(FaultName::PullFailureSilentRevert, chance) {
            m.revert = Some(Revert {
                config: m.config.clone(),
                image: m.image.clone(),
                instance_id: (fault.keep_version == Some(false)).then(|| m.instance_id.clone()),
            });
        }
        // The old program is asked to end in the old configuration's way.
        m.stop = create::stop_of(m);
        (m.state, m.goal, m.image, m.secrets_version) = (state, goal, image, secrets_version);
        m.new_version(config);
        m.new_generation();
        m.event("update", state.as_str(), "user", None);
        let nonce = ttl.map(|ttl| lease::grant(cloud, call, m, ttl, String::new()));
        let mut reply = view::machine(m, Detail::default());
        if let Some(nonce) = nonce {
            reply["nonce"] = Value::from(nonce);
        }
        Ok(reply)
    })?;
    Ok(Reply::ok(reply))
}

/// Name and region of a machine never change.
fn refuse_moves(region: &str, name: &str, body: &Value) -> Result<(), ApiError> {
    for (field, present) in [("region", region), ("name", name)] {
        let wanted = body.get(field).and_then(Value::as_str).filter(|w| !w.is_empty());
        if let Some(wanted) = wanted.filter(|w| *w != present) {
            let why =
                format!("{field} cannot be changed from `{present}` to `{wanted}`; create another machine");
            return Err(ApiError::unprocessable(why));
        }
    }
    Ok(())
}
