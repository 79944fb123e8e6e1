//! What a slot holds: a line that says what it is, then one line for each record.

use promotion::journal::{Record, decode, tip};
use promotion::model::EnvironmentName;
use promotion::ports::JournalError;
use serde::{Deserialize, Serialize};

/// The form of slots. A later one is refused, not guessed.
const FORM: u32 = 1;

/// The first line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Head {
    v: u32,
    /// Whose this is: tells an append whose answer was lost from somebody else's.
    pub(super) writer: String,
    /// The epoch that is granted by this slot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) granted: Option<u64>,
    /// How many records follow.
    n: u64,
}

/// A slot, read.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) head: Head,
    text: String,
}

/// An append's text.
pub(super) fn of_records(writer: &str, records: &[Record]) -> Result<String, serde_json::Error> {
    let head = Head { v: FORM, writer: writer.to_owned(), granted: None, n: records.len() as u64 };
    let mut text = serde_json::to_string(&head)?;
    for record in records {
        text.push('\n');
        text.push_str(&serde_json::to_string(record)?);
    }
    Ok(text)
}

/// A grant's text.
pub(super) fn of_grant(writer: &str, epoch: u64) -> Result<String, serde_json::Error> {
    serde_json::to_string(&Head { v: FORM, writer: writer.to_owned(), granted: Some(epoch), n: 0 })
}

impl Slot {
    /// Reads the slot whose first record, if it has one, is `seq`.
    pub(super) fn read(environment: &EnvironmentName, seq: u64, text: String) -> Result<Self, JournalError> {
        let damaged = |why: String| JournalError::Damaged { environment: environment.clone(), seq, why };
        let line = text.split('\n').next().unwrap_or_default();
        let head: Head = serde_json::from_str(line)
            .map_err(|error| damaged(format!("its object cannot be read: {error}")))?;
        if head.v != FORM {
            return Err(damaged(format!("its object has form {}, and this version knows {FORM}", head.v)));
        }
        let n_lines = text.split('\n').count() as u64 - 1;
        if n_lines != head.n {
            return Err(damaged(format!("its object has {n_lines} records and says {}", head.n)));
        }
        Ok(Self { head, text })
    }

    /// How many records it has.
    pub(super) fn n_records(&self) -> u64 {
        self.head.n
    }

    /// Its records after `after`, the first being `seq`.
    pub(super) fn records(
        &self,
        environment: &EnvironmentName,
        seq: u64,
        after: u64,
    ) -> Result<Vec<Record>, JournalError> {
        let lines = (seq..).zip(self.text.split('\n').skip(1));
        lines.filter(|(seq, _)| *seq > after).map(|(seq, line)| decode(environment, seq, line)).collect()
    }

    /// Its last record, which must be sound.
    pub(super) fn last(&self, environment: &EnvironmentName, seq: u64) -> Result<Record, JournalError> {
        let line = self.text.rsplit('\n').next().unwrap_or_default();
        tip(environment, seq + self.head.n.saturating_sub(1), line)
    }
}
