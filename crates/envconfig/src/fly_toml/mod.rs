//! Fly's own file, `fly.toml`, and what it means for each process group.
//!
//! Read as leniently as flyctl reads it: ports, durations, sizes and switches in all the forms that are seen in real
//! files. An unknown key is a finding and not an error, because flyctl ignores it; that is how a misspelt key stays
//! unnoticed for years.

mod build;
mod check;
mod chosen;
mod env;
mod flatten;
mod lint;
mod merge;
mod overlay;
mod path_check;
mod read;
mod release;
mod sections;
mod service;
mod shell;
mod size;
mod tolerant;
mod vm;
mod write_over;

use std::collections::BTreeMap;

use flytypes::{GoDuration, machine};

pub use merge::{keep_volumes, onto};
pub use overlay::{Overlay, VmOverlay};
pub use path_check::PathCheck;
pub use release::{RELEASE_GROUP, ReleaseCommand};
pub use sections::{Deploy, Experimental, MountSection, Timeout};
pub use vm::Vm;
pub(crate) use vm::impossible;
pub use write_over::WriteOverError;

use crate::{AppName, Parsed, Problems, ProcessGroup, Region, reading};

/// A fly.toml.
///
/// ```
/// use envconfig::fly_toml::FlyToml;
/// let text = "
/// app = \"runner\"
/// primary_region = \"syd\"
/// [http_service]
/// internal_port = \"8080\"
/// [[vm]]
/// memory = \"1gb\"
/// ";
/// let fly = FlyToml::parse("fly.toml", text)?.value;
/// let groups = fly.flatten();
/// let config = groups.values().next().expect("one group");
/// assert_eq!(config.services[0].internal_port, 8080);
/// assert_eq!(config.guest.as_ref().and_then(|guest| guest.memory_mb), Some(1024));
/// # Ok::<(), envconfig::Problems>(())
/// ```
#[derive(Debug, Clone, PartialEq, Default)]
#[non_exhaustive]
pub struct FlyToml {
    /// The app. The project file decides which app is deployed; this is what `fly deploy` alone would take.
    pub app: Option<AppName>,
    /// Where machines without another region go, and where databases have their primary.
    pub primary_region: Option<Region>,
    /// The signal that stops a machine.
    pub kill_signal: Option<String>,
    /// Time between that signal and SIGKILL.
    pub kill_timeout: Option<GoDuration>,
    /// Swap in MB.
    pub swap_size_mb: Option<u32>,
    /// A dedicated host.
    pub host_dedication_id: Option<String>,
    /// How `fly deploy` would deploy.
    pub deploy: Deploy,
    /// Environment variables of every group.
    pub env: BTreeMap<String, String>,
    /// Commands of process groups, split into words; empty means the image's own command.
    pub processes: BTreeMap<ProcessGroup, Vec<String>>,
    /// `[http_service]`, in the form of a service with the ports 80 and 443.
    pub http_service: Option<Scoped<machine::Service>>,
    /// `[[services]]`.
    pub services: Vec<Scoped<machine::Service>>,
    /// `[checks.NAME]`.
    pub checks: BTreeMap<String, Scoped<machine::Check>>,
    /// `[[vm]]`; see [`Vm`] for what its scope means.
    pub vm: Vec<Scoped<Vm>>,
    /// `[[mounts]]`.
    pub mounts: Vec<Scoped<MountSection>>,
    /// `[[restart]]`; the last one that applies wins.
    pub restart: Vec<Scoped<machine::Restart>>,
    /// `[[metrics]]`.
    pub metrics: Vec<Scoped<machine::Metrics>>,
    /// `[[statics]]`.
    pub statics: Vec<machine::Static>,
    /// `[[files]]` whose content is in the file or beside it, which is base64 here, or in a secret.
    pub files: Vec<Scoped<machine::File>>,
    /// `[experimental]`, as far as it decides what runs.
    pub experimental: Experimental,
    /// What each configuration begins with, if the file has it as JSON text; everything else goes over it.
    pub machine_config: Option<machine::MachineConfig>,
    /// Line and column of each process group that the file lists.
    pub(crate) group_places: BTreeMap<ProcessGroup, (u32, u32)>,
    /// Line and column of each path that a check asks for.
    pub(crate) path_places: BTreeMap<String, (u32, u32)>,
    /// Line and column of each variable.
    pub(crate) env_places: BTreeMap<String, (u32, u32)>,
}

/// A section, and the process groups it names. Without any it is for the default group.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Scoped<T> {
    /// The named groups.
    pub processes: Vec<ProcessGroup>,
    /// The section.
    pub value: T,
}

impl<T> Scoped<T> {
    /// Whether the section is for `group`: when it is named, or nobody is and it is the default group.
    pub fn applies_to(&self, group: &ProcessGroup, default: &ProcessGroup) -> bool {
        if self.processes.is_empty() { group == default } else { self.processes.contains(group) }
    }
}

impl FlyToml {
    /// Reads a fly.toml, fly.json or fly.yaml: as for flyctl, the end of `file` tells which; else it is only for messages.
    ///
    /// # Errors
    /// Everything that flyctl would refuse as well, at once, with line and column.
    ///
    /// What other files say that it names (`local_path`, `machine_config`) is left out, with a warning.
    pub fn parse(file: &str, text: &str) -> Result<Parsed<Self>, Problems> {
        reading::read_file(file, text, reading::Format::of_name(file), true, read::read)
    }

    /// The same, with the files that it names: `beside` gets a path as it is written, relative to this file, and answers
    /// the content, or why it cannot be read.
    ///
    /// # Errors
    /// As [`Self::parse`]; a named file that cannot be read is one as well.
    pub fn parse_beside(
        file: &str,
        text: &str,
        beside: &dyn Fn(&str) -> Result<Vec<u8>, String>,
    ) -> Result<Parsed<Self>, Problems> {
        let format = reading::Format::of_name(file);
        reading::read_file_beside(file, text, format, true, Some(beside), read::read)
    }

    /// The process groups: the keys of `[processes]`, or `app` alone.
    pub fn groups(&self) -> Vec<ProcessGroup> {
        if self.processes.is_empty() { vec![app_group()] } else { self.processes.keys().cloned().collect() }
    }

    /// The group of sections that name none: `app` if there is one, else the alphabetically first.
    pub fn default_group(&self) -> ProcessGroup {
        default_of(&self.groups())
    }

    /// Whether `group` has a volume.
    pub fn has_mounts(&self, group: &ProcessGroup) -> bool {
        let default = self.default_group();
        self.mounts.iter().any(|mount| mount.applies_to(group, &default))
    }

    /// The groups whose machines have no health check, so that nothing in the file proves that they work.
    pub fn unchecked(&self) -> Vec<ProcessGroup> {
        let mut groups = self.flatten();
        groups.retain(|_, config| {
            config.checks.is_empty() && config.services.iter().all(|service| service.checks.is_empty())
        });
        groups.into_keys().collect()
    }

    /// The configuration of each process group's machines, without an image.
    pub fn flatten(&self) -> BTreeMap<ProcessGroup, machine::MachineConfig> {
        self.groups().into_iter().map(|group| (group.clone(), flatten::group(self, &group))).collect()
    }

    /// Changes what an environment does differently.
    pub fn apply_overlay(&mut self, overlay: &Overlay) {
        overlay.apply(self);
    }
}

fn app_group() -> ProcessGroup {
    "app".parse().expect("because `app` is a word")
}

fn default_of(groups: &[ProcessGroup]) -> ProcessGroup {
    let app = app_group();
    if groups.contains(&app) { app } else { groups.iter().min().cloned().unwrap_or(app) }
}
