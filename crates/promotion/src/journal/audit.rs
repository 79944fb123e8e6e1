//! The audit: every record that is not what was written, by its number (P8).
//!
//! It takes a store as it is, so that a record which nothing else would read is named and not an error. A tail that was
//! cut, and a chain that was written anew from some record on, fit in themselves: those show only against an anchor.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::record::Record;
use super::spelled::is_as_written;
use super::verbatim::{Holding, Row};
use super::view::EnvironmentView;
use crate::model::{AnchorPoint, At, EnvironmentName, Hash};
use crate::ports::JournalError;

/// What is wrong with a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fault {
    /// Its text, or what stands beside it, is not what was written.
    Changed,
    /// It is sound, and what comes after it was written behind another one.
    Replaced,
    /// There is none.
    Missing,
    /// It stands in the place of one that stands in its place.
    Swapped,
    /// It stands in another place than the one that it was written for.
    Moved,
    /// It stands there twice.
    Repeated,
    /// It belongs to another chain.
    Foreign,
    /// The chain fits, and what it tells cannot have happened.
    Forbidden,
    /// The chain ends before it.
    Cut,
    /// The chain fits, and it is another one than the one that was anchored.
    Rewritten,
    /// An anchor that is none.
    Anchor,
}

impl Fault {
    /// The word for people, as programs have it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Changed => "changed",
            Self::Replaced => "replaced",
            Self::Missing => "missing",
            Self::Swapped => "swapped",
            Self::Moved => "moved",
            Self::Repeated => "repeated",
            Self::Foreign => "foreign",
            Self::Forbidden => "forbidden",
            Self::Cut => "cut",
            Self::Rewritten => "rewritten",
            Self::Anchor => "anchor",
        }
    }
}

/// A record, or a row of records, that is not what was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// In which chain.
    pub environment: String,
    /// Which record, or the first of them.
    pub seq: i64,
    /// The last of them; the same where it is one.
    pub to: i64,
    /// What is wrong.
    pub fault: Fault,
    /// What should be there.
    pub expected: String,
    /// What is there.
    pub found: String,
}

impl Finding {
    /// About one record.
    pub fn new(
        environment: &str,
        seq: i64,
        fault: Fault,
        expected: impl Into<String>,
        found: impl Into<String>,
    ) -> Self {
        let (expected, found) = (expected.into(), found.into());
        Self { environment: environment.to_owned(), seq, to: seq, fault, expected, found }
    }

    /// About all records from `seq` to `to`.
    #[must_use]
    pub fn until(self, to: i64) -> Self {
        Self { to, ..self }
    }

    /// Whether it names record `seq` of `environment`: as the one at fault, or as what stands in another's place.
    pub fn names(&self, environment: &str, seq: i64) -> bool {
        let is_it = self.environment == environment && (self.seq..=self.to).contains(&seq);
        is_it || self.found == written_as(environment, seq)
    }
}

fn written_as(environment: &str, seq: i64) -> String {
    format!("record {seq} of {environment}")
}

/// What an audit found in one chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Audited {
    /// The environment, as the store has it.
    pub environment: String,
    /// How many records stand there.
    pub records: u64,
    /// The last record that is sound: its number, hash and instant.
    pub head: Option<(u64, Hash, At)>,
    /// When the first sound one was written.
    pub since: Option<At>,
    /// What is not as it was written, in the order of records.
    pub findings: Vec<Finding>,
    hashes: BTreeMap<u64, Hash>,
    last: i64,
}

impl Audited {
    /// A chain without a record.
    pub fn empty(environment: &str) -> Self {
        Self {
            environment: environment.to_owned(),
            records: 0,
            head: None,
            since: None,
            findings: Vec::new(),
            hashes: BTreeMap::new(),
            last: 0,
        }
    }

    /// Holds the chain against a point where it stood: a tail that was cut and a chain that was rewritten become
    /// findings. One of another chain or store says nothing. Whether the point is believed is the caller's business.
    pub fn compare(&mut self, point: &AnchorPoint) {
        if point.environment.as_str() != self.environment {
            return;
        }
        let seq = point.seq.cast_signed();
        let anchored = format!("record {seq} with hash {}, anchored at {}", point.hash, point.at);
        if self.last < seq {
            let ends = format!("the chain ends at record {}", self.last);
            let cut = Finding::new(&self.environment, self.last + 1, Fault::Cut, anchored, ends);
            self.findings.push(cut.until(seq));
        } else if let Some(hash) = self.hash_at(point.seq).filter(|hash| **hash != point.hash) {
            let found = format!("hash {hash}");
            self.findings.push(Finding::new(&self.environment, seq, Fault::Rewritten, anchored, found));
        }
    }

    /// The number of the last record that stands there, sound or not.
    pub const fn last(&self) -> i64 {
        self.last
    }

    /// The hash of record `seq`, where it is sound and in its place.
    pub fn hash_at(&self, seq: u64) -> Option<&Hash> {
        self.hashes.get(&seq)
    }
}

/// Looks at everything that a store holds, chain by chain. Every row is judged by itself, by its place, by its neighbours
/// and, as far as nothing is wrong before it, by the rules.
pub fn audit(holding: &Holding) -> Vec<Audited> {
    let mut chains: BTreeMap<&str, Vec<&Row>> = BTreeMap::new();
    for row in &holding.rows {
        chains.entry(&row.environment).or_default().push(row);
    }
    for fault in &holding.faults {
        chains.entry(&fault.environment).or_default();
    }
    let judge = |(environment, mut rows): (&str, Vec<&Row>)| {
        rows.sort_by_key(|row| row.seq);
        let mut audited = chain(environment, &rows);
        let faults = holding.faults.iter().filter(|fault| fault.environment == environment);
        audited.findings.extend(faults.cloned());
        audited.findings.sort_by_key(|finding| (finding.seq, finding.fault));
        audited
    };
    chains.into_iter().map(judge).collect()
}

/// A row that is what was written, wherever it stands.
fn sound(row: &Row) -> Result<Record, (String, String)> {
    let read = std::str::from_utf8(&row.body).map_err(|error| error.to_string());
    let read = read.and_then(|body| {
        let record = serde_json::from_str::<Record>(body).map_err(|error| error.to_string())?;
        Ok((record, body))
    });
    let (record, body) = read.map_err(|why| ("a record".to_owned(), format!("it cannot be read: {why}")))?;
    if cfg!(feature = "sabotage-p8") {
        return Ok(record);
    }
    let hash = record.content_hash();
    if hash != record.hash {
        return Err((format!("content with hash {}", record.hash), format!("content with hash {hash}")));
    }
    if !is_as_written(&record, body) {
        let expected = "its text as it was written".to_owned();
        return Err((
            expected,
            "the same content in another spelling, or with fields that nobody wrote".to_owned(),
        ));
    }
    match &row.hash {
        Some(beside) if beside != hash.as_str().as_bytes() => {
            let beside = String::from_utf8_lossy(beside);
            Err((format!("hash {hash} beside it"), format!("hash {beside}")))
        }
        _ => Ok(record),
    }
}

fn chain(environment: &str, rows: &[&Row]) -> Audited {
    let mut audited = Audited { records: rows.len() as u64, ..Audited::empty(environment) };
    let mut findings = Vec::new();
    let mut read = Vec::new();
    for row in rows {
        match sound(row) {
            Ok(record) => read.push((row.seq, record)),
            Err((expected, found)) => {
                findings.push(Finding::new(environment, row.seq, Fault::Changed, expected, found));
            }
        }
    }
    let placed = places(environment, read, &mut findings);
    gaps(environment, rows, &mut findings);
    links(environment, &placed, &mut findings);
    replay(environment, &placed, &mut findings);
    audited.head = placed.last_key_value().map(|(seq, it)| (*seq, it.hash.clone(), it.at));
    audited.last = rows.iter().map(|row| row.seq).max().unwrap_or_default().max(0);
    audited.since = placed.first_key_value().map(|(_, record)| record.at);
    audited.hashes = placed.into_iter().map(|(seq, record)| (seq, record.hash)).collect();
    audited.findings = findings;
    audited
}

/// The records that stand where they were written for.
fn places(environment: &str, read: Vec<(i64, Record)>, findings: &mut Vec<Finding>) -> BTreeMap<u64, Record> {
    // Where each stands that does not stand in its place.
    let stray: BTreeSet<(i64, u64)> = read.iter().map(|(at, record)| (*at, record.seq)).collect();
    let mut placed: BTreeMap<u64, Record> = BTreeMap::new();
    for (at, record) in read {
        let own = record.seq.cast_signed();
        let found = written_as(record.environment.as_str(), own);
        let expected = written_as(environment, at);
        let fault = if record.environment.as_str() != environment {
            Fault::Foreign
        } else if own == at {
            match placed.entry(record.seq) {
                std::collections::btree_map::Entry::Vacant(place) => {
                    place.insert(record);
                    continue;
                }
                std::collections::btree_map::Entry::Occupied(_) => Fault::Repeated,
            }
        } else if stray.contains(&(own, at.cast_unsigned())) {
            Fault::Swapped
        } else if stray.contains(&(own, record.seq)) {
            Fault::Repeated
        } else {
            Fault::Moved
        };
        findings.push(Finding::new(environment, at, fault, expected, found));
    }
    placed
}

/// Records that are not there at all, while later ones are.
fn gaps(environment: &str, rows: &[&Row], findings: &mut Vec<Finding>) {
    let mut next: i64 = 1;
    for row in rows {
        if row.seq < 1 {
            continue;
        }
        if row.seq > next {
            let missing = Finding::new(environment, next, Fault::Missing, "a record", "nothing");
            findings.push(missing.until(row.seq - 1));
        }
        next = next.max(row.seq.saturating_add(1));
    }
}

/// Records that are sound and were not written behind one another.
fn links(environment: &str, placed: &BTreeMap<u64, Record>, findings: &mut Vec<Finding>) {
    let root = placed.get(&1).map(|first| Record::root(&first.environment));
    let before = |seq: u64| match seq {
        1 => root.as_ref(),
        _ => placed.get(&(seq - 1)).map(|record| &record.hash),
    };
    let broken: BTreeMap<u64, (&Hash, &Hash)> = placed
        .iter()
        .filter_map(|(seq, record)| {
            let there = before(*seq)?;
            (record.prev != *there && !cfg!(feature = "sabotage-p8")).then_some((*seq, (&record.prev, there)))
        })
        .collect();
    let mut named = BTreeSet::new();
    for (seq, (prev, there)) in &broken {
        // In a row of broken links everything between them is odd; a single one says it of the record before.
        let (at, expected, found) = if *seq == 1 || broken.contains_key(&(seq + 1)) {
            (*seq, format!("a record behind {there}"), format!("one that was written behind {prev}"))
        } else {
            let expected = format!("hash {prev}, behind which record {seq} was written");
            (seq - 1, expected, format!("hash {there}"))
        };
        if named.insert(at) {
            findings.push(Finding::new(environment, at.cast_signed(), Fault::Replaced, expected, found));
        }
    }
}

/// Whether what is told can have happened, up to the first record that is not what was written.
fn replay(environment: &str, placed: &BTreeMap<u64, Record>, findings: &mut Vec<Finding>) {
    let Ok(name) = EnvironmentName::new(environment) else {
        if findings.is_empty() {
            let (expected, found) = ("the name of an environment", format!("`{environment}`"));
            findings.push(Finding::new(environment, 1, Fault::Foreign, expected, found));
        }
        return;
    };
    let first = findings.iter().map(|finding| finding.seq).min().unwrap_or(i64::MAX).max(1).cast_unsigned();
    let mut view = EnvironmentView::new(name);
    for (_, record) in placed.range(..first) {
        if let Err(JournalError::Damaged { seq, why, .. }) = view.extend(std::slice::from_ref(record)) {
            let (at, expected) = (seq.cast_signed(), "what the rules say of the records before it");
            findings.push(Finding::new(environment, at, Fault::Forbidden, expected, why));
            return;
        }
    }
}
