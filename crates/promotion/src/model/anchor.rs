//! A point of a chain that is remembered outside its store.

use serde::{Deserialize, Serialize};

use super::envelope::{Envelope, InToto, Subject};
use super::{At, EnvironmentName, Hash, StoreId};

/// The kind of statement that an anchor is.
const PREDICATE: &str = "urn:understudy:anchor:v1";

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

impl AnchorPoint {
    /// What is signed.
    pub fn payload(&self) -> Vec<u8> {
        let name = format!("{}/{}/{}", self.store, self.environment, self.seq);
        let subject = vec![Subject::sha256(name, self.hash.as_str())];
        InToto::new(PREDICATE, subject, self.clone()).payload()
    }

    /// What an envelope says, its signatures apart; why it is no anchor.
    pub fn of(envelope: &Envelope) -> Result<Self, String> {
        InToto::<Self>::of(envelope, PREDICATE).map(|said| said.predicate)
    }
}
