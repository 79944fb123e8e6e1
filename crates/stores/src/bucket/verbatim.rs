//! Everything that lies in the bucket, for an audit: an object that cannot be read is named and not an error.

use std::collections::BTreeMap;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use object_store::path::Path;
use percent_encoding::percent_decode_str;
use promotion::journal::{Fault, Finding, Holding, Record, Row};
use promotion::model::EnvironmentName;
use promotion::ports::JournalError;

use super::error::store;
use super::place::Place;
use super::slot::{Slot, UNSUMMED};

/// Objects that are read at once.
const AT_ONCE: usize = 16;

/// Reads every slot of every environment.
pub(super) async fn read(place: &Place) -> Result<Holding, JournalError> {
    let journals = place.journals();
    let listed: Vec<Path> = place
        .objects
        .list(Some(&journals))
        .map_ok(|meta| meta.location)
        .try_collect()
        .await
        .map_err(|error| store("listing everything", &error))?;
    let mut chains: BTreeMap<String, BTreeMap<u64, Path>> = BTreeMap::new();
    let mut holding = Holding::default();
    for path in listed {
        let mut parts = path.prefix_match(&journals).into_iter().flatten();
        let (name, slot, rest) = (parts.next(), parts.next(), parts.next());
        let name = name.map(|name| name.as_ref().to_owned()).unwrap_or_default();
        let name = percent_decode_str(&name).decode_utf8_lossy().into_owned();
        let number = slot.filter(|slot| slot.as_ref().len() == 20 && rest.is_none());
        match number.and_then(|slot| slot.as_ref().parse().ok()) {
            Some(slot) => drop(chains.entry(name).or_default().insert(slot, path.clone())),
            None => {
                let found = format!("object {path}");
                holding.faults.push(Finding::new(&name, 0, Fault::Foreign, "objects that are slots", found));
            }
        }
    }
    for (name, slots) in chains {
        let texts: Vec<_> = stream::iter(slots)
            .map(|(slot, path)| async move { (slot, place.get(&path).await) })
            .buffered(AT_ONCE)
            .collect()
            .await;
        let mut chain = Chain {
            name,
            next: (1, 1),
            is_astray: false,
            is_summed: false,
            granted: 0,
            holding: &mut holding,
        };
        for (slot, text) in texts {
            let text = text.map_err(|error| store("reading everything", &error))?;
            chain.take(slot, text.map(|(text, _)| text));
        }
    }
    Ok(holding)
}

/// A chain, slot by slot.
struct Chain<'a> {
    name: String,
    /// The slot, and the record, that come next.
    next: (u64, i64),
    /// How many records there are up to here only those behind can tell.
    is_astray: bool,
    /// A slot up to here has a sum, so that every later one has.
    is_summed: bool,
    /// The latest grant.
    granted: u64,
    holding: &'a mut Holding,
}

impl Chain<'_> {
    fn fault(&mut self, fault: Fault, expected: impl Into<String>, found: impl Into<String>) {
        self.holding.faults.push(Finding::new(&self.name, self.next.1, fault, expected, found));
    }

    fn take(&mut self, slot: u64, text: Option<String>) {
        let text = text.unwrap_or_default();
        let first = text.split('\n').nth(1).and_then(|line| serde_json::from_str::<Record>(line).ok());
        let first = first.filter(|record| record.content_hash() == record.hash);
        if slot != self.next.0 {
            self.fault(
                Fault::Missing,
                format!("object {}", self.next.0),
                format!("object {slot} is the next"),
            );
            self.is_astray = true;
        }
        if let Some(first) = first.filter(|_| self.is_astray) {
            self.next.1 = first.seq.cast_signed();
            self.is_astray = false;
        }
        let read =
            EnvironmentName::new(self.name.as_str()).map_err(|error| error.to_string()).and_then(|name| {
                let place = (slot, self.next.1.cast_unsigned());
                Slot::read(&name, place, text.clone()).map_err(|error| match error {
                    JournalError::Damaged { why, .. } => why,
                    error => error.to_string(),
                })
            });
        let expected = format!("object {slot} as it was written");
        match &read {
            Err(why) => {
                self.fault(Fault::Changed, expected, why.as_str());
                self.is_astray = true;
            }
            Ok(it) if !it.is_as_written() => {
                self.fault(
                    Fault::Changed,
                    expected,
                    "its first line has another spelling, or fields that nobody wrote",
                );
            }
            Ok(it) if self.is_summed && !it.is_summed() => {
                self.fault(Fault::Changed, expected, UNSUMMED);
            }
            Ok(it) => {
                self.is_summed = it.is_summed();
                if let Some(epoch) = it.head.granted {
                    if epoch <= self.granted {
                        let expected = format!("a grant above {}", self.granted);
                        self.fault(Fault::Forbidden, expected, format!("object {slot} grants {epoch}"));
                    }
                    self.granted = epoch;
                }
            }
        }
        // What can be read of one that is spoilt is looked at all the same.
        let rows: Vec<Vec<u8>> = match &read {
            Ok(it) => it.lines().map(|line| line.as_bytes().to_vec()).collect(),
            Err(_) => text.split('\n').skip(1).map(|line| line.as_bytes().to_vec()).collect(),
        };
        for body in rows {
            let (environment, seq) = (self.name.clone(), self.next.1);
            self.holding.rows.push(Row { environment, seq, body, hash: None });
            self.next.1 += 1;
        }
        self.next.0 = slot + 1;
    }
}
