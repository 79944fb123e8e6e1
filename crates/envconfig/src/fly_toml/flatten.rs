//! One machine configuration per process group.

use flytypes::machine::{Check, Init, MachineConfig, Mount, StopConfig};

use super::{FlyToml, MountSection};
use crate::ProcessGroup;

/// Without this flyctl takes a machine for somebody else's and never updates it.
const PLATFORM_VERSION: (&str, &str) = ("fly_platform_version", "v2");
const PROCESS_GROUP: &str = "fly_process_group";

pub(super) fn group(fly: &FlyToml, group: &ProcessGroup) -> MachineConfig {
    let default = fly.default_group();
    let services = fly.http_service.iter().chain(&fly.services);
    let base = fly.machine_config.clone().unwrap_or_default();
    let own = [PLATFORM_VERSION, (PROCESS_GROUP, group.as_str())];
    let own = own.map(|(key, value)| (key.to_owned(), value.to_owned()));
    MachineConfig {
        env: env(fly, group),
        metadata: base.metadata.iter().map(|(k, v)| (k.clone(), v.clone())).chain(own).collect(),
        init: Some(init(fly, group)).filter(|init| *init != Init::default()),
        guest: guest(fly, group).or_else(|| base.guest.clone()),
        restart: fly
            .restart
            .iter()
            .filter(|r| r.applies_to(group, &default))
            .map(|r| r.value.clone())
            .next_back(),
        stop_config: stop_config(fly),
        services: services.filter(|s| s.applies_to(group, &default)).map(|s| s.value.clone()).collect(),
        checks: fly
            .checks
            .iter()
            .filter(|(_, check)| check.applies_to(group, &default))
            .map(|(name, check)| (name.clone(), with_port(fly, &check.value)))
            .collect(),
        mounts: fly
            .mounts
            .iter()
            .filter(|mount| mount.applies_to(group, &default))
            .map(|m| mount(&m.value))
            .collect(),
        // Statics cannot name a group, and flyctl gives them to each.
        statics: fly.statics.clone(),
        files: fly.files.iter().filter(|f| f.applies_to(group, &default)).map(|f| f.value.clone()).collect(),
        metrics: fly.metrics.iter().find(|m| m.applies_to(group, &default)).map(|m| m.value.clone()),
        image: String::new(),
        ..base
    }
}

fn env(fly: &FlyToml, group: &ProcessGroup) -> std::collections::BTreeMap<String, String> {
    let mut env = fly.env.clone();
    env.insert("FLY_PROCESS_GROUP".to_owned(), group.to_string());
    if let Some(region) = &fly.primary_region {
        env.insert("PRIMARY_REGION".to_owned(), region.to_string());
    }
    env
}

fn init(fly: &FlyToml, group: &ProcessGroup) -> Init {
    let cmd = fly.processes.get(group).filter(|cmd| !cmd.is_empty());
    Init {
        cmd: cmd.unwrap_or(&fly.experimental.cmd).clone(),
        entrypoint: fly.experimental.entrypoint.clone(),
        exec: fly.experimental.exec.clone(),
        swap_size_mb: fly.swap_size_mb,
        ..fly.machine_config.as_ref().and_then(|base| base.init.clone()).unwrap_or_default()
    }
}

/// The last `[[vm]]` that names the group, else the first that names none; without either the machine keeps the size it
/// has.
fn guest(fly: &FlyToml, group: &ProcessGroup) -> Option<flytypes::machine::Guest> {
    let named = fly.vm.iter().rfind(|vm| vm.processes.contains(group));
    let vm = named.or_else(|| fly.vm.iter().find(|vm| vm.processes.is_empty()))?;
    let mut guest = vm.value.to_guest();
    guest.host_dedication_id = guest.host_dedication_id.or_else(|| fly.host_dedication_id.clone());
    Some(guest)
}

fn stop_config(fly: &FlyToml) -> Option<StopConfig> {
    let stop =
        StopConfig { timeout: fly.kill_timeout, signal: fly.kill_signal.clone(), ..StopConfig::default() };
    Some(stop).filter(|stop| *stop != StopConfig::default())
}

/// A check of the app without a port takes the http service's.
fn with_port(fly: &FlyToml, check: &Check) -> Check {
    let port = fly.http_service.as_ref().map(|service| service.value.internal_port);
    Check { port: check.port.or(port), ..check.clone() }
}

fn mount(section: &MountSection) -> Mount {
    Mount {
        path: section.destination.clone(),
        name: Some(section.source.clone()),
        extend_threshold_percent: section.extend_threshold_percent,
        add_size_gb: section.add_size_gb,
        size_gb_limit: section.size_gb_limit,
        ..Mount::default()
    }
}
