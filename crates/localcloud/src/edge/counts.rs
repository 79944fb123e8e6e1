//! Requests under way per machine, over all edges.
//!
//! The count is a guard object: when a client goes away, the handler's future is dropped wherever it stands, and a
//! plain decrement at the end would never run.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

/// All counters.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    machines: Mutex<HashMap<String, Arc<AtomicUsize>>>,
}

/// A look at all of them at once.
pub(crate) struct Reading<'a>(MutexGuard<'a, HashMap<String, Arc<AtomicUsize>>>);

/// One request under way; the count goes down when it is dropped.
#[derive(Debug)]
pub(crate) struct InFlight(Arc<AtomicUsize>);

impl Counts {
    fn counter(&self, machine: &str) -> Arc<AtomicUsize> {
        let mut machines = self.machines.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(counter) = machines.get(machine) {
            return Arc::clone(counter);
        }
        Arc::clone(machines.entry(machine.to_owned()).or_default())
    }

    /// Counts one more request until the guard is dropped.
    pub(crate) fn enter(&self, machine: &str) -> InFlight {
        let counter = self.counter(machine);
        counter.fetch_add(1, Ordering::Relaxed);
        InFlight(counter)
    }

    /// Requests under way at this moment.
    pub(crate) fn of(&self, machine: &str) -> usize {
        self.read().of(machine)
    }

    /// For who asks about many machines.
    pub(crate) fn read(&self) -> Reading<'_> {
        Reading(self.machines.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Reading<'_> {
    /// Requests under way at this moment.
    pub(crate) fn of(&self, machine: &str) -> usize {
        self.0.get(machine).map_or(0, |c| c.load(Ordering::Relaxed))
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
