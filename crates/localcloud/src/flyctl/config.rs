//! Machine configurations as flyctl makes them, and what it reads from them.

use serde_json::{Map, Value, json};

use super::{Deploy, VERSION, text};

/// What a deploy takes from fly.toml alone; everything else of a machine's configuration stays (fly.md 3, last part).
const OVERWRITTEN: [&str; 10] =
    ["metrics", "init", "services", "checks", "env", "statics", "mounts", "stop_config", "files", "restart"];

/// Whether deploys are about this machine (fly.md 2.3).
pub(super) fn is_managed(machine: &Value) -> bool {
    let metadata = &machine["config"]["metadata"];
    let is_auxiliary = metadata["fly_process_group"].as_str().is_some_and(|g| g.starts_with("fly_app_"));
    metadata["fly_platform_version"] == "v2" && !is_auxiliary && machine["state"] != "destroyed"
}

/// One more than the highest release that the machines name.
pub(super) fn next_release(machines: &[Value]) -> u64 {
    let named = |machine: &Value| {
        text(&machine["config"]["metadata"], "fly_release_version").parse::<u64>().unwrap_or_default()
    };
    machines.iter().map(named).max().unwrap_or_default() + 1
}

/// The metadata of a release (fly.md 2.3).
fn metadata(deploy: &Deploy, release: u64) -> Map<String, Value> {
    let pairs = [
        ("fly_platform_version", "v2".to_owned()),
        ("fly_process_group", deploy.group.clone()),
        ("fly_release_id", format!("rel{release:017}")),
        ("fly_release_version", release.to_string()),
        ("fly_flyctl_version", VERSION.to_owned()),
    ];
    pairs.into_iter().map(|(key, value)| (key.to_owned(), Value::from(value))).collect()
}

/// A new machine's configuration.
pub(super) fn new(deploy: &Deploy, release: u64) -> Value {
    updated(&json!({}), deploy, release)
}

/// The configuration of a machine that is there, updated: a clone of the present one, in which what fly.toml says is
/// replaced and the metadata are merged.
pub(super) fn updated(present: &Value, deploy: &Deploy, release: u64) -> Value {
    let mut config = present.as_object().cloned().unwrap_or_default();
    for key in OVERWRITTEN {
        match deploy.config.get(key) {
            Some(value) => config.insert(key.to_owned(), value.clone()),
            None => config.remove(key),
        };
    }
    let mut env = deploy.config.get("env").and_then(Value::as_object).cloned().unwrap_or_default();
    env.insert("FLY_PROCESS_GROUP".to_owned(), Value::from(deploy.group.clone()));
    env.insert("PRIMARY_REGION".to_owned(), Value::from(deploy.region.clone()));
    let mut merged = config.get("metadata").and_then(Value::as_object).cloned().unwrap_or_default();
    merged.extend(metadata(deploy, release));
    config.insert("env".to_owned(), Value::Object(env));
    config.insert("metadata".to_owned(), Value::Object(merged));
    config.insert("image".to_owned(), Value::from(deploy.image.clone()));
    if let Some(guest) = deploy.config.get("guest") {
        config.insert("guest".to_owned(), guest.clone());
    }
    Value::Object(config)
}

/// Whether the configuration has a check of its own or of a service.
pub(super) fn has_checks(config: &Value) -> bool {
    let some = |value: &Value| match value {
        Value::Array(list) => !list.is_empty(),
        Value::Object(map) => !map.is_empty(),
        _ => false,
    };
    let services = config["services"].as_array().into_iter().flatten();
    some(&config["checks"]) || services.into_iter().any(|service| some(&service["checks"]))
}

/// Whether a deploy starts the machine's new version (fly.md 2.3): one that was at rest stays at rest.
pub(super) fn is_launched(machine: &Value) -> bool {
    matches!(machine["state"].as_str(), Some("started" | "starting" | "failed"))
}
