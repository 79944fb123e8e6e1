//! A provider of its own kind: a supervisor of processes on this machine. It has no API, no regions, no registry and no
//! leases, and the engine moves its fleets all the same.
//!
//! An image is a directory `images/<digest>` with a program `run`. A unit is one process of it. Which units take
//! traffic stands in the file `live`, for a proxy to read. Everything lives as long as the supervisor.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use promotion::model::{Fleet, ImageRef, Place, Unit, UnitId, UnitSpec, UnitState, UnitVersion};
use promotion::ports::{Clock, Deployer, Key, Performed, PortError};
use promotion::rollout::UnitCall;

/// The supervisor of one place.
#[derive(Debug)]
pub struct Supervisor {
    root: PathBuf,
    place: Place,
    clock: Arc<dyn Clock>,
    books: Mutex<Books>,
}

#[derive(Debug, Default)]
struct Books {
    made: u64,
    units: BTreeMap<UnitId, (Unit, Option<Child>)>,
}

impl Supervisor {
    /// Supervises `place` with the images below `root`.
    pub fn new(root: &Path, place: Place, clock: Arc<dyn Clock>) -> Self {
        Self { root: root.to_owned(), place, clock, books: Mutex::default() }
    }

    fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn program(&self, image: Option<&ImageRef>) -> Result<PathBuf, PortError> {
        let digest = image.and_then(ImageRef::digest).ok_or_else(|| PortError::refused("no digest"))?;
        let program = self.root.join("images").join(digest.hex()).join("run");
        let missing = || PortError::refused(format!("there is no program {}", program.display()));
        if program.is_file() { Ok(program) } else { Err(missing()) }
    }

    fn start(&self, unit: &mut Unit, child: &mut Option<Child>) -> Result<(), PortError> {
        let mut command = Command::new(self.program(unit.image.as_ref())?);
        let command = command.env("UNIT", unit.id.as_str()).stdin(Stdio::null()).stdout(Stdio::null());
        *child = Some(command.spawn().map_err(|error| PortError::refused(format!("not started: {error}")))?);
        unit.version_since = Some(self.clock.now());
        unit.state = UnitState::Started;
        Ok(())
    }

    /// Writes down for the proxy which units take traffic.
    fn publish(&self, books: &Books) -> Result<(), PortError> {
        let open =
            books.units.values().filter(|(unit, _)| !unit.cordoned && unit.state == UnitState::Started);
        let live: String = open.map(|(unit, _)| format!("{}\n", unit.id)).collect();
        let new = self.root.join("live.new");
        let written = std::fs::write(&new, live).and_then(|()| std::fs::rename(&new, self.root.join("live")));
        written.map_err(|error| PortError::ambiguous(format!("the proxy's file: {error}")))
    }

    fn here(&self, place: &Place) -> Result<(), PortError> {
        let elsewhere = || PortError::refused(format!("{} is not supervised here", place.name));
        if *place == self.place { Ok(()) } else { Err(elsewhere()) }
    }
}

impl Books {
    fn version(&mut self) -> Result<UnitVersion, PortError> {
        self.made += 1;
        UnitVersion::new(self.made.to_string()).map_err(|error| PortError::refused(error.to_string()))
    }

    fn create(&mut self, spec: &UnitSpec) -> Result<Unit, PortError> {
        let version = self.version()?;
        let id = UnitId::new(format!("process-{:04}", self.made));
        Ok(Unit::new(id.map_err(|error| PortError::refused(error.to_string()))?, version, spec))
    }
}

fn stop(unit: &mut Unit, child: &mut Option<Child>) {
    if let Some(mut child) = child.take() {
        // It may have ended by itself meanwhile, which is as good.
        let _ended = child.kill().and_then(|()| child.wait());
    }
    unit.state = UnitState::Stopped;
}

#[async_trait]
impl Deployer for Supervisor {
    async fn observe_fleet(&self, place: &Place) -> Result<Fleet, PortError> {
        self.here(place)?;
        let mut books = self.books();
        for (unit, child) in books.units.values_mut() {
            if child.as_mut().is_some_and(|child| !matches!(child.try_wait(), Ok(None))) {
                unit.state = UnitState::Failed;
            }
        }
        Ok(Fleet { units: books.units.values().map(|(unit, _)| unit.clone()).collect(), ..Fleet::default() })
    }

    async fn perform(&self, place: &Place, call: &UnitCall, _: &Key) -> Result<Performed, PortError> {
        self.here(place)?;
        let mut books = self.books();
        let mut done = Performed::default();
        if let UnitCall::Create { spec, labels, open, .. } = call {
            let (mut unit, mut child) = (books.create(spec)?, None);
            unit.labels.clone_from(labels);
            unit.cordoned = !open;
            self.start(&mut unit, &mut child)?;
            done =
                Performed { unit: Some(unit.id.clone()), version: Some(unit.version.clone()), nonce: None };
            books.units.insert(unit.id.clone(), (unit, child));
        } else if let Some(id) = call.unit() {
            let next = books.version()?;
            match (books.units.get_mut(id), call) {
                (Some((unit, child)), UnitCall::Update { expect, spec, labels, start, .. }) => {
                    self.program(Some(&spec.image))?;
                    if unit.version != *expect {
                        return Err(PortError::refused(format!("{id} is at version {}", unit.version)));
                    }
                    stop(unit, child);
                    unit.version = next;
                    unit.version_since = Some(self.clock.now());
                    (unit.digest, unit.image) = (spec.image.digest().cloned(), Some(spec.image.clone()));
                    unit.config = spec.config.clone();
                    unit.relabel(labels);
                    if *start {
                        self.start(unit, child)?;
                    }
                    done.version = Some(unit.version.clone());
                }
                (Some((unit, child)), UnitCall::Start { .. }) if child.is_none() => {
                    self.start(unit, child)?
                }
                (Some((unit, child)), UnitCall::Stop { .. }) => stop(unit, child),
                (Some((unit, _)), UnitCall::Cordon { .. }) => unit.cordoned = true,
                (Some((unit, _)), UnitCall::Uncordon { .. }) => unit.cordoned = false,
                (Some((unit, _)), UnitCall::Tag { labels, .. }) => unit.relabel(labels),
                (Some((unit, child)), UnitCall::Destroy { .. }) => {
                    stop(unit, child);
                    books.units.remove(id);
                }
                // What runs is started, what is gone is destroyed, and nobody else is here to be kept out by a lease.
                (Some(_), _) | (None, UnitCall::Destroy { .. } | UnitCall::Unlease { .. }) => {}
                (None, _) => return Err(PortError::refused(format!("there is no unit {id}"))),
            }
        }
        self.publish(&books)?;
        Ok(done)
    }
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        for (unit, child) in self.books().units.values_mut() {
            stop(unit, child);
        }
    }
}
