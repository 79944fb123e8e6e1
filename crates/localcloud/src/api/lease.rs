//! Leases: who may change a machine. Their answers alone are wrapped in `{status, data}`.

use hyper::StatusCode;
use serde_json::{Value, json};

use super::{Call, Handled, Reply};
use crate::{
    clock,
    cloud::Cloud,
    error::ApiError,
    faults::FaultName,
    ids,
    machine::model::{Lease, Machine},
    world::Hidden,
};

/// When no ttl is given, in seconds.
const TTL: u64 = 30;
/// The longest, in seconds.
const LONGEST: u64 = 86_400;
/// How long whoever broke a lease keeps it, in milliseconds.
const STOLEN_MS: u64 = 5_000;

/// Refuses a change of a machine that somebody else has leased.
pub(super) fn guard(cloud: &Cloud, call: &Call) -> Result<(), ApiError> {
    let mut machine = call.machine(cloud)?;
    if stolen(cloud, call, &machine)? {
        machine = call.machine(cloud)?;
    }
    match (machine.live_lease(), &call.nonce) {
        (Some(lease), Some(nonce)) if lease.nonce.0 == *nonce => Ok(()),
        (Some(lease), _) => Err(ApiError::conflict(held(&machine.id, lease))),
        (None, Some(_)) if cloud.quirks().strict_nonce => Err(ApiError::conflict(format!(
            "lease nonce is not valid: machine ID {} has no lease",
            machine.id
        ))),
        (None, _) => Ok(()),
    }
}

/// Whether somebody broke the lease of this call just now (`fly machine lease clear`) and took one.
fn stolen(cloud: &Cloud, call: &Call, machine: &Machine) -> Result<bool, ApiError> {
    let is_theirs = machine.live_lease().is_some_and(|lease| call.nonce.as_ref() == Some(&lease.nonce.0));
    if !is_theirs {
        return Ok(false);
    }
    let Some(fault) = cloud.faults.strike(FaultName::LeaseStolen, call.chance()) else { return Ok(false) };
    let ms = fault.ms.unwrap_or(STOLEN_MS);
    cloud.change(&call.machine, |m| {
        m.lease = Some(Lease {
            nonce: Hidden(ids::nonce()),
            expires_at: clock::now_s() + ms / 1000 + 1,
            owner: String::from("somebody@else.localcloud"),
            description: String::from("fly deploy (fault lease-stolen)"),
            version: ids::ulid(),
            ends_us: Some(clock::now_us() + ms * 1000),
        });
        Ok(true)
    })
}

/// When a lease that is asked for now ends, where it ends too early.
fn early_end(cloud: &Cloud, call: &Call) -> Option<u64> {
    let fault = cloud.faults.strike(FaultName::LeaseExpiredEarly, call.chance())?;
    Some(clock::now_us() + fault.ms? * 1000)
}

fn held(id: &str, lease: &Lease) -> String {
    let until = clock::rfc3339(lease.expires_at.saturating_mul(1_000_000));
    let description =
        if lease.description.is_empty() { String::new() } else { format!(" ({})", lease.description) };
    format!("machine ID {id} lease currently held by {}{description}, expires at {until}", lease.owner)
}

/// Gives the machine a new lease and answers its nonce.
pub(super) fn grant(cloud: &Cloud, call: &Call, m: &mut Machine, ttl: u64, description: String) -> String {
    let nonce = ids::nonce();
    m.lease = Some(Lease {
        nonce: Hidden(nonce.clone()),
        expires_at: clock::now_s() + ttl.min(LONGEST),
        owner: format!("{}@tokens.localcloud", call.org),
        description,
        version: ids::ulid(),
        ends_us: early_end(cloud, call),
    });
    nonce
}

fn envelope(status: StatusCode, lease: &Lease, with_nonce: bool) -> Reply {
    let mut data = json!({
        "expires_at": lease.expires_at, "owner": lease.owner, "description": lease.description,
        "version": lease.version,
    });
    if with_nonce {
        data["nonce"] = Value::from(lease.nonce.0.clone());
    }
    Reply::with(status, json!({"status": "success", "data": data}))
}

fn refusal(status: StatusCode, code: &str, message: &str) -> Reply {
    Reply::with(status, json!({"status": "error", "message": message, "code": code}))
}

/// GET `…/lease`: 404 when there is none. The nonce is shown to its holder only.
pub(super) fn get(cloud: &Cloud, call: &Call) -> Handled {
    let machine = call.machine(cloud)?;
    Ok(match machine.live_lease() {
        Some(lease) => envelope(StatusCode::OK, lease, call.nonce.as_ref() == Some(&lease.nonce.0)),
        None => refusal(StatusCode::NOT_FOUND, "not_found", "lease not found"),
    })
}

/// POST `…/lease?ttl=` or with `{ttl, description}`: 201; with the nonce of the live lease it is prolonged.
pub(super) fn acquire(cloud: &Cloud, call: &Call) -> Handled {
    let body = call.json()?;
    let query = call.query.get("ttl").filter(|t| !t.is_empty());
    let ttl = match query {
        Some(text) => text.parse().ok(),
        None => body.get("ttl").map_or(Some(TTL), Value::as_u64),
    };
    let ttl = ttl.filter(|t| (1..=LONGEST).contains(t));
    let ttl =
        ttl.ok_or_else(|| ApiError::bad(format!("ttl must be whole seconds between 1 and {LONGEST}")))?;
    let description = body.get("description").and_then(Value::as_str).map(String::from);
    let machine = call.machine(cloud)?;
    stolen(cloud, call, &machine)?;
    cloud.change(&call.machine, |m| {
        let id = m.id.clone();
        if let Some(lease) = m.lease.as_mut().filter(|lease| lease.is_live()) {
            if call.nonce.as_ref() != Some(&lease.nonce.0) {
                return Ok(refusal(StatusCode::CONFLICT, "conflict", &held(&id, lease)));
            }
            lease.expires_at = clock::now_s() + ttl;
            lease.ends_us = early_end(cloud, call);
            if let Some(description) = description {
                lease.description = description;
            }
            return Ok(envelope(StatusCode::CREATED, lease, true));
        }
        if call.nonce.is_some() && cloud.quirks().strict_refresh {
            let why = format!("lease nonce is not valid: machine ID {id} has no lease");
            return Ok(refusal(StatusCode::CONFLICT, "conflict", &why));
        }
        grant(cloud, call, m, ttl, description.unwrap_or_default());
        m.lease
            .as_ref()
            .map(|l| envelope(StatusCode::CREATED, l, true))
            .ok_or_else(|| ApiError::conflict("no lease"))
    })
}

/// DELETE `…/lease` with the nonce.
pub(super) fn release(cloud: &Cloud, call: &Call) -> Handled {
    call.machine(cloud)?;
    cloud.change(&call.machine, |m| {
        let Some(lease) = m.live_lease() else {
            return Ok(refusal(StatusCode::NOT_FOUND, "not_found", "lease not found"));
        };
        if call.nonce.as_ref() != Some(&lease.nonce.0) {
            return Ok(refusal(StatusCode::CONFLICT, "conflict", &held(&m.id, lease)));
        }
        m.lease = None;
        Ok(Reply::ok(json!({"status": "success", "data": {"ok": true}})))
    })
}
