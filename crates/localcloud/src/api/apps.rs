//! Apps.

use std::sync::Arc;

use hyper::StatusCode;
use serde_json::{Value, json};

use super::{Call, Handled, Reply};
use crate::{
    clock,
    cloud::Cloud,
    error::ApiError,
    ids,
    machine::model::{Goal, State},
    world::{self, App, Secrets, World},
};

/// GET `/v1/apps?org_slug=`.
pub(super) fn list(cloud: &Cloud, call: &Call) -> Handled {
    let slug = call.query.get("org_slug").filter(|s| !s.is_empty());
    let slug = slug.ok_or_else(|| ApiError::bad("org_slug is required"))?;
    if slug != call.org {
        return Err(ApiError::new(StatusCode::FORBIDDEN, format!("organization `{slug}` is not yours")));
    }
    let world = cloud.lock();
    let apps: Vec<Value> = world.apps.values().filter(|a| a.org == slug).map(|a| view(&world, a)).collect();
    Ok(Reply::ok(json!({"total_apps": apps.len(), "apps": apps})))
}

/// POST `/v1/apps`; names are global.
pub(super) fn create(cloud: &Arc<Cloud>, call: &Call) -> Handled {
    let body = call.json()?;
    let text = |key: &str| body.get(key).and_then(Value::as_str).filter(|s| !s.is_empty());
    let name =
        text("app_name").or_else(|| text("name")).ok_or_else(|| ApiError::bad("app_name is required"))?;
    if !world::is_name(name) {
        let why = "use at most 63 lower-case letters, digits and dashes";
        return Err(ApiError::unprocessable(format!("app name `{name}` is not valid: {why}")));
    }
    let org = text("org_slug").unwrap_or(&call.org);
    if org != call.org {
        return Err(ApiError::new(StatusCode::FORBIDDEN, format!("organization `{org}` is not yours")));
    }
    let mut world = cloud.lock();
    if world.org_of(name).is_some() || cloud.store.claimed_by_other(name, org) {
        return Err(
            ApiError::unprocessable(format!("Name `{name}` has already been taken")).named("name_taken")
        );
    }
    cloud.edges.listen_for_api(name)?;
    let app = App {
        name: name.to_owned(),
        org: org.to_owned(),
        id: ids::machine_id(),
        number: clock::now_us() / 1000,
        network: text("network").unwrap_or("default").to_owned(),
        created_us: clock::now_us(),
        secrets: Secrets::new(),
    };
    world::save_app(&cloud.layout, &app).map_err(|e| ApiError::disk(&e))?;
    world.apps.insert(name.to_owned(), app);
    let app = &world.apps[name];
    let mut reply = view(&world, app);
    reply["created_at"] = Value::from(app.created_us / 1000);
    Ok(Reply::with(StatusCode::CREATED, reply))
}

/// GET `/v1/apps/{app}`.
pub(super) fn get(cloud: &Cloud, call: &Call) -> Handled {
    let world = cloud.lock();
    Ok(Reply::ok(view(&world, find(&world, call)?)))
}

/// DELETE `/v1/apps/{app}`: 412 while machines live, unless `force=true`.
pub(super) async fn delete(cloud: &Cloud, call: &Call) -> Handled {
    let machines: Vec<String> = {
        let world = cloud.lock();
        find(&world, call)?;
        let live = world.machines_of(&call.app).filter(|m| m.state != State::Destroyed);
        live.map(|m| m.id.clone()).collect()
    };
    if !machines.is_empty() && !call.query.flag("force") {
        let n = machines.len();
        return Err(ApiError::failed_precondition(format!(
            "app `{}` has {n} machines; use force=true",
            call.app
        )));
    }
    for id in &machines {
        cloud.change(id, |m| {
            (m.goal, m.state) = (Goal::Gone, State::Destroying);
            Ok(())
        })?;
    }
    std::fs::remove_file(cloud.layout.app(&call.app)).map_err(|e| ApiError::disk(&e))?;
    // The name is taken until the ports are free: whoever makes it again finds them so.
    cloud.edges.close(&call.app).await;
    cloud.lock().apps.remove(&call.app);
    Ok(Reply::empty(StatusCode::ACCEPTED))
}

fn find<'a>(world: &'a World, call: &Call) -> Result<&'a App, ApiError> {
    world
        .apps
        .get(&call.app)
        .ok_or_else(|| ApiError::not_found(format!("Could not find App \"{}\"", call.app)))
}

fn view(world: &World, app: &App) -> Value {
    let machines = world.machines_of(&app.name).filter(|m| m.state != State::Destroyed).count();
    json!({
        "id": app.id,
        "internal_numeric_id": app.number,
        "name": app.name,
        "status": if machines == 0 { "pending" } else { "deployed" },
        "network": app.network,
        "machine_count": machines,
        "volume_count": 0,
        "organization": {"name": app.org, "slug": app.org},
        "cname_target": format!("{}.localhost", app.name),
        "app_role": {"id": "app"},
    })
}
