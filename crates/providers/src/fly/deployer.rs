//! The two verbs over the Machines API.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use envconfig::fly_toml::keep_volumes;
use flyclient::fly::wire::{
    CreateMachine, ListMachines, NewLease, StopMachine, UpdateMachine, WaitFor, WaitMachine,
};
use flyclient::fly::{AppHandle, Client, Error, ErrorKind};
use flyclient::registry::Registry;
use flytypes::wire::{Machine, MachineState};
use flytypes::{AppName, InstanceId, MachineId, Region};
use promotion::model::{Fleet, Nonce, Place, Slot, UnitId, UnitSpec, UnitVersion};
use promotion::ports::{Deployer, Key, Performed, PortError, PortErrorKind};
use promotion::rollout::UnitCall;
use serde_json::Value;

use super::alike::Alike;
use super::error::{port, read};
use super::seen::{Present, Seen};
use super::shape::{full, kept};
use super::{labels, unit};

/// A Fly organisation, through one token.
#[derive(Debug, Clone)]
pub struct FlyDeployer {
    client: Client,
    alike: Option<Alike>,
    seen: Arc<Seen>,
}

impl FlyDeployer {
    /// Over a client.
    pub fn new(client: Client) -> Self {
        Self { client, alike: None, seen: Arc::default() }
    }

    /// Reads images in `registry`, so that a machine that reports the digest of a platform's manifest is known to run the
    /// index that it was configured with.
    #[must_use]
    pub fn with_images(mut self, registry: Registry) -> Self {
        self.alike = Some(Alike::new(registry));
        self
    }

    fn app(&self, place: &Place) -> Result<AppHandle, PortError> {
        let name: AppName = place.name.parse().map_err(refused)?;
        Ok(self.client.app(&name))
    }

    /// What stands at `id`: as the last look saw it, where that is of version `expect`; else it is looked at.
    async fn present(
        &self,
        app: &AppHandle,
        id: &MachineId,
        expect: Option<&UnitVersion>,
    ) -> Result<Present, PortError> {
        let is_it = |present: &Present| {
            let version = present.version.as_ref().map(InstanceId::as_str);
            expect.is_none_or(|expect| version == Some(expect.as_str()))
        };
        if let Some(present) = self.seen.take(app.name(), id).filter(is_it) {
            return Ok(present);
        }
        let machine = app.machines().get(id).await.map_err(|error| read(&error))?;
        // The API writes on what is gone, too: a label there would be one that nobody sees.
        if unit::state(&machine).is_none() {
            return Err(PortError::refused(format!("machine {id} is gone")));
        }
        Present::of(&machine).ok_or_else(|| out_of_reach(id))
    }
}

/// The longest wait for a new version to lie at rest, an image pulled included.
const LIES_MAX: Duration = Duration::from_secs(30);

fn refused(error: impl std::fmt::Display) -> PortError {
    PortError::refused(error.to_string())
}

/// The host does not answer, and what the machine is configured to be is not known: nothing is written over it.
fn out_of_reach(id: &MachineId) -> PortError {
    PortError::not_sent(format!("the host of machine {id} does not answer"))
}

fn machine_id(unit: &UnitId) -> Result<MachineId, PortError> {
    unit.as_str().parse().map_err(refused)
}

fn done(machine: &Machine) -> Performed {
    Performed {
        unit: UnitId::new(machine.id.as_str()).ok(),
        version: machine.instance_id.as_ref().and_then(|id| UnitVersion::new(id.as_str()).ok()),
        nonce: None,
    }
}

/// Success where the machine is gone, or its lease: the effect is there already.
fn unless_gone(result: Result<(), Error>) -> Result<Performed, PortError> {
    match result {
        Ok(()) => Ok(Performed::default()),
        Err(error) if error.is_not_found() => Ok(Performed::default()),
        Err(error) => Err(port(&error)),
    }
}

/// What a failed call on a machine means. The state that a call met passes by itself, but for one: being destroyed.
async fn judged(app: &AppHandle, id: &MachineId, error: &Error) -> PortError {
    if *error.kind() == ErrorKind::Precondition
        && let Ok(machine) = app.machines().get(id).await
        && unit::state(&machine).is_none()
    {
        return PortError::refused(format!("machine {id} is gone: {}", port(error).message));
    }
    port(error)
}

async fn changed(app: &AppHandle, id: &MachineId, result: Result<(), Error>) -> Result<Performed, PortError> {
    match result {
        Ok(()) => Ok(Performed::default()),
        Err(error) => Err(judged(app, id, &error).await),
    }
}

#[async_trait]
impl Deployer for FlyDeployer {
    async fn observe_fleet(&self, place: &Place) -> Result<Fleet, PortError> {
        let query = ListMachines { include_leases: true, ..ListMachines::default() };
        let app = self.app(place)?;
        let machines = match app.machines().list(&query).await {
            Ok(machines) => machines,
            Err(error) if error.is_not_found() => {
                return Err(PortError::refused(format!(
                    "there is no app `{}`; create it with `fly apps create {}`",
                    place.name, place.name
                )));
            }
            Err(error) => return Err(read(&error)),
        };
        self.seen.keep(app.name(), &machines);
        let mut units = Vec::new();
        for machine in machines {
            let Some(mut unit) = unit::unit(&machine, &self.seen) else { continue };
            if let Some(alike) = &self.alike {
                alike.settle(&machine, &mut unit).await?;
            }
            units.push(unit);
        }
        units.sort_by(|a, b| a.id.cmp(&b.id));
        Ok(Fleet { units, ..Fleet::default() })
    }

    fn kept(&self, _: &Place, present: &Value, wanted: &Value) -> Value {
        // What is no configuration of a machine is sent as it is, and refused there.
        kept(present, wanted).unwrap_or_else(|_| wanted.clone())
    }

    async fn perform(&self, place: &Place, call: &UnitCall, key: &Key) -> Result<Performed, PortError> {
        let app = self.app(place)?;
        let nonce = key.nonce.as_ref().map(Nonce::as_str);
        match call {
            UnitCall::Create { slot, spec, labels, open } => {
                create(&app, slot, spec, labels, *open, key).await
            }
            UnitCall::Update { unit, expect, spec, labels, start } => {
                let id = machine_id(unit)?;
                let present = self.present(&app, &id, Some(expect)).await?;
                let machine = replacement(&present, expect, spec, labels, *start)?;
                update(&app, &id, &present, &machine, nonce).await
            }
            UnitCall::Start { unit } => start(&app, &machine_id(unit)?, nonce).await,
            UnitCall::Stop { unit } => {
                let id = machine_id(unit)?;
                let stopped = app.machines().stop(&id, &StopMachine::default(), nonce).await;
                changed(&app, &id, stopped).await
            }
            UnitCall::Cordon { unit } => {
                let id = machine_id(unit)?;
                changed(&app, &id, app.machines().cordon(&id, nonce).await).await
            }
            UnitCall::Uncordon { unit } => {
                let id = machine_id(unit)?;
                changed(&app, &id, app.machines().uncordon(&id, nonce).await).await
            }
            UnitCall::Destroy { unit } => {
                unless_gone(app.machines().destroy(&machine_id(unit)?, true, nonce).await)
            }
            UnitCall::Tag { unit, labels } => {
                let id = machine_id(unit)?;
                let present = self.present(&app, &id, None).await?;
                let changes = labels::changes(labels, &present.metadata);
                changed(&app, &id, app.metadata().patch(&id, &changes, None).await).await
            }
            UnitCall::Lease { unit, ttl, description } => {
                lease(&app, &machine_id(unit)?, ttl.duration(), description, nonce).await
            }
            UnitCall::Unlease { unit } => match nonce {
                None => Ok(Performed::default()),
                Some(nonce) => unless_gone(app.leases().release(&machine_id(unit)?, nonce).await),
            },
        }
    }
}

async fn create(
    app: &AppHandle,
    slot: &Slot,
    spec: &UnitSpec,
    labels: &BTreeMap<String, String>,
    open: bool,
    key: &Key,
) -> Result<Performed, PortError> {
    let mut metadata: BTreeMap<String, String> =
        labels.iter().map(|(label, value)| (format!("{}{label}", labels::PREFIX), value.clone())).collect();
    metadata.insert(labels::PLATFORM.to_owned(), "v2".to_owned());
    metadata.insert(labels::GROUP.to_owned(), spec.group.to_string());
    metadata.insert(labels::KEY.to_owned(), key.id.clone());
    let region: Region = spec.region.as_str().parse().map_err(refused)?;
    let mut config = full(&spec.config, &spec.image.to_string(), metadata)
        .map_err(|error| refused(format!("the configuration of {slot} cannot be sent: {error}")))?;
    config.standbys = standbys(spec);
    let machine = CreateMachine {
        config,
        region: Some(region),
        skip_service_registration: !open,
        min_secrets_version: spec.secrets_version,
        // One that stands by is never launched (fly.md 2.3).
        skip_launch: !spec.standby_for.is_empty(),
        ..CreateMachine::default()
    };
    app.machines().create(&machine).await.map(|machine| done(&machine)).map_err(|error| port(&error))
}

/// What an update sends: of what is there only flyctl's metadata, our labels and volumes stay.
fn replacement(
    present: &Present,
    expect: &UnitVersion,
    spec: &UnitSpec,
    labels: &BTreeMap<String, Option<String>>,
    start: bool,
) -> Result<UpdateMachine, PortError> {
    let mut metadata = present.metadata.clone();
    // What the configuration itself says is in the spec.
    let own = labels::own(&metadata);
    metadata.retain(|key, _| !own.contains_key(key));
    for (key, value) in labels::changes(labels, &metadata) {
        match value {
            Some(value) => metadata.insert(key, value),
            None => metadata.remove(&key),
        };
    }
    let mut config = full(&spec.config, &spec.image.to_string(), metadata)
        .map_err(|error| refused(format!("the configuration cannot be sent: {error}")))?;
    config.standbys = standbys(spec);
    // A machine keeps its volume.
    config.mounts = keep_volumes(&config.mounts, &present.mounts);
    let current: InstanceId = expect.as_str().parse().map_err(refused)?;
    Ok(UpdateMachine {
        config,
        current_version: Some(current),
        skip_launch: !start,
        min_secrets_version: spec.secrets_version,
        ..UpdateMachine::default()
    })
}

async fn update(
    app: &AppHandle,
    id: &MachineId,
    present: &Present,
    machine: &UpdateMachine,
    nonce: Option<&str>,
) -> Result<Performed, PortError> {
    let updated = match app.machines().update(id, machine, nonce).await {
        Ok(updated) => updated,
        Err(error) => return Err(judged(app, id, &error).await),
    };
    if !machine.skip_launch && rests(&present.state) {
        wake(app, id, updated.instance_id.clone(), nonce).await?;
    }
    Ok(done(&updated))
}

fn standbys(spec: &UnitSpec) -> Vec<String> {
    spec.standby_for.iter().map(ToString::to_string).collect()
}

/// Whether an update leaves the machine at rest, whatever it was asked for (fly.md 1.6).
const fn rests(state: &MachineState) -> bool {
    matches!(
        state,
        MachineState::Created
            | MachineState::Stopped
            | MachineState::Stopping
            | MachineState::Suspended
            | MachineState::Suspending
    )
}

/// Starts a machine whose update was recorded just now. Whatever goes wrong here, the update is there: look first.
async fn wake(
    app: &AppHandle,
    id: &MachineId,
    version: Option<InstanceId>,
    nonce: Option<&str>,
) -> Result<(), PortError> {
    let look_first = |error: PortError| {
        PortError::ambiguous(format!("machine {id} was updated at rest and may not run: {}", error.message))
    };
    // Not yet is an answer, too: the start says whether it was long enough.
    let wait = WaitMachine { state: WaitFor::Settled, timeout: LIES_MAX, version };
    app.machines().wait(id, &wait).await.map_err(|error| look_first(read(&error)))?;
    start(app, id, nonce).await.map(drop).map_err(look_first)
}

async fn start(app: &AppHandle, id: &MachineId, nonce: Option<&str>) -> Result<Performed, PortError> {
    let Err(error) = app.machines().start(id, nonce).await else { return Ok(Performed::default()) };
    if *error.kind() == ErrorKind::Precondition {
        let machine = app.machines().get(id).await.map_err(|error| read(&error))?;
        if matches!(machine.state, MachineState::Started | MachineState::Starting) {
            return Ok(Performed::default());
        }
    }
    Err(judged(app, id, &error).await)
}

async fn lease(
    app: &AppHandle,
    id: &MachineId,
    ttl: Duration,
    description: &str,
    nonce: Option<&str>,
) -> Result<Performed, PortError> {
    let leases = app.leases();
    let taken = match nonce {
        Some(nonce) => leases.refresh(id, ttl, nonce).await,
        None => leases.acquire(id, &NewLease { ttl, description: description.to_owned() }).await,
    };
    match taken {
        Ok(lease) => Ok(Performed {
            nonce: lease.nonce.and_then(|nonce| Nonce::new(nonce).ok()),
            ..Performed::default()
        }),
        Err(error) => {
            match leases.get(id).await {
                // Ours, and its number was lost with a runner: it runs out soon.
                Ok(Some(held)) if held.description == description => Err(PortError::new(
                    PortErrorKind::Held,
                    format!("machine {id} is still leased by this promotion, under a number that was lost"),
                )),
                // It ran out between the two questions: whoever asks again gets it.
                Ok(None) if nonce.is_none() && *error.kind() == ErrorKind::Conflict => {
                    Err(PortError::not_sent(format!("machine {id} was leased until now")))
                }
                _ => Err(judged(app, id, &error).await),
            }
        }
    }
}
