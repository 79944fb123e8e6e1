//! The provider: look at a fleet, change one unit.

use std::fmt::Debug;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::PortError;
use crate::model::{Fleet, Nonce, Place, UnitId, UnitVersion};
use crate::rollout::UnitCall;

/// Goes with every call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Key {
    /// The same for every try of the same call; written on what is created, where the provider can.
    pub id: String,
    /// Our lease on the unit.
    pub nonce: Option<Nonce>,
}

/// What a call left behind.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Performed {
    /// The unit that was made.
    pub unit: Option<UnitId>,
    /// The version that an update or create made.
    pub version: Option<UnitVersion>,
    /// The lease that was taken.
    pub nonce: Option<Nonce>,
}

/// Two verbs; strategies are none of an adapter's business.
///
/// `perform` may be cancelled at any await: the call may then have happened, exactly as when its answer is lost.
/// Repeating a call whose effect is already there succeeds (start a started unit, destroy a gone one, take a lease
/// that is ours), except `Create`, which the engine looks up by its slot before it repeats it, and `Update`, which is
/// refused when the unit's version moved on. A place that holds one unit only refuses a second `Create`.
///
/// A `Lease` on a unit that is leased under another number is refused: as `Held` where that lease has the very same
/// description, which is ours then, else as `Fenced`.
#[async_trait]
pub trait Deployer: Debug + Send + Sync + 'static {
    /// All units of the place that are not destroyed, sorted by id. A place that does not exist is an error of kind
    /// `Refused`; an empty one is an empty fleet.
    async fn observe_fleet(&self, place: &Place) -> Result<Fleet, PortError>;

    /// What a unit of `place` that is configured as `present` shall be configured as where `wanted` is asked for: with
    /// whatever `wanted` does not speak of kept. Pure; by default nothing is kept.
    fn kept(&self, place: &Place, present: &Value, wanted: &Value) -> Value {
        let _keeps_nothing = (place, present);
        wanted.clone()
    }

    /// Makes one call. `Ok` means the provider recorded it, not that the unit has come up.
    async fn perform(&self, place: &Place, call: &UnitCall, key: &Key) -> Result<Performed, PortError>;
}
