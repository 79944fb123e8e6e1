//! Reading machines.

use serde_json::{Value, json};

use super::{Call, Handled, Reply, struck};
use crate::{
    cloud::Cloud,
    error::ApiError,
    machine::{
        model::{Machine, State},
        view::{self, Detail},
    },
};

/// GET `/v1/apps/{app}/machines` with `include_deleted`, `region`, `state`, `metadata.k=v`, `summary`, `limit`, `cursor`.
pub(super) fn list(cloud: &Cloud, call: &Call) -> Handled {
    let query = &call.query;
    let limit = match query.get("limit").map(str::parse::<usize>) {
        None => 1000,
        Some(Ok(limit @ 1..=1000)) => limit,
        Some(_) => return Err(ApiError::bad("limit must lie between 1 and 1000")),
    };
    let (states, regions) = (query.list("state"), query.list("region"));
    let keep_s = cloud.quirks().destroyed_readable_s;
    let deleted = query.flag("include_deleted") || states.contains(&"destroyed");
    let fits = |m: &&Machine| {
        (deleted || m.state != State::Destroyed)
            && (states.is_empty() || states.contains(&m.state.as_str()))
            && (regions.is_empty() || regions.contains(&m.region.as_str()))
            && query.prefixed("metadata.").all(|(key, value)| m.metadata(key) == Some(value))
            && query.get("cursor").is_none_or(|after| m.id.as_str() > after)
            && !crate::world::is_forgotten(m, keep_s)
    };
    let detail = Detail { lease: query.flag("include_leases"), summary: query.flag("summary") };
    let stale = struck::stale(cloud, call);
    let world = cloud.lock();
    let now = world.machines_of(&call.app);
    let past = stale.map(|ago| cloud.past.before(now.clone().cloned().collect(), ago));
    let all: Vec<&Machine> = past.as_ref().map_or_else(|| now.collect(), |past| past.iter().collect());
    let mut found = all.into_iter().filter(fits);
    let page: Vec<&Machine> = found.by_ref().take(limit).collect();
    let more = found.next().is_some();
    let show = |m: &&Machine| {
        let mut shown = view::machine(m, detail);
        struck::seen(cloud, call, m, &mut shown);
        shown
    };
    let mut reply = Reply::ok(page.iter().map(show).collect());
    if let Some(last) = page.last().filter(|_| more) {
        reply.header = Some(("fly-next-cursor", last.id.clone()));
    }
    Ok(reply)
}

/// GET of one machine; with `version` the configuration it had then, in state `replaced`.
pub(super) fn get(cloud: &Cloud, call: &Call) -> Handled {
    let machine = call.machine(cloud)?;
    let mut out =
        view::machine(&machine, Detail { lease: call.query.flag("include_leases"), summary: false });
    if let Some(version) = call.query.get("version").filter(|v| *v != machine.instance_id) {
        let then = machine.versions.iter().find(|(v, _)| v == version);
        let (_, config) =
            then.ok_or_else(|| ApiError::not_found(format!("the machine never had version {version}")))?;
        (out["config"], out["instance_id"], out["version"]) =
            (Value::clone(config), version.into(), version.into());
        out["state"] = Value::from("replaced");
    }
    struck::seen(cloud, call, &machine, &mut out);
    Ok(Reply::ok(out))
}

/// GET `…/events?limit=`, newest first; 20 by default, at most 50.
pub(super) fn events(cloud: &Cloud, call: &Call) -> Handled {
    let limit = match call.query.get("limit").map(str::parse::<usize>) {
        None => 20,
        Some(Ok(limit @ 1..=50)) => limit,
        Some(_) => return Err(ApiError::bad("limit must lie between 1 and 50")),
    };
    let events = call.machine(cloud)?.events;
    Ok(Reply::ok(events.iter().take(limit).map(|event| Value::clone(event)).collect()))
}

/// GET `…/versions`.
pub(super) fn versions(cloud: &Cloud, call: &Call) -> Handled {
    let versions = call.machine(cloud)?.versions.into_iter();
    Ok(Reply::ok(
        versions.map(|(version, config)| json!({"version": version, "user_config": config})).collect(),
    ))
}
