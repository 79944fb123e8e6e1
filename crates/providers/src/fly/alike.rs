//! Like with like: whether a machine reports the digest of an index or that of the platform's manifest in it is not
//! established (fly.md 5), so a machine that was configured with an index and reports a manifest of it runs that index.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use flyclient::registry::Registry;
use flytypes::wire::Machine;
use flytypes::{Digest, ImageRef};
use promotion::model::Unit;
use promotion::ports::PortError;

use crate::chain::chain;

/// Which manifests are in which index; content never changes, so each index is asked for once, also one that is gone.
#[derive(Debug, Clone)]
pub(super) struct Alike {
    registry: Registry,
    known: Arc<Mutex<BTreeMap<Digest, BTreeSet<Digest>>>>,
}

impl Alike {
    pub(super) fn new(registry: Registry) -> Self {
        Self { registry, known: Arc::default() }
    }

    /// Names the image of `unit` as it was configured, where what it reports is a part of that. A machine that runs another
    /// image than it was configured with (a pull that failed, fly.md 8.2) keeps what it reports.
    pub(super) async fn settle(&self, machine: &Machine, unit: &mut Unit) -> Result<(), PortError> {
        let Some(reported) = unit.digest.clone() else { return Ok(()) };
        let configured = machine.config.as_ref().and_then(|config| config.image.parse::<ImageRef>().ok());
        let Some(configured) = configured else { return Ok(()) };
        let Some(wanted) = configured.digest().filter(|wanted| **wanted != reported) else { return Ok(()) };
        if self.parts(&configured, wanted).await?.contains(&reported) {
            unit.image = unit.image.as_ref().map(|image| image.pinned(wanted.clone()));
            unit.digest = Some(wanted.clone());
        }
        Ok(())
    }

    /// The manifests in an index; none where it is none, or where it cannot be read for good.
    async fn parts(&self, image: &ImageRef, digest: &Digest) -> Result<BTreeSet<Digest>, PortError> {
        if let Some(parts) = self.known.lock().unwrap_or_else(PoisonError::into_inner).get(digest) {
            return Ok(parts.clone());
        }
        let parts: BTreeSet<Digest> = match self.registry.contents(image).await {
            Ok(contents) => contents.platforms.into_values().collect(),
            Err(error) if error.is_transient() => return Err(PortError::not_sent(chain(&error))),
            Err(_) => BTreeSet::new(),
        };
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.insert(digest.clone(), parts.clone());
        Ok(parts)
    }
}
