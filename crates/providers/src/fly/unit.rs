//! A machine as the engine sees it.

use std::collections::BTreeMap;

use flytypes::ImageRef;
use flytypes::wire::{CheckState, HostStatus, Machine, MachineState};
use promotion::model::{
    At, CheckResult, GroupName, LeaseView, RegionName, Unit, UnitId, UnitState, UnitVersion,
};
use serde_json::Value;

use super::seen::Seen;
use super::{labels, nap};

/// The unit, or none for a machine that is gone.
pub(super) fn unit(machine: &Machine, seen: &Seen) -> Option<Unit> {
    let state = state(machine)?;
    let metadata = metadata(machine);
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
                output: said(&check.output),
            })
            .collect(),
        lease: machine.lease.as_ref().map(|lease| LeaseView {
            description: lease.description.clone(),
            expires_at: At(lease.expires_at.saturating_mul(1000)),
        }),
        // Nothing is known of it: that it may be left alone is not known either.
        managed: labels::is_managed(&metadata) || (machine.config.is_none() && metadata.is_empty()),
        labels: labels::read(&metadata),
        config: machine.config.as_ref().map(|config| seen.config(config)).unwrap_or_default(),
        standby_for: machine
            .config
            .iter()
            .flat_map(|config| &config.standbys)
            .filter_map(|id| UnitId::new(id).ok())
            .collect(),
        concurrency: None,
        nap: nap::last(&machine.events),
        wakes: machine.config.as_ref().is_some_and(nap::wakes),
        deployed_by: labels::deployed_by(&metadata),
    })
}

/// The metadata, or what is known of them while the host does not answer.
fn metadata(machine: &Machine) -> BTreeMap<String, String> {
    if let Some(config) = &machine.config {
        return config.metadata.clone();
    }
    let known = machine.incomplete_config.as_ref().and_then(|config| config.get("metadata")?.as_object());
    let text = |(key, value): (&String, &Value)| Some((key.clone(), value.as_str()?.to_owned()));
    known.into_iter().flatten().filter_map(text).collect()
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

/// What a check said. An app may answer anything; what looks like a credential goes no further (P9).
fn said(output: &str) -> String {
    output.lines().map(envconfig::without_tokens).collect::<Vec<_>>().join("\n")
}

fn instant(text: &str) -> Option<At> {
    text.parse::<jiff::Timestamp>().ok().map(|at| At(at.as_millisecond()))
}

fn image(machine: &Machine) -> Option<ImageRef> {
    let wire = &machine.image_ref;
    ImageRef::by_digest(&wire.registry, &wire.repository, wire.digest.clone()?).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// What the API tells of a machine whose host does not answer.
    fn out_of_reach(incomplete: Value) -> Unit {
        let mut told = json!({
            "id": "148e21a1b2c3d4", "state": "started", "region": "fra", "host_status": "unreachable",
            "instance_id": "", "image_ref": {"digest": ""}, "config": null, "checks": null, "events": null,
        });
        told["incomplete_config"] = incomplete;
        unit(&serde_json::from_value(told).unwrap(), &Seen::default()).expect("it is not gone")
    }

    #[test]
    fn a_machine_out_of_reach_is_still_of_the_fleet() {
        let metadata =
            json!({"fly_platform_version": "v2", "fly_process_group": "worker", "understudy_store": "s"});
        let known = out_of_reach(json!({"image": "x", "metadata": metadata}));
        assert_eq!((known.managed, known.group.as_str(), known.label("store")), (true, "worker", Some("s")));
        assert_eq!((known.state, known.digest), (UnitState::Unknown, None));
        for nothing in [Value::Null, json!({"image": "x"})] {
            assert!(out_of_reach(nothing).managed, "it comes back, and serves what it served");
        }
        let other = out_of_reach(json!({"metadata": {"made_by": "somebody"}}));
        assert!(!other.managed, "it is known to be none of ours");
    }

    /// P9: an app's health page says what the app likes, such as the address of its database, and what a check said goes
    /// into reasons, reports and the journal's snapshot.
    #[test]
    fn what_a_check_says_shows_no_credential() {
        let said =
            "HTTP GET http://172.19.0.2:8080/up: 500\nOutput: connecting to postgres://app:hunter2@db/app";
        let told = json!({
            "id": "148e21a1b2c3d4", "state": "started", "region": "fra", "instance_id": "01HX", "config": {"image": "x"},
            "image_ref": {"digest": ""}, "events": null,
            "checks": [{"name": "servicecheck-00-http-8080", "status": "critical", "output": said}],
        });
        let unit = unit(&serde_json::from_value(told).unwrap(), &Seen::default()).expect("it is not gone");
        let output = &unit.checks[0].output;
        assert!(!output.contains("hunter2"), "{output}");
        assert!(
            output.starts_with("HTTP GET http://172.19.0.2:8080/up: 500\nOutput: connecting to"),
            "{output}"
        );
    }

    /// For whom a machine stands by is told apart from its configuration: a second fleet has other machines.
    #[test]
    fn for_whom_a_machine_stands_by_is_no_configuration() {
        let told = |standbys: Value| {
            let machine = json!({
                "id": "148e21a1b2c3d4", "state": "stopped", "region": "fra", "instance_id": "01HX",
                "image_ref": {"digest": ""}, "events": null, "checks": null,
                "config": {"image": "x", "standbys": standbys, "metadata": {"fly_platform_version": "v2"}},
            });
            unit(&serde_json::from_value(machine).unwrap(), &Seen::default()).expect("it is not gone")
        };
        let (alone, standby) = (told(json!([])), told(json!(["3287457df24987"])));
        assert_eq!(standby.standby_for, ["3287457df24987".parse().unwrap()].into());
        assert!(alone.standby_for.is_empty());
        assert_eq!(standby.config, alone.config);
    }
}
