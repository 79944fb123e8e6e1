//! What a slot holds: a line that says what it is, then one line for each record.

use promotion::journal::{Record, decode, tip, verify};
use promotion::model::{EnvironmentName, Hash, canonical};
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
    /// Over all of it and its place: the records cover themselves, and this covers what stands around them. Slots of
    /// earlier versions have none; behind one that has a sum every slot has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sum: Option<Hash>,
}

impl Head {
    fn summed(self, environment: &EnvironmentName, slot: u64, lines: &[impl AsRef<str>]) -> Self {
        let sum = self.sum_of(environment, slot, lines);
        Self { sum: Some(sum), ..self }
    }

    fn sum_of(&self, environment: &EnvironmentName, slot: u64, lines: &[impl AsRef<str>]) -> Hash {
        let lines: Vec<&str> = lines.iter().map(AsRef::as_ref).collect();
        let all = (environment, slot, self.v, &self.writer, self.granted, self.n, lines);
        canonical::hash("understudy slot v1", &all)
    }
}

/// A slot, read.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) head: Head,
    text: String,
}

/// Why a slot without a sum is not what was written, where an earlier one has a sum.
pub(super) const UNSUMMED: &str = "its object has no sum, and an earlier one has: somebody took it out, or a runner of an \
                                   earlier version wrote here";

/// An append's text.
pub(super) fn of_records(
    (environment, slot): (&EnvironmentName, u64),
    writer: &str,
    records: &[Record],
) -> Result<String, serde_json::Error> {
    let lines = records.iter().map(serde_json::to_string).collect::<Result<Vec<String>, _>>()?;
    let head = Head { v: FORM, writer: writer.to_owned(), granted: None, n: records.len() as u64, sum: None };
    let mut text = serde_json::to_string(&head.summed(environment, slot, &lines))?;
    for line in lines {
        text.push('\n');
        text.push_str(&line);
    }
    Ok(text)
}

/// A grant's text.
pub(super) fn of_grant(
    (environment, slot): (&EnvironmentName, u64),
    writer: &str,
    epoch: u64,
) -> Result<String, serde_json::Error> {
    let head = Head { v: FORM, writer: writer.to_owned(), granted: Some(epoch), n: 0, sum: None };
    serde_json::to_string(&head.summed(environment, slot, &[""; 0]))
}

impl Slot {
    /// Reads slot `slot`, whose first record, if it has one, is `seq`, and all of which must be what was written.
    pub(super) fn read(
        environment: &EnvironmentName,
        (slot, seq): (u64, u64),
        text: String,
    ) -> Result<Self, JournalError> {
        let read = Self::parse(environment, seq, text)?;
        if read.is_sum_right(environment, slot) { Ok(read) } else { Err(read.bent(environment, seq)) }
    }

    /// Reads it for its records. One that was bent is left to whoever reads that one, so that those behind it can be read;
    /// what stands around them must be what was written.
    pub(super) fn read_around(
        environment: &EnvironmentName,
        (slot, seq): (u64, u64),
        text: String,
    ) -> Result<Self, JournalError> {
        let read = Self::parse(environment, seq, text)?;
        let is_sound = read.is_sum_right(environment, slot)
            || (read.head.granted.is_none() && read.head.n > 0 && !read.are_records_sound(environment, seq));
        if is_sound { Ok(read) } else { Err(read.bent(environment, seq)) }
    }

    fn is_sum_right(&self, environment: &EnvironmentName, slot: u64) -> bool {
        let lines: Vec<&str> = self.lines().collect();
        self.head.sum.as_ref().is_none_or(|sum| *sum == self.head.sum_of(environment, slot, &lines))
    }

    fn are_records_sound(&self, environment: &EnvironmentName, seq: u64) -> bool {
        let records = self.records(environment, seq, 0).unwrap_or_default();
        let before = records.first().map(|record| record.prev.clone());
        let sound = before.map(|before| verify(environment, seq.saturating_sub(1), before, &records));
        matches!(sound, Some(Ok(_)))
    }

    fn bent(&self, environment: &EnvironmentName, seq: u64) -> JournalError {
        let why = "its object is not what was written".to_owned();
        JournalError::Damaged { environment: environment.clone(), seq, why }
    }

    fn parse(environment: &EnvironmentName, seq: u64, text: String) -> Result<Self, JournalError> {
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

    /// Whether its first line is spelled as it was written, with nothing in it that nobody reads.
    pub(super) fn is_as_written(&self) -> bool {
        let line = self.text.split('\n').next().unwrap_or_default();
        serde_json::to_string(&self.head).is_ok_and(|text| text == line)
    }

    /// Whether it has a sum.
    pub(super) fn is_summed(&self) -> bool {
        self.head.sum.is_some()
    }

    /// Its records as they stand there.
    pub(super) fn lines(&self) -> impl Iterator<Item = &str> {
        self.text.split('\n').skip(1)
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
