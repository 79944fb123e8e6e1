//! Where the objects lie, and what time it is there.

use std::fmt::Debug;
use std::sync::Arc;

use object_store::path::{Path, PathPart};
use object_store::{ObjectStore, ObjectStoreExt as _, PutMode, PutPayload, UpdateVersion};
use promotion::model::{At, EnvironmentName, Millis};

/// The storage's own time: leases run by it, whatever the clocks of the runners say.
pub trait ServerTime: Debug + Send + Sync + 'static {
    /// The instant of its latest answer; none before the first one, or when it tells none.
    fn now(&self) -> Option<At>;

    /// How much later it may really have been then: HTTP tells whole seconds.
    fn resolution(&self) -> Millis;
}

/// A prefix in a bucket.
#[derive(Debug, Clone)]
pub struct Place {
    pub(super) objects: Arc<dyn ObjectStore>,
    pub(super) time: Arc<dyn ServerTime>,
    prefix: Path,
}

/// What came of writing an object under a condition.
#[derive(Debug)]
pub(super) enum Put {
    /// It is written.
    Done,
    /// The condition does not hold: somebody was quicker, or it was us and the answer got lost.
    Taken,
    /// Not known.
    Unknown(object_store::Error),
}

impl Place {
    /// `objects` must write under conditions: `PutMode::Create` and `PutMode::Update`.
    #[must_use]
    pub fn new(objects: Arc<dyn ObjectStore>, time: Arc<dyn ServerTime>, prefix: Path) -> Self {
        Self { objects, time, prefix }
    }

    pub(super) fn store(&self) -> Path {
        self.prefix.clone().join("store")
    }

    pub(super) fn anchors(&self) -> Path {
        self.prefix.clone().join("anchor")
    }

    pub(super) fn journals(&self) -> Path {
        self.prefix.clone().join("journal")
    }

    pub(super) fn journal(&self, environment: &EnvironmentName) -> Path {
        self.journals().join(PathPart::from(environment.as_str()))
    }

    /// Padded, so that the order of names is that of numbers.
    pub(super) fn slot(&self, environment: &EnvironmentName, slot: u64) -> Path {
        self.journal(environment).join(format!("{slot:020}"))
    }

    pub(super) fn lease(&self, environment: &EnvironmentName) -> Path {
        self.prefix.clone().join("lease").join(PathPart::from(environment.as_str()))
    }

    /// An object's text, and what to name when it is changed; none where there is none.
    pub(super) async fn get(
        &self,
        path: &Path,
    ) -> Result<Option<(String, UpdateVersion)>, object_store::Error> {
        let found = match self.objects.get(path).await {
            Ok(found) => found,
            Err(object_store::Error::NotFound { .. }) => return Ok(None),
            Err(error) => return Err(error),
        };
        let version = UpdateVersion { e_tag: found.meta.e_tag.clone(), version: found.meta.version.clone() };
        let bytes = found.bytes().await?;
        Ok(Some((String::from_utf8_lossy(&bytes).into_owned(), version)))
    }

    /// Writes an object that is not there yet.
    pub(super) async fn create(&self, path: &Path, text: String) -> Put {
        self.put(path, text, PutMode::Create).await
    }

    /// Replaces an object that is as it was read.
    pub(super) async fn replace(&self, path: &Path, text: String, version: UpdateVersion) -> Put {
        self.put(path, text, PutMode::Update(version)).await
    }

    async fn put(&self, path: &Path, text: String, mode: PutMode) -> Put {
        let is_change = matches!(mode, PutMode::Update(_));
        match self.objects.put_opts(path, PutPayload::from(text), mode.into()).await {
            Ok(_) => Put::Done,
            Err(object_store::Error::AlreadyExists { .. } | object_store::Error::Precondition { .. }) => {
                Put::Taken
            }
            // What was to be changed is gone; of what was to be made, the bucket is.
            Err(object_store::Error::NotFound { .. }) if is_change => Put::Taken,
            Err(error) => Put::Unknown(error),
        }
    }
}
