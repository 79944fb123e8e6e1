//! Machine configurations as the engine compares them, and the names under which their checks report.

use std::collections::{BTreeMap, BTreeSet};

use flytypes::machine::MachineConfig;
use serde_json::Value;

use super::labels;

/// A configuration without what only a release knows (image) or what is no configuration (labels, flyctl's keys),
/// normalised so that equal means equal.
pub fn unit_config(config: &MachineConfig) -> Value {
    let mut config = config.normalised();
    config.image = String::new();
    config.metadata = labels::own(&config.metadata);
    // For whom it stands by is no configuration: a second fleet has other machines.
    config.standbys.clear();
    serde_json::to_value(&config).unwrap_or(Value::Null)
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
