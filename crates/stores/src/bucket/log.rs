//! What is known of an environment's slots. It may be behind, never wrong: slots do not change.

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use object_store::path::Path;
use promotion::journal::Record;
use promotion::model::{EnvironmentName, Hash};
use promotion::ports::JournalError;

use super::error::store;
use super::place::{Place, Put};
use super::slot::{Slot, UNSUMMED};

/// Slots that are read at once: a chain is read in round trips of so many.
const AT_ONCE: usize = 16;

/// An environment's slots as far as they are known.
#[derive(Debug)]
pub(super) struct Log {
    environment: EnvironmentName,
    /// For each slot, the last record up to and with it.
    ends: Vec<u64>,
    /// The first slot that has a sum: from there on all have.
    summed_from: Option<u64>,
    /// The latest grant.
    pub(super) epoch: u64,
    /// The last record's hash, where it is known to be sound.
    hash: Option<Hash>,
    /// The lease as we saw it last: its epoch, and its end by the storage's time.
    pub(super) lease: (u64, i64),
}

impl Log {
    pub(super) fn new(environment: EnvironmentName) -> Self {
        Self { environment, ends: Vec::new(), summed_from: None, epoch: 0, hash: None, lease: (0, 0) }
    }

    /// The last record.
    pub(super) fn head(&self) -> u64 {
        self.ends.last().copied().unwrap_or(0)
    }

    /// The slot to be written next.
    pub(super) fn next(&self) -> u64 {
        self.ends.len() as u64 + 1
    }

    /// Learns what others wrote.
    pub(super) async fn catch_up(&mut self, place: &Place) -> Result<(), JournalError> {
        let step = "listing slots";
        let journal = place.journal(&self.environment);
        let known = self.next() - 1;
        let offset = place.slot(&self.environment, known);
        let found: Vec<_> = place
            .objects
            .list_with_offset(Some(&journal), &offset)
            .try_collect()
            .await
            .map_err(|error| store(step, &error))?;
        let mut names: Vec<Path> = found.into_iter().map(|meta| meta.location).collect();
        names.sort();
        let n_whole = (known + 1..)
            .zip(&names)
            .take_while(|(slot, name)| **name == place.slot(&self.environment, *slot))
            .count();
        let beyond = names.split_off(n_whole).into_iter().next();
        let texts = stream::iter(names)
            .map(|name| async move { place.get(&name).await })
            .buffered(AT_ONCE)
            .collect::<Vec<_>>()
            .await;
        for text in texts {
            // Listed and not there: it was taken away in between.
            let Some((text, _)) = text.map_err(|error| store("reading slots", &error))? else {
                return Err(self.damaged(self.head() + 1, "its object is gone".to_owned()));
            };
            let slot = self.sound((self.next(), self.head() + 1), text)?;
            self.learn(&slot);
        }
        match beyond {
            None => Ok(()),
            Some(name) => {
                let why = format!("object {} is missing, the next one is {name}", self.next());
                Err(self.damaged(self.head() + 1, why))
            }
        }
    }

    /// Reads slot `slot`, whose first record is `seq`.
    fn sound(&self, (slot, seq): (u64, u64), text: String) -> Result<Slot, JournalError> {
        let read = Slot::read_around(&self.environment, (slot, seq), text)?;
        if self.summed_from.is_some_and(|from| from < slot) && !read.is_summed() {
            return Err(self.damaged(seq, UNSUMMED.to_owned()));
        }
        Ok(read)
    }

    fn learn(&mut self, slot: &Slot) {
        if slot.is_summed() {
            self.summed_from = self.summed_from.or(Some(self.next()));
        }
        self.ends.push(self.head() + slot.n_records());
        self.epoch = slot.head.granted.unwrap_or(self.epoch);
        if slot.n_records() > 0 {
            self.hash = None;
        }
    }

    /// All records after `after` that are known of, read anew.
    pub(super) async fn read(&self, place: &Place, after: u64) -> Result<Vec<Record>, JournalError> {
        let wanted: Vec<(u64, u64)> = (1..)
            .zip(&self.ends)
            .zip(std::iter::once(&0).chain(&self.ends))
            .filter(|((_, end), start)| *end > start && **end > after)
            .map(|((slot, _), start)| (slot, start + 1))
            .collect();
        let parts: Vec<Result<Vec<Record>, JournalError>> = stream::iter(wanted)
            .map(|(slot, seq)| async move {
                self.slot(place, slot, seq).await?.records(&self.environment, seq, after)
            })
            .buffered(AT_ONCE)
            .collect()
            .await;
        let mut records = Vec::new();
        for part in parts {
            records.extend(part?);
        }
        Ok(records)
    }

    async fn slot(&self, place: &Place, slot: u64, seq: u64) -> Result<Slot, JournalError> {
        let path = place.slot(&self.environment, slot);
        match place.get(&path).await.map_err(|error| store("reading records", &error))? {
            Some((text, _)) => self.sound((slot, seq), text),
            None => Err(self.damaged(seq, format!("its object {path} is gone"))),
        }
    }

    /// The hash behind which the next record goes; the last record must be sound.
    pub(super) async fn hash(&mut self, place: &Place) -> Result<Hash, JournalError> {
        if let Some(hash) = &self.hash {
            return Ok(hash.clone());
        }
        let head = self.head();
        let slot = self.ends.iter().position(|end| *end == head).filter(|_| head > 0);
        let hash = match slot {
            None => Record::root(&self.environment),
            Some(slot) => {
                let seq =
                    slot.checked_sub(1).and_then(|before| self.ends.get(before)).map_or(1, |end| end + 1);
                self.slot(place, slot as u64 + 1, seq).await?.last(&self.environment, seq)?.hash
            }
        };
        self.hash = Some(hash.clone());
        Ok(hash)
    }

    /// Writes the next slot, if nobody else did: `true` when it is ours. Then what was written is known, too; else the
    /// log has to catch up.
    pub(super) async fn write(
        &mut self,
        place: &Place,
        writer: &str,
        text: String,
        last: Option<&Record>,
    ) -> Result<bool, JournalError> {
        let (slot, seq) = (self.next(), self.head() + 1);
        let path = place.slot(&self.environment, slot);
        let put = place.create(&path, text.clone()).await;
        let is_ours = match &put {
            Put::Done => true,
            // The answer to our own may have got lost, here or below us.
            Put::Taken | Put::Unknown(_) => {
                match place.get(&path).await.map_err(|error| store("appending", &error))? {
                    Some((text, _)) => self.sound((slot, seq), text)?.head.writer == writer,
                    None => false,
                }
            }
        };
        match put {
            Put::Unknown(error) if !is_ours => return Err(store("appending", &error)),
            _ if !is_ours => return Ok(false),
            _ => {}
        }
        self.learn(&Slot::read(&self.environment, (slot, seq), text)?);
        if let Some(last) = last {
            self.hash = Some(last.hash.clone());
        }
        Ok(true)
    }

    fn damaged(&self, seq: u64, why: String) -> JournalError {
        JournalError::Damaged { environment: self.environment.clone(), seq, why }
    }
}
