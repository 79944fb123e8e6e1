//! Records as rows.

use promotion::journal::{Record, decode, tip};
use promotion::model::EnvironmentName;
use promotion::ports::JournalError;
use tokio_postgres::Row;

/// A record of columns `seq, body, hash`. The hash stands beside the body for statements that compare it: it must be
/// the body's own.
pub(super) fn record(environment: &EnvironmentName, row: &Row) -> Result<Record, JournalError> {
    read(environment, row, decode)
}

/// The same for a chain's last record, which must be sound.
pub(super) fn last(environment: &EnvironmentName, row: &Row) -> Result<Record, JournalError> {
    read(environment, row, tip)
}

fn read(
    environment: &EnvironmentName,
    row: &Row,
    read: impl Fn(&EnvironmentName, u64, &str) -> Result<Record, JournalError>,
) -> Result<Record, JournalError> {
    let (seq, body, hash): (i64, &str, &str) = (row.get(0), row.get(1), row.get(2));
    let seq = seq.unsigned_abs();
    let record = read(environment, seq, body)?;
    if record.hash.as_str() == hash {
        return Ok(record);
    }
    let why = "the hash beside it is another one than its own".to_owned();
    Err(JournalError::Damaged { environment: environment.clone(), seq, why })
}
