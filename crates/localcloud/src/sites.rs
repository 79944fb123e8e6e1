//! Static sites: the place where bundles live. A bundle is an OCI artefact in our registry, so its digest, copy and way
//! back are those of images; a version is a directory that never changes, and switching is one record.

use std::{collections::BTreeMap, fs, path::PathBuf, sync::Arc};

use hyper::StatusCode;
use serde_json::{Map, Value, json};

use crate::{
    api::{Call, Handled, Reply},
    artifact, clock,
    cloud::Cloud,
    disk,
    edge::view::{News, SiteSeen},
    error::ApiError,
    ids,
    registry::resolve,
    world::{self, Site},
};

/// Versions whose files are kept: edges that are late still serve them.
const KEPT: usize = 5;

/// Where a version's files lie.
pub(crate) fn root(cloud: &Cloud, site: &Site) -> PathBuf {
    cloud.layout.site(&site.site).join(&site.version)
}

/// What the edges need to know.
pub(crate) fn seen(cloud: &Cloud, site: &Site) -> SiteSeen {
    SiteSeen {
        site: site.site.clone(),
        version: site.version.clone(),
        digest: site.digest.clone(),
        root: root(cloud, site),
        env: site.env.clone(),
    }
}

fn view(site: &Site) -> Value {
    json!({
        "site": site.site, "version": site.version, "digest": site.digest, "artifact": site.artifact,
        "env": site.env, "metadata": site.metadata, "updated_at": clock::rfc3339(site.updated_us),
        "cordoned": false,
    })
}

fn find(cloud: &Cloud, name: &str) -> Result<Site, ApiError> {
    let site = cloud.lock().sites.get(name).cloned();
    site.ok_or_else(|| ApiError::not_found(format!("`{name}` is no site")))
}

/// GET `/localcloud/v1/sites`.
pub(crate) fn list(cloud: &Cloud, call: &Call) -> Handled {
    let world = cloud.lock();
    Ok(Reply::ok(world.sites.values().filter(|s| s.org == call.org).map(view).collect()))
}

/// GET `/localcloud/v1/sites/{site}`.
pub(crate) fn get(cloud: &Cloud, call: &Call) -> Handled {
    Ok(Reply::ok(view(&find(cloud, &call.app)?)))
}

/// What a POST asks for.
struct Wanted {
    artifact: String,
    /// Absent: as before.
    env: Option<Map<String, Value>>,
    metadata: Option<BTreeMap<String, String>>,
    current_version: Option<String>,
}

fn read(call: &Call) -> Result<Wanted, ApiError> {
    let body = call.json()?;
    let text = |key: &str| body.get(key).and_then(Value::as_str).filter(|s| !s.is_empty()).map(String::from);
    if let Some(org) = text("org").filter(|o| *o != call.org) {
        return Err(ApiError::new(StatusCode::FORBIDDEN, format!("organization `{org}` is not yours")));
    }
    let env = match body.get("env") {
        None | Some(Value::Null) => None,
        Some(Value::Object(env)) => Some(env.clone()),
        Some(_) => return Err(ApiError::bad("env must be a JSON object")),
    };
    let metadata = match body.get("metadata") {
        None | Some(Value::Null) => None,
        Some(given) => {
            Some(serde_json::from_value(given.clone()).map_err(|e| ApiError::bad(format!("metadata: {e}")))?)
        }
    };
    let artifact = text("artifact").ok_or_else(|| ApiError::bad("artifact is required"))?;
    Ok(Wanted { artifact, env, metadata, current_version: text("current_version") })
}

/// POST `/localcloud/v1/sites/{site}`: unpacks, then switches; edges follow after their lag.
pub(crate) async fn put(cloud: &Arc<Cloud>, call: &Call) -> Handled {
    let wanted = read(call)?;
    if !world::is_name(&call.app) {
        return Err(ApiError::unprocessable(format!("site name `{}` is not valid", call.app)));
    }
    refuse_stale(cloud, call, wanted.current_version.as_deref())?;
    let found = resolve::find(&cloud.store, &cloud.registry_host, &wanted.artifact)?;
    let owner = cloud.lock().org_of(found.repository.split('/').next().unwrap_or_default()).map(String::from);
    if owner.or_else(|| cloud.store.owner(&found.repository)).is_some_and(|owner| owner != call.org) {
        return Err(ApiError::bad(format!(
            "repository `{}` belongs to another organization",
            found.repository
        )));
    }
    let version = ids::ulid();
    let into = cloud.layout.site(&call.app).join(&version);
    let (unpacker, target, digest) = (Arc::clone(cloud), into.clone(), found.digest.clone());
    let unpack = move || {
        disk::make_dir(&target)?;
        artifact::unpack(&unpacker.store, &found.bytes, &target)
    };
    let unpacked = tokio::task::spawn_blocking(unpack).await.map_err(|e| ApiError::bad(e.to_string()))?;
    let switched = unpacked
        .map_err(|e| {
            ApiError::unprocessable(format!("artifact `{}` cannot be unpacked: {e}", wanted.artifact))
        })
        .and_then(|()| switch(cloud, call, wanted, version, digest));
    if switched.is_err() {
        // A version nobody points at.
        let _ = fs::remove_dir_all(&into);
    }
    switched
}

fn refuse_stale(cloud: &Cloud, call: &Call, current: Option<&str>) -> Result<(), ApiError> {
    let Some(current) = current else { return Ok(()) };
    match cloud.lock().sites.get(&call.app) {
        Some(site) if site.version == current => Ok(()),
        Some(site) => Err(ApiError::conflict(format!(
            "current_version {current} is stale; the site is at {}",
            site.version
        ))),
        None => Err(ApiError::conflict(format!("current_version {current} is stale; there is no such site"))),
    }
}

/// The switch itself: one record, under the lock, without a pause.
fn switch(cloud: &Cloud, call: &Call, wanted: Wanted, version: String, digest: String) -> Handled {
    refuse_stale(cloud, call, wanted.current_version.as_deref())?;
    let mut world = cloud.lock();
    if world.apps.contains_key(&call.app) || world.sites.get(&call.app).is_some_and(|s| s.org != call.org) {
        return Err(ApiError::unprocessable(format!("Name `{}` has already been taken", call.app))
            .named("name_taken"));
    }
    let old = world.sites.get(&call.app);
    let current = old.map(|s| s.version.as_str());
    if wanted.current_version.as_deref().is_some_and(|w| Some(w) != current) {
        return Err(ApiError::conflict("current_version is stale: the site was changed meanwhile"));
    }
    let site = Site {
        site: call.app.clone(),
        org: call.org.clone(),
        version,
        digest,
        artifact: wanted.artifact,
        env: wanted.env.or_else(|| old.map(|s| s.env.clone())).unwrap_or_default(),
        metadata: wanted.metadata.or_else(|| old.map(|s| s.metadata.clone())).unwrap_or_default(),
        updated_us: clock::now_us(),
    };
    cloud.edges.listen_for_api(&site.site)?;
    world::save_site(&cloud.layout, &site).map_err(|e| ApiError::disk(&e))?;
    cloud.audit.line(&json!({
        "at_us": site.updated_us, "event": "site", "site": site.site, "version": site.version, "digest": site.digest,
    }));
    cloud.edges.tell(cloud.next_order(), &News::Site(seen(cloud, &site)), &cloud.faults);
    let reply = view(&site);
    forget_old_versions(cloud, &site);
    world.sites.insert(site.site.clone(), site);
    Ok(Reply::ok(reply))
}

/// Versions sort by time; the newest few stay.
fn forget_old_versions(cloud: &Cloud, site: &Site) {
    let dir = cloud.layout.site(&site.site);
    let versions: Vec<String> = disk::names(&dir).into_iter().filter(|n| n != "site.json").collect();
    for old in versions.iter().rev().skip(KEPT).filter(|v| **v != site.version) {
        let _ = fs::remove_dir_all(dir.join(old));
    }
}

/// PATCH `/localcloud/v1/sites/{site}/metadata` with `{key: value | null}`.
pub(crate) fn patch_metadata(cloud: &Cloud, call: &Call) -> Handled {
    let changes: BTreeMap<String, Option<String>> =
        serde_json::from_slice(&call.body).map_err(|e| ApiError::bad(format!("metadata: {e}")))?;
    let mut world = cloud.lock();
    let old = world
        .sites
        .get_mut(&call.app)
        .ok_or_else(|| ApiError::not_found(format!("`{}` is no site", call.app)))?;
    let mut site = old.clone();
    for (key, value) in changes {
        match value.filter(|v| !v.is_empty()) {
            Some(value) => drop(site.metadata.insert(key, value)),
            None => drop(site.metadata.remove(&key)),
        }
    }
    world::save_site(&cloud.layout, &site).map_err(|e| ApiError::disk(&e))?;
    let reply = view(&site);
    *old = site;
    Ok(Reply::ok(reply))
}

/// DELETE `/localcloud/v1/sites/{site}`.
pub(crate) async fn delete(cloud: &Cloud, call: &Call) -> Handled {
    find(cloud, &call.app)?;
    cloud.edges.close(&call.app).await;
    let mut world = cloud.lock();
    if world.sites.remove(&call.app).is_none() {
        return Err(ApiError::not_found(format!("`{}` is no site", call.app)));
    }
    fs::remove_dir_all(cloud.layout.site(&call.app)).map_err(|e| ApiError::disk(&e))?;
    cloud.edges.tell(cloud.next_order(), &News::SiteGone(call.app.clone()), &cloud.faults);
    Ok(Reply::empty(StatusCode::NO_CONTENT))
}
