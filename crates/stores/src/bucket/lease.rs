//! The object that says who holds an environment until when.

use object_store::UpdateVersion;
use promotion::model::{At, EnvironmentName, Millis};
use promotion::ports::JournalError;
use serde::{Deserialize, Serialize};

use super::error::store;
use super::place::{Place, Put};

/// Its content.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Lease {
    pub(super) epoch: u64,
    pub(super) holder: Option<String>,
    /// By the storage's time.
    pub(super) until_ms: i64,
    /// Whose change this is.
    pub(super) writer: String,
}

/// The object as it was found, and the time then.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) lease: Lease,
    version: Option<UpdateVersion>,
    pub(super) now: At,
}

/// Reads the lease; a new one where there is none.
pub(super) async fn read(place: &Place, environment: &EnvironmentName) -> Result<Found, JournalError> {
    let step = "reading the lease";
    let found = place.get(&place.lease(environment)).await.map_err(|error| store(step, &error))?;
    let now = place.time.now().ok_or_else(|| JournalError::Store {
        step,
        message: "the storage does not tell what time it is (no `Date` in its answer)".to_owned(),
    })?;
    let Some((text, version)) = found else {
        return Ok(Found { lease: Lease::default(), version: None, now });
    };
    let lease = serde_json::from_str(&text).map_err(|error| JournalError::Store {
        step,
        message: format!("{} is no lease: {error}", place.lease(environment)),
    })?;
    Ok(Found { lease, version: Some(version), now })
}

impl Found {
    /// Who holds it now, other than `holder`.
    pub(super) fn other(&self, holder: &str) -> Option<&str> {
        let is_over = self.now.0 >= self.lease.until_ms;
        self.lease.holder.as_deref().filter(|other| *other != holder && !is_over)
    }

    /// The end of a lease that begins now; later rather than earlier, since the time is told in whole steps.
    pub(super) fn end(&self, place: &Place, ttl: Millis) -> i64 {
        self.now.plus(ttl).plus(place.time.resolution()).0
    }

    /// Writes `lease` in place of what was found; `false` when somebody else was quicker.
    pub(super) async fn replace(
        self,
        place: &Place,
        environment: &EnvironmentName,
        lease: &Lease,
    ) -> Result<bool, JournalError> {
        let step = "writing the lease";
        let path = place.lease(environment);
        let text = serde_json::to_string(lease)
            .map_err(|error| JournalError::Store { step, message: error.to_string() })?;
        let put = match self.version {
            Some(version) => place.replace(&path, text, version).await,
            None => place.create(&path, text).await,
        };
        if matches!(put, Put::Done) {
            return Ok(true);
        }
        let there = read(place, environment).await?;
        match put {
            _ if there.lease == *lease => Ok(true),
            Put::Unknown(error) => Err(store(step, &error)),
            Put::Done | Put::Taken => Ok(false),
        }
    }
}
