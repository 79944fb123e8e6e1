//! What machines were a moment ago, for lists that come late. Kept only while a fault asks for it.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use crate::machine::model::Machine;

/// Nobody asks for anything older.
const KEPT: Duration = Duration::from_secs(30);

/// A machine as it was until then; nothing, before it was made.
type Was = (Instant, Option<Machine>);

/// Earlier records, by machine, oldest first.
#[derive(Debug, Default)]
pub(crate) struct Past {
    records: Mutex<BTreeMap<String, VecDeque<Was>>>,
}

impl Past {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, VecDeque<Was>>> {
        self.records.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes what machine `id` was until now.
    pub(crate) fn note(&self, id: &str, was: Option<&Machine>) {
        let now = Instant::now();
        let mut records = self.lock();
        let of = records.entry(id.to_owned()).or_default();
        of.retain(|(at, _)| now.saturating_duration_since(*at) <= KEPT);
        of.push_back((now, was.cloned()));
    }

    /// Forgets everything: nobody asks.
    pub(crate) fn forget(&self) {
        self.lock().clear();
    }

    /// `machines` as they were this long ago, as far as it is known.
    pub(crate) fn before(&self, machines: Vec<Machine>, ago: Duration) -> Vec<Machine> {
        let now = Instant::now();
        let records = self.lock();
        let then = |machine: Machine| {
            let mut later = records.get(&machine.id).into_iter().flatten();
            match later.find(|(until, _)| now.saturating_duration_since(*until) < ago) {
                Some((_, was)) => was.clone(),
                None => Some(machine),
            }
        };
        machines.into_iter().filter_map(then).collect()
    }
}
