//! The heart: the records under one lock, and what happens on every change of one.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use cell::runtime::Runtime;
use serde_json::{Map, Value, json};
use tokio::sync::{Notify, watch};

use crate::{
    audit::Audit,
    clock,
    crew::Crew,
    disk::Layout,
    edge::{
        Edges,
        view::{News, Seen},
    },
    error::ApiError,
    faults::{FaultName, Faults},
    limits::Limits,
    machine::{keeper, model::Machine},
    orgs::Orgs,
    past::Past,
    quirks::Quirks,
    registry::store::Store,
    s3,
    world::{self, World},
};

/// Everything the servers share.
pub(crate) struct Cloud {
    pub(crate) layout: Layout,
    pub(crate) orgs: Orgs,
    pub(crate) quirks: Mutex<Quirks>,
    pub(crate) past: Past,
    pub(crate) regions: Vec<String>,
    pub(crate) rate_limits: bool,
    pub(crate) boot_ms: u64,
    pub(crate) runtime: Arc<dyn Runtime>,
    pub(crate) store: Store,
    pub(crate) s3: s3::Store,
    pub(crate) api_url: String,
    pub(crate) registry_host: String,
    pub(crate) s3_url: String,
    pub(crate) audit: Arc<Audit>,
    pub(crate) faults: Faults,
    pub(crate) limits: Limits,
    pub(crate) edges: Edges,
    pub(crate) crew: Crew,
    pub(crate) world: Mutex<World>,
    /// Ticks with every change of a machine.
    pub(crate) changed: watch::Sender<u64>,
    pub(crate) keepers: Mutex<BTreeMap<String, Arc<Notify>>>,
    pub(crate) order: AtomicU64,
}

impl fmt::Debug for Cloud {
    /// Without the records: they hold secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cloud")
            .field("api_url", &self.api_url)
            .field("layout", &self.layout)
            .finish_non_exhaustive()
    }
}

impl Cloud {
    /// The records. Held for moments only, never across an await.
    pub(crate) fn lock(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The choices in force.
    pub(crate) fn quirks(&self) -> Quirks {
        *self.quirks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes some of them.
    pub(crate) fn set_quirks(&self, changes: Map<String, Value>) -> Result<(), serde_json::Error> {
        let mut quirks = self.quirks.lock().unwrap_or_else(PoisonError::into_inner);
        *quirks = quirks.with(changes)?;
        drop(quirks);
        self.look_at_all();
        Ok(())
    }

    /// Lets every keeper look again: something changed that is in no record.
    pub(crate) fn look_at_all(&self) {
        self.keepers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .values()
            .for_each(|wake| wake.notify_one());
    }

    /// A copy of a machine's record.
    pub(crate) fn machine(&self, id: &str) -> Option<Machine> {
        self.lock().machines.get(id).cloned()
    }

    /// Changes a machine: the record is on disk before anybody sees the new value, or nothing changes.
    pub(crate) fn change<T>(
        &self,
        id: &str,
        with: impl FnOnce(&mut Machine) -> Result<T, ApiError>,
    ) -> Result<T, ApiError> {
        let mut world = self.lock();
        let old = world.machines.get(id).ok_or_else(|| ApiError::not_found("machine not found"))?;
        let mut new = old.clone();
        let out = with(&mut new)?;
        world::save_machine(&self.layout, &new).map_err(|e| ApiError::disk(&e))?;
        self.announce(Some(old), &new);
        world.machines.insert(id.to_owned(), new);
        drop(world);
        self.wake(id);
        Ok(out)
    }

    /// Adds a machine and the task that keeps it.
    pub(crate) fn add(self: &Arc<Self>, world: &mut World, machine: Machine) -> Result<(), ApiError> {
        world::save_machine(&self.layout, &machine).map_err(|e| ApiError::disk(&e))?;
        self.announce(None, &machine);
        let id = machine.id.clone();
        world.machines.insert(id.clone(), machine);
        self.keep(id);
        Ok(())
    }

    /// Starts the task that keeps a machine as it should be.
    pub(crate) fn keep(self: &Arc<Self>, id: String) {
        let wake = Arc::new(Notify::new());
        self.keepers.lock().unwrap_or_else(PoisonError::into_inner).insert(id.clone(), Arc::clone(&wake));
        self.crew.spawn(keeper::keep(Arc::clone(self), id, wake));
    }

    /// Tells the keeper and everybody who waits that a machine changed.
    fn wake(&self, id: &str) {
        if let Some(wake) = self.keepers.lock().unwrap_or_else(PoisonError::into_inner).get(id) {
            wake.notify_one();
        }
        self.changed.send_modify(|tick| *tick += 1);
    }

    /// Notes a check's result. Only a new status is worth a write.
    pub(crate) fn note_check(&self, id: &str, generation: u64, name: &str, passing: bool, output: String) {
        let now = clock::now_us();
        let is_news = {
            let mut world = self.lock();
            let Some(machine) = world.machines.get_mut(id).filter(|m| m.generation == generation) else {
                return;
            };
            let Some(check) = machine.checks.iter_mut().find(|c| c.name == name) else { return };
            check.updated_us = now;
            let is_news = check.passing != passing;
            if !is_news {
                check.output.clone_from(&output);
            }
            is_news
        };
        if is_news {
            // A disk that is full leaves the old status; the next run tries again.
            let _ = self.change(id, |m| {
                if m.generation == generation
                    && let Some(check) = m.checks.iter_mut().find(|c| c.name == name)
                {
                    (check.passing, check.output, check.updated_us) = (passing, output, now);
                }
                Ok(())
            });
        }
    }

    /// A number that grows with each piece of news.
    pub(crate) fn next_order(&self) -> u64 {
        self.order.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Audit line and news to the edges, where the change concerns them.
    fn announce(&self, old: Option<&Machine>, new: &Machine) {
        if self.faults.has(FaultName::StaleList) {
            self.past.note(&new.id, old);
        } else {
            self.past.forget();
        }
        let from = old.map(|m| m.state);
        if from != Some(new.state) || old.is_some_and(|o| o.instance_id != new.instance_id) {
            self.audit.line(&json!({
                "at_us": clock::now_us(), "event": "state", "app": new.app, "machine": new.id,
                "from": from.map(|s| s.as_str()), "to": new.state.as_str(),
                "instance_id": new.instance_id, "digest": new.image.digest,
            }));
        }
        for check in &new.checks {
            let before = old.and_then(|old| old.checks.iter().find(|c| c.name == check.name)?.passing.into());
            if before.is_some_and(|passing| passing != check.passing) {
                self.audit.line(&json!({
                    "at_us": clock::now_us(), "event": "check", "app": new.app, "machine": new.id,
                    "instance_id": new.instance_id, "check": check.name, "passing": check.passing,
                }));
            }
        }
        let (before, after) = (old.map(Seen::of), Seen::of(new));
        if before.as_ref() != Some(&after) {
            self.edges.tell(self.next_order(), &News::Machine(after), &self.faults);
        }
    }
}
