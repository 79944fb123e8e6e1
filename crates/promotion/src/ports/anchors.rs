//! A place outside the store, where points of its chains are kept.

use std::fmt::Debug;

use async_trait::async_trait;

use super::PortError;
use crate::model::{EnvironmentName, StoreId};

/// Keeps signed points of chains, one for each environment and record. What is there is never replaced: whoever can bend
/// the store must not be able to bend these as well.
#[async_trait]
pub trait Anchors: Debug + Send + Sync + 'static {
    /// Keeps `text` for record `seq`. Where there is one already that one stays, and it is no error. Idempotent.
    async fn put(
        &self,
        store: &StoreId,
        environment: &EnvironmentName,
        seq: u64,
        text: &str,
    ) -> Result<(), PortError>;

    /// The environments of `store` that have one, sorted. Reads only.
    async fn environments(&self, store: &StoreId) -> Result<Vec<EnvironmentName>, PortError>;

    /// The records of which there is one, in order. Reads only.
    async fn list(&self, store: &StoreId, environment: &EnvironmentName) -> Result<Vec<u64>, PortError>;

    /// What is kept for record `seq`, as it is. Reads only.
    async fn get(
        &self,
        store: &StoreId,
        environment: &EnvironmentName,
        seq: u64,
    ) -> Result<Option<String>, PortError>;
}
