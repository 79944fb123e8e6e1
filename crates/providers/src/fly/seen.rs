//! What the last look at an app saw of its machines, so that a call that needs it does not look again.
//!
//! An update replaces a machine's whole configuration and a park moves keys aside: both need the metadata there are. The
//! engine looks before it calls, so they are known, and one list serves a whole fleet. Each is used once: after a call
//! on a machine only a new look says what it is.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use flytypes::machine::{MachineConfig, Mount};
use flytypes::wire::{HostStatus, Machine, MachineState};
use flytypes::{AppName, InstanceId, MachineId};
use promotion::model::UnitConfig;

use super::shape::unit_config;

/// A machine as it was seen.
#[derive(Debug, Clone)]
pub(super) struct Present {
    pub(super) version: Option<InstanceId>,
    pub(super) state: MachineState,
    pub(super) metadata: BTreeMap<String, String>,
    pub(super) mounts: Vec<Mount>,
}

impl Present {
    /// None while its host does not answer: what it is configured to be is not known then.
    pub(super) fn of(machine: &Machine) -> Option<Self> {
        if machine.host_status.as_ref().is_some_and(|status| *status != HostStatus::Ok) {
            return None;
        }
        let config = machine.config.as_ref()?;
        Some(Self {
            version: machine.instance_id.clone(),
            state: machine.state.clone(),
            metadata: config.metadata.clone(),
            mounts: config.mounts.clone(),
        })
    }
}

/// Different configurations that are kept. Machines of one group have the same; where more differ than that, theirs
/// are just not shared.
const CONFIGS_MAX: usize = 32;

/// Machines by app, and configurations.
#[derive(Debug, Default)]
pub(super) struct Seen {
    apps: Mutex<BTreeMap<AppName, BTreeMap<MachineId, Present>>>,
    /// Whole, and as the engine compares them; the newest first.
    configs: Mutex<Vec<(MachineConfig, UnitConfig)>>,
}

impl Seen {
    fn apps(&self) -> MutexGuard<'_, BTreeMap<AppName, BTreeMap<MachineId, Present>>> {
        self.apps.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the engine compares of a machine's configuration. Machines that are configured alike share it, also with those
    /// of earlier looks: a thousand of them have one configuration, worked out once.
    pub(super) fn config(&self, config: &MachineConfig) -> UnitConfig {
        let mut known = self.configs.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, shared)) = known.iter().find(|(whole, _)| whole == config) {
            return shared.clone();
        }
        let compared = UnitConfig::from(unit_config(config));
        let same = known.iter().find(|(_, shared)| *shared == compared);
        let shared = same.map_or(compared, |(_, shared)| shared.clone());
        known.insert(0, (config.clone(), shared.clone()));
        known.truncate(CONFIGS_MAX);
        shared
    }

    /// A look's answer, in place of the one before.
    pub(super) fn keep(&self, app: &AppName, machines: &[Machine]) {
        let present = machines.iter().filter(|machine| super::unit::state(machine).is_some());
        let present = present.filter_map(|machine| Some((machine.id.clone(), Present::of(machine)?)));
        self.apps().insert(app.clone(), present.collect());
    }

    /// What was seen of a machine, if nobody used it since.
    pub(super) fn take(&self, app: &AppName, machine: &MachineId) -> Option<Present> {
        self.apps().get_mut(app)?.remove(machine)
    }
}
