//! What was read back of the machines of a release.

use flytypes::Digest;
use serde::{Deserialize, Serialize};

use super::{GroupName, RegionName, Unit, UnitId, UnitState, UnitVersion};

/// A unit as it was last read back before it counted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Running {
    /// The provider's id.
    pub id: UnitId,
    /// Its process group.
    pub group: GroupName,
    /// Its region.
    pub region: RegionName,
    /// What it runs, as the provider says: of an index it may name the platform's manifest.
    pub digest: Option<Digest>,
    /// The version of its configuration.
    pub version: UnitVersion,
    /// Its state: some rest until a request wakes them.
    pub state: UnitState,
}

impl From<&Unit> for Running {
    fn from(unit: &Unit) -> Self {
        Self {
            id: unit.id.clone(),
            group: unit.group.clone(),
            region: unit.region.clone(),
            digest: unit.digest.clone(),
            version: unit.version.clone(),
            state: unit.state,
        }
    }
}
