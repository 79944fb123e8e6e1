//! The chain: each record carries the hash of the one before, so that a changed, missing, swapped or inserted record
//! shows (P8). A cut tail shows only against an anchor outside the store.

use super::record::Record;
use crate::model::{EnvironmentName, Hash};
use crate::ports::JournalError;

/// Checks `records`, which follow record `seq` with hash `prev`; returns the last hash.
pub fn verify(
    environment: &EnvironmentName,
    mut seq: u64,
    mut prev: Hash,
    records: &[Record],
) -> Result<Hash, JournalError> {
    for record in records {
        seq += 1;
        let why = if cfg!(feature = "sabotage-p8") {
            None
        } else if record.environment != *environment {
            Some(format!("it belongs to {}", record.environment))
        } else if record.seq != seq {
            Some(format!("it says it is record {}", record.seq))
        } else if record.prev != prev {
            Some("it does not follow the record before it".to_owned())
        } else if record.content_hash() != record.hash {
            Some("its content is not what was hashed".to_owned())
        } else {
            None
        };
        if let Some(why) = why {
            return Err(JournalError::Damaged { environment: environment.clone(), seq, why });
        }
        prev = record.hash.clone();
    }
    Ok(prev)
}

/// Reads what a store holds as record `seq`. Whether it is what was written, [`verify`] says.
pub fn decode(environment: &EnvironmentName, seq: u64, body: &str) -> Result<Record, JournalError> {
    serde_json::from_str(body).map_err(|error| JournalError::Damaged {
        environment: environment.clone(),
        seq,
        why: format!("it cannot be read: {error}"),
    })
}

/// Reads a chain's last record, behind which something is about to be appended: it must be sound by itself, for what
/// follows carries its hash, and a record that was bent would be sealed in.
pub fn tip(environment: &EnvironmentName, seq: u64, body: &str) -> Result<Record, JournalError> {
    let record = decode(environment, seq, body)?;
    verify(environment, seq.saturating_sub(1), record.prev.clone(), std::slice::from_ref(&record))?;
    Ok(record)
}
