//! A machine as the engine sees it.

use flytypes::ImageRef;
use flytypes::wire::{CheckState, HostStatus, Machine, MachineState};
use promotion::model::{
    At, CheckResult, GroupName, LeaseView, RegionName, Unit, UnitId, UnitState, UnitVersion,
};
use serde_json::Value;

use super::labels;
use super::shape::unit_config;

/// The unit, or none for a machine that is gone.
pub(super) fn unit(machine: &Machine) -> Option<Unit> {
    let state = state(machine)?;
    let metadata = machine.config.as_ref().map(|config| config.metadata.clone()).unwrap_or_default();
    let group = metadata.get(labels::GROUP).map_or("app", String::as_str);
    let version = machine.instance_id.as_ref().map_or("unknown", |id| id.as_str());
    Some(Unit {
        id: UnitId::new(machine.id.as_str()).ok()?,
        group: GroupName::new(group).ok()?,
        region: RegionName::new(machine.region.as_str()).ok()?,
        version: UnitVersion::new(version).ok()?,
        version_since: since(machine),
        digest: machine.digest().cloned(),
        image: image(machine),
        state,
        cordoned: machine.cordoned,
        checks: machine
            .reported_checks()
            .map(|check| CheckResult {
                name: check.name.clone(),
                passing: check.status == CheckState::Passing,
                at: check.updated_at.as_deref().and_then(instant),
                output: check.output.clone(),
            })
            .collect(),
        lease: machine.lease.as_ref().map(|lease| LeaseView {
            description: lease.description.clone(),
            expires_at: At(lease.expires_at.saturating_mul(1000)),
        }),
        managed: labels::is_managed(&metadata),
        labels: labels::read(&metadata),
        config: machine.config.as_ref().map_or(Value::Null, unit_config),
        concurrency: None,
    })
}

/// The state; none for a machine that is gone, or going, from which nothing comes back.
pub(super) fn state(machine: &Machine) -> Option<UnitState> {
    if machine.host_status.as_ref().is_some_and(|status| *status != HostStatus::Ok) {
        return Some(UnitState::Unknown);
    }
    Some(match &machine.state {
        MachineState::Started => UnitState::Started,
        MachineState::Stopped | MachineState::Suspended => UnitState::Stopped,
        MachineState::Failed => UnitState::Failed,
        MachineState::Created
        | MachineState::Creating
        | MachineState::Starting
        | MachineState::Restarting
        | MachineState::Updating
        | MachineState::Replacing
        | MachineState::LaunchFailed => UnitState::Starting,
        MachineState::Stopping | MachineState::Suspending => UnitState::Stopping,
        MachineState::Destroying
        | MachineState::Destroyed
        | MachineState::Replaced
        | MachineState::Migrated => {
            return None;
        }
        MachineState::Unknown(_) => UnitState::Unknown,
    })
}

/// When this version began to run: the newest launch, update or start. Results before it say nothing about it.
fn since(machine: &Machine) -> Option<At> {
    machine
        .events
        .iter()
        .filter(|event| matches!(event.event_type.as_str(), "launch" | "update" | "start" | "restart"))
        .map(|event| At(event.timestamp))
        .max()
        .or_else(|| machine.created_at.as_deref().and_then(instant))
}

fn instant(text: &str) -> Option<At> {
    text.parse::<jiff::Timestamp>().ok().map(|at| At(at.as_millisecond()))
}

fn image(machine: &Machine) -> Option<ImageRef> {
    let wire = &machine.image_ref;
    ImageRef::by_digest(&wire.registry, &wire.repository, wire.digest.clone()?).ok()
}
