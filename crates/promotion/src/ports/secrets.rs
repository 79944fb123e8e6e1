//! Which secrets there are. Values are no business of the engine: no port reads one.

use std::collections::BTreeSet;
use std::fmt::Debug;

use async_trait::async_trait;

use super::PortError;
use crate::model::{Place, SecretsSeen, Unit};

/// Looks at the names of a place's secrets.
#[async_trait]
pub trait Secrets: Debug + Send + Sync + 'static {
    /// The secrets of `place`, and which of them `units`, which were observed just before, do not have yet. Reads only;
    /// a place that keeps no secrets has none.
    async fn observe_secrets(&self, place: &Place, units: &[Unit]) -> Result<SecretsSeen, PortError>;

    /// The command with which a person sets `names` there, with a gap for each value; none where nobody can.
    fn command(&self, place: &Place, names: &BTreeSet<String>) -> Option<String>;
}
