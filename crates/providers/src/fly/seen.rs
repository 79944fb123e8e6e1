//! What the last look at an app saw of its machines, so that a call that needs it does not look again.
//!
//! An update replaces a machine's whole configuration and a park moves keys aside: both need the metadata there are. The
//! engine looks before it calls, so they are known, and one list serves a whole fleet. Each is used once: after a call
//! on a machine only a new look says what it is.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use flytypes::machine::Mount;
use flytypes::wire::{HostStatus, Machine, MachineState};
use flytypes::{AppName, InstanceId, MachineId};

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

/// Machines by app.
#[derive(Debug, Default)]
pub(super) struct Seen(Mutex<BTreeMap<AppName, BTreeMap<MachineId, Present>>>);

impl Seen {
    fn apps(&self) -> MutexGuard<'_, BTreeMap<AppName, BTreeMap<MachineId, Present>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
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
