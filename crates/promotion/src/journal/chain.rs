//! The chain: each record carries the hash of the one before, so that a changed, missing, swapped or inserted record
//! shows (P8). A cut tail shows only against an anchor outside the store.

use super::record::Record;
use super::spelled::is_as_written;
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

/// Reads what a store holds as record `seq`. That the text says nothing beside the record is sure then; whether that is what
/// was written, [`verify`] says.
pub fn decode(environment: &EnvironmentName, seq: u64, body: &str) -> Result<Record, JournalError> {
    let damaged = |why: String| JournalError::Damaged { environment: environment.clone(), seq, why };
    let record =
        serde_json::from_str(body).map_err(|error| damaged(format!("it cannot be read: {error}")))?;
    if is_as_written(&record, body) {
        Ok(record)
    } else {
        Err(damaged("its text is not the one that was written".to_owned()))
    }
}

/// What [`decode`] reads, where the store keeps the record's `hash` beside it: that must be the record's own.
pub fn decode_beside(
    environment: &EnvironmentName,
    seq: u64,
    body: &str,
    hash: &str,
) -> Result<Record, JournalError> {
    let record = decode(environment, seq, body)?;
    beside(environment, seq, &record, hash)?;
    Ok(record)
}

/// The same for what [`tip`] reads.
pub fn tip_beside(
    environment: &EnvironmentName,
    seq: u64,
    body: &str,
    hash: &str,
) -> Result<Record, JournalError> {
    let record = tip(environment, seq, body)?;
    beside(environment, seq, &record, hash)?;
    Ok(record)
}

/// Of a record that somebody put where it does not belong, its place is named and not what it says of itself.
fn beside(environment: &EnvironmentName, seq: u64, record: &Record, hash: &str) -> Result<(), JournalError> {
    if record.hash.as_str() == hash {
        return Ok(());
    }
    let why = "the hash beside it is another one than its own".to_owned();
    Err(JournalError::Damaged { environment: environment.clone(), seq, why })
}

/// Reads a chain's last record, behind which something is about to be appended: it must be sound by itself, for what
/// follows carries its hash, and a record that was bent would be sealed in.
pub fn tip(environment: &EnvironmentName, seq: u64, body: &str) -> Result<Record, JournalError> {
    let record = decode(environment, seq, body)?;
    verify(environment, seq.saturating_sub(1), record.prev.clone(), std::slice::from_ref(&record))?;
    Ok(record)
}
