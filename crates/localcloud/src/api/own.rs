//! localcloud's own calls: what it is, where its edges are, how busy machines are, faults, logs.

use std::{fs, io};

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{Call, Content, Handled, Reply};
use crate::{cloud::Cloud, error::ApiError, faults::Fault, machine::model::State};

/// GET `/v1/platform/regions`, open to all.
pub(super) fn regions(cloud: &Cloud) -> Handled {
    let regions: Vec<Value> = cloud.regions.iter().map(|code| json!({"code": code, "name": code})).collect();
    Ok(Reply::ok(json!({"nearest": cloud.regions.first(), "regions": regions})))
}

/// GET `/localcloud/v1/info`, open to all.
pub(super) fn info(cloud: &Cloud) -> Handled {
    let by_host = cloud.edges.addresses(crate::edge::serve::BY_HOST);
    let edges: Vec<Value> = by_host
        .into_iter()
        .map(|(region, at)| json!({"region": region, "url": format!("http://{at}/")}))
        .collect();
    Ok(Reply::ok(json!({
        "api": cloud.api_url, "registry": cloud.registry_host, "s3": cloud.s3_url, "regions": cloud.regions,
        "runtime": cloud.runtime.kind(), "why": cloud.runtime.why(), "edges": edges,
        "pid": std::process::id(),
    })))
}

/// The app of `?app=`, which must be one of the caller's.
fn app_of<'a>(cloud: &Cloud, call: &'a Call) -> Result<&'a str, ApiError> {
    let app =
        call.query.get("app").filter(|a| !a.is_empty()).ok_or_else(|| ApiError::bad("app is required"))?;
    match cloud.lock().org_of(app) {
        Some(org) if org == call.org => Ok(app),
        Some(_) => Err(ApiError::new(
            hyper::StatusCode::FORBIDDEN,
            format!("`{app}` belongs to another organization"),
        )),
        None => Err(ApiError::not_found(format!("Could not find App \"{app}\""))),
    }
}

/// GET `/localcloud/v1/edges?app=`: where any HTTP client reaches the app or site, per region.
pub(super) fn edges(cloud: &Cloud, call: &Call) -> Handled {
    let app = app_of(cloud, call)?;
    let edges = cloud.edges.addresses(app).into_iter();
    Ok(Reply::ok(
        edges.map(|(region, at)| json!({"region": region, "url": format!("http://{at}/")})).collect(),
    ))
}

/// GET `/localcloud/v1/concurrency?app=`: requests under way per machine, over all edges.
pub(super) fn concurrency(cloud: &Cloud, call: &Call) -> Handled {
    let app = app_of(cloud, call)?;
    let world = cloud.lock();
    let live = world.machines_of(app).filter(|m| m.state != State::Destroyed);
    Ok(Reply::ok(
        live.map(|m| {
            json!({"machine": m.id, "region": m.region, "cordoned": m.cordoned, "requests": cloud.edges.counts.of(&m.id)})
        })
        .collect(),
    ))
}

/// GET `/localcloud/v1/traffic?app=`: totals per edge since the server started.
pub(super) fn traffic(cloud: &Cloud, call: &Call) -> Handled {
    let app = app_of(cloud, call)?;
    let mut out = Vec::new();
    for edge in &cloud.edges.list {
        let mut totals = serde_json::to_value(edge.traffic.of(app)).unwrap_or_default();
        totals["region"] = Value::from(edge.region.clone());
        out.push(totals);
    }
    Ok(Reply::ok(Value::from(out)))
}

/// GET `/localcloud/v1/faults`.
pub(super) fn faults(cloud: &Cloud) -> Handled {
    Ok(Reply::ok(json!({"faults": cloud.faults.list()})))
}

/// PUT `/localcloud/v1/faults` with `{faults: […]}`: the whole list.
pub(super) fn replace_faults(cloud: &Cloud, call: &Call) -> Handled {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Body {
        faults: Vec<Fault>,
    }
    let body: Body = serde_json::from_slice(&call.body).map_err(|e| ApiError::bad(format!("faults: {e}")))?;
    cloud.faults.replace(body.faults).map_err(ApiError::unprocessable)?;
    cloud.look_at_all();
    faults(cloud)
}

/// POST `/localcloud/v1/faults` with one fault.
pub(super) fn add_fault(cloud: &Cloud, call: &Call) -> Handled {
    let fault: Fault =
        serde_json::from_slice(&call.body).map_err(|e| ApiError::bad(format!("fault: {e}")))?;
    cloud.faults.add(fault).map_err(ApiError::unprocessable)?;
    cloud.look_at_all();
    faults(cloud)
}

/// POST `/localcloud/v1/registry/prune`: what retention does: takes every manifest of the caller's repositories that no
/// tag names, nor an index that a tag names. Whether a machine runs it does not matter: Fly promises nothing.
pub(super) fn prune(cloud: &Cloud, call: &Call) -> Handled {
    let owned = |repository: &String| {
        let first = repository.split('/').next().unwrap_or_default();
        let owner = cloud.lock().org_of(first).map(String::from).or_else(|| cloud.store.owner(repository));
        owner.as_deref() == Some(&call.org)
    };
    let mut pruned = Vec::new();
    for repository in cloud.store.repositories().into_iter().filter(owned) {
        let taken = cloud.store.prune(&repository).map_err(|e| ApiError::disk(&e))?;
        pruned.extend(taken.iter().map(|digest| format!("{}/{repository}@{digest}", cloud.registry_host)));
    }
    Ok(Reply::ok(json!({"pruned": pruned})))
}

/// GET `/localcloud/v1/faults/struck`.
pub(super) fn struck(cloud: &Cloud) -> Handled {
    Ok(Reply::ok(json!(cloud.faults.struck())))
}

/// GET `/localcloud/v1/quirks`.
pub(super) fn quirks(cloud: &Cloud) -> Handled {
    Ok(Reply::ok(json!(cloud.quirks())))
}

/// PATCH `/localcloud/v1/quirks` with an object of some of them; the others stay as they are.
pub(super) fn set_quirks(cloud: &Cloud, call: &Call) -> Handled {
    let changes: Map<String, Value> =
        serde_json::from_slice(&call.body).map_err(|e| ApiError::bad(format!("quirks: {e}")))?;
    cloud.set_quirks(changes).map_err(|e| ApiError::bad(format!("quirks: {e}")))?;
    quirks(cloud)
}

/// GET `/localcloud/v1/apps/{app}/machines/{id}/log`: what the program wrote, as text.
pub(super) fn log(cloud: &Cloud, call: &Call) -> Handled {
    let machine = call.machine(cloud)?;
    let text = match fs::read(cloud.layout.machine(&machine.id).join("log")) {
        Ok(text) => text,
        Err(e) if e.kind() == io::ErrorKind::NotFound => Vec::new(),
        Err(e) => return Err(ApiError::disk(&e)),
    };
    let mut reply = Reply::ok(Value::Null);
    reply.body = Content::Text(text);
    Ok(reply)
}
