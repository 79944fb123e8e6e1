//! Where images live.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::Arc;

use async_trait::async_trait;
use flytypes::{Digest, ImageRef};

use super::PortError;
use crate::model::EnvironmentName;

/// What an image is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageFacts {
    /// Its digest: that of the index, where it is one.
    pub digest: Digest,
    /// Of an index: the manifest's digest per platform, such as `linux/amd64`.
    pub platforms: BTreeMap<String, Digest>,
    /// What it says about itself.
    pub labels: BTreeMap<String, String>,
}

/// What a copy would do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Survey {
    /// The image.
    pub facts: ImageFacts,
    /// Bytes of all its blobs; 0 where nothing is copied.
    pub bytes_total: u64,
    /// Bytes of those that are not there yet.
    pub bytes_missing: u64,
    /// Whether the registry may link them by itself.
    pub can_mount: bool,
}

/// What a copy did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Copied {
    /// Bytes that went through us.
    pub bytes_sent: u64,
    /// Bytes that the registry linked by itself.
    pub bytes_mounted: u64,
}

/// How far a copy is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moved {
    /// Bytes that are there.
    pub done: u64,
    /// Of how many.
    pub total: u64,
}

/// Who is told how far a copy is: often, and from within it.
pub type Watch = Arc<dyn Fn(Moved) + Send + Sync>;

/// Looks up, copies and tags images by digest.
///
/// Each environment brings a right to read its images and one to write them; neither has to be able to deploy.
#[async_trait]
pub trait Registry: Debug + Send + Sync + 'static {
    /// The digest behind a reference, read by `environment`'s right. Idempotent. `Refused` when there is no such image.
    async fn resolve(&self, environment: &EnvironmentName, image: &ImageRef) -> Result<Digest, PortError>;

    /// What an image is, read by `environment`'s right. Idempotent. `Refused` when there is no such image.
    async fn look(&self, environment: &EnvironmentName, image: &ImageRef) -> Result<ImageFacts, PortError>;

    /// What [`Registry::ensure_copy`] would do, and what `from` is. Idempotent; writes nothing. `Refused` when `from` is not
    /// there, or nobody here may read it, or may not write `to`, as far as that can be told without writing.
    async fn survey(
        &self,
        environment: &EnvironmentName,
        from: &ImageRef,
        to: &ImageRef,
    ) -> Result<Survey, PortError>;

    /// Makes `to` (a pinned reference) exist with the content of `from`, byte for byte, and reads it back; tells `watch` how
    /// far it is. Convergent: does nothing when it is there, and sends no blob twice. Cancelling leaves at most
    /// unreferenced blobs.
    async fn ensure_copy(
        &self,
        environment: &EnvironmentName,
        from: &ImageRef,
        to: &ImageRef,
        watch: Watch,
    ) -> Result<Copied, PortError>;

    /// Makes `tag` name a pinned image in its own repository. Convergent. What the tag named before is not asked.
    async fn ensure_tag(
        &self,
        environment: &EnvironmentName,
        image: &ImageRef,
        tag: &str,
    ) -> Result<(), PortError>;

    /// Takes `tag` off a repository, whatever it names; whether there was one. The image stays. Idempotent. A registry that
    /// keeps no tags has none.
    async fn drop_tag(
        &self,
        environment: &EnvironmentName,
        image: &ImageRef,
        tag: &str,
    ) -> Result<bool, PortError> {
        let _keeps_none = (environment, image, tag);
        Ok(false)
    }
}
