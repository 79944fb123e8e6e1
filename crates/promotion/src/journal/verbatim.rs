//! What a store holds, to the letter: for an audit, which believes nothing of it.

use super::audit::Finding;

/// A record as it stands in a store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// In which environment's chain it stands; a name, as long as nobody changed it.
    pub environment: String,
    /// As which record it stands there.
    pub seq: i64,
    /// Its text.
    pub body: Vec<u8>,
    /// The hash that stands beside it, in a store that keeps one.
    pub hash: Option<Vec<u8>>,
}

/// Everything that a store holds of its chains.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Holding {
    /// The records, in any order.
    pub rows: Vec<Row>,
    /// What is wrong around them, with the objects in which they lie for example.
    pub faults: Vec<Finding>,
}
