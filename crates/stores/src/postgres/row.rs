//! Rows, read without trust: somebody may have changed a table, and a column of another type is an error.

use promotion::journal::{Record, decode_beside, tip_beside};
use promotion::model::EnvironmentName;
use promotion::ports::JournalError;
use tokio_postgres::Row;
use tokio_postgres::types::FromSql;

use super::error::told;
use super::{Address, OpenError};

/// Where rows come from, for whoever has to say what is wrong with them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Origin<'a> {
    pub(super) place: &'a Address,
    pub(super) step: &'static str,
}

impl Origin<'_> {
    /// Column `n`, as the journal's callers have it.
    pub(super) fn column<'r, T: FromSql<'r>>(self, row: &'r Row, n: usize) -> Result<T, JournalError> {
        row.try_get(n).map_err(|error| {
            let message = format!("{}: a table is not as it was made: {}", self.place, told(&error));
            JournalError::Store { step: self.step, message }
        })
    }

    /// The same, as whoever opens the store has it.
    pub(super) fn opened<'r, T: FromSql<'r>>(self, row: &'r Row, n: usize) -> Result<T, OpenError> {
        row.try_get(n).map_err(|error| {
            let why = format!("while {}: {}", self.step, told(&error));
            OpenError::Foreign { place: self.place.to_string(), why }
        })
    }
}

/// A record of columns `seq, body, hash`. The hash stands beside the body for statements that compare it: it must be
/// the body's own.
pub(super) fn record(
    environment: &EnvironmentName,
    row: &Row,
    origin: Origin<'_>,
) -> Result<Record, JournalError> {
    read(environment, row, origin, decode_beside)
}

/// The same for a chain's last record, which must be sound.
pub(super) fn last(
    environment: &EnvironmentName,
    row: &Row,
    origin: Origin<'_>,
) -> Result<Record, JournalError> {
    read(environment, row, origin, tip_beside)
}

fn read(
    environment: &EnvironmentName,
    row: &Row,
    origin: Origin<'_>,
    read: impl Fn(&EnvironmentName, u64, &str, &str) -> Result<Record, JournalError>,
) -> Result<Record, JournalError> {
    let seq: i64 = origin.column(row, 0)?;
    let (body, hash): (&str, &str) = (origin.column(row, 1)?, origin.column(row, 2)?);
    read(environment, seq.unsigned_abs(), body, hash)
}
