//! A group's configuration put onto a machine that exists.

use flytypes::machine::{Init, MachineConfig, Mount, Other};

/// The configuration for an update of a machine that has `present`, so that nothing is lost that fly.toml does not
/// speak of: the API replaces the whole configuration.
///
/// As flyctl does: fly.toml decides metrics, command, swap, services, checks, variables, statics, mounts, stop, files and
/// restart; metadata are merged; the size is kept unless fly.toml names one; everything else (schedule, DNS, standbys,
/// fields nobody knows) stays, unless fly.toml brings a `machine_config` that says otherwise. A mount keeps its volume.
/// An empty image in `wanted` keeps the present one.
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
        mounts: keep_volumes(&wanted.mounts, &present.mounts),
        statics: wanted.statics.clone(),
        files: wanted.files.clone(),
        metrics: wanted.metrics.clone(),
        processes: given(&wanted.processes, &present.processes),
        dns: given(&wanted.dns, &present.dns),
        schedule: given(&wanted.schedule, &present.schedule),
        auto_destroy: given(&wanted.auto_destroy, &present.auto_destroy),
        standbys: given(&wanted.standbys, &present.standbys),
        size: given(&wanted.size, &present.size),
        disable_machine_autostart: given(
            &wanted.disable_machine_autostart,
            &present.disable_machine_autostart,
        ),
        rootfs: given(&wanted.rootfs, &present.rootfs),
        cache_drive: given(&wanted.cache_drive, &present.cache_drive),
        spot: given(&wanted.spot, &present.spot),
        containers: given(&wanted.containers, &present.containers),
        volumes: given(&wanted.volumes, &present.volumes),
        other: both(&wanted.other, &present.other),
    }
}

/// What is wanted, and else what there is.
fn given<T: Default + PartialEq + Clone>(wanted: &T, present: &T) -> T {
    if *wanted == T::default() { present.clone() } else { wanted.clone() }
}

fn both(wanted: &Other, present: &Other) -> Other {
    present.iter().chain(wanted).map(|(key, value)| (key.clone(), value.clone())).collect()
}

fn init(present: Option<&Init>, wanted: Option<&Init>) -> Option<Init> {
    let (present, wanted) = (present.cloned().unwrap_or_default(), wanted.cloned().unwrap_or_default());
    let init = Init {
        cmd: wanted.cmd,
        entrypoint: wanted.entrypoint,
        exec: wanted.exec,
        swap_size_mb: wanted.swap_size_mb,
        tty: given(&wanted.tty, &present.tty),
        kernel_args: given(&wanted.kernel_args, &present.kernel_args),
        other: both(&wanted.other, &present.other),
    };
    Some(init).filter(|init| *init != Init::default())
}

/// The wanted mounts, each with the volume that a machine with the `present` ones has for it: by name, else by path.
pub fn keep_volumes(wanted: &[Mount], present: &[Mount]) -> Vec<Mount> {
    wanted.iter().map(|mount| with_volume(mount, present)).collect()
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
