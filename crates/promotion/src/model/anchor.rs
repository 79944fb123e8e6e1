//! A point of a chain that is remembered outside its store.

use serde::{Deserialize, Serialize};

use super::{At, EnvironmentName, Hash, StoreId};

/// Where a chain stood: a later look must find this record there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AnchorPoint {
    /// The store's own id.
    pub store: StoreId,
    /// Which chain.
    pub environment: EnvironmentName,
    /// Its last record then.
    pub seq: u64,
    /// That record's hash.
    pub hash: Hash,
    /// When.
    pub at: At,
}
