//! Where images live.

use std::fmt::Debug;

use async_trait::async_trait;
use flytypes::{Digest, ImageRef};

use super::PortError;
use crate::model::{EnvironmentName, Place};

/// Looks up and copies images by digest.
#[async_trait]
pub trait Registry: Debug + Send + Sync + 'static {
    /// The digest behind a reference. Idempotent. `Refused` when there is no such image.
    async fn resolve(&self, environment: &EnvironmentName, image: &ImageRef) -> Result<Digest, PortError>;

    /// Makes `to` (a pinned reference) exist with the content of `from`, byte for byte, and reads it back; returns how
    /// many bytes were moved. Convergent: does nothing when it is there. Cancelling leaves at most unreferenced blobs.
    async fn ensure_copy(
        &self,
        environment: &EnvironmentName,
        from: &ImageRef,
        to: &ImageRef,
    ) -> Result<u64, PortError>;

    /// Takes off the tags by which images of `place` are kept; answers which. A registry that keeps none has none.
    /// Idempotent.
    async fn drop_tags(&self, place: &Place) -> Result<Vec<String>, PortError> {
        let _keeps_none = place;
        Ok(Vec::new())
    }
}
