//! The registry of the world in memory: pinned images are everywhere until somebody takes them away.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use flytypes::{Digest, ImageRef};

use super::Provider;
use crate::model::EnvironmentName;
use crate::ports::{Copied, ImageFacts, Moved, PortError, Registry, Survey, Watch};

/// Every image has this many bytes.
const BYTES: u64 = 1000;

/// What is special about images.
#[derive(Debug, Default)]
pub struct Images(Mutex<Books>);

#[derive(Debug, Clone, Default)]
struct Books {
    pruned: BTreeSet<Digest>,
    copied: BTreeSet<ImageRef>,
    labels: BTreeMap<Digest, BTreeMap<String, String>>,
    platforms: BTreeMap<Digest, BTreeMap<String, Digest>>,
    tags: BTreeMap<(String, String), Digest>,
    away: bool,
}

impl Images {
    fn books(&self) -> MutexGuard<'_, Books> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn fork(&self) -> Self {
        Self(Mutex::new(self.books().clone()))
    }

    /// Retention takes an image, wherever it is.
    pub fn prune(&self, digest: &Digest) {
        self.books().pruned.insert(digest.clone());
    }

    /// An image says this about itself.
    pub fn label(&self, digest: &Digest, key: &str, value: &str) {
        self.books().labels.entry(digest.clone()).or_default().insert(key.to_owned(), value.to_owned());
    }

    /// An image is an index, with this one in it.
    pub fn platform(&self, digest: &Digest, platform: &str, child: &Digest) {
        self.books().platforms.entry(digest.clone()).or_default().insert(platform.to_owned(), child.clone());
    }

    /// The registry does not answer from now on, or does again.
    pub fn away(&self, is: bool) {
        self.books().away = is;
    }

    /// Every tag that was written: repository and tag, and what it names.
    pub fn tags(&self) -> BTreeMap<(String, String), Digest> {
        self.books().tags.clone()
    }

    fn facts(&self, image: &ImageRef) -> Result<ImageFacts, PortError> {
        let books = self.books();
        if books.away {
            return Err(PortError::not_sent("503 the registry is away"));
        }
        let digest = image.digest().cloned();
        let digest = digest.ok_or_else(|| PortError::refused(format!("{image} has no digest here")))?;
        if books.pruned.contains(&digest) {
            return Err(PortError::refused(format!("{image} is not there")));
        }
        let of =
            |map: &BTreeMap<Digest, BTreeMap<String, String>>| map.get(&digest).cloned().unwrap_or_default();
        let platforms = books.platforms.get(&digest).cloned().unwrap_or_default();
        Ok(ImageFacts { labels: of(&books.labels), platforms, digest })
    }
}

#[async_trait]
impl Registry for Provider {
    async fn resolve(&self, _: &EnvironmentName, image: &ImageRef) -> Result<Digest, PortError> {
        Ok(self.images().facts(image)?.digest)
    }

    async fn look(&self, _: &EnvironmentName, image: &ImageRef) -> Result<ImageFacts, PortError> {
        self.images().facts(image)
    }

    async fn survey(&self, _: &EnvironmentName, from: &ImageRef, to: &ImageRef) -> Result<Survey, PortError> {
        let facts = self.images().facts(from)?;
        let is_there = from == to || self.images().books().copied.contains(to);
        let bytes_missing = if is_there { 0 } else { BYTES };
        Ok(Survey { facts, bytes_total: BYTES, bytes_missing, can_mount: false })
    }

    async fn ensure_copy(
        &self,
        _: &EnvironmentName,
        from: &ImageRef,
        to: &ImageRef,
        watch: Watch,
    ) -> Result<Copied, PortError> {
        self.images().facts(from)?;
        if to.digest() != from.digest() {
            return Err(PortError::refused(format!("{to} is no copy of {from}")));
        }
        if !self.images().books().copied.insert(to.clone()) {
            return Ok(Copied::default());
        }
        for done in [0, BYTES / 2, BYTES] {
            watch(Moved { done, total: BYTES });
        }
        Ok(Copied { bytes_sent: BYTES, bytes_mounted: 0 })
    }

    async fn ensure_tag(&self, _: &EnvironmentName, image: &ImageRef, tag: &str) -> Result<(), PortError> {
        let digest = self.images().facts(image)?.digest;
        self.images().books().tags.insert((image.repository().to_owned(), tag.to_owned()), digest);
        Ok(())
    }

    async fn drop_tag(&self, _: &EnvironmentName, image: &ImageRef, tag: &str) -> Result<bool, PortError> {
        let key = (image.repository().to_owned(), tag.to_owned());
        Ok(self.images().books().tags.remove(&key).is_some())
    }
}
