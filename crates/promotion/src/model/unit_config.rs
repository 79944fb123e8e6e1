//! A provider's configuration of a unit.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

/// A provider's configuration of a unit without image and labels, normalised so that equal means equal.
///
/// Clones share it: a fleet of a thousand units that are alike need hold it once, and so do the snapshot, the plan and
/// the calls made from it. It is written as the value itself; what is read back is shared by nobody.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct UnitConfig(Arc<Value>);

impl From<Value> for UnitConfig {
    fn from(value: Value) -> Self {
        Self(Arc::new(value))
    }
}

impl Deref for UnitConfig {
    type Target = Value;

    fn deref(&self) -> &Value {
        &self.0
    }
}

/// A copy that others share is parted from theirs first.
impl DerefMut for UnitConfig {
    fn deref_mut(&mut self) -> &mut Value {
        Arc::make_mut(&mut self.0)
    }
}

impl PartialEq<Value> for UnitConfig {
    fn eq(&self, other: &Value) -> bool {
        *self.0 == *other
    }
}

impl fmt::Debug for UnitConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Serialize for UnitConfig {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for UnitConfig {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Value::deserialize(deserializer).map(Self::from)
    }
}
