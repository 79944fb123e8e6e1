//! Reading what a Go server writes: `null` for an empty list, absent for a zero value.

use serde::{Deserialize, Deserializer};

/// Reads `null` as the default value; a Go server writes a nil map or slice so.
pub(crate) fn nullable<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// Whether a field can be left out, as Go's `omitempty` does.
pub(crate) fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}
