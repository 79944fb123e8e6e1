//! Machine configurations as the engine compares them, and the names under which their checks report.

use std::collections::{BTreeMap, BTreeSet};

use flytypes::machine::{MachineConfig, Mount};
use serde_json::Value;

use super::labels;

/// A configuration without what only a release knows (image) or what is no configuration (labels, flyctl's keys),
/// normalised so that equal means equal.
pub fn unit_config(config: &MachineConfig) -> Value {
    let mut config = config.normalised();
    config.image = String::new();
    config.metadata = labels::own(&config.metadata);
    // For whom it stands by is no configuration: a second fleet has other machines. Nor is which volume it has.
    config.standbys.clear();
    for mount in &mut config.mounts {
        *mount = Mount {
            path: std::mem::take(&mut mount.path),
            name: mount.name.take(),
            extend_threshold_percent: mount.extend_threshold_percent,
            add_size_gb: mount.add_size_gb,
            size_gb_limit: mount.size_gb_limit,
            ..Mount::default()
        };
    }
    serde_json::to_value(&config).unwrap_or(Value::Null)
}

/// `wanted` on a machine that is configured as `present`, both as the engine compares them: what fly.toml does not speak
/// of stays (fly.md 3.3, "updating an existing machine").
pub(super) fn kept(present: &Value, wanted: &Value) -> Result<Value, serde_json::Error> {
    let present: MachineConfig = serde_json::from_value(present.clone())?;
    let wanted: MachineConfig = serde_json::from_value(wanted.clone())?;
    Ok(unit_config(&envconfig::fly_toml::onto(&present, &wanted)))
}

/// The configuration to send: that of the engine with image and metadata.
pub(super) fn full(
    config: &Value,
    image: &str,
    metadata: BTreeMap<String, String>,
) -> Result<MachineConfig, serde_json::Error> {
    let mut config: MachineConfig = serde_json::from_value(config.clone())?;
    config.image = image.to_owned();
    let own = std::mem::take(&mut config.metadata);
    config.metadata = metadata;
    config.metadata.extend(own);
    Ok(config)
}

/// The names under which the API reports the checks of a configuration: its own for top-level ones,
/// `servicecheck-NN-TYPE-PORT` for those of services (fly.md 1.5).
pub fn expected_checks(config: &MachineConfig) -> BTreeSet<String> {
    let mut names: BTreeSet<String> = config.checks.keys().cloned().collect();
    let mut n = 0;
    for service in &config.services {
        for check in &service.checks {
            let port = check.port.unwrap_or(service.internal_port);
            names.insert(format!("servicecheck-{n:02}-{}-{port}", check.check_type));
            n += 1;
        }
    }
    names
}
