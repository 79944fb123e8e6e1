//! Release commands on Fly: machines as flyctl makes them (fly.md 2.4), found again by our metadata.

use std::collections::BTreeMap;

use async_trait::async_trait;
use envconfig::fly_toml::RELEASE_GROUP;
use flyclient::fly::wire::{CreateMachine, ListMachines};
use flyclient::fly::{AppHandle, Client};
use flytypes::machine::{Guest, MachineConfig};
use flytypes::wire::{ExitEvent, Machine, MachineState};
use flytypes::{AppName, MachineId, Region};
use promotion::model::{At, OneOffRun, OneOffSpec, OneOffState, Place, UnitId, label};
use promotion::ports::{OneOffs, PortError};

use super::error::{port, read};
use super::labels;
use super::shape::full;

/// Release commands in a Fly organisation's apps, through one token.
#[derive(Debug, Clone)]
pub struct FlyOneOffs {
    client: Client,
    logs: Client,
}

impl FlyOneOffs {
    /// Over a client of the Machines API and one of the logs, which are elsewhere.
    pub const fn new(client: Client, logs: Client) -> Self {
        Self { client, logs }
    }
}

fn refused(error: impl std::fmt::Display) -> PortError {
    PortError::refused(error.to_string())
}

fn app(client: &Client, place: &Place) -> Result<AppHandle, PortError> {
    let name: AppName = place.name.parse().map_err(refused)?;
    Ok(client.app(&name))
}

fn machine_id(run: &UnitId) -> Result<MachineId, PortError> {
    run.as_str().parse().map_err(refused)
}

#[async_trait]
impl OneOffs for FlyOneOffs {
    async fn observe_runs(&self, place: &Place) -> Result<Vec<OneOffRun>, PortError> {
        let query = ListMachines {
            metadata: BTreeMap::from([(labels::GROUP.to_owned(), RELEASE_GROUP.to_owned())]),
            include_deleted: true,
            ..ListMachines::default()
        };
        let machines =
            app(&self.client, place)?.machines().list(&query).await.map_err(|error| read(&error))?;
        let run = |machine: &Machine| {
            // flyctl's own are none of ours.
            let labels = labels::read(&machine.config.as_ref()?.metadata);
            labels.contains_key(label::ONE_OFF).then_some(())?;
            let id = UnitId::new(machine.id.as_str()).ok()?;
            Some(OneOffRun { id, labels, state: state(machine), is_there: is_there(machine) })
        };
        Ok(machines.iter().filter_map(run).collect())
    }

    async fn prepare(&self, place: &Place, spec: &OneOffSpec) -> Result<UnitId, PortError> {
        let app = app(&self.client, place)?;
        let mut metadata: BTreeMap<String, String> = spec
            .labels
            .iter()
            .map(|(label, value)| (format!("{}{label}", labels::PREFIX), value.clone()))
            .collect();
        metadata.insert(labels::PLATFORM.to_owned(), "v2".to_owned());
        metadata.insert(labels::GROUP.to_owned(), RELEASE_GROUP.to_owned());
        let region: Region = spec.job.region.as_str().parse().map_err(refused)?;
        let mut config = full(&spec.job.config, &spec.image.to_string(), metadata).map_err(|error| {
            refused(format!("the machine of `{}` cannot be sent: {error}", spec.job.title()))
        })?;
        if config.guest.is_none() {
            config.guest = Some(size(&app, spec.job.like.as_str()).await?);
        }
        let machine = CreateMachine {
            config,
            region: Some(region),
            skip_launch: true,
            min_secrets_version: spec.secrets_version,
            ..CreateMachine::default()
        };
        let made = app.machines().create(&machine).await.map_err(|error| port(&error))?;
        UnitId::new(made.id.as_str()).map_err(refused)
    }

    async fn start(&self, place: &Place, run: &UnitId) -> Result<(), PortError> {
        let (app, id) = (app(&self.client, place)?, machine_id(run)?);
        let Err(error) = app.machines().start(&id, None).await else { return Ok(()) };
        // It may run, or have run: then it is no failure that it does not begin again.
        match self.observe_run(place, run).await {
            Ok(OneOffState::Coming | OneOffState::Resting) | Err(_) => Err(port(&error)),
            Ok(OneOffState::Running { .. } | OneOffState::Ended { .. }) => Ok(()),
        }
    }

    async fn observe_run(&self, place: &Place, run: &UnitId) -> Result<OneOffState, PortError> {
        match app(&self.client, place)?.machines().get(&machine_id(run)?).await {
            Ok(machine) => Ok(state(&machine)),
            // Destroyed machines stay readable for a while, and then nobody knows (fly.md 8.11).
            Err(error) if error.is_not_found() => Ok(OneOffState::Ended { exit_code: None, why: None }),
            Err(error) => Err(read(&error)),
        }
    }

    async fn observe_log(&self, place: &Place, run: &UnitId) -> Result<Vec<String>, PortError> {
        let lines = app(&self.logs, place)?.logs().of_machine(&machine_id(run)?).await;
        let lines = lines.map_err(|error| read(&error))?;
        // A command may print anything; what looks like a credential goes no further (P9).
        Ok(lines.iter().map(|line| envconfig::without_tokens(line.message.trim_end())).collect())
    }

    async fn remove(&self, place: &Place, run: &UnitId) -> Result<(), PortError> {
        match app(&self.client, place)?.machines().destroy(&machine_id(run)?, true, None).await {
            Ok(()) => Ok(()),
            Err(error) if error.is_not_found() => Ok(()),
            Err(error) => Err(port(&error)),
        }
    }
}

/// The size of the biggest machine of `group`, by memory and then by CPUs, else what flyctl takes.
async fn size(app: &AppHandle, group: &str) -> Result<Guest, PortError> {
    let machines = app.machines().list(&ListMachines::default()).await.map_err(|error| read(&error))?;
    let of_group = |config: &&MachineConfig| {
        let is_group = config.metadata.get(labels::GROUP).map_or("app", String::as_str) == group;
        is_group && labels::is_managed(&config.metadata)
    };
    let configs = machines.iter().filter_map(|machine| machine.config.as_ref()).filter(of_group);
    let biggest =
        configs.filter_map(|config| config.guest.as_ref()).max_by_key(|guest| (guest.memory_mb, guest.cpus));
    Ok(biggest.cloned().unwrap_or_else(|| Guest {
        // shared-cpu-2x: two shared CPUs with 256 MB each (fly.md 3.3).
        cpu_kind: Some("shared".to_owned()),
        cpus: Some(2),
        memory_mb: Some(512),
        ..Guest::default()
    }))
}

/// How the command stands. Its machine runs once: an exit is the end, whatever the machine does afterwards.
fn state(machine: &Machine) -> OneOffState {
    // Newest first, and there is one at most: the restart policy is `no`.
    if let Some(exit) = machine.events.iter().find_map(|event| event.exit()) {
        return OneOffState::Ended { exit_code: Some(exit.exit_code), why: why(exit) };
    }
    let started =
        machine.events.iter().find(|event| event.event_type == "start").map(|event| At(event.timestamp));
    match &machine.state {
        // From there it cannot be started, and it goes on to `stopped` by itself (fly.md 8.5).
        MachineState::Created | MachineState::Creating => OneOffState::Coming,
        MachineState::Stopped if started.is_none() => OneOffState::Resting,
        MachineState::Destroyed | MachineState::Replaced | MachineState::Migrated => {
            OneOffState::Ended { exit_code: None, why: None }
        }
        MachineState::Failed => {
            OneOffState::Ended { exit_code: None, why: Some("its machine failed to start".to_owned()) }
        }
        _ => OneOffState::Running { since: started },
    }
}

fn is_there(machine: &Machine) -> bool {
    !machine.state.is_terminal() && machine.state != MachineState::Destroying
}

fn why(exit: &ExitEvent) -> Option<String> {
    match (exit.oom_killed, exit.error.is_empty()) {
        (true, _) => Some("it ran out of memory".to_owned()),
        (false, false) => Some(exit.error.clone()),
        (false, true) => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn told(state: &str, events: &Value) -> OneOffState {
        let machine =
            json!({"id": "148e21a1b2c3d4", "state": state, "region": "fra", "config": {}, "events": events});
        super::state(&serde_json::from_value(machine).unwrap())
    }

    fn exit(code: i64, oom: bool) -> Value {
        json!({"type": "exit", "status": "stopped", "timestamp": 9, "request": {"exit_event": {
            "exit_code": code, "oom_killed": oom}}})
    }

    /// fly.md 2.4 and 1.5: events are newest first, and a machine that is gone still shows how its program ended.
    #[test]
    fn a_machine_tells_how_its_command_stands() {
        let (launch, start) =
            (json!({"type": "launch", "timestamp": 1}), json!({"type": "start", "timestamp": 5}));
        let running = OneOffState::Running { since: Some(At(5)) };
        let ended =
            |exit_code, why: Option<&str>| OneOffState::Ended { exit_code, why: why.map(str::to_owned) };
        for (state, events, wanted) in [
            ("created", json!([launch]), OneOffState::Coming),
            ("stopped", json!([launch]), OneOffState::Resting),
            ("starting", json!([launch]), OneOffState::Running { since: None }),
            ("started", json!([start, launch]), running.clone()),
            // Between exit and the event that tells of it.
            ("stopped", json!([start, launch]), running.clone()),
            ("destroying", json!([start, launch]), running),
            ("destroying", json!([exit(0, false), start]), ended(Some(0), None)),
            ("destroyed", json!([exit(3, false), start]), ended(Some(3), None)),
            ("destroyed", json!([exit(137, true), start]), ended(Some(137), Some("it ran out of memory"))),
            ("destroyed", json!([launch]), ended(None, None)),
            ("failed", json!([launch]), ended(None, Some("its machine failed to start"))),
        ] {
            assert_eq!(told(state, &events), wanted, "{state} {events}");
        }
    }
}
