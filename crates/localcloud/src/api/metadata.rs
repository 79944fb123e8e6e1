//! Metadata: needs no lease and makes no new version.

use std::sync::Arc;

use hyper::StatusCode;
use serde_json::{Map, Value, json};

use super::{Call, Handled, Reply};
use crate::{cloud::Cloud, error::ApiError, machine::model::Machine};

fn of(m: &mut Machine) -> Result<&mut Map<String, Value>, ApiError> {
    let config = Arc::make_mut(&mut m.config)
        .as_object_mut()
        .ok_or_else(|| ApiError::bad("the machine has no configuration"))?;
    let metadata = config.entry("metadata").or_insert_with(|| json!({}));
    metadata.as_object_mut().ok_or_else(|| ApiError::bad("the machine's metadata is no object"))
}

/// GET `…/metadata`.
pub(super) fn get(cloud: &Cloud, call: &Call) -> Handled {
    Ok(Reply::ok(call.machine(cloud)?.config.get("metadata").cloned().unwrap_or_else(|| json!({}))))
}

/// PATCH `…/metadata` with `{metadata, machine_version}`: `null` and `""` delete; a stale version is 412.
pub(super) fn patch(cloud: &Cloud, call: &Call) -> Handled {
    let body = call.json()?;
    let changes = body.get("metadata").and_then(Value::as_object);
    let changes =
        changes.ok_or_else(|| ApiError::bad("metadata is required, an object of strings and nulls"))?;
    if let Some((key, _)) = changes.iter().find(|(_, v)| !v.is_string() && !v.is_null()) {
        return Err(ApiError::bad(format!("metadata `{key}` is neither a string nor null")));
    }
    let version = body.get("machine_version").and_then(Value::as_str).filter(|v| !v.is_empty());
    call.machine(cloud)?;
    let after = cloud.change(&call.machine, |m| {
        if let Some(stale) = version.filter(|v| *v != m.instance_id) {
            let why = format!("machine_version {stale} is stale; the machine is at {}", m.instance_id);
            return Err(ApiError::failed_precondition(why));
        }
        let metadata = of(m)?;
        for (key, value) in changes {
            match value.as_str() {
                None | Some("") => drop(metadata.remove(key)),
                Some(value) => drop(metadata.insert(key.clone(), Value::from(value))),
            }
        }
        Ok(Value::Object(metadata.clone()))
    })?;
    Ok(Reply::ok(after))
}

/// GET `…/metadata/{key}`.
pub(super) fn get_key(cloud: &Cloud, call: &Call) -> Handled {
    let machine = call.machine(cloud)?;
    let value = machine.metadata(&call.key);
    let value = value.ok_or_else(|| ApiError::not_found(format!("metadata key `{}` not found", call.key)))?;
    Ok(Reply::ok(json!({"value": value})))
}

/// POST `…/metadata/{key}` with `{value}`: 204.
pub(super) fn set_key(cloud: &Cloud, call: &Call) -> Handled {
    let body = call.json()?;
    let value = body.get("value").and_then(Value::as_str);
    let value = value.ok_or_else(|| ApiError::bad("value is required, a string"))?.to_owned();
    call.machine(cloud)?;
    cloud.change(&call.machine, |m| {
        of(m)?.insert(call.key.clone(), Value::from(value));
        Ok(())
    })?;
    Ok(Reply::empty(StatusCode::NO_CONTENT))
}

/// DELETE `…/metadata/{key}`: 204, also when there was none.
pub(super) fn delete_key(cloud: &Cloud, call: &Call) -> Handled {
    call.machine(cloud)?;
    cloud.change(&call.machine, |m| {
        of(m)?.remove(&call.key);
        Ok(())
    })?;
    Ok(Reply::empty(StatusCode::NO_CONTENT))
}
