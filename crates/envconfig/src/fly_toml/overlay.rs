//! What an environment does differently from production's fly.toml.

use std::collections::{BTreeMap, BTreeSet};

use flytypes::machine::{Autostop, Guest};

use super::{FlyToml, Scoped, Vm, vm};
use crate::{
    Region, VariableName,
    fly_toml::tolerant,
    reading::{self, Value},
};

/// Changes to a fly.toml, under the names that fly.toml has for them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Overlay {
    /// Variables that are added or replaced.
    pub env: BTreeMap<String, String>,
    /// Variables that are left out: what production's file says in the clear and this environment must not have.
    pub without_env: BTreeSet<VariableName>,
    /// Another primary region.
    pub primary_region: Option<Region>,
    /// Another size, for every process group.
    pub vm: Option<VmOverlay>,
    /// Another least number of machines, for every service.
    pub min_machines_running: Option<u32>,
    /// What happens to idle machines, for every service.
    pub auto_stop_machines: Option<Autostop>,
    /// Whether a request starts a machine, for every service.
    pub auto_start_machines: Option<bool>,
}

/// Another size. A preset replaces what was there, explicit values change it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct VmOverlay(Vm);

impl Overlay {
    /// Whether it changes nothing.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    pub(crate) fn read(value: &Value<'_>) -> Self {
        let Some(section) = value.section() else { return Self::default() };
        let overlay = Self {
            env: section.get("env").map(|v| reading::variables(&v)).unwrap_or_default(),
            without_env: section
                .get("without-env")
                .and_then(|v| v.list_of())
                .unwrap_or_default()
                .into_iter()
                .collect(),
            primary_region: section.get("primary_region").and_then(|v| v.parse_as("a Fly region")),
            vm: section.get("vm").and_then(|v| {
                let section = v.section()?;
                // Whether there is such a size is known only together with production's.
                let vm = vm::read_part(&section);
                section.finish();
                Some(VmOverlay(vm))
            }),
            min_machines_running: section.get("min_machines_running").and_then(|v| v.count(0)),
            auto_stop_machines: section.get("auto_stop_machines").and_then(|v| tolerant::autostop(&v)),
            auto_start_machines: section.get("auto_start_machines").and_then(|v| v.boolean()),
        };
        section.finish();
        overlay
    }

    pub(super) fn apply(&self, fly: &mut FlyToml) {
        fly.env.retain(|name, _| !self.without_env.iter().any(|without| without.as_str() == name));
        fly.env.extend(self.env.clone());
        if let Some(region) = &self.primary_region {
            fly.primary_region = Some(region.clone());
        }
        if let Some(vm) = &self.vm {
            vm.apply(fly);
        }
        for service in fly.http_service.iter_mut().chain(&mut fly.services) {
            let service = &mut service.value;
            service.min_machines_running = self.min_machines_running.or(service.min_machines_running);
            service.autostop = self.auto_stop_machines.clone().or(service.autostop.take());
            service.autostart = self.auto_start_machines.or(service.autostart);
        }
    }
}

impl VmOverlay {
    pub(crate) fn of(vm: Vm) -> Self {
        Self(vm)
    }

    pub(super) fn size(&self) -> Option<&str> {
        self.0.size.as_deref()
    }

    pub(super) fn guest(&self) -> &Guest {
        &self.0.guest
    }

    fn apply(&self, fly: &mut FlyToml) {
        if fly.vm.is_empty() {
            fly.vm.push(Scoped { processes: Vec::new(), value: self.0.clone() });
            return;
        }
        for Scoped { value: vm, .. } in &mut fly.vm {
            if self.0.size.is_some() {
                *vm = self.0.clone();
                continue;
            }
            let (own, new) = (&mut vm.guest, &self.0.guest);
            own.cpu_kind = new.cpu_kind.clone().or(own.cpu_kind.take());
            own.cpus = new.cpus.or(own.cpus);
            own.memory_mb = new.memory_mb.or(own.memory_mb);
            own.max_memory_mb = new.max_memory_mb.or(own.max_memory_mb);
            own.gpus = new.gpus.or(own.gpus);
            own.gpu_kind = new.gpu_kind.clone().or(own.gpu_kind.take());
            own.host_dedication_id = new.host_dedication_id.clone().or(own.host_dedication_id.take());
            own.persist_rootfs = new.persist_rootfs.clone().or(own.persist_rootfs.take());
            if !new.kernel_args.is_empty() {
                own.kernel_args.clone_from(&new.kernel_args);
            }
        }
    }
}
