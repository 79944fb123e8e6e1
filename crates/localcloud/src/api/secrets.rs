//! Secrets: names and digests can be read, values never. A machine gets the values of the version it was made or
//! updated with.

use std::collections::BTreeMap;

use hyper::StatusCode;
use serde_json::{Value, json};

use super::{Call, Handled, Reply};
use crate::{
    clock,
    cloud::Cloud,
    error::ApiError,
    world::{self, Secret},
};

fn view(name: &str, secret: &Secret) -> Value {
    json!({
        "name": name, "digest": secret.digest, "type": "SECRET_TYPE_OPAQUE",
        "created_at": clock::rfc3339(secret.created_us), "updated_at": clock::rfc3339(secret.updated_us),
    })
}

fn refuse_unreached(call: &Call, version: u64) -> Result<(), ApiError> {
    let wanted =
        call.query.get("min_version").or_else(|| call.query.get("version")).filter(|v| !v.is_empty());
    let Some(wanted) = wanted else { return Ok(()) };
    match wanted.parse::<u64>() {
        Ok(wanted) if wanted <= version => Ok(()),
        Ok(_) => Err(ApiError::failed_precondition(format!(
            "secrets are at version {version}, not yet at {wanted}"
        ))),
        Err(_) => Err(ApiError::bad("min_version must be a number")),
    }
}

/// GET `…/secrets`.
pub(super) fn list(cloud: &Cloud, call: &Call) -> Handled {
    let world = cloud.lock();
    let app = world.apps.get(&call.app).ok_or_else(|| ApiError::not_found("Could not find App"))?;
    refuse_unreached(call, app.secrets.version)?;
    let secrets: Vec<Value> = app.secrets.current.iter().map(|(name, secret)| view(name, secret)).collect();
    Ok(Reply::ok(json!({"secrets": secrets, "version": app.secrets.version})))
}

/// GET `…/secrets/{name}`.
pub(super) fn get(cloud: &Cloud, call: &Call) -> Handled {
    let world = cloud.lock();
    let app = world.apps.get(&call.app).ok_or_else(|| ApiError::not_found("Could not find App"))?;
    refuse_unreached(call, app.secrets.version)?;
    let secret = app.secrets.current.get(&call.key);
    let secret = secret.ok_or_else(|| ApiError::not_found(format!("secret `{}` not found", call.key)))?;
    Ok(Reply::ok(view(&call.key, secret)))
}

/// POST `…/secrets` with `{values: {NAME: "value" | null}}`: one new version.
pub(super) fn update(cloud: &Cloud, call: &Call) -> Handled {
    let body = call.json()?;
    let given = body.get("values").and_then(Value::as_object);
    let given = given.ok_or_else(|| ApiError::bad("values is required, an object of strings and nulls"))?;
    let mut values = BTreeMap::new();
    for (name, value) in given {
        let value = match value {
            Value::String(s) => Some(s.clone()),
            Value::Null => None,
            _ => return Err(ApiError::bad(format!("secret `{name}` is neither a string nor null"))),
        };
        values.insert(name.clone(), value);
    }
    change(cloud, call, values)?;
    list(cloud, &Call { query: crate::query::Query::default(), ..copy(call) })
}

/// POST `…/secrets/{name}` with `{value}`: 201.
pub(super) fn set(cloud: &Cloud, call: &Call) -> Handled {
    let body = call.json()?;
    let value = body.get("value").and_then(Value::as_str);
    let value = value.ok_or_else(|| ApiError::bad("value is required, a string"))?.to_owned();
    let version = change(cloud, call, BTreeMap::from([(call.key.clone(), Some(value))]))?;
    let world = cloud.lock();
    let secret = world.apps.get(&call.app).and_then(|a| a.secrets.current.get(&call.key));
    let mut reply = secret.map_or_else(|| json!({}), |s| view(&call.key, s));
    reply["version"] = Value::from(version);
    Ok(Reply::with(StatusCode::CREATED, reply))
}

/// DELETE `…/secrets/{name}`.
pub(super) fn delete(cloud: &Cloud, call: &Call) -> Handled {
    let exists = cloud.lock().apps.get(&call.app).is_some_and(|a| a.secrets.current.contains_key(&call.key));
    if !exists {
        return Err(ApiError::not_found(format!("secret `{}` not found", call.key)));
    }
    let version = change(cloud, call, BTreeMap::from([(call.key.clone(), None)]))?;
    Ok(Reply::ok(json!({"version": version})))
}

fn change(cloud: &Cloud, call: &Call, values: BTreeMap<String, Option<String>>) -> Result<u64, ApiError> {
    let shaped = |name: &str| {
        name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
            && !name.starts_with(|c: char| c.is_ascii_digit())
    };
    if let Some(name) = values.keys().find(|n| n.is_empty() || !shaped(n)) {
        let why = format!("secret name `{name}` is no name of an environment variable");
        return Err(ApiError::unprocessable(why));
    }
    let mut world = cloud.lock();
    let app = world.apps.get_mut(&call.app).ok_or_else(|| ApiError::not_found("Could not find App"))?;
    let mut new = app.clone();
    new.secrets.change(values);
    world::save_app(&cloud.layout, &new).map_err(|e| ApiError::disk(&e))?;
    let version = new.secrets.version;
    *app = new;
    Ok(version)
}

fn copy(call: &Call) -> Call {
    Call {
        action: call.action,
        app: call.app.clone(),
        machine: String::new(),
        key: String::new(),
        query: crate::query::Query::default(),
        nonce: None,
        body: bytes::Bytes::new(),
        org: call.org.clone(),
    }
}
