//! A group's configuration put onto a machine that exists.

use flytypes::machine::{Init, MachineConfig, Mount};

/// The configuration for an update of a machine that has `present`, so that nothing is lost that fly.toml does not
/// speak of: the API replaces the whole configuration.
///
/// As flyctl does: fly.toml decides metrics, command, swap, services, checks, variables, statics, mounts, stop, files and
/// restart; metadata are merged; the size is kept unless fly.toml names one; everything else (schedule, DNS, standbys,
/// fields nobody knows) stays. A mount keeps its volume. An empty image in `wanted` keeps the present one.
pub fn onto(present: &MachineConfig, wanted: &MachineConfig) -> MachineConfig {
    let image = if wanted.image.is_empty() { &present.image } else { &wanted.image };
    let mut metadata = present.metadata.clone();
    metadata.extend(wanted.metadata.clone());
    MachineConfig {
        image: image.clone(),
        env: wanted.env.clone(),
        metadata,
        init: init(present.init.as_ref(), wanted.init.as_ref()),
        guest: wanted.guest.clone().or_else(|| present.guest.clone()),
        restart: wanted.restart.clone(),
        stop_config: wanted.stop_config.clone(),
        services: wanted.services.clone(),
        checks: wanted.checks.clone(),
        mounts: wanted.mounts.iter().map(|mount| with_volume(mount, &present.mounts)).collect(),
        statics: wanted.statics.clone(),
        files: wanted.files.clone(),
        metrics: wanted.metrics.clone(),
        ..present.clone()
    }
}

fn init(present: Option<&Init>, wanted: Option<&Init>) -> Option<Init> {
    let wanted = wanted.cloned().unwrap_or_default();
    let init = Init {
        cmd: wanted.cmd,
        entrypoint: wanted.entrypoint,
        exec: wanted.exec,
        swap_size_mb: wanted.swap_size_mb,
        ..present.cloned().unwrap_or_default()
    };
    Some(init).filter(|init| *init != Init::default())
}

/// The wanted mount with the volume that the machine has: there is at most one.
fn with_volume(wanted: &Mount, present: &[Mount]) -> Mount {
    let same = |mount: &&Mount| mount.name == wanted.name || mount.path == wanted.path;
    let Some(present) = present.iter().find(same) else { return wanted.clone() };
    Mount {
        path: wanted.path.clone(),
        name: wanted.name.clone().or_else(|| present.name.clone()),
        extend_threshold_percent: wanted.extend_threshold_percent,
        add_size_gb: wanted.add_size_gb,
        size_gb_limit: wanted.size_gb_limit,
        ..present.clone()
    }
}
