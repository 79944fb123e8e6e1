//! Totals per app of one edge, since the server started.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use serde::Serialize;

/// What one edge did for one app.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Totals {
    /// Requests answered or given up.
    pub(crate) requests: u64,
    /// Answers of 500 and above, the edge's own included.
    #[serde(rename = "5xx")]
    pub(crate) failed: u64,
    /// Idempotent requests sent once more because the connection closed before any byte.
    pub(crate) retries: u64,
    /// Connections that a machine did not take.
    pub(crate) refused: u64,
}

/// All totals.
#[derive(Debug, Default)]
pub(crate) struct Traffic {
    apps: Mutex<BTreeMap<String, Totals>>,
}

impl Traffic {
    pub(crate) fn note(&self, app: &str, with: impl FnOnce(&mut Totals)) {
        let mut apps = self.apps.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(totals) = apps.get_mut(app) {
            with(totals);
        } else {
            with(apps.entry(app.to_owned()).or_default());
        }
    }

    pub(crate) fn of(&self, app: &str) -> Totals {
        self.apps.lock().unwrap_or_else(PoisonError::into_inner).get(app).copied().unwrap_or_default()
    }
}
